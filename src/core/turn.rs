//! One event's turn through the core: its time, the step that it makes, and what all parts share.
//!
//! Two designs were weighed. Parts that are methods of one core reach for each other's fields wherever that is handy,
//! and nobody can say which of them changes a thing. Here a part owns its fields and is given the turn: what it wants
//! written, shown, sent or logged goes into the step, and of the others it sees only what stands here.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Now;
use crate::core::call::Call;
use crate::core::event::{Effect, RequestId, Restored, Settings, Step};
use crate::core::link::Link;
use crate::core::numbers::Numbers;
use crate::core::question_clock::Subject;
use crate::core::reversal::active::ActiveReversal;
use crate::core::reversal::of_sales::QueueTask;
use crate::core::sale::held_answers::HeldAnswers;
use crate::core::sale::{SESSION_LIFE, UndoingEnd};
use crate::core::scans::Scans;
use crate::core::scene::Scene;
use crate::core::screen::Screen;
use crate::core::witness::Witnesses;

/// Clocks are corrected by small steps; only more than this is a clock that runs wrong.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// What all parts share, from turn to turn.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) settings: Settings,
    pub(super) numbers: Numbers,
    pub(super) link: Link,
    pub(super) screen: Screen,
    pub(super) witnesses: Witnesses,
    pub(super) held_answers: HeldAnswers,
    pub(super) scans: Scans,
    /// How long a session with a buyer lives, as the service has shown last.
    pub(super) session_life: Duration,
    /// The shift that the newest sale named, which is the till's present one.
    pub(super) own_shift: Option<String>,
    /// Of the newest write to the journal.
    newest: Option<Timestamp>,
}

impl Common {
    pub(super) fn new(settings: Settings, restored: &Restored) -> Common {
        Common {
            numbers: Numbers::new(settings.order_prefix.clone(), restored.next_own),
            link: Link::new(&settings),
            screen: Screen::default(),
            witnesses: Witnesses::new(&settings),
            held_answers: HeldAnswers::default(),
            scans: Scans::default(),
            session_life: SESSION_LIFE,
            own_shift: restored.own_shift.clone(),
            newest: restored.newest,
            settings,
        }
    }

    pub(super) fn turn(&mut self, now: Now) -> Turn<'_> {
        Turn {
            now,
            settings: &self.settings,
            numbers: &mut self.numbers,
            link: &mut self.link,
            screen: &mut self.screen,
            witnesses: &mut self.witnesses,
            held_answers: &mut self.held_answers,
            scans: &mut self.scans,
            session_life: &mut self.session_life,
            own_shift: &mut self.own_shift,
            newest: self.newest,
            attended: Attended::default(),
            for_queue: Vec::new(),
            undoing_end: None,
            step: Step::new(now),
        }
    }

    /// A turn is over.
    pub(super) fn note_writes(&mut self, step: &Step) {
        for write in &step.writes {
            self.newest = self.newest.max(Some(write.record.operation().updated_at));
        }
    }

    /// Whether the clock is earlier than what the journal knows, and the service does not confirm it.
    pub(super) fn clock_is_doubtful(&self, now: Now) -> bool {
        is_clock_doubtful(self.newest, &self.link, now)
    }
}

/// One event's turn. See the module's documentation.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// When the event comes: one time for all of the turn.
    pub(super) now: Now,
    pub(super) settings: &'a Settings,
    pub(super) numbers: &'a mut Numbers,
    pub(super) link: &'a mut Link,
    pub(super) screen: &'a mut Screen,
    pub(super) witnesses: &'a mut Witnesses,
    pub(super) held_answers: &'a mut HeldAnswers,
    pub(super) scans: &'a mut Scans,
    pub(super) session_life: &'a mut Duration,
    pub(super) own_shift: &'a mut Option<String>,
    newest: Option<Timestamp>,
    /// The sale, as the queue sees it.
    pub(super) attended: Attended,
    /// What the sale wants of the queue, in the order in which it is to be done.
    pub(super) for_queue: Vec<QueueTask>,
    /// What the queue reports to the sale that waits for its undoing.
    pub(super) undoing_end: Option<UndoingEnd>,
    step: Step,
}

/// The sale under way, as far as the queue must know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attended {
    /// Its id.
    pub(super) sale: Option<String>,
    /// It waits to see its payment undone.
    pub(super) awaits_undoing: bool,
}

impl Attended {
    /// Whether the sale with that id is under way.
    pub(super) fn is_sale(&self, id: &str) -> bool {
        self.sale.as_deref() == Some(id)
    }

    /// Whether the sale waits for this undoing.
    pub(super) fn awaits(&self, entry: &ActiveReversal) -> bool {
        self.awaits_undoing && self.sale.as_deref().is_some_and(|id| entry.reverses(id))
    }
}

impl Turn<'_> {
    pub(super) fn into_step(self) -> Step {
        self.step
    }

    /// See [`Common::clock_is_doubtful`].
    pub(super) fn clock_is_doubtful(&self) -> bool {
        is_clock_doubtful(self.newest, self.link, self.now)
    }

    /// Shows a result, which goes after a while.
    pub(super) fn show_result(&mut self, scene: Scene) {
        self.show(scene);
        self.screen.end(self.now.mono);
    }

    /// What the buyer may see of an entry that stands before the cashier.
    pub(super) fn show_for(&mut self, entry: &ActiveReversal, scene: Scene) {
        if entry.record.is_attended() && self.attended.sale.is_none() {
            self.screen.occupy();
            self.show(scene);
        }
    }

    /// What was shown of an entry goes after a while.
    pub(super) fn end_show(&mut self, entry: &ActiveReversal) {
        if entry.record.is_attended() && self.attended.sale.is_none() {
            self.screen.end(self.now.mono);
        }
    }

    /// Reports to the sale that waits for this undoing how it has ended. Returns whether one waits.
    pub(super) fn end_undoing(&mut self, entry: &ActiveReversal, end: UndoingEnd) -> bool {
        if !self.attended.awaits(entry) {
            return false;
        }
        self.attended = Attended::default();
        self.undoing_end = Some(end);
        true
    }

    /// A request of an operation to the service.
    pub(super) fn request(&mut self, operation: &str, call: Call) -> RequestId {
        let id = self.numbers.request();
        self.effects.push(Effect::Request {
            id,
            operation: operation.to_owned(),
            call: Box::new(call),
        });
        id
    }

    /// A request that asks for the status of `subjects`: the one place from which such questions leave.
    /// Whoever asks has looked at the clock before.
    pub(super) fn question(
        &mut self,
        operation: &str,
        call: Call,
        subjects: Vec<Subject>,
    ) -> RequestId {
        let id = self.request(operation, call);
        self.link.asked(id, subjects, self.now.mono);
        id
    }
}

impl Deref for Turn<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        &self.step
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Step {
        &mut self.step
    }
}

fn is_clock_doubtful(newest: Option<Timestamp>, link: &Link, now: Now) -> bool {
    let is_behind = newest.is_some_and(|newest| newest.duration_since(now.wall) > CLOCK_TOLERANCE);
    is_behind && !link.confirms_clock(now)
}
