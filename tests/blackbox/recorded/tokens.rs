//! The two token cases have no codes: they are known by their message, wherever it stands, and by
//! 401 and 403 together with token mode.

use serde_json::{Value, json};

use super::http::Answer;
use super::rules::Call;
use super::service::Service;
use super::{begin, ends, no_line_is_empty, till};

const EXISTS: &str = "Токен уже существует или касса работает в режиме пароля";
const NEEDED: &str = "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица";
/// More than any test asks.
const ALWAYS: usize = usize::MAX;

/// The message in each field in which it may come, with what may stand around it.
fn spellings(message: &str) -> Vec<Answer> {
    let body = |dev: &str, ru: &str, en: &str, code: &str| {
        let body = json!({"code": code, "internalCode": "", "devMessage": dev, "userMessage": {"lang_ru": ru, "lang_en": en}});
        Answer::of(400, body.to_string())
    };
    let upper = message.to_uppercase();
    vec![
        body("RegNum OPL000011111: отказ", message, "", "400"),
        body("RegNum OPL000011111: отказ", "", message, "400"),
        body(&format!("RegNum OPL000011111: {message}."), "", "", "400"),
        body("RegNum OPL000011111: отказ", &upper, "", "400"),
        body(
            &format!("RegNum OPL000011111: {}", upper.replace(' ', "  ")),
            "",
            "",
            "400",
        ),
    ]
}

/// A sale on a till whose call is answered so, up to its end.
fn sale_against(call: Call, answer: Answer) -> Value {
    let service = Service::start();
    service.trouble(call, ALWAYS, answer);
    let till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    let operation = ends(&till, "s-1", "failed");
    assert!(service.seen(Call::Payments).is_empty());
    operation
}

fn is_reported(operation: &Value, code: &str, message: &str, remedy: &str) {
    let error = &operation["error"];
    assert_eq!(error["code"], code, "{operation}");
    assert_eq!(operation["message"], message);
    let shown = error["remedy"].as_str().unwrap();
    assert!(shown.contains(remedy), "{shown}");
}

#[test]
fn a_token_that_exists_is_known_by_its_message() {
    for answer in spellings(EXISTS) {
        let operation = sale_against(Call::Tokens, answer);
        is_reported(&operation, "token_exists", EXISTS, "Сбросьте токен");
    }
}

#[test]
fn a_token_that_was_reset_is_known_by_its_message() {
    for answer in spellings(NEEDED) {
        let operation = sale_against(Call::DemandPayment, answer);
        is_reported(&operation, "token_needed", NEEDED, "token.conf");
    }
}

#[test]
fn in_token_mode_401_and_403_mean_the_token() {
    for status in [401, 403] {
        let answer = Answer::error(status, "", "Доступ запрещён", "");
        let operation = sale_against(Call::DemandPayment, answer);
        is_reported(&operation, "token_needed", NEEDED, "token.conf");
    }
}

#[test]
fn in_password_mode_401_has_nothing_to_do_with_a_token() {
    let service = Service::start();
    service.plan(|plan| plan.password = Some("Kx-8841"));
    let answer = Answer::error(401, "", "Доступ запрещён", "");
    service.trouble(Call::DemandPayment, ALWAYS, answer);
    let till = till(&service, 2, &[("password", "Kx-8841")]);
    begin(&till, "s-1", 100);
    let operation = ends(&till, "s-1", "failed");
    let code = operation["error"]["code"].as_str().unwrap();
    assert!(!code.starts_with("token"), "{operation}");
}

#[test]
fn the_one_token_is_asked_for_once_and_outlives_the_daemon() {
    let service = Service::start();
    let mut till = till(&service, 2, &[]);
    begin(&till, "s-1", 100);
    ends(&till, "s-1", "done");
    super::restart(&service, &mut till, || {});
    begin(&till, "s-2", 100);
    let operation = ends(&till, "s-2", "done");
    no_line_is_empty(&till, &operation);
    assert_eq!(service.seen(Call::Tokens).len(), 1);
}
