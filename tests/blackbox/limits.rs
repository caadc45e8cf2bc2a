//! What callers, neighbours and accidents may do without harming a payment.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::json;

use crate::harness::{
    NOBODYS_ID, Process, Sim, Till, assert_has, refused, sale, talk, wait_for, wait_until,
};
use crate::signals::start_under;

/// Holds the journal as a backup program might.
fn hold_journal(till: &Till) -> rusqlite::Connection {
    let path = till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3");
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[test]
fn a_put_whose_caller_is_gone_begins_nothing() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 0, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_scan"]);
    let held = hold_journal(&till);
    std::thread::scope(|scope| {
        // The core stays with this write until it is durable.
        let abort = scope.spawn(|| till.abort("s-1"));
        wait_until("a stalled core", || till.health()["journal"]["ok"] == false);
        refused(till.begin("s-2", 100), 507, "storage");
        drop(held);
        abort.join().unwrap();
    });
    wait_until("the end of s-1", || {
        till.operation("s-1")["state"] == "cancelled"
    });
    // Only a command that was taken after the refused one shows that the refused one is past.
    assert_eq!(till.begin("s-3", 100).0, 201);
    assert_eq!(till.operation("s-2")["status"], 404);
}

#[test]
fn who_waits_for_a_sale_gets_that_its_journal_fails() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    let held = hold_journal(&till);
    let socket = till.path("run/oplati/till.sock");
    let mut waiter = UnixStream::connect(&socket).unwrap();
    let request = "GET /v1/operations/s-1?wait=60 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    waiter.write_all(request.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        // It fails only after some seconds of waiting for whoever holds the journal.
        let abort = scope.spawn(|| {
            let mut caller = UnixStream::connect(&socket).unwrap();
            talk(&mut caller, "POST", "/v1/operations/s-1/abort", "")
        });
        let mut answer = String::new();
        waiter.read_to_string(&mut answer).unwrap();
        assert_has(&answer, ["\"state\":\"awaiting_buyer\"", "личном кабинете"]);
        drop(held);
        abort.join().unwrap();
    });
    till.until_final("s-1");
}

/// Makes every write beyond so many bytes of a file fail, as a full disk does.
fn limit_files(till: &mut Till, bytes: Option<u64>) {
    let pid = Pid::from_child(&till.daemon().0);
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_full_disk_is_reported_and_a_sale_goes_on_when_there_is_room_again() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    // The signal that comes with the limit does not come with a full disk.
    let command = "trap '' XFSZ; exec \"$@\"";
    start_under(&mut till, "sh", &["-c", command, "sh"]);
    let health = |till: &Till| till.get("/v1/health");
    let reserve = till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3.reserve");
    wait_for("the reserve", || {
        let kept = std::fs::metadata(&reserve).ok()?;
        (kept.len() >= 2 * 1024 * 1024).then_some(())
    });
    limit_files(&mut till, Some(1024 * 1024));
    std::fs::remove_file(reserve).unwrap();
    refused(till.begin("s-1", 100), 507, "storage");
    let (status, report) = health(&till);
    assert_eq!((status, &report["status"]), (200, &json!("blocked")));
    assert_eq!(
        report["reasons"][0],
        "Журнал не записывается: освободите место на диске"
    );
    assert_eq!(till.operation("s-1")["status"], 404, "no operation is left");

    limit_files(&mut till, None);
    assert_eq!(till.begin("s-1", 100).0, 201);
    assert_eq!(health(&till).1["status"], "ok");
    till.until("s-1", &["awaiting_buyer"]);

    // In the middle of the sale nothing can be written any more, the reserve's room included.
    limit_files(&mut till, Some(1024));
    let socket = till.path("run/oplati/till.sock");
    std::thread::scope(|scope| {
        let abort = scope.spawn(|| {
            let mut caller = UnixStream::connect(socket).unwrap();
            talk(&mut caller, "POST", "/v1/operations/s-1/abort", "")
        });
        wait_until("the word on the journal", || {
            let report = health(&till).1;
            report["status"] == "blocked" && report["journal"]["ok"] == false
        });
        let operation = till.operation("s-1");
        assert_eq!(
            operation["state"], "awaiting_buyer",
            "what is not durable is not reported"
        );
        assert_has(operation["message"].as_str().unwrap(), ["личном кабинете"]);
        limit_files(&mut till, None);
        let (status, operation) = abort.join().unwrap();
        assert_eq!((status, &operation["state"]), (200, &json!("cancelled")));
    });
    wait_until("health", || health(&till).1["status"] == "ok");
}

#[test]
fn a_journal_that_was_removed_ends_the_daemon_instead_of_losing_sales() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    std::fs::remove_file(till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3")).unwrap();
    let (status, problem) = till.begin("s-1", 100);
    // The daemon may have seen it by itself, and be on its way out.
    let refused = [
        (507, Some("storage")),
        (503, Some("temporarily_unavailable")),
    ];
    assert!(
        refused.contains(&(status, problem["code"].as_str())),
        "{status} {problem}"
    );
    assert_eq!(till.daemon().exit_code(), Some(75));
    assert!(!till.log().contains("by itself"), "{}", till.log());
    assert_has(
        &till.log(),
        ["was removed or replaced while the daemon ran"],
    );
}

