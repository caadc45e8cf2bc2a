//! On real pseudo-terminals.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};

use super::*;
use crate::config::{ScannerDevice, ScannerSettings, SerialLine};
use crate::devices::profile::Registry;
use crate::devices::scanner::find::Target;
use crate::devices::scanner::share::Sharing;
use crate::devices::testing::{Pty, TEST_TIMEOUT, wait_until};

struct Fixture {
    scanner: ScannerHandle,
    events: Receiver<ScannerEvent>,
    link: PathBuf,
    folder: tempfile::TempDir,
}

/// A scanner on a serial port, shared in the folder if there is one.
fn begun(
    name: &str,
    path: PathBuf,
    profile: Option<&str>,
    share: Option<PathBuf>,
) -> (ScannerHandle, Receiver<ScannerEvent>) {
    let (sender, events) = sync_channel(64);
    let settings = None;
    let scanner = start(Settings {
        name: name.to_owned(),
        target: Target::Named(ScannerDevice::Serial(SerialLine { path, settings })),
        locator: DeviceLocator {
            profile: profile.map(str::to_owned),
            ..DeviceLocator::new(Arc::new(Registry::built_in()), &ScannerSettings::default())
        },
        share: share.map(|folder| Sharing {
            folder,
            types_reports: false,
        }),
        events: sender,
    });
    (scanner.unwrap(), events)
}

/// A scanner that is open, and its end of the port.
fn connected(profile: Option<&str>, share: bool) -> (Pty, Fixture) {
    let pty = Pty::open();
    let fixture = Fixture::new(&pty, profile, share);
    assert_eq!(fixture.state(), DeviceState::Connected);
    (pty, fixture)
}

impl Fixture {
    fn new(pty: &Pty, profile: Option<&str>, share: bool) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("scanner");
        std::os::unix::fs::symlink(&pty.node, &link).unwrap();
        let share = share.then(|| folder.path().join("run/shared"));
        let (scanner, events) = begun("scanner1", link.clone(), profile, share);
        Fixture {
            scanner,
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
        match self.events.recv_timeout(TEST_TIMEOUT).unwrap() {
            ScannerEvent::State { state, .. } => state,
            other @ (ScannerEvent::Scan(_)
            | ScannerEvent::Unread { .. }
            | ScannerEvent::Trailing { .. }) => panic!("{other:?} came instead of a state"),
        }
    }

    fn code(&self) -> String {
        match self.events.recv_timeout(TEST_TIMEOUT).unwrap() {
            ScannerEvent::Scan(scan) => scan.code.expose().to_owned(),
            other @ (ScannerEvent::State { .. }
            | ScannerEvent::Unread { .. }
            | ScannerEvent::Trailing { .. }) => panic!("{other:?} came instead of a scan"),
        }
    }
}

/// A code is counted just after it was handed on.
fn wait_for_scans(scanner: &ScannerHandle, scans: u64) {
    let what = format!("a count of {scans} scans");
    wait_until(&what, || scanner.snapshot().scans == scans);
}

#[test]
fn codes_arrive_with_every_terminator_and_with_silence() {
    let (mut pty, fixture) = connected(None, false);
    for end in ["\r", "\n", "\r\n", ""] {
        pty.write(format!("https://getapp.o-plati.by/c/AB12{end}").as_bytes());
        assert_eq!(
            fixture.code(),
            "https://getapp.o-plati.by/c/AB12",
            "{end:?}"
        );
    }
    pty.write("]Q1Нарочанский".as_bytes());
    assert_eq!(fixture.code(), "Нарочанский");
    wait_for_scans(&fixture.scanner, 5);
    fixture.scanner.stop();
}

#[test]
fn a_code_in_many_pieces_is_one_code() {
    let (mut pty, fixture) = connected(None, false);
    for piece in ["https://", "getapp.o-plati.by", "/c/AB12\r", "\nNEXT\r\n"] {
        pty.write(piece.as_bytes());
    }
    assert_eq!(fixture.code(), "https://getapp.o-plati.by/c/AB12");
    assert_eq!(fixture.code(), "NEXT");
    fixture.scanner.stop();
}

#[test]
fn unplugged_in_mid_code_loses_that_code_only_and_comes_back_by_its_path() {
    let (mut pty, fixture) = connected(None, false);
    for round in 0..20 {
        // One write is read at once: with the code, its half successor was.
        pty.write(b"BEFORE\rHALF");
        assert_eq!(fixture.code(), "BEFORE");
        drop(pty);
        assert_eq!(fixture.state(), DeviceState::Missing);
        pty = Pty::open();
        fixture.relink(&pty);
        assert_eq!(fixture.state(), DeviceState::Connected);
        pty.write(format!("WHOLE{round}\r\n").as_bytes());
        assert_eq!(fixture.code(), format!("WHOLE{round}"));
    }
    wait_for_scans(&fixture.scanner, 40);
    assert_eq!(fixture.scanner.snapshot().reconnects, 20);
    assert_eq!(fixture.scanner.snapshot().discarded, 20);
    fixture.scanner.stop();
}

