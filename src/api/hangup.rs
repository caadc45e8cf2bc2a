//! Whether the other end of a connection is still there.
//!
//! A caller that has sent everything may shut its half down and still wait for the answer. On a Unix socket the
//! kernel distinguishes that from a caller that is gone. Over TCP both look the same from here until something is
//! sent; but callers there are on this machine, and the kernel's table of sockets shows whether anybody
//! still holds the other end. Two other ways were weighed: to write an interim response, which an old
//! till's parser may choke on, and to take every end of input for a hang-up, which would leave those
//! without an answer who have shut their half down.

use std::collections::HashSet;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;

use crate::base::regular_file::off_thread;

/// How often a caller that has shut its half down is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A second handle of a connection, to see it end.
#[derive(Debug)]
pub(super) enum Line {
    /// With the caller's end and ours.
    Tcp(TcpStream, SocketAddr, SocketAddr),
    Unix(UnixStream),
}

impl Line {
    /// Must be called where a runtime runs.
    pub(super) fn of(stream: &impl AsFd) -> io::Result<Line> {
        // Whatever it is: a Unix socket has no such addresses.
        let tcp = net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        match (tcp.peer_addr(), tcp.local_addr()) {
            (Ok(caller), Ok(ours)) => Ok(Line::Tcp(TcpStream::from_std(tcp)?, caller, ours)),
            _ => {
                let unix = UnixStream::from_std(OwnedFd::from(tcp).into())?;
                Ok(Line::Unix(unix))
            }
        }
    }

    /// Waits until the caller is gone.
    pub(super) async fn gone(&self, lookout: &Lookout) {
        while let Ok(false) = self.has_sent_all().await {}
        let since = Instant::now();
        while !self.is_gone(lookout, since).await {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until the caller sends something; returns whether that was the end.
    async fn has_sent_all(&self) -> io::Result<bool> {
        // Nothing is read here: what was sent is for the connection, and this waits for more.
        let pass = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let ready = match self {
            Line::Tcp(stream, ..) => stream.ready(Interest::READABLE).await?,
            Line::Unix(stream) => stream.ready(Interest::READABLE).await?,
        };
        let passed = match self {
            Line::Tcp(stream, ..) => stream.try_io(Interest::READABLE, pass),
            Line::Unix(stream) => stream.try_io(Interest::READABLE, pass),
        };
        drop(passed);
        Ok(ready.is_read_closed())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Line::Tcp(stream, ..) => stream.as_fd(),
            Line::Unix(stream) => stream.as_fd(),
        }
    }

    /// Both halves are closed, or the connection is broken.
    fn is_broken(&self) -> bool {
        let descriptor = self.descriptor();
        let mut polled = [PollFd::new(&descriptor, PollFlags::empty())];
        let at_once = Timespec::default();
        let seen = poll(&mut polled, Some(&at_once));
        let [polled] = polled;
        seen.is_err() || !polled.revents().is_empty()
    }

    async fn is_gone(&self, lookout: &Lookout, since: Instant) -> bool {
        if self.is_broken() {
            return true;
        }
        match *self {
            Line::Tcp(_, caller, ours) => !lookout.is_held(caller, ours, since).await,
            Line::Unix(_) => false,
        }
    }
}

/// The kernel's table of sockets, read once for all who wait for it, and in a thread that serves nobody: with many
/// callers it is long.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    ipv4: Mutex<Option<Table>>,
    ipv6: Mutex<Option<Table>>,
}

/// The ends that a process holds, as the kernel writes them, each with its other end.
#[derive(Debug)]
struct Table {
    began: Instant,
    held: HashSet<(String, String)>,
}

impl Lookout {
    /// Whether a process holds the caller's end; a table of before `since` may not know it yet.
    async fn is_held(&self, caller: SocketAddr, ours: SocketAddr, since: Instant) -> bool {
        let (last, path) = match caller {
            SocketAddr::V4(_) => (&self.ipv4, "/proc/net/tcp"),
            SocketAddr::V6(_) => (&self.ipv6, "/proc/net/tcp6"),
        };
        // Whoever comes while it is being read waits here, and takes what was read.
        let mut last = last.lock().await;
        let now = Instant::now();
        let is_fresh = |table: &&Table| table.began >= since && now - table.began < LOOK_INTERVAL;
        if last.as_ref().filter(is_fresh).is_none() {
            let read = off_thread(move || std::fs::read_to_string(path).map(|text| held(&text)));
            // Without the table it cannot be known; the caller may ask again.
            let held = read.await.and_then(|read| read).unwrap_or_default();
            *last = Some(Table { began: now, held });
        }
        let ends = (in_table(caller), in_table(ours));
        last.as_ref()
            .is_some_and(|table| table.held.contains(&ends))
    }
}

/// Columns 2 and 3 of the kernel's table are the ends, 10 is the inode, which is 0 when nobody holds the first end any
/// more.
fn held(table: &str) -> HashSet<(String, String)> {
    let ends_of = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let ends = (columns.next()?.to_owned(), columns.next()?.to_owned());
        let is_held = columns.nth(6).is_some_and(|inode| inode != "0");
        is_held.then_some(ends)
    };
    table.lines().skip(1).filter_map(ends_of).collect()
}

/// An address as the table has it: words of the machine's byte order, hexadecimal, and the port.
fn in_table(address: SocketAddr) -> String {
    let octets = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| {
        let word = <[u8; 4]>::try_from(word).map_or(0, u32::from_ne_bytes);
        format!("{word:08X}")
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_sent_all_is_there_and_who_hangs_up_is_gone() {
        let lookout = Lookout::default();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(door) = tokio::net::TcpListener::bind(address).await else {
                // A machine without IPv6.
                continue;
            };
            let caller = net::TcpStream::connect(door.local_addr().unwrap()).unwrap();
            let (stream, _) = door.accept().await.unwrap();
            let line = Line::of(&stream).unwrap();
            assert!(!line.is_gone(&lookout, Instant::now()).await);
            caller.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(line.has_sent_all().await.unwrap());
            assert!(!line.is_gone(&lookout, Instant::now()).await, "{address}");
            drop(caller);
            line.gone(&lookout).await;
            assert!(line.is_gone(&lookout, Instant::now()).await);
        }
    }

    #[tokio::test]
    async fn the_same_on_a_unix_socket() {
        let lookout = Lookout::default();
        let (caller, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = UnixStream::from_std(stream).unwrap();
        let line = Line::of(&stream).unwrap();
        caller.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(line.has_sent_all().await.unwrap());
        assert!(!line.is_gone(&lookout, Instant::now()).await);
        drop(caller);
        line.gone(&lookout).await;
    }

    #[tokio::test]
    async fn what_a_caller_sends_is_no_end() {
        let lookout = Lookout::default();
        use std::io::Write as _;
        let (mut caller, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let line = Line::of(&stream).unwrap();
        caller.write_all(b"PUT").unwrap();
        tokio::select! {
            biased;
            () = line.gone(&lookout) => panic!("the caller is there"),
            () = async { for _ in 0..50 { tokio::task::yield_now().await } } => {}
        }
        drop(caller);
        line.gone(&lookout).await;
    }
}
