//! One process for a journal: an advisory lock on a file beside it. Not on the database itself,
//! whose own locks SQLite gives up whenever any descriptor of it is closed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::JournalError;

/// Held while it lives; the kernel gives it up when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(journal: &Path) -> Result<Lock, JournalError> {
        let failed = |source| JournalError::Prepare {
            path: journal.to_owned(),
            source,
        };
        let mut name = journal.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(journal.with_file_name(name))
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(JournalError::Taken {
                    path: journal.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        // Who holds it is a courtesy; a full disk must not keep the daemon from starting.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = written {
            tracing::debug!(%error, "The lock's holder is not named");
        }
        Ok(Lock { _file: file })
    }
}

/// The process that the lock file names.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(16).read_to_string(&mut text);
    let digits = text.trim();
    if read.is_ok() && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.to_owned()
    } else {
        "?".to_owned()
    }
}
