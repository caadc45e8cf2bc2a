//! What signals order the daemon to do, and what is done to its socket: neither ends a payment.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Sim, Till, wait_for, wait_until};

/// Whether the daemon answers; a signal that was sent before has been handled by then or is harmless later.
fn is_alive(till: &Till) -> bool {
    till.try_ask("GET", "/v1/health", json!(null))
        .is_some_and(|(status, _)| status == 200)
}

#[test]
fn signals_that_are_sent_by_habit_leave_a_sale_alone() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    for signal in [Signal::USR1, Signal::USR2, Signal::HUP, Signal::PIPE] {
        till.daemon().signal(signal);
    }
    // Signals of this kind are handled in the order of their coming, at the latest with the last.
    wait_until("the line of SIGHUP", || {
        till.log().contains("SIGHUP: terminal.log is opened anew")
    });
    assert_eq!(till.operation("s-1")["state"], "awaiting_buyer");
    till.abort("s-1");
    assert_eq!(till.until_final("s-1")["state"], "cancelled");
}

#[test]
fn every_signal_that_ends_the_daemon_clears_the_displays() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        // It gives its token once.
        let sim = Sim::start(None);
        let more = "[Display]\ndevice = png:buyer.png@480x320\n";
        let mut till = Till::started(&sim.url, 2, more);
        let picture = till.path("buyer.png");
        let idle = wait_for("the idle scene", || std::fs::read(&picture).ok());
        till.begin("s-1", 100);
        till.until("s-1", &["awaiting_buyer"]);
        let is_idle = || std::fs::read(&picture).is_ok_and(|now| now == idle);
        wait_until("the code", || !is_idle());
        till.daemon().signal(signal);
        assert_eq!(till.daemon().exit_code(), Some(0), "{signal:?}");
        assert!(is_idle() || !picture.exists(), "{signal:?}");
    }
}

/// The daemon under a program that sets what it inherits.
pub fn start_under(till: &mut Till, program: &str, arguments: &[&str]) {
    let daemon = till.verb(&["daemon"]);
    let child = Command::new(program)
        .args(arguments)
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .env_remove("OPLATI_LOG")
        .env_remove("NOTIFY_SOCKET")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    till.adopt(child);
}

#[test]
fn a_mask_of_signals_that_is_inherited_is_lifted() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    start_under(&mut till, "env", &["--block-signal"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", till.daemon().0.id())).unwrap();
    let mask = status
        .lines()
        .find(|line| line.starts_with("SigBlk:"))
        .unwrap();
    assert!(mask.ends_with("0000000000000000"), "{mask}");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
}

#[test]
fn what_is_done_to_the_socket_beside_moving_it_does_no_harm() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    let socket = till.path("run/oplati/till.sock");
    let rights = |mode| std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode));
    rights(0o666).unwrap();
    std::fs::hard_link(&socket, till.path("run/oplati/link")).unwrap();
    // It looks every second: three looks have passed, however slow the machine is.
    for _ in 0..3 {
        let uptime = || till.health()["uptime_s"].as_u64();
        let before = uptime();
        wait_until("a second", || uptime() > before);
    }
    assert!(is_alive(&till));
    std::fs::remove_file(&socket).unwrap();
    assert_eq!(
        till.daemon().exit_code(),
        Some(75),
        "one that is gone ends it"
    );
}

/// As with a PID 1 that stands still.
#[test]
fn a_notify_socket_that_nobody_reads_stops_no_sale_and_gets_the_rest_later() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    let path = till.path("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"STATUS=full", &path).is_ok() {}
    let socket = format!("NOTIFY_SOCKET={}", path.display());
    start_under(&mut till, "env", &[&socket]);
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    till.abort("s-1");
    assert_eq!(till.until_final("s-1")["state"], "cancelled");
    let timeout = Some(Duration::from_secs(20));
    systemd.set_read_timeout(timeout).unwrap();
    let mut datagram = [0; 64];
    loop {
        let count = systemd.recv(&mut datagram).expect("the start is notified");
        if &datagram[..count] == b"READY=1" {
            return;
        }
    }
}
