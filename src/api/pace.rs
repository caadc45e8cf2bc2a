//! How fast one connection may ask.
//!
//! A till that reads an answer before it asks again is never held up. Whoever sends requests ahead, and perhaps reads
//! nothing, could keep the thread that serves everybody busy: after some in a row each of them waits.

use std::time::{Duration, Instant};

/// A request that is there so soon after the answer before was sent ahead.
const AHEAD: Duration = Duration::from_millis(1);
/// So many may be sent ahead in a row.
const MAX_AHEAD: u32 = 16;
/// Each that follows waits so long.
const PAUSE: Duration = Duration::from_millis(250);

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    answered: Option<Instant>,
    ahead: u32,
}

impl Pace {
    /// How long a request that comes now must wait.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        let since = self.answered.map(|at| now.saturating_duration_since(at));
        self.ahead = match since {
            Some(since) if since < AHEAD => self.ahead.saturating_add(1),
            Some(_) | None => 0,
        };
        if self.ahead > MAX_AHEAD {
            PAUSE
        } else {
            Duration::ZERO
        }
    }

    /// The request before was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_ahead_waits_and_who_reads_first_does_not() {
        let mut pace = Pace::default();
        let mut now = Instant::now();
        let mut pauses = |after: Duration, times: u32| {
            let asked: Vec<Duration> = (0..times)
                .map(|_| {
                    now += after;
                    let pause = pace.pause(now);
                    pace.answered(now);
                    pause
                })
                .collect();
            asked.iter().filter(|pause| !pause.is_zero()).count()
        };
        assert_eq!(pauses(Duration::from_millis(2), 1000), 0);
        assert_eq!(pauses(Duration::from_micros(10), 16), 0);
        assert_eq!(pauses(Duration::from_micros(10), 10), 10);
        assert_eq!(pauses(Duration::from_millis(2), 1), 0);
        assert_eq!(pauses(Duration::from_micros(10), 17), 1);
    }
}
