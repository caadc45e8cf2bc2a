//! The kernel's uevents, read from its netlink group.
//!
//! The kernel's group and not udev's: it needs no udev and no library. It speaks before udev has set
//! rights and symlinks, so whoever is woken tries again for a while. An event only says "look again":
//! what is there is always read from sysfs, since events can be lost (`ENOBUFS`) or late, and a slow
//! rescan stands behind them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The kernel's own multicast group (udev's is 2).
const KERNEL_GROUP: u32 = 1;
/// The kernel's messages have at most 2048 bytes of environment and a short head (`UEVENT_BUFFER_SIZE`).
const MAX_MESSAGE: usize = 8192;
/// Most messages of one burst that are read before the caller looks around.
const BURST: usize = 256;

/// An open ear.
#[derive(Debug)]
pub struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// # Errors
    /// Where the system has no such sockets, as in some containers.
    pub fn open() -> io::Result<Uevents> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Uevents { socket })
    }

    /// Reads what has come; whether any of it is about devices of ours.
    ///
    /// # Errors
    /// When the socket is dead.
    pub fn drain(&self) -> io::Result<bool> {
        let mut relevant = false;
        let mut message = [0_u8; MAX_MESSAGE];
        for _ in 0..BURST {
            match rustix::net::recv(&self.socket, &mut message, RecvFlags::empty()) {
                Ok((length, _)) => {
                    relevant |= is_relevant(message.get(..length).unwrap_or_default());
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                // Some were lost: look at everything.
                Err(rustix::io::Errno::NOBUFS) => relevant = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(relevant)
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether a message tells of a scanner's kind of node that came or went.
#[must_use]
pub fn is_relevant(message: &[u8]) -> bool {
    let mut subsystem = false;
    let mut action = false;
    for field in message.split(|byte| *byte == 0) {
        match field {
            b"SUBSYSTEM=tty" | b"SUBSYSTEM=hidraw" | b"SUBSYSTEM=input" => subsystem = true,
            b"ACTION=add" | b"ACTION=remove" | b"ACTION=change" | b"ACTION=move" => action = true,
            _ => {}
        }
    }
    subsystem && action
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nodes_that_come_or_go_count_and_others_do_not() {
        let message = |action: &str, subsystem: &str| {
            format!("{action}@/devices/x\0ACTION={action}\0DEVPATH=/devices/x\0SUBSYSTEM={subsystem}\0SEQNUM=7\0").into_bytes()
        };
        assert!(is_relevant(&message("add", "tty")));
        assert!(is_relevant(&message("remove", "hidraw")));
        assert!(!is_relevant(&message("add", "block")));
        assert!(!is_relevant(&message("bind", "tty")));
        assert!(!is_relevant(b"SUBSYSTEM=tty"));
    }

    proptest! {
        #[test]
        fn garbage_is_no_event_and_no_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!is_relevant(&message));
        }
    }
}
