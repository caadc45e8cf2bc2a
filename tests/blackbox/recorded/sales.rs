//! A buyer pays, gets money back and shows a card; the service answers as recorded.

use serde_json::{Value, json};

use super::ledger::Pay;
use super::rules::{Call, TOKEN};
use super::service::Service;
use super::{begin, ends, events_until, scan, till, until, until_shown};

/// A refund of a part.
fn refund(sale: &str, amount: i64) -> Value {
    json!({"sale": sale, "amount": amount, "receipt": {"number": "v", "items": [{"name": "Хлеб", "cost": amount}]}})
}

#[test]
fn a_sale_ends_done_with_its_slip_in_each_mode() {
    for mode in [0, 1, 2] {
        let service = Service::start();
        let till = till(&service, mode, &[]);
        begin(&till, "s-1", 1999);
        let operation = ends(&till, "s-1", "done");
        let sales = service.sales();
        assert_eq!(sales.len(), 1, "mode {mode}");
        let slip = &operation["slip"];
        assert_eq!(
            (&slip["payment_id"], &slip["amount"], &slip["purse"]),
            (&json!(sales[0].id), &json!(1999), &Value::Null),
            "mode {mode}: {operation}"
        );
        let paid_at: jiff::Timestamp = slip["paid_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(paid_at, sales[0].paid_at(), "mode {mode}");
        assert_eq!(
            (&operation["order_number"], service.balance()),
            (&json!(sales[0].order_number), 1999)
        );
        assert_eq!(service.sessions()[0].mode, [1, 2, 3][usize::from(mode)]);
        assert!(
            service.seen(Call::Payment).is_empty(),
            "mode {mode}: a final status in the answer is not asked for again"
        );
    }
}

#[test]
fn the_buyer_sees_the_qr_and_the_code_as_they_came() {
    let service = Service::start();
    service.plan(|plan| plan.joins_after = None);
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 700);
    let operation = until(&till, "s-1", "awaiting_buyer");
    let session = service.until_session(1);
    assert_eq!(operation["shows"], json!({"qr": session.qr}));
    assert!(session.qr.starts_with("o-plati://o-cashpay/dyn/"));
    assert_eq!(operation["message"], "Отсканируйте QR-код для оплаты");
    service.join(&session.id);
    ends(&till, "s-1", "done");

    let mut sale = crate::harness::sale("2", 700);
    sale["mode"] = json!(1);
    assert_eq!(till.put("/v1/sales/s-2", sale).0, 201);
    let operation = until(&till, "s-2", "awaiting_buyer");
    let session = service.until_session(2);
    assert_eq!(operation["shows"], json!({"code": session.code}));
    let message = operation["message"].as_str().unwrap();
    assert!(message.contains(&session.code), "{message}");
    service.join(&session.id);
    ends(&till, "s-2", "done");
}

#[test]
fn the_four_recorded_answers_end_four_sales() {
    let service = Service::start();
    let statuses = [1, 3, 3, 1];
    service.plan(|plan| plan.pay = statuses.map(Pay::Final).into());
    let till = till(&service, 2, &[]);
    for (number, status) in statuses.iter().enumerate() {
        let id = format!("s-{number}");
        begin(&till, &id, 100);
        let state = if *status == 1 {
            "done"
        } else {
            "not_enough_money"
        };
        let operation = ends(&till, &id, state);
        assert_eq!(operation["slip"].is_null(), *status != 1, "{operation}");
    }
    assert_eq!((service.sales().len(), service.balance()), (4, 200));
    assert!(service.reversals().is_empty());
}

#[test]
fn every_final_status_in_the_answer_is_an_end() {
    let service = Service::start();
    let ends_of = [
        (2, "declined"),
        (3, "not_enough_money"),
        (4, "expired"),
        (5, "cancelled"),
    ];
    service.plan(|plan| plan.pay = ends_of.map(|(status, _)| Pay::Final(status)).into());
    let till = till(&service, 2, &[]);
    for (status, state) in ends_of {
        let id = format!("s-{status}");
        begin(&till, &id, 100);
        ends(&till, &id, state);
    }
    assert_eq!(service.balance(), 0);
}

