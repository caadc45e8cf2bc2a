//! Sales of ours that a report must hold. A report that lacks one of them proves nothing: it was cut short,
//! lags, or is another shift's ("What nothing may assume": that the report is whole).
//!
//! Of each shift the first sale that was seen paid and the newest few are kept: a report may end after its
//! first rows as well as begin with its last ones.

use std::time::Duration;

use crate::base::clock::Now;
use crate::core::event::Settings;
use crate::core::record::{Account, SaleRecord};
use crate::model::operation::{Kind, State};

/// Most witnesses of one shift.
pub const MAX_OF_SHIFT: u8 = 4;
/// Most witnesses of all shifts.
const MAX_WITNESSES: usize = 32;
/// For so long a report is expected to hold a sale; the last recheck of an absence comes after a day.
const MAX_AGE: Duration = Duration::from_secs(48 * 3600);

#[derive(Debug)]
struct Witness {
    order_number: String,
    shift: String,
    /// Before that the report may lag behind the sale.
    from: Duration,
    until: Duration,
}

/// The witnesses that are known, oldest first.
#[derive(Debug, Default)]
pub(super) struct Witnesses {
    known: Vec<Witness>,
    account: Option<Account>,
    /// So long a report may lag behind a sale.
    settle: Duration,
}

impl Witnesses {
    pub(super) fn new(settings: &Settings) -> Witnesses {
        Witnesses {
            known: Vec::new(),
            account: settings.account.clone(),
            settle: settings.settle,
        }
    }

    /// A sale was seen in status 1. The report may lag behind it for as long as `settle`.
    pub(super) fn note_sale(&mut self, sale: &SaleRecord, now: Now) {
        self.keep(sale, now.mono + self.settle);
    }

    /// One that the journal knows.
    pub(super) fn restore(&mut self, sale: &SaleRecord, now: Now) {
        self.keep(sale, now.mono);
    }

    fn keep(&mut self, sale: &SaleRecord, from: Duration) {
        let operation = &sale.operation;
        let is_paid = operation.kind == Kind::Sale && operation.state == State::Done;
        if is_paid && self.account.as_ref() == Some(&sale.account) {
            self.note(&operation.order_number, &operation.shift, from);
        }
    }

    fn note(&mut self, order_number: &str, shift: &str, from: Duration) {
        if self
            .known
            .iter()
            .any(|known| known.order_number == order_number)
        {
            return;
        }
        self.known.retain(|known| known.until > from);
        let of_shift = self.known.iter().enumerate();
        let of_shift = of_shift.filter(|(_, known)| known.shift == shift);
        let of_shift: Vec<usize> = of_shift.map(|(index, _)| index).collect();
        // The first of a shift stays, the next oldest goes.
        if let [_, next, ..] = of_shift.as_slice()
            && of_shift.len() >= usize::from(MAX_OF_SHIFT)
        {
            self.known.remove(*next);
        }
        if self.known.len() >= MAX_WITNESSES {
            self.known.remove(0);
        }
        self.known.push(Witness {
            order_number: order_number.to_owned(),
            shift: shift.to_owned(),
            from,
            until: from + MAX_AGE,
        });
    }

    /// What the reports of these shifts must hold beside the numbers that are asked for.
    pub(super) fn of(&self, shifts: &[&str], asked: &[String], now: Duration) -> Vec<String> {
        let counts = |known: &&Witness| {
            shifts.contains(&known.shift.as_str())
                && (known.from..known.until).contains(&now)
                && !asked.contains(&known.order_number)
        };
        let counting = self.known.iter().filter(counts);
        counting.map(|known| known.order_number.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_shift_has_its_first_sale_and_its_newest_ones() {
        let mut witnesses = Witnesses::default();
        for number in 0..9 {
            witnesses.note(&format!("a-{number}"), "a", SECOND * number);
            witnesses.note(&format!("b-{number}"), "b", SECOND * number);
        }
        let now = SECOND * 60;
        assert_eq!(witnesses.of(&["a"], &[], now), ["a-0", "a-6", "a-7", "a-8"]);
        let asked = ["a-7".to_owned()];
        assert_eq!(
            witnesses.of(&["a"], &asked, now),
            ["a-0", "a-6", "a-8"],
            "what is asked for bears no witness to itself"
        );
        assert_eq!(witnesses.of(&["c"], &[], now), [""; 0]);
        assert_eq!(witnesses.of(&["a", "b"], &[], now).len(), 8);
    }

    #[test]
    fn a_witness_counts_when_the_report_may_lag_no_more_and_for_two_days() {
        let mut witnesses = Witnesses::default();
        witnesses.note("a-0", "a", SECOND * 30);
        for (now, counts) in [
            (SECOND * 29, 0),
            (SECOND * 30, 1),
            (MAX_AGE + SECOND * 29, 1),
            (MAX_AGE + SECOND * 30, 0),
        ] {
            assert_eq!(witnesses.of(&["a"], &[], now).len(), counts, "{now:?}");
        }
    }

    #[test]
    fn the_witnesses_are_bounded() {
        let mut witnesses = Witnesses::default();
        for number in 0..100 {
            witnesses.note(&format!("n-{number}"), &format!("{number}"), SECOND);
        }
        assert_eq!(witnesses.known.len(), MAX_WITNESSES);
        assert_eq!(witnesses.of(&["99"], &[], SECOND).len(), 1);
    }
}
