//! The only place that reads a clock. Everything below it gets [`Now`] as an argument, so that the
//! core can be driven through years in virtual time.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// One instant on both clocks.
///
/// `wall` names moments to people and survives a restart, but may jump; `mono` measures durations
/// and never jumps, but means nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Civil time, as good as the till's clock.
    pub wall: Timestamp,
    /// Time since this process began.
    pub mono: Duration,
}

/// Reads both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock whose `mono` begins now.
    pub fn start() -> Clock {
        Clock {
            began: Instant::now(),
        }
    }

    /// The present instant.
    pub fn now(&self) -> Now {
        Now {
            wall: wall(),
            mono: self.began.elapsed(),
        }
    }

    /// An instant of this process on its `mono`.
    pub fn mono_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.began)
    }
}

/// A clock that is no further off the service's is confirmed.
pub const MAX_CONFIRMED_SKEW: SignedDuration = SignedDuration::from_mins(2);

/// The service's clock, as its newest `Date` stated it. From then on it is reckoned with `mono`, so that a jump of the
/// till's clock is noticed at once, and not at the next answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceClock {
    date: Timestamp,
    received: Duration,
}

impl ServiceClock {
    /// `received` on the process's `mono`.
    pub fn new(date: Timestamp, received: Duration) -> ServiceClock {
        ServiceClock { date, received }
    }

    /// When its `Date` came.
    pub fn received(&self) -> Duration {
        self.received
    }

    /// The service's time.
    pub fn at(&self, now: Now) -> Timestamp {
        let since = now.mono.saturating_sub(self.received);
        self.date.checked_add(since).unwrap_or(self.date)
    }

    /// How far the service's clock is ahead of the till's.
    pub fn skew(&self, now: Now) -> SignedDuration {
        self.at(now).duration_since(now.wall)
    }

    /// Whether the till's clock agrees with it.
    pub fn confirms(&self, now: Now) -> bool {
        self.skew(now).abs() <= MAX_CONFIRMED_SKEW
    }
}

/// Civil time for those who need no duration: log lines, the simulator. Whole milliseconds, so that
/// what is kept in memory equals what a journal or a JSON text gives back.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that all others must use"
)]
pub fn wall() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_tills_clock_after_the_answer_is_noticed_at_once() {
        let date: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let service = ServiceClock::new(date, Duration::from_secs(10));
        let now = |wall: &str, mono| Now {
            wall: wall.parse().unwrap(),
            mono: Duration::from_secs(mono),
        };
        assert!(service.confirms(now("2026-11-24T09:01:59Z", 10)));
        assert!(service.confirms(now("2026-11-24T09:01:30Z", 100)));
        assert_eq!(
            service.skew(now("2026-11-24T09:01:30Z", 100)),
            SignedDuration::ZERO
        );
        for wrong in [
            "2006-11-24T09:01:30Z",
            "2028-11-24T09:01:30Z",
            "2026-11-24T09:03:31Z",
        ] {
            assert!(!service.confirms(now(wrong, 100)), "{wrong}");
        }
        // Whatever a server may call its time.
        let last = ServiceClock::new(Timestamp::MAX, Duration::ZERO);
        assert!(!last.confirms(now("2026-11-24T09:00:00Z", 100)));
    }
}
