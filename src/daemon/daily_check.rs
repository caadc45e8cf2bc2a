//! The daily check: the daemon reconciles the shift of the day before by itself.
//!
//! It runs beside the core, on the threads that serve and ask, and takes nothing that a sale waits for. A report that
//! does not come is asked for again later, without end but ever more seldom.

use std::sync::Arc;

use jiff::civil::{Date, Time};
use tokio::sync::watch;

use super::reconciled::Reconciled;
use super::reconciler::Reconciler;
use super::schedule::{Trust, pause, retry_interval, shift_of};
use super::status_board::StatusBoard;
use crate::base::clock::Clock;
use crate::model::problem::Problem;
use crate::report::{Compared, Difference, Side};
use crate::service::Client;

/// What the log calls its calls.
const OPERATION: &str = "daily check";

/// What the check needs.
pub(super) struct DailyCheck {
    /// Of the day, Europe/Minsk.
    pub at: Time,
    pub clock: Clock,
    pub client: Arc<Client>,
    pub reconciler: Arc<Reconciler>,
    pub shared: Arc<StatusBoard>,
    pub stop: watch::Receiver<bool>,
}

impl DailyCheck {
    /// Runs until the daemon stops.
    pub(super) async fn run(mut self) {
        let mut failures: u32 = 0;
        let mut distrusts = false;
        while !*self.stop.borrow() {
            let wait = match self.round(&mut distrusts).await {
                Ok(()) => {
                    failures = 0;
                    pause(self.clock.now().wall, self.at)
                }
                Err(Unreconciled) => {
                    failures = failures.saturating_add(1);
                    retry_interval(failures)
                }
            };
            tokio::select! {
                changed = self.stop.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn reconciled(&self) -> &Arc<Reconciled> {
        &self.reconciler.reconciled
    }

    /// What would be due by a clock that is trusted so.
    fn due(&self, clock: Trust) -> Vec<Date> {
        self.reconciled().due(self.clock.now().wall, self.at, clock)
    }

    /// Reconciles what is due.
    async fn round(&self, distrusts: &mut bool) -> Result<(), Unreconciled> {
        let Some(oldest) = self.due(Trust::Confirmed).first().copied() else {
            return Ok(());
        };
        // Which day is due depends on the clock; the service's answer to a report of today shows whether it is right.
        if let Err(problem) = self.reconciler.ask_for_time(&self.client, OPERATION).await {
            return Err(self.failed(oldest, &problem));
        }
        let due = self.due(self.shared.clock_trust());
        let was_distrusted = std::mem::replace(distrusts, due.is_empty());
        if due.is_empty() {
            if !was_distrusted {
                tracing::warn!(
                    "The daily check waits: no day is sure while the till's clock is not the service's"
                );
            }
            return Err(Unreconciled);
        }
        let mut outcome = Ok(());
        for day in due {
            if *self.stop.borrow() {
                return outcome;
            }
            match self.reconciler.check(&shift_of(day)).await {
                Ok(compared) => self.checked(day, &compared).await,
                Err(problem) => outcome = Err(self.failed(day, &problem)),
            }
        }
        if outcome.is_ok() {
            self.reconciled().up_to_date();
        }
        outcome
    }

    async fn checked(&self, day: Date, compared: &Compared) {
        let shift = shift_of(day);
        let count = compared.count();
        for difference in &compared.differences {
            log_difference(&shift, difference);
        }
        if compared.more > 0 {
            tracing::warn!(shift, more = compared.more, "Further differences");
        }
        tracing::info!(shift, differences = count, "Reconciled by itself");
        let now = self.clock.now().wall;
        self.reconciled().checked(day, count, now, self.at);
        self.reconciled().save().await;
    }

    fn failed(&self, day: Date, problem: &Problem) -> Unreconciled {
        let why = &problem.detail;
        let is_late = self
            .due(Trust::Confirmed)
            .last()
            .is_some_and(|newest| *newest > day);
        tracing::warn!(shift = %shift_of(day), why = %why, "Not reconciled, tried again later");
        self.reconciled().failed(day, why, is_late);
        Unreconciled
    }
}

/// Something that is due was not reconciled.
#[derive(Debug)]
struct Unreconciled;

/// One line for each difference.
fn log_difference(shift: &str, difference: &Difference) {
    let side = |side: &Option<Side>| {
        let side = side.as_ref();
        side.map_or_else(
            || "-".to_owned(),
            |side| format!("{} {}", side.amount, side.state),
        )
    };
    tracing::warn!(
        shift,
        what = %crate::model::operation::word(difference.what),
        operation = difference.operation.as_deref(),
        payment_id = difference.payment_id,
        till = %side(&difference.till),
        service = %side(&difference.service),
        "The till and the service differ"
    );
}
