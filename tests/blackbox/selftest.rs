//! `oplati selftest`: every fault that can be made without the rig, and what is found; and codes that are read
//! back through the running daemon and without it.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "the table of faults and findings is printed, and what is not found shown whole"
)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Process, Sim, Till, serial_port, wait_for};
use crate::sales::{Scanner, qr_on};

const PAYS: &str = "join=50ms,confirm=50ms,outcome=done";
const CONF: &str = "linuxcash/cash/paysystems/oplati/oplati.conf";
const TOKEN: &str = "linuxcash/cash/paysystems/oplati/token.conf";
const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";

struct Report {
    exit: i32,
    told: Value,
}

fn report_of(command: &mut Command) -> Report {
    let output = command.output().unwrap();
    let told = serde_json::from_slice(&output.stdout);
    let told = told.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Report {
        exit: output.status.code().unwrap(),
        told,
    }
}

fn selftest(till: &Till) -> Report {
    report_of(&mut till.verb(&["selftest", "--json"]))
}

impl Report {
    fn checks(&self) -> &[Value] {
        self.told["checks"].as_array().unwrap()
    }

    /// The check that a fault must be found by, with the remedy that it must name; a row of the table.
    fn finds(&self, fault: &str, id: &str, result: &str, remedy: &str) {
        let found = self.checks().iter().find(|check| {
            let named = check["remedy"].as_str().unwrap_or_default();
            check["id"] == id && check["result"] == result && named.contains(remedy)
        });
        let found = found
            .unwrap_or_else(|| panic!("{fault}: {id} {remedy:?} not in {:#}", self.told["checks"]));
        let exit = match result {
            "fail" => 2,
            // Not looked at is no fault.
            "skipped" => self.exit,
            _ => self.exit.max(1),
        };
        assert_eq!(self.exit, exit, "{fault}");
        println!(
            "| {fault} | {id} {result} | {} | {} |",
            found["detail"].as_str().unwrap(),
            found["remedy"].as_str().unwrap()
        );
    }

    fn of<'a>(&'a self, id: &str) -> &'a Value {
        let found = self.checks().iter().find(|check| check["id"] == id);
        found.unwrap_or_else(|| panic!("{id} not in {:#}", self.told["checks"]))
    }
}

/// Everything below a folder with its content, but for what a daemon changes by itself.
fn listing(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            listing(&path, found);
        } else if kind.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
}

fn everything(till: &Till) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    listing(till.folder.path(), &mut found);
    found
}

#[test]
fn a_sound_till_passes_and_nothing_is_changed_with_the_daemon_and_without() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");
    let report = selftest(&till);
    for id in [
        "config.read",
        "config.reg_num",
        "files.folder",
        "service.reach",
        "service.clock",
        "service.token",
        "journal.whole",
        "journal.queue",
        "log.writable",
        "api.socket",
        "display.frame",
        "versions.oplati",
    ] {
        assert_eq!(report.of(id)["result"], "pass", "{:#}", report.told);
    }
    println!(
        "all checks with the daemon: {} ms",
        report.told["elapsed_ms"]
    );
    till.daemon().signal(rustix::process::Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    let before = everything(&till);
    let report = selftest(&till);
    assert_eq!(report.exit, 2);
    assert_eq!(report.of("journal.whole")["result"], "pass");
    assert!(before == everything(&till), "a check has written");
}

#[test]
fn a_running_sale_is_not_disturbed_and_no_token_is_asked_for() {
    let sim = Sim::start(None);
    let mut scanner = Scanner::plug();
    let till = Till::started(
        &sim.url,
        0,
        &format!("[Scanner]\ndevice = serial:{}\n", scanner.node),
    );
    // Nobody has asked for a token yet, and the bench must not.
    selftest(&till);
    assert!(!till.path(TOKEN).exists());
    assert_eq!(till.begin("s-1", 1200).0, 201);
    till.until("s-1", &["awaiting_scan"]);
    let report = selftest(&till);
    assert_eq!(till.operation("s-1")["state"], "awaiting_scan");
    assert_eq!(report.of("device.external")["result"], "pass");
    // An interactive test waits for its turn.
    let wish = json!({"interactive": true});
    let (status, problem) = till.ask("POST", "/v1/devices/scanner1/test", wish);
    assert_eq!((status, &problem["code"]), (409, &json!("busy")));
    // A plain one does not disturb.
    let (status, device) = till.ask("POST", "/v1/devices/scanner1/test", json!({}));
    assert_eq!((status, &device["test"]["state"]), (200, &json!("done")));
    scanner.read("https://getapp.o-plati.by/c/AB12CD34");
    till.until(
        "s-1",
        &["awaiting_confirmation", "awaiting_buyer", "in_progress"],
    );
}

