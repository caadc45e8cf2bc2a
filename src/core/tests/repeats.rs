//! A `PUT` once more: a retry is answered with the operation as it stands, and another receipt under an old identifier
//! is refused, whatever the clocks show.

use jiff::SignedDuration;

use super::waiting::{probes, set_service_time};
use super::world::{Fate, SECOND, World};
use crate::core::event::Reply as TillReply;
use crate::model::operation::{Mode, State};
use crate::model::problem::Code;

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// The same `PUT` once more: whether it is answered with the operation as it stands.
fn is_repeated(world: &mut World) -> bool {
    world.begin("s", 1999);
    matches!(world.replies.last(), Some(TillReply::Begun(Ok((false, operation)))) if operation.state == State::Done)
}

/// Whether it is refused as another receipt.
fn is_refused(world: &mut World) -> bool {
    !is_repeated(world) && world.problem().code == Code::Conflict
}

/// The till's clock is set ahead, or back.
fn jump(world: &mut World, by: SignedDuration) {
    world.now.wall = world.now.wall.checked_add(by).unwrap();
}

/// A sale `s` that is paid, by a till whose clock is so much behind; the service's clock is so much ahead of the till's,
/// if it states the time.
fn sold(behind: SignedDuration, service_ahead: Option<SignedDuration>) -> World {
    let mut world = World::new(Mode::DynamicQr);
    jump(&mut world, -behind);
    if let Some(ahead) = service_ahead {
        set_service_time(&mut world, ahead);
    }
    world.begin("s", 1999);
    world.settle();
    world.join();
    world.advance(2 * SECOND);
    world.buyer(crate::core::call::PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    world
}

#[test]
fn a_retry_is_no_old_identifier_because_a_wrong_clock_was_put_right() {
    for behind in [days(3), days(365 * 20)] {
        let mut world = sold(behind, Some(behind));
        jump(&mut world, behind);
        assert!(is_repeated(&mut world), "{behind:?}");
        // A day of the process's own later it is old.
        world.pass(DAY);
        assert!(is_refused(&mut world));
    }
}

#[test]
fn a_retry_is_no_old_identifier_because_the_clock_is_set_ahead() {
    for service_ahead in [Some(days(0)), None] {
        let mut world = sold(days(0), service_ahead);
        jump(&mut world, days(2));
        assert!(is_repeated(&mut world), "{service_ahead:?}");
    }
}

#[test]
fn after_a_restart_the_service_is_asked_how_late_it_is() {
    // The clock starts two days ahead, or was three days behind when the sale ended and is right now.
    for (behind, ahead) in [(days(0), days(2)), (days(3), days(3))] {
        let mut world = sold(behind, Some(behind));
        world.crash(SECOND);
        jump(&mut world, ahead);
        assert!(is_repeated(&mut world), "{behind:?}");
        assert!(probes(&world), "the service is asked");
        // Once, and not for each caller.
        assert!(is_repeated(&mut world));
        assert_eq!(world.pending.len(), 1);
        set_service_time(&mut world, behind - ahead);
        world.answer(Fate::Answered);
        assert!(is_repeated(&mut world), "{behind:?}");
    }
}

#[test]
fn after_a_restart_of_a_day_later_an_old_identifier_is_refused() {
    let mut world = sold(days(0), Some(days(0)));
    world.crash(2 * DAY);
    assert!(is_repeated(&mut world), "nobody knows how late it is");
    assert!(probes(&world));
    set_service_time(&mut world, days(0));
    world.answer(Fate::Answered);
    assert!(is_refused(&mut world));
}

#[test]
fn a_retry_is_answered_without_the_service_while_the_till_has_it_as_young() {
    let mut world = sold(days(0), Some(days(0)));
    world.crash(SECOND);
    assert!(is_repeated(&mut world));
    assert!(world.pending.is_empty());
}

#[test]
fn a_service_without_a_clock_leaves_each_retry_a_retry() {
    // It stated no time when the sale ended, or states none now.
    let mut world = sold(days(0), None);
    world.crash(2 * DAY);
    assert!(is_repeated(&mut world));
    let mut world = sold(days(0), Some(days(0)));
    world.crash(2 * DAY);
    assert!(is_repeated(&mut world));
    world.answer(Fate::Answered);
    assert!(is_repeated(&mut world));
    assert!(world.pending.is_empty(), "it is asked once");
}

#[test]
fn a_service_whose_clock_was_wrong_makes_no_identifier_old() {
    let mut world = sold(days(0), Some(days(-30)));
    world.crash(SECOND);
    set_service_time(&mut world, days(0));
    assert!(is_repeated(&mut world), "the till's clock has it as young");
}
