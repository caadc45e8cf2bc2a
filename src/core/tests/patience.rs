//! Where patience ends: polls that hang, reversals that fail again and again, refunds that stay
//! pending.

use super::world::{Fate, SECOND, World};
use crate::core::call::{Answer, Call, Failure, PaymentStatus, PaymentType, Received, Reply};
use crate::core::event::Event;
use crate::model::operation::{Mode, State, Undo};

fn reply(world: &mut World, answer: Answer) {
    let (request, _) = world.pending.remove(0);
    world.event(Event::Answered { request, answer });
}

#[test]
fn a_poll_that_hangs_does_not_lengthen_the_patience_with_failed_ones() {
    for joined in [false, true] {
        let mut world = World::begun(Mode::DynamicQr);
        if joined {
            world.join();
            world.advance(2 * SECOND);
        }
        while world.pending.is_empty() {
            world.pass(SECOND / 10);
        }
        world.answer(Fate::NotSent);
        let failing_since = world.now.mono;
        // The next poll is never answered.
        while !world.state("s").is_final() {
            world.pass(SECOND / 10);
            assert!(world.now.mono < failing_since + 11 * SECOND, "{joined}");
        }
        assert!(world.now.mono >= failing_since + 10 * SECOND, "{joined}");
        let undo = joined.then_some(Undo::Pending);
        assert_eq!(
            (world.state("s"), world.operation("s").undo),
            (State::Failed, undo)
        );
    }
}

/// Carries every reversal out and ends it in `status`, until the entry waits again.
fn fail_reversals(world: &mut World, status: PaymentStatus) {
    while let Some((_, call)) = world.pending.first() {
        let moves_money = call.moves_money();
        world.answer(Fate::Answered);
        let newest = world.service.ledger.values_mut().next_back();
        if let Some(reversal) = newest.filter(|_| moves_money) {
            reversal.info.status = status;
        }
        world.run_due();
    }
}

#[test]
fn a_reversal_that_the_service_ends_again_and_again_is_set_aside_after_an_hour() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    let began = world.now.mono;
    while !world.entry("c1").set_aside {
        fail_reversals(&mut world, PaymentStatus::TechnicalCancelling);
        world.pass(SECOND);
        assert!(
            world.now.mono < began + 2 * 3600 * SECOND,
            "it blocks for ever, with {} errors in a row",
            world.entry("c1").answered_errors
        );
    }
    assert!(world.now.mono >= began + 3600 * SECOND);
    assert!(world.entry("c1").answered_errors >= 10);
    assert_eq!(world.core.status(world.now).queue_depth, 0);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
}

#[test]
fn a_clock_that_is_set_back_does_not_lengthen_the_patience_by_what_it_lost() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    let mut looked = 0;
    let began = world.now.mono;
    keep_reversal(&mut world, PaymentStatus::InProgress, |_| {
        looked += 1;
        looked > 60
    });
    let back = jiff::SignedDuration::from_hours(20);
    world.now.wall = world.now.wall.checked_sub(back).unwrap();
    keep_reversal(&mut world, PaymentStatus::InProgress, |world| {
        world.entry("c1").set_aside
    });
    assert!(world.now.mono >= began + 3600 * SECOND);
}

/// Leaves every reversal as `status`, until `over` returns true.
fn keep_reversal(world: &mut World, status: PaymentStatus, mut over: impl FnMut(&World) -> bool) {
    let limit = world.now.mono + 2 * 3600 * SECOND;
    while !over(world) {
        for payment in world.service.ledger.values_mut() {
            if payment.info.payment_type != PaymentType::Sale {
                payment.info.status = status;
            }
        }
        world.pass(SECOND);
        world.run_due();
        while !world.pending.is_empty() {
            world.answer(Fate::Answered);
            for payment in world.service.ledger.values_mut() {
                if payment.info.payment_type != PaymentType::Sale {
                    payment.info.status = status;
                }
            }
            world.run_due();
        }
        assert!(world.now.mono < limit, "it blocks for ever");
    }
}

#[test]
fn a_reversal_that_is_never_finished_is_set_aside_after_an_hour_and_can_be_taken_up_or_settled() {
    for status in [PaymentStatus::InProgress, PaymentStatus::Unknown(77)] {
        for refund in [false, true] {
            let mut world = World::sold();
            if refund {
                world.refund("c1", "s", 500);
            } else {
                world.cancel("c1", "s", false);
            }
            world.run_due();
            let began = world.now.mono;
            keep_reversal(&mut world, status, |world| world.entry("c1").set_aside);
            assert!(world.now.mono >= began + 3600 * SECOND);
            assert_eq!(
                world.core.status(world.now).queue_depth,
                0,
                "the till sells on"
            );
            let operation = world.operation("c1").clone();
            assert_eq!(operation.message, operation.error.unwrap().message);
            // It may have moved, so it counts.
            let left = if refund { 1499 } else { 0 };
            assert_eq!(world.operation("s").left.unwrap().0, left);
            // A person asks again, and now it is carried out.
            let id = "c1".to_owned();
            world.event(Event::Retry { ticket: 900, id });
            keep_reversal(&mut world, PaymentStatus::Ok, |world| {
                world.state("c1") == State::Done
            });
            assert_eq!(world.operation("s").left.unwrap().0, left);
            assert!(world.operation("c1").error.is_none());
        }
    }
}

