//! A `PUT` that waits for the service's word: on the till's clock, on the connection, on the queue.

use std::time::Duration;

use jiff::SignedDuration;

use super::world::{Fate, SECOND, World};
use crate::base::clock::ServiceClock;
use crate::core::call::{Call, Failure, Received};
use crate::core::event::{Event, Reply as TillReply};
use crate::core::validate::tests::request;
use crate::model::money::Kopecks;
use crate::model::operation::{ErrorCode, Mode, OperationRequest, RefundRequest, State};
use crate::model::problem::Code;

const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

/// A sale was made by a clock that was a year ahead; now it is right.
fn clock_put_back() -> World {
    let mut world = World::sold();
    world.advance(10 * SECOND);
    world.now.wall = world.now.wall.checked_sub(YEAR).unwrap();
    world
}

/// The service's answers state this time from now on, if it is not the till's.
pub(super) fn set_service_time(world: &mut World, ahead: SignedDuration) {
    let date = world.now.wall.checked_add(ahead).unwrap();
    let clock = ServiceClock::new(date, world.now.mono);
    world.event(Event::ServiceClock(clock));
}

pub(super) fn probes(world: &World) -> bool {
    matches!(world.pending.last(), Some((_, Call::Probe { .. })))
}

fn has_begun(world: &World, id: &str) -> bool {
    let last = world.replies.last();
    matches!(last, Some(TillReply::Begun(Ok((true, operation)))) if operation.id == id)
}

/// A refund of the sale, under a shift of the till or of the clock.
fn refund(world: &mut World, id: &str, shift: Option<&str>) {
    let mut receipt = request(100).receipt;
    receipt.shift = shift.map(str::to_owned);
    let requested = OperationRequest::Refund(RefundRequest {
        sale: Some("s".into()),
        payment_id: None,
        amount: Kopecks(100),
        receipt,
    });
    world.put(id, requested);
}

#[test]
fn a_clock_behind_the_journal_asks_the_service_and_sells_when_it_confirms() {
    let mut world = clock_put_back();
    assert!(world.core.status(world.now).clock_behind);
    let replies = world.replies.len();
    world.begin("t", 5);
    assert!(probes(&world) && world.replies.len() == replies);
    set_service_time(&mut world, SignedDuration::from_secs(-119));
    world.answer(Fate::Answered);
    world.run_due();
    assert!(has_begun(&world, "t"), "{:?}", world.replies.last());
    assert!(!world.core.status(world.now).clock_behind);
    world.abort("t");
    world.advance(10 * SECOND);
    // From now on it is known, and nobody is kept waiting.
    for begin in [
        |world: &mut World| world.begin("u", 5),
        |world: &mut World| world.card("c"),
    ] {
        begin(&mut world);
        assert!(matches!(
            world.replies.last(),
            Some(TillReply::Begun(Ok((true, _))))
        ));
        let id = if world.journal.contains_key("c") {
            "c"
        } else {
            "u"
        };
        world.abort(id);
        world.advance(10 * SECOND);
    }
}

#[test]
fn a_clock_behind_the_journal_that_stays_unconfirmed_is_refused() {
    for ahead in [None, Some(YEAR), Some(SignedDuration::from_secs(121))] {
        let mut world = clock_put_back();
        world.begin("t", 5);
        assert!(probes(&world));
        if let Some(ahead) = ahead {
            set_service_time(&mut world, ahead);
        }
        world.answer(Fate::Answered);
        world.run_due();
        let problem = world.problem();
        assert_eq!(problem.status, 503, "{ahead:?}");
        assert!(problem.detail.contains("Часы"), "{}", problem.detail);
        assert!(
            problem.remedy.contains("дату и время"),
            "{}",
            problem.remedy
        );
        assert!(!world.journal.contains_key("t"));
    }
}

#[test]
fn without_the_service_a_clock_behind_the_journal_is_refused_for_no_connection() {
    let mut world = clock_put_back();
    world.begin("t", 5);
    world.answer(Fate::NotSent);
    world.run_due();
    assert_eq!(world.problem().detail, crate::texts::original::UNAVAILABLE);
}

#[test]
fn a_confirmed_clock_that_jumps_back_is_asked_about_again() {
    let mut world = World::sold();
    set_service_time(&mut world, SignedDuration::ZERO);
    world.advance(10 * SECOND);
    world.now.wall = world.now.wall.checked_sub(YEAR).unwrap();
    world.begin("t", 5);
    assert!(probes(&world));
}

#[test]
fn a_refund_is_given_by_a_wrong_clock_only_if_the_till_names_its_shift() {
    let mut world = clock_put_back();
    refund(&mut world, "r", None);
    assert!(probes(&world));
    world.answer(Fate::Answered);
    world.run_due();
    assert!(world.problem().detail.contains("Часы"));
    refund(&mut world, "q", Some("24112026"));
    assert!(probes(&world));
    world.answer(Fate::Answered);
    world.run_due();
    assert!(has_begun(&world, "q"), "{:?}", world.replies.last());
}

