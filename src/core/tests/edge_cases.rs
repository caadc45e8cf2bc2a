//! Ways in which money, time or patience is lost although every single answer was read rightly.

use std::time::Duration;

use super::world::{Fate, SECOND, World};
use crate::core::call::{Call, Failure, PaymentStatus, Reply};
use crate::core::event::{Event, Reply as TillReply};
use crate::model::operation::{ErrorCode, Mode, Shows, State, Undo};
use crate::model::problem::Code;

const CODE: &str = "https://getapp.o-plati.by/c/AB12";

fn held(mode: Mode) -> World {
    let mut world = World::polite(mode);
    world.service.quirks.holds_answers = true;
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(3 * SECOND);
    assert_eq!(world.held.len(), 1);
    world
}

fn too_many(seconds: u32) -> Failure {
    Failure::TooManyRequests {
        retry_after: Some(seconds * SECOND),
        detail: "HTTP 429".into(),
    }
}

/// The oldest request ends so.
fn end(world: &mut World, answer: Result<Reply, Failure>) -> Call {
    let (request, call) = world.pending.remove(0);
    world.event(Event::Answered { request, answer });
    call
}

fn shown(world: &World) -> bool {
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
    let told = operation.state == State::Done && operation.payment_id == Some(payment_id);
    !paid || left == 0 || told || !world.alarms.is_empty()
}

// ---- late is not lost ---------------------------------------------------------------------------

#[test]
fn a_held_answer_that_tells_paid_after_the_report_told_declined_is_not_dropped() {
    let mut world = held(Mode::DynamicQr);
    world.buyer(PaymentStatus::Decline);
    world.advance(12 * SECOND);
    assert_eq!(world.state("s"), State::Declined);
    // The report was wrong, or spoke of another copy: the service's own answer says paid.
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
        "told failed, left {:?}, and nobody asks for it again",
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
    let told = world.state("r1");
    world.service.ledger.get_mut(&(id + 1)).unwrap().info.status = PaymentStatus::Ok;
    world.advance(60 * SECOND);
    assert_ne!(told, State::Failed, "while a copy of it is pending");
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

// ---- sessions -----------------------------------------------------------------------------------

#[test]
fn one_session_that_ended_at_once_does_not_hide_the_next_ones_code() {
    let mut world = World::polite(Mode::DynamicQr);
    world.service.quirks.session_life_s = 60;
    world.begin("t", 100);
    world.settle();
    world.pass(2 * SECOND);
    let over = Failure::SessionOver {
        detail: "166".into(),
    };
    end(&mut world, Err(over));
    world.abort("t");
    world.settle();
    world.advance(10 * SECOND);
    world.begin("s", 1999);
    world.settle();
    let opened = world.now.mono;
    let mut hidden = 0;
    for _ in 0..100 {
        world.advance(SECOND / 10);
        hidden += u32::from(!shown(&world));
    }
    assert!(
        hidden <= 5,
        "no code for {hidden} of 100 tenths of a second after {opened:?}, though its session lives"
    );
}

#[test]
fn a_living_session_is_asked_for_until_it_ends() {
    let mut world = World::polite(Mode::DynamicQr);
    world.service.quirks.session_life_s = 60;
    world.begin("t", 100);
    world.settle();
    world.pass(2 * SECOND);
    let over = Failure::SessionOver {
        detail: "166".into(),
    };
    end(&mut world, Err(over));
    world.abort("t");
    world.settle();
    world.advance(10 * SECOND);
    let first = world.sessions();
    world.begin("s", 1999);
    world.settle();
    // He scans the first code, and reads the terms of use for a while.
    world.advance(20 * SECOND);
    assert!(world.age_of_session(first) < 60 * SECOND);
    let opened = world.sessions() - first;
    world.join_session(first);
    world.advance(5 * SECOND);
    assert_eq!(
        world.state("s"),
        State::AwaitingConfirmation,
        "{opened} sessions were opened in 20 s"
    );
}

#[test]
fn patience_between_two_questions_is_no_short_life_of_a_session() {
    let mut world = World::polite(Mode::DynamicQr);
    world.service.quirks.session_life_s = 60;
    world.begin("s", 1999);
    world.settle();
    world.advance(3 * SECOND);
    world.pass(SECOND);
    assert_eq!(world.pending[0].1.name(), "consumer_status");
    end(&mut world, Err(too_many(58)));
    // The first session ends after 60 s, as every one does, and is asked for after 62; the one
    // that was opened after 50 s lives on.
    world.advance(64 * SECOND);
    let before = world.sessions();
    world.advance(45 * SECOND);
    let opened = world.sessions() - before;
    assert!(
        opened <= 1,
        "{opened} sessions in 45 s, though each lives for 60 s"
    );
}

// ---- patience -----------------------------------------------------------------------------------

/// A sale whose service has asked for two minutes of patience 3 s ago.
fn impatient() -> World {
    let mut world = World::polite(Mode::DynamicQr);
    world.begin("s", 1999);
    world.settle();
    world.pass(2 * SECOND);
    end(&mut world, Err(too_many(120)));
    world.pass(3 * SECOND);
    assert!(world.pending.is_empty());
    world
}

#[test]
fn no_session_is_renewed_while_the_service_asks_for_patience() {
    let mut world = impatient();
    world.pass(60 * SECOND);
    assert!(
        world.pending.is_empty(),
        "{:?} 65 s after a 429 with 120 s",
        world.pending
    );
}

#[test]
fn no_session_is_opened_while_the_service_asks_for_patience() {
    let mut world = impatient();
    world.abort("s");
    world.pass(SECOND);
    world.begin("t", 100);
    world.run_due();
    assert!(
        world.pending.is_empty(),
        "{:?} 6 s after a 429 with 120 s",
        world.pending
    );
}

#[test]
fn no_probe_leaves_while_the_service_asks_for_patience() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::NotSent);
    for _ in 0..60 {
        world.pass(SECOND / 4);
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
    }
    assert!(world.core.status(world.now).down.is_some());
    world.begin("t", 100);
    world.run_due();
    assert_eq!(world.pending[0].1.name(), "probe");
    end(&mut world, Err(too_many(120)));
    world.pass(SECOND);
    world.abort("t");
    world.pass(SECOND);
    world.begin("u", 100);
    world.run_due();
    assert!(
        world.pending.is_empty(),
        "{:?} 2 s after a 429 with 120 s",
        world.pending
    );
}

