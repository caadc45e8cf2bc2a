//! Without a journal: the daemon runs, shows what to do, and refuses every payment. Ending instead
//! would be started again and again, and show a till nothing but that nobody is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::core_loop::CoreInput;
use super::devices::ScanForwarder;
use super::watchdog::Watchdog;
use crate::api::till::{Answer, Command};
use crate::journal::{Journal, JournalError, Trouble};
use crate::model::health::ReasonCode;
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// How often the journal is tried again.
const REOPEN_INTERVAL: Duration = Duration::from_secs(5);

/// What people read.
#[derive(Clone, Debug)]
pub(super) struct NoJournal {
    /// The line for health and for every refused call, Russian.
    pub reason: String,
    /// The same for programs.
    pub code: ReasonCode,
    /// Whether a damaged journal lies aside.
    is_quarantined: bool,
    /// What to do, Russian. Most of what can be wrong needs no restart: the journal is tried again every few seconds.
    remedy: &'static str,
}

impl NoJournal {
    pub(super) fn new(error: &JournalError) -> NoJournal {
        let (reason, remedy) = match error {
            JournalError::Quarantined { folder } => (
                cashier::closed_aside(folder.display()),
                cashier::CLOSED_ASIDE_REMEDY,
            ),
            JournalError::TooNew { .. } => (
                cashier::CLOSED_TOO_NEW.to_owned(),
                cashier::CLOSED_TOO_NEW_REMEDY,
            ),
            JournalError::Locked { holder, .. } => (
                cashier::closed_locked(holder),
                cashier::CLOSED_LOCKED_REMEDY,
            ),
            JournalError::Row { id, .. } | JournalError::Orphan { id } => {
                (cashier::closed_row(id), cashier::CLOSED_ROW_REMEDY)
            }
            JournalError::Open { .. }
            | JournalError::Prepare { .. }
            | JournalError::Damaged { .. }
            | JournalError::Unread { .. }
            | JournalError::Taken { .. }
            | JournalError::Gone { .. }
            | JournalError::Reserve { .. }
            | JournalError::Full { .. }
            | JournalError::Quota { .. }
            | JournalError::Statement { .. } => {
                let (cause, remedy) = of_trouble(error.trouble());
                (cashier::closed(cause), remedy)
            }
        };
        let code = match error.trouble() {
            Trouble::Full | Trouble::Quota => ReasonCode::JournalFull,
            Trouble::Disk => ReasonCode::JournalDisk,
            Trouble::Rights => ReasonCode::JournalRights,
            Trouble::Locked => ReasonCode::JournalLocked,
            Trouble::Reserve | Trouble::Gone | Trouble::Damaged | Trouble::Other => {
                ReasonCode::JournalClosed
            }
        };
        NoJournal {
            reason,
            code,
            is_quarantined: matches!(error, JournalError::Quarantined { .. }),
            remedy,
        }
    }

    pub(super) fn problem(&self) -> Problem {
        Code::Storage.problem(&self.reason, self.remedy)
    }
}

/// The cause, and what to do about it.
fn of_trouble(trouble: Trouble) -> (&'static str, &'static str) {
    match trouble {
        Trouble::Full => (
            cashier::CLOSED_CAUSE_FULL,
            cashier::CLOSED_CAUSE_FULL_REMEDY,
        ),
        Trouble::Quota => (
            cashier::CLOSED_CAUSE_QUOTA,
            cashier::CLOSED_CAUSE_QUOTA_REMEDY,
        ),
        Trouble::Rights => (
            cashier::CLOSED_CAUSE_RIGHTS,
            cashier::CLOSED_CAUSE_RIGHTS_REMEDY,
        ),
        Trouble::Disk => (
            cashier::CLOSED_CAUSE_DISK,
            cashier::CLOSED_CAUSE_DISK_REMEDY,
        ),
        Trouble::Locked => (
            cashier::CLOSED_CAUSE_LOCKED,
            cashier::CLOSED_CAUSE_LOCKED_REMEDY,
        ),
        Trouble::Reserve | Trouble::Gone | Trouble::Damaged | Trouble::Other => (
            cashier::CLOSED_CAUSE_OTHER,
            cashier::CLOSED_CAUSE_OTHER_REMEDY,
        ),
    }
}

/// What runs in the core's place without a journal.
pub(super) struct WithoutJournal {
    /// The journal.
    pub path: PathBuf,
    pub cause: NoJournal,
    pub commands: mpsc::Receiver<Command>,
    pub inbound: mpsc::Receiver<CoreInput>,
    pub stop: watch::Receiver<bool>,
    pub pass_on: ScanForwarder,
    pub watchdog: Watchdog,
}