#[test]
fn with_a_queue_a_clock_behind_the_journal_is_asked_about_once_that_is_empty() {
    let mut world = clock_put_back();
    world.cancel("c", "s", false);
    world.run_due();
    world.answer(Fate::NotSent);
    world.advance(10 * Duration::from_millis(1));
    world.begin("t", 5);
    world.settle();
    world.advance(5 * SECOND);
    assert!(
        world.problem().detail.contains("Часы"),
        "{:?}",
        world.problem()
    );
    world.begin("u", 5);
    set_service_time(&mut world, SignedDuration::ZERO);
    world.settle();
    assert!(world.journal.contains_key("u"));
}

/// A sale waits for the probe; and the tickets of its two callers.
fn two_wait() -> (World, u64, u64) {
    let mut world = clock_put_back();
    world.begin("t", 5);
    world.begin("t", 5);
    let tickets = world.tickets();
    assert!(probes(&world));
    (world, tickets - 1, tickets)
}

#[test]
fn what_waits_is_not_begun_once_all_its_callers_are_gone() {
    let (mut world, first, second) = two_wait();
    set_service_time(&mut world, SignedDuration::ZERO);
    world.event(Event::CallerGone { ticket: first });
    world.event(Event::CallerGone { ticket: second });
    // Its place is free at once, and the late answer is nobody's.
    world.begin("u", 5);
    assert!(has_begun(&world, "u"), "{:?}", world.replies.last());
    world.settle();
    assert!(!world.journal.contains_key("t"));
}

#[test]
fn what_waits_is_begun_for_the_caller_who_is_still_there() {
    let (mut world, first, _) = two_wait();
    set_service_time(&mut world, SignedDuration::ZERO);
    world.event(Event::CallerGone { ticket: first });
    let replies = world.replies.len();
    world.settle();
    assert!(has_begun(&world, "t"));
    assert_eq!(world.replies.len(), replies + 1, "one caller gets it");
}

/// The request that is under way ends so.
fn fails(world: &mut World, failure: Failure) {
    let (request, _) = world.pending.remove(0);
    let answer = Err(failure);
    world.event(Event::Answered { request, answer });
}

fn plea(seconds: u32) -> Failure {
    Failure::TooManyRequests {
        retry_after: Some(seconds * SECOND),
        detail: "HTTP 429".into(),
    }
}

#[test]
fn a_plea_for_more_patience_than_the_timeout_ends_a_sale_that_shows_nothing() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    // One that ends in time is obeyed.
    fails(&mut world, plea(5));
    assert_eq!(world.state("s"), State::InProgress);
    world.pass(5 * SECOND);
    fails(&mut world, plea(300));
    let error = world.operation("s").error.clone().unwrap();
    assert_eq!(
        (world.state("s"), error.code),
        (State::Failed, ErrorCode::NoConnection)
    );
    assert!(error.remedy.contains("подождать"), "{}", error.remedy);
    assert!(world.core.status(world.now).down.is_some());
    world.begin("t", 100);
    assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    assert_eq!(world.problem().retry_after_s, Some(300));
    let remedy = world.problem().remedy.clone();
    assert!(remedy.contains("через 300 с"), "{remedy}");
    assert!(world.pending.is_empty(), "the service is not asked");
    let until = world.now.mono + 300 * SECOND;
    assert_eq!(world.core.status(world.now).held_off_until, Some(until));
    world.pass(300 * SECOND);
    world.begin("t", 100);
    world.advance(2 * SECOND);
    assert_eq!(world.state("t"), State::AwaitingBuyer);
}

#[test]
fn a_plea_for_patience_that_answers_another_sale_refuses_the_next_one() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    world.answer(Fate::Answered);
    until_asked(&mut world);
    fails(&mut world, plea(3000));
    world.abort("s");
    assert_eq!(world.state("s"), State::Cancelled);
    world.begin("t", 100);
    assert_eq!(world.problem().code, Code::TemporarilyUnavailable);
    assert_eq!(world.problem().retry_after_s, Some(600));
    let status = world.core.status(world.now);
    assert!(status.is_held_off_for_long && status.down.is_none());
    // A rest that a sale can wait for refuses none.
    world.pass(595 * SECOND);
    assert!(!world.core.status(world.now).is_held_off_for_long);
    world.begin("t", 100);
    world.advance(10 * SECOND);
    assert_eq!(world.state("t"), State::AwaitingBuyer);
}

/// Lets the sale ask whether its buyer has come.
fn until_asked(world: &mut World) {
    while world.pending.is_empty() {
        world.pass(SECOND);
    }
}

#[test]
fn who_answers_otherwise_than_the_service_is_probed_before_the_next_sale() {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    while !world.state("s").is_final() {
        if !world.pending.is_empty() {
            let received = Received::Malformed;
            let detail = "HTTP 200, no JSON".into();
            fails(&mut world, Failure::Lost { detail, received });
        }
        world.pass(SECOND / 10);
    }
    let error = world.operation("s").error.clone().unwrap();
    assert_eq!(error.code, ErrorCode::ServiceProtocol);
    assert!(world.core.status(world.now).down.is_some());
    world.begin("t", 100);
    assert!(probes(&world));
    world.answer(Fate::Answered);
    world.advance(2 * SECOND);
    assert!(world.core.status(world.now).down.is_none());
    assert_eq!(world.state("t"), State::AwaitingBuyer);
}

