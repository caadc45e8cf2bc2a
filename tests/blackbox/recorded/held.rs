//! The service may hold the answer to `POST payments` until the buyer has confirmed: late is not
//! lost.

use std::time::Duration;

use serde_json::json;

use super::ledger::{Connection, Pay, Payment};
use super::rules::Call;
use super::service::Service;
use super::{begin, ends, restart, till, until, until_past, watch};
use crate::harness::{Till, assert_holds, wait_for, wait_until};

/// `timeout` of the till, unless a test sets another.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A busy machine may read a request so much later than it was sent.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);

/// A till whose sale of 19.99 waits for an answer that the service holds.
fn held(listed: bool, changes: &[(&str, &str)]) -> (Service, Till, Payment) {
    let service = Service::start();
    service.plan(|plan| plan.pay = [Pay::Held { listed }].into());
    let till = till(&service, 2, changes);
    begin(&till, "s-1", 1999);
    let payment = watch(&till, "s-1", "a request for money", |_| service.held());
    (service, till, payment)
}

fn connection(service: &Service) -> Connection {
    service.sales()[0].connection
}

/// Moments at which the report of the sale's shift was asked for, since the request for money.
fn reports(service: &Service, till: &Till, payment: &Payment) -> Vec<std::time::Instant> {
    let shift = till.operation("s-1")["shift"].clone();
    let seen = service.seen(Call::PaymentReports).into_iter();
    seen.filter(|one| json!(one.of) == shift && one.at >= payment.asked)
        .map(|one| one.at)
        .collect()
}

fn abort(till: &Till) -> serde_json::Value {
    let (status, operation) = till.abort("s-1");
    assert_eq!(status, 200, "{operation}");
    operation
}

/// The sale is over, nobody has lost money, and one request for money was enough.
fn nothing_was_taken(service: &Service, till: &Till) {
    till.until_queue_is_empty();
    wait_until("the undoing", || till.operation("s-1")["undo"] == "done");
    assert_eq!(service.balance(), 0);
    assert_eq!(service.seen(Call::Payments).len(), 1);
}

#[test]
fn an_answer_that_comes_after_timeout_is_still_the_answer() {
    let (service, till, payment) = held(false, &[]);
    until(&till, "s-1", "awaiting_confirmation");
    let asked = wait_for("two reports beside the open connection", || {
        let asked = reports(&service, &till, &payment);
        (asked.len() >= 2).then_some(asked)
    });
    assert!(
        asked[0] + ARRIVAL_TOLERANCE >= payment.asked + TIMEOUT,
        "the report was asked before timeout was over"
    );
    until_past(payment.asked, Duration::from_secs(6));
    assert_eq!(connection(&service), Connection::Held, "the till hung up");
    let operation = till.operation("s-1");
    assert_eq!(operation["state"], "awaiting_confirmation", "{operation}");
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(connection(&service), Connection::Answered);
    for pair in reports(&service, &till, &payment).windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        assert!(
            gap + ARRIVAL_TOLERANCE >= Duration::from_secs(1),
            "two reports came {gap:?} apart"
        );
    }
    assert_eq!(service.seen(Call::Payments).len(), 1);
    assert!(service.reversals().is_empty());
}

#[test]
fn each_end_may_come_late() {
    for (status, state) in [(2, "declined"), (3, "not_enough_money"), (4, "expired")] {
        let (service, till, payment) = held(false, &[]);
        until_past(payment.asked, TIMEOUT + Duration::from_secs(1));
        service.decide(status);
        ends(&till, "s-1", state);
        assert_eq!(connection(&service), Connection::Answered);
        assert!(service.reversals().is_empty());
    }
}

#[test]
fn what_the_report_shows_meanwhile_is_asked_for_as_usual() {
    let (service, till, _) = held(true, &[]);
    until(&till, "s-1", "awaiting_confirmation");
    service.until_answered(Call::Payment, 2);
    assert_eq!(connection(&service), Connection::Held, "the till hung up");
    // The service never answers on the connection, though the buyer has confirmed.
    service.plan(|plan| plan.release_held = false);
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(service.seen(Call::Payments).len(), 1);
    assert!(service.reversals().is_empty());
    assert_eq!(service.balance(), 1999);
}

