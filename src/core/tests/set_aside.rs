//! What gets nowhere is set aside, and what a person does with it then.

use super::service::quirks::NEVER_S;
use super::world::failures::{is_question, look_ups_hang, lost_with_500, refuses_unpaid};
use super::world::{Fate, HOUR, SECOND, Service, World, closed_by_a_person};
use crate::core::call::{Call, Failure, PaymentStatus, TokenProblem};
use crate::core::event::{Event, Reply as TillReply};
use crate::core::record::ReversalProgress;
use crate::model::operation::{Outcome, State, Undo};
use crate::model::problem::Code;
use crate::texts::cashier;

fn refused() -> Failure {
    Failure::Refused {
        message: None,
        detail: "no".into(),
    }
}

fn refuses_questions(_: &Service, call: &Call) -> Option<Failure> {
    is_question(call).then(refused)
}

fn reports_fail(_: &Service, call: &Call) -> Option<Failure> {
    let is_report = matches!(call, Call::LookUp { .. } | Call::Probe { .. });
    is_report.then(lost_with_500)
}

fn reversals_are_not_shown(service: &Service, call: &Call) -> Option<Failure> {
    let Call::Payment { payment_id } = call else {
        return None;
    };
    let is_reversal = service.ledger[payment_id].target.is_some();
    is_reversal.then(refused)
}

pub(super) fn needs_a_token(_: &Service, call: &Call) -> Option<Failure> {
    call.moves_money().then(|| Failure::Token {
        problem: TokenProblem::Needed,
        detail: "reset".into(),
    })
}

fn close(world: &mut World, id: &str, outcome: Outcome) {
    world.event(closed_by_a_person(901, id, outcome, "проверено"));
    assert!(
        matches!(world.replies.last(), Some(TillReply::Queue(Ok(_)))),
        "{:?}",
        world.replies.last()
    );
}

fn begin_another(world: &mut World) -> bool {
    let id = format!("another{}", world.requests);
    world.begin(&id, 100);
    world.advance(4 * SECOND);
    let begun = matches!(world.replies.last(), Some(TillReply::Begun(Ok((true, _)))));
    if begun {
        world.abort(&id);
        world.settle();
    }
    begun
}

/// A sale that ended as failed; its payment request was lost, and has taken effect.
fn lost_sale() -> World {
    let mut world = World::paying();
    world.service.fails = Some(refuses_questions);
    world.answer(Fate::AnswerLost);
    world.buyer(PaymentStatus::Ok);
    world.advance(30 * SECOND);
    assert_eq!(world.state("s"), State::Failed);
    world
}

/// The same, its undoing set aside before its reversal has left.
pub(super) fn undoing_set_aside() -> World {
    let mut world = lost_sale();
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("~1").set_aside);
    assert_eq!(world.entry("~1").reversal, ReversalProgress::NotSent);
    world
}

#[test]
fn an_undoing_that_a_cancellation_repeats_is_not_forgotten_by_an_abort() {
    let mut world = undoing_set_aside();
    world.cancel("c1", "s", false);
    assert_eq!(world.state("c1"), State::Queued);
    world.abort("c1");
    assert!(
        matches!(world.replies.last(), Some(TillReply::Aborted(Err(problem))) if problem.code == Code::Busy)
    );
    world.service.fails = None;
    world.advance(120 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.paid_and_kept(), 0);
}

