//! What the tests of the wing share.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::base::poll::wait_for;
use crate::base::pty::RawPty;

/// Longer than anything takes on a machine that is busy otherwise.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + TEST_TIMEOUT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} never came true");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The device's end of a serial port.
pub(crate) struct Pty {
    pub(crate) master: File,
    pub(crate) node: PathBuf,
    /// Held open, so that the line's settings last and reads do not fail before the port is opened.
    _far: OwnedFd,
}

impl Pty {
    pub(crate) fn open() -> Pty {
        let RawPty { near, far, node } = RawPty::open().unwrap();
        Pty {
            master: File::from(near),
            node,
            _far: far,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    /// Exactly so many bytes.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend(self.read_some(count - bytes.len(), TEST_TIMEOUT));
        }
        bytes
    }

    /// What has come within the time, at most so many bytes.
    pub(crate) fn read_some(&mut self, most: usize, within: Duration) -> Vec<u8> {
        let seen = wait_for(&self.master, PollFlags::IN, within).unwrap();
        assert!(
            !seen.is_empty() || within.is_zero(),
            "{most} more bytes never came"
        );
        if seen.is_empty() {
            return Vec::new();
        }
        let mut bytes = vec![0; most];
        let count = self.master.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let came = self.read(bytes.len());
        assert_eq!(format!("{came:02X?}"), format!("{bytes:02X?}"));
    }
}
