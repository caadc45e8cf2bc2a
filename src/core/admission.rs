//! Whether an operation may begin: checks that need nothing, then, after an outage or with entries
//! waiting, a short try whether the service is back, then what only the service knows.
//!
//! A sale, a refund and a card wait here for the probe and for the queue; a cancellation does not,
//! since the queue is where it goes when it cannot be carried out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::{Now, minsk};
use crate::core::call::{Answer, Call, Failure, PaymentInfo, Reply as ServiceReply};
use crate::core::event::{JournalContext, Reply, RequestId, Ticket, Turn};
use crate::core::question_clock::Subject;
use crate::core::record::{BuyerRequest, Record};
use crate::core::reversal::target::check_payment;
use crate::core::{Core, shift, validate, words};
use crate::model::operation::{Mode, Operation, OperationRequest};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// How long an operation tries to empty the queue first.
const QUEUE_TRY: Duration = Duration::from_secs(3);
/// How long an operation waits for a probe of the connection first. The probe itself may take `timeout`, and what it
/// brings late serves the next one.
const PROBE_TRY: Duration = Duration::from_secs(2);
/// How long a refund of a payment that the journal lacks waits for the service's word on it.
const VERIFY_TRY: Duration = Duration::from_secs(5);
/// Clocks are corrected by small steps; only more than this is a clock that runs wrong.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// How often the same `PUT` may be repeated while it waits.
const MAX_TICKETS: usize = 16;

/// A till's wish, as it came.
pub(super) struct IncomingRequest {
    pub ticket: Ticket,
    pub id: String,
    pub wish: OperationRequest,
    pub existing: Option<Record>,
    pub facts: JournalContext,
}

/// A wish that may be granted.
#[derive(Debug)]
pub(super) struct AdmittedRequest {
    pub tickets: Vec<Ticket>,
    pub id: String,
    pub wish: OperationRequest,
    pub facts: JournalContext,
}

/// A wish that waits for the probe, the queue or the service's word.
#[derive(Debug)]
pub(super) struct Admission {
    wants: AdmittedRequest,
    until: Duration,
    asking: ServiceCheck,
    /// The service was asked whether it is there, and for its time.
    probed: bool,
    /// The probe it waits for is one that was under way before.
    joined: bool,
    refused: Option<Problem>,
}

/// What an admission has asked the service.
#[derive(Debug)]
enum ServiceCheck {
    Nothing,
    Probe(RequestId),
    Payment(RequestId),
    /// The payment that a refund names.
    Known(Box<PaymentInfo>),
}

impl Core {
    pub(super) fn ask(&mut self, asked: IncomingRequest, turn: &mut Turn) {
        let ticket = asked.ticket;
        let checked = validate::id(&asked.id)
            .and_then(|()| validate::wish(&asked.wish, self.settings.valutcode));
        if let Err(problem) = checked {
            return turn.reply(ticket, Reply::Begun(Err(problem)));
        }
        if let Some(existing) = &asked.existing {
            let answer = self.repeated(existing, &asked.wish, turn.now);
            return turn.reply(ticket, Reply::Begun(answer));
        }
        if let Some(admission) = &mut self.admission
            && admission.wants.id == asked.id
        {
            if admission.wants.wish != asked.wish {
                return turn.reply(ticket, Reply::Begun(Err(other_content())));
            }
            if admission.wants.tickets.len() < MAX_TICKETS {
                return admission.wants.tickets.push(ticket);
            }
        }
        self.hold_facts(&asked.facts);
        let allowed = self
            .may_begin(&asked)
            .and_then(|()| self.check_target(&asked.wish, &asked.facts));
        if let Err(problem) = allowed {
            return turn.reply(ticket, Reply::Begun(Err(problem)));
        }
        let granted = AdmittedRequest {
            tickets: vec![ticket],
            id: asked.id,
            wish: asked.wish,
            facts: asked.facts,
        };
        self.admit(granted, turn);
    }