#[test]
fn files_and_folders_have_their_rights_under_every_umask() {
    use std::os::unix::fs::PermissionsExt as _;
    let sim = Sim::start(None);
    for umask in ["0", "0777"] {
        let mut till = Till::new(&sim.url, 2, "");
        let command = format!("umask {umask}; exec \"$@\"");
        start_under(&mut till, "sh", &["-c", &command, "sh"]);
        for (folder, mode) in [
            ("run", 0o755),
            ("run/oplati", 0o755),
            ("linuxcash/logs", 0o775),
            ("linuxcash/logs/current", 0o775),
            ("linuxcash/cash/paysystems/oplati/journal.sqlite3", 0o600),
            (
                "linuxcash/cash/paysystems/oplati/journal.sqlite3-wal",
                0o600,
            ),
            (
                "linuxcash/cash/paysystems/oplati/journal.sqlite3.lock",
                0o600,
            ),
        ] {
            let facts = std::fs::metadata(till.path(folder)).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, mode, "{umask} {folder}");
        }
    }
}

#[test]
fn a_daemon_whose_socket_was_removed_ends_and_the_next_takes_its_place() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    std::fs::remove_file(till.path("run/oplati/till.sock")).unwrap();
    assert_eq!(till.daemon().exit_code(), Some(75));
    assert!(!till.log().contains("by itself"), "{}", till.log());
    till.start();
    assert_eq!(till.begin("s-1", 100).0, 201);
}

#[test]
fn two_daemons_never_share_a_journal() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    let conf = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let elsewhere = till.path("elsewhere.sock");
    std::fs::write(
        &conf,
        format!("{text}[Till]\nsocket = {}\n", elsewhere.display()),
    )
    .unwrap();
    let mut second = Process(till.verb(&["daemon"]).spawn().unwrap());
    assert_eq!(second.exit_code(), Some(75));
    let mut stderr_text = String::new();
    second
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr_text)
        .unwrap();
    let pid = till.daemon().0.id();
    assert!(
        stderr_text.contains(&format!("in use by another oplati (pid {pid})")),
        "{stderr_text}"
    );
    assert_eq!(till.begin("s-1", 100).0, 201);
}

#[test]
fn the_token_is_kept_though_the_daemon_is_stopped_while_it_is_issued() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    sim.fault(json!({"on": "tokens", "do": "delay", "ms": 700}));
    till.begin("s-1", 100);
    till.until("s-1", &["in_progress"]);
    wait_until("an issued token", || {
        sim.state()["tokens"].as_u64() == Some(1)
    });
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    assert!(
        till.path("linuxcash/cash/paysystems/oplati/token.conf")
            .exists()
    );
    till.start();
    till.until("s-1", &["awaiting_buyer"]);
}

/// One that nobody listens at now.
fn free_port() -> u16 {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    holder.local_addr().unwrap().port()
}

#[test]
fn listeners_without_end_and_bodies_that_never_come_shut_nobody_out() {
    let sim = Sim::start(None);
    let port = free_port();
    let till = Till::started(&sim.url, 2, &format!("[Till]\nlisten = 127.0.0.1:{port}\n"));
    let token = std::fs::read_to_string(till.path("run/oplati/till.token")).unwrap();
    let pages: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut page = TcpStream::connect(("127.0.0.1", port)).unwrap();
            write!(
                page,
                "GET /display/events HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
            )
            .unwrap();
            page
        })
        .collect();
    let slow: Vec<UnixStream> = (0..60)
        .map(|_| {
            let mut caller = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
            write!(caller, "PUT /v1/sales/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{").unwrap();
            caller
        })
        .collect();
    let mut caller = TcpStream::connect(("127.0.0.1", port)).unwrap();
    caller
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(caller, "GET /v1/devices HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", token.trim()).unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(till.begin("s-1", 100).0, 201);
    drop((pages, slow));
}

#[test]
fn calls_are_answered_though_the_system_gives_no_new_thread() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    till.start_without_root();
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_buyer"]);
    // By default a thread without work ends after ten seconds.
    std::thread::sleep(Duration::from_secs(11));
    // The owner of a process may limit it; root itself needs a right that a container may not have.
    let pid = till.daemon().pid().as_raw_nonzero().to_string();
    let mut limit = Command::new("prlimit");
    limit.args(["--pid", &pid, "--nproc=1:1"]);
    if rustix::process::geteuid().is_root() {
        limit.uid(NOBODYS_ID).gid(NOBODYS_ID);
    }
    assert!(limit.status().unwrap().success());
    for path in [
        "/v1/health",
        "/v1/operations",
        "/v1/operations/s-1",
        "/v1/queue",
    ] {
        assert_eq!(till.get(path).0, 200, "{path}");
    }
}

