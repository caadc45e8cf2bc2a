//! A process that takes over from another.

use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::bench::{Process, Sim, Till, wait_for};

#[test]
fn the_next_process_waits_until_the_last_request_of_the_one_before_has_ended() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s", 100);
    assert_eq!(till.until_final("s")["state"], "done");
    sim.fault(json!({"on": "reversals", "do": "delay", "ms": 1500}));
    let receipt = json!({"number": "r", "items": [{"name": "x", "cost": 30}]});
    let refund = json!({"sale": "s", "amount": 30, "receipt": receipt});
    assert_eq!(till.ask("PUT", "/v1/refunds/r", refund).0, 201);
    wait_for("a reversal under way", || {
        (sim.balance() == 70).then_some(())
    });
    till.daemon().signal(Signal::TERM);
    let lock = till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3.lock");
    wait_for("a process that stops", || {
        let text = std::fs::read_to_string(&lock).unwrap();
        text.contains("stopping").then_some(())
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
    let said = || std::fs::read_to_string(&path).unwrap();
    wait_for("the second process to wait", || {
        said().contains("Waits for the requests").then_some(())
    });
    assert!(!said().contains("The daemon runs"));
    assert_eq!(till.daemon().exit_code(), Some(0));
    wait_for("the second process to run", || {
        said().contains("The daemon runs").then_some(())
    });
    assert_eq!(till.until_final("r")["state"], "done");
    second.kill();
}