#[test]
fn an_undoing_that_a_cancellation_repeats_is_not_forgotten_for_a_token_error() {
    let mut world = undoing_set_aside();
    world.service.fails = Some(needs_a_token);
    world.cancel("c1", "s", false);
    world.advance(120 * SECOND);
    assert_eq!(world.state("c1"), State::Queued);
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    world.service.fails = None;
    world.advance(120 * SECOND);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn a_payment_that_stays_pending_and_is_not_reversed_blocks_for_an_hour_at_most() {
    for status in [PaymentStatus::InProgress, PaymentStatus::Unknown(6)] {
        let mut world = World::confirming();
        world.service.fails = Some(refuses_unpaid);
        world.buyer(status);
        world.abort("s");
        world.advance(HOUR / 2);
        assert!(!world.entry("~1").set_aside && !begin_another(&mut world));
        world.advance(HOUR / 2 + 60 * SECOND);
        assert!(world.entry("~1").set_aside, "{status:?}");
        assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
        assert!(begin_another(&mut world));
        // A retry that brings it no further closes the till for no second hour.
        world.retry("~1").unwrap();
        world.advance(2 * SECOND);
        assert!(world.entry("~1").set_aside && begin_another(&mut world));
        // Paid at last: a person's retry brings it back.
        for payment in world.service.ledger.values_mut() {
            payment.info.status = PaymentStatus::Ok;
        }
        world.retry("~1").unwrap();
        world.advance(120 * SECOND);
        assert_eq!((world.state("~1"), world.paid_and_kept()), (State::Done, 0));
    }
}

#[test]
fn a_report_that_is_broken_for_ever_blocks_for_an_hour_at_most() {
    let mut world = lost_sale();
    world.service.fails = Some(reports_fail);
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("~1").set_aside);
    close(&mut world, "~1", Outcome::NotCarriedOut);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
}

#[test]
fn what_only_hangs_while_the_line_is_well_blocks_for_an_hour_at_most() {
    let mut world = lost_sale();
    world.service.fails = Some(look_ups_hang);
    world.advance(HOUR + 180 * SECOND);
    assert!(world.entry("~1").set_aside);
    assert!(begin_another(&mut world));
}

