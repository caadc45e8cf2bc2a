//! What the engine needs of a journal.

use jiff::Timestamp;

use crate::core::event::{JournalContext, Restored, Write};
use crate::core::record::{Record, ReversalRecord};
use crate::journal::{Journal, JournalError};
use crate::model::operation::OperationRequest;

/// A journal as the engine sees it. The simulation wraps the real one, to fail where a disk fails.
pub trait Storage {
    /// Makes the writes of one step durable, all or none.
    ///
    /// # Errors
    /// [`JournalError`]; a broken disk may have kept all of them nevertheless.
    fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError>;

    /// One operation, whole.
    fn find(&self, id: &str) -> Result<Option<Record>, JournalError>;

    /// What the journal knows of a request; `shift` is the present one, for a sale that names none.
    fn context(
        &self,
        requested: &OperationRequest,
        shift: &str,
    ) -> Result<JournalContext, JournalError>;

    /// An entry with what it reverses, to look into it once more.
    fn entry(&self, id: &str) -> Result<Option<(ReversalRecord, Vec<Record>)>, JournalError>;

    /// What a restart must take up.
    ///
    /// # Errors
    /// [`JournalError`] when a row cannot be read: nothing is guessed.
    fn restore(&self) -> Result<Restored, JournalError>;

    /// Secures room for the end of an operation.
    ///
    /// # Errors
    /// [`JournalError`]: no operation may begin.
    fn secure_room(&mut self) -> Result<(), JournalError>;

    /// Gives the secured room up for the end of an operation.
    fn use_reserve(&mut self);

    /// What was written since the last call ages from `now` on; whether there may be more of it.
    fn start_aging(&mut self, now: Timestamp) -> Result<bool, JournalError>;

    /// Removes at most `limit` operations that are over and age from a moment before `before`; how many.
    ///
    /// # Errors
    /// [`JournalError`]; nothing is removed then.
    fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u32, JournalError>;

    /// Empties the write-ahead log; whether that is done.
    fn empty_log(&mut self) -> bool;

    /// How many operations it holds.
    fn operations(&self) -> u64;

    /// Whether that is known exactly, which a removal waits for.
    fn is_counted(&self) -> bool {
        true
    }

    /// Whether a write could begin now; `in_earnest`: whether it reaches the disk.
    ///
    /// # Errors
    /// [`JournalError`] that a write would meet.
    fn look(&mut self, in_earnest: bool) -> Result<(), JournalError> {
        let _ = in_earnest;
        Ok(())
    }

    /// What an error of this storage means in the end: damage counts only when it is confirmed.
    fn judge(&self, error: JournalError) -> JournalError {
        error
    }

    /// Damage was found: the next start shall know of it.
    fn note_damage(&mut self) {}

    /// What was taken away is made whole for the next start, as far as only this process has it.
    ///
    /// # Errors
    /// [`JournalError`]: the process must not end yet.
    fn secure_log(&mut self) -> Result<(), JournalError> {
        Ok(())
    }
}

impl Storage for Journal {
    fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        Journal::commit(self, writes)
    }

    fn find(&self, id: &str) -> Result<Option<Record>, JournalError> {
        Journal::find(self, id)
    }

    fn context(
        &self,
        requested: &OperationRequest,
        shift: &str,
    ) -> Result<JournalContext, JournalError> {
        Journal::context(self, requested, shift)
    }

    fn entry(&self, id: &str) -> Result<Option<(ReversalRecord, Vec<Record>)>, JournalError> {
        Journal::entry(self, id)
    }

    fn restore(&self) -> Result<Restored, JournalError> {
        Journal::restore(self)
    }

    fn secure_room(&mut self) -> Result<(), JournalError> {
        Journal::secure_room(self)
    }

    fn use_reserve(&mut self) {
        Journal::use_reserve(self);
    }

    fn start_aging(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        Journal::start_aging(self, now)
    }

    fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u32, JournalError> {
        Journal::purge(self, before, limit)
    }

    fn empty_log(&mut self) -> bool {
        let is_emptied = Journal::empty_log(self);
        if is_emptied {
            self.begin_log();
        }
        is_emptied
    }

    fn operations(&self) -> u64 {
        Journal::operations(self)
    }

    fn look(&mut self, in_earnest: bool) -> Result<(), JournalError> {
        Journal::look(self, in_earnest)
    }

    fn judge(&self, error: JournalError) -> JournalError {
        Journal::judge(self, error)
    }

    fn note_damage(&mut self) {
        Journal::note_damage(self);
    }

    fn is_counted(&self) -> bool {
        Journal::is_counted(self)
    }

    fn secure_log(&mut self) -> Result<(), JournalError> {
        Journal::secure_log(self)
    }
}
