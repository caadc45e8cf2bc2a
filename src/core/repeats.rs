//! Whether a repeated `PUT` is the till's retry, or another receipt under an old identifier.
//!
//! "Ids are for ever": once an operation has been final for a day, the same `PUT` is refused, since the next day's
//! receipt of that number was not paid. But a till whose answer was lost must not be asked to pay under another
//! identifier because a clock is wrong, or was: then the buyer would pay twice, and nothing would ever show it. So an
//! operation is a day old only if both clocks have it so, the till's and the service's; each of them is read when the
//! operation ends and when the `PUT` comes. A service that states no time leaves every retry a retry.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::{Now, ServiceClock};
use crate::core::event::Step;
use crate::core::link::Link;
use crate::core::record::Record;

/// A till's retry of a `PUT` comes within this time after its operation's end.
const MAX_REPEAT_AGE: Duration = Duration::from_secs(24 * 3600);
/// Most operations that are remembered: more than a till ends in [`MAX_REPEAT_AGE`].
const MAX_REMEMBERED: usize = 4000;

/// What has ended in this process.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Oldest first.
    ended: VecDeque<Ended>,
}

#[derive(Debug)]
struct Ended {
    id: String,
    /// On the process's clock.
    at: Duration,
    /// By the service's clock, where that is known.
    by_service: Option<Timestamp>,
}

/// How old an operation is that is asked for once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It may be a retry.
    Recent,
    /// It ended then, too long ago for a retry.
    Over(Timestamp),
    /// By the till's clock it ended too long ago, and the service, which has not answered in this process yet, has to be
    /// asked for its time.
    Unknown,
}

impl Repeats {
    /// Remembers what ends in this step, and writes down when that is by the service's clock.
    pub(super) fn note(&mut self, step: &mut Step, service: Option<ServiceClock>, now: Now) {
        for write in &mut step.writes {
            let operation = write.record.operation();
            if operation.finished_at.is_none() {
                continue;
            }
            if operation.finished_at == Some(now.wall) {
                self.remember(Ended {
                    id: operation.id.clone(),
                    at: now.mono,
                    by_service: service.map(|service| service.at(now)),
                });
            }
            if let Some(ended) = self.find(&operation.id) {
                *write.record.ended_by_service_mut() = ended.by_service;
            }
        }
    }

    fn remember(&mut self, ended: Ended) {
        if self.ended.len() >= MAX_REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }

    fn find(&self, id: &str) -> Option<&Ended> {
        self.ended.iter().rev().find(|ended| ended.id == id)
    }

    /// How old it is.
    pub(super) fn age(&self, record: &Record, link: &Link, now: Now) -> Age {
        let operation = record.operation();
        let Some(at) = operation.finished_at else {
            return Age::Recent;
        };
        let is_over = |since: Timestamp, until: Timestamp| {
            let most = SignedDuration::try_from(MAX_REPEAT_AGE);
            most.is_ok_and(|most| until.duration_since(since) > most)
        };
        let ended_here = self.find(&operation.id);
        let is_recent = ended_here.is_some_and(|ended| now.mono - ended.at <= MAX_REPEAT_AGE);
        if is_recent || !is_over(at, now.wall) {
            return Age::Recent;
        }
        match (record.ended_by_service(), link.clock()) {
            (Some(ended), Some(service)) if is_over(ended, service.at(now)) => Age::Over(at),
            (Some(_), None) if !link.has_answered() => Age::Unknown,
            (Some(_) | None, Some(_) | None) => Age::Recent,
        }
    }
}
