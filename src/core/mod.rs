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
//! - `admission`: a till asks for an operation · `validate`, [`buyer_code`]: what may come in
//! - `sale`: from the first request to its end · [`poll`]: when a person is asked for
//! - `reversal`: refunds, cancellations, and bringing back what may have moved
//! - `link`: what is known of the way to the service · `question_clock`: when it may be asked again ·
//!   [`witness`]: what a report must hold
//! - `repeats`: when a request is one that stood before · [`shift`], [`words`]: dates and the cashier's lines
//!
//! A request's answer is matched by its number; an answer that nobody waits for any more is dropped.
//! Requests that can move money are never dropped: the machine stays in their phase until they end.

mod admission;
pub mod buyer_code;
pub mod call;
pub mod event;
mod link;
mod numbers;
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
pub mod validate;
pub mod witness;
pub mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{Now, ServiceClock};
use crate::base::secret::Secret;
use crate::core::call::{Call, TokenProblem};
use crate::core::scene::Scene;
use crate::model::operation::ErrorCode;
use crate::model::problem::{Code, Problem};
use crate::model::scan::Scan;
use crate::texts::cashier;

use admission::Admission;
use event::{Effect, Event, Reply, RequestId, Restored, Settings, Step, Ticket, Turn};
use link::{Contact, Link};
use numbers::Numbers;
use question_clock::Subject;
use record::Record;
use repeats::Repeats;
use reversal::active::ActiveReversal;
use reversal::queue::ReversalQueue;
use sale::ActiveSale;
use sale::held_answers::HeldAnswers;
use scans::Scans;
use screen::Screen;
use witness::Witnesses;

/// The payment core. See the module's documentation.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    numbers: Numbers,
    sale: Option<ActiveSale>,
    queue: ReversalQueue,
    admission: Option<Admission>,
    link: Link,
    witnesses: Witnesses,
    /// How long a session with a buyer lives, as the service has shown last.
    session_life: Duration,
    held_answers: HeldAnswers,
    /// The shift that the newest sale named, which is the till's present one.
    own_shift: Option<String>,
    newest: Option<Timestamp>,
    repeats: Repeats,
    scans: Scans,
    screen: Screen,
}

/// What health says of the core.
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
    /// Entries that went otherwise than the till was told, and that nobody has seen yet.
    pub to_review: usize,
    /// Numbers that are watched, and that the service has told nothing about for long.
    pub overdue: usize,
    /// Unsettled operations of another `url` and `regNum`.
    pub foreign: Vec<String>,
}

impl Core {
    /// A core that takes up what the journal holds. The step clears the display and settles what
    /// the crash itself has decided.
    #[must_use]
    pub fn new(settings: Settings, restored: Restored, now: Now) -> (Core, Step) {
        let mut core = Core {
            numbers: Numbers::new(settings.order_prefix.clone(), restored.next_own),
            link: Link::new(&settings),
            settings,
            sale: None,
            queue: ReversalQueue::default(),
            admission: None,
            witnesses: Witnesses::default(),
            session_life: sale::SESSION_LIFE,
            held_answers: HeldAnswers::default(),
            own_shift: restored.own_shift,
            newest: restored.newest,
            repeats: Repeats::default(),
            scans: Scans::default(),
            screen: Screen::default(),
        };
        let mut turn = Turn::new(now);
        turn.show(Scene::Idle);
        for witness in &restored.witnesses {
            core.restore_witness(witness, now);
        }
        for target in restored.targets {
            core.hold(target);
        }
        for entry in restored.entries {
            core.restore_entry(entry, &mut turn);
        }
        for sale in restored.sales {
            core.restore_sale(sale, &mut turn);
        }
        core.note_writes(&turn);
        (core, turn.into_step())
    }

