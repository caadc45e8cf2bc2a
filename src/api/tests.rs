//! A real server on a real socket and a real port, with a small core behind it.

use crate::base::text::assert_has;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

use super::notices::{EventLog, NoticeKind};
use super::server::{Listeners, serve};
use super::till::{ApiDeps, Command, Reconciles, Watch};
use crate::base::secret::Secret;
use crate::core::validate::tests::request;
use crate::model::archive::{Archive, OperationStep, OperationsQuery};
use crate::model::device::Device;
use crate::model::health::{
    Health, HealthStatus, JournalHealth, ReconciliationHealth, ServiceHealth,
};
use crate::model::operation::{Kind, Mode, Operation, QueueItem, State};
use crate::model::problem::{Code, Problem};
use crate::report::Reconciliation;

mod pictures;
mod requests;
mod technician;
mod waits;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(10);

/// A journal in memory.
#[derive(Default)]
struct Shelf {
    operations: std::sync::Mutex<Vec<Operation>>,
    /// What every call of the core gets.
    refusal: std::sync::Mutex<Option<Problem>>,
}

impl Shelf {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap()
    }
}

impl Archive for Shelf {
    fn operation(&self, id: &str) -> Result<Option<Operation>, Problem> {
        let operations = self.lock();
        let found = operations.iter().find(|operation| operation.id == id);
        Ok(found.cloned())
    }

    fn steps(&self, _: &str) -> Result<Option<Vec<OperationStep>>, Problem> {
        Ok(None)
    }

    fn operations(&self, query: &OperationsQuery) -> Result<Vec<Operation>, Problem> {
        let operations = self.lock();
        let newest = operations.iter().rev().take(query.limit as usize);
        Ok(newest.cloned().collect())
    }

    fn queue(&self) -> Result<Vec<QueueItem>, Problem> {
        Ok(Vec::new())
    }
}

impl Watch for Shelf {
    fn refusal(&self) -> Option<Problem> {
        self.refusal.lock().unwrap().clone()
    }

    fn health(&self) -> Health {
        Health {
            status: HealthStatus::Ok,
            reasons: Vec::new(),
            reason_codes: Vec::new(),
            service: ServiceHealth::default(),
            queue_depth: 0,
            devices: Vec::new(),
            journal: JournalHealth::default(),
            reconciliation: ReconciliationHealth::default(),
            version: "0",
            uptime_s: 0,
            started_at: String::new(),
        }
    }

    fn devices(&self) -> Vec<Device> {
        Vec::new()
    }
}

impl Reconciles for Shelf {
    fn reconcile(
        &self,
        shift: String,
    ) -> Pin<Box<dyn Future<Output = Result<Reconciliation, Problem>> + Send + '_>> {
        Box::pin(async move {
            Err(Code::TemporarilyUnavailable.problem(format!("no report of {shift}"), ""))
        })
    }
}

fn operation(id: &str, state: State) -> Operation {
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    Operation {
        id: id.into(),
        version: 1,
        kind: Kind::Sale,
        state,
        amount: crate::model::money::Kopecks(100),
        mode: Mode::DynamicQr,
        shift: "24112026".into(),
        order_number: "n-1".into(),
        payment_id: None,
        of: None,
        left: None,
        overdrawn: crate::model::money::Kopecks::ZERO,
        undo: None,
        shows: None,
        message: "…".into(),
        error: None,
        card: None,
        slip: None,
        created_at: at,
        updated_at: at,
        finished_at: None,
    }
}

struct Bench {
    port: u16,
    socket: std::path::PathBuf,
    shelf: Arc<Shelf>,
    notices: Arc<EventLog>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("till.sock");
        let unix = UnixListener::bind(&socket).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let shelf = Arc::new(Shelf::default());
        let notices = Arc::new(EventLog::new(1));
        let (commands, queue) = mpsc::channel(8);
        let till = ApiDeps {
            commands,
            archive: shelf.clone(),
            watch: shelf.clone(),
            reconciles: shelf.clone(),
            notices: notices.clone(),
            frame: Arc::default(),
            metrics: Arc::default(),
            log: Arc::from(std::path::Path::new("/dev/null")),
        };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(small_core(queue, shelf.clone()));
        let listeners = Listeners {
            unix,
            tcp: Some((tcp, Secret::new(TOKEN))),
        };
        let served = tokio::spawn(serve(till, listeners, stopped));
        Bench {
            port,
            socket,
            shelf,
            notices,
            stop,
            served,
            _folder: folder,
        }
    }

    /// The journal has that operation from now on.
    fn holds(&self, id: &str, state: State) {
        self.shelf.lock().push(operation(id, state));
    }

    /// The event of a change of that operation.
    fn publish_change(&self, id: &str) {
        let changed = json!({"id": id});
        self.notices.publish(NoticeKind::Operation, changed);
    }

    /// One request over TCP with the right Host and token unless `headers` differ.
    async fn tcp(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let host = format!("127.0.0.1:{}", self.port);
        let mut all = vec![("Host", host.as_str()), ("Connection", "close")];
        all.retain(|(name, _)| {
            !headers
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name))
        });
        all.extend(headers);
        converse(&mut stream, method, path, &all, body).await
    }

    async fn trusted(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.tcp(method, path, &headers, body).await
    }
}

