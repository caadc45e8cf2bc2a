//! What a held answer does to the daemon around the core.

use serde_json::Value;

use crate::harness::{Sim, Till};

#[test]
fn a_buyer_who_takes_his_time_is_no_latency_of_the_service() {
    let sim = Sim::start(Some("join=10ms,confirm=3s,outcome=done"));
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    let (_, health): (u16, Value) = till.get("/v1/health");
    let latency = health["service"]["latency_ms"].as_u64().unwrap();
    assert!(latency < 3000, "the buyer's time is in it: {health}");
}

#[test]
fn a_daemon_that_is_stopped_while_an_answer_is_held_ends_before_the_buyer_decides_and_finds_the_payment()
 {
    let sim = Sim::start(Some("join=10ms,confirm=12s,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_confirmation"]);
    till.daemon().signal(rustix::process::Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    let payments = sim.payments();
    assert_eq!(payments[0]["status"], 0, "it has waited for the buyer");
    sim.allow_one_early_question();
    till.start();
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert_eq!((sim.payments().len(), sim.balance()), (1, 100));
}
