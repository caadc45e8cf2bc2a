//! Whether the other end of a connection is still there.
//!
//! A caller that has said all may shut its half down and still wait for the answer. On a Unix socket the
//! kernel tells that from a caller that is gone. Over TCP both look the same from here until something is
//! sent; but callers there are on this machine, and the kernel's table of sockets shows whether anybody
//! still holds the other end. Two other ways were weighed: to write an interim response, which an old
//! till's parser may choke on, and to take every end of input for a hang-up, which would leave those
//! without an answer who have shut their half down.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

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
    pub(super) async fn gone(&self) {
        while let Ok(false) = self.has_said_all().await {}
        while !self.is_gone() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Waits until the caller says something; whether that was the end.
    async fn has_said_all(&self) -> io::Result<bool> {
        // Nothing is read here: what was said is for the connection, and this waits for more.
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

    fn is_gone(&self) -> bool {
        let descriptor = self.descriptor();
        let mut polled = [PollFd::new(&descriptor, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let seen = poll(&mut polled, Some(&at_once));
        let [polled] = polled;
        if seen.is_err() || !polled.revents().is_empty() {
            // Both halves are closed, or the connection is broken.
            return true;
        }
        let Line::Tcp(_, caller, ours) = *self else {
            return false;
        };
        let table = match caller {
            SocketAddr::V4(_) => "/proc/net/tcp",
            SocketAddr::V6(_) => "/proc/net/tcp6",
        };
        // Without the table nobody can tell; the caller may ask again.
        let table = std::fs::read_to_string(table);
        !table.is_ok_and(|table| is_held(&table, caller, ours))
    }
}

/// Whether a process holds the caller's end, by the kernel's table: columns 2 and 3 are the ends, 10 is
/// the inode, which is 0 when nobody holds it any more.
fn is_held(table: &str, caller: SocketAddr, ours: SocketAddr) -> bool {
    let (caller, ours) = (in_table(caller), in_table(ours));
    table.lines().any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next() == Some(caller.as_str())
            && columns.next() == Some(ours.as_str())
            && columns.nth(6).is_some_and(|inode| inode != "0")
    })
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
    async fn who_has_said_all_is_there_and_who_hangs_up_is_gone() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(door) = tokio::net::TcpListener::bind(address).await else {
                // A machine without IPv6.
                continue;
            };
            let caller = net::TcpStream::connect(door.local_addr().unwrap()).unwrap();
            let (stream, _) = door.accept().await.unwrap();
            let line = Line::of(&stream).unwrap();
            assert!(!line.is_gone());
            caller.shutdown(std::net::Shutdown::Write).unwrap();
            assert!(line.has_said_all().await.unwrap());
            assert!(!line.is_gone(), "{address}");
            drop(caller);
            line.gone().await;
            assert!(line.is_gone());
        }
    }

    #[tokio::test]
    async fn the_same_on_a_unix_socket() {
        let (caller, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = UnixStream::from_std(stream).unwrap();
        let line = Line::of(&stream).unwrap();
        caller.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(line.has_said_all().await.unwrap());
        assert!(!line.is_gone());
        drop(caller);
        line.gone().await;
    }

    #[tokio::test]
    async fn what_a_caller_says_is_no_end() {
        use std::io::Write as _;
        let (mut caller, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let line = Line::of(&stream).unwrap();
        caller.write_all(b"PUT").unwrap();
        tokio::select! {
            biased;
            () = line.gone() => panic!("the caller is there"),
            () = async { for _ in 0..50 { tokio::task::yield_now().await } } => {}
        }
        drop(caller);
        line.gone().await;
    }
}
