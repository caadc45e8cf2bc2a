//! What each rule of refunds, cancellations and the queue forbids.

use super::service::quirks::NEVER_S;
use super::world::failures::lost_with_500;
use super::world::{Fate, HOUR, SECOND, Service, World, closed_by_a_person};
use crate::core::call::{Answer, Call, Failure, PaymentStatus, PaymentType, Reply};
use crate::core::event::Event;
use crate::core::record::ReversalProgress;
use crate::core::reversal::target::give_back_to_left;
use crate::model::money::Kopecks;
use crate::model::operation::{Mode, Outcome, State, Undo};
use crate::model::problem::Code;

fn left(world: &World) -> i64 {
    world.operation("s").left.unwrap().0
}

/// Every reversal that is there gets that status.
fn set_reversals(world: &mut World, status: PaymentStatus) {
    let ledger = world.service.ledger.values_mut();
    for payment in ledger.filter(|payment| payment.target.is_some()) {
        payment.info.status = status;
    }
}

/// A refund `r1` of 5.00 that was lost and not found.
fn absent_refund() -> World {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(60 * SECOND);
    assert_eq!((world.state("r1"), left(&world)), (State::Failed, 1499));
    world
}

/// A cancellation that the service refuses, set aside.
fn refused_and_set_aside(world: &mut World, id: &str, of: &str) {
    world.cancel(id, of, false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    assert!(world.entry(id).set_aside);
}

/// The line is dead for a while.
fn without_line(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.run_due();
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
        world.pass(SECOND);
    }
}

/// A cancellation `c1` whose reversal stays pending, set aside.
fn pending_and_set_aside(world: &mut World) {
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.cancel("c1", "s", false);
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("c1").set_aside);
    world.service.quirks.slow_reversals_s = 0;
}

#[test]
fn a_refund_that_was_found_to_be_absent_proves_nothing_against_the_connection() {
    // The service has answered every question after it.
    let world = absent_refund();
    assert!(world.core.status(world.now).down.is_none());
}

// ---- what is left -------------------------------------------------------------------------------

#[test]
fn a_sale_is_not_cancelled_while_a_refund_may_hold_a_part_of_it() {
    let mut world = absent_refund();
    world.cancel("c1", "s", false);
    assert_eq!(world.problem().code, Code::Busy);
    world.advance(2 * HOUR);
    world.cancel("c1", "s", false);
    world.advance(60 * SECOND);
    assert_eq!((world.state("c1"), world.given_back()), (State::Done, 1999));
}

#[test]
fn a_repeated_cancellation_takes_nothing_of_what_has_come_back_meanwhile() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(10 * SECOND);
    assert_eq!(world.state("r1"), State::Done);
    pending_and_set_aside(&mut world);
    world.cancel("c2", "r1", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c2"), left(&world)), (State::Done, 500));
    world.cancel("c3", "s", false);
    assert_eq!(left(&world), 500);
    set_reversals(&mut world, PaymentStatus::Ok);
    world.advance(60 * SECOND);
    assert_eq!(world.state("c3"), State::Done);
    assert_eq!((world.operation("s").undo, left(&world)), (None, 500));
}

#[test]
fn no_more_is_left_than_the_sum() {
    let world = World::sold();
    let mut sale = world.operation("s").clone();
    sale.left = Some(Kopecks(1500));
    give_back_to_left(&mut sale, Kopecks(500));
    assert_eq!(sale.left, Some(Kopecks(1999)));
}

#[test]
fn what_a_person_has_closed_as_carried_out_is_not_asked_for_again() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.refund("r1", "s", 500);
    world.advance(HOUR + 120 * SECOND);
    assert!(world.entry("r1").set_aside);
    world.event(closed_by_a_person(900, "r1", Outcome::CarriedOut, "видел"));
    // Of a journal that has lost which reversal it was.
    let mut entry = world.entry("r1").clone();
    entry.reversal = ReversalProgress::Sent;
    let targets = vec![world.journal["s"].clone()];
    let entry = Box::new(entry);
    world.event(Event::Recheck { entry, targets });
    world.run_due();
    assert!(world.pending.is_empty(), "{:?}", world.pending);
}

