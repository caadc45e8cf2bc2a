//! The journal's place: whether the path still leads to the file that is open, and what becomes of the write-ahead
//! log while it does not.
//!
//! A file that was removed or replaced takes what is moved into it, and the log was the only other copy. So the log
//! is emptied, and moved into the file at the end, only where the path leads to that very file.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::error::writing;
use super::{BUSY_WAIT, Journal, JournalError, Lock};
use crate::causes::with_causes;

/// Closing a connection leaves the log alone: [`Journal::close`] moves it where it belongs.
pub(super) fn keep_log_at_close(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map(drop)
}

/// Device and inode.
pub(super) fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let facts = std::fs::metadata(path)?;
    Ok((facts.dev(), facts.ino()))
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

    /// A removed file takes writes as gladly as any other, and loses them. What cannot be looked at, rights of a
    /// folder for example, is not gone: the open descriptors still lead to it.
    pub(super) fn check_place(&self) -> Result<(), JournalError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let is_gone = match identity(&self.path) {
            Ok(found) => found != file.identity,
            Err(error) => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        };
        if is_gone {
            return Err(JournalError::Gone {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Moves the write-ahead log into the file, so that a copy of the file alone is whole. The journal's lock
    /// is the caller's from now on: requests may be under way yet, and who starts meanwhile would take
    /// them for ended and their absence for conclusive.
    pub fn close(self) -> Option<Lock> {
        let moved = self.check_place().and_then(|()| {
            let query = "PRAGMA wal_checkpoint(TRUNCATE)";
            self.connection.execute_batch(query).map_err(writing)
        });
        if let Err(error) = moved {
            let error = with_causes(&error);
            tracing::warn!(%error, "The journal's write-ahead log stays");
        }
        let mut lock = self.file.map(|file| file.lock);
        if let Some(lock) = &mut lock {
            lock.note_stopping();
        }
        lock
    }
}
