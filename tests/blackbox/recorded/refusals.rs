//! A refusal proves only that this copy of a request had no effect: the report is asked for the
//! order number before the till believes it.

use std::time::Duration;

use serde_json::{Value, json};

use super::http::Answer;
use super::ledger::{Pay, Reverse};
use super::rules::Call;
use super::service::Service;
use super::{begin, ends, no_line_is_empty, till, until};
use crate::harness::{Till, refused, wait_until};

/// The text of `devMessage` of the recorded refusal.
const DEV_MESSAGE: &str = "Продавец не сформировал требование об оплате!";

/// The request for money was refused, and the report was asked after it and before the end.
fn was_looked_up(service: &Service) {
    let payments = service.seen(Call::Payments);
    assert_eq!(payments.len(), 1, "a payment is never sent again");
    let refused = payments[0].answered_at.unwrap();
    let reports = service.seen(Call::PaymentReports);
    assert!(
        reports.iter().any(|one| one.at >= refused),
        "the refusal was believed without asking the report"
    );
}

/// The refusal was reported after one look.
fn no_shift_was_asked_twice(service: &Service) {
    let refused = service.seen(Call::Payments)[0].answered_at.unwrap();
    let mut shifts: Vec<String> = service
        .seen(Call::PaymentReports)
        .into_iter()
        .filter(|one| one.at >= refused)
        .map(|one| one.of)
        .collect();
    shifts.sort();
    assert!(
        shifts.windows(2).all(|pair| pair[0] != pair[1]),
        "the cashier waited for more than one look: {shifts:?}"
    );
}

/// The cashier reads a line of our own, support reads the service's words.
fn is_reported_as_refused(operation: &Value) {
    let error = &operation["error"];
    assert_eq!(error["code"], "service_rejected", "{operation}");
    assert_eq!(operation["message"], error["message"]);
    let is_russian = |c: char| ('а'..='я').contains(&c);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.chars().any(is_russian) && !message.contains(DEV_MESSAGE),
        "not a line of our own: {message}"
    );
    let remedy = error["remedy"].as_str().unwrap();
    assert!(remedy.chars().any(is_russian), "no remedy: {operation}");
}

fn has_the_services_words(operation: &Value) {
    let detail = operation["error"]["detail"].as_str().unwrap();
    assert!(
        detail.contains(DEV_MESSAGE),
        "devMessage is lost: {operation}"
    );
}

/// A till with one paid sale of 19.99, whose next reversal is refused.
fn sold(first: bool) -> (Service, Till) {
    let service = Service::start();
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    ends(&till, "s-1", "done");
    service.plan(|plan| plan.reverse = [Reverse::Copy { first }].into());
    (service, till)
}

fn give_back(till: &Till, amount: i64) {
    let refund = json!({"sale": "s-1", "amount": amount, "receipt": {"number": "v", "items": [{"name": "Хлеб", "cost": amount}]}});
    assert_eq!(till.put("/v1/refunds/r-1", refund).0, 201);
}

fn cancel(till: &Till) {
    let cancel = json!({"operation": "s-1"});
    assert_eq!(till.put("/v1/cancellations/c-1", cancel).0, 201);
}

fn until_balance(service: &Service, kopecks: i64) {
    wait_until(&format!("a balance of {kopecks}"), || {
        service.balance() == kopecks
    });
}

#[test]
fn what_the_first_copy_did_is_the_sales_end() {
    for (status, state) in [(1, "done"), (3, "not_enough_money"), (2, "declined")] {
        for mode in [0, 1, 2] {
            let service = Service::start();
            let first = Pay::Copy {
                first: Some(status),
                listed: true,
            };
            service.plan(|plan| plan.pay = [first].into());
            let till = till(&service, mode, &[]);
            begin(&till, "s-1", 1999);
            let operation = ends(&till, "s-1", state);
            was_looked_up(&service);
            assert!(operation["error"].is_null(), "{operation}");
            assert!(service.reversals().is_empty());
            assert_eq!(service.balance(), if status == 1 { 1999 } else { 0 });
        }
    }
}

