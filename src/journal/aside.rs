//! A damaged journal is kept, whole, in a folder of its own beside the place where it was.

use std::path::{Path, PathBuf};

use super::JournalError;

/// Beside the journal.
const FOLDER: &str = "journal.damaged";
/// What belongs to a journal.
const ENDINGS: [&str; 3] = ["", "-wal", "-shm"];

/// While one lies aside and nothing has taken its place, nobody guesses.
pub(super) fn refuse_if_kept(journal: &Path) -> Result<(), JournalError> {
    let aside = journal.with_file_name(FOLDER);
    let kept = std::fs::read_dir(&aside).is_ok_and(|mut kept| kept.next().is_some());
    if kept && !journal.exists() {
        return Err(JournalError::Aside { aside });
    }
    Ok(())
}

/// Moves the journal's files aside, each damage into a folder named by its time.
pub(super) fn keep(journal: &Path) -> Result<PathBuf, JournalError> {
    let failed = |source| JournalError::Prepare {
        path: journal.to_owned(),
        source,
    };
    let aside = journal.with_file_name(FOLDER);
    let stamp = crate::clock::wall().strftime("%Y%m%d-%H%M%S").to_string();
    let folder = (0..)
        .map(|number: u32| aside.join(format!("{stamp}-{number}")))
        .find(|folder| !folder.exists())
        .unwrap_or_else(|| aside.join(&stamp));
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let name = journal.file_name().unwrap_or_default();
    for ending in ENDINGS {
        let mut name = name.to_owned();
        name.push(ending);
        let from = journal.with_file_name(&name);
        if from.exists() {
            std::fs::rename(&from, folder.join(&name)).map_err(failed)?;
        }
    }
    Ok(folder)
}
