//! Whether an operation may begin: checks that need nothing, then, after an outage or with entries
//! waiting, a short try whether the service is back, then what only the service knows.
//!
//! A sale, a refund and a card wait here for the probe and for the queue; a cancellation does not,
//! since the queue is where it goes when it cannot be carried out.

use std::time::Duration;

use crate::core::begin::IncomingRequest;
use crate::core::call::{Answer, Call, Failure, PaymentInfo, Reply as ServiceReply};
use crate::core::event::{JournalContext, Reply, RequestId, Settings, Ticket};
use crate::core::link::Link;
use crate::core::question_clock::Subject;
use crate::core::reversal::queue::ReversalQueue;
use crate::core::turn::Turn;
use crate::core::{messages, shift};
use crate::model::operation::{Mode, OperationRequest};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// How long an operation tries to empty the queue first.
const QUEUE_TRY: Duration = Duration::from_secs(3);
/// How long an operation waits for a probe of the connection first. The probe itself may take `timeout`, and what it
/// brings late serves the next one.
const PROBE_TRY: Duration = Duration::from_secs(2);
/// How long a refund of a payment that the journal lacks waits for the service's word on it.
const VERIFY_TRY: Duration = Duration::from_secs(5);
/// How often the same `PUT` may be repeated while it waits.
const MAX_TICKETS: usize = 16;

/// A request that may be granted.
#[derive(Debug)]
pub(super) struct AdmittedRequest {
    pub tickets: Vec<Ticket>,
    pub id: String,
    pub requested: OperationRequest,
    pub context: JournalContext,
}

/// The place of the one request that waits for the probe, the queue or the service's word.
#[derive(Debug, Default)]
pub(super) struct Admission {
    waiting: Option<WaitingRequest>,
}

/// A request that waits.
#[derive(Debug)]
struct WaitingRequest {
    admitted: AdmittedRequest,
    until: Duration,
    asking: ServiceCheck,
    /// The service was asked whether it is there, and for its time.
    probed: bool,
    /// The probe it waits for is one that was under way before.
    joined: bool,
    refused: Option<Problem>,
}

/// A request for which nothing is waited for any more: it begins, if its target still allows it.
pub(super) struct Ready {
    pub admitted: AdmittedRequest,
    /// The payment that a refund names, where only the service knows it.
    pub known: Option<PaymentInfo>,
}

/// What a waiting request has asked the service.
#[derive(Debug)]
enum ServiceCheck {
    Nothing,
    Probe(RequestId),
    Payment(RequestId),
    /// The payment that a refund names.
    Known(Box<PaymentInfo>),
}

impl Admission {
    /// Whether a request waits.
    pub(super) fn is_taken(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether the request that waits has this target, which then stays held.
    pub(super) fn holds(&self, id: &str) -> bool {
        let waiting = self.waiting.as_ref();
        let target = waiting.and_then(|waiting| waiting.admitted.context.target.as_ref());
        target.is_some_and(|target| target.operation().id == id)
    }

    /// Whether what waits to begin will want the buyer's code.
    pub(super) fn awaits_code(&self, settings: &Settings) -> bool {
        let waiting = self.waiting.as_ref();
        let mode = waiting.and_then(|waiting| waiting.admitted.mode(settings.mode));
        mode == Some(Mode::ConsumerQr)
    }

    /// The same `PUT` as the one that waits: it waits with it. Answers whether it does.
    ///
    /// # Errors
    /// The one that waits has other content.
    pub(super) fn join(&mut self, asked: &IncomingRequest) -> Result<bool, Problem> {
        let waiting = self.waiting.as_mut();
        let Some(waiting) = waiting.filter(|waiting| waiting.admitted.id == asked.id) else {
            return Ok(false);
        };
        if waiting.admitted.requested != asked.requested {
            return Err(other_content());
        }
        let has_room = waiting.admitted.tickets.len() < MAX_TICKETS;
        if has_room {
            waiting.admitted.tickets.push(asked.ticket);
        }
        Ok(has_room)
    }

    /// A caller has hung up: what it waits for is not begun, unless another waits for the same.
    pub(super) fn caller_gone(&mut self, ticket: Ticket) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        waiting.admitted.tickets.retain(|other| *other != ticket);
        if waiting.admitted.tickets.is_empty() {
            self.waiting = None;
        }
    }

