//! `POST payments`, and what becomes of it.
//!
//! The service may hold its answer until the buyer has confirmed (the recorded answers all came with
//! a final status), so an answer that is late is not lost: it is awaited until `waitBuyer` while the
//! connection lives, and from `timeout` on the report is asked for the order number beside it. What is
//! found there goes on as if it had been answered; the held answer may still come, and is then a second
//! witness ([`ActiveSale::held_answer_came`]).
//!
//! A refusal proves only that *this copy* of the request had no effect; an earlier one may have been carried out
//! (recorded: the second payment of a session was refused although the first was paid). So the report is asked for the
//! order number before a refusal is believed.

use super::*;
use crate::core::call::{Failure, PaymentInfo, PaymentStatus, Reply};
use crate::core::poll::first_question_after;
use crate::core::sale::completion::{
    best_payment, foreign_reply, is_payment_of, refused_state, silence, status_fact,
};
use crate::model::operation::Slip;

/// From here on a request that is still unanswered is shown as a buyer who has yet to confirm.
const HELD_ANSWER_DELAY: Duration = Duration::from_secs(2);
/// Intervals between look-ups of an order number: this doubling to [`MAX_LOOK_UP_INTERVAL`], where the
/// clock of questions allows it.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(500);
const MAX_LOOK_UP_INTERVAL: Duration = Duration::from_secs(5);

/// A payment whose answer is awaited.
#[derive(Debug)]
pub(in crate::core) struct Paying {
    pub request: RequestId,
    sent_at: Duration,
    /// The look-up beside it that is under way.
    look_up: Option<RequestId>,
    /// When the next look-up is due.
    look_up_at: Duration,
    /// The cashier or the deadline has stopped the wait: when it is given up.
    until: Option<Duration>,
}

impl Paying {
    pub(in crate::core) fn awaits(&self, id: RequestId) -> bool {
        self.request == id || self.look_up == Some(id)
    }
}

/// A payment whose answer was lost, or a refusal that is not yet believed.
#[derive(Debug)]
pub(in crate::core) struct Doubt {
    pub request: Option<RequestId>,
    next_at: Duration,
    interval: Duration,
    until: Duration,
    pub lost_at: Duration,
    pub detail: String,
    /// What the service answered to our copy of the request.
    refusal: Option<Failure>,
    /// By the journal no payment was sent before the restart. A disk may have lost what it acknowledged,
    /// so the number is looked up before anything is paid.
    pub unsent: bool,
}

impl Doubt {
    pub(super) fn new(detail: &str, turn: &Turn) -> Doubt {
        let now = turn.now.mono;
        Doubt {
            request: None,
            next_at: now,
            interval: LOOK_UP_INTERVAL,
            until: now + turn.settings.patience(),
            lost_at: now,
            detail: detail.to_owned(),
            refusal: None,
            unsent: false,
        }
    }

    /// What is known when the patience ends. A refusal that no whole report has confirmed is then no refusal: the sale
    /// ends as one whose answer was lost, and the error's detail shows both to support.
    pub(super) fn facts(&self) -> String {
        match &self.refusal {
            Some(refusal) => format!("{}; refused: {}", self.detail, refusal.detail()),
            None => self.detail.clone(),
        }
    }
}

impl ActiveSale {
    /// The one place from which `POST payments` leaves.
    pub(super) fn pay(&mut self, session: String, turn: &mut Turn) {
        let Some(receipt) = self.record.request.receipt().cloned() else {
            return;
        };
        self.record.payment_sent = true;
        self.record.operation.shows = None;
        self.set_state(State::InProgress, turn.now);
        turn.write_sale(&mut self.record, "the payment is being sent");
        turn.show(Scene::PleaseConfirm {
            amount: self.amount(),
        });
        let operation = &self.record.operation;
        let call = Call::Pay {
            session,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            receipt,
            // A little longer than anybody waits, so that it is the core that stops waiting.
            answer_within: self.deadline.saturating_sub(turn.now.mono) + turn.settings.timeout,
        };
        let request = turn.request(&operation.id, call);
        self.phase = Phase::Paying(Paying {
            request,
            sent_at: turn.now.mono,
            look_up: None,
            look_up_at: turn.now.mono + turn.settings.timeout,
            until: None,
        });
    }

    // ---- the answer is awaited ----------------------------------------------------------------

    pub(super) fn paying_wakeup(&self, paying: &Paying, link: &Link) -> (Duration, &'static str) {
        let is_held = self.record.operation.state == State::AwaitingConfirmation;
        let held = (!is_held && paying.until.is_none())
            .then(|| (paying.sent_at + HELD_ANSWER_DELAY, "the answer is held"));
        let due = link.free_at(&self.subject()).max(paying.look_up_at);
        let waits = paying.look_up.is_none();
        let look_up = waits.then_some((due, "look up beside"));
        let end = match paying.until {
            Some(until) => (until, "payment given up"),
            None => (self.deadline, "waitBuyer"),
        };
        [held, look_up].into_iter().flatten().fold(end, Ord::min)
    }

