//! The service's time, for a till that has been off.
//!
//! A `PUT` that repeats an operation of days ago is refused, since a till that uses an identifier anew would hand goods
//! over on an old payment. But only the service knows what day it is, and until it has answered such a `PUT` counts as a
//! retry. A till that was off over night would meet that each morning, so the service is asked at once, and again until
//! it answers. A journal without operations of days ago needs no such question.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use super::reconciler::Reconciler;
use super::schedule::retry_interval;
use crate::base::clock::Clock;
use crate::journal::Journal;
use crate::service::Client;

/// What the log calls the question.
const OPERATION: &str = "start";
/// Longest pause between two questions: a till sells soon after its line is there.
const MAX_INTERVAL: Duration = Duration::from_secs(10);
/// Half of what makes an operation an old one: the till's own clock may be wrong by hours.
const MIN_AGE: SignedDuration = SignedDuration::from_hours(12);

/// Whether the journal holds what a repeated `PUT` may no longer find, as far as the till's clock knows.
pub(super) fn is_needed(journal: &Journal, clock: Clock) -> bool {
    let oldest = journal.oldest_update();
    oldest.is_ok_and(|oldest| {
        oldest.is_some_and(|oldest| clock.now().wall.duration_since(oldest) >= MIN_AGE)
    })
}

/// Asks until the service has answered anything.
pub(super) async fn ask(
    client: Arc<Client>,
    reconciler: Arc<Reconciler>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures = 0;
    while reconciler.shared.service_clock().is_none() {
        if reconciler.ask_for_time(&client, OPERATION).await.is_ok() {
            return;
        }
        failures += 1;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(retry_interval(failures).min(MAX_INTERVAL)) => {}
        }
    }
}