#[test]
fn the_newest_page_of_the_buyer_always_has_a_place() {
    let sim = Sim::start(None);
    let port = free_port();
    let till = Till::started(
        &sim.url,
        2,
        &format!("[Display]\ndevice = web\n[Till]\nlisten = 127.0.0.1:{port}\n"),
    );
    let open = || {
        let mut page = TcpStream::connect(("127.0.0.1", port)).unwrap();
        page.set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        write!(
            page,
            "GET /display/events HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        page.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        page
    };
    let mut strangers: Vec<TcpStream> = (0..8).map(|_| open()).collect();
    let shop = open();
    // The oldest has gone for it, and nobody else.
    let mut rest = Vec::new();
    strangers[0].read_to_end(&mut rest).unwrap();
    let health = till.health();
    assert_eq!(health["devices"][1]["state"], "connected", "{health}");
    drop(shop);
}

#[test]
fn a_daemon_that_may_not_write_large_files_refuses_and_lives() {
    let sim = Sim::start(None);
    let mut till = Till::started(&sim.url, 2, "");
    let limit = Rlimit {
        current: Some(4096),
        maximum: Some(4096),
    };
    let pid = till.daemon().pid();
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    let refused = wait_for("a refusal", || {
        let (status, problem) = till.begin(&format!("s-{}", till.log().len()), 100);
        (status == 507).then_some(problem)
    });
    assert_eq!(refused["code"], "storage");
    assert_eq!(till.health()["status"], "blocked");
    till.daemon().signal(Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
}

#[test]
fn a_flood_of_scans_does_not_stop_the_clock() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 0, "");
    till.begin("s-1", 100);
    till.until("s-1", &["awaiting_scan"]);
    let socket = till.path("run/oplati/till.sock");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let mut caller = UnixStream::connect(&socket).unwrap();
                    let _ = talk(
                        &mut caller,
                        "POST",
                        "/v1/scans",
                        r#"{"text": "4810268003455"}"#,
                    );
                }
            });
        }
        // waitBuyer is 20 s: it must end though the flood does not.
        let ended = till.until("s-1", &["expired"]);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(ended["state"], "expired");
    });
    let steps =
        rusqlite::Connection::open(till.path("linuxcash/cash/paysystems/oplati/journal.sqlite3"))
            .unwrap()
            .query_row("SELECT COUNT(*) FROM history", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap();
    assert!((1..20).contains(&steps), "{steps} steps of one sale");
}

#[test]
fn nobody_reads_the_log_and_sales_go_on() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::new(&sim.url, 2, "");
    // A pipe that is full from the beginning.
    let (reader, mut writer) = std::io::pipe().unwrap();
    let fill = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&fill, true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&fill, false).unwrap();
    let child = till
        .verb(&["daemon"])
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    till.adopt(child);
    for n in 1..=3 {
        let id = format!("s-{n}");
        assert_eq!(till.begin(&id, 100).0, 201);
        assert_eq!(till.until_final(&id)["state"], "done");
    }
    drop(reader);
}

#[test]
fn odd_requests_get_problems_and_not_silence() {
    let sim = Sim::start(None);
    let till = Till::started(&sim.url, 2, "");
    refused(till.get("/v1/operations/%FF"), 400, "invalid");
    // A body that is cut short.
    let mut caller = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    write!(caller, "PUT /v1/sales/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").unwrap();
    caller.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = caller.read_to_string(&mut answer);
    assert!(!answer.contains("413"), "{answer}");
    // Who has sent everything still gets the answer.
    let body = sale("s-1", 100).to_string();
    let mut caller = UnixStream::connect(till.path("run/oplati/till.sock")).unwrap();
    write!(caller, "PUT /v1/sales/s-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    caller.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn a_display_that_fails_and_comes_back_is_sent_as_an_event() {
    let sim = Sim::start(None);
    let till = Till::new(
        &sim.url,
        2,
        "[Display]\ndevice = png:screen/buyer.png@320x240\n",
    );
    std::fs::create_dir(till.path("screen")).unwrap();
    let mut till = till;
    till.start();
    wait_until("the first picture", || {
        till.path("screen/buyer.png").exists()
    });
    let mut watch = Process(till.verb(&["--json", "watch"]).spawn().unwrap());
    let mut lines = std::io::BufReader::new(watch.0.stdout.take().unwrap());
    // It reports that it listens: no event is missed from here on.
    let mut stderr = watch.0.stderr.take().unwrap();
    assert_ne!(stderr.read(&mut [0; 512]).unwrap(), 0);
    // A file where the folder should be.
    std::fs::remove_dir_all(till.path("screen")).unwrap();
    std::fs::write(till.path("screen"), "").unwrap();
    let mut until = |what: &str, state: &str| {
        use std::io::BufRead as _;
        let mut line = String::new();
        while !(line.contains("\"event\":\"device\"")
            && line.contains("display1")
            && line.contains(state))
        {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{what}");
        }
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(
            event["data"]["counters"].is_object(),
            "the whole device: {line}"
        );
    };
    till.begin("s-1", 100);
    until("the failure", "\"state\":\"failed\"");
    std::fs::remove_file(till.path("screen")).unwrap();
    std::fs::create_dir(till.path("screen")).unwrap();
    till.abort("s-1");
    until("the recovery", "\"state\":\"connected\"");
}