#[test]
fn faults_of_settings_files_and_service_are_found() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");

    sim.control(
        "POST",
        "/sim/token/reset",
        json!({"regNum": "OPL000011111"}),
    );
    selftest(&till).finds("token reset", "service.token", "fail", "mv ");
    std::fs::write(till.path(TOKEN), "два слова").unwrap();
    selftest(&till).finds(
        "token.conf damaged",
        "service.token",
        "fail",
        "Верните файл из копии",
    );

    std::fs::set_permissions(till.path(TOKEN), std::fs::Permissions::from_mode(0o644)).unwrap();
    selftest(&till).finds("token open to others", "files.rights", "warn", "chmod 600");

    till.kill();
    selftest(&till).finds(
        "daemon stopped",
        "api.socket",
        "fail",
        "systemctl start oplati",
    );

    // The till's folder is its owner's alone, and the daemon another user.
    let passwd = till.path("etc/passwd");
    std::fs::create_dir_all(passwd.parent().unwrap()).unwrap();
    std::fs::write(&passwd, "oplati:x:64999:64999::/:/bin/false\n").unwrap();
    let close = |mode| {
        let closed = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(till.path("linuxcash"), closed).unwrap();
    };
    close(0o700);
    selftest(&till).finds(
        "folder closed to the daemon",
        "files.rights",
        "fail",
        "chmod o+x",
    );
    close(0o755);
    std::fs::remove_file(passwd).unwrap();

    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    std::fs::write(till.path(CONF), conf.replace("mode = 2", "mode = 7")).unwrap();
    selftest(&till).finds("bad value", "config.read", "fail", "oplati check");
    std::fs::write(till.path(CONF), conf.replace("regNum = OPL000011111\n", "")).unwrap();
    selftest(&till).finds("no regNum", "config.reg_num", "fail", "regNum");
    std::fs::write(
        till.path(CONF),
        conf.replace("http://127.0.0.1", "http://no-such-name.invalid"),
    )
    .unwrap();
    selftest(&till).finds("name unknown", "service.reach", "fail", "DNS");
    std::fs::write(till.path(CONF), conf).unwrap();
    drop(sim);
    selftest(&till).finds("service down", "service.reach", "fail", "интернет");
}

#[test]
fn a_damaged_journal_is_found_stopped_and_running() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");
    till.daemon().signal(rustix::process::Signal::TERM);
    till.daemon().exit_code();
    let mut bytes = std::fs::read(till.path(JOURNAL)).unwrap();
    bytes[100..].fill(0x5a);
    std::fs::write(till.path(JOURNAL), bytes).unwrap();
    selftest(&till).finds(
        "journal damaged, stopped",
        "journal.whole",
        "fail",
        "исправную копию",
    );
    till.start();
    selftest(&till).finds(
        "journal damaged, running",
        "journal.whole",
        "fail",
        "исправную копию",
    );
    // What waits is in the journal that nobody reads.
    let report = selftest(&till);
    let queue = report.of("journal.queue");
    assert_eq!(queue["result"], "skipped", "{queue}");
}

#[test]
fn damage_that_a_running_daemon_has_met_is_found() {
    let sim = Sim::start(Some(PAYS));
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");
    wait_for("an empty log", || {
        let log = std::fs::metadata(till.path(&format!("{JOURNAL}-wal"))).unwrap();
        (log.len() == 0).then_some(())
    });
    std::fs::write(till.path(JOURNAL), "").unwrap();
    assert_eq!(till.begin("s-2", 1200).0, 507);
    selftest(&till).finds(
        "journal overwritten, running",
        "journal.whole",
        "fail",
        "systemctl restart oplati: служба отложит",
    );
}

