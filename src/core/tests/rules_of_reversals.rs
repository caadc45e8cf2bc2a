//! What each rule of refunds, cancellations and the queue forbids.

use std::time::Duration;

use super::world::{Fate, World, closed_by_a_person};
use crate::core::event::Event;
use crate::core::record::Reversal;
use crate::core::targets::give_back_to_left;
use crate::money::Kopecks;
use crate::operation::{Outcome, State};
use crate::problem::Code;
use crate::service::call::PaymentStatus;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn left(world: &World) -> i64 {
    world.operation("s").left.unwrap().0
}

fn given_back(world: &World) -> i64 {
    let paid = world.operation("s").payment_id.unwrap();
    world.service.reversed(paid)
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
    world.live_on(60 * SECOND);
    assert_eq!((world.state("r1"), left(&world)), (State::Failed, 1499));
    world
}

/// A cancellation `c1` whose reversal stays pending, set aside.
fn pending_and_set_aside(world: &mut World) {
    world.service.leaves_pending = true;
    world.cancel("c1", "s", false);
    world.live_on(HOUR + 120 * SECOND);
    assert!(world.entry("c1").set_aside);
    world.service.leaves_pending = false;
}

// ---- what is left -------------------------------------------------------------------------------

#[test]
fn a_sale_is_not_cancelled_while_a_refund_may_hold_a_part_of_it() {
    let mut world = absent_refund();
    world.cancel("c1", "s", false);
    assert_eq!(world.problem().code, Code::Busy);
    world.live_on(2 * HOUR);
    world.cancel("c1", "s", false);
    world.live_on(60 * SECOND);
    assert_eq!((world.state("c1"), given_back(&world)), (State::Done, 1999));
}

#[test]
fn a_repeated_cancellation_takes_nothing_of_what_has_come_back_meanwhile() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.live_on(10 * SECOND);
    assert_eq!(world.state("r1"), State::Done);
    pending_and_set_aside(&mut world);
    world.cancel("c2", "r1", false);
    world.live_on(10 * SECOND);
    assert_eq!((world.state("c2"), left(&world)), (State::Done, 500));
    world.cancel("c3", "s", false);
    assert_eq!(left(&world), 500);
    set_reversals(&mut world, PaymentStatus::Ok);
    world.live_on(60 * SECOND);
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
fn what_a_person_has_closed_is_not_asked_for_again() {
    let mut world = World::sold();
    world.service.leaves_pending = true;
    world.refund("r1", "s", 500);
    world.live_on(HOUR + 120 * SECOND);
    assert!(world.entry("r1").set_aside);
    world.event(closed_by_a_person(900, "r1", Outcome::NotCarriedOut, "нет"));
    // Of a journal that has lost which reversal it was.
    let mut entry = world.entry("r1").clone();
    entry.reversal = Reversal::Sent;
    let target = Some(world.journal["s"].clone());
    let entry = Box::new(entry);
    world.event(Event::Recheck { entry, target });
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
        world.live_on(10 * SECOND);
        assert_eq!((world.state("r1"), left(&world)), (State::Failed, 1999));
    }
}

// ---- a cancellation -----------------------------------------------------------------------------

#[test]
fn a_payment_that_is_pending_again_is_no_paid_one() {
    let mut world = World::sold();
    world.service.reverses_pending = false;
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    for payment in world.service.ledger.values_mut() {
        payment.info.status = PaymentStatus::InProgress;
    }
    world.live_on(60 * SECOND);
    assert!(world.entry("c1").denied_while_pending);
    assert!(!world.entry("c1").set_aside);
    world.buyer(PaymentStatus::Ok);
    world.live_on(60 * SECOND);
    assert_eq!((world.state("c1"), given_back(&world)), (State::Done, 1999));
}
