//! The cashier aborts a sale, in each of its phases.

use super::stories::{confirming, paying};
use super::world::{Fate, SECOND, World};
use crate::core::call::PaymentStatus;
use crate::core::event::Reply as TillReply;
use crate::core::scene::Scene;
use crate::model::operation::{ErrorCode, Mode, State, Undo};
use crate::texts::original;

#[test]
fn abort_before_a_payment_is_immediate() {
    for mode in [Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr] {
        for answers in 0..2 {
            let mut world = World::new(mode);
            world.begin("s", 1999);
            world.run_due();
            (0..answers).for_each(|_| world.answer(Fate::Answered));
            world.abort("s");
            assert_eq!(world.state("s"), State::Cancelled);
            assert_eq!(world.scenes.last(), Some(&Scene::Cancelled));
            assert!(
                matches!(world.replies.last(), Some(TillReply::Aborted(Ok(operation))) if operation.state == State::Cancelled)
            );
            world.advance(5 * SECOND);
            assert!(world.service.ledger.is_empty(), "an aborted sale was paid");
            world.abort("s");
            assert!(matches!(
                world.replies.last(),
                Some(TillReply::Aborted(Ok(_)))
            ));
        }
    }
}

#[test]
fn abort_of_an_existing_payment_reverses_it_and_believes_only_a_look() {
    let mut world = confirming(Mode::DynamicQr);
    world.abort("s");
    assert_eq!(
        (world.state("s"), world.operation("s").message.as_str()),
        (State::InProgress, "Отмена…")
    );
    world.answer(Fate::Answered);
    assert_eq!(
        world.state("s"),
        State::InProgress,
        "the answer to the reversal alone proves nothing"
    );
    world.advance(2 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Cancelled, Some(Undo::Done))
    );
    assert_eq!(world.state("~1"), State::Done);
}

#[test]
fn abort_overtaken_by_the_buyer_brings_the_money_back() {
    let mut world = confirming(Mode::DynamicQr);
    world.buyer(PaymentStatus::Ok);
    world.abort("s");
    world.settle();
    assert_eq!(world.state("s"), State::Cancelled);
    assert_eq!(world.service.reversed(1000), 1999);
}

#[test]
fn abort_while_the_payment_is_being_sent_waits_for_its_answer() {
    let mut world = paying();
    world.abort("s");
    assert_eq!(world.state("s"), State::InProgress);
    world.advance(2 * SECOND);
    assert_eq!(world.state("s"), State::Cancelled);
    let mut world = paying();
    world.abort("s");
    world.answer(Fate::AnswerLost);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    world.advance(60 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn abort_without_an_answer_fails_with_its_undoing_queued() {
    let mut world = confirming(Mode::DynamicQr);
    world.abort("s");
    for _ in 0..40 {
        world.answer(Fate::NotSent);
        world.pass(SECOND);
    }
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    assert_eq!(
        world.operation("s").error.as_ref().map(|error| error.code),
        Some(ErrorCode::NoConnection)
    );
    assert_eq!(world.operation("s").message, original::NO_CONNECTION);
    assert!(world.entry("~1").tries >= 2);
    world.advance(120 * SECOND);
    assert_eq!(
        (world.state("~1"), world.operation("s").undo),
        (State::Done, Some(Undo::Done))
    );
}

#[test]
fn an_acknowledged_abort_survives_a_crash() {
    for answers in 0..4 {
        let mut world = confirming(Mode::DynamicQr);
        world.buyer(PaymentStatus::Ok);
        world.abort("s");
        (0..answers).for_each(|_| world.answer(Fate::Answered));
        world.crash(5 * SECOND);
        world.advance(120 * SECOND);
        assert_eq!(world.operation("s").undo, Some(Undo::Done));
        assert_ne!(world.state("s"), State::Done);
        assert_eq!(world.service.reversed(1000), 1999);
    }
}
