//! A sale beside crowds of callers, on the socket and on TCP: none of them may cost it anything.
//!
//! Asserted is the order of events: a sale is begun, paid and reported while the crowd still waits, so no acting call
//! has waited for another caller's time-out or going. How long it took beside the undisturbed one is printed.

#![allow(
    clippy::print_stdout,
    reason = "how long a sale took is printed and not asserted"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;

use crate::harness::{Sim, Till, sale, wait_until};

const LONG_POLLS: usize = 500;
const LISTENERS: usize = 100;
const STRANGERS: usize = 100;
/// Far more than the machine needs, and far less than the waits of a crowd.
const PATIENCE: Duration = Duration::from_secs(30);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(bytes),
            Stream::Unix(stream) => stream.read(bytes),
        }
    }

    fn set_nonblocking(&self) {
        match self {
            Stream::Tcp(stream) => stream.set_nonblocking(true).unwrap(),
            Stream::Unix(stream) => stream.set_nonblocking(true).unwrap(),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }

    /// Goes without a farewell: over TCP the other end gets a reset.
    fn break_off(self) {
        if matches!(self, Stream::Tcp(_)) {
            let at_once = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(self.descriptor(), at_once).unwrap();
        }
    }
}

/// One way in.
struct Door<'a> {
    till: &'a Till,
    port: Option<u16>,
    token: String,
}

impl Door<'_> {
    fn name(&self) -> &str {
        self.port.map_or("socket", |_| "TCP")
    }

    fn connect(&self) -> Stream {
        match self.port {
            Some(port) => {
                let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Stream::Tcp(stream)
            }
            None => {
                let path = self.till.path("run/oplati/till.sock");
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Stream::Unix(stream)
            }
        }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Stream {
        let mut stream = self.connect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port.unwrap_or(80),
            self.token,
            body.len()
        );
        stream.write(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = self.send(method, path, &body);
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk).unwrap() {
                0 => break,
                count => answer.extend_from_slice(&chunk[..count]),
            }
        }
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// A sale from its beginning to the moment at which the till gets `done`, and one that is aborted.
    fn sell(&self, id: &str) -> Duration {
        let began = Instant::now();
        let (status, problem) = self.ask("PUT", &format!("/v1/sales/{id}"), &sale(id, 100));
        assert_eq!(status, 201, "{problem}");
        let path = format!("/v1/operations/{id}?wait=20");
        let (_, operation) = self.ask("GET", &path, &Value::Null);
        assert_eq!(operation["state"], "done", "{operation}");
        let took = began.elapsed();
        let aborted = self.ask("POST", &format!("/v1/operations/{id}/abort"), &Value::Null);
        assert_eq!(aborted.1["state"], "done");
        took
    }

    /// A wait of a minute for a change of a sale that is over: it never comes.
    fn long_poll(&self) -> Stream {
        self.send("GET", "/v1/operations/before?wait=60&after=done", "")
    }

    fn print(&self, crowd: &str, took: Duration, undisturbed: Duration) {
        let ratio = took.as_millis() * 100 / undisturbed.as_millis().max(1);
        println!(
            "{:6}  {crowd}: {} ms beside {} ms, ratio {}.{:02}",
            self.name(),
            took.as_millis(),
            undisturbed.as_millis(),
            ratio / 100,
            ratio % 100
        );
    }
}

/// Whether the other end has neither answered nor gone.
fn still_waits(stream: &mut Stream) -> bool {
    stream.set_nonblocking();
    let read = stream.read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn living_polls(door: &Door<'_>, undisturbed: Duration) {
    let mut polls: Vec<Stream> = (0..LONG_POLLS).map(|_| door.long_poll()).collect();
    let took = door.sell(&format!("{}-living", door.name()));
    assert!(polls.iter_mut().all(still_waits), "the sale came first");
    door.print("500 living long polls", took, undisturbed);
}

fn abandoned_polls(door: &Door<'_>, undisturbed: Duration) {
    (0..LONG_POLLS).for_each(|_| drop(door.long_poll()));
    let took = door.sell(&format!("{}-closed", door.name()));
    door.print("500 long polls, closed", took, undisturbed);
    (0..LONG_POLLS).for_each(|_| door.long_poll().break_off());
    let took = door.sell(&format!("{}-broken", door.name()));
    door.print("500 long polls, broken off", took, undisturbed);
}

/// Sends the crowd away, after a sale that failed, too: its threads would keep the test from ending.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn listeners(door: &Door<'_>, undisturbed: Duration) {
    let (over, refused, admitted) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let took = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let listeners: Vec<Stream> = (0..LISTENERS / 4)
                        .map(|_| door.send("GET", "/v1/events", ""))
                        .collect();
                    for mut listener in listeners {
                        let mut head = [0; 12];
                        let count = listener.read(&mut head).unwrap();
                        let is_in = head[..count].starts_with(b"HTTP/1.1 200");
                        let count = if is_in { &admitted } else { &refused };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let _over = SetAtEnd(&over);
        door.sell(&format!("{}-listeners", door.name()))
    });
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    let admitted = admitted.load(Ordering::Relaxed);
    assert!(admitted >= LISTENERS, "{admitted}");
    door.print(
        &format!("100 listeners that come back, {admitted} times in all"),
        took,
        undisturbed,
    );
}

/// Some send a byte now and then, some ask and ask and read nothing.
fn strangers(door: &Door<'_>, undisturbed: Duration) {
    let mut dripping: Vec<Stream> = (0..STRANGERS).map(|_| door.connect()).collect();
    let health = format!(
        "GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
        door.port.unwrap_or(80)
    );
    let mut deaf: Vec<Stream> = (0..STRANGERS).map(|_| door.connect()).collect();
    for stream in &mut deaf {
        stream.set_nonblocking();
        // Until nothing goes in any more; one that is shown the door is gone.
        for _ in 0..1000 {
            if stream.write(health.as_bytes()).is_err() {
                break;
            }
        }
    }
    let over = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        scope.spawn(|| {
            for byte in health.bytes().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                for stream in &mut dripping {
                    let _ = stream.write(&[byte]);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let _over = SetAtEnd(&over);
        door.sell(&format!("{}-strangers", door.name()))
    });
    door.print("100 that drip and 100 that read nothing", took, undisturbed);
}

#[test]
#[ignore = "long: run by tests/run"]
fn crowds_of_callers_cost_a_sale_nothing() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let sim = Sim::start(Some("join=100ms,confirm=100ms,outcome=done"));
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    drop(holder);
    let till = Till::started(&sim.url, 2, &format!("[Till]\nlisten = 127.0.0.1:{port}\n"));
    let token = std::fs::read_to_string(till.path("run/oplati/till.token")).unwrap();
    let token = token.trim().to_owned();
    for port in [None, Some(port)] {
        let door = Door {
            till: &till,
            port,
            token: token.clone(),
        };
        if port.is_none() {
            door.sell("before");
        }
        let undisturbed = door.sell(&format!("{}-alone", door.name()));
        living_polls(&door, undisturbed);
        abandoned_polls(&door, undisturbed);
        listeners(&door, undisturbed);
        strangers(&door, undisturbed);
    }
    wait_until("a till that is well", || {
        let (status, _) = till.get("/v1/health");
        status == 200
    });
}
