//! Looks after the window, which is a process of its own.
//!
//! Xlib ends its whole process with exit code 1 when the X server goes, and no setting of it in safe Rust
//! keeps it from that. The end of the session is a good end all the same.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::super::{CliError, Context, TillError};
use crate::base::exit_code;

/// The variable by which the window's own process knows itself.
const ATTENDED: &str = "OPLATI_WINDOW_ATTENDED";

/// What Xlib ends a process with; no window of ours does.
const EXIT_CODE_OF_XLIB: i32 = 1;

/// Runs the window to its end.
///
/// # Errors
/// When there can be no process for it.
pub(super) fn attend(context: &Context) -> Result<u8, CliError> {
    let own = std::env::current_exe().map_err(TillError::Run)?;
    let mut window = Command::new(own)
        .args(std::env::args_os().skip(1))
        .env(ATTENDED, "1")
        .spawn()
        .map_err(TillError::Run)?;
    hand_on_signals(&window)?;
    let ended = window.wait().map_err(TillError::Run)?;
    Ok(exit_code(context, ended))
}

/// Whether this is the window's own process.
pub(super) fn is_attended() -> bool {
    std::env::var_os(ATTENDED).is_some()
}

/// In the window's process: it does not outlive whoever looks after it.
pub(super) fn follow_parent() {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        tracing::debug!(%error, "The window is not notified of its parent's end");
    }
}

fn exit_code(context: &Context, ended: ExitStatus) -> u8 {
    match ended.code() {
        Some(EXIT_CODE_OF_XLIB) => {
            context.output.note("the desktop session is over");
            exit_code::OK
        }
        Some(code) => u8::try_from(code).unwrap_or(exit_code::SOFTWARE),
        None => {
            let signal = ended.signal().unwrap_or_default();
            context
                .output
                .note(&format!("the window was ended by signal {signal}"));
            exit_code::SOFTWARE
        }
    }
}

fn hand_on_signals(window: &Child) -> Result<(), CliError> {
    let pid = i32::try_from(window.id()).ok().and_then(Pid::from_raw);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(TillError::Run)?;
    // Before the thread: a signal that comes first would end this process alone.
    let (mut terminate, mut hangup, mut interrupt) = {
        let _within = runtime.enter();
        let listen = |kind| signal(kind).map_err(TillError::Run);
        (
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::interrupt())?,
        )
    };
    let hand_on = async move {
        loop {
            let signal = tokio::select! {
                _ = terminate.recv() => Signal::TERM,
                _ = hangup.recv() => Signal::HUP,
                _ = interrupt.recv() => Signal::INT,
            };
            if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
                tracing::debug!(%error, "The window gets no signals");
            }
        }
    };
    std::thread::Builder::new()
        .name("oplati-signals".to_owned())
        .spawn(move || runtime.block_on(hand_on))
        .map_err(TillError::Run)?;
    Ok(())
}