/// Times that the kernel put the thread to sleep, by its own count.
fn naps(name: &str) -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim() == name {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap();
            let mut lines = status.lines();
            let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            total += count.unwrap().trim().parse::<u64>().unwrap();
        }
    }
    total
}

#[test]
fn a_missing_device_is_looked_for_without_spinning() {
    let (scanner, events) = begun("idle", "/nonexistent/port".into(), None, None);
    let state = events.recv_timeout(TEST_TIMEOUT).unwrap();
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
        "an unchanged state is published once"
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
    let fixture = Fixture::new(&pty, None, false);
    assert!(matches!(fixture.state(), DeviceState::Busy { .. }));
    drop(holder);
    assert_eq!(fixture.state(), DeviceState::Connected);
    fixture.scanner.stop();
}

#[test]
fn garbage_is_survived_and_counted() {
    let (mut pty, fixture) = connected(None, false);
    pty.write(&[0, 1, 2, 3, b'\r']);
    let mut long = vec![b'x'; 3000];
    pty.write(&long);
    long.push(b'\r');
    pty.write(&long);
    pty.write(b"GOOD\r");
    assert_eq!(fixture.code(), "GOOD");
    assert_eq!(fixture.scanner.snapshot().discarded, 2);
    fixture.scanner.stop();
}

#[test]
fn nobody_who_listens_means_dropped_codes_not_a_stuck_thread() {
    let (mut pty, fixture) = connected(None, false);
    for _ in 0..200 {
        pty.write(b"CODE\r");
    }
    wait_until("the end of a thread that is not stuck", || {
        fixture.scanner.snapshot().scans + fixture.scanner.snapshot().discarded >= 200
    });
    assert!(fixture.scanner.snapshot().discarded >= 100);
    fixture.scanner.stop();
}

#[test]
fn replugged_a_thousand_times_it_is_always_found_again() {
    let (mut pty, fixture) = connected(None, false);
    for round in 0..1000 {
        drop(pty);
        assert_eq!(fixture.state(), DeviceState::Missing);
        pty = Pty::open();
        fixture.relink(&pty);
        // As the kernel's word does.
        fixture.scanner.wake();
        assert_eq!(fixture.state(), DeviceState::Connected);
        pty.write(b"CODE\r");
        assert_eq!(fixture.code(), "CODE", "{round}");
    }
    wait_for_scans(&fixture.scanner, 1000);
    assert_eq!(fixture.scanner.snapshot().reconnects, 1000);
    fixture.scanner.stop();
}

#[test]
fn a_profile_states_what_ends_a_code() {
    let (mut pty, fixture) = connected(Some("zebra"), false);
    pty.write(b"AB\rCD\r");
    // The control characters are not part of the text, and do not split it.
    assert_eq!(fixture.code(), "ABCD");
    assert_eq!(fixture.scanner.snapshot().profile.as_deref(), Some("zebra"));
    fixture.scanner.stop();
}

#[test]
fn codes_are_acknowledged_where_a_profile_asks_for_it() {
    let (mut pty, fixture) = connected(Some("mertech-superlead-ack"), false);
    pty.write(b"CODE\r");
    assert_eq!(fixture.code(), "CODE");
    pty.expect(&[0x06]);
    fixture.scanner.stop();
}

#[test]
fn each_code_is_answered_once_whatever_ends_it_and_an_overlong_one_too() {
    let (mut pty, fixture) = connected(Some("mertech-superlead-ack"), false);
    for code in ["CODE1", "CODE2"] {
        // The LF comes by itself, after the code was answered.
        pty.write(format!("{code}\r").as_bytes());
        assert_eq!(fixture.code(), code);
        pty.write(b"\n");
    }
    pty.write(&vec![b'x'; 3000]);
    pty.write(&[vec![b'x'; 3000], b"\r".to_vec()].concat());
    pty.write(b"CODE3\r");
    assert_eq!(fixture.code(), "CODE3");
    pty.expect(&[0x06, 0x06, 0x15, 0x06]);
    fixture.scanner.stop();
}

#[test]
fn a_code_that_nobody_takes_is_repeated_by_the_scanner_and_given_up() {
    let (mut pty, fixture) = connected(Some("mertech-superlead-ack"), false);
    for _ in 0..64 {
        pty.write(b"CODE\r");
    }
    for _ in 0..3 {
        pty.write(b"MORE\r");
    }
    pty.expect(&[0x06; 64]);
    pty.expect(&[0x15, 0x15, 0x06]);
    fixture.scanner.stop();
}

/// The till program's end of a shared scanner.
fn tills_end(fixture: &Fixture) -> File {
    let link = fixture.folder.path().join("run/shared/scanner1");
    File::options().read(true).write(true).open(link).unwrap()
}

