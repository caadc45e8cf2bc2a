//! How an entry ends, and what of it is written to its target in the same transaction.

use std::collections::BTreeSet;

use super::*;
use crate::core::record::MAX_COPIES;
use crate::core::reversal::target::{give_back_unless_undone, undo_without};
use crate::core::sale::UndoingEnd;
use crate::core::sale::completion::deciding;

/// One question less. The next one keeps its planned distance, though a clock that was set on would have
/// it now: what took effect late must have time to be seen.
fn put_off(record: &mut ReversalRecord, now: Now) {
    let distance = match record.rechecks.as_slice() {
        [first, next, ..] => next.duration_since(*first),
        [] | [_] => SignedDuration::ZERO,
    };
    record.rechecks = record.rechecks.split_off(record.rechecks.len().min(1));
    if let Some(next) = record.rechecks.first_mut() {
        let soonest = now.wall.checked_add(distance);
        *next = soonest.map_or(*next, |soonest| soonest.max(*next));
    }
}

impl ReversalQueue {
    /// The undoing is over.
    pub(super) fn conclude(
        &mut self,
        entry: &mut ActiveReversal,
        message: &str,
        what: &str,
        turn: &mut Turn,
    ) {
        turn.show_for(entry, Scene::Cancelled);
        turn.end_show(entry);
        entry.stage = Stage::Waiting;
        entry.record.next_try = None;
        entry.record.last_error = None;
        // One that had been set aside is so no more.
        let is_own = entry.record.request == ReversalRequest::Own;
        entry.record.operation.undo = is_own.then_some(Undo::Done);
        entry.record.operation.error = None;
        entry.set(State::Done, message, turn.now);
        turn.write_entry(&mut entry.record, what);
        if turn.end_undoing(entry, UndoingEnd::Undone) {
            return;
        }
        let of = entry.record.operation.of.clone();
        let amount = entry.record.operation.amount;
        let mut sale_of_refund = None;
        self.change_target(of.as_deref(), "undone", turn, |target| {
            // Undone is what nothing is left of; the rest can be refunded or cancelled yet.
            let is_over = target.has_nothing_left();
            target.undo = is_over.then_some(Undo::Done);
            if target.kind == Kind::Refund {
                sale_of_refund.clone_from(&target.of);
            }
        });
        self.change_target(
            sale_of_refund.as_deref(),
            "its refund was cancelled",
            turn,
            |sale| give_back_to_left(sale, amount),
        );
    }

    /// The service refuses for good: a person must look.
    pub(in crate::core) fn set_aside(
        &mut self,
        entry: &mut ActiveReversal,
        what: &str,
        turn: &mut Turn,
    ) {
        turn.show_for(entry, Scene::NotCompleted);
        turn.end_show(entry);
        entry.stage = Stage::Waiting;
        // It waits for a person, and must not wake others whenever an answer comes.
        entry.wants_connection = false;
        entry.record.set_aside = true;
        entry.record.next_try = None;
        let detail = entry.record.last_error.clone();
        let message = match entry.record.reversal {
            _ if entry.record.is_refund() => cashier::REFUND_SET_ASIDE,
            ReversalProgress::NotSent if entry.is_beside() && !entry.record.sent_once => {
                cashier::SECOND_PAYMENT
            }
            ReversalProgress::Known(_) => cashier::NOT_FINISHED,
            ReversalProgress::NotSent | ReversalProgress::Sent => cashier::SET_ASIDE,
        };
        let error = messages::set_aside(message, detail.as_deref().unwrap_or(what));
        entry.record.operation.error = Some(error);
        turn.alarm(&entry.record.operation.id, format!("set aside: {what}"));
        if entry.record.is_refund() {
            entry.set(State::InDoubt, message, turn.now);
            return turn.write_entry(&mut entry.record, what);
        }
        entry.record.operation.undo = Some(Undo::SetAside);
        entry.set(State::Queued, message, turn.now);
        turn.write_entry(&mut entry.record, what);
        if turn.end_undoing(entry, UndoingEnd::SetAside) {
            return;
        }
        let (of, amount) = (
            entry.record.operation.of.clone(),
            entry.record.operation.amount,
        );
        let denied = entry.record.reversal == ReversalProgress::NotSent;
        let is_cancelled_late = self.is_cancelled_late(of.as_deref());
        self.change_target(of.as_deref(), "its undoing was set aside", turn, |target| {
            target.undo = Some(Undo::SetAside);
            if denied {
                give_back_to_left(target, amount);
            }
            // What a late cancellation has undone is undone, and stays so when a person closes this one.
            if is_cancelled_late && target.has_nothing_left() {
                target.undo = Some(Undo::Done);
            }
        });
    }

