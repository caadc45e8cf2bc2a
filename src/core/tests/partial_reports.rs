//! No report is whole on its own word.

use std::time::Duration;

use super::reports::compare;
use super::world::failures::lost_with_500;
use super::world::{Fate, HOUR, MINUTE, SECOND, World, closed_by_a_person};
use crate::core::call::{Call, PaymentStatus};
use crate::core::event::Event;
use crate::model::operation::{ErrorCode, Mode, Outcome, State, Undo};

const CODE: &str = "https://getapp.o-plati.by/c/AB12";

/// A refund that was set aside with an open fate, and that the service has carried out.
fn closed_refund(outcome: Outcome) -> World {
    let mut world = World::sold();
    world.service.fails = Some(|_, call| matches!(call, Call::LookUp { .. }).then(lost_with_500));
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::AnswerLost);
    world.advance(Duration::from_secs(4000));
    assert!(world.entry("r1").set_aside);
    world.event(closed_by_a_person(9, "r1", outcome, "проверено"));
    world
}

#[test]
fn a_persons_word_is_no_difference_where_the_service_bears_it_out() {
    let compared = compare(&closed_refund(Outcome::CarriedOut));
    assert_eq!(compared.count(), 0, "{:?}", compared.differences);
    assert_eq!(compared.till.net, compared.service.net);
    assert_eq!(compared.settled, ["r1"]);
    let compared = compare(&closed_refund(Outcome::NotCarriedOut));
    assert_eq!(compared.count(), 1, "{:?}", compared.differences);
}

/// A till that has sold, at a service whose reports end too early from now on.
fn cut_short() -> World {
    let mut world = World::sold();
    world.settings.mode = Mode::ConsumerQr;
    // The reports may lag no more.
    world.crash(31 * SECOND);
    world.service.quirks.rows = Some(0);
    world
}

/// A sale `t` of whose payment the answer is lost; the buyer has paid it.
pub(super) fn lose_a_paid_sale(world: &mut World) {
    world.begin("t", 500);
    world.settle();
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::AnswerLost);
    world.buyer(PaymentStatus::Ok);
}

#[test]
fn a_report_that_lacks_what_must_be_there_proves_no_absence_of_a_payment() {
    for crashes in [false, true] {
        let mut world = cut_short();
        lose_a_paid_sale(&mut world);
        world.advance(5 * MINUTE);
        assert_eq!(world.state("t"), State::Failed);
        assert_eq!(
            (world.state("~1"), world.operation("t").undo),
            (State::Queued, Some(Undo::Pending))
        );
        if crashes {
            world.crash(SECOND);
            world.advance(5 * MINUTE);
            assert_eq!(world.state("~1"), State::Queued);
        }
        world.service.quirks.rows = None;
        world.advance(5 * MINUTE);
        assert_eq!(
            (world.state("~1"), world.service.reversed(1001)),
            (State::Done, 500)
        );
    }
}

#[test]
fn an_undoing_at_a_report_that_is_never_whole_waits_for_a_person() {
    let mut world = cut_short();
    lose_a_paid_sale(&mut world);
    world.advance(2 * HOUR);
    let entry = world.entry("~1");
    assert!(entry.set_aside);
    assert_eq!(
        entry.last_error.as_deref(),
        Some("paymentReports: p0-1 was paid and is not there, so the report is not whole")
    );
    assert_eq!(
        world.core.status(world.now).queue_depth,
        0,
        "the till sells on"
    );
}

#[test]
fn a_refund_stays_in_doubt_where_the_report_is_not_whole() {
    let mut world = cut_short();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::AnswerLost);
    world.advance(5 * MINUTE);
    assert_eq!(
        (world.state("r1"), world.operation("s").left.unwrap().0),
        (State::InDoubt, 1499)
    );
    world.service.quirks.rows = None;
    world.advance(MINUTE);
    assert_eq!(
        (world.state("r1"), world.service.reversed(1000)),
        (State::Done, 500)
    );
}

#[test]
fn a_lost_cancellation_is_not_sent_again_where_the_report_is_not_whole() {
    let mut world = cut_short();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::AnswerLost);
    world.advance(10 * MINUTE);
    assert_eq!(
        (world.state("c1"), world.reverses_of("c1")),
        (State::Queued, 1)
    );
    world.service.quirks.rows = None;
    world.advance(MINUTE);
    assert_eq!(
        (world.state("c1"), world.reverses_of("c1")),
        (State::Done, 1)
    );
}

#[test]
fn a_refusal_that_no_whole_report_confirms_ends_as_a_lost_answer() {
    for becomes_whole in [false, true] {
        let mut world = cut_short();
        world.begin("t", 500);
        world.settle();
        world.scan(CODE);
        world.answer(Fate::Answered);
        world.answer(Fate::Refused);
        world.settle();
        assert_eq!(world.state("t"), State::InDoubt);
        if becomes_whole {
            world.service.quirks.rows = None;
        }
        world.advance(MINUTE);
        let operation = world.operation("t");
        let error = operation.error.as_ref().unwrap();
        let ended = (operation.state, operation.undo, error.code);
        if becomes_whole {
            assert_eq!(ended, (State::Failed, None, ErrorCode::ServiceRejected));
        } else {
            assert_eq!(
                ended,
                (State::Failed, Some(Undo::Pending), ErrorCode::NoConnection)
            );
            assert_eq!(
                error.detail,
                "paymentReports: p0-1 was paid and is not there, so the report is not whole; refused: X"
            );
        }
    }
}

#[test]
fn a_restored_sale_does_not_begin_anew_by_a_report_that_is_not_whole() {
    let mut world = cut_short();
    world.begin("t", 500);
    world.settle();
    let number = world.operation("t").order_number.clone();
    world.crash(SECOND);
    world.settle();
    assert_eq!(world.operation("t").order_number, number);
    world.service.quirks.rows = None;
    world.advance(2 * SECOND);
    assert_ne!(world.operation("t").order_number, number);
    assert_eq!(world.state("t"), State::AwaitingScan);
}

#[test]
fn a_refused_reversal_is_not_believed_where_the_report_is_not_whole() {
    let mut world = cut_short();
    world.cancel("c1", "s", false);
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Refused);
    world.advance(MINUTE);
    assert_eq!(
        (world.state("c1"), world.entry("c1").set_aside),
        (State::Queued, false)
    );
    let mut world = cut_short();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Refused);
    world.advance(MINUTE);
    assert_eq!(world.state("r1"), State::InDoubt);
    world.service.quirks.rows = None;
    world.advance(MINUTE);
    assert_eq!(world.state("r1"), State::Failed);
}

#[test]
fn a_reversal_that_is_found_counts_though_its_earlier_numbers_are_not() {
    let mut world = cut_short();
    world.service.quirks.rows = None;
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    assert!(world.entry("c1").set_aside, "its first number was denied");
    world.event(Event::Retry {
        ticket: 99,
        id: "c1".into(),
    });
    for _ in 0..20 {
        world.run_due();
        let Some((_, call)) = world.pending.first() else {
            break;
        };
        if matches!(call, Call::Reverse { .. }) {
            world.answer(Fate::AnswerLost);
            break;
        }
        world.answer(Fate::Answered);
    }
    // The report holds the sale and its reversal, but not the sale that must be there.
    let witness = world.service.ledger[&1000].clone();
    assert_eq!(witness.info.status, PaymentStatus::Ok);
    world.advance(MINUTE);
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.reverses_of("c1"), 1);
}