    pub(super) fn paying_tick(mut self, turn: &mut Turn) -> Option<ActiveSale> {
        let Phase::Paying(paying) = &self.phase else {
            return Some(self);
        };
        let stopped = paying.until;
        if stopped.is_some_and(|until| until <= turn.now.mono) {
            let request = paying.request;
            let error = messages::no_connection("the payment was not answered in time");
            // The connection lives: absence proves nothing before it is closed.
            turn.held_answers.insert(request, self.record.clone());
            return self.release(turn.now.mono, error, turn);
        }
        if stopped.is_none() && self.deadline <= turn.now.mono {
            self.stop_paying(StopReason::Expiry, turn);
        } else if stopped.is_none()
            && self.record.operation.state == State::InProgress
            && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono
        {
            self.set_state(State::AwaitingConfirmation, turn.now);
            turn.defer_sale(&mut self.record, "the service holds its answer");
        }
        self.look_up_beside(turn);
        Some(self)
    }

    /// The report is asked for the order number while the answer is awaited.
    fn look_up_beside(&mut self, turn: &mut Turn) {
        let free = turn.link.free_at(&self.subject());
        let Phase::Paying(paying) = &mut self.phase else {
            return;
        };
        if paying.look_up.is_some() || free.max(paying.look_up_at) > turn.now.mono {
            return;
        }
        paying.look_up = Some(look_up_payment(&self.record, turn));
    }

    /// The cashier, or the deadline, stops the wait for the answer: durable before it is answered. The payment exists
    /// as far as anybody knows, so it is looked for at once, to be reversed.
    pub(super) fn stop_paying(&mut self, ending: StopReason, turn: &mut Turn) {
        let Phase::Paying(paying) = &mut self.phase else {
            return;
        };
        if paying.until.is_some() {
            return;
        }
        paying.until = Some(turn.now.mono + turn.settings.patience());
        paying.look_up_at = turn.now.mono;
        self.record.ending = Some(ending);
        self.set(State::InProgress, cashier::CANCELLING, turn.now);
        turn.write_sale(
            &mut self.record,
            match ending {
                StopReason::Abort => "aborted by the cashier",
                StopReason::Expiry => "nobody confirmed in time",
            },
        );
        turn.show(Scene::Checking);
    }

    pub(super) fn paying_answered(
        mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let Phase::Paying(paying) = &mut self.phase else {
            return Some(self);
        };
        if paying.request == request {
            return self.pay_answered(answer, turn);
        }
        paying.look_up = None;
        // One that never left may leave again, but not at once.
        paying.look_up_at = turn.now.mono + LOOK_UP_INTERVAL * 2;
        if let Ok(Reply::Found(found)) = answer
            && let Some(info) = best_payment(found, &self.record)
        {
            turn.held_answers
                .insert(paying.request, self.record.clone());
            return self.found(info, found, turn);
        }
        Some(self)
    }

    fn pay_answered(mut self, answer: &Answer, turn: &mut Turn) -> Option<ActiveSale> {
        match answer {
            Ok(Reply::Payment(info)) if is_payment_of(info, &self.record) => self.apply(info, turn),
            Err(failure @ Failure::NotSent { .. }) => {
                self.record.payment_sent = false;
                self.end_unpaid(failure, turn);
                None
            }
            // "A refusal of a payment or reversal is believed only after the report was asked for its order number." A
            // token error is one more refusal: what stands before the service may have sent it.
            Err(failure @ (Failure::Refused { .. } | Failure::Token { .. })) => {
                let mut doubt = Doubt::new(failure.detail(), turn);
                doubt.refusal = Some(failure.clone());
                self.phase = Phase::InDoubt(doubt);
                Some(self)
            }
            Ok(_) => self.lose("the answer belongs to another payment", turn),
            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => self.lose(detail, turn),
        }
    }

    /// No payment was made, and the till gets the reason.
    fn end_unpaid(self, failure: &Failure, turn: &mut Turn) -> SaleRecord {
        match self.record.ending {
            Some(ending) => {
                let what = "no payment was made";
                self.finish(messages::ended(ending), None, what, turn)
            }
            None => self.finish_failed(failure, turn),
        }
    }

    /// A refusal is believed, and its number watched as any absence is: a copy may yet have had effect.
    fn refuse(self, failure: &Failure, turn: &mut Turn) -> Option<ActiveSale> {
        let record = self.end_unpaid(failure, turn);
        let what = "a refused payment is asked for again later";
        turn.for_queue.push(QueueTask::watch_end(record, what));
        None
    }

