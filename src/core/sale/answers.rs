//! What each answer of the service means for the sale.

use super::*;
use crate::core::poll::Awaited;

impl Core {
    /// Whether the answer was the sale's.
    pub(in crate::core) fn sale_answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        now: Now,
        step: &mut Step,
    ) -> bool {
        let Some(sale) = self.sale.take_if(|sale| sale.awaits(request)) else {
            return false;
        };
        match sale.phase {
            Phase::Opening { .. } => self.session_answered(sale, answer, now, step),
            Phase::AwaitingBuyer { .. } => self.consumer_answered(sale, answer, now, step),
            Phase::Paying { .. } => self.pay_answered(sale, answer, now, step),
            Phase::Confirming { .. } => self.status_answered(sale, answer, now, step),
            Phase::InDoubt(_) => self.look_up_answered(sale, answer, now, step),
            Phase::Starting | Phase::AwaitingScan | Phase::Undoing { .. } => self.sale = Some(sale),
        }
        true
    }

    fn session_answered(&mut self, mut sale: LiveSale, answer: &Answer, now: Now, step: &mut Step) {
        let by_code = sale.record.operation.mode == Mode::ConsumerQr;
        match answer {
            Ok(Reply::Session {
                session,
                shows: None,
            }) if by_code => match sale.record.request {
                BuyerRequest::Sale(_) => self.pay(&mut sale, session.clone(), now, step),
                BuyerRequest::Card(_) => sale.await_card(session.clone(), now),
            },
            Ok(Reply::Session {
                session,
                shows: Some(shows),
            }) if !by_code => {
                self.await_buyer(&mut sale, session.clone(), shows.clone(), now, step);
            }
            Err(failure @ Failure::Refused { .. }) if by_code => {
                let message = words::of_failure(failure).message;
                self.arm(&mut sale, Some(&message), now, step);
            }
            Err(Failure::Lost { .. } | Failure::TooManyRequests { .. }) if by_code => {
                self.arm(&mut sale, Some(words::SCAN_AGAIN), now, step);
            }
            Err(
                failure @ (Failure::NotSent { .. }
                | Failure::Lost { .. }
                | Failure::SessionOver { .. }
                | Failure::TooManyRequests { .. }),
            ) => {
                if !self.repeat_later(&mut sale, now) {
                    return self.fail(sale, failure, now, step);
                }
            }
            Err(failure @ (Failure::Refused { .. } | Failure::Token { .. })) => {
                return self.fail(sale, failure, now, step);
            }
            Ok(_) => return self.fail(sale, &foreign_reply(), now, step),
        }
        self.sale = Some(sale);
    }

    /// Calls that move no money are repeated within `timeout`.
    fn repeat_later(&self, sale: &mut LiveSale, now: Now) -> bool {
        let Phase::Opening {
            request,
            since,
            retry_at,
            pause,
            ..
        } = &mut sale.phase
        else {
            return false;
        };
        if now.mono.saturating_sub(*since) + *pause >= self.settings.timeout {
            return false;
        }
        *request = None;
        *retry_at = now.mono + *pause;
        *pause = (*pause * 2).min(MOST_REPEAT_PAUSE);
        true
    }

    fn await_buyer(
        &mut self,
        sale: &mut LiveSale,
        session: String,
        shows: Shows,
        now: Now,
        step: &mut Step,
    ) {
        let amount = sale.shown_amount();
        sale.set_state(State::AwaitingBuyer, now);
        let scene = match &shows {
            Shows::Qr(text) => Scene::qr(text.clone(), amount),
            Shows::Code(code) => {
                sale.record.operation.message = words::tell_code(code);
                Scene::code(code.clone(), amount)
            }
        };
        sale.record.operation.shows = Some(shows);
        sale.phase = Phase::AwaitingBuyer {
            session,
            request: None,
            poll: Poll::begin(Awaited::Joining, now.mono, now.mono),
        };
        sale.invited_at = Some(now.mono);
        step.write_sale(&sale.record, "the buyer is invited");
        step.show(scene);
    }

    /// No display can show the QR: the buyer would wait in vain.
    pub(in crate::core) fn scene_refused(&mut self, reason: &str, now: Now, step: &mut Step) {
        let invited = |sale: &mut LiveSale| matches!(sale.phase, Phase::AwaitingBuyer { .. });
        let Some(sale) = self.sale.take_if(invited) else {
            return;
        };
        let error = OperationError {
            code: crate::operation::ErrorCode::Invalid,
            message: "QR-код не помещается на дисплей покупателя".to_owned(),
            detail: words::support_text(reason),
            remedy: "Подключите дисплей с большим разрешением или выберите другой режим".to_owned(),
        };
        self.finish(
            sale,
            State::Failed,
            Some(error),
            "no display can show the QR",
            now,
            step,
        );
    }

    fn consumer_answered(
        &mut self,
        mut sale: LiveSale,
        answer: &Answer,
        now: Now,
        step: &mut Step,
    ) {
        let left = sale.deadline.saturating_sub(now.mono);
        let budget = sale.budget(self.settings.wait_buyer);
        let Phase::AwaitingBuyer {
            session,
            request,
            poll,
        } = &mut sale.phase
        else {
            self.sale = Some(sale);
            return;
        };
        *request = None;
        match answer {
            Ok(Reply::Consumer { ready: true, card }) => {
                let session = std::mem::take(session);
                match sale.record.request {
                    BuyerRequest::Sale(_) => self.pay(&mut sale, session, now, step),
                    BuyerRequest::Card(_) => {
                        return self.finish_card(sale, card.clone(), now, step);
                    }
                }
            }
            Ok(Reply::Consumer { ready: false, .. }) => poll.answered(now.mono, left, budget),
            Ok(_) | Err(_) => {
                poll.failed(now.mono, left, budget);
                if poll.failing_for(now.mono) >= self.settings.timeout {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.polls_failed(sale, &failure, now, step);
                }
            }
        }
        self.sale = Some(sale);
    }

    /// The buyer is known, with a card or without one.
    fn finish_card(&mut self, mut sale: LiveSale, card: Option<Card>, now: Now, step: &mut Step) {
        sale.record.operation.card = card;
        self.finish(sale, State::Done, None, "the buyer is known", now, step);
    }

    /// The one place from which `POST payments` leaves.
    fn pay(&mut self, sale: &mut LiveSale, session: String, now: Now, step: &mut Step) {
        let Some(receipt) = sale.record.request.receipt().cloned() else {
            return;
        };
        sale.record.payment_sent = true;
        sale.record.operation.shows = None;
        sale.set_state(State::InProgress, now);
        step.write_sale(&sale.record, "the payment is being sent");
        step.show(Scene::PleaseConfirm {
            amount: sale.amount(),
        });
        let operation = &sale.record.operation;
        let call = Call::Pay {
            session,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            receipt,
            answer_within: sale.deadline.saturating_sub(now.mono) + self.settings.timeout,
        };
        let request = self.request(&operation.id, call, step);
        sale.phase = Phase::Paying { request };
    }

    fn pay_answered(&mut self, mut sale: LiveSale, answer: &Answer, now: Now, step: &mut Step) {
        match answer {
            Ok(Reply::Payment(info)) if is_payment_of(info, &sale.record) => {
                self.apply(sale, info, now, step);
            }
            Err(
                failure @ (Failure::NotSent { .. }
                | Failure::Refused { .. }
                | Failure::Token { .. }),
            ) => {
                sale.record.payment_sent = false;
                match sale.record.ending {
                    Some(ending) => {
                        self.finish(
                            sale,
                            words::ended(ending),
                            None,
                            "no payment was made",
                            now,
                            step,
                        );
                    }
                    None => self.fail(sale, failure, now, step),
                }
            }
            Ok(_) => self.lose(sale, "the answer belongs to another payment", now, step),
            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => self.lose(sale, detail, now, step),
        }
    }

    /// The answer to `POST payments` was lost.
    fn lose(&mut self, mut sale: LiveSale, detail: &str, now: Now, step: &mut Step) {
        if sale.record.ending.is_some() {
            let error = words::no_connection(detail);
            return self.release(sale, now.mono, error, now, step);
        }
        sale.set_state(State::InDoubt, now);
        sale.phase = self.doubt(detail, now);
        step.write_sale(&sale.record, "the answer to the payment was lost");
        step.show(Scene::Checking);
        self.sale = Some(sale);
    }

    fn status_answered(&mut self, mut sale: LiveSale, answer: &Answer, now: Now, step: &mut Step) {
        let left = sale.deadline.saturating_sub(now.mono);
        let budget = sale.budget(self.settings.wait_buyer);
        let Phase::Confirming {
            payment_id,
            request,
            poll,
        } = &mut sale.phase
        else {
            self.sale = Some(sale);
            return;
        };
        *request = None;
        match answer {
            Ok(Reply::Payment(info))
                if info.payment_id == *payment_id && is_payment_of(info, &sale.record) =>
            {
                poll.answered(now.mono, left, budget);
                self.apply(sale, info, now, step);
            }
            Ok(_) | Err(_) => {
                poll.failed(now.mono, left, budget);
                if poll.failing_for(now.mono) >= self.settings.timeout {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.polls_failed(sale, &failure, now, step);
                }
                self.sale = Some(sale);
            }
        }
    }

    /// No poll was answered for `timeout`: a payment that may exist is undone.
    pub(super) fn polls_failed(
        &mut self,
        sale: LiveSale,
        failure: &Failure,
        now: Now,
        step: &mut Step,
    ) {
        if !sale.record.payment_sent {
            return self.fail(sale, failure, now, step);
        }
        let error = words::no_connection(failure.detail());
        self.release(sale, now.mono, error, now, step);
    }

    fn look_up_answered(&mut self, mut sale: LiveSale, answer: &Answer, now: Now, step: &mut Step) {
        let Phase::InDoubt(doubt) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        doubt.request = None;
        if let Err(failure) = answer {
            failure.detail().clone_into(&mut doubt.detail);
        }
        doubt.next_at = now.mono + doubt.pause;
        doubt.pause = (doubt.pause * 2).min(MOST_LOOK_UP_PAUSE);
        if let Ok(Reply::Found(found)) = answer
            && let Some(info) = found.iter().find(|info| is_payment_of(info, &sale.record))
        {
            return self.apply(sale, info, now, step);
        }
        self.sale = Some(sale);
    }

    /// The service told what became of our payment.
    fn apply(&mut self, mut sale: LiveSale, info: &PaymentInfo, now: Now, step: &mut Step) {
        sale.record.operation.payment_id = Some(info.payment_id);
        let ending = sale.record.ending;
        match info.status {
            PaymentStatus::Ok if self.nobody_waits(&sale, info, now) => {
                let error = words::no_connection("paid after nobody waited any more");
                self.release(sale, now.mono, error, now, step);
            }
            PaymentStatus::Ok => self.finish_paid(sale, info, now, step),
            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => match ending {
                Some(ending) => {
                    self.start_undoing(&mut sale, info.payment_id, ending, now, step);
                    self.sale = Some(sale);
                }
                None => self.await_confirmation(sale, info, now, step),
            },
            PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling => {
                let state = match ending {
                    Some(ending) => words::ended(ending),
                    None => refused_state(info.status),
                };
                self.finish(sale, state, None, &status_fact(info.status), now, step);
            }
        }
    }

    fn await_confirmation(
        &mut self,
        mut sale: LiveSale,
        info: &PaymentInfo,
        now: Now,
        step: &mut Step,
    ) {
        if let Phase::Confirming { .. } = sale.phase {
            self.sale = Some(sale);
            return;
        }
        if sale.deadline <= now.mono {
            self.start_undoing(&mut sale, info.payment_id, Ending::Expiry, now, step);
            self.sale = Some(sale);
            return;
        }
        sale.set_state(State::AwaitingConfirmation, now);
        let invited_at = sale.invited_at.unwrap_or(now.mono);
        let poll = Poll::begin(Awaited::Confirmation, invited_at, now.mono);
        sale.phase = Phase::Confirming {
            payment_id: info.payment_id,
            request: None,
            poll,
        };
        step.write_sale(&sale.record, status_fact(info.status));
        step.show(Scene::PleaseConfirm {
            amount: sale.amount(),
        });
        self.sale = Some(sale);
    }

    /// Paid, although the till had stopped waiting: it may cancel the sale.
    pub(in crate::core) fn finish_paid_attached(
        &mut self,
        mut sale: LiveSale,
        now: Now,
        step: &mut Step,
    ) {
        sale.record.operation.left = Some(sale.record.operation.amount);
        sale.record.operation.undo = None;
        self.finish(
            sale,
            State::Done,
            None,
            "paid before the reversal",
            now,
            step,
        );
    }

    fn finish_paid(&mut self, mut sale: LiveSale, info: &PaymentInfo, now: Now, step: &mut Step) {
        let operation = &mut sale.record.operation;
        operation.left = Some(operation.amount);
        operation.slip = Some(Slip {
            payment_id: info.payment_id,
            paid_at: info.paid_text.clone(),
            amount: operation.amount,
            purse: info.purse.clone(),
        });
        self.finish(sale, State::Done, None, "paid", now, step);
    }
}
