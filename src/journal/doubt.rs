//! Damage is believed when it is confirmed, and never on the word of one failed read.
//!
//! SQLite reports a read that the disk refuses (EIO, ENXIO) by the very code of a damaged file, `SQLITE_CORRUPT`. A
//! journal that is taken for damaged ends sales until a person acts and is put aside at the next start, so the two must
//! be distinguished. The rule: what indicates damage is a doubt ([`JournalError::is_doubt`]), and of a doubt
//!
//! 1. the file and its log are read plainly to their ends: where that fails, the disk is at fault;
//! 2. a fresh connection checks what they hold, in bounded time while the daemon runs: what is whole then was never
//!    damaged, and the disk was at fault; what could not be looked at to the end, or has a page that the disk did not
//!    give ([`is_refused_read`]), is not confirmed;
//! 3. they are read plainly once more, since a disk that fails now and then may have failed the second look, and looked
//!    at again, up to [`CONFIRMING_LOOKS`] times.
//!
//! Only then is it damage, [`Trouble::Damaged`](super::Trouble), which nothing takes back. A fault of the disk is
//! reported as one for as long as it lasts, nothing is kept of it, and the journal stays where it is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};
use rustix::fs::OFlags;

use super::background::CheckState;
use super::error::reading;
use super::{Journal, JournalError, check, open_reader, quarantine, quota};
use crate::base::error_chain::with_causes;

/// How long a look at a journal in use may take: tills wait for it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// So many looks in a row must find damage, as far as there is time for them: a disk that refuses one read in ten
/// makes some of them find it.
const CONFIRMING_LOOKS: u32 = 8;
/// The same in the background, where each looks at a large file from its beginning to its end.
const CONFIRMING_LOOKS_AT_LEISURE: u32 = 3;
/// What is read plainly at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// What every use of the journal needs, read by [`Journal::check_content`] too.
pub(super) const NEWEST: &str =
    "SELECT (SELECT MAX(seq) FROM operations), (SELECT MAX(seq) FROM history)";

impl Journal {
    /// What an error of this journal means in the end: damage that is confirmed, a fault of the disk, a quota that is used
    /// up, or what it was.
    #[must_use]
    pub fn judge(&self, error: JournalError) -> JournalError {
        let Some(file) = &self.file else {
            return error;
        };
        if !error.is_doubt() {
            return quota::diagnose(&self.path, error);
        }
        // Another file in the place would be looked at.
        if let Err(gone) = self.check_place() {
            return gone;
        }
        let damaged = |report| JournalError::Damaged {
            path: self.path.clone(),
            report,
        };
        if file.lock.is_of_damaged() {
            return damaged(with_causes(&error));
        }
        match damage(&self.path, &file.content, &Limit::Timeout(CHECK_TIMEOUT)) {
            Ok(Some(report)) => damaged(report),
            Ok(None) => {
                let seen = format!(
                    "a second look finds it whole after: {}",
                    with_causes(&error)
                );
                unread(&self.path, io::Error::other(seen))
            }
            Err(error) => error,
        }
    }
}

/// How long a look may take.
pub(super) enum Limit<'a> {
    /// Somebody waits for it.
    Timeout(Duration),
    /// Until the journal is closed.
    EndOf(&'a CheckState),
}

/// The damage, if it is confirmed.
pub(super) fn damage(
    path: &Path,
    content: &File,
    limit: &Limit<'_>,
) -> Result<Option<String>, JournalError> {
    let (deadline, looks) = match limit {
        Limit::Timeout(timeout) => (Some(Instant::now() + *timeout), CONFIRMING_LOOKS),
        Limit::EndOf(_) => (None, CONFIRMING_LOOKS_AT_LEISURE),
    };
    let read = || {
        read_to_end(content, deadline)
            .and_then(|()| read_log(path, deadline))
            .map_err(|source| unread(path, source))
    };
    read()?;
    let mut report = None;
    for _ in 0..looks {
        match look_again(path, limit) {
            Ok(()) => return Ok(None),
            Err(error @ JournalError::Damaged { .. }) => {
                read()?;
                report = Some(with_causes(&error));
                if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                    break;
                }
            }
            Err(error) => return Err(unread(path, io::Error::other(with_causes(&error)))),
        }
    }
    Ok(report)
}

/// Reads the file and its log plainly, which nobody in this process has open: closing a file gives up its locks.
pub(super) fn read_files(path: &Path) -> Result<(), JournalError> {
    let file = match open_plainly(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(unread(path, error)),
    };
    file.map_or(Ok(()), |file| read_to_end(&file, None))
        .and_then(|()| read_log(path, None))
        .map_err(|source| unread(path, source))
}