/// A refund of another till's payment is answered within seconds, whatever the service asks for.
#[test]
fn a_refund_that_waits_for_patience_does_not_hold_the_till() {
    let mut world = World::polite(Mode::DynamicQr);
    world.refund_payment("r1", 7, 500);
    world.run_due();
    assert_eq!(world.pending[0].1.name(), "payment");
    end(&mut world, Err(too_many(120)));
    world.run_due();
    assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    let before = world.replies.len();
    world.refund_payment("r2", 7, 500);
    world.pass(10 * SECOND);
    assert!(world.replies.len() > before, "answered at once");
    world.begin("s", 1999);
    // For the service's sake, and not for the refund's.
    assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    world.pass(110 * SECOND);
    world.begin("s", 1999);
    assert!(world.journal.contains_key("s"));
}

#[test]
fn an_abort_is_confirmed_where_payments_are_asked_for_less_often_than_timeout() {
    let mut world = World::new(Mode::DynamicQr);
    // `pollPayment` as it is by default, `timeout` as shops with a good line have it.
    world.settings.poll_payment = 5 * SECOND;
    world.settings.poll_session = 2 * SECOND;
    world.settings.timeout = 4 * SECOND;
    world.crash(Duration::ZERO);
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    // The first question leaves 4 s after the payment exists.
    world.advance(4 * SECOND);
    world.abort("s");
    world.advance(60 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Cancelled, Some(Undo::Done))
    );
}

// ---- secrets ------------------------------------------------------------------------------------

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
    let told = format!("{reply:?}");
    end(&mut world, Ok(reply));
    let core = format!("{:?}", world.core);
    assert!(!told.contains("SECRET") && !core.contains("SECRET"));
    assert!(
        !core.contains(session),
        "the core's Debug shows the session"
    );
    assert!(
        !told.contains(session),
        "the answer's Debug shows the session"
    );
}

// ---- no disk is believed ------------------------------------------------------------------------

#[test]
fn a_refund_whose_sending_the_disk_has_lost_is_looked_up_before_it_leaves_again() {
    for carried_out in [true, false] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        // As it was before its reversal was written as sent.
        let unsent = world.first_record("r1");
        world.run_due();
        world.answer(if carried_out {
            Fate::Answered
        } else {
            Fate::RequestLost
        });
        world.journal.insert("r1".into(), unsent);
        world.crash(SECOND);
        world.advance(60 * SECOND);
        assert_eq!(world.state("r1"), State::Done);
        let paid = world.operation("s").payment_id.unwrap();
        assert_eq!(
            world.service.reversed(paid),
            500,
            "carried out before: {carried_out}"
        );
    }
}

#[test]
fn a_cancellation_whose_second_try_the_disk_has_lost_is_repeated_under_its_number() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.service.quirks.empty_purses = true;
    world.cancel("c1", "r1", false);
    world.settle();
    assert!(world.entry("c1").set_aside);
    world.service.quirks.empty_purses = false;
    let before = world.journal.clone();
    let id = "c1".to_owned();
    world.event(Event::Retry { ticket: 900, id });
    world.advance(60 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    world.journal = before;
    world.crash(SECOND);
    world.cancel("c2", "r1", false);
    world.advance(60 * SECOND);
    assert_eq!(world.state("c2"), State::Done);
    assert_eq!(world.operation("s").left.unwrap().0, 1999);
}

#[test]
fn a_refund_that_waited_is_not_sent_once_its_sale_turns_out_to_be_undone() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    // Another copy of the request is carried out a moment later.
    world.answer(Fate::LateCopyRefused(1));
    world.settle();
    assert!(world.entry("c1").set_aside);
    world.refund("r1", "s", 500);
    let unsent = world.first_record("r1");
    world.run_due();
    world.answer(Fate::RequestLost);
    world.journal.insert("r1".into(), unsent);
    world.crash(SECOND);
    world.advance(600 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.state("r1"), State::Failed);
    let paid = world.operation("s").payment_id.unwrap();
    assert_eq!(world.service.reversed(paid), 1999);
    let error = world.operation("r1").error.as_ref().unwrap();
    assert_eq!(error.code, ErrorCode::Invalid, "not one of the service's");
}

