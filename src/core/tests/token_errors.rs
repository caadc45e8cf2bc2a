//! Token errors that answer a request that can move money: one more refusal, believed only after a look.

use super::service::quirks::NEVER_S;
use super::set_aside::needs_a_token;
use super::world::{Fate, HOUR, SECOND, World, closed_by_a_person};
use crate::core::call::Call;
use crate::core::record::ReversalProgress;
use crate::model::operation::{ErrorCode, Mode, Outcome, State, Undo};
use crate::model::problem::Code;
use crate::texts::cashier;

const CODE: &str = "https://getapp.o-plati.by/c/1";

fn look_up_comes(world: &mut World) {
    for _ in 0..60 {
        world.run_due();
        if matches!(world.pending.first(), Some((_, Call::LookUp { .. }))) {
            return;
        }
        world.pass(SECOND);
    }
    panic!("the report is not asked: {:?}", world.pending);
}

fn left(world: &World) -> i64 {
    world.operation("s").left.map_or(0, |left| left.0)
}

#[test]
fn a_payment_that_was_carried_out_all_the_same_is_found_at_once() {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan(CODE);
    world.answer(Fate::Answered);
    world.answer(Fate::TokenAfterEffect);
    assert_eq!(
        world.state("s"),
        State::InProgress,
        "nothing is reported yet"
    );
    look_up_comes(&mut world);
    world.answer(Fate::Answered);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.buyer(crate::core::call::PaymentStatus::Ok);
    world.advance(30 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    assert_eq!(world.service.ledger.len(), 1);
}

#[test]
fn a_refund_that_was_carried_out_all_the_same_is_done_and_not_made_twice() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::TokenAfterEffect);
    assert!(!world.state("r1").is_final());
    assert_eq!(left(&world), 1499, "its part is taken until it is known");
    world.advance(10 * SECOND);
    assert_eq!((world.state("r1"), world.given_back()), (State::Done, 500));
}

#[test]
fn a_refund_whose_report_is_refused_for_the_token_too_holds_its_part_until_it_is_asked_for_again() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::TokenAfterEffect);
    look_up_comes(&mut world);
    world.answer(Fate::TokenNeeded);
    let refund = world.operation("r1");
    let code = refund.error.as_ref().map(|error| error.code);
    assert_eq!(
        (refund.state, code),
        (State::Failed, Some(ErrorCode::TokenNeeded))
    );
    assert_eq!(left(&world), 1499);
    world.refund("r2", "s", 500);
    assert_eq!(world.problem().code, Code::Busy);
    // With a token that is taken, the late look finds it.
    world.advance(120 * SECOND);
    assert_eq!((left(&world), world.given_back()), (1499, 500));
}

#[test]
fn a_cancellation_that_was_carried_out_all_the_same_is_done() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::TokenAfterEffect);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c1"), world.given_back()), (State::Done, 1999));
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn a_cancellation_that_ended_as_refused_and_comes_late_counts() {
    for report_is_refused_too in [false, true] {
        let mut world = World::sold();
        world.cancel("c1", "s", false);
        world.run_due();
        let (_, call) = world.pending[0].clone();
        world.answer(Fate::TokenNeeded);
        look_up_comes(&mut world);
        world.answer(if report_is_refused_too {
            Fate::TokenNeeded
        } else {
            Fate::Answered
        });
        assert_eq!((world.state("c1"), left(&world)), (State::Failed, 1999));
        // A copy of it was on its way.
        let at = world.now.mono + 5 * SECOND;
        world.service.late.push((at, call));
        world.advance(60 * SECOND);
        assert_eq!(world.state("c1"), State::Failed, "final is final");
        assert_eq!(world.operation("c1").message, cashier::CANCELLED_LATE);
        assert_eq!((world.given_back(), left(&world)), (1999, 0));
        assert_eq!(world.operation("s").undo, Some(Undo::Done));
    }
}

/// A sale `s`; where `of` is `r1`, with a refund of that name and 5.00.
pub(super) fn sold_with(of: &str) -> World {
    let mut world = World::sold();
    if of == "r1" {
        world.refund("r1", "s", 500);
        world.advance(10 * SECOND);
    }
    world
}

/// `undo`, `left` and `overdrawn` of what is cancelled.
fn books(world: &World, of: &str) -> (Option<Undo>, i64, i64) {
    let target = world.operation(of);
    (target.undo, target.left.unwrap().0, target.overdrawn.0)
}

/// The cancellation `c1` of it ends as failed for the token. Returns the request, of which a copy may be on its way.
fn refused_for_token(world: &mut World, of: &str) -> Call {
    world.cancel("c1", of, false);
    world.run_due();
    let (_, call) = world.pending[0].clone();
    world.answer(Fate::TokenNeeded);
    look_up_comes(world);
    world.answer(Fate::Answered);
    assert_eq!(world.state("c1"), State::Failed);
    call
}

