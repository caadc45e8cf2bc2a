//! On real pseudo-terminals.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::base::pty::RawPty;
use crate::config::{ScannerDevice, SerialLine};
use crate::devices::profile::Registry;
use crate::devices::scanner::find::Target;
use crate::devices::scanner::share::Sharing;

const PATIENCE: Duration = Duration::from_secs(10);

/// The scanner's end of a port.
struct Pty {
    master: File,
    node: PathBuf,
    /// Held open, so that the line's settings last from the start.
    _far: OwnedFd,
}

impl Pty {
    fn open() -> Pty {
        let RawPty { near, far, node } = RawPty::open().unwrap();
        Pty {
            master: File::from(near),
            node,
            _far: far,
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }
}

struct Bench {
    scanner: ScannerHandle,
    events: Receiver<ScannerEvent>,
    link: PathBuf,
    folder: tempfile::TempDir,
}

fn knowledge(profile: Option<&str>) -> DeviceLocator {
    DeviceLocator {
        registry: Arc::new(Registry::built_in()),
        profile: profile.map(str::to_owned),
        layout: None,
        root: "/".into(),
        claims: Arc::default(),
    }
}

fn serial(path: PathBuf) -> Target {
    let settings = None;
    Target::Named(ScannerDevice::Serial(SerialLine { path, settings }))
}

impl Bench {
    fn new(pty: Option<&Pty>) -> Bench {
        Bench::with(pty, None, false)
    }

    fn with(pty: Option<&Pty>, profile: Option<&str>, share: bool) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("scanner");
        if let Some(pty) = pty {
            std::os::unix::fs::symlink(&pty.node, &link).unwrap();
        }
        let (sender, events) = sync_channel(64);
        let settings = Settings {
            name: "scanner1".into(),
            target: serial(link.clone()),
            knowledge: knowledge(profile),
            share: share.then(|| Sharing {
                folder: folder.path().join("run/shared"),
                types_reports: false,
            }),
            events: sender,
        };
        Bench {
            scanner: start(settings).unwrap(),
            events,
            link,
            folder,
        }
    }

    fn relink(&self, pty: &Pty) {
        let _ = std::fs::remove_file(&self.link);
        std::os::unix::fs::symlink(&pty.node, &self.link).unwrap();
    }

    fn state(&self) -> DeviceState {
        match self.events.recv_timeout(PATIENCE).unwrap() {
            ScannerEvent::State { state, .. } => state,
            other @ (ScannerEvent::Scan(_)
            | ScannerEvent::Unread { .. }
            | ScannerEvent::Rest { .. }) => panic!("{other:?} came instead of a state"),
        }
    }

    fn code(&self) -> String {
        match self.events.recv_timeout(PATIENCE).unwrap() {
            ScannerEvent::Scan(scan) => scan.code.expose().to_owned(),
            other @ (ScannerEvent::State { .. }
            | ScannerEvent::Unread { .. }
            | ScannerEvent::Rest { .. }) => panic!("{other:?} came instead of a scan"),
        }
    }
}

/// A code is counted just after it was handed on.
fn wait_for_scans(scanner: &ScannerHandle, scans: u64) {
    let deadline = Instant::now() + PATIENCE;
    while scanner.snapshot().scans != scans {
        assert!(
            Instant::now() < deadline,
            "{} scans instead of {scans}",
            scanner.snapshot().scans
        );
        std::thread::yield_now();
    }
}

#[test]
fn codes_arrive_with_every_terminator_and_with_silence() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    for end in ["\r", "\n", "\r\n", ""] {
        pty.send(format!("https://getapp.o-plati.by/c/AB12{end}").as_bytes());
        assert_eq!(bench.code(), "https://getapp.o-plati.by/c/AB12", "{end:?}");
    }
    pty.send("]Q1Нарочанский".as_bytes());
    assert_eq!(bench.code(), "Нарочанский");
    wait_for_scans(&bench.scanner, 5);
    bench.scanner.stop();
}

#[test]
fn a_code_in_many_pieces_is_one_code() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    for piece in ["https://", "getapp.o-plati.by", "/c/AB12\r", "\nNEXT\r\n"] {
        pty.send(piece.as_bytes());
    }
    assert_eq!(bench.code(), "https://getapp.o-plati.by/c/AB12");
    assert_eq!(bench.code(), "NEXT");
    bench.scanner.stop();
}

