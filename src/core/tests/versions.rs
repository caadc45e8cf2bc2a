//! Each journalled change of an operation has a version of its own. That no write leaves one out, or uses
//! one twice, is checked by `world` in every story.

use std::time::Duration;

use super::world::{Fate, World};
use crate::core::event::Reply as TillReply;
use crate::model::operation::{Mode, Operation, State};

/// The operation that the till got last.
fn replied(world: &World) -> &Operation {
    match world.replies.last() {
        Some(TillReply::Begun(Ok((_, operation))) | TillReply::Aborted(Ok(operation))) => operation,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn a_refused_code_is_a_change_though_the_state_is_as_before() {
    let mut world = World::new(Mode::ConsumerQr);
    world.begin("s", 1999);
    assert_eq!(
        replied(&world).version,
        1,
        "the first write is the first version"
    );
    world.settle();
    let armed = world.operation("s").clone();
    assert_eq!(armed.state, State::AwaitingScan);
    world.scan("https://getapp.o-plati.by/c/OLD");
    world.answer(Fate::Refused);
    let refused = world.operation("s");
    assert_eq!(refused.state, State::AwaitingScan);
    assert_eq!(
        refused.version,
        armed.version + 2,
        "the session that was asked for, and its refusal"
    );
}

#[test]
fn a_renewed_session_is_a_change() {
    let mut world = World::new(Mode::DynamicQr);
    world.service.quirks.session_life_s = 60;
    world.begin("s", 1999);
    world.settle();
    let first = world.operation("s").clone();
    assert_eq!(first.state, State::AwaitingBuyer);
    world.advance(Duration::from_secs(65));
    let renewed = world.operation("s");
    assert_eq!(renewed.state, State::AwaitingBuyer);
    assert!(renewed.shows != first.shows && renewed.version > first.version);
}

#[test]
fn what_is_replied_and_what_is_undone_have_the_journals_version() {
    let mut world = World::begun(Mode::DynamicQr);
    world.join();
    world.advance(Duration::from_secs(2));
    world.buyer(crate::core::call::PaymentStatus::Ok);
    world.advance(Duration::from_secs(10));
    let paid = world.operation("s").clone();
    assert_eq!(paid.state, State::Done);
    world.cancel("c", "s", false);
    assert_eq!(replied(&world), world.operation("c"));
    let asked = world.operation("s").version;
    assert!(
        asked > paid.version,
        "the sale's part in it is a change of the sale"
    );
    world.settle();
    assert_eq!(world.state("c"), State::Done);
    assert!(world.operation("s").version > asked);
}

#[test]
fn versions_go_on_after_a_crash_and_an_abort_replies_its_own() {
    let mut world = World::begun(Mode::DynamicQr);
    let before = world.operation("s").version;
    world.crash(Duration::from_secs(1));
    world.settle();
    assert!(world.operation("s").version > before);
    world.abort("s");
    assert_eq!(replied(&world), world.operation("s"));
    assert_eq!(replied(&world).state, State::Cancelled);
}
