//! `POST payments`, and what becomes of it.
//!
//! The service may hold its answer until the buyer has confirmed (the recorded answers all came with
//! a final status), so an answer that is late is not lost: it is awaited until `waitBuyer` while the
//! connection lives, and from `timeout` on the report is asked for the order number beside it. What is
//! found there goes on as if it had been answered; the held answer may still come, and is then a second
//! witness ([`Core::late_answered`]).
//!
//! A refusal says only that *this copy* of the request had no effect; an earlier one may have been
//! carried out (recorded: the second payment of a session was refused although the first was paid).
//! So the report is asked for the order number before a refusal is believed.

use super::*;
use crate::core::call::{Failure, PaymentInfo, PaymentStatus, Reply};
use crate::core::poll::first_question_after;
use crate::core::sale::completion::{
    best_payment, foreign_reply, is_payment_of, refused_state, silence, status_fact,
};
use crate::model::operation::Slip;

/// From here on a request that is still unanswered is told as a buyer who has yet to confirm.
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
    /// What is known when the patience ends. A refusal that no whole report has confirmed is then no
    /// refusal: the sale ends as one whose answer was lost, and support learns of both.
    pub(super) fn facts(&self) -> String {
        match &self.refusal {
            Some(refusal) => format!("{}; refused: {}", self.detail, refusal.detail()),
            None => self.detail.clone(),
        }
    }
}

impl Core {
    /// The one place from which `POST payments` leaves.
    pub(super) fn pay(&mut self, sale: &mut ActiveSale, session: String, turn: &mut Turn) {
        let Some(receipt) = sale.record.request.receipt().cloned() else {
            return;
        };
        sale.record.payment_sent = true;
        sale.record.operation.shows = None;
        sale.set_state(State::InProgress, turn.now);
        turn.write_sale(&mut sale.record, "the payment is being sent");
        turn.show(Scene::PleaseConfirm {
            amount: sale.amount(),
        });
        let operation = &sale.record.operation;
        let call = Call::Pay {
            session,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            receipt,
            // A little longer than anybody waits, so that it is the core that stops waiting.
            answer_within: sale.deadline.saturating_sub(turn.now.mono) + self.settings.timeout,
        };
        let request = self.request(&operation.id, call, turn);
        sale.phase = Phase::Paying(Paying {
            request,
            sent_at: turn.now.mono,
            look_up: None,
            look_up_at: turn.now.mono + self.settings.timeout,
            until: None,
        });
    }

    // ---- the answer is awaited ----------------------------------------------------------------

    pub(super) fn paying_wakeup(
        &self,
        sale: &ActiveSale,
        paying: &Paying,
    ) -> (Duration, &'static str) {
        let is_held = sale.record.operation.state == State::AwaitingConfirmation;
        let held = (!is_held && paying.until.is_none())
            .then(|| (paying.sent_at + HELD_ANSWER_DELAY, "the answer is held"));
        let due = self.link.free_at(&sale.subject()).max(paying.look_up_at);
        let waits = paying.look_up.is_none();
        let look_up = waits.then_some((due, "look up beside"));
        let end = match paying.until {
            Some(until) => (until, "payment given up"),
            None => (sale.deadline, "waitBuyer"),
        };
        [held, look_up].into_iter().flatten().fold(end, Ord::min)
    }

    pub(super) fn paying_tick(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        let Phase::Paying(paying) = &sale.phase else {
            self.sale = Some(sale);
            return;
        };
        let stopped = paying.until;
        if stopped.is_some_and(|until| until <= turn.now.mono) {
            let request = paying.request;
            let error = words::no_connection("the payment was not answered in time");
            // The connection lives: absence proves nothing before it is closed.
            self.held_answers.insert(request, sale.record.clone());
            return self.release(sale, turn.now.mono, error, turn);
        }
        if stopped.is_none() && sale.deadline <= turn.now.mono {
            self.stop_paying(&mut sale, StopReason::Expiry, turn);
        } else if stopped.is_none()
            && sale.record.operation.state == State::InProgress
            && paying.sent_at + HELD_ANSWER_DELAY <= turn.now.mono
        {
            sale.set_state(State::AwaitingConfirmation, turn.now);
            turn.write_sale(&mut sale.record, "the service holds its answer");
        }
        self.look_up_beside(&mut sale, turn);
        self.sale = Some(sale);
    }

    /// The report is asked for the order number while the answer is awaited.
    fn look_up_beside(&mut self, sale: &mut ActiveSale, turn: &mut Turn) {
        let free = self.link.free_at(&sale.subject());
        let Phase::Paying(paying) = &mut sale.phase else {
            return;
        };
        if paying.look_up.is_some() || free.max(paying.look_up_at) > turn.now.mono {
            return;
        }
        paying.look_up = Some(self.look_up_payment(&sale.record, turn));
    }