#[test]
fn unplugged_in_mid_code_loses_that_code_only_and_comes_back_by_its_path() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    for round in 0..20 {
        // One write is read at once: with the code, its half successor was.
        pty.send(b"BEFORE\rHALF");
        assert_eq!(bench.code(), "BEFORE");
        drop(pty);
        assert_eq!(bench.state(), DeviceState::Missing);
        pty = Pty::open();
        bench.relink(&pty);
        assert_eq!(bench.state(), DeviceState::Connected);
        pty.send(format!("WHOLE{round}\r\n").as_bytes());
        assert_eq!(bench.code(), format!("WHOLE{round}"));
    }
    wait_for_scans(&bench.scanner, 40);
    assert_eq!(bench.scanner.snapshot().reconnects, 20);
    assert_eq!(bench.scanner.snapshot().discarded, 20);
    bench.scanner.stop();
}

/// Times that the kernel put the thread to sleep, by its own count.
fn naps(name: &str) -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim() == name {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap();
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))
                .unwrap();
            total += line
                .split_whitespace()
                .last()
                .unwrap()
                .parse::<u64>()
                .unwrap();
        }
    }
    total
}

#[test]
fn a_missing_device_is_looked_for_without_spinning() {
    let (sender, events) = sync_channel(8);
    let settings = Settings {
        name: "idle".into(),
        target: serial("/nonexistent/port".into()),
        knowledge: knowledge(None),
        share: None,
        events: sender,
    };
    let scanner = start(settings).unwrap();
    let state = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(
        state,
        ScannerEvent::State {
            state: DeviceState::Missing,
            ..
        }
    ));
    let before = naps("oplati-idle");
    // Long enough for thousands of rounds of a loop that spins.
    assert!(
        events.recv_timeout(Duration::from_secs(1)).is_err(),
        "an unchanged state is told once"
    );
    let rounds = naps("oplati-idle") - before;
    assert!(rounds <= 12, "{rounds} wake-ups while nothing is there");
    scanner.stop();
}

#[test]
fn a_port_that_another_has_is_busy_and_taken_when_it_is_free() {
    let pty = Pty::open();
    let holder = serialport::new(pty.node.to_string_lossy(), 9600)
        .open_native()
        .unwrap();
    let bench = Bench::new(Some(&pty));
    assert!(matches!(bench.state(), DeviceState::Busy { .. }));
    drop(holder);
    assert_eq!(bench.state(), DeviceState::Connected);
    bench.scanner.stop();
}

#[test]
fn garbage_is_survived_and_counted() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    pty.send(&[0, 1, 2, 3, b'\r']);
    let mut long = vec![b'x'; 3000];
    pty.send(&long);
    long.push(b'\r');
    pty.send(&long);
    pty.send(b"GOOD\r");
    assert_eq!(bench.code(), "GOOD");
    assert_eq!(bench.scanner.snapshot().discarded, 2);
    bench.scanner.stop();
}

#[test]
fn nobody_who_listens_means_dropped_codes_not_a_stuck_thread() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    for _ in 0..200 {
        pty.send(b"CODE\r");
    }
    let deadline = Instant::now() + PATIENCE;
    while bench.scanner.snapshot().scans + bench.scanner.snapshot().discarded < 200 {
        assert!(Instant::now() < deadline, "the thread is stuck");
        std::thread::yield_now();
    }
    assert!(bench.scanner.snapshot().discarded >= 100);
    bench.scanner.stop();
}

#[test]
fn replugged_a_thousand_times_it_is_always_found_again() {
    let mut pty = Pty::open();
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    for round in 0..1000 {
        drop(pty);
        assert_eq!(bench.state(), DeviceState::Missing);
        pty = Pty::open();
        bench.relink(&pty);
        // As the kernel's word does.
        bench.scanner.nudge();
        assert_eq!(bench.state(), DeviceState::Connected);
        pty.send(b"CODE\r");
        assert_eq!(bench.code(), "CODE", "{round}");
    }
    wait_for_scans(&bench.scanner, 1000);
    assert_eq!(bench.scanner.snapshot().reconnects, 1000);
    bench.scanner.stop();
}

