//! What the recorded service does to a sale that no other did: sessions that end, answers that are held,
//! copies that are refused, and pauses that it wants to be kept.

use serde_json::json;

use crate::harness::{Sim, Till, wait_for, wait_until};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";

#[test]
fn a_session_that_ends_is_followed_by_another_and_its_code_pays() {
    let sim = Sim::start_with(None, &["--life", "3s"]);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 700);
    let shown = || {
        till.operation("s-1")["shows"]["qr"]
            .as_str()
            .map(str::to_owned)
    };
    till.until("s-1", &["awaiting_buyer"]);
    let first = shown().unwrap();
    let second = wait_for("another code", || shown().filter(|code| *code != first));
    // The buyer is quick enough, or scans the code of the session after it.
    wait_until("a buyer who joined", || {
        let code = shown().unwrap_or_else(|| second.clone());
        let joined = sim.control("POST", "/sim/buyer/join", json!({"qr": code}));
        joined["session"].is_string()
    });
    wait_until("the payment", || sim.payments().len() == 1);
    sim.confirm();
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert_eq!(sim.balance(), 700);
}

#[test]
fn an_answer_that_is_held_longer_than_the_timeout_is_no_failure() {
    // The till's timeout is 2 s.
    let sim = Sim::start(Some("join=10ms,confirm=5s,outcome=done"));
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_confirmation"]);
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert_eq!((sim.payments().len(), sim.balance()), (1, 100));
}

#[test]
fn the_refusal_of_a_copy_is_not_believed() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    sim.fault(json!({"on": "payments", "do": "copy"}));
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert_eq!(sim.balance(), 100);
    // The cancellation too: its copy is refused, since nothing was left.
    sim.fault(json!({"on": "reversals", "do": "copy"}));
    let cancel = json!({"operation": "s-1"});
    assert_eq!(till.put("/v1/cancellations/c-1", cancel).0, 201);
    assert_eq!(till.until_final("c-1")["state"], "done");
    till.until_queue_is_empty();
    assert_eq!(sim.balance(), 0);
}

#[test]
fn a_held_answer_that_is_cut_off_is_looked_up() {
    for fault in ["cut_held", "hold"] {
        let sim = Sim::start(Some("join=10ms,confirm=1s,outcome=done"));
        let till = Till::started(&sim.url, 2, "");
        sim.fault(json!({"on": "payments", "do": fault, "ms": 500}));
        till.begin("s-1", 100);
        assert_eq!(till.until_final("s-1")["state"], "done", "{fault}");
        assert_eq!((sim.payments().len(), sim.balance()), (1, 100), "{fault}");
    }
}

#[test]
fn the_service_is_asked_no_more_often_than_it_allows() {
    let buyer = Some("join=2500ms,confirm=3500ms,outcome=done");
    let sim = Sim::start_with(buyer, &["--answer", "pending"]);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    // And a service that turns away who asks too often has nothing to turn away.
    sim.change(json!({"rate_limit": true}));
    till.begin("s-2", 200);
    assert_eq!(till.until_final("s-2")["state"], "done");
    assert_eq!(sim.balance(), 300);
}