    /// Asks the report for the sale's order number, in its shift and for a date in the days beside it.
    fn look_up_payment(&mut self, record: &SaleRecord, turn: &mut Turn) -> RequestId {
        let operation = &record.operation;
        let order_numbers = vec![operation.order_number.clone()];
        let call = Call::LookUp {
            shifts: shift::neighbourhood(&operation.shift),
            witnesses: self.witnesses_of(&[&operation.shift], &order_numbers, turn.now),
            order_numbers,
        };
        let subjects = vec![Subject::Order(operation.order_number.clone())];
        self.question(&operation.id, call, subjects, turn)
    }

    /// The cashier, or the deadline, stops the wait for the answer: durable before it is told. The
    /// payment exists as far as anybody knows, so it is looked for at once, to be reversed.
    pub(super) fn stop_paying(
        &mut self,
        sale: &mut ActiveSale,
        ending: StopReason,
        turn: &mut Turn,
    ) {
        let Phase::Paying(paying) = &mut sale.phase else {
            return;
        };
        if paying.until.is_some() {
            return;
        }
        paying.until = Some(turn.now.mono + self.patience());
        paying.look_up_at = turn.now.mono;
        sale.record.ending = Some(ending);
        sale.set(State::InProgress, cashier::CANCELLING, turn.now);
        turn.write_sale(
            &mut sale.record,
            match ending {
                StopReason::Abort => "aborted by the cashier",
                StopReason::Expiry => "nobody confirmed in time",
            },
        );
        turn.show(Scene::Checking);
    }

    pub(super) fn paying_answered(
        &mut self,
        mut sale: ActiveSale,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let Phase::Paying(paying) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        if paying.request == request {
            return self.pay_answered(sale, answer, turn);
        }
        paying.look_up = None;
        // One that never left may leave again, but not at once.
        paying.look_up_at = turn.now.mono + LOOK_UP_INTERVAL * 2;
        if let Ok(Reply::Found(found)) = answer
            && let Some(info) = best_payment(found, &sale.record)
        {
            self.held_answers
                .insert(paying.request, sale.record.clone());
            return self.found(sale, info, found, turn);
        }
        self.sale = Some(sale);
    }

    fn pay_answered(&mut self, mut sale: ActiveSale, answer: &Answer, turn: &mut Turn) {
        match answer {
            Ok(Reply::Payment(info)) if is_payment_of(info, &sale.record) => {
                self.apply(sale, info, turn);
            }
            Err(failure @ Failure::NotSent { .. }) => {
                sale.record.payment_sent = false;
                self.end_unpaid(sale, failure, turn);
            }
            // "A refusal of a payment or reversal is believed only after the report was asked for its order
            // number." A token error is one more refusal: what stands before the service may have said it.
            Err(failure @ (Failure::Refused { .. } | Failure::Token { .. })) => {
                let mut doubt = self.doubt(failure.detail(), turn.now);
                doubt.refusal = Some(failure.clone());
                sale.phase = Phase::InDoubt(doubt);
                self.sale = Some(sale);
            }
            Ok(_) => self.lose(sale, "the answer belongs to another payment", turn),
            Err(
                Failure::Lost { detail, .. }
                | Failure::SessionOver { detail }
                | Failure::TooManyRequests { detail, .. },
            ) => self.lose(sale, detail, turn),
        }
    }

    /// No payment was made, and the till hears why.
    fn end_unpaid(&mut self, sale: ActiveSale, failure: &Failure, turn: &mut Turn) {
        match sale.record.ending {
            Some(ending) => {
                let what = "no payment was made";
                self.finish(sale, words::ended(ending), None, what, turn);
            }
            None => self.fail(sale, failure, turn),
        }
    }

    /// A refusal is believed, and its number watched as any absence is: a copy may yet have had effect.
    fn refuse(&mut self, sale: ActiveSale, failure: &Failure, turn: &mut Turn) {
        let id = sale.record.operation.id.clone();
        self.end_unpaid(sale, failure, turn);
        self.watch_end(&id, "a refused payment is asked for again later", turn);
    }

    // ---- the answer was lost ------------------------------------------------------------------

    pub(super) fn doubt(&self, detail: &str, now: Now) -> Doubt {
        Doubt {
            request: None,
            next_at: now.mono,
            interval: LOOK_UP_INTERVAL,
            until: now.mono + self.patience(),
            lost_at: now.mono,
            detail: detail.to_owned(),
            refusal: None,
            unsent: false,
        }
    }

