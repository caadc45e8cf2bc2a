//! What each answer of the service means for an entry.

use super::*;
use crate::core::sale::completion::deciding;

impl ReversalQueue {
    /// Routes an answer to the entry that waits for it, if one does.
    pub(in crate::core) fn answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let waits = |entry: &ActiveReversal| entry.stage.request() == Some(request);
        let Some((place, mut entry)) = self.take(waits) else {
            return;
        };
        match (entry.stage, answer) {
            (Stage::LookingUp { asked_at, .. }, Ok(Reply::Found(found))) => {
                self.target_looked_up(&mut entry, asked_at, found, turn);
            }
            (Stage::LookingUp { .. }, Ok(Reply::Partial { detail, .. })) => {
                self.answered_error(&mut entry, detail, turn);
            }
            (Stage::Rechecking { .. }, answer) => self.rechecked(&mut entry, answer, turn),
            (Stage::Looking { .. }, Ok(Reply::Payment(info))) if is_target_of(info, &entry) => {
                self.judge(&mut entry, info.status, turn);
            }
            (Stage::Probing { .. }, answer) => self.probed(&mut entry, answer, turn),
            (Stage::Looking { .. } | Stage::LookingAtReversal { .. }, Err(failure))
                if cannot_be_asked_for(failure) && !entry.asks_report =>
            {
                self.ask_report_instead(&mut entry, failure, turn);
            }
            (Stage::Reversing { .. }, answer) if entry.record.is_refund() => {
                self.refunded(&mut entry, answer, turn);
            }
            (Stage::Reversing { knew_paid, .. }, answer) => {
                self.reversed(&mut entry, knew_paid, answer, turn);
            }
            (Stage::LookingUpReversal { asked_at, .. }, Ok(Reply::Found(found))) => {
                self.reversal_looked_up(&mut entry, asked_at, found, None, turn);
            }
            (Stage::LookingUpReversal { asked_at, .. }, Ok(Reply::Partial { found, detail })) => {
                self.reversal_looked_up(&mut entry, asked_at, found, Some(detail), turn);
            }
            (Stage::LookingAtReversal { .. }, Ok(Reply::Payment(info))) => {
                self.judge_reversal(&mut entry, info, turn);
            }
            (Stage::LookingUpReversal { .. }, Err(Failure::Token { .. }))
                if entry.is_refused_for_token() =>
            {
                // With a token that is not taken the report cannot be asked either.
                if let Some(refusal) = entry.refusal.take() {
                    self.believe_refusal(&mut entry, &refusal, turn);
                }
            }
            (_, Err(failure)) => self.try_failed(&mut entry, failure, turn),
            (_, Ok(_)) => {
                let detail = "the answer does not fit the question";
                self.answered_error(&mut entry, detail, turn);
            }
        }
        self.copy_to_target(&entry.record);
        if entry.record.is_open() {
            self.put_back(place, entry);
        }
    }

    /// The service does not show a payment or a reversal by its number, which no page promises of reversals:
    /// the report decides.
    fn ask_report_instead(
        &mut self,
        entry: &mut ActiveReversal,
        failure: &Failure,
        turn: &mut Turn,
    ) {
        entry.asks_report = true;
        entry.record.last_error = Some(messages::support_text(failure.detail()));
        let is_target = matches!(entry.stage, Stage::Looking { .. });
        if is_target && !entry.is_of_ours() {
            // Of another till's payment only its number is known.
            return self.try_failed(entry, failure, turn);
        }
        let what = "it cannot be asked for by its number; the report is asked";
        turn.write_entry(&mut entry.record, what);
        if is_target {
            self.look_up_target(entry, turn);
        } else {
            self.look_up_reversal(entry, turn);
        }
    }

    fn target_looked_up(
        &mut self,
        entry: &mut ActiveReversal,
        asked_at: Duration,
        found: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        // Of several payments under one number only the one that is being undone.
        let known = entry.record.target.payment_id;
        let ours = found.iter().filter(|info| {
            entry.record.target.is(info) && known.is_none_or(|known| known == info.payment_id)
        });
        if let Some(info) = deciding(ours) {
            let payment_id = info.payment_id;
            if entry.record.target.payment_id.replace(payment_id).is_none() {
                entry.end_errors();
                let of = entry.record.operation.of.clone();
                let what = "the lost payment was found";
                self.change_target(of.as_deref(), what, turn, |sale| {
                    sale.payment_id = Some(payment_id);
                });
                self.undo_others(entry, found, turn);
            }
            return self.judge(entry, info.status, turn);
        }
        if !found.is_empty() && !entry.is_beside() {
            let detail = "the order number belongs to another payment";
            return self.answered_error(entry, detail, turn);
        }
        if let Some(payment_id) = entry.record.target.payment_id {
            let asks_report = std::mem::take(&mut entry.asks_report);
            if asks_report && entry.is_beside() {
                // Nothing but a report has ever shown it, and neither this one nor the service itself knows it: a row
                // that comes and goes must not close the till.
                self.forget_second_payment(payment_id);
                let message = cashier::NOTHING_TO_UNDO;
                return self.conclude(entry, message, "a second payment that is not there", turn);
            }
            if asks_report {
                // A report that lacks what the service itself has answered is not whole: it proves no absence.
                let detail = "the payment can neither be asked for nor found in the report";
                return self.answered_error(entry, detail, turn);
            }
            // A held answer has brought it meanwhile.
            return self.look(entry, payment_id, turn);
        }
        let conclusive_from = entry.lost_at + turn.settings.settle;
        if asked_at < conclusive_from || is_payment_under_way(entry, turn) {
            entry.later(MAX_LOOK_UP_PAUSE, Some(conclusive_from), turn.now);
            let what = "not found yet, which proves nothing before the settling time";
            return turn.write_entry(&mut entry.record, what);
        }
        plan_rechecks(&mut entry.record, turn.now);
        let message = cashier::NOTHING_TO_UNDO;
        self.conclude(entry, message, "conclusively absent", turn);
        entry.plan_recheck(turn.now);
    }

    /// What the target's own status means for its undoing.
    fn judge(&mut self, entry: &mut ActiveReversal, status: PaymentStatus, turn: &mut Turn) {
        entry.wants_connection = false;
        if status.took_nothing() && entry.is_beside() {
            // Should it take money after all, a reconciliation shows it to a person again: nothing that stands beside
            // a paid sale is ever taken up by itself.
            if let Some(payment_id) = entry.record.target.payment_id {
                self.forget_second_payment(payment_id);
            }
            let message = messages::of_entry(entry.record.operation.kind, State::Done);
            return self.conclude(entry, message, "the payment took no money", turn);
        }
        if status.took_nothing() {
            // No final status stays ("What nothing may assume"): the number is watched as an absent one is.
            plan_rechecks(&mut entry.record, turn.now);
            let message = messages::of_entry(entry.record.operation.kind, State::Done);
            self.conclude(entry, message, "the payment took no money", turn);
            return entry.plan_recheck(turn.now);
        }
        let paid = status == PaymentStatus::Ok;
        if paid && !std::mem::replace(&mut entry.saw_paid, paid) {
            entry.end_errors();
        }
        entry.saw_paid = paid;
        match entry.record.reversal {
            ReversalProgress::NotSent if entry.record.denied_while_pending && !paid => {
                let fact = crate::core::sale::completion::status_fact(status);
                if entry.gets_nowhere(turn.now) {
                    entry.record.last_error = Some(fact);
                    return self.set_aside(entry, "the payment stays pending", turn);
                }
                put_off(entry, turn);
                entry.later(MAX_PENDING_PAUSE, None, turn.now);
                turn.write_entry(&mut entry.record, "the payment is still pending");
            }
            ReversalProgress::NotSent if paid && is_awaited_unsent(entry, turn) => {
                self.paid_before_reversal(entry, turn);
            }
            ReversalProgress::NotSent => self.reverse(entry, paid, turn),
            ReversalProgress::Sent => self.look_up_reversal(entry, turn),
            ReversalProgress::Known(payment_id) => self.look_at_reversal(entry, payment_id, turn),
        }
    }

    /// The answer to the reversal itself. It is believed only after a look.
    fn reversed(
        &mut self,
        entry: &mut ActiveReversal,
        knew_paid: bool,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        entry.reversal_lost_at = turn.now.mono;
        match answer {
            Ok(Reply::Payment(info)) if entry.is_reversal(info) => {
                know_reversal(entry, info);
                turn.write_entry(&mut entry.record, "the reversal was answered");
            }
            Ok(_) => {}
            Err(
                failure @ (Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. }),
            ) => {
                note_loss(entry, failure, turn.now);
                entry.record.last_error = Some(messages::support_text(detail));
                turn.write_entry(&mut entry.record, "the reversal's answer was lost");
            }
            Err(failure @ (Failure::Refused { detail, .. } | Failure::Token { detail, .. })) => {
                entry.record.last_error = Some(messages::support_text(detail));
                // It may be refused because another copy of it, or an earlier one, was carried out.
                entry.refusal = Some(Refusal {
                    failure: failure.clone(),
                    knew_paid,
                });
                turn.write_entry(
                    &mut entry.record,
                    "the reversal was refused; the report is asked for it",
                );
                return self.look_up_reversal(entry, turn);
            }
            Err(failure @ Failure::NotSent { .. }) => {
                if !entry.record.resent {
                    entry.record.reversal = ReversalProgress::NotSent;
                }
                return self.try_failed(entry, failure, turn);
            }
        }
        match (entry.record.reversal, entry.record.target.payment_id) {
            (ReversalProgress::Known(reversal), _) => self.look_at_reversal(entry, reversal, turn),
            (_, Some(payment_id)) => self.look(entry, payment_id, turn),
            (_, None) => entry.later(MAX_BACKOFF, None, turn.now),
        }
    }

    /// The service refused the reversal, and the report knows of none that was carried out.
    pub(super) fn denied(&mut self, entry: &mut ActiveReversal, knew_paid: bool, turn: &mut Turn) {
        renumber(entry, turn);
        if knew_paid {
            self.set_aside(entry, "the reversal was refused", turn);
            if entry.record.set_aside {
                self.watch_set_aside(entry, turn);
            }
            return;
        }
        entry.record.denied_while_pending = true;
        let what = "the reversal was refused while the payment was pending";
        turn.write_entry(&mut entry.record, what);
        match entry.record.target.payment_id {
            Some(payment_id) => self.look(entry, payment_id, turn),
            None => entry.later(MAX_BACKOFF, None, turn.now),
        }
    }

    /// A number whose refusal was shown to people is asked for again: the refusal proved only that one copy had no
    /// effect.
    fn watch_set_aside(&mut self, entry: &mut ActiveReversal, turn: &mut Turn) {
        plan_rechecks_of_refusal(&mut entry.record, turn.settings.settle, turn.now);
        entry.plan_recheck(turn.now);
        turn.write_entry(
            &mut entry.record,
            "a refused reversal is asked for again later",
        );
    }

    /// The answer to a refund's reversal.
    fn refunded(&mut self, entry: &mut ActiveReversal, answer: &Answer, turn: &mut Turn) {
        entry.reversal_lost_at = turn.now.mono;
        match answer {
            Ok(Reply::Payment(info)) if entry.is_reversal(info) => {
                know_reversal(entry, info);
                turn.write_entry(&mut entry.record, "the refund was answered");
                self.look_at_reversal(entry, info.payment_id, turn);
            }
            Ok(_) => {
                let detail = "the answer belongs to another payment";
                self.doubt_refund(entry, detail, turn);
                self.look_up_reversal(entry, turn);
            }
            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => {
                self.doubt_refund(entry, detail, turn);
                self.look_up_reversal(entry, turn);
            }
            // Another copy of it may have been carried out: the report decides.
            Err(failure @ (Failure::Refused { detail, .. } | Failure::Token { detail, .. })) => {
                entry.record.last_error = Some(messages::support_text(detail));
                entry.refusal = Some(Refusal {
                    failure: failure.clone(),
                    knew_paid: true,
                });
                turn.write_entry(
                    &mut entry.record,
                    "the refund was refused; the report is asked for it",
                );
                self.look_up_reversal(entry, turn);
            }
            Err(Failure::NotSent { detail }) => {
                entry.record.reversal = ReversalProgress::NotSent;
                let error = messages::refund_not_sent(detail);
                self.fail_entry(entry, error, "the refund was not carried out", turn);
            }
        }
    }

    pub(super) fn try_failed(
        &mut self,
        entry: &mut ActiveReversal,
        failure: &Failure,
        turn: &mut Turn,
    ) {
        if matches!(failure, Failure::Token { .. }) && entry.may_still_be_refused() {
            let error = messages::of_failure(failure);
            return self.fail_entry(entry, error, "refused for the token", turn);
        }
        entry.wants_connection = !failure.was_answered();
        if failure.was_answered() {
            // Who asks for patience once has not judged a person's try, which goes on.
            let is_asked_to_wait = matches!(failure, Failure::TooManyRequests { .. });
            let goes_on = is_asked_to_wait && entry.is_last_try && entry.stuck_since.is_none();
            entry.is_last_try &= !goes_on;
            self.answered_error(entry, failure.detail(), turn);
            entry.is_last_try |= goes_on;
            return;
        }
        count_try(entry, failure.detail(), turn);
        put_off(entry, turn);
        if entry.is_silent_for_long(turn.now) {
            if entry.line_is_well {
                return self.set_aside(entry, "no answer comes to its requests", turn);
            }
            turn.write_entry(&mut entry.record, "no answer for long; the line is probed");
            return self.probe_line(entry, turn);
        }
        entry.later(MAX_BACKOFF, None, turn.now);
        turn.write_entry(&mut entry.record, "the try failed");
    }

    /// Whether the line is well, though no answer has come for long. It may have come back this very moment,
    /// so one more try decides.
    fn probed(&mut self, entry: &mut ActiveReversal, answer: &Answer, turn: &mut Turn) {
        let is_well = answer.as_ref().err().is_none_or(Failure::was_answered);
        entry.line_is_well = is_well;
        entry.wants_connection = !is_well;
        entry.later(MAX_BACKOFF, None, turn.now);
        if is_well {
            entry.next_at = turn.now.mono;
        }
        turn.write_entry(&mut entry.record, "the line was probed");
    }

    /// The service answered, but not with what was asked for.
    pub(super) fn answered_error(
        &mut self,
        entry: &mut ActiveReversal,
        detail: &str,
        turn: &mut Turn,
    ) {
        count_try(entry, detail, turn);
        if entry.gets_nowhere(turn.now) {
            return self.set_aside(entry, "too many answered errors", turn);
        }
        put_off(entry, turn);
        entry.later(MAX_BACKOFF, None, turn.now);
        turn.write_entry(&mut entry.record, "the service answered with an error");
    }
}

