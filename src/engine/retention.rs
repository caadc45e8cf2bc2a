//! When old operations leave the journal ("Clock.").
//!
//! A purged operation's `PUT` would begin it once more, and the buyer would pay twice. So its own times,
//! which are as good as the till's clock was then, do not count: it ages from the moment at which a
//! confirmed clock has found it unchanged in the journal. A till without a clock that the service
//! confirms keeps everything.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Storage;
use crate::base::clock::{MAX_CONFIRMED_SKEW, Now, ServiceClock};
use crate::base::error_chain::with_causes;
use crate::journal::JournalError;

/// How often old operations are looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Most operations that are removed at once: callers wait for it.
const MAX_PURGED_AT_ONCE: u32 = 200;
/// Most operations that are removed in a [`RETENTION_INTERVAL`]: twice what the busiest till makes, and few
/// enough that a person can still notice the log's lines about them.
const MAX_PURGED: u32 = 10_000;

/// What is to be kept, and what was done about the rest.
#[derive(Debug)]
pub(super) struct Retention {
    days: u32,
    /// On the process's clock.
    due_at: Duration,
    /// How many more may go before the next interval.
    left: u32,
    /// The earliest that a confirmed clock has ever called the process's start.
    started: Option<Timestamp>,
}

impl Retention {
    /// Keeps operations for so many days.
    pub(super) fn of(days: u32) -> Retention {
        Retention {
            days,
            due_at: Duration::ZERO,
            left: MAX_PURGED,
            started: None,
        }
    }

    /// Does the next part of what is due, if the service's clock confirms the till's.
    pub(super) fn pass(
        &mut self,
        storage: &mut impl Storage,
        service: Option<ServiceClock>,
        now: Now,
    ) {
        let Some(service) = service.filter(|service| service.confirms(now)) else {
            return;
        };
        // "Younger by both" is younger by the earlier one.
        let today = now.wall.min(service.at(now));
        let started = self.note_start(today, now);
        // What is not counted yet loses nothing yet, and is not done with for a day.
        if now.mono < self.due_at || !storage.is_counted() {
            return;
        }
        let keep = SignedDuration::from_hours(24 * i64::from(self.days));
        let Ok(before) = today.checked_sub(keep) else {
            return;
        };
        let is_over = self.purge(storage, today, before.min(started));
        if is_over.unwrap_or_else(|error| {
            tracing::warn!(error = %with_causes(&error), "Old operations are not removed");
            true
        }) {
            self.due_at = now.mono + RETENTION_INTERVAL;
            self.left = MAX_PURGED;
        }
    }

    /// What ages from before this moment was not finished in this process.
    fn note_start(&mut self, today: Timestamp, now: Now) -> Timestamp {
        let earliest = today
            .checked_sub(now.mono)
            .and_then(|start| start.checked_sub(MAX_CONFIRMED_SKEW * 2))
            .unwrap_or(Timestamp::MIN);
        let started = self.started.map_or(earliest, |known| known.min(earliest));
        self.started = Some(started);
        started
    }

    /// Whether that was the last part.
    fn purge(
        &mut self,
        storage: &mut impl Storage,
        today: Timestamp,
        before: Timestamp,
    ) -> Result<bool, JournalError> {
        if storage.start_aging(today)? {
            return Ok(false);
        }
        let limit = self.left.min(MAX_PURGED_AT_ONCE);
        let removed = storage.purge(before, limit)?;
        if removed > 0 {
            tracing::info!(removed, before = %before, "Old operations were removed from the journal");
        }
        self.left = self.left.saturating_sub(removed);
        Ok(removed < limit || self.left == 0)
    }
}
