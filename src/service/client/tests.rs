//! Against a real socket that answers what a test sets, byte for byte.

mod addresses;
mod cached;
mod held;
mod moved;
mod preconnected;
mod token;

use crate::base::text::assert_has;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::core::call::Reply;
use crate::core::validate::tests::request;
use crate::model::money::Kopecks;

/// What the other side does with one request.
#[derive(Clone, Debug)]
enum Behaviour {
    /// Answers these bytes and keeps the connection.
    Answer(String),
    /// Answers these bytes and closes.
    Close(String),
    /// Never answers.
    Silence,
}

/// A service that follows a script; after its end it answers like the last line.
struct Scripted {
    url: String,
    requests: Arc<StdMutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
    client: Client,
}

fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        text.extend_from_slice(&chunk[..count]);
        let seen = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = seen.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(seen);
            }
        }
    }
}

async fn scripted(script: Vec<Behaviour>) -> Scripted {
    scripted_at("127.0.0.1:0", script).await
}

async fn scripted_at(address: &str, script: Vec<Behaviour>) -> Scripted {
    let listener = TcpListener::bind(address).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (requests, connections) = (
        Arc::new(StdMutex::new(Vec::new())),
        Arc::new(AtomicUsize::new(0)),
    );
    let (seen, opened, script) = (requests.clone(), connections.clone(), Arc::new(script));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            opened.fetch_add(1, Ordering::SeqCst);
            let (seen, script) = (seen.clone(), script.clone());
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let index = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request);
                        (seen.len() - 1).min(script.len() - 1)
                    };
                    match &script[index] {
                        Behaviour::Answer(bytes) => {
                            stream.write_all(bytes.as_bytes()).await.unwrap()
                        }
                        Behaviour::Close(bytes) => {
                            stream.write_all(bytes.as_bytes()).await.unwrap();
                            return;
                        }
                        Behaviour::Silence => std::future::pending::<()>().await,
                    }
                }
            });
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), None);
    Scripted {
        url,
        requests,
        connections,
        _folder: folder,
        client,
    }
}

impl Scripted {
    async fn ask(&self, call: &Call) -> Answer {
        answered(&self.client, call).await
    }

