//! What no report may be trusted with: that a final status stays, and that what it lacks is not there.

use super::partial_reports::lose_a_paid_sale;

use super::world::{Fate, HOUR, MINUTE, SECOND, World};
use crate::core::call::{Call, PaymentStatus};
use crate::core::event::Event;
use crate::core::record::{Record, ReversalProgress, ReversalRecord};
use crate::model::operation::{ErrorCode, Kind, Mode, Outcome, State, Undo};
use crate::report::{Compared, Comparison};

/// The service changes its mind about an operation.
fn set(world: &mut World, payment_id: i64, status: PaymentStatus) {
    world
        .service
        .ledger
        .get_mut(&payment_id)
        .unwrap()
        .info
        .status = status;
}

/// The service's ledger past the journal.
pub(super) fn compare(world: &World) -> Compared {
    let mut comparison = Comparison::default();
    for payment in world.service.ledger.values() {
        let number = &payment.info.order_number;
        let is_under = |record: &&Record| match record {
            Record::Sale(sale) => sale.operation.order_number == *number,
            Record::Entry(entry) => entry.order_numbers().contains(number),
        };
        let known = world.journal.values().find(is_under);
        let of = |record: &Record| match record {
            Record::Entry(entry)
                if entry.operation.of == known.map(|k| k.operation().id.clone()) =>
            {
                Some(entry.as_ref().clone())
            }
            Record::Entry(_) | Record::Sale(_) => None,
        };
        let undoings: Vec<ReversalRecord> = world.journal.values().filter_map(of).collect();
        comparison.reported(&payment.info, known, &undoings);
    }
    for record in world.journal.values() {
        comparison.journalled(record, true);
    }
    comparison.finish()
}

pub(super) fn count(compared: &Compared) -> (u64, &[String]) {
    (compared.count(), &compared.unmoved)
}

fn recheck_sale(world: &mut World, id: &str) {
    let Record::Sale(sale) = world.journal[id].clone() else {
        panic!("{id} is no sale")
    };
    world.event(Event::RecheckSale { sale, second: None });
}

// ---- no final status stays ----------------------------------------------------------------------

/// A payment that the till cancelled while it was pending.
fn cancelled() -> World {
    let mut world = World::confirming();
    world.abort("s");
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::Cancelled);
    assert_eq!(
        world.service.ledger[&1000].info.status,
        PaymentStatus::TechnicalCancelling
    );
    world
}

#[test]
fn a_cancelled_payment_that_is_paid_after_all_is_found_and_brought_back() {
    for crashes in [false, true] {
        for waits in [5 * MINUTE, 30 * MINUTE, 20 * HOUR] {
            let mut world = cancelled();
            assert_eq!(
                world.core.status(world.now).queue_depth,
                0,
                "it blocks nobody"
            );
            world.advance(waits);
            set(&mut world, 1000, PaymentStatus::Ok);
            if crashes {
                world.crash(SECOND);
            }
            world.advance(25 * HOUR);
            assert_eq!(world.service.reversed(1000), 1999, "after {waits:?}");
            let sale = world.operation("s");
            assert_eq!(
                (sale.state, sale.undo),
                (State::Cancelled, Some(Undo::Done))
            );
            assert_eq!((world.alarms.len(), world.reverses_of("~1")), (1, 2));
        }
    }
}

#[test]
fn its_sale_knows_at_once_that_a_payment_was_found() {
    let mut world = cancelled();
    set(&mut world, 1000, PaymentStatus::Ok);
    world.pass(10 * MINUTE);
    world.answer(Fate::Answered);
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    assert_eq!(world.core.status(world.now).queue_depth, 1);
}

#[test]
fn a_sale_ended_as_not_paid_and_reported_paid_is_a_difference_until_reversals_cover_it() {
    let mut world = cancelled();
    assert_eq!(count(&compare(&world)), (0, &[][..]));
    set(&mut world, 1000, PaymentStatus::Ok);
    let compared = compare(&world);
    assert_eq!(count(&compared), (1, &["s".to_owned()][..]));
    assert_eq!(compared.till.net.0, 0, "it was not reported to the till");
    // Pending moves nothing yet, and may.
    set(&mut world, 1000, PaymentStatus::InProgress);
    assert_eq!(count(&compare(&world)), (0, &["s".to_owned()][..]));
    set(&mut world, 1000, PaymentStatus::Ok);
    // While it is being brought back, and when it was, the till knows of it.
    world.pass(10 * MINUTE);
    world.answer(Fate::Answered);
    let compared = compare(&world);
    assert_eq!(count(&compared), (0, &[][..]));
    assert_eq!(compared.till.net.0, 1999);
    world.advance(5 * MINUTE);
    let compared = compare(&world);
    assert_eq!(count(&compared), (0, &[][..]));
    assert_eq!((compared.till.net.0, compared.service.net.0), (0, 0));
}

