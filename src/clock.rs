//! The only place that reads a clock. Everything below it gets [`Now`] as an argument, so that the
//! core can be driven through years in virtual time.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

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
    #[must_use]
    pub fn start() -> Clock {
        Clock {
            began: Instant::now(),
        }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Now {
        Now {
            wall: wall(),
            mono: self.began.elapsed(),
        }
    }
}

/// The zone of the service and its shifts. Belarus keeps UTC+3 the whole year since 2011; where a machine has no time
/// zone data, this holds.
#[must_use]
pub fn minsk() -> TimeZone {
    TimeZone::get("Europe/Minsk").unwrap_or_else(|_| TimeZone::fixed(Offset::constant(3)))
}

/// Civil time for those who need no duration: log lines, the simulator. Whole milliseconds, so that
/// what is kept in memory equals what a journal or a JSON text gives back.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that the others are told to use"
)]
pub fn wall() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}
