//! Ways in which money, time or patience is lost although every single answer was read rightly.

use std::time::Duration;

use super::world::{Fate, SECOND, World};
use crate::core::call::{Call, Failure, PaymentStatus, Reply};
use crate::core::event::Event;
use crate::model::operation::{Mode, Shows, State, Undo};

const CODE: &str = "https://getapp.o-plati.by/c/AB12";

pub(super) fn held(mode: Mode) -> World {
    let mut world = World::polite(mode);
    world.service.quirks.holds_answers = true;
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(3 * SECOND);
    assert_eq!(world.held.len(), 1);
    world
}

pub(super) fn too_many(seconds: u32) -> Failure {
    Failure::TooManyRequests {
        retry_after: Some(seconds * SECOND),
        detail: "HTTP 429".into(),
    }
}

/// The oldest request ends so.
pub(super) fn end(world: &mut World, answer: Result<Reply, Failure>) -> Call {
    let (request, call) = world.pending.remove(0);
    world.event(Event::Answered { request, answer });
    call
}

pub(super) fn shown(world: &World) -> bool {
    matches!(
        &world.operation("s").shows,
        Some(Shows::Qr(_) | Shows::Code(_))
    )
}

/// Whether the sale's money is accounted for: nothing of it is at the service, or somebody watches.
fn is_accounted_for(world: &World, sale: &str, payment_id: i64) -> bool {
    let paid = world.service.ledger[&payment_id].info.status == PaymentStatus::Ok;
    let left = world.service.ledger[&payment_id].info.sum.0 - world.service.reversed(payment_id);
    let operation = world.operation(sale);
    let is_done = operation.state == State::Done && operation.payment_id == Some(payment_id);
    !paid || left == 0 || is_done || !world.alarms.is_empty()
}

// ---- late is not lost ---------------------------------------------------------------------------

#[test]
fn a_held_answer_of_paid_after_a_report_of_declined_is_not_dropped() {
    let mut world = held(Mode::DynamicQr);
    world.buyer(PaymentStatus::Decline);
    world.advance(12 * SECOND);
    assert_eq!(world.state("s"), State::Declined);
    // The report was wrong, or showed another copy: the service's own answer is paid.
    world.service.ledger.get_mut(&1000).unwrap().info.status = PaymentStatus::Ok;
    world.let_go();
    world.advance(7200 * SECOND);
    assert!(
        is_accounted_for(&world, "s", 1000),
        "{:?}, undo {:?}, and the buyer has paid",
        world.state("s"),
        world.operation("s").undo
    );
}

#[test]
fn a_held_answer_about_a_second_payment_does_not_end_the_watch_of_the_first() {
    let mut world = held(Mode::DynamicQr);
    world.advance(13 * SECOND);
    assert_eq!(world.operation("s").payment_id, Some(1000));
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    // Two copies made two payments; the held answer belongs to the one that took nothing.
    let mut other = world.service.ledger[&1000].info.clone();
    (other.payment_id, other.status) = (1001, PaymentStatus::Decline);
    let (request, _) = world.held.remove(0);
    let answer = Ok(Reply::Payment(other));
    world.event(Event::Answered { request, answer });
    world.buyer(PaymentStatus::Ok);
    world.advance(7200 * SECOND);
    assert!(
        is_accounted_for(&world, "s", 1000),
        "{:?}, undo {:?}, and the buyer has paid",
        world.state("s"),
        world.operation("s").undo
    );
}

