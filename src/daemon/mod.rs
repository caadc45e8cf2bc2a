//! The process: opens everything, joins it to the core, and closes it in order.
//!
//! - `devices`: scanners and displays · `device_test`: their tests · `device_counters`: their counters
//! - `core_loop`: the core's thread · `effects`: what it does · `publish`: what it tells listeners · `without_journal`: what
//!   runs in its place without a journal
//! - `reconciler`: comparing a shift · `daily_check`: when the daemon does so by itself, `schedule`: when that is,
//!   `reconciled`: what came of it, `state_file`: what is kept of it
//! - `process`: its life and its signals · `predecessor`, `left_socket`: the process before
//! - `status_board`: what the parts say of themselves · `turns`: whether the core gets on · `watchdog`: what systemd hears
//!
//! Threads: the core's (journal and decisions), one for HTTP in both directions (a single-threaded
//! runtime, with threads of its own for what touches files), one for each scanner, display and shared scanner, one
//! that carries scanners' events to the core, one that hears which devices are plugged in, one that draws the picture of
//! API, page and window, and one that writes the log (docs/architecture.md).

mod core_loop;
mod daily_check;
mod device_counters;
mod device_test;
mod devices;
mod effects;
mod left_socket;
mod predecessor;
mod process;
mod publish;
mod reconciled;
mod reconciler;
mod schedule;
mod state_file;
mod status_board;
mod turns;
mod watchdog;
mod without_journal;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::api::listen::{self, ListenError, UnixDoor};
use crate::api::notices::EventLog;
use crate::api::server::{Listeners, serve};
use crate::api::till::{ApiDeps, Command};
use crate::base::clock::Clock;
use crate::base::exit_code;
use crate::config::{self, Config, ConfigError, Loaded, Paths, Source, TillSettings};
use crate::core::event::Settings as CoreSettings;
use crate::core::record::Account;
use crate::devices::display::logo::Logo;
use crate::devices::display::{Displays, Theme};
use crate::devices::profile::UnknownProfile;
use crate::engine::{self, Engine, Outcome};
use crate::journal::{Journal, JournalError, Lock, Reader};
use crate::service::{self, Client, ClientError};

use core_loop::{CoreLoop, CoreLoopDeps};
use daily_check::DailyCheck;
use device_counters::DeviceCounters;
use devices::{ScannerEvents, carry_scans, start_scanners};
use left_socket::LeftSocket;
use reconciled::Reconciled;
use reconciler::Reconciler;
use status_board::{Calls, Sources, StatusBoard};
use watchdog::Watchdog;
use without_journal::{NoJournal, WithoutJournal};

pub use process::run;

/// Commands of tills that may wait for the core.
const COMMANDS: usize = 64;
/// Answers of the service and scans that may wait for the core.
const INBOUND: usize = 256;
/// Threads that touch files stay for good: to begin one may fail when the till is short of memory or of processes, and
/// the calls that need it would fail with it. A year is longer than any daemon runs.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 3600);
/// A part that is told to stop gets this time.
const PART_END_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a part that is told to stop is looked after.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Where the daemon lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of all its files, usually `/`.
    pub root: PathBuf,
}

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
        /// What the system says.
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

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    socket: PathBuf,
    socket_identity: Option<listen::Identity>,
    stop: watch::Sender<bool>,
    core: JoinHandle<Option<Lock>>,
    http: JoinHandle<()>,
    scans: JoinHandle<()>,
    displays: Arc<Displays>,
    shared: Arc<StatusBoard>,
    /// How long the HTTP thread waits for requests that are under way.
    patience: Duration,
}

/// Starts the daemon; when this returns, the API listens.
///
/// # Errors
/// [`DaemonError`]; nothing runs then.
pub fn start(options: &Options) -> Result<Daemon, DaemonError> {
    let loaded = config::load(&options.root)?;
    tell_configuration(&loaded);
    let paths = Paths::below(&options.root);
    let opened = Opened::open(&loaded, &paths)?;
    run_parts(opened, &loaded.config, &paths)
}