    /// Takes one event and says what is to be done.
    #[must_use]
    pub fn handle(&mut self, event: Event, now: Now) -> Step {
        let mut turn = Turn::new(now);
        match event {
            Event::Begin {
                ticket,
                id,
                wish,
                existing,
                facts,
            } => {
                let asked = admission::IncomingRequest {
                    ticket,
                    id,
                    wish,
                    existing,
                    facts: *facts,
                };
                self.ask(asked, &mut turn);
            }
            Event::BeginFailed { id } => self.forget(&id, now),
            Event::Abort {
                ticket,
                id,
                existing,
            } => self.abort(ticket, &id, existing, &mut turn),
            Event::Scan { ticket, scan } => self.scan(ticket, scan, &mut turn),
            Event::Retry { ticket, id } => self.retry_entry(ticket, &id, &mut turn),
            Event::Settle {
                ticket,
                id,
                verdict,
            } => self.settle_entry(ticket, &id, &verdict, &mut turn),
            Event::Recheck { entry, target } => self.recheck(*entry, target, now),
            Event::RecheckSale { sale, second } => self.recheck_sale(*sale, second, &mut turn),
            Event::Answered { request, answer } => {
                let contact = self.link.ended(request, &answer, now.mono);
                self.wake_for(contact, now);
                if !self.late_answered(request, &answer, &mut turn)
                    && !self.admission_answered(request, &answer, &mut turn)
                    && !self.sale_answered(request, &answer, &mut turn)
                {
                    self.entry_answered(request, &answer, &mut turn);
                }
            }
            Event::ServiceClock(clock) => self.link.note_clock(clock),
            Event::ServiceAnswered => {
                let contact = self.link.answered();
                self.wake_for(contact, now);
            }
            Event::CallerGone { ticket } => self.caller_gone(ticket),
            Event::SceneRefused { reason } => self.scene_refused(&reason, &mut turn),
            Event::Tick => self.tick(&mut turn),
        }
        if turn.creates.is_none() {
            self.queue.end_creation();
        }
        self.drop_unheld();
        self.note_writes(&turn);
        self.repeats.note(&turn, self.link.clock(), now);
        turn.into_step()
    }

    /// The journal could not keep what was begun.
    fn forget(&mut self, id: &str, now: Now) {
        let begun = |sale: &ActiveSale| sale.record.operation.id == id;
        if self.sale.as_ref().is_some_and(begun) {
            self.sale = None;
        }
        if let Some(record) = self.queue.roll_back(id) {
            let entry = self.live(record, now.mono, now);
            self.queue.push_front(entry);
        }
        // Whatever was shown before it shall not stay for ever.
        self.screen.clear(now.mono);
    }

    /// What neither an entry nor an admission refers to is no target any more.
    fn drop_unheld(&mut self) {
        let admission = self.admission.as_ref();
        self.queue
            .drop_unheld(|id| admission.is_some_and(|admission| admission.holds(id)));
    }

    /// When [`Event::Tick`] is due, and why; in the past: at once.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Duration, &'static str)> {
        let idle = self.screen.wakeup().map(|at| (at, "idle scene"));
        let admission = self.admission_wakeup();
        let sale = self.sale_wakeup();
        let queue = self.queue_wakeup();
        [idle, admission, sale, queue]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// What health needs to know of the core.
    #[must_use]
    pub fn status(&self, now: Now) -> Status {
        let count = |is_one: &dyn Fn(&ActiveReversal) -> bool| {
            self.queue.iter().filter(|entry| is_one(entry)).count()
        };
        Status {
            clock_behind: self.clock_is_doubtful(now),
            not_configured: self.settings.account.is_none(),
            down: self.link.down(),
            held_off_until: self.link.held_off_until(now.mono),
            is_held_off_for_long: self.link.is_held_off_for_long(now.mono),
            token_problem: self.link.token_problem(),
            queue_depth: self.queue.blocking().count(),
            set_aside: count(&|entry| entry.record.set_aside),
            to_review: count(&|entry| entry.record.needs_review),
            overdue: count(&|entry| entry.is_overdue),
            foreign: self.queue.of_other_account().to_vec(),
        }
    }

