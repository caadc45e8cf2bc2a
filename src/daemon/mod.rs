//! The process: opens everything, joins it to the core, and closes it in order.
//!
//! - `opening`: what a start needs before anything runs, `error`: why there is none
//! - `devices`: scanners and displays · `device_test`: their tests · `device_counters`: their counters
//! - `core_loop`: the core's thread · `effects`: what it does · `publish`: what it sends to listeners ·
//!   `without_journal`: what runs in its place without a journal
//! - `reconciler`: comparing a shift · `daily_check`: when the daemon does so by itself, `schedule`: when that is,
//!   `reconciled`: what came of it, `state_file`: what is kept of it
//! - `process`: its life and its signals · `predecessor`, `left_socket`: the process before
//! - `status_board`: what the parts report of themselves · `turns`: whether the core gets on · `watchdog`: what systemd
//!   gets, `systemd`: how
//!
//! Threads: the core's (journal and decisions), one for HTTP in both directions (a single-threaded
//! runtime, with threads of its own for what touches files), one for each scanner, display and shared scanner, one
//! that carries scanners' events to the core, one that is notified which devices are plugged in, one that draws the
//! picture of API, page and window, and one that writes the log (docs/architecture.md).

mod core_loop;
mod daily_check;
mod device_counters;
mod device_test;
mod devices;
mod effects;
mod error;
mod left_socket;
mod opening;
mod predecessor;
mod process;
mod publish;
mod pulse;
mod reconciled;
mod reconciler;
mod schedule;
mod state_file;
mod status_board;
mod systemd;
mod time_at_start;
mod turns;
mod watchdog;
mod without_journal;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};

use crate::api::listen;
use crate::api::server::{Listeners, serve};
use crate::api::till::ApiDeps;
use crate::base::clock::Clock;
use crate::base::error_chain::with_causes;
use crate::config::{self, Config, Paths};
use crate::devices::display::Displays;
use crate::journal::Lock;

use core_loop::{CoreLoop, CoreLoopDeps};
use daily_check::DailyCheck;
use devices::carry_scans;
use opening::{Begun, Opened, Tcp, log_configuration};
use pulse::Pulse;
use reconciler::Reconciler;
use status_board::{Calls, StatusBoard};
use watchdog::Watchdog;
use without_journal::WithoutJournal;

pub use error::DaemonError;
pub use process::run;

/// Answers of the service and scans that may wait for the core.
const INBOUND: usize = 256;
/// Threads that touch files stay for good: to begin one may fail when the till is short of memory or of processes, and
/// the calls that need it would fail with it. A year is longer than any daemon runs.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(365 * 24 * 3600);
/// A part that is stopped gets this time.
const PART_END_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a part that is to stop is checked.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Where the daemon lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of all its files, usually `/`.
    pub root: PathBuf,
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
    part_ended: Arc<Notify>,
    wakes_main: Arc<Notify>,
    _pulse: Pulse,
}

/// Starts the daemon; when this returns, the API listens.
///
/// # Errors
/// [`DaemonError`]; nothing runs then.
pub fn start(options: &Options) -> Result<Daemon, DaemonError> {
    let loaded = config::load(&options.root)?;
    log_configuration(&loaded);
    let paths = Paths::below(&options.root);
    let opened = Opened::open(&loaded, &paths)?;
    run_parts(opened, &loaded.config, &paths)
}

/// Joins what was opened to the core, and starts its threads.
fn run_parts(opened: Opened, config: &Config, paths: &Paths) -> Result<Daemon, DaemonError> {
    let till = api_deps(&opened, paths);
    let (clock, shared, displays) = (opened.clock, opened.shared, opened.displays);
    let (client, notices, reconciler) = (opened.client, opened.notices, opened.reconciler);
    let (_, command_queue) = opened.commands;
    let (inbound, inbound_queue) = mpsc::channel(INBOUND);
    let (stop, stopped) = watch::channel(false);
    // Before the first caller can ask for it.
    set_first_status(&shared, &opened.engine, clock);
    let doors = opened.doors;
    let tcp_address = (doors.tcp.as_ref()).and_then(|(listener, _)| listener.local_addr().ok());
    let patience = config.main.timeout * 2 + Duration::from_secs(1);
    let calls = (shared.calls.clone(), patience);
    let part_ended = Arc::new(Notify::new());
    let ends = (stopped.clone(), PartEnd(Arc::clone(&part_ended)));
    let (http, io) = start_http(till, (doors.unix, doors.tcp), ends, calls)?;
    let watchdog = Watchdog::new(clock);
    let wakes_main = Arc::clone(&watchdog.wakes_main);
    io.spawn(watchdog.clone().beat());
    let wakes_core = Arc::new(Notify::new());
    let pulse = Pulse::start(wakes_core.clone(), shared.clone(), notices.clone())?;
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
                pulse: wakes_core,
                stop: stopped,
            };
            spawn_service_tasks(config, &parts, reconciler);
            check_journal_in_background(&parts);
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
    let core = spawn_core(core_task, PartEnd(Arc::clone(&part_ended)))?;
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
        part_ended,
        wakes_main,
        _pulse: pulse,
    })
}