/// The places where tills call.
struct Doors {
    unix: std::os::unix::net::UnixListener,
    left_socket: LeftSocket,
    tcp: Option<Tcp>,
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
struct Opened {
    doors: Doors,
    clock: Clock,
    engine: Begun,
    displays: Arc<Displays>,
    scanner_events: ScannerEvents,
    shared: Arc<StatusBoard>,
    notices: Arc<EventLog>,
    client: Option<Arc<Client>>,
    reconciler: Arc<Reconciler>,
    commands: (mpsc::Sender<Command>, mpsc::Receiver<Command>),
}

impl Opened {
    fn open(loaded: &Loaded, paths: &Paths) -> Result<Opened, DaemonError> {
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

/// Joins what was opened to the core, and starts its threads.
fn run_parts(opened: Opened, config: &Config, paths: &Paths) -> Result<Daemon, DaemonError> {
    let (clock, shared, displays) = (opened.clock, opened.shared, opened.displays);
    let (client, notices, reconciler) = (opened.client, opened.notices, opened.reconciler);
    let (commands, command_queue) = opened.commands;
    let (inbound, inbound_queue) = mpsc::channel(INBOUND);
    let (stop, stopped) = watch::channel(false);
    let till = ApiDeps {
        commands,
        reconciles: reconciler.clone(),
        archive: shared.clone(),
        watch: shared.clone(),
        notices: notices.clone(),
        frame: displays.live(),
        metrics: shared.metrics.clone(),
        log: Arc::from(paths.log()),
    };
    // Before the first caller can ask for it.
    set_first_status(&shared, &opened.engine, clock);
    let doors = opened.doors;
    let tcp_address = (doors.tcp.as_ref()).and_then(|(listener, _)| listener.local_addr().ok());
    let patience = config.main.timeout * 2 + Duration::from_secs(1);
    let calls = (shared.calls.clone(), patience);
    let (http, io) = start_http(till, doors.unix, doors.tcp, stopped.clone(), calls)?;
    let watchdog = Watchdog::new(clock);
    io.spawn(watchdog.clone().beat());
    io.spawn(shared.clone().watch_core(notices.clone()));
    let core_task: CoreTask = match opened.engine {
        Ok((engine, first)) => {
            let parts = CoreLoopDeps {
                engine,
                clock,
                client,
                io,
                inbound: inbound.clone(),
                displays: displays.clone(),
                notices,
                shared: shared.clone(),
                watchdog,
                stop: stopped,
            };
            spawn_checks(config, &parts, reconciler);
            Box::pin(CoreLoop::new(parts).run(first, command_queue, inbound_queue))
        }
        Err(cause) => {
            let refusing = WithoutJournal {
                path: paths.journal(),
                cause,
                commands: command_queue,
                inbound: inbound_queue,
                stop: stopped,
                pass_on: devices::ScanForwarder::new(shared.scanners()),
                watchdog,
            };
            refuse_payments(refusing, &displays, shared.clone())
        }
    };
    let events = opened.scanner_events;
    let scans = spawn("oplati-scans", move || carry_scans(&events, &inbound))?;
    let core = spawn("oplati-core", move || run_core(core_task))?;
    tracing::info!(socket = %config.till.socket.display(), tcp = ?tcp_address, version = env!("CARGO_PKG_VERSION"), "The daemon runs");
    Ok(Daemon {
        socket_identity: doors.left_socket.keep(),
        socket: config.till.socket.clone(),
        stop,
        core,
        http,
        scans,
        displays,
        shared,
        patience,
    })
}

fn set_first_status(shared: &StatusBoard, engine: &Begun, clock: Clock) {
    let Ok((engine, _)) = engine else { return };
    shared.set_status(engine.core().status(clock.now()));
    let operations = engine.storage().operations();
    shared.operations.store(operations, Ordering::Relaxed);
}

/// What the core's thread runs.
type CoreTask = std::pin::Pin<Box<dyn Future<Output = Option<Lock>> + Send>>;

/// The core's thread.
fn run_core(task: CoreTask) -> Option<Lock> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(task),
        Err(error) => {
            tracing::error!(%error, "The core has no runtime");
            None
        }
    }
}

/// Has token.conf looked after, and days reconciled, beside the core.
fn spawn_checks(config: &Config, parts: &CoreLoopDeps, reconciler: Arc<Reconciler>) {
    let Some(client) = parts.client.clone() else {
        return;
    };
    let board = parts.shared.clone();
    parts
        .io
        .spawn(board.watch_token_file(client.clone(), parts.stop.clone()));
    if let Some(at) = config.main.reconcile_at {
        let check = DailyCheck {
            at,
            clock: parts.clock,
            client,
            reconciler,
            shared: parts.shared.clone(),
            stop: parts.stop.clone(),
        };
        parts.io.spawn(check.run());
    }
}

/// What the core's thread runs without a journal.
fn refuse_payments(
    refusing: WithoutJournal,
    displays: &Displays,
    shared: Arc<StatusBoard>,
) -> CoreTask {
    if let Err(error) = displays.show(&crate::core::scene::Scene::Idle) {
        tracing::debug!(%error, "No idle scene");
    }
    Box::pin(async move {
        if refusing.refuse().await {
            shared.starts_anew.store(true, Ordering::Release);
        }
        None
    })
}

/// The engine with its journal and its first outcome, or the reason why there is none.
type Begun = Result<(Engine<Journal>, Outcome), NoJournal>;

/// The engine and a reader, or the same reason for both. A journal that another process has is an error of its own;
/// without one for any other reason the daemon runs and refuses.
fn open_journal(
    path: &Path,
    settings: engine::Settings,
    clock: Clock,
) -> Result<(Begun, Result<Reader, NoJournal>), JournalError> {
    let opened = Journal::open(path).and_then(|journal| {
        let reader = Reader::open(path)?;
        Ok((Engine::start(settings, journal, clock.now())?, reader))
    });
    match opened {
        Ok((engine, reader)) => Ok((Ok(engine), Ok(reader))),
        Err(error @ JournalError::Taken { .. }) => Err(error),
        Err(error) => {
            tracing::error!(error = %crate::base::error_chain::with_causes(&error), "Payments are refused: there is no journal");
            let cause = NoJournal::new(&error);
            Ok((Err(cause.clone()), Err(cause)))
        }
    }
}

/// A till that changes over to TCP finds its key waiting; nobody needs it before. Says what is wrong with it, for
/// health.
fn make_key_for_tcp(settings: &TillSettings) -> Option<String> {
    let error = listen::load_or_make_token(&settings.token_file).err()?;
    let error = crate::base::error_chain::with_causes(&error);
    tracing::warn!(%error, "The key for TCP cannot be used");
    Some(format!("Ключ для TCP: {error}"))
}

impl Daemon {
    /// Why it cannot go on: a part that everything depends on has ended, or nobody can reach it any more.
    #[must_use]
    pub fn failure(&self) -> Option<DaemonError> {
        // What the core's thread says of its end stands before the thread has ended.
        let core_ended = self.core.is_finished();
        if self.shared.starts_anew.load(Ordering::Acquire) {
            return Some(DaemonError::StartsAnew);
        }
        if core_ended || self.http.is_finished() {
            tracing::error!("A vital part ended by itself");
            return Some(DaemonError::PartDied);
        }
        if !self.socket_is_there() {
            tracing::error!(socket = %self.socket.display(), "The socket was removed: no till can call, the daemon ends, to be started anew");
            return Some(DaemonError::StartsAnew);
        }
        None
    }