#[test]
fn an_outage_over_night_leaves_no_work_for_a_person() {
    let mut world = lost_sale();
    for _ in 0..12 * 60 {
        world.pass(60 * SECOND);
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
    }
    assert!(!world.entry("~1").set_aside);
    world.service.fails = None;
    world.advance(240 * SECOND);
    assert_eq!((world.state("~1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn the_time_for_which_no_process_ran_is_none_of_getting_nowhere() {
    let mut world = lost_sale();
    world.advance(60 * SECOND);
    world.crash(12 * HOUR);
    world.advance(60 * SECOND);
    assert!(!world.entry("~1").set_aside);
}

#[test]
fn a_reversal_that_cannot_be_asked_for_is_found_in_the_report() {
    let mut world = World::sold();
    world.service.fails = Some(reversals_are_not_shown);
    world.refund("r1", "s", 500);
    world.advance(10 * SECOND);
    assert_eq!(world.state("r1"), State::Done);
    world.cancel("c1", "s", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
    let mut world = World::confirming();
    world.service.fails = Some(reversals_are_not_shown);
    world.buyer(PaymentStatus::Ok);
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn a_reversal_that_stays_pending_lets_the_next_buyer_in_after_the_timeout() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.refund("r1", "s", 500);
    world.advance(2 * SECOND);
    assert_eq!(world.state("r1"), State::InProgress);
    world.advance(15 * SECOND);
    assert_eq!(world.state("r1"), State::InDoubt);
    world.begin("t", 100);
    world.advance(4 * SECOND);
    assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    world.advance(HOUR);
    assert!(world.entry("r1").set_aside);
    assert!(begin_another(&mut world));
}

#[test]
fn one_that_waits_for_the_service_keeps_no_other_from_being_tried() {
    let mut world = World::sold();
    world.begin("t", 300);
    world.settle();
    world.join();
    world.advance(2 * SECOND);
    world.service.fails = Some(refuses_unpaid);
    world.abort("t");
    world.advance(60 * SECOND);
    assert_eq!(world.state("~1"), State::Queued);
    world.cancel("c1", "s", false);
    world.advance(15 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.state("~1"), State::Queued);
}

#[test]
fn the_pause_between_tries_grows_though_other_questions_are_answered() {
    let mut world = World::sold();
    world.service.fails = Some(reports_fail);
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(60 * SECOND);
    let before = world.requests;
    world.advance(240 * SECOND);
    let asked = world.requests - before;
    assert!(asked <= 12, "{asked} requests in four minutes");
}

#[test]
fn a_set_aside_refund_in_doubt_bars_a_cancellation_until_a_person_decides() {
    for outcome in [Outcome::CarriedOut, Outcome::NotCarriedOut] {
        let mut world = World::sold();
        world.service.fails = Some(reports_fail);
        world.refund("r1", "s", 700);
        world.run_due();
        world.answer(Fate::RequestLost);
        world.advance(HOUR + 120 * SECOND);
        assert!(world.entry("r1").set_aside);
        world.service.fails = None;
        world.cancel("c1", "s", false);
        assert_eq!(world.problem().code, Code::Busy);
        world.refund("r2", "s", 700);
        assert_eq!(world.problem().code, Code::Busy);
        close(&mut world, "r1", outcome);
        let left = if outcome == Outcome::CarriedOut {
            1299
        } else {
            1999
        };
        assert_eq!(world.operation("s").left.map(|left| left.0), Some(left));
        assert_eq!(world.entry("r1").outcome, Some(outcome));
        assert_eq!(world.state("r1"), State::Failed);
        world.refund("r3", "s", left);
        world.advance(10 * SECOND);
        assert_eq!(world.state("r3"), State::Done);
    }
}

#[test]
fn a_cancellation_of_nothing_is_refused() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    assert!(world.entry("c1").set_aside);
    world.refund("r1", "s", 1999);
    world.advance(10 * SECOND);
    assert_eq!(world.state("r1"), State::Done);
    world.cancel("c2", "s", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    assert_eq!(world.retry("c1").unwrap_err().code, Code::Conflict);
    close(&mut world, "c1", Outcome::NotCarriedOut);
    assert_eq!(world.operation("s").undo, None);
    assert_eq!(world.operation("s").left.map(|left| left.0), Some(0));
}

#[test]
fn the_books_follow_what_a_person_says_of_a_cancellation() {
    let denied = || {
        let mut world = World::sold();
        world.cancel("c1", "s", false);
        world.run_due();
        world.answer(Fate::Refused);
        world.settle();
        assert!(world.entry("c1").set_aside);
        world
    };
    let mut world = denied();
    close(&mut world, "c1", Outcome::CarriedOut);
    let sale = world.operation("s");
    assert_eq!((sale.undo, sale.left.unwrap().0), (Some(Undo::Done), 0));
    assert_eq!(world.state("c1"), State::Done);
    let mut world = denied();
    close(&mut world, "c1", Outcome::NotCarriedOut);
    let sale = world.operation("s");
    assert_eq!((sale.undo, sale.left.unwrap().0), (None, 1999));
    assert_eq!(world.state("c1"), State::Failed);
    world.cancel("c2", "s", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c2"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn what_was_closed_as_not_carried_out_of_a_failed_sale_stays_owed() {
    let mut world = undoing_set_aside();
    close(&mut world, "~1", Outcome::NotCarriedOut);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
    // A cancellation of it that is dropped leaves it so.
    world.service.fails = Some(needs_a_token);
    world.cancel("c1", "s", false);
    world.advance(5 * SECOND);
    assert_eq!(world.state("c1"), State::Failed);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
    world.service.fails = None;
    world.cancel("c2", "s", false);
    world.advance(60 * SECOND);
    assert_eq!((world.state("c2"), world.paid_and_kept()), (State::Done, 0));
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn a_failed_sale_whose_late_cancellation_is_taken_back_is_owed_again() {
    let mut world = undoing_set_aside();
    close(&mut world, "~1", Outcome::NotCarriedOut);
    world.service.fails = Some(needs_a_token);
    world.cancel("c1", "s", false);
    world.run_due();
    while !matches!(world.pending[0].1, Call::Reverse { .. }) {
        world.answer(Fate::Answered);
        world.run_due();
    }
    let (_, call) = world.pending[0].clone();
    world.advance(5 * SECOND);
    assert_eq!(world.state("c1"), State::Failed);
    world.service.fails = None;
    // A copy of it was on its way.
    world.service.late.push((world.now.mono, call));
    world.advance(HOUR / 2);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    let own = world.operation("c1").payment_id.unwrap();
    world.service.ledger.remove(&own);
    close(&mut world, "c1", Outcome::NotCarriedOut);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
}

#[test]
fn an_entry_of_another_account_can_be_closed_and_its_sale_knows() {
    for (outcome, undo) in [
        (Outcome::CarriedOut, Undo::Done),
        (Outcome::NotCarriedOut, Undo::SetAside),
    ] {
        let mut world = lost_sale();
        world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
        world.crash(SECOND);
        close(&mut world, "~1", outcome);
        assert_eq!(world.operation("s").undo, Some(undo));
    }
}

#[test]
fn the_same_refund_is_not_given_twice_while_the_first_may_have_been_carried_out() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(900));
    world.advance(120 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    world.refund("r2", "s", 500);
    assert_eq!(world.problem().code, Code::Busy);
    // Another sum is another refund.
    world.refund("r3", "s", 300);
    world.advance(10 * SECOND);
    assert_eq!(world.state("r3"), State::Done);
    world.advance(2 * HOUR);
    assert_eq!(world.paid_and_kept(), 1999 - 500 - 300);
    assert_eq!(world.operation("s").left.map(|left| left.0), Some(1199));
}

#[test]
fn a_retry_sends_what_was_refused_hours_ago() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.service.fails = Some(reports_fail);
    world.answer(Fate::Refused);
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("c1").set_aside);
    world.service.fails = None;
    world.retry("c1").unwrap();
    world.advance(120 * SECOND);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn a_retry_of_another_sum_sends_no_lines_of_the_whole_one() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    assert!(world.entry("c1").receipt.is_some());
    world.answer(Fate::Refused);
    world.settle();
    world.refund("r1", "s", 500);
    world.settle();
    // What the journal keeps of the request does not change, so that a restart sends the same.
    world.crash(SECOND);
    world.retry("c1").unwrap();
    world.run_due();
    world.answer(Fate::Answered);
    let Some((_, Call::Reverse { receipt, sum, .. })) = world.pending.first() else {
        panic!("{:?}", world.pending)
    };
    assert_eq!((receipt.as_ref(), sum.0), (None, 1499));
}

#[test]
fn a_watched_number_that_nobody_can_ask_for_is_reported() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(120 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    world.service.fails = Some(reports_fail);
    world.advance(HOUR);
    assert_eq!(world.core.status(world.now).overdue, 0);
    let alarms = world.alarms.len();
    world.advance(HOUR);
    assert_eq!(world.core.status(world.now).overdue, 1);
    world.advance(HOUR);
    assert_eq!(world.alarms.len(), alarms + 1, "it is reported once");
    world.service.fails = None;
    world.advance(600 * SECOND);
    assert_eq!(world.core.status(world.now).overdue, 0);
}

#[test]
fn a_cancelled_refund_that_turns_up_after_the_sale_was_undone_leaves_its_rest() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(10 * SECOND);
    world.cancel("x1", "r1", false);
    world.run_due();
    world.answer(Fate::LateCopyRefused(300));
    world.settle();
    assert!(world.entry("x1").set_aside);
    world.cancel("c1", "s", false);
    world.advance(10 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    world.advance(2 * HOUR);
    let sale = world.operation("s");
    assert_eq!((sale.undo, sale.left.map(|left| left.0)), (None, Some(500)));
    // It was reported to the till as cancelled: a person is told that it has something left again.
    let late = world.entry("x1");
    assert_eq!(late.operation.state, State::Done);
    assert_eq!(late.operation.message, cashier::REFUND_CANCELLED_LATE);
    assert_eq!(world.core.status(world.now).to_review, 1);
    close(&mut world, "x1", Outcome::CarriedOut);
    assert_eq!(world.core.status(world.now).to_review, 0);
    world.refund("r2", "s", 500);
    world.advance(10 * SECOND);
    assert_eq!((world.state("r2"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn a_retry_sends_another_reversal_where_the_old_one_was_denied_meanwhile() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.cancel("c1", "s", false);
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("c1").set_aside);
    for payment in world.service.ledger.values_mut() {
        if payment.info.status == PaymentStatus::InProgress {
            payment.info.status = PaymentStatus::TechnicalCancelling;
        }
    }
    world.service.quirks.slow_reversals_s = 0;
    world.retry("c1").unwrap();
    world.advance(120 * SECOND);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn a_retry_sends_another_reversal_also_where_it_looks_at_the_payment_first() {
    let mut world = undoing_set_aside();
    world.service.fails = None;
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.retry("~1").unwrap();
    // Its reversal leaves, its answer is lost, and it is not seen again before somebody must look.
    while !matches!(world.pending.first(), Some((_, Call::Reverse { .. }))) {
        world.answer(Fate::Answered);
        world.pass(SECOND);
    }
    world.answer(Fate::AnswerLost);
    world.service.fails = Some(refuses_questions);
    world.advance(2 * HOUR);
    assert!(world.entry("~1").set_aside);
    assert_eq!(world.entry("~1").reversal, ReversalProgress::Sent);
    for payment in world.service.ledger.values_mut() {
        if payment.info.status == PaymentStatus::InProgress {
            payment.info.status = PaymentStatus::NotEnough;
        }
    }
    world.service.fails = None;
    world.service.quirks.slow_reversals_s = 0;
    world.crash(SECOND);
    world.retry("~1").unwrap();
    world.advance(120 * SECOND);
    assert_eq!((world.state("~1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn a_refund_of_another_tills_payment_is_not_given_twice_either() {
    let mut world = World::sold();
    world.journal.remove("s");
    world.refund_payment("r1", 1000, 500);
    world.advance(SECOND);
    assert!(world.entry("r1").sent_once);
    let mut world = World::sold();
    world.journal.remove("s");
    world.refund_payment("r1", 1000, 1200);
    world.run_due();
    world.answer(Fate::Answered);
    world.run_due();
    assert!(matches!(
        world.pending.first(),
        Some((_, Call::Reverse { .. }))
    ));
    world.answer(Fate::Late(900));
    world.advance(120 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    world.refund_payment("r2", 1000, 1200);
    world.advance(6 * SECOND);
    assert_eq!(world.problem().code, Code::Busy);
    world.refund_payment("r3", 1000, 800);
    world.advance(6 * SECOND);
    assert_eq!(world.problem().code, Code::MoreThanLeft);
}

#[test]
fn a_retry_goes_on_where_the_service_asks_for_patience() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    world.retry("c1").unwrap();
    world.run_due();
    let (request, _) = world.pending.remove(0);
    let answer = Err(Failure::TooManyRequests {
        retry_after: Some(10 * SECOND),
        detail: "HTTP 429".into(),
    });
    world.event(Event::Answered { request, answer });
    assert!(!world.entry("c1").set_aside);
    world.advance(60 * SECOND);
    assert_eq!((world.state("c1"), world.paid_and_kept()), (State::Done, 0));
}

#[test]
fn entries_take_turns_where_the_service_asks_for_patience_for_ever() {
    let mut world = World::sold();
    world.service.fails = Some(|_, call| {
        is_question(call).then(|| Failure::TooManyRequests {
            retry_after: None,
            detail: "HTTP 429".into(),
        })
    });
    world.begin("t", 300);
    world.settle();
    world.join();
    world.advance(5 * SECOND);
    world.abort("t");
    world.advance(120 * SECOND);
    world.cancel("c1", "s", false);
    // The older one waits beside it, and leaves it a turn long before it is set aside.
    world.advance(600 * SECOND);
    assert!(!world.entry("~1").set_aside && world.entry("c1").tries > 0);
    // Both are set aside after their hour, and not one after the other.
    world.advance(HOUR + 600 * SECOND);
    let blocking = world.core.status(world.now).queue_depth;
    assert_eq!(blocking, 0);
    assert!(world.entry("c1").set_aside);
}
