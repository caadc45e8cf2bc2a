//! `terminal.log`: a file that others write too and that somebody else rotates.
//!
//! Each line is one `write` on a descriptor with `O_APPEND`, so that lines of several processes
//! follow one another whole, and a file that was truncated by `copytruncate` goes on from its new
//! end. Before each line the path is looked at: when it names another file, or none, the file was
//! rotated away and is opened (made) anew.
//!
//! What is made here is the till program's to write, too: in a folder with setgid it has the folder's group, whichever
//! the shop has chosen; elsewhere it is given to group oplati-till.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::base::folders;
use crate::base::lock::lock;
use crate::base::system::{TILL_GROUP, group_id};

/// How long a file that could not be opened or written is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The till program's user must be able to append to a file that we made.
const MODE: u32 = 0o664;
/// And to rotate it in a folder that we made.
const FOLDER_MODE: u32 = 0o775;
/// What is made in such a folder has its group.
const SETGID: u32 = 0o2000;

/// How often [`reopen`] was called in this process.
static REOPENINGS: AtomicU64 = AtomicU64::new(0);

/// Has `terminal.log` opened anew with the next line, also where it has failed a moment ago: whoever rotates it by
/// hand sends SIGHUP.
pub fn reopen() {
    REOPENINGS.fetch_add(1, Ordering::Relaxed);
}

/// The file, opened when it is needed.
#[derive(Debug)]
pub struct TerminalLog {
    path: PathBuf,
    state: Mutex<State>,
    retry_after: Duration,
    reopenings: &'static AtomicU64,
    /// oplati-till; `None` on a machine without it, such as a developer's.
    group: Option<u32>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<File>,
    failed_at: Option<Instant>,
    /// Of the calls of [`reopen`], as many as were obeyed.
    reopened: u64,
    /// Why the last line is not in the file.
    failure: Option<String>,
    /// It was reported that files cannot be given to the till program's group.
    reported_group: bool,
    /// The last write was cut short, by a full disk: the next line must begin with a line's end.
    cut: bool,
}

impl TerminalLog {
    /// Opens nothing yet.
    pub fn new(path: PathBuf) -> TerminalLog {
        TerminalLog {
            path,
            state: Mutex::default(),
            retry_after: RETRY_AFTER,
            reopenings: &REOPENINGS,
            group: group_id(TILL_GROUP),
        }
    }

    /// Whether the line is in the file now.
    pub(super) fn append(&self, line: &[u8]) -> bool {
        let mut state = lock(&self.state);
        let reopenings = self.reopenings.load(Ordering::Relaxed);
        if std::mem::replace(&mut state.reopened, reopenings) != reopenings {
            state.open = None;
            state.failed_at = None;
        }
        if state
            .failed_at
            .is_some_and(|at| at.elapsed() < self.retry_after)
        {
            return false;
        }
        match self.try_append(&mut state, line) {
            Ok(()) => {
                state.failed_at = None;
                state.failure = None;
                true
            }
            Err(error) => {
                state.open = None;
                state.failed_at = Some(Instant::now());
                if state.failure.replace(error.to_string()).is_none() {
                    complain(&self.path, &error);
                }
                false
            }
        }
    }

    /// Why the last line is not in the file.
    pub(super) fn failure(&self) -> Option<String> {
        lock(&self.state).failure.clone()
    }

    /// Straight to standard error: the log cannot report itself.
    pub(super) fn complain_on_stderr(&self, what: &str) {
        complain_on_stderr(&self.path, what);
    }

    fn try_append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        let file = match state.open.take().filter(|file| is_at(file, &self.path)) {
            Some(file) => state.open.insert(file),
            None => {
                let (file, shared) = open(&self.path, self.group)?;
                if let Err(error) = shared
                    && !state.reported_group
                {
                    state.reported_group = true;
                    complain_of_group(&self.path, &error);
                }
                state.open.insert(file)
            }
        };
        let mended;
        let line = if state.cut {
            mended = [b"\n", line].concat();
            &mended
        } else {
            line
        };
        let written = file.write(line)?;
        state.cut = (state.cut && written == 0) || (written > 0 && written < line.len());
        if written < line.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// Opens for appending; makes the file and its folders where they are missing. With the file comes whether what was
/// made could be given to `group`.
fn open(path: &Path, group: Option<u32>) -> io::Result<(File, io::Result<()>)> {
    if let Some(folder) = path.parent() {
        make_folders(folder, group)?;
    }
    let mut options = OpenOptions::new();
    // Without NONBLOCK a named pipe in the file's place would stop the daemon until somebody reads.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options
        .append(true)
        .mode(MODE)
        .custom_flags(flags.bits().cast_signed());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // The umask took rights away that the till program's group needs.
            file.set_permissions(fs::Permissions::from_mode(MODE))?;
            let shared = share(&file, path, group);
            Ok((file, shared))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = options.create(true).open(path)?;
            if file.metadata()?.is_file() {
                Ok((file, Ok(())))
            } else {
                Err(io::Error::other("not a regular file"))
            }
        }
        Err(error) => Err(error),
    }
}

