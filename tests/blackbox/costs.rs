//! What operations cost, in counts that do not depend on the machine. A table that is exceeded fails; one that has room
//! to spare is lowered.

#![allow(
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "figures are printed, and a rate is no money"
)]

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Process, Sim, Till, sale, wait_until};
use crate::sales::Scanner;

const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";
const PAYS: &str = "join=10ms,confirm=10ms,outcome=done";
const CODE: &str = "https://getapp.o-plati.by/c/AB12CD34";
/// A page in the write-ahead log, with its head.
const PAGE_BYTES: u64 = 4096 + 24;

/// Waits for the disk, at most, and pages of the write-ahead log: a tenth more fails.
struct Cost {
    what: &'static str,
    waits: usize,
    pages: u64,
}

const SALES: [Cost; 3] = [
    Cost {
        what: "a sale in mode 0",
        waits: 3,
        pages: 21,
    },
    Cost {
        what: "a sale in mode 1",
        waits: 3,
        pages: 21,
    },
    Cost {
        what: "a sale in mode 2",
        waits: 3,
        pages: 21,
    },
];
const REFUND: Cost = Cost {
    what: "a refund",
    waits: 4,
    pages: 29,
};
const CANCELLATION: Cost = Cost {
    what: "a cancellation",
    waits: 4,
    pages: 33,
};
/// Of all threads together, a second.
const MAX_IDLE_WAKEUPS: f64 = 1.1;
/// Over so many seconds.
const WATCHED: Duration = Duration::from_secs(30);
/// For a sale: questions share one, the session and the payment have one each, and one may be open for nothing.
const MAX_CONNECTIONS: usize = 4;

fn pages(till: &Till) -> u64 {
    let log = std::fs::metadata(till.path(&format!("{JOURNAL}-wal"))).unwrap();
    log.len() / PAGE_BYTES
}

/// What is done between two looks at the disk.
fn counted(till: &mut Till, act: impl FnOnce(&mut Till)) -> (usize, u64) {
    wait_until("an emptied log", || pages(till) == 1);
    let trace = till.path("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-e", "trace=fsync,fdatasync", "-y", "-o"])
        .arg(&trace)
        .arg("-p")
        .arg(till.daemon().0.id().to_string())
        .stderr(Stdio::piped());
    let mut strace = Process(strace.spawn().unwrap());
    let mut attached = String::new();
    let stderr = strace.0.stderr.take().unwrap();
    BufReader::new(stderr).read_line(&mut attached).unwrap();
    assert!(attached.contains("attached"), "{attached}");
    act(till);
    let written = pages(till) - 1;
    strace.signal(Signal::TERM);
    strace.exit_code();
    let trace = std::fs::read_to_string(trace).unwrap();
    let is_of_journal = |line: &&str| line.contains("sync(") && line.contains("journal.sqlite3");
    (trace.lines().filter(is_of_journal).count(), written)
}

#[track_caller]
fn assert_costs((waits, pages): (usize, u64), most: &Cost) {
    println!("{}: {waits} waits for the disk, {pages} pages", most.what);
    assert!(
        waits <= most.waits && pages <= most.pages + most.pages / 10,
        "{}: {waits} waits for the disk, {pages} pages",
        most.what
    );
}

#[test]
fn a_sale_waits_three_times_for_the_disk() {
    for (mode, most) in (0..).zip(&SALES) {
        let sim = Sim::start(Some(PAYS));
        let mut scanner = Scanner::plug();
        let device = format!("serial:{}", scanner.node);
        let mut till = Till::with_scanner(&sim.url, mode, &device);
        let mut sell = |till: &mut Till, id: &str| {
            till.begin(id, 100);
            if mode == 0 {
                till.until(id, &["awaiting_scan"]);
                scanner.read(CODE);
            }
            assert_eq!(till.until_final(id)["state"], "done");
        };
        sell(&mut till, "first");
        let cost = counted(&mut till, |till| sell(till, "second"));
        assert_costs(cost, most);
    }
}

#[test]
fn what_reverses_waits_four_times_for_the_disk() {
    let sim = Sim::start(Some(PAYS));
    let mut till = Till::started(&sim.url, 2, "");
    for id in ["first", "second"] {
        till.begin(id, 100);
        till.until_final(id);
    }
    let cost = counted(&mut till, |till| {
        let receipt = sale("r", 100)["receipt"].clone();
        let refund = json!({"sale": "first", "amount": 100, "receipt": receipt});
        assert_eq!(till.put("/v1/refunds/r", refund).0, 201);
        assert_eq!(till.until_final("r")["state"], "done");
    });
    assert_costs(cost, &REFUND);
    let cost = counted(&mut till, |till| {
        let cancellation = json!({"operation": "second"});
        assert_eq!(till.put("/v1/cancellations/c", cancellation).0, 201);
        assert_eq!(till.until_final("c")["state"], "done");
    });
    assert_costs(cost, &CANCELLATION);
}

/// How often the daemon's threads gave the processor up by themselves.
fn wakeups(till: &mut Till) -> u64 {
    let pid = till.daemon().0.id();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let count = |thread: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    threads.filter_map(count).sum()
}

/// Long.
#[test]
#[ignore = "watches for half a minute"]
fn a_daemon_that_waits_is_woken_once_a_second() {
    let sim = Sim::start(Some(PAYS));
    let scanner = Scanner::plug();
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("buyer.png");
    let more = format!(
        "[Scanner]\ndevice = serial:{}\n[Display]\ndevice = png:{}@800x480",
        scanner.node,
        picture.display()
    );
    let mut till = Till::started(&sim.url, 0, &more);
    wait_until("the picture", || picture.exists());
    // The first minute of a process has other things to do: what its first pulses look after.
    std::thread::sleep(Duration::from_secs(10));
    let before = wakeups(&mut till);
    std::thread::sleep(WATCHED);
    let woken = (wakeups(&mut till) - before) as f64 / WATCHED.as_secs_f64();
    println!("{woken:.2} wake-ups a second");
    assert!(woken <= MAX_IDLE_WAKEUPS, "{woken:.2} wake-ups a second");
}

/// Passes connections on to the service and counts them.
fn counting(service: &str) -> (String, Arc<AtomicUsize>) {
    let service = service.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let far = TcpStream::connect(&service).unwrap();
            let ends = [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ];
            for (mut from, mut to) in ends {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
    (url, count)
}

#[test]
fn a_sale_opens_few_connections_and_an_idle_till_holds_none_in_advance() {
    let sim = Sim::start(Some(PAYS));
    let (url, count) = counting(&sim.url);
    let till = Till::started(&url, 2, "");
    // The token has a connection, too.
    till.begin("first", 100);
    assert_eq!(till.until_final("first")["state"], "done");
    let before = count.load(Ordering::SeqCst);
    till.begin("second", 100);
    assert_eq!(till.until_final("second")["state"], "done");
    let opened = count.load(Ordering::SeqCst) - before;
    println!("{opened} connections");
    assert!((1..=MAX_CONNECTIONS).contains(&opened), "{opened}");
}
