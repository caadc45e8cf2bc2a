//! Second payments under the number of a sale.

use super::needs_review::{compare, copy_of, left, retry};
use super::world::{Fate, MINUTE, SECOND, World};
use crate::core::call::{Call, PaymentStatus};
use crate::core::event::Event;
use crate::core::record::Record;
use crate::model::operation::{Outcome, State};
use crate::report::{Comparison, What};
use crate::texts::cashier;

#[test]
fn a_second_payment_that_a_reconciliation_shows_is_brought_back_when_a_person_says_so() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let row = world.service.ledger[&second].info.clone();
    let compared = compare(&world, &row, "s");
    assert_eq!(compared.differences[0].operation.as_deref(), Some("s"));
    assert_eq!(compared.seconds, [("s".to_owned(), second)]);
    for _ in 0..2 {
        recheck_second(&mut world, second);
        world.advance(MINUTE);
    }
    // One report is the only witness: nothing moves by itself, nothing is blocked, and people are told.
    let entry = world.entry("~1");
    assert!(entry.set_aside, "{entry:?}");
    assert_eq!(entry.operation.message, cashier::SECOND_PAYMENT);
    assert_eq!(world.core.status(world.now).queue_depth, 0);
    assert_eq!((world.service.reversed(second), world.alarms.len()), (0, 1));
    let compared = compare(&world, &row, "s");
    assert_eq!(
        (compared.count(), compared.seconds),
        (1, vec![]),
        "until it is back"
    );
    retry(&mut world, "~1");
    assert_eq!(world.service.reversed(second), 1999);
    assert_eq!((world.state("s"), left(&world)), (State::Done, (1999, 0)));
    // Its row is known from now on, and people see what the undoing belongs to.
    let compared = compare(&world, &row, "s");
    assert_eq!((compared.count(), compared.till), (0, compared.service));
    assert_eq!(compared.seconds, []);
    assert_eq!(world.entry("~1").queue_item().of, "s");
}

#[test]
fn a_payment_of_another_sum_under_the_number_is_left_alone() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let mut row = world.service.ledger[&second].info.clone();
    row.sum.0 += 1;
    let compared = compare(&world, &row, "s");
    assert_eq!((compared.count(), compared.seconds), (1, vec![]));
    row.sum.0 -= 1;
    row.status = PaymentStatus::Decline;
    assert_eq!(compare(&world, &row, "s").count(), 0);
}

/// The report shows a second payment under the number of `s`, and the core gets it.
fn recheck_second(world: &mut World, second: i64) {
    let Record::Sale(sale) = world.journal["s"].clone() else {
        panic!("a sale")
    };
    let second = Some(second);
    world.event(Event::RecheckSale { sale, second });
}

#[test]
fn a_report_without_the_sale_itself_proves_no_second_payment() {
    for own in [
        Some(PaymentStatus::TechnicalCancelling),
        Some(PaymentStatus::Decline),
        None,
    ] {
        let mut world = World::sold();
        let second = copy_of(&mut world, 1000);
        let row = world.service.ledger[&second].info.clone();
        match own {
            Some(status) => world.service.ledger.get_mut(&1000).unwrap().info.status = status,
            None => drop(world.service.ledger.remove(&1000)),
        }
        let compared = compare(&world, &row, "s");
        assert_eq!(compared.seconds, [], "{own:?}");
        let is_difference = compared
            .differences
            .iter()
            .any(|one| one.what == What::UnknownHere);
        assert!(is_difference, "{compared:?}");
    }
}

#[test]
fn a_second_payment_that_is_pending_is_shown_too() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let row = &mut world.service.ledger.get_mut(&second).unwrap().info;
    row.status = PaymentStatus::InProgress;
    let row = row.clone();
    let compared = compare(&world, &row, "s");
    assert_eq!(
        (compared.count(), compared.seconds),
        (0, vec![("s".to_owned(), second)])
    );
    recheck_second(&mut world, second);
    retry(&mut world, "~1");
    let status = world.service.ledger[&second].info.status;
    assert!(
        status.took_nothing() || world.service.reversed(second) == 1999,
        "{status:?} {:?}",
        world.entry("~1")
    );
    assert_eq!(left(&world), (1999, 0));
}

#[test]
fn a_payment_that_is_not_ours_after_all_is_left_alone() {
    for odd in 0..2 {
        let mut world = World::sold();
        let second = copy_of(&mut world, 1000);
        let row = &mut world.service.ledger.get_mut(&second).unwrap().info;
        if odd == 0 {
            row.order_number = "of another till".into();
        } else {
            row.sum.0 -= 1;
        }
        recheck_second(&mut world, second);
        retry(&mut world, "~1");
        world.advance(2 * 60 * MINUTE);
        assert_eq!(world.service.reversed(second), 0);
        assert!(world.entry("~1").set_aside);
    }
}