#[test]
fn a_second_paid_row_of_one_number_is_undone() {
    let mut world = held(Mode::DynamicQr);
    world.buyer(PaymentStatus::Ok);
    let mut second = world.service.ledger[&1000].clone();
    second.info.payment_id = 1001;
    world.service.ledger.insert(1001, second);
    world.advance(17 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    world.let_go();
    world.advance(7200 * SECOND);
    let kept: i64 = [1000, 1001]
        .iter()
        .map(|id| 1999 - world.service.reversed(*id))
        .sum();
    assert_eq!(
        kept, 1999,
        "the buyer was charged twice, alarms {:?}",
        world.alarms
    );
}

#[test]
fn of_two_reported_payments_the_sale_stands_on_the_one_that_the_service_itself_calls_paid() {
    let mut world = held(Mode::DynamicQr);
    world.buyer(PaymentStatus::Ok);
    let mut second = world.service.ledger[&1000].clone();
    second.info.payment_id = 1001;
    world.service.ledger.insert(1001, second);
    while !matches!(world.pending.first(), Some((_, Call::LookUp { .. }))) {
        world.pass(SECOND);
        world.run_due();
    }
    world.answer(Fate::Answered);
    // What the report called paid took nothing.
    let first = world.service.ledger.get_mut(&1000).unwrap();
    first.info.status = PaymentStatus::TechnicalCancelling;
    world.advance(120 * SECOND);
    assert_eq!(world.state("s"), State::Cancelled);
    assert_eq!(world.service.reversed(1001), 1999, "the buyer has it back");
}

#[test]
fn a_look_up_beside_that_never_left_is_not_repeated_at_once() {
    let mut world = held(Mode::DynamicQr);
    let before = world.requests;
    // New connections are refused at once, the held one lives.
    for _ in 0..300 {
        world.pass(Duration::from_millis(100));
        for _ in 0..20 {
            if world.pending.is_empty() {
                break;
            }
            world.answer(Fate::NotSent);
            world.run_due();
        }
    }
    let asked = world.requests - before;
    assert!(
        asked <= 30,
        "{asked} look-ups in 23 s, and more where a refused connection takes less than 5 ms"
    );
}

#[test]
fn a_second_abort_changes_nothing() {
    for aborts in [1, 2] {
        let mut world = held(Mode::DynamicQr);
        world.abort("s");
        world.run_due();
        assert_eq!(world.operation("s").message, "Отмена…");
        // The held answer is a refusal: the report is asked, when it may be.
        let (request, _) = world.held.remove(0);
        world.service.ledger.clear();
        world.settle();
        let answer = Err(Failure::Refused {
            message: None,
            detail: "no".into(),
        });
        world.event(Event::Answered { request, answer });
        if aborts == 2 {
            world.abort("s");
        }
        world.advance(20 * SECOND);
        assert_eq!(
            (world.state("s"), world.operation("s").undo),
            (State::Cancelled, None),
            "{aborts} aborts"
        );
    }
}

#[test]
fn a_report_that_hangs_does_not_stop_the_polls() {
    let mut world = held(Mode::DynamicQr);
    world.pass(10 * SECOND);
    // The look-up beside hangs: three shifts, `timeout` for each.
    assert_eq!(world.pending.len(), 1, "{:?}", world.pending);
    let hangs = world.pending.remove(0);
    assert_eq!(hangs.1.name(), "look_up");
    // The service answers 0 to the payment, and the buyer confirms a second later.
    world.let_go();
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.advance(SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(15 * SECOND);
    assert_eq!(
        world.state("s"),
        State::Done,
        "15 s after the buyer has paid"
    );
}

// ---- refusals -----------------------------------------------------------------------------------

#[test]
fn a_refused_number_is_asked_for_again_after_ten_minutes() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::Refused);
    world.settle();
    assert_eq!(world.state("s"), State::Failed);
    // `settle` is over, nothing was there yet.
    world.advance(45 * SECOND);
    world.pay_late("s");
    world.advance(600 * SECOND);
    assert_eq!(
        world.operation("s").undo,
        Some(Undo::Done),
        "after 10 min 45 s"
    );
}

#[test]
fn a_refund_that_is_refused_for_the_token_though_a_copy_was_carried_out_is_not_given_twice() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    // A copy was carried out; 403 with an error body comes from the way, and counts as the token's.
    let copy = world.pending[0].1.clone();
    world.answer(Fate::TokenNeeded);
    let Call::Reverse {
        order_number,
        sum,
        shift,
        ..
    } = copy
    else {
        panic!()
    };
    world.carry_out_reversal(1000, &order_number, sum, &shift);
    world.advance(60 * SECOND);
    assert_eq!(world.service.reversed(1000), 500);
    assert!(
        world.state("r1") != State::Failed
            || world.operation("s").left.unwrap().0 == 1499
            || !world.entry("r1").rechecks.is_empty(),
        "reported failed, left {:?}, and nobody asks for it again",
        world.operation("s").left
    );
}

/// A sale whose payment's fate is unknown to the cashier: `~1` undoes it.
fn released() -> World {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::AnswerLost);
    for _ in 0..30 {
        world.pass(SECOND / 2);
        while !world.pending.is_empty() && !world.state("s").is_final() {
            world.answer(Fate::RequestLost);
        }
    }
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    world
}