    /// What the till asked for was not carried out, and nothing of it is in doubt.
    pub(super) fn fail_entry(
        &mut self,
        entry: &mut ActiveReversal,
        error: OperationError,
        what: &str,
        turn: &mut Turn,
    ) {
        let no_connection = error.code == crate::model::operation::ErrorCode::NoConnection;
        // One that was sent is called absent only after the service has answered: it is there.
        if no_connection && !entry.record.sent_once {
            turn.link.went_down(error.code);
        }
        let scene = if no_connection && !entry.record.sent_once {
            Scene::NoConnection
        } else {
            Scene::NotCompleted
        };
        turn.show_for(entry, scene);
        turn.end_show(entry);
        entry.record.operation.error = Some(error.clone());
        self.drop_entry(entry, State::Failed, &error.message, what, turn);
    }

    /// Its target is as if it had never been asked for.
    fn drop_entry(
        &mut self,
        entry: &mut ActiveReversal,
        state: State,
        message: &str,
        what: &str,
        turn: &mut Turn,
    ) {
        entry.stage = Stage::Waiting;
        entry.record.next_try = None;
        entry.set(state, message, turn.now);
        turn.write_entry(&mut entry.record, what);
        let (of, amount) = (
            entry.record.operation.of.clone(),
            entry.record.operation.amount,
        );
        let is_refund = entry.record.is_refund();
        let holds_left = entry.record.left_held_until.is_some();
        let is_cancelled_late = self.is_cancelled_late(of.as_deref());
        self.change_target(of.as_deref(), "its reversal was not made", turn, |target| {
            if !holds_left {
                give_back_unless_undone(target, amount, is_refund);
            }
            if !is_refund {
                target.undo = undo_without(target, is_cancelled_late);
            }
        });
    }

    /// The refund is carried out.
    pub(super) fn complete_refund(
        &mut self,
        entry: &mut ActiveReversal,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) {
        let amount = entry.record.operation.amount;
        turn.show_for(entry, Scene::Refunded { amount });
        turn.end_show(entry);
        entry.stage = Stage::Waiting;
        entry.record.next_try = None;
        entry.record.last_error = None;
        entry.record.operation.error = None;
        entry.record.operation.left = Some(amount);
        entry.record.operation.slip = Some(Slip {
            payment_id: info.payment_id,
            paid_at: info.paid_text.clone(),
            amount,
            purse: info.purse.clone(),
        });
        entry.set(
            State::Done,
            messages::of_entry(Kind::Refund, State::Done),
            turn.now,
        );
        turn.write_entry(&mut entry.record, "refunded");
    }

    pub(super) fn doubt_refund(
        &mut self,
        entry: &mut ActiveReversal,
        detail: &str,
        turn: &mut Turn,
    ) {
        entry.record.last_error = Some(messages::support_text(detail));
        entry.doubt(turn.now);
        turn.write_entry(&mut entry.record, "the answer to the refund was lost");
    }

    /// A cashier changes his mind before anything left.
    pub(in crate::core) fn abort_entry(
        &mut self,
        id: &str,
        turn: &mut Turn,
    ) -> Option<crate::model::operation::Operation> {
        let unsent = |entry: &ActiveReversal| {
            entry.record.operation.id == id
                && entry.record.operation.state == State::New
                && !entry.record.sent_once
                && !entry.may_have_left
        };
        let (_, mut entry) = self.take(unsent)?;
        let message = messages::of_entry(entry.record.operation.kind, State::Cancelled);
        let what = "aborted by the cashier before anything was sent";
        self.drop_entry(&mut entry, State::Cancelled, message, what, turn);
        Some(entry.record.operation)
    }

    /// The buyer was quicker than our reversal: the sale is paid, and the till may cancel it.
    pub(super) fn paid_before_reversal(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        if !turn.end_undoing(entry, UndoingEnd::PaidFirst) {
            return;
        }
        entry.stage = Stage::Waiting;
        entry.record.next_try = None;
        entry.record.operation.undo = None;
        entry.set(State::Cancelled, cashier::PAID_FIRST, turn.now);
        let what = "the buyer paid before the reversal was sent";
        turn.write_entry(&mut entry.record, what);
    }

