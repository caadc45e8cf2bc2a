//! Codes that a display shows and a scanner reads back, through the running daemon and without it.

use serde_json::{Value, json};

use super::{CONF, report_of};
use crate::harness::{Sim, Till, assert_has, assert_holds, wait_for, wait_until};
use crate::sales::{Scanner, qr_on};

/// A till whose display is a picture and whose scanner is this test.
struct Loop {
    till: Till,
    scanner: Scanner,
    shown: Option<String>,
    _sim: Sim,
}

impl Loop {
    fn new() -> Loop {
        let sim = Sim::start(None);
        let scanner = Scanner::plug();
        let till = Till::new(&sim.url, 0, "");
        let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
        let picture = till.path("buyer.png");
        let more = format!(
            "[Scanner]\ndevice = serial:{}\n[Display]\ndevice = png:{}@800x800\n",
            scanner.node,
            picture.display()
        );
        std::fs::write(till.path(CONF), conf + &more).unwrap();
        Loop {
            till,
            scanner,
            shown: None,
            _sim: sim,
        }
    }

    fn start(&mut self) {
        self.till.start();
        wait_until("the scanner", || {
            self.till.get("/v1/devices").1["devices"][0]["state"] == "connected"
        });
    }

    /// The next code on the display.
    fn code(&mut self) -> String {
        let picture = self.till.path("buyer.png");
        let code = wait_for("another code", || {
            qr_on(&picture).filter(|code| Some(code) != self.shown.as_ref())
        });
        self.shown = Some(code.clone());
        code
    }

    fn test(&self) -> Value {
        self.till.get("/v1/devices").1["devices"][0]["test"].clone()
    }

    fn begin(&self, scans: usize) {
        let requested = json!({"interactive": true, "display": "display1", "scans": scans});
        let (status, device) = self.till.post("/v1/devices/scanner1/test", requested);
        assert_eq!(
            (status, &device["test"]["state"]),
            (200, &json!("running")),
            "{device}"
        );
    }

    fn done(&self) -> Value {
        wait_for("the test's end", || {
            Some(self.test()).filter(|test| test["state"] == "done")
        })
    }
}