/// Also a new folder is the till program's: it rotates the file.
fn make_folders(folder: &Path, group: Option<u32>) -> io::Result<()> {
    for folder in folders::make(folder, FOLDER_MODE)? {
        // That it cannot be given away is reported for the file in it.
        drop(share(&File::open(&folder)?, &folder, group));
    }
    Ok(())
}

/// Gives what was made at `path` to the till program's group, unless its folder has given it one. Under the package's
/// unit it has that group from the beginning, and no right to change owners is needed.
fn share(made: &File, path: &Path, group: Option<u32>) -> io::Result<()> {
    let Some(group) = group else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    if fs::metadata(folder)?.mode() & SETGID != 0 || made.metadata()?.gid() == group {
        return Ok(());
    }
    std::os::unix::fs::fchown(made, None, Some(group))?;
    // Some file systems, such as those of other systems' disks, report success and keep their own.
    if made.metadata()?.gid() == group {
        Ok(())
    } else {
        Err(io::Error::other("the file system keeps no groups"))
    }
}

fn complain(path: &Path, error: &io::Error) {
    let retry_s = RETRY_AFTER.as_secs();
    complain_on_stderr(
        path,
        &format!("log cannot be written, trying again each {retry_s} s: {error}"),
    );
}

fn complain_of_group(path: &Path, error: &io::Error) {
    complain_on_stderr(
        path,
        &format!(
            "a new log cannot be given to group {TILL_GROUP}, and the till program may be unable to write it; chgrp {TILL_GROUP} its folder and chmod g+ws it: {error}"
        ),
    );
}