/// Makes 1000 dead, and 1001 paid under the same number.
fn second_row_is_paid(world: &mut World) {
    let mut second = world.service.ledger[&1000].clone();
    (second.info.payment_id, second.info.status) = (1001, PaymentStatus::Ok);
    world.service.ledger.insert(1001, second);
    world.service.ledger.get_mut(&1000).unwrap().info.status = PaymentStatus::Decline;
}

#[test]
fn an_undoing_reverses_the_paid_row_among_several() {
    let mut world = released();
    second_row_is_paid(&mut world);
    world.advance(7200 * SECOND);
    assert_eq!(
        world.service.reversed(1001),
        1999,
        "~1 is {:?}",
        world.state("~1")
    );
}

#[test]
fn a_watched_number_is_judged_by_its_paid_row() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::Refused);
    world.settle();
    world.pay_late("s");
    second_row_is_paid(&mut world);
    world.advance(7200 * SECOND);
    assert_eq!(world.service.reversed(1001), 1999);
}

#[test]
fn a_dead_row_does_not_end_the_watch_of_a_refused_number() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::Refused);
    world.settle();
    world.pay_late("s");
    world.service.ledger.get_mut(&1000).unwrap().info.status = PaymentStatus::Decline;
    world.advance(45 * SECOND);
    second_row_is_paid(&mut world);
    world.advance(7200 * SECOND);
    assert_eq!(world.service.reversed(1001), 1999);
}

#[test]
fn a_refund_is_judged_by_its_pending_row_and_not_by_the_dead_one_before() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::AnswerLost);
    let id = *world.service.ledger.keys().next_back().unwrap();
    let mut second = world.service.ledger[&id].clone();
    (second.info.payment_id, second.info.status) = (id + 1, PaymentStatus::InProgress);
    world.service.ledger.insert(id + 1, second);
    world.service.ledger.get_mut(&id).unwrap().info.status = PaymentStatus::Decline;
    world.settle();
    let state = world.state("r1");
    world.service.ledger.get_mut(&(id + 1)).unwrap().info.status = PaymentStatus::Ok;
    world.advance(60 * SECOND);
    assert_ne!(state, State::Failed, "while a copy of it is pending");
    assert_eq!(world.state("r1"), State::Done);
}

/// What is refused while a payment is pending is no refusal for good.
#[test]
fn a_reversal_that_was_lost_and_then_refused_while_pending_is_made_when_it_is_paid() {
    let mut world = World::new(Mode::DynamicQr);
    world.service.quirks.refuses_pending = true;
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.abort("s");
    world.run_due();
    let position = world
        .pending
        .iter()
        .position(|(_, call)| matches!(call, Call::Reverse { .. }))
        .unwrap();
    world.pending.swap(0, position);
    world.answer(Fate::RequestLost);
    world.advance(60 * SECOND);
    assert!(!world.entry("~1").set_aside, "the payment is only pending");
    world.buyer(PaymentStatus::Ok);
    world.advance(60 * SECOND);
    assert_eq!(world.service.reversed(1000), 1999);
}

/// A disk that forgot its last commits.
#[test]
fn a_restored_sale_looks_its_number_up_before_it_pays() {
    let mut world = World::begun(Mode::ConsumerQr);
    let journal = world.journal.clone();
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::AnswerLost);
    world.buyer(PaymentStatus::Ok);
    world.journal = journal;
    world.crash(SECOND);
    world.settle();
    if world.state("s") == State::AwaitingScan {
        world.scan(CODE);
    }
    world.advance(10 * SECOND);
    let number = world.service.ledger[&1000].info.order_number.clone();
    assert!(
        is_accounted_for(&world, "s", 1000) && world.service.pays[&number] == 1,
        "{:?}",
        world.service.pays
    );
}

#[test]
fn debug_output_of_core_and_answers_holds_no_session() {
    let session = "31149777";
    let mut world = World::polite(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    let reply = Reply::Session {
        session: session.into(),
        shows: Some(Shows::Qr("o-plati://o-cashpay/dyn/SECRET".into())),
    };
    let answer = format!("{reply:?}");
    end(&mut world, Ok(reply));
    let core = format!("{:?}", world.core);
    assert!(!answer.contains("SECRET") && !core.contains("SECRET"));
    assert!(
        !core.contains(session),
        "the core's Debug shows the session"
    );
    assert!(
        !answer.contains(session),
        "the answer's Debug shows the session"
    );
}
