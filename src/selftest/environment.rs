//! What all checks stand on: settings, places, and the daemon's word.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize as _;
use serde_json::Value;

use crate::base::clock::Now;
use crate::base::error_chain::with_causes;
use crate::base::unix_socket;
use crate::client::http::Loopback;
use crate::config::{self, ConfigError, Loaded, Paths};
use crate::journal::running_holder;
use crate::model::health::ReasonCode;

/// How long the daemon may take for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The daemon, as it was met.
#[derive(Clone, Debug)]
pub enum Daemon {
    /// Nobody answers at the socket.
    Stopped,
    /// Nobody answers at the socket, but this process has the journal: it has other settings.
    Elsewhere(String),
    /// The socket does not let this user.
    Closed,
    /// It takes a connection but gives no answer in time, with the reason in English.
    Silent(String),
    /// It answers.
    Runs {
        /// `GET /v1/health`.
        health: Value,
        /// `GET /v1/devices`, the list.
        devices: Vec<Value>,
        /// `GET /v1/display.png`.
        frame: Vec<u8>,
    },
}

impl Daemon {
    /// Whether a process has the devices and the journal, as far as can be known.
    pub fn is_there(&self) -> bool {
        !matches!(self, Daemon::Stopped)
    }

    /// Whether health names a reason of this kind.
    #[must_use]
    pub fn has_reason(&self, code: ReasonCode) -> bool {
        let codes = self
            .health_and_devices()
            .and_then(|(health, _)| health.get("reason_codes")?.as_array());
        // A newer daemon may have codes that this program does not know.
        codes.is_some_and(|codes| {
            codes
                .iter()
                .any(|one| ReasonCode::deserialize(one).is_ok_and(|one| one == code))
        })
    }

    /// Health and devices.
    pub fn health_and_devices(&self) -> Option<(&Value, &[Value])> {
        match self {
            Daemon::Runs {
                health, devices, ..
            } => Some((health, devices)),
            Daemon::Stopped | Daemon::Elsewhere(_) | Daemon::Closed | Daemon::Silent(_) => None,
        }
    }
}

/// What all checks stand on.
#[derive(Debug)]
pub struct Environment {
    /// Root of all files.
    pub root: PathBuf,
    pub paths: Paths,
    pub settings: Result<Loaded, ConfigError>,
    pub daemon: Daemon,
    /// When the checks began.
    pub now: Now,
}

impl Environment {
    /// Reads the settings and asks the daemon; takes some seconds at most.
    pub fn collect(root: &Path, now: Now) -> Environment {
        let paths = Paths::below(root);
        let settings = config::load(root);
        let socket = match &settings {
            Ok(loaded) => loaded.config.till.socket.clone(),
            Err(_) => paths.socket(),
        };
        Environment {
            root: root.to_owned(),
            daemon: ask(&socket, &paths.journal()),
            paths,
            settings,
            now,
        }
    }

    /// The socket of the API.
    pub fn socket(&self) -> PathBuf {
        match &self.settings {
            Ok(loaded) => loaded.config.till.socket.clone(),
            Err(_) => self.paths.socket(),
        }
    }
}

fn ask(socket: &Path, journal: &Path) -> Daemon {
    use std::io::ErrorKind;
    match unix_socket::connect(socket) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            return Daemon::Silent("it takes no connection".to_owned());
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Daemon::Closed,
        Err(_) => return running_holder(journal).map_or(Daemon::Stopped, Daemon::Elsewhere),
    }
    let silent = |error: &dyn std::error::Error| Daemon::Silent(with_causes(error));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return silent(&error),
    };
    // One limit for all three: the checks that follow have the rest of the ten seconds.
    let asked = runtime.block_on(async {
        let asked = async {
            let http = Loopback::over_socket(socket)?.patient(ANSWER_TIMEOUT);
            let health: Value = http.ask(Method::GET, "/v1/health", None).await?;
            let devices: Value = http.ask(Method::GET, "/v1/devices", None).await?;
            let frame = http.call(Method::GET, "/v1/display.png", None).await?;
            Ok::<_, crate::client::http::CallError>((health, devices, frame.body))
        };
        tokio::time::timeout(ANSWER_TIMEOUT, asked).await
    });
    let Ok(asked) = asked else {
        let limit = ANSWER_TIMEOUT.as_millis();
        return Daemon::Silent(format!("no whole answer within {limit} ms"));
    };
    match asked {
        Ok((health, mut devices, frame)) => Daemon::Runs {
            health,
            frame,
            devices: match devices.get_mut("devices").map(Value::take) {
                Some(Value::Array(devices)) => devices,
                Some(_) | None => Vec::new(),
            },
        },
        Err(error) => silent(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reason_is_known_by_its_code_beside_codes_of_newer_daemons() {
        let daemon_with = |health| Daemon::Runs {
            health,
            devices: Vec::new(),
            frame: Vec::new(),
        };
        let newer = daemon_with(json!({"reason_codes": ["of_tomorrow", "token_needed"]}));
        assert!(newer.has_reason(ReasonCode::TokenNeeded));
        assert!(!newer.has_reason(ReasonCode::TokenDamaged));
        let older = daemon_with(json!({"reasons": ["x"]}));
        assert!(!older.has_reason(ReasonCode::TokenNeeded));
        assert!(!Daemon::Stopped.has_reason(ReasonCode::TokenNeeded));
    }
}
