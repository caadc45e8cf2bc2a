//! The daemon as a till program sees it.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::PathBuf;

use reqwest::Method;
use serde::de::DeserializeOwned;

use super::ui_language::UiLanguage;
use super::{CliError, Context};
use crate::api::listen::MAX_SOCKET_PATH_BYTES;
use crate::base::exit_code;
use crate::base::unix_socket;
use crate::client::http::{CallError, Loopback, Stream};
use crate::config;
use crate::config::Source;
use crate::journal::running_holder;
use crate::model::problem::Problem;
use crate::texts::{cashier, technician};

/// The longest call: the reconciliation of a large shift.
const LONG_CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(180);

/// Why the daemon gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TillError {
    /// Nobody answers at the socket.
    #[error("the daemon does not answer at {socket}")]
    NotRunning {
        socket: PathBuf,
        /// Whether oplati.conf, which this user may not read, could name another one.
        guessed: bool,
        /// The daemon that has the journal all the same.
        holder: Option<String>,
        #[source]
        source: CallError,
    },
    /// The socket does not let us.
    #[error("no right to use {socket}")]
    NoPermission {
        socket: PathBuf,
        #[source]
        source: CallError,
    },
    /// It refuses, in its own words.
    #[error("{detail}. {remedy}")]
    Problem {
        status: u16,
        detail: String,
        remedy: String,
    },
    /// Contact was lost, or the answer is not understood.
    #[error("contact with the daemon was lost")]
    Lost(#[source] CallError),
    /// An answer of another version.
    #[error("the daemon's answer is not understood; is it of another version?")]
    Unreadable(#[source] serde_json::Error),
    /// No runtime.
    #[error("cannot run")]
    Run(#[source] std::io::Error),
}

impl From<Problem> for TillError {
    fn from(problem: Problem) -> TillError {
        let Problem {
            status,
            detail,
            remedy,
            ..
        } = problem;
        TillError::Problem {
            status,
            detail,
            remedy,
        }
    }
}

impl TillError {
    /// Whether another try may meet the daemon: it is being restarted, or its disk hangs.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            TillError::NotRunning { .. } | TillError::Lost(_) => true,
            TillError::Problem { status, .. } => matches!(status, 503 | 507),
            TillError::NoPermission { .. } | TillError::Unreadable(_) | TillError::Run(_) => false,
        }
    }

    /// One action that helps.
    pub(super) fn hint(&self, language: UiLanguage) -> Option<Cow<'static, str>> {
        match self {
            TillError::NotRunning {
                holder: Some(pid), ..
            } => Some(language.text(technician::till_elsewhere(pid))),
            TillError::NotRunning { guessed: true, .. } => {
                Some(language.text(technician::TILL_NOT_RUNNING_OR_ELSEWHERE))
            }
            TillError::NotRunning { guessed: false, .. } => {
                Some(language.text(technician::TILL_NOT_RUNNING))
            }
            TillError::NoPermission { .. } => Some(language.text(technician::TILL_NO_PERMISSION)),
            TillError::Problem { .. }
            | TillError::Lost(_)
            | TillError::Unreadable(_)
            | TillError::Run(_) => None,
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            TillError::NotRunning { .. } => exit_code::UNAVAILABLE,
            TillError::NoPermission { .. } => exit_code::NOPERM,
            TillError::Problem {
                status: 503 | 507, ..
            }
            | TillError::Lost(_) => exit_code::TEMPFAIL,
            TillError::Problem { .. } => exit_code::NOT_DONE,
            TillError::Unreadable(_) | TillError::Run(_) => exit_code::SOFTWARE,
        }
    }
}

/// The daemon's API over its socket.
pub(super) struct Till {
    http: Loopback,
    socket: PathBuf,
    /// oplati.conf, which may name another socket, is not ours to read.
    guessed: bool,
    journal: PathBuf,
}

impl Till {
    /// At the address in oplati.conf; nothing is sent yet.
    pub(super) fn of(context: &Context) -> Result<Till, CliError> {
        let loaded = config::load_as_caller(&context.root)?;
        // The defaults, although the file is there, or behind a folder that we may not enter.
        let guessed = match &loaded.source {
            Source::Defaults(path) => !matches!(path.try_exists(), Ok(false)),
            Source::File(_) => false,
        };
        let socket = loaded.config.till.socket;
        if socket.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
            return Err(CliError::Usage(format!(
                "{}: the path of a socket has at most {MAX_SOCKET_PATH_BYTES} bytes: name a shorter one as socket in [Till]",
                socket.display()
            )));
        }
        let http = Loopback::over_socket(&socket).map_err(TillError::Lost)?;
        Ok(Till {
            http,
            socket,
            guessed,
            journal: context.paths.journal(),
        })
    }

    pub(super) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<Vec<u8>, TillError> {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = self
            .http
            .call(method, path, body)
            .await
            .map_err(|source| self.lost(source))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| {
            problem
                .get(name)
                .and_then(|text| text.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let (mut detail, mut remedy) = (text("detail"), text("remedy"));
        // The HTTP library itself refuses what is too long, and names nothing but a number.
        if detail.is_empty() {
            detail = cashier::daemon_refused(answer.status);
            remedy = cashier::DAEMON_REFUSED_REMEDY.to_owned();
        }
        Err(TillError::Problem {
            status: answer.status,
            detail,
            remedy,
        })
    }

    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<T, TillError> {
        serde_json::from_slice(&self.raw(method, path, body).await?).map_err(TillError::Unreadable)
    }

    /// A call that may take minutes.
    pub(super) async fn ask_long<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<T, TillError> {
        let patient = Till {
            http: self.http.patient(LONG_CALL_TIMEOUT),
            socket: self.socket.clone(),
            guessed: self.guessed,
            journal: self.journal.clone(),
        };
        patient.ask(method, path, body).await
    }

    /// Events as they come; after `last`, if a stream was broken there.
    pub(super) async fn events(&self, path: &str, last: Option<&str>) -> Result<Stream, TillError> {
        self.http
            .listen(path, last)
            .await
            .map_err(|source| self.lost(source))
    }

    fn lost(&self, source: CallError) -> TillError {
        let socket = self.socket.clone();
        if !source.is_connect() {
            return TillError::Lost(source);
        }
        match unix_socket::connect(&socket).map_err(|error| error.kind()) {
            Ok(_) | Err(ErrorKind::WouldBlock) => TillError::Lost(source),
            Err(ErrorKind::PermissionDenied) => TillError::NoPermission { socket, source },
            Err(_) => TillError::NotRunning {
                socket,
                guessed: self.guessed,
                holder: running_holder(&self.journal),
                source,
            },
        }
    }
}

/// Runs a verb's conversation.
pub(super) fn block_on<T>(verb: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TillError::Run)?;
    runtime.block_on(verb)
}
