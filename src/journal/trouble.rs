//! What an error of the journal means for the person who has to help: each kind has an action of its own.

use std::io;

use rusqlite::{ErrorCode, ffi};
use rustix::io::Errno;

use super::JournalError;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk has no room.
    Full,
    /// The disk fails, or takes no writes.
    Disk,
    /// The rights do not suffice.
    Rights,
    /// Another program holds the file.
    Locked,
    /// What lies in the place of the reserve is no file.
    Reserve,
    /// The file was removed or replaced.
    Gone,
    /// What the file or its log holds cannot be read as a journal any more.
    Damaged,
    /// None of these.
    Other,
}

impl JournalError {
    /// What kind of trouble this is.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            JournalError::Full { .. } => Trouble::Full,
            JournalError::Reserve { .. } => Trouble::Reserve,
            JournalError::Gone { .. } => Trouble::Gone,
            JournalError::Damaged { .. } | JournalError::Aside { .. } => Trouble::Damaged,
            JournalError::Prepare { source, .. } => of_system(source),
            JournalError::Open { source, .. } | JournalError::Statement { source, .. } => {
                of_database(source)
            }
            JournalError::TooNew { .. }
            | JournalError::Taken { .. }
            | JournalError::Row { .. }
            | JournalError::Orphan { .. } => Trouble::Other,
        }
    }
}

fn of_system(error: &io::Error) -> Trouble {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    match code {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Trouble::Full,
        Some(Errno::ACCESS | Errno::PERM) => Trouble::Rights,
        Some(Errno::IO | Errno::ROFS) => Trouble::Disk,
        _ => Trouble::Other,
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "SQLite has many codes, and a new one is no trouble of its own"
)]
fn of_database(error: &rusqlite::Error) -> Trouble {
    // An empty file in the journal's place is a database, and holds nothing.
    if error.to_string().contains("no such table") {
        return Trouble::Damaged;
    }
    let Some(failure) = error.sqlite_error() else {
        return Trouble::Other;
    };
    match failure.code {
        ErrorCode::DiskFull => Trouble::Full,
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => Trouble::Damaged,
        // The log is shorter than what was written to it.
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ => {
            Trouble::Damaged
        }
        ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen => Trouble::Disk,
        ErrorCode::PermissionDenied => Trouble::Rights,
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => Trouble::Locked,
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_kind_of_error_is_told_from_the_others() {
        for (code, trouble) in [
            (ffi::SQLITE_FULL, Trouble::Full),
            (ffi::SQLITE_IOERR_WRITE, Trouble::Disk),
            (ffi::SQLITE_IOERR_SHORT_READ, Trouble::Damaged),
            (ffi::SQLITE_READONLY, Trouble::Disk),
            (ffi::SQLITE_BUSY, Trouble::Locked),
            (ffi::SQLITE_NOTADB, Trouble::Damaged),
            (ffi::SQLITE_CORRUPT, Trouble::Damaged),
            (ffi::SQLITE_MISUSE, Trouble::Other),
        ] {
            let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = super::super::error::writing(source);
            assert_eq!(error.trouble(), trouble, "{code}");
        }
        for (code, trouble) in [
            (Errno::NOSPC, Trouble::Full),
            (Errno::DQUOT, Trouble::Full),
            (Errno::FBIG, Trouble::Full),
            (Errno::ACCESS, Trouble::Rights),
            (Errno::ROFS, Trouble::Disk),
            (Errno::IO, Trouble::Disk),
            (Errno::NODEV, Trouble::Other),
        ] {
            let error = JournalError::Prepare {
                path: PathBuf::from("journal"),
                source: code.into(),
            };
            assert_eq!(error.trouble(), trouble, "{code}");
        }
    }
}
