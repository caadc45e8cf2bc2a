//! The verbs, as a technician types them.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Process, Sim, Till, assert_has, oplati, refused, wait_for};

const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";

#[test]
fn sale_prints_its_outcome_and_operations_and_queue_list() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    let (code, out, err) = till.run(&["sale", "12,34", "--id", "cli-1"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("Оплата выполнена: 12.34, № "), "{out}");
    assert!(err.contains("Отсканируйте QR-код для оплаты"), "{err}");
    let (_, out, _) = till.run(&["operations"]);
    assert_has(&out, ["cli-1", "12.34", "done"]);
    let (_, out, _) = till.run(&["--json", "operations", "--state", "done"]);
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap()["operations"][0]["id"],
        "cli-1"
    );
    assert_eq!(till.run(&["queue"]).1.trim(), "Очередь пуста");
    let (code, _, err) = till.run(&["sale", "0"]);
    assert!(code == 64 && err.contains("12.34"), "{err}");
    // The head of such a request is refused without a word of the daemon's own.
    let (code, _, err) = till.run(&["operations", "--shift", &"9".repeat(20_000)]);
    assert!(code == 1 && err.contains("кодом HTTP 431"), "{err}");
}

#[test]
fn ctrl_c_aborts_a_sale_cleanly() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    let mut sale = Process(till.verb(&["sale", "5", "--id", "cli-1"]).spawn().unwrap());
    till.until("cli-1", &["awaiting_buyer"]);
    sale.signal(Signal::INT);
    assert_eq!(sale.exit_code(), Some(130));
    assert_eq!(till.operation("cli-1")["state"], "cancelled");
    let mut out = String::new();
    sale.0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert!(out.starts_with("Оплата отменена"), "{out}");
}

#[test]
fn being_killed_aborts_a_sale_too() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    let signals = [Signal::TERM, Signal::HUP, Signal::QUIT];
    for (id, signal) in ["cli-1", "cli-2", "cli-3"].into_iter().zip(signals) {
        let mut sale = Process(till.verb(&["sale", "5", "--id", id]).spawn().unwrap());
        till.until(id, &["awaiting_buyer"]);
        sale.signal(signal);
        assert_eq!(sale.exit_code(), Some(130));
        assert_eq!(till.operation(id)["state"], "cancelled");
    }
}

#[test]
fn a_declined_sale_is_never_a_success_even_if_nobody_reads_it() {
    for (outcome, code) in [("declined", 1), ("done", 0)] {
        let sim = Sim::start(Some(&format!("join=10ms,confirm=10ms,outcome={outcome}")));
        let till = Till::started(&sim.url, 2, "");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut sale = Process(till.verb(&["sale", "5"]).stdout(writer).spawn().unwrap());
        assert_eq!(sale.exit_code(), Some(code), "{outcome}");
    }
}

#[test]
fn a_bad_identifier_is_named_and_sends_nothing() {
    let till = Till::started("http://localhost:9", 2, "");
    let (code, _, err) = till.run(&["sale", "5", "--id", "a/b?x"]);
    assert!(code == 64 && err.contains("A-Z a-z 0-9"), "{err}");
}

