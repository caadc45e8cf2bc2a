//! Whether the core's thread gets on: each of its turns is short, but for one that waits for its disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::regular_file::FILE_TIMEOUT;

/// No turn.
const REST: u64 = u64::MAX;

/// When the core's present turn began.
#[derive(Debug)]
pub(super) struct Turns {
    clock: Clock,
    /// In milliseconds of the process's own clock.
    since: AtomicU64,
}

impl Turns {
    pub(super) fn new(clock: Clock) -> Turns {
        Turns {
            clock,
            since: AtomicU64::new(REST),
        }
    }

    /// The core has something to do: a turn begins, whether or not another was under way.
    pub(super) fn begin(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    /// The core waits for something to do.
    pub(super) fn rest(&self) {
        self.since.store(REST, Ordering::Relaxed);
    }

    /// Whether the core waits for something to do.
    pub(super) fn is_resting(&self) -> bool {
        self.since.load(Ordering::Relaxed) == REST
    }

    /// Whether the core hangs: its disk does not answer.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck_at(self.now())
    }

    fn is_stuck_at(&self, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        Duration::from_millis(now.saturating_sub(since)) >= FILE_TIMEOUT
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().mono.as_millis()).unwrap_or(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_does_not_end_is_seen_and_rest_is_none() {
        let turns = Turns::new(Clock::start());
        let later = turns.now() + 60_000;
        assert!(!turns.is_stuck_at(later), "not begun");
        turns.begin();
        assert!(!turns.is_stuck());
        assert!(turns.is_stuck_at(later));
        turns.rest();
        assert!(!turns.is_stuck_at(later));
    }
}
