//! Answers to `POST payments` that are still awaited although their sale has gone on without them: the connection
//! lives, so that a payment may yet be made.

use std::collections::BTreeMap;

use crate::core::event::RequestId;
use crate::core::record::SaleRecord;
use crate::model::operation::Operation;

/// The requests, with the sale of each as it is or as it ended.
#[derive(Debug, Default)]
pub(in crate::core) struct HeldAnswers {
    sales: BTreeMap<RequestId, SaleRecord>,
}

impl HeldAnswers {
    pub(super) fn insert(&mut self, request: RequestId, sale: SaleRecord) {
        self.sales.insert(request, sale);
    }

    /// The answer has come, or its connection has broken.
    pub(in crate::core) fn take(&mut self, request: RequestId) -> Option<SaleRecord> {
        self.sales.remove(&request)
    }

    /// Whether one of them may bring a payment of such a sale.
    pub(in crate::core) fn any(&self, is_it: impl Fn(&Operation) -> bool) -> bool {
        self.sales.values().any(|sale| is_it(&sale.operation))
    }

    /// The sale has changed: an answer that comes later is judged by what it has become.
    pub(in crate::core) fn follow(&mut self, operation: &Operation) {
        for sale in self.sales.values_mut() {
            if sale.operation.id == operation.id {
                sale.operation.clone_from(operation);
            }
        }
    }

    /// The same with all that the journal keeps of it.
    pub(super) fn follow_record(&mut self, record: &SaleRecord) {
        for sale in self.sales.values_mut() {
            if sale.operation.id == record.operation.id {
                sale.clone_from(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operation::State;

    fn sale() -> SaleRecord {
        let at = "2026-11-24T09:00:00Z";
        let sale = serde_json::json!({
            "operation": {
                "id": "s", "version": 1, "kind": "sale", "state": "in_progress", "amount": 1999, "mode": 2,
                "shift": "24112026", "order_number": "p0-1", "message": "", "created_at": at, "updated_at": at, "finished_at": null,
            },
            "request": {"valutcode": 7, "cardNumberType": 5},
            "account": {"url": "http://localhost", "reg_num": "OPL000011111"},
            "deadline": at,
            "payment_sent": true,
        });
        serde_json::from_value(sale).unwrap()
    }

    #[test]
    fn an_answer_that_comes_late_finds_its_sale_as_it_has_become() {
        let mut held = HeldAnswers::default();
        let mut changed = sale();
        held.insert(7, sale());
        held.insert(8, sale());
        changed.operation.state = State::Failed;
        held.follow(&changed.operation);
        assert_eq!(held.take(7), Some(changed.clone()));
        changed.payment_sent = !changed.payment_sent;
        held.follow_record(&changed);
        assert_eq!(held.take(8), Some(changed));
        assert_eq!(held.take(8), None, "it comes once");
    }

    #[test]
    fn a_change_of_another_sale_is_none_of_it() {
        let mut held = HeldAnswers::default();
        held.insert(7, sale());
        let mut other = sale();
        other.operation.id = "other".into();
        held.follow_record(&other);
        assert!(held.any(|operation| operation.id == "s"));
        assert_eq!(held.take(7), Some(sale()));
    }
}