#[test]
fn a_full_disk_is_found() {
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 2, "");
    let folder = till.path("linuxcash/cash/paysystems/oplati");
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&folder)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        // Without the right to mount a real full disk there is one that everybody has.
        assert!(
            !rustix::process::geteuid().is_root()
                || !Path::new("/proc/self/ns/mnt").exists()
                || cannot_mount()
        );
        println!("| disk full | not made: no right to mount | | |");
        return;
    }
    std::fs::write(till.path(CONF), conf).unwrap();
    std::fs::write(folder.join("ballast"), vec![1; 1000 * 1024]).unwrap();
    let report = selftest(&till);
    let unmounted = Command::new("umount").arg(&folder).status().unwrap();
    assert!(unmounted.success());
    report.finds("disk full", "journal.room", "fail", "Освободите место");
}

/// Root in a container may lack it.
fn cannot_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    let effective = u64::from_str_radix(effective.trim(), 16).unwrap();
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    effective & CAP_SYS_ADMIN == 0
}

#[test]
fn users_groups_and_rules_are_looked_at() {
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 2, "");
    let etc = till.path("etc");
    std::fs::create_dir_all(etc.join("udev/rules.d")).unwrap();
    std::fs::write(
        etc.join("passwd"),
        "root:x:0:0::/:/bin/sh\noplati:x:990:990::/:/bin/false\n",
    )
    .unwrap();
    std::fs::write(
        etc.join("group"),
        "root:x:0:\nnogroup:x:990:\noplati:x:991:\noplati-till:x:992:\n",
    )
    .unwrap();
    let report = selftest(&till);
    report.finds(
        "daemon not in its group",
        "users.daemon",
        "fail",
        "usermod -aG oplati oplati",
    );
    report.finds(
        "udev rules absent",
        "udev.rules",
        "warn",
        "udevadm control --reload",
    );
    std::fs::write(etc.join("udev/rules.d/60-oplati.rules"), "# old\n").unwrap();
    selftest(&till).finds(
        "udev rules old",
        "udev.rules",
        "warn",
        "udevadm control --reload",
    );
    let rules = till.verb(&["devices", "udev-rules"]).output().unwrap();
    std::fs::write(etc.join("udev/rules.d/60-oplati.rules"), rules.stdout).unwrap();
    std::fs::write(etc.join("group"), "root:x:0:\noplati:x:990:\n").unwrap();
    let report = selftest(&till);
    report.finds(
        "no group of tills",
        "users.till",
        "fail",
        "apt-get install --reinstall",
    );
    assert_eq!(report.of("users.daemon")["result"], "pass");
    assert_eq!(report.of("udev.rules")["result"], "pass");
}

#[test]
fn a_port_that_is_held_or_forbidden_or_gone_is_found() {
    let (_master, node, slave) = serial_port();
    let sim = Sim::start(None);
    let more = format!(
        "[Scanner]\ndevice = serial:{}\n[Display]\ndevice = serial:/dev/oplati/no-such-display\nprofile = pole-epson-table-7\n",
        node
    );
    let mut till = Till::new(&sim.url, 0, &more);
    let mut holder = Command::new("flock");
    holder.arg(&node).args(["sh", "-c", "echo held; read end"]);
    let mut holder = holder
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let holder = Process(holder);
    // Only the other program has it now.
    drop(slave);
    selftest(&till).finds(
        "port held, stopped",
        "device.external",
        "fail",
        "Остановите программу flock (",
    );
    till.start();
    wait_for("the busy port and the missing display", || {
        let (_, told) = till.ask("GET", "/v1/devices", json!(null));
        let is = |index: usize, state: &str| told["devices"][index]["state"] == state;
        // Each device is opened by a thread of its own.
        (is(0, "busy") && is(1, "missing")).then_some(())
    });
    let report = selftest(&till);
    report.finds(
        "port held, running",
        "device.external",
        "fail",
        "Остановите программу flock (",
    );
    report.finds(
        "display unplugged",
        "device.external",
        "fail",
        "кабель и питание дисплея",
    );
    drop(holder);
}

