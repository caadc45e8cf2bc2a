//! Room for the index of the write-ahead log, the `-shm` file, which SQLite writes through a mapping.
//!
//! A write to a mapping that finds no room is no error but SIGBUS, which ends the process. SQLite makes sure of each
//! page of 4 KiB by writing its last byte, which takes a block of the disk for the whole page where blocks are as
//! large; small file systems are often made with blocks of 1 KiB, and three of four stay holes. So there the index
//! is filled with real blocks once it is made, and a journal is not opened on a disk that has no room for it. Where
//! blocks are large enough a full disk hinders nobody, and nothing is asked.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::quarantine;

/// What SQLite makes sure of at a time.
const PAGE_BYTES: u64 = 4096;
/// Room for the index of a log of 32 000 pages (128 MB), far more than the log ever holds.
const INDEX_BYTES: u64 = 256 * 1024;

/// Whether blocks are so small that SQLite's own precaution leaves holes.
fn has_small_blocks(path: &Path) -> io::Result<bool> {
    Ok(statvfs(path)?.f_frsize < PAGE_BYTES)
}

/// Refuses to map what the disk has no room for. Before the journal is opened.
///
/// # Errors
/// `ENOSPC` where blocks are small and no room is left; any other error of the folder.
pub(super) fn check_room(journal: &Path) -> io::Result<()> {
    let folder = journal.parent().unwrap_or(Path::new("."));
    let facts = statvfs(folder)?;
    let room = facts.f_bavail.saturating_mul(facts.f_frsize);
    if facts.f_frsize < PAGE_BYTES && room < INDEX_BYTES {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

/// Fills the index of an open journal with real blocks, where that is needed. The file is to be held as long as the
/// connection: closing it would give up SQLite's locks on it.
///
/// # Errors
/// `ENOSPC`, or another error of the disk.
pub(super) fn fill(journal: &Path) -> io::Result<Option<File>> {
    if !has_small_blocks(journal)? {
        return Ok(None);
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(quarantine::beside(journal, "-shm"))?;
    match fallocate(&file, FallocateFlags::empty(), 0, INDEX_BYTES) {
        // A file system that cannot promise room promises none.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(file)),
        Err(error) => Err(error.into()),
    }
}
