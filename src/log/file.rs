//! `terminal.log`: a file that others write too and that somebody else rotates.
//!
//! Each line is one `write` on a descriptor with `O_APPEND`, so that lines of several processes
//! follow one another whole, and a file that was truncated by `copytruncate` goes on from its new
//! end. Before each line the path is looked at: when it names another file, or none, the file was
//! rotated away and is opened (made) anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// How long a file that could not be opened or written is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The till program's user must be able to append to a file that we made.
const MODE: u32 = 0o664;

/// The file, opened when it is needed.
#[derive(Debug)]
pub struct TerminalLog {
    path: PathBuf,
    state: Mutex<State>,
    retry_after: Duration,
}

#[derive(Debug, Default)]
struct State {
    open: Option<File>,
    failed_at: Option<Instant>,
    complained: bool,
    /// The last write was cut short, by a full disk: the next line must begin with a line's end.
    cut: bool,
}

impl TerminalLog {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(path: PathBuf) -> TerminalLog {
        TerminalLog {
            path,
            state: Mutex::default(),
            retry_after: RETRY_AFTER,
        }
    }

    fn append(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .failed_at
            .is_some_and(|at| at.elapsed() < self.retry_after)
        {
            return;
        }
        match self.try_append(&mut state, line) {
            Ok(()) => {
                state.failed_at = None;
                state.complained = false;
            }
            Err(error) => {
                state.open = None;
                state.failed_at = Some(Instant::now());
                if !state.complained {
                    state.complained = true;
                    complain(&self.path, &error);
                }
            }
        }
    }

    fn try_append(&self, state: &mut State, line: &[u8]) -> io::Result<()> {
        let file = match state.open.take().filter(|file| is_at(file, &self.path)) {
            Some(file) => state.open.insert(file),
            None => state.open.insert(open(&self.path)?),
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

/// One call is one line: that is how the formatting layer calls it. It never fails, since nobody
/// could do anything about a log that cannot be written.
impl Write for &TerminalLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// Opens for appending; makes the file and its folders where they are missing.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
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
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = options.create(true).open(path)?;
            if file.metadata()?.is_file() {
                Ok(file)
            } else {
                Err(io::Error::other("not a regular file"))
            }
        }
        Err(error) => Err(error),
    }
}

/// Straight to standard error: the log cannot tell of itself.
fn complain(path: &Path, error: &io::Error) {
    let retry_s = RETRY_AFTER.as_secs();
    let line = format!(
        "oplati: {}: log cannot be written, trying again each {retry_s} s: {error}\n",
        path.display()
    );
    // Standard error may be closed; then nobody is there to be told.
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
                    (0..100).for_each(|_| log.append(line.as_bytes()));
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
        assert!(log.state.lock().unwrap().complained);
        fs::remove_file(&blocker).unwrap();
        log.append(b"too early\n");
        assert!(!path.exists());
        log.retry_after = Duration::ZERO;
        log.append(b"kept\n");
        assert_eq!(lines(&path), ["kept"]);
        assert!(
            !log.state.lock().unwrap().complained,
            "the next failure is told again"
        );
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