#[test]
fn a_declined_payment_that_is_reported_paid_is_brought_back() {
    for status in [PaymentStatus::Ok, PaymentStatus::Decline] {
        let mut world = World::confirming();
        world.buyer(PaymentStatus::Decline);
        world.advance(3 * SECOND);
        assert_eq!(world.state("s"), State::Declined);
        set(&mut world, 1000, PaymentStatus::Ok);
        assert_eq!(count(&compare(&world)), (1, &["s".to_owned()][..]));
        set(&mut world, 1000, status);
        recheck_sale(&mut world, "s");
        recheck_sale(&mut world, "s");
        world.advance(5 * MINUTE);
        let back = if status == PaymentStatus::Ok { 1999 } else { 0 };
        assert_eq!(world.service.reversed(1000), back);
        assert_eq!(world.state("s"), State::Declined);
        assert!(!world.journal.contains_key("~2"), "one undoing is enough");
        assert_eq!(compare(&world).count(), 0);
    }
}

#[test]
fn only_an_unpaid_sale_is_looked_for_again() {
    let mut world = World::sold();
    recheck_sale(&mut world, "s");
    let mut world2 = World::confirming();
    recheck_sale(&mut world2, "s");
    world.advance(MINUTE);
    for world in [world, world2] {
        assert!(!world.journal.contains_key("~1"));
    }
}

#[test]
fn what_was_reversed_is_not_reversed_again_by_a_recheck() {
    let mut world = cancelled();
    set(&mut world, 1000, PaymentStatus::Ok);
    world.advance(11 * MINUTE);
    assert_eq!(world.service.reversed(1000), 1999);
    let entry = Box::new(world.entry("~1").clone());
    let targets = vec![world.journal["s"].clone()];
    let requests = world.requests;
    world.event(Event::Recheck { entry, targets });
    world.advance(MINUTE);
    assert_eq!(world.requests, requests);
}

#[test]
fn a_cancelled_refund_that_reaches_the_buyer_after_all_is_taken_from_left_until_it_is_cancelled() {
    let mut world = World::sold();
    for (id, amount) in [("r1", 500), ("r2", 700)] {
        world.refund(id, "s", amount);
        world.advance(3 * SECOND);
        assert_eq!(world.state(id), State::Done);
    }
    let left = |world: &World| world.operation("s").left.unwrap().0;
    set(&mut world, 1001, PaymentStatus::TechnicalCancelling);
    world.cancel("c1", "r1", false);
    world.advance(MINUTE);
    // It was refused, and a person has it tried again: now it is looked at first.
    world.event(Event::Retry {
        ticket: 99,
        id: "c1".into(),
    });
    world.advance(MINUTE);
    assert_eq!((world.state("c1"), left(&world)), (State::Done, 1299));
    set(&mut world, 1001, PaymentStatus::Ok);
    world.pass(10 * MINUTE);
    world.answer(Fate::Answered);
    // The cancellation is over and stays so: an undoing of the daemon's own takes it up.
    let seen = |world: &World| (world.state("c1"), world.operation("r1").undo, left(world));
    assert_eq!(seen(&world), (State::Done, Some(Undo::Pending), 799));
    world.advance(5 * MINUTE);
    assert_eq!(seen(&world), (State::Done, Some(Undo::Done), 1299));
    let own = &world.entry("~1").operation;
    assert_eq!((own.kind, own.state), (Kind::CancelRefund, State::Done));
    let number = &world.operation("c1").order_number;
    assert_eq!(own.order_number, *number, "it goes on under its number");
    assert_eq!(world.service.reversed(1001), 500);
}

/// A refund that ended as failed, and was found made after all.
fn late_refund() -> World {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(MINUTE);
    assert_eq!(world.state("r1"), State::Failed);
    world.advance(15 * MINUTE);
    assert_eq!(world.operation("s").left.unwrap().0, 1499);
    world
}