    /// A request that is allowed. Answers it where it begins at once.
    pub(super) fn admit(
        &mut self,
        admitted: AdmittedRequest,
        queue: &mut ReversalQueue,
        turn: &mut Turn,
    ) -> Option<Ready> {
        let ready = |admitted| {
            Some(Ready {
                admitted,
                known: None,
            })
        };
        if matches!(admitted.requested, OperationRequest::Cancellation(_)) {
            return ready(admitted);
        }
        if turn.link.is_held_off_for_long(turn.now.mono) {
            admitted.refuse(&turn.link.unavailable(turn.now.mono), turn);
            return None;
        }
        let queued = queue.blocking().next().is_some();
        let mut waiting = WaitingRequest {
            until: turn.now.mono,
            asking: ServiceCheck::Nothing,
            probed: false,
            joined: false,
            refused: None,
            admitted,
        };
        waiting.until += match waiting.payment_to_verify() {
            _ if queued => QUEUE_TRY,
            // It may have been asked for just now, and rests yet.
            Some(_) => VERIFY_TRY,
            None => PROBE_TRY,
        };
        if queued {
            queue.wake(turn.now.mono);
        } else if turn.link.down().is_some() || turn.clock_is_doubtful() {
            self.probe(waiting, turn);
            return None;
        } else if waiting.payment_to_verify().is_none() {
            return ready(waiting.admitted);
        }
        self.waiting = Some(waiting);
        None
    }

    /// Asks the service whether it is there, and for its time; what was asked already is waited for.
    fn probe(&mut self, mut waiting: WaitingRequest, turn: &mut Turn) {
        if turn.link.free_at(&[]) > turn.now.mono {
            // The service has asked for patience, which a probe obeys, too.
            let problem = turn.link.unavailable(turn.now.mono);
            return waiting.admitted.refuse(&problem, turn);
        }
        let under_way = turn.link.probe(turn.now.mono);
        let request = under_way.unwrap_or_else(|| send_probe(&waiting.admitted.id, turn));
        waiting.joined = under_way.is_some();
        waiting.asking = ServiceCheck::Probe(request);
        waiting.probed = true;
        self.waiting = Some(waiting);
    }

