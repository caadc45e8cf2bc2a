//! Lost answers, dead lines and resets on real sockets.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Process, Sim, Till, assert_holds, wait_for, wait_until};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";
const UNAVAILABLE: &str = "Возможность проведения операций с использованием платежной системы \"O!плати\" временно недоступна";

/// A sale that fails with this code and this message.
fn fails(till: &Till, id: &str, code: &str, message: &str) -> Value {
    till.begin(id, 100);
    let operation = till.until_final(id);
    assert_eq!(operation["error"]["code"], code);
    assert_eq!(operation["message"], message);
    operation
}

#[test]
fn a_lost_answer_is_found_in_the_report() {
    for fault in [
        "lose_answer",
        "cut",
        "half_body",
        "garbage",
        "error_with_effect",
    ] {
        let sim = Sim::start(Some(PAYS));
        let till = Till::started(&sim.url, 2, "");
        sim.fault(json!({"on": "payments", "do": fault}));
        till.begin("s-1", 100);
        let operation = till.until_final("s-1");
        assert_eq!(operation["state"], "done", "{fault}: {operation}");
        assert_eq!((sim.payments().len(), sim.balance()), (1, 100), "{fault}");
    }
}

#[test]
fn a_lost_request_is_released_and_its_undoing_finds_nothing() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    sim.fault(json!({"on": "payments", "do": "lose_request"}));
    till.begin("s-1", 100);
    let operation = till.until_final("s-1");
    assert_holds(
        &operation,
        json!({"state": "failed", "error": {"code": "no_connection"}}),
    );
    assert_eq!(operation["message"], "Ошибка обращения к серверу");
    till.until_queue_is_empty();
    assert_eq!(till.operation("s-1")["undo"], "done");
    assert_eq!(till.operation("~1")["state"], "done");
    assert!(sim.payments().is_empty());
    till.begin("s-2", 200);
    assert_eq!(till.until_final("s-2")["state"], "done");
}

#[test]
fn a_dead_line_refuses_sales_and_the_queue_empties_when_it_lives_again() {
    // A service that holds its answer would give it over the connection that it has.
    let sim = Sim::start_with(None, &["--answer", "pending"]);
    let till = Till::started(&sim.url, 2, "");
    till.begin_joined(&sim, "s-1", 100);
    sim.fault(json!({"on": "any", "do": "lose_request", "times": 0}));
    let operation = till.until_final("s-1");
    assert_holds(&operation, json!({"state": "failed", "undo": "pending"}));
    let (status, problem) = till.begin("s-2", 100);
    assert_eq!(
        (status, problem["detail"].as_str()),
        (503, Some(UNAVAILABLE))
    );
    let health = till.health();
    assert_holds(&health, json!({"status": "blocked", "queue_depth": 1}));
    sim.confirm();
    sim.clear_faults();
    till.until_queue_is_empty();
    assert_eq!(till.operation("s-1")["undo"], "done");
    assert_eq!(sim.balance(), 0, "what was paid unseen went back");
    assert_eq!(till.begin("s-3", 100).0, 201);
}

#[test]
fn a_reset_token_is_reported_in_the_seeds_words_and_its_file_is_the_cure() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
    sim.control("POST", "/sim/token/reset", json!({}));
    fails(
        &till,
        "s-2",
        "token_needed",
        "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица",
    );
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    till.kill();
    std::fs::remove_file(&token).unwrap();
    till.start();
    till.begin("s-3", 100);
    assert_eq!(till.until_final("s-3")["state"], "done");
    // Out of step: the file is gone, the service still knows the token.
    till.kill();
    std::fs::remove_file(&token).unwrap();
    till.start();
    let operation = fails(
        &till,
        "s-4",
        "token_exists",
        "Токен уже существует или касса работает в режиме пароля",
    );
    // The remedy: reset in the account, and go on without a restart.
    let remedy = operation["error"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("Сбросьте токен"), "{remedy}");
    assert!(!token.exists());
    sim.control("POST", "/sim/token/reset", json!({}));
    till.begin("s-5", 100);
    assert_eq!(till.until_final("s-5")["state"], "done");
    assert!(token.exists());
}

#[test]
fn proxies_of_the_environment_are_not_obeyed() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::new(&sim.url, 2, "");
    let mut daemon = till.verb(&["daemon"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        daemon.env(name, "http://127.0.0.1:1");
    }
    daemon.stdout(Stdio::null()).stderr(Stdio::null());
    let child = daemon.spawn().unwrap();
    till.adopt(child);
    till.begin("s-1", 100);
    assert_eq!(till.until_final("s-1")["state"], "done");
}

