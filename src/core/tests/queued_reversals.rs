//! Reversals that wait: for the line, for an answer, for a person, for a restart.

use super::reversals::{left, sell, sold, taken};
use super::world::{Fate, SECOND};
use crate::core::event::Event;
use crate::model::operation::{ErrorCode, State, Undo};
use crate::model::problem::Code;
use crate::texts::original;

#[test]
fn a_cancellation_without_connection_is_queued_with_the_seeds_words_and_done_later() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::NotSent);
    assert_eq!(world.state("c1"), State::Queued);
    assert_eq!(world.operation("c1").message, original::CANCEL_QUEUED);
    assert_eq!(world.operation("s").undo, Some(Undo::Pending));
    world.begin("t", 5);
    world.pass(4 * SECOND);
    while !world.pending.is_empty() {
        world.answer(Fate::NotSent);
    }
    world.pass(4 * SECOND);
    assert_eq!(world.problem().detail, original::UNAVAILABLE);
    world.cancel("c2", "s", false);
    assert_eq!(world.problem().code, Code::AlreadyUndone);
    world.advance(90 * SECOND);
    assert_eq!((world.state("c1"), taken(&world)), (State::Done, 0));
    assert_eq!(world.core.status(world.now).queue_depth, 0);
}

#[test]
fn cancellations_are_carried_out_in_their_order() {
    let mut world = sold();
    sell(&mut world, "s2", 100);
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::NotSent);
    world.cancel("c2", "s2", false);
    assert_eq!(world.state("c2"), State::Queued);
    assert_eq!(world.core.status(world.now).queue_depth, 2);
    world.advance(20 * SECOND);
    let done: Vec<&str> = world
        .states
        .iter()
        .filter(|(id, state)| id.starts_with('c') && *state == State::Done)
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(done, ["c1", "c2"]);
}

#[test]
fn a_lost_reversal_is_repeated_under_its_number_after_a_conclusive_absence_only() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    let number = world.operation("c1").order_number.clone();
    world.answer(Fate::RequestLost);
    world.advance(20 * SECOND);
    assert_eq!(world.reverses_of("c1"), 1, "not before the settling time");
    world.advance(60 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.operation("c1").order_number, number);
    assert_eq!((world.reverses_of("c1"), taken(&world)), (2, 0));
}

#[test]
fn a_repeated_reversal_that_is_refused_may_have_been_carried_out_before() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    // It arrives after its absence was concluded, just before the second one.
    world.answer(Fate::Late(34));
    world.advance(33 * SECOND);
    world.advance(120 * SECOND);
    assert_eq!((world.state("c1"), taken(&world)), (State::Done, 0));
    assert!(!world.entry("c1").set_aside);
}

#[test]
fn a_refusal_for_good_sets_aside_gives_back_and_can_be_retried_or_settled() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    assert_eq!(world.state("c1"), State::InProgress, "not yet believed");
    world.settle();
    let operation = world.operation("c1");
    assert_eq!(
        (operation.state, operation.undo),
        (State::Queued, Some(Undo::SetAside))
    );
    assert_eq!(
        operation.error.as_ref().map(|error| error.code),
        Some(ErrorCode::ServiceRejected)
    );
    assert_eq!((left(&world, "s"), taken(&world)), (1999, 1999));
    assert_eq!(world.core.status(world.now).set_aside, 1);
    world.event(Event::Retry {
        ticket: 900,
        id: "c1".into(),
    });
    world.run_due();
    assert_eq!(left(&world, "s"), 0);
    world.advance(5 * SECOND);
    assert_eq!((world.state("c1"), taken(&world)), (State::Done, 0));

    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    world.refund("r1", "s", 500);
    world.settle();
    assert_eq!(
        world.state("r1"),
        State::Done,
        "what was denied can be refunded"
    );
    // All that is still owed is brought back, whatever it was when the service refused.
    world.event(Event::Retry {
        ticket: 900,
        id: "c1".into(),
    });
    world.run_due();
    assert_eq!(
        (left(&world, "s"), world.operation("c1").amount.0),
        (0, 1499)
    );
    world.advance(5 * SECOND);
    assert_eq!((world.state("c1"), taken(&world)), (State::Done, 0));
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn six_failed_tries_are_an_alarm_and_nothing_is_ever_dropped() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    for tries in 1..=20_u32 {
        while world.pending.is_empty() {
            world.pass(SECOND);
        }
        world.answer(Fate::NotSent);
        let alarms = world.alarms.len();
        assert_eq!(alarms, usize::from(tries >= 6), "after {tries} tries");
    }
    assert_eq!(world.entry("c1").tries, 20);
    world.advance(90 * SECOND);
    assert_eq!((world.state("c1"), taken(&world)), (State::Done, 0));
}

#[test]
fn token_errors_refuse_a_new_cancellation_but_never_a_queued_one() {
    let mut world = sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::TokenNeeded);
    // The report cannot be asked either.
    world.run_due();
    world.answer(Fate::TokenNeeded);
    assert_eq!(world.state("c1"), State::Failed);
    assert_eq!(world.operation("c1").message, original::TOKEN_NEEDED);
    assert_eq!((left(&world, "s"), world.operation("s").undo), (1999, None));
    world.cancel("c2", "s", false);
    world.run_due();
    world.answer(Fate::NotSent);
    world.pass(2 * SECOND);
    world.answer(Fate::TokenNeeded);
    assert_eq!(world.state("c2"), State::Queued);
    world.advance(90 * SECOND);
    assert_eq!((world.state("c2"), taken(&world)), (State::Done, 0));
}

#[test]
fn after_a_crash_refunds_and_cancellations_go_on() {
    // Before anything was sent, while it is under way, and after a lost answer.
    for cut in 0..3 {
        let mut world = sold();
        world.refund("r1", "s", 500);
        if cut > 0 {
            world.run_due();
        }
        if cut > 1 {
            world.answer(Fate::AnswerLost);
        }
        world.crash(5 * SECOND);
        world.advance(60 * SECOND);
        let (state, rest) = if cut == 1 {
            // The request died with the process: conclusively absent, but its part is held.
            (State::Failed, 1499)
        } else {
            (State::Done, 1499)
        };
        assert_eq!(
            (world.state("r1"), left(&world, "s")),
            (state, rest),
            "{cut}"
        );
        world.advance(3700 * SECOND);
        assert_eq!(left(&world, "s"), taken(&world), "{cut}");
        world.cancel("c1", "s", false);
        if cut > 0 {
            world.run_due();
        }
        if cut > 1 {
            world.answer(Fate::AnswerLost);
        }
        world.crash(5 * SECOND);
        world.advance(60 * SECOND);
        assert_eq!(
            (world.state("c1"), left(&world, "s"), taken(&world)),
            (State::Done, 0, 0),
            "{cut}"
        );
    }
}

#[test]
fn a_cancelled_refund_survives_a_crash_with_its_sale() {
    let mut world = sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.cancel("c1", "r1", false);
    world.run_due();
    world.crash(SECOND);
    world.advance(60 * SECOND);
    assert_eq!(
        (world.state("c1"), left(&world, "s"), taken(&world)),
        (State::Done, 1999, 1999)
    );
}