    fn may_begin(&self, asked: &IncomingRequest) -> Result<(), Problem> {
        let Some(account) = &self.settings.account else {
            return Err(
                Code::NotConfigured.problem(cashier::NO_REG_NUM, cashier::NO_REG_NUM_REMEDY)
            );
        };
        if let Some(first) = self.queue.first_of_other_account() {
            let detail = cashier::other_account(first);
            return Err(Code::NotConfigured.problem(detail, cashier::OTHER_ACCOUNT_REMEDY));
        }
        let target = asked.facts.target.as_ref();
        if let Some(target) = target.filter(|target| target.account() != account) {
            // It is over, and nothing of it can be settled.
            let detail = cashier::account_gone(&target.operation().id);
            return Err(Code::NotConfigured.problem(detail, cashier::ACCOUNT_GONE_REMEDY));
        }
        if self.sale.is_some() || self.admission.is_some() || self.refund_is_attended() {
            return Err(Code::Busy.problem(cashier::BUSY, cashier::BUSY_REMEDY));
        }
        if let Some(entry) = &asked.facts.set_aside {
            return Err(Code::Conflict.problem(
                cashier::receipt_unfinished(entry),
                cashier::RECEIPT_UNFINISHED_REMEDY,
            ));
        }
        Ok(())
    }

    /// Whether the clock is earlier than what the journal knows, and the service does not confirm it.
    pub(super) fn clock_is_doubtful(&self, now: Now) -> bool {
        let newest = self.newest;
        let is_behind =
            newest.is_some_and(|newest| newest.duration_since(now.wall) > CLOCK_TOLERANCE);
        is_behind && !self.link.confirms_clock(now)
    }

    /// A `PUT` of an id that stands already.
    fn repeated(
        &self,
        existing: &Record,
        wish: &OperationRequest,
        now: Now,
    ) -> Result<(bool, Operation), Problem> {
        if !existing.was_asked_for(wish) {
            return Err(other_content());
        }
        let operation = existing.operation();
        match self.repeats.long_over(operation, now) {
            Some(at) => Err(long_over(&operation.id, at)),
            None => Ok((false, operation.clone())),
        }
    }

    /// A caller has hung up: what it waits for is not begun, unless another waits for the same.
    pub(super) fn caller_gone(&mut self, ticket: Ticket) {
        let Some(admission) = &mut self.admission else {
            return;
        };
        admission.wants.tickets.retain(|other| *other != ticket);
        if admission.wants.tickets.is_empty() {
            self.admission = None;
        }
    }

    fn admit(&mut self, wants: AdmittedRequest, turn: &mut Turn) {
        if matches!(wants.wish, OperationRequest::Cancellation(_)) {
            return self.begin(wants, None, turn);
        }
        if self.link.is_held_off_for_long(turn.now.mono) {
            return wants.refuse(&self.link.unavailable(turn.now.mono), turn);
        }
        if wants.mode(self.settings.mode).is_some() {
            self.scans.asked(turn.now.mono);
        }
        let queued = self.queue.blocking().next().is_some();
        let mut admission = Admission {
            until: turn.now.mono,
            asking: ServiceCheck::Nothing,
            probed: false,
            joined: false,
            refused: None,
            wants,
        };
        admission.until += match admission.foreign_payment() {
            _ if queued => QUEUE_TRY,
            // It may have been asked for just now, and rests yet.
            Some(_) => VERIFY_TRY,
            None => PROBE_TRY,
        };
        if queued {
            self.queue.wake(turn.now.mono);
        } else if self.link.down().is_some() || self.clock_is_doubtful(turn.now) {
            return self.probe(admission, turn);
        } else if admission.foreign_payment().is_none() {
            return self.begin(admission.wants, None, turn);
        }
        self.admission = Some(admission);
    }

    /// Asks the service whether it is there, and for its time; what was asked already is waited for.
    fn probe(&mut self, mut admission: Admission, turn: &mut Turn) {
        if self.link.free_at(&[]) > turn.now.mono {
            // The service has asked for patience, which a probe obeys, too.
            let problem = self.link.unavailable(turn.now.mono);
            return admission.wants.refuse(&problem, turn);
        }
        let under_way = self.link.probe(turn.now.mono);
        let request = under_way.unwrap_or_else(|| self.send_probe(&admission.wants.id, turn));
        admission.joined = under_way.is_some();
        admission.asking = ServiceCheck::Probe(request);
        admission.probed = true;
        self.admission = Some(admission);
    }

    fn send_probe(&mut self, id: &str, turn: &mut Turn) -> RequestId {
        let shift = shift::of_day(turn.now.wall);
        let request = self.request(id, Call::Probe { shift }, turn);
        self.link.probe_left(request, turn.now.mono);
        request
    }

