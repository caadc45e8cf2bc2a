//! The day's report takes longer than a sale waits for it: an outage ends all the same.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Sim, Till};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";

/// A till after an outage, whose report comes after 3 s from now on.
fn after_an_outage(sim: &Sim, timeout: u8) -> Till {
    let conf = format!(
        "[Main]\nurl = {}\nregNum = OPL000011111\nmode = 2\ntimeout = {timeout}\nsettle = 1\npollPayment = 1\npollSession = 1\n",
        sim.url
    );
    let mut till = Till::configured(&conf);
    till.start();
    till.begin("w", 100);
    till.until_final("w");
    sim.fault(json!({"on": "any", "do": "lose_request", "times": 0}));
    till.begin("s", 100);
    assert_eq!(till.until_final("s")["error"]["code"], "no_connection");
    sim.clear_faults();
    sim.fault(json!({"on": "reports", "do": "delay", "ms": 3000, "times": 0}));
    till
}

fn reports(sim: &Sim) -> usize {
    let state = sim.state();
    state["requests"]
        .to_string()
        .matches("paymentReports")
        .count()
}

#[test]
fn a_report_that_comes_after_its_sale_was_refused_ends_the_outage() {
    let sim = Sim::start(Some(PAYS));
    let till = after_an_outage(&sim, 8);
    let asked = reports(&sim);
    let began = Instant::now();
    assert_eq!(till.begin("t", 100).0, 503);
    let took = began.elapsed();
    assert!(took < Duration::from_millis(2900), "{took:?}");
    // It waits for the report that was asked for already.
    assert_eq!(till.begin("u", 100).0, 201);
    assert_eq!(till.until_final("u")["state"], "done");
    assert_eq!(reports(&sim), asked + 1);
    let health = till.health();
    assert_eq!(health["service"]["reachable"], true, "{health}");
    assert_eq!(till.get("/v1/operations/t").0, 404);
}

#[test]
fn a_reconciliation_ends_the_outage() {
    let sim = Sim::start(Some(PAYS));
    let till = after_an_outage(&sim, 2);
    assert_eq!(till.begin("t", 100).0, 503);
    let shift = till.operation("w")["shift"].clone();
    let (status, found) = till.post("/v1/reconciliations", json!({"shift": shift}));
    assert_eq!(status, 200, "{found}");
    let asked = reports(&sim);
    assert_eq!(till.begin("u", 100).0, 201);
    assert_eq!(reports(&sim), asked, "nothing is asked before it begins");
    assert_eq!(till.until_final("u")["state"], "done");
}