/// Straight to standard error: the log cannot report itself.
fn complain_on_stderr(path: &Path, what: &str) {
    let line = format!("oplati: {}: {what}\n", path.display());
    // Standard error may be closed; then nobody is there to read it.
    let _ = io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_folders_of_a_relative_path_are_made() {
        let folder = tempfile::tempdir_in(".").unwrap();
        let name = Path::new(folder.path().file_name().unwrap());
        let made = name.join("new/logs");
        make_folders(&made, None).unwrap();
        assert!(made.is_dir());
    }

    #[test]
    fn folders_and_file_are_made_with_rights_for_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linuxcash/logs/current/terminal.log");
        let log = TerminalLog::new(path.clone());
        log.append(b"one\n");
        log.append(b"two\n");
        assert_eq!(lines(&path), ["one", "two"]);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            MODE
        );
    }

    /// A group of ours that is not the one that files get by themselves; any, if we are root.
    fn other_group(not: u32) -> u32 {
        let ours = rustix::process::getgroups().unwrap_or_default();
        let other = ours
            .iter()
            .map(|group| group.as_raw())
            .find(|group| *group != not && *group != 0);
        other.unwrap_or(if rustix::process::geteuid().is_root() {
            not + 4242
        } else {
            not
        })
    }

    /// Folders that everybody may write, without setgid, as tills have them, and one of the shop's own group.
    #[test]
    fn a_new_file_is_the_tills_to_write_or_of_the_folders_group() {
        let folder = tempfile::tempdir().unwrap();
        let plain = fs::metadata(folder.path()).unwrap().gid();
        let till = other_group(plain);
        let made = |folder: &Path| {
            let mut log = TerminalLog::new(folder.join("terminal.log"));
            log.group = Some(till);
            log.append(b"before\n");
            fs::rename(&log.path, folder.join("terminal.log.1")).unwrap();
            log.append(b"after\n");
            assert!(!log.state.lock().unwrap().reported_group);
            let facts = fs::metadata(&log.path).unwrap();
            (facts.gid(), facts.mode() & 0o777)
        };
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(made(&open), (till, MODE));
        let shops = folder.path().join("shops");
        fs::create_dir(&shops).unwrap();
        fs::set_permissions(&shops, fs::Permissions::from_mode(0o2770)).unwrap();
        assert_eq!(made(&shops), (plain, MODE), "the folder's own group");
        let new = folder.path().join("new/current");
        assert_eq!(made(&new), (till, MODE));
        let facts = fs::metadata(&new).unwrap();
        assert_eq!(
            (facts.gid(), facts.mode() & 0o777),
            (till, FOLDER_MODE),
            "its folder, too"
        );
    }

    #[test]
    fn a_group_that_cannot_be_given_is_reported_once_and_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TerminalLog::new(folder.path().join("terminal.log"));
        // No group has this number: -1 is for "as it is".
        log.group = Some(u32::MAX);
        log.append(b"one\n");
        assert!(log.state.lock().unwrap().reported_group);
        fs::remove_file(&log.path).unwrap();
        log.append(b"two\n");
        assert_eq!(lines(&log.path), ["two"]);
    }

    #[test]
    fn a_renamed_file_is_left_and_a_new_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (
            folder.path().join("terminal.log"),
            folder.path().join("terminal.log.1"),
        );
        let log = TerminalLog::new(path.clone());
        log.append(b"before\n");
        fs::rename(&path, &rotated).unwrap();
        log.append(b"after\n");
        assert_eq!(
            (lines(&rotated), lines(&path)),
            (vec!["before".to_owned()], vec!["after".to_owned()])
        );
        fs::remove_file(&path).unwrap();
        log.append(b"again\n");
        assert_eq!(lines(&path), ["again"]);
        // The whole folder may go, too: a new "current".
        fs::remove_dir_all(folder.path()).unwrap();
        log.append(b"once more\n");
        assert_eq!(lines(&path), ["once more"]);
    }

    #[test]
    fn a_truncated_file_goes_on_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let log = TerminalLog::new(path.clone());
        log.append(b"before the copy\n");
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        log.append(b"after\n");
        assert_eq!(
            fs::read(&path).unwrap(),
            b"after\n",
            "no hole of zero bytes"
        );
    }

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        // Own descriptors, as several processes have them.
        let writers: Vec<_> = ['a', 'b', 'c', 'd']
            .into_iter()
            .map(|letter| {
                let log = TerminalLog::new(path.clone());
                std::thread::spawn(move || {
                    let line = format!("{}\n", letter.to_string().repeat(700));
                    assert!((0..100).all(|_| log.append(line.as_bytes())));
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        let lines = lines(&path);
        assert_eq!(lines.len(), 400);
        for line in lines {
            let first = line.chars().next().unwrap();
            assert_eq!(line, first.to_string().repeat(700));
        }
    }

    #[test]
    fn what_cannot_be_written_is_tried_again_and_stops_nobody() {
        let folder = tempfile::tempdir().unwrap();
        // A file in the folder's place fails for root, too.
        let blocker = folder.path().join("current");
        fs::write(&blocker, b"").unwrap();
        let path = blocker.join("terminal.log");
        let mut log = TerminalLog::new(path.clone());
        log.append(b"lost\n");
        assert!(log.failure().is_some());
        fs::remove_file(&blocker).unwrap();
        log.append(b"too early\n");
        assert!(!path.exists());
        log.retry_after = Duration::ZERO;
        log.append(b"kept\n");
        assert_eq!(lines(&path), ["kept"]);
        assert!(
            log.failure().is_none(),
            "the next failure is reported again"
        );
    }

    #[test]
    fn who_asks_for_the_file_anew_gets_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let blocker = folder.path().join("current");
        fs::write(&blocker, b"").unwrap();
        let path = blocker.join("terminal.log");
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let mut log = TerminalLog::new(path.clone());
        // No other test's log is opened anew.
        log.reopenings = &CALLS;
        log.append(b"lost\n");
        fs::remove_file(&blocker).unwrap();
        CALLS.fetch_add(1, Ordering::Relaxed);
        log.append(b"kept\n");
        assert_eq!(lines(&path), ["kept"]);
    }

    #[test]
    fn a_pipe_in_the_files_place_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &path,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        )
        .unwrap();
        let log = TerminalLog::new(path);
        log.append(b"nobody reads\n");
        assert!(log.state.lock().unwrap().open.is_none());
    }

    #[test]
    fn a_line_after_a_cut_one_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let log = TerminalLog::new(path.clone());
        log.append(b"begi");
        log.state.lock().unwrap().cut = true;
        log.append(b"next\n");
        assert_eq!(lines(&path), ["begi", "next"]);
    }
}
