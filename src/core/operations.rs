//! The operations under way, and where each event goes: to the sale, to the queue of reversals, to what waits to
//! begin.

use std::time::Duration;

use crate::base::secret::Secret;
use crate::core::admission::Admission;
use crate::core::begin;
use crate::core::buyer_code;
use crate::core::call::{Answer, Reply as ServiceReply};
use crate::core::event::{Effect, Event, Reply, RequestId, Restored, Settings, Ticket};
use crate::core::link::Contact;
use crate::core::record::Record;
use crate::core::repeats::Repeats;
use crate::core::reversal::active::ActiveReversal;
use crate::core::reversal::of_sales::QueueTask;
use crate::core::reversal::queue::ReversalQueue;
use crate::core::sale::ActiveSale;
use crate::core::sale::completion::is_payment_of;
use crate::core::scene::Scene;
use crate::core::turn::{Attended, Common, Turn};
use crate::model::problem::{Code, Problem};
use crate::model::scan::Scan;
use crate::texts::cashier;

/// Everything that is under way.
#[derive(Debug)]
pub(super) struct Operations {
    pub(super) admission: Admission,
    pub(super) sale: Option<ActiveSale>,
    pub(super) queue: ReversalQueue,
    pub(super) repeats: Repeats,
}

impl Operations {
    /// Takes up what the journal holds.
    pub(super) fn restore(restored: Restored, turn: &mut Turn) -> Operations {
        let mut operations = Operations {
            admission: Admission::default(),
            sale: None,
            queue: ReversalQueue::default(),
            repeats: Repeats::default(),
        };
        turn.show(Scene::Idle);
        for witness in &restored.witnesses {
            turn.witnesses.restore(witness, turn.now);
        }
        for target in restored.targets {
            operations.queue.hold(target, turn);
        }
        for entry in restored.entries {
            operations.queue.restore(entry, turn);
        }
        for record in restored.sales {
            let is_first = operations.sale.is_none();
            let sale = ActiveSale::restore(record, is_first, &operations.queue, turn);
            if sale.is_some() {
                operations.sale = sale;
            }
            operations.pass_on(turn);
        }
        operations
    }

    pub(super) fn handle(&mut self, event: Event, turn: &mut Turn) {
        turn.attended = self.attended();
        self.route(event, turn);
        self.pass_on(turn);
        if turn.creates.is_none() {
            self.queue.end_creation();
        }
        let admission = &self.admission;
        self.queue.drop_unheld(|id| admission.holds(id));
        let service = turn.link.clock();
        let now = turn.now;
        self.repeats.note(turn, service, now);
    }

    fn attended(&self) -> Attended {
        let sale = self.sale.as_ref();
        Attended {
            sale: sale.map(|sale| sale.record.operation.id.clone()),
            awaits_undoing: sale.is_some_and(ActiveSale::awaits_undoing),
        }
    }

    /// What the sale and the queue want of each other is done, until neither wants anything.
    fn pass_on(&mut self, turn: &mut Turn) {
        loop {
            turn.attended = self.attended();
            if let Some(end) = turn.undoing_end.take() {
                let sale = self.sale.take();
                self.sale = sale.and_then(|sale| sale.undoing_ended(end, turn));
            } else if !turn.for_queue.is_empty() {
                let task = turn.for_queue.remove(0);
                self.queue.carry_out(task, turn);
            } else {
                return;
            }
        }
    }

    fn route(&mut self, event: Event, turn: &mut Turn) {
        match event {
            Event::Begin {
                ticket,
                id,
                requested,
                existing,
                context,
            } => {
                let asked = begin::IncomingRequest {
                    ticket,
                    id,
                    requested,
                    existing,
                    context: *context,
                };
                self.ask(asked, turn);
            }
            Event::BeginFailed { id } => self.forget(&id, turn),
            Event::Abort {
                ticket,
                id,
                existing,
            } => self.abort(ticket, &id, existing, turn),
            Event::Scan { ticket, scan } => self.scan(ticket, scan, turn),
            Event::Retry { ticket, id } => self.queue.retry_entry(ticket, &id, turn),
            Event::Settle {
                ticket,
                id,
                verdict,
            } => self.queue.settle_entry(ticket, &id, &verdict, turn),
            Event::Recheck { entry, targets } => self.queue.recheck(*entry, targets, turn),
            Event::RecheckSale { sale, second } => self.queue.recheck_sale(*sale, second, turn),
            Event::Answered { request, answer } => {
                let contact = turn.link.ended(request, &answer, turn.now.mono);
                self.wake_for(contact, turn.now.mono);
                if !self.held_answer_came(request, &answer, turn)
                    && !self.admission.answered(request, &answer, turn)
                    && !self.sale_answered(request, &answer, turn)
                {
                    self.queue.answered(request, &answer, turn);
                }
            }
            Event::ServiceClock(clock) => turn.link.note_clock(clock),
            Event::ServiceAnswered => {
                let contact = turn.link.answered();
                self.wake_for(contact, turn.now.mono);
            }
            Event::CallerGone { ticket } => self.admission.caller_gone(ticket),
            Event::SceneRefused { reason } => {
                let sale = self.sale.take();
                self.sale = sale.and_then(|sale| sale.scene_refused(&reason, turn));
            }
            Event::Tick => self.tick(turn),
        }
    }

