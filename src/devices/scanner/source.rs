//! An open device, whatever its kind: something to wait for, and codes out of it.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::model::scan::RawScan;

/// What a device gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole code.
    Code {
        /// Its text; `None` when that is not known, or nothing of it is printable.
        code: Option<Secret>,
        raw: RawScan,
    },
    /// What belongs to the code before it, such as the LF after a CR.
    Trailing(RawScan),
}

/// An open device.
pub(super) trait Source: Send {
    /// What to wait for in `poll`.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>>;

    /// Takes what is there; an error, in English, means that the device is gone.
    fn read(&mut self, now: Duration) -> Result<Vec<Decoded>, String>;

    /// When silence will end something.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Gives what silence has ended.
    fn handle_timeout(&mut self, now: Duration) -> Vec<Decoded>;

    /// A code was taken, or could not be; not called for the rest of a code.
    fn acknowledge(&mut self, _taken: bool) {}

    /// Codes so far that could not be read.
    fn discarded(&self) -> u64;

    /// The device's answer to a firmware query, once when it has come.
    fn firmware(&mut self) -> Option<String> {
        None
    }
}
