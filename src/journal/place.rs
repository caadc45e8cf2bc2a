//! The journal's place: whether the paths still lead to the file, the write-ahead log and its index that are open, and
//! what becomes of the log while they do not.
//!
//! A file that was removed or replaced takes what is moved into it, and the log was the only other copy. So the log
//! is emptied, and moved into the file at the end, only where the path leads to that very file. A log that was removed
//! or replaced takes writes as gladly, and a crash loses them: it gets its name back (see `log_rescue`). An index that
//! was removed or replaced is no more that of other programs: one that moves the log into the file leaves this process
//! with an index that is wrong, by which a sound journal looks damaged, and by which nothing must be moved. The next
//! start makes another.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use rustix::fs::OFlags;

use super::doubt::NEWEST;
use super::error::{reading, writing};
use super::inspect::holds_the_same;
use super::{
    BUSY_WAIT, File, Journal, JournalError, Lock, Trouble, log_rescue, quarantine, schema,
};
use crate::base::error_chain::with_causes;

/// Closing a connection leaves the log alone: [`Journal::close`] moves it where it belongs.
pub(super) fn keep_log_at_close(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map(drop)
}

/// SQLite opens a file that it may not write for reading alone, reports that only when it is written, and never looks
/// again. Nobody in this process has the files open yet: closing one would give up SQLite's locks.
pub(super) fn check_rights(path: &Path) -> Result<(), JournalError> {
    let files = [
        path.to_owned(),
        quarantine::beside(path, "-wal"),
        quarantine::beside(path, "-shm"),
    ];
    for path in files {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&path);
        if let Err(source) = opened
            && source.kind() != ErrorKind::NotFound
        {
            return Err(JournalError::Prepare { path, source });
        }
    }
    Ok(())
}

/// Device and inode of what is open. SQLite keeps those of log and index as long as it has the journal open.
#[derive(Debug)]
pub(super) struct Identity {
    file: (u64, u64),
    log: (u64, u64),
    index: (u64, u64),
}

impl Identity {
    /// Of a journal that was opened and read: its log and index are there.
    pub(super) fn of(journal: &Path) -> std::io::Result<Identity> {
        let beside = |ending| device_and_inode(&quarantine::beside(journal, ending));
        Ok(Identity {
            file: device_and_inode(journal)?,
            log: beside("-wal")?,
            index: beside("-shm")?,
        })
    }
}

