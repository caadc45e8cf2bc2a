//! Scanners: shared with the till program, named and misnamed, found out about.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Sim, Till, assert_has, oplati, wait_until};
use crate::sales::Scanner;
use crate::terminal_qr::qr_of_terminal;

const PAYS: &str = "join=50ms,confirm=50ms,outcome=done";

fn device(till: &Till) -> Value {
    till.get("/v1/devices").1["devices"][0].clone()
}

fn connected(till: &Till) {
    wait_until("the scanner", || device(till)["state"] == "connected");
}

/// A till whose scanner is shared, and the till program's end of it.
fn shared(sim: &Sim, scanner: &Scanner) -> (Till, File) {
    let settings = format!("[Scanner]\ndevice = serial:{}\nshare = yes\n", scanner.node);
    let till = Till::started(&sim.url, 0, &settings);
    connected(&till);
    let end = till.path("run/oplati/shared/scanner1");
    let program = File::options().read(true).write(true).open(end).unwrap();
    (till, program)
}

/// Reads until exactly this has come.
fn comes(till_program: &mut File, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    till_program.read_exact(&mut read).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&read),
        String::from_utf8_lossy(expected)
    );
}

#[test]
fn a_till_program_reads_goods_and_never_the_code_of_a_buyer_who_pays() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(Some(PAYS));
    let (till, mut program) = shared(&sim, &scanner);
    scanner.read("4810268003455");
    comes(&mut program, b"4810268003455\r\n");
    assert_eq!(till.begin("s-1", 1999).0, 201);
    till.until("s-1", &["awaiting_scan"]);
    // Goods go on though a buyer is awaited; the buyer's code does not.
    scanner.read("4810268003455");
    comes(&mut program, b"4810268003455\r\n");
    scanner.read("https://getapp.o-plati.by/c/AB12CD34");
    assert_eq!(till.until_final("s-1")["state"], "done");
    scanner.read("after");
    comes(&mut program, b"after\r\n");
}

#[test]
fn what_cannot_be_read_is_the_tills_unless_a_sale_awaits_a_code() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(Some(PAYS));
    let (till, mut program) = shared(&sim, &scanner);
    scanner.read("\u{1}\u{2}");
    comes(&mut program, b"\x01\x02\r\n");
    assert_eq!(till.begin("s-1", 1999).0, 201);
    till.until("s-1", &["awaiting_scan"]);
    // It may be a buyer's, of which the scanner or the line made something else.
    scanner.read("\u{3}\u{4}");
    scanner.read("4810268003455");
    comes(&mut program, b"4810268003455\r\n");
}

#[test]
fn a_till_program_that_writes_to_a_shared_scanner_is_never_held_up() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(None);
    let (_till, mut program) = shared(&sim, &scanner);
    // An answer to each code, as some scanners want it; all of them are more than a terminal holds.
    for _ in 0..20 {
        program.write_all(&[0x06; 2048]).unwrap();
        scanner.read("4810268003455");
        comes(&mut program, b"4810268003455\r\n");
    }
}

#[test]
fn who_has_the_port_is_named_and_a_shared_end_is_there_before_the_scanner() {
    let scanner = Scanner::plug();
    let holder = File::open(&scanner.node).unwrap();
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let sim = Sim::start(None);
    let till = Till::started(
        &sim.url,
        0,
        &format!("[Scanner]\ndevice = serial:{}\nshare = yes\n", scanner.node),
    );
    wait_until("the verdict", || device(&till)["state"] == "busy");
    let health = till.health();
    let reasons = health["reasons"].to_string();
    let pid = format!("({})", std::process::id());
    assert!(reasons.contains(&pid), "{reasons}");
    assert!(till.path("run/oplati/shared/scanner1").exists());
    drop(holder);
    connected(&till);
}

#[test]
fn a_till_without_a_journal_still_gets_its_goods() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(None);
    let mut till = Till::new(
        &sim.url,
        0,
        &format!("[Scanner]\ndevice = serial:{}\nshare = yes\n", scanner.node),
    );
    std::fs::create_dir_all(till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3")).unwrap();
    till.start();
    connected(&till);
    let shared = till.path("run/oplati/shared/scanner1");
    let mut program = File::options().read(true).write(true).open(shared).unwrap();
    scanner.read("4810268003455");
    comes(&mut program, b"4810268003455\r\n");
}

#[test]
fn a_device_that_cannot_be_used_shows_what_to_do() {
    let sim = Sim::start(None);
    let file = tempfile::NamedTempFile::new().unwrap();
    let till = Till::with_scanner(&sim.url, 0, &format!("hid:{}", file.path().display()));
    wait_until("the verdict", || device(&till)["state"] == "failed");
    assert_eq!(
        device(&till)["last_error"],
        "the node is no HID device's",
        "{}",
        device(&till)
    );
    let health = till.health();
    assert_eq!(health["status"], "degraded");
    let reasons = health["reasons"].to_string();
    assert!(reasons.contains("oplati devices list"), "{reasons}");
}

