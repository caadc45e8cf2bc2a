//! The one owner of state: what happens goes in, what is to be done comes out.
//!
//! Two designs were weighed. Async tasks, one for each operation, read like the procedure they carry
//! out; but a dropped future forgets where it was, two of them race for the one buyer, and a test of
//! "the power fails between these two lines" needs real time and real sockets. The other is this: a
//! plain state machine without clock, socket or disk. [`Core::handle`] takes one [`Event`] and the
//! time and returns one [`Step`]: changes that must be durable together, and effects that may happen
//! only after. The same machine runs in the daemon, under random event orders and in virtual time;
//! a crash is "drop the core, build another from what was written".
//!
//! - [`event`], [`call`], [`scene`]: the vocabularies, of the core, for the service and for the buyer · [`record`]: what the journal keeps
//! - `operations`: which part an event is for · `turn`: what all parts share while one event is handled
//! - `begin`, `admission`: a till asks for an operation · `validate`, [`buyer_code`]: what may come in
//! - `sale`: from the first request to its end · [`poll`]: when a person is asked for
//! - `reversal`: refunds, cancellations, and bringing back what may have moved
//!
//! Each part owns its fields. The sale reads the queue and changes nothing of it, and the queue knows of the sale only
//! whether it waits: what they want of each other (`reversal::of_sales::QueueTask`, `sale::UndoingEnd`) is passed on
//! within the same turn, so that it is written in the same transaction.
//!
//! - `link`: what is known of the way to the service · `question_clock`: when it may be asked again ·
//!   [`witness`]: what a report must hold
//! - `repeats`: when a request is one that stood before · [`shift`], [`messages`]: dates and the cashier's lines
//!
//! A request's answer is matched by its number; an answer that nobody waits for any more is dropped.
//! Requests that can move money are never dropped: the machine stays in their phase until they end.

mod admission;
mod begin;
pub mod buyer_code;
pub mod call;
pub mod event;
mod link;
pub mod messages;
mod numbers;
mod operations;
pub mod poll;
mod question_clock;
pub mod record;
mod repeats;
mod reversal;
mod sale;
mod scans;
pub mod scene;
mod screen;
pub mod shift;
mod turn;
pub mod validate;
pub mod witness;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::base::clock::{Now, ServiceClock};
use crate::core::call::TokenProblem;
use crate::model::operation::ErrorCode;

use event::{Event, Restored, Settings, Step};
use operations::Operations;
use reversal::active::ActiveReversal;
use turn::Common;

/// The payment core. See the module's documentation.
#[derive(Debug)]
pub struct Core {
    common: Common,
    operations: Operations,
}

/// What health reports of the core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// No `regNum`.
    pub not_configured: bool,
    /// The clock is earlier than the newest journal entry, and the service does not confirm it.
    pub clock_behind: bool,
    /// A `no_connection` or an answer that is none of the service's came, and no valid answer since.
    pub down: Option<ErrorCode>,
    /// Until then, by the monotonic clock, nothing is sent to the service, which has answered 429.
    pub held_off_until: Option<Duration>,
    /// The service is to be left alone for longer than a sale may wait for it.
    pub is_held_off_for_long: bool,
    /// The service wants its token problem solved.
    pub token_problem: Option<TokenProblem>,
    /// Entries that block sales.
    pub queue_depth: usize,
    /// Entries that wait for a person.
    pub set_aside: usize,
    /// Entries that went otherwise than was reported to the till, and that nobody has seen yet.
    pub to_review: usize,
    /// Numbers that are watched, and that the service has long given no answer about.
    pub overdue: usize,
    /// Unsettled operations of another `url` and `regNum`.
    pub of_other_account: Vec<String>,
}

impl Core {
    /// A core that takes up what the journal holds. The step clears the display and settles what
    /// the crash itself has decided.
    #[must_use]
    pub fn new(settings: Settings, restored: Restored, now: Now) -> (Core, Step) {
        let mut common = Common::new(settings, &restored);
        let mut turn = common.turn(now);
        let operations = Operations::restore(restored, &mut turn);
        let step = turn.into_step();
        common.note_writes(&step);
        (Core { common, operations }, step)
    }

    /// Takes one event and returns what is to be done.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Now) -> Step {
        let mut turn = self.common.turn(now);
        self.operations.handle(event, &mut turn);
        let step = turn.into_step();
        self.common.note_writes(&step);
        step
    }

    /// When [`Event::Tick`] is due, and why; in the past: at once.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Duration, &'static str)> {
        let idle = self.common.screen.wakeup().map(|at| (at, "idle scene"));
        let operations = self.operations.wakeup(&self.common);
        idle.into_iter().chain(operations).min_by_key(|(at, _)| *at)
    }

    /// What health needs to know of the core.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let (link, queue) = (&self.common.link, &self.operations.queue);
        let count = |is_one: &dyn Fn(&ActiveReversal) -> bool| {
            queue.iter().filter(|entry| is_one(entry)).count()
        };
        Status {
            clock_behind: self.common.clock_is_doubtful(now),
            not_configured: self.common.settings.account.is_none(),
            down: link.down(),
            held_off_until: link.held_off_until(now.mono),
            is_held_off_for_long: link.is_held_off_for_long(now.mono),
            token_problem: link.token_problem(),
            queue_depth: queue.blocking().count(),
            set_aside: count(&|entry| entry.record.set_aside),
            to_review: count(&|entry| entry.record.needs_review),
            overdue: count(&|entry| entry.is_overdue),
            of_other_account: queue.of_other_account().to_vec(),
        }
    }

    /// The service's clock, once an answer has stated it.
    #[must_use]
    pub fn service_clock(&self) -> Option<ServiceClock> {
        self.common.link.clock()
    }

    /// Whether the next code may be a buyer's: a sale waits for one, or waits to begin and will.
    #[must_use]
    pub fn awaits_scan(&self) -> bool {
        self.operations.awaits_scan(&self.common.settings)
    }

    /// How many requests for a session or a payment follow as soon as a buyer acts: their connections can be open by then.
    #[must_use]
    pub fn expected_requests(&self) -> usize {
        self.operations.expected_requests()
    }

    /// Whether a buyer is being attended, or about to be.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.operations.is_occupied()
    }
}
