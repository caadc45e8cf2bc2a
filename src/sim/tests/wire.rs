//! What a caller feels on a real connection.

use crate::base::text::assert_has;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::*;

/// A served simulator and a raw connection to it.
async fn served(
    sim: Arc<Simulator>,
) -> (SocketAddr, tokio::task::JoinHandle<Result<(), SimError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (
        address,
        tokio::spawn(serve(listener, sim, std::future::pending())),
    )
}

fn exchange(address: SocketAddr, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let request = format!(
        "GET /ms-pay/pos/paymentReports?shift=x HTTP/1.1\r\nHost: localhost\r\nregNum: OPL000011111\r\ntoken: {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_trouble_is_felt_on_the_wire() {
    let bench = Bench::new();
    let (address, serving) = served(bench.sim.clone()).await;
    let token = bench.token.clone().unwrap();
    let play = |what: &str| {
        let plan = json!({"plan": [{"on": "reports", "do": what, "ms": 30, "status": 502}]});
        assert_eq!(bench.post("/sim/faults", plan).0, 200);
        exchange(address, &token)
    };
    assert_eq!(play("lose_request"), "");
    assert_eq!(play("lose_answer"), "");
    assert!(play("delay").starts_with("HTTP/1.1 200"));
    assert!(play("error").starts_with("HTTP/1.1 502"));
    assert!(play("error_with_effect").starts_with("HTTP/1.1 502"));
    let garbage = play("garbage");
    assert!(
        garbage.starts_with("HTTP/1.1 200") && garbage.ends_with("[1, 2"),
        "{garbage}"
    );
    for broken in ["cut", "half_body"] {
        let answer = play(broken);
        assert!(!answer.ends_with("[]"), "{broken}: {answer}");
    }
    assert!(
        exchange(address, &token).ends_with("[]"),
        "the plan is over"
    );
    assert_has(&exchange(address, &token).to_lowercase(), ["\r\ndate: "]);
    serving.abort();
}

/// Sends `POST payments` and returns the connection without having read the answer.
fn pay(address: SocketAddr, token: &str, order: &str, session: i64) -> TcpStream {
    let body = payment(order, session).to_string();
    let length = body.len();
    let head = format!(
        "POST /ms-pay/pos/payments HTTP/1.1\r\nHost: localhost\r\nregNum: OPL000011111\r\ntoken: {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = std::time::Duration::from_secs(10);
    stream.set_read_timeout(Some(patience)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

impl Bench {
    /// Waits until the request has its payment.
    fn until_paying(&self, order: &str) -> Value {
        let began = std::time::Instant::now();
        loop {
            let (_, ledger) = self.get("/sim/ledger", &[]);
            let rows = ledger["payments"].as_array().cloned().unwrap_or_default();
            if let Some(row) = rows.into_iter().find(|row| row["orderNumber"] == order) {
                return row;
            }
            assert!(
                began.elapsed() < std::time::Duration::from_secs(10),
                "no payment"
            );
            std::thread::yield_now();
        }
    }

    fn fault(&self, what: &str, ms: u64) {
        let plan = json!({"plan": [{"on": "payments", "do": what, "ms": ms}]});
        assert_eq!(self.post("/sim/faults", plan).0, 200);
    }

    fn waits(&self) -> bool {
        let (_, ledger) = self.get("/sim/ledger", &[]);
        ledger["payments"][0]["status"] == 0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_answered_when_its_buyer_has_decided() {
    let bench = Bench::new();
    let (address, serving) = served(bench.sim.clone()).await;
    let token = bench.token.clone().unwrap();
    let caller = pay(address, &token, "n-1", bench.session());
    bench.until_paying("n-1");
    bench.post("/sim/buyer/decline", json!({}));
    let answer = rest(caller);
    assert!(answer.contains("\"status\":2"), "{answer}");
    // Who goes away leaves the payment as it is.
    let caller = pay(address, &token, "n-2", bench.session());
    bench.until_paying("n-2");
    drop(caller);
    assert!(bench.waits());
    bench.confirm();
    assert_eq!(bench.balance(), 1550);
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_answers_are_lost_in_every_way() {
    let bench = Bench::new();
    let (address, serving) = served(bench.sim.clone()).await;
    let token = bench.token.clone().unwrap();
    let begin = |order: &str| {
        let caller = pay(address, &token, order, bench.session());
        bench.until_paying(order);
        caller
    };
    // Cut in the middle: the payment still waits.
    bench.fault("cut_held", 20);
    assert_eq!(rest(begin("n-1")), "");
    assert!(bench.waits());
    // Decided before the cut: answered.
    bench.fault("cut_held", 600_000);
    let caller = begin("n-2");
    bench.confirm();
    assert!(rest(caller).contains("\"status\":1"));
    // Held beyond the decision.
    bench.fault("hold", 300);
    let caller = begin("n-3");
    bench.confirm();
    assert_eq!(rest(caller), "");
    // The line breaks.
    let caller = begin("n-5");
    bench.post("/sim/held/cut", json!({}));
    assert_eq!(rest(caller), "");
    assert!(bench.waits());
    // Lost at once, as a request that was answered at once.
    bench.fault("lose_answer", 0);
    assert_eq!(rest(begin("n-4")), "");
    assert!(bench.waits());
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_copied_request_the_second_answer_is_seen() {
    let bench = Bench::new();
    let (address, serving) = served(bench.sim.clone()).await;
    let token = bench.token.clone().unwrap();
    bench.fault("copy", 10);
    let answer = rest(pay(address, &token, "n-1", bench.session()));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("не сформировал требование"), "{answer}");
    assert!(bench.waits(), "the first copy was carried out");
    bench.confirm();
    assert_eq!(bench.balance(), 1550);
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_turned_away_gets_the_time_to_wait() {
    let bench = Bench::new();
    let (address, serving) = served(bench.sim.clone()).await;
    let token = bench.token.clone().unwrap();
    let plan = json!({"plan": [{"on": "reports", "do": "error", "status": 429, "ms": 1500}]});
    bench.post("/sim/faults", plan);
    let answer = exchange(address, &token).to_lowercase();
    assert!(answer.starts_with("http/1.1 429"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 2\r\n"), "{answer}");
    serving.abort();
}