    /// Whether the answer was the admission's.
    pub(super) fn admission_answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> bool {
        let unavailable = self.link.unavailable(turn.now.mono);
        let Some(admission) = &mut self.admission else {
            return false;
        };
        match admission.asking {
            ServiceCheck::Probe(asked) if asked == request => {
                admission.asking = ServiceCheck::Nothing;
                if matches!(
                    answer,
                    Err(Failure::NotSent { .. }
                        | Failure::Lost { .. }
                        | Failure::TooManyRequests { .. })
                ) {
                    if !admission.joined {
                        admission.refused = Some(unavailable);
                    } else if let Some(admission) = self.admission.take() {
                        // What somebody has asked long ago says nothing of the way as it is now.
                        self.probe(admission, turn);
                    }
                }
                true
            }
            ServiceCheck::Payment(asked) if asked == request => {
                admission.asking = ServiceCheck::Nothing;
                match answer {
                    Ok(ServiceReply::Payment(info)) => {
                        admission.asking = ServiceCheck::Known(Box::new(info.clone()));
                    }
                    answer => {
                        admission.refused = Some(unverified(answer.as_ref().err(), unavailable));
                    }
                }
                true
            }
            ServiceCheck::Nothing
            | ServiceCheck::Probe(_)
            | ServiceCheck::Payment(_)
            | ServiceCheck::Known(_) => false,
        }
    }

    pub(super) fn admission_wakeup(&self) -> Option<(Duration, &'static str)> {
        let admission = self.admission.as_ref()?;
        if admission.refused.is_some() {
            return Some((Duration::ZERO, "admission decided"));
        }
        let due = self.admission_moves(admission);
        let due = due.then(|| self.verification_due_at(admission));
        let at = due.map_or(admission.until, |due| due.min(admission.until));
        Some((at, "admission"))
    }

    /// Whether its next step can be taken: nothing is being asked, and the queue is empty.
    fn admission_moves(&self, admission: &Admission) -> bool {
        let idle = matches!(
            admission.asking,
            ServiceCheck::Nothing | ServiceCheck::Known(_)
        );
        idle && self.queue.blocking().next().is_none()
    }