    /// An order number that was absent is asked for once more: absence was an assumption.
    pub(super) fn rechecked(
        &mut self,
        entry: &mut ActiveReversal,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        entry.stage = Stage::Waiting;
        let (found, gap) = match answer {
            Ok(Reply::Found(found)) => (found, None),
            Ok(Reply::Partial { found, detail }) => (found, Some(detail)),
            Ok(_) | Err(_) => {
                entry.next_at = turn.now.mono + WATCH_RETRY_INTERVAL;
                return note_unanswered(entry, turn);
            }
        };
        (entry.stuck_since, entry.is_overdue) = (None, false);
        if entry.record.set_aside && entry.record.is_live() {
            return self.set_aside_rechecked(entry, found, turn);
        }
        let is_closed =
            entry.record.settled.is_some() && !entry.record.is_closed_as_not_carried_out();
        let is_over = entry.record.operation.state == State::Done || is_closed;
        if is_over && entry.record.is_refund() {
            // A report showed a further row of it: its copies are counted, and it stays what it is.
            entry.record.rechecks.clear();
            self.note_copies(entry, found, turn);
            return turn.write_entry(&mut entry.record, "asked for again");
        }
        let watches_reversal = entry.record.watches_reversal();
        let ours = deciding(found.iter().filter(|info| {
            if watches_reversal {
                entry.is_reversal(info)
            } else {
                entry.is_target(info)
            }
        }));
        match ours {
            Some(info)
                if watches_reversal
                    && info.status != PaymentStatus::Ok
                    && !info.status.took_nothing() =>
            {
                // It has not reached the buyer, and still may.
                entry.next_at = turn.now.mono + MAX_BACKOFF;
                return;
            }
            Some(info) if watches_reversal && info.status == PaymentStatus::Ok => {
                self.reversal_found(entry, info, turn);
                self.note_copies(entry, found, turn);
            }
            Some(info) if !info.status.took_nothing() => {
                let is_first = entry.record.target.payment_id.is_none();
                self.payment_found(entry, info, turn);
                // What stands beside a payment that was known before was looked at then.
                if is_first {
                    self.undo_others(entry, found, turn);
                }
            }
            // One copy that took nothing proves nothing about another.
            Some(_) | None => {
                self.not_found_again(entry, gap, turn);
            }
        }
        if !entry.record.is_live() {
            entry.record.operation.updated_at = turn.now.wall;
            turn.write_entry(&mut entry.record, "asked for again");
            entry.plan_recheck(turn.now);
        }
    }

    /// A watched number is not there, or took nothing. `gap`: why that proves nothing. What a refund holds
    /// is given back by a whole report, or by the last question there is; a number whose absence was never
    /// proved is a person's to look for.
    fn not_found_again(
        &mut self,
        entry: &mut ActiveReversal,
        gap: Option<&String>,
        turn: &mut Turn,
    ) {
        put_off(&mut entry.record, turn.now);
        let is_last = entry.record.rechecks.is_empty();
        let held_until = entry.record.left_held_until;
        let is_over = held_until.is_some_and(|most| entry.record.rechecks.len() <= most);
        if is_over && (gap.is_none() || is_last) {
            self.release_left(entry, turn);
        }
        if let Some(gap) = gap.filter(|_| is_last) {
            let what = format!("asked for last, and its absence was not proved: {gap}");
            turn.alarm(&entry.record.operation.id, what);
        }
    }

    /// A refund that ended `failed` was not made: its sale has back what was held of it.
    fn release_left(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        if entry.record.left_held_until.take().is_none() {
            return;
        }
        let (of, amount) = (
            entry.record.operation.of.clone(),
            entry.record.operation.amount,
        );
        let what = "a refund of it was not made";
        self.change_target(of.as_deref(), what, turn, |sale| {
            give_back_unless_undone(sale, amount, true);
        });
    }

