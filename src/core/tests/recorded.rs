//! What the real service was recorded to do: sessions end, answers are held, refusals speak of one copy.

use std::time::Duration;

use super::world::{Fate, SECOND, World};
use crate::core::call::{Failure, PaymentStatus, Reply};
use crate::core::event::Event;
use crate::core::scene::Scene;
use crate::model::operation::{ErrorCode, Mode, Shows, State, Undo};

/// A sale that waits for its buyer, at a service whose sessions live `life` seconds.
fn invited(mode: Mode, life: u32) -> World {
    let mut world = World::new(mode);
    world.service.quirks.session_life_s = life.into();
    world.begin("s", 1999);
    world.settle();
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    world
}

/// A sale whose `POST payments` is held by the service.
fn held(mode: Mode) -> World {
    let mut world = World::new(mode);
    world.service.quirks.holds_answers = true;
    world.begin("s", 1999);
    world.settle();
    if mode == Mode::ConsumerQr {
        world.scan("https://getapp.o-plati.by/c/AB12");
    } else {
        world.join();
    }
    world.advance(SECOND);
    assert_eq!(world.held.len(), 1);
    world
}

/// What the display shows for the buyer to take.
fn shown(world: &World) -> String {
    match &world.operation("s").shows {
        Some(Shows::Qr(text) | Shows::Code(text)) => text.clone(),
        None => String::new(),
    }
}

// ---- sessions end -------------------------------------------------------------------------------