/// The same, and it is made late.
fn cancelled_late(world: &mut World, of: &str) {
    let call = refused_for_token(world, of);
    let at = world.now.mono + 5 * SECOND;
    world.service.late.push((at, call));
    world.advance(60 * SECOND);
    assert_eq!(world.operation("c1").message, late_message(of));
}

fn late_message(of: &str) -> &'static str {
    if of == "s" {
        cashier::CANCELLED_LATE
    } else {
        cashier::REFUND_CANCELLED_LATE
    }
}

/// The service takes the late cancellation back, and a person closes it as not made.
fn taken_back(world: &mut World) {
    let own = world.operation("c1").payment_id.unwrap();
    world.service.ledger.remove(&own);
    let not_made = Outcome::NotCarriedOut;
    world.event(closed_by_a_person(900, "c1", not_made, "видел"));
    assert!(!world.entry("c1").needs_review);
}

#[test]
fn a_refunds_cancellation_that_comes_late_gives_the_sale_its_part_back() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.advance(10 * SECOND);
    assert_eq!((world.state("r1"), left(&world)), (State::Done, 1499));
    cancelled_late(&mut world, "r1");
    assert_eq!(world.operation("r1").undo, Some(Undo::Done));
    assert_eq!(left(&world), 1999);
    taken_back(&mut world);
    let refund = world.operation("r1");
    assert_eq!((refund.undo, refund.left.unwrap().0), (None, 500));
    assert_eq!(left(&world), 1499, "the buyer has kept his 5.00");
}

#[test]
fn what_a_late_cancellation_has_undone_stays_so_when_a_later_one_is_closed() {
    let orders = ["s", "r1"].map(|of| [(of, true), (of, false)]);
    let outcomes = [Outcome::NotCarriedOut, Outcome::CarriedOut];
    for ((of, is_set_aside_first), outcome) in orders
        .into_iter()
        .flatten()
        .flat_map(|order| outcomes.map(|outcome| (order, outcome)))
    {
        let mut world = sold_with(of);
        let call = refused_for_token(&mut world, of);
        world.cancel("c2", of, false);
        world.run_due();
        if is_set_aside_first {
            world.answer(Fate::Refused);
            world.settle();
            assert!(world.entry("c2").set_aside);
        }
        world.service.late.push((world.now.mono, call));
        world.pass(SECOND);
        if !is_set_aside_first {
            world.answer(Fate::Refused);
            world.settle();
        }
        world.advance(60 * SECOND);
        assert_eq!(world.operation("c1").message, late_message(of));
        world.event(closed_by_a_person(900, "c2", outcome, "видел"));
        assert_eq!(world.entry("c2").outcome, Some(outcome));
        assert_eq!(
            books(&world, of),
            (Some(Undo::Done), 0, 0),
            "{of} {is_set_aside_first}"
        );
        // Both have brought back the same money.
        assert_eq!(left(&world), if of == "s" { 0 } else { 1999 });
    }
}

#[test]
fn a_late_cancellation_that_a_person_has_seen_undoes_though_another_one_waits() {
    for of in ["s", "r1"] {
        let mut world = sold_with(of);
        let call = refused_for_token(&mut world, of);
        world.cancel("c2", of, false);
        world.run_due();
        world.answer(Fate::Refused);
        world.settle();
        world.service.late.push((world.now.mono, call));
        world.advance(60 * SECOND);
        assert_eq!(world.operation(of).undo, Some(Undo::Done));
        let made = Outcome::CarriedOut;
        world.event(closed_by_a_person(900, "c1", made, "видел"));
        world.crash(SECOND);
        let not_made = Outcome::NotCarriedOut;
        world.event(closed_by_a_person(901, "c2", not_made, "видел"));
        let target = world.operation(of);
        assert_eq!((target.undo, target.left.unwrap().0), (Some(Undo::Done), 0));
        world.cancel("c3", of, false);
        assert_eq!(world.problem().code, Code::AlreadyUndone, "{of}");
    }
}

#[test]
fn a_late_cancellation_counts_nothing_when_a_person_has_closed_another_as_carried_out() {
    for of in ["s", "r1"] {
        let mut world = sold_with(of);
        let call = refused_for_token(&mut world, of);
        world.cancel("c2", of, false);
        world.run_due();
        world.answer(Fate::Refused);
        world.settle();
        let made = Outcome::CarriedOut;
        world.event(closed_by_a_person(900, "c2", made, "видел"));
        world.service.late.push((world.now.mono, call));
        world.advance(60 * SECOND);
        let late = world.entry("c1");
        assert!(matches!(late.reversal, ReversalProgress::Known(_)));
        assert!(!late.needs_review, "a person has said so already");
        assert_eq!(late.outcome, Some(Outcome::CarriedOut));
        assert_eq!(world.alarms, ["set aside: the reversal was refused"]);
        assert_eq!(books(&world, of), (Some(Undo::Done), 0, 0), "{of}");
        assert_eq!(left(&world), if of == "s" { 0 } else { 1999 });
    }
}

