//! Digits of a display that no scanner reads: a person types them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::json;

use super::{Report, report_of};
use crate::harness::{Sim, Till, serial_port, wait_for};

/// The six digits that a pole display is to show.
fn digits_on(display: &mut File) -> String {
    let mut came: Vec<u8> = Vec::new();
    loop {
        let mut bytes = [0; 64];
        let count = display.read(&mut bytes).unwrap();
        came.extend(&bytes[..count]);
        let digits = came
            .split(|byte: &u8| !byte.is_ascii_digit())
            .find(|part| part.len() == 6);
        if let Some(digits) = digits {
            return String::from_utf8(digits.to_vec()).unwrap();
        }
    }
}

fn pole_display(node: &str) -> String {
    format!("[Display]\ndevice = serial:{node}\nprofile = pole-epson-table-7\n")
}

#[test]
fn the_digits_of_a_pole_display_are_typed_by_who_reads_them() {
    let (mut display, node, _slave) = serial_port();
    let sim = Sim::start(None);
    let more = format!("[Display]\ndevice = serial:{node}\nprofile = pole-epson-table-7\n");
    let till = Till::started(&sim.url, 1, &more);
    let (status, device) = till.post("/v1/devices/display1/test", json!({"interactive": true}));
    assert_eq!(status, 200, "{device}");
    let code = digits_on(&mut display);
    assert_eq!(till.post("/v1/scans", json!({"text": code})).0, 200);
    let listed = till.get("/v1/devices").1;
    let devices = listed["devices"].as_array().unwrap();
    let display = devices.iter().find(|device| device["name"] == "display1");
    let test = &display.unwrap()["test"];
    assert_eq!(test["state"], "done", "{test}");
    assert!(
        test["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["result"] == "pass")
    );
}

#[test]
fn wrong_digits_end_the_test_of_a_pole_display() {
    let (_display, node, _slave) = serial_port();
    let sim = Sim::start(None);
    let more = format!("[Display]\ndevice = serial:{node}\nprofile = pole-epson-table-7\n");
    let till = Till::started(&sim.url, 1, &more);
    let mut command = till.verb(&["--json", "selftest", "--interactive"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // One line, and the input stays open.
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(b"wrong\n").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(typed);
    let report = Report {
        exit: output.status.code().unwrap(),
        json: serde_json::from_slice(&output.stdout).unwrap(),
    };
    report.finds("wrong digits", "display.read", "fail", "profile");
}

/// `oplati selftest --interactive` in English, whose standard input stays open.
fn asked_in_english(till: &Till, more: &[&str]) -> std::process::Child {
    let mut command = till.verb(&["selftest", "--interactive"]);
    let command = command.args(more).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &std::process::Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

fn is_russian(text: &str) -> bool {
    text.chars().any(|c| ('\u{400}'..'\u{530}').contains(&c))
}

#[test]
fn who_is_asked_for_digits_can_stop_the_daemons_test() {
    let (mut display, node, _slave) = serial_port();
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 1, &pole_display(&node));
    let mut child = asked_in_english(&till, &[]);
    let typed = child.stdin.take();
    digits_on(&mut display);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    drop(typed);
    assert_eq!(output.status.code(), Some(130));
    let listed = till.get("/v1/devices").1;
    let devices = listed["devices"].as_array().unwrap();
    let display = devices.iter().find(|device| device["name"] == "display1");
    let test = &display.unwrap()["test"];
    assert_eq!(test["state"], "done", "{test}");
    assert_eq!(test["says"], "Проверка остановлена");
    assert_eq!(test["says_english"], "The test was stopped");

    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("The test was stopped"), "{notes}");
    assert!(!is_russian(&notes), "{notes}");
    let text = String::from_utf8(output.stdout).unwrap();
    let found = "display1: display1 shows: nobody typed the digits";
    let mut lines = text.lines().skip_while(|line| !line.contains(found));
    assert!(lines.next().unwrap().contains("[  --  ]"), "{text}");
    let remedy = lines.next().unwrap();
    assert!(remedy.ends_with("type the digits of the display"), "{text}");
}

#[test]
fn who_is_asked_for_digits_without_the_daemon_leaves_no_code_behind() {
    let (mut display, node, _slave) = serial_port();
    let till = Till::new("http://127.0.0.1:9", 1, &pole_display(&node));
    let mut child = asked_in_english(&till, &["--json"]);
    let typed = child.stdin.take();
    digits_on(&mut display);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    drop(typed);
    let report = Report {
        exit: output.status.code().unwrap(),
        json: serde_json::from_slice(&output.stdout).unwrap(),
    };
    assert_eq!((report.exit, &report.json["exit"]), (130, &json!(130)));
    report.finds("stopped by Ctrl-C", "display.read", "skipped", "введите");
    // The first line was written once more.
    let flags = rustix::fs::fcntl_getfl(&display).unwrap();
    rustix::fs::fcntl_setfl(&display, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut after = [0; 4096];
    let count = display.read(&mut after).unwrap();
    let mut written = after[..count].windows(4);
    assert!(
        written.any(|bytes| bytes == [0x1f, 0x24, 1, 1]),
        "{:x?}",
        &after[..count]
    );
}

#[test]
fn nobody_at_the_terminal_and_nothing_to_test_are_reported() {
    let (_display, node, _slave) = serial_port();
    let sim = Sim::start(None);
    for runs in [true, false] {
        for (more, id, remedy) in [
            (pole_display(&node), "display.read", "введите цифры"),
            // The display is there, and no scanner.
            (
                pole_display(&node),
                "device.interactive",
                "Подключите сканер",
            ),
            (
                pole_display("/dev/oplati-is-not-there"),
                "device.interactive",
                "Подключите дисплей",
            ),
        ] {
            let mut till = Till::new(&sim.url, 1, &more);
            if runs {
                till.start();
                wait_for("the display's state", || {
                    let listed = till.get("/v1/devices").1;
                    let devices = listed["devices"].as_array()?;
                    let display = devices.iter().find(|one| one["kind"] == "display")?;
                    (display["state"] == "connected" || more.contains("not-there")).then_some(())
                });
            }
            let mut command = till.verb(&["--json", "selftest", "--interactive"]);
            let report = report_of(command.stdin(Stdio::null()));
            report.finds("nothing to test", id, "skipped", remedy);
        }
    }
    let till = Till::new(&sim.url, 7, "");
    let mut command = till.verb(&["--json", "selftest", "--interactive"]);
    let report = report_of(command.stdin(Stdio::null()));
    report.finds("settings", "device.interactive", "skipped", "oplati check");
}