    /// A reversal that was refused and set aside is asked for once more: it may have been carried out by
    /// another copy of the request.
    fn set_aside_rechecked(
        &mut self,
        entry: &mut ActiveReversal,
        found: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        let carried_out = found
            .iter()
            .find(|info| entry.is_reversal(info) && info.status == PaymentStatus::Ok);
        let Some(info) = carried_out else {
            put_off(&mut entry.record, turn.now);
            entry.plan_recheck(turn.now);
            return turn.write_entry(&mut entry.record, "asked for again, not there");
        };
        self.take_amount_of(entry, info, turn);
        entry.record.rechecks.clear();
        entry.record.set_aside = false;
        entry.record.operation.error = None;
        // A refund never gave its part back, nor did a cancellation whose fate was unknown.
        let gave_back = entry.is_denied();
        entry.record.reversal = ReversalProgress::Known(info.payment_id);
        entry.record.operation.payment_id = Some(info.payment_id);
        if entry.record.is_refund() {
            self.complete_refund(entry, info, turn);
            return self.note_copies(entry, found, turn);
        }
        let (of, amount) = (
            entry.record.operation.of.clone(),
            entry.record.operation.amount,
        );
        let what = "a refused reversal of it was carried out after all";
        self.change_target(of.as_deref(), what, turn, |target| {
            if gave_back {
                take_from_left(target, amount);
            }
        });
        let mut message = messages::of_entry(entry.record.operation.kind, State::Done);
        let refund = of.as_deref().and_then(|of| self.target(of));
        if refund.is_some_and(|refund| self.undone_sale_of(refund.operation()).is_some()) {
            // "No end ever leaves `undo: null` where something was owed": the sale was cancelled, and has something
            // left again.
            entry.record.needs_review = true;
            message = cashier::REFUND_CANCELLED_LATE;
            let what = "it came after its sale was cancelled, of which the shop has a rest again";
            turn.alarm(&entry.record.operation.id, what);
        }
        self.conclude(entry, message, "was carried out after all", turn);
    }

    /// The payment was made after all: the undoing lives again. One that the till asked for is `done`, which is
    /// final: an undoing of the daemon's own takes its place.
    fn payment_found(&mut self, entry: &mut ActiveReversal, info: &PaymentInfo, turn: &mut Turn) {
        let payment_id = info.payment_id;
        entry.record.rechecks.clear();
        entry.record.target.payment_id = Some(payment_id);
        if entry.record.request == ReversalRequest::Own {
            entry.record.operation.undo = Some(Undo::Pending);
            entry.set(State::Queued, original::CANCEL_QUEUED, turn.now);
            (entry.pause, entry.next_at) = (BACKOFF, turn.now.mono);
            entry.record.next_try = Some(turn.now.wall);
            turn.write_entry(&mut entry.record, "found after all, live again");
        } else {
            let mut own = ActiveReversal::own_instead_of(&entry.record, turn);
            turn.write_entry(&mut own.record, "takes up what was found after all");
            self.push(own);
        }
        turn.alarm(
            &entry.record.operation.id,
            "a payment that was absent was made after all, and is reversed",
        );
        let of = entry.record.operation.of.clone();
        let what = "its lost payment was found after all";
        let amount = entry.record.operation.amount;
        let mut sale_of_refund = None;
        self.change_target(of.as_deref(), what, turn, |target| {
            target.payment_id = Some(payment_id);
            target.undo = Some(Undo::Pending);
            if target.kind == Kind::Refund {
                sale_of_refund.clone_from(&target.of);
            }
        });
        // The buyer has the refund again, until its cancellation is carried out.
        let what = "its refund was found made after all";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            take_from_left(sale, amount);
        });
    }

    /// A refund or cancellation was reported to the till as failed, and yet it was carried out. It is not taken back:
    /// it counts, and people are told.
    fn reversal_found(&mut self, entry: &mut ActiveReversal, info: &PaymentInfo, turn: &mut Turn) {
        entry.record.rechecks.clear();
        if entry.record.is_closed_as_not_carried_out() {
            reopen(&mut entry.record, info);
        }
        know_late_reversal(&mut entry.record, info);
        let (of, amount) = (
            entry.record.operation.of.clone(),
            entry.record.operation.amount,
        );
        let is_held = entry.record.left_held_until.take().is_some();
        // A person has said already of another cancellation that the money is back: it counts once, and the row of this
        // one bears that word out.
        let target = of.as_deref().and_then(|of| self.target(of));
        let is_undone = target.is_some_and(|target| is_undone(target.operation()));
        if !entry.record.is_refund() && is_undone {
            entry.record.needs_review = false;
            entry.record.operation.error = None;
            entry.record.settled =
                Some("another cancellation was closed as carried out".to_owned());
            entry.record.outcome = Some(Outcome::CarriedOut);
            return;
        }
        let whose = if entry.record.operation.kind == Kind::CancelRefund {
            "the shop has the money"
        } else {
            "the buyer has the money"
        };
        turn.alarm(
            &entry.record.operation.id,
            format!("it was reported as not made and was made after all: {whose}"),
        );
        let what = "a reversal of it was found after all";
        // As of a cancellation that ended in time; while another is in doubt, its own end reports it.
        let others = |of: &str| {
            let mut others = self.iter();
            others.any(|other| other.undoes(of) && other.is_in_doubt())
        };
        let is_cancellation = !entry.record.is_refund();
        let undoes = is_cancellation && !of.as_deref().is_some_and(others);
        let mut sale_of_refund = None;
        self.change_target(of.as_deref(), what, turn, |target| {
            if !is_held {
                take_from_left(target, amount);
            }
            if undoes && target.has_nothing_left() {
                target.undo = Some(Undo::Done);
            }
            if is_cancellation && target.kind == Kind::Refund {
                sale_of_refund.clone_from(&target.of);
            }
        });
        let what = "the cancellation of its refund was found after all";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            give_back_to_left(sale, amount);
        });
    }
}