    /// A restored sale begins anew, and its payment gets another number.
    fn begin_anew(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        sale.record.operation.order_number = self.numbers.order_number();
        sale.phase = Phase::Starting;
        let what = "begins anew under another number";
        turn.write_sale(&mut sale.record, what);
        self.sale = Some(sale);
    }

    /// The answer to `POST payments` was lost.
    fn lose(&mut self, mut sale: ActiveSale, detail: &str, turn: &mut Turn) {
        if sale.record.ending.is_some() {
            let error = words::no_connection(detail);
            return self.release(sale, turn.now.mono, error, turn);
        }
        sale.set_state(State::InDoubt, turn.now);
        sale.phase = Phase::InDoubt(self.doubt(detail, turn.now));
        turn.write_sale(&mut sale.record, "the answer to the payment was lost");
        turn.show(Scene::Checking);
        self.sale = Some(sale);
    }

    pub(super) fn doubt_wakeup(
        &self,
        sale: &ActiveSale,
        doubt: &Doubt,
    ) -> (Duration, &'static str) {
        let end = (doubt.until, "doubt ends");
        let end = if doubt.unsent {
            end.min((sale.deadline, "waitBuyer"))
        } else {
            end
        };
        let free = self.link.free_at(&sale.subject());
        if doubt.request.is_some() {
            return end;
        }
        end.min((free.max(doubt.next_at), "look up"))
    }

