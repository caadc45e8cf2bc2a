//! The daemon's part: writes first, effects after; and what becomes of it when the process dies.

use std::time::Duration;

use oplati::core::Core;
use oplati::core::event::{Effect, Event, Reply as TillReply, Step, Write};
use oplati::core::record::Record;
use oplati::operation::{Kind, Shows};

use crate::known::is_known;
use crate::plan::{DiskFault, Fate};
use crate::world::{Check, World};

/// So many commits can be lost at once.
const MAX_LOST: usize = 12;
/// Between two tries of a write that failed.
const WRITE_RETRY_INTERVAL: Duration = Duration::from_secs(1);

fn without_receipt(record: Option<&Record>) -> Option<Record> {
    let mut record = record.cloned();
    if let Some(Record::Entry(entry)) = &mut record {
        entry.receipt = None;
    }
    record
}

/// What became of a transaction.
enum Written {
    Yes,
    No,
    /// The process died in the middle of it.
    Died,
}

impl World<'_> {
    pub fn event(&mut self, event: Event) -> Check {
        let step = self.core.handle(event, self.now);
        self.take(step)
    }

    pub(crate) fn take(&mut self, step: Step) -> Check {
        self.counts.steps += 1;
        let mut step = step;
        loop {
            match self.write(&step.writes) {
                Written::Yes => break,
                Written::Died => return self.crash(0),
                Written::No => {}
            }
            match step.creates.take() {
                Some(id) => step = self.core.handle(Event::BeginFailed { id }, self.now),
                None => self.jump_to(self.now.mono + WRITE_RETRY_INTERVAL),
            }
        }
        let mut ended = Vec::new();
        for write in &step.writes {
            self.check_write(&write.record)?;
            let operation = write.record.operation();
            let id = operation.id.clone();
            let was_final = self.records.get(&id);
            let was_final = was_final.is_some_and(|old| old.operation().state.is_final());
            if operation.state.is_final() && !was_final {
                ended.push(id.clone());
                self.shown.clear();
            }
            if let Some(Shows::Qr(text) | Shows::Code(text)) = &operation.shows {
                self.shown.push(text.clone());
            }
            if self.traces {
                self.tell_write(write);
            }
            let old = self.records.insert(id, write.record.clone());
            self.counts.ends.note(old.as_ref(), &write.record);
        }
        for id in ended {
            self.check_end(&id)?;
        }
        if let Some(after) = &mut self.after_commit
            && !step.writes.is_empty()
        {
            after(self.journal);
        }
        for (number, effect) in step.effects.into_iter().enumerate() {
            let exact = self.exact.crash_before.remove(&self.effects_done);
            if self.crash_before_effect == Some(number as u64) || exact.is_some() {
                if exact.is_some() && self.requests_at_crash == 0 {
                    self.requests_at_crash = self.requests_made;
                }
                self.at_crash = exact;
                self.crash_before_effect = None;
                self.counts.note("crash between effects");
                return self.crash(0);
            }
            self.effects_done += 1;
            self.perform(effect)?;
        }
        self.check_step()
    }

    /// One transaction, or what a disk makes of it.
    fn write(&mut self, writes: &[Write]) -> Written {
        if writes.is_empty() {
            return Written::Yes;
        }
        if let Some(fault) = self.disk.pop_front() {
            self.counts.note(match fault {
                DiskFault::Full => "disk full",
                DiskFault::Broken => "disk broken for a while",
                DiskFault::ToldFailed => "commit told as failed, and durable",
            });
            if fault == DiskFault::ToldFailed {
                self.ghost = Some(writes.to_vec());
            }
            return Written::No;
        }
        if self.journal.commit(writes).is_err() {
            // The fuse: the process died between two statements of the transaction, or one of them failed.
            self.store.disarm();
            if std::mem::replace(&mut self.fuse_kills, true) {
                self.counts.note("crash in a transaction");
                return Written::Died;
            }
            self.counts.note("a statement of a transaction fails");
            return Written::No;
        }
        self.ghost = None;
        self.remember(writes);
        Written::Yes
    }

    fn tell_write(&self, write: &Write) {
        let operation = write.record.operation();
        let (id, state) = (&operation.id, operation.state);
        let (left, undo) = (operation.left.map(|left| left.0), operation.undo);
        println!(
            "{:>9.1} {id} {state:?} left {left:?} undo {undo:?}: {} [{} {:?}]",
            self.now.mono.as_secs_f64(),
            write.what,
            operation.order_number,
            operation.payment_id,
        );
    }

    /// What the rows were before, so that a disk can forget what it was told to keep.
    fn remember(&mut self, writes: &[Write]) {
        let mut before: Vec<(String, Option<Record>)> = Vec::new();
        for write in writes {
            let id = &write.record.operation().id;
            if !before.iter().any(|(known, _)| known == id) {
                before.push((id.clone(), self.records.get(id).cloned()));
            }
        }
        self.undo_log.push_back(before);
        if self.undo_log.len() > MAX_LOST {
            self.undo_log.pop_front();
        }
    }

    /// The disk has lost its last commits, whatever it said. What the till was told of them is not promised
    /// any more; where the money is, is.
    pub(crate) fn lose_commits(&mut self, commits: u64) -> Check {
        let broken = |error: oplati::journal::JournalError| error.to_string();
        for _ in 0..commits {
            let Some(rows) = self.undo_log.pop_back() else {
                break;
            };
            self.counts.note("commit lost at a crash");
            for (id, before) in rows {
                self.forgotten.insert(id.clone());
                self.aborted.remove(&id);
                self.pays.remove(&id);
                self.refunds_sent.remove(&id);
                match before {
                    Some(record) => {
                        let (what, at) = (String::new(), self.now.wall);
                        let write = Write { record, what, at };
                        self.journal.commit(std::slice::from_ref(&write)).map_err(broken)?;
                        self.records.insert(id, write.record);
                    }
                    None => {
                        self.store.delete(&id);
                        self.acked.remove(&id);
                        self.records.remove(&id);
                    }
                }
            }
        }
        Ok(())
    }

    /// What was told as failed turns out to be on the disk.
    fn find_ghost(&mut self) -> Check {
        for write in self.ghost.take().unwrap_or_default() {
            self.counts.note("what was told as failed is there after a restart");
            let written = self.journal.commit(std::slice::from_ref(&write));
            written.map_err(|error| error.to_string())?;
            let id = write.record.operation().id.clone();
            self.records.insert(id, write.record);
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Check {
        match effect {
            Effect::Request {
                id,
                operation,
                call,
            } => {
                if self.traces {
                    println!("          {operation} asks: {call:?}");
                }
                self.check_account(&operation)?;
                self.check_request(&call)?;
                self.check_pace(&call)?;
                if call.moves_money() {
                    self.movers.insert(self.requests_made);
                }
                self.pending.push((id, *call, self.requests_made));
                self.requests_made += 1;
            }
            Effect::Reply { reply, .. } => {
                if self.traces {
                    println!("          reply: {reply:?}");
                }
                if let TillReply::Begun(Ok((_, operation))) = reply.as_ref() {
                    self.check_told(operation)?;
                    if self.acked.insert(operation.id.clone()) {
                        self.counts.operations += 1;
                        if matches!(operation.kind, Kind::Sale | Kind::Card) {
                            self.troubled = self.now.mono < self.hold_off_until;
                        }
                    }
                }
                if let TillReply::Aborted(Ok(operation)) = reply.as_ref() {
                    self.check_told(operation)?;
                    if matches!(operation.kind, Kind::Sale | Kind::Card) {
                        self.aborted.insert(operation.id.clone());
                    }
                }
            }
            Effect::Show(_) | Effect::Scanned { .. } | Effect::Alarm { .. } => {}
        }
        Ok(())
    }

    /// The process dies; another reads the journal.
    pub fn crash(&mut self, off_s: u64) -> Check {
        self.crash_losing(off_s, 0)
    }

    /// The same, and the disk has forgotten so many commits.
    pub(crate) fn crash_losing(&mut self, off_s: u64, commits: u64) -> Check {
        self.counts.crashes += 1;
        self.store.disarm();
        self.fuse_kills = true;
        self.crash_before_effect = None;
        let exact = self.at_crash.take();
        // A restart may forget one pause.
        self.asked.clear();
        self.shown.clear();
        for held in std::mem::take(&mut self.held) {
            self.note_closed(&held.call);
        }
        for (_, call, _) in std::mem::take(&mut self.pending) {
            self.note_closed(&call);
            let fate = exact.unwrap_or_else(|| match self.random.below(4) {
                0 | 1 => Fate::AnswerLost,
                2 => Fate::Late(self.random.below(30)),
                _ => Fate::RequestLost,
            });
            drop(self.fate_of(&call, fate));
        }
        self.jump_to(self.now.mono + Duration::from_secs(off_s));
        if commits == 0 {
            self.find_ghost()?;
        } else {
            self.ghost = None;
            self.lose_commits(commits)?;
        }
        self.start()
    }

    /// A new process reads the journal.
    fn start(&mut self) -> Check {
        self.started += 1;
        self.settings.order_prefix = format!("p{}", self.started);
        let restored = self.journal.restore().map_err(|error| error.to_string())?;
        let open = self
            .records
            .values()
            .filter(|record| record.is_open())
            .count();
        let found = restored.sales.len() + restored.entries.len();
        if open != found {
            return Err(format!(
                "{found} open operations restored instead of {open}"
            ));
        }
        for id in self.acked.iter().chain(&self.aborted) {
            let kept = self.journal.find(id).map_err(|error| error.to_string())?;
            let is_same = kept.as_ref() == self.records.get(id)
                || is_known("S3") && without_receipt(kept.as_ref()) == without_receipt(self.records.get(id));
            if !is_same {
                return Err(format!(
                    "acknowledged {id} is not in the journal as it was told"
                ));
            }
        }
        let (core, step) = Core::new(self.settings.clone(), restored, self.now);
        self.core = core;
        self.take(step)
    }
}
