//! What a person does with an entry: has it tried now, or closes it.

use super::*;
use crate::core::reversal::target::{count_cancellation, give_back_unless_undone, undo_without};
use crate::model::money::Kopecks;
use crate::model::operation::{Outcome, Verdict};

impl ReversalQueue {
    pub(in crate::core) fn retry_entry(&mut self, ticket: Ticket, id: &str, turn: &mut Turn) {
        let is_it =
            |entry: &ActiveReversal| entry.record.operation.id == id && entry.record.is_live();
        let Some((place, mut entry)) = self.take(is_it) else {
            let is_over = self.find(id);
            let is_over = is_over.is_some_and(|entry| entry.record.needs_review);
            let problem = if is_over {
                Code::Conflict.problem(cashier::SHOWN_AS_MADE, cashier::SHOWN_AS_MADE_REMEDY)
            } else {
                not_in_queue()
            };
            return turn.reply(ticket, TillReply::Queue(Err(problem)));
        };
        let answer = self.retry(&mut entry, turn);
        self.put_back(place, entry);
        turn.reply(ticket, TillReply::Queue(answer));
    }

    fn retry(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) -> Result<QueueItem, Problem> {
        if entry.record.set_aside {
            // It blocks nothing until its first question may leave.
            self.check_retry(entry)?;
            entry.retry_asked = !entry.is_of_other_account;
        }
        entry.pause = BACKOFF;
        if entry.stage == Stage::Waiting {
            entry.next_at = turn.now.mono;
        }
        entry.record.next_try = Some(turn.now.wall);
        turn.write_entry(&mut entry.record, "a person asked for another try");
        Ok(entry.record.queue_item())
    }

    /// Whether a set-aside entry may be tried again; what stands in the way is named.
    fn check_retry(&self, entry: &ActiveReversal) -> Result<(), Problem> {
        let of = entry.record.operation.of.as_deref();
        let target = of.and_then(|of| self.target(of)).map(Record::operation);
        if let Some(sale) = target.and_then(|target| self.undone_sale_of(target)) {
            return Err(crate::core::reversal::target::sale_undone(sale));
        }
        if let Some(of) = of.filter(|_| !entry.record.is_refund()) {
            self.check_no_doubt(of)?;
            self.check_nothing_held(of)?;
        }
        let is_over = target.is_some_and(|target| {
            target.left == Some(Kopecks::ZERO) || target.undo == Some(Undo::Done)
        });
        if entry.is_denied() && is_over {
            let is_refund = target.is_some_and(|target| target.kind == Kind::Refund);
            let message = if is_refund {
                cashier::NOTHING_LEFT_OF_REFUND
            } else {
                cashier::NOTHING_LEFT_TO_UNDO
            };
            return Err(Code::Conflict.problem(message, cashier::NOTHING_LEFT_TO_UNDO_REMEDY));
        }
        Ok(())
    }

    /// The try that a person asked for begins: a set-aside entry blocks again, and takes again what its refusal
    /// gave back. Answers whether it may.
    pub(super) fn take_up_again(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) -> bool {
        entry.retry_asked = false;
        // Something else may have come between.
        if self.check_retry(entry).is_err() {
            return false;
        }
        let of = entry.record.operation.of.clone();
        let denied = entry.is_denied();
        let target = of.as_ref().and_then(|of| self.target(of));
        let left = target.and_then(|target| target.operation().left);
        // All that is owed is brought back, or the rest could neither be refunded nor cancelled afterwards.
        if let Some(left) = left.filter(|_| denied) {
            entry.record.operation.amount = left;
        }
        let amount = entry.record.operation.amount;
        entry.record.set_aside = false;
        entry.record.rechecks.clear();
        entry.end_errors();
        // What the service refused hours ago, it may carry out now.
        entry.refusal = None;
        // A person's try closes the till no second time for an hour.
        (entry.is_last_try, entry.has_sent_anew) = (true, false);
        entry.record.operation.error = None;
        entry.record.queued_once = true;
        if entry.record.is_refund() {
            entry.doubt(turn.now);
            turn.write_entry(&mut entry.record, "tried again");
            return true;
        }
        entry.record.operation.undo = Some(Undo::Pending);
        entry.set(State::Queued, original::CANCEL_QUEUED, turn.now);
        turn.write_entry(&mut entry.record, "tried again");
        self.change_target(
            of.as_deref(),
            "its undoing is tried again",
            turn,
            |target| {
                target.undo = Some(Undo::Pending);
                if denied {
                    take_from_left(target, amount);
                }
            },
        );
        true
    }