#[test]
fn a_profile_says_what_ends_a_code() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), Some("zebra"), false);
    assert_eq!(bench.state(), DeviceState::Connected);
    pty.send(b"AB\rCD\r");
    // The control characters are not part of the text, and do not split it.
    assert_eq!(bench.code(), "ABCD");
    assert_eq!(bench.scanner.snapshot().profile.as_deref(), Some("zebra"));
    bench.scanner.stop();
}

#[test]
fn codes_are_acknowledged_where_a_profile_asks_for_it() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), Some("mertech-superlead-ack"), false);
    assert_eq!(bench.state(), DeviceState::Connected);
    pty.send(b"CODE\r");
    assert_eq!(bench.code(), "CODE");
    let mut answer = [0];
    std::io::Read::read_exact(&mut pty.master, &mut answer).unwrap();
    assert_eq!(answer, [0x06]);
    bench.scanner.stop();
}

#[test]
fn each_code_is_answered_once_whatever_ends_it_and_an_overlong_one_too() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), Some("mertech-superlead-ack"), false);
    assert_eq!(bench.state(), DeviceState::Connected);
    for code in ["CODE1", "CODE2"] {
        // The LF comes by itself, after the code was answered.
        pty.send(format!("{code}\r").as_bytes());
        assert_eq!(bench.code(), code);
        pty.send(b"\n");
    }
    pty.send(&vec![b'x'; 3000]);
    pty.send(&[vec![b'x'; 3000], b"\r".to_vec()].concat());
    pty.send(b"CODE3\r");
    assert_eq!(bench.code(), "CODE3");
    let mut answers = [0; 4];
    std::io::Read::read_exact(&mut pty.master, &mut answers).unwrap();
    assert_eq!(answers, [0x06, 0x06, 0x15, 0x06]);
    bench.scanner.stop();
}

#[test]
fn a_code_that_nobody_takes_is_repeated_by_the_scanner_and_given_up() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), Some("mertech-superlead-ack"), false);
    assert_eq!(bench.state(), DeviceState::Connected);
    for _ in 0..64 {
        pty.send(b"CODE\r");
    }
    for _ in 0..3 {
        pty.send(b"MORE\r");
    }
    let mut answers = [0; 67];
    std::io::Read::read_exact(&mut pty.master, &mut answers).unwrap();
    assert!(answers[..64].iter().all(|answer| *answer == 0x06));
    assert_eq!(answers[64..], [0x15, 0x15, 0x06]);
    bench.scanner.stop();
}

/// The till program's end of a shared scanner.
fn tills_end(bench: &Bench) -> File {
    let link = bench.folder.path().join("run/shared/scanner1");
    File::options().read(true).write(true).open(link).unwrap()
}

fn read_exactly(file: &mut File, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    std::io::Read::read_exact(file, &mut read).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn a_till_reads_on_a_pseudo_terminal_exactly_what_the_scanner_sent() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), None, true);
    assert_eq!(bench.state(), DeviceState::Connected);
    let mut till = tills_end(&bench);
    let sent: [&[u8]; 4] = [b"]E04810\r\n", b"\x00\x01\xff\x1d\r", b"\n", b"NEXT\r"];
    for piece in sent {
        pty.send(piece);
        let raw = match bench.events.recv_timeout(PATIENCE).unwrap() {
            ScannerEvent::Scan(scan) => scan.raw.unwrap(),
            ScannerEvent::Unread { raw, .. } | ScannerEvent::Rest { raw, .. } => raw,
            ScannerEvent::State { state, .. } => panic!("{state:?}"),
        };
        bench.scanner.pass_on(raw);
        read_exactly(&mut till, piece);
    }
    bench.scanner.stop();
}