#[test]
fn a_first_copy_that_waits_for_the_buyer_goes_on() {
    let service = Service::start();
    let first = Pay::Copy {
        first: Some(0),
        listed: true,
    };
    service.plan(|plan| plan.pay = [first].into());
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    until(&till, "s-1", "awaiting_confirmation");
    service.until_answered(Call::Payment, 1);
    service.decide(1);
    ends(&till, "s-1", "done");
    was_looked_up(&service);
}

#[test]
fn a_refusal_with_nothing_in_the_report_is_reported_at_once_and_in_our_words() {
    for (mode, empty_shift_is_404) in [(0, false), (1, false), (2, false), (2, true)] {
        let service = Service::start();
        let nothing = Pay::Copy {
            first: None,
            listed: false,
        };
        service.plan(|plan| {
            plan.pay = [nothing].into();
            plan.empty_shift_is_404 = empty_shift_is_404;
        });
        // Whoever waited for this certainty would be seen.
        let till = till(&service, mode, &[("settle", "60")]);
        begin(&till, "s-1", 100);
        let operation = ends(&till, "s-1", "failed");
        was_looked_up(&service);
        no_shift_was_asked_twice(&service);
        is_reported_as_refused(&operation);
        has_the_services_words(&operation);
    }
}

#[test]
fn the_services_own_words_come_first_where_it_has_some() {
    let service = Service::start();
    let text = "Превышен лимит по операциям.";
    let refusal = Answer::error(400, "31", "limit", text);
    service.trouble(Call::Payments, 1, refusal);
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    let operation = ends(&till, "s-1", "failed");
    was_looked_up(&service);
    assert_eq!(operation["message"], text);
    let detail = operation["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("31"), "internalCode is lost: {operation}");
}

#[test]
fn a_payment_that_appears_after_its_refusal_is_reversed() {
    let service = Service::start();
    let hidden = Pay::Copy {
        first: Some(1),
        listed: false,
    };
    service.plan(|plan| plan.pay = [hidden].into());
    let till = till(&service, 2, &[("settle", "6")]);
    begin(&till, "s-1", 1999);
    is_reported_as_refused(&ends(&till, "s-1", "failed"));
    assert_eq!(service.balance(), 1999);
    service.list_all();
    until_balance(&service, 0);
    wait_until("the undoing", || till.operation("s-1")["undo"] == "done");
    till.until_queue_is_empty();
    assert_eq!(till.operation("s-1")["state"], "failed");
    assert_eq!(service.reversals().len(), 1);
}

#[test]
fn a_payment_that_appears_much_later_is_reversed_by_the_reconciliation() {
    let service = Service::start();
    let hidden = Pay::Copy {
        first: Some(1),
        listed: false,
    };
    service.plan(|plan| plan.pay = [hidden].into());
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    let operation = ends(&till, "s-1", "failed");
    is_reported_as_refused(&operation);
    let refused = service.seen(Call::Payments)[0].answered_at.unwrap();
    // The look after `settle` found nothing.
    wait_until("the look after settle", || {
        let reports = service.seen(Call::PaymentReports);
        let is_late = |at| at >= refused + Duration::from_secs(1);
        reports.iter().any(|one| is_late(one.at))
    });
    till.until_queue_is_empty();
    service.list_all();
    let shift = json!({"shift": operation["shift"]});
    let (status, found) = till.post("/v1/reconciliations", shift);
    assert_eq!(status, 200, "{found}");
    until_balance(&service, 0);
    assert_eq!(service.reversals().len(), 1);
    wait_until("the undoing", || till.operation("s-1")["undo"] == "done");
}

#[test]
fn a_report_that_does_not_answer_leaves_the_refusal_unbelieved() {
    let service = Service::start();
    let first = Pay::Copy {
        first: Some(1),
        listed: true,
    };
    service.plan(|plan| plan.pay = [first].into());
    let broken = Answer::of(502, "<html><h1>502 Bad Gateway</h1></html>");
    service.trouble(Call::PaymentReports, 2, broken);
    let till = till(&service, 2, &[("timeout", "10")]);
    begin(&till, "s-1", 100);
    ends(&till, "s-1", "done");
    was_looked_up(&service);
}

#[test]
fn odd_rows_of_others_hide_none_of_ours() {
    let service = Service::start();
    let first = Pay::Copy {
        first: Some(1),
        listed: true,
    };
    service.plan(|plan| {
        plan.pay = [first].into();
        plan.odd_rows = true;
    });
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    ends(&till, "s-1", "done");
    was_looked_up(&service);
}

#[test]
fn too_many_requests_is_no_refusal_of_a_payment() {
    let service = Service::start();
    let patience = Answer::error(429, "", "Слишком много запросов", "");
    service.trouble_after_effect(Call::Payments, patience);
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    ends(&till, "s-1", "done");
    was_looked_up(&service);
    assert_eq!(service.balance(), 100);
}

#[test]
fn a_refused_cancellation_whose_copy_was_carried_out_is_done() {
    let (service, till) = sold(true);
    cancel(&till);
    let operation = ends(&till, "c-1", "done");
    assert!(operation["error"].is_null(), "{operation}");
    assert_eq!((service.balance(), service.reversals().len()), (0, 1));
    assert_eq!(till.operation("s-1")["undo"], "done");
    till.until_queue_is_empty();
}

#[test]
fn a_refused_refund_whose_copy_was_carried_out_is_done() {
    for amount in [500, 1999] {
        let (service, till) = sold(true);
        give_back(&till, amount);
        ends(&till, "r-1", "done");
        assert_eq!(service.balance(), 1999 - amount);
        assert_eq!(service.reversals().len(), 1, "a refund is never sent again");
        assert_eq!(till.operation("s-1")["left"], json!(1999 - amount));
    }
}

#[test]
fn a_refused_refund_that_is_absent_failed() {
    let (service, till) = sold(false);
    give_back(&till, 500);
    let operation = ends(&till, "r-1", "failed");
    is_reported_as_refused(&operation);
    assert_eq!(service.balance(), 1999);
    assert_eq!(service.seen(Call::Reversals).len(), 1);
    let refused = service.seen(Call::Reversals)[0].answered_at.unwrap();
    let reports = service.seen(Call::PaymentReports);
    assert!(
        reports.iter().any(|one| one.at >= refused),
        "the refusal was believed without asking the report"
    );
}

#[test]
fn a_refused_cancellation_that_is_absent_waits_for_a_person() {
    let (service, till) = sold(false);
    cancel(&till);
    wait_until("the word that a person is needed", || {
        till.operation("s-1")["undo"] == "set_aside"
    });
    let operation = till.operation("c-1");
    no_line_is_empty(&till, &operation);
    is_reported_as_refused(&operation);
    assert_eq!(service.balance(), 1999);
}

#[test]
fn a_person_closes_it_with_a_word_on_what_has_happened_and_the_books_follow() {
    let (service, till) = sold(false);
    cancel(&till);
    wait_until("the word that a person is needed", || {
        till.operation("s-1")["undo"] == "set_aside"
    });
    let settle = "/v1/queue/c-1/settle";
    for wordless in [
        json!({"reason": "checked"}),
        json!({"reason": "checked", "outcome": "perhaps"}),
    ] {
        let problem = refused(till.post(settle, wordless), 400, "invalid");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("not_carried_out"), "{problem}");
    }
    let silent = ["queue", "settle", "c-1", "--reason", "checked"];
    let output = till.verb(&silent).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert_eq!(till.operation("c-1")["state"], "queued");
    let with_outcome = [silent.as_slice(), &["--outcome", "not_carried_out"]].concat();
    let output = till.verb(&with_outcome).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let operation = till.operation("c-1");
    assert_eq!(operation["state"], "failed");
    no_line_is_empty(&till, &operation);
    let sale = till.operation("s-1");
    assert_eq!((&sale["undo"], &sale["left"]), (&json!(null), &json!(1999)));
    assert_eq!(till.get("/v1/queue").1["items"], json!([]));
    assert_eq!(service.balance(), 1999);
}
