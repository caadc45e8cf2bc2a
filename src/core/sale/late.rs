//! Several witnesses of one payment: rows of a report, and a held answer that comes after its sale has gone
//! on without it.

use super::*;
use crate::core::call::{PaymentInfo, PaymentStatus, Reply};
use crate::core::sale::completion::is_payment_of;

impl Core {
    /// The report holds our payment. Should it hold several under our number, the buyer pays one of them,
    /// and the others that live are brought back ("a second live row is undone"). The report alone is then not
    /// believed that the first is paid: were it wrong, the shop would have neither.
    pub(super) fn found(
        &mut self,
        sale: ActiveSale,
        info: &PaymentInfo,
        rows: &[PaymentInfo],
        turn: &mut Turn,
    ) {
        let record = sale.record.clone();
        let is_other = |row: &&PaymentInfo| {
            is_payment_of(row, &record)
                && row.payment_id != info.payment_id
                && !row.status.took_nothing()
        };
        let mut others = rows.iter().filter(is_other).peekable();
        let is_only_reported = others.peek().is_some()
            && info.status == PaymentStatus::Ok
            && record.ending.is_none()
            && turn.now.mono < sale.deadline;
        if is_only_reported {
            self.ask_for_payment(sale, info, turn);
        } else {
            self.apply(sale, info, turn);
        }
        for other in others {
            self.undo_second_payment(&record, other, turn);
        }
    }

    /// A held answer came after its sale had gone on without it, or its connection broke.
    pub(in crate::core) fn late_answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> bool {
        let Some(record) = self.held_answers.take(request) else {
            return false;
        };
        let info = match answer {
            Ok(Reply::Payment(info)) if is_payment_of(info, &record) => Some(info),
            Ok(_) | Err(_) => None,
        };
        let is_it = |sale: &mut ActiveSale| sale.record.operation.id == record.operation.id;
        match (self.sale.take_if(is_it), info) {
            (Some(sale), Some(info)) => self.late_answer_to_sale(sale, info, turn),
            (Some(sale), None) => self.sale = Some(sale),
            (None, info) => self.late_answer_after_sale(&record, info, turn),
        }
        true
    }

    /// The sale still waits, for this payment or for another under its number.
    fn late_answer_to_sale(&mut self, sale: ActiveSale, info: &PaymentInfo, turn: &mut Turn) {
        match sale.phase {
            Phase::Confirming { payment_id, .. } if payment_id == info.payment_id => {
                self.apply(sale, info, turn);
            }
            Phase::Confirming { .. } => {
                let record = sale.record.clone();
                self.sale = Some(sale);
                self.undo_second_payment(&record, info, turn);
            }
            Phase::Starting
            | Phase::AwaitingScan
            | Phase::Opening(_)
            | Phase::AwaitingBuyer(_)
            | Phase::Paying(_)
            | Phase::InDoubt(_)
            | Phase::Undoing { .. } => self.sale = Some(sale),
        }
    }

    /// The sale is over. Whatever it was told, a payment that lives and that it does not stand on is
    /// brought back.
    fn late_answer_after_sale(
        &mut self,
        record: &SaleRecord,
        info: Option<&PaymentInfo>,
        turn: &mut Turn,
    ) {
        let operation = &record.operation;
        let learned = self.entry_learns(&operation.id, info, turn);
        let Some(info) = info.filter(|_| !learned) else {
            return;
        };
        let stands = operation.state == State::Done || operation.undo.is_some();
        if !(stands && operation.payment_id == Some(info.payment_id)) {
            self.undo_second_payment(record, info, turn);
        }
    }
}