    /// Whether the answer was the admission's.
    pub(super) fn answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> bool {
        let unavailable = turn.link.unavailable(turn.now.mono);
        let Some(waiting) = &mut self.waiting else {
            return false;
        };
        match waiting.asking {
            ServiceCheck::Probe(asked) if asked == request => {
                waiting.asking = ServiceCheck::Nothing;
                if matches!(
                    answer,
                    Err(Failure::NotSent { .. }
                        | Failure::Lost { .. }
                        | Failure::TooManyRequests { .. })
                ) {
                    if !waiting.joined {
                        waiting.refused = Some(unavailable);
                    } else if let Some(waiting) = self.waiting.take() {
                        // A question of long ago proves nothing about the way as it is now.
                        self.probe(waiting, turn);
                    }
                }
                true
            }
            ServiceCheck::Payment(asked) if asked == request => {
                waiting.asking = ServiceCheck::Nothing;
                match answer {
                    Ok(ServiceReply::Payment(info)) => {
                        waiting.asking = ServiceCheck::Known(Box::new(info.clone()));
                    }
                    answer => {
                        waiting.refused = Some(unverified(answer.as_ref().err(), unavailable));
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

    /// When [`Admission::tick`] is due, and why.
    pub(super) fn wakeup(
        &self,
        queue: &ReversalQueue,
        link: &Link,
    ) -> Option<(Duration, &'static str)> {
        let waiting = self.waiting.as_ref()?;
        if waiting.refused.is_some() {
            return Some((Duration::ZERO, "admission decided"));
        }
        let due = waiting.moves(queue);
        let due = due.then(|| waiting.verification_due_at(link));
        let at = due.map_or(waiting.until, |due| due.min(waiting.until));
        Some((at, "admission"))
    }

    /// Goes on with what waits. Answers it when nothing is waited for any more.
    pub(super) fn tick(&mut self, queue: &ReversalQueue, turn: &mut Turn) -> Option<Ready> {
        let mut waiting = self.waiting.take()?;
        let free = waiting.verification_due_at(turn.link) <= turn.now.mono;
        let moves = free && waiting.moves(queue);
        if let Some(problem) = waiting.refused.take() {
            waiting.admitted.refuse(&problem, turn);
            return None;
        }
        if !moves && waiting.until <= turn.now.mono {
            let problem = turn.link.unavailable(turn.now.mono);
            waiting.admitted.refuse(&problem, turn);
            return None;
        }
        if !moves {
            self.waiting = Some(waiting);
            return None;
        }
        // "A clock earlier than the newest journal entry makes a `PUT` probe first; only one that stays
        // unconfirmed is refused."
        if turn.clock_is_doubtful() && !waiting.probed {
            waiting.until = turn.now.mono + PROBE_TRY;
            self.probe(waiting, turn);
            return None;
        }
        if turn.clock_is_doubtful() && waiting.admitted.relies_on_clock() {
            waiting.admitted.refuse(&clock_behind(), turn);
            return None;
        }
        let known = match &waiting.asking {
            ServiceCheck::Known(info) => Some(info.as_ref().clone()),
            ServiceCheck::Nothing | ServiceCheck::Probe(_) | ServiceCheck::Payment(_) => None,
        };
        if let (Some(payment_id), None) = (waiting.payment_to_verify(), &known) {
            let subjects = vec![Subject::Payment(payment_id)];
            let call = Call::Payment { payment_id };
            let request = turn.question(&waiting.admitted.id, call, subjects);
            waiting.asking = ServiceCheck::Payment(request);
            waiting.until = turn.now.mono + VERIFY_TRY;
            self.waiting = Some(waiting);
            return None;
        }
        let admitted = waiting.admitted;
        Some(Ready { admitted, known })
    }
}

/// Asks the service for its time, unless it is asked already or has asked for patience.
pub(super) fn probe_for_time(id: &str, turn: &mut Turn) {
    if turn.link.probe(turn.now.mono).is_none() && turn.link.free_at(&[]) <= turn.now.mono {
        send_probe(id, turn);
    }
}

fn send_probe(id: &str, turn: &mut Turn) -> RequestId {
    let shift = shift::of_day(turn.now.wall);
    let request = turn.request(id, Call::Probe { shift });
    turn.link.probe_left(request, turn.now.mono);
    request
}

impl AdmittedRequest {
    /// How the buyer will join; `None` where none is attended.
    pub(super) fn mode(&self, usual: Mode) -> Option<Mode> {
        match &self.requested {
            OperationRequest::Sale(sale) => Some(sale.mode.unwrap_or(usual)),
            OperationRequest::Card(_) => Some(usual),
            OperationRequest::Refund(_) | OperationRequest::Cancellation(_) => None,
        }
    }

    /// Whether it would take its time or its shift from the till's clock. A refund whose shift the till has named is
    /// owed to the buyer whatever the clock shows.
    fn relies_on_clock(&self) -> bool {
        match &self.requested {
            OperationRequest::Refund(refund) => refund.receipt.shift.is_none(),
            OperationRequest::Sale(_)
            | OperationRequest::Card(_)
            | OperationRequest::Cancellation(_) => true,
        }
    }

    pub(super) fn refuse(self, problem: &Problem, turn: &mut Turn) {
        for ticket in self.tickets {
            turn.reply(ticket, Reply::Begun(Err(problem.clone())));
        }
    }
}

impl WaitingRequest {
    /// Whether its next step can be taken: nothing is being asked, and the queue is empty.
    fn moves(&self, queue: &ReversalQueue) -> bool {
        let idle = matches!(self.asking, ServiceCheck::Nothing | ServiceCheck::Known(_));
        idle && queue.blocking().next().is_none()
    }

    /// When the payment that a refund names may be asked for; at once where none is to be asked for.
    fn verification_due_at(&self, link: &Link) -> Duration {
        match (self.payment_to_verify(), &self.asking) {
            (Some(payment_id), ServiceCheck::Nothing) => {
                link.free_at(&[Subject::Payment(payment_id)])
            }
            _ => Duration::ZERO,
        }
    }

    /// The payment of a refund that only the service knows.
    fn payment_to_verify(&self) -> Option<i64> {
        match &self.admitted.requested {
            OperationRequest::Refund(refund) if self.admitted.context.target.is_none() => {
                refund.payment_id
            }
            OperationRequest::Refund(_)
            | OperationRequest::Sale(_)
            | OperationRequest::Cancellation(_)
            | OperationRequest::Card(_) => None,
        }
    }
}

fn clock_behind() -> Problem {
    Code::TemporarilyUnavailable.problem(cashier::CLOCK_BEHIND, cashier::CLOCK_BEHIND_REMEDY)
}

/// The service was asked for the payment that a refund names, and did not show it.
fn unverified(failure: Option<&Failure>, unavailable: Problem) -> Problem {
    match failure {
        Some(Failure::Refused { .. }) => {
            Code::NotFound.problem(cashier::NO_PAYMENT, cashier::NO_PAYMENT_REMEDY)
        }
        Some(failure @ Failure::Token { .. }) => {
            let error = messages::of_failure(failure);
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

/// An id that stands, or waits to begin, with other content.
pub(super) fn other_content() -> Problem {
    Code::Conflict.problem(cashier::OTHER_CONTENT, cashier::OTHER_CONTENT_REMEDY)
}
