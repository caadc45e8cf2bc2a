//! What becomes of payments when the journal cannot be trusted.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Sim, Till, assert_has, assert_holds, refused, wait_for, wait_until};
use crate::signals::start_under;

const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";

#[test]
fn a_damaged_journal_is_kept_aside_and_no_payment_is_taken_until_a_person_decides() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until_final("s-1");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    let good = std::fs::read(till.path(JOURNAL)).unwrap();
    let mut bad = good.clone();
    for byte in bad.iter_mut().skip(4096).take(20_000) {
        *byte = 0x5a;
    }
    std::fs::write(till.path(JOURNAL), &bad).unwrap();
    // As often as it is started.
    for _ in 0..2 {
        till.start();
        let health = till.health();
        assert_holds(
            &health,
            json!({"status": "blocked", "journal": {"ok": false}}),
        );
        let reason = health["reasons"][0].as_str().unwrap();
        assert!(reason.contains("journal.damaged"), "{health}");
        assert_eq!(health["reason_codes"][0], "journal_closed");
        let problem = refused(till.begin("s-2", 100), 507, "storage");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("повреждён"), "{problem}");
        assert_eq!(till.get("/v1/operations/s-1").0, 507);
        assert!(!till.path(JOURNAL).exists());
        till.kill();
    }
    let aside = till.path("linuxcash/cash/paysystems/oplati/journal.damaged");
    let kept: Vec<_> = std::fs::read_dir(&aside)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    let file = std::fs::read(kept[0].join("journal.sqlite3")).unwrap();
    assert_eq!(file, bad, "not a byte was changed");
    assert_has(&till.log(), ["The journal is damaged and is put aside"]);
    // A good copy is put back: the running daemon notices, and ends to be started anew.
    till.start();
    std::fs::write(till.path(JOURNAL), &good).unwrap();
    assert_eq!(till.daemon().exit_code(), Some(75));
    assert!(!till.log().contains("by itself"), "{}", till.log());
    till.start();
    assert_eq!(till.operation("s-1")["state"], "done");
    assert_eq!(till.begin("s-2", 100).0, 201);
}

#[test]
fn a_journal_that_cannot_be_opened_refuses_payments_and_is_reported() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    std::fs::create_dir_all(till.path(JOURNAL)).unwrap();
    till.start();
    let health = till.health();
    assert_eq!(health["status"], "blocked");
    refused(till.begin("s-1", 100), 507, "storage");
    std::fs::remove_dir(till.path(JOURNAL)).unwrap();
    assert_eq!(till.daemon().exit_code(), Some(75));
    assert!(!till.log().contains("by itself"), "{}", till.log());
    till.start();
    wait_until("payments", || till.begin("s-1", 100).0 == 201);
}

/// A paid sale whose cancellation waits in the queue.
pub fn with_a_queued_cancellation(sim: &Sim) -> Till {
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    sim.fault(json!({"on": "reversals", "do": "lose_request", "times": 0}));
    let body = json!({"operation": "s-1"});
    assert_eq!(till.put("/v1/cancellations/c-1", body).0, 201);
    wait_for("a queued cancellation", || {
        let queue = till.get("/v1/queue").1;
        (queue["items"].as_array()?.len() == 1).then_some(())
    });
    till
}

#[test]
fn a_journal_that_was_replaced_under_the_daemon_forgets_no_queued_cancellation() {
    // Ended by a signal, or by itself when it notices.
    for is_signalled in [true, false] {
        let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
        let mut till = with_a_queued_cancellation(&sim);
        // What backup and editing programs do.
        let copy = till.path("copy");
        std::fs::copy(till.path(JOURNAL), &copy).unwrap();
        std::fs::rename(&copy, till.path(JOURNAL)).unwrap();
        if is_signalled {
            till.daemon().signal(Signal::TERM);
        }
        till.daemon().exit_code();
        sim.clear_faults();
        till.start();
        till.until_queue_is_empty();
        // When it was asked for last, the journal was not there to be read.
        sim.allow_one_early_question();
        assert_eq!(till.operation("c-1")["state"], "done");
        assert_eq!(sim.balance(), 0);
    }
}

