//! Notifications to systemd (sd_notify(3)): datagrams to the socket that `NOTIFY_SOCKET` names.
//!
//! Nothing here waits. The queue of that socket is short, and a PID 1 that stands still empties it no more: whoever
//! waited for it would stand still, too, the core's thread first of all.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// What it can be notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Stopping,
    /// All that a till depends on lives.
    Watchdog,
}

impl State {
    fn datagram(self) -> &'static [u8] {
        match self {
            State::Ready => b"READY=1",
            State::Stopping => b"STOPPING=1",
            State::Watchdog => b"WATCHDOG=1",
        }
    }
}

/// Notifies systemd, where it wants to be notified. What cannot be delivered at once is dropped.
///
/// # Errors
/// Of socket(2) and sendto(2): [`io::ErrorKind::WouldBlock`] where the queue is full.
pub(super) fn notify(state: State) -> io::Result<()> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(address) if !address.is_empty() => send(&address, state.datagram()),
        Some(_) | None => Ok(()),
    }
}

/// Sends to a path, or to an abstract name that `@` stands before.
fn send(address: &OsStr, datagram: &[u8]) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddrUnix::new_abstract_name(name)?,
        path => SocketAddrUnix::new(path)?,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    rustix::net::sendto(&socket, datagram, SendFlags::NOSIGNAL, &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use super::*;

    /// Far longer than a send takes.
    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    /// Sends until the queue is full, in a thread of its own, since a send that blocks never ends.
    fn fill(address: OsString) -> (usize, io::ErrorKind) {
        let (sender, sent) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut count = 0;
            let full = loop {
                match send(&address, State::Watchdog.datagram()) {
                    Ok(()) => count += 1,
                    Err(error) => break error.kind(),
                }
            };
            sender.send((count, full)).unwrap();
        });
        sent.recv_timeout(TEST_TIMEOUT).expect("a send blocks")
    }

    fn receives(systemd: &UnixDatagram) {
        let mut datagram = [0; 64];
        let count = systemd.recv(&mut datagram).unwrap();
        assert_eq!(&datagram[..count], b"WATCHDOG=1");
    }

    #[test]
    fn a_full_queue_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("oplati-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (systemd, address) in [
            (
                UnixDatagram::bind(&path).unwrap(),
                path.as_os_str().to_owned(),
            ),
            (
                UnixDatagram::bind_addr(&address).unwrap(),
                OsString::from(format!("@{abstract_name}")),
            ),
        ] {
            let (count, full) = fill(address.clone());
            assert!(count > 0 && full == io::ErrorKind::WouldBlock, "{full:?}");
            receives(&systemd);
            send(&address, State::Watchdog.datagram()).unwrap();
            (0..count).for_each(|_| receives(&systemd));
        }
    }

    #[test]
    fn nobody_who_listens_and_no_address_are_errors_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let gone = send(path.as_os_str(), b"READY=1").unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        for address in ["x".repeat(200), format!("@{}", "x".repeat(200))] {
            assert!(send(OsStr::new(&address), b"READY=1").is_err());
        }
    }
}
