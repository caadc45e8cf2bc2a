//! A disk quota that is used up.
//!
//! SQLite distinguishes a full disk (`ENOSPC`) from other failures, and a used-up quota (`EDQUOT`) it does not: that
//! looks like a broken disk. So after a write that failed a file without a name is written beside the journal, and the
//! system itself reports what is the matter.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rusqlite::{ErrorCode, ffi};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::JournalError;

/// More than a page of the journal, so that what a page did not fit into does not take it either.
const SAMPLE_BYTES: usize = 64 * 1024;

/// What an error of the journal in that place was: the quota, or what it states.
pub(super) fn diagnose(path: &Path, error: JournalError) -> JournalError {
    diagnose_with(path, error, write_sample)
}

fn diagnose_with(
    path: &Path,
    error: JournalError,
    write: impl FnOnce(&Path) -> io::Result<()>,
) -> JournalError {
    if !is_failed_write(&error) {
        return error;
    }
    let code = write(path).err().and_then(|error| error.raw_os_error());
    if code == Some(Errno::DQUOT.raw_os_error()) {
        return JournalError::Quota {
            path: path.to_owned(),
        };
    }
    error
}

/// Whether the system may have refused to write or to make a file, for whatever reason.
fn is_failed_write(error: &JournalError) -> bool {
    let (JournalError::Statement { source, .. } | JournalError::Open { source, .. }) = error else {
        return false;
    };
    source.sqlite_error().is_some_and(|failure| {
        let is_read = matches!(
            failure.extended_code,
            ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ
        );
        let code = failure.code;
        matches!(code, ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) && !is_read
    })
}

/// Nothing of it stays. A file system that compresses what it keeps shall have nothing to compress.
fn write_sample(journal: &Path) -> io::Result<()> {
    let mut bytes = vec![0; SAMPLE_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::TMPFILE.bits().cast_signed())
        .open(journal.parent().unwrap_or(Path::new(".")))?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::super::Trouble;
    use super::super::error::writing;
    use super::*;

    fn failed(code: i32) -> JournalError {
        writing(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn a_quota_that_is_used_up_is_distinguished_from_a_broken_disk() {
        let path = Path::new("journal.sqlite3");
        for code in [
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_CANTOPEN,
        ] {
            for (errno, trouble) in [
                (Errno::DQUOT, Trouble::Quota),
                (Errno::IO, Trouble::Disk),
                (Errno::OPNOTSUPP, Trouble::Disk),
            ] {
                let error = diagnose_with(path, failed(code), |_| Err(errno.into()));
                assert_eq!(error.trouble(), trouble, "{code} {errno}");
                assert!(error.is_full() || code == ffi::SQLITE_CANTOPEN, "{code}");
            }
            let error = diagnose_with(path, failed(code), |_| Ok(()));
            assert_eq!(error.trouble(), Trouble::Disk, "{code}");
        }
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_SHORT_READ,
        ] {
            let error = diagnose_with(path, failed(code), |_| panic!("nothing is written"));
            assert_ne!(error.trouble(), Trouble::Quota, "{code}");
        }
    }

    #[test]
    fn the_sample_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let error = diagnose(&path, failed(ffi::SQLITE_IOERR_WRITE));
        assert_eq!(error.trouble(), Trouble::Disk);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
