//! `oplati selftest`: every fault that can be made without the rig, and what is found; and codes that are read
//! back through the running daemon and without it.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "the table of faults and findings is printed, and what is not found shown whole"
)]

mod bundle;
mod closed_loop;
mod digits;
mod service;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Process, Sim, Till, refused, serial_port, wait_until};
use crate::sales::Scanner;

const PAYS: &str = "join=50ms,confirm=50ms,outcome=done";
const CONF: &str = "linuxcash/cash/paysystems/oplati/oplati.conf";
const TOKEN: &str = "linuxcash/cash/paysystems/oplati/token.conf";
const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";

struct Report {
    exit: i32,
    json: Value,
}

fn report_of(command: &mut Command) -> Report {
    let output = command.output().unwrap();
    let json = serde_json::from_slice(&output.stdout);
    let json = json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    Report {
        exit: output.status.code().unwrap(),
        json,
    }
}

fn selftest(till: &Till) -> Report {
    report_of(&mut till.verb(&["selftest", "--json"]))
}

impl Report {
    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().unwrap()
    }

    /// The check that a fault must be found by, with the remedy that it must name; a row of the table.
    fn finds(&self, fault: &str, id: &str, result: &str, remedy: &str) {
        let found = self.checks().iter().find(|check| {
            let named = check["remedy"].as_str().unwrap_or_default();
            check["id"] == id && check["result"] == result && named.contains(remedy)
        });
        let found = found
            .unwrap_or_else(|| panic!("{fault}: {id} {remedy:?} not in {:#}", self.json["checks"]));
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
        found.unwrap_or_else(|| panic!("{id} not in {:#}", self.json["checks"]))
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
        assert_eq!(report.of(id)["result"], "pass", "{:#}", report.json);
    }
    println!(
        "all checks with the daemon: {} ms",
        report.json["elapsed_ms"]
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
    let till = Till::with_scanner(&sim.url, 0, &format!("serial:{}", scanner.node));
    // Nobody has asked for a token yet, and the bench must not.
    selftest(&till);
    assert!(!till.path(TOKEN).exists());
    assert_eq!(till.begin("s-1", 1200).0, 201);
    till.until("s-1", &["awaiting_scan"]);
    let report = selftest(&till);
    assert_eq!(till.operation("s-1")["state"], "awaiting_scan");
    assert_eq!(report.of("device.external")["result"], "pass");
    // An interactive test waits for its turn.
    let requested = json!({"interactive": true});
    refused(
        till.post("/v1/devices/scanner1/test", requested),
        409,
        "busy",
    );
    // A plain one does not disturb.
    let (status, device) = till.post("/v1/devices/scanner1/test", json!({}));
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
    wait_until("an empty log", || {
        let log = std::fs::metadata(till.path(&format!("{JOURNAL}-wal"))).unwrap();
        log.len() == crate::journal::EMPTY_LOG_BYTES
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
    wait_until("the busy port and the missing display", || {
        let listed = till.get("/v1/devices").1;
        let is = |index: usize, state: &str| listed["devices"][index]["state"] == state;
        // Each device is opened by a thread of its own.
        is(0, "busy") && is(1, "missing")
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
fn what_a_user_may_not_is_reported_with_the_group_that_helps() {
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