#[test]
fn a_refund_that_the_service_denies_is_none() {
    for status in [PaymentStatus::Decline, PaymentStatus::Timeout] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        world.run_due();
        world.answer(Fate::AnswerLost);
        set_reversals(&mut world, status);
        world.advance(10 * SECOND);
        assert_eq!((world.state("r1"), left(&world)), (State::Failed, 1999));
    }
}

// ---- a cancellation -----------------------------------------------------------------------------

#[test]
fn a_payment_that_is_pending_again_is_no_paid_one() {
    let mut world = World::sold();
    world.service.quirks.refuses_pending = true;
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    for payment in world.service.ledger.values_mut() {
        payment.info.status = PaymentStatus::InProgress;
    }
    world.advance(60 * SECOND);
    assert!(world.entry("c1").denied_while_pending);
    assert!(!world.entry("c1").set_aside);
    world.buyer(PaymentStatus::Ok);
    world.advance(60 * SECOND);
    assert_eq!((world.state("c1"), world.given_back()), (State::Done, 1999));
}

#[test]
fn what_repeats_a_set_aside_cancellation_goes_on_with_its_reversal() {
    let mut world = World::sold();
    pending_and_set_aside(&mut world);
    set_reversals(&mut world, PaymentStatus::Ok);
    world.cancel("c2", "s", false);
    world.advance(60 * SECOND);
    assert_eq!(
        (world.state("c2"), world.reverses_of("c2")),
        (State::Done, 1)
    );
    assert_eq!((left(&world), world.given_back()), (0, 1999));
}

// ---- the queue ----------------------------------------------------------------------------------

#[test]
fn the_queue_makes_one_request_at_a_time() {
    let mut world = World::sold();
    for id in ["r1", "r2"] {
        world.refund(id, "s", 100);
        world.advance(5 * SECOND);
    }
    world.cancel("c1", "r1", false);
    world.run_due();
    world.answer(Fate::NotSent);
    world.cancel("c2", "r2", false);
    world.crash(SECOND);
    world.run_due();
    assert_eq!(world.core.status(world.now).queue_depth, 2);
    assert_eq!(world.pending.len(), 1, "{:?}", world.pending);
}

#[test]
fn an_answer_does_not_begin_the_pauses_anew() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    without_line(&mut world, 300);
    let answer: Answer = Ok(Reply::Alive);
    let request = 9999;
    world.event(Event::Answered { request, answer });
    without_line(&mut world, 1);
    let next = world.entry("c1").next_try.unwrap();
    let pause = next.duration_since(world.now.wall).as_secs();
    assert!(pause > 50, "{pause}");
}

// ---- nothing blocks for ever --------------------------------------------------------------------

#[test]
fn an_hour_of_errors_counts_over_a_restart() {
    let refuses: fn(&Service, &Call) -> Option<Failure> = |_, call| {
        let is_question = matches!(call, Call::Payment { .. } | Call::LookUp { .. });
        is_question.then(|| Failure::Refused {
            message: None,
            detail: "no".into(),
        })
    };
    let fails: fn(&Service, &Call) -> Option<Failure> = |_, _| Some(lost_with_500());
    for trouble in [refuses, fails] {
        let mut world = World::sold();
        world.cancel("c1", "s", false);
        world.run_due();
        world.answer(Fate::AnswerLost);
        world.service.fails = Some(trouble);
        world.advance(HOUR * 2 / 3);
        world.crash(SECOND);
        assert!(!world.entry("c1").set_aside);
        world.advance(HOUR / 2);
        assert!(world.entry("c1").set_aside);
    }
}

#[test]
fn a_reversal_that_never_has_effect_is_set_aside() {
    let mut world = World::sold();
    world.service.fails = Some(|_, call| matches!(call, Call::Reverse { .. }).then(lost_with_500));
    world.cancel("c1", "s", false);
    world.advance(HOUR / 2);
    assert!(!world.entry("c1").set_aside);
    world.advance(HOUR);
    assert!(world.entry("c1").set_aside);
}

#[test]
fn no_retry_while_another_reversal_is_open() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(5 * SECOND);
    refused_and_set_aside(&mut world, "c0", "s");
    world.cancel("c1", "r1", false);
    without_line(&mut world, 3);
    assert_eq!(world.state("c1"), State::Queued);
    assert_eq!(world.retry("c0").unwrap_err().code, Code::Busy);
}