    /// Whether the answer was one to a payment whose sale has gone on without it.
    fn held_answer_came(&mut self, request: RequestId, answer: &Answer, turn: &mut Turn) -> bool {
        let Some(record) = turn.held_answers.take(request) else {
            return false;
        };
        let payment = match answer {
            Ok(ServiceReply::Payment(info)) if is_payment_of(info, &record) => Some(info),
            Ok(_) | Err(_) => None,
        };
        let is_it = |sale: &mut ActiveSale| sale.record.operation.id == record.operation.id;
        match (self.sale.take_if(is_it), payment) {
            (Some(sale), Some(payment)) => self.sale = sale.held_answer_came(payment, turn),
            (Some(sale), None) => self.sale = Some(sale),
            (None, payment) => turn.for_queue.push(QueueTask::HeldAnswer {
                sale: Box::new(record),
                payment: payment.cloned().map(Box::new),
            }),
        }
        true
    }

    /// Whether the answer was the sale's.
    fn sale_answered(&mut self, request: RequestId, answer: &Answer, turn: &mut Turn) -> bool {
        let Some(sale) = self.sale.take_if(|sale| sale.awaits(request)) else {
            return false;
        };
        self.sale = sale.answered(request, answer, turn);
        true
    }

    /// The journal could not keep what was begun.
    fn forget(&mut self, id: &str, turn: &mut Turn) {
        let begun = |sale: &ActiveSale| sale.record.operation.id == id;
        if self.sale.as_ref().is_some_and(begun) {
            self.sale = None;
        }
        if let Some(record) = self.queue.roll_back(id) {
            let entry = ActiveReversal::live(record, turn.now.mono, turn);
            self.queue.push_front(entry);
        }
        // Whatever was shown before it shall not stay for ever.
        turn.screen.clear(turn.now.mono);
    }

    /// When something is due, and what.
    pub(super) fn wakeup(&self, common: &Common) -> Option<(Duration, &'static str)> {
        let link = &common.link;
        let admission = self.admission.wakeup(&self.queue, link);
        let sale = self.sale.as_ref().map(|sale| sale.wakeup(common));
        let queue = self.queue.due(link).map(|(_, at)| (at, "queue"));
        [admission, sale, queue]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// Whether the next code may be a buyer's: a sale waits for one, or waits to begin and will.
    pub(super) fn awaits_scan(&self, settings: &Settings) -> bool {
        let is_armed = self.sale.as_ref().is_some_and(ActiveSale::is_armed);
        is_armed || self.admission.awaits_code(settings)
    }

    /// How many requests for a session or a payment follow as soon as a buyer acts.
    pub(super) fn expected_requests(&self) -> usize {
        let sale = self.sale.as_ref();
        sale.map_or(0, ActiveSale::expected_requests)
    }

    /// Whether a buyer is being attended, or about to be.
    pub(super) fn is_occupied(&self) -> bool {
        self.sale.is_some() || self.admission.is_taken()
    }

    /// A creation stands alone in its step: should its write fail, nothing else is lost with it.
    fn tick(&mut self, turn: &mut Turn) {
        let ready = self.admission.tick(&self.queue, turn);
        if ready.is_some_and(|ready| self.begin_after_wait(ready, turn)) {
            return;
        }
        if let Some(scene) = turn.screen.tick(turn.now.mono) {
            turn.show(scene);
        }
        let sale = self.sale.take();
        self.sale = sale.and_then(|sale| sale.tick(&self.queue, turn));
        self.pass_on(turn);
        self.queue.tick(turn);
    }

    /// The till wants to know, or a scanner read something.
    fn scan(&mut self, ticket: Option<Ticket>, scan: Scan, turn: &mut Turn) {
        let code = &scan.code;
        let buyers = buyer_code::may_be_buyers(code.expose(), &turn.settings.buyer_code);
        let withheld = buyers && self.is_for_sale(code, turn);
        let armed = self.sale.as_mut().filter(|sale| sale.is_armed());
        let used_by = armed.and_then(|sale| sale.take_code(code, buyers, turn));
        if used_by.is_none() && buyers {
            turn.scans.unused(code.clone(), turn.now.mono);
        }
        if let Some(ticket) = ticket {
            turn.reply(ticket, Reply::ScanUsed(used_by.clone()));
        }
        turn.effects.push(Effect::Scanned {
            scan,
            withheld: withheld || used_by.is_some(),
            used_by,
        });
    }

    /// Whether a code that may be a buyer's is one, although no operation takes it now: the sale waits to
    /// begin, or has it already and the scanner saw the same telephone again.
    fn is_for_sale(&self, code: &Secret, turn: &Turn) -> bool {
        let is_repeated = self.sale.is_some() && turn.scans.is_last_used(code);
        is_repeated || self.admission.awaits_code(turn.settings)
    }

    fn abort(&mut self, ticket: Ticket, id: &str, existing: Option<Record>, turn: &mut Turn) {
        let is_it = |sale: &mut ActiveSale| sale.record.operation.id == id;
        if let Some(sale) = self.sale.take_if(is_it) {
            let (operation, sale) = sale.abort(turn);
            self.sale = sale;
            return turn.reply(ticket, Reply::Aborted(Ok(operation)));
        }
        let answer = match existing.map(|record| record.operation().clone()) {
            None => Err(Problem::no_operation()),
            Some(operation) if operation.state.is_final() => Ok(operation),
            Some(operation) => self.queue.abort_entry(&operation.id, turn).ok_or_else(|| {
                Code::Busy.problem(cashier::TOO_LATE_TO_ABORT, cashier::AWAIT_REMEDY)
            }),
        };
        turn.reply(ticket, Reply::Aborted(answer));
    }

    /// Any valid answer wakes what waits for the connection.
    fn wake_for(&mut self, contact: Contact, now: Duration) {
        let waits = || self.queue.iter().any(|entry| entry.wants_connection);
        let wakes = match contact {
            Contact::None => false,
            Contact::Answered => waits(),
            Contact::BackAgain => true,
        };
        if wakes {
            self.queue.wake(now);
        }
    }
}
