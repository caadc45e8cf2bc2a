//! Bringing money back: the durable queue of reversals.
//!
//! No end is for ever: after an absence, a refusal and a payment that took nothing the number is asked for
//! again 10 minutes, an hour and a day later and at each reconciliation that shows it, and what is found
//! paid or pending then is reversed. No absence follows from a report that is not whole.
//!
//! An entry looks before it acts, acts at most once at a time, and believes only what it then
//! sees. One *try* is a chain of requests that ends with a verdict: carried out, conclusively absent,
//! set aside, or "later" with a reason.
//!
//! ```text
//! target unknown ─ look up the sale's order number ─ absent for good → nothing to undo (asked again later)
//!       │ found
//! look at the target ── status 2 3 4 5 → undone
//!       │ 0, 1
//! reversal not sent ─ send it (intent first) ─┐
//! reversal sent, fate unknown ─ look it up ───┤─ look at the target again
//! reversal known ─ look at it ── status 1 → carried out; 2..5 → denied: a new number next time
//! ```
//! A cancellation that a cashier waits for begins with the reversal itself. A refund is the reversal
//! alone: it is sent once, and then looked up until its fate is known.
//!
//! Entries are tried one at a time, the oldest first of those that are due: one that waits for the service
//! keeps no other from being tried. Set-aside ones are passed over.
//!
//! Nothing blocks for ever: an entry that gets nowhere for an hour is set aside. An answer that brings it no further
//! counts, whatever it is. Silence counts only when the line is well, which a probe shows: an outage over night must
//! not leave work for a person. What cannot be asked for by its number is looked for in the report.

pub(super) mod active;
mod answers;
mod creation;
mod lookup;
pub(super) mod of_sales;
mod outcome;
mod person;
pub(super) mod queue;
pub(super) mod target;

use std::time::Duration;

use jiff::SignedDuration;

use crate::base::clock::Now;
use crate::core::call::{Answer, Call, Failure, PaymentInfo, PaymentStatus, Received, Reply};
use crate::core::event::{Reply as TillReply, RequestId, Ticket};
use crate::core::question_clock::Subject;
use crate::core::record::{Record, ReversalProgress, ReversalRecord, ReversalRequest, Target};
use crate::core::reversal::active::{
    ActiveReversal, BACKOFF, MAX_STUCK, RECHECKS, RECHECKS_WITHOUT_RESERVE, Refusal, Stage,
};
use crate::core::reversal::queue::ReversalQueue;
use crate::core::reversal::target::{give_back_to_left, take_from_left};
use crate::core::scene::Scene;
use crate::core::turn::Turn;
use crate::core::{messages, shift};
use crate::model::money::Kopecks;
use crate::model::operation::{
    Kind, Operation, OperationError, Outcome, QueueItem, Slip, State, Undo,
};
use crate::model::problem::{Code, Problem};
use crate::texts::{cashier, original};

/// Most pause between tries that met no connection.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// From a question for a watched number that met no answer to the next: nobody waits for it.
const WATCH_RETRY_INTERVAL: Duration = Duration::from_secs(300);
/// Most pause between looking up what was lost, while the service answers.
const MAX_LOOK_UP_PAUSE: Duration = Duration::from_secs(5);
/// Most pause while the service answers but the money has not moved yet.
const MAX_PENDING_PAUSE: Duration = Duration::from_secs(10);
/// So many failed tries are an alarm.
const ALARM_TRIES: u32 = 6;

impl ReversalQueue {
    /// Tries the entry that is due, if one is.
    pub(super) fn tick(&mut self, turn: &mut Turn) {
        let Some((place, mut entry)) = self.take_due(turn.link, turn.now.mono) else {
            return;
        };
        if !entry.retry_asked || self.take_up_again(&mut entry, turn) {
            self.try_entry(&mut entry, turn);
        }
        self.put_back(place, entry);
    }

    /// The first request of a try.
    fn try_entry(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        if entry.is_watched() {
            return self.look_up_watched(entry, turn);
        }
        match (entry.record.reversal, entry.record.target.payment_id) {
            (ReversalProgress::Known(payment_id), _) => {
                self.look_at_reversal(entry, payment_id, turn)
            }
            // No disk is believed: a refund from before the restart may have left.
            (ReversalProgress::NotSent, _) if entry.record.is_refund() && entry.may_have_left => {
                self.look_up_reversal(entry, turn);
            }
            (ReversalProgress::NotSent, _) if entry.record.is_refund() => {
                self.reverse(entry, true, turn);
            }
            (ReversalProgress::Sent, _) if entry.record.is_refund() || entry.refusal.is_some() => {
                self.look_up_reversal(entry, turn);
            }
            (ReversalProgress::NotSent, Some(_)) if entry.acts_first() => {
                self.reverse(entry, true, turn);
            }
            (ReversalProgress::NotSent | ReversalProgress::Sent, Some(payment_id)) => {
                self.look(entry, payment_id, turn);
            }
            (ReversalProgress::NotSent | ReversalProgress::Sent, None) => {
                self.look_up_target(entry, turn)
            }
        }
    }