/// A watch of a sale that a scan pays and that is confirmed after a while: what it printed up to its end.
fn watched_sale(locale: &str, taken: &str, ended: &str) -> String {
    // Only a service that answers before its buyer has decided is asked for the end.
    let sim = Sim::start_with(
        Some("join=10ms,confirm=6s,outcome=done"),
        &["--answer", "pending"],
    );
    let till = Till::started(&sim.url, 0, "");
    let mut watch = till.verb(&["watch"]);
    let mut watch = Process(watch.env("LC_ALL", locale).spawn().unwrap());
    let mut remarks = BufReader::new(watch.0.stderr.take().unwrap());
    remarks.read_line(&mut String::new()).unwrap();
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_scan"]);
    let scan = ["scan", "https://getapp.o-plati.by/c/AB12CD34"];
    let out = till
        .verb(&scan)
        .env("LC_ALL", locale)
        .output()
        .unwrap()
        .stdout;
    assert_eq!(String::from_utf8(out).unwrap().trim(), taken);
    till.until_final("s-1");
    let mut seen = String::new();
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap());
    while !seen.contains(ended) {
        assert_ne!(lines.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    watch.signal(Signal::INT);
    assert_eq!(watch.exit_code(), Some(0));
    seen
}

#[test]
fn watch_shows_a_sale_in_plain_words_and_counts_its_polls() {
    for (locale, taken, ended, expected) in [
        (
            "ru_RU.UTF-8",
            "Код принят операцией s-1",
            "выполнена за ",
            [
                "операция    продажа s-1  1.00  ждёт кода со сканера",
                "скан        api  ",
                "запрос      s-1  списать деньги: ответ получен, ",
                "ждёт подтверждения",
                "экран       «подтвердите оплату»",
                "подтверждена ли оплата: ответ получен, ",
                "            … ещё ",
            ],
        ),
        (
            "en_US.UTF-8",
            "The code was taken by s-1",
            "done after ",
            [
                "operation   sale s-1  1.00  waits for the scanner",
                "scan        api  ",
                "request     s-1  take the money: answered, ",
                "waits for the confirmation",
                "screen      \"please confirm\"",
                "is the payment confirmed: answered, ",
                "            … ",
            ],
        ),
    ] {
        let seen = watched_sale(locale, taken, ended);
        for part in expected {
            assert!(seen.contains(part), "{part}\n{seen}");
        }
        assert!(!seen.contains("AB12CD34"), "{seen}");
        let polls = seen.lines().filter(|line| line.contains(expected[5]));
        assert!(polls.count() <= 3, "{seen}");
        let time = |line: &str| {
            let time = line.get(..12).unwrap_or_default();
            time.parse::<jiff::civil::Time>().is_ok() && line.get(12..14) == Some("  ")
        };
        assert!(seen.lines().all(time), "{seen}");
    }
}

#[test]
fn watch_shows_that_the_daemon_went_and_came_back() {
    let mut till = Till::started("http://localhost:9", 2, "");
    let mut watch = Process(till.verb(&["watch"]).spawn().unwrap());
    let mut remarks = BufReader::new(watch.0.stderr.take().unwrap());
    let mut shown = String::new();
    remarks.read_line(&mut shown).unwrap();
    till.kill();
    remarks.read_line(&mut shown).unwrap();
    assert!(shown.contains("Связь со службой потеряна"), "{shown}");
    till.start();
    remarks.read_line(&mut shown).unwrap();
    assert!(shown.contains("служба перезапущена"), "{shown}");
    watch.signal(Signal::INT);
    assert_eq!(watch.exit_code(), Some(0));
}

#[test]
fn check_shows_values_origins_and_faults() {
    let till = Till::new("http://localhost", 1, "[Main]\nmod = 1\n");
    let (code, out, err) = till.run(&["check"]);
    assert_eq!(code, 0);
    assert_has(&out, ["oplati.conf:4", "OPL000011111"]);
    assert_has(&err, ["oplati.conf:11", "the nearest is mode"]);
    let till = Till::new("http://localhost", 7, "");
    let (code, _, err) = till.run(&["check"]);
    assert_eq!(code, 78);
    assert_has(&err, ["oplati.conf:4: [Main] mode = 7: allowed: 0, 1, 2"]);
    let (code, _, err) = till.run(&["daemon"]);
    assert!(code == 78 && err.contains("oplati.conf:4"), "{err}");
    let conf = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
    std::fs::remove_file(&conf).unwrap();
    std::os::unix::fs::symlink("elsewhere.conf", &conf).unwrap();
    for verb in ["check", "daemon"] {
        let (code, _, err) = till.run(&[verb]);
        assert!(
            code == 78 && err.contains("a link that leads nowhere"),
            "{verb}: {code} {err}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    let output = oplati()
        .arg("--root")
        .arg(empty.path())
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("действуют значения по умолчанию"));
}

#[test]
fn a_logo_that_cannot_be_shown_is_noted_and_stops_nobody() {
    let mut till = Till::new("http://localhost:9", 2, "[Display]\nlogo = logo.png\n");
    std::fs::write(till.path("logo.png"), "no picture").unwrap();
    let (code, _, err) = till.run(&["check"]);
    assert!(code == 0 && err.contains("logo.png is no PNG"), "{err}");
    till.start();
    let health = till.health();
    assert_has(&health["reasons"].to_string(), ["Логотип не показан"]);
}

#[test]
fn without_a_daemon_the_verbs_report_it() {
    let till = Till::new("http://localhost", 2, "");
    let (code, _, err) = till.run(&["operations"]);
    assert_eq!(code, 69, "{err}");
    assert_has(&err, ["systemctl start oplati"]);
}

#[test]
fn a_sockets_path_that_is_too_long_is_named_with_its_bound() {
    let long = format!("/tmp/{}/till.sock", "x".repeat(100));
    let till = Till::new("http://localhost", 2, &format!("[Till]\nsocket = {long}\n"));
    for verb in [&["operations"][..], &["daemon"]] {
        let (_, _, err) = till.run(verb);
        let is_reported = err.contains(&long)
            && err.contains("at most 107 bytes: name a shorter one as socket in [Till]");
        assert!(is_reported && !err.contains("SUN_LEN"), "{verb:?}: {err}");
    }
}

/// A zone file of UTC alone, as `zic` makes it (RFC 9636, version 1).
const UTC_ZONE: &[u8] = b"TZif\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x04\0\0\0\0\0\0UTC\0";

#[test]
fn a_machine_without_time_zones_is_reported_and_sells() {
    let zones = tempfile::tempdir().unwrap();
    std::fs::write(zones.path().join("UTC"), UTC_ZONE).unwrap();
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::new(&sim.url, 2, "");
    let check = |locale: &str| {
        let mut verb = till.verb(&["check"]);
        verb.env("TZDIR", zones.path()).env("LC_ALL", locale);
        let output = verb.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), stderr)
    };
    let (code, stderr) = check("ru_RU.UTF-8");
    assert_eq!(code, Some(0), "{stderr}");
    assert_has(
        &stderr,
        ["нет данных о часовых поясах", "apt-get install tzdata"],
    );
    assert!(check("C").1.contains("no time zone data"));
    let mut daemon = till.verb(&["daemon"]);
    let daemon = daemon.env("TZDIR", zones.path()).stderr(Stdio::null());
    till.adopt(daemon.spawn().unwrap());
    // Shifts are days of Minsk, whatever the machine knows; one may end while the sale goes on.
    let day_of_minsk = || {
        let now = jiff::tz::Offset::constant(3).to_datetime(oplati::base::clock::wall());
        now.strftime("%d%m%Y").to_string()
    };
    let before = day_of_minsk();
    assert_eq!(till.run(&["sale", "1"]).0, 0);
    let (_, out, _) = till.run(&["--json", "operations"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    let shift = listed["operations"][0]["shift"].as_str().unwrap();
    assert!(
        [before, day_of_minsk()].contains(&shift.to_owned()),
        "{shift}"
    );
}

#[test]
fn a_second_daemon_names_the_first_and_leaves_it_alone() {
    let till = Till::started("http://localhost:9", 2, "");
    let (code, _, err) = till.run(&["daemon"]);
    assert_eq!(code, 75, "{err}");
    assert_has(&err, ["is taken by oplati (pid "]);
    assert_eq!(till.get("/v1/health").0, 200);
}

#[test]
fn without_a_registration_number_the_daemon_runs_and_refuses() {
    let mut till = Till::new("http://localhost", 2, "");
    std::fs::write(
        till.path("linuxcash/cash/paysystems/oplati/oplati.conf"),
        "[Main]\nmode = 2\n",
    )
    .unwrap();
    till.start();
    assert_eq!(till.health()["status"], "blocked");
    let problem = refused(till.begin("s-1", 100), 503, "not_configured");
    assert!(problem["remedy"].as_str().unwrap().contains("regNum"));
}

#[test]
fn sigterm_ends_with_0_and_shows_idle() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "[Display]\ndevice = png:buyer.png@320x240\n");
    let idle = wait_for("the idle picture", || {
        std::fs::read(till.path("buyer.png")).ok()
    });
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    wait_for("another picture", || {
        (std::fs::read(till.path("buyer.png")).ok()? != idle).then_some(())
    });
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    assert_eq!(std::fs::read(till.path("buyer.png")).unwrap(), idle);
    assert!(!till.path("run/oplati/till.sock").exists());
}

