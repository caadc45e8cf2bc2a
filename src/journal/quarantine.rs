//! A damaged journal is kept, whole, in a folder of its own beside the place where it was.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::preparing;
use super::reserve::Reserve;
use super::{JournalError, reserve};

/// Beside the journal.
const FOLDER: &str = "journal.damaged";
/// What belongs to a journal.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// While one is in quarantine and nothing has taken its place, nobody guesses.
pub(super) fn refuse_while_quarantined(journal: &Path) -> Result<(), JournalError> {
    let folder = journal.with_file_name(FOLDER);
    let kept = std::fs::read_dir(&folder).is_ok_and(|mut kept| kept.next().is_some());
    if kept && length(journal, "")?.is_none() {
        return Err(JournalError::Quarantined { folder });
    }
    Ok(())
}

/// What shows that a journal was where an empty file or none is now. SQLite would begin a new database there, and
/// remove the write-ahead log of the old one. An empty log shows as much as a full one: a journal's orderly end empties
/// it.
pub(super) fn refuse_truncated_or_missing(journal: &Path) -> Result<(), JournalError> {
    let (log, reserve) = (length(journal, "-wal")?, length(journal, reserve::ENDING)?);
    let has_log = log.is_some_and(|length| length > 0);
    let lost = match length(journal, "")? {
        None if log.is_some() => "the file is missing, but its write-ahead log is not",
        None if length(journal, "-shm")?.is_some() || reserve.is_some() => {
            "the file is missing, but what lay beside it is not"
        }
        Some(0) if has_log || reserve.is_some() => "the file is empty",
        None | Some(_) => return Ok(()),
    };
    Err(JournalError::Damaged {
        path: journal.to_owned(),
        report: lost.to_owned(),
    })
}

/// `None` where there is nothing. What the disk does not answer for is not missing.
fn length(journal: &Path, ending: &str) -> Result<Option<u64>, JournalError> {
    match std::fs::metadata(beside(journal, ending)) {
        Ok(file) => Ok(Some(file.len())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(preparing(journal)(error)),
    }
}

/// Whether a write-ahead log lies beside it. A person who puts a good copy in the place takes the old log away.
pub(super) fn has_log(journal: &Path) -> Result<bool, JournalError> {
    length(journal, "-wal").map(|length| length.is_some())
}

pub(super) fn beside(journal: &Path, ending: &str) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    journal.with_file_name(name)
}

/// Moves the journal's files into quarantine.
pub(super) fn quarantine(journal: &Path) -> Result<PathBuf, JournalError> {
    let folder = move_away(journal, &ENDINGS)?;
    // It holds nothing, and beside no journal it would point to one that is missing.
    Reserve::beside(journal).give_up();
    Ok(folder)
}

/// Moves a write-ahead log that is not the journal's own into quarantine, if one lies there.
pub(super) fn put_log_aside(journal: &Path) -> Result<(), JournalError> {
    if has_log(journal)? {
        let folder = move_away(journal, &["-wal"])?;
        tracing::warn!(folder = %folder.display(), "A write-ahead log that is none of this journal's is put aside");
    }
    Ok(())
}

/// Each time into a folder named by it.
fn move_away(journal: &Path, endings: &[&str]) -> Result<PathBuf, JournalError> {
    let failed = preparing(journal);
    let folder = journal.with_file_name(FOLDER);
    let stamp = crate::base::clock::wall()
        .strftime("%Y%m%d-%H%M%S")
        .to_string();
    let folder = (0..)
        .map(|number: u32| folder.join(format!("{stamp}-{number}")))
        .find(|folder| !folder.exists())
        .unwrap_or_else(|| folder.join(&stamp));
    std::fs::create_dir_all(&folder).map_err(&failed)?;
    for ending in endings {
        let from = beside(journal, ending);
        if length(journal, ending)?.is_some() {
            let name = from.file_name().unwrap_or_default();
            std::fs::rename(&from, folder.join(name)).map_err(&failed)?;
        }
    }
    Ok(folder)
}
