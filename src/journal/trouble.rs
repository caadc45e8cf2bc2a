//! What an error of the journal means for the person who has to help: each kind has an action of its own.

use std::io;

use rusqlite::{ErrorCode, ffi};
use rustix::io::Errno;

use super::JournalError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk has no room.
    Full,
    /// The disk quota of the journal's user is used up.
    Quota,
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
    /// What the file or its log holds is no journal any more, and that is confirmed.
    Damaged,
    Other,
}

impl JournalError {
    /// What kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            JournalError::Full { .. } => Trouble::Full,
            JournalError::Quota { .. } => Trouble::Quota,
            JournalError::Reserve { .. } => Trouble::Reserve,
            JournalError::Gone { .. } => Trouble::Gone,
            JournalError::Locked { .. } => Trouble::Locked,
            JournalError::Damaged { .. } | JournalError::Quarantined { .. } => Trouble::Damaged,
            JournalError::Prepare { source, .. } => of_system(source),
            JournalError::Unread { source, .. } if of_system(source) == Trouble::Rights => {
                Trouble::Rights
            }
            JournalError::Unread { .. } => Trouble::Disk,
            JournalError::Open { source, .. } | JournalError::Statement { source, .. } => {
                of_database(source)
            }
            JournalError::TooNew { .. }
            | JournalError::Taken { .. }
            | JournalError::Row { .. }
            | JournalError::Orphan { .. } => Trouble::Other,
        }
    }

    /// Whether it indicates damage that is not confirmed: [`super::Journal::judge`] does that, and until then it is a
    /// fault of the disk.
    pub fn is_doubt(&self) -> bool {
        match self {
            JournalError::Open { source, .. } | JournalError::Statement { source, .. } => {
                indicates_damage(source)
            }
            JournalError::Prepare { .. }
            | JournalError::TooNew { .. }
            | JournalError::Damaged { .. }
            | JournalError::Unread { .. }
            | JournalError::Quarantined { .. }
            | JournalError::Taken { .. }
            | JournalError::Locked { .. }
            | JournalError::Gone { .. }
            | JournalError::Reserve { .. }
            | JournalError::Row { .. }
            | JournalError::Orphan { .. }
            | JournalError::Full { .. }
            | JournalError::Quota { .. } => false,
        }
    }
}

/// Whether SQLite takes the file for damaged. A read that the disk refuses has the same codes.
pub(super) fn indicates_damage(error: &rusqlite::Error) -> bool {
    // An empty file in the journal's place is a database, and holds nothing.
    if error.to_string().contains("no such table") {
        return true;
    }
    error.sqlite_error().is_some_and(|failure| {
        matches!(
            failure.code,
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt
        )
        // The log is shorter than what was written to it.
            || failure.extended_code == ffi::SQLITE_IOERR_SHORT_READ
    })
}

fn of_system(error: &io::Error) -> Trouble {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    match code {
        Some(Errno::NOSPC | Errno::FBIG) => Trouble::Full,
        Some(Errno::DQUOT) => Trouble::Quota,
        Some(Errno::ACCESS | Errno::PERM) => Trouble::Rights,
        Some(Errno::IO | Errno::NXIO | Errno::UCLEAN | Errno::ROFS) => Trouble::Disk,
        _ => Trouble::Other,
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "SQLite has many codes, and a new one is no trouble of its own"
)]
fn of_database(error: &rusqlite::Error) -> Trouble {
    if indicates_damage(error) {
        return Trouble::Disk;
    }
    let Some(failure) = error.sqlite_error() else {
        return Trouble::Other;
    };
    match failure.code {
        ErrorCode::DiskFull => Trouble::Full,
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
    fn each_kind_of_error_is_distinguished_from_the_others() {
        for (code, trouble, is_doubt) in [
            (ffi::SQLITE_FULL, Trouble::Full, false),
            (ffi::SQLITE_IOERR_WRITE, Trouble::Disk, false),
            (ffi::SQLITE_IOERR_SHORT_READ, Trouble::Disk, true),
            (ffi::SQLITE_READONLY, Trouble::Disk, false),
            (ffi::SQLITE_BUSY, Trouble::Locked, false),
            (ffi::SQLITE_NOTADB, Trouble::Disk, true),
            (ffi::SQLITE_CORRUPT, Trouble::Disk, true),
            (ffi::SQLITE_MISUSE, Trouble::Other, false),
        ] {
            let source = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = super::super::error::writing(source);
            assert_eq!(error.trouble(), trouble, "{code}");
            assert_eq!(error.is_doubt(), is_doubt, "{code}");
        }
        for (code, trouble) in [
            (Errno::NOSPC, Trouble::Full),
            (Errno::DQUOT, Trouble::Quota),
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
