//! What people write: oplati.conf and device profiles, with the real program.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use serde_json::Value;

use crate::harness::{Sim, Till, assert_has, wait_until};

const CONF: &str = "linuxcash/cash/paysystems/oplati/oplati.conf";

#[test]
fn secrets_in_an_address_that_is_refused_are_shown_by_nobody() {
    for (url, shown) in [
        ("http://bob:S3cret@h", "http://***@h"),
        ("https://h/?token=S3cret", "https://h/?***"),
    ] {
        let till = Till::new(url, 2, "");
        for verb in [
            &["check"][..],
            &["daemon"],
            &["selftest"],
            &["configure", &format!("Main.url={url}")],
        ] {
            let (code, out, err) = till.run(verb);
            assert_ne!(code, 0, "{verb:?}");
            assert!(
                format!("{out}{err}").contains(shown),
                "{verb:?}: {out}{err}"
            );
            assert!(
                !format!("{out}{err}").contains("S3cret"),
                "{verb:?}: {out}{err}"
            );
        }
    }
}

#[test]
fn a_display_in_the_place_of_the_daemons_own_file_stops_check_and_daemon() {
    let till = Till::new(
        "http://localhost:9",
        2,
        "[Display]\ndevice = png:linuxcash/cash/paysystems/oplati/token.conf\n",
    );
    let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
    std::fs::write(&token, "the-only-token").unwrap();
    for verb in ["check", "daemon"] {
        let (code, _, err) = till.run(&[verb]);
        assert!(
            code == 78
                && err.contains("oplati.conf:11: [Display] device")
                && err.contains("token.conf"),
            "{verb}: {code} {err}"
        );
    }
    assert_eq!(std::fs::read(&token).unwrap(), b"the-only-token");
}

#[test]
fn a_display_never_replaces_what_is_no_file() {
    let mut till = Till::new(
        "http://localhost:9",
        2,
        "[Display]\ndevice = png:run/buyer.png\n",
    );
    let place = till.path("run/buyer.png");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let socket = UnixListener::bind(&place).unwrap();
    let (code, _, err) = till.run(&["check"]);
    assert_eq!(code, 0, "{err}");
    assert_has(&err, ["buyer.png is a folder, link or device"]);
    till.start();
    wait_until("the display's state", || {
        let health = till.health();
        let reasons = health["reasons"].to_string();
        health["status"] == "degraded" && reasons.contains("ничего, кроме файла")
    });
    let devices = till.get("/v1/devices").1.to_string();
    assert_has(&devices, ["buyer.png: a folder, link or device"]);
    let place_is_socket = || {
        std::fs::symlink_metadata(&place)
            .unwrap()
            .file_type()
            .is_socket()
    };
    assert!(place_is_socket());
    till.kill();
    assert!(place_is_socket());
    drop(socket);
}

#[test]
fn a_profile_that_cannot_be_used_is_reported_and_hidden_files_are_none() {
    let mut till = Till::new(
        "http://localhost:9",
        2,
        "[Scanner]\ndevice = none\n[Display]\ndevice = none\n",
    );
    let folder = till.path("etc/oplati/devices.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".a.toml"), "half a prof").unwrap();
    std::os::unix::fs::symlink("me@till.4711", folder.join(".#a.toml")).unwrap();
    assert_eq!(till.run(&["check"]).0, 0);
    let reasons = |till: &Till| {
        let health = till.health();
        (health["status"].clone(), health["reasons"].to_string())
    };
    till.start();
    let (status, shown) = reasons(&till);
    assert!(
        status == "ok" && !shown.contains("toml"),
        "{status} {shown}"
    );
    till.kill();
    std::fs::write(folder.join("pole.toml"), "half a prof").unwrap();
    till.start();
    let (status, shown) = reasons(&till);
    assert!(
        status == "degraded" && shown.contains("pole.toml") && shown.contains("oplati check"),
        "{status} {shown}"
    );
}

#[test]
fn eight_at_once_change_eight_settings_and_a_password_closes_the_file() {
    let till = Till::new("http://localhost:9", 2, "");
    let conf = till.path(CONF);
    std::fs::set_permissions(&conf, std::fs::Permissions::from_mode(0o644)).unwrap();
    let changes = [
        "Main.mode=1",
        "Main.timeout=21",
        "Main.settle=22",
        "Main.journalDays=23",
        "Main.pollPayment=24",
        "Main.valutcode=25",
        "Display.device=none",
        "Scanner.device=none",
    ];
    let running = changes.map(|change| till.verb(&["configure", change]).spawn().unwrap());
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let text = std::fs::read_to_string(&conf).unwrap();
    for change in changes {
        let (_, line) = change.split_once('.').unwrap();
        assert!(text.contains(&line.replace('=', " = ")), "{change}: {text}");
    }
    let mode = || std::fs::metadata(&conf).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o644);
    let (code, out, err) = till.run(&["configure", "Main.password=hunter2"]);
    assert_eq!((code, mode()), (0, 0o640), "{err}");
    assert!(out.contains("другим пользователям"), "{out}");
    assert!(!format!("{out}{err}").contains("hunter2"));
}

