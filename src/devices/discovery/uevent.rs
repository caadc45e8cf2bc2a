//! Uevents: the kernel's own, and udev's when it is done with one.
//!
//! The kernel's come without udev, but before udev has set rights and symlinks; udev's come just after
//! it has, so that a scanner is back as soon as it can be opened. An event only means "look again": what
//! is there is always read from sysfs, since events can be lost (`ENOBUFS`) or late, and a slow rescan
//! stands behind them. Whoever may send such messages (root alone) gains nothing but a look.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// The multicast groups of the kernel (1) and of udev (2).
const GROUPS: u32 = 1 | 2;
/// The kernel's messages have at most 2048 bytes of environment and a short head (`UEVENT_BUFFER_SIZE`);
/// udev adds its properties.
const MAX_MESSAGE: usize = 8192;
/// Most messages of one burst that are read before the caller looks around.
const BURST: usize = 256;
/// Subsystems of scanners' nodes, and of uinput, by which keyboards are shared.
const SCANNERS: [&str; 4] = ["tty", "hidraw", "input", "misc"];

/// A socket on which the kernel and udev report what came and went.
#[derive(Debug)]
pub struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Listens from now on; some containers have no such sockets.
    pub fn open() -> io::Result<Uevents> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Uevents { socket })
    }

    /// Reads what has come; whether any of it is about scanners' kinds of nodes.
    pub fn drain(&self) -> io::Result<bool> {
        self.drain_about(&SCANNERS)
    }

    /// Reads what has come; whether any of it is about devices of these subsystems.
    pub fn drain_about(&self, subsystems: &[&str]) -> io::Result<bool> {
        let mut relevant = false;
        let mut message = [0_u8; MAX_MESSAGE];
        for _ in 0..BURST {
            match rustix::net::recv(&self.socket, &mut message, RecvFlags::empty()) {
                Ok((length, _)) => {
                    relevant |= is_about(message.get(..length).unwrap_or_default(), subsystems);
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

/// Whether a message is about a device of these subsystems that came, went or changed.
pub fn is_about(message: &[u8], subsystems: &[&str]) -> bool {
    let fields = || message.split(|byte| *byte == 0);
    // The first property of udev's message stands right behind the bytes of its head.
    let has = |key: &str, values: &[&str]| {
        fields().any(|field| {
            let is = |value: &&str| field.ends_with(format!("{key}={value}").as_bytes());
            values.iter().any(is)
        })
    };
    has("SUBSYSTEM", subsystems) && has("ACTION", &["add", "remove", "change", "move"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_relevant(message: &[u8]) -> bool {
        is_about(message, &SCANNERS)
    }

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
        assert!(is_about(&message("change", "drm"), &["drm"]));
        assert!(!is_relevant(&message("change", "drm")));
    }

    #[test]
    fn udevs_word_counts_too() {
        let head = b"libudev\0\xfe\xed\xca\xfe\x28\0\0\0\x28\0\0\0\x99\0\0\0\x01\x02\x03\x04\0\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88";
        let properties = b"ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=hidraw\0ID_PATH=x\0";
        assert!(is_relevant(&[head.as_slice(), properties].concat()));
    }

    proptest! {
        #[test]
        fn garbage_is_no_event_and_no_panic(message in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!is_relevant(&message));
        }
    }
}
