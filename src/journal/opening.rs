//! How a journal is opened: held, looked at, checked, and brought to the present version.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::error::{preparing, reading, writing};
use super::place::Identity;
use super::reserve::Reserve;
use super::{
    BUSY_WAIT, Count, File, Held, Journal, JournalError, Lock, MAX_NEWEST_ROWS, MAX_PREPARED,
    background, doubt, lock, place, quarantine, quota, schema, trouble, wal_index,
};

impl Journal {
    /// Opens the journal, makes it if absent, checks it, and brings it to the present version. A
    /// damaged one is quarantined, and no other is made in its place: an empty journal would take
    /// payments and know nothing of those that are unfinished. One that the disk does not give stays where it is.
    ///
    /// # Errors
    /// [`JournalError`] naming the file; nothing is removed then.
    pub fn open(path: &Path) -> Result<Journal, JournalError> {
        Journal::open_checking(path, background::MAX_BYTES_AT_START)
    }

    /// The same, but one of any size is checked whole before it is used: something has met what indicates damage.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_doubted(path: &Path) -> Result<Journal, JournalError> {
        Journal::open_checking(path, u64::MAX)
    }

    /// One with more than `most` bytes is left to be checked in the background.
    fn open_checking(path: &Path, most: u64) -> Result<Journal, JournalError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(preparing(path))?;
        }
        let mut lock = Lock::take(path)?;
        if let Err(error) = quarantine::refuse_while_quarantined(path) {
            if matches!(error, JournalError::Quarantined { .. }) {
                lock.forget_damage();
            }
            return Err(error);
        }
        if lock.is_of_damaged() && quarantine::has_log(path)? {
            let kept = quarantined(path, "found while the daemon ran");
            if matches!(kept, JournalError::Quarantined { .. }) {
                lock.forget_damage();
            }
            return Err(kept);
        }
        lock.forget_damage();
        if lock.is_of_crashed() && path.exists() && !quarantine::has_log(path)? {
            tracing::error!(path = %path.display(), "The write-ahead log of a process that crashed is missing: what it held is lost");
        }
        let (connection, held) = match Journal::open_twice(path, most) {
            Err(JournalError::Damaged { path, report }) => return Err(quarantined(&path, &report)),
            opened => opened.map_err(|error| quota::diagnose(path, error))?,
        };
        let is_checked = held.is_checked;
        let file = File {
            reserve: Reserve::beside(path),
            identity: Identity::of(path).map_err(preparing(path))?,
            is_log_secured: false,
            content: held.content,
            _wal_index: held.wal_index,
            lock,
        };
        Journal::over(connection, path, Some(file), is_checked)
    }

    /// Damage that one look has shown is looked for once more, and before and after that the files are read plainly:
    /// a disk that fails looks the same to SQLite.
    fn open_twice(path: &Path, most: u64) -> Result<(Connection, Held), JournalError> {
        match Journal::open_checked(path, most) {
            Err(JournalError::Damaged { report, .. }) => {
                tracing::error!(path = %path.display(), %report, "The journal seems damaged and is looked at once more");
                doubt::read_files(path)?;
            }
            opened => return opened,
        }
        let opened = Journal::open_checked(path, most);
        if matches!(opened, Err(JournalError::Damaged { .. })) {
            doubt::read_files(path)?;
        }
        opened
    }

    /// What it takes for damage may be the disk's fault.
    fn open_checked(path: &Path, most: u64) -> Result<(Connection, Held), JournalError> {
        let prepare = preparing(path);
        let open = |source| JournalError::Open {
            path: path.to_owned(),
            source,
        };
        quarantine::refuse_truncated_or_missing(path)?;
        make_private(path).map_err(&prepare)?;
        place::check_rights(path)?;
        let content = doubt::open_plainly(path).map_err(&prepare)?;
        lock::hold(&content, path)?;
        wal_index::check_room(path).map_err(&prepare)?;
        let connection = Connection::open(path).map_err(open)?;
        place::keep_log_at_close(&connection).map_err(open)?;
        connection.busy_timeout(BUSY_WAIT).map_err(open)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|e| damaged_or(path, e, open))?;
        let log = std::fs::metadata(quarantine::beside(path, "-wal"));
        let log = log.map_or(0, |log| log.len());
        let bytes = content.metadata().map_err(&prepare)?.len() + log;
        let is_checked = bytes <= most;
        if is_checked {
            check(&connection, path)?;
        } else {
            check_newest(&connection, path)?;
        }
        let wal_index = wal_index::fill(path).map_err(&prepare)?;
        let held = Held {
            content: Arc::new(content),
            wal_index,
            is_checked,
        };
        Ok((connection, held))
    }

    /// A journal in a database that the caller has opened, in memory for example: the same
    /// statements, but neither lock nor reserve nor a promise that anything lasts.
    pub fn in_database(connection: Connection) -> Result<Journal, JournalError> {
        Journal::over(connection, Path::new(":memory:"), None, true)
    }

    fn over(
        connection: Connection,
        path: &Path,
        file: Option<File>,
        is_checked: bool,
    ) -> Result<Journal, JournalError> {
        connection.set_prepared_statement_cache_capacity(MAX_PREPARED);
        // Without it SQLite plans a statement anew whenever a value is bound that a partial index might ask for.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(reading)?;
        // What a row held of a QR is overwritten when the row changes.
        connection
            .pragma_update(None, "secure_delete", true)
            .map_err(writing)?;
        let mut journal = Journal {
            connection,
            path: path.to_owned(),
            file,
            count: Count {
                at_start: 0,
                counting: None,
                added: 0,
                removed: 0,
            },
            waits_for_disk: false,
        };
        journal.wait_for_disk(true)?;
        schema::migrate(&mut journal.connection, path)?;
        let count = if is_checked {
            "SELECT COUNT(*) FROM operations"
        } else {
            journal.count.counting = Some(Arc::default());
            "SELECT COALESCE((SELECT MAX(seq) FROM operations) - (SELECT MIN(seq) FROM operations) + 1, 0)"
        };
        let count: i64 = journal
            .connection
            .query_row(count, [], |row| row.get(0))
            .map_err(reading)?;
        journal.count.at_start = u64::try_from(count).unwrap_or_default();
        Ok(journal)
    }
}

