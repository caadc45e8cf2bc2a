//! The daemon as its own user, the simulated service, and the till program's side of the API.

use std::cell::Cell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::devices::Scanner;
use crate::{PATIENCE, wait_for};

/// The till's files, and the shop's own profiles.
pub const CASH: &str = "/linuxcash/cash/paysystems/oplati";
const LOGS: &str = "/linuxcash/logs/current";
const PROFILES: &str = "/etc/oplati/devices.d";
const RUNTIME: &str = "/run/oplati";
/// A keyboard may lose keys of a code so many times in a row.
const MAX_REREADS: usize = 3;
const SOCKET: &str = "/run/oplati/till.sock";

/// The built-in profile with another silence: the scanner that types here shares one emulated processor
/// with the daemon, and its pauses are longer than those of any scanner. Enter ends its codes.
const PATIENT_KEYBOARD: &str = concat!(
    include_str!("../../../devices/scanner/zebra.toml"),
    "\n[keyboard]\nquiet_ms = 5000\n"
);

/// An event of the API, and when it came.
pub struct Event {
    pub at: Instant,
    pub kind: String,
    pub data: Value,
}

/// Whether systemd runs the daemon, with the restrictions of the package's unit; see sd_booted(3).
pub fn is_unit() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

pub struct Till {
    /// Without systemd, our own process, as the daemon's user.
    daemon: Option<Child>,
    sim: Child,
    /// Where the simulated service listens.
    service: String,
    pub events: Receiver<Event>,
    /// Codes that a keyboard had to read again.
    pub rereads: Cell<usize>,
}

impl Drop for Till {
    fn drop(&mut self) {
        self.stop();
        let _ = self.sim.kill();
        let _ = self.sim.wait();
    }
}

impl Till {
    /// With these lines under `[Scanner]`, and a buyer who pays at once.
    pub fn start(scanner: &str) -> Till {
        Till::with(
            scanner,
            "device = none",
            "join=10ms,confirm=10ms,outcome=done",
        )
    }