#[test]
fn a_journal_that_was_removed_under_the_daemon_is_missed_at_the_next_start() {
    for is_signalled in [true, false] {
        let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
        let mut till = with_a_queued_cancellation(&sim);
        std::fs::remove_file(till.path(JOURNAL)).unwrap();
        if is_signalled {
            till.daemon().signal(Signal::TERM);
        }
        till.daemon().exit_code();
        till.start();
        let health = till.health();
        let reason = health["reasons"][0].as_str().unwrap();
        assert_eq!(health["status"], "blocked", "{health}");
        assert_has(reason, ["journal.damaged"]);
        assert_eq!(till.begin("s-2", 100).0, 507);
    }
}

/// All that was written is in the file itself.
/// A log that was emptied and begun anew: its head, and one page that holds no operation.
pub const EMPTY_LOG_BYTES: u64 = 32 + 24 + 4096;

fn until_log_is_empty(till: &Till) {
    wait_until("an empty log", || {
        let log = std::fs::metadata(till.path(&format!("{JOURNAL}-wal"))).unwrap();
        log.len() == EMPTY_LOG_BYTES
    });
}

#[test]
fn a_journal_that_is_overwritten_under_the_daemon_takes_no_payment_and_is_put_aside() {
    for damaged in ["", "-wal"] {
        let sim = Sim::start(None);
        let mut till = Till::started(&sim.url, 2, "");
        till.begin("s-0", 100);
        till.abort("s-0");
        until_log_is_empty(&till);
        // With a full log the file's content is in it, with an empty one nothing is.
        if damaged == "-wal" {
            till.begin("s-1", 100);
            till.until("s-1", &["awaiting_buyer"]);
        }
        std::fs::write(till.path(&format!("{JOURNAL}{damaged}")), "").unwrap();
        refused(till.begin("s-2", 100), 507, "storage");
        let health = till.health();
        assert_holds(
            &health,
            json!({"status": "blocked", "journal": {"ok": false}}),
        );
        let reason = health["reasons"][0].as_str().unwrap();
        assert_has(reason, ["повреждён", "исправную копию"]);
        till.daemon().signal(Signal::TERM);
        assert_eq!(till.daemon().exit_code(), Some(0), "it runs until then");
        till.start();
        let health = till.health();
        let reason = health["reasons"][0].as_str().unwrap();
        assert!(reason.contains("journal.damaged"), "{health}");
        assert_eq!(till.begin("s-2", 100).0, 507);
    }
}

#[test]
fn a_journal_that_is_replaced_by_an_old_one_is_reported_at_the_next_start() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.daemon().signal(Signal::TERM);
    till.daemon().exit_code();
    let old = till.path("old");
    std::fs::copy(till.path(JOURNAL), &old).unwrap();
    till.start();
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    until_log_is_empty(&till);
    std::fs::rename(&old, till.path(JOURNAL)).unwrap();
    till.daemon().signal(Signal::TERM);
    till.daemon().exit_code();
    till.start();
    let health = till.health();
    assert_eq!(health["status"], "blocked", "{health}");
}

#[test]
fn health_shows_who_or_what_keeps_the_journal_from_being_written() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let reserve = till.path(&format!("{JOURNAL}.reserve"));
    till.start();
    let remedy_for = |till: &Till, cause: &str| {
        wait_until(cause, || {
            let health = till.health();
            let is_named = health["reasons"].to_string().contains(cause);
            health["status"] == "blocked" && is_named
        });
        let problem = refused(till.begin("s-1", 100), 507, "storage");
        problem["remedy"].as_str().unwrap().to_owned()
    };
    let well = |till: &Till| {
        wait_until("health", || till.health()["status"] != "blocked");
    };
    // Before a buyer meets it.
    let other = rusqlite::Connection::open(till.path(JOURNAL)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(remedy_for(&till, "другая программа").contains("fuser"));
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    well(&till);
    drop(std::fs::remove_file(&reserve));
    std::fs::create_dir(&reserve).unwrap();
    assert!(remedy_for(&till, "не файл").contains("reserve"));
    std::fs::remove_dir(&reserve).unwrap();
    well(&till);
    assert_eq!(till.begin("s-1", 100).0, 201);
}

