//! No disk is believed: what it has lost is asked for before anything moves.

use super::edge_cases::held;
use super::world::{Fate, SECOND, World};
use crate::core::call::{Call, Failure, PaymentStatus};
use crate::core::event::{Event, Reply as TillReply};
use crate::model::operation::{ErrorCode, Mode, State, Undo};
use crate::model::problem::Code;

#[test]
fn a_refund_whose_sending_the_disk_has_lost_is_looked_up_before_it_leaves_again() {
    for carried_out in [true, false] {
        let mut world = World::sold();
        world.refund("r1", "s", 500);
        // As it was before its reversal was written as sent.
        let unsent = world.first_record("r1");
        world.run_due();
        world.answer(if carried_out {
            Fate::Answered
        } else {
            Fate::RequestLost
        });
        world.journal.insert("r1".into(), unsent);
        world.crash(SECOND);
        world.advance(60 * SECOND);
        assert_eq!(world.state("r1"), State::Done);
        let paid = world.operation("s").payment_id.unwrap();
        assert_eq!(
            world.service.reversed(paid),
            500,
            "carried out before: {carried_out}"
        );
    }
}

#[test]
fn a_cancellation_whose_second_try_the_disk_has_lost_is_repeated_under_its_number() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.settle();
    world.service.quirks.empty_purses = true;
    world.cancel("c1", "r1", false);
    world.settle();
    assert!(world.entry("c1").set_aside);
    world.service.quirks.empty_purses = false;
    let before = world.journal.clone();
    let id = "c1".to_owned();
    world.event(Event::Retry { ticket: 900, id });
    world.advance(60 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    world.journal = before;
    world.crash(SECOND);
    world.cancel("c2", "r1", false);
    world.advance(60 * SECOND);
    assert_eq!(world.state("c2"), State::Done);
    assert_eq!(world.operation("s").left.unwrap().0, 1999);
}

#[test]
fn a_refund_that_waited_is_not_sent_once_its_sale_turns_out_to_be_undone() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    // Another copy of the request is carried out a moment later.
    world.answer(Fate::LateCopyRefused(1));
    world.settle();
    assert!(world.entry("c1").set_aside);
    world.refund("r1", "s", 500);
    let unsent = world.first_record("r1");
    world.run_due();
    world.answer(Fate::RequestLost);
    world.journal.insert("r1".into(), unsent);
    world.crash(SECOND);
    world.advance(600 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.state("r1"), State::Failed);
    let paid = world.operation("s").payment_id.unwrap();
    assert_eq!(world.service.reversed(paid), 1999);
    let error = world.operation("r1").error.as_ref().unwrap();
    assert_eq!(error.code, ErrorCode::Invalid, "not one of the service's");
}

#[test]
fn a_sale_that_expired_meanwhile_may_have_been_paid_although_the_disk_knows_of_no_payment() {
    for aborted in [true, false] {
        let mut world = World::begun(Mode::DynamicQr);
        let unsent = world.journal["s"].clone();
        world.join();
        world.advance(2 * SECOND);
        world.buyer(PaymentStatus::Ok);
        world.advance(2 * SECOND);
        assert_eq!(world.state("s"), State::Done);
        world.journal.insert("s".into(), unsent);
        world.crash(if aborted { SECOND } else { 600 * SECOND });
        if aborted {
            world.abort("s");
        }
        let ended = if aborted {
            State::Cancelled
        } else {
            State::Expired
        };
        assert_eq!(world.state("s"), ended);
        world.advance(900 * SECOND);
        let sale = world.operation("s");
        assert_eq!((sale.state, sale.undo), (ended, Some(Undo::Done)));
        let paid = sale.payment_id.unwrap();
        assert_eq!(world.service.reversed(paid), 1999);
    }
}

#[test]
fn a_held_answer_after_its_sale_was_undone_is_no_second_payment() {
    let mut world = held(Mode::DynamicQr);
    world.abort("s");
    world.advance(30 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(600 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    let entries = |world: &World| {
        world
            .journal
            .keys()
            .filter(|id| id.starts_with('~'))
            .count()
    };
    let (before, alarms) = (entries(&world), world.alarms.len());
    if !world.held.is_empty() {
        world.let_go();
    }
    world.advance(60 * SECOND);
    assert_eq!((entries(&world), world.alarms.len()), (before, alarms));
}

#[test]
fn a_cancellation_from_before_a_restart_is_not_aborted_as_unsent() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    let unsent = world.first_record("c1");
    world.advance(5 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    world.journal.insert("c1".into(), unsent);
    world.crash(SECOND);
    world.abort("c1");
    assert!(
        matches!(world.replies.last(), Some(TillReply::Aborted(Err(problem))) if problem.code == Code::Busy)
    );
    world.advance(60 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
}

#[test]
fn a_refund_that_was_refused_gives_nothing_back_to_a_sale_that_was_undone_meanwhile() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    // Another copy of it is carried out in half a minute; until then the service refuses.
    world.answer(Fate::LateCopyRefused(25));
    world.settle();
    assert_eq!(world.operation("c1").undo, Some(Undo::SetAside));
    world.advance(20 * SECOND);
    world.refund("r1", "s", 500);
    world.run_due();
    // Its request hangs, and is refused after the cancellation was found to be carried out.
    let (request, _) = world.pending.remove(0);
    world.advance(60 * SECOND);
    let sale = world.operation("s");
    assert_eq!(
        (sale.undo, sale.left.map(|left| left.0)),
        (Some(Undo::Done), Some(0))
    );
    let answer = Err(Failure::Refused {
        message: None,
        detail: "more than was paid".into(),
    });
    world.event(Event::Answered { request, answer });
    world.advance(2 * 3600 * SECOND);
    assert_eq!(world.state("r1"), State::Failed);
    let sale = world.operation("s");
    assert_eq!(
        (sale.undo, sale.left.map(|left| left.0)),
        (Some(Undo::Done), Some(0))
    );
}

#[test]
fn a_sale_that_begins_anew_watches_the_number_from_before_the_restart() {
    let mut world = World::begun(Mode::DynamicQr);
    let unsent = world.journal["s"].clone();
    world.join();
    while !matches!(world.pending.first(), Some((_, Call::Pay { .. }))) {
        world.answer(Fate::Answered);
        world.pass(SECOND);
    }
    // Its payment is on its way when the power fails, and the disk has lost that it left.
    world.answer(Fate::Late(20));
    world.journal.insert("s".into(), unsent);
    world.crash(SECOND);
    world.advance(5 * SECOND);
    world.join();
    world.advance(5 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    world.advance(10 * SECOND);
    // The late copy is paid as well.
    world.buyer(PaymentStatus::Ok);
    world.advance(900 * SECOND);
    assert_eq!(world.paid_and_kept(), 1999);
}

#[test]
fn a_sale_that_another_account_has_expired_is_watched_when_its_own_is_back() {
    let mut world = World::begun(Mode::DynamicQr);
    let unsent = world.journal["s"].clone();
    world.join();
    world.advance(2 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    world.journal.insert("s".into(), unsent);
    let ours = world.settings.account.clone();
    world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
    world.crash(SECOND);
    let requests = world.requests;
    world.advance(900 * SECOND);
    assert_eq!(
        (world.state("s"), world.requests),
        (State::Expired, requests)
    );
    world.settings.account = ours;
    world.crash(SECOND);
    world.advance(900 * SECOND);
    let sale = world.operation("s");
    assert_eq!(sale.undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(sale.payment_id.unwrap()), 1999);
}
