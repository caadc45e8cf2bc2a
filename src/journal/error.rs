//! What can be wrong with the journal, in words that name the file and what to do.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::schema;

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its folder cannot be used.
    #[error("cannot open the journal {path}")]
    Open {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// What the system or SQLite reports.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder cannot be made or the file's mode not be set.
    #[error("cannot prepare the journal {path}")]
    Prepare {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// What the system or SQLite reports.
        #[source]
        source: std::io::Error,
    },
    /// Written by a newer program.
    #[error(
        "the journal {path} has version {found}, this program knows up to {}: install the newer artix-oplati again",
        schema::VERSION
    )]
    TooNew {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file is damaged, which two looks have shown; [`super::Journal::open`] quarantines it.
    #[error("the journal {path} is damaged ({report})")]
    Damaged {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// SQLite's words.
        report: String,
    },
    /// The disk does not give what the files hold, or did not for a moment.
    #[error("the journal {path} cannot be read from the disk")]
    Unread {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// What the system or SQLite reports.
        #[source]
        source: std::io::Error,
    },
    /// A damaged journal is in quarantine, and no other has taken its place.
    #[error(
        "a damaged journal is kept in {folder}; put a good copy back in its place and restart, or, to begin an empty journal, move that folder away: what was unfinished must then be checked in the merchant's account"
    )]
    Quarantined {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process writes it.
    #[error("the journal {path} is in use by another oplati (pid {pid})")]
    Taken {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// Of the other one, `?` when it cannot be known.
        pid: String,
    },
    /// A program that is none of ours has locked it.
    #[error("the journal {path} is locked by {holder}")]
    Locked {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
        /// Name and number of the process.
        holder: String,
    },
    /// The file was removed or replaced while it was open: what is written goes nowhere.
    #[error("the journal {path} was removed or replaced while the daemon ran")]
    Gone {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
    },
    /// What lies in the place of the reserve is no file.
    #[error("{path} is not a regular file, and the journal's reserve belongs there")]
    Reserve {
        /// The reserve's place.
        path: PathBuf,
    },
    /// A row that this program cannot read.
    #[error("the journal's row of operation {id} is not readable")]
    Row {
        /// Which operation.
        id: String,
        /// What the system or SQLite reports.
        #[source]
        source: serde_json::Error,
    },
    /// A row without the row that it belongs to.
    #[error("the journal has operation {id} without the one that it reverses")]
    Orphan {
        /// Which reversal.
        id: String,
    },
    /// The disk has no room, or not enough for the end of an operation.
    #[error("there is no room for the journal {path}")]
    Full {
        /// The journal's file, or what stands in its place.
        path: PathBuf,
    },
    /// The disk has room, but not for the journal's user.
    #[error("the disk quota leaves no room for the journal {path}")]
    Quota {
        /// Which file.
        path: PathBuf,
    },
    /// A statement failed.
    #[error("the journal cannot be {doing}")]
    Statement {
        /// `written` or `read`.
        doing: &'static str,
        /// What the system or SQLite reports.
        #[source]
        source: rusqlite::Error,
    },
}

impl JournalError {
    /// Whether giving up the reserve may help.
    pub fn is_full(&self) -> bool {
        match self {
            JournalError::Full { .. } | JournalError::Quota { .. } => true,
            JournalError::Statement { source, .. } => {
                matches!(
                    source.sqlite_error_code(),
                    Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
                )
            }
            JournalError::Open { .. }
            | JournalError::Prepare { .. }
            | JournalError::TooNew { .. }
            | JournalError::Damaged { .. }
            | JournalError::Unread { .. }
            | JournalError::Quarantined { .. }
            | JournalError::Taken { .. }
            | JournalError::Locked { .. }
            | JournalError::Gone { .. }
            | JournalError::Reserve { .. }
            | JournalError::Row { .. }
            | JournalError::Orphan { .. } => false,
        }
    }
}

/// For `map_err`: what that file needs is not there.
pub(super) fn preparing(path: &Path) -> impl Fn(std::io::Error) -> JournalError {
    move |source| JournalError::Prepare {
        path: path.to_owned(),
        source,
    }
}

pub(super) fn reading(source: rusqlite::Error) -> JournalError {
    JournalError::Statement {
        doing: "read",
        source,
    }
}

pub(super) fn writing(source: rusqlite::Error) -> JournalError {
    JournalError::Statement {
        doing: "written",
        source,
    }
}