#[test]
fn a_refund_that_is_refused_after_a_late_cancellation_leaves_nothing_overdrawn() {
    let mut world = World::sold();
    let call = refused_for_token(&mut world, "s");
    world.refund("r1", "s", 500);
    world.run_due();
    world.service.late.push((world.now.mono, call));
    world.answer(Fate::RequestLost);
    world.advance(60 * SECOND);
    assert_eq!(world.operation("c1").message, cashier::CANCELLED_LATE);
    let overdrawn = |world: &World| world.operation("s").overdrawn.0;
    assert_eq!(
        (left(&world), overdrawn(&world)),
        (0, 500),
        "r1 is in doubt"
    );
    world.advance(4000 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    assert_eq!((left(&world), overdrawn(&world)), (0, 0));
}

#[test]
fn a_late_cancellation_that_the_service_takes_back_is_uncounted_by_a_persons_word() {
    let mut world = World::sold();
    cancelled_late(&mut world, "s");
    assert_eq!((left(&world), world.given_back()), (0, 1999));
    taken_back(&mut world);
    assert_eq!((left(&world), world.operation("s").undo), (1999, None));
    world.cancel("c2", "s", false);
    world.advance(10 * SECOND);
    assert_eq!((world.state("c2"), world.given_back()), (State::Done, 1999));
}

#[test]
fn a_cancellation_that_only_the_reversal_is_refused_for_fails_at_once() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::TokenNeeded);
    look_up_comes(&mut world);
    world.answer(Fate::Answered);
    assert_eq!(world.state("c1"), State::Failed);
    assert_eq!((left(&world), world.operation("s").undo), (1999, None));
}

#[test]
fn a_cancellation_that_may_have_left_before_is_not_refused_for_the_token_later() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::RequestLost);
    // Absent for the whole settling time, it leaves once more, and then the token is not taken.
    world.service.fails = Some(needs_a_token);
    world.advance(2 * HOUR);
    let entry = world.entry("c1");
    assert!(entry.set_aside && entry.resent);
    assert_eq!(entry.reversal, ReversalProgress::Sent);
    assert_eq!(left(&world), 0, "a copy of it may be on its way");
}

/// `c1` was refused for the token, `c2` stays pending, and then `c1` turns out to be carried out.
fn late_beside_a_doubt(of: &str) -> World {
    let mut world = sold_with(of);
    let call = refused_for_token(&mut world, of);
    world.service.quirks.slow_reversals_s = NEVER_S;
    world.cancel("c2", of, false);
    world.advance(2 * SECOND);
    assert!(matches!(
        world.entry("c2").reversal,
        ReversalProgress::Known(_)
    ));
    world.service.quirks.slow_reversals_s = 0;
    world.service.late.push((world.now.mono, call));
    world.advance(60 * SECOND);
    assert!(world.entry("c1").needs_review);
    assert!(world.entry("c2").is_live() && !world.entry("c2").set_aside);
    assert_eq!(world.operation(of).undo, Some(Undo::Pending));
    world
}

#[test]
fn a_doubt_that_ends_beside_a_late_cancellation_leaves_its_target_undone() {
    for (of, is_seen) in [("s", false), ("r1", false), ("r1", true)] {
        let mut world = late_beside_a_doubt(of);
        if is_seen {
            world.event(closed_by_a_person(900, "c1", Outcome::CarriedOut, "видел"));
        }
        world.advance(2 * HOUR);
        assert!(world.entry("c2").set_aside);
        let undone = (!is_seen).then_some(Undo::Done);
        assert_eq!(world.operation(of).undo, undone.or(Some(Undo::SetAside)));
        let not_made = Outcome::NotCarriedOut;
        world.event(closed_by_a_person(901, "c2", not_made, "видел"));
        assert_eq!(
            books(&world, of),
            (Some(Undo::Done), 0, 0),
            "{of} {is_seen}"
        );
    }
}

#[test]
fn a_doubt_that_a_person_calls_carried_out_counts_once_beside_a_late_cancellation() {
    for of in ["s", "r1"] {
        let mut world = late_beside_a_doubt(of);
        world.advance(2 * HOUR);
        assert!(world.entry("c2").set_aside);
        world.event(closed_by_a_person(901, "c2", Outcome::CarriedOut, "видел"));
        assert_eq!(books(&world, of), (Some(Undo::Done), 0, 0), "{of}");
        assert_eq!(left(&world), if of == "s" { 0 } else { 1999 });
    }
}
