//! A look at the journal of a daemon that does not run. Nothing is written: neither a file of SQLite's
//! beside it nor the lock.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::doubt::read_files;
use super::error::{preparing, reading};
use super::{JournalError, check, damaged_or, quarantine};

/// Larger ones take too long to be looked at while somebody waits.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// There is none yet.
    Absent,
    /// It is whole and holds so many operations.
    Whole(u64),
    /// Too large to be looked at now; bytes.
    TooLarge(u64),
    /// This version has written no operations yet.
    Empty,
}

/// Looks at the journal at `path`, which nobody must have open.
///
/// # Errors
/// [`JournalError`] as the daemon would meet it at its start.
pub fn inspect(path: &Path) -> Result<Inspected, JournalError> {
    quarantine::refuse_while_quarantined(path)?;
    match look(path) {
        Err(JournalError::Damaged { .. }) => {
            read_files(path)?;
            look(path)
        }
        seen => seen,
    }
}

fn look(path: &Path) -> Result<Inspected, JournalError> {
    quarantine::refuse_truncated_or_missing(path)?;
    let prepare = preparing(path);
    let length = match std::fs::metadata(path) {
        // A named pipe would be waited for.
        Ok(meta) if !meta.is_file() => {
            return Err(prepare(std::io::Error::other("not a regular file")));
        }
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Inspected::Absent);
        }
        Err(error) => return Err(prepare(error)),
    };
    let log = log_of(path);
    let log_length = std::fs::metadata(&log).map_or(0, |meta| meta.len());
    if length.saturating_add(log_length) > MAX_BYTES {
        return Ok(Inspected::TooLarge(length));
    }
    if log_length == 0 {
        // `immutable`: no lock is taken, no file is made.
        let connection = open(path, path, "?immutable=1")?;
        return count(&connection, path);
    }
    // A crash has left a write-ahead log. SQLite would take it over and write; a copy of both shows the same, and goes
    // away with its folder.
    let copies = Copies::of(path).map_err(prepare)?;
    open(path, &copies.journal(), "").and_then(|connection| count(&connection, path))
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

/// What distinguishes a journal's state from every other of its states: each change adds a step.
type Mark = (i64, i64, Option<String>);

fn mark(connection: &Connection) -> rusqlite::Result<Mark> {
    let query = "SELECT COUNT(*), (SELECT COALESCE(MAX(seq), 0) FROM history), MAX(updated_at) FROM operations";
    connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Whether the next start finds at `path`, with the log that lies there, what `connection` holds. One that is too
/// large to be looked at now is taken for another.
pub(super) fn holds_the_same(path: &Path, connection: &Connection) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let is_small = length(path).saturating_add(length(&log_of(path))) <= MAX_BYTES;
    let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file());
    if !is_small || !is_file {
        return false;
    }
    let Ok(copies) = Copies::of(path) else {
        return false;
    };
    let there = open(path, &copies.journal(), "").and_then(|copy| {
        check(&copy, path)?;
        mark(&copy).map_err(reading)
    });
    matches!((there, mark(connection)), (Ok(there), Ok(here)) if there == here)
}

fn open(path: &Path, file: &Path, how: &str) -> Result<Connection, JournalError> {
    let escaped: String = file
        .to_string_lossy()
        .chars()
        .flat_map(|c| match c {
            '%' => "%25".chars().collect::<Vec<_>>(),
            '?' => "%3f".chars().collect(),
            '#' => "%23".chars().collect(),
            other => vec![other],
        })
        .collect();
    let flags = if how.is_empty() {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    Connection::open_with_flags(
        format!("file:{escaped}{how}"),
        flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|source| JournalError::Open {
        path: path.to_owned(),
        source,
    })
}

fn count(connection: &Connection, path: &Path) -> Result<Inspected, JournalError> {
    check(connection, path)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'operations'";
    let has_table: i64 = connection
        .query_row(tables, [], |row| row.get(0))
        .map_err(|error| damaged_or(path, error, reading))?;
    if has_table == 0 {
        return Ok(Inspected::Empty);
    }
    connection
        .query_row("SELECT count(*) FROM operations", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(|count| Inspected::Whole(u64::try_from(count).unwrap_or_default()))
        .map_err(|error| damaged_or(path, error, reading))
}

/// A folder for copies, for this user alone, that goes with it.
struct Copies(PathBuf);

impl Copies {
    /// Of the journal and its log, if there is one.
    fn of(path: &Path) -> std::io::Result<Copies> {
        let copies = Copies::make()?;
        std::fs::copy(path, copies.journal())?;
        let log = log_of(path);
        if log.exists() {
            std::fs::copy(log, log_of(&copies.journal()))?;
        }
        Ok(copies)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    fn make() -> std::io::Result<Copies> {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let name = format!("oplati-selftest-{:016x}", u64::from_ne_bytes(random));
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Copies(folder))
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "The copies of the journal stay");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_closed_journal_is_looked_at_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a %?# journal.sqlite3");
        assert_eq!(inspect(&path).unwrap(), Inspected::Absent);
        Journal::open(&path).unwrap().close();
        let before = listing(folder.path());
        assert_eq!(inspect(&path).unwrap(), Inspected::Whole(0));
        assert_eq!(listing(folder.path()), before);
    }

    #[test]
    fn a_journal_after_a_crash_is_looked_at_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let journal = Journal::open(&path).unwrap();
        let crashed = tempfile::tempdir().unwrap();
        let copy = crashed.path().join("journal.sqlite3");
        for ending in ["", "-wal"] {
            let name = format!("journal.sqlite3{ending}");
            std::fs::copy(folder.path().join(&name), crashed.path().join(&name)).unwrap();
        }
        journal.close();
        let before = listing(crashed.path());
        assert_eq!(inspect(&copy).unwrap(), Inspected::Whole(0));
        assert_eq!(listing(crashed.path()), before);
    }

    #[test]
    fn damage_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        Journal::open(&path).unwrap().close();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100..].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(inspect(&path), Err(JournalError::Damaged { .. })));
    }
}
