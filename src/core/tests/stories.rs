//! What each rule promises, one story each.

use super::world::{Fate, SECOND, World, closed_by_a_person};
use crate::core::call::{Call, PaymentStatus};
use crate::core::event::Reply as TillReply;
use crate::core::record::ReversalProgress;
use crate::core::scene::Scene;
use crate::model::operation::{ErrorCode, Mode, Outcome, Shows, State, Undo};
use crate::model::problem::Code;
use crate::texts::original;

/// A sale that waits for the buyer's confirmation.
pub(super) fn confirming(mode: Mode) -> World {
    let mut world = World::begun(mode);
    if mode == Mode::ConsumerQr {
        world.scan("https://getapp.o-plati.by/c/AB12");
        world.settle();
    } else {
        world.join();
        world.advance(2 * SECOND);
    }
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world
}

/// A sale whose `POST payments` is under way.
pub(super) fn paying() -> World {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.answer(Fate::Answered);
    assert_eq!(world.pending.len(), 1);
    assert!(world.pending[0].1.moves_money());
    world
}

fn states(world: &World, id: &str) -> Vec<State> {
    let mut states: Vec<State> = world
        .states
        .iter()
        .filter(|(of, _)| of == id)
        .map(|(_, state)| *state)
        .collect();
    states.dedup();
    states
}

#[test]
fn a_sale_is_paid_in_each_mode_and_its_states_come_in_order() {
    use State::{AwaitingBuyer, AwaitingConfirmation, AwaitingScan, Done, InProgress, New};
    for (mode, before) in [
        (
            Mode::ConsumerQr,
            vec![New, AwaitingScan, InProgress, AwaitingConfirmation, Done],
        ),
        (
            Mode::StaticQr,
            vec![
                New,
                InProgress,
                AwaitingBuyer,
                InProgress,
                AwaitingConfirmation,
                Done,
            ],
        ),
        (
            Mode::DynamicQr,
            vec![
                New,
                InProgress,
                AwaitingBuyer,
                InProgress,
                AwaitingConfirmation,
                Done,
            ],
        ),
    ] {
        let mut world = confirming(mode);
        world.buyer(PaymentStatus::Ok);
        world.advance(2 * SECOND);
        assert_eq!(states(&world, "s"), before);
        let operation = world.operation("s");
        assert_eq!(operation.left, Some(operation.amount));
        assert_eq!(
            operation.slip.as_ref().map(|slip| slip.amount),
            Some(operation.amount)
        );
        assert!(operation.shows.is_none() && operation.finished_at.is_some());
        world.advance(6 * SECOND);
        assert_eq!(
            world.scenes.last(),
            Some(&Scene::Idle),
            "the result stays for five seconds only"
        );
    }
}

#[test]
fn the_buyer_is_invited_with_the_seeds_words() {
    let world = World::begun(Mode::DynamicQr);
    assert_eq!(world.operation("s").message, original::SCAN_QR);
    assert!(matches!(world.operation("s").shows, Some(Shows::Qr(_))));
    let world = World::begun(Mode::StaticQr);
    assert!(world.operation("s").message.ends_with("123456"));
}

#[test]
fn every_refusal_of_the_buyer_has_its_state() {
    for (status, state) in [
        (PaymentStatus::Decline, State::Declined),
        (PaymentStatus::NotEnough, State::NotEnoughMoney),
        (PaymentStatus::Timeout, State::Expired),
        (PaymentStatus::TechnicalCancelling, State::Cancelled),
    ] {
        let mut world = confirming(Mode::ConsumerQr);
        world.buyer(status);
        world.advance(2 * SECOND);
        assert_eq!(world.state("s"), state);
        assert_eq!(world.operation("s").undo, None);
    }
}

#[test]
fn a_status_that_nobody_documented_is_never_paid() {
    let mut world = confirming(Mode::ConsumerQr);
    world.buyer(PaymentStatus::Unknown(77));
    world.advance(20 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
}

#[test]
fn one_buyer_at_a_time_and_a_repeated_put_changes_nothing() {
    let mut world = World::begun(Mode::DynamicQr);
    world.begin("t", 5);
    let Some(TillReply::Begun(Err(problem))) = world.replies.last() else {
        panic!()
    };
    assert_eq!((problem.code, problem.status), (Code::Busy, 409));
    assert!(
        !world.journal.contains_key("t"),
        "a refused PUT leaves no operation"
    );
    world.begin("s", 1999);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((false, _))))
    ));
    world.begin("s", 2000);
    let Some(TillReply::Begun(Err(problem))) = world.replies.last() else {
        panic!()
    };
    assert_eq!(problem.code, Code::Conflict);
}

