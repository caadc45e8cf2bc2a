//! What is tried with each scanner, and with some together.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evdev::EventType;
use evdev::raw_stream::RawDevice;
use rustix::event::{PollFd, PollFlags};
use serde_json::Value;

use crate::devices::{Layout, Scanner, Uhid, Uinput, node};
use crate::gadgets::{GadgetAcm, GadgetKeyboard, GadgetPos};
use crate::host::Host;
use crate::till::Till;
use crate::wait_for;

/// The daemon's group in the guest.
const OPLATI: u32 = 990;
/// How long the slowest scanners hold a key down, and how long they wait for the next.
const HALF_A_KEY: Duration = Duration::from_millis(10);
/// Codes whose time is taken.
const TIMED: usize = 20;

pub type Scene = fn() -> String;
pub const OTHERS: [(&str, Scene); 10] = [
    ("auto: two scanners, one person", auto_takes_scanners_only),
    ("wrong mode is shown in plain words", wrong_mode),
    ("a scanner that is two keyboards", two_keyboards),
    ("codes of 1 to 2900 bytes, exact", exact_codes),
    ("typed on for the till, exact", typed_on),
    ("lost keys spoil their code only", lost_keys),
    ("a code whose beginning nobody read", cut_code),
    ("a port of somebody else", busy_port),
    ("an unknown scanner, identified", identified),
    (
        "a scanner that reports its firmware",
        crate::firmware::is_reported_and_is_no_scan,
    ),
];

fn code(number: usize) -> String {
    format!("https://getapp.o-plati.by/c/AB{number:04}")
}

fn settings(scanner: &dyn Scanner) -> String {
    format!("device = {}", scanner.setting())
}

/// The end of the daemon's log.
pub fn send_log(host: &Host) {
    let log = fs::read_to_string("/linuxcash/logs/current/terminal.log").unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    for line in lines.iter().skip(lines.len().saturating_sub(12)) {
        host.send(&format!("    {line}"));
    }
}

/// Rights and names, a sale, latencies, and replugs: for every kind of scanner.
pub fn each_kind(scanner: &mut dyn Scanner, replugs: usize) -> String {
    if scanner.kind().starts_with("FTDI") {
        bind_port();
    } else {
        scanner.plug();
    }
    let found = node(scanner);
    wait_for("rights of the node", || {
        let metadata = fs::metadata(&found).ok()?;
        (metadata.gid() == OPLATI && metadata.mode() & 0o777 == 0o660).then_some(())
    });
    let till = Till::start(&settings(scanner));
    till.until("scanner1", "connected");
    till.sell("s-1", || drop(till.read(scanner, code(9999).as_bytes())));
    let mut latencies = Vec::new();
    while till.events.try_recv().is_ok() {}
    for number in 0..TIMED {
        // From the last byte, report or key: a keyboard types for tens of milliseconds.
        let (event, sent) = till.read(scanner, code(number).as_bytes());
        latencies.push(event.at.saturating_duration_since(sent));
        let tail = event.data["tail"].as_str().unwrap().to_owned();
        assert!(tail.ends_with(format!("{number:04}").as_str()), "{tail}");
    }
    let before = (
        till.descriptors(),
        till.processor_time(),
        till.counter("reconnects"),
    );
    let mut back = Vec::new();
    for round in 0..replugs {
        back.push(replug(&till, scanner, round));
    }
    assert_eq!(till.counter("reconnects") - before.2, replugs as u64);
    wait_for("the descriptors of before", || {
        (till.descriptors() <= before.0).then_some(())
    });
    let each = (till.processor_time() - before.1) / u32::try_from(replugs.max(1)).unwrap();
    let rereads = till.rereads.get();
    drop(till);
    scanner.unplug();
    format!(
        "scan {}  back {} of {replugs} replugs  processor {} ms each  read again {rereads}",
        spread(&mut latencies),
        spread(&mut back),
        each.as_millis()
    )
}

