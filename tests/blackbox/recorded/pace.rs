//! Questions are asked politely: the stand-in checks every pause, these tests make it count.

use std::time::Duration;

use super::http::Answer;
use super::ledger::Pay;
use super::rules::Call;
use super::service::Service;
use super::{begin, ends, restart, settings, started, till, until};

/// A sale whose payment waits for the buyer.
fn pending(service: &Service) -> crate::harness::Till {
    service.plan(|plan| plan.pay = [Pay::Pending].into());
    let till = till(service, 2, &[("timeout", "10")]);
    begin(&till, "s-1", 1999);
    until(&till, "s-1", "awaiting_confirmation");
    till
}

fn too_many(body: &str) -> Answer {
    Answer::of(429, body)
}

#[test]
fn retry_after_of_consumer_status_is_obeyed() {
    let service = Service::start();
    service.plan(|plan| plan.joins_after = Some(2));
    // Nothing that the page of errors calls an error body.
    let patience = too_many("").with("Retry-After: 4");
    service.trouble(Call::ConsumerStatus, 1, patience);
    let till = till(&service, 2, &[("timeout", "10")]);
    begin(&till, "s-1", 1999);
    until(&till, "s-1", "awaiting_buyer");
    let asked = service.until_answered(Call::ConsumerStatus, 2);
    let operation = till.operation("s-1");
    assert_eq!(operation["state"], "awaiting_buyer", "{operation}");
    ends(&till, "s-1", "done");
    assert!(asked[0].not_before.is_some());
    assert_eq!(service.sessions().len(), 1, "429 is no end of a session");
}

#[test]
fn retry_after_of_a_payments_status_is_obeyed() {
    let service = Service::start();
    let patience = Answer::error(429, "", "Слишком много запросов", "");
    service.trouble(Call::Payment, 1, patience.with("Retry-After: 4"));
    let till = pending(&service);
    let asked = service.until_answered(Call::Payment, 3);
    assert!(asked[0].not_before.is_some());
    let operation = till.operation("s-1");
    assert_eq!(operation["state"], "awaiting_confirmation", "{operation}");
    service.decide(1);
    ends(&till, "s-1", "done");
    assert!(service.reversals().is_empty());
}

#[test]
fn too_many_requests_without_retry_after_changes_nothing() {
    let service = Service::start();
    service.plan(|plan| plan.joins_after = Some(1));
    service.trouble(Call::ConsumerStatus, 1, too_many("slow down"));
    service.trouble(Call::Payment, 2, too_many(""));
    let till = pending(&service);
    service.until_answered(Call::Payment, 3);
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(service.sessions().len(), 1);
    assert!(service.reversals().is_empty());
}

#[test]
fn without_settings_a_payment_is_asked_for_every_5_s_and_a_session_every_2_s() {
    let service = Service::start();
    service.plan(|plan| {
        plan.pay = [Pay::Pending].into();
        plan.joins_after = Some(2);
        plan.poll_payment = Duration::from_secs(5);
        plan.poll_session = Duration::from_secs(2);
    });
    let conf = settings(&service, 2, &[("timeout", "10")], "");
    let conf: String = conf
        .lines()
        .filter(|line| !line.starts_with("poll"))
        .map(|line| format!("{line}\n"))
        .collect();
    let till = started(&conf);
    begin(&till, "s-1", 1999);
    until(&till, "s-1", "awaiting_confirmation");
    service.until_answered(Call::Payment, 3);
    service.decide(1);
    ends(&till, "s-1", "done");
    assert!(service.seen(Call::ConsumerStatus).len() >= 3);
    assert!(service.seen(Call::Payment).len() >= 4);
}

#[test]
fn an_abort_does_not_make_the_till_impolite() {
    let service = Service::start();
    let till = pending(&service);
    service.until_answered(Call::Payment, 1);
    let (status, _) = till.abort("s-1");
    assert_eq!(status, 200);
    ends(&till, "s-1", "cancelled");
    till.until_queue_is_empty();
    assert_eq!((service.balance(), service.sales()[0].status), (0, 5));
}

#[test]
fn a_restart_forgets_at_most_one_pause() {
    let service = Service::start();
    let mut till = pending(&service);
    service.until_answered(Call::Payment, 1);
    restart(&service, &mut till, || {});
    service.until_answered(Call::Payment, 4);
    service.decide(1);
    ends(&till, "s-1", "done");
}

#[test]
fn status_questions_that_fail_come_no_closer() {
    let service = Service::start();
    let broken = Answer::of(502, "<html><h1>502 Bad Gateway</h1></html>");
    service.trouble(Call::ConsumerStatus, 2, broken.clone());
    service.trouble(Call::Payment, 2, broken);
    let till = pending(&service);
    service.until_answered(Call::Payment, 4);
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(service.sessions().len(), 1);
}