    /// Whether the socket is there, and the one that this daemon made.
    fn socket_is_there(&self) -> bool {
        let made = self.socket_identity.as_ref();
        made.is_some_and(|made| made.is_at(&self.socket))
    }

    /// Stops all parts. What a request under way will bring is not waited for by the core: the journal
    /// knows of it, and the next start looks it up. A part that hangs is left behind.
    pub fn stop(self) {
        let is_there = self.socket_is_there();
        self.stop.send_replace(true);
        let (shared, scanners) = (self.shared.clone(), self.shared.clone());
        // Scanners that have stopped are in no list any more.
        end_of(
            "counters",
            spawn("oplati-counters", move || shared.save_tallies()),
        );
        scanners.scanners().stop();
        let lock = ended("core", self.core, PART_END_TIMEOUT).flatten();
        // Nobody draws any more, and what could be paid must not stay while a request is waited for.
        self.displays.stop();
        ended("http", self.http, self.patience + PART_END_TIMEOUT);
        ended("scans", self.scans, PART_END_TIMEOUT);
        // Another daemon may have taken the place of a socket that somebody removed.
        if is_there {
            let socket = self.socket;
            end_of(
                "socket",
                spawn("oplati-socket", move || drop(std::fs::remove_file(&socket))),
            );
        }
        // The last request has ended: now another process may count from here how long one was lost.
        drop(lock);
        tracing::info!("The daemon has stopped");
    }
}

/// Waits for a part's thread that was made for the end alone.
fn end_of(name: &'static str, thread: Result<JoinHandle<()>, DaemonError>) {
    if let Ok(thread) = thread {
        ended(name, thread, PART_END_TIMEOUT);
    }
}

/// What a part leaves when it ends; `None` when it died, or hangs and is left behind: a disk or a share that does not
/// answer keeps no daemon from ending.
fn ended<T>(name: &'static str, thread: JoinHandle<T>, limit: Duration) -> Option<T> {
    let deadline = Instant::now() + limit;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            tracing::error!(name, "A thread hangs and is left behind");
            return None;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    let left = thread.join();
    if left.is_err() {
        tracing::error!(name, "A thread died");
    }
    left.ok()
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, DaemonError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|source| DaemonError::System {
            what: "a thread",
            source,
        })
}

