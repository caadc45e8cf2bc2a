//! What is wrong with a request, and how it is reported.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_request_is_reported_by_name_and_in_one_language() {
    let bench = Bench::new().await;
    for (method, path, body, expected) in [
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
        let expected = format!("Неверный запрос: {expected}");
        assert!(detail.starts_with(&expected), "{path} {body}: {detail}");
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

/// Sends the head, and a moment later the body in two parts, as many libraries do.
async fn with_late_body(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    head: &str,
    headers: &[(&str, &str)],
) -> u16 {
    let part = "x".repeat(50_000);
    let length = 2 * part.len();
    let mut text = format!("{head} HTTP/1.1\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(part.as_bytes()).await.expect(head);
    }
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer));
    read.await.unwrap().expect(head);
    let answer = String::from_utf8(answer).unwrap();
    answer.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn who_sends_the_body_after_the_head_gets_every_answer() {
    let bench = Bench::new().await;
    for (head, status) in [
        ("PUT /v1/sales/~1", 400),
        ("PUT /v1/sale/k", 404),
        ("POST /v1/sales/k", 405),
        ("PUT /v1/sales/k", 400),
        ("POST /v1/queue/none/retry", 404),
        ("POST /v1/devices/nope1/test", 400),
        ("GET /v1/health", 200),
        ("GET /display", 200),
        ("DELETE /v1/session", 204),
    ] {
        let stream = UnixStream::connect(&bench.socket).await.unwrap();
        let answered = with_late_body(stream, head, &[("Host", "localhost")]).await;
        assert_eq!(answered, status, "{head}");
    }
    let host = format!("127.0.0.1:{}", bench.port);
    let bearer = format!("Bearer {TOKEN}");
    for (headers, status) in [
        (vec![("Host", host.as_str())], 401),
        (
            vec![("Host", host.as_str()), ("Authorization", "Bearer x")],
            401,
        ),
        (vec![("Host", "evil.example")], 403),
        (vec![("Host", host.as_str()), ("Origin", "null")], 403),
        (
            vec![("Host", host.as_str()), ("Authorization", &bearer)],
            400,
        ),
    ] {
        let stream = TcpStream::connect(("127.0.0.1", bench.port)).await.unwrap();
        let answered = with_late_body(stream, "PUT /v1/sales/k", &headers).await;
        assert_eq!(answered, status, "{headers:?}");
    }
}

/// More than may be connected without a token.
const MANY_STRANGERS: usize = 200;

#[tokio::test]
async fn strangers_whose_bodies_drip_push_out_neither_the_buyers_page_nor_a_till() {
    let bench = Bench::new().await;
    let host = format!("Host: 127.0.0.1:{}", bench.port);
    let connect = || TcpStream::connect(("127.0.0.1", bench.port));
    let mut page = connect().await.unwrap();
    let opens = format!("GET /display/events HTTP/1.1\r\n{host}\r\n\r\n");
    page.write_all(opens.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    page.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    // It has sent nothing yet.
    let mut till = connect().await.unwrap();
    let refused = format!("PUT /v1/nope HTTP/1.1\r\n{host}\r\nContent-Length: 9000\r\n\r\nx");
    let mut strangers = Vec::new();
    for _ in 0..MANY_STRANGERS {
        let mut stranger = connect().await.unwrap();
        stranger.write_all(refused.as_bytes()).await.unwrap();
        strangers.push(stranger);
        // What has come is read before the next one comes.
        tokio::time::sleep(Duration::from_millis(2)).await;
        for dripping in &mut strangers {
            // Nothing can be sent to who had to go.
            drop(dripping.write(b"x").await);
        }
    }
    let asks =
        format!("GET /v1/devices HTTP/1.1\r\n{host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    till.write_all(asks.as_bytes()).await.unwrap();
    let read = tokio::time::timeout(PATIENCE, till.read_exact(&mut head));
    read.await.unwrap().expect("the till stays");
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut received = vec![0; 64 * 1024];
    let listens = async { while page.read(&mut received).await.unwrap() > 0 {} };
    let ended = tokio::time::timeout(Duration::from_millis(300), listens);
    assert!(ended.await.is_err(), "the page stays");
}

#[tokio::test]
async fn a_body_that_never_comes_holds_no_answer_for_long() {
    let bench = Bench::new().await;
    let mut stream = TcpStream::connect(("127.0.0.1", bench.port)).await.unwrap();
    let head = format!(
        "PUT /v1/sales/k HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 1000000000\r\n\r\n",
        bench.port
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer));
    read.await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 401"));
}