#[test]
fn a_bundle_is_saved_and_the_exit_code_kept_though_nobody_reads_the_checks() {
    let till = Till::new("http://localhost:9", 2, "");
    let bundle = till.path("bundle.tar");
    let expected = till.run(&["selftest"]).0;
    assert_ne!(expected, 0);
    for format in [&["selftest"][..], &["--json", "selftest"]] {
        let save = ["--save", bundle.to_str().unwrap()];
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let verb = [format, &save].concat();
        let status = till.verb(&verb).stdout(writer).status().unwrap();
        assert_eq!(status.code(), Some(expected));
        std::fs::remove_file(&bundle).unwrap();
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let verb = ["selftest", "--save", "/dev/full"];
    let output = till.verb(&verb).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/full"));
}

#[test]
fn a_refund_of_what_is_undone_names_what_has_undone_it() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let till = Till::started(&sim.url, 2, "");
    let sold = |id: &str| {
        till.begin(id, 1000);
        assert_eq!(till.until_final(id)["state"], "done");
    };
    sold("s-1");
    assert_eq!(till.run(&["cancel", "s-1", "--id", "c-1"]).0, 0);
    sold("s-2");
    assert_eq!(till.run(&["refund", "s-2", "4", "--id", "r-1"]).0, 0);
    assert_eq!(till.run(&["refund", "s-2", "--id", "r-2"]).0, 0);
    for (sale, by) in [("s-1", "c-1"), ("s-2", "r-2")] {
        let refunded = till.run(&["refund", sale]);
        assert_eq!(refunded, till.run(&["cancel", sale]), "{sale}");
        let (code, _, err) = refunded;
        let expected = format!("Операция {sale} уже отменена или возвращена: {by}");
        assert!(code == 1 && err.contains(&expected), "{code} {err}");
    }
}

#[test]
fn a_card_has_no_amount() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    let mut card = till.verb(&["card", "--id", "k-1"]);
    let card = card.spawn().unwrap();
    till.until("k-1", &["awaiting_buyer"]);
    let pid = rustix::process::Pid::from_child(&card);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = card.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.trim(), "Получение карты отменено (k-1)");
    let (_, out, _) = till.run(&["operations"]);
    assert!(out.contains("k-1") && !out.contains("0.00"), "{out}");
    let operation: Value = till.operation("k-1");
    assert_eq!(operation["kind"], "card");
}

#[test]
fn a_socket_that_was_changed_beside_a_running_daemon_is_reported_with_its_process() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    let conf = till.path(CONF);
    let settings = std::fs::read_to_string(&conf).unwrap();
    let elsewhere = format!("{settings}\n[Till]\nsocket = run/oplati/other.sock\n");
    std::fs::write(&conf, elsewhere).unwrap();
    let pid = till.daemon().0.id().to_string();
    let (code, _, err) = till.run(&["operations"]);
    assert_eq!(code, 69, "{err}");
    assert_has(&err, [pid.as_str(), "systemctl restart oplati"]);
    assert!(!err.contains("systemctl start"), "{err}");
    let (_, out, _) = till.run(&["selftest", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let socket = checks.iter().find(|check| check["id"] == "api.socket");
    let shown = socket.unwrap().to_string();
    assert_has(&shown, [pid.as_str(), "fail", "systemctl restart oplati"]);
    // Without it, it does not run.
    till.kill();
    let (code, _, err) = till.run(&["operations"]);
    assert!(
        code == 69 && err.contains("systemctl start oplati"),
        "{err}"
    );
}

#[test]
fn an_empty_variable_names_no_root() {
    let till = Till::new("http://localhost:9", 2, "");
    let check = |arguments: &[&str]| {
        let mut command = crate::harness::oplati();
        let output = command.env("OPLATI_ROOT", "").args(arguments).output();
        output.unwrap().status.code().unwrap()
    };
    let root = till.path("");
    assert_eq!(check(&["--root", root.to_str().unwrap(), "check"]), 0);
    assert_eq!(check(&["--version"]), 0);
    assert_ne!(check(&["check"]), 64, "the root of all");
    assert_eq!(check(&["--root", "", "check"]), 64);
}