impl ReversalQueue {
    /// A doubled request may have given a refund twice: "one number has one row" is false ("What nothing may
    /// assume"). What is over cannot be taken back by itself, so it counts off what is left of the sale, and a
    /// person has to see it.
    pub(super) fn note_copies(
        &mut self,
        entry: &mut ActiveReversal,
        found: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        let ReversalProgress::Known(own) = entry.record.reversal else {
            return;
        };
        if !entry.record.is_refund() {
            return;
        }
        // A report that lacks the refund itself is not whole, and proves nothing more of it.
        let mut rows = found.iter().filter(|info| info.payment_id == own);
        let own_type = match (rows.next(), rows.next()) {
            (Some(row), None) if row.status == PaymentStatus::Ok && entry.is_reversal(row) => {
                row.payment_type
            }
            _ => return,
        };
        let known = &entry.record.copies;
        let is_copy = |info: &&PaymentInfo| {
            entry.is_reversal(info)
                && info.status == PaymentStatus::Ok
                && info.payment_type == own_type
                && info.payment_id != own
                && !known.contains(&info.payment_id)
        };
        let copies: BTreeSet<i64> = found
            .iter()
            .filter(is_copy)
            .map(|info| info.payment_id)
            .take(MAX_COPIES.saturating_sub(known.len()))
            .collect();
        if copies.is_empty() {
            return;
        }
        let record = &mut entry.record;
        record.needs_review = true;
        cashier::REFUNDED_TWICE.clone_into(&mut record.operation.message);
        record.operation.updated_at = turn.now.wall;
        let (of, amount) = (record.operation.of.clone(), record.operation.amount);
        let count = copies.len();
        record.copies.extend(copies);
        turn.write_entry(record, "the service has carried out more than one copy");
        turn.alarm(
            &entry.record.operation.id,
            format!("further copies of it were carried out: {count}; the buyer has the money"),
        );
        let what = "a further copy of its refund was found";
        self.change_target(of.as_deref(), what, turn, |sale| {
            for _ in 0..count {
                take_from_left(sale, amount);
            }
        });
    }
}

/// A watched number that nobody can ask for is reported: the buyer may have paid for nothing, and only the merchant's
/// account shows it.
fn note_unanswered(entry: &mut ActiveReversal, turn: &mut Turn) {
    let since = *entry.stuck_since.get_or_insert(turn.now.mono);
    let is_overdue = turn.now.mono.saturating_sub(since) >= MAX_STUCK;
    if is_overdue && !std::mem::replace(&mut entry.is_overdue, true) {
        let what = "no answer for an hour to whether it was carried out after all; see the merchant's account";
        turn.alarm(&entry.record.operation.id, what);
    }
}

/// Whether nothing is left of it since a cancellation has brought it back.
fn is_undone(target: &Operation) -> bool {
    target.undo == Some(Undo::Done) && target.has_nothing_left()
}

/// What a person has closed as not carried out was carried out afterwards: the service's row is the newer word, and a
/// person is to see it.
fn reopen(record: &mut ReversalRecord, info: &PaymentInfo) {
    record.set_aside = false;
    (record.settled, record.outcome) = (None, None);
    record.operation.amount = info.sum;
    if record.request == ReversalRequest::Own {
        record.operation.undo = Some(Undo::Done);
    }
}

fn know_late_reversal(record: &mut ReversalRecord, info: &PaymentInfo) {
    record.needs_review = true;
    if record.is_refund() {
        // What the buyer has can be cancelled.
        record.operation.left = Some(record.operation.amount);
    }
    record.reversal = ReversalProgress::Known(info.payment_id);
    record.operation.payment_id = Some(info.payment_id);
    let message = match record.operation.kind {
        Kind::Refund => cashier::REFUNDED_LATE,
        Kind::CancelRefund => cashier::REFUND_CANCELLED_LATE,
        Kind::Sale | Kind::Cancel | Kind::Annul | Kind::Card => cashier::CANCELLED_LATE,
    };
    message.clone_into(&mut record.operation.message);
}
