//! A scanner without hardware: a pseudo-terminal whose far end the daemon opens by path like any
//! serial scanner, so that the real transport, framing and reopening code is what runs.
//!
//! The near end writes what a scanner would send. The far end is held open here as well: a
//! pseudo-terminal forgets its settings and reports a hang-up while nobody has it open, and between
//! the demo's start and the daemon's first open that would look like an unplugged scanner.

use std::path::Path;

use crate::base::pty::RawPty;

/// The longest code that the virtual scanner takes: more than any QR code holds.
pub const MAX_CODE_BYTES: usize = 3000;

/// A scanner whose reads are commanded.
#[derive(Debug)]
pub struct VirtualScanner {
    pty: RawPty,
}

/// Why the virtual scanner did not scan.
#[derive(Debug, thiserror::Error)]
pub enum ScannerError {
    /// No scanner sends such a code as one line.
    #[error("a code has 1 to {MAX_CODE_BYTES} bytes and no control characters")]
    NotACode,
    /// The pseudo-terminal could not be made.
    #[error("the pseudo-terminal of the virtual scanner cannot be opened")]
    Open(#[source] std::io::Error),
    /// The pseudo-terminal does not take the code, because nobody reads it.
    #[error("the pseudo-terminal of the virtual scanner does not take the code")]
    Write(#[source] std::io::Error),
}

impl VirtualScanner {
    /// Plugs the scanner in.
    ///
    /// # Errors
    /// [`ScannerError::Open`] where the system has no pseudo-terminals left.
    pub fn open() -> Result<VirtualScanner, ScannerError> {
        let pty = RawPty::open().map_err(ScannerError::Open)?;
        // A full pseudo-terminal must be an error at once, not a thread that waits for ever.
        rustix::io::ioctl_fionbio(&pty.near, true)
            .map_err(|errno| ScannerError::Open(errno.into()))?;
        Ok(VirtualScanner { pty })
    }

    /// The device node that the daemon opens.
    pub fn path(&self) -> &Path {
        &self.pty.node
    }

    /// Reads `code` as a scanner does: the bytes, then CR.
    ///
    /// # Errors
    /// [`ScannerError::NotACode`] for what no scanner sends as one line, [`ScannerError::Write`] when
    /// the daemon does not read.
    pub fn scan(&self, code: &str) -> Result<(), ScannerError> {
        if code.is_empty() || code.len() > MAX_CODE_BYTES || code.chars().any(char::is_control) {
            return Err(ScannerError::NotACode);
        }
        let line = [code.as_bytes(), b"\r"].concat();
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&self.pty.near, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(ScannerError::Write(errno.into())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;

    fn open_far_end(scanner: &VirtualScanner) -> std::fs::File {
        let no_controlling_terminal = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(no_controlling_terminal)
            .open(scanner.path())
            .unwrap()
    }

    #[test]
    fn what_is_scanned_arrives_byte_for_byte_with_one_cr() {
        let scanner = VirtualScanner::open().unwrap();
        let mut device = open_far_end(&scanner);
        scanner.scan("Код №1 \\ {x}").unwrap();
        let mut line = vec![0; "Код №1 \\ {x}\r".len()];
        device.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "Код №1 \\ {x}\r");
    }

    #[test]
    fn what_no_scanner_sends_is_refused() {
        let scanner = VirtualScanner::open().unwrap();
        for code in [
            "",
            "a\rb",
            "a\nb",
            "\u{1b}[2J",
            &"x".repeat(MAX_CODE_BYTES + 1),
        ] {
            assert!(
                matches!(scanner.scan(code), Err(ScannerError::NotACode)),
                "{code:?} was taken"
            );
        }
    }

    #[test]
    fn a_daemon_that_does_not_read_is_an_error_and_no_hang() {
        let scanner = VirtualScanner::open().unwrap();
        let code = "x".repeat(MAX_CODE_BYTES);
        let refused = (0..1000).find_map(|_| scanner.scan(&code).err());
        assert!(matches!(refused, Some(ScannerError::Write(_))));
    }

    #[test]
    fn unplugging_hangs_the_daemons_end_up() {
        let scanner = VirtualScanner::open().unwrap();
        let mut device = open_far_end(&scanner);
        drop(scanner);
        let mut byte = [0];
        assert!(matches!(device.read(&mut byte), Ok(0) | Err(_)));
    }
}
