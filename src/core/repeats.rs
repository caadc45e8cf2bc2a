//! Whether a repeated `PUT` is the till's retry, or another receipt under an old identifier.
//!
//! "Ids are for ever": once an operation has been final for a day, the same `PUT` is refused, since the next day's
//! receipt of that number was not paid. But a till whose answer was lost and whose clock was put right in between must
//! not be asked to pay under another identifier: an age that a wrong clock has made is none.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::{Now, ServiceClock};
use crate::core::event::Step;
use crate::model::operation::Operation;

/// A till's retry of a `PUT` comes within this time after its operation's end.
const MAX_REPEAT_AGE: Duration = Duration::from_secs(24 * 3600);
/// No till ran this program earlier: a clock that shows less is dead. 2026-01-01.
const EARLIEST_END: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Most operations that are remembered; a till whose clock stays wrong makes more.
const MAX_REMEMBERED: usize = 1000;

/// What ended by a wrong clock.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Identifiers, and when they ended on the process's clock; oldest first.
    ended: VecDeque<(String, Duration)>,
}

impl Repeats {
    /// Remembers what ends in this step, if the service's answers have shown that the till's clock is wrong.
    pub(super) fn note(&mut self, step: &Step, service: Option<ServiceClock>, now: Now) {
        if service.is_none_or(|service| service.confirms(now)) {
            return;
        }
        let operations = step.writes.iter().map(|write| write.record.operation());
        for operation in operations.filter(|one| one.finished_at == Some(now.wall)) {
            if self.ended.len() >= MAX_REMEMBERED {
                self.ended.pop_front();
            }
            self.ended.push_back((operation.id.clone(), now.mono));
        }
    }

    /// When it ended, if that is too long ago for a retry.
    pub(super) fn long_over(&self, operation: &Operation, now: Now) -> Option<Timestamp> {
        let at = operation.finished_at.filter(|at| *at >= EARLIEST_END)?;
        let age = SignedDuration::try_from(MAX_REPEAT_AGE).ok()?;
        let mut ended = self.ended.iter().rev();
        let known = ended.find(|(id, _)| *id == operation.id);
        let is_recent = known.is_some_and(|(_, ended)| now.mono - *ended <= MAX_REPEAT_AGE);
        (!is_recent && now.wall.duration_since(at) > age).then_some(at)
    }
}
