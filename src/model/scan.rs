//! What a scanner read.

use std::fmt;

use crate::base::secret::Secret;

/// A code, as it is understood and as it came. `Debug` shows none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Which scanner, `api` for a program.
    pub device: String,
    /// The text of the code.
    pub code: Secret,
    /// As it came, where the till program shares the scanner.
    pub raw: Option<RawScan>,
}

/// What a scanner sent, unchanged, for the till program. Its `Debug` shows only how much.
#[derive(Clone, PartialEq, Eq)]
pub enum RawScan {
    /// Bytes of a serial line, terminator included.
    Bytes(Vec<u8>),
    /// A code of HID POS reports; it has no terminator.
    Report(Vec<u8>),
    /// Keys.
    Keys(Vec<Stroke>),
}

/// A press (`true`) or release of a key, by its number of the kernel's.
pub type Stroke = (u16, bool);

impl fmt::Debug for RawScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawScan::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            RawScan::Report(bytes) => write!(f, "{} bytes of reports", bytes.len()),
            RawScan::Keys(strokes) => write!(f, "{} strokes", strokes.len()),
        }
    }
}