    // ---- the answer was lost ------------------------------------------------------------------

    /// A restored sale begins anew, and its payment gets another number. The old one is asked for later.
    fn begin_anew(mut self, turn: &mut Turn) -> Option<ActiveSale> {
        let sale = Box::new(self.record.clone());
        turn.for_queue.push(QueueTask::WatchNumber { sale });
        self.record.operation.order_number = turn.numbers.order_number();
        self.phase = Phase::Starting;
        let what = "begins anew under another number";
        turn.write_sale(&mut self.record, what);
        Some(self)
    }

    /// The answer to `POST payments` was lost.
    fn lose(mut self, detail: &str, turn: &mut Turn) -> Option<ActiveSale> {
        if self.record.ending.is_some() {
            let error = messages::no_connection(detail);
            return self.release(turn.now.mono, error, turn);
        }
        self.set_state(State::InDoubt, turn.now);
        self.phase = Phase::InDoubt(Doubt::new(detail, turn));
        turn.write_sale(&mut self.record, "the answer to the payment was lost");
        turn.show(Scene::Checking);
        Some(self)
    }

    pub(super) fn doubt_wakeup(&self, doubt: &Doubt, link: &Link) -> (Duration, &'static str) {
        let end = (doubt.until, "doubt ends");
        let end = if doubt.unsent {
            end.min((self.deadline, "waitBuyer"))
        } else {
            end
        };
        let free = link.free_at(&self.subject());
        if doubt.request.is_some() {
            return end;
        }
        end.min((free.max(doubt.next_at), "look up"))
    }

    pub(super) fn doubt_tick(mut self, turn: &mut Turn) -> Option<ActiveSale> {
        let free = turn.link.free_at(&self.subject());
        let Phase::InDoubt(doubt) = &mut self.phase else {
            return Some(self);
        };
        if doubt.unsent && self.deadline <= turn.now.mono {
            let record = self.finish(State::Expired, None, "nobody came in time", turn);
            turn.for_queue
                .push(QueueTask::watch_end(record, LOST_PAYMENT));
            return None;
        }
        if doubt.until <= turn.now.mono && doubt.unsent {
            // No report came: what may stand under the old number is asked for later.
            return self.begin_anew(turn);
        }
        if doubt.until <= turn.now.mono {
            let (error, lost_at) = (messages::no_connection(&doubt.facts()), doubt.lost_at);
            return self.release(lost_at, error, turn);
        }
        if doubt.request.is_none() && free.max(doubt.next_at) <= turn.now.mono {
            doubt.request = Some(look_up_payment(&self.record, turn));
        }
        Some(self)
    }

    pub(super) fn look_up_answered(
        mut self,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let Phase::InDoubt(doubt) = &mut self.phase else {
            return Some(self);
        };
        doubt.request = None;
        match answer {
            Err(failure) => failure.detail().clone_into(&mut doubt.detail),
            Ok(Reply::Partial { detail, .. }) => detail.clone_into(&mut doubt.detail),
            Ok(_) => {}
        }
        doubt.next_at = turn.now.mono + doubt.interval;
        doubt.interval = (doubt.interval * 2).min(MAX_LOOK_UP_INTERVAL);
        let unsent = doubt.unsent;
        if let Ok(Reply::Found(found)) = answer {
            if let Some(info) = best_payment(found, &self.record) {
                self.record.payment_sent = true;
                return self.found(info, found, turn);
            }
            if unsent {
                // No disk is believed, and a report may lag: the old number is asked for later.
                return self.begin_anew(turn);
            }
            // A row of another payment under our number is no absence.
            if let Some(refusal) = doubt.refusal.clone().filter(|_| found.is_empty()) {
                return self.refuse(&refusal, turn);
            }
        }
        if let (Err(Failure::Token { .. }), Some(refusal @ Failure::Token { .. })) =
            (answer, doubt.refusal.clone())
        {
            // With a token that is not taken the report cannot be asked either: "Token errors refuse a new
            // request".
            return self.refuse(&refusal, turn);
        }
        let is_published = self.record.operation.state == State::InDoubt || unsent;
        if !is_published && self.record.ending.is_none() {
            self.set_state(State::InDoubt, turn.now);
            turn.write_sale(
                &mut self.record,
                "a refusal that the report did not confirm",
            );
            turn.show(Scene::Checking);
        }
        Some(self)
    }

    // ---- the buyer is to confirm --------------------------------------------------------------

    pub(super) fn confirming_tick(mut self, turn: &mut Turn) -> Option<ActiveSale> {
        let patience = turn.settings.patience();
        let subject = self.subject();
        let free = turn.link.free_at(&subject);
        let Phase::Confirming {
            payment_id,
            request,
            poll,
        } = &mut self.phase
        else {
            return Some(self);
        };
        if poll.has_failed(patience, turn.now.mono) {
            return self.polls_failed(&silence(), turn);
        }
        if request.is_none() && free.max(poll.next_at) <= turn.now.mono {
            let call = Call::Payment {
                payment_id: *payment_id,
            };
            let id = &self.record.operation.id;
            *request = Some(turn.question(id, call, subject.to_vec()));
        }
        Some(self)
    }