    /// The service's clock, once an answer has told it.
    #[must_use]
    pub fn service_clock(&self) -> Option<ServiceClock> {
        self.link.clock()
    }

    /// Whether the next code may be a buyer's: a sale waits for one, or waits to begin and will.
    #[must_use]
    pub fn awaits_scan(&self) -> bool {
        let is_armed = self.sale.as_ref().is_some_and(sale::ActiveSale::is_armed);
        is_armed || self.admission_awaits_code()
    }

    /// Whether a buyer is being attended, or about to be.
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.sale.is_some() || self.admission.is_some()
    }

    /// A creation stands alone in its step: should its write fail, nothing else is lost with it.
    fn tick(&mut self, turn: &mut Turn) {
        if self.admission_tick(turn) {
            return;
        }
        self.screen.tick(turn);
        self.sale_tick(turn);
        self.queue_tick(turn);
    }

    /// The till wants to know, or a scanner read something.
    fn scan(&mut self, ticket: Option<Ticket>, scan: Scan, turn: &mut Turn) {
        let code = &scan.code;
        let buyers = buyer_code::may_be_buyers(code.expose(), &self.settings.buyer_code);
        let withheld = buyers && self.is_for_sale(code);
        let used_by = self.take_code(code, buyers, turn);
        if used_by.is_none() && buyers {
            self.scans.unused(code.clone(), turn.now.mono);
        }
        if let Some(ticket) = ticket {
            turn.reply(ticket, Reply::ScanUsed(used_by.clone()));
        }
        turn.effects.push(Effect::Scanned {
            scan,
            withheld: withheld || used_by.is_some(),
            used_by,
        });
    }

    /// Whether a code that may be a buyer's is one, although no operation takes it now: the sale waits to
    /// begin, or has it already and the scanner saw the same telephone again.
    fn is_for_sale(&self, code: &Secret) -> bool {
        let is_repeated = self.sale.is_some() && self.scans.is_last_used(code);
        is_repeated || self.admission_awaits_code()
    }

    fn abort(&mut self, ticket: Ticket, id: &str, existing: Option<Record>, turn: &mut Turn) {
        if self
            .sale
            .as_ref()
            .is_some_and(|sale| sale.record.operation.id == id)
        {
            let operation = self.abort_sale(turn);
            return turn.reply(ticket, Reply::Aborted(operation));
        }
        let answer = match existing.map(|record| record.operation().clone()) {
            None => Err(Problem::no_operation()),
            Some(operation) if operation.state.is_final() => Ok(operation),
            Some(operation) => self.abort_entry(&operation.id, turn).ok_or_else(|| {
                Code::Busy.problem(cashier::TOO_LATE_TO_ABORT, cashier::AWAIT_REMEDY)
            }),
        };
        turn.reply(ticket, Reply::Aborted(answer));
    }

    /// Any valid answer wakes what waits for the connection.
    fn wake_for(&mut self, contact: Contact, now: Now) {
        let waits = || self.queue.iter().any(|entry| entry.wants_connection);
        let wakes = match contact {
            Contact::None => false,
            Contact::Answered => waits(),
            Contact::BackAgain => true,
        };
        if wakes {
            self.queue.wake(now.mono);
        }
    }

    fn note_writes(&mut self, step: &Step) {
        for write in &step.writes {
            self.newest = self.newest.max(Some(write.record.operation().updated_at));
        }
    }

    fn request(&mut self, operation: &str, call: Call, turn: &mut Turn) -> RequestId {
        let id = self.numbers.request();
        turn.effects.push(Effect::Request {
            id,
            operation: operation.to_owned(),
            call: Box::new(call),
        });
        id
    }

    /// A request that asks for the status of `subjects`: the one place from which such questions leave.
    /// Whoever asks has looked at the clock before.
    fn question(
        &mut self,
        operation: &str,
        call: Call,
        subjects: Vec<Subject>,
        turn: &mut Turn,
    ) -> RequestId {
        let id = self.request(operation, call, turn);
        self.link.asked(id, subjects, turn.now.mono);
        id
    }
}
