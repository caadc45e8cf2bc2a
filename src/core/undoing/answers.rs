//! What each answer of the service means for an undoing.

use super::*;

impl Core {
    /// Routes an answer to the undoing that waits for it, if one does.
    pub(in crate::core) fn undoing_answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        now: Now,
        step: &mut Step,
    ) {
        let waits = |entry: &LiveUndoing| entry.stage.request() == Some(request);
        let Some(index) = self.undoings.iter().position(waits) else {
            return;
        };
        let mut entry = self.undoings.remove(index);
        match (entry.stage, answer) {
            (Stage::LookingUp { asked_at, .. }, Ok(Reply::Found(found))) => {
                self.sale_looked_up(&mut entry, asked_at, found, now, step);
            }
            (Stage::Rechecking { .. }, answer) => self.rechecked(&mut entry, answer, now, step),
            (Stage::Looking { .. }, Ok(Reply::Payment(info)))
                if entry.record.target == Some(info.payment_id) =>
            {
                self.judge(&mut entry, info.status, now, step);
            }
            (Stage::Reversing { knew_paid, .. }, answer) => {
                self.reversed(&mut entry, knew_paid, answer, now, step);
            }
            (Stage::LookingUpReversal { asked_at, .. }, Ok(Reply::Found(found))) => {
                self.reversal_looked_up(&mut entry, asked_at, found, now, step);
            }
            (Stage::LookingAtReversal { .. }, Ok(Reply::Payment(info))) => {
                self.judge_reversal(&mut entry, info, now, step);
            }
            (_, Err(failure)) => self.try_failed(&mut entry, failure, now, step),
            (_, Ok(_)) => {
                self.answered_error(
                    &mut entry,
                    "the answer does not fit the question",
                    now,
                    step,
                );
            }
        }
        if entry.record.is_live() || !entry.record.rechecks.is_empty() {
            self.undoings.insert(index.min(self.undoings.len()), entry);
        }
    }

    fn sale_looked_up(
        &mut self,
        entry: &mut LiveUndoing,
        asked_at: Duration,
        found: &[PaymentInfo],
        now: Now,
        step: &mut Step,
    ) {
        if let Some(info) = found
            .iter()
            .find(|info| crate::core::ending::is_payment_of(info, &entry.sale))
        {
            entry.record.target = Some(info.payment_id);
            entry.sale.operation.payment_id = Some(info.payment_id);
            step.write_sale(&entry.sale, "the lost payment was found");
            return self.judge(entry, info.status, now, step);
        }
        if !found.is_empty() {
            return self.answered_error(
                entry,
                "the order number belongs to another payment",
                now,
                step,
            );
        }
        let conclusive_from = entry.lost_at + self.settings.settle;
        if asked_at < conclusive_from {
            entry.later(MOST_BACKOFF, Some(conclusive_from), now);
            step.write_undoing(
                &entry.record,
                "not found yet, which proves nothing before the settling time",
            );
            return;
        }
        let ahead = RECHECKS
            .iter()
            .filter_map(|wait| now.wall.checked_add(*wait).ok());
        entry.record.rechecks = ahead.collect();
        self.conclude(
            entry,
            words::NOTHING_TO_UNDO,
            "conclusively absent",
            now,
            step,
        );
        self.plan_recheck(entry, now);
    }

    /// What the payment's own status means for its undoing.
    fn judge(&mut self, entry: &mut LiveUndoing, status: PaymentStatus, now: Now, step: &mut Step) {
        entry.wants_connection = false;
        if status.took_nothing() {
            return self.conclude(entry, words::UNDONE, "the payment took no money", now, step);
        }
        let paid = status == PaymentStatus::Ok;
        match entry.record.reversal {
            Reversal::NotSent if entry.record.denied_while_pending && !paid => {
                entry.later(MOST_PENDING_PAUSE, None, now);
                step.write_undoing(&entry.record, "the payment is still pending");
            }
            Reversal::NotSent => self.reverse(entry, paid, now, step),
            Reversal::Sent => {
                let operation = &entry.record.operation;
                let call = Call::LookUp {
                    shifts: shift::both(&operation.shift, &entry.sale.operation.shift),
                    order_numbers: vec![operation.order_number.clone()],
                };
                let request = self.request(&operation.id, call, step);
                entry.stage = Stage::LookingUpReversal {
                    request,
                    asked_at: now.mono,
                };
            }
            Reversal::Known(payment_id) => {
                let request = self.request(
                    &entry.record.operation.id,
                    Call::Payment { payment_id },
                    step,
                );
                entry.stage = Stage::LookingAtReversal { request };
            }
        }
    }

    /// The answer to the reversal itself. It is believed only after a look.
    fn reversed(
        &mut self,
        entry: &mut LiveUndoing,
        knew_paid: bool,
        answer: &Answer,
        now: Now,
        step: &mut Step,
    ) {
        entry.reversal_lost_at = now.mono;
        match answer {
            Ok(Reply::Payment(info)) if entry.is_reversal(info) => {
                entry.record.reversal = Reversal::Known(info.payment_id);
                entry.record.operation.payment_id = Some(info.payment_id);
                step.write_undoing(&entry.record, "the reversal was answered");
            }
            Ok(_) => {}
            Err(Failure::Lost { detail, .. }) => {
                entry.record.last_error = Some(words::support_text(detail));
                step.write_undoing(&entry.record, "the reversal's answer was lost");
            }
            Err(Failure::Refused { detail, .. }) => {
                entry.record.reversal = Reversal::NotSent;
                entry.record.last_error = Some(words::support_text(detail));
                entry.record.operation.order_number = self.order_number();
                if knew_paid {
                    return self.set_aside(entry, "the reversal was refused", now, step);
                }
                entry.record.denied_while_pending = true;
                step.write_undoing(
                    &entry.record,
                    "the reversal was refused while the payment was pending",
                );
            }
            Err(failure @ (Failure::NotSent { .. } | Failure::Token { .. })) => {
                entry.record.reversal = Reversal::NotSent;
                return self.try_failed(entry, failure, now, step);
            }
        }
        match entry.record.target {
            Some(payment_id) => self.look(entry, payment_id, step),
            None => entry.later(MOST_BACKOFF, None, now),
        }
    }

    fn reversal_looked_up(
        &mut self,
        entry: &mut LiveUndoing,
        asked_at: Duration,
        found: &[PaymentInfo],
        now: Now,
        step: &mut Step,
    ) {
        if let Some(info) = found.iter().find(|info| entry.is_reversal(info)) {
            entry.record.reversal = Reversal::Known(info.payment_id);
            entry.record.operation.payment_id = Some(info.payment_id);
            return self.judge_reversal(entry, info, now, step);
        }
        if !found.is_empty() {
            return self.answered_error(
                entry,
                "the order number belongs to another reversal",
                now,
                step,
            );
        }
        let conclusive_from = entry.reversal_lost_at + self.settings.settle;
        if asked_at < conclusive_from {
            entry.later(MOST_BACKOFF, Some(conclusive_from), now);
            step.write_undoing(&entry.record, "the reversal was not found yet");
        } else {
            self.reverse(entry, true, now, step);
        }
    }

    fn judge_reversal(
        &mut self,
        entry: &mut LiveUndoing,
        info: &PaymentInfo,
        now: Now,
        step: &mut Step,
    ) {
        if !entry.is_reversal(info) {
            return self.answered_error(entry, "the answer belongs to another reversal", now, step);
        }
        if info.status == PaymentStatus::Ok {
            self.conclude(
                entry,
                words::UNDONE,
                "the reversal was carried out",
                now,
                step,
            );
        } else if info.status.took_nothing() {
            entry.record.reversal = Reversal::NotSent;
            entry.record.operation.order_number = self.order_number();
            let fact = crate::core::ending::status_fact(info.status);
            self.answered_error(entry, &format!("the reversal failed: {fact}"), now, step);
        } else {
            entry.later(MOST_PENDING_PAUSE, None, now);
            step.write_undoing(&entry.record, "the reversal is pending");
        }
    }

    /// The undoing is over: the sale learns it in the same transaction.
    fn conclude(
        &mut self,
        entry: &mut LiveUndoing,
        message: &str,
        what: &str,
        now: Now,
        step: &mut Step,
    ) {
        entry.stage = Stage::Waiting;
        entry.record.next_try = None;
        entry.record.last_error = None;
        entry.record.operation.undo = Some(Undo::Done);
        entry.set(State::Done, message, now);
        step.write_undoing(&entry.record, what);
        if let Some((sale, ending)) = self.take_attached(entry) {
            self.finish_attached(sale, ending, now, step);
            entry.sale = step
                .written_sale_record()
                .unwrap_or_else(|| entry.sale.clone());
        } else {
            self.tell_sale(entry, Undo::Done, "undone", now, step);
        }
    }

    fn set_aside(&mut self, entry: &mut LiveUndoing, what: &str, now: Now, step: &mut Step) {
        entry.stage = Stage::Waiting;
        entry.record.set_aside = true;
        entry.record.next_try = None;
        entry.record.operation.undo = Some(Undo::SetAside);
        entry.set(State::Queued, words::SET_ASIDE, now);
        step.write_undoing(&entry.record, what);
        if let Some((sale, _)) = self.take_attached(entry) {
            self.refuse_attached(sale, now, step);
            entry.sale = step
                .written_sale_record()
                .unwrap_or_else(|| entry.sale.clone());
        } else {
            self.tell_sale(
                entry,
                Undo::SetAside,
                "its undoing was set aside",
                now,
                step,
            );
        }
    }

    /// The sale that waits for this undoing, if it still does.
    fn take_attached(
        &mut self,
        entry: &LiveUndoing,
    ) -> Option<(crate::core::sale::LiveSale, crate::core::record::Ending)> {
        let of = entry.record.operation.of.as_deref();
        let waits = |sale: &crate::core::sale::LiveSale| match sale.phase {
            Phase::Undoing { ending, .. } if of == Some(sale.record.operation.id.as_str()) => {
                Some(ending)
            }
            Phase::Starting
            | Phase::AwaitingScan
            | Phase::Opening { .. }
            | Phase::AwaitingBuyer { .. }
            | Phase::Paying { .. }
            | Phase::Confirming { .. }
            | Phase::InDoubt(_)
            | Phase::Undoing { .. } => None,
        };
        let ending = self.sale.as_ref().and_then(waits)?;
        self.sale.take().map(|sale| (sale, ending))
    }

    fn tell_sale(
        &mut self,
        entry: &mut LiveUndoing,
        undo: Undo,
        what: &str,
        now: Now,
        step: &mut Step,
    ) {
        entry.sale.operation.undo = Some(undo);
        entry.sale.operation.updated_at = now.wall;
        step.write_sale(&entry.sale, what);
    }

    fn try_failed(
        &mut self,
        entry: &mut LiveUndoing,
        failure: &Failure,
        now: Now,
        step: &mut Step,
    ) {
        match failure {
            Failure::Refused { detail, .. }
            | Failure::Lost {
                detail,
                protocol: true,
            } => {
                return self.answered_error(entry, detail, now, step);
            }
            Failure::NotSent { .. } | Failure::Lost { .. } => entry.wants_connection = true,
            Failure::Token { .. } => entry.wants_connection = false,
        }
        entry.record.tries = entry.record.tries.saturating_add(1);
        entry.record.last_error = Some(words::support_text(failure.detail()));
        entry.set(State::Queued, seed::CANCEL_QUEUED, now);
        entry.later(MOST_BACKOFF, None, now);
        step.write_undoing(&entry.record, "the try failed");
    }

    /// The service answered, but not with what was asked for.
    fn answered_error(&mut self, entry: &mut LiveUndoing, detail: &str, now: Now, step: &mut Step) {
        let record = &mut entry.record;
        record.tries = record.tries.saturating_add(1);
        record.last_error = Some(words::support_text(detail));
        record.answered_errors = record.answered_errors.saturating_add(1);
        let since = *record.errors_since.get_or_insert(now.wall);
        let long = now.wall.duration_since(since) >= ERRORS_FOR;
        if record.answered_errors >= MOST_ANSWERED_ERRORS && long {
            return self.set_aside(entry, "too many answered errors", now, step);
        }
        entry.set(State::Queued, seed::CANCEL_QUEUED, now);
        entry.later(MOST_BACKOFF, None, now);
        step.write_undoing(&entry.record, "the service answered with an error");
    }

    fn plan_recheck(&mut self, entry: &mut LiveUndoing, now: Now) {
        let wait = entry
            .record
            .rechecks
            .first()
            .map(|at: &Timestamp| at.duration_since(now.wall));
        entry.next_at = now.mono + Duration::try_from(wait.unwrap_or_default()).unwrap_or_default();
    }

    /// An order number that was absent is asked for once more: absence was an assumption.
    fn rechecked(&mut self, entry: &mut LiveUndoing, answer: &Answer, now: Now, step: &mut Step) {
        entry.stage = Stage::Waiting;
        let Ok(Reply::Found(found)) = answer else {
            entry.next_at = now.mono + MOST_BACKOFF;
            return;
        };
        let info = found
            .iter()
            .find(|info| crate::core::ending::is_payment_of(info, &entry.sale));
        match info {
            Some(info) if !info.status.took_nothing() => {
                entry.record.rechecks.clear();
                entry.record.target = Some(info.payment_id);
                entry.record.operation.undo = Some(Undo::Pending);
                entry.set(State::Queued, seed::CANCEL_QUEUED, now);
                (entry.pause, entry.next_at) = (BACKOFF, now.mono);
                entry.record.next_try = Some(now.wall);
                step.write_undoing(&entry.record, "found after all, live again");
                entry.sale.operation.payment_id = Some(info.payment_id);
                self.tell_sale(
                    entry,
                    Undo::Pending,
                    "its lost payment was found after all",
                    now,
                    step,
                );
            }
            Some(_) => entry.record.rechecks.clear(),
            None => drop(entry.record.rechecks.drain(..1)),
        }
        if !entry.record.is_live() {
            entry.record.operation.updated_at = now.wall;
            step.write_undoing(&entry.record, "asked for again");
            self.plan_recheck(entry, now);
        }
    }
}