    pub(in crate::core) fn settle_entry(
        &mut self,
        ticket: Ticket,
        id: &str,
        verdict: &Verdict,
        turn: &mut Turn,
    ) {
        let is_it = |entry: &ActiveReversal| entry.record.operation.id == id;
        let Some((place, mut entry)) = self.take(is_it) else {
            return turn.reply(ticket, TillReply::Queue(Err(not_in_queue())));
        };
        let answer = self.settle(&mut entry, verdict, turn);
        if answer.is_ok() {
            self.copy_to_target(&entry.record);
            self.settled(id);
        } else {
            self.put_back(place, entry);
        }
        turn.reply(ticket, TillReply::Queue(answer));
    }

    /// A person closes a set-aside entry, or one of an account that is gone, and says what has happened.
    fn settle(
        &mut self,
        entry: &mut ActiveReversal,
        verdict: &Verdict,
        turn: &mut Turn,
    ) -> Result<QueueItem, Problem> {
        if entry.record.needs_review && !entry.record.is_live() {
            return Ok(self.review(entry, verdict, turn));
        }
        // A refund that holds a part of its sale and cannot be asked for would hold it for ever.
        let is_held = entry.is_overdue && entry.record.left_held_until.is_some();
        if !entry.record.is_live() && !is_held {
            return Err(not_in_queue());
        }
        if !entry.record.set_aside && !entry.is_of_other_account && !is_held {
            let (message, remedy) = if entry.record.is_refund() {
                (
                    cashier::REFUND_STILL_TRIED,
                    cashier::REFUND_STILL_TRIED_REMEDY,
                )
            } else {
                (cashier::STILL_TRIED, cashier::STILL_TRIED_REMEDY)
            };
            return Err(Code::Busy.problem(message, remedy));
        }
        // A restored sale waits for it a moment longer, and takes what becomes of it then.
        if turn.attended.awaits(entry) {
            return Err(Code::Busy.problem(
                cashier::SALE_WAITS_FOR_IT,
                cashier::REPEAT_IN_A_MINUTE_REMEDY,
            ));
        }
        // What was denied and set aside has given back what it had taken of its target.
        let holds_left = entry.record.is_refund()
            || !entry.record.set_aside
            || entry.record.reversal != ReversalProgress::NotSent;
        let is_carried_out = verdict.outcome == Outcome::CarriedOut;
        if !entry.record.set_aside {
            // Nobody finds out any more what the error of a doubt promises to.
            entry.record.operation.error = None;
        }
        entry.record.settled = Some(messages::support_text(&verdict.reason));
        entry.record.outcome = Some(verdict.outcome);
        entry.record.rechecks.clear();
        entry.record.left_held_until = None;
        entry.record.next_try = None;
        let kind = entry.record.operation.kind;
        // A refund is `done` only for status 1 of a payment that is ours: a person's word is reported as such.
        let state = if is_carried_out && kind != Kind::Refund {
            State::Done
        } else {
            State::Failed
        };
        if entry.record.request == ReversalRequest::Own {
            let undo = is_carried_out.then_some(Undo::Done);
            entry.record.operation.undo = undo.or(Some(Undo::SetAside));
        } else {
            entry.record.operation.undo = None;
        }
        entry.set(state, messages::settled(kind, verdict.outcome), turn.now);
        turn.write_entry(&mut entry.record, "closed by a person");
        self.settle_target(entry, is_carried_out, holds_left, turn);
        Ok(entry.record.queue_item())
    }

