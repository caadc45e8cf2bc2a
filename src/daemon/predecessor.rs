//! The process before, which was asked to stop and still waits for its requests to end.
//!
//! `settle` is counted from the moment at which a lost request's connection was closed. A process that
//! looked a request up while the process before still had it under way would count too early, call it
//! absent, and the refund would be given again. So the journal's lock stays until the last request of its
//! process has ended, and who starts meanwhile waits.

use std::path::Path;
use std::time::Duration;

use crate::journal::stopping_holder;

/// How long a process that is asked to stop may wait for its requests: twice the longest `timeout`, and some
/// seconds for the rest.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(2 * 300 + 10);
/// How often the next process looks whether it has ended.
const PREDECESSOR_INTERVAL: Duration = Duration::from_millis(100);

/// Waits until it has ended. One that does not, the journal's lock names to the next who wants it.
pub(super) async fn ends(journal: &Path) {
    let ended = async {
        let mut is_logged = false;
        while let Some(pid) = stopping_holder(journal) {
            if !std::mem::replace(&mut is_logged, true) {
                tracing::info!(pid, "Waits for the requests of the process before to end");
            }
            tokio::time::sleep(PREDECESSOR_INTERVAL).await;
        }
    };
    if tokio::time::timeout(PREDECESSOR_TIMEOUT, ended)
        .await
        .is_err()
    {
        tracing::warn!("The process before does not end");
    }
}