    /// When the payment that a refund names may be asked for; at once where none is to be asked for.
    fn verification_due_at(&self, admission: &Admission) -> Duration {
        match (admission.foreign_payment(), &admission.asking) {
            (Some(payment_id), ServiceCheck::Nothing) => {
                self.link.free_at(&[Subject::Payment(payment_id)])
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether an operation was begun.
    pub(super) fn admission_tick(&mut self, turn: &mut Turn) -> bool {
        let Some(mut admission) = self.admission.take() else {
            return false;
        };
        let free = self.verification_due_at(&admission) <= turn.now.mono;
        let moves = free && self.admission_moves(&admission);
        if let Some(problem) = admission.refused.take() {
            admission.wants.refuse(&problem, turn);
            return false;
        }
        if !moves && admission.until <= turn.now.mono {
            let problem = self.link.unavailable(turn.now.mono);
            admission.wants.refuse(&problem, turn);
            return false;
        }
        if !moves {
            self.admission = Some(admission);
            return false;
        }
        // "A clock earlier than the newest journal entry makes a `PUT` probe first; only one that stays
        // unconfirmed is refused."
        if self.clock_is_doubtful(turn.now) && !admission.probed {
            admission.until = turn.now.mono + PROBE_TRY;
            self.probe(admission, turn);
            return false;
        }
        if self.clock_is_doubtful(turn.now) && admission.wants.relies_on_clock() {
            let problem = Code::TemporarilyUnavailable
                .problem(cashier::CLOCK_BEHIND, cashier::CLOCK_BEHIND_REMEDY);
            admission.wants.refuse(&problem, turn);
            return false;
        }
        let known = match &admission.asking {
            ServiceCheck::Known(info) => Some(info.as_ref().clone()),
            ServiceCheck::Nothing | ServiceCheck::Probe(_) | ServiceCheck::Payment(_) => None,
        };
        if let (Some(payment_id), None) = (admission.foreign_payment(), &known) {
            let subjects = vec![Subject::Payment(payment_id)];
            let call = Call::Payment { payment_id };
            let request = self.question(&admission.wants.id, call, subjects, turn);
            admission.asking = ServiceCheck::Payment(request);
            admission.until = turn.now.mono + VERIFY_TRY;
            self.admission = Some(admission);
            return false;
        }
        // The queue may have changed what the target has left.
        let wants = admission.wants;
        let checked = self
            .check_target(&wants.wish, &wants.facts)
            .and_then(|()| check_payment(&wants, known.as_ref()));
        if let Err(problem) = checked {
            wants.refuse(&problem, turn);
            return false;
        }
        self.begin(wants, known, turn);
        true
    }

    fn begin(&mut self, wants: AdmittedRequest, known: Option<PaymentInfo>, turn: &mut Turn) {
        match &wants.wish {
            OperationRequest::Sale(sale) => {
                let request = BuyerRequest::Sale(sale.clone());
                self.begin_sale(&wants.tickets, wants.id, request, turn);
            }
            OperationRequest::Card(card) => {
                let request = BuyerRequest::Card(card.clone());
                self.begin_sale(&wants.tickets, wants.id, request, turn);
            }
            OperationRequest::Refund(_) | OperationRequest::Cancellation(_) => {
                self.begin_entry(wants, known, turn)
            }
        }
    }

    /// Whether what waits to begin will want the buyer's code.
    pub(super) fn admission_awaits_code(&self) -> bool {
        let admission = self.admission.as_ref();
        let mode = admission.and_then(|waiting| waiting.wants.mode(self.settings.mode));
        mode == Some(Mode::ConsumerQr)
    }
}

impl AdmittedRequest {
    /// How the buyer will join; `None` where none is attended.
    fn mode(&self, usual: Mode) -> Option<Mode> {
        match &self.wish {
            OperationRequest::Sale(sale) => Some(sale.mode.unwrap_or(usual)),
            OperationRequest::Card(_) => Some(usual),
            OperationRequest::Refund(_) | OperationRequest::Cancellation(_) => None,
        }
    }

    /// Whether it would take its time or its shift from the till's clock. A refund whose shift the till
    /// has named is owed to the buyer whatever the clock says.
    fn relies_on_clock(&self) -> bool {
        match &self.wish {
            OperationRequest::Refund(refund) => refund.receipt.shift.is_none(),
            OperationRequest::Sale(_)
            | OperationRequest::Card(_)
            | OperationRequest::Cancellation(_) => true,
        }
    }

    fn refuse(self, problem: &Problem, turn: &mut Turn) {
        for ticket in self.tickets {
            turn.reply(ticket, Reply::Begun(Err(problem.clone())));
        }
    }
}

impl Admission {
    /// The target of what waits stays held.
    pub(super) fn holds(&self, id: &str) -> bool {
        let target = self.wants.facts.target.as_ref();
        target.is_some_and(|target| target.operation().id == id)
    }

    /// The payment of a refund that only the service knows.
    fn foreign_payment(&self) -> Option<i64> {
        match &self.wants.wish {
            OperationRequest::Refund(refund) if self.wants.facts.target.is_none() => {
                refund.payment_id
            }
            OperationRequest::Refund(_)
            | OperationRequest::Sale(_)
            | OperationRequest::Cancellation(_)
            | OperationRequest::Card(_) => None,
        }
    }
}

/// The service was asked for the payment that a refund names, and did not show it.
fn unverified(failure: Option<&Failure>, unavailable: Problem) -> Problem {
    match failure {
        Some(Failure::Refused { .. }) => {
            Code::NotFound.problem(cashier::NO_PAYMENT, cashier::NO_PAYMENT_REMEDY)
        }
        Some(failure @ Failure::Token { .. }) => {
            let error = words::of_failure(failure);
            Code::TemporarilyUnavailable.problem(error.message, error.remedy)
        }
        Some(
            Failure::NotSent { .. }
            | Failure::Lost { .. }
            | Failure::SessionOver { .. }
            | Failure::TooManyRequests { .. },
        )
        | None => unavailable,
    }
}

fn long_over(id: &str, at: Timestamp) -> Problem {
    let at = minsk().to_datetime(at).strftime("%d.%m.%Y %H:%M");
    Code::Conflict.problem(cashier::long_over(at, id), cashier::LONG_OVER_REMEDY)
}

fn other_content() -> Problem {
    Code::Conflict.problem(cashier::OTHER_CONTENT, cashier::OTHER_CONTENT_REMEDY)
}
