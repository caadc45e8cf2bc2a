//! A technician's walk: the package is installed, the scanner is in the wrong mode, the token was reset. He does
//! what `oplati selftest` advises, and nothing else, until a buyer's code has paid a sale.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::devices::{Layout, Scanner as _, Uhid, Uinput, node};
use crate::till::{CASH, Till};
use crate::wait_for;

/// The exit code, and every check that did not pass or was worth a warning: id, result, remedy.
fn selftest() -> (i32, Vec<(String, String, String)>) {
    let output = Command::new("oplati")
        .args(["--json", "selftest"])
        .env("LANG", "ru_RU.UTF-8")
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks
        .filter(|check| check["result"] == "fail")
        .map(|check| {
            (
                text(check, "id"),
                text(check, "detail"),
                text(check, "remedy"),
            )
        });
    (output.status.code().unwrap(), found.collect())
}

/// The remedy of a finding, if the selftest has it.
fn remedy(id: &str) -> Option<String> {
    let (code, found) = selftest();
    let (_, _, remedy) = found.into_iter().find(|(found, _, _)| found == id)?;
    assert_eq!(code, 2);
    Some(remedy)
}

pub fn from_wrong_mode_and_reset_token_to_a_paid_sale() -> String {
    let mut keyboard = Uinput::of(0x1eab, 0x0d03, "newland");
    let mut pos = Uhid::new(Layout::Newland);
    pos.plug();
    node(&pos);
    let mut till = Till::start("device = hid:/dev/oplati/newland");
    till.until("scanner1", "connected");
    // The till has sold before; then the scanner reads a setting code by mistake, and somebody resets the token.
    till.sell("s-1", || {
        drop(till.read(&mut pos, b"https://getapp.o-plati.by/c/AB0001"))
    });
    pos.unplug();
    keyboard.plug();
    node(&keyboard);
    till.until("scanner1", "wrong_mode");
    till.service("POST", "/sim/token/reset", &json!({}));

    let began = Instant::now();
    let wrong = wait_for("the scanner's mode is found", || remedy("device.external"));
    assert!(
        wrong.contains("USB-COM") && wrong.contains("HID POS"),
        "{wrong}"
    );
    let token = wait_for("the token is found", || remedy("service.token"));
    assert!(
        token.contains("уберите token.conf") && token.contains("перезапустите службу"),
        "{token}"
    );
    let found = began.elapsed();

    // He reads the code HID POS with the scanner …
    keyboard.unplug();
    pos.plug();
    node(&pos);
    wait_for("the mode is right", || {
        remedy("device.external").is_none().then_some(())
    });
    // … puts the file aside and starts the daemon anew.
    let token = format!("{CASH}/token.conf");
    fs::rename(&token, format!("{token}.old")).unwrap();
    till.restart();
    till.until("scanner1", "connected");
    wait_for("nothing is wrong any more", || {
        let (code, found) = selftest();
        (code < 2 && found.is_empty()).then_some(())
    });
    till.sell("s-2", || {
        drop(till.read(&mut pos, b"https://getapp.o-plati.by/c/AB0002"))
    });
    let all = began.elapsed();
    drop(till);
    pos.unplug();
    format!(
        "both faults named after {:.1} s, a paid sale after {:.1} s",
        found.as_secs_f32(),
        all.as_secs_f32()
    )
}
