//! The entries themselves and one copy of what each of them reverses: found, taken out while one is worked on, put
//! back, and which of them is tried next.
//!
//! Several entries of one target never write each other's figures away: all of them change the one copy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::link::Link;
use crate::core::record::{Record, ReversalProgress, ReversalRecord, ReversalRequest};
use crate::core::reversal::active::{ActiveReversal, Stage};
use crate::core::turn::Turn;
use crate::model::operation::Operation;

/// So long the oldest entry that meets silence tries the line alone.
const MAX_SILENT_ALONE: Duration = Duration::from_secs(60);

/// The queue of reversals. See the module's documentation.
#[derive(Debug, Default)]
pub(in crate::core) struct ReversalQueue {
    /// Live, set-aside and watched entries, oldest first.
    entries: Vec<ActiveReversal>,
    /// What the entries reverse, one copy of each.
    targets: BTreeMap<String, Record>,
    /// How it was before the operation that this step makes.
    rollback: Option<Rollback>,
    /// Operations of another account that are not settled: nothing is sent for them.
    of_other_account: Vec<String>,
    /// Second payments that this process has brought back: a held answer may bring one later, which shows it paid for
    /// ever.
    second_payments: BTreeSet<i64>,
}

/// The state before an entry was made: should its write fail, nothing of it was.
#[derive(Debug)]
struct Rollback {
    targets: BTreeMap<String, Record>,
    /// The set-aside entry whose place it took.
    entry: Option<ReversalRecord>,
}

/// The entries.
impl ReversalQueue {
    pub(in crate::core) fn iter(&self) -> impl Iterator<Item = &ActiveReversal> {
        self.entries.iter()
    }

    pub(in crate::core) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveReversal> {
        self.entries.iter_mut()
    }

