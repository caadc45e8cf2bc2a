//! A write-ahead log that was removed or replaced while it was open.
//!
//! What it holds is in no other place, and goes with the process. Two designs were weighed. To move it into the
//! journal's file by a checkpoint needs neither name nor copy, but fails where somebody reads, where the file must grow
//! on a full disk, or where the disk refuses, and one that stops in the middle leaves a file that is no journal without
//! its log. The other is to give the log its name back: the descriptor still leads to it, so it is copied, made
//! durable, and named in one step. The file and the log are then what they were, and the next start finds every commit.
//! That fails only for want of room for the log itself, and then nothing has changed: the daemon refuses payments, goes
//! on holding the log, and tries again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::preparing;
use super::{JournalError, quarantine};

/// Where this process finds its own descriptors.
const OWN_DESCRIPTORS: &str = "/proc/self/fd";

/// Gives the log with that device and inode, which this process has open, its name back. What lies in its place is put
/// aside: it is somebody's, and would be taken for the newer truth.
///
/// # Errors
/// [`JournalError::Prepare`]: nothing has changed then.
pub(super) fn name_again(journal: &Path, log: (u64, u64)) -> Result<(), JournalError> {
    let failed = preparing(journal);
    let place = quarantine::beside(journal, "-wal");
    let copy = quarantine::beside(journal, "-wal.new");
    let named = copy_of(log, &copy).and_then(|()| {
        put_aside(journal, &place)?;
        std::fs::rename(&copy, &place)
    });
    if let Err(error) = named {
        drop(std::fs::remove_file(&copy));
        return Err(failed(error));
    }
    if let Some(folder) = journal.parent() {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(&failed)?;
    }
    tracing::warn!(path = %place.display(), "The write-ahead log was removed or replaced, and is in its place again");
    Ok(())
}

fn copy_of(log: (u64, u64), copy: &Path) -> io::Result<()> {
    let mut open = File::open(descriptor_of(log)?)?;
    // A copy that was cut short is none.
    drop(std::fs::remove_file(copy));
    let mut copied = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(copy)?;
    io::copy(&mut open, &mut copied)?;
    copied.sync_all()
}

/// SQLite holds no lock on its log: to open and close it once more takes nothing away.
fn descriptor_of(log: (u64, u64)) -> io::Result<PathBuf> {
    for entry in std::fs::read_dir(OWN_DESCRIPTORS)? {
        let path = entry?.path();
        // That of the reading itself is gone by now.
        let is_log = std::fs::metadata(&path).is_ok_and(|facts| (facts.dev(), facts.ino()) == log);
        if is_log {
            return Ok(path);
        }
    }
    Err(io::Error::other("the write-ahead log is not open"))
}

/// In quarantine, or beside where there is no way to have one.
fn put_aside(journal: &Path, place: &Path) -> io::Result<()> {
    match quarantine::put_log_aside(journal) {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "A write-ahead log that is none of this journal's is put aside beside it");
            std::fs::rename(place, quarantine::beside(journal, "-wal.other"))
        }
    }
}