#[test]
fn a_retry_takes_what_has_come_back_meanwhile() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(5 * SECOND);
    // It was asked for 1499.
    refused_and_set_aside(&mut world, "c0", "s");
    world.cancel("c1", "r1", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c1"), left(&world)), (State::Done, 1999));
    world.retry("c0").unwrap();
    world.advance(10 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!((world.given_back(), left(&world)), (1999, 0));
}

#[test]
fn no_retry_while_a_refund_may_hold_a_part() {
    let mut world = World::sold();
    refused_and_set_aside(&mut world, "c0", "s");
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::RequestLost);
    world.advance(60 * SECOND);
    assert_eq!((world.state("r1"), left(&world)), (State::Failed, 1499));
    assert_eq!(world.retry("c0").unwrap_err().code, Code::Busy);
}

#[test]
fn a_retry_minds_what_has_come_between() {
    let mut world = World::sold();
    refused_and_set_aside(&mut world, "c0", "s");
    world.retry("c0").unwrap();
    world.refund("r1", "s", 1500);
    world.advance(10 * SECOND);
    assert_eq!((world.state("r1"), world.given_back()), (State::Done, 1500));
    assert!(world.entry("c0").set_aside);
    assert_eq!(left(&world), 499);
}

#[test]
fn no_retry_of_a_refunds_cancellation_once_its_sale_is_undone() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(5 * SECOND);
    refused_and_set_aside(&mut world, "c0", "r1");
    world.cancel("c1", "s", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c1"), world.given_back()), (State::Done, 1999));
    let problem = world.retry("c0").unwrap_err();
    assert_eq!(problem.code, Code::AlreadyUndone);
}

#[test]
fn the_sale_follows_what_a_person_says_of_its_refunds_cancellation() {
    for (outcome, rest) in [(Outcome::CarriedOut, 1999), (Outcome::NotCarriedOut, 1499)] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        world.advance(5 * SECOND);
        world.service.quirks.slow_reversals_s = NEVER_S;
        world.cancel("c0", "r1", false);
        world.advance(HOUR + 120 * SECOND);
        assert!(world.entry("c0").set_aside);
        world.event(closed_by_a_person(900, "c0", outcome, "проверено"));
        assert_eq!(left(&world), rest, "{outcome:?}");
    }
}

/// Ends the oldest request of that kind with these words.
fn answer_when(world: &mut World, is_it: fn(&Call) -> bool, answer: Answer) {
    for _ in 0..50 {
        world.run_due();
        if let Some(place) = world.pending.iter().position(|(_, call)| is_it(call)) {
            let (request, _) = world.pending.remove(place);
            return world.event(Event::Answered { request, answer });
        }
        world.pass(SECOND / 10);
    }
    panic!("it is never asked: {:?}", world.pending);
}

#[test]
fn a_sale_is_not_done_once_a_reversal_of_it_has_left() {
    let mut world = World::begun(Mode::DynamicQr);
    world.join();
    world.advance(2 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.abort("s");
    let mut denied = world.service.ledger[&1000].info.clone();
    denied.payment_id = 3000;
    denied.payment_type = PaymentType::ReversalOfSale;
    denied.status = PaymentStatus::Timeout;
    denied
        .order_number
        .clone_from(&world.operation("~1").order_number);
    let answer = Ok(Reply::Payment(denied));
    let is_reversal = |call: &Call| matches!(call, Call::Reverse { .. });
    let asks_for_it = |call: &Call| matches!(call, Call::Payment { payment_id: 3000 });
    answer_when(&mut world, is_reversal, answer.clone());
    answer_when(&mut world, asks_for_it, answer);
    assert_eq!(world.entry("~1").earlier.len(), 1);
    world.buyer(PaymentStatus::Ok);
    world.advance(8 * SECOND);
    assert_eq!(
        (world.state("s"), world.given_back()),
        (State::Cancelled, 1999)
    );
}

#[test]
fn the_oldest_alone_tries_a_dead_line() {
    let mut world = World::sold();
    for id in ["r1", "r2"] {
        world.refund(id, "s", 100);
        world.advance(5 * SECOND);
    }
    world.cancel("c1", "r1", false);
    world.cancel("c2", "r2", false);
    without_line(&mut world, 120);
    let (first, second) = (world.entry("c1").tries, world.entry("c2").tries);
    assert!(first >= 5 && second <= 2, "{first} and {second} tries");
}