/// A named pipe in the place is not waited for.
pub(super) fn open_plainly(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

/// SQLite holds no lock on the log: it may be closed at any time.
fn read_log(path: &Path, deadline: Option<Instant>) -> io::Result<()> {
    match open_plainly(&quarantine::beside(path, "-wal")) {
        Ok(log) => read_to_end(&log, deadline),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn read_to_end(file: &File, deadline: Option<Instant>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(ErrorKind::TimedOut.into());
        }
        match file.read_at(&mut chunk, offset) {
            Ok(0) => return Ok(()),
            Ok(read) => offset += u64::try_from(read).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// By a fresh connection, which holds nothing in memory. SQLite would remove the log of an empty file, so that is
/// looked for first.
pub(super) fn look_again(path: &Path, limit: &Limit<'_>) -> Result<(), JournalError> {
    quarantine::refuse_truncated_or_missing(path)?;
    let connection = open_reader(path)?;
    let look = || {
        check(&connection, path)?;
        connection
            .query_row(NEWEST, [], |_| Ok(()))
            .map_err(|error| super::damaged_or(path, error, reading))
    };
    match limit {
        Limit::Timeout(timeout) => interrupted_in_time(&connection, *timeout, look),
        Limit::EndOf(state) => state.interruptible(&connection, look),
    }
}

/// Whether a line of SQLite's own check is about a page that it did not get, and not about what is in it. The one code
/// that stands for damage is that of a log that is shorter than what was written to it.
pub(super) fn is_refused_read(line: &str) -> bool {
    match line.split_once("unable to get the page. error code=") {
        Some((_, code)) => code.trim().parse::<i32>().is_ok_and(|code| {
            code & 0xff == ffi::SQLITE_IOERR && code != ffi::SQLITE_IOERR_SHORT_READ
        }),
        None => line.contains("failed to get page "),
    }
}

/// What takes longer fails.
fn interrupted_in_time(
    connection: &Connection,
    timeout: Duration,
    look: impl FnOnce() -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let handle = connection.get_interrupt_handle();
    let (is_over, over) = mpsc::channel::<()>();
    let timer = std::thread::Builder::new()
        .name("oplati-check".to_owned())
        .spawn(move || {
            if over.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
    if let Err(error) = timer {
        tracing::warn!(%error, "The second look at the journal has no timer");
    }
    let seen = look();
    drop(is_over);
    seen
}

pub(super) fn unread(path: &Path, source: io::Error) -> JournalError {
    JournalError::Unread {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::journal::Trouble;

    /// Every read of its beginning fails with EIO.
    const UNREADABLE: &str = "/proc/self/mem";

    fn malformed() -> JournalError {
        let code = ffi::Error::new(ffi::SQLITE_CORRUPT);
        reading(rusqlite::Error::SqliteFailure(code, None))
    }

    #[test]
    fn a_journal_that_is_whole_or_cannot_be_read_is_not_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let mut journal = Journal::open(&path).unwrap();
        let error = journal.judge(malformed());
        assert!(matches!(error, JournalError::Unread { .. }), "{error:?}");
        assert_eq!(error.trouble(), Trouble::Disk);
        // The disk keeps to itself what is damaged really.
        journal.file.as_mut().unwrap().content = Arc::new(File::open(UNREADABLE).unwrap());
        std::fs::write(&path, "").unwrap();
        let error = journal.judge(malformed());
        assert!(matches!(error, JournalError::Unread { .. }), "{error:?}");
        journal.file.as_mut().unwrap().content = Arc::new(File::open(&path).unwrap());
        let error = journal.judge(malformed());
        assert_eq!(error.trouble(), Trouble::Damaged, "{error:?}");
        // What is no doubt needs no look.
        let error = journal.judge(JournalError::Full { path });
        assert!(matches!(error, JournalError::Full { .. }), "{error:?}");
    }

    #[test]
    fn a_page_that_the_disk_did_not_give_is_no_damage() {
        for (line, is_refused) in [
            (
                "Tree 4 page 4: unable to get the page. error code=8458",
                true,
            ),
            (
                "Tree 4 page 4: unable to get the page. error code=266",
                true,
            ),
            (
                "Tree 4 page 4: unable to get the page. error code=522",
                false,
            ),
            (
                "Tree 4 page 4: unable to get the page. error code=11",
                false,
            ),
            ("Freelist: failed to get page 15", true),
            ("Page 7 is never used", false),
            ("NULL value in operations.id", false),
            ("ok", false),
        ] {
            assert_eq!(is_refused_read(line), is_refused, "{line}");
        }
    }

    #[test]
    fn one_row_of_a_check_may_hold_several_lines() {
        let path = Path::new("journal.sqlite3");
        let damage = "Tree 5 page 5 cell 1: Rowid 7 out of order";
        let refused = "unable to get the page. error code=8458";
        for (rows, trouble) in [
            (vec!["ok".to_owned()], None),
            (
                vec![format!(
                    "*** in database main ***\nTree 12 page 12: {refused}\nTree 5 page 5: {refused}"
                )],
                Some(Trouble::Disk),
            ),
            (
                vec![format!("Tree 12 page 12: {refused}"), damage.to_owned()],
                Some(Trouble::Disk),
            ),
            (
                vec![format!("*** in database main ***\n{damage}")],
                Some(Trouble::Damaged),
            ),
        ] {
            let verdict = crate::journal::opening::verdict(&rows, path);
            let found = verdict.err().map(|error| error.trouble());
            assert_eq!(found, trouble, "{rows:?}");
        }
    }

    #[test]
    fn what_the_disk_does_not_give_stays_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let log = folder.path().join("journal.sqlite3-wal");
        std::fs::write(&path, vec![7; 8192]).unwrap();
        symlink(UNREADABLE, &log).unwrap();
        for _ in 0..2 {
            let error = Journal::open(&path).unwrap_err();
            assert_eq!(error.trouble(), Trouble::Disk, "{error:?}");
            let seen = crate::journal::inspect(&path);
            let error = seen.unwrap_err();
            assert_eq!(error.trouble(), Trouble::Disk, "{error:?}");
            assert_eq!(std::fs::read(&path).unwrap(), vec![7; 8192]);
        }
        std::fs::remove_file(&log).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Quarantined { .. }),
            "{error:?}"
        );
    }
}
