//! What the service shows of the reversal itself: found in a report, asked for by its number, or refused.

use super::answers::{know_reversal, plan_rechecks, put_off, renumber};
use super::*;
use crate::core::sale::completion::deciding;

impl ReversalQueue {
    /// `gap`: why what was not found is not absent.
    pub(super) fn reversal_looked_up(
        &mut self,
        entry: &mut ActiveReversal,
        asked_at: Duration,
        found: &[PaymentInfo],
        gap: Option<&String>,
        turn: &mut Turn,
    ) {
        // One that was carried out or will be decides; else the present number's own fate.
        let ours = || found.iter().filter(|info| entry.is_reversal(info));
        let present = &entry.record.operation.order_number;
        let lives = |info: &&PaymentInfo| !info.status.took_nothing();
        let best = deciding(ours().filter(lives))
            .or_else(|| ours().find(|info| info.order_number == *present));
        if let Some(info) = best {
            self.take_amount_of(entry, info, turn);
            know_reversal(entry, info);
            self.judge_reversal(entry, info, turn);
            return self.note_copies(entry, found, turn);
        }
        if found.iter().any(|info| info.order_number == *present) {
            let detail = "the order number belongs to another reversal";
            return self.answered_error(entry, detail, turn);
        }
        // Neither an absence nor a refusal is believed for want of a row in a report that is not whole: the
        // entry asks again, and is set aside when that lasts too long.
        if let Some(gap) = gap {
            return self.answered_error(entry, gap, turn);
        }
        if let Some(refusal) = entry.refusal.take() {
            return self.believe_refusal(entry, &refusal, turn);
        }
        let conclusive_from = entry.reversal_lost_at + turn.settings.settle;
        if let ReversalProgress::Known(_) = entry.record.reversal {
            entry.asks_report = false;
            let detail = "the reversal can neither be asked for nor found in the report";
            return self.answered_error(entry, detail, turn);
        }
        if asked_at < conclusive_from {
            put_off(entry, turn);
            entry.later(MAX_LOOK_UP_PAUSE, Some(conclusive_from), turn.now);
            return turn.write_entry(&mut entry.record, "the reversal was not found yet");
        }
        if entry.record.reversal == ReversalProgress::NotSent {
            // It never left, so it may leave now.
            return self.reverse(entry, true, turn);
        }
        if entry.record.is_refund() {
            plan_rechecks(&mut entry.record, turn.now);
            entry.record.left_held_until = Some(RECHECKS_WITHOUT_RESERVE);
            self.fail_entry(
                entry,
                messages::refund_absent(),
                "conclusively absent",
                turn,
            );
            return entry.plan_recheck(turn.now);
        }
        // It leaves again and again, and nothing comes of it.
        if entry.is_lost_for_long(turn.now) {
            return self.set_aside(entry, "the reversal is never carried out", turn);
        }
        self.reverse(entry, entry.saw_paid, turn);
    }

    /// The report does not hold what the service refused: people are told at once, and the number is
    /// asked for again.
    pub(super) fn believe_refusal(
        &mut self,
        entry: &mut ActiveReversal,
        refusal: &Refusal,
        turn: &mut Turn,
    ) {
        if !entry.record.is_refund() {
            if matches!(refusal.failure, Failure::Token { .. }) {
                // "Token errors refuse a new request, never a queued one": it leaves again with a token that is
                // taken.
                if !entry.record.resent {
                    entry.record.reversal = ReversalProgress::NotSent;
                }
                if entry.may_still_be_refused() {
                    return self.refuse_for_token(entry, &refusal.failure, turn);
                }
                entry.was_refused_for_token = true;
                return self.try_failed(entry, &refusal.failure, turn);
            }
            return self.denied(entry, refusal.knew_paid, turn);
        }
        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        // Two witnesses show that nothing moved; after the settling time the sale has its part back.
        entry.record.left_held_until = Some(RECHECKS.len());
        let error = messages::of_failure(&refusal.failure);
        self.fail_entry(entry, error, "the refund was refused", turn);
        entry.plan_recheck(turn.now);
    }

