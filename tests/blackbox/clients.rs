//! The simulator against requests as the service's public clients for Go and PHP write them: names,
//! order, number formats and empty values are theirs.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Sim, Till};

/// One call in password mode; header names as those clients spell them.
fn call(sim: &Sim, method: &str, path: &str, body: &str) -> (u16, Value) {
    let address = sim.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} /ms-pay{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRegNum: OPL000011111\r\nPassword: secret\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// Every field that the clients require of a payment info, with a date where they require one.
fn is_payment_info(info: &Value) {
    for number in ["paymentId", "paymentType", "status"] {
        assert!(info[number].is_i64(), "{number}: {info}");
    }
    for date in ["createdDate", "paidDate"] {
        let text = info[date].as_str().unwrap_or_default();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{date}: {info}");
    }
    assert!(
        info["sum"].is_number() && info["orderNumber"].is_string(),
        "{info}"
    );
}

#[test]
fn the_public_clients_requests_are_understood() {
    let sim = Sim::start(None);
    let details = r#"{"regNum":"OPL000011111","items":[{"type":1,"name":"Хлеб","cost":7},{"type":2,"name":"b","cost":8.5}],"amountTotal":15.5,"footerInfo":""}"#;
    let urls = r#""successUrl":"https://a","failureUrl":"https://b","notificationUrl":"https://c""#;
    let go = format!(
        r#"{{"shift":"24112026","sum":15.5,"orderNumber":"go-1","regNum":"OPL000011111","details":{details},{urls}}}"#
    );
    let php = format!(
        r#"{{"sum":15.5,"orderNumber":"php-1","regNum":"OPL000011111","details":{details},{urls},"shift":null}}"#
    );
    let php = php.replace("https://", "https:\\/\\/");
    // The client for Go leaves out a shift that was not given, and nothing else.
    let bare = format!(
        r#"{{"sum":15.5,"orderNumber":"go-2","regNum":"OPL000011111","details":{details},"successUrl":"","failureUrl":"","notificationUrl":""}}"#
    );
    for body in [&go, &php, &bare] {
        let (status, made) = call(&sim, "POST", "/pos/webPayments/v2", body);
        assert_eq!(status, 200, "{made}");
        assert!(made["paymentId"].is_i64() && made["redirectUrl"].is_string());
        let id = made["paymentId"].as_i64().unwrap();
        let (status, info) = call(&sim, "GET", &format!("/pos/payments/{id}"), "");
        assert_eq!((status, &info["status"]), (200, &json!(0)));
        is_payment_info(&info);
        assert!(
            info.get("pursePublicId").is_none(),
            "nobody has paid: {info}"
        );
        sim.control("POST", "/sim/buyer/confirm", json!({"paymentId": id}));
        let reversal = r#"{"sum":1.0,"orderNumber":"ORDER","regNum":"OPL000011111","details":{"regNum":"OPL000011111","items":[{"type":2,"name":"x","cost":1.0}],"amountTotal":1.0,"footerInfo":""},"shift":null}"#;
        let reversal = reversal.replace("ORDER", &format!("back-{id}"));
        let path = format!("/pos/payments/{id}/reversals");
        let (status, info) = call(&sim, "POST", &path, &reversal);
        assert_eq!((status, &info["paymentType"]), (200, &json!(3)), "{info}");
        is_payment_info(&info);
    }
    let (status, report) = call(&sim, "GET", "/pos/paymentReports?shift=24112026", "");
    assert_eq!(status, 200);
    assert!(!report.as_array().unwrap().is_empty());
    report.as_array().unwrap().iter().for_each(is_payment_info);
    let (status, error) = call(&sim, "GET", "/pos/payments/999", "");
    assert_eq!(status, 404);
    for text in ["code", "internalCode", "devMessage"] {
        assert!(error[text].is_string(), "{text}: {error}");
    }
    assert!(
        error["userMessage"]["lang_ru"].is_string() && error["userMessage"]["lang_en"].is_string()
    );
}

#[test]
fn a_body_that_nobody_asked_for_and_that_comes_late_breaks_no_answer() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    for (path, kind, status) in [
        ("POST /v1/operations/s-1/abort", "application/json", "200"),
        ("POST /v1/queue/none/retry", "application/json", "404"),
        ("PUT /v1/sales/s-2", "text/plain", "400"),
    ] {
        let mut stream = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
        write!(
            stream,
            "{path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        // As a library does that sends head and body apart.
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(b"{}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
    }
}