#[test]
fn ten_codes_are_shown_and_read_back_through_the_daemon() {
    let mut bench = Loop::new();
    bench.start();
    bench.begin(10);
    for _ in 0..10 {
        let code = bench.code();
        bench.scanner.read(&code);
    }
    let test = bench.done();
    assert_eq!((&test["step"], &test["of"]), (&json!(10), &json!(10)));
    let checks = test["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1, "{checks:#?}");
    assert!(
        checks[0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("без ошибок 10 из 10")
    );
    assert!(
        checks[0]["detail"]
            .as_str()
            .unwrap()
            .ends_with("до 300 символов")
    );
    // The buyer's display is the buyer's again, and no code is in the log.
    wait_until("the idle scene", || {
        qr_on(&bench.till.path("buyer.png")).is_none()
    });
    let last = bench.shown.clone().unwrap();
    let beginning: String = last.chars().take(20).collect();
    assert!(!bench.till.log().contains(&beginning));
}

/// What a scanner with a fault makes of a code.
fn russian_layout(code: &str) -> String {
    const KEYS: [&str; 2] = [
        "qwertyuiop[]asdfghjkl;'zxcvbnm,./QWERTYUIOPASDFGHJKLZXCVBNM:",
        "йцукенгшщзхъфывапролджэячсмитьбю.ЙЦУКЕНГШЩЗФЫВАПРОЛДЯЧСМИТЬЖ",
    ];
    let typed = |c: char| {
        let at = KEYS[0].chars().position(|key| key == c);
        at.and_then(|at| KEYS[1].chars().nth(at)).unwrap_or(c)
    };
    code.chars().map(typed).collect()
}

/// Swaps capitals and small letters.
fn caps_lock(code: &str) -> String {
    let swap = |c: char| {
        if c.is_lowercase() {
            c.to_uppercase().to_string()
        } else {
            c.to_lowercase().to_string()
        }
    };
    code.chars().map(swap).collect()
}

fn line(text: String) -> Vec<u8> {
    format!("{text}\r\n").into_bytes()
}

/// A fault, what it makes of a code, and what finding and remedy hold.
type Fault = (
    &'static str,
    fn(&str) -> Vec<u8>,
    &'static str,
    &'static str,
);

const FAULTS: [Fault; 7] = [
    (
        "layout RU",
        |code| line(russian_layout(code)),
        "русской раскладки",
        "USA keyboard",
    ),
    (
        "Caps Lock",
        |code| line(caps_lock(code)),
        "Caps Lock",
        "Caps Lock off",
    ),
    (
        "no suffix, codes glued",
        |code| line(format!("{code}{code}")),
        "слиплись",
        "Add suffix CR",
    ),
    (
        "prefix",
        |code| line(format!("*{code}")),
        "перед кодом",
        "Clear prefix",
    ),
    (
        "cut code",
        |code| line(code.chars().take(15).collect()),
        "обрезан",
        "заводских настроек",
    ),
    (
        "swallowed character",
        |code| line(code.chars().take(5).chain(code.chars().skip(7)).collect()),
        "потеряно символов",
        "межсимвольная задержка",
    ),
    (
        "another code",
        |_| line("4810268003455".into()),
        "другой код",
        "с дисплея",
    ),
];

#[test]
fn faults_of_a_scanner_are_recognised_from_what_came_back() {
    let mut bench = Loop::new();
    bench.start();
    for (fault, distort, finding, remedy) in FAULTS {
        bench.begin(1);
        let code = bench.code();
        bench.scanner.send(&distort(&code));
        let test = bench.done();
        let check = &test["checks"][0];
        let (detail, advice) = (
            check["detail"].as_str().unwrap(),
            check["remedy"].as_str().unwrap(),
        );
        assert!(
            detail.contains(finding) && advice.contains(remedy),
            "{fault}: {check:#}"
        );
        println!(
            "| scanner: {fault} | scanner.reading {} | {detail} | {advice} |",
            check["result"].as_str().unwrap()
        );
    }
}

#[test]
fn a_scanner_without_a_terminator_is_warned_of() {
    let mut bench = Loop::new();
    bench.start();
    bench.begin(2);
    for _ in 0..2 {
        let code = bench.code();
        bench.scanner.send(code.as_bytes());
    }
    let test = bench.done();
    let check = &test["checks"][0];
    assert_holds(check, json!({"id": "scanner.terminator", "result": "warn"}));
    assert!(check["remedy"].as_str().unwrap().contains("Add suffix CR"));
    println!(
        "| scanner: no suffix | scanner.terminator warn | {} | {} |",
        check["detail"].as_str().unwrap(),
        check["remedy"].as_str().unwrap()
    );
}

#[test]
fn cyrillic_letters_that_a_scanner_loses_or_writes_otherwise_are_named() {
    let mut bench = Loop::new();
    bench.start();
    // The second code of a test has Cyrillic letters.
    bench.begin(2);
    let code = bench.code();
    bench.scanner.read(&code);
    let code = bench.code();
    let asked: String = code
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    bench.scanner.read(&asked);
    let test = bench.done();
    let check = &test["checks"][0];
    assert_has(check["detail"].as_str().unwrap(), ["кириллица потеряна"]);
    assert_eq!(check["result"], "warn");
    // A scanner that writes in the code page of DOS: its bytes, on a real line.
    bench.begin(2);
    let code = bench.code();
    bench.scanner.read(&code);
    let code = bench.code();
    bench
        .scanner
        .send(&[in_cp866(&code), b"\r".to_vec()].concat());
    let test = bench.done();
    let check = &test["checks"][0];
    let (detail, advice) = (check["detail"].to_string(), check["remedy"].to_string());
    assert_has(&detail, ["CP866"]);
    assert_has(&advice, ["UTF-8"]);
    println!(
        "| scanner: code page | scanner.reading {} | {detail} | {advice} |",
        check["result"].as_str().unwrap()
    );
}

fn in_cp866(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '\0'..='\x7f' => u8::try_from(c).unwrap(),
        'А'..='п' => u8::try_from(u32::from(c) - 0x410).unwrap() + 0x80,
        'р'..='я' => u8::try_from(u32::from(c) - 0x440).unwrap() + 0xe0,
        'Ё' => 0xf0,
        'Ў' => 0xf6,
        'ў' => 0xf7,
        _ => b'?',
    };
    text.chars().map(byte).collect()
}

#[test]
fn a_buyer_ends_a_test_and_a_test_can_be_stopped() {
    let mut bench = Loop::new();
    bench.start();
    bench.begin(3);
    bench.code();
    assert_eq!(bench.till.begin("s-1", 700).0, 201);
    let test = bench.done();
    assert_eq!(test["says"], "Проверка остановлена");
    bench.till.until("s-1", &["awaiting_scan"]);
    // The scan is the sale's now.
    bench.scanner.read("https://getapp.o-plati.by/c/AB12CD34");
    bench.till.until(
        "s-1",
        &[
            "awaiting_confirmation",
            "awaiting_buyer",
            "in_progress",
            "in_doubt",
        ],
    );
    bench.till.abort("s-1");
    bench.till.until_final("s-1");
    wait_until("a free till", || {
        let requested = json!({"interactive": true});
        bench.till.post("/v1/devices/scanner1/test", requested).0 == 200
    });
    let (status, _) = bench
        .till
        .post("/v1/devices/scanner1/test", json!({"interactive": true}));
    assert_eq!(status, 409);
    let (status, device) = bench
        .till
        .ask("DELETE", "/v1/devices/scanner1/test", json!(null));
    assert_eq!((status, &device["test"]["state"]), (200, &json!("done")));
    for (path, body, status) in [
        ("/v1/devices/scanner9/test", json!({}), 404),
        (
            "/v1/devices/scanner1/test",
            json!({"interactive": true, "display": "display9"}),
            404,
        ),
        ("/v1/devices/scanner1/test", json!({"scans": 51}), 400),
        ("/v1/devices/scanner1/test", json!({"what": 1}), 400),
    ] {
        assert_eq!(bench.till.post(path, body).0, status, "{path}");
    }
}

#[test]
fn the_closed_loop_works_on_the_command_line_with_the_daemon_and_without() {
    for runs in [true, false] {
        let mut bench = Loop::new();
        if runs {
            bench.start();
        }
        let verb = ["--json", "selftest", "--interactive", "--scans", "3"];
        let child = bench.till.verb(&verb).spawn().unwrap();
        for _ in 0..3 {
            let code = bench.code();
            bench.scanner.read(&code);
        }
        let output = child.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let speed = checks
            .iter()
            .find(|check| check["id"] == "scanner.speed")
            .unwrap();
        assert!(
            speed["detail"]
                .as_str()
                .unwrap()
                .starts_with("без ошибок 3 из 3"),
            "{speed}"
        );
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_has(
            &notes,
            ["Прочитайте сканером scanner1 код с дисплея display1: 1 из 3"],
        );
    }
}

#[test]
fn a_test_that_is_refused_is_a_finding_and_the_report_is_written() {
    let mut bench = Loop::new();
    bench.start();
    bench.begin(3);
    let path = bench.till.path("bundle.tar");
    let mut command = bench
        .till
        .verb(&["--json", "selftest", "--interactive", "--save"]);
    let report = report_of(command.arg(&path));
    report.finds("a test runs", "device.interactive", "warn", "остановите");
    assert!(path.exists());
}

#[test]
fn a_test_needs_no_body() {
    let mut bench = Loop::new();
    bench.start();
    let (status, device) = bench.till.post("/v1/devices/scanner1/test", json!(null));
    assert_eq!((status, &device["test"]["state"]), (200, &json!("done")));
}
