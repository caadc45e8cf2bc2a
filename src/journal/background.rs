//! A large journal is checked and counted beside the service, since whoever starts it waits to sell.
//!
//! A check reads the whole file: seconds for years of operations. A small one is checked before it is used. A large one
//! is opened at once, and a thread of low priority reads it through a connection of its own; what it finds damaged is
//! confirmed as in [`doubt`] and reported as if a reader had met it. Until then a damaged part that
//! nothing reads does no harm, and one that is read is met as damage is met at any time.
//!
//! Nothing is removed from the journal before it is counted, so that the count is exact.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};

use super::doubt::{self, Limit};
use super::error::reading;
use super::{JournalError, Trouble, open_reader};
use crate::base::error_chain::with_causes;
use crate::base::lock::lock;

/// A larger file, with its log, is checked in the background: of so much a check takes some ten milliseconds.
pub(super) const MAX_BYTES_AT_START: u64 = 1024 * 1024;
/// After a check that the disk did not let come to its end.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
/// As nice as can be.
const NICE: i32 = 19;

/// Of a journal that was opened without a check.
#[derive(Debug)]
pub struct BackgroundCheck {
    pub(super) path: PathBuf,
    /// Held by the journal as well: closing it would give up SQLite's locks.
    pub(super) content: Arc<File>,
    /// The newest row at the start.
    pub(super) last: i64,
    pub(super) state: Arc<CheckState>,
}

/// What the journal knows of its check.
#[derive(Default)]
pub(super) struct CheckState {
    is_counted: AtomicBool,
    count: AtomicU64,
    is_ended: AtomicBool,
    running: Mutex<Option<InterruptHandle>>,
}

impl std::fmt::Debug for CheckState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckState")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl CheckState {
    /// How many operations there were at the start, once they are counted.
    pub(super) fn count(&self) -> Option<u64> {
        let is_counted = self.is_counted.load(Ordering::Acquire);
        is_counted.then(|| self.count.load(Ordering::Relaxed))
    }

    fn note_count(&self, count: u64) {
        self.count.store(count, Ordering::Relaxed);
        self.is_counted.store(true, Ordering::Release);
    }

    /// The journal is closed: nobody must read it any more.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::Release);
        if let Some(running) = lock(&self.running).as_ref() {
            running.interrupt();
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
    }

    /// Lets a connection work that [`CheckState::end`] can interrupt.
    pub(super) fn interruptible<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce() -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        *lock(&self.running) = Some(connection.get_interrupt_handle());
        let done = if self.is_ended() {
            let ended = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
            Err(reading(rusqlite::Error::SqliteFailure(ended, None)))
        } else {
            work()
        };
        *lock(&self.running) = None;
        done
    }
}

impl BackgroundCheck {
    /// Counts and checks. Takes as long as reading the file does.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if that is confirmed, any other when it could not be looked at.
    pub fn run(&self) -> Result<(), JournalError> {
        let connection = open_reader(&self.path)?;
        let counted = self
            .state
            .interruptible(&connection, || count(&connection, self.last));
        drop(connection);
        let limit = Limit::EndOf(&self.state);
        let looked = counted.and_then(|count| {
            self.state.note_count(count);
            doubt::look_again(&self.path, &limit)
        });
        match looked {
            Err(error) if error.is_doubt() || error.trouble() == Trouble::Damaged => {
                let error = with_causes(&error);
                tracing::error!(path = %self.path.display(), error, "The journal seems damaged and is looked at once more");
                match doubt::damage(&self.path, &self.content, &limit)? {
                    Some(report) => Err(JournalError::Damaged {
                        path: self.path.clone(),
                        report,
                    }),
                    // The disk was at fault.
                    None => Err(error_of_disk(&self.path, &error)),
                }
            }
            looked => looked,
        }
    }

    /// The same again and again, until it is known whether the journal is whole: a disk may fail for a while.
    ///
    /// # Errors
    /// [`JournalError::Damaged`]; any other once the journal is closed.
    pub fn run_until_known(&self) -> Result<(), JournalError> {
        give_way();
        loop {
            match self.run() {
                Err(error) if error.trouble() != Trouble::Damaged && !self.is_ended() => {
                    tracing::warn!(error = %with_causes(&error), "The journal could not be checked, and is checked again");
                    std::thread::sleep(RETRY_INTERVAL);
                }
                known => return known,
            }
        }
    }

    /// Whether it was given up because the journal was closed.
    pub fn is_ended(&self) -> bool {
        self.state.is_ended()
    }
}

fn error_of_disk(path: &Path, error: &str) -> JournalError {
    let seen = format!("a second look finds it whole after: {error}");
    doubt::unread(path, std::io::Error::other(seen))
}

fn count(connection: &Connection, last: i64) -> Result<u64, JournalError> {
    let sql = "SELECT COUNT(*) FROM operations WHERE seq <= ?1";
    let count: i64 = connection
        .query_row(sql, [last], |row| row.get(0))
        .map_err(reading)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Of this thread alone, as Linux has it.
fn give_way() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICE) {
        tracing::debug!(%error, "The journal's check has the daemon's priority");
    }
}