/// Whether the held answer to the payment that an entry undoes is still awaited: what the report
/// does not hold may come to be there.
fn is_payment_under_way(entry: &ActiveReversal, turn: &Turn) -> bool {
    turn.held_answers.any(|sale| entry.reverses(&sale.id))
}

/// Whether the sale waits for this undoing, and no reversal has left that could have been carried out.
fn is_awaited_unsent(entry: &ActiveReversal, turn: &Turn) -> bool {
    !entry.record.denied_while_pending && entry.has_no_earlier() && turn.attended.awaits(entry)
}

/// The present number was denied: the next reversal gets another.
pub(super) fn renumber(entry: &mut ActiveReversal, turn: &mut Turn) {
    entry.pending_since = None;
    let record = &mut entry.record;
    record.reversal = ReversalProgress::NotSent;
    record.resent = false;
    record.operation.payment_id = None;
    let old = std::mem::take(&mut record.operation.order_number);
    record.earlier.push(old);
    // Of an older journal the amounts may be fewer than the numbers.
    record.earlier_amounts.resize(
        record.earlier.len().saturating_sub(1),
        record.operation.amount,
    );
    record.earlier_amounts.push(record.operation.amount);
    if record.earlier.len() > MAX_EARLIER {
        record.earlier.remove(0);
        record.earlier_amounts.remove(0);
    }
    record.operation.order_number = turn.numbers.order_number();
}

