//! Named pipes where files should be: whoever opens one waits for its other end, as for a share that hangs.

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Sim, Till, assert_has, wait_until};

fn pipe(till: &Till, path: &str) {
    let path = till.path(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
}

/// The API answers, and SIGTERM ends the daemon.
fn lives_and_ends(till: &mut Till) {
    assert_eq!(till.get("/v1/health").0, 200);
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
}

#[test]
fn a_pipe_for_the_token_refuses_the_sale_and_stops_nothing_else() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    pipe(&till, "linuxcash/cash/paysystems/oplati/token.conf");
    till.start();
    till.begin("s-1", 100);
    let ended = till.until_final("s-1");
    assert_eq!(ended["state"], "failed");
    wait_until("the cause", || till.log().contains("not a regular file"));
    lives_and_ends(&mut till);
}

#[test]
fn a_pipe_for_the_template_is_named_and_stops_nothing_else() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    pipe(&till, "linuxcash/cash/reports/oplat.xml");
    till.start();
    let (status, problem) = till.post("/v1/reconciliations", json!({"shift": "24112026"}));
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        status == 422 && detail.contains("not a regular file"),
        "{status} {detail}"
    );
    lives_and_ends(&mut till);
}

#[test]
fn a_pipe_for_the_lock_of_the_journal_refuses_sales_and_stops_nothing_else() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let lock = "linuxcash/cash/paysystems/oplati/journal.sqlite3.lock";
    pipe(&till, lock);
    till.start();
    assert_eq!(till.begin("s-1", 100).0, 507);
    assert!(till.log().contains("not a regular file"), "{}", till.log());
    lives_and_ends(&mut till);
}

#[test]
fn pipes_for_a_profile_and_for_a_key_that_nobody_needs_stop_nothing() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    pipe(&till, "etc/oplati/devices.d/x.toml");
    pipe(&till, "run/oplati/till.token");
    till.start();
    let health = till.health();
    assert_has(&health["reasons"].to_string(), ["till.token"]);
    lives_and_ends(&mut till);
}

#[test]
fn a_log_that_cannot_be_written_needs_a_person_until_it_can() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let path = "linuxcash/logs/current/terminal.log";
    pipe(&till, path);
    till.start();
    let health = till.health();
    let reason = health["reasons"][0].to_string();
    assert_eq!(health["status"], "degraded", "{health}");
    assert_has(
        &reason,
        ["Лог terminal.log не записывается", "oplati selftest"],
    );
    std::fs::remove_file(till.path(path)).unwrap();
    // Nobody logs anything meanwhile.
    wait_until("health", || till.health()["status"] == "ok");
    assert!(till.log().contains("lines are missing"), "{}", till.log());
    lives_and_ends(&mut till);
}
