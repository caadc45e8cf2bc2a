//! When which shift is reconciled by itself: pure, since time enters as an argument.
//!
//! A shift is a day in Belarus; it falls due at the set time of the day after. What was missed is caught up, the
//! oldest first, at most [`MAX_DAYS`] of it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::base::zone::minsk;

/// Shifts that are looked back for: older ones a person reconciles.
const MAX_DAYS: i32 = 7;
/// A clock that is set is noticed within this time.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The first pause after a failed report; each further one is twice as long.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The longest pause after failed reports.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(3600);

/// What is known of the till's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The service has sent no time yet.
    Unknown,
    /// The service's time agrees with it.
    Confirmed,
    /// The service's time does not.
    Wrong,
}

/// Which days' shifts are done with. Of a day that fails, the days after it are not kept waiting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// This day and all before it; `None` before the first.
    until: Option<Date>,
    /// Days after the one that follows `until`.
    #[serde(default)]
    ahead: BTreeSet<Date>,
}

impl Progress {
    /// The newest day up to which everything is done with.
    pub(super) fn until(&self) -> Option<Date> {
        self.until
    }

    /// The days whose shifts are to be reconciled at `now`, oldest first. A till that never did so begins with the
    /// newest: nobody asked for those before.
    pub(super) fn due(&self, now: Timestamp, at: Time, clock: Trust) -> Vec<Date> {
        let newest = newest(now, at);
        match (clock, self.until) {
            (Trust::Wrong, _) => Vec::new(),
            (_, None) => vec![newest],
            (_, Some(until)) if is_ahead(until, newest) => {
                // Either the clock was wrong then or it is now.
                let is_sure = clock == Trust::Confirmed;
                if is_sure { vec![newest] } else { Vec::new() }
            }
            (_, Some(until)) => {
                let first = until.saturating_add(1.day());
                let days = first.max(before(newest, MAX_DAYS - 1)).series(1.day());
                days.take_while(|day| *day <= newest)
                    .filter(|day| !self.ahead.contains(day))
                    .collect()
            }
        }
    }

    /// A day's shift was reconciled.
    pub(super) fn done(&mut self, day: Date, now: Timestamp, at: Time) {
        let newest = newest(now, at);
        let Some(until) = self.until.filter(|until| !is_ahead(*until, newest)) else {
            *self = Progress {
                until: Some(day),
                ahead: BTreeSet::new(),
            };
            return;
        };
        let mut until = until.max(before(newest, MAX_DAYS));
        self.ahead.insert(day);
        self.ahead
            .retain(|day| *day > until && !is_ahead(*day, newest));
        while self.ahead.remove(&until.saturating_add(1.day())) {
            until = until.saturating_add(1.day());
        }
        self.until = Some(until);
    }
}

/// Whether a day lies after the newest due one by more than a clock that was put right, or a setting that was
/// changed, explains.
fn is_ahead(day: Date, newest: Date) -> bool {
    day > newest.saturating_add(1.day())
}

fn before(day: Date, days: i32) -> Date {
    day.saturating_sub(days.days())
}

fn local(now: Timestamp) -> DateTime {
    minsk().to_datetime(now)
}

/// The newest day whose shift has fallen due.
fn newest(now: Timestamp, at: Time) -> Date {
    let local = local(now);
    let days = if local.time() >= at { 1 } else { 2 };
    before(local.date(), days)
}

/// The service's name of a day's shift.
pub(super) fn shift_of(day: Date) -> String {
    day.strftime("%d%m%Y").to_string()
}

/// How long nothing can fall due: to the set time, and not so long that a clock which is set goes unnoticed.
pub(super) fn pause(now: Timestamp, at: Time) -> Duration {
    let local = local(now);
    let today = local.date().to_datetime(at);
    let next = if local < today {
        today
    } else {
        today.saturating_add(1.day())
    };
    let wait = Duration::try_from(next.duration_since(local)).unwrap_or_default();
    wait.min(LOOK_INTERVAL)
}