#[test]
fn a_late_refund_is_counted_once_however_often_its_shift_is_reconciled() {
    let mut world = late_refund();
    let compared = compare(&world);
    assert_eq!(count(&compared), (1, &[][..]), "the till got `failed`");
    for _ in 0..2 {
        let entry = Box::new(world.entry("r1").clone());
        let targets = vec![world.journal["s"].clone()];
        world.event(Event::Recheck { entry, targets });
        world.advance(MINUTE);
        assert_eq!(world.operation("s").left.unwrap().0, 1499);
    }
}

#[test]
fn what_a_late_refund_takes_beyond_the_rest_is_not_given_back_by_another() {
    let mut world = World::sold();
    world.refund("r1", "s", 1500);
    world.run_due();
    world.answer(Fate::Late(7200));
    world.advance(23 * 60 * MINUTE + 30 * MINUTE);
    let left = |world: &World| world.operation("s").left.unwrap().0;
    assert_eq!(left(&world), 1999, "it ended as not made");
    world.refund("r2", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(MINUTE);
    assert_eq!((world.state("r2"), left(&world)), (State::Failed, 1499));
    // The last recheck of the first one finds it, while the second holds its part.
    world.advance(40 * MINUTE);
    assert_eq!((left(&world), world.operation("s").overdrawn.0), (0, 1));
    world.advance(30 * MINUTE);
    assert_eq!((left(&world), world.operation("s").overdrawn.0), (499, 0));
}

#[test]
fn a_refund_that_waited_is_not_sent_once_a_late_one_has_taken_its_part() {
    let mut world = World::sold();
    world.refund("r1", "s", 1500);
    world.run_due();
    world.answer(Fate::Late(7200));
    world.advance(23 * 60 * MINUTE + 30 * MINUTE);
    world.refund("r2", "s", 500);
    let unsent = world.first_record("r2");
    world.run_due();
    world.answer(Fate::RequestLost);
    world.journal.insert("r2".into(), unsent);
    // The last recheck of the first one is due when the till is there again.
    world.crash(40 * MINUTE);
    world.advance(HOUR);
    assert_eq!(world.state("r2"), State::Failed);
    let error = world.operation("r2").error.as_ref().unwrap();
    assert_eq!(error.code, ErrorCode::Invalid);
    let paid = world.operation("s").payment_id.unwrap();
    assert_eq!(world.service.reversed(paid), 1500);
    let sale = world.operation("s");
    assert_eq!((sale.left.unwrap().0, sale.overdrawn.0), (499, 0));
}

#[test]
fn a_cancellation_that_is_sent_again_asks_for_what_a_late_refund_has_left() {
    for (refunded, rest) in [(500, 1499), (1999, 0)] {
        let mut world = World::sold();
        world.refund("r1", "s", refunded);
        world.run_due();
        world.answer(Fate::Late(7200));
        world.advance(90 * MINUTE);
        world.cancel("c1", "s", false);
        world.run_due();
        // The request dies with the machine, and the first refund is found before it is sent again.
        world.crash(23 * HOUR);
        world.advance(HOUR);
        assert_eq!(world.state("c1"), State::Done);
        assert_eq!(world.operation("c1").amount.0, rest);
        let sale = world.operation("s");
        assert_eq!((sale.left.unwrap().0, sale.overdrawn.0), (0, 0));
        assert_eq!(sale.undo, Some(Undo::Done));
        let paid = sale.payment_id.unwrap();
        assert_eq!(world.service.reversed(paid), 1999);
    }
}

#[test]
fn an_absent_refund_that_is_reported_is_a_difference_and_asked_for_again() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(6 * MINUTE);
    assert_eq!(world.state("r1"), State::Failed);
    assert_eq!(count(&compare(&world)), (1, &["r1".to_owned()][..]));
    let entry = Box::new(world.entry("r1").clone());
    world.event(Event::Recheck {
        entry,
        targets: Vec::new(),
    });
    world.advance(SECOND);
    assert_eq!(
        (world.operation("s").left.unwrap().0, world.alarms.len()),
        (1499, 1)
    );
}

/// Whether the undoing as `change` leaves it answers for a payment that is reported paid.
fn answers_for(change: impl FnOnce(&mut ReversalRecord)) -> bool {
    let mut world = cancelled();
    set(&mut world, 1000, PaymentStatus::Ok);
    let mut entry = world.entry("~1").clone();
    change(&mut entry);
    world
        .journal
        .insert("~1".into(), Record::Entry(Box::new(entry)));
    compare(&world).count() == 0
}

