//! What comes to light after an operation has ended, and what a bad line leaves behind.

use super::service::quirks::NEVER_S;
use super::world::failures::{is_question, look_ups_hang, lost_with_500, refuses_unpaid};
use super::world::{Fate, HOUR, MINUTE, SECOND, Service, World, closed_by_a_person};
use crate::core::call::{Call, Failure, PaymentStatus, PaymentType, Reply};
use crate::core::event::{Event, Reply as TillReply};
use crate::core::record::ReversalProgress;
use crate::model::money::Kopecks;
use crate::model::operation::{Mode, Outcome, State, Undo};
use crate::model::problem::Code;

fn fails_questions(_: &Service, call: &Call) -> Option<Failure> {
    is_question(call).then(lost_with_500)
}

#[test]
fn a_payment_made_twice_that_only_the_undoing_finds_is_brought_back_twice() {
    for absent_first in [false, true] {
        let mut world = World::paying();
        if absent_first {
            world.answer(Fate::RequestLost);
            world.advance(2 * MINUTE);
            assert_eq!(world.state("~1"), State::Done);
            world.pay_late("s");
        } else {
            world.service.fails = Some(fails_questions);
            world.answer(Fate::AnswerLost);
            world.buyer(PaymentStatus::Ok);
            world.advance(30 * SECOND);
            world.service.fails = None;
        }
        assert_eq!(world.state("s"), State::Failed);
        // Another copy of the request was carried out, too.
        world.pay_late("s");
        world.advance(25 * HOUR);
        assert_eq!(world.paid_and_kept(), 0, "{absent_first}");
        assert_eq!(world.core.status(world.now).set_aside, 0);
    }
}

#[test]
fn a_refund_that_was_found_late_is_not_given_again() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(MINUTE);
    assert_eq!(world.state("r1"), State::Failed);
    world.refund("r2", "s", 500);
    assert_eq!(world.problem().code, Code::Busy, "repeat in an hour");
    world.advance(61 * MINUTE);
    assert_eq!(world.operation("s").left.unwrap().0, 1499);
    world.refund("r2", "s", 500);
    assert_eq!(world.problem().code, Code::Conflict);
    world.advance(MINUTE);
    assert_eq!(world.service.reversed(1000), 500);
    // Another refund is none of the same.
    world.refund("r3", "s", 400);
    world.advance(MINUTE);
    assert_eq!(world.state("r3"), State::Done);
}

#[test]
fn a_refund_by_payment_number_that_was_found_late_counts() {
    let mut world = World::sold();
    let sale = world.journal.remove("s").unwrap();
    let payment_id = sale.operation().payment_id.unwrap();
    world.crash(SECOND);
    world.refund_payment("r1", payment_id, 900);
    for _ in 0..10 {
        world.pass(SECOND);
        if matches!(world.pending.first(), Some((_, Call::Reverse { .. }))) {
            break;
        }
        world.answer(Fate::Answered);
    }
    world.answer(Fate::Late(300));
    world.advance(2 * HOUR);
    assert_eq!(world.state("r1"), State::Failed);
    assert_eq!(world.service.reversed(payment_id), 900);
    world.refund_payment("r2", payment_id, 1200);
    world.advance(10 * SECOND);
    assert_eq!(world.problem().code, Code::MoreThanLeft);
    world.refund_payment("r3", payment_id, 900);
    world.advance(10 * SECOND);
    assert_eq!(world.problem().code, Code::Conflict);
}

#[test]
fn one_lost_reversal_after_an_outage_leaves_no_work_for_a_person() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    for _ in 0..120 {
        world.pass(MINUTE);
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
    }
    assert_eq!(world.state("c1"), State::Queued);
    // The line comes back, and loses one request more.
    for _ in 0..20 {
        world.pass(10 * SECOND);
        if matches!(world.pending.first(), Some((_, Call::Reverse { .. }))) {
            world.answer(Fate::RequestLost);
            break;
        }
        world.answer(Fate::Answered);
    }
    world.advance(5 * MINUTE);
    assert!(!world.entry("c1").set_aside);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn one_whose_questions_hang_keeps_no_other_from_being_tried() {
    let mut world = World::sold();
    world.begin("t", 300);
    world.settle();
    world.join();
    for _ in 0..10 {
        world.pass(SECOND);
        if matches!(world.pending.first(), Some((_, Call::Pay { .. }))) {
            break;
        }
        world.answer(Fate::Answered);
    }
    world.service.fails = Some(look_ups_hang);
    world.answer(Fate::RequestLost);
    world.advance(MINUTE);
    assert_eq!(world.state("~1"), State::Queued);
    world.cancel("c1", "s", false);
    world.advance(5 * MINUTE);
    assert_eq!(world.state("~1"), State::Queued);
    assert_eq!(world.state("c1"), State::Done);
}

#[test]
fn what_got_on_has_an_hour_again() {
    let mut world = World::confirming();
    world.service.fails = Some(refuses_unpaid);
    world.abort("s");
    world.advance(58 * MINUTE);
    assert!(!world.entry("~1").set_aside);
    world.service.fails = None;
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.buyer(PaymentStatus::Ok);
    world.advance(20 * SECOND);
    world.service.fails = Some(fails_questions);
    world.advance(10 * MINUTE);
    assert!(
        !world.entry("~1").set_aside,
        "{:?}",
        world.entry("~1").last_error
    );
}

#[test]
fn a_person_cannot_close_what_a_restored_sale_still_waits_for() {
    let mut world = World::confirming();
    world.abort("s");
    world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
    world.crash(SECOND);
    world.event(closed_by_a_person(
        901,
        "~1",
        Outcome::CarriedOut,
        "проверено",
    ));
    let is_closed = matches!(world.replies.last(), Some(TillReply::Queue(Ok(_))));
    world.advance(MINUTE);
    let undo = world.operation("s").undo;
    if is_closed {
        assert_eq!(undo, Some(Undo::Done));
    } else {
        assert_eq!(undo, Some(Undo::Pending));
    }
}