#[test]
fn without_a_registration_number_nothing_begins() {
    let mut world = World::new(Mode::DynamicQr);
    world.settings.account = None;
    world.crash(SECOND);
    world.begin("s", 1999);
    let Some(TillReply::Begun(Err(problem))) = world.replies.last() else {
        panic!()
    };
    assert_eq!(problem.code, Code::NotConfigured);
}

#[test]
fn waiting_for_the_buyer_ends() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.advance(181 * SECOND);
    assert_eq!(world.state("s"), State::Expired);
    let mut world = confirming(Mode::DynamicQr);
    world.advance(181 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Expired, Some(Undo::Done))
    );
    assert_eq!(
        world.service.ledger[&1000].info.status,
        PaymentStatus::TechnicalCancelling
    );
}

#[test]
fn a_lost_answer_is_looked_up_and_the_sale_goes_on() {
    let mut world = paying();
    world.answer(Fate::AnswerLost);
    assert_eq!(world.state("s"), State::InDoubt);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.buyer(PaymentStatus::Ok);
    world.advance(2 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn a_lost_request_is_released_and_its_absence_is_conclusive_only_after_settling() {
    let mut world = paying();
    world.answer(Fate::RequestLost);
    let lost_at = world.now.mono;
    world.advance(11 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    assert_eq!(world.operation("s").message, original::NO_CONNECTION);
    world.begin("t", 5);
    world.advance(4 * SECOND);
    assert!(
        matches!(world.replies.last(), Some(TillReply::Begun(Err(problem))) if problem.status == 503)
    );
    while world.state("~1") != State::Done {
        assert!(
            world.now.mono < lost_at + 60 * SECOND,
            "the undoing never ends"
        );
        world.advance(SECOND / 2);
    }
    assert!(
        world.now.mono >= lost_at + 30 * SECOND,
        "absent was believed too early"
    );
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    world.begin("t", 5);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((true, _))))
    ));
}

#[test]
fn what_arrives_after_its_absence_was_believed_is_found_and_brought_back() {
    let mut world = paying();
    world.answer(Fate::Late(300));
    world.advance(60 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    world.advance(240 * SECOND);
    world.buyer(PaymentStatus::Ok);
    assert_eq!(world.service.ledger[&1000].info.status, PaymentStatus::Ok);
    world.advance(700 * SECOND);
    assert_eq!(world.service.reversed(1000), 1999);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn a_lost_reversal_is_looked_up_and_never_doubled() {
    for fate in [Fate::RequestLost, Fate::AnswerLost, Fate::Late(20)] {
        let mut world = confirming(Mode::DynamicQr);
        world.buyer(PaymentStatus::Ok);
        world.abort("s");
        world.answer(fate);
        world.advance(120 * SECOND);
        assert_eq!(world.service.reversed(1000), 1999, "{fate:?}");
        assert_eq!(world.operation("s").undo, Some(Undo::Done), "{fate:?}");
    }
}

#[test]
fn a_refused_reversal_of_a_pending_payment_is_no_refusal_for_good() {
    let mut world = confirming(Mode::DynamicQr);
    world.service.quirks.refuses_pending = true;
    world.abort("s");
    world.advance(15 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    world.buyer(PaymentStatus::Ok);
    world.advance(30 * SECOND);
    assert_eq!(world.service.reversed(1000), 1999);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
}

#[test]
fn a_reversal_refused_for_good_is_set_aside_and_blocks_nothing() {
    let mut world = confirming(Mode::DynamicQr);
    world.service.quirks.refuses_pending = true;
    world.abort("s");
    world.settle();
    world.buyer(PaymentStatus::Ok);
    for _ in 0..30 {
        while let Some((_, call)) = world.pending.first() {
            let fate = if call.moves_money() {
                Fate::Refused
            } else {
                Fate::Answered
            };
            world.answer(fate);
        }
        world.pass(SECOND);
    }
    assert!(world.entry("~1").set_aside);
    assert_eq!(world.operation("s").undo, Some(Undo::SetAside));
    assert_eq!(world.core.status(world.now).queue_depth, 0);
    world.begin("t", 5);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((true, _))))
    ));
    world.abort("t");
    world.event(crate::core::event::Event::Retry {
        ticket: 99,
        id: "~1".into(),
    });
    world.advance(10 * SECOND);
    assert_eq!(
        (world.state("~1"), world.operation("s").undo),
        (State::Done, Some(Undo::Done))
    );
}

