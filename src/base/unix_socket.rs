//! Whether somebody listens at a Unix socket, found out without waiting.
//!
//! `connect` of the standard library blocks for as long as a listener takes nobody from a full backlog, which may be
//! for ever: a process that hangs would hold everyone who only looks.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Connects to the socket at `path`, or returns at once why not; the connection does not block either.
///
/// # Errors
/// Of connect(2): [`io::ErrorKind::ConnectionRefused`] where nobody listens, [`io::ErrorKind::WouldBlock`] where
/// somebody listens whose backlog is full.
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

/// Whether somebody listens at `path`, whether he takes callers or not.
pub(crate) fn is_listened_at(path: &Path) -> bool {
    match connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_backlog_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("till.sock");
        assert_eq!(connect(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert!(!is_listened_at(&path));
        rustix::net::listen(&listener, 0).unwrap();
        let mut callers = Vec::new();
        let full = loop {
            match connect(&path) {
                Ok(caller) => callers.push(caller),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(!callers.is_empty());
        assert!(is_listened_at(&path));
        drop(listener);
        let refused = connect(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