/// The same program as a user who is nobody: to root nothing is forbidden.
fn as_nobody(till: &Till) -> Command {
    let mut command = till.verb(&["selftest", "--json"]);
    if rustix::process::geteuid().is_root() {
        open_up(till.folder.path());
        let copy = till.path("oplati-copy");
        if !copy.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_oplati"), &copy).unwrap();
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut other = Command::new(copy);
        other.args(command.get_args()).env("LC_ALL", "ru_RU.UTF-8");
        other.uid(65534).gid(65534);
        command = other;
    }
    command
}

fn open_up(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_a_user_may_not_is_told_with_the_group_that_helps() {
    let (_master, node, slave) = serial_port();
    drop(slave);
    std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o000)).unwrap();
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 0, &format!("[Scanner]\ndevice = serial:{node}\n"));
    let report = report_of(&mut as_nobody(&till));
    report.finds(
        "node of another group",
        "device.external",
        "fail",
        "udevadm trigger",
    );
    till.start();
    let report = report_of(&mut as_nobody(&till));
    if rustix::process::geteuid().is_root() {
        report.finds(
            "user not in oplati-till",
            "api.socket",
            "fail",
            "oplati-till",
        );
    }
}

/// A server of TLS with a certificate of `tests/blackbox/tls`, made with openssl: an authority, and two
/// certificates of localhost, of which one ended in 2021.
fn tls_server(certificate: &'static [u8]) -> u16 {
    let key =
        rustls::pki_types::PrivatePkcs8KeyDer::from(include_bytes!("tls/server.key.der").to_vec());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certificate.into()], key.into())
    .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 4096];
            if tls.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = tls.write_all(
                    b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                );
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    port
}

#[test]
fn a_certificate_is_told_with_its_end_and_an_expired_one_found() {
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox/tls/ca.pem");
    let look = |certificate| {
        let port = tls_server(certificate);
        let till = Till::new(&format!("https://localhost:{port}"), 2, "");
        let mut command = till.verb(&["selftest", "--json"]);
        report_of(command.env("SSL_CERT_FILE", trusted))
    };
    let report = look(include_bytes!("tls/good.der"));
    let told = report.of("service.certificate");
    assert_eq!(
        (&told["result"], &told["detail"]),
        (&json!("pass"), &json!("действует до 01.01.2120"))
    );
    let report = look(include_bytes!("tls/expired.der"));
    report.finds(
        "certificate expired",
        "service.certificate",
        "fail",
        "timedatectl",
    );
    let port = tls_server(include_bytes!("tls/good.der"));
    let till = Till::new(&format!("https://localhost:{port}"), 2, "");
    selftest(&till).finds("issuer unknown", "service.reach", "fail", "ca-certificates");
}

/// A service whose clock is off by so many seconds.
fn service_at(offset: i64) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let now = oplati::base::clock::wall() + jiff::SignedDuration::from_secs(offset);
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let _ = write!(
                stream,
                "HTTP/1.1 401 No\r\nDate: {date}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
        }
    });
    url
}

#[test]
fn a_skewed_clock_is_found() {
    for (offset, result) in [(600, "warn"), (-2 * 86_400, "fail")] {
        let till = Till::new(&service_at(offset), 2, "");
        selftest(&till).finds(
            &format!("clock {offset} s off"),
            "service.clock",
            result,
            "timedatectl set-ntp true",
        );
    }
    let till = Till::new(&service_at(0), 2, "");
    assert_eq!(selftest(&till).of("service.clock")["result"], "pass");
}

#[test]
fn a_service_that_hangs_holds_nothing_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let till = Till::new(&format!("http://{}", listener.local_addr().unwrap()), 2, "");
    let report = selftest(&till);
    report.finds("service hangs", "service.reach", "fail", "интернет кассы");
    assert_eq!(report.of("config.read")["result"], "pass");
    println!(
        "all checks with a service that hangs: {} ms",
        report.told["elapsed_ms"]
    );
}

#[test]
fn another_server_that_answers_is_not_the_service() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (mut stream, status) in listener.incoming().flatten().zip(["200 OK", "404 No"]) {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let page = "<!doctype html><title>Wi-Fi</title>";
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    let till = Till::new(&url, 2, "");
    for fault in ["a login page", "a wrong url"] {
        selftest(&till).finds(fault, "service.reach", "fail", "url в oplati.conf");
    }
}

