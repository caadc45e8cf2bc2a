//! What is wrong with a request, and how it is told.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_name_and_in_one_language() {
    let bench = Bench::new().await;
    for (method, path, body, told) in [
        (
            "PUT",
            "/v1/sales/a",
            "{\"amount\": 1}",
            "receipt: обязательное поле",
        ),
        (
            "GET",
            "/v1/operations?limit=x",
            "",
            "limit: нужно целое число",
        ),
        (
            "GET",
            "/v1/operations?limit=501",
            "",
            "limit = 501: нужно от 1 до 500",
        ),
        (
            "GET",
            "/v1/operations?state=paid",
            "",
            "state: допустимо new, in_progress",
        ),
        (
            "GET",
            "/v1/operations/a?wait=61",
            "",
            "wait = 61: нужно от 0 до 60 секунд",
        ),
        (
            "GET",
            "/v1/operations/a?wait=-1",
            "",
            "wait: нужно целое число",
        ),
        (
            "POST",
            "/v1/scans",
            "{\"text\": \"\\r\\n \"}",
            "text: 0 символов",
        ),
        (
            "POST",
            "/v1/reconciliations",
            "{\"shift\": \"\\u0000\"}",
            "shift: ",
        ),
        (
            "DELETE",
            "/v1/queue",
            "",
            "такой метод здесь не допускается",
        ),
    ] {
        let answer = bench.trusted(method, path, body).await;
        let detail = answer.json()["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let told = format!("Неверный запрос: {told}");
        assert!(detail.starts_with(&told), "{path} {body}: {detail}");
    }
}

#[tokio::test]
async fn a_body_is_json_in_utf_8_and_a_code_is_taken_without_its_line_end() {
    let bench = Bench::new().await;
    let bearer = format!("Bearer {TOKEN}");
    for (kind, status) in [
        ("application/json; charset=UTF-8", 200),
        ("Application/JSON;charset=\"utf-8\"", 200),
        ("application/json; charset=windows-1251", 400),
        ("application/jsonx", 400),
        ("text/plain", 400),
    ] {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let body = "{\"text\": \" code\\r\\n\"}";
        let answer = bench.tcp("POST", "/v1/scans", &headers, body).await;
        assert_eq!(answer.status, status, "{kind}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_core_that_stays_with_a_lost_journal_lets_no_caller_wait() {
    let bench = Bench::new().await;
    let lost = Code::Storage.problem("Журнал операций повреждён", "Перезапустите службу");
    *bench.shelf.refusal.lock().unwrap() = Some(lost);
    for (method, path, body) in [
        ("PUT", "/v1/sales/a", sale().as_str()),
        ("POST", "/v1/operations/a/abort", ""),
        ("POST", "/v1/scans", "{\"text\": \"x\"}"),
        ("POST", "/v1/queue/a/retry", ""),
    ] {
        let answer = bench.trusted(method, path, body).await;
        assert_eq!(answer.status, 507, "{path}");
        assert_eq!(
            answer.json()["detail"],
            "Журнал операций повреждён",
            "{path}"
        );
    }
}