    /// How often it was asked.
    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A service that gives these answers and keeps its connections.
async fn answering<const N: usize>(answers: [String; N]) -> Scripted {
    scripted(answers.map(Behaviour::Answer).to_vec()).await
}

fn client(url: &str, folder: &std::path::Path, token: Option<&str>) -> Client {
    let token_path = folder.join("token.conf");
    std::fs::write(&token_path, token.unwrap_or("tok-123")).unwrap();
    if token == Some("") {
        std::fs::remove_file(&token_path).unwrap();
    }
    Client::new(Settings {
        url: url.to_owned(),
        reg_num: "OPL000011111".into(),
        password: None,
        timeout: Duration::from_millis(700),
        token_path,
    })
    .unwrap()
}

/// A client of `pay.test`, which it looks up so; what it has found is `fresh` for so long.
fn client_that_asks(
    (url, timeout): (&str, Duration),
    lookup: impl Fn(&str) -> Result<Vec<std::net::SocketAddr>, String> + Send + Sync + 'static,
    fresh: Duration,
) -> (Client, tempfile::TempDir) {
    let resolver = Resolver::new(Arc::new(lookup), fresh, Duration::from_secs(60));
    let folder = tempfile::tempdir().unwrap();
    let token_path = folder.path().join("token.conf");
    std::fs::write(&token_path, "tok-123").unwrap();
    let settings = Settings {
        url: url.replace("127.0.0.1", "pay.test"),
        reg_num: "OPL000011111".into(),
        password: None,
        timeout,
        token_path,
    };
    let client = Client::with_resolver(settings, resolver).unwrap();
    (client, folder)
}

fn pay() -> Call {
    pay_within(Duration::from_millis(700))
}

/// A payment whose answer is awaited so long.
fn pay_within(answer_within: Duration) -> Call {
    Call::Pay {
        session: "s".into(),
        order_number: "n-1".into(),
        sum: Kopecks(150),
        shift: "24112026".into(),
        receipt: request(150).receipt,
        answer_within,
    }
}

/// Whether there is an `n-1` in one of three shifts.
fn look_up() -> Call {
    Call::LookUp {
        shifts: vec!["24112026".into(), "23112026".into(), "25112026".into()],
        order_numbers: vec!["n-1".into()],
        witnesses: Vec::new(),
    }
}

fn paid() -> String {
    r#"{"paymentId": 7, "paymentType": 1, "sum": 1.5, "status": 1, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "n-1"}"#.into()
}

/// An address at which nobody listens.
async fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn answered(client: &Client, call: &Call) -> Answer {
    client.call(call, "s-1").await.answer
}

fn is_lost(answer: &Answer) -> bool {
    matches!(answer, Err(Failure::Lost { .. }))
}

#[tokio::test]
async fn a_payment_is_answered_and_carries_what_the_wire_wants() {
    let service = answering([http(200, &paid())]).await;
    let exchange = service.client.call(&pay(), "s-1").await;
    assert!(matches!(&exchange.answer, Ok(Reply::Payment(info)) if info.payment_id == 7));
    let seen = service.requests.lock().unwrap()[0].clone();
    assert!(
        seen.starts_with("POST /ms-pay/pos/payments HTTP/1.1\r\n"),
        "{seen}"
    );
    let head = seen.to_lowercase();
    assert_has(&head, ["regnum: opl000011111\r\n", "token: tok-123\r\n"]);
    assert!(
        seen.contains(r#""sum":1.5,"orderNumber":"n-1","sessionId":"s""#),
        "{seen}"
    );
}

#[tokio::test]
async fn whatever_is_no_whole_answer_is_lost_and_sent_only_once() {
    let half = http(200, &paid()).replace("Content-Length: ", "Content-Length: 9");
    for behaviour in [
        Behaviour::Close(String::new()),
        Behaviour::Close("HTTP/1.1 200 OK\r\nContent-".into()),
        Behaviour::Close(half),
        Behaviour::Close(http(500, r#"{"code": "X"}"#)),
        Behaviour::Close(
            http(302, "").replace("\r\n\r\n", "\r\nLocation: /ms-pay/pos/tokens\r\n\r\n"),
        ),
        Behaviour::Close(http(200, "[]")),
        Behaviour::Close(http(200, &paid().replace("n-1", "n-2"))),
        Behaviour::Close("garbage\r\n\r\n".into()),
        Behaviour::Silence,
    ] {
        let service = scripted(vec![behaviour.clone()]).await;
        let exchange = service.client.call(&pay(), "s-1").await;
        assert!(
            is_lost(&exchange.answer),
            "{behaviour:?}: {:?}",
            exchange.answer
        );
        assert_eq!(service.asked(), 1, "{behaviour:?}");
    }
}

#[tokio::test]
async fn money_moving_requests_never_ride_on_a_used_connection() {
    let info = http(200, &paid());
    let service = scripted(vec![
        Behaviour::Answer(info.clone()),
        Behaviour::Answer(info),
        Behaviour::Close(String::new()),
    ])
    .await;
    for _ in 0..2 {
        assert!(service.ask(&Call::Payment { payment_id: 7 }).await.is_ok());
    }
    assert_eq!(
        service.connections.load(Ordering::SeqCst),
        1,
        "polls share a connection"
    );
    assert!(is_lost(&service.ask(&pay()).await));
    assert_eq!(service.asked(), 3, "the payment left once");
    assert_eq!(service.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_provably_never_left_is_distinguished() {
    let nobody = nobody().await;
    let folder = tempfile::tempdir().unwrap();
    for url in [
        format!("http://{nobody}"),
        "http://no-such-host.invalid".into(),
        format!("https://{nobody}"),
    ] {
        let answer = answered(&client(&url, folder.path(), None), &pay()).await;
        assert!(
            matches!(answer, Err(Failure::NotSent { .. })),
            "{url}: {answer:?}"
        );
    }
    // TLS that fails: the other side speaks something else.
    let service = scripted(vec![Behaviour::Close("no TLS here".into())]).await;
    let answer = answered(
        &client(&service.url.replace("http:", "https:"), folder.path(), None),
        &pay(),
    )
    .await;
    assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
}

#[tokio::test]
async fn when_we_give_up_the_connection_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let client = client(&url, folder.path(), None);
    let watcher = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await
    });
    assert!(is_lost(&answered(&client, &pay()).await));
    let closed = tokio::time::timeout(Duration::from_secs(5), watcher).await;
    assert!(closed.is_ok(), "the connection stays open after we gave up");
}

#[tokio::test]
async fn looking_up_asks_every_shift_until_all_is_found() {
    let row = format!("[{}]", paid());
    let service = answering([http(200, "[]"), http(200, &row), http(200, "[]")]).await;
    let answer = service.ask(&look_up()).await;
    assert!(
        matches!(&answer, Ok(Reply::Found(found)) if found.len() == 1),
        "{answer:?}"
    );
    assert_eq!(service.asked(), 2, "found is found");
    let broken = answering([http(200, "[]"), http(500, ""), http(200, "[]")]).await;
    let answer = broken.ask(&look_up()).await;
    assert!(is_lost(&answer), "absence needs every report: {answer:?}");
}

#[tokio::test]
async fn no_secret_is_in_an_error() {
    let service = scripted(vec![Behaviour::Close(String::new())]).await;
    let call = Call::ConsumerStatus {
        session: "very-secret-session".into(),
    };
    let Err(failure) = service.ask(&call).await else {
        panic!()
    };
    assert!(
        !failure.detail().contains("very-secret") && !failure.detail().contains("tok-123"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn secrets_that_the_service_repeats_are_hidden() {
    let refusal = r#"{"code": "X", "devMessage": "token tok-123, code qr-of-a-buyer", "userMessage": {"lang_ru": "Код qr-of-a-buyer не принят"}}"#;
    let service = answering([http(400, refusal)]).await;
    let call = Call::OpenSession(SessionMode::ConsumerQr(Secret::new("qr-of-a-buyer")));
    let Err(Failure::Refused { message, detail }) = service.ask(&call).await else {
        panic!("not refused")
    };
    assert_eq!(message.as_deref(), Some("Код *** не принят"));
    assert_eq!(
        detail,
        "HTTP 400: X / token ***, code *** / Код *** не принят"
    );
}

#[tokio::test]
async fn a_line_that_never_connects_sent_nothing() {
    // The backlog is full, so the next handshake is never finished: what a dead line looks like.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let folder = tempfile::tempdir().unwrap();
    let client = client(&format!("http://{address}"), folder.path(), None);
    let answer = answered(&client, &pay()).await;
    assert!(matches!(answer, Err(Failure::NotSent { .. })), "{answer:?}");
}

#[tokio::test]
async fn the_services_clock_is_read() {
    let answer =
        http(200, &paid()).replacen("\r\n", "\r\nDate: Tue, 24 Nov 2026 07:00:01 GMT\r\n", 1);
    let service = answering([answer]).await;
    let exchange = service.client.call(&pay(), "s-1").await;
    assert!(exchange.answer.is_ok());
    assert_eq!(
        exchange.server_date.map(|server| server.date),
        "2026-11-24T07:00:01Z".parse().ok(),
        "{exchange:?}"
    );
}

#[tokio::test]
async fn what_another_shift_holds_is_found_past_rows_that_cannot_be_read() {
    let nameless = paid().replace(r#""n-1""#, "null");
    let reports = [
        http(200, &format!("[{nameless}]")),
        http(200, &format!("[{}]", paid())),
        http(
            404,
            r#"{"code": "404", "internalCode": "", "devMessage": "RegNum X: нет смены"}"#,
        ),
    ];
    let service = answering(reports).await;
    let answer = service.ask(&look_up()).await;
    assert!(
        matches!(&answer, Ok(Reply::Found(found)) if found.len() == 1),
        "{answer:?}"
    );
    let nothing = http(404, r#"{"code": "404"}"#);
    let service = answering([http(200, &format!("[{nameless}]")), nothing.clone()]).await;
    let answer = service.ask(&look_up()).await;
    assert!(
        matches!(answer, Ok(Reply::Partial { .. })),
        "absence needs rows that can be read: {answer:?}"
    );
    let empty = answering([nothing]).await;
    let answer = empty.ask(&look_up()).await;
    assert_eq!(answer, Ok(Reply::Found(Vec::new())));
    let (sender, rows) = std::sync::mpsc::channel();
    let mut date = None;
    let each = move |info| {
        drop(sender.send(info));
        true
    };
    let read = empty.client.each_reported("24112026", &mut date, each);
    assert!(read.await.is_ok());
    assert_eq!(rows.iter().count(), 0);
}

#[tokio::test]
async fn patience_is_reported_with_what_the_service_asked_for() {
    let busy = http(429, "").replacen("\r\n", "\r\nRetry-After: 4\r\n", 1);
    let service = answering([busy]).await;
    for call in [pay(), Call::Payment { payment_id: 7 }] {
        let answer = service.ask(&call).await;
        let asked = Some(Duration::from_secs(4));
        assert!(
            matches!(answer, Err(Failure::TooManyRequests { retry_after, .. }) if retry_after == asked),
            "{answer:?}"
        );
    }
}

#[test]
fn the_base_is_not_appended_twice() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "http://h",
        "http://h/",
        "http://h/ms-pay",
        "http://h/ms-pay/",
    ] {
        assert_eq!(
            client(url, folder.path(), None).base,
            "http://h/ms-pay/pos/"
        );
    }
    assert_eq!(
        with_query("http://h/x", "sessionId", "a b&c=ы"),
        "http://h/x?sessionId=a%20b%26c%3D%D1%8B"
    );
}

/// Two copies of a request, on two sides of midnight: the dead row proves nothing about the other.
#[tokio::test]
async fn a_dead_row_in_one_shift_does_not_hide_the_paid_one_in_another() {
    let dead = paid().replace(r#""status": 1"#, r#""status": 2"#);
    assert_ne!(dead, paid());
    let reports = [
        http(200, &format!("[{dead}]")),
        http(200, &format!("[{}]", paid())),
        http(200, "[]"),
    ];
    let service = answering(reports).await;
    let answer = service.ask(&look_up()).await;
    assert!(
        matches!(&answer, Ok(Reply::Found(found)) if found.len() == 2),
        "{answer:?}"
    );
}