    /// Asks once more for numbers that were absent, or refused.
    fn look_up_watched(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        let call = if entry.record.watches_reversal() {
            reversal_look_up(&entry.record, turn)
        } else {
            target_look_up(&entry.record.target, turn)
        };
        let subjects = entry.first_question();
        let id = &entry.record.operation.id;
        let request = turn.question(id, call, subjects);
        entry.stage = Stage::Rechecking { request };
    }

    fn look_up_target(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        let subjects = vec![entry.target_subject()];
        if !may_ask(entry, &subjects, turn) {
            return;
        }
        let call = target_look_up(&entry.record.target, turn);
        let request = turn.question(&entry.record.operation.id, call, subjects);
        entry.stage = Stage::LookingUp {
            request,
            asked_at: turn.now.mono,
        };
    }

    /// The newest entry's reversal leaves in this very step: the cashier waits for it.
    pub(super) fn reverse_at_once(&mut self, turn: &mut Turn) {
        let Some(mut entry) = self.pop() else {
            return;
        };
        if self.blocking().next().is_none() {
            self.reverse(&mut entry, false, turn);
        } else {
            turn.write_entry(&mut entry.record, "queued");
        }
        self.push(entry);
    }

    fn look(&mut self, entry: &mut ActiveReversal, payment_id: i64, turn: &mut Turn) {
        if entry.asks_report && entry.is_of_ours() {
            return self.look_up_target(entry, turn);
        }
        let subjects = vec![entry.target_subject()];
        if !may_ask(entry, &subjects, turn) {
            return;
        }
        let call = Call::Payment { payment_id };
        let request = turn.question(&entry.record.operation.id, call, subjects);
        entry.stage = Stage::Looking { request };
    }

    fn look_at_reversal(&mut self, entry: &mut ActiveReversal, payment_id: i64, turn: &mut Turn) {
        if entry.asks_report {
            return self.look_up_reversal(entry, turn);
        }
        let subjects = entry.reversal_subjects();
        if !may_ask(entry, &subjects, turn) {
            return;
        }
        let call = Call::Payment { payment_id };
        let request = turn.question(&entry.record.operation.id, call, subjects);
        entry.stage = Stage::LookingAtReversal { request };
    }

    /// Whether the service answers anything at all.
    fn probe_line(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        let call = Call::Probe {
            shift: shift::of_day(turn.now.wall),
        };
        let request = turn.request(&entry.record.operation.id, call);
        entry.stage = Stage::Probing { request };
    }

    /// Under its own shift, its target's, and that of the sale where the target is a refund.
    fn look_up_reversal(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        let subjects = entry.reversal_subjects();
        if !may_ask(entry, &subjects, turn) {
            return;
        }
        let call = reversal_look_up(&entry.record, turn);
        let request = turn.question(&entry.record.operation.id, call, subjects);
        entry.stage = Stage::LookingUpReversal {
            request,
            asked_at: turn.now.mono,
        };
    }

    /// The sale of a refund that has waited, when an earlier reversal that was found late has taken what the
    /// refund was to give back: "never more than is left".
    fn sale_without_rest(&self, entry: &ActiveReversal) -> Option<String> {
        let of = entry.record.operation.of.as_ref();
        let sale = self.target(of.filter(|_| entry.record.is_refund())?)?;
        let sale = sale.operation();
        let is_gone = sale.undo == Some(Undo::Done) || !sale.overdrawn.is_zero();
        is_gone.then(|| sale.id.clone())
    }

    /// A cancellation is asked for once more, and an earlier refund was found meanwhile that has taken more than
    /// the rest: "never more than is left". The service would refuse the sum of before.
    fn lower_to_rest(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        let of = entry.record.operation.of.clone();
        let sale = of.as_ref().and_then(|of| self.target(of));
        let overdrawn = sale.map_or(Kopecks::ZERO, |sale| sale.operation().overdrawn);
        let less = overdrawn.min(entry.record.operation.amount);
        if less.is_zero() {
            return;
        }
        let rest = entry.record.operation.amount.saturating_sub(less);
        entry.record.operation.amount = rest;
        let what = "its cancellation asks for what a late refund has left";
        self.change_target(of.as_deref(), what, turn, |sale| {
            give_back_to_left(sale, less);
        });
    }