#[test]
fn a_payment_that_waits_is_asked_for_until_it_has_an_end() {
    let service = Service::start();
    service.plan(|plan| plan.pay = [Pay::Pending].into());
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 1550);
    until(&till, "s-1", "awaiting_confirmation");
    service.until_answered(Call::Payment, 2);
    service.decide(1);
    let operation = ends(&till, "s-1", "done");
    assert_eq!(
        operation["slip"]["payment_id"],
        json!(service.sales()[0].id)
    );
}

#[test]
fn a_session_id_that_is_a_text_is_kept_as_it_came() {
    for mode in [0, 1, 2] {
        let service = Service::start();
        service.plan(|plan| plan.text_ids = true);
        let till = till(&service, mode, &[]);
        begin(&till, "s-1", 100);
        ends(&till, "s-1", "done");
        assert_eq!(service.sales()[0].session, service.sessions()[0].id);
    }
}

#[test]
fn sums_are_roubles_with_no_more_decimals_than_needed() {
    let service = Service::start();
    let till = till(&service, 2, &[]);
    for (number, amount) in [1, 10, 700, 1550, 5999, 100_000_000].iter().enumerate() {
        let id = format!("s-{number}");
        begin(&till, &id, *amount);
        let operation = ends(&till, &id, "done");
        assert_eq!(operation["slip"]["amount"], json!(amount));
        assert_eq!(service.sales()[number].sum, *amount);
    }
}

#[test]
fn the_till_in_password_mode_sends_its_password_and_asks_for_no_token() {
    let service = Service::start();
    service.plan(|plan| plan.password = Some("Kx-8841"));
    let till = till(&service, 2, &[("password", "Kx-8841")]);
    begin(&till, "s-1", 100);
    ends(&till, "s-1", "done");
    assert!(service.seen(Call::Tokens).is_empty());
    assert!(
        !till.log().contains("Kx-8841"),
        "the password is in the log"
    );
}

#[test]
fn no_cards_is_an_empty_list_and_no_failure() {
    for mode in [0, 1, 2] {
        let service = Service::start();
        let till = till(&service, mode, &[("valutcode", "7")]);
        let card = json!({"valutcode": 7, "cardNumberType": 5});
        assert_eq!(till.put("/v1/cards/k-1", card).0, 201);
        if mode == 0 {
            until(&till, "k-1", "awaiting_scan");
            scan(&till, "https://getapp.o-plati.by/c/KL20713");
        }
        let operation = ends(&till, "k-1", "done");
        assert_eq!(
            (&operation["card"], &operation["message"]),
            (&Value::Null, &json!("Карта не найдена")),
            "mode {mode}"
        );
        assert!(service.sales().is_empty(), "a card costs nothing");
    }
}

#[test]
fn refunds_and_cancellations_move_the_money_they_state() {
    let service = Service::start();
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 1999);
    ends(&till, "s-1", "done");
    assert_eq!(till.put("/v1/refunds/r-1", refund("s-1", 500)).0, 201);
    ends(&till, "r-1", "done");
    assert_eq!(service.balance(), 1499);
    let cancel = json!({"operation": "s-1"});
    assert_eq!(till.put("/v1/cancellations/c-1", cancel).0, 201);
    ends(&till, "c-1", "done");
    assert_eq!(service.balance(), 0);
    assert_eq!(till.operation("s-1")["undo"], "done");
}

#[test]
fn no_secret_of_the_service_is_in_the_log_or_in_an_event() {
    let service = Service::start();
    service.plan(|plan| plan.joins_after = Some(2));
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    let session = service.until_session(1);
    until_shown(&till, "s-1", &session.qr);
    ends(&till, "s-1", "done");
    let events = events_until(&till, "\"state\":\"done\"");
    let errors = std::fs::read_to_string(till.path("stderr")).unwrap();
    let log = till.log();
    assert!(log.contains("/ms-pay/pos/payments"), "{log}");
    let path = session.qr.rsplit('/').next().unwrap();
    for (name, secret) in [
        ("the token", TOKEN),
        ("the session's id", session.id.as_str()),
        ("the QR", path),
    ] {
        for (place, text) in [("log", &log), ("events", &events), ("stderr", &errors)] {
            assert!(!text.contains(secret), "{name} stands in {place}");
        }
    }
}
