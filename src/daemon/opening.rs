//! What a start can fail for: files, sockets and devices are opened before anything runs.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::DaemonError;
use super::device_counters::{self, DeviceCounters};
use super::devices::{self, ScannerEvents, start_scanners};
use super::left_socket::LeftSocket;
use super::reconciled::Reconciled;
use super::reconciler::Reconciler;
use super::status_board::{Sources, StatusBoard};
use super::without_journal::NoJournal;
use crate::api::listen::{self, ListenError, UnixDoor};
use crate::api::notices::EventLog;
use crate::api::till::Command;
use crate::base::clock::Clock;
use crate::base::error_chain::with_causes;
use crate::config::{Config, Loaded, Paths, Source, TillSettings};
use crate::core::event::Settings as CoreSettings;
use crate::core::record::Account;
use crate::devices::display::logo::Logo;
use crate::devices::display::{Displays, Theme};
use crate::engine::{self, Engine, Outcome};
use crate::journal::{Journal, JournalError, Reader};
use crate::service::{self, Client};
use crate::texts::cashier;

/// Commands of tills that may wait for the core.
const COMMANDS: usize = 64;

/// The places where tills call.
pub(super) struct Doors {
    pub(super) unix: std::os::unix::net::UnixListener,
    pub(super) left_socket: LeftSocket,
    pub(super) tcp: Option<Tcp>,
}

impl Doors {
    fn open(settings: &TillSettings) -> Result<Doors, ListenError> {
        let UnixDoor { listener, identity } = listen::bind_unix(&settings.socket)?;
        let left_socket = LeftSocket::at(&settings.socket, identity);
        let tcp = settings.listen.map(|address| {
            let token = listen::load_or_make_token(&settings.token_file)?;
            Ok::<_, ListenError>((listen::bind_tcp(address)?, token))
        });
        Ok(Doors {
            unix: listener,
            left_socket,
            tcp: tcp.transpose()?,
        })
    }
}

/// What the daemon runs on: all that a start can fail for because of files, sockets and devices.
pub(super) struct Opened {
    pub(super) doors: Doors,
    pub(super) clock: Clock,
    pub(super) engine: Begun,
    pub(super) displays: Arc<Displays>,
    pub(super) scanner_events: ScannerEvents,
    pub(super) shared: Arc<StatusBoard>,
    pub(super) notices: Arc<EventLog>,
    pub(super) client: Option<Arc<Client>>,
    pub(super) reconciler: Arc<Reconciler>,
    pub(super) commands: (mpsc::Sender<Command>, mpsc::Receiver<Command>),
}

impl Opened {
    pub(super) fn open(loaded: &Loaded, paths: &Paths) -> Result<Opened, DaemonError> {
        let config = &loaded.config;
        let (registry, left_out) = devices::registry(paths, config)?;
        // The door first: a second daemon must find it taken, by name, before it meets the journal's lock.
        let doors = Doors::open(&config.till)?;
        let clock = Clock::start();
        let (engine, reader) = open_journal(&paths.journal(), engine_settings(config)?, clock)?;
        let mut advice = advice(loaded);
        advice.extend(left_out);
        if doors.tcp.is_none() {
            advice.extend(make_key_for_tcp(&config.till));
        }
        let look = Theme::of(config, logo(config, &mut advice));
        let displays = Displays::start_with(&config.display.devices, &look, &registry);
        let displays = displays.map_err(|source| DaemonError::System {
            what: "a display's thread",
            source,
        })?;
        let displays = Arc::new(displays);
        let (scanners, scanner_events) = start_scanners(&config.scanner, paths, registry)?;
        let reconciled = Arc::new(Reconciled::open(paths.reconciliations()));
        let sources = Sources {
            reader,
            displays: displays.clone(),
            scanners,
            mode: config.main.mode,
            advice,
            counters: DeviceCounters::open(paths.counters(), device_counters::settings(config)),
            reconciled: reconciled.clone(),
        };
        let shared = Arc::new(StatusBoard::new(clock, sources));
        let first_id = u64::try_from(clock.now().wall.as_millisecond()).unwrap_or_default();
        let client = client(config, paths)?;
        let commands = mpsc::channel(COMMANDS);
        let reconciler = Reconciler {
            client: client.clone(),
            account: Account {
                url: config.main.url.clone(),
                reg_num: config.main.reg_num.clone().unwrap_or_default(),
            },
            clock,
            journal: paths.journal(),
            template: paths.report_template(),
            commands: commands.0.clone(),
            running: tokio::sync::Mutex::new(()),
            reconciled,
            shared: shared.clone(),
        };
        Ok(Opened {
            doors,
            clock,
            engine,
            displays,
            scanner_events,
            shared,
            notices: Arc::new(EventLog::new(first_id)),
            client,
            reconciler: Arc::new(reconciler),
            commands,
        })
    }
}