    /// A person has seen that it went otherwise than was reported to the till. The books follow what the service has
    /// shown already; where the service does not stand to it, they follow the person's word.
    fn review(
        &mut self,
        entry: &mut ActiveReversal,
        verdict: &Verdict,
        turn: &mut Turn,
    ) -> QueueItem {
        let record = &mut entry.record;
        record.needs_review = false;
        record.rechecks.clear();
        record.settled = Some(messages::support_text(&verdict.reason));
        // Of a cancellation nothing but that it came late wants to be seen.
        let is_late = record.operation.state == State::Failed || !record.is_refund();
        if is_late {
            record.outcome = Some(verdict.outcome);
            record.operation.error = None;
        }
        let (kind, amount) = (record.operation.kind, record.operation.amount);
        let mut count = 0;
        if verdict.outcome == Outcome::NotCarriedOut {
            count = usize::from(is_late) + record.copies.len();
            record.copies.clear();
            record.operation.left = record.operation.left.filter(|_| !is_late);
            let message = if is_late {
                messages::settled(kind, verdict.outcome)
            } else {
                messages::of_entry(kind, State::Done)
            };
            message.clone_into(&mut record.operation.message);
            if record.request == ReversalRequest::Own {
                record.operation.undo = Some(Undo::SetAside);
            }
        }
        record.operation.updated_at = turn.now.wall;
        turn.write_entry(record, "seen by a person");
        let item = record.queue_item();
        let of = entry.record.operation.of.clone();
        if count > 0 && kind == Kind::Refund {
            let what = "what was counted of its refund did not reach the buyer";
            self.change_target(of.as_deref(), what, turn, |sale| {
                for _ in 0..count {
                    give_back_unless_undone(sale, amount, true);
                }
            });
        } else if count > 0 {
            self.uncount_cancellation(of.as_deref(), amount, turn);
        }
        item
    }

    /// A cancellation that was found late did not bring the money back after all: its target has it again, and a sale
    /// that ended as not paid owes it to its buyer ("no end ever leaves `undo: null` where something was owed").
    fn uncount_cancellation(&mut self, of: Option<&str>, amount: Kopecks, turn: &mut Turn) {
        let mut sale_of_refund = None;
        let what = "what was counted of its cancellation did not come back";
        self.change_target(of, what, turn, |target| {
            give_back_to_left(target, amount);
            // What another cancellation has undone, or is to undo, stays so.
            let is_owed =
                target.undo.is_none() || target.undo == Some(Undo::Done) && target.left.is_none();
            if target.state != State::Done && is_owed {
                target.undo = Some(Undo::SetAside);
            }
            if target.kind == Kind::Refund {
                sale_of_refund.clone_from(&target.of);
            }
        });
        let what = "the buyer has kept its refund";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            take_from_left(sale, amount);
        });
    }

    /// The books of what was reversed follow a person's word.
    fn settle_target(
        &mut self,
        entry: &ActiveReversal,
        is_carried_out: bool,
        holds_left: bool,
        turn: &mut Turn,
    ) {
        let operation = &entry.record.operation;
        let (amount, is_refund) = (operation.amount, entry.record.is_refund());
        let (mut sale_of_refund, mut brought_back) = (None, amount);
        let is_cancelled_late = self.is_cancelled_late(operation.of.as_deref());
        self.change_target(
            operation.of.as_deref(),
            "a person closed its reversal",
            turn,
            |target| {
                if !is_carried_out && holds_left {
                    give_back_unless_undone(target, amount, is_refund);
                }
                if is_refund {
                    return;
                }
                if is_carried_out {
                    brought_back = count_cancellation(target, amount, holds_left);
                }
                let is_over = target.has_nothing_left();
                target.undo = if is_carried_out {
                    is_over.then_some(Undo::Done)
                } else {
                    undo_without(target, is_cancelled_late)
                };
                if is_carried_out && target.kind == Kind::Refund {
                    sale_of_refund.clone_from(&target.of);
                }
            },
        );
        let what = "a person closed the cancellation of its refund";
        self.change_target(sale_of_refund.as_deref(), what, turn, |sale| {
            give_back_to_left(sale, brought_back);
        });
    }
}

fn not_in_queue() -> Problem {
    Code::NotFound.problem(cashier::NOT_IN_QUEUE, cashier::NOT_IN_QUEUE_REMEDY)
}