/// The till has met an outage: whatever is asked for is probed first.
fn cut_off() -> World {
    let mut world = World::new(Mode::DynamicQr);
    world.begin("s", 1999);
    world.run_due();
    while !world.state("s").is_final() {
        world.answer(Fate::NotSent);
        world.pass(SECOND / 10);
    }
    assert!(world.core.status(world.now).down.is_some());
    world
}

fn is_refused(world: &World) -> bool {
    let last = world.replies.last();
    matches!(last, Some(TillReply::Begun(Err(problem))) if problem.code == Code::TemporarilyUnavailable)
}

#[test]
fn the_answer_to_a_probe_counts_though_it_came_too_late_for_its_sale() {
    let mut world = cut_off();
    world.begin("t", 5);
    world.pass(SECOND * 19 / 10);
    assert!(!is_refused(&world));
    world.pass(SECOND / 10);
    assert!(is_refused(&world) && world.core.status(world.now).down.is_some());
    world.pass(SECOND);
    world.answer(Fate::Answered);
    assert!(world.core.status(world.now).down.is_none());
    world.begin("u", 5);
    assert!(has_begun(&world, "u"), "{:?}", world.replies.last());
}

#[test]
fn a_sale_waits_for_the_probe_that_is_under_way() {
    let mut world = cut_off();
    world.begin("t", 5);
    let requests = world.requests;
    world.pass(2 * SECOND);
    world.begin("u", 5);
    world.pass(2 * SECOND);
    assert!(is_refused(&world));
    world.begin("w", 5);
    assert_eq!(world.requests, requests, "one probe at a time");
    world.pass(SECOND);
    world.answer(Fate::Answered);
    world.run_due();
    assert!(has_begun(&world, "w"), "{:?}", world.replies.last());
    for id in ["t", "u"] {
        assert!(!world.journal.contains_key(id));
    }
}

#[test]
fn a_probe_that_hangs_keeps_no_other_from_asking() {
    let mut world = cut_off();
    world.begin("t", 5);
    world.pass(5 * SECOND);
    let requests = world.requests;
    world.begin("u", 5);
    assert_eq!(world.requests, requests + 1);
    // The older one's answer is none of its.
    world.answer(Fate::RequestLost);
    assert!(!has_begun(&world, "u"));
    world.answer(Fate::Answered);
    world.run_due();
    assert!(has_begun(&world, "u"), "{:?}", world.replies.last());
}

#[test]
fn the_end_of_a_probe_that_others_have_sent_refuses_nobody() {
    let mut world = cut_off();
    world.begin("t", 5);
    world.pass(2 * SECOND);
    let (requests, replies) = (world.requests, world.replies.len());
    world.begin("u", 5);
    world.pass(SECOND);
    world.answer(Fate::RequestLost);
    world.run_due();
    assert_eq!(
        (world.requests, world.replies.len()),
        (requests + 1, replies)
    );
    assert!(probes(&world));
    // Its own is believed.
    world.answer(Fate::RequestLost);
    world.run_due();
    assert!(is_refused(&world) && world.replies.len() == replies + 1);
    assert!(world.pending.is_empty());
}

#[test]
fn a_late_answer_to_a_probe_confirms_the_clock() {
    let mut world = clock_put_back();
    world.begin("t", 5);
    world.pass(2 * SECOND);
    assert!(is_refused(&world));
    let requests = world.requests;
    world.begin("u", 5);
    assert_eq!(world.requests, requests);
    world.pass(2 * SECOND);
    assert!(is_refused(&world));
    world.pass(SECOND);
    set_service_time(&mut world, SignedDuration::ZERO);
    world.answer(Fate::Answered);
    world.begin("v", 5);
    assert!(has_begun(&world, "v"), "{:?}", world.replies.last());
}

#[test]
fn an_answer_of_the_service_to_somebody_else_ends_the_outage() {
    let mut world = cut_off();
    world.begin("t", 5);
    world.pass(2 * SECOND);
    assert!(is_refused(&world));
    world.event(Event::ServiceAnswered);
    assert!(world.core.status(world.now).down.is_none());
    world.begin("u", 5);
    assert!(has_begun(&world, "u"), "{:?}", world.replies.last());
}

#[test]
fn an_answer_of_the_service_to_somebody_else_wakes_the_queue() {
    let mut world = World::sold();
    world.cancel("c", "s", false);
    world.run_due();
    for _ in 0..6 {
        world.answer(Fate::NotSent);
        world.pass(10 * SECOND);
    }
    world.answer(Fate::NotSent);
    assert!(world.pending.is_empty());
    world.event(Event::ServiceAnswered);
    world.run_due();
    assert!(!world.pending.is_empty());
}
