//! What the till asks for.

use super::World;
use crate::base::secret::Secret;
use crate::core::event::{Event, JournalContext, Reply as TillReply};
use crate::core::record::{Record, ReversalRecord};
use crate::core::validate::tests::request;
use crate::model::money::Kopecks;
use crate::model::operation::{
    CancellationRequest, CardRequest, Kind, OperationRequest, Outcome, QueueItem, RefundRequest,
    Verdict,
};
use crate::model::problem::Problem;

impl World {
    pub(crate) fn begin(&mut self, id: &str, amount: i64) {
        let mut request = request(amount);
        request.receipt.number = format!("r-{id}");
        self.put(id, OperationRequest::Sale(request));
    }

    pub(crate) fn refund(&mut self, id: &str, sale: &str, amount: i64) {
        self.refund_of(id, Some(sale.to_owned()), None, amount);
    }

    /// A refund of a payment that another till made.
    pub(crate) fn refund_payment(&mut self, id: &str, payment_id: i64, amount: i64) {
        self.refund_of(id, None, Some(payment_id), amount);
    }

    fn refund_of(&mut self, id: &str, sale: Option<String>, payment_id: Option<i64>, amount: i64) {
        let refund = RefundRequest {
            sale,
            payment_id,
            amount: Kopecks(amount),
            receipt: request(amount).receipt,
        };
        self.put(id, OperationRequest::Refund(refund));
    }

    pub(crate) fn cancel(&mut self, id: &str, operation: &str, annul: bool) {
        let operation = operation.to_owned();
        self.put(
            id,
            OperationRequest::Cancellation(CancellationRequest {
                operation,
                annul,
                shift: None,
            }),
        );
    }

    pub(crate) fn card(&mut self, id: &str) {
        self.put(
            id,
            OperationRequest::Card(CardRequest {
                valutcode: 7,
                card_number_type: 5,
            }),
        );
    }

    pub(crate) fn put(&mut self, id: &str, requested: OperationRequest) {
        self.ticket += 1;
        let event = Event::Begin {
            ticket: self.ticket,
            id: id.into(),
            existing: self.journal.get(id).cloned(),
            context: Box::new(self.context(&requested)),
            requested,
        };
        self.event(event);
    }

    /// The newest question's.
    pub(crate) fn tickets(&self) -> u64 {
        self.ticket
    }

    /// What the journal would return.
    fn context(&self, requested: &OperationRequest) -> JournalContext {
        let mut context = JournalContext::default();
        let target = match requested {
            OperationRequest::Refund(RefundRequest {
                sale: Some(sale), ..
            }) => Some(sale.clone()),
            OperationRequest::Refund(RefundRequest { payment_id, .. }) => {
                let paid = |record: &&Record| {
                    record.operation().kind == Kind::Sale
                        && record.operation().payment_id == *payment_id
                };
                let sale = self.journal.values().find(paid);
                sale.map(|record| record.operation().id.clone())
            }
            OperationRequest::Cancellation(cancellation) => Some(cancellation.operation.clone()),
            OperationRequest::Sale(_) | OperationRequest::Card(_) => None,
        };
        if let Some(target) = target {
            context.target = self.journal.get(&target).cloned();
            let of = context.target.as_ref().and_then(|target| {
                let of = target.operation().of.clone()?;
                self.journal.get(&of).cloned()
            });
            context.sale = of;
            let reversals = self.journal.values().filter_map(as_entry);
            context.reversals = reversals
                .filter(|entry| entry.operation.of.as_ref() == Some(&target))
                .cloned()
                .collect();
        } else if let OperationRequest::Refund(RefundRequest { payment_id, .. }) = requested {
            let reversals = self.journal.values().filter_map(as_entry);
            context.reversals = reversals
                .filter(|entry| entry.target.payment_id == *payment_id)
                .cloned()
                .collect();
        }
        context
    }

    /// What the last `PUT` was answered.
    pub(crate) fn problem(&self) -> &Problem {
        match self.replies.last() {
            Some(TillReply::Begun(Err(problem))) => problem,
            other => panic!("no problem, but {other:?}"),
        }
    }

    pub(crate) fn abort(&mut self, id: &str) {
        self.ticket += 1;
        let existing = self.journal.get(id).cloned();
        self.event(Event::Abort {
            ticket: self.ticket,
            id: id.into(),
            existing,
        });
    }

    /// The reply to a person who has an entry tried again.
    pub(crate) fn retry(&mut self, id: &str) -> Result<QueueItem, Problem> {
        let (ticket, id) = (900, id.into());
        self.event(Event::Retry { ticket, id });
        match self.replies.last() {
            Some(TillReply::Queue(answer)) => answer.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn scan(&mut self, code: &str) {
        self.event(Event::Scan {
            ticket: None,
            scan: crate::model::scan::Scan {
                device: "scanner1".into(),
                code: Secret::new(code),
                raw: None,
            },
        });
    }
}

fn as_entry(record: &Record) -> Option<&ReversalRecord> {
    match record {
        Record::Entry(entry) => Some(entry),
        Record::Sale(_) => None,
    }
}

/// A person closes an entry.
pub(crate) fn closed_by_a_person(ticket: u64, id: &str, outcome: Outcome, reason: &str) -> Event {
    Event::Settle {
        ticket,
        id: id.into(),
        verdict: Verdict {
            reason: reason.into(),
            outcome,
        },
    }
}