#[test]
fn a_person_closes_a_refund_that_holds_its_sale_and_cannot_be_asked_for() {
    for (outcome, left) in [(Outcome::CarriedOut, 1499), (Outcome::NotCarriedOut, 1999)] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        world.run_due();
        world.answer(Fate::RequestLost);
        world.advance(MINUTE);
        assert_eq!(world.state("r1"), State::Failed);
        world.event(closed_by_a_person(902, "r1", outcome, "проверено"));
        assert!(
            matches!(world.replies.last(), Some(TillReply::Queue(Err(_)))),
            "it is asked for yet"
        );
        world.service.fails = Some(fails_questions);
        world.advance(3 * HOUR);
        world.cancel("c1", "s", false);
        assert!(world.problem().remedy.contains("settle"));
        world.event(closed_by_a_person(903, "r1", outcome, "проверено"));
        assert_eq!(world.operation("s").left.unwrap().0, left);
        world.service.fails = None;
        world.cancel("c1", "s", false);
        world.advance(MINUTE);
        assert_eq!(world.state("c1"), State::Done);
        assert_eq!(world.operation("c1").amount.0, left);
    }
}

/// One more sale, paid.
fn sell(world: &mut World, id: &str) {
    world.begin(id, 700);
    world.settle();
    world.join();
    world.advance(2 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.state(id), State::Done);
}

#[test]
fn what_is_set_aside_wakes_nobody() {
    let mut world = World::sold();
    sell(&mut world, "u");
    sell(&mut world, "v");
    world.service.fails = Some(look_ups_hang);
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(2 * HOUR);
    assert!(world.entry("c1").set_aside);
    world.service.fails = Some(|_, call| {
        matches!(call, Call::LookUp { .. } | Call::Reverse { .. }).then(lost_with_500)
    });
    for (id, of) in [("c2", "u"), ("c3", "v")] {
        world.cancel(id, of, false);
        world.settle();
    }
    world.advance(2 * MINUTE);
    let before = world.requests;
    world.advance(4 * MINUTE);
    let asked = world.requests - before;
    assert_eq!(
        (world.state("c2"), world.state("c3")),
        (State::Queued, State::Queued)
    );
    assert!(asked <= 24, "{asked} requests in four minutes");
}

#[test]
fn a_held_answer_about_a_payment_that_was_brought_back_brings_back_nothing() {
    let mut world = World::new(Mode::DynamicQr);
    world.service.quirks.holds_answers = true;
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(3 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.pay_late("s");
    // The report shows both, and the sale stands on one of them.
    world.advance(MINUTE);
    assert_eq!(world.state("s"), State::Done);
    assert_eq!(world.paid_and_kept(), 1999);
    let stands_on = world.operation("s").payment_id.unwrap();
    let (request, _) = world.held.remove(0);
    let other = world.service.ledger.values().find(|payment| {
        payment.info.payment_type == PaymentType::Sale && payment.info.payment_id != stands_on
    });
    let answer = Ok(Reply::Payment(other.unwrap().info.clone()));
    world.event(Event::Answered { request, answer });
    world.advance(MINUTE);
    assert_eq!(world.core.status(world.now).set_aside, 0);
    assert_eq!((world.paid_and_kept(), world.alarms.len()), (1999, 1));
}

#[test]
fn a_sale_is_not_done_where_its_reversal_may_have_left_before_a_restart() {
    let mut world = World::confirming();
    world.service.fails = Some(refuses_unpaid);
    world.abort("s");
    world.answer(Fate::NotSent);
    let before = world.journal["~1"].clone();
    assert_eq!(world.entry("~1").reversal, ReversalProgress::NotSent);
    world.buyer(PaymentStatus::Ok);
    // The disk loses that the reversal leaves.
    let (order, shift) = (
        before.operation().order_number.clone(),
        before.operation().shift.clone(),
    );
    world.carry_out_reversal(1000, &order, Kopecks(1999), &shift);
    world.crash(SECOND);
    world.advance(2 * MINUTE);
    assert_ne!(world.state("s"), State::Done);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.paid_and_kept(), 0);
}

fn payments_are_not_shown(_: &Service, call: &Call) -> Option<Failure> {
    matches!(call, Call::Payment { .. }).then(|| Failure::Refused {
        message: None,
        detail: "404".into(),
    })
}

#[test]
fn a_payment_that_was_answered_and_is_nowhere_is_for_a_person_after_an_hour() {
    let mut world = World::confirming();
    let hidden = std::mem::take(&mut world.service.ledger);
    world.advance(600 * SECOND);
    assert_eq!(world.state("s"), State::Failed);
    // A report that lacks what the service itself has answered proves no absence.
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    world.advance(HOUR);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
    assert_eq!(world.core.status(world.now).queue_depth, 0);
    // It is there after all, and paid.
    world.service.ledger = hidden;
    world.buyer(PaymentStatus::Ok);
    let id = "~1".to_owned();
    world.event(Event::Retry { ticket: 900, id });
    world.advance(600 * SECOND);
    let paid = world.operation("s").payment_id.unwrap();
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(paid), 1999);
}

#[test]
fn a_payment_that_only_the_report_shows_is_undone() {
    let mut world = World::confirming();
    world.service.fails = Some(payments_are_not_shown);
    world.buyer(PaymentStatus::Ok);
    world.advance(600 * SECOND);
    let paid = world.operation("s").payment_id.unwrap();
    assert_eq!(world.state("s"), State::Failed);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(paid), 1999);
}