#[test]
fn a_folder_that_may_not_be_entered_any_more_leaves_the_sale_its_journal() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    // Root alone may enter any folder.
    let rights = "--bounding-set=-dac_override,-dac_read_search";
    start_under(&mut till, "setpriv", &[rights]);
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    let folder = till.path("linuxcash/cash/paysystems/oplati");
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o000);
    sim.join();
    till.until("s-1", &["awaiting_confirmation"]);
    sim.confirm();
    let ended = till.until_final("s-1");
    mode(0o700);
    assert_eq!(ended["state"], "done");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
}

/// A daemon whose folder is on a disk of its own, of that size; and the folder as it sees it.
fn on_small_disk(till: &mut Till, size: &str) -> PathBuf {
    let folder = till.path("linuxcash/cash/paysystems/oplati");
    let conf = std::fs::read_to_string(folder.join("oplati.conf")).unwrap();
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.arg("--map-root-user");
    }
    let script = r#"mount -t tmpfs -o "size=$1" none "$2" && printf %s "$3" > "$2/oplati.conf" && exec "$4" --root "$5" daemon"#;
    let child = command
        .args(["--mount", "sh", "-c", script, "sh", size])
        .arg(&folder)
        .arg(conf)
        .arg(env!("CARGO_BIN_EXE_oplati"))
        .arg(till.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let seen = format!("/proc/{}/root{}", child.id(), folder.display());
    till.adopt(child);
    PathBuf::from(seen)
}

#[test]
fn a_disk_that_fills_up_lets_a_sale_end_and_no_other_begin() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let folder = on_small_disk(&mut till, "8m");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    sim.join();
    till.until("s-1", &["awaiting_confirmation"]);
    sim.confirm();
    assert_eq!(till.until_final("s-1")["state"], "done");
    assert_eq!(sim.balance(), 100);
    // What the reserve was given up for leaves room that is no room for another end.
    while file.write_all(&[1; 4096]).is_ok() {}
    let refused = wait_for("a refusal", || {
        let (status, problem) = till.begin("s-2", 100);
        (status == 507).then_some(problem)
    });
    assert_eq!(refused["code"], "storage");
    assert_eq!(till.health()["status"], "blocked");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    wait_until("payments", || till.begin("s-3", 100).0 == 201);
}

#[test]
fn a_disk_without_room_asks_for_no_token_at_first_contact() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::new(&sim.url, 2, "");
    let folder = on_small_disk(&mut till, "1500k");
    refused(till.begin("s-1", 100), 507, "storage");
    let state = sim.state();
    assert_eq!(state["tokens"], 0, "{state}");
    assert!(!folder.join("token.conf").exists() && !folder.join("token.conf.new").exists());
}

#[test]
fn a_journal_that_may_not_be_written_is_reported_at_once_and_taken_when_it_may() {
    let sim = Sim::start(Some("join=100ms,confirm=100ms,outcome=done"));
    let mut till = Till::new(&sim.url, 2, "");
    till.start_without_root();
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    let folder = till.path("linuxcash/cash/paysystems/oplati");
    for name in ["journal.sqlite3", "journal.sqlite3-wal"] {
        till.daemon().signal(Signal::TERM);
        assert_eq!(till.daemon().exit_code(), Some(0));
        let file = folder.join(name);
        let permit = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
        permit(0o400).unwrap();
        till.start_without_root();
        let health = till.health();
        let reasons = health["reasons"].to_string();
        assert_eq!(health["status"], "blocked", "{health}");
        assert_has(&reasons, ["не хватает прав"]);
        assert_eq!(health["reason_codes"][0], "journal_rights");
        refused(till.begin("s-2", 100), 507, "storage");
        // It is tried again by itself, and the daemon is started anew then.
        permit(0o600).unwrap();
        assert_eq!(till.daemon().exit_code(), Some(75), "{name}");
        till.start_without_root();
        let health = till.health();
        assert_eq!(health["status"], "ok", "{health}");
    }
}
