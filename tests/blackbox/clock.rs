//! A till whose clock was wrong when it wrote its journal.

use serde_json::json;

use crate::harness::{Sim, Till, assert_has, refused, wait_for, wait_until};

const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";

/// A till with a paid sale `s`, written by a clock of that time; it does not run.
fn sold_at(sim: &Sim, time: &str) -> Till {
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s", 100);
    till.until_final("s");
    till.kill();
    let journal = rusqlite::Connection::open(till.path(JOURNAL)).unwrap();
    let sql = "UPDATE operations SET created_at = ?1, updated_at = ?1";
    journal.execute(sql, [time]).unwrap();
    till
}

#[test]
fn a_sale_made_by_a_dead_clock_is_never_paid_again() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = sold_at(&sim, "2006-01-01T00:00:00.000Z");
    till.start();
    // Its answers hold the time, and confirm the clock.
    till.begin("t", 100);
    till.until_final("t");
    wait_for("a look for old operations", || {
        let journal = rusqlite::Connection::open(till.path(JOURNAL)).unwrap();
        let sql = "SELECT ages_from FROM operations WHERE id = 't'";
        let ages_from = journal.query_row(sql, [], |row| row.get::<_, Option<String>>(0));
        ages_from.ok().flatten()
    });
    assert_eq!(till.begin("s", 100).0, 200);
    assert_eq!(sim.balance(), 200);
}

#[test]
fn a_till_whose_clock_was_ahead_sells_at_once_after_it_was_put_right() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = sold_at(&sim, "2099-01-01T00:00:00.000Z");
    till.start();
    let health = || till.health();
    let reasons = health()["reasons"].to_string();
    assert!(reasons.contains("Часы кассы отстают"), "{reasons}");
    assert_eq!(health()["status"], "degraded", "nobody knows yet");
    assert_eq!(till.begin("t", 100).0, 201);
    assert_eq!(till.until_final("t")["state"], "done");
    wait_until("no word of the clock", || {
        !health()["reasons"].to_string().contains("Часы")
    });
}

/// A till that was off for days: nothing asks the service but the start itself.
#[test]
fn an_identifier_of_days_ago_is_refused_from_the_first_put_after_a_start() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let old = "2026-01-01T09:00:00.000Z";
    let mut till = sold_at(&sim, old);
    let journal = rusqlite::Connection::open(till.path(JOURNAL)).unwrap();
    let sql = "UPDATE operations SET operation = json_set(operation, '$.finished_at', ?1),
               record = json_set(record, '$.sale.ended_by_service', ?1)";
    journal.execute(sql, [old]).unwrap();
    drop(journal);
    let reports = || {
        let requests = sim.state()["requests"].to_string();
        requests.matches("paymentReports").count()
    };
    let before = reports();
    till.start();
    wait_until("the question for the time", || reports() > before);
    wait_until("its answer", || till.begin("s", 100).0 == 409);
    refused(till.begin("s", 100), 409, "conflict");
    assert_eq!(sim.balance(), 100);
}

#[test]
fn a_clock_behind_its_journal_and_off_the_services_sells_nothing() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = sold_at(&sim, "2099-01-01T00:00:00.000Z");
    let conf = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let url = crate::trouble::service_of("Thu, 01 Jan 2099 00:00:00 GMT");
    std::fs::write(&conf, text.replace(&sim.url, &url)).unwrap();
    till.start();
    let problem = refused(till.begin("t", 100), 503, "temporarily_unavailable");
    assert!(problem["remedy"].as_str().unwrap().contains("дату и время"));
    let health = till.health();
    assert_eq!(health["status"], "blocked", "{health}");
    assert_has(&health["reasons"].to_string(), ["отстают на"]);
}

#[test]
fn a_reconciliation_confirms_the_clock() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = sold_at(&sim, "2099-01-01T00:00:00.000Z");
    till.start();
    // Longer than any request of a sale may take.
    sim.fault(json!({"on": "reports", "do": "delay", "ms": 3000, "times": 0}));
    assert_eq!(till.begin("t", 100).0, 503);
    let shift = till.operation("s")["shift"].clone();
    let (status, found) = till.post("/v1/reconciliations", json!({"shift": shift}));
    assert_eq!(status, 200, "{found}");
    assert_eq!(till.begin("u", 100).0, 201);
}
