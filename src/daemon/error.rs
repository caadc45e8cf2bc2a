//! Why the daemon does not run, and the exit code that systemd gets then.

use crate::api::listen::ListenError;
use crate::base::exit_code;
use crate::config::ConfigError;
use crate::devices::profile::UnknownProfile;
use crate::journal::JournalError;
use crate::service::ClientError;

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// oplati.conf.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The journal.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// Sockets and the token file.
    #[error("the till API cannot be served")]
    Listen(#[from] ListenError),
    /// The service's client.
    #[error("the client of the payment service cannot be made")]
    Client(#[from] ClientError),
    /// `[Scanner] profile`, `[Display] profile`.
    #[error(transparent)]
    Profile(#[from] UnknownProfile),
    /// Threads, descriptors, random numbers.
    #[error("the system refuses {what}")]
    System {
        /// The part of the daemon that cannot be had.
        what: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// A part that everything depends on ended by itself.
    #[error("a vital part ended by itself; see the log")]
    PartDied,
    /// What it works with has changed places: a new start finds it.
    #[error("the daemon ended to be started anew; see the log")]
    StartsAnew,
}

impl DaemonError {
    /// The process's exit code, see [`crate::base::exit_code`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            // The disk's fault and no mistake of the file: another start may read it.
            DaemonError::Config(ConfigError::Unreadable { source, .. })
                if source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) =>
            {
                exit_code::IO
            }
            DaemonError::Config(_) | DaemonError::Client(_) | DaemonError::Profile(_) => {
                exit_code::CONFIG
            }
            DaemonError::Listen(ListenError::Taken { .. })
            | DaemonError::Journal(JournalError::Taken { .. })
            | DaemonError::StartsAnew => exit_code::TEMPFAIL,
            DaemonError::Listen(ListenError::Token { .. }) => exit_code::CONFIG,
            DaemonError::Journal(_) | DaemonError::Listen(ListenError::Bind { .. }) => {
                exit_code::IO
            }
            DaemonError::System { .. } | DaemonError::PartDied => exit_code::SOFTWARE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error_chain::with_causes;

    #[test]
    fn exit_codes_distinguish_configuration_from_a_taken_place() {
        let taken = ListenError::Taken {
            place: "x".into(),
            holder: "y".into(),
        };
        assert_eq!(DaemonError::from(taken).exit_code(), exit_code::TEMPFAIL);
        assert_eq!(
            DaemonError::from(ConfigError::BadValues(Vec::new(), Vec::new())).exit_code(),
            exit_code::CONFIG
        );
        // What the disk does not give is no mistake of the file: systemd tries again.
        for (errno, code) in [
            (rustix::io::Errno::IO, exit_code::IO),
            (rustix::io::Errno::ACCESS, exit_code::CONFIG),
        ] {
            let unreadable = ConfigError::Unreadable {
                path: "oplati.conf".into(),
                source: errno.into(),
            };
            assert_eq!(DaemonError::from(unreadable).exit_code(), code);
        }
        let error = DaemonError::from(ConfigError::TooLarge {
            path: "oplati.conf".into(),
        });
        assert!(with_causes(&error).contains("oplati.conf is larger"));
    }
}
