//! The durable truth: one SQLite file, written by the core's thread, read by the API.
//!
//! Two designs were weighed: an append-only file of our own with checksums, and SQLite. Our own would
//! be a few hundred lines, quick and simple, and would have to earn in years what SQLite has: survive
//! torn writes, full disks and power cuts at any instant, and open in a technician's hands with a
//! tool that every distribution has. So SQLite: WAL, `synchronous=FULL` (a commit is on the disk when
//! it returns), and one transaction for each step of the core.
//!
//! - `operations` holds each operation as it is now: columns for queries, `record` for everything.
//! - `steps` holds what happened to it and when: the time line of an operation.
//!
//! Room for the end of an operation is secured before it begins: a reserve file beside the journal
//! is filled with real blocks; when the disk is full in the middle of an operation, the reserve is
//! given up and the end can be written. No operation begins without the reserve.

mod reader;
mod reserve;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use crate::core::event::{Restored, Write};
use crate::core::record::{Record, SaleRecord, UndoingRecord};
use crate::operation::{Operation, State};

pub use reader::Reader;
use reserve::Reserve;

/// The schema that this program writes.
const VERSION: i64 = 1;
/// How long a statement waits for another process that holds the file, a backup for example.
const BUSY_WAIT: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    shift TEXT NOT NULL,
    receipt TEXT,
    order_number TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    open INTEGER NOT NULL,
    live INTEGER NOT NULL,
    set_aside INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX operations_open ON operations (seq) WHERE open = 1;
CREATE INDEX operations_shift ON operations (shift, seq);
CREATE INDEX operations_state ON operations (state, seq);
CREATE INDEX operations_updated ON operations (updated_at);
CREATE TABLE steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL,
    at TEXT NOT NULL,
    state TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;
CREATE INDEX steps_operation ON steps (operation, seq);
";

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder cannot be used.
    #[error("cannot open the journal {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder cannot be made or the file's mode not be set.
    #[error("cannot prepare the journal {path}")]
    Prepare {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Written by a newer program.
    #[error(
        "the journal {path} has version {found}, this program knows up to {VERSION}: install the newer artix-oplati again"
    )]
    TooNew {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// SQLite finds the file damaged.
    #[error(
        "the journal {path} is damaged ({report}); stop the service, keep the file, and restore a copy or ask support"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// SQLite's words.
        report: String,
    },
    /// A row that this program cannot read.
    #[error("the journal's row of operation {id} is not readable")]
    Row {
        /// Which operation.
        id: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A row without the row that it belongs to.
    #[error("the journal has an undoing {id} without its sale")]
    Orphan {
        /// Which undoing.
        id: String,
    },
    /// The disk has no room, or not enough for the end of an operation.
    #[error("there is no room for the journal {path}")]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("the journal cannot be {doing}")]
    Statement {
        /// `written` or `read`.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// Whether giving up the reserve may help.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            JournalError::Full { .. } => true,
            JournalError::Statement { source, .. } => {
                matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
                )
            }
            JournalError::Open { .. }
            | JournalError::Prepare { .. }
            | JournalError::TooNew { .. }
            | JournalError::Damaged { .. }
            | JournalError::Row { .. }
            | JournalError::Orphan { .. } => false,
        }
    }
}

fn reading(source: rusqlite::Error) -> JournalError {
    JournalError::Statement {
        doing: "read",
        source,
    }
}

fn writing(source: rusqlite::Error) -> JournalError {
    JournalError::Statement {
        doing: "written",
        source,
    }
}

/// The writing end: one in a process, one process for a file.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
    reserve: Reserve,
}