#[test]
fn a_sale_that_expired_meanwhile_may_have_been_paid_although_the_disk_knows_of_no_payment() {
    for aborted in [true, false] {
        let mut world = World::begun(Mode::DynamicQr);
        let unsent = world.journal["s"].clone();
        world.join();
        world.advance(2 * SECOND);
        world.buyer(PaymentStatus::Ok);
        world.advance(2 * SECOND);
        assert_eq!(world.state("s"), State::Done);
        world.journal.insert("s".into(), unsent);
        world.crash(if aborted { SECOND } else { 600 * SECOND });
        if aborted {
            world.abort("s");
        }
        let ended = if aborted {
            State::Cancelled
        } else {
            State::Expired
        };
        assert_eq!(world.state("s"), ended);
        world.advance(900 * SECOND);
        let sale = world.operation("s");
        assert_eq!((sale.state, sale.undo), (ended, Some(Undo::Done)));
        let paid = sale.payment_id.unwrap();
        assert_eq!(world.service.reversed(paid), 1999);
    }
}

#[test]
fn a_held_answer_after_its_sale_was_undone_is_no_second_payment() {
    let mut world = held(Mode::DynamicQr);
    world.abort("s");
    world.advance(30 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(600 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    let entries = |world: &World| {
        world
            .journal
            .keys()
            .filter(|id| id.starts_with('~'))
            .count()
    };
    let (before, alarms) = (entries(&world), world.alarms.len());
    if !world.held.is_empty() {
        world.let_go();
    }
    world.advance(60 * SECOND);
    assert_eq!((entries(&world), world.alarms.len()), (before, alarms));
}

#[test]
fn a_cancellation_from_before_a_restart_is_not_aborted_as_unsent() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    let unsent = world.first_record("c1");
    world.advance(5 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    world.journal.insert("c1".into(), unsent);
    world.crash(SECOND);
    world.abort("c1");
    assert!(
        matches!(world.replies.last(), Some(TillReply::Aborted(Err(problem))) if problem.code == Code::Busy)
    );
    world.advance(60 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
}

#[test]
fn a_refund_that_was_refused_gives_nothing_back_to_a_sale_that_was_undone_meanwhile() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    // Another copy of it is carried out in half a minute; until then the service refuses.
    world.answer(Fate::LateCopyRefused(25));
    world.settle();
    assert_eq!(world.operation("c1").undo, Some(Undo::SetAside));
    world.advance(20 * SECOND);
    world.refund("r1", "s", 500);
    world.run_due();
    // Its request hangs, and is refused after the cancellation was found to be carried out.
    let (request, _) = world.pending.remove(0);
    world.advance(60 * SECOND);
    let sale = world.operation("s");
    assert_eq!(
        (sale.undo, sale.left.map(|left| left.0)),
        (Some(Undo::Done), Some(0))
    );
    let answer = Err(Failure::Refused {
        message: None,
        detail: "more than was paid".into(),
    });
    world.event(Event::Answered { request, answer });
    world.advance(2 * 3600 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    let sale = world.operation("s");
    assert_eq!(
        (sale.undo, sale.left.map(|left| left.0)),
        (Some(Undo::Done), Some(0))
    );
}

#[test]
fn a_sale_that_begins_anew_watches_the_number_from_before_the_restart() {
    let mut world = World::begun(Mode::DynamicQr);
    let unsent = world.journal["s"].clone();
    world.join();
    while !matches!(world.pending.first(), Some((_, Call::Pay { .. }))) {
        world.answer(Fate::Answered);
        world.pass(SECOND);
    }
    // Its payment is on its way when the power fails, and the disk has lost that it left.
    world.answer(Fate::Late(20));
    world.journal.insert("s".into(), unsent);
    world.crash(SECOND);
    world.advance(5 * SECOND);
    world.join();
    world.advance(5 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    world.advance(10 * SECOND);
    // The late copy is paid as well.
    world.buyer(PaymentStatus::Ok);
    world.advance(900 * SECOND);
    assert_eq!(world.paid_and_kept(), 1999);
}

#[test]
fn a_sale_that_another_account_has_expired_is_watched_when_its_own_is_back() {
    let mut world = World::begun(Mode::DynamicQr);
    let unsent = world.journal["s"].clone();
    world.join();
    world.advance(2 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    world.journal.insert("s".into(), unsent);
    let ours = world.settings.account.clone();
    world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
    world.crash(SECOND);
    let requests = world.requests;
    world.advance(900 * SECOND);
    assert_eq!(
        (world.state("s"), world.requests),
        (State::Expired, requests)
    );
    world.settings.account = ours;
    world.crash(SECOND);
    world.advance(900 * SECOND);
    let sale = world.operation("s");
    assert_eq!(sale.undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(sale.payment_id.unwrap()), 1999);
}
