//! Sessions that end and live on, and a service that asks for patience.

use std::time::Duration;

use super::edge_cases::{end, shown, too_many};
use super::world::{Fate, SECOND, World};
use crate::core::call::Failure;
use crate::model::operation::{Mode, State, Undo};
use crate::model::problem::Code;

const CODE: &str = "https://getapp.o-plati.by/c/AB12";

/// Sessions live for 60 s, but one has just ended at once, of a sale that was aborted.
fn after_one_that_ended_at_once() -> World {
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
    world
}

#[test]
fn one_session_that_ended_at_once_does_not_hide_the_next_ones_code() {
    let mut world = after_one_that_ended_at_once();
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
    let mut world = after_one_that_ended_at_once();
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
