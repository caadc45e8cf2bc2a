//! Callers that hang up, and a process that takes over from another.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Process, Sim, Till, sale, wait_until};

/// What a till sends to begin a sale.
fn put(id: &str, host: &str, more: &str) -> String {
    let body = sale(id, 100).to_string();
    format!(
        "PUT /v1/sales/{id} HTTP/1.1\r\nHost: {host}\r\n{more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A till that must ask the service before it sells, and the service does not answer soon.
fn waiting(sim: &Sim, more: &str) -> Till {
    let till = Till::started(&sim.url, 2, more);
    sim.fault(json!({"on": "any", "do": "lose_request", "times": 0}));
    till.begin("s", 100);
    assert_eq!(till.until_final("s")["error"]["code"], "no_connection");
    sim.clear_faults();
    sim.fault(json!({"on": "reports", "do": "delay", "ms": 1500}));
    till
}

fn until_probed(sim: &Sim) {
    wait_until("the probe", || {
        let state = sim.state();
        let requests = state["requests"].to_string();
        requests.contains("paymentReports")
    });
}

fn nothing_was_begun(till: &Till) {
    wait_until("word that the caller is gone", || {
        till.log().contains("Not begun: its caller is gone")
    });
    // Its place is free, and what it wanted is not begun when the service answers.
    wait_until("another sale", || till.begin("u", 100).0 == 201);
    assert_eq!(till.get("/v1/operations/t").0, 404);
}

#[test]
fn who_hangs_up_while_his_put_waits_begins_nothing() {
    let sim = Sim::start(None);
    let till = waiting(&sim, "");
    let mut caller = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    caller
        .write_all(put("t", "localhost", "").as_bytes())
        .unwrap();
    // The caller has sent everything, and waits yet.
    caller.shutdown(Shutdown::Write).unwrap();
    until_probed(&sim);
    drop(caller);
    nothing_was_begun(&till);
}

#[test]
fn who_hangs_up_over_tcp_begins_nothing_either() {
    let sim = Sim::start(None);
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = door.local_addr().unwrap();
    drop(door);
    let till = waiting(&sim, &format!("[Till]\nlisten = {address}\n"));
    let token = std::fs::read_to_string(till.path("run/oplati/till.token")).unwrap();
    let mut caller = TcpStream::connect(address).unwrap();
    let authorization = format!("Authorization: Bearer {}\r\n", token.trim());
    caller
        .write_all(put("t", &address.to_string(), &authorization).as_bytes())
        .unwrap();
    until_probed(&sim);
    drop(caller);
    nothing_was_begun(&till);
}

#[test]
fn the_next_process_waits_until_the_last_request_of_the_one_before_has_ended() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s", 100);
    assert_eq!(till.until_final("s")["state"], "done");
    sim.fault(json!({"on": "reversals", "do": "delay", "ms": 1500}));
    let receipt = json!({"number": "r", "items": [{"name": "x", "cost": 30}]});
    let refund = json!({"sale": "s", "amount": 30, "receipt": receipt});
    assert_eq!(till.put("/v1/refunds/r", refund).0, 201);
    wait_until("a reversal under way", || sim.balance() == 70);
    till.daemon().signal(Signal::TERM);
    let lock = till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3.lock");
    wait_until("a process that stops", || {
        std::fs::read_to_string(&lock).unwrap().contains("stopping")
    });
    let log = std::fs::File::create(till.path("second")).unwrap();
    let second = till
        .verb(&["daemon"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut second = Process(second);
    let path = till.path("second");
    let log_text = || std::fs::read_to_string(&path).unwrap();
    wait_until("the second process to wait", || {
        log_text().contains("Waits for the requests")
    });
    assert!(!log_text().contains("The daemon runs"));
    assert_eq!(till.daemon().exit_code(), Some(0));
    wait_until("the second process to run", || {
        log_text().contains("The daemon runs")
    });
    assert_eq!(till.until_final("r")["state"], "done");
    second.kill();
}

#[test]
fn a_second_daemon_beside_the_same_journal_leaves_no_socket() {
    let till = Till::started("http://127.0.0.1:9", 2, "");
    let config = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("[Till]\nsocket = run/oplati/second.sock\n");
    std::fs::write(&config, text).unwrap();
    assert_eq!(till.run(&["daemon"]).0, 75);
    assert!(!till.path("run/oplati/second.sock").exists());
    assert!(till.path("run/oplati/till.sock").exists());
}
