//! `oplati selftest --trial` against the simulated service.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Process, Sim, Till, assert_has, serial_port};
use crate::terminal_qr::qr_of_terminal;

const PASSWORD: &str = "a-password-that-nobody-may-see";

/// A till in password mode, so that no token is needed.
fn till(url: &str) -> Till {
    Till::new(url, 2, &format!("password = {PASSWORD}"))
}

/// What the service answers to `POST demandPayment`, asked for past the program.
fn session_of(sim: &Sim) -> Value {
    let address = sim.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = r#"{"paymentMode": 3}"#;
    write!(
        stream,
        "POST /ms-pay/pos/demandPayment HTTP/1.1\r\nHost: x\r\nConnection: close\r\nregNum: OPL000011111\r\npassword: {PASSWORD}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn the_trial_shows_what_it_saw_and_pays_nothing() {
    let sim = Sim::start(None);
    let till = till(&sim.url);
    let output = till
        .verb(&["selftest", "--trial", "--yes", "--json"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    let of = |id: &str| -> (String, String) {
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == id);
        let check = check.unwrap_or_else(|| panic!("{id} not in {report:#}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&check["result"]), text(&check["english"]["detail"]))
    };
    let expect = |id: &str, result: &str, detail: &str| {
        assert_eq!(of(id), (result.to_owned(), detail.to_owned()), "{id}");
    };
    expect("trial.access", "pass", "seen: a session was opened");
    let session = session_of(&sim);
    if session["sessionId"].is_i64() {
        expect("trial.session_id", "pass", "seen: integer");
    } else {
        expect("trial.session_id", "warn", "differs: string");
    }
    let qr = session["dynamicQR"].as_str().unwrap();
    let (scheme, payload) = qr.split_once("://").unwrap();
    match scheme {
        "o-plati" => expect("trial.qr", "pass", "seen: o-plati://…"),
        other => expect("trial.qr", "warn", &format!("differs: {other}://…")),
    }
    // Twenty seconds, never closer than two.
    let (result, detail) = of("trial.consumer_status");
    let answers = detail.strip_prefix("seen: ").unwrap();
    let answers: u32 = answers.split(' ').next().unwrap().parse().unwrap();
    assert!(result == "pass" && (1..=10).contains(&answers), "{detail}");
    let (result, detail) = of("trial.unknown_payment");
    assert!(
        result == "pass" && detail.starts_with("seen: HTTP 404; code: string, "),
        "{detail}"
    );
    expect("trial.report", "pass", "seen: 0 rows");
    expect("trial.report_rows", "skipped", "not seen: there are none");
    expect("trial.empty_report", "pass", "seen: an empty array");
    let differs = [of("trial.session_id"), of("trial.qr")];
    let differs = differs.iter().any(|(result, _)| result == "warn");
    assert_eq!(output.status.code(), Some(i32::from(differs)));
    assert_eq!(sim.payments(), Vec::<Value>::new());
    let payload = payload.rsplit_once('/').map_or(payload, |(path, _)| path);
    for secret in [PASSWORD, payload] {
        assert!(!stderr.contains(secret) && !report.to_string().contains(secret));
    }
}

/// The verb on a terminal, where a person has typed this already.
fn on_a_terminal(mut command: Command, typed: &str) -> (Process, File) {
    let (mut terminal, _, slave) = serial_port();
    command
        .stdin(slave.try_clone().unwrap())
        .stderr(slave.try_clone().unwrap())
        .stdout(Stdio::null());
    let child = command.spawn().unwrap();
    terminal.write_all(typed.as_bytes()).unwrap();
    (Process(child), terminal)
}

#[test]
fn nothing_is_asked_of_the_service_before_a_person_says_yes() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let till = till(&format!("http://{}", nobody.local_addr().unwrap()));
    let refused = till
        .verb(&["selftest", "--trial"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("--yes"), "{stderr}");
    for typed in ["нет\n", "\n", "yess\n"] {
        let (mut asked, _terminal) = on_a_terminal(till.verb(&["selftest", "--trial"]), typed);
        assert_eq!(asked.exit_code(), Some(130), "{typed:?}");
    }
    assert!(nobody.accept().is_err(), "the service was asked");
}

#[test]
fn who_says_yes_sees_the_code_and_may_end_it() {
    let sim = Sim::start(None);
    let till = till(&sim.url);
    let (mut trial, terminal) = on_a_terminal(till.verb(&["selftest", "--trial"]), "Да\n");
    let mut code = Vec::new();
    for line in BufReader::new(terminal).lines() {
        let line = line.unwrap();
        if line.contains("\u{1b}[38;5;16;48;5;231m") {
            code.push(line);
        } else if !code.is_empty() && !line.trim().is_empty() {
            break;
        }
    }
    let text = qr_of_terminal(&code);
    let kind = session_of(&sim)["dynamicQR"].as_str().unwrap().to_owned();
    let (scheme, _) = kind.split_once("://").unwrap();
    assert!(
        text.starts_with(&format!("{scheme}://")),
        "a code of the service"
    );
    trial.signal(rustix::process::Signal::INT);
    assert_eq!(trial.exit_code(), Some(130));
    assert_eq!(sim.control("GET", "/sim/ledger", json!(null))["balance"], 0);
}

#[test]
fn a_till_that_is_not_let_in_or_has_no_token_is_shown_what_to_do() {
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 2, "");
    let tried = |till: &Till| {
        let trial = ["selftest", "--trial", "--yes", "--json"];
        let output = till.verb(&trial).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(2), "{report:#}");
        assert_eq!(report["checks"][0]["id"], "trial.access");
        assert_eq!(report["checks"][0]["result"], "fail");
        report["checks"][0].clone()
    };
    let none = tried(&till);
    assert_has(none["remedy"].as_str().unwrap(), ["oplati reconcile"]);
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    assert!(!token.exists(), "the trial asks for no token");
    std::fs::write(&token, "no-such-token\n").unwrap();
    let foreign = tried(&till);
    assert_has(foreign["remedy"].as_str().unwrap(), ["личном кабинете"]);
    assert!(!foreign.to_string().contains("no-such-token"));
}