    pub(super) fn status_answered(
        mut self,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let patience = turn.settings.patience();
        let Phase::Confirming {
            payment_id,
            request,
            poll,
        } = &mut self.phase
        else {
            return Some(self);
        };
        *request = None;
        match answer {
            Ok(Reply::Payment(info))
                if info.payment_id == *payment_id && is_payment_of(info, &self.record) =>
            {
                poll.answered(turn.now.mono);
                self.apply(info, turn)
            }
            Ok(_) | Err(_) => {
                poll.failed(answer.as_ref().err(), turn.now.mono);
                if poll.has_failed(patience, turn.now.mono) {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.polls_failed(&failure, turn);
                }
                Some(self)
            }
        }
    }

    /// No poll was answered for `timeout`: a payment that may exist is undone.
    fn polls_failed(self, failure: &Failure, turn: &mut Turn) -> Option<ActiveSale> {
        let mut error = messages::no_connection(failure.detail());
        // The code is the contract's for every sale that is released; the words are those of the cause.
        if let Some(problem) = turn.link.token_problem() {
            let detail = failure.detail().to_owned();
            let cause = messages::of_failure(&Failure::Token { problem, detail });
            (error.message, error.remedy) = (cause.message, cause.remedy);
        }
        self.release(turn.now.mono, error, turn)
    }

    // ---- the service's word on our payment ----------------------------------------------------

    /// The service reported what became of our payment.
    pub(super) fn apply(mut self, info: &PaymentInfo, turn: &mut Turn) -> Option<ActiveSale> {
        self.record.operation.payment_id = Some(info.payment_id);
        let ending = self.record.ending;
        match info.status {
            PaymentStatus::Ok if self.nobody_waits(info, turn) => {
                let error = messages::no_connection("paid after nobody waited any more");
                self.release(turn.now.mono, error, turn)
            }
            PaymentStatus::Ok => self.finish_paid(info, turn),
            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => match ending {
                Some(ending) => {
                    self.start_undoing(info.payment_id, ending, turn);
                    Some(self)
                }
                None => self.await_confirmation(info, turn),
            },
            PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling => {
                let state = match ending {
                    Some(ending) => messages::ended(ending),
                    None => refused_state(info.status),
                };
                self.finish(state, None, &status_fact(info.status), turn);
                None
            }
        }
    }

    /// The payment is known by its number, and the service itself is to report what becomes of it.
    pub(super) fn ask_for_payment(
        mut self,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        self.record.operation.payment_id = Some(info.payment_id);
        self.await_confirmation(info, turn)
    }

    fn await_confirmation(mut self, info: &PaymentInfo, turn: &mut Turn) -> Option<ActiveSale> {
        if let Phase::Confirming { .. } = self.phase {
            return Some(self);
        }
        if self.deadline <= turn.now.mono {
            self.start_undoing(info.payment_id, StopReason::Expiry, turn);
            return Some(self);
        }
        self.set_state(State::AwaitingConfirmation, turn.now);
        let first_at = turn.now.mono + first_question_after(turn.settings.poll_payment);
        self.phase = Phase::Confirming {
            payment_id: info.payment_id,
            request: None,
            poll: Poll::begin(first_at),
        };
        turn.defer_sale(&mut self.record, status_fact(info.status));
        turn.show(Scene::PleaseConfirm {
            amount: self.amount(),
        });
        Some(self)
    }

    fn finish_paid(mut self, info: &PaymentInfo, turn: &mut Turn) -> Option<ActiveSale> {
        let operation = &mut self.record.operation;
        operation.left = Some(operation.amount);
        operation.slip = Some(Slip {
            payment_id: info.payment_id,
            paid_at: info.paid_text.clone(),
            amount: operation.amount,
            purse: info.purse.clone(),
        });
        self.finish(State::Done, None, "paid", turn);
        None
    }
}

/// Asks the report for a sale's order number, in its shift and for a date in the days beside it.
fn look_up_payment(record: &SaleRecord, turn: &mut Turn) -> RequestId {
    let operation = &record.operation;
    let order_numbers = vec![operation.order_number.clone()];
    let shifts = [operation.shift.as_str()];
    let call = Call::LookUp {
        shifts: shift::neighbourhood(&operation.shift),
        witnesses: turn.witnesses.of(&shifts, &order_numbers, turn.now.mono),
        order_numbers,
    };
    let subjects = vec![Subject::Order(operation.order_number.clone())];
    turn.question(&operation.id, call, subjects)
}
