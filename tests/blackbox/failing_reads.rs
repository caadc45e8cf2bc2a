//! A disk that refuses to give what the journal holds: EIO from the kernel, as the daemon's own reads get it, by
//! strace, which tests/run installs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::{Process, Sim, Till, assert_has, refused, wait_until};
use crate::journal::with_a_queued_cancellation;

const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";
const ASIDE: &str = "linuxcash/cash/paysystems/oplati/journal.damaged";

/// Lets the reads of the journal's files with these endings fail: the `when`s of each thread, in strace's words.
fn strace(till: &Till, endings: &[&str], when: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(seen_by_strace(till));
    for ending in endings {
        let path = till.path(&format!("{JOURNAL}{ending}"));
        strace.arg("-P").arg(path);
    }
    let inject = format!("inject=pread64:error=EIO:when={when}");
    strace.args(["-e", "trace=pread64", "-e", &inject]);
    strace
}

fn seen_by_strace(till: &Till) -> PathBuf {
    till.path("strace")
}

fn has_failed(till: &Till) -> bool {
    let seen = std::fs::read_to_string(seen_by_strace(till));
    seen.unwrap_or_default().contains("INJECTED")
}

/// To the daemon that runs.
fn attach(till: &mut Till, endings: &[&str], when: &str) -> Process {
    let pid = till.daemon().0.id();
    let mut strace = strace(till, endings, when);
    let strace = strace.arg("-p").arg(pid.to_string());
    let strace = Process(strace.spawn().unwrap());
    wait_until("strace", || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let is_traced = |status: String| {
            let tracer = status.lines().find(|line| line.starts_with("TracerPid:"));
            tracer.is_some_and(|tracer| !tracer.ends_with("\t0"))
        };
        threads.all(|thread| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status"));
            status.is_ok_and(is_traced)
        })
    });
    strace
}

fn detach(mut strace: Process) {
    strace.signal(Signal::TERM);
    strace.exit_code();
}

fn queued(till: &Till) -> usize {
    let queue = till.get("/v1/queue").1;
    queue["items"].as_array().map_or(0, Vec::len)
}

fn until_the_journal_is_well(till: &Till) {
    wait_until("the journal's health", || {
        let health = till.health();
        let reasons = health["reasons"].to_string();
        health["journal"]["ok"] == true && !reasons.contains("Журнал")
    });
}

/// As it stands after an ordinary start: nothing was put aside, and nothing forgotten.
fn assert_is_intact(till: &Till, in_queue: usize) {
    assert!(!till.path(ASIDE).exists());
    until_the_journal_is_well(till);
    assert_eq!(queued(till), in_queue);
}

#[test]
#[ignore = "needs strace: run by tests/run"]
fn a_read_that_fails_once_closes_no_till() {
    for ending in ["", "-wal"] {
        let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
        sim.allow_one_early_question();
        let mut till = with_a_queued_cancellation(&sim);
        let strace = attach(&mut till, &[ending], "1");
        let mut number = 0;
        wait_until("a read that fails", || {
            number += 1;
            till.begin(&format!("n-{number}"), 100);
            has_failed(&till)
        });
        detach(strace);
        until_the_journal_is_well(&till);
        // The daemon that runs, and the next one.
        assert_ne!(till.begin("after", 100).0, 507);
        till.daemon().signal(Signal::TERM);
        assert_eq!(till.daemon().exit_code(), Some(0));
        till.start();
        assert_is_intact(&till, 1);
    }
}

#[test]
#[ignore = "needs strace: run by tests/run"]
fn a_disk_that_gives_nothing_is_reported_as_one_and_heals() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    sim.allow_one_early_question();
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    let strace = attach(&mut till, &["", "-wal"], "1+");
    wait_until("the word on the disk", || {
        let health = till.health();
        let reasons = health["reasons"].to_string();
        assert!(!reasons.contains("повреждён"), "{health}");
        let is_reported = reasons.contains("dmesg") && health["reason_codes"][0] == "journal_disk";
        health["status"] == "blocked" && is_reported
    });
    let problem = refused(till.begin("s-2", 100), 507, "storage");
    let problem_text = problem.to_string();
    assert!(!problem_text.contains("повреждён"), "{problem_text}");
    assert_has(&problem_text, ["Проверьте диск"]);
    let checks = till.checks();
    let check = |id: &str| checks.iter().find(|check| check["id"] == id).unwrap();
    let check_text = check("journal.whole").to_string();
    assert!(!check_text.contains("journal.damaged"), "{check_text}");
    assert_has(&check_text, ["dmesg"]);
    assert_eq!(check("journal.room")["result"], "skipped");
    detach(strace);
    until_the_journal_is_well(&till);
    assert_eq!(till.begin("s-2", 100).0, 201);
    assert_eq!(till.until_final("s-2")["state"], "done");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    till.start();
    assert_is_intact(&till, 0);
    assert_eq!(till.operation("s-1")["state"], "done");
}

#[test]
#[ignore = "needs strace: run by tests/run"]
fn reads_that_fail_at_the_start_leave_the_journal_where_it_is() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    sim.allow_one_early_question();
    let mut till = with_a_queued_cancellation(&sim);
    for when in ["1", "2", "3", "5", "1+", "3+"] {
        for ending in ["", "-wal"] {
            till.kill();
            drop(std::fs::remove_file(seen_by_strace(&till)));
            // With -D the daemon is the child, and what traces it ends with it.
            let daemon = till.verb(&["daemon"]);
            let mut traced = strace(&till, &[ending], when);
            traced.arg("-D").arg(daemon.get_program());
            traced.args(daemon.get_args());
            traced.stdout(Stdio::null()).stderr(Stdio::null());
            let child = traced.spawn().unwrap();
            till.adopt(child);
            let health = till.health();
            assert!(!health.to_string().contains("повреждён"), "{health}");
            wait_until(&format!("read {when} of {ending} fails"), || {
                has_failed(&till)
            });
            till.kill();
            till.start();
            assert_is_intact(&till, 1);
        }
    }
}

#[test]
fn damage_that_a_disk_hides_at_the_start_is_reported_when_it_answers() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let (journal, log) = (till.path(JOURNAL), till.path(&format!("{JOURNAL}-wal")));
    std::fs::write(&journal, vec![7; 8192]).unwrap();
    // Every read of its beginning fails with EIO.
    std::os::unix::fs::symlink("/proc/self/mem", &log).unwrap();
    till.start();
    let health = till.health();
    assert_eq!(health["status"], "blocked");
    assert!(
        health.to_string().contains("диск кассы не отдаёт"),
        "{health}"
    );
    assert!(journal.exists() && !till.path(ASIDE).exists());
    std::fs::remove_file(&log).unwrap();
    assert_eq!(till.daemon().exit_code(), Some(75));
    till.start();
    let health = till.health();
    assert_has(&health["reasons"][0].to_string(), ["journal.damaged"]);
    assert!(!journal.exists());
}
