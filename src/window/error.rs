//! Why the window ends otherwise than by a signal or with its session.

use oplati::base::exit_code;
use oplati::client::http::CallError;
use oplati::config::ConfigError;
use oplati::log::LogError;

use super::outputs::NoMonitor;

/// Why there is no window, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WindowError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("oplati.conf: [Display] device names no window; add it: device = window")]
    NotWanted,
    #[error("there is no desktop session: {0}")]
    NoDesktop(String),
    #[error(transparent)]
    NoMonitor(#[from] NoMonitor),
    /// The client of the daemon's socket cannot be made.
    #[error("contact with the daemon was lost")]
    Client(#[source] CallError),
    /// There is no thread, or no runtime in it.
    #[error("cannot run")]
    Run(#[source] std::io::Error),
    /// The thread that talks to the daemon.
    #[error("the window's line to the daemon has died")]
    FeedDied,
}

impl WindowError {
    /// Of sysexits(3). `oplati display --window` takes [`exit_code::UNAVAILABLE`] for the session that is missing, and
    /// says what helps.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            WindowError::Log(_) | WindowError::Config(_) | WindowError::NotWanted => {
                exit_code::CONFIG
            }
            WindowError::NoDesktop(_) => exit_code::UNAVAILABLE,
            WindowError::NoMonitor(_) => exit_code::USAGE,
            WindowError::Client(_) => exit_code::TEMPFAIL,
            WindowError::Run(_) | WindowError::FeedDied => exit_code::SOFTWARE,
        }
    }
}