impl WithoutJournal {
    /// Answers every command with the reason, until the journal can be opened, is put aside after all, or the daemon is
    /// stopped. Returns whether a new start helps: only that takes up what the journal holds, or reports another
    /// reason.
    pub(super) async fn refuse(mut self) -> bool {
        let mut again = tokio::time::interval(REOPEN_INTERVAL);
        again.tick().await;
        loop {
            tokio::select! {
                _ = self.stop.changed() => return false,
                Some(command) = self.commands.recv() => answer(command, &self.cause.problem()),
                Some(inbound) = self.inbound.recv() => pass(inbound, &mut self.pass_on),
                _ = again.tick() => {
                    if helps(&opened(&self.path), self.cause.is_quarantined) {
                        return true;
                    }
                }
            }
            self.watchdog.notify();
        }
    }
}

/// What a start needs of the journal: to be opened, and to be read.
fn opened(path: &Path) -> Result<(), JournalError> {
    Journal::open(path)?.restore().map(drop)
}

/// Whether a new start finds what this one did not. A disk that answers again may give a journal that is damaged.
fn helps(opened: &Result<(), JournalError>, is_quarantined: bool) -> bool {
    match opened {
        Ok(()) => {
            tracing::info!("The journal can be opened: the daemon ends, to be started anew");
            true
        }
        Err(JournalError::Quarantined { .. }) => !is_quarantined,
        Err(_) => false,
    }
}

/// The till sells on for cash, and needs its scanner for that.
fn pass(inbound: CoreInput, pass_on: &mut ScanForwarder) {
    match inbound {
        CoreInput::Scan(scan) => pass_on.code(&scan.device, scan.raw, false),
        CoreInput::Unread { device, raw } => pass_on.code(&device, Some(raw), false),
        CoreInput::Rest { device, raw } => pass_on.rest(&device, raw),
        CoreInput::DeviceChanged | CoreInput::SceneRefused { .. } | CoreInput::Exchanged { .. } => {
        }
    }
}

fn answer(command: Command, problem: &Problem) {
    fn send_reply<T>(answer: Answer<T>, problem: &Problem) {
        drop(answer.send(Err(problem.clone())));
    }
    match command {
        Command::Begin { answer, .. } => send_reply(answer, problem),
        Command::Abort { answer, .. } => send_reply(answer, problem),
        Command::Scan { answer, .. } => send_reply(answer, problem),
        Command::Test { answer, .. } | Command::StopTest { answer, .. } => {
            send_reply(answer, problem)
        }
        Command::Retry { answer, .. } | Command::Settle { answer, .. } => {
            send_reply(answer, problem)
        }
        Command::Recheck { .. } | Command::ServiceAnswered => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    fn no_journal(error: Errno) -> NoJournal {
        NoJournal::new(&JournalError::Prepare {
            path: "/journal".into(),
            source: io::Error::from(error),
        })
    }

    #[test]
    fn what_is_wrong_with_the_disk_is_distinguished_from_what_is_wrong_with_the_rights() {
        for (error, cause, remedy) in [
            (Errno::NOSPC, "нет места", "Освободите место"),
            (Errno::DQUOT, "квота", "Увеличьте дисковую квоту"),
            (Errno::ACCESS, "прав", "Верните службе права"),
            (Errno::IO, "не отдаёт", "Проверьте диск"),
            (Errno::NOTDIR, "проверьте", "oplati selftest"),
        ] {
            let reported = no_journal(error);
            assert!(reported.reason.contains(cause), "{reported:?}");
            let problem = reported.problem();
            assert!(problem.remedy.contains(remedy), "{problem:?}");
            // The journal is tried again by itself.
            assert!(!problem.remedy.contains("перезапустите"), "{problem:?}");
        }
    }

    #[test]
    fn a_journal_that_opens_and_cannot_be_read_is_no_reason_to_start_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        drop(Journal::open(&path).unwrap().close());
        assert!(helps(&opened(&path), false));
        let database = rusqlite::Connection::open(&path).unwrap();
        let row = "INSERT INTO operations (id, kind, state, shift, order_number, created_at, updated_at, open, live, \
                   set_aside, operation, request, record) \
                   VALUES ('w', 'sale', 'new', '', '', '', '', 1, 0, 0, 'x', 'x', 'x')";
        database.execute_batch(row).unwrap();
        drop(database);
        let error = opened(&path).unwrap_err();
        assert!(!helps(&opened(&path), false));
        let reported = NoJournal::new(&error);
        assert!(
            reported.reason.ends_with("запись операции w"),
            "{reported:?}"
        );
    }

    #[test]
    fn a_program_that_holds_the_journal_is_named() {
        let reported = NoJournal::new(&JournalError::Locked {
            path: "/journal".into(),
            holder: "flock (pid 7)".into(),
        });
        assert!(reported.reason.contains("flock (pid 7)"), "{reported:?}");
    }

    #[test]
    fn a_journal_that_lies_aside_wants_a_person_and_a_restart() {
        let reported = NoJournal::new(&JournalError::Quarantined {
            folder: "/aside".into(),
        });
        assert!(reported.is_quarantined, "{reported:?}");
        assert!(reported.reason.contains("отложен в /aside"), "{reported:?}");
        assert!(reported.problem().remedy.contains("перезапустите"));
    }
}
