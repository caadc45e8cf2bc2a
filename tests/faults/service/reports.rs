//! What the model reports of shifts.

use std::collections::BTreeSet;
use std::time::Duration;

use oplati::core::call::{Answer, Call, PaymentInfo, PaymentStatus, Reply};
use oplati::service::{HttpAnswer, classify};

use super::bodies::{REFUSAL, report};
use super::{Payment, Service};

impl Service {
    /// Report by report, as the client reads them: none is asked for after all numbers were found paid.
    /// What lacks a witness, or has a row without a name, proves no absence.
    pub(super) fn look_up(
        &self,
        shifts: &[String],
        order_numbers: &[String],
        witnesses: &[String],
        mono: Duration,
    ) -> Answer {
        let has = |rows: &[PaymentInfo], number: &String, paid: bool| {
            let mut rows = rows.iter();
            rows.any(|info| {
                info.order_number == *number && (!paid || info.status == PaymentStatus::Ok)
            })
        };
        let mut rows = Vec::new();
        for shift in shifts {
            rows.extend(self.report(shift, mono));
            if order_numbers.iter().all(|number| has(&rows, number, true)) {
                break;
            }
        }
        let question = || Call::LookUp {
            shifts: shifts.to_vec(),
            order_numbers: order_numbers.to_vec(),
            witnesses: witnesses.to_vec(),
        };
        if rows.is_empty() && self.quirks.empty_is_404 {
            return classify(&question(), &HttpAnswer::new(404, REFUSAL));
        }
        let lacks = witnesses.iter().any(|witness| !has(&rows, witness, false));
        if lacks || self.quirks.nameless_rows && !rows.is_empty() {
            let body = report(&rows, self.quirks.nameless_rows && !rows.is_empty());
            return classify(&question(), &HttpAnswer::new(200, body.as_bytes()));
        }
        let wanted = |info: &PaymentInfo| order_numbers.contains(&info.order_number);
        Ok(Reply::Found(rows.into_iter().filter(wanted).collect()))
    }

    /// What it reports of a shift.
    pub fn report(&self, shift: &str, mono: Duration) -> Vec<PaymentInfo> {
        let lag = Duration::from_secs(self.quirks.lag_s);
        let is_listed = |payment: &&Payment| {
            payment.shift == shift
                && payment.made_at + lag <= mono
                && !(self.quirks.hides_pending && payment.info.status == PaymentStatus::InProgress)
                && !(self.quirks.hides_reversals && payment.target.is_some())
        };
        let rows = self.ledger.values().filter(is_listed);
        rows.map(|payment| payment.info.clone())
            .take(self.quirks.rows.unwrap_or(usize::MAX))
            .collect()
    }

    /// What it reports of every shift.
    pub fn reported(&self, mono: Duration) -> Vec<PaymentInfo> {
        let shifts: BTreeSet<&str> = self.ledger.values().map(|p| p.shift.as_str()).collect();
        shifts
            .into_iter()
            .flat_map(|shift| self.report(shift, mono))
            .collect()
    }
}
