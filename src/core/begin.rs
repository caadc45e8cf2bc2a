//! A till asks for an operation: what must hold before it may begin, and its beginning.

use jiff::Timestamp;

use crate::base::zone::minsk;
use crate::core::admission::{AdmittedRequest, Ready, other_content, probe_for_time};
use crate::core::event::{JournalContext, Reply, Settings, Ticket};
use crate::core::operations::Operations;
use crate::core::record::{BuyerRequest, Record};
use crate::core::repeats::Age;
use crate::core::reversal::target::check_payment;
use crate::core::sale::ActiveSale;
use crate::core::turn::Turn;
use crate::core::validate;
use crate::model::operation::{Operation, OperationRequest};
use crate::model::problem::{Code, Problem};
use crate::texts::cashier;

/// A till's request, as it came.
pub(super) struct IncomingRequest {
    pub ticket: Ticket,
    pub id: String,
    pub requested: OperationRequest,
    pub existing: Option<Record>,
    pub context: JournalContext,
}

impl Operations {
    pub(super) fn ask(&mut self, asked: IncomingRequest, turn: &mut Turn) {
        let ticket = asked.ticket;
        let checked = validate::id(&asked.id)
            .and_then(|()| validate::request(&asked.requested, turn.settings.valutcode));
        if let Err(problem) = checked {
            return turn.reply(ticket, Reply::Begun(Err(problem)));
        }
        if let Some(existing) = &asked.existing {
            let answer = self.repeated(existing, &asked, turn);
            return turn.reply(ticket, Reply::Begun(answer));
        }
        match self.admission.join(&asked) {
            Ok(true) => return,
            Ok(false) => {}
            Err(problem) => return turn.reply(ticket, Reply::Begun(Err(problem))),
        }
        for record in asked.context.target.iter().chain(&asked.context.sale) {
            self.queue.hold(record.clone(), turn);
        }
        let allowed = self
            .may_begin(&asked, turn.settings)
            .and_then(|()| self.check_target(&asked.requested, &asked.context));
        if let Err(problem) = allowed {
            return turn.reply(ticket, Reply::Begun(Err(problem)));
        }
        let granted = AdmittedRequest {
            tickets: vec![ticket],
            id: asked.id,
            requested: asked.requested,
            context: asked.context,
        };
        if granted.mode(turn.settings.mode).is_some() {
            turn.scans.asked(turn.now.mono);
        }
        if let Some(ready) = self.admission.admit(granted, &mut self.queue, turn) {
            self.begin(ready, turn);
        }
    }

    /// What has waited begins, if its target still allows it: the queue may have changed what is left of it. Answers
    /// whether it does.
    pub(super) fn begin_after_wait(&mut self, ready: Ready, turn: &mut Turn) -> bool {
        let admitted = &ready.admitted;
        let checked = self
            .check_target(&admitted.requested, &admitted.context)
            .and_then(|()| check_payment(admitted, ready.known.as_ref()));
        match checked {
            Ok(()) => self.begin(ready, turn),
            Err(ref problem) => ready.admitted.refuse(problem, turn),
        }
        checked.is_ok()
    }

    fn may_begin(&self, asked: &IncomingRequest, settings: &Settings) -> Result<(), Problem> {
        let Some(account) = &settings.account else {
            return Err(
                Code::NotConfigured.problem(cashier::NO_REG_NUM, cashier::NO_REG_NUM_REMEDY)
            );
        };
        if let Some(first) = self.queue.first_of_other_account() {
            return Err(foreign_account(first));
        }
        let target = asked.context.target.as_ref();
        if let Some(target) = target.filter(|target| target.account() != account) {
            return Err(account_is_gone(&target.operation().id));
        }
        if self.is_occupied() || self.queue.refund_is_attended() {
            return Err(Code::Busy.problem(cashier::BUSY, cashier::BUSY_REMEDY));
        }
        if let Some(entry) = &asked.context.set_aside {
            return Err(Code::Conflict.problem(
                cashier::receipt_unfinished(entry),
                cashier::RECEIPT_UNFINISHED_REMEDY,
            ));
        }
        Ok(())
    }

    /// Whether what a request is of can be reversed now.
    fn check_target(
        &self,
        request: &OperationRequest,
        context: &JournalContext,
    ) -> Result<(), Problem> {
        let present = context.target.as_ref().map(|record| {
            let target = record.operation();
            let live = self.sale.as_ref().map(|sale| &sale.record.operation);
            let live = live.filter(|live| live.id == target.id);
            let held = || {
                self.queue
                    .target(&target.id)
                    .map_or(target, Record::operation)
            };
            live.unwrap_or_else(held)
        });
        self.queue.check(request, present, context)
    }

    /// A `PUT` of an id that stands already.
    fn repeated(
        &self,
        existing: &Record,
        asked: &IncomingRequest,
        turn: &mut Turn,
    ) -> Result<(bool, Operation), Problem> {
        if !existing.was_asked_for(&asked.requested) {
            return Err(other_content());
        }
        let operation = existing.operation();
        match self.repeats.age(existing, turn.link, turn.now) {
            Age::Recent => Ok((false, operation.clone())),
            Age::Over(at) => Err(long_over(&operation.id, at)),
            // "Nothing may assume" that the till's clock is right. Whoever is refused a retry of what is paid takes the
            // money once more, so it counts as one, and the service is asked for the time.
            Age::Unknown => {
                probe_for_time(&operation.id, turn);
                Ok((false, operation.clone()))
            }
        }
    }

    fn begin(&mut self, ready: Ready, turn: &mut Turn) {
        let Ready { admitted, known } = ready;
        match &admitted.requested {
            OperationRequest::Sale(sale) => {
                let request = BuyerRequest::Sale(sale.clone());
                self.sale = ActiveSale::begin(&admitted.tickets, admitted.id, request, turn);
            }
            OperationRequest::Card(card) => {
                let request = BuyerRequest::Card(card.clone());
                self.sale = ActiveSale::begin(&admitted.tickets, admitted.id, request, turn);
            }
            OperationRequest::Refund(_) | OperationRequest::Cancellation(_) => {
                self.queue.begin(admitted, known, turn);
            }
        }
    }
}

fn foreign_account(id: &str) -> Problem {
    Code::NotConfigured.problem(cashier::other_account(id), cashier::OTHER_ACCOUNT_REMEDY)
}

/// The target is over, and nothing of it can be settled.
fn account_is_gone(id: &str) -> Problem {
    Code::NotConfigured.problem(cashier::account_gone(id), cashier::ACCOUNT_GONE_REMEDY)
}

fn long_over(id: &str, at: Timestamp) -> Problem {
    let at = minsk().to_datetime(at).strftime("%d.%m.%Y %H:%M");
    Code::Conflict.problem(cashier::long_over(at, id), cashier::LONG_OVER_REMEDY)
}