/// What the API needs of the daemon.
fn api_deps(opened: &Opened, paths: &Paths) -> ApiDeps {
    ApiDeps {
        commands: opened.commands.0.clone(),
        reconciles: opened.reconciler.clone(),
        archive: opened.shared.clone(),
        watch: opened.shared.clone(),
        notices: opened.notices.clone(),
        frame: opened.displays.live(),
        metrics: opened.shared.metrics.clone(),
        log: Arc::from(paths.log()),
    }
}

/// Notifies whoever looks after the parts when a part's thread ends, whatever ended it.
struct PartEnd(Arc<Notify>);

impl Drop for PartEnd {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn set_first_status(shared: &StatusBoard, engine: &Begun, clock: Clock) {
    let Ok((engine, _)) = engine else { return };
    shared.set_status(engine.core().status(clock.now()));
    let operations = engine.storage().operations();
    shared.operations.store(operations, Ordering::Relaxed);
}

/// What the core's thread runs.
type CoreTask = std::pin::Pin<Box<dyn Future<Output = Option<Lock>> + Send>>;

fn spawn_core(task: CoreTask, end: PartEnd) -> Result<JoinHandle<Option<Lock>>, DaemonError> {
    spawn("oplati-core", move || {
        let _end = end;
        run_core(task)
    })
}

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

/// Has connections opened before they are needed, token.conf looked after, the time asked for, and days reconciled,
/// beside the core.
fn spawn_service_tasks(config: &Config, parts: &CoreLoopDeps, reconciler: Arc<Reconciler>) {
    let Some(client) = parts.client.clone() else {
        return;
    };
    let kept = client.clone();
    parts
        .io
        .spawn(async move { kept.keep_preconnected().await });
    let board = parts.shared.clone();
    parts
        .io
        .spawn(board.watch_token_file(client.clone(), parts.stop.clone()));
    if time_at_start::is_needed(parts.engine.storage(), parts.clock) {
        let asking = time_at_start::ask(client.clone(), reconciler.clone(), parts.stop.clone());
        parts.io.spawn(asking);
    }
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

/// Nobody waits for it: a thread that hangs on its disk is left behind with the process.
fn check_journal_in_background(parts: &CoreLoopDeps) {
    let check = match parts.engine.storage().background_check() {
        Ok(Some(check)) => check,
        Ok(None) => return,
        Err(error) => return parts.shared.note_doubt(error),
    };
    let shared = parts.shared.clone();
    let checking = spawn("oplati-check", move || match check.run_until_known() {
        Ok(()) => tracing::info!("The journal was checked and is whole"),
        Err(_) if check.is_ended() => {}
        Err(error) => {
            tracing::warn!(error = %with_causes(&error), "The journal's check did not find it whole");
            shared.note_doubt(error);
        }
    });
    if let Err(error) = checking {
        tracing::warn!(error = %with_causes(&error), "The journal is not checked");
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

impl Daemon {
    /// Waits until a part that everything depends on is about to end: [`Daemon::failure`] has the reason soon.
    pub async fn part_ended(&self) {
        self.part_ended.notified().await;
    }

    /// Waits until the parts and the socket are to be looked after: every few seconds, as long as the core lives.
    pub async fn look_is_due(&self) {
        self.wakes_main.notified().await;
    }

    /// Why it cannot go on: a part that everything depends on has ended, or nobody can reach it any more.
    #[must_use]
    pub fn failure(&self) -> Option<DaemonError> {
        // What the core's thread reports of its end is there before the thread has ended.
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

/// The thread that serves tills and calls the service.
fn start_http(
    till: ApiDeps,
    (unix, tcp): (std::os::unix::net::UnixListener, Option<Tcp>),
    (stop, end): (watch::Receiver<bool>, PartEnd),
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
        let _end = end;
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
    let ready = is_ready.recv();
    ready
        .unwrap_or_else(|_| Err(std::io::Error::other("the thread died")))
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
