//! The daemon's life as a process: from its start to a signal, or to the end of a part that all depends on.

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::systemd::{self, State};
use super::{Daemon, DaemonError, Options, predecessor, spawn, start};
use crate::config::Paths;

/// How often a report to systemd that was not taken is repeated.
const READY_INTERVAL: Duration = Duration::from_secs(1);
/// How often a part that has reported its end is looked at until it has ended.
const END_LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// More descriptors than callers, devices and files can take.
const MAX_DESCRIPTORS: u64 = 16384;
/// A start that is asked to end gets this time to end orderly; one that hangs at a file is left.
const START_END_TIMEOUT: Duration = Duration::from_secs(3);

/// `oplati daemon`: runs until SIGTERM, SIGINT or SIGQUIT.
pub fn run(options: &Options) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(refused)?;
    allow_descriptors();
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(refused)?;
        let journal = Paths::below(&options.root).journal();
        tokio::select! {
            () = signals.end() => return Ok(()),
            () = predecessor::ends(&journal) => {}
        }
        let Some(daemon) = started(options, &mut signals).await? else {
            return Ok(());
        };
        let mut is_ready_due = notify(State::Ready);
        let mut has_part_ended = false;
        loop {
            if let Some(failure) = daemon.failure() {
                daemon.stop();
                return Err(failure);
            }
            tokio::select! {
                () = signals.end() => break,
                () = daemon.part_ended() => has_part_ended = true,
                () = daemon.look_is_due() => {}
                () = tokio::time::sleep(END_LOOK_INTERVAL), if has_part_ended => {}
                // A start that never reports would be ended.
                () = tokio::time::sleep(READY_INTERVAL), if is_ready_due => {
                    is_ready_due = notify(State::Ready);
                }
            }
        }
        notify(State::Stopping);
        daemon.stop();
        Ok(())
    })
}

/// Each caller takes two descriptors, and the usual limit of 1024 is for programs that use `select`.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    let enough = limit
        .maximum
        .unwrap_or(MAX_DESCRIPTORS)
        .min(MAX_DESCRIPTORS);
    if limit.current.is_some_and(|current| current < enough) {
        limit.current = Some(enough);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "The limit of descriptors stays");
        }
    }
}

/// Starts in a thread of its own: a signal ends also a start that hangs. `None` when it was asked to end.
async fn started(options: &Options, signals: &mut Signals) -> Result<Option<Daemon>, DaemonError> {
    let (sender, mut started) = oneshot::channel();
    let options = options.clone();
    drop(spawn("oplati-start", move || {
        // One that nobody waits for any more is stopped here.
        if let Err(Ok(daemon)) = sender.send(start(&options)) {
            daemon.stop();
        }
    })?);
    let died = |_| DaemonError::PartDied;
    tokio::select! {
        daemon = &mut started => return daemon.map_err(died)?.map(Some),
        () = signals.end() => {}
    }
    match tokio::time::timeout(START_END_TIMEOUT, started).await {
        Ok(daemon) => daemon.map_err(died)??.stop(),
        Err(_) => tracing::warn!("The start hangs and is left"),
    }
    Ok(None)
}

fn refused(source: std::io::Error) -> DaemonError {
    DaemonError::System {
        what: "signals",
        source,
    }
}

/// Notifies systemd, and returns whether that has to be repeated, since it takes nothing now.
fn notify(state: State) -> bool {
    let sent = systemd::notify(state);
    if let Err(error) = &sent {
        tracing::debug!(%error, "systemd does not listen");
    }
    sent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The orders that the process takes. No signal that a person or a program sends by habit ends it without an order:
/// a QR code that stays on a display could be paid.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user: [Signal; 2],
    /// Never comes as an order: caught, so that a limit on the size of files is an error of writing, and no death.
    _file_size: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user: [
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ],
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the order to end; obeys the other orders meanwhile.
    async fn end(&mut self) {
        let [first, second] = &mut self.user;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                _ = self.hangup.recv() => {
                    crate::log::reopen();
                    tracing::info!("SIGHUP: terminal.log is opened anew");
                }
                _ = first.recv() => tracing::debug!("SIGUSR1 means nothing"),
                _ = second.recv() => tracing::debug!("SIGUSR2 means nothing"),
            }
        }
    }
}
