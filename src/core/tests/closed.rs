//! What a person has closed as not carried out, and the service carries out afterwards.

use super::reports::compare;
use super::service::quirks::NEVER_S;
use super::set_aside::undoing_set_aside;
use super::token_errors::sold_with;
use super::world::{Fate, HOUR, SECOND, World, closed_by_a_person};
use crate::core::call::PaymentStatus;
use crate::core::event::{Event, Reply as TillReply};
use crate::model::operation::{Outcome, State, Undo};
use crate::texts::cashier;

/// The report shows the operation, and the core asks for it again.
fn recheck(world: &mut World, id: &str) {
    assert!(compare(world).unmoved.contains(&id.to_owned()));
    let entry = Box::new(world.entry(id).clone());
    let (mut targets, mut of) = (Vec::new(), entry.operation.of.clone());
    while let Some(id) = of.take() {
        targets.push(world.journal[&id].clone());
        of.clone_from(&world.operation(&id).of);
    }
    world.event(Event::Recheck { entry, targets });
    world.advance(60 * SECOND);
}

fn close(world: &mut World, id: &str, outcome: Outcome) {
    let ticket = world.tickets() + 1;
    world.event(closed_by_a_person(ticket, id, outcome, "видел"));
    assert_eq!(world.entry(id).outcome, Some(outcome), "{id}");
}

/// `left` and `undo` of an operation.
fn books(world: &World, id: &str) -> (i64, Option<Undo>) {
    let operation = world.operation(id);
    (operation.left.map_or(0, |left| left.0), operation.undo)
}

#[test]
fn a_cancellation_that_is_carried_out_after_it_was_closed_comes_back_to_a_person() {
    for (of, crashes) in [("s", false), ("r1", false), ("s", true), ("r1", true)] {
        let mut world = sold_with(of);
        let whole = books(&world, of);
        world.cancel("c1", of, false);
        world.run_due();
        let (_, call) = world.pending[0].clone();
        world.answer(Fate::Refused);
        world.settle();
        assert!(world.entry("c1").set_aside);
        close(&mut world, "c1", Outcome::NotCarriedOut);
        assert_eq!(books(&world, of), whole);
        // A copy of the request was on its way.
        world.service.late.push((world.now.mono, call));
        world.advance(SECOND);
        if crashes {
            world.crash(SECOND);
        }
        recheck(&mut world, "c1");
        let entry = world.entry("c1");
        assert!(entry.needs_review && entry.operation.state == State::Failed);
        assert_eq!((entry.outcome, &entry.settled), (None, &None));
        assert_eq!(books(&world, of), (0, Some(Undo::Done)), "{of}");
        let all = if of == "s" { 0 } else { 1999 };
        assert_eq!(books(&world, "s").0, all, "the sale of a refund, too");
        assert_eq!(world.operation("s").overdrawn.0, 0);
        close(&mut world, "c1", Outcome::CarriedOut);
        assert_eq!(compare(&world).count(), 0, "{of}");
        assert_eq!(world.core.status(world.now).to_review, 0);
    }
}

#[test]
fn a_cancellation_that_was_set_aside_and_carried_out_after_all_is_as_done_as_any() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    let (_, call) = world.pending[0].clone();
    world.answer(Fate::Refused);
    world.settle();
    assert_eq!(world.operation("c1").undo, Some(Undo::SetAside));
    world.service.late.push((world.now.mono, call));
    world.advance(HOUR);
    let operation = world.operation("c1");
    assert_eq!((operation.state, operation.undo), (State::Done, None));
    assert_eq!(books(&world, "s"), (0, Some(Undo::Done)));
}

#[test]
fn a_reversal_that_was_pending_when_a_person_closed_it_comes_back_when_it_is_carried_out() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.cancel("c1", "s", false);
    world.advance(2 * HOUR);
    assert!(world.entry("c1").set_aside);
    close(&mut world, "c1", Outcome::NotCarriedOut);
    assert_eq!(books(&world, "s"), (1999, None));
    let own = world.operation("c1").payment_id.unwrap();
    world.service.ledger.get_mut(&own).unwrap().info.status = PaymentStatus::Ok;
    recheck(&mut world, "c1");
    assert_eq!(world.operation("c1").message, cashier::CANCELLED_LATE);
    assert_eq!(books(&world, "s"), (0, Some(Undo::Done)));
    // Whoever says again that it was not is believed, and asked again by the next report.
    close(&mut world, "c1", Outcome::NotCarriedOut);
    assert_eq!(books(&world, "s"), (1999, None));
    recheck(&mut world, "c1");
    close(&mut world, "c1", Outcome::CarriedOut);
    assert_eq!(books(&world, "s"), (0, Some(Undo::Done)));
    assert_eq!(compare(&world).count(), 0);
}

#[test]
fn a_refund_that_is_carried_out_after_it_was_closed_comes_back_to_a_person() {
    let mut world = World::sold();
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.refund("r1", "s", 500);
    world.advance(2 * HOUR);
    assert!(world.entry("r1").set_aside);
    close(&mut world, "r1", Outcome::NotCarriedOut);
    assert_eq!(books(&world, "s"), (1999, None));
    let own = world.operation("r1").payment_id.unwrap();
    world.service.ledger.get_mut(&own).unwrap().info.status = PaymentStatus::Ok;
    recheck(&mut world, "r1");
    assert_eq!(world.operation("r1").message, cashier::REFUNDED_LATE);
    assert_eq!(books(&world, "s"), (1499, None));
    close(&mut world, "r1", Outcome::CarriedOut);
    assert_eq!(
        (books(&world, "s"), compare(&world).count()),
        ((1499, None), 0)
    );
}

#[test]
fn an_undoing_that_is_carried_out_after_it_was_closed_comes_back_to_a_person() {
    let mut world = undoing_set_aside();
    close(&mut world, "~1", Outcome::NotCarriedOut);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
    let entry = world.entry("~1").clone();
    // The disk has forgotten that a reversal had left.
    world.service.fails = None;
    let paid = *world.service.ledger.keys().next().unwrap();
    let operation = &entry.operation;
    let (number, shift) = (&operation.order_number, &operation.shift);
    world.carry_out_reversal(paid, number, operation.amount, shift);
    recheck(&mut world, "~1");
    assert!(world.entry("~1").needs_review);
    for id in ["~1", "s"] {
        assert_eq!(world.operation(id).undo, Some(Undo::Done), "{id}");
    }
    close(&mut world, "~1", Outcome::CarriedOut);
    assert_eq!(compare(&world).count(), 0);
}

#[test]
fn a_refund_of_what_can_only_be_cancelled_is_refused_with_that_reason() {
    let mut world = undoing_set_aside();
    world.refund("r1", "s", 500);
    assert_eq!(world.problem().detail, cashier::only_cancelled("s"));
}

#[test]
fn what_repeats_a_refused_cancellation_blames_no_connection() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    world.cancel("c2", "s", false);
    let operation = world.operation("c2");
    assert_eq!(
        (operation.state, operation.message.as_str()),
        (State::Queued, cashier::REPEATS)
    );
}

#[test]
fn a_refund_that_is_under_way_is_called_one_when_it_cannot_be_closed() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    let ticket = world.tickets() + 1;
    world.event(closed_by_a_person(
        ticket,
        "r1",
        Outcome::CarriedOut,
        "видел",
    ));
    let Some(TillReply::Queue(Err(problem))) = world.replies.last() else {
        panic!("{:?}", world.replies);
    };
    assert_eq!(problem.detail, cashier::REFUND_STILL_TRIED);
}
