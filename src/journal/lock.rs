//! One process for a journal: an advisory lock on a file beside it. Not on the database itself,
//! whose own locks SQLite gives up whenever any descriptor of it is closed.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::JournalError;

/// What a lock file adds to the number of a process that is about to end.
const STOPPING: &str = "stopping";

/// Held while it lives; the kernel gives it up when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    pub(super) fn take(journal: &Path) -> Result<Lock, JournalError> {
        let failed = |source| JournalError::Prepare {
            path: journal.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(beside(journal))
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
        let mut lock = Lock { file };
        lock.tell("");
        Ok(lock)
    }

    /// From now on it is only held until the last request of this process has ended.
    pub(super) fn note_stopping(&mut self) {
        self.tell(STOPPING);
    }

    /// Who holds it is a courtesy; a full disk must not keep the daemon from starting.
    fn tell(&mut self, state: &str) {
        let file = &mut self.file;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{} {state}", std::process::id()));
        if let Err(error) = written {
            tracing::debug!(%error, "The lock's holder is not named");
        }
    }
}

fn beside(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    journal.with_file_name(name)
}

/// The process that holds the journal's lock and is about to end.
#[must_use]
pub fn stopping_holder(journal: &Path) -> Option<String> {
    let mut file = File::open(beside(journal)).ok()?;
    // For an instant only: nobody else asks while the lock is held.
    if flock(&file, FlockOperation::NonBlockingLockShared) != Err(rustix::io::Errno::WOULDBLOCK) {
        return None;
    }
    let (pid, state) = holder_and_state(&mut file)?;
    (state == STOPPING).then_some(pid)
}

/// The process that the lock file names.
fn holder(file: &mut File) -> String {
    holder_and_state(file).map_or_else(|| "?".to_owned(), |(pid, _)| pid)
}

fn holder_and_state(file: &mut File) -> Option<(String, String)> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    let (pid, state) = text.trim_end_matches('\n').split_once(' ')?;
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (pid.to_owned(), state.to_owned()))
}