impl Journal {
    /// Opens the journal, makes it if absent, checks it, and brings it to the present version.
    ///
    /// # Errors
    /// [`JournalError`] naming the file; nothing is changed or removed then.
    pub fn open(path: &Path) -> Result<Journal, JournalError> {
        let prepare = |source| JournalError::Prepare {
            path: path.to_owned(),
            source,
        };
        let open = |source| JournalError::Open {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(prepare)?;
        }
        make_private(path).map_err(prepare)?;
        let connection = Connection::open(path).map_err(open)?;
        connection.busy_timeout(BUSY_WAIT).map_err(open)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|e| damaged_or(path, e, open))?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(open)?;
        // What a row held of a QR is overwritten when the row changes.
        connection
            .pragma_update(None, "secure_delete", true)
            .map_err(open)?;
        check(&connection, path)?;
        let mut journal = Journal {
            connection,
            path: path.to_owned(),
            reserve: Reserve::beside(path),
        };
        journal.migrate()?;
        Ok(journal)
    }

    fn migrate(&mut self) -> Result<(), JournalError> {
        let found: i64 = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(reading)?;
        match found {
            VERSION => Ok(()),
            0 => {
                let transaction = self.connection.transaction().map_err(writing)?;
                transaction.execute_batch(SCHEMA).map_err(writing)?;
                transaction
                    .pragma_update(None, "user_version", VERSION)
                    .map_err(writing)?;
                transaction.commit().map_err(writing)
            }
            found => Err(JournalError::TooNew {
                path: self.path.clone(),
                found,
            }),
        }
    }

    /// Makes the writes of one step durable, all or none.
    ///
    /// # Errors
    /// [`JournalError::Statement`]: nothing of the step is in the journal then.
    pub fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        if writes.is_empty() {
            return Ok(());
        }
        let transaction = self.connection.transaction().map_err(writing)?;
        for write in writes {
            store(&transaction, write)?;
        }
        transaction.commit().map_err(writing)
    }

    /// Secures room for the end of an operation.
    ///
    /// # Errors
    /// [`JournalError::Full`] or [`JournalError::Prepare`]: no operation may begin.
    pub fn secure_room(&mut self) -> Result<(), JournalError> {
        self.reserve
            .fill()
            .map_err(|source| match source.raw_os_error() {
                Some(code)
                    if rustix::io::Errno::from_raw_os_error(code) == rustix::io::Errno::NOSPC =>
                {
                    JournalError::Full {
                        path: self.path.clone(),
                    }
                }
                _ => JournalError::Prepare {
                    path: self.path.clone(),
                    source,
                },
            })
    }

    /// Gives the secured room up for the end of an operation.
    pub fn use_reserve(&mut self) {
        self.reserve.give_up();
    }

    /// One operation, whole.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Record>, JournalError> {
        find(&self.connection, id)
    }

    /// A set-aside undoing of a sale with this receipt number and shift.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn set_aside(&self, receipt: &str, shift: &str) -> Result<Option<String>, JournalError> {
        let sql = "SELECT id FROM operations \
                   WHERE open = 1 AND set_aside = 1 AND receipt = ?1 \
                   AND (SELECT s.shift FROM operations s WHERE s.id = json_extract(operations.record, '$.undoing.operation.of')) = ?2 \
                   LIMIT 1";
        let row = self
            .connection
            .query_row(sql, params![receipt, shift], |row| row.get(0));
        row.optional().map_err(reading)
    }

    /// What a restart must take up.
    ///
    /// # Errors
    /// [`JournalError`] when a row cannot be read: nothing is guessed.
    pub fn restore(&self) -> Result<Restored, JournalError> {
        let mut restored = Restored {
            next_undoing: self.next_undoing()?,
            ..Restored::default()
        };
        let sql = "SELECT id, record FROM operations WHERE open = 1 ORDER BY seq";
        let mut statement = self.connection.prepare(sql).map_err(reading)?;
        let rows = statement
            .query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })
            .map_err(reading)?;
        for row in rows {
            let (id, text) = row.map_err(reading)?;
            match parse(&id, &text)? {
                Record::Sale(sale) => restored.sales.push(*sale),
                Record::Undoing(undoing) => {
                    let sale = self.sale_of(&undoing)?;
                    restored.undoings.push((*undoing, sale));
                }
            }
        }
        let newest: Option<String> = self
            .connection
            .query_row("SELECT MAX(updated_at) FROM operations", [], |row| {
                row.get(0)
            })
            .map_err(reading)?;
        restored.newest = newest.and_then(|text| text.parse().ok());
        Ok(restored)
    }

    fn sale_of(&self, undoing: &UndoingRecord) -> Result<SaleRecord, JournalError> {
        let orphan = || JournalError::Orphan {
            id: undoing.operation.id.clone(),
        };
        match self.find(undoing.operation.of.as_deref().unwrap_or_default())? {
            Some(Record::Sale(sale)) => Ok(*sale),
            Some(Record::Undoing(_)) | None => Err(orphan()),
        }
    }

    fn next_undoing(&self) -> Result<u64, JournalError> {
        let sql = "SELECT COALESCE(MAX(CAST(SUBSTR(id, 2) AS INTEGER)), 0) FROM operations WHERE id >= '~' AND id < '\u{7f}'";
        let last: i64 = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(reading)?;
        Ok(u64::try_from(last).unwrap_or_default() + 1)
    }

    /// Moves the write-ahead log into the file, so that a copy of the file alone is whole.
    pub fn close(self) {
        if let Err(error) = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "The journal's write-ahead log stays");
        }
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
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn damaged_or(
    path: &Path,
    error: rusqlite::Error,
    other: impl Fn(rusqlite::Error) -> JournalError,
) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => JournalError::Damaged {
            path: path.to_owned(),
            report: error.to_string(),
        },
        _ => other(error),
    }
}

fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let report: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(|error| damaged_or(path, error, reading))?;
    if report == "ok" {
        return Ok(());
    }
    Err(JournalError::Damaged {
        path: path.to_owned(),
        report,
    })
}

fn store(connection: &Connection, write: &Write) -> Result<(), JournalError> {
    let operation = write.record.operation();
    let text = serde_json::to_string(&write.record).map_err(|source| JournalError::Row {
        id: operation.id.clone(),
        source,
    })?;
    let (receipt, live, set_aside) = match &write.record {
        Record::Sale(sale) => (Some(sale.request.receipt.number.clone()), false, false),
        Record::Undoing(undoing) => (
            receipt_of(connection, undoing)?,
            undoing.is_live(),
            undoing.set_aside,
        ),
    };
    let sql = "INSERT INTO operations \
               (id, kind, state, shift, receipt, order_number, created_at, updated_at, open, live, set_aside, record) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
               ON CONFLICT (id) DO UPDATE SET state = excluded.state, shift = excluded.shift, \
               order_number = excluded.order_number, updated_at = excluded.updated_at, open = excluded.open, \
               live = excluded.live, set_aside = excluded.set_aside, record = excluded.record";
    let at = crate::operation::rfc3339_ms::text(operation.updated_at);
    let row = params![
        operation.id,
        name(operation.kind),
        name(operation.state),
        operation.shift,
        receipt,
        operation.order_number,
        crate::operation::rfc3339_ms::text(operation.created_at),
        at,
        write.record.is_open(),
        live,
        set_aside,
        text,
    ];
    connection
        .prepare_cached(sql)
        .and_then(|mut insert| insert.execute(row))
        .map_err(writing)?;
    let step = params![operation.id, at, name(operation.state), write.what];
    let sql = "INSERT INTO steps (operation, at, state, what) VALUES (?1, ?2, ?3, ?4)";
    connection
        .prepare_cached(sql)
        .and_then(|mut insert| insert.execute(step))
        .map_err(writing)?;
    Ok(())
}

/// An undoing carries its sale's receipt number, to find set-aside ones by it.
fn receipt_of(
    connection: &Connection,
    undoing: &UndoingRecord,
) -> Result<Option<String>, JournalError> {
    let sql = "SELECT receipt FROM operations WHERE id = ?1";
    let of = undoing.operation.of.as_deref().unwrap_or_default();
    let row = connection.query_row(sql, [of], |row| row.get::<_, Option<String>>(0));
    Ok(row.optional().map_err(reading)?.flatten())
}

fn find(connection: &Connection, id: &str) -> Result<Option<Record>, JournalError> {
    let sql = "SELECT record FROM operations WHERE id = ?1";
    let text = connection
        .prepare_cached(sql)
        .and_then(|mut query| {
            query
                .query_row([id], |row| row.get::<_, String>(0))
                .optional()
        })
        .map_err(reading)?;
    text.map(|text| parse(id, &text)).transpose()
}

fn parse(id: &str, text: &str) -> Result<Record, JournalError> {
    serde_json::from_str(text).map_err(|source| JournalError::Row {
        id: id.to_owned(),
        source,
    })
}

/// The contract's word for a value.
fn name(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}

/// A second connection that can only read.
fn open_reader(path: &Path) -> Result<Connection, JournalError> {
    let open = |source| JournalError::Open {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(open)?;
    connection.busy_timeout(BUSY_WAIT).map_err(open)?;
    Ok(connection)
}

/// The word of a state, for queries.
fn state_name(state: State) -> String {
    name(state)
}

/// An operation out of a row.
fn operation_of(id: &str, text: &str) -> Result<Operation, JournalError> {
    Ok(parse(id, text)?.operation().clone())
}

#[cfg(test)]
mod tests;