#[test]
fn a_connection_that_breaks_leaves_doubt_and_the_report_ends_it() {
    let (service, till, _) = held(false, &[("timeout", "5")]);
    until(&till, "s-1", "awaiting_confirmation");
    service.cut();
    until(&till, "s-1", "in_doubt");
    service.decide(1);
    service.list_all();
    ends(&till, "s-1", "done");
    assert_eq!(service.seen(Call::Payments).len(), 1);
    assert_eq!(service.balance(), 1999);
}

#[test]
fn a_broken_connection_whose_payment_still_waits_is_no_failure() {
    let (service, till, payment) = held(true, &[]);
    until_past(payment.asked, TIMEOUT + Duration::from_secs(1));
    service.cut();
    service.until_answered(Call::Payment, 2);
    until(&till, "s-1", "awaiting_confirmation");
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(service.seen(Call::Payments).len(), 1);
}

#[test]
fn an_abort_meanwhile_reverses_the_payment() {
    for after in [Duration::ZERO, TIMEOUT + Duration::from_millis(1500)] {
        let (service, till, payment) = held(true, &[]);
        until_past(payment.asked, after);
        let operation = abort(&till);
        assert_eq!(operation["message"], "Отмена…", "{operation}");
        ends(&till, "s-1", "cancelled");
        nothing_was_taken(&service, &till);
        assert_eq!(service.sales()[0].status, 5, "the payment was not reversed");
    }
}

#[test]
fn an_abort_of_what_the_report_hides_is_undone_as_soon_as_it_shows() {
    let (service, till, payment) = held(false, &[("settle", "10")]);
    service.plan(|plan| plan.release_held = false);
    until_past(payment.asked, TIMEOUT);
    abort(&till);
    let operation = ends(&till, "s-1", "failed");
    assert_holds(
        &operation,
        json!({"error": {"code": "no_connection"}, "undo": "pending"}),
    );
    // The buyer confirmed all the same.
    service.decide(1);
    service.list_all();
    nothing_was_taken(&service, &till);
    assert_eq!(till.operation("s-1")["state"], "failed");
}

#[test]
fn after_a_crash_a_payment_that_was_confirmed_meanwhile_is_done() {
    let (service, mut till, payment) = held(false, &[]);
    until_past(payment.asked, TIMEOUT);
    restart(&service, &mut till, || {
        service.decide(1);
        service.list_all();
    });
    ends(&till, "s-1", "done");
    assert_eq!(service.seen(Call::Payments).len(), 1);
    assert_eq!(service.balance(), 1999);
}

#[test]
fn after_a_crash_a_payment_that_still_waits_is_waited_for() {
    let (service, mut till, _) = held(true, &[]);
    restart(&service, &mut till, || {});
    until(&till, "s-1", "awaiting_confirmation");
    service.until_answered(Call::Payment, 1);
    service.decide(1);
    ends(&till, "s-1", "done");
    assert_eq!(service.seen(Call::Payments).len(), 1);
    assert_eq!(service.balance(), 1999);
}

#[test]
fn a_crash_after_the_abort_forgets_nothing() {
    let (service, mut till, payment) = held(true, &[]);
    until_past(payment.asked, TIMEOUT);
    abort(&till);
    restart(&service, &mut till, || {});
    let operation = till.until_final("s-1");
    assert!(
        ["cancelled", "failed"].contains(&operation["state"].as_str().unwrap()),
        "{operation}"
    );
    nothing_was_taken(&service, &till);
}

#[test]
fn nobody_is_waited_for_beyond_wait_buyer() {
    let (service, till, _) = held(true, &[("waitBuyer", "10")]);
    let operation = ends(&till, "s-1", "expired");
    let moment = |name: &str| operation[name].as_str().unwrap().parse().unwrap();
    let (began, ended): (jiff::Timestamp, jiff::Timestamp) =
        (moment("created_at"), moment("finished_at"));
    assert!(
        ended.duration_since(began) >= jiff::SignedDuration::from_millis(9_900),
        "the buyer had less than waitBuyer: {operation}"
    );
    nothing_was_taken(&service, &till);
    assert_eq!(service.sales()[0].status, 5, "the payment was not reversed");
}