fn count_try(entry: &mut ActiveReversal, detail: &str, turn: &mut Turn) {
    let record = &mut entry.record;
    record.tries = record.tries.saturating_add(1);
    record.last_error = Some(messages::support_text(detail));
    if record.tries == ALARM_TRIES {
        let what = format!("waits since {ALARM_TRIES} tries: {detail}");
        turn.alarm(&record.operation.id, what);
    }
}

/// A cancellation nobody stands and waits for any more; a refund stays in doubt.
pub(super) fn put_off(entry: &mut ActiveReversal, turn: &mut Turn) {
    turn.end_show(entry);
    entry.record.queued_once = true;
    if entry.record.is_refund() {
        if entry.record.operation.state != State::InDoubt {
            entry.doubt(turn.now);
        }
    } else {
        entry.set(State::Queued, original::CANCEL_QUEUED, turn.now);
    }
}

/// Whether the service speaks of the very payment that an entry reverses. Of another till's payment
/// only its number is sure.
fn is_target_of(info: &PaymentInfo, entry: &ActiveReversal) -> bool {
    let target = &entry.record.target;
    target.payment_id == Some(info.payment_id) && (!entry.is_of_ours() || target.is(info))
}

/// The request may have taken effect. Where it never does, that must come to an end.
fn note_loss(entry: &mut ActiveReversal, failure: &Failure, now: Now) {
    if !failure.was_answered() {
        entry.answered_from = None;
    }
    entry.lost_since.get_or_insert(now.mono);
}

/// Whether the service answers a question for a number, and does not show what is asked for.
fn cannot_be_asked_for(failure: &Failure) -> bool {
    match failure {
        Failure::Refused { .. } => true,
        Failure::Lost { received, .. } => *received != Received::Nothing,
        Failure::NotSent { .. }
        | Failure::Token { .. }
        | Failure::SessionOver { .. }
        | Failure::TooManyRequests { .. } => false,
    }
}

/// So many denied numbers of one entry are looked up again.
const MAX_EARLIER: usize = 16;

pub(super) fn plan_rechecks(record: &mut ReversalRecord, now: Now) {
    record.rechecks = RECHECKS
        .iter()
        .filter_map(|wait| now.wall.checked_add(*wait).ok())
        .collect();
}

pub(super) fn know_reversal(entry: &mut ActiveReversal, info: &PaymentInfo) {
    entry.is_last_try &= !entry.has_sent_anew;
    entry.record.reversal = ReversalProgress::Known(info.payment_id);
    entry.record.operation.payment_id = Some(info.payment_id);
}
