//! The log: the same events to two places. Standard error serves whoever watches the process: the
//! journal of systemd, or a person at a terminal; its level is `OPLATI_LOG`. `terminal.log` serves
//! the shop's technician, who reads it beside the till program's own lines; it always holds at
//! least the level `info`.
//!
//! Two designs were weighed for the file: a writer thread behind a queue, or a write in the thread
//! that logs. The second has a line there before the next step is taken, also when the process is
//! killed at once; but each scan then waits for two changes of threads and the disk, and a disk that
//! does not answer stops every thread that logs, those included that serve tills. So it is the first,
//! and nobody waits: a process that ends or panics writes what is left ([`FlushOnDrop`]), and only one that
//! is killed loses the lines of its last moment. What money depends on is in the journal.

mod budget;
mod file;
mod line;
mod native;
mod screen;
mod tail;
mod writer;

use std::io::IsTerminal as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use file::TerminalLog;
use line::{Dress, EscapedFields, Lines};
use native::Native;
use screen::Screen;
use writer::Writer;

pub(crate) use file::reopen;
pub(crate) use tail::{end, tail};
pub(crate) use writer::Failure;

/// What writes the file of this process, if it has one.
static FILE: OnceLock<Arc<Writer<TerminalLog>>> = OnceLock::new();

/// Why the file of this process is not written now; `None` where it is, or where the process has none.
pub(crate) fn failure() -> Option<Failure> {
    FILE.get()?.failure()
}

/// Dropped at the end of a process, also of one that panics: waits until what was logged is in the file, but no longer
/// than [`FLUSH_TIMEOUT`].
#[derive(Debug)]
pub struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        if let Some(file) = FILE.get() {
            file.flush(FLUSH_TIMEOUT);
        }
    }
}

/// How long the end of a process waits for the disk of its log.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Names the variable that sets the level of standard error, such as `info,oplati::service=debug`.
pub(crate) const LEVEL_VARIABLE: &str = "OPLATI_LOG";

/// What standard error gets while `OPLATI_LOG` is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stderr {
    /// Level `info`: the daemon.
    On,
    /// Warnings and errors: verbs whose results are their output.
    Warnings,
    /// Nothing, whatever `OPLATI_LOG` is: the screen belongs to somebody else.
    Off,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `OPLATI_LOG` cannot be understood.
    #[error(
        "{LEVEL_VARIABLE} is {value:?}, allowed are levels such as info or info,oplati::service=debug"
    )]
    Level {
        /// As found, cut to 64 characters.
        value: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Another log was set up in this process.
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up the log of this process, once. A `file` that cannot be written stops nothing: that is
/// reported on standard error, and the file is tried again with later lines.
///
/// # Errors
/// [`LogError`] for a wrong `OPLATI_LOG` and for a second call.
pub fn init(stderr: Stderr, file: Option<PathBuf>) -> Result<(), LogError> {
    let asked = asked_level(std::env::var(LEVEL_VARIABLE).ok().as_deref())?;
    let dress = if goes_to_journal(
        std::env::var("JOURNAL_STREAM").ok().as_deref(),
        std::io::stderr(),
    ) {
        Dress::Journal
    } else if std::io::stderr().is_terminal() {
        Dress::Terminal
    } else {
        Dress::Plain
    };
    let usual = if stderr == Stderr::On {
        LevelFilter::INFO
    } else {
        LevelFilter::WARN
    };
    let level = || {
        let usual = || Targets::new().with_default(usual);
        asked.clone().unwrap_or_else(usual)
    };
    let wanted = stderr != Stderr::Off;
    let native = (wanted && dress == Dress::Journal)
        .then(|| Native::connect(Path::new(native::SOCKET), Screen::new(std::io::stderr())).ok())
        .flatten();
    // The one or the other: nothing stands twice in the journal.
    let screen = (wanted && native.is_none()).then(|| {
        tracing_subscriber::fmt::layer()
            .fmt_fields(EscapedFields)
            .event_format(Lines::new(dress))
            .with_writer(Screen::new(std::io::stderr()))
            .log_internal_errors(false)
            .with_filter(level())
    });
    let native = native.map(|native| {
        tracing_subscriber::fmt::layer()
            .fmt_fields(EscapedFields)
            .event_format(Lines::new(Dress::Fields))
            .with_writer(native)
            .log_internal_errors(false)
            .with_filter(level())
    });
    let terminal_log = file.map(|path| {
        let writer = FILE.get_or_init(|| Arc::new(Writer::start(TerminalLog::new(path))));
        tracing_subscriber::fmt::layer()
            .fmt_fields(EscapedFields)
            .event_format(Lines::new(Dress::TerminalLog))
            .with_writer(Arc::clone(writer))
            .log_internal_errors(false)
            .with_filter(file_level().or(asked.clone().unwrap_or_default()))
    });
    tracing_subscriber::registry()
        .with(screen)
        .with(native)
        .with(terminal_log)
        .try_init()
        .map_err(LogError::Twice)
}

/// What a technician always finds in the file: our own steps, and of the libraries what went wrong.
fn file_level() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("oplati", LevelFilter::INFO)
}

fn asked_level(value: Option<&str>) -> Result<Option<Targets>, LogError> {
    let Some(value) = value.filter(|value| !value.trim().is_empty()) else {
        return Ok(None);
    };
    match value.parse() {
        Ok(targets) => Ok(Some(targets)),
        Err(source) => Err(LogError::Level {
            value: value.chars().take(64).collect(),
            source,
        }),
    }
}

/// Whether standard error really is the journal's stream. The variable alone proves nothing: it is
/// inherited by everything that a service starts, terminals of a desktop session included.
fn goes_to_journal(variable: Option<&str>, stderr: impl AsFd) -> bool {
    let Some((device, inode)) = variable.and_then(|value| value.split_once(':')) else {
        return false;
    };
    match rustix::fs::fstat(stderr) {
        Ok(stat) => stat.st_dev.to_string() == device && stat.st_ino.to_string() == inode,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_understood_or_named() {
        assert!(asked_level(None).unwrap().is_none());
        assert!(asked_level(Some(" ")).unwrap().is_none());
        let targets = asked_level(Some("info,oplati::service=debug"))
            .unwrap()
            .unwrap();
        assert!(targets.would_enable("oplati::service", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("oplati::core", &tracing::Level::DEBUG));
        let error = asked_level(Some("loud=very")).unwrap_err();
        assert!(error.to_string().contains("loud=very"), "{error}");
    }

    #[test]
    fn the_file_keeps_our_steps_and_the_libraries_troubles() {
        let level = file_level();
        assert!(level.would_enable("oplati::core", &tracing::Level::INFO));
        assert!(!level.would_enable("hyper::client", &tracing::Level::INFO));
        assert!(level.would_enable("hyper::client", &tracing::Level::WARN));
    }

    #[test]
    fn only_the_right_stream_is_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        assert!(goes_to_journal(
            Some(&format!("{}:{}", stat.st_dev, stat.st_ino)),
            &file
        ));
        assert!(!goes_to_journal(
            Some(&format!("{}:{}", stat.st_dev, stat.st_ino + 1)),
            &file
        ));
        assert!(!goes_to_journal(Some("nonsense"), &file));
        assert!(!goes_to_journal(None, &file));
    }
}