fn tell_configuration(loaded: &Loaded) {
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
    if !crate::base::clock::has_time_zones() {
        tracing::warn!(
            "This machine has no time zone data, times are told in UTC: apt-get install tzdata"
        );
    }
}

/// What health should tell a person.
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
            let error = crate::base::error_chain::with_causes(&error);
            tracing::warn!(%error, "The idle scene has no logo");
            advice.push(format!("Логотип не показан: {error}"));
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
type Tcp = (std::net::TcpListener, crate::base::secret::Secret);

/// The thread that serves tills and calls the service.
fn start_http(
    till: ApiDeps,
    unix: std::os::unix::net::UnixListener,
    tcp: Option<Tcp>,
    stop: watch::Receiver<bool>,
    (calls, patience): (Calls, Duration),
) -> Result<(JoinHandle<()>, tokio::runtime::Handle), DaemonError> {
    let system = |source| DaemonError::System {
        what: "the HTTP runtime",
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .build()
        .map_err(system)?;
    // The first thread that touches files is there before the system may have none to give.
    runtime.spawn_blocking(|| {});
    let handle = runtime.handle().clone();
    let (ready, is_ready) = sync_channel(1);
    let thread = spawn("oplati-http", move || {
        runtime.block_on(async move {
            let listeners = match register(unix, tcp) {
                Ok(listeners) => {
                    drop(ready.send(Ok(())));
                    listeners
                }
                Err(error) => return drop(ready.send(Err(error))),
            };
            serve(till, listeners, stop).await;
            // A call is never cut off: the token that it may bring is issued only once.
            if tokio::time::timeout(patience, calls.quiet()).await.is_err() {
                tracing::warn!("A request is cut off at the end; the next start looks it up");
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(200));
    })?;
    let told = is_ready.recv();
    told.unwrap_or_else(|_| Err(std::io::Error::other("the thread died")))
        .map_err(system)?;
    Ok((thread, handle))
}

fn register(
    unix: std::os::unix::net::UnixListener,
    tcp: Option<Tcp>,
) -> std::io::Result<Listeners> {
    let tcp = tcp.map(|(listener, token)| {
        Ok::<_, std::io::Error>((tokio::net::TcpListener::from_std(listener)?, token))
    });
    Ok(Listeners {
        unix: tokio::net::UnixListener::from_std(unix)?,
        tcp: tcp.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error_chain::with_causes;

    #[test]
    fn exit_codes_tell_configuration_from_a_taken_place() {
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