/// Each call is answered in time, all of them are not.
#[test]
fn a_daemon_that_answers_slowly_leaves_time_for_the_checks() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let socket = till.path("run/oplati/till.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    std::thread::sleep(std::time::Duration::from_millis(1200));
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    selftest(&till).finds("a slow daemon", "api.socket", "fail", "systemctl restart");
}

#[test]
fn a_token_that_the_service_does_not_take_is_no_good_token() {
    let till = Till::new(&service_at(0), 2, "");
    std::fs::write(till.path(TOKEN), "abc\n").unwrap();
    selftest(&till).finds(
        "token not taken",
        "service.token",
        "warn",
        "регистрацию кассы",
    );
}

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
        wait_for("the scanner", || {
            let (_, told) = self.till.ask("GET", "/v1/devices", json!(null));
            (told["devices"][0]["state"] == "connected").then_some(())
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
        self.till.ask("GET", "/v1/devices", json!(null)).1["devices"][0]["test"].clone()
    }

    fn begin(&self, scans: usize) {
        let wish = json!({"interactive": true, "display": "display1", "scans": scans});
        let (status, told) = self.till.ask("POST", "/v1/devices/scanner1/test", wish);
        assert_eq!(
            (status, &told["test"]["state"]),
            (200, &json!("running")),
            "{told}"
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
    wait_for("the idle scene", || {
        qr_on(&bench.till.path("buyer.png")).is_none().then_some(())
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

/// A fault, what it makes of a code, and what finding and remedy say.
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
    assert_eq!(
        (&check["id"], &check["result"]),
        (&json!("scanner.terminator"), &json!("warn")),
        "{check:#}"
    );
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
    assert!(
        check["detail"]
            .as_str()
            .unwrap()
            .contains("кириллица потеряна"),
        "{check:#}"
    );
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
    assert!(
        detail.contains("CP866") && advice.contains("UTF-8"),
        "{check:#}"
    );
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
    bench
        .till
        .ask("POST", "/v1/operations/s-1/abort", json!({}));
    bench.till.until_final("s-1");
    wait_for("a free till", || {
        let wish = json!({"interactive": true});
        (bench.till.ask("POST", "/v1/devices/scanner1/test", wish).0 == 200).then_some(())
    });
    let (status, _) = bench.till.ask(
        "POST",
        "/v1/devices/scanner1/test",
        json!({"interactive": true}),
    );
    assert_eq!(status, 409);
    let (status, told) = bench
        .till
        .ask("DELETE", "/v1/devices/scanner1/test", json!(null));
    assert_eq!((status, &told["test"]["state"]), (200, &json!("done")));
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
        assert_eq!(bench.till.ask("POST", path, body).0, status, "{path}");
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
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = told["checks"].as_array().unwrap();
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
        assert!(
            notes.contains("Прочитайте сканером scanner1 код с дисплея display1: 1 из 3"),
            "{notes}"
        );
    }
}

/// The six digits that a pole display is told to show.
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
    let (status, told) = till.ask(
        "POST",
        "/v1/devices/display1/test",
        json!({"interactive": true}),
    );
    assert_eq!(status, 200, "{told}");
    let code = digits_on(&mut display);
    assert_eq!(till.ask("POST", "/v1/scans", json!({"text": code})).0, 200);
    let (_, told) = till.ask("GET", "/v1/devices", json!(null));
    let devices = told["devices"].as_array().unwrap();
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
        told: serde_json::from_slice(&output.stdout).unwrap(),
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
    let (_, told) = till.ask("GET", "/v1/devices", json!(null));
    let devices = told["devices"].as_array().unwrap();
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
        told: serde_json::from_slice(&output.stdout).unwrap(),
    };
    assert_eq!((report.exit, &report.told["exit"]), (130, &json!(130)));
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
fn nobody_at_the_terminal_and_nothing_to_test_are_told() {
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
                    let (_, told) = till.ask("GET", "/v1/devices", json!(null));
                    let devices = told["devices"].as_array()?;
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
fn a_bundle_needs_the_name_of_a_file() {
    let till = Till::new("http://localhost", 0, "");
    for name in ["-", ""] {
        let mut verb = till.verb(&["selftest", "--save", name]);
        let output = verb.current_dir(till.folder.path()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert!(told.contains("the name of a file is needed"), "{told}");
    }
    assert!(!till.path("-").exists());
}

#[test]
fn a_test_needs_no_body() {
    let mut bench = Loop::new();
    bench.start();
    let (status, told) = bench
        .till
        .ask("POST", "/v1/devices/scanner1/test", json!(null));
    assert_eq!((status, &told["test"]["state"]), (200, &json!("done")));
}

#[test]
fn a_bundle_takes_the_place_of_a_file_only() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let place = till.path("place");
    std::os::unix::fs::symlink("/dev/null", &place).unwrap();
    for path in [&place, &till.path("run")] {
        std::fs::create_dir_all(till.path("run")).unwrap();
        let output = till
            .verb(&["selftest", "--save"])
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(74), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("name a new file"), "{said}");
    }
    assert!(place.is_symlink());
}

#[test]
fn the_bundle_of_a_till_with_a_mistake_in_its_settings_holds_no_secret() {
    let till = Till::new("http://127.0.0.1:9", 2, "");
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    let wrong = "[Main]\ntimeout = abc\npassword = Kotipes\npasword = Sobaki\n";
    std::fs::write(till.path(CONF), conf.replace("[Main]\n", wrong)).unwrap();
    let log = till.path("linuxcash/logs/current/terminal.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(log, "till: said Kotipes aloud\n").unwrap();
    let path = till.path("bundle.tar");
    let mut command = till.verb(&["selftest", "--save"]);
    assert_eq!(command.arg(&path).output().unwrap().status.code(), Some(2));
    let bundle = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    assert!(bundle.contains("said *** aloud"));
    for secret in ["Kotipes", "Sobaki"] {
        assert!(!bundle.contains(secret), "{secret}");
    }
}

#[test]
fn the_bundle_holds_no_secret() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 1200);
    till.until_final("s-1");
    let token = std::fs::read_to_string(till.path(TOKEN)).unwrap();
    let bearer = std::fs::read_to_string(till.path("run/oplati/till.token")).unwrap();
    let (password, payload) = (
        "Kot_i_pes-7",
        "https://getapp.o-plati.by/map/?app_link=0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    );
    let planted = [
        token.trim(),
        bearer.trim(),
        password,
        payload,
        "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    ];
    // In the settings, and in the log by a till program that knows no restraint.
    till.kill();
    let conf = std::fs::read_to_string(till.path(CONF)).unwrap();
    let conf = conf.replace(
        "[Main]\n",
        &format!("[Main]\npassword = {password}\n; был {password}, код {payload}\n"),
    );
    std::fs::write(till.path(CONF), conf).unwrap();
    till.start();
    let mut log = File::options()
        .append(true)
        .open(till.path("linuxcash/logs/current/terminal.log"))
        .unwrap();
    for secret in planted {
        writeln!(log, "till: {secret}\ntoken={secret} password: {secret}\n{{\"consumerQr\":\"{secret}\"}}\nAuthorization: Bearer {secret}").unwrap();
    }
    let path = till.path("bundle.tar");
    let output = till
        .verb(&["selftest", "--save"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        output.status.code().is_some_and(|code| code <= 2),
        "{output:?}"
    );
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    for secret in planted {
        assert!(!has(secret), "{secret} is in the bundle");
    }
    assert!(has("regNum = OPL000011111") && has("\"checks\"") && has("till: "));
    let listed = Command::new("tar").arg("-tf").arg(&path).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "report.json\noplati.conf\nterminal.log\ndevices.txt\n"
    );
}

#[test]
fn a_person_reads_it_in_russian_and_in_english() {
    let sim = Sim::start(None);
    let till = Till::new(&sim.url, 2, "");
    for (locale, wanted) in [
        (
            "ru_RU.UTF-8",
            [
                "Служба не запущена",
                "Запустите службу: systemctl start oplati",
                "Исправно:",
            ],
        ),
        (
            "C",
            [
                "the daemon does not run",
                "Start the daemon: systemctl start oplati",
                "Passed:",
            ],
        ),
    ] {
        let output = till
            .verb(&["selftest"])
            .env("LC_ALL", locale)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        for words in wanted {
            assert!(
                text.contains(&words.to_lowercase()),
                "{words} not in {text}"
            );
        }
        assert_eq!(output.status.code(), Some(2));
    }
}