#[test]
fn a_damaged_token_file_is_reported_with_its_remedy_and_asks_for_no_other() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::new(&sim.url, 2, "");
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    for (number, damage) in ["", " \n", "two words", "two\nlines"].iter().enumerate() {
        std::fs::write(&token, damage).unwrap();
        till.start();
        let id = format!("s-{number}");
        till.begin(&id, 100);
        let operation = till.until_final(&id);
        assert_eq!(operation["error"]["code"], "token_needed", "{damage:?}");
        assert_eq!(
            operation["message"],
            "Файл token.conf повреждён: токен в нём не прочитать"
        );
        let remedy = operation["error"]["remedy"].as_str().unwrap();
        assert!(remedy.contains("Не удаляйте token.conf"), "{remedy}");
        let health = till.health();
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["reasons"][0], operation["message"], "{health}");
        till.kill();
        assert_eq!(std::fs::read_to_string(&token).unwrap(), *damage);
    }
    let state = sim.state();
    assert_eq!(state["tokens"], 0, "{state}");
    std::fs::remove_file(&token).unwrap();
    till.start();
    till.begin("s-9", 100);
    assert_eq!(till.until_final("s-9")["state"], "done");
}

#[test]
fn health_knows_of_a_damaged_token_file_before_a_buyer_does() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::new(&sim.url, 2, "");
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    std::fs::write(&token, "").unwrap();
    till.start();
    let reasons = |till: &Till| {
        let mut health = till.health();
        (health["reasons"].take(), health["reason_codes"].take())
    };
    let damaged = (
        json!(["Файл token.conf повреждён: токен в нём не прочитать"]),
        json!(["token_damaged"]),
    );
    wait_until("health to know of the file", || reasons(&till) == damaged);
    std::fs::write(&token, "abc\n").unwrap();
    wait_until("health to know that it was mended", || {
        reasons(&till) == (json!([]), json!([]))
    });
}

#[test]
fn no_secret_is_in_the_log_or_in_an_event() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    let qr = till.until("s-1", &["awaiting_buyer"])["shows"]["qr"]
        .as_str()
        .unwrap()
        .to_owned();
    till.until_final("s-1");
    let events = events_until(&till, "\"state\":\"done\"");
    assert!(
        events.contains("awaiting_buyer") && !events.contains(&qr),
        "a QR is in the events"
    );
    let read = |path: &str| {
        std::fs::read_to_string(till.path(path))
            .unwrap()
            .trim()
            .to_owned()
    };
    let log = till.log() + &read("stderr");
    assert!(log.contains("POST") && log.contains("/ms-pay/pos/payments") && log.contains("s-1"));
    for secret in [
        qr,
        read("linuxcash/cash/paysystems/oplati/token.conf"),
        read("run/oplati/till.token"),
    ] {
        assert!(!log.contains(&secret), "a secret is in the log");
    }
    for (path, mode) in [
        ("linuxcash/cash/paysystems/oplati/token.conf", 0o600),
        ("run/oplati/till.token", 0o640),
        ("linuxcash/cash/paysystems/oplati/journal.sqlite3", 0o600),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(till.path(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            mode,
            "{path}"
        );
    }
}

#[test]
fn the_log_survives_rotation() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    let log = till.path("linuxcash/logs/current/terminal.log");
    std::fs::rename(&log, till.path("old.log")).unwrap();
    till.begin("s-1", 100);
    till.until_final("s-1");
    wait_until("the new log", || {
        till.log().contains("/ms-pay/pos/payments")
    });
    assert!(
        !std::fs::read_to_string(till.path("old.log"))
            .unwrap()
            .contains("s-1")
    );
}

/// All kept events, up to one with that text.
fn events_until(till: &Till, text: &str) -> String {
    let mut stream = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 1\r\n\r\n")
        .unwrap();
    let (mut seen, mut chunk) = (String::new(), [0; 4096]);
    while !seen.contains(text) {
        let count = stream.read(&mut chunk).unwrap();
        seen.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
    seen
}

#[test]
fn a_token_that_has_no_place_on_the_disk_is_not_asked_for_and_the_disk_is_named() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    let place = till.path("linuxcash/cash/paysystems/oplati/token.conf.new");
    // A folder in the place of the file: nobody can write there, root included.
    std::fs::create_dir(&place).unwrap();
    let operation = fails(
        &till,
        "s-1",
        "token_needed",
        "Файл token.conf недоступен: токен не прочитать и не сохранить",
    );
    let remedy = operation["error"]["remedy"].as_str().unwrap();
    assert!(remedy.contains("место на диске"), "{remedy}");
    let health = till.health();
    assert_eq!(health["reasons"][0], operation["message"], "{health}");
    assert_eq!(sim.state()["tokens"], 0);
    std::fs::remove_dir(&place).unwrap();
    till.begin("s-2", 100);
    assert_eq!(till.until_final("s-2")["state"], "done");
}