#[test]
fn a_scanner_that_nobody_named_is_not_missed() {
    let sim = Sim::start(None);
    let till = Till::started(
        &sim.url,
        0,
        "[Scanner]\ndevice = auto\n[Display]\ndevice = none\n",
    );
    let device = device(&till);
    if device["state"] == "none" {
        assert_eq!(device["node"], "auto");
        let health = till.health();
        assert_eq!(health["status"], "ok", "{health}");
    } else {
        // The machine that runs the tests has a scanner.
        assert!(device["profile"].is_string(), "{device}");
    }
}

#[test]
fn an_unknown_profile_and_a_bad_one_are_reported() {
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 0, "[Scanner]\nprofile = no-such\n");
    for verb in ["daemon", "check"] {
        let (code, _, stderr) = till.run(&[verb]);
        assert_eq!(code, 78, "{stderr}");
        assert_has(&stderr, ["no-such", "generic-serial"]);
    }
    let till = Till::new(&sim.url, 0, "");
    let folder = till.path("etc/oplati/devices.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("bad.toml"), "schema = 1\nspeed = 9600\n").unwrap();
    let (code, _, stderr) = till.run(&["check"]);
    assert_eq!(code, 78, "{stderr}");
    assert_has(&stderr, ["bad.toml", "speed"]);
}

#[test]
fn an_unknown_scanner_is_found_out_about_by_its_code() {
    let mut scanner = Scanner::plug();
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 0, "");
    let mut child = till
        .verb(&[
            "devices",
            "identify",
            "--node",
            &scanner.node,
            "--id",
            "mine",
        ])
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    // The QR on the terminal, read as a scanner reads it.
    let mut modules = Vec::new();
    let mut line = String::new();
    while !line.contains("Read this code") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
        if line.contains("48;5;231m") {
            modules.push(line.clone());
        }
    }
    scanner.read("another code");
    // On a busy machine it has begun to try other speeds, which a pseudo-terminal does not mind.
    loop {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0);
        if !line.contains("Another speed") {
            break;
        }
    }
    assert!(line.contains("Another code"), "{line}");
    // What is read in the moment in which another speed is set is lost: whoever holds the scanner tries again.
    let code = qr_of_terminal(&modules);
    while child.try_wait().unwrap().is_none() {
        scanner.read(&code);
        std::thread::sleep(Duration::from_millis(300));
    }
    let output = child.wait_with_output().unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(output.status.code(), Some(0), "{code}: {rest}");
    let setting = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        setting.trim(),
        format!("device = serial:{}@9600\nprofile = mine", scanner.node)
    );
    let written = till.path("etc/oplati/devices.d/mine.toml");
    assert_has(&std::fs::read_to_string(written).unwrap(), ["baud = 9600"]);
    assert_eq!(till.run(&["check"]).0, 0);
}

#[test]
fn rules_and_lists_are_printed_without_a_daemon() {
    let rules = oplati().args(["devices", "udev-rules"]).output().unwrap();
    assert_eq!(rules.status.code(), Some(0));
    let committed = include_bytes!("../../udev/60-oplati.rules");
    assert!(rules.stdout == committed);
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 0, "");
    let list = till.verb(&["devices"]).env("LC_ALL", "C").output().unwrap();
    assert_eq!(list.status.code(), Some(0));
    let listed = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(listed.contains("does not answer"), "{listed}");
    for (bad, code) in [("/dev/null", 65), ("/nonexistent", 65)] {
        let bind = till
            .verb(&["devices", "bind", bad, "left"])
            .output()
            .unwrap();
        assert_eq!(bind.status.code(), Some(code), "{bad}");
    }
    assert_eq!(till.run(&["devices", "bind", "/dev/null", "Left!"]).0, 64);
}

#[test]
fn a_scanner_that_reads_for_ever_does_not_fill_the_log() {
    let sim = Sim::start(None);
    let mut scanner = Scanner::plug();
    let settings = format!("[Scanner]\ndevice = serial:{}\n", scanner.node);
    let till = Till::started(&sim.url, 0, &settings);
    connected(&till);
    let counted = || {
        let counters = &device(&till)["counters"];
        let count = |name: &str| counters[name].as_u64().unwrap_or_default();
        count("scans") + count("discarded")
    };
    for n in 0..3000 {
        scanner.read(&format!("NOISE-{n:0>100}"));
    }
    wait_until("all codes", || counted() >= 3000);
    let log = till.log();
    assert!(log.len() < 100_000, "{}", log.len());
    // Nothing else is hidden by it.
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_scan"]);
    assert!(till.log().contains("s-1"));
}
