//! The daemon's part: writes first, effects after; and what becomes of it when the process dies.

use std::time::Duration;

use jiff::SignedDuration;
use oplati::core::Core;
use oplati::core::event::{Effect, Event, Reply as TillReply, Write};
use oplati::core::record::Record;
use oplati::engine::{Engine, Outcome, Storage};
use oplati::model::operation::{Kind, Shows};
use oplati::model::problem::Code;

use crate::disk::Disk;
use crate::plan::RequestFate;
use crate::world::{Check, Sent, World, new_prefix};

/// A clock that is no more wrong than this is right.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

impl<'a> World<'a> {
    pub fn event(&mut self, event: Event) -> Check {
        let now = self.now;
        let outcome = self.engine().event(event, now);
        self.take(outcome)
    }

    pub(crate) fn engine(&mut self) -> &mut Engine<Disk<'a>> {
        self.engine.as_mut().expect("the process runs")
    }

    pub(crate) fn core(&self) -> &Core {
        self.engine.as_ref().expect("the process runs").core()
    }

    pub(crate) fn disk(&self) -> &Disk<'a> {
        self.engine.as_ref().expect("the process runs").storage()
    }

    /// What the daemon does with what the engine hands out; a write that fails is tried again until it
    /// succeeds.
    pub(crate) fn take(&mut self, outcome: Outcome) -> Check {
        let mut outcome = outcome;
        loop {
            self.note_disk();
            if self.hand.borrow().died {
                return self.crash(0);
            }
            let crashes = self.counts.crashes;
            self.take_once(outcome)?;
            let stalled = self.engine().stalled();
            let Some(at) = stalled.filter(|_| crashes == self.counts.crashes) else {
                return Ok(());
            };
            self.jump_to(at.max(self.now.mono));
            let now = self.now;
            outcome = self.engine().retry(now);
        }
    }

    fn note_disk(&mut self) {
        let met = std::mem::take(&mut self.hand.borrow_mut().met);
        for what in met {
            self.counts.note(what);
        }
    }

    /// What the daemon looks after every few seconds.
    pub(crate) fn pulse(&mut self) -> Check {
        let now = self.now;
        self.engine().pulse(now);
        self.note_disk();
        if self.disk().rows().len() < self.records.len() {
            self.forget_old()?;
        }
        Ok(())
    }

    /// The journal has removed some operations: they were old, and over.
    fn forget_old(&mut self) -> Check {
        let keep = SignedDuration::from_hours(24 * i64::from(self.journal_days)) - CLOCK_TOLERANCE;
        let kept = self.disk().rows();
        let gone: Vec<String> = self
            .records
            .keys()
            .filter(|id| !kept.contains_key(*id))
            .cloned()
            .collect();
        let young = self.true_wall().checked_sub(keep).unwrap_or_default();
        for id in gone {
            let Some(record) = self.records.remove(&id) else {
                continue;
            };
            let ended_at = self.ended_at.get(&id).copied();
            if record.is_open() || ended_at.is_none_or(|at| self.service.wall(at) > young) {
                return Err(format!("{id} is removed from the journal, and was not old"));
            }
            self.requests.retain(|(known, _)| *known != id);
            self.acked.remove(&id);
            self.aborted.remove(&id);
            self.purged.insert(id, record);
        }
        Ok(())
    }

    fn take_once(&mut self, outcome: Outcome) -> Check {
        self.counts.steps += 1;
        let has_written = !outcome.writes.is_empty();
        let mut ended = Vec::new();
        for write in &outcome.writes {
            self.check_write(&write.record)?;
            let operation = write.record.operation();
            let id = operation.id.clone();
            let was_final = self.records.get(&id);
            let was_final = was_final.is_some_and(|old| old.operation().state.is_final());
            if operation.state.is_final() {
                self.ended_at.insert(id.clone(), self.real);
            }
            if operation.state.is_final() && !was_final {
                ended.push(id.clone());
                self.shown.clear();
            }
            if let Some(Shows::Qr(text) | Shows::Code(text)) = &operation.shows {
                self.shown.push(text.clone());
            }
            if self.traces {
                self.trace_write(write);
            }
            self.versions_seen.insert(id.clone(), operation.version);
            let number = self.made.len() as u64;
            self.made.entry(id.clone()).or_insert(number);
            if !self.records.contains_key(&id) {
                // The daemon's own numbers come again when the disk has forgotten them.
                self.settled_as.remove(&id);
            }
            let old = self.records.insert(id, write.record.clone());
            self.counts.ends.note(old.as_ref(), &write.record);
        }
        for id in ended {
            self.check_end(&id)?;
        }
        if let Some(after) = &mut self.after_commit
            && !outcome.writes.is_empty()
        {
            after();
        }
        for (number, effect) in outcome.effects.into_iter().enumerate() {
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
        // The core is ahead of a journal that cannot be written.
        if self.engine().stalled().is_some() || !has_written {
            return Ok(());
        }
        self.check_step()
    }

    fn trace_write(&self, write: &Write) {
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
                let sent = Sent {
                    number: self.requests_made,
                    at: self.real,
                };
                self.pending.push((id, *call, sent));
                self.requests_made += 1;
            }
            Effect::Reply { ticket, reply } => {
                if let TillReply::Begun(Ok((true, operation))) = reply.as_ref()
                    && self.gone.contains(&ticket)
                {
                    return Err(format!(
                        "{} was begun, and its caller was gone",
                        operation.id
                    ));
                }
                if self.traces {
                    println!("          reply: {reply:?}");
                }
                if let TillReply::Begun(Ok((_, operation))) = reply.as_ref() {
                    self.check_reply(operation)?;
                    if self.acked.insert(operation.id.clone()) {
                        self.counts.operations += 1;
                        if matches!(operation.kind, Kind::Sale | Kind::Card) {
                            self.troubled = self.now.mono < self.hold_off_until;
                        }
                    }
                }
                if let TillReply::Aborted(Ok(operation)) = reply.as_ref() {
                    self.check_reply(operation)?;
                    if matches!(operation.kind, Kind::Sale | Kind::Card) {
                        self.aborted.insert(operation.id.clone());
                    }
                }
                if let TillReply::Queue(Err(problem)) = reply.as_ref()
                    && problem.code == Code::Busy
                {
                    self.answered_busy.insert(ticket);
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
        self.crash_before_effect = None;
        let exact = self.at_crash.take();
        // A restart may forget one pause.
        self.asked.clear();
        self.shown.clear();
        self.end_requests(exact);
        self.jump_to(self.now.mono + Duration::from_secs(off_s));
        let broken = |error: oplati::journal::JournalError| error.to_string();
        let Some(engine) = self.engine.take() else {
            return Ok(());
        };
        let mut disk = engine.into_storage();
        {
            let mut hand = self.hand.borrow_mut();
            hand.died = false;
            hand.fuse_kills = true;
        }
        // A crash of the process alone keeps what is deferred; a power cut need not.
        let is_power_cut = self.random.one_in(2);
        if commits == 0 {
            disk.find_ghost().map_err(broken)?;
            if is_power_cut {
                disk.lose_deferred().map_err(broken)?;
            }
        } else {
            // What was reported of them to the till is not promised any more; where the money is, is.
            for id in disk.lose(commits).map_err(broken)? {
                self.versions_seen.remove(&id);
                self.aborted.remove(&id);
                self.pays.remove(&id);
                self.refunds_sent.remove(&id);
                if !disk.rows().contains_key(&id) {
                    self.acked.remove(&id);
                    self.made.remove(&id);
                }
                self.forgotten.insert(id);
            }
        }
        self.records.clone_from(disk.rows());
        self.drop_unsaid();
        self.start(disk)
    }

    /// The connections of a process end with it; what becomes of its requests is chance, unless it is given.
    pub(crate) fn end_requests(&mut self, exact: Option<RequestFate>) {
        for held in std::mem::take(&mut self.held) {
            self.note_closed(&held.call);
        }
        for (_, call, _) in std::mem::take(&mut self.pending) {
            self.note_closed(&call);
            let fate = exact.unwrap_or_else(|| match self.random.below(4) {
                0 | 1 => RequestFate::AnswerLost,
                2 => RequestFate::Late(self.random.below(30)),
                _ => RequestFate::RequestLost,
            });
            drop(self.fate_of(&call, fate));
        }
    }

    /// What a person has said, and the disk has forgotten, is not said.
    pub(crate) fn drop_unsaid(&mut self) {
        let records = &self.records;
        let is_closed = |id: &String| {
            let record = records.get(id);
            record.is_none_or(
                |record| matches!(record, Record::Entry(entry) if entry.settled.is_some()),
            )
        };
        self.settled_as.retain(|id, _| is_closed(id));
    }

    /// A new process reads the journal.
    pub(crate) fn start(&mut self, disk: Disk<'a>) -> Check {
        self.started += 1;
        self.settings.order_prefix = new_prefix(&mut self.random);
        let broken = |error: oplati::journal::JournalError| error.to_string();
        let restored = disk.restore().map_err(broken)?;
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
            let kept = disk.find(id).map_err(broken)?;
            if kept.as_ref() != self.records.get(id) {
                return Err(format!(
                    "acknowledged {id} is not in the journal as it was replied"
                ));
            }
        }
        let settings = oplati::engine::Settings {
            core: self.settings.clone(),
            journal_days: self.journal_days,
        };
        let (engine, outcome) = Engine::start(settings, disk, self.now).map_err(broken)?;
        self.engine = Some(engine);
        self.take(outcome)
    }
}