/// How long to wait after so many failed rounds in a row.
pub(super) fn retry_interval(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
    let interval = doubled.and_then(|times| MIN_RETRY_INTERVAL.checked_mul(times));
    interval
        .unwrap_or(MAX_RETRY_INTERVAL)
        .min(MAX_RETRY_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};
    use proptest::prelude::*;

    const AT: Time = time(4, 30, 0, 0);

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn until(day: Date) -> Progress {
        Progress {
            until: Some(day),
            ahead: BTreeSet::new(),
        }
    }

    fn day(of_november: i8) -> Date {
        date(2026, 11, of_november)
    }

    #[test]
    fn a_shift_falls_due_at_the_set_time_of_the_day_after_in_minsk() {
        let progress = until(day(22));
        let due = |text| progress.due(utc(text), AT, Trust::Unknown);
        assert_eq!(due("2026-11-24T01:29:59Z"), []);
        assert_eq!(due("2026-11-24T01:30:00Z"), [day(23)]);
        assert_eq!(due("2026-11-24T20:59:59Z"), [day(23)]);
        // Europe/Minsk has no summer time: the same in July.
        let july = until(date(2026, 7, 22));
        let due = july.due(utc("2026-07-24T01:30:00Z"), AT, Trust::Unknown);
        assert_eq!(due, [date(2026, 7, 23)]);
        assert_eq!(shift_of(date(2026, 7, 3)), "03072026");
    }

    #[test]
    fn midnight_is_a_time_too() {
        let due = |text| until(day(22)).due(utc(text), Time::midnight(), Trust::Unknown);
        assert_eq!(due("2026-11-23T20:59:59Z"), []);
        assert_eq!(due("2026-11-23T21:00:00Z"), [day(23)]);
    }

    #[test]
    fn the_first_time_only_the_newest_is_due() {
        let progress = Progress::default();
        let noon = utc("2026-11-24T09:00:00Z");
        assert_eq!(progress.due(noon, AT, Trust::Unknown), [day(23)]);
        // A till that is never on at the set time begins all the same.
        let late = time(23, 30, 0, 0);
        assert_eq!(progress.due(noon, late, Trust::Unknown), [day(22)]);
    }

    #[test]
    fn missed_days_are_caught_up_oldest_first_seven_at_most() {
        let noon = utc("2026-11-24T09:00:00Z");
        let due = |from| until(from).due(noon, AT, Trust::Confirmed);
        assert_eq!(due(day(20)), [day(21), day(22), day(23)]);
        let week: Vec<Date> = (17..=23).map(day).collect();
        assert_eq!(due(day(16)), week);
        assert_eq!(due(day(1)), week);
        assert_eq!(due(date(1999, 1, 1)), week);
    }

    #[test]
    fn a_day_that_fails_keeps_no_other_waiting_and_is_given_up_after_a_week() {
        let noon = |of_november: i8| {
            let text = format!("2026-11-{of_november:02}T09:00:00Z");
            utc(&text)
        };
        let mut progress = until(day(10));
        progress.done(day(12), noon(13), AT);
        assert_eq!(progress.until(), Some(day(10)));
        assert_eq!(
            progress.due(noon(14), AT, Trust::Unknown),
            [day(11), day(13)]
        );
        for of_november in 13..=17 {
            progress.done(day(of_november), noon(of_november + 1), AT);
        }
        assert_eq!(progress.due(noon(18), AT, Trust::Unknown), [day(11)]);
        assert_eq!(progress.due(noon(19), AT, Trust::Unknown), [day(18)]);
        progress.done(day(18), noon(19), AT);
        assert_eq!(progress, until(day(18)));
    }

    #[test]
    fn a_wrong_clock_reconciles_nothing() {
        let noon = utc("2026-11-24T09:00:00Z");
        assert_eq!(Progress::default().due(noon, AT, Trust::Wrong), []);
        assert_eq!(until(day(20)).due(noon, AT, Trust::Wrong), []);
    }

    #[test]
    fn a_clock_that_was_ahead_is_believed_no_longer_once_the_present_one_is_confirmed() {
        let noon = utc("2026-11-24T09:00:00Z");
        let mut progress = until(date(2031, 5, 5));
        assert_eq!(progress.due(noon, AT, Trust::Unknown), []);
        assert_eq!(progress.due(noon, AT, Trust::Confirmed), [day(23)]);
        progress.done(day(23), noon, AT);
        assert_eq!(progress, until(day(23)));
    }

    #[test]
    fn a_clock_set_back_over_the_set_time_repeats_nothing() {
        let mut progress = until(day(22));
        let at = utc("2026-11-24T01:30:00Z");
        progress.done(day(23), at, AT);
        let before = utc("2026-11-24T01:29:50Z");
        for trust in [Trust::Unknown, Trust::Confirmed] {
            assert_eq!(progress.due(before, AT, trust), []);
            assert_eq!(progress.due(at, AT, trust), []);
        }
    }

    #[test]
    fn nothing_is_slept_through() {
        assert_eq!(
            pause(utc("2026-11-24T01:29:58.500Z"), AT),
            Duration::from_millis(1500)
        );
        assert_eq!(pause(utc("2026-11-24T01:30:00Z"), AT), LOOK_INTERVAL);
        assert_eq!(pause(utc("2026-11-24T01:00:00Z"), AT), LOOK_INTERVAL);
    }

    #[test]
    fn pauses_after_failures_double_up_to_an_hour() {
        let seconds = [1, 2, 3, 10, 11, 40, u32::MAX].map(|n| retry_interval(n).as_secs());
        assert_eq!(seconds, [5, 10, 20, 2560, 3600, 3600, 3600]);
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_what_is_due_is_bounded_and_ends(
            moments in prop::collection::vec((0_i64..4_000_000_000, any::<bool>()), 1..20),
            hour in 0_i8..24,
        ) {
            let at = time(hour, 0, 0, 0);
            let mut progress = Progress::default();
            for (second, succeeds) in moments {
                let now = Timestamp::from_second(second).unwrap();
                let due = progress.due(now, at, Trust::Confirmed);
                prop_assert!(due.len() <= 7 && due.is_sorted());
                for day in due.iter().rev().filter(|_| succeeds) {
                    progress.done(*day, now, at);
                }
                if succeeds {
                    prop_assert_eq!(progress.due(now, at, Trust::Confirmed), []);
                }
                prop_assert!(progress.ahead.len() <= 8);
            }
        }
    }
}