#[test]
fn reversals_that_are_known_a_living_undoing_or_a_person_answer_for_a_payment() {
    assert!(!answers_for(|_| {}));
    assert!(!answers_for(|entry| entry.operation.undo = Some(Undo::Done)));
    assert!(answers_for(
        |entry| entry.reversal = ReversalProgress::Known(7)
    ));
    assert!(!answers_for(|entry| {
        entry.reversal = ReversalProgress::Known(7);
        entry.operation.amount.0 -= 1;
    }));
    assert!(!answers_for(|entry| {
        entry.reversal = ReversalProgress::Known(7);
        entry.operation.state = State::Failed;
        entry.outcome = Some(Outcome::NotCarriedOut);
    }));
    assert!(answers_for(|entry| {
        entry.reversal = ReversalProgress::Known(7);
        entry.operation.state = State::Failed;
    }));
    assert!(answers_for(|entry| entry.operation.state = State::Queued));
    assert!(answers_for(|entry| {
        entry.operation.state = State::Failed;
        entry.settled = Some("by hand".into());
    }));
}

// ---- the questions after an end -----------------------------------------------------------------

/// A refund that was lost and then absent.
fn absent_refund() -> World {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(MINUTE);
    assert_eq!(
        (world.state("r1"), world.operation("s").left.unwrap().0),
        (State::Failed, 1499)
    );
    world
}

#[test]
fn an_absent_refund_has_its_reserve_for_an_hour_and_is_asked_for_a_day_later() {
    for crashes in [false, true] {
        let mut world = absent_refund();
        world.advance(50 * MINUTE);
        assert_eq!(world.operation("s").left.unwrap().0, 1499);
        world.advance(20 * MINUTE);
        assert_eq!(world.operation("s").left.unwrap().0, 1999);
        let entry = world.entry("r1");
        assert_eq!((entry.rechecks.len(), entry.left_held_until), (1, None));
        let (order, shift) = (
            entry.operation.order_number.clone(),
            entry.operation.shift.clone(),
        );
        let sum = entry.operation.amount;
        world.carry_out_reversal(1000, &order, sum, &shift);
        world.advance(20 * HOUR);
        assert_eq!(
            (world.operation("s").left.unwrap().0, world.alarms.len()),
            (1999, 0)
        );
        if crashes {
            world.crash(SECOND);
        }
        world.advance(4 * HOUR);
        assert_eq!(
            (world.operation("s").left.unwrap().0, world.alarms.len()),
            (1499, 1)
        );
    }
}

#[test]
fn a_reserve_is_not_given_back_by_a_report_that_is_not_whole_but_by_the_last_question() {
    let mut world = absent_refund();
    world.service.quirks.rows = Some(0);
    world.advance(20 * HOUR);
    assert_eq!(
        (world.operation("s").left.unwrap().0, world.alarms.len()),
        (1499, 0)
    );
    world.advance(5 * HOUR);
    assert_eq!(
        (world.operation("s").left.unwrap().0, world.alarms.len()),
        (1999, 1)
    );
    assert!(
        world.alarms[0].contains("absence was not proved"),
        "{:?}",
        world.alarms
    );
    assert!(world.entry("r1").rechecks.is_empty());
}

/// What the look-up that is under way wants to see beside its numbers.
fn witnesses_asked_for(world: &World) -> Vec<String> {
    let Some((_, Call::LookUp { witnesses, .. })) = world.pending.first() else {
        panic!("{:?}", world.pending)
    };
    witnesses.clone()
}

#[test]
fn a_sale_in_another_account_bears_no_witness() {
    for is_ours in [true, false] {
        let mut world = World::sold();
        if !is_ours {
            world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
        }
        world.settings.mode = Mode::ConsumerQr;
        world.crash(SECOND);
        lose_a_paid_sale(&mut world);
        world.run_due();
        let witnesses = witnesses_asked_for(&world);
        assert_eq!(witnesses.len(), usize::from(is_ours));
    }
}

#[test]
fn a_fresh_sale_bears_no_witness_while_the_report_may_lag() {
    let mut world = World::sold();
    world.settings.mode = Mode::ConsumerQr;
    world.service.quirks.rows = Some(0);
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    assert_eq!(witnesses_asked_for(&world), [""; 0]);
}
