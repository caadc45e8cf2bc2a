//! A file of real blocks beside the journal, given up when the disk is full in mid-operation.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Room for the rest of any operation: the rows of an undoing with the largest receipt that the API
/// takes, and some hundred small ones with their index pages in the write-ahead log.
const ROOM_BYTES: usize = 2 * 1024 * 1024;

/// Added to the journal's name.
pub(super) const ENDING: &str = ".reserve";

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    filled: bool,
}

impl Reserve {
    pub(super) fn beside(journal: &Path) -> Reserve {
        let mut name = journal.file_name().unwrap_or_default().to_owned();
        name.push(ENDING);
        Reserve {
            path: journal.with_file_name(name),
            filled: false,
        }
    }

    /// Written, not only allocated: on file systems that compress or share blocks, an allocation
    /// promises nothing, so the bytes differ from each other.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.filled && self.holds_room() {
            return Ok(());
        }
        self.filled = false;
        if self.is_something_else() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = vec![0; ROOM_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let opened = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&self.path);
        let written = opened.and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()
        });
        if let Err(error) = written {
            self.give_up();
            return Err(error);
        }
        self.filled = true;
        Ok(())
    }

    /// Whether it is still as it was filled: whoever has cut it has taken the room.
    fn holds_room(&self) -> bool {
        let there = std::fs::symlink_metadata(&self.path);
        there.is_ok_and(|there| there.is_file() && there.len() >= ROOM_BYTES as u64)
    }

    /// Whether the place is taken by what holds no room: a folder, a pipe that would be waited for, or a link, behind
    /// which something else would be overwritten.
    pub(super) fn is_something_else(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|there| !there.is_file())
    }

    /// Where it belongs.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn give_up(&mut self) {
        self.filled = false;
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