/// The engine with its journal and its first outcome, or the reason why there is none.
pub(super) type Begun = Result<(Engine<Journal>, Outcome), NoJournal>;

/// The engine and a reader, or the same reason for both. A journal that another process has is an error of its own;
/// without one for any other reason the daemon runs and refuses.
fn open_journal(
    path: &Path,
    settings: engine::Settings,
    clock: Clock,
) -> Result<(Begun, Result<Reader, NoJournal>), JournalError> {
    let begin = |journal| {
        let reader = Reader::open(path)?;
        Ok((
            Engine::start(settings.clone(), journal, clock.now())?,
            reader,
        ))
    };
    let opened = match Journal::open(path).and_then(begin) {
        // A large journal is not checked before it is used, and what a start reads of it may be damaged.
        Err(error) if error.is_doubt() => {
            tracing::error!(error = %with_causes(&error), "The journal seems damaged and is checked");
            Journal::open_doubted(path).and_then(begin)
        }
        opened => opened,
    };
    match opened {
        Ok((engine, reader)) => Ok((Ok(engine), Ok(reader))),
        Err(error @ JournalError::Taken { .. }) => Err(error),
        Err(error) => {
            tracing::error!(error = %with_causes(&error), "Payments are refused: there is no journal");
            let cause = NoJournal::new(&error);
            Ok((Err(cause.clone()), Err(cause)))
        }
    }
}

/// A till that changes over to TCP finds its key waiting; nobody needs it before. Returns what is wrong with it, for
/// health.
fn make_key_for_tcp(settings: &TillSettings) -> Option<String> {
    let error = listen::load_or_make_token(&settings.token_file).err()?;
    let error = with_causes(&error);
    tracing::warn!(%error, "The key for TCP cannot be used");
    Some(cashier::tcp_key_reason(error))
}

pub(super) fn log_configuration(loaded: &Loaded) {
    match &loaded.source {
        Source::File(path) => tracing::info!(path = %path.display(), "Configuration read"),
        Source::Defaults(path) => {
            tracing::warn!(path = %path.display(), "No configuration file, the defaults hold")
        }
    }
    if loaded.config.main.reg_num.is_none() {
        tracing::warn!(
            "Payments are refused until regNum is set: dpkg-reconfigure artix-oplati, or oplati.conf"
        );
    }
    for warning in &loaded.warnings {
        tracing::warn!(warning = %warning, "Configuration");
    }
    if !crate::base::zone::has_time_zones() {
        tracing::warn!(
            "This machine has no time zone data, times are told in UTC: apt-get install tzdata"
        );
    }
}

/// What health should show to a person.
fn advice(loaded: &Loaded) -> Vec<String> {
    loaded
        .warnings
        .iter()
        .map(|warning| format!("oplati.conf:{}: {}", warning.line, warning.what))
        .collect()
}

/// A logo that cannot be shown stops nobody from paying.
fn logo(config: &Config, advice: &mut Vec<String>) -> Option<Arc<Logo>> {
    let path = config.display.logo.as_ref()?;
    match Logo::read(path) {
        Ok(logo) => Some(Arc::new(logo)),
        Err(error) => {
            let error = with_causes(&error);
            tracing::warn!(%error, "The idle scene has no logo");
            advice.push(cashier::logo_reason(error));
            None
        }
    }
}

fn engine_settings(config: &Config) -> Result<engine::Settings, DaemonError> {
    let mut random = [0; engine::ORDER_PREFIX_BYTES];
    getrandom::fill(&mut random).map_err(|error| DaemonError::System {
        what: "random numbers",
        source: std::io::Error::other(error),
    })?;
    let main = &config.main;
    let core = CoreSettings {
        account: main.reg_num.clone().map(|reg_num| Account {
            url: main.url.clone(),
            reg_num,
        }),
        mode: main.mode,
        timeout: main.timeout,
        wait_buyer: main.wait_buyer,
        settle: main.settle,
        poll_payment: main.poll_payment,
        poll_session: main.poll_session,
        valutcode: main.valutcode,
        buyer_code: config.scanner.buyer_code.clone(),
        order_prefix: engine::order_prefix(random),
    };
    Ok(engine::Settings {
        core,
        journal_days: main.journal_days,
    })
}

fn client(config: &Config, paths: &Paths) -> Result<Option<Arc<Client>>, DaemonError> {
    let Some(reg_num) = config.main.reg_num.clone() else {
        return Ok(None);
    };
    let settings = service::Settings {
        url: config.main.url.clone(),
        reg_num,
        password: config.main.password.clone(),
        timeout: config.main.timeout,
        token_path: paths.token(),
    };
    Ok(Some(Arc::new(Client::new(settings)?)))
}

/// A door over TCP with its key.
pub(super) type Tcp = (std::net::TcpListener, crate::base::secret::Secret);