#[test]
fn only_what_is_set_aside_can_be_settled() {
    let mut world = paying();
    world.answer(Fate::RequestLost);
    world.advance(11 * SECOND);
    let settle = |world: &mut World| {
        world.event(closed_by_a_person(
            9,
            "~1",
            Outcome::CarriedOut,
            "проверено",
        ));
        world.replies.last().cloned()
    };
    assert!(
        matches!(settle(&mut world), Some(TillReply::Queue(Err(problem))) if problem.code == Code::Busy)
    );
}

#[test]
fn failed_polls_change_nothing_until_timeout_is_over() {
    let mut world = confirming(Mode::DynamicQr);
    for _ in 0..9 {
        world.pass(SECOND);
        world.answer(Fate::NotSent);
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
    }
    for _ in 0..6 {
        world.pass(SECOND);
        world.answer(Fate::NotSent);
    }
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    let mut world = World::begun(Mode::DynamicQr);
    for _ in 0..16 {
        world.pass(SECOND);
        world.answer(Fate::NotSent);
    }
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, None)
    );
    assert_eq!(
        world
            .scenes
            .iter()
            .rev()
            .find(|scene| **scene != Scene::Idle),
        Some(&Scene::NoConnection)
    );
}

#[test]
fn while_it_is_down_a_sale_probes_first() {
    let mut world = paying();
    world.answer(Fate::NotSent);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, None)
    );
    world.begin("t", 5);
    assert!(!world.journal.contains_key("t"));
    world.answer(Fate::NotSent);
    world.run_due();
    let Some(TillReply::Begun(Err(problem))) = world.replies.last() else {
        panic!()
    };
    assert_eq!(
        (problem.status, problem.detail.as_str()),
        (503, original::UNAVAILABLE)
    );
    world.begin("t", 5);
    world.settle();
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((true, _))))
    ));
}

#[test]
fn token_errors_refuse_a_new_sale_but_never_lose_an_undoing() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    world.answer(Fate::TokenNeeded);
    assert_eq!(world.operation("s").message, original::TOKEN_NEEDED);
    assert_eq!(
        world.operation("s").error.as_ref().map(|error| error.code),
        Some(ErrorCode::TokenNeeded)
    );
    let mut world = confirming(Mode::DynamicQr);
    world.buyer(PaymentStatus::Ok);
    world.abort("s");
    world.answer(Fate::TokenNeeded);
    // The report cannot be asked either.
    world.run_due();
    world.answer(Fate::TokenNeeded);
    assert_eq!(world.entry("~1").reversal, ReversalProgress::NotSent);
    assert!(world.core.status(world.now).token_problem.is_some());
    while !world.state("s").is_final() {
        world.pass(SECOND);
        world.answer(Fate::TokenNeeded);
    }
    world.advance(90 * SECOND);
    assert_eq!(world.state("~1"), State::Done);
}

#[test]
fn a_token_that_is_reset_while_the_buyer_confirms_is_reported_by_its_cause() {
    let mut world = confirming(Mode::DynamicQr);
    while !world.state("s").is_final() {
        world.pass(SECOND);
        world.answer(Fate::TokenNeeded);
    }
    let sale = world.operation("s");
    let error = sale.error.as_ref().unwrap();
    assert_eq!(
        (sale.state, sale.undo),
        (State::Failed, Some(Undo::Pending))
    );
    assert_eq!(error.code, ErrorCode::NoConnection);
    assert_eq!(
        (&*sale.message, &*error.message),
        (original::TOKEN_NEEDED, original::TOKEN_NEEDED)
    );
    assert!(error.remedy.contains("token.conf"), "{}", error.remedy);
}