    /// The one place from which a reversal leaves: its intent is written first.
    fn reverse(&mut self, entry: &mut ActiveReversal, knew_paid: bool, turn: &mut Turn) {
        let Some(payment_id) = entry.record.target.payment_id else {
            return;
        };
        if let Some(sale) = self.sale_without_rest(entry) {
            let error = messages::nothing_left_to_refund(&sale);
            let what = "what it was to give back went back otherwise";
            return self.fail_entry(entry, error, what, turn);
        }
        self.lower_to_rest(entry, turn);
        if entry.record.operation.amount.is_zero() {
            let message = messages::of_entry(entry.record.operation.kind, State::Done);
            return self.conclude(entry, message, "nothing is left to bring back", turn);
        }
        entry.refusal = None;
        // A refund was looked for first; what may have left of a cancellation still may have been carried out.
        entry.may_have_left &= !entry.record.is_refund();
        entry.has_sent_anew = true;
        entry.record.resent = entry.record.reversal == ReversalProgress::Sent;
        entry.record.reversal = ReversalProgress::Sent;
        let first = !std::mem::replace(&mut entry.record.sent_once, true);
        if first && !entry.record.is_refund() {
            entry.record.operation.shift = shift_of_cancellation(&entry.record, turn);
        }
        let message = messages::of_entry(entry.record.operation.kind, State::InProgress);
        entry.set(State::InProgress, message, turn.now);
        turn.write_entry(&mut entry.record, "the reversal is being sent");
        turn.show_for(entry, Scene::Checking);
        let operation = &entry.record.operation;
        let call = Call::Reverse {
            payment_id,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            // The lines of a sale are those of its whole sum.
            receipt: entry.record.receipt.clone().filter(|_| {
                entry.record.is_refund() || operation.amount == entry.record.target.sum
            }),
        };
        let request = turn.request(&operation.id, call);
        entry.stage = Stage::Reversing { request, knew_paid };
    }

    /// Takes up an end that a report has put in doubt.
    pub(super) fn recheck(&mut self, entry: ReversalRecord, targets: Vec<Record>, turn: &Turn) {
        let now = turn.now;
        let known = |live: &ActiveReversal| live.record.operation.id == entry.operation.id;
        if let Some(live) = self.iter_mut().find(|live| known(live)) {
            // One that a person is to decide, and that no question is planned for, is asked for all the same.
            if live.record.set_aside && live.record.rechecks.is_empty() && !live.retry_asked {
                live.record.rechecks = vec![now.wall];
            }
            if live.stage == Stage::Waiting && live.is_watched() {
                live.next_at = now.mono;
            }
            return;
        }
        // What has a reversal was carried out, or is counted as a late one already; but a refund may have been carried
        // out more than once. A person's word that it was not carried out was true when he looked.
        let is_known = matches!(entry.reversal, ReversalProgress::Known(_));
        let counts_copies = entry.is_refund() && is_known;
        let is_decided = entry.settled.is_some() || is_known;
        let is_asked_for = counts_copies || entry.is_closed_as_not_carried_out();
        if entry.is_live() || is_decided && !is_asked_for {
            return;
        }
        for target in targets {
            self.hold(target, turn);
        }
        let mut record = match self.target(&entry.operation.id) {
            Some(Record::Entry(held)) => held.as_ref().clone(),
            Some(Record::Sale(_)) | None => entry,
        };
        record.rechecks = vec![now.wall];
        let live = ActiveReversal::live(record, turn.now.mono, turn);
        self.push(live);
    }
}

/// Whether a question may leave now; else the entry waits, and its try begins again then.
fn may_ask(entry: &mut ActiveReversal, subjects: &[Subject], turn: &Turn) -> bool {
    let free = turn.link.free_at(subjects);
    if free <= turn.now.mono {
        return true;
    }
    entry.stage = Stage::Waiting;
    entry.next_at = free;
    false
}

fn target_look_up(target: &Target, turn: &Turn) -> Call {
    let order_numbers = vec![target.order_number.clone()];
    let shifts = [target.shift.as_str(), &target.sale_shift];
    Call::LookUp {
        shifts: shift::around(&shifts),
        witnesses: turn.witnesses.of(&shifts, &order_numbers, turn.now.mono),
        order_numbers,
    }
}

fn reversal_look_up(record: &ReversalRecord, turn: &Turn) -> Call {
    let (target, own) = (&record.target, record.operation.shift.as_str());
    let shifts = [own, &target.shift, &target.sale_shift];
    let order_numbers = record.order_numbers();
    Call::LookUp {
        shifts: shift::around(&shifts),
        witnesses: turn.witnesses.of(&shifts, &order_numbers, turn.now.mono),
        order_numbers,
    }
}

/// What the till names; else its present shift, if it names its shifts; else the day.
fn shift_of_cancellation(record: &ReversalRecord, turn: &Turn) -> String {
    let named = match &record.request {
        ReversalRequest::Cancellation(request) => request.shift.as_ref(),
        ReversalRequest::Refund(_) | ReversalRequest::Own => None,
    };
    let present = named.or(turn.own_shift.as_ref());
    present.map_or_else(|| shift::of_day(turn.now.wall), String::clone)
}

/// After a refusal the number is asked for when the settling time is over, and then as every absent one.
pub(super) fn plan_rechecks_of_refusal(record: &mut ReversalRecord, settle: Duration, now: Now) {
    let settle = SignedDuration::try_from(settle).unwrap_or_default();
    record.rechecks = [settle]
        .iter()
        .chain(&RECHECKS)
        .filter_map(|wait| now.wall.checked_add(*wait).ok())
        .collect();
    record.rechecks.sort();
}