/// The error that is returned from then on.
fn quarantined(path: &Path, report: &str) -> JournalError {
    tracing::error!(path = %path.display(), report = %report, "The journal is damaged and is put aside");
    match quarantine::quarantine(path) {
        Ok(folder) => JournalError::Quarantined { folder },
        Err(error) => error,
    }
}

/// Operations know what was bought and by whom: no access for others.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

pub(super) fn damaged_or(
    path: &Path,
    error: rusqlite::Error,
    other: impl Fn(rusqlite::Error) -> JournalError,
) -> JournalError {
    if trouble::indicates_damage(&error) {
        return JournalError::Damaged {
            path: path.to_owned(),
            report: error.to_string(),
        };
    }
    other(error)
}

/// What was written last is what a disk loses that acknowledges too early, and what a till asks for: the newest rows
/// are there, and their identifiers lead to them. An index that has lost one would have it paid again.
fn check_newest(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let of_sqlite = |error| damaged_or(path, error, reading);
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(of_sqlite)?;
    if version != schema::VERSION {
        // It is brought forward first; the check beside the service follows.
        return Ok(());
    }
    let lost = "SELECT COUNT(*) FROM (SELECT seq, id, open, shift, order_number, record FROM operations \
                NOT INDEXED ORDER BY seq DESC LIMIT ?1) newest \
                WHERE (SELECT seq FROM operations WHERE id = newest.id) IS NOT newest.seq \
                OR open = 1 AND NOT EXISTS (SELECT 1 FROM operations INDEXED BY operations_open \
                WHERE open = 1 AND seq = newest.seq) \
                OR NOT EXISTS (SELECT 1 FROM operations INDEXED BY operations_shift \
                WHERE shift = newest.shift AND seq = newest.seq) \
                OR NOT EXISTS (SELECT 1 FROM operations INDEXED BY operations_order \
                WHERE order_number = newest.order_number AND seq = newest.seq)";
    let lost: i64 = connection
        .query_row(lost, [MAX_NEWEST_ROWS], |row| row.get(0))
        .map_err(of_sqlite)?;
    connection
        .query_row(doubt::NEWEST, [], |_| Ok(()))
        .map_err(of_sqlite)?;
    if lost > 0 {
        return Err(JournalError::Damaged {
            path: path.to_owned(),
            report: format!("{lost} of the newest rows are not in each index"),
        });
    }
    Ok(())
}

pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let mut report: Vec<String> = Vec::new();
    connection
        .pragma_query(None, "quick_check", |row| {
            report.push(row.get(0)?);
            Ok(())
        })
        .map_err(|error| damaged_or(path, error, reading))?;
    verdict(&report, path)
}

/// What the rows of SQLite's check mean.
pub(super) fn verdict(report: &[String], path: &Path) -> Result<(), JournalError> {
    if report == ["ok"] {
        return Ok(());
    }
    // What could not be read was not looked at, and what misses it in the rest of the report proves nothing. Several
    // lines may stand in one row.
    let mut lines = report.iter().flat_map(|row| row.lines());
    if let Some(refused) = lines.find(|line| doubt::is_refused_read(line)) {
        return Err(doubt::unread(
            path,
            std::io::Error::other(refused.to_owned()),
        ));
    }
    Err(JournalError::Damaged {
        path: path.to_owned(),
        report: report.first().cloned().unwrap_or_default(),
    })
}