fn read_exactly(file: &mut File, expected: &[u8]) {
    let mut read = vec![0; expected.len()];
    std::io::Read::read_exact(file, &mut read).unwrap();
    assert_eq!(read, expected);
}

#[test]
fn a_till_reads_on_a_pseudo_terminal_exactly_what_the_scanner_sent() {
    let (mut pty, fixture) = connected(None, true);
    let mut till = tills_end(&fixture);
    let sent: [&[u8]; 4] = [b"]E04810\r\n", b"\x00\x01\xff\x1d\r", b"\n", b"NEXT\r"];
    for piece in sent {
        pty.write(piece);
        let raw = match fixture.events.recv_timeout(TEST_TIMEOUT).unwrap() {
            ScannerEvent::Scan(scan) => scan.raw.unwrap(),
            ScannerEvent::Unread { raw, .. } | ScannerEvent::Trailing { raw, .. } => raw,
            ScannerEvent::State { state, .. } => panic!("{state:?}"),
        };
        fixture.scanner.pass_on(raw);
        read_exactly(&mut till, piece);
    }
    fixture.scanner.stop();
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
    let fixture = Fixture::new(&pty, None, false);
    assert_eq!(fixture.state(), DeviceState::Connected);
    let mut line = sending.join().unwrap();
    line.write_all(b"WHOLE\r").unwrap();
    assert_eq!(fixture.code(), "WHOLE");
    fixture.scanner.stop();
}

#[test]
fn the_name_of_a_shared_scanner_goes_with_its_daemon() {
    let (_pty, fixture) = connected(None, true);
    let folder = fixture.folder.path().join("run/shared");
    let link = folder.join("scanner1");
    assert!(link.is_symlink());
    fixture.scanner.stop();
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
    // A file where the folder of shared scanners should be.
    std::fs::write(folder.path().join("run"), "").unwrap();
    let share = Some(folder.path().join("run/shared"));
    let (scanner, events) = begun("scanner1", pty.node.clone(), None, share);
    // What arrives while the port is opened may lack its beginning, and is not taken.
    let is_connected = |event: &ScannerEvent| matches!(event, ScannerEvent::State { state, .. } if *state == DeviceState::Connected);
    while !is_connected(&events.recv_timeout(TEST_TIMEOUT).unwrap()) {}
    pty.write(b"GOODS\r");
    let raw =
        std::iter::from_fn(|| events.recv_timeout(TEST_TIMEOUT).ok()).find_map(
            |event| match event {
                ScannerEvent::Scan(scan) => scan.raw,
                ScannerEvent::Unread { .. }
                | ScannerEvent::Trailing { .. }
                | ScannerEvent::State { .. } => None,
            },
        );
    scanner.pass_on(raw.unwrap());
    assert_eq!(scanner.snapshot().not_shared, 1);

    // What was in the way is gone: the scanner is shared without a replug, and goes on counting.
    std::fs::remove_file(folder.path().join("run")).unwrap();
    scanner.wake_unshared();
    let link = folder.path().join("run/shared/scanner1");
    wait_until("the name", || link.exists());
    let mut till = File::options().read(true).write(true).open(link).unwrap();
    scanner.pass_on(RawScan::Bytes(b"NEW\r".to_vec()));
    read_exactly(&mut till, b"NEW\r");
    assert_eq!(scanner.snapshot().not_shared, 1);
    scanner.stop();
}

#[test]
fn while_no_till_reads_nothing_is_kept_for_it_and_replugs_keep_its_end() {
    let (mut pty, fixture) = connected(None, true);
    fixture.scanner.pass_on(RawScan::Bytes(b"OLD\r".to_vec()));
    wait_until("the loss", || fixture.scanner.snapshot().not_shared == 1);
    let mut till = tills_end(&fixture);
    fixture.scanner.pass_on(RawScan::Bytes(b"NEW\r".to_vec()));
    read_exactly(&mut till, b"NEW\r");
    drop(pty);
    assert_eq!(fixture.state(), DeviceState::Missing);
    pty = Pty::open();
    fixture.relink(&pty);
    assert_eq!(fixture.state(), DeviceState::Connected);
    fixture.scanner.pass_on(RawScan::Bytes(b"AGAIN\r".to_vec()));
    read_exactly(&mut till, b"AGAIN\r");
    fixture.scanner.stop();
}

#[test]
fn a_till_that_stopped_reading_holds_nothing_up() {
    let (mut pty, fixture) = connected(None, true);
    let _till = tills_end(&fixture);
    for _ in 0..200 {
        fixture.scanner.pass_on(RawScan::Bytes(vec![b'x'; 4000]));
    }
    assert!(fixture.scanner.snapshot().not_shared > 100);
    pty.write(b"CODE\r");
    assert_eq!(fixture.code(), "CODE");
    fixture.scanner.stop();
}