    /// The entry under an identifier.
    pub(in crate::core) fn find(&self, id: &str) -> Option<&ActiveReversal> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.record.operation.id == id)
    }

    pub(in crate::core) fn push(&mut self, entry: ActiveReversal) {
        if entry.is_of_other_account && entry.record.is_live() {
            self.of_other_account
                .push(entry.record.operation.id.clone());
        }
        self.entries.push(entry);
    }

    /// Takes the newest entry out.
    pub(super) fn pop(&mut self) -> Option<ActiveReversal> {
        self.entries.pop()
    }

    /// Takes the oldest entry out that is the one; its place is for [`ReversalQueue::put_back`].
    pub(super) fn take(
        &mut self,
        is_it: impl Fn(&ActiveReversal) -> bool,
    ) -> Option<(usize, ActiveReversal)> {
        let place = self.entries.iter().position(is_it)?;
        Some((place, self.entries.remove(place)))
    }

    pub(super) fn put_back(&mut self, place: usize, entry: ActiveReversal) {
        self.entries.insert(place.min(self.entries.len()), entry);
    }

    /// Takes the entry out that is to be tried now.
    pub(super) fn take_due(
        &mut self,
        link: &Link,
        now: Duration,
    ) -> Option<(usize, ActiveReversal)> {
        let (place, _) = self.due(link).filter(|(_, at)| *at <= now)?;
        (place < self.entries.len()).then(|| (place, self.entries.remove(place)))
    }

    /// The first operation of another account that is not settled.
    pub(in crate::core) fn first_of_other_account(&self) -> Option<&String> {
        self.of_other_account.first()
    }

    pub(in crate::core) fn of_other_account(&self) -> &[String] {
        &self.of_other_account
    }

    /// A person has closed an operation of another account.
    pub(super) fn settled(&mut self, id: &str) {
        self.of_other_account.retain(|other| other != id);
    }

    /// Whether an entry answers for a second payment, or did.
    pub(in crate::core) fn is_answered_for(&self, payment_id: i64) -> bool {
        // A refund of the till's that names the payment by its number is none of its undoings.
        let is_known = |entry: &ActiveReversal| {
            entry.record.target.payment_id == Some(payment_id)
                && entry.record.request == ReversalRequest::Own
        };
        self.second_payments.contains(&payment_id) || self.entries.iter().any(is_known)
    }

    pub(in crate::core) fn answers_for(&mut self, payment_id: i64) {
        self.second_payments.insert(payment_id);
    }

    /// Should it be seen once more, it is new.
    pub(super) fn forget_second_payment(&mut self, payment_id: i64) {
        self.second_payments.remove(&payment_id);
    }

    /// Entries that block sales, oldest first.
    pub(in crate::core) fn blocking(&self) -> impl Iterator<Item = &ActiveReversal> {
        self.entries.iter().filter(|entry| entry.blocks())
    }

    /// Whether a refund stands before the cashier: it takes the place of a buyer.
    pub(in crate::core) fn refund_is_attended(&self) -> bool {
        let attended =
            |entry: &ActiveReversal| entry.record.is_refund() && entry.record.is_attended();
        self.entries.iter().any(attended)
    }

    /// The service can be reached, or a buyer waits: what waits for a connection is tried at once. The backoff
    /// goes on from where it is: one answer among many that fail must not make a storm.
    pub(in crate::core) fn wake(&mut self, now: Duration) {
        for entry in self.entries.iter_mut().filter(|entry| entry.blocks()) {
            entry.wants_connection = false;
            if entry.stage == Stage::Waiting {
                entry.next_at = now;
            }
        }
    }

    /// When an entry may be tried: when it is due, and its first question may leave.
    fn entry_due_at(entry: &ActiveReversal, link: &Link) -> Option<Duration> {
        if entry.stage != Stage::Waiting || entry.is_of_other_account {
            return None;
        }
        let free = link.free_at(&entry.first_question());
        if entry.retry_asked {
            return Some(free);
        }
        Some(free.max(entry.next_at))
    }

    /// From when on others are tried beside one that has met silence: it may be that only its own questions hang,
    /// which keeps no other from being tried.
    fn others_from(&self) -> Duration {
        let entries = self
            .entries
            .iter()
            .filter(|entry| !entry.is_of_other_account);
        let silent = entries.filter(|entry| entry.blocks() && entry.wants_connection);
        let since = silent.filter_map(|entry| entry.silent_since).min();
        since.map_or(Duration::ZERO, |since| since + MAX_SILENT_ALONE)
    }

    /// The entry that is tried next, and when: of those that block, or a watched one that is earlier.
    pub(in crate::core) fn due(&self, link: &Link) -> Option<(usize, Duration)> {
        let at = |(index, entry): (usize, &ActiveReversal)| {
            Some((index, Self::entry_due_at(entry, link)?))
        };
        let ours = || {
            let entries = self.entries.iter().enumerate();
            entries.filter(|(_, entry)| !entry.is_of_other_account)
        };
        // One request of the queue at a time, so that a queue of hundreds is no storm.
        let is_busy = ours().any(|(_, entry)| entry.blocks() && entry.stage != Stage::Waiting);
        let others_from = self.others_from();
        let head = ours()
            .filter(|(_, entry)| (entry.blocks() || entry.retry_asked) && !is_busy)
            .enumerate()
            // Of those that have met silence the oldest alone tries the line.
            .filter(|(place, (_, entry))| *place == 0 || !entry.wants_connection)
            .filter_map(|(place, entry)| {
                let waits_since = entry.1.next_at;
                let (index, at) = at(entry)?;
                let from = if place == 0 {
                    Duration::ZERO
                } else {
                    others_from
                };
                Some((index, at.max(from), waits_since))
            })
            // All that wait for the service's patience are due together: they take turns.
            .min_by_key(|(_, at, waits_since)| (*at, *waits_since))
            .map(|(index, at, _)| (index, at));
        let watched = ours()
            .filter(|(_, entry)| entry.is_watched())
            .filter_map(at)
            .min_by_key(|(_, at)| *at);
        [head, watched]
            .into_iter()
            .flatten()
            .min_by_key(|(_, at)| *at)
    }
}

/// What the entries are of.
impl ReversalQueue {
    pub(in crate::core) fn target(&self, id: &str) -> Option<&Record> {
        self.targets.get(id)
    }

