//! How the journal is, as far as the engine has met it: why a sale begun now could not be written.

use crate::base::error_chain::with_causes;
use crate::journal::{JournalError, Trouble};

/// What is in the way.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Of room for the end of another operation.
    room: Option<Trouble>,
    /// Of writes, since one that failed.
    writes: Option<Trouble>,
    /// Somebody held the file at the last look: a moment of it is no trouble.
    was_held: bool,
    damaged: bool,
    gone: bool,
    /// The log was taken away and is in nobody's hands but ours: what keeps it from its place.
    unsecured: Option<Trouble>,
}

impl Condition {
    /// What is in the way, what only a new start mends first.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let gone = self.gone.then_some(Trouble::Gone).or(self.unsecured);
        let damaged = self.damaged.then_some(Trouble::Damaged);
        gone.or(damaged).or(self.writes).or(self.room)
    }

    /// Whether the daemon must end, to be started anew.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether a log that was taken away is where the next start finds it; logged once.
    pub(super) fn note_secured(&mut self, secured: Result<(), JournalError>) -> bool {
        let unsecured = secured.as_ref().err().map(JournalError::trouble);
        let was_unsecured = std::mem::replace(&mut self.unsecured, unsecured).is_some();
        if let Err(error) = secured
            && !was_unsecured
        {
            tracing::error!(error = %with_causes(&error), "The journal's write-ahead log was taken away and cannot be put back yet: payments are refused, and the daemon must not be killed");
        }
        self.unsecured.is_none()
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Whether nothing but a new start makes it of use again.
    pub(super) fn is_unusable(&self) -> bool {
        self.gone || self.damaged || self.unsecured.is_some()
    }

    /// What no later success takes back; any use of the journal may show it.
    pub(super) fn note(&mut self, error: &JournalError) {
        let trouble = error.trouble();
        if trouble == Trouble::Gone && !self.gone {
            tracing::error!(error = %with_causes(error), "The daemon ends, to be started anew");
            self.gone = true;
        }
        if trouble == Trouble::Damaged && !self.damaged {
            tracing::error!(error = %with_causes(error), "The journal is damaged: payments are refused, the next start puts it aside");
            self.damaged = true;
        }
    }

    /// Whether room for the end of another operation was secured; logged once when that changes.
    pub(super) fn note_room(&mut self, secured: Result<(), JournalError>) -> bool {
        let room = secured.as_ref().err().map(JournalError::trouble);
        let lacked = std::mem::replace(&mut self.room, room);
        match secured {
            Ok(()) if lacked.is_some() => tracing::info!("There is room for operations again"),
            // What was taken away is logged by itself.
            Err(error) if lacked != room && room != Some(Trouble::Gone) => {
                tracing::error!(error = %with_causes(&error), "No room for another operation");
            }
            Ok(()) | Err(_) => {}
        }
        room.is_none()
    }

    pub(super) fn note_failed_write(&mut self, error: &JournalError) {
        self.writes = Some(error.trouble());
    }

    pub(super) fn note_written(&mut self) {
        self.writes = None;
        self.was_held = false;
    }

    /// Whether a write must be tried to know that it works again.
    pub(super) fn has_failed_to_write(&self) -> bool {
        self.writes.is_some()
    }

    /// What a look at the journal has shown. One that another program held twice in a row was held in between:
    /// every creation would be refused.
    pub(super) fn note_look(&mut self, look: Result<(), JournalError>) {
        let Err(error) = look else {
            if self.has_failed_to_write() {
                tracing::info!("The journal can be written again");
            }
            return self.note_written();
        };
        let is_held = error.trouble() == Trouble::Locked;
        let was_held = std::mem::replace(&mut self.was_held, is_held);
        if is_held && !was_held && !self.has_failed_to_write() {
            return;
        }
        if !self.has_failed_to_write() && error.trouble() != Trouble::Gone {
            tracing::error!(error = %with_causes(&error), "The journal cannot be written");
        }
        self.note_failed_write(&error);
    }
}