#[test]
fn a_buyer_who_was_quicker_than_the_reversal_has_paid() {
    let mut world = confirming(Mode::DynamicQr);
    world.abort("s");
    world.answer(Fate::NotSent);
    world.buyer(PaymentStatus::Ok);
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
    assert_eq!(world.operation("s").left, Some(world.operation("s").amount));
    assert_eq!(world.state("~1"), State::Cancelled);
    assert_eq!(world.operation("s").undo, None);
}

#[test]
fn a_buyer_who_pays_after_a_reversal_was_refused_for_the_token_gets_his_money_back() {
    for (is_made, crashes, is_sent_again) in [
        (false, false, true),
        (true, false, true),
        (true, true, true),
        (true, true, false),
        (true, false, false),
    ] {
        let mut world = confirming(Mode::DynamicQr);
        world.abort("s");
        let (_, call) = world.pending[0].clone();
        assert!(matches!(call, Call::Reverse { .. }));
        world.answer(Fate::TokenNeeded);
        // The report knows of no reversal: it was refused, or a copy of it is on its way.
        world.run_due();
        world.answer(Fate::Answered);
        if crashes {
            world.crash(SECOND);
        }
        if !is_sent_again {
            world.settle();
        }
        world.buyer(PaymentStatus::Ok);
        if is_made {
            world.service.late.push((world.now.mono, call));
        }
        world.advance(60 * SECOND);
        assert_eq!(world.state("s"), State::Cancelled, "{is_made} {crashes}");
        assert_eq!(world.operation("s").undo, Some(Undo::Done));
        assert_eq!(world.paid_and_kept(), 0, "{is_made} {crashes}");
    }
}

#[test]
fn after_a_crash_everything_that_was_begun_is_finished() {
    let mut world = World::begun(Mode::DynamicQr);
    world.crash(10 * SECOND);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingBuyer, "a fresh session");
    world.crash(200 * SECOND);
    assert_eq!(world.state("s"), State::Expired);
    assert_eq!(world.scenes.last(), Some(&Scene::TimeIsUp));

    let mut world = confirming(Mode::DynamicQr);
    world.buyer(PaymentStatus::Ok);
    world.crash(10 * SECOND);
    assert_eq!(world.state("s"), State::InDoubt);
    world.settle();
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn after_a_long_crash_a_late_payment_is_brought_back() {
    let mut world = confirming(Mode::DynamicQr);
    world.crash(200 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(30 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Done))
    );
    assert_eq!(world.service.reversed(1000), 1999);
}

#[test]
fn another_account_gets_nothing_and_blocks_until_it_is_settled() {
    let mut world = paying();
    world.answer(Fate::RequestLost);
    world.advance(11 * SECOND);
    world.settings.account.as_mut().unwrap().reg_num = "OPL000022222".into();
    world.crash(SECOND);
    world.advance(120 * SECOND);
    assert!(world.pending.is_empty());
    world.begin("t", 5);
    assert!(
        matches!(world.replies.last(), Some(TillReply::Begun(Err(problem))) if problem.code == Code::NotConfigured)
    );
    world.event(closed_by_a_person(
        9,
        "~1",
        Outcome::CarriedOut,
        "старая касса",
    ));
    world.begin("t", 5);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((true, _))))
    ));
}

#[test]
fn a_qr_that_no_display_can_show_ends_the_sale() {
    let mut world = World::begun(Mode::DynamicQr);
    world.event(crate::core::event::Event::SceneRefused {
        reason: "177 modules in 300 px".into(),
    });
    assert_eq!(world.state("s"), State::Failed);
    assert_eq!(
        world.operation("s").error.as_ref().map(|error| error.code),
        Some(ErrorCode::Invalid)
    );
}

#[test]
fn a_creation_that_could_not_be_written_leaves_nothing() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.event(crate::core::event::Event::BeginFailed { id: "s".into() });
    world.run_due();
    assert_eq!(world.core.next_wakeup(), None);
    assert_eq!(world.scenes.last(), Some(&Scene::Idle));
    world.begin("t", 5);
    assert!(matches!(
        world.replies.last(),
        Some(TillReply::Begun(Ok((true, _))))
    ));
}
