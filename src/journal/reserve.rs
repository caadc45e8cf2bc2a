//! A file of real blocks beside the journal, given up when the disk is full in mid-operation.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Room for the rest of any operation: the rows of an undoing with the largest receipt that the API
/// takes, and some hundred small ones with their index pages in the write-ahead log.
const ROOM_BYTES: usize = 2 * 1024 * 1024;

/// Added to the journal's name.
pub(super) const ENDING: &str = ".reserve";

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// The blocks of the disk that it took when it was filled; `None`: it is not filled.
    blocks: Option<u64>,
}

impl Reserve {
    pub(super) fn beside(journal: &Path) -> Reserve {
        let mut name = journal.file_name().unwrap_or_default().to_owned();
        name.push(ENDING);
        Reserve {
            path: journal.with_file_name(name),
            blocks: None,
        }
    }

    /// Written, not only allocated: on file systems that compress or share blocks, an allocation
    /// promises nothing, so the bytes differ from each other.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.holds_room() {
            return Ok(());
        }
        if self.is_something_else() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = vec![0; ROOM_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        // A new file each time: what has a second name would be overwritten under that name, too.
        self.give_up();
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path);
        let written = opened.and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            file.metadata()
        });
        match written {
            Ok(facts) => {
                self.blocks = Some(facts.blocks());
                Ok(())
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Whether it is still as it was filled: whoever has cut it, or made holes into it, has taken the room.
    fn holds_room(&self) -> bool {
        let Some(blocks) = self.blocks else {
            return false;
        };
        let there = std::fs::symlink_metadata(&self.path);
        there.is_ok_and(|there| {
            there.is_file() && there.len() >= ROOM_BYTES as u64 && there.blocks() >= blocks
        })
    }

    /// Whether the place is taken by what holds no room: a folder, a pipe that would be waited for, or a link, behind
    /// which something else would be overwritten.
    pub(super) fn is_something_else(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|there| !there.is_file())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn give_up(&mut self) {
        self.blocks = None;
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "Cannot give up the journal's reserve");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_that_was_cut_is_filled_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("journal.sqlite3"));
        reserve.fill().unwrap();
        std::fs::write(reserve.path(), b"").unwrap();
        reserve.fill().unwrap();
        let there = std::fs::metadata(reserve.path()).unwrap();
        assert_eq!(there.len(), ROOM_BYTES as u64);
    }

    #[test]
    fn a_reserve_of_holes_is_filled_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("journal.sqlite3"));
        reserve.fill().unwrap();
        let filled = std::fs::metadata(reserve.path()).unwrap().blocks();
        let file = std::fs::File::create(reserve.path()).unwrap();
        file.set_len(ROOM_BYTES as u64).unwrap();
        reserve.fill().unwrap();
        assert_eq!(std::fs::metadata(reserve.path()).unwrap().blocks(), filled);
    }

    #[test]
    fn a_second_name_of_its_place_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("token.conf");
        std::fs::write(&victim, b"the only token").unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("journal.sqlite3"));
        std::fs::hard_link(&victim, reserve.path()).unwrap();
        reserve.fill().unwrap();
        assert_eq!(std::fs::read(&victim).unwrap(), b"the only token");
    }

    #[test]
    fn nothing_is_written_through_a_link_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("token.conf");
        std::fs::write(&victim, b"the only token").unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("journal.sqlite3"));
        std::os::unix::fs::symlink(&victim, reserve.path()).unwrap();
        assert!(reserve.is_something_else());
        reserve.fill().unwrap_err();
        assert_eq!(std::fs::read(&victim).unwrap(), b"the only token");
    }
}
