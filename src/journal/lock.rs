//! One process for a journal: an advisory lock on a file beside it, which also names its holder, and one on the
//! journal itself.
//!
//! The file beside alone was weighed: whoever removes it, a cleaner of a disk for example, lets a second process in,
//! and so does a second name of the journal (a hard link, another `--root`). The journal alone was weighed as well: it
//! may be put aside or copied back while the process that waits for its turn must still find out who is there, and it
//! is closed before the last request has ended. So both. The lock on the journal is a `flock` of a descriptor that
//! lives as long as the connection: SQLite's own locks are of another kind and are neither met nor given up by it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::JournalError;
use super::error::preparing;
use crate::base::system::process_name;

/// What a lock file adds to the number of a process that is about to end.
const STOPPING: &str = "stopping";
/// The same, but something could not be kept.
const STOPPING_WITH_A_LOSS: &str = "stopping-with-a-loss";
/// What it adds while the journal is known to be damaged, which its next opening may not see.
const DAMAGED: &str = "damaged";
/// The holder that nothing names.
const UNKNOWN: &str = "?";
/// More of the kernel's list of locks is not read.
const MAX_LOCKS_BYTES: u64 = 1 << 20;
/// Longer than a lock file ever is.
const MAX_BYTES: u64 = 48;

/// Takes the journal itself, whatever its name and whatever has become of the file beside it.
pub(super) fn hold(content: &File, journal: &Path) -> Result<(), JournalError> {
    match flock(content, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(taken(content, None, journal)),
        // Where the file beside could be locked, this is no matter of the file system.
        Err(error) => Err(JournalError::Prepare {
            path: journal.to_owned(),
            source: error.into(),
        }),
    }
}

/// Another process has it: a daemon of ours, which is waited for or named, or a program that has no business there, a
/// backup for example, and that goes again.
fn taken(file: &File, named: Option<String>, journal: &Path) -> JournalError {
    let path = journal.to_owned();
    let Some(pid) = holder_of(file) else {
        // What the file itself names may have died long ago.
        let pid = named.filter(|pid| is_ours(pid));
        let pid = pid.unwrap_or_else(|| UNKNOWN.to_owned());
        return JournalError::Taken { path, pid };
    };
    if is_ours(&pid) {
        return JournalError::Taken { path, pid };
    }
    let holder = process_name(&pid);
    JournalError::Locked { path, holder }
}

/// Whether that process is a program of this package.
fn is_ours(pid: &str) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.starts_with("oplati")
}

/// The process that the kernel names for a `flock` of that file.
fn holder_of(content: &File) -> Option<String> {
    let facts = content.metadata().ok()?;
    let device = facts.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let place = format!("{major:02x}:{minor:02x}:{}", facts.ino());
    let mut locks = String::new();
    let file = File::open("/proc/locks").ok()?;
    file.take(MAX_LOCKS_BYTES).read_to_string(&mut locks).ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let (pid, at) = (words.nth(2)?, words.next()?);
        (is_flock && at == place).then(|| pid.to_owned())
    })
}

/// Held while it lives; the kernel gives it up when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// The journal itself, once its connection is closed.
    content: Option<Arc<File>>,
    is_of_damaged: bool,
    is_of_crashed: bool,
}

impl Lock {
    pub(super) fn take(journal: &Path) -> Result<Lock, JournalError> {
        let failed = preparing(journal);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let mut file = open(journal, &mut options).map_err(&failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let named = holder_and_state(&mut file).map(|(pid, _)| pid);
                return Err(taken(&file, named, journal));
            }
            Err(error) => return Err(failed(error.into())),
        }
        let before = holder_and_state(&mut file);
        let before = before.map(|(_, state)| state);
        let mut lock = Lock {
            file,
            content: None,
            is_of_damaged: before
                .as_ref()
                .is_some_and(|state| state.ends_with(DAMAGED)),
            is_of_crashed: before.is_some_and(|state| {
                !state.starts_with(STOPPING) || state.starts_with(STOPPING_WITH_A_LOSS)
            }),
        };
        lock.write_holder("");
        Ok(lock)
    }

    /// Whether the process before has found the journal damaged.
    pub(super) fn is_of_damaged(&self) -> bool {
        self.is_of_damaged
    }

    /// Whether the process before had the journal open to its end.
    pub(super) fn is_of_crashed(&self) -> bool {
        self.is_of_crashed
    }

    /// The next process knows that the journal is damaged, also where its opening would find nothing: a log that
    /// was emptied leaves a file that is whole, and old.
    pub(super) fn note_damage(&mut self) {
        self.is_of_damaged = true;
        self.write_holder("");
    }

    /// What was damaged is put aside or taken away.
    pub(super) fn forget_damage(&mut self) {
        if std::mem::take(&mut self.is_of_damaged) {
            self.write_holder("");
        }
    }

    /// The connection is closed; from now on it is only held until the last request of this process has ended.
    /// `is_whole`: what the journal held is on the disk.
    pub(super) fn note_stopping(&mut self, content: Arc<File>, is_whole: bool) {
        self.content = Some(content);
        self.write_holder(if is_whole {
            STOPPING
        } else {
            STOPPING_WITH_A_LOSS
        });
    }

    /// Names this process as its holder. That is a courtesy; a full disk must not keep the daemon from starting.
    fn write_holder(&mut self, state: &str) {
        let file = &mut self.file;
        let damaged = if self.is_of_damaged { DAMAGED } else { "" };
        let state = format!("{state} {damaged}");
        let (pid, state) = (std::process::id(), state.trim());
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{pid} {state}"));
        if let Err(error) = written {
            tracing::debug!(%error, "The lock's holder is not named");
        }
    }
}

fn beside(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    journal.with_file_name(name)
}

/// A named pipe in its place is not waited for. Nothing but a file of its own names who holds it: through a link, or
/// under a second name, something else would be overwritten.
fn open(journal: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = options
        .read(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(beside(journal))?;
    let facts = file.metadata()?;
    if !facts.is_file() || facts.nlink() > 1 {
        return Err(io::Error::other(
            "the place of its lock is taken by what is not a regular file of its own",
        ));
    }
    Ok(file)
}

/// The process that holds the journal's lock and is about to end.
pub fn stopping_holder(journal: &Path) -> Option<String> {
    let mut file = open(journal, &mut OpenOptions::new()).ok()?;
    // For an instant only: nobody else asks while the lock is held.
    if flock(&file, FlockOperation::NonBlockingLockShared) != Err(Errno::WOULDBLOCK) {
        return None;
    }
    let (pid, state) = holder_and_state(&mut file)?;
    state.starts_with(STOPPING).then_some(pid)
}

/// The daemon that has the journal and means to keep it. A lock that only the file names is tried for an instant, and
/// only where its holder lives: whoever starts then must not find it taken.
pub fn running_holder(journal: &Path) -> Option<String> {
    let mut file = open(journal, &mut OpenOptions::new()).ok()?;
    let (named, state) = holder_and_state(&mut file)?;
    if state.starts_with(STOPPING) {
        return None;
    }
    let holder = holder_of(&file).or_else(|| {
        let is_held =
            || flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK);
        (is_ours(&named) && is_held()).then_some(named)
    });
    holder.filter(|pid| is_ours(pid))
}

/// The process that the lock file names.
fn holder_and_state(file: &mut File) -> Option<(String, String)> {
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let text = text.trim_end_matches('\n');
    let (pid, state) = text.split_once(' ')?;
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (pid.to_owned(), state.to_owned()))
}
