//! The daemon reconciles by itself what was missed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use oplati::base::clock::wall;
use oplati::base::zone::minsk;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Sim, Till, assert_has, wait_for, wait_until};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";
/// Due since midnight, whenever the test runs.
const AT: &str = "reconcileAt = 00:00\n";
const STATE: &str = "linuxcash/cash/paysystems/oplati/reconciliations.json";
const CONF: &str = "linuxcash/cash/paysystems/oplati/oplati.conf";

/// The date of so many days ago in Belarus.
fn ago(days: i64) -> jiff::civil::Date {
    let then = wall() - jiff::SignedDuration::from_hours(24 * days);
    minsk().to_datetime(then).date()
}

fn shift(days: i64) -> String {
    ago(days).strftime("%d%m%Y").to_string()
}

fn until_reconciled(till: &Till, days: i64) -> Value {
    wait_for("the daily check", || {
        let health = till.health();
        (health["reconciliation"]["last_shift"] == shift(days)).then_some(health)
    })
}

/// A till with a payment of yesterday at the service that its journal does not know, and one of today.
fn till_with_a_difference() -> (Sim, Till) {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s1", 1000);
    till.until_final("s1");
    sim.pay_by_hand(&till, "far-1", &shift(1), "10");
    till.kill();
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    std::fs::write(till.path(CONF), conf + AT).unwrap();
    till.start();
    (sim, till)
}

/// Makes the journal know what the service knows of yesterday.
fn mend_journal(sim: &Sim, till: &Till) {
    let payments = sim.payments();
    let far = payments
        .iter()
        .find(|one| one["orderNumber"] == "far-1")
        .unwrap();
    let path = till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3");
    let journal = rusqlite::Connection::open(path).unwrap();
    let copy = "INSERT INTO operations (id, kind, state, shift, receipt, order_number, payment_id, created_at, updated_at, open, live, set_aside, operation, request, record) \
                SELECT 'far', kind, state, ?1, receipt, 'far-1', ?2, created_at, updated_at, open, live, set_aside, \
                json_set(operation, '$.id', 'far', '$.order_number', 'far-1', '$.payment_id', ?2, '$.shift', ?1), request, record FROM operations WHERE id = 's1'";
    let id = far["paymentId"].as_i64().unwrap();
    let added = journal.execute(copy, rusqlite::params![shift(1), id]);
    assert_eq!(added.unwrap(), 1);
}

#[test]
fn a_difference_of_yesterday_degrades_health_until_somebody_finds_none() {
    let (sim, mut till) = till_with_a_difference();
    let found = until_reconciled(&till, 1);
    assert_eq!(found["status"], "degraded", "{found}");
    let expected = json!([{"shift": shift(1), "differences": 1}]);
    assert_eq!(found["reconciliation"]["differences"], 1);
    assert_eq!(found["reconciliation"]["shifts"], expected);
    let reasons = found["reasons"].to_string();
    assert!(reasons.contains("oplati reconcile") && reasons.contains(&shift(1)));
    let lines = |till: &Till| {
        let log = till.log();
        let differing = log.lines().filter(|line| line.contains("service differ"));
        differing.map(str::to_owned).collect::<Vec<_>>()
    };
    let logged = lines(&till);
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains(&shift(1)) && logged[0].contains("unknown_here"));
    // A restart forgets nothing and repeats nothing, once the facts are on the disk: that is a moment after the
    // interface shows them.
    wait_for("the facts on the disk", || {
        let kept = std::fs::read_to_string(till.path(STATE)).ok()?;
        let kept: Value = serde_json::from_str(&kept).ok()?;
        (kept["differences"] == expected).then_some(())
    });
    till.kill();
    till.start();
    assert_eq!(till.health()["reconciliation"]["shifts"], expected);
    assert_eq!(till.health()["status"], "degraded");
    mend_journal(&sim, &till);
    let (code, printed, _) = till.run(&["reconcile", "--yesterday"]);
    assert_eq!(code, 0, "{printed}");
    assert_has(&printed, ["Расхождений нет"]);
    let mended = till.health();
    assert_eq!(mended["reconciliation"]["shifts"], json!([]), "{mended}");
    assert_eq!(mended["status"], "ok", "{mended}");
    till.kill();
    till.start();
    assert_eq!(till.health()["status"], "ok");
    assert_eq!(lines(&till), logged);
}

#[test]
fn listeners_get_the_differences() {
    let (_sim, till) = till_with_a_difference();
    let mut stream = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\n\r\n")
        .unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut received = lines
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter(|data| data["reconciliation"]["differences"] == 1);
    assert_eq!(received.next().unwrap()["status"], "degraded");
}

#[test]
fn missed_days_are_caught_up_oldest_first() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, AT);
    let state = json!({"until": ago(4).to_string()});
    std::fs::write(till.path(STATE), state.to_string()).unwrap();
    till.start();
    until_reconciled(&till, 1);
    let log = till.log();
    let places = [3, 2, 1].map(|days| {
        let line =
            |line: &&str| line.contains("Reconciled by itself") && line.contains(&shift(days));
        assert_eq!(log.lines().filter(line).count(), 1, "{log}");
        log.lines().position(|one| line(&one)).unwrap()
    });
    assert!(places.is_sorted(), "{log}");
    assert!(!log.contains(&shift(4)), "{log}");
}

#[test]
fn a_report_that_does_not_come_is_asked_for_again() {
    let sim = Sim::start(None);
    sim.fault(json!({"on": "reports", "do": "garbage"}));
    let mut till = Till::new(&sim.url, 2, AT);
    till.start();
    until_reconciled(&till, 1);
    assert!(till.log().contains("Not reconciled, tried again later"));
    // It is done with the day a moment before it is done with all that was due.
    wait_until("the end of the trouble", || {
        till.health()["reconciliation"]["last_error"].is_null()
    });
}

#[test]
fn a_wrong_clock_reconciles_no_day() {
    let url = crate::trouble::service_of("Wed, 01 Jan 2020 00:00:00 GMT");
    let mut till = Till::new(&url, 2, &format!("password = secret\n{AT}"));
    till.start();
    wait_until("the word on the clock", || {
        till.log().contains("The daily check waits")
    });
    assert!(!till.path(STATE).exists());
    assert_eq!(till.health()["reconciliation"]["last_shift"], json!(null));
}