fn device_and_inode(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

/// A removed file takes writes as gladly as any other, and loses them. What cannot be looked at, rights of a
/// folder for example, is not gone: the open descriptors still lead to it.
fn check_identity(path: &Path, open: (u64, u64)) -> Result<(), JournalError> {
    let is_gone = match device_and_inode(path) {
        Ok(found) => found != open,
        Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    if is_gone {
        return Err(JournalError::Gone {
            path: path.to_owned(),
        });
    }
    Ok(())
}

impl Journal {
    /// Empties the write-ahead log, where the codes of an operation that is over still stand though
    /// their rows do not hold them any more; whether that is done. Waits for nobody: while somebody
    /// reads, the log stays.
    pub fn empty_log(&mut self) -> bool {
        if let Err(error) = self.check_place() {
            tracing::debug!(%error, "The write-ahead log is not emptied");
            return false;
        }
        let busy = self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
            let query = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.connection
                .query_row(query, [], |row| row.get::<_, i64>(0))
        });
        if let Err(error) = self.connection.busy_timeout(BUSY_WAIT) {
            tracing::error!(%error, "The journal's patience cannot be set");
        }
        match busy {
            Ok(busy) => busy == 0,
            Err(error) => {
                tracing::debug!(%error, "The write-ahead log is not emptied now");
                false
            }
        }
    }

    /// Begins the log that was emptied: SQLite waits for the disk once more when it writes the log's head, and no sale
    /// shall wait for that.
    pub fn begin_log(&mut self) {
        let begun = self
            .check_place()
            .and_then(|()| self.wait_for_disk(false))
            .and_then(|()| {
                self.connection
                    .pragma_update(None, "user_version", schema::VERSION)
                    .map_err(writing)
            });
        if let Err(error) = begun {
            tracing::debug!(error = %with_causes(&error), "The write-ahead log is not begun");
        }
    }

    /// Whether what is written is found by the next start.
    ///
    /// # Errors
    /// [`JournalError::Gone`] with the file that was removed or replaced.
    pub(super) fn check_place(&self) -> Result<(), JournalError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let beside = |ending| quarantine::beside(&self.path, ending);
        check_identity(&self.path, file.identity.file)?;
        check_identity(&beside("-wal"), file.identity.log)?;
        check_identity(&beside("-shm"), file.identity.index)
    }

    /// What was taken away is made whole for the next start, as far as it is only in this process's hands.
    ///
    /// # Errors
    /// [`JournalError`]: the process must not end yet.
    pub fn secure_log(&mut self) -> Result<(), JournalError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        // The log lies where it belongs if its file is another, and is kept there.
        let log = quarantine::beside(&self.path, "-wal");
        if file.is_log_secured
            || check_identity(&self.path, file.identity.file).is_err()
            || check_identity(&log, file.identity.log).is_ok()
        {
            return Ok(());
        }
        file.reserve.give_up();
        log_rescue::name_again(&self.path, file.identity.log)?;
        file.is_log_secured = true;
        Ok(())
    }

    /// Reads anew what every use of the journal needs: what is kept in memory hides from this process that the file
    /// or its log was overwritten.
    pub(super) fn check_content(&self) -> Result<(), JournalError> {
        if self.file.is_none() {
            return Ok(());
        }
        self.connection
            .release_memory()
            .and_then(|()| self.connection.prepare_cached(NEWEST))
            .and_then(|mut query| query.query_row([], |_| Ok(())))
            .map_err(reading)
    }

    /// Whether a write could begin now; `in_earnest`: whether it reaches the disk. Waits for nobody.
    ///
    /// # Errors
    /// [`JournalError`] that a write would meet.
    pub fn look(&mut self, in_earnest: bool) -> Result<(), JournalError> {
        if self.file.is_none() {
            return Ok(());
        }
        self.check_place()?;
        self.check_content()?;
        self.connection
            .busy_timeout(Duration::ZERO)
            .map_err(writing)?;
        let written = self.try_write(in_earnest);
        self.connection.busy_timeout(BUSY_WAIT).map_err(writing)?;
        written
    }

    /// Dropped, the transaction is rolled back.
    fn try_write(&mut self, in_earnest: bool) -> Result<(), JournalError> {
        if in_earnest {
            self.wait_for_disk(true)?;
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior);
        let transaction = transaction.map_err(writing)?;
        if in_earnest {
            transaction
                .pragma_update(None, "user_version", schema::VERSION)
                .and_then(|()| transaction.commit())
                .map_err(writing)?;
        }
        Ok(())
    }

    /// The next process shall know that the journal is damaged.
    pub fn note_damage(&mut self) {
        if let Some(file) = &mut self.file {
            file.lock.note_damage();
        }
    }

    /// Moves the write-ahead log into the file, so that a copy of the file alone is whole. The journal's lock
    /// is the caller's from now on: requests may be under way yet, and who starts meanwhile would take
    /// them for ended and their absence for conclusive.
    pub fn close(mut self) -> Option<Lock> {
        if let Some(check) = &self.count.counting {
            check.end();
        }
        let is_secured = match self.secure_log() {
            Ok(()) => true,
            Err(error) => self.is_moved_at_last(&error),
        };
        if is_secured && let Err(error) = self.move_log() {
            let error = self.judge(error);
            self.note_left_log(&error);
        }
        drop(self.connection);
        let File {
            content, mut lock, ..
        } = self.file?;
        lock.note_stopping(content, is_secured);
        Some(lock)
    }

    fn note_left_log(&mut self, error: &JournalError) {
        let is_of_file = |path: &Path| *path == *self.path;
        if matches!(error, JournalError::Gone { path } if !is_of_file(path)) {
            // Log and index are whole for the next start.
            return;
        }
        let detail = with_causes(error);
        tracing::warn!(error = %detail, "The journal's write-ahead log stays");
        if self.leaves_another(error) {
            self.note_damage();
        }
    }

    /// The process must end, and the log that was taken away cannot be given its name: whether all that it holds could
    /// be moved into the file.
    fn is_moved_at_last(&self, error: &JournalError) -> bool {
        let index = quarantine::beside(&self.path, "-shm");
        let file = self.file.as_ref();
        let is_indexed =
            file.is_some_and(|file| check_identity(&index, file.identity.index).is_ok());
        let query = "PRAGMA wal_checkpoint(FULL)";
        let moved = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?);
        let is_moved = is_indexed
            && self.connection.query_row(query, [], moved).unwrap_or(false)
            && quarantine::put_log_aside(&self.path).is_ok();
        if !is_moved {
            let error = with_causes(error);
            tracing::error!(%error, "What the write-ahead log held is lost: it was removed, and cannot be kept");
        }
        is_moved
    }

    fn move_log(&self) -> Result<(), JournalError> {
        let file = self.file.as_ref();
        if file.is_some_and(|file| file.lock.is_of_damaged()) {
            return Err(JournalError::Damaged {
                path: self.path.clone(),
                report: "found before".to_owned(),
            });
        }
        self.check_place()?;
        self.check_content()?;
        let query = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection.execute_batch(query).map_err(writing)
    }

    /// Whether the next start would find another journal than this one. A copy in its place, with the log, is the
    /// same.
    fn leaves_another(&self, error: &JournalError) -> bool {
        match error.trouble() {
            Trouble::Damaged => true,
            Trouble::Gone => !holds_the_same(&self.path, &self.connection),
            Trouble::Full
            | Trouble::Quota
            | Trouble::Disk
            | Trouble::Rights
            | Trouble::Locked
            | Trouble::Reserve
            | Trouble::Other => false,
        }
    }
}