    pub(super) fn doubt_tick(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        let free = self.link.free_at(&sale.subject());
        let Phase::InDoubt(doubt) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
        };
        if doubt.unsent && sale.deadline <= turn.now.mono {
            let id = sale.record.operation.id.clone();
            let what = "nobody came in time";
            self.finish(sale, State::Expired, None, what, turn);
            return self.watch_end(&id, LOST_PAYMENT, turn);
        }
        if doubt.until <= turn.now.mono && doubt.unsent {
            // No report came: what may stand under the old number is asked for later.
            let old = sale.record.clone();
            self.begin_anew(sale, turn);
            return self.watch_number(&old, turn);
        }
        if doubt.until <= turn.now.mono {
            let (error, lost_at) = (words::no_connection(&doubt.facts()), doubt.lost_at);
            return self.release(sale, lost_at, error, turn);
        }
        if doubt.request.is_none() && free.max(doubt.next_at) <= turn.now.mono {
            let request = self.look_up_payment(&sale.record, turn);
            if let Phase::InDoubt(doubt) = &mut sale.phase {
                doubt.request = Some(request);
            }
        }
        self.sale = Some(sale);
    }

    pub(super) fn look_up_answered(
        &mut self,
        mut sale: ActiveSale,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let Phase::InDoubt(doubt) = &mut sale.phase else {
            self.sale = Some(sale);
            return;
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
            if let Some(info) = best_payment(found, &sale.record) {
                sale.record.payment_sent = true;
                return self.found(sale, info, found, turn);
            }
            if unsent {
                // No disk is believed, and a report may lag: the old number is asked for later.
                let old = sale.record.clone();
                self.begin_anew(sale, turn);
                return self.watch_number(&old, turn);
            }
            // A row of another payment under our number is no absence.
            if let Some(refusal) = doubt.refusal.clone().filter(|_| found.is_empty()) {
                return self.refuse(sale, &refusal, turn);
            }
        }
        if let (Err(Failure::Token { .. }), Some(refusal @ Failure::Token { .. })) =
            (answer, doubt.refusal.clone())
        {
            // With a token that is not taken the report cannot be asked either: "Token errors refuse a new
            // request".
            return self.refuse(sale, &refusal, turn);
        }
        let is_told = sale.record.operation.state == State::InDoubt || unsent;
        if !is_told && sale.record.ending.is_none() {
            sale.set_state(State::InDoubt, turn.now);
            turn.write_sale(
                &mut sale.record,
                "a refusal that the report did not confirm",
            );
            turn.show(Scene::Checking);
        }
        self.sale = Some(sale);
    }

    // ---- the buyer is to confirm --------------------------------------------------------------

    pub(super) fn confirming_tick(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        let patience = self.patience();
        let subject = sale.subject();
        let free = self.link.free_at(&subject);
        let Phase::Confirming {
            payment_id,
            request,
            poll,
        } = &mut sale.phase
        else {
            self.sale = Some(sale);
            return;
        };
        if poll.has_failed(patience, turn.now.mono) {
            return self.polls_failed(sale, &silence(), turn);
        }
        if request.is_none() && free.max(poll.next_at) <= turn.now.mono {
            let call = Call::Payment {
                payment_id: *payment_id,
            };
            let id = &sale.record.operation.id;
            *request = Some(self.question(id, call, subject.to_vec(), turn));
        }
        self.sale = Some(sale);
    }

    pub(super) fn status_answered(
        &mut self,
        mut sale: ActiveSale,
        answer: &Answer,
        turn: &mut Turn,
    ) {
        let patience = self.patience();
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
                poll.answered(turn.now.mono);
                self.apply(sale, info, turn);
            }
            Ok(_) | Err(_) => {
                poll.failed(answer.as_ref().err(), turn.now.mono);
                if poll.has_failed(patience, turn.now.mono) {
                    let failure = answer.as_ref().err().cloned().unwrap_or_else(foreign_reply);
                    return self.polls_failed(sale, &failure, turn);
                }
                self.sale = Some(sale);
            }
        }
    }

    /// No poll was answered for `timeout`: a payment that may exist is undone.
    fn polls_failed(&mut self, sale: ActiveSale, failure: &Failure, turn: &mut Turn) {
        let mut error = words::no_connection(failure.detail());
        // The code is the contract's for every sale that is released; the words are those of the cause.
        if let Some(problem) = self.link.token_problem() {
            let detail = failure.detail().to_owned();
            let cause = words::of_failure(&Failure::Token { problem, detail });
            (error.message, error.remedy) = (cause.message, cause.remedy);
        }
        self.release(sale, turn.now.mono, error, turn);
    }

    // ---- the service's word on our payment ----------------------------------------------------

    /// The service told what became of our payment.
    pub(super) fn apply(&mut self, mut sale: ActiveSale, info: &PaymentInfo, turn: &mut Turn) {
        sale.record.operation.payment_id = Some(info.payment_id);
        let ending = sale.record.ending;
        match info.status {
            PaymentStatus::Ok if self.nobody_waits(&sale, info, turn.now) => {
                let error = words::no_connection("paid after nobody waited any more");
                self.release(sale, turn.now.mono, error, turn);
            }
            PaymentStatus::Ok => self.finish_paid(sale, info, turn),
            PaymentStatus::InProgress | PaymentStatus::Unknown(_) => match ending {
                Some(ending) => {
                    self.start_undoing(&mut sale, info.payment_id, ending, turn);
                    self.sale = Some(sale);
                }
                None => self.await_confirmation(sale, info, turn),
            },
            PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling => {
                let state = match ending {
                    Some(ending) => words::ended(ending),
                    None => refused_state(info.status),
                };
                self.finish(sale, state, None, &status_fact(info.status), turn);
            }
        }
    }

    /// The payment is known by its number, and the service itself is to say what becomes of it.
    pub(super) fn ask_for_payment(
        &mut self,
        mut sale: ActiveSale,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) {
        sale.record.operation.payment_id = Some(info.payment_id);
        self.await_confirmation(sale, info, turn);
    }

    fn await_confirmation(&mut self, mut sale: ActiveSale, info: &PaymentInfo, turn: &mut Turn) {
        if let Phase::Confirming { .. } = sale.phase {
            self.sale = Some(sale);
            return;
        }
        if sale.deadline <= turn.now.mono {
            self.start_undoing(&mut sale, info.payment_id, StopReason::Expiry, turn);
            self.sale = Some(sale);
            return;
        }
        sale.set_state(State::AwaitingConfirmation, turn.now);
        let first_at = turn.now.mono + first_question_after(self.settings.poll_payment);
        sale.phase = Phase::Confirming {
            payment_id: info.payment_id,
            request: None,
            poll: Poll::begin(first_at),
        };
        turn.write_sale(&mut sale.record, status_fact(info.status));
        turn.show(Scene::PleaseConfirm {
            amount: sale.amount(),
        });
        self.sale = Some(sale);
    }

    /// Paid, although the till had stopped waiting: it may cancel the sale.
    pub(in crate::core) fn finish_paid_attached(&mut self, mut sale: ActiveSale, turn: &mut Turn) {
        sale.record.operation.left = Some(sale.record.operation.amount);
        sale.record.operation.undo = None;
        let what = "paid before the reversal";
        self.finish(sale, State::Done, None, what, turn);
    }

    fn finish_paid(&mut self, mut sale: ActiveSale, info: &PaymentInfo, turn: &mut Turn) {
        let operation = &mut sale.record.operation;
        operation.left = Some(operation.amount);
        operation.slip = Some(Slip {
            payment_id: info.payment_id,
            paid_at: info.paid_text.clone(),
            amount: operation.amount,
            purse: info.purse.clone(),
        });
        self.finish(sale, State::Done, None, "paid", turn);
    }
}