    /// With these lines under `[Scanner]` and `[Display]`, and such a buyer.
    pub fn with(scanner: &str, display: &str, buyer: &str) -> Till {
        let mut sim = Command::new("oplati")
            .args(["sim", "--listen", "127.0.0.1:0"])
            .args(["--buyer", buyer])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(sim.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().rsplit(' ').next().unwrap();
        for folder in [CASH, LOGS, PROFILES, RUNTIME] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder).unwrap();
        }
        // The simulation shares an emulated processor with the drawing of pictures.
        fs::write(
            format!("{CASH}/oplati.conf"),
            format!("[Main]\nurl = {url}\ntimeout = 60\nregNum = OPL000011111\nmode = 0\n[Scanner]\n{scanner}\n[Display]\n{display}\n"),
        )
        .unwrap();
        fs::write(format!("{PROFILES}/zebra.toml"), PATIENT_KEYBOARD).unwrap();
        // As the package makes them.
        run("chown", &["-R", "oplati:oplati", "/linuxcash"]);
        run("chown", &["oplati:oplati-till", RUNTIME]);
        run("chmod", &["2755", RUNTIME]);
        let daemon = start_daemon();
        Till {
            daemon,
            sim,
            service: url.to_owned(),
            events: listen(),
            rereads: Cell::new(0),
        }
    }

    /// Ends the daemon and starts it anew.
    pub fn restart(&mut self) {
        self.stop();
        self.daemon = start_daemon();
        self.events = listen();
    }

    fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else {
            return run("systemctl", &["stop", "oplati"]);
        };
        // `su` passes no signal on: the daemon itself must get it.
        self.signal("-TERM");
        let _ = daemon.wait();
    }

    /// A call of the simulated service.
    pub fn service(&self, method: &str, path: &str, body: &Value) {
        let address = self.service.trim_start_matches("http://");
        let answer = exchange(TcpStream::connect(address).unwrap(), method, path, body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Ends the daemon without a chance to tidy up.
    pub fn crash(self) {
        self.signal("-KILL");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid();
        // 0 would be everybody.
        if pid != 0 {
            let _ = Command::new("kill")
                .args([signal, &pid.to_string()])
                .status();
        }
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        let is_daemon = |pid: &u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            words.next().is_some_and(|name| name.ends_with(b"oplati"))
                && words.any(|word| word == b"daemon")
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(is_daemon)
            .unwrap_or(0)
    }

    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let stream = UnixStream::connect(SOCKET).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = exchange(stream, method, path, body);
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    pub fn device(&self, name: &str) -> Value {
        let devices = self.ask("GET", "/v1/devices", &Value::Null);
        let devices = devices["devices"].as_array().unwrap().clone();
        let found = devices.into_iter().find(|device| device["name"] == name);
        found.unwrap_or_default()
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.device("scanner1")["counters"][name].as_u64().unwrap()
    }

    /// Waits until the device is in a state.
    pub fn until(&self, name: &str, state: &str) -> Value {
        let what = format!("{name} {state}");
        wait_for(&what, || {
            let device = self.device(name);
            (device["state"] == state).then_some(device)
        })
    }

    /// The next event of a kind that is wanted; others are passed over.
    pub fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Event {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self
                .events
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no {kind} event"));
            if event.kind == kind && wanted(&event.data) {
                return event;
            }
        }
    }

    pub fn scan_event(&self) -> Event {
        self.event("scan", |_| true)
    }

    /// Lets a scanner read a code: what the daemon reports of it, and when its last byte, report or key was
    /// sent. A keyboard's keys get lost in the kernel when the daemon has no processor for long; the
    /// daemon counts the code as spoilt then, and the cashier reads it again.
    pub fn read(&self, scanner: &mut dyn Scanner, code: &[u8]) -> (Event, Instant) {
        let until = Instant::now() + PATIENCE;
        for _ in 0..=MAX_REREADS {
            let spoilt = self.counter("discarded");
            scanner.scan(code);
            let sent = Instant::now();
            loop {
                match self.events.recv_timeout(Duration::from_millis(100)) {
                    Ok(event) if event.kind == "scan" => return (event, sent),
                    Ok(_) => {}
                    Err(_) if self.counter("discarded") > spoilt => break,
                    Err(_) => assert!(Instant::now() < until, "no scan event"),
                }
            }
            assert!(scanner.kind().starts_with("keyboard"), "a code was lost");
            self.rereads.set(self.rereads.get() + 1);
        }
        panic!("a code was lost {} times", MAX_REREADS + 1)
    }

    /// A whole sale that this scan pays.
    pub fn sell(&self, id: &str, scan: impl FnOnce()) {
        let sale = json!({"amount": 1999, "receipt": {"number": id, "items": [{"name": "Хлеб", "cost": 1999}]}});
        let begun = self.ask("PUT", &format!("/v1/sales/{id}"), &sale);
        assert!(begun["id"] == id, "{begun}");
        let state = |wanted: &str| {
            wait_for(wanted, || {
                let operation = self.ask("GET", &format!("/v1/operations/{id}"), &Value::Null);
                assert!(
                    operation["state"] == wanted || operation["finished_at"].is_null(),
                    "{operation}"
                );
                (operation["state"] == wanted).then_some(())
            });
        };
        state("awaiting_scan");
        scan();
        state("done");
    }

    /// Open descriptors of the daemon.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }

    /// Processor time of the daemon so far.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // 100 ticks a second, on every Linux that Debian ships.
        Duration::from_millis(ticks * 10)
    }
}

/// A whole call over a connection of its own: the answer as it came.
fn exchange(mut stream: impl Read + Write, method: &str, path: &str, body: &Value) -> String {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}

/// `su` gives the user the groups that the package gives it, and no right of root.
fn start_daemon() -> Option<Child> {
    if is_unit() {
        // Each till is another shop: how often one was started before is no concern here. A unit that
        // was never loaded has nothing to forget.
        let _ = Command::new("systemctl")
            .args(["reset-failed", "oplati"])
            .stderr(Stdio::null())
            .status();
        run("systemctl", &["start", "oplati"]);
        return None;
    }
    let daemon = Command::new("su")
        .args(["-s", "/bin/sh", "oplati", "-c"])
        .arg("exec oplati daemon")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the daemon", || UnixStream::connect(SOCKET).ok());
    Some(daemon)
}

fn listen() -> Receiver<Event> {
    let mut stream = UnixStream::connect(SOCKET).unwrap();
    write!(stream, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (sender, events) = channel();
    let mut reader = BufReader::new(stream);
    // The head has come when the daemon listens to us.
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0);
    }
    std::thread::spawn(move || {
        let mut kind = String::new();
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some(name) = line.strip_prefix("event:") {
                kind = name.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data:")
                && let Ok(data) = serde_json::from_str(data.trim())
            {
                let event = Event {
                    at: Instant::now(),
                    kind: kind.clone(),
                    data,
                };
                if sender.send(event).is_err() {
                    return;
                }
            }
            line.clear();
        }
    });
    events
}