#[test]
fn a_dynamic_qr_is_renewed_ten_seconds_before_its_session_ends() {
    let mut world = invited(Mode::DynamicQr, 60);
    let first = shown(&world);
    world.advance(49 * SECOND);
    assert_eq!((shown(&world), world.sessions()), (first.clone(), 1));
    world.advance(2 * SECOND);
    assert_ne!(shown(&world), first);
    assert_eq!(world.sessions(), 2);
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    // For as long as the cashier waits.
    world.advance(120 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    world.join();
    world.advance(5 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn who_joins_the_old_session_after_the_renewal_pays_in_it() {
    let mut world = invited(Mode::DynamicQr, 60);
    world.advance(53 * SECOND);
    assert_eq!(world.sessions(), 2);
    world.join_session(0);
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
}

#[test]
fn a_static_code_changes_only_at_its_sessions_end() {
    let mut world = invited(Mode::StaticQr, 60);
    let first = shown(&world);
    world.advance(58 * SECOND);
    assert_eq!(world.sessions(), 2, "the next one is ready");
    assert_eq!(shown(&world), first, "the cashier has told it");
    world.advance(3 * SECOND);
    assert_ne!(shown(&world), first);
    assert!(world.operation("s").message.contains(&shown(&world)));
}

#[test]
fn the_life_of_a_session_is_estimated() {
    let mut world = invited(Mode::DynamicQr, 20);
    let first = shown(&world);
    // Nobody knew that it lives no longer: the code is taken away, and a new one comes.
    world.advance(22 * SECOND);
    assert_ne!(shown(&world), first);
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    let second = shown(&world);
    world.advance(11 * SECOND);
    assert_ne!(shown(&world), second, "renewed before its end");
}

#[test]
fn a_buyer_never_sees_a_code_that_is_over() {
    for (mode, life) in [
        (Mode::DynamicQr, 60),
        (Mode::DynamicQr, 7),
        (Mode::StaticQr, 60),
        (Mode::StaticQr, 7),
    ] {
        let mut world = invited(mode, life);
        // The service's life is known from here on.
        world.advance(Duration::from_secs(u64::from(life) * 2));
        for _ in 0..60 {
            let code = shown(&world);
            let number: usize = code
                .trim_start_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap();
            let age = world.age_of_session(number - 123_456);
            assert!(age < life * SECOND, "{mode:?}, {life} s: {age:?} old");
            world.advance(SECOND / 2);
        }
    }
}

#[test]
fn without_a_line_the_display_shows_that_instead_of_an_old_code() {
    let mut world = invited(Mode::DynamicQr, 60);
    world.advance(48 * SECOND);
    // The line is down: neither is the next session opened nor the old one asked for.
    for _ in 0..40 {
        world.pass(SECOND / 2);
        while !world.pending.is_empty() {
            world.answer(Fate::NotSent);
        }
    }
    assert_eq!(world.state("s"), State::Failed);
    assert_eq!(world.operation("s").undo, None);
    assert!(world.scenes.contains(&Scene::NoConnection));
}

#[test]
fn a_line_that_comes_back_in_time_brings_a_new_code() {
    let mut world = invited(Mode::DynamicQr, 60);
    world.advance(55 * SECOND);
    let second = shown(&world);
    // Only demandPayment fails from now on.
    for _ in 0..108 {
        world.pass(SECOND / 2);
        while let Some((_, call)) = world.pending.first() {
            let opens = call.name() == "demand_payment";
            world.answer(if opens { Fate::NotSent } else { Fate::Answered });
        }
    }
    assert_eq!(shown(&world), "");
    assert_ne!(second, "");
    assert_eq!(world.state("s"), State::InProgress);
    assert_eq!(world.scenes.last(), Some(&Scene::NoConnection));
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    assert_ne!(shown(&world), "");
}

#[test]
fn a_card_whose_session_ends_is_scanned_anew() {
    let mut world = World::new(Mode::ConsumerQr);
    world.card("k");
    world.settle();
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.answer(Fate::Answered);
    world.run_due();
    // The service has opened the session, and does not find the buyer.
    let over = Err(Failure::SessionOver {
        detail: "166".into(),
    });
    let (request, call) = world.pending.remove(0);
    assert_eq!(call.name(), "consumer_status");
    world.event(Event::Answered {
        request,
        answer: over,
    });
    assert_eq!(world.state("k"), State::AwaitingScan);
    assert!(world.operation("k").message.contains("ещё раз"));
}

#[test]
fn a_restart_opens_a_fresh_session() {
    let mut world = invited(Mode::DynamicQr, 60);
    world.advance(52 * SECOND);
    world.crash(SECOND);
    world.advance(SECOND);
    assert_eq!(
        (world.state("s"), world.sessions()),
        (State::AwaitingBuyer, 3)
    );
}

#[test]
fn an_abort_while_a_session_is_renewed_ends_the_sale() {
    let mut world = invited(Mode::DynamicQr, 60);
    world.advance(49 * SECOND);
    world.pass(SECOND);
    world.abort("s");
    assert_eq!(world.state("s"), State::Cancelled);
    world.advance(30 * SECOND);
    assert_eq!(world.state("s"), State::Cancelled);
}

// ---- late is not lost ---------------------------------------------------------------------------

#[test]
fn an_answer_that_is_held_until_the_buyer_confirms_ends_the_sale() {
    for mode in [Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr] {
        let mut world = held(mode);
        assert_eq!(world.state("s"), State::InProgress);
        world.pass(2 * SECOND);
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
        world.buyer(PaymentStatus::Ok);
        world.let_go();
        assert_eq!(world.state("s"), State::Done);
        let slip = world.operation("s").slip.as_ref();
        assert_eq!(slip.map(|slip| slip.amount.0), Some(1999));
    }
}

#[test]
fn the_report_is_asked_beside_a_held_answer_and_what_it_shows_goes_on() {
    let mut world = held(Mode::DynamicQr);
    world.pass(11 * SECOND);
    assert_eq!(
        world.pending.len(),
        1,
        "the report is asked from `timeout` on"
    );
    assert_eq!(world.pending[0].1.name(), "look_up");
    world.buyer(PaymentStatus::Ok);
    world.settle();
    assert_eq!(world.state("s"), State::Done);
    // The held answer is of no use any more.
    world.let_go();
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn a_held_payment_that_the_report_shows_pending_is_polled_and_the_held_answer_still_counts() {
    let mut world = held(Mode::DynamicQr);
    world.advance(13 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    assert_eq!(world.operation("s").payment_id, Some(1000));
    world.buyer(PaymentStatus::NotEnough);
    world.let_go();
    assert_eq!(world.state("s"), State::NotEnoughMoney);
}

#[test]
fn a_held_answer_is_awaited_until_wait_buyer_though_the_report_shows_nothing() {
    let mut world = held(Mode::DynamicQr);
    for payment in world.service.ledger.values_mut() {
        "hidden".clone_into(&mut payment.shift);
    }
    world.advance(170 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    world.buyer(PaymentStatus::Ok);
    world.let_go();
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn a_held_connection_that_breaks_leaves_doubt() {
    let mut world = held(Mode::DynamicQr);
    world.pass(3 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.cut_held();
    assert_eq!(world.state("s"), State::InDoubt);
    world.advance(2 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn an_abort_of_a_held_payment_reverses_what_the_report_shows() {
    let mut world = held(Mode::DynamicQr);
    world.pass(3 * SECOND);
    world.abort("s");
    assert_eq!(world.operation("s").message, "Отмена…");
    world.advance(5 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Cancelled, Some(Undo::Done))
    );
    world.let_go();
    assert_eq!(world.state("s"), State::Cancelled);
}

#[test]
fn an_abort_that_the_buyer_overtakes_is_a_paid_sale() {
    let mut world = held(Mode::DynamicQr);
    world.pass(3 * SECOND);
    world.abort("s");
    world.buyer(PaymentStatus::Ok);
    world.let_go();
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn an_abort_whose_payment_nobody_shows_is_released_and_gets_the_held_answer() {
    let mut world = held(Mode::DynamicQr);
    for payment in world.service.ledger.values_mut() {
        "hidden".clone_into(&mut payment.shift);
    }
    world.pass(3 * SECOND);
    world.abort("s");
    world.advance(12 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
    // The settling time is over, but the connection lives: nothing is concluded.
    world.advance(60 * SECOND);
    assert_eq!(world.state("~1"), State::Queued);
    world.buyer(PaymentStatus::Ok);
    world.let_go();
    world.advance(10 * SECOND);
    assert_eq!(world.state("~1"), State::Done);
    assert_eq!(world.service.reversed(1000), 1999);
}

#[test]
fn nobody_who_confirms_in_time_expires_the_held_payment_and_it_is_reversed() {
    let mut world = held(Mode::DynamicQr);
    world.advance(195 * SECOND);
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Expired, Some(Undo::Done))
    );
}

#[test]
fn a_crash_in_the_middle_of_a_held_answer_is_looked_up() {
    let mut world = held(Mode::DynamicQr);
    world.pass(3 * SECOND);
    world.buyer(PaymentStatus::Ok);
    world.crash(SECOND);
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

// ---- refusals -----------------------------------------------------------------------------------

/// A sale whose `POST payments` was refused; `carried_out`: an earlier copy of it had effect.
fn refused(carried_out: bool) -> World {
    let mut world = World::begun(Mode::ConsumerQr);
    world.scan("https://getapp.o-plati.by/c/AB12");
    world.answer(Fate::Answered);
    world.answer(if carried_out {
        Fate::CopyRefused
    } else {
        Fate::Refused
    });
    world
}

#[test]
fn a_refusal_is_not_believed_when_a_copy_was_carried_out() {
    let mut world = refused(true);
    assert!(!world.state("s").is_final());
    world.buyer(PaymentStatus::Ok);
    world.settle();
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn a_refusal_ends_the_sale_after_one_report_and_its_number_is_watched() {
    let mut world = refused(false);
    assert!(!world.state("s").is_final());
    world.settle();
    let operation = world.operation("s");
    assert_eq!((operation.state, operation.undo), (State::Failed, None));
    let error = operation.error.as_ref().unwrap();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::ServiceRejected, "нельзя")
    );
    assert_eq!(
        world.core.status(world.now).queue_depth,
        0,
        "nothing blocks"
    );
    assert_eq!(world.entry("~1").rechecks.len(), 4);
    // The first copy was only slow.
    world.pay_late("s");
    world.advance(45 * SECOND);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(1000), 1999);
    assert_eq!(world.alarms.len(), 1);
}

#[test]
fn a_refusal_that_no_report_confirms_is_released_with_an_undoing() {
    let mut world = refused(false);
    for _ in 0..30 {
        world.pass(SECOND / 2);
        while !world.pending.is_empty() && !world.state("s").is_final() {
            world.answer(Fate::RequestLost);
        }
    }
    assert_eq!(
        (world.state("s"), world.operation("s").undo),
        (State::Failed, Some(Undo::Pending))
    );
}

#[test]
fn a_cancellation_that_is_refused_because_its_copy_was_carried_out_is_done() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::CopyRefused);
    world.settle();
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.service.reversed(1000), 1999);
}

#[test]
fn a_refund_that_is_refused_because_its_copy_was_carried_out_is_done() {
    let mut world = World::sold();
    world.refund("r1", "s", 500);
    world.run_due();
    world.answer(Fate::CopyRefused);
    world.settle();
    assert_eq!(world.state("r1"), State::Done);
    assert_eq!(world.service.reversed(1000), 500);
}

#[test]
fn a_refused_cancellation_that_a_slow_copy_carries_out_ends_by_itself() {
    let mut world = World::sold();
    world.cancel("c1", "s", false);
    world.run_due();
    world.answer(Fate::LateCopyRefused(20));
    world.settle();
    assert!(world.entry("c1").set_aside);
    assert_eq!(world.operation("s").left.unwrap().0, 1999);
    world.advance(45 * SECOND);
    assert_eq!(world.state("c1"), State::Done);
    assert_eq!(world.operation("s").undo, Some(Undo::Done));
    assert_eq!(world.operation("s").left.unwrap().0, 0);
}

#[test]
fn a_refused_refund_holds_its_part_until_the_settling_time_is_over() {
    let mut world = World::sold();
    world.refund("r1", "s", 1500);
    world.run_due();
    world.answer(Fate::Refused);
    world.settle();
    assert_eq!(world.state("r1"), State::Failed);
    assert_eq!(world.operation("s").left.unwrap().0, 499);
    world.advance(45 * SECOND);
    assert_eq!(world.operation("s").left.unwrap().0, 1999);
}

// ---- asking politely ----------------------------------------------------------------------------

#[test]
fn a_payment_is_asked_for_every_five_seconds_and_a_session_every_two() {
    let mut world = World::polite(Mode::DynamicQr);
    world.begin("s", 1999);
    world.settle();
    let before = world.requests;
    world.advance(10 * SECOND);
    assert_eq!(world.requests - before, 5);
    world.join();
    world.advance(3 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
    let before = world.requests;
    world.advance(30 * SECOND);
    assert!((5..=7).contains(&(world.requests - before)));
    world.buyer(PaymentStatus::Ok);
    world.advance(5 * SECOND);
    assert_eq!(world.state("s"), State::Done);
}

#[test]
fn an_abort_does_not_ask_sooner_and_still_ends_in_time() {
    for after in 0..8 {
        let mut world = World::polite(Mode::DynamicQr);
        world.begin("s", 1999);
        world.settle();
        world.join();
        world.advance(4 * SECOND);
        world.advance(Duration::from_millis(700) * after);
        // `World` checks the distance of every two questions.
        world.abort("s");
        world.advance(10 * SECOND);
        assert_eq!(world.state("s"), State::Cancelled, "{after}");
    }
}

#[test]
fn a_plea_for_patience_is_obeyed_and_fails_nothing() {
    let mut world = World::polite(Mode::DynamicQr);
    world.begin("s", 1999);
    world.settle();
    world.pass(2 * SECOND);
    let (request, _) = world.pending.remove(0);
    let answer = Err(Failure::TooManyRequests {
        retry_after: Some(40 * SECOND),
        detail: "HTTP 429".into(),
    });
    world.event(Event::Answered { request, answer });
    world.pass(39 * SECOND);
    assert!(world.pending.is_empty(), "{:?}", world.pending);
    assert_eq!(world.state("s"), State::AwaitingBuyer);
    world.join();
    world.advance(4 * SECOND);
    assert_eq!(world.state("s"), State::AwaitingConfirmation);
}

#[test]
fn a_final_status_in_the_answer_to_the_payment_is_the_end() {
    for (status, state) in [
        (PaymentStatus::Ok, State::Done),
        (PaymentStatus::Decline, State::Declined),
        (PaymentStatus::NotEnough, State::NotEnoughMoney),
    ] {
        let mut world = held(Mode::DynamicQr);
        world.buyer(status);
        let before = world.requests;
        world.let_go();
        assert_eq!(world.state("s"), state);
        assert_eq!(world.requests, before, "nothing more is asked");
    }
}

#[test]
fn the_row_that_is_paid_decides_among_several() {
    let mut world = held(Mode::DynamicQr);
    world.pass(3 * SECOND);
    let paid = world.service.ledger[&1000].info.clone();
    let mut dead = paid.clone();
    (dead.payment_id, dead.status) = (999, PaymentStatus::Decline);
    world.cut_held();
    world.run_due();
    let (request, _) = world.pending.remove(0);
    let mut paid = paid;
    paid.status = PaymentStatus::Ok;
    world.buyer(PaymentStatus::Ok);
    let answer = Ok(Reply::Found(vec![dead, paid]));
    world.event(Event::Answered { request, answer });
    assert_eq!(world.state("s"), State::Done);
}