/// Answers commands as a core would: one buyer at a time.
async fn small_core(mut queue: mpsc::Receiver<Command>, shelf: Arc<Shelf>) {
    while let Some(command) = queue.recv().await {
        match command {
            Command::Begin { id, answer, .. } => {
                let mut operations = shelf.lock();
                let result = match operations.iter().find(|operation| operation.id == id) {
                    Some(known) => Ok((false, known.clone())),
                    None if id == "full" => {
                        Err(Code::Storage.problem("нет места", "освободите место"))
                    }
                    None if id == "down" => Err(Problem::temporarily_unavailable()),
                    None => {
                        operations.push(operation(&id, State::New));
                        Ok((true, operation(&id, State::New)))
                    }
                };
                drop(answer.send(result));
            }
            Command::Abort { id, answer } => {
                drop(answer.send(Ok(operation(&id, State::Cancelled))))
            }
            Command::Recheck { .. } | Command::ServiceAnswered => {}
            Command::Scan { answer, .. } => drop(answer.send(Ok(None))),
            Command::Test { answer, .. } | Command::StopTest { answer, .. } => {
                drop(answer.send(Err(Code::NotFound.problem("нет", "нет"))));
            }
            Command::Retry { answer, .. } | Command::Settle { answer, .. } => {
                drop(answer.send(Err(Code::NotFound.problem("нет", "нет"))));
            }
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    #[track_caller]
    fn is_refused(&self, status: u16, code: &str) {
        let answered = (self.status, self.json()["code"].clone());
        assert_eq!(answered, (status, json!(code)), "{}", self.body);
    }

    fn has(&self, header: &str) -> bool {
        self.head.to_lowercase().contains(&header.to_lowercase())
    }
}

async fn converse(
    stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn sale() -> String {
    serde_json::to_string(&request(100)).unwrap()
}

#[tokio::test]
async fn over_tcp_only_who_has_the_token_gets_in() {
    let bench = Bench::new().await;
    let in_path = format!("/v1/operations?token={TOKEN}");
    let wrong = ("Authorization", "Bearer wrong");
    for (path, headers) in [
        ("/v1/operations", &[][..]),
        ("/v1/operations", &[wrong]),
        ("/v1/health", &[wrong]),
        (&in_path, &[]),
    ] {
        let status = bench.tcp("GET", path, headers, "").await.status;
        assert_eq!(status, 401, "{path} {headers:?}");
    }
    assert_eq!(bench.trusted("GET", "/v1/operations", "").await.status, 200);
    let short = bench.tcp("GET", "/v1/health", &[], "").await.json();
    assert_eq!(
        short.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["status", "version"]
    );
    assert!(bench.trusted("GET", "/v1/health", "").await.json()["journal"].is_object());
}

#[tokio::test]
async fn foreign_names_and_origins_are_refused_and_the_socket_asks_for_neither() {
    let bench = Bench::new().await;
    let bearer = format!("Bearer {TOKEN}");
    let own = format!("http://localhost:{}", bench.port);
    for (address, status) in [("http://evil.example", 403), (own.as_str(), 200)] {
        let whole = format!("{address}/v1/queue");
        assert_eq!(bench.trusted("GET", &whole, "").await.status, status);
    }
    for (header, value, status) in [
        ("Host", "evil.example", 403),
        ("Host", "127.0.0.1:1", 403),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", own.as_str(), 200),
    ] {
        let headers = [("Authorization", bearer.as_str()), (header, value)];
        let answer = bench.tcp("GET", "/v1/queue", &headers, "").await;
        assert_eq!(answer.status, status, "{header}: {value}");
    }
    let mut stream = UnixStream::connect(&bench.socket).await.unwrap();
    let headers = [
        ("Host", "whatever"),
        ("Origin", "null"),
        ("Connection", "close"),
    ];
    let answer = converse(&mut stream, "GET", "/v1/queue", &headers, "").await;
    assert_eq!(answer.json(), json!({"items": []}));
}

#[tokio::test]
async fn the_buyers_page_is_free_but_never_foreign() {
    let bench = Bench::new().await;
    let page = bench.tcp("GET", "/display", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(
        page.has("content-type: text/html")
            && page.has("cache-control: no-store")
            && page.has("x-frame-options: deny")
    );
    assert!(
        page.has("content-security-policy: default-src 'none'") && !page.body.contains("NONCE")
    );
    assert!(page.body.contains("<title>О!плати</title>"));
    for (site, status) in [("cross-site", 403), ("same-origin", 200)] {
        let headers = [("Sec-Fetch-Site", site)];
        let frame = bench.tcp("GET", "/display/frame.png", &headers, "").await;
        assert_eq!(frame.status, status, "{site}");
    }
    assert_eq!(bench.tcp("GET", "/displayed", &[], "").await.status, 401);
}

#[tokio::test]
async fn a_sale_is_begun_repeated_and_refused_with_problems() {
    let bench = Bench::new().await;
    for status in [201, 200] {
        let answer = bench.trusted("PUT", "/v1/sales/a-1", &sale()).await;
        assert_eq!(answer.status, status);
    }
    let full = bench.trusted("PUT", "/v1/sales/full", &sale()).await;
    full.is_refused(507, "storage");
    let down = bench.trusted("PUT", "/v1/sales/down", &sale()).await;
    assert!(
        down.status == 503
            && down.has("retry-after: 5")
            && down.has("content-type: application/problem+json")
    );
    for (path, body) in [
        ("/v1/sales/a%20b", sale()),
        ("/v1/sales/~1", sale()),
        ("/v1/sales/x", "{".into()),
        ("/v1/sales/x", String::new()),
        (
            "/v1/sales/x",
            r#" [100, {"number": "1", "items": [{"name": "x", "cost": 100}]}, null]"#.into(),
        ),
        (
            "/v1/sales/x",
            sale().replace("\"amount\":100", "\"amount\":\"100\""),
        ),
        ("/v1/sales/x", sale().replace("\"amount\"", "\"sum\"")),
        ("/v1/sales/x", sale().replacen('{', "{\"mode\": 7,", 1)),
    ] {
        let answer = bench.trusted("PUT", path, &body).await;
        answer.is_refused(400, "invalid");
        assert!(answer.json()["remedy"].is_string());
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_readably() {
    let bench = Bench::new().await;
    let answer = bench
        .trusted("PUT", "/v1/sales/x", &" ".repeat(300_000))
        .await;
    answer.is_refused(413, "too_large");
}

#[tokio::test]
async fn wrong_paths_methods_and_numbers_are_problems_too() {
    let bench = Bench::new().await;
    for (method, path, status) in [
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/queue", 405),
        ("GET", "/v1/operations/nobody", 404),
        ("GET", "/v1/operations?limit=0", 400),
        ("GET", "/v1/operations?limit=501", 400),
        ("GET", "/v1/operations?state=happy", 400),
        ("GET", "/v1/operations/x?wait=61", 400),
        ("POST", "/v1/queue/~1/retry", 404),
    ] {
        let answer = bench.trusted(method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.has("application/problem+json"), "{method} {path}");
    }
    let scan = |text: &'static str| bench.trusted("POST", "/v1/scans", text);
    assert_eq!(scan(r#"{"text": ""}"#).await.status, 400);
    let taken = scan(r#"{"text": "x"}"#).await.json();
    assert_eq!(taken, json!({"used_by": null}));
}

#[tokio::test]
async fn events_resume_where_the_listener_left() {
    let bench = Bench::new().await;
    for n in 0..4 {
        bench.notices.publish(NoticeKind::Scan, json!({"n": n}));
    }
    let text = received(&bench, "2", "\"n\":3").await;
    assert!(!text.contains("\"n\":1"), "{text}");
    assert_has(&text, ["id: 3", "event: scan"]);
    assert!(!text.contains("reset"), "{text}");
    // Another process's number, one to come, and none at all: what was missed can no longer be sent.
    for odd in ["99", "-1", "x"] {
        let text = received(&bench, odd, "\"n\":3").await;
        let (before, after) = text.split_once("event: reset").unwrap();
        assert!(!before.contains("scan"), "{text}");
        assert_has(after, ["\"n\":0"]);
    }
}

/// What a listener gets whose last event was `last`, until it gets `end`.
async fn received(bench: &Bench, last: &str, end: &str) -> String {
    let mut stream = UnixStream::connect(&bench.socket).await.unwrap();
    let request = format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut chunk = [0; 4096];
    while !text.contains(end) {
        let read = stream.read(&mut chunk);
        let count = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        assert_ne!(count, 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
    text
}

#[tokio::test]
async fn the_end_cuts_streams_and_waits_short() {
    let bench = Bench::new().await;
    bench.holds("w", State::AwaitingBuyer);
    let mut events = UnixStream::connect(&bench.socket).await.unwrap();
    events
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    events.read_exact(&mut byte).await.unwrap();
    bench.stop.send_replace(true);
    tokio::time::timeout(PATIENCE, bench.served)
        .await
        .unwrap()
        .unwrap();
}
