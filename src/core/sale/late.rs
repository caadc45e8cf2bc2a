//! Several witnesses of one payment: rows of a report, and a held answer that comes after its sale has gone
//! on without it.

use super::*;
use crate::core::call::{PaymentInfo, PaymentStatus};
use crate::core::sale::completion::is_payment_of;

impl ActiveSale {
    /// The report holds our payment. Should it hold several under our number, the buyer pays one of them,
    /// and the others that live are brought back ("a second live row is undone"). The report alone is then not
    /// believed that the first is paid: were it wrong, the shop would have neither.
    pub(super) fn found(
        self,
        info: &PaymentInfo,
        rows: &[PaymentInfo],
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let record = self.record.clone();
        let is_other = |row: &&PaymentInfo| {
            is_payment_of(row, &record)
                && row.payment_id != info.payment_id
                && !row.status.took_nothing()
        };
        let mut others = rows.iter().filter(is_other).peekable();
        let is_only_reported = others.peek().is_some()
            && info.status == PaymentStatus::Ok
            && record.ending.is_none()
            && turn.now.mono < self.deadline;
        let sale = if is_only_reported {
            self.ask_for_payment(info, turn)
        } else {
            self.apply(info, turn)
        };
        turn.for_queue
            .extend(others.map(|other| second(&record, other)));
        sale
    }

    /// A held answer brought a payment while the sale still waits, for this payment or for another under its number.
    pub(in crate::core) fn held_answer_came(
        self,
        info: &PaymentInfo,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        match self.phase {
            Phase::Confirming { payment_id, .. } if payment_id == info.payment_id => {
                self.apply(info, turn)
            }
            Phase::Confirming { .. } => {
                turn.for_queue.push(second(&self.record, info));
                Some(self)
            }
            Phase::Starting
            | Phase::AwaitingScan
            | Phase::Opening(_)
            | Phase::AwaitingBuyer(_)
            | Phase::Paying(_)
            | Phase::InDoubt(_)
            | Phase::Undoing { .. } => Some(self),
        }
    }
}

/// The service has a payment under a sale's number that the sale does not stand on.
fn second(sale: &SaleRecord, payment: &PaymentInfo) -> QueueTask {
    QueueTask::UndoSecond {
        sale: Box::new(sale.clone()),
        payment: Box::new(payment.clone()),
    }
}
