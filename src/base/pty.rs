//! Pseudo-terminals that pass bytes as they are.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// One pseudo-terminal. Its line's settings last as long as anybody has the far end open.
#[derive(Debug)]
pub struct RawPty {
    /// Our end.
    pub near: OwnedFd,
    /// The end that `node` leads to.
    pub far: OwnedFd,
    /// The device node, `/dev/pts/7`.
    pub node: PathBuf,
}

impl RawPty {
    /// Opens both ends. The line is raw before anybody reads: otherwise a terminal echoes what it gets and turns CR
    /// into LF.
    ///
    /// # Errors
    /// Where the system has no pseudo-terminals left.
    pub fn open() -> io::Result<RawPty> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let node = PathBuf::from(OsStr::from_bytes(ptsname(&near, Vec::new())?.as_bytes()));
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let far = rustix::fs::open(&node, flags, Mode::empty())?;
        let mut modes = tcgetattr(&far)?;
        modes.make_raw();
        tcsetattr(&far, OptionalActions::Now, &modes)?;
        Ok(RawPty { near, far, node })
    }
}