    /// Takes a target over as it was written last.
    pub(in crate::core) fn set_target(&mut self, record: Record) {
        self.targets.insert(record.operation().id.clone(), record);
    }

    /// Holds a target that is not held yet. A sale that is under way is no target yet.
    pub(in crate::core) fn hold(&mut self, record: Record, turn: &Turn) {
        let id = record.operation().id.clone();
        if !turn.attended.is_sale(&id) {
            self.targets.entry(id).or_insert(record);
        }
    }

    /// Forgets targets that neither an entry nor `is_held` refers to. A refund that is being cancelled keeps its
    /// sale, whose `left` grows with it.
    pub(in crate::core) fn drop_unheld(&mut self, is_held: impl Fn(&str) -> bool) {
        let mut targets = std::mem::take(&mut self.targets);
        let is_referred =
            |id: &&String| is_held(id) || self.entries.iter().any(|entry| entry.reverses(id));
        let referred: Vec<String> = targets.keys().filter(is_referred).cloned().collect();
        let sales: Vec<String> = referred
            .iter()
            .filter_map(|id| targets.get(id)?.operation().of.clone())
            .collect();
        targets.retain(|id, _| referred.contains(id) || sales.contains(id));
        self.targets = targets;
    }

    /// Changes a target, in memory and in the journal.
    pub(super) fn change_target(
        &mut self,
        id: Option<&str>,
        what: &str,
        turn: &mut Turn,
        change: impl FnOnce(&mut Operation),
    ) {
        let Some(record) = id.and_then(|id| self.targets.get_mut(id)) else {
            return;
        };
        let operation = record.operation_mut();
        change(operation);
        operation.updated_at = turn.now.wall;
        turn.write_target(record, what);
        copy_to_entry(&mut self.entries, record.operation());
        turn.held_answers.follow(record.operation());
    }

    /// What [`copy_to_entry`] does, from the watched side.
    pub(super) fn copy_to_target(&mut self, entry: &ReversalRecord) {
        if let Some(target) = self.targets.get_mut(&entry.operation.id) {
            *target = Record::Entry(Box::new(entry.clone()));
        }
    }

    /// Whether a cancellation of it that ended as not made was found made.
    pub(super) fn is_cancelled_late(&self, of: Option<&str>) -> bool {
        let is_it = |entry: &ActiveReversal| {
            let record = &entry.record;
            record.operation.of.as_deref() == of
                && record.is_refused_cancellation()
                && matches!(record.reversal, ReversalProgress::Known(_))
        };
        of.is_some() && self.entries.iter().any(is_it)
    }
}

/// A creation that the journal could not keep.
impl ReversalQueue {
    /// An operation is about to be made; `replaces` is the set-aside entry whose place it takes.
    pub(super) fn begin_creation(&mut self, replaces: Option<ReversalRecord>) {
        self.rollback = Some(Rollback {
            targets: self.targets.clone(),
            entry: replaces,
        });
    }

    /// The step is over, and made nothing that could fail.
    pub(in crate::core) fn end_creation(&mut self) {
        self.rollback = None;
    }

    /// The journal could not keep the operation: nothing of it was. Answers the set-aside entry that stands again.
    pub(in crate::core) fn roll_back(&mut self, id: &str) -> Option<ReversalRecord> {
        self.entries.retain(|entry| entry.record.operation.id != id);
        let rollback = self.rollback.take()?;
        self.targets = rollback.targets;
        for target in self.targets.values() {
            copy_to_entry(&mut self.entries, target.operation());
        }
        rollback.entry
    }

    /// Puts it before all others.
    pub(in crate::core) fn push_front(&mut self, entry: ActiveReversal) {
        self.entries.insert(0, entry);
    }
}

/// A refund may be watched and cancelled at once: what one side writes of it, the other must not write away. Of a
/// target nothing but the operation changes.
fn copy_to_entry(entries: &mut [ActiveReversal], target: &Operation) {
    let mut entries = entries.iter_mut();
    if let Some(entry) = entries.find(|entry| entry.record.operation.id == target.id) {
        entry.record.operation.clone_from(target);
    }
}