/// Unplugs and plugs; every second time the node gets another number, every third time a code is under
/// way. The time from the plug until the daemon has the scanner again.
fn replug(till: &Till, scanner: &mut dyn Scanner, round: usize) -> Duration {
    // An open descriptor keeps the number taken.
    let held = (round % 2 == 1).then(|| File::open(node(scanner)).unwrap());
    if round % 3 == 2 {
        scanner.half();
    }
    scanner.unplug();
    till.event("device", |device| device["state"] != "connected");
    let began = Instant::now();
    scanner.plug();
    let event = till.event("device", |device| device["state"] == "connected");
    drop(held);
    let (scan, _) = till.read(scanner, code(round).as_bytes());
    let tail = scan.data["tail"].as_str().unwrap().to_owned();
    assert!(
        tail.ends_with(format!("{round:04}").as_str()),
        "round {round}: {tail}"
    );
    event.at - began
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let ms = |time: &Duration| time.as_secs_f32() * 1000.0;
    match (times.get(times.len() / 2), times.last()) {
        (Some(median), Some(most)) => format!("{:.1}/{:.1}", ms(median), ms(most)),
        _ => "—".to_owned(),
    }
}

/// As a technician does: the printed rule into a file, udev triggered.
fn bind_port() {
    wait_for("the bridge", || fs::metadata("/dev/ttyUSB0").ok());
    settle();
    // A generic bridge has no name and no rule before.
    let links = fs::read_dir("/dev/oplati").map_or(0, |entries| entries.count());
    assert_eq!(links, 0, "a generic bridge got a name");
    let bound = Command::new("oplati")
        .args(["devices", "bind", "/dev/ttyUSB0", "left"])
        .output()
        .unwrap();
    assert!(
        bound.status.success(),
        "{}",
        String::from_utf8_lossy(&bound.stderr)
    );
    fs::create_dir_all("/etc/udev/rules.d").unwrap();
    fs::write("/etc/udev/rules.d/61-oplati-left.rules", &bound.stdout).unwrap();
    for arguments in [
        &["control", "--reload"][..],
        &["trigger", "--action=add", "/dev/ttyUSB0"],
    ] {
        assert!(
            Command::new("udevadm")
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
    }
}

fn settle() {
    let settled = Command::new("udevadm")
        .args(["settle", "-t", "30"])
        .status();
    assert!(settled.unwrap().success());
}

fn event_node(name: &str) -> Option<PathBuf> {
    event_nodes(name).into_iter().next()
}

fn event_nodes(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("/sys/class/input").unwrap().flatten();
    let nodes = entries.filter(|entry| {
        let is = fs::read_to_string(entry.path().join("device/name")).unwrap_or_default();
        is.trim() == name && entry.file_name().to_string_lossy().starts_with("event")
    });
    nodes
        .map(|entry| PathBuf::from("/dev/input").join(entry.file_name()))
        .collect()
}

/// `auto` takes what can be nothing but a scanner, each under its name, and leaves the cashier's
/// keyboard alone.
fn auto_takes_scanners_only() -> String {
    let mut keyboard = Uinput::scanner();
    let mut pos = Uhid::new(Layout::Honeywell);
    let mut unknown = Uhid::new(Layout::Newland);
    unknown.ids = (0x7777, 0x0001, "nobody");
    // A person's keyboard, and one that a maker's pattern takes for a scanner's.
    let mut others = [
        Uinput::of(0x046d, 0xc31c, "none"),
        Uinput::of(0x1eab, 0x8003, "newland"),
    ];
    for other in &mut others {
        other.plug();
    }
    let their_nodes = wait_for("the other keyboards", || {
        let nodes = event_nodes("Reader keys");
        (nodes.len() == others.len()).then_some(nodes)
    });
    keyboard.plug();
    pos.plug();
    node(&keyboard);
    node(&pos);
    let till = Till::start("device = auto");
    till.until("scanner1", "connected");
    till.until("scanner2", "connected");
    keyboard.scan(code(1).as_bytes());
    let first = till.scan_event().data["device"].clone();
    pos.scan(code(2).as_bytes());
    let second = till.scan_event().data["device"].clone();
    assert_ne!(first, second);
    // Nobody has grabbed it: we can.
    for node in their_nodes {
        RawDevice::open(node).unwrap().grab().unwrap();
    }
    // A third one, of no known vendor: it is seen, and its node lets nobody in.
    unknown.plug();
    let third = till.until("scanner3", "no_permission");
    assert_eq!(third["counters"]["scans"], 0);
    // A scanner that is replaced by another keeps its name.
    let name = first.as_str().unwrap().to_owned();
    keyboard.unplug();
    till.until(&name, "missing");
    let mut acm = GadgetAcm::new();
    acm.plug();
    unknown.unplug();
    let place = wait_for("the other scanner", || {
        let devices = [till.device(&name), till.device("scanner3")];
        let mut nodes = devices.iter().filter_map(|device| device["node"].as_str());
        nodes.find(|node| node.contains("tty")).map(str::to_owned)
    });
    acm.unplug();
    format!("both taken, a free one by {place}")
}

/// The scanner was reset and types now.
fn wrong_mode() -> String {
    let mut keyboard = Uinput::scanner();
    keyboard.plug();
    node(&keyboard);
    for setting in ["hid:/dev/oplati/zebra", "serial:/dev/ttyACM7"] {
        let till = Till::start(&format!("device = {setting}"));
        till.until("scanner1", "wrong_mode");
        let health = till.ask("GET", "/v1/health", &Value::Null);
        let reasons = health["reasons"].to_string();
        assert!(reasons.contains("Сканер в режиме клавиатуры"), "{reasons}");
        assert_eq!(health["status"], "degraded");
    }
    "reported for hid: and serial:".to_owned()
}

/// One device with two keyboards types on either, and the desktop sees neither, though they come one
/// after the other.
fn two_keyboards() -> String {
    let mut scanner = GadgetKeyboard::with(2);
    let till = Till::start("device = auto");
    for round in 0..10 {
        scanner.plug();
        till.until("scanner1", "connected");
        let nodes = wait_for("both nodes", || {
            let nodes = event_nodes("Maker Reader");
            (nodes.len() == 2).then_some(nodes)
        });
        for node in nodes {
            wait_for("a grabbed node", || {
                let mut device = RawDevice::open(&node).ok()?;
                device.grab().is_err().then_some(())
            });
        }
        for types_on in [1, 0] {
            scanner.types_on = types_on;
            let (scan, _) = till.read(&mut scanner, code(10 * round + types_on).as_bytes());
            let tail = scan.data["tail"].as_str().unwrap().to_owned();
            let expected = format!("{:04}", 10 * round + types_on);
            assert!(tail.ends_with(expected.as_str()), "{tail}");
        }
        scanner.unplug();
        till.until("scanner1", "missing");
    }
    "both grabbed and read, 10 times".to_owned()
}

/// What a till reads of a shared scanner is, byte for byte, what the scanner sent.
fn exact_codes() -> String {
    let mut count = 0;
    let mut layouts: Vec<Box<dyn Scanner>> = vec![
        Box::new(Uhid::new(Layout::Honeywell)),
        Box::new(Uhid::new(Layout::Newland)),
        Box::new(GadgetPos::new(Layout::Honeywell)),
        Box::new(GadgetPos::new(Layout::Newland)),
        Box::new(GadgetAcm::new()),
    ];
    for scanner in &mut layouts {
        scanner.plug();
        node(scanner.as_ref());
        let till = Till::start(&format!("{}\nshare = yes", settings(scanner.as_ref())));
        till.until("scanner1", "connected");
        let shared = "/run/oplati/shared/scanner1";
        let mut program = File::options().read(true).write(true).open(shared).unwrap();
        for length in [1, 55, 56, 57, 60, 112, 113, 300, 1000, 2900_usize] {
            let code: Vec<u8> = (0..length)
                .map(|at| b'!' + u8::try_from((at + length) % 94).unwrap())
                .collect();
            scanner.scan(&code);
            let mut read = vec![0; length + 2];
            program.read_exact(&mut read).unwrap();
            assert_eq!(read[..length], code, "{} of {length}", scanner.kind());
            assert_eq!(read[length..], *b"\r\n");
            count += 1;
        }
        drop(till);
        scanner.unplug();
        crate::gadgets::clear();
    }
    format!("{count} codes")
}

/// A shared keyboard scanner: the till gets the strokes from a virtual keyboard, in order.
fn typed_on() -> String {
    let mut keyboard = Uinput::scanner();
    keyboard.plug();
    node(&keyboard);
    let till = Till::start(&format!("{}\nshare = yes", settings(&keyboard)));
    till.until("scanner1", "connected");
    let shared = wait_for("the virtual keyboard", || {
        event_node("oplati shared scanner1")
    });
    let mut program = RawDevice::open(shared).unwrap();
    program.grab().unwrap();
    let codes = ["4810268003455", "Goods-A/b_1", "https://x/?q=%20&z"];
    let (mut expected, mut struck) = (Vec::new(), Vec::new());
    for text in codes {
        keyboard.scan(text.as_bytes());
        till.scan_event();
        for byte in text.bytes() {
            let (key, shift) =
                oplati::devices::scanner::keyboard::keymap::key_of(char::from(byte)).unwrap();
            let shifted = |value| shift.then_some((42, value));
            expected.extend(
                [shifted(1), Some((key, 1)), Some((key, 0)), shifted(0)]
                    .into_iter()
                    .flatten(),
            );
        }
        expected.extend([(28, 1), (28, 0)]);
        // A till reads while it is typed: the kernel keeps some 30 strokes for it.
        wait_for("the strokes", || {
            struck.extend(strokes(&mut program));
            (struck.len() >= expected.len()).then_some(())
        });
    }
    assert_eq!(struck, expected);
    format!("{} strokes of {} codes", struck.len(), codes.len())
}

/// Strokes that wait in a node.
fn strokes(node: &mut RawDevice) -> Vec<(u16, i32)> {
    let mut fds = [PollFd::new(node, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    if rustix::event::poll(&mut fds, Some(&now)).unwrap() == 0 {
        return Vec::new();
    }
    let events = node.fetch_events().unwrap();
    let keys = events.filter(|event| event.event_type() == EventType::KEY);
    keys.map(|event| (event.code(), event.value())).collect()
}

/// The kernel drops keys when nobody reads them in time: half a code is none.
fn lost_keys() -> String {
    let mut keyboard = Uinput::scanner();
    keyboard.plug();
    node(&keyboard);
    let till = Till::start(&settings(&keyboard));
    till.until("scanner1", "connected");
    let pid = till.pid().to_string();
    let signal = |signal: &str| {
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    for _ in 0..400 {
        keyboard.strike(45, true);
        keyboard.strike(45, false);
    }
    keyboard.strike(28, true);
    keyboard.strike(28, false);
    signal("-CONT");
    wait_for("a spoilt code", || {
        (till.counter("discarded") > 0).then_some(())
    });
    while till.events.try_recv().is_ok() {}
    let scans = till.counter("scans");
    // The end of the lost code is over when silence is.
    wait_for("the next code", || {
        keyboard.scan(code(7).as_bytes());
        let event = till.scan_event();
        event.data["tail"].as_str()?.ends_with("0007").then_some(())
    });
    format!(
        "{} discarded, {} scans before",
        till.counter("discarded"),
        scans
    )
}

/// A cordless scanner that wakes types before anybody listens: what is left of its code is none.
fn cut_code() -> String {
    let mut keyboard = Uinput::scanner();
    keyboard.plug();
    let till = Till::start(&settings(&keyboard));
    till.until("scanner1", "connected");
    keyboard.unplug();
    till.until("scanner1", "missing");
    let mut keys = 0;
    for cut in 1..=3 {
        keyboard.plug();
        let is_open = AtomicBool::new(false);
        keys += std::thread::scope(|scope| {
            // As slowly as the slowest scanners, a key down half the time, until some keys after the opening.
            let typing = scope.spawn(|| {
                let (mut before, mut after) = (0, 0);
                while after < 5 {
                    keyboard.strike(45, true);
                    std::thread::sleep(HALF_A_KEY);
                    keyboard.strike(45, false);
                    std::thread::sleep(HALF_A_KEY);
                    let counts = if is_open.load(Ordering::Relaxed) {
                        &mut after
                    } else {
                        &mut before
                    };
                    *counts += 1;
                }
                keyboard.strike(28, true);
                keyboard.strike(28, false);
                before
            });
            till.until("scanner1", "connected");
            is_open.store(true, Ordering::Relaxed);
            typing.join().unwrap()
        });
        wait_for("a cut code", || {
            (till.counter("discarded") == cut).then_some(())
        });
        assert_eq!(till.counter("scans"), cut - 1);
        till.read(&mut keyboard, code(7).as_bytes());
        keyboard.unplug();
        till.until("scanner1", "missing");
    }
    format!("3 codes, {keys} keys before the opening, none taken")
}

/// Another program has the port: it is named as far as the daemon may know, and taken when it is free.
fn busy_port() -> String {
    let mut acm = GadgetAcm::new();
    acm.plug();
    let found = node(&acm);
    // As programs that care do it: the lock on the port's file.
    let holder = File::open(&found).unwrap();
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let till = Till::start(&settings(&acm));
    till.until("scanner1", "busy");
    // The daemon may not look at what root has open, but locks are no secret.
    let health = till.ask("GET", "/v1/health", &Value::Null);
    let holder_is = format!("rig ({})", std::process::id());
    assert!(
        health["reasons"].to_string().contains(&holder_is),
        "{health}"
    );
    drop(holder);
    till.until("scanner1", "connected");
    drop(till);
    acm.unplug();
    "busy, its holder named, then taken".to_owned()
}

/// A technician with a scanner that no profile knows: unplugged, plugged, a test code read, and `auto`
/// takes it from then on.
fn identified() -> String {
    let mut acm = GadgetAcm::unknown();
    let till = Till::start("device = auto");
    let mut identify = Command::new("oplati")
        .args(["devices", "identify", "--id", "bought-cheaply"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output_lines = BufReader::new(identify.stderr.take().unwrap());
    let mut read_until = |end: &str| {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(end)) {
            let mut line = String::new();
            assert_ne!(output_lines.read_line(&mut line).unwrap(), 0, "{lines:?}");
            lines.push(line);
        }
        lines
    };
    read_until("press Enter");
    identify.stdin.take().unwrap().write_all(b"\n").unwrap();
    read_until("Plug the scanner in");
    acm.plug();
    let lines = read_until("Read this code");
    let is_shown = lines
        .iter()
        .any(|line| line.contains("7777:0001") && line.contains("no profile"));
    assert!(is_shown, "{lines:?}");
    let qr: Vec<String> = lines
        .into_iter()
        .filter(|line| line.contains("48;5;231m"))
        .collect();
    acm.scan(crate::terminal_qr::qr_of_terminal(&qr).as_bytes());
    read_until("Profile written");
    let output = identify.wait_with_output().unwrap();
    assert!(output.status.success());
    let setting = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    drop(till);
    // The rules follow from the profiles: the new one among them.
    let rules = Command::new("oplati")
        .args(["devices", "udev-rules"])
        .output()
        .unwrap();
    let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
    assert!(rules.contains("ATTRS{idVendor}==\"7777\""), "{rules}");
    acm.unplug();
    format!("\"{setting}\"")
}