#[test]
fn display_draws_and_saves() {
    let till = Till::new("http://localhost", 2, "");
    let file = till.path("x.png");
    let file = file.to_str().unwrap();
    assert_eq!(
        till.run(&[
            "display",
            "https://example.by/1",
            "--save",
            file,
            "--size",
            "480x320"
        ])
        .0,
        0
    );
    let picture = image::open(file).unwrap();
    assert_eq!((picture.width(), picture.height()), (480, 320));
    let (code, _, err) = till.run(&["display", &"x".repeat(3000), "--save", file]);
    assert!(code == 65 && err.contains("no QR code holds"), "{err}");
}

#[test]
fn the_demo_plays_each_mode_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = oplati()
        .args(["demo", "--once"])
        .env("TMPDIR", temporary.path())
        // A bare machine has no certificates, and the demo needs none.
        .env("SSL_CERT_FILE", temporary.path().join("none"))
        .env("SSL_CERT_DIR", temporary.path().join("none"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_has(&text, ["оплат 4", "QR-код обновлён", "Всё как надо"]);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_second_simulator_names_the_first() {
    let sim = Sim::start(None);
    let address = sim.url.strip_prefix("http://").unwrap();
    let output = oplati()
        .args(["sim", "--listen", address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains(&format!("{address} is taken by oplati (pid ")),
        "{stderr}"
    );
}

#[test]
fn the_demos_page_shows_where_it_is_and_ctrl_c_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = oplati();
    command
        .args(["demo", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped());
    let mut demo = Process(command.spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("http://127.0.0.1:") {
        assert_ne!(lines.read_line(&mut text).unwrap(), 0, "{text}");
    }
    demo.signal(Signal::INT);
    assert_eq!(demo.exit_code(), Some(0));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_demo_whose_folder_is_removed_ends_and_reports_why() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = oplati();
    command
        .args(["demo", "--listen", "127.0.0.1:0"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut demo = Process(command.spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    let folders: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(!folders.is_empty());
    for folder in folders {
        let folder = folder.unwrap().path();
        // The demo still writes into it: what it made meanwhile is removed in another round.
        while let Err(error) = std::fs::remove_dir_all(&folder) {
            if error.kind() == ErrorKind::NotFound {
                break;
            }
            assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
        }
    }
    assert_eq!(demo.exit_code(), Some(74));
    let mut errors = String::new();
    let mut stderr = demo.0.stderr.take().unwrap();
    stderr.read_to_string(&mut errors).unwrap();
    assert!(
        errors.contains("was removed by another program"),
        "{errors}"
    );
}

#[test]
fn a_lost_answer_to_the_put_is_asked_for_again() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    // A second root whose socket is ours: the first call reaches the daemon, its answer does not come back.
    let front = Till::new(&sim.url, 2, "");
    std::fs::create_dir_all(front.path("run/oplati")).unwrap();
    let socket = front.path("run/oplati/till.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let behind = till.path("run/oplati/till.sock");
    let proxy = std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"}") {
            let mut piece = [0; 4096];
            let length = first.read(&mut piece).unwrap();
            received.extend_from_slice(&piece[..length]);
        }
        let mut daemon = std::os::unix::net::UnixStream::connect(&behind).unwrap();
        daemon.write_all(&received).unwrap();
        let answered = daemon.read(&mut [0; 512]).unwrap();
        assert!(answered > 0, "the daemon never answered");
        drop(first);
        std::fs::remove_file(&socket).unwrap();
        std::os::unix::fs::symlink(&behind, &socket).unwrap();
    });
    let (code, out, err) = front.run(&["sale", "7", "--id", "cli-1"]);
    proxy.join().unwrap();
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("Оплата выполнена: 7.00, № "), "{out}");
    assert_eq!((sim.payments().len(), sim.balance()), (1, 700));
}

#[test]
fn the_unit_waits_for_its_disk_and_makes_its_folder() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/debian/artix-oplati.oplati.service"
    );
    let unit = std::fs::read_to_string(path).unwrap();
    for line in [
        "RequiresMountsFor=/linuxcash/cash/paysystems/oplati /linuxcash/logs/current",
        "RuntimeDirectory=oplati",
        "RuntimeDirectoryMode=2755",
        "RuntimeDirectoryPreserve=yes",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
}