    /// A cancellation that was sent and refused for the token ends as not made; a copy of it may have been carried out,
    /// so its number is watched as that of any refusal.
    fn refuse_for_token(&mut self, entry: &mut ActiveReversal, failure: &Failure, turn: &mut Turn) {
        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        let error = messages::of_failure(failure);
        self.fail_entry(entry, error, "refused for the token", turn);
        entry.plan_recheck(turn.now);
    }

    pub(super) fn judge_reversal(
        &mut self,
        entry: &mut ActiveReversal,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) {
        if !entry.is_reversal(info) {
            let detail = "the answer belongs to another reversal";
            return self.answered_error(entry, detail, turn);
        }
        entry.wants_connection = false;
        let fact = crate::core::sale::completion::status_fact(info.status);
        match info.status {
            PaymentStatus::Ok => {
                if entry.record.is_refund() {
                    return self.complete_refund(entry, info, turn);
                }
                let message = messages::of_entry(entry.record.operation.kind, State::Done);
                self.conclude(entry, message, "the reversal was carried out", turn);
            }
            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => {
                self.still_pending(entry, &fact, turn);
            }
            PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling
                if entry.record.is_refund() =>
            {
                entry.record.reversal = ReversalProgress::NotSent;
                let error = messages::refund_denied(info.status, &fact);
                self.fail_entry(entry, error, &fact, turn);
            }
            // A person has it tried once more, and the old reversal has been denied meanwhile: another leaves.
            PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling
                if entry.is_last_try && !entry.has_sent_anew =>
            {
                renumber(entry, turn);
                entry.stage = Stage::Waiting;
                entry.next_at = turn.now.mono;
                turn.write_entry(&mut entry.record, "the old reversal was denied");
            }
            // The buyer's purse lacks what the shop wants back: only people can settle that.
            PaymentStatus::NotEnough | PaymentStatus::Decline => {
                renumber(entry, turn);
                entry.record.last_error = Some(fact);
                self.set_aside(entry, "the reversal was refused", turn);
            }
            PaymentStatus::Timeout | PaymentStatus::TechnicalCancelling => {
                renumber(entry, turn);
                self.answered_error(entry, &format!("the reversal failed: {fact}"), turn);
            }
        }
    }

    /// The reversal is not final. One that never will be must not close the shop: after the patience that
    /// errors have, a person looks, and the till sells on.
    fn still_pending(&mut self, entry: &mut ActiveReversal, fact: &str, turn: &mut Turn) {
        if entry.is_pending_for_long(turn.now) {
            entry.record.last_error = Some(fact.to_owned());
            return self.set_aside(entry, "the reversal stays pending", turn);
        }
        // A cashier waits for it as long as for any answer, and a buyer behind him no longer.
        let since = entry.pending_since.unwrap_or(turn.now.mono);
        if turn.now.mono.saturating_sub(since) >= turn.settings.timeout {
            put_off(entry, turn);
        }
        entry.later(MAX_PENDING_PAUSE, None, turn.now);
        turn.write_entry(&mut entry.record, "the reversal is pending");
    }

    /// A reversal under an earlier number was carried out, when a person's try had asked for another sum since: what
    /// is left of the target follows what has moved. Of what is denied and set aside nothing is taken.
    pub(super) fn take_amount_of(
        &mut self,
        entry: &mut ActiveReversal,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) {
        let before = std::mem::replace(&mut entry.record.operation.amount, info.sum);
        let gave_back = entry.record.set_aside && entry.is_denied();
        if before == info.sum || gave_back || info.status.took_nothing() {
            return;
        }
        let of = entry.record.operation.of.clone();
        let sum = info.sum;
        let what = "its reversal was carried out with another sum";
        self.change_target(of.as_deref(), what, turn, |target| {
            give_back_to_left(target, before);
            take_from_left(target, sum);
        });
    }
}