#[test]
fn a_code_that_was_under_way_when_the_port_was_opened_is_not_taken() {
    let pty = Pty::open();
    let mut line = pty.master.try_clone().unwrap();
    // Longer than it takes to open the port: what comes before that is lost on a real line, too.
    let sending = std::thread::spawn(move || {
        for _ in 0..200 {
            line.write_all(b"x").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        line.write_all(b"TAIL\r").unwrap();
        line
    });
    let bench = Bench::new(Some(&pty));
    assert_eq!(bench.state(), DeviceState::Connected);
    let mut line = sending.join().unwrap();
    line.write_all(b"WHOLE\r").unwrap();
    assert_eq!(bench.code(), "WHOLE");
    bench.scanner.stop();
}

#[test]
fn the_name_of_a_shared_scanner_goes_with_its_daemon() {
    let pty = Pty::open();
    let bench = Bench::with(Some(&pty), None, true);
    assert_eq!(bench.state(), DeviceState::Connected);
    let folder = bench.folder.path().join("run/shared");
    let link = folder.join("scanner1");
    assert!(link.is_symlink());
    bench.scanner.stop();
    assert!(!link.is_symlink());
    // What a killed one left goes at the next start; what another put there stays.
    std::os::unix::fs::symlink("/dev/pts/0", &link).unwrap();
    std::os::unix::fs::symlink("/dev/ttyACM0", folder.join("own")).unwrap();
    crate::devices::scanner::share::remove_stale(&folder);
    assert!(!link.is_symlink() && folder.join("own").is_symlink());
}

#[test]
fn codes_for_a_till_whose_end_cannot_be_made_are_counted_until_it_can() {
    let mut pty = Pty::open();
    let folder = tempfile::tempdir().unwrap();
    let (sender, events) = sync_channel(64);
    // A file where the folder of shared scanners should be.
    std::fs::write(folder.path().join("run"), "").unwrap();
    let scanner = start(Settings {
        name: "scanner1".into(),
        target: serial(pty.node.clone()),
        knowledge: knowledge(None),
        share: Some(Sharing {
            folder: folder.path().join("run/shared"),
            types_reports: false,
        }),
        events: sender,
    });
    let scanner = scanner.unwrap();
    // What arrives while the port is opened may lack its beginning, and is not taken.
    let is_connected = |event: &ScannerEvent| matches!(event, ScannerEvent::State { state, .. } if *state == DeviceState::Connected);
    while !is_connected(&events.recv_timeout(PATIENCE).unwrap()) {}
    pty.send(b"GOODS\r");
    let raw =
        std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok()).find_map(|event| match event {
            ScannerEvent::Scan(scan) => scan.raw,
            ScannerEvent::Unread { .. }
            | ScannerEvent::Rest { .. }
            | ScannerEvent::State { .. } => None,
        });
    scanner.pass_on(raw.unwrap());
    assert_eq!(scanner.snapshot().not_shared, 1);

    // What was in the way is gone: the scanner is shared without a replug, and goes on counting.
    std::fs::remove_file(folder.path().join("run")).unwrap();
    scanner.nudge_unshared();
    let link = folder.path().join("run/shared/scanner1");
    let deadline = Instant::now() + PATIENCE;
    while !link.exists() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut till = File::options().read(true).write(true).open(link).unwrap();
    scanner.pass_on(RawScan::Bytes(b"NEW\r".to_vec()));
    read_exactly(&mut till, b"NEW\r");
    assert_eq!(scanner.snapshot().not_shared, 1);
    scanner.stop();
}

#[test]
fn while_no_till_reads_nothing_is_kept_for_it_and_replugs_keep_its_end() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), None, true);
    assert_eq!(bench.state(), DeviceState::Connected);
    bench.scanner.pass_on(RawScan::Bytes(b"OLD\r".to_vec()));
    let deadline = Instant::now() + PATIENCE;
    while bench.scanner.snapshot().not_shared != 1 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut till = tills_end(&bench);
    bench.scanner.pass_on(RawScan::Bytes(b"NEW\r".to_vec()));
    read_exactly(&mut till, b"NEW\r");
    drop(pty);
    assert_eq!(bench.state(), DeviceState::Missing);
    pty = Pty::open();
    bench.relink(&pty);
    assert_eq!(bench.state(), DeviceState::Connected);
    bench.scanner.pass_on(RawScan::Bytes(b"AGAIN\r".to_vec()));
    read_exactly(&mut till, b"AGAIN\r");
    bench.scanner.stop();
}

#[test]
fn a_till_that_stopped_reading_holds_nothing_up() {
    let mut pty = Pty::open();
    let bench = Bench::with(Some(&pty), None, true);
    assert_eq!(bench.state(), DeviceState::Connected);
    let _till = tills_end(&bench);
    for _ in 0..200 {
        bench.scanner.pass_on(RawScan::Bytes(vec![b'x'; 4000]));
    }
    assert!(bench.scanner.snapshot().not_shared > 100);
    pty.send(b"CODE\r");
    assert_eq!(bench.code(), "CODE");
    bench.scanner.stop();
}