#[test]
fn a_right_answer_between_errors_begins_their_count_anew() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    let strange = || {
        Err(Failure::Lost {
            detail: "no JSON".into(),
            received: Received::Malformed,
        })
    };
    let mut errors = 0;
    while errors < 30 {
        while world.pending.is_empty() {
            world.pass(60 * SECOND);
        }
        if errors % 9 == 8 {
            // The reversal is there, and pending.
            world.settle();
            let reversal = world.service.ledger.values_mut().next_back().unwrap();
            reversal.info.status = PaymentStatus::InProgress;
            world.event(Event::Tick);
        }
        if !world.pending.is_empty() {
            reply(&mut world, strange());
        }
        errors += 1;
        if world.state("c1") == State::Done {
            return;
        }
    }
    assert!(!world.entry("c1").set_aside);
}

#[test]
fn a_late_refund_counts_only_when_it_has_reached_the_buyer() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(60 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    world.advance(400 * SECOND);
    let id = *world.service.ledger.keys().next_back().unwrap();
    let set = |world: &mut World, status| {
        world.service.ledger.get_mut(&id).unwrap().info.status = status;
    };
    set(&mut world, PaymentStatus::InProgress);
    world.advance(600 * SECOND);
    let left = |world: &World| world.operation("s").left.unwrap().0;
    assert_eq!((left(&world), world.alarms.len()), (1499, 0));
    set(&mut world, PaymentStatus::Ok);
    world.advance(70 * SECOND);
    assert_eq!((left(&world), world.alarms.len()), (1499, 1));
}

#[test]
fn a_clock_that_was_set_back_does_not_put_off_the_question_for_what_was_absent() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(60 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    let back = jiff::SignedDuration::from_hours(36);
    world.now.wall = world.now.wall.checked_sub(back).unwrap();
    world.crash(SECOND);
    world.advance(3700 * SECOND);
    assert_eq!(world.operation("s").left.unwrap().0, 1499);
    assert_eq!(world.alarms.len(), 1, "it was found");
}

#[test]
fn a_clock_that_was_set_on_does_not_ask_all_questions_for_what_was_absent_at_once() {
    for crashes in [false, true] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        world.run_due();
        world.answer(Fate::Late(300));
        world.advance(60 * SECOND);
        assert_eq!(world.state("r1"), State::Failed);
        let on = jiff::SignedDuration::from_hours(51);
        world.now.wall = world.now.wall.checked_add(on).unwrap();
        if crashes {
            world.crash(SECOND);
        }
        // Not yet: the refund takes effect only after five minutes.
        world.advance(120 * SECOND);
        assert_eq!(world.alarms.len(), 0);
        world.advance(3700 * SECOND);
        assert_eq!(world.operation("s").left.unwrap().0, 1499, "{crashes}");
        assert_eq!(world.alarms.len(), 1, "it was found, {crashes}");
    }
}

#[test]
fn a_late_refund_that_fails_after_all_takes_nothing() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::Late(300));
    world.advance(400 * SECOND);
    let id = *world.service.ledger.keys().next_back().unwrap();
    world.service.ledger.get_mut(&id).unwrap().info.status = PaymentStatus::Decline;
    world.advance(2 * 3600 * SECOND);
    assert_eq!(world.operation("s").left.unwrap().0, 1999);
    world.advance(24 * 3600 * SECOND);
    assert!(world.entry("r1").rechecks.is_empty());
}

#[test]
fn another_payment_under_our_number_is_never_believed() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::AnswerLost);
    let foreign = |world: &World| {
        let mut info = world
            .service
            .ledger
            .values()
            .next_back()
            .unwrap()
            .info
            .clone();
        info.sum.0 += 1;
        info
    };
    let info = foreign(&world);
    reply(&mut world, Ok(Reply::Found(vec![info])));
    assert_eq!(world.state("r1"), State::InDoubt);
    assert_eq!(world.entry("r1").answered_errors, 1);
    world.advance(60 * SECOND);
    assert_eq!(world.state("r1"), State::Done);
}

#[test]
fn the_status_of_another_payment_proves_nothing_about_an_aborted_one() {
    for lie in 0..3 {
        let mut world = World::begun(Mode::DynamicQr);
        world.join();
        world.advance(2 * SECOND);
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
        world.abort("s");
        // The reversal does not leave; the next try looks at the payment first.
        while !matches!(world.pending.first(), Some((_, Call::Payment { .. }))) {
            world.answer(Fate::NotSent);
            world.pass(SECOND);
            assert_eq!(world.state("s"), State::InProgress);
        }
        let mut info = world.service.ledger.values().next().unwrap().info.clone();
        info.status = PaymentStatus::Ok;
        match lie {
            0 => info.order_number = "another".into(),
            1 => info.sum.0 += 1,
            _ => info.payment_type = PaymentType::Purchase,
        }
        reply(&mut world, Ok(Reply::Payment(info)));
        assert_ne!(world.state("s"), State::Done, "{lie}");
        world.advance(120 * SECOND);
        assert_eq!(world.operation("s").undo, Some(Undo::Done));
    }
}