#[test]
fn a_second_payment_that_is_not_there_closes_no_till() {
    let mut world = World::sold();
    recheck_second(&mut world, 1001);
    retry(&mut world, "~1");
    assert_eq!(
        world.core.status(world.now).queue_depth,
        0,
        "{:?}",
        world.entry("~1")
    );
    assert_eq!(world.state("~1"), State::Done);
    // Nor is the sale's own payment ever taken for it.
    world.advance(26 * 60 * MINUTE);
    assert_eq!(world.service.reversed(1000), 0);
    assert_eq!(left(&world), (1999, 0));
    // Should it come again, it is brought back.
    let second = copy_of(&mut world, 1000);
    assert_eq!(second, 1001);
    let row = world.service.ledger[&second].info.clone();
    assert_eq!(
        compare(&world, &row, "s").seconds,
        [("s".to_owned(), second)]
    );
    recheck_second(&mut world, second);
    retry(&mut world, "~2");
    assert_eq!(world.service.reversed(second), 1999);
}

#[test]
fn a_second_payment_that_took_nothing_never_leads_to_the_sale() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let row = &mut world.service.ledger.get_mut(&second).unwrap().info;
    row.status = PaymentStatus::Decline;
    recheck_second(&mut world, second);
    retry(&mut world, "~1");
    world.advance(26 * 60 * MINUTE);
    assert_eq!(world.service.reversed(1000), 0);
    assert_eq!((world.state("s"), left(&world)), (State::Done, (1999, 0)));
}

#[test]
fn what_watches_beside_a_sale_never_takes_the_sales_own_payment() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let row = &mut world.service.ledger.get_mut(&second).unwrap().info;
    row.status = PaymentStatus::Decline;
    recheck_second(&mut world, second);
    retry(&mut world, "~1");
    assert_eq!(world.state("~1"), State::Done);
    let entry = Box::new(world.entry("~1").clone());
    let targets = Vec::new();
    world.event(Event::Recheck { entry, targets });
    world.advance(MINUTE);
    assert_eq!(world.service.reversed(1000), 0);
    assert_eq!((world.state("s"), left(&world)), (State::Done, (1999, 0)));
}

#[test]
fn a_second_payment_that_a_person_left_with_the_shop_stays_a_difference() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    let row = world.service.ledger[&second].info.clone();
    recheck_second(&mut world, second);
    assert!(world.entry("~1").set_aside, "{:?}", world.entry("~1"));
    for (outcome, count) in [(Outcome::NotCarriedOut, 1), (Outcome::CarriedOut, 0)] {
        let mut closed = world.entry("~1").clone();
        closed.settled = Some("by hand".into());
        closed.outcome = Some(outcome);
        closed.operation.state = State::Failed;
        let mut comparison = Comparison::default();
        comparison.reported(&row, Some(&world.journal["s"]), &[closed]);
        let compared = comparison.finish();
        assert_eq!(
            (compared.count(), compared.seconds),
            (count, vec![]),
            "{outcome:?}"
        );
    }
}

/// The till refunds 5.00 of a payment by its number, and the reversal has left.
fn send_refund_of(world: &mut World, payment_id: i64) {
    world.refund_payment("r1", payment_id, 500);
    for _ in 0..10 {
        world.pass(SECOND);
        if matches!(world.pending.first(), Some((_, Call::Reverse { .. }))) {
            break;
        }
        world.answer(Fate::Answered);
    }
}

#[test]
fn a_refund_that_names_a_second_payment_is_none_of_its_undoings() {
    for state in [State::Done, State::Failed] {
        let mut world = World::sold();
        let second = copy_of(&mut world, 1000);
        let row = world.service.ledger[&second].info.clone();
        send_refund_of(&mut world, second);
        if state == State::Failed {
            world.answer(Fate::Refused);
        }
        world.advance(MINUTE);
        assert_eq!(world.state("r1"), state);
        let compared = compare(&world, &row, "s");
        assert_eq!(compared.count(), 1, "{state:?}");
        assert_eq!(compared.seconds, [("s".to_owned(), second)], "{state:?}");
    }
}

#[test]
fn a_second_payment_that_took_nothing_comes_back_to_a_person_when_it_is_paid() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    world.service.ledger.get_mut(&second).unwrap().info.status = PaymentStatus::Decline;
    recheck_second(&mut world, second);
    retry(&mut world, "~1");
    assert_eq!(world.state("~1"), State::Done);
    world.service.ledger.get_mut(&second).unwrap().info.status = PaymentStatus::Ok;
    world.advance(26 * 60 * MINUTE);
    assert_eq!(
        world.service.reversed(second),
        0,
        "nothing is taken up by itself"
    );
    let row = world.service.ledger[&second].info.clone();
    assert_eq!(
        compare(&world, &row, "s").seconds,
        [("s".to_owned(), second)]
    );
    recheck_second(&mut world, second);
    assert!(world.entry("~2").set_aside);
}

#[test]
fn a_refused_refund_that_names_a_second_payment_does_not_hide_it() {
    let mut world = World::sold();
    let second = copy_of(&mut world, 1000);
    send_refund_of(&mut world, second);
    world.answer(Fate::Refused);
    world.settle();
    assert_eq!(world.state("r1"), State::Failed);
    assert!(!world.entry("r1").rechecks.is_empty());
    recheck_second(&mut world, second);
    assert!(world.entry("~1").set_aside);
}
