//! The stand-in notices what a till may not do; else the other tests would prove nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::Pay;
use super::rules::{REG_NUM, TOKEN};
use super::service::Service;

const DETAILS: &str = r#"{"items": [{"type": 1, "name": "x", "cost": 7}], "amountTotal": 7}"#;

/// One request with these lines in its head; status and body of the answer.
fn send(service: &Service, line: &str, head: &str, body: &str) -> (u16, Value) {
    let address = service.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// The same as a till that has its token.
fn ask(service: &Service, method: &str, path: &str, body: &str) -> (u16, Value) {
    let line = format!("{method} /ms-pay/pos/{path}");
    let head = format!("regNum: {REG_NUM}\r\ntoken: {TOKEN}\r\n");
    send(service, &line, &head, body)
}

/// A session that a buyer has joined.
fn joined(service: &Service) -> String {
    let (_, session) = ask(service, "POST", "demandPayment", r#"{"paymentMode": 3}"#);
    let id = session["sessionId"].as_i64().unwrap().to_string();
    service.join(&id);
    id
}

fn payment(session: &str, number: &str) -> String {
    format!(
        r#"{{"sum": 7, "orderNumber": "{number}", "sessionId": {session}, "details": {DETAILS}}}"#
    )
}

fn is_noticed(service: &Service, what: &str) {
    let wrong = service.take_wrong();
    assert!(
        wrong.iter().any(|sentence| sentence.contains(what)),
        "{what:?} is not in {wrong:#?}"
    );
}

#[test]
fn every_wrong_request_is_noticed() {
    let service = Service::start();
    let session = joined(&service);
    let quoted = format!("\"{session}\"");
    for (method, path, body, what) in [
        (
            "POST",
            "payments",
            payment(&session, "A-1"),
            "not sent as a JSON string",
        ),
        (
            "POST",
            "payments",
            payment(&quoted, "A_2"),
            "orderNumber is not",
        ),
        (
            "POST",
            "payments",
            payment(&quoted, "A-3").replace("\"sum\": 7", "\"sum\": \"7\""),
            "sum is no positive number",
        ),
        (
            "POST",
            "payments",
            payment(&quoted, "A-4").replace("amountTotal\": 7", "amountTotal\": 7.005"),
            "amountTotal is not",
        ),
        (
            "POST",
            "payments",
            payment(&quoted, "A-5").replace("\"cost\": 7", "\"cost\": 6"),
            "amountTotal is not",
        ),
        (
            "POST",
            "payments",
            payment(&quoted, "A-6").replace("\"sum\"", "\"comment\": \"x\", \"sum\""),
            "comment is in no description",
        ),
        ("POST", "payments", payment("\"1\"", "A-7"), "never opened"),
        (
            "POST",
            "demandPayment",
            json!({"paymentMode": "3"}).to_string(),
            "no integer",
        ),
        (
            "POST",
            "demandPayment",
            json!({"paymentMode": 1}).to_string(),
            "consumerQR",
        ),
        ("GET", "consumerStatus", String::new(), "the query has"),
        ("GET", "paymentReports", String::new(), "no shift"),
        (
            "GET",
            "paymentReports?shift=1&shiftStart=29.11.2026",
            String::new(),
            "shiftStart",
        ),
        ("GET", "payments/1?x=1", String::new(), "the query has"),
        ("DELETE", "payments/1", String::new(), "in no description"),
    ] {
        ask(&service, method, path, &body);
        is_noticed(&service, what);
    }
}

#[test]
fn wrong_headers_are_noticed() {
    let service = Service::start();
    let path = "GET /ms-pay/pos/paymentReports?shift=29112026";
    for (head, what) in [
        (format!("token: {TOKEN}\r\n"), "regNum"),
        (format!("regNum: {REG_NUM}\r\n"), "token"),
        (
            format!("regNum: {REG_NUM}\r\ntoken: {TOKEN}\r\npassword: x\r\n"),
            "password",
        ),
    ] {
        send(&service, path, &head, "");
        is_noticed(&service, what);
    }
    let head = format!("regNum: {REG_NUM}\r\ntoken: {TOKEN}\r\n");
    send(&service, "POST /ms-pay/pos/tokens", &head, "{}");
    is_noticed(&service, "token");
}

#[test]
fn a_second_request_for_money_is_refused_as_recorded_and_noticed() {
    let service = Service::start();
    let session = format!("\"{}\"", joined(&service));
    let (status, info) = ask(&service, "POST", "payments", &payment(&session, "B-1"));
    assert_eq!((status, &info["status"]), (200, &json!(1)));
    assert!(info.get("pursePublicId").is_none(), "{info}");
    assert_eq!(info["createdDate"], info["paidDate"]);
    let date = info["createdDate"].as_str().unwrap();
    assert!(date.len() == 29 && date.ends_with("+03:00"), "{date}");
    assert_eq!(service.take_wrong(), Vec::<String>::new());

    let (status, error) = ask(&service, "POST", "payments", &payment(&session, "B-1"));
    assert_eq!((status, &error["code"]), (400, &json!("400")));
    assert_eq!(error["internalCode"], "");
    assert_eq!(error["userMessage"], json!({"lang_ru": "", "lang_en": ""}));
    let text = error["devMessage"].as_str().unwrap();
    assert!(
        text.starts_with("RegNum OPL")
            && text.ends_with("Продавец не сформировал требование об оплате!"),
        "{text}"
    );
    is_noticed(&service, "was sent a second time");
    assert_eq!(service.balance(), 700);
}

#[test]
fn a_session_that_is_over_is_reported_for_ever_and_pays_nothing() {
    let service = Service::start();
    service.plan(|plan| plan.joins_after = None);
    let (_, session) = ask(&service, "POST", "demandPayment", r#"{"paymentMode": 3}"#);
    let id = session["sessionId"].as_i64().unwrap().to_string();
    let path = format!("consumerStatus?sessionId={id}");
    let (status, answer) = ask(&service, "GET", &path, "");
    assert_eq!((status, answer), (200, json!({"isConsumerReady": false})));
    service.end(&id);
    for _ in 0..2 {
        let (status, error) = ask(&service, "GET", &path, "");
        assert_eq!((status, &error["internalCode"]), (400, &json!("166")));
        let text = &error["userMessage"]["lang_ru"];
        assert_eq!(text, "Превышено время ожидания клиента.");
        service.join(&id);
    }
    is_noticed(&service, "two questions came");
    let session = format!("\"{id}\"");
    ask(&service, "POST", "payments", &payment(&session, "C-1"));
    is_noticed(&service, "the session is over");
}

#[test]
fn questions_that_come_too_close_are_noticed() {
    let service = Service::start();
    service.plan(|plan| {
        plan.pay = [Pay::Pending].into();
        plan.poll_payment = Duration::from_secs(5);
    });
    let session = format!("\"{}\"", joined(&service));
    let (_, info) = ask(&service, "POST", "payments", &payment(&session, "D-1"));
    let path = format!("payments/{}", info["paymentId"]);
    ask(&service, "GET", &path, "");
    ask(&service, "GET", &path, "");
    is_noticed(&service, "two questions came");
}
