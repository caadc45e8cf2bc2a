//! That systemd holds the daemon to the package's unit: what the other scenes then do, they do
//! under its restrictions.

use std::fs;
use std::process::{Command, Stdio};

use crate::till::Till;

const UNIT: &str = "/lib/systemd/system/oplati.service";
const PROBE: &str = "/run/systemd/system/probe.service";
/// A console's picture: a device of no concern to the daemon.
const FOREIGN: &str = "/dev/vcs";

pub fn holds() -> String {
    let till = Till::start("device = none");
    let status = fs::read_to_string(format!("/proc/{}/status", till.pid())).unwrap();
    let field = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        let words = found.unwrap_or_default().trim_start_matches(':');
        words
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let held = ["Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"].map(field);
    let none = "0000000000000000";
    assert_eq!(held, ["990", none, none, "1", "2"], "{status}");
    drop(till);
    // Rights of the node do not help: the unit's list of devices decides.
    let everybody = Command::new("chmod").args(["666", FOREIGN]).status();
    assert!(everybody.unwrap().success());
    let without = Command::new("su")
        .args(["-s", "/bin/sh", "oplati", "-c", &format!(": < {FOREIGN}")])
        .status();
    assert!(without.unwrap().success(), "{FOREIGN} is forbidden anyway");
    assert!(opens("/dev/uinput"), "the unit refuses /dev/uinput");
    assert!(!opens(FOREIGN), "the unit lets {FOREIGN} through");
    fs::remove_file(PROBE).unwrap();
    format!("no capability, system calls filtered, {FOREIGN} refused")
}

/// Whether the package's unit lets its user open a node for reading.
fn opens(node: &str) -> bool {
    let unit = fs::read_to_string(UNIT).unwrap();
    let of_daemon = ["Exec", "Type=", "Notify", "Restart", "Watchdog"];
    let kept = unit
        .lines()
        .filter(|line| !of_daemon.iter().any(|name| line.starts_with(name)));
    let kept: Vec<&str> = kept.collect();
    let own = format!("[Service]\nType=oneshot\nExecStart=/bin/sh -c ': < {node}'\n");
    fs::write(PROBE, kept.join("\n").replace("[Service]\n", &own)).unwrap();
    let systemctl = |verb: &[&str]| {
        let done = Command::new("systemctl")
            .args(verb)
            .stderr(Stdio::null())
            .status();
        done.unwrap().success()
    };
    assert!(systemctl(&["daemon-reload"]));
    systemctl(&["start", "probe"])
}