/// A service whose clock stands still.
pub fn service_of(date: &'static str) -> String {
    use std::io::{BufRead as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = std::io::BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn a_clock_off_the_services_needs_a_person() {
    let url = service_of("Wed, 01 Jan 2020 00:00:00 GMT");
    let till = Till::started(&url, 2, "password = secret\n");
    let health = || till.health();
    assert_eq!(health()["status"], "ok");
    // To a sale it answers otherwise than the service does, and its clock is none then; an empty report is an answer.
    till.begin("s-1", 100);
    till.until_final("s-1");
    assert!(
        !health()["reasons"].to_string().contains("Часы"),
        "{}",
        health()
    );
    let (status, reconciliation) = till.post("/v1/reconciliations", json!({"shift": "24112026"}));
    assert_eq!(status, 200, "{reconciliation}");
    wait_until("the clock in health", || {
        let health = health();
        let reasons = health["reasons"].to_string();
        health["status"] == "degraded"
            && reasons.contains("Часы кассы расходятся")
            && reasons.contains("спешат на")
    });
}

#[test]
fn a_code_is_in_no_file_of_the_journal_once_its_sale_is_over() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1999);
    let code = till.until("s-1", &["awaiting_buyer"])["shows"]["qr"].clone();
    let code = code.as_str().unwrap().as_bytes().to_vec();
    let holds = || {
        ["journal.sqlite3", "journal.sqlite3-wal"]
            .iter()
            .any(|name| {
                let path = till.path("linuxcash/cash/paysystems/oplati").join(name);
                let bytes = std::fs::read(path).unwrap_or_default();
                bytes.windows(code.len()).any(|part| part == code)
            })
    };
    assert!(holds(), "it is journalled while the sale waits");
    till.abort("s-1");
    assert_eq!(till.until_final("s-1")["state"], "cancelled");
    wait_until("the code to go", || !holds());
}

#[test]
fn after_a_crash_no_display_keeps_the_code_of_before() {
    let sim = Sim::start(None);
    let more = "[Display]\ndevice = png:buyer.png@480x320\n";
    let mut till = Till::started(&sim.url, 2, more);
    let picture = till.path("buyer.png");
    till.begin("s-1", 1999);
    let shown = till.until("s-1", &["awaiting_buyer"])["shows"]["qr"].clone();
    let shown = shown.as_str().unwrap();
    wait_until("the code", || {
        crate::sales::qr_on(&picture).as_deref() == Some(shown)
    });
    till.kill();
    // Without its service the sale cannot go on, and the display must not look as if it did.
    drop(sim);
    till.start();
    wait_until("the code to go", || crate::sales::qr_on(&picture).is_none());
}

/// A server whose own certificate is that of an authority, made with openssl; `None` where that is missing.
fn authority_as_server(folder: &std::path::Path) -> Option<(Process, u16)> {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    drop(holder);
    let openssl = |arguments: &str| {
        let mut command = std::process::Command::new("openssl");
        command.current_dir(folder).args(arguments.split(' '));
        command.stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::null());
        command
    };
    let mut made = openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out own.pem -days 10 -subj /CN=localhost -addext subjectAltName=DNS:localhost",
    );
    made.status().ok().filter(|made| made.success())?;
    let served =
        format!("s_server -accept 127.0.0.1:{port} -cert own.pem -key key.pem -www -quiet");
    let server = Process(openssl(&served).spawn().ok()?);
    wait_for("the server", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Some((server, port))
}

#[test]
fn a_certificate_that_is_not_taken_is_reported_by_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_server, port)) = authority_as_server(folder.path()) else {
        return;
    };
    let mut till = Till::new(&format!("https://localhost:{port}"), 2, "password = x\n");
    let trusted = folder.path().join("own.pem");
    let daemon = till
        .verb(&["daemon"])
        .env("SSL_CERT_FILE", &trusted)
        .spawn();
    till.adopt(daemon.unwrap());
    till.begin("s-1", 100);
    let remedy = till.until_final("s-1")["error"]["remedy"].to_string();
    assert!(remedy.contains("Сертификат сервера не принят"), "{remedy}");
    let mut selftest = till.verb(&["selftest", "--json"]);
    let output = selftest.env("SSL_CERT_FILE", &trusted).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("CA:TRUE"), "{output}");
}
