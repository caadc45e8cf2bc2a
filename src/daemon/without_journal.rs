//! Without a journal: the daemon runs, says what to do, and refuses every payment. Ending instead
//! would be started again and again, and tell a till nothing but that nobody is there.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::core_loop::CoreInput;
use super::devices::ScanForwarder;
use super::watchdog::Watchdog;
use crate::api::till::{Answer, Command};
use crate::journal::{Journal, JournalError};
use crate::model::problem::{Code, Problem};

/// How often the journal is tried again.
const REOPEN_INTERVAL: Duration = Duration::from_secs(5);

/// How the reason begins while a damaged journal lies aside.
const ASIDE: &str = "Журнал операций повреждён и отложен в";

/// The line for health and for every refused call, Russian.
pub(super) fn reason(error: &JournalError) -> String {
    match error {
        JournalError::Aside { aside } => format!(
            "{ASIDE} {}: верните исправную копию и перезапустите службу, либо обратитесь в поддержку",
            aside.display()
        ),
        JournalError::TooNew { .. } => {
            "Журнал операций записан более новой версией: установите её".to_owned()
        }
        JournalError::Open { .. }
        | JournalError::Prepare { .. }
        | JournalError::Damaged { .. }
        | JournalError::Unread { .. }
        | JournalError::Taken { .. }
        | JournalError::Gone { .. }
        | JournalError::Reserve { .. }
        | JournalError::Row { .. }
        | JournalError::Orphan { .. }
        | JournalError::Full { .. }
        | JournalError::Statement { .. } => {
            "Журнал операций не открывается: проверьте диск кассы и права на файлы".to_owned()
        }
    }
}

fn problem(reason: &str) -> Problem {
    Problem::new(
        Code::Storage,
        reason,
        "Устраните причину и перезапустите службу oplati",
    )
}

/// Answers every command with the reason, until the journal can be opened, is put aside after all, or the daemon is
/// stopped. Answers whether a new start helps: only that takes up what the journal holds, or tells another reason.
pub(super) async fn refuse(
    path: PathBuf,
    reason: String,
    mut commands: mpsc::Receiver<Command>,
    mut inbound: mpsc::Receiver<CoreInput>,
    mut stop: watch::Receiver<bool>,
    mut pass_on: ScanForwarder,
    watchdog: Watchdog,
) -> bool {
    let mut again = tokio::time::interval(REOPEN_INTERVAL);
    again.tick().await;
    loop {
        tokio::select! {
            _ = stop.changed() => return false,
            Some(command) = commands.recv() => answer(command, &problem(&reason)),
            Some(inbound) = inbound.recv() => pass(inbound, &mut pass_on),
            _ = again.tick() => {
                if helps(&Journal::open(&path), &reason) {
                    return true;
                }
            }
        }
        watchdog.notify();
    }
}

/// Whether a new start finds what this one did not. A disk that answers again may give a journal that is damaged.
fn helps(opened: &Result<Journal, JournalError>, reason: &str) -> bool {
    match opened {
        Ok(_) => {
            tracing::info!("The journal can be opened: the daemon ends, to be started anew");
            true
        }
        Err(JournalError::Aside { .. }) => !reason.starts_with(ASIDE),
        Err(_) => false,
    }
}

/// The till sells on for cash, and needs its scanner for that.
fn pass(inbound: CoreInput, pass_on: &mut ScanForwarder) {
    match inbound {
        CoreInput::Scan {
            device, original, ..
        } => pass_on.code(&device, original, false),
        CoreInput::Unread { device, original } => pass_on.code(&device, Some(original), false),
        CoreInput::Rest { device, original } => pass_on.rest(&device, original),
        CoreInput::DeviceChanged | CoreInput::SceneRefused { .. } | CoreInput::Exchanged { .. } => {
        }
    }
}

fn answer(command: Command, problem: &Problem) {
    fn tell<T>(answer: Answer<T>, problem: &Problem) {
        drop(answer.send(Err(problem.clone())));
    }
    match command {
        Command::Begin { answer, .. } => tell(answer, problem),
        Command::Abort { answer, .. } => tell(answer, problem),
        Command::Scan { answer, .. } => tell(answer, problem),
        Command::Test { answer, .. } | Command::StopTest { answer, .. } => tell(answer, problem),
        Command::Retry { answer, .. } | Command::Settle { answer, .. } => tell(answer, problem),
        Command::Recheck { .. } => {}
    }
}
