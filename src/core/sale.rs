//! A sale, from the till's request to the buyer's confirmation; a card, from the till's request to the
//! buyer's joining, which are a sale's first steps.
//!
//! ```text
//!  mode 0:  new ─ awaiting_scan ─ in_progress ──────────────────┐
//!  mode 1:  new ─ in_progress ─ awaiting_buyer (code) ── in_progress ─ awaiting_confirmation ─ end
//!  mode 2:  new ─ in_progress ─ awaiting_buyer (QR) ────────────┘            │
//!                                                        in_doubt ───────────┘
//! ```
//! - `sessions`: the buyer is invited, and invited anew when a session ends
//! - `invitation`: what is known of those sessions
//! - `payment`: `POST payments` and what becomes of it · `late`: held answers and second payments
//!
//! `POST payments` leaves in exactly one place, [`ActiveSale::pay`], and only after its intent is
//! written; whatever follows, it never leaves again.

pub(super) mod completion;
pub(super) mod held_answers;
mod invitation;
mod late;
mod payment;
mod sessions;

use std::time::Duration;

use crate::base::clock::Now;
use crate::base::secret::Secret;
use crate::core::call::{Answer, Call};
use crate::core::event::{Reply as TillReply, RequestId, Settings, Ticket};
use crate::core::link::Link;
use crate::core::poll::Poll;
use crate::core::question_clock::Subject;
use crate::core::record::{Account, BuyerRequest, SaleRecord, StopReason};
use crate::core::reversal::of_sales::QueueTask;
use crate::core::reversal::queue::ReversalQueue;
use crate::core::sale::completion::session_mode;
use crate::core::scene::Scene;
use crate::core::turn::{Common, Turn};
use crate::core::{messages, shift};
use crate::model::money::Kopecks;
use crate::model::operation::{Kind, Mode, Operation, State};
use crate::texts::cashier;

pub(super) use invitation::SESSION_LIFE;
use invitation::{Invitation, Opening};
use payment::{Doubt, Paying};

/// More changes of a sale than a power cut takes.
const MAX_LOST_VERSIONS: u64 = 1000;

/// The sale under way.
#[derive(Debug)]
pub(super) struct ActiveSale {
    pub record: SaleRecord,
    pub phase: Phase,
    /// `record.deadline` on the clock that does not jump.
    pub deadline: Duration,
    /// Taken up after a restart: the cashier may have gone.
    pub restored: bool,
}

/// What the sale waits for.
#[derive(Debug)]
pub(super) enum Phase {
    /// Journalled; the first step follows at once.
    Starting,
    /// Mode 0: a code.
    AwaitingScan,
    /// The answer to the first `demandPayment`.
    Opening(Opening),
    /// The buyer's phone.
    AwaitingBuyer(Invitation),
    /// The answer to `POST payments`, which the service may hold until the buyer has confirmed.
    Paying(Paying),
    /// The buyer's confirmation.
    Confirming {
        payment_id: i64,
        request: Option<RequestId>,
        poll: Poll,
    },
    /// The fate of `POST payments`.
    InDoubt(Doubt),
    /// An undoing that the cashier waits for.
    Undoing { ending: StopReason, until: Duration },
}

impl ActiveSale {
    /// Whose status a question about the payment asks for.
    fn subject(&self) -> [Subject; 1] {
        [Subject::Order(self.record.operation.order_number.clone())]
    }

    pub(super) fn set(&mut self, state: State, message: impl Into<String>, now: Now) {
        let operation = &mut self.record.operation;
        operation.state = state;
        operation.message = message.into();
        operation.updated_at = now.wall;
        if state.is_final() {
            operation.finished_at = Some(now.wall);
            operation.shows = None;
        }
    }

    pub(super) fn set_state(&mut self, state: State, now: Now) {
        let (kind, mode) = (self.record.operation.kind, self.record.operation.mode);
        let no_card =
            kind == Kind::Card && state == State::Done && self.record.operation.card.is_none();
        let message = if no_card {
            cashier::NO_CARD
        } else {
            messages::of_buyer(kind, state, mode)
        };
        self.set(state, message, now);
    }

    fn amount(&self) -> Kopecks {
        self.record.operation.amount
    }

    /// Whether it waits for a code.
    pub(super) fn is_armed(&self) -> bool {
        matches!(self.phase, Phase::AwaitingScan)
    }

    /// How many requests for a session or the payment follow as soon as a buyer acts.
    pub(super) fn expected_requests(&self) -> usize {
        // A card is not paid for.
        let payment = usize::from(self.record.operation.kind != Kind::Card);
        match self.phase {
            // The payment follows the session at once.
            Phase::AwaitingScan => 1 + payment,
            Phase::Starting | Phase::Opening(_) => 1,
            Phase::AwaitingBuyer(_) => payment,
            Phase::Paying(_)
            | Phase::Confirming { .. }
            | Phase::InDoubt(_)
            | Phase::Undoing { .. } => 0,
        }
    }

    /// Whether it waits to see its payment undone.
    pub(super) fn awaits_undoing(&self) -> bool {
        matches!(self.phase, Phase::Undoing { .. })
    }

    /// What the buyer's display names beside a code; a card costs nothing.
    fn shown_amount(&self) -> Option<Kopecks> {
        (self.record.operation.kind != Kind::Card).then_some(self.record.operation.amount)
    }
}

/// How the undoing has ended that a sale waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UndoingEnd {
    /// The payment was seen undone.
    Undone,
    /// The service refuses for good.
    SetAside,
    /// The buyer was quicker than the reversal: the sale is paid.
    PaidFirst,
}

/// Beginning and restart.
impl ActiveSale {
    /// The sale or card that the till asks for; none without an account, which the admission has seen to.
    pub(super) fn begin(
        tickets: &[Ticket],
        id: String,
        request: BuyerRequest,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let account = turn.settings.account.clone()?;
        let mut record = new_record(&id, request, account, turn);
        turn.write_sale(&mut record, "asked for by the till");
        turn.creates = Some(id);
        for ticket in tickets {
            turn.reply(
                *ticket,
                TillReply::Begun(Ok((true, record.operation.clone()))),
            );
        }
        turn.screen.occupy();
        Some(ActiveSale {
            record,
            phase: Phase::Starting,
            deadline: turn.now.mono + turn.settings.wait_buyer,
            restored: false,
        })
    }

    /// After a restart. Deadlines are taken from civil time once, and then run on the steady clock. `is_first`: no
    /// other sale goes on.
    pub(super) fn restore(
        record: SaleRecord,
        is_first: bool,
        queue: &ReversalQueue,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        let left = record.deadline.duration_since(turn.now.wall);
        let left = Duration::try_from(left)
            .unwrap_or_default()
            .min(turn.settings.wait_buyer);
        let ours = turn.settings.account.as_ref() == Some(&record.account);
        let attached = queue.iter().any(|entry| entry.undoes(&record.operation.id));
        let mut sale = ActiveSale {
            record,
            phase: Phase::Starting,
            deadline: turn.now.mono + left,
            restored: true,
        };
        if !(sale.record.payment_sent && attached) {
            skip_versions(&mut sale.record.operation);
        }
        if !sale.record.payment_sent {
            if !ours || left.is_zero() || !is_first {
                let kind = sale.record.operation.kind;
                let record = sale.finish(State::Expired, None, "nobody waits any more", turn);
                // Of another account's the number is asked for when that account is back.
                if kind == Kind::Sale {
                    turn.for_queue
                        .push(QueueTask::watch_end(record, LOST_PAYMENT));
                }
                return None;
            }
            sale.record.operation.shows = None;
            sale.set_state(State::New, turn.now);
            turn.write_sale(&mut sale.record, "taken up again after a restart");
            if sale.record.operation.kind == Kind::Sale {
                let mut doubt = Doubt::new("the daemon was restarted before the payment", turn);
                doubt.unsent = true;
                sale.phase = Phase::InDoubt(doubt);
            }
        } else if attached {
            let ending = sale.record.ending.unwrap_or(StopReason::Abort);
            sale.phase = Phase::Undoing {
                ending,
                until: turn.now.mono + turn.settings.patience(),
            };
        } else if !ours || sale.record.ending.is_some() || !is_first {
            let error = messages::no_connection("the daemon was restarted during the cancellation");
            return sale.release(turn.now.mono, error, turn);
        } else {
            let what = "the daemon was restarted during the payment";
            sale.phase = Phase::InDoubt(Doubt::new(what, turn));
            sale.set_state(State::InDoubt, turn.now);
            turn.write_sale(&mut sale.record, "in doubt after a restart");
            turn.show(Scene::Checking);
        }
        Some(sale)
    }
}

/// A caller may have seen changes that a power cut has taken. What he sees from now on is newer to him, too.
fn skip_versions(operation: &mut Operation) {
    operation.version = operation.version.saturating_add(MAX_LOST_VERSIONS);
}

impl ActiveSale {
    /// When the sale has something to do next, and what.
    pub(super) fn wakeup(&self, common: &Common) -> (Duration, &'static str) {
        let Common { link, settings, .. } = common;
        let deadline = (self.deadline, "waitBuyer");
        match &self.phase {
            Phase::Starting => (Duration::ZERO, "start"),
            Phase::AwaitingScan => deadline,
            Phase::Opening(opening) => match opening.due_at(link) {
                Some(at) => deadline.min((at, "open a session")),
                None => deadline,
            },
            Phase::AwaitingBuyer(invitation) => {
                let mode = self.record.operation.mode;
                invitation.wakeup(mode, common).fold(deadline, Ord::min)
            }
            Phase::Paying(paying) => self.paying_wakeup(paying, link),
            Phase::Confirming { request, poll, .. } => {
                let due = link.free_at(&self.subject()).max(poll.next_at);
                let next = request.is_none().then_some((due, "poll"));
                let end = poll
                    .gives_up_at(settings.patience())
                    .map(|at| (at, "polls fail"));
                [next, end].into_iter().flatten().fold(deadline, Ord::min)
            }
            Phase::InDoubt(doubt) => self.doubt_wakeup(doubt, link),
            Phase::Undoing { until, .. } => (*until, "undoing"),
        }
    }

    /// Does what is due; answers the sale as it goes on, if it does.
    pub(super) fn tick(mut self, queue: &ReversalQueue, turn: &mut Turn) -> Option<ActiveSale> {
        let over = self.deadline <= turn.now.mono;
        match &mut self.phase {
            Phase::AwaitingScan | Phase::Opening(_) | Phase::AwaitingBuyer(_) if over => {
                self.finish(State::Expired, None, "nobody came in time", turn);
                return None;
            }
            Phase::Confirming { payment_id, .. } if over => {
                let payment_id = *payment_id;
                self.start_undoing(payment_id, StopReason::Expiry, turn);
            }
            Phase::Starting => self.start(turn),
            Phase::Opening(_) => self.opening_tick(turn),
            Phase::AwaitingBuyer(_) => return self.invitation_tick(turn),
            Phase::Paying(_) => return self.paying_tick(turn),
            Phase::Confirming { .. } => return self.confirming_tick(turn),
            Phase::InDoubt(_) => return self.doubt_tick(turn),
            Phase::Undoing { until, .. } if *until <= turn.now.mono => {
                return self.release_attached(queue, turn);
            }
            Phase::AwaitingScan | Phase::Undoing { .. } => {}
        }
        Some(self)
    }

    /// Takes the answer that it waits for; answers the sale as it goes on, if it does.
    pub(super) fn answered(
        self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> Option<ActiveSale> {
        match self.phase {
            Phase::Opening(_) => self.opening_answered(answer, turn),
            Phase::AwaitingBuyer(_) => self.invitation_answered(request, answer, turn),
            Phase::Paying(_) => self.paying_answered(request, answer, turn),
            Phase::Confirming { .. } => self.status_answered(answer, turn),
            Phase::InDoubt(_) => self.look_up_answered(answer, turn),
            Phase::Starting | Phase::AwaitingScan | Phase::Undoing { .. } => Some(self),
        }
    }

    fn start(&mut self, turn: &mut Turn) {
        if self.record.operation.mode != Mode::ConsumerQr {
            return self.open_session(None, turn);
        }
        match turn.scans.take_read_just_before() {
            Some(code) => self.open_session(Some(code), turn),
            None => self.arm(None, turn),
        }
    }

    /// Waits for a code, with a word on why it waits again.
    fn arm(&mut self, message: Option<&str>, turn: &mut Turn) {
        self.phase = Phase::AwaitingScan;
        self.set_state(State::AwaitingScan, turn.now);
        if let Some(message) = message {
            message.clone_into(&mut self.record.operation.message);
        }
        turn.defer_sale(&mut self.record, "the scanner is armed");
        turn.show(Scene::ScanMe);
    }

    /// A code was read while it waits for one; answers its id where it takes the code.
    pub(super) fn take_code(
        &mut self,
        code: &Secret,
        buyers: bool,
        turn: &mut Turn,
    ) -> Option<String> {
        let used_by = buyers.then(|| self.record.operation.id.clone());
        if buyers {
            turn.scans.used(code.clone());
            self.open_session(Some(code.clone()), turn);
        } else if self.record.operation.message != cashier::NOT_A_BUYERS_CODE {
            self.set(State::AwaitingScan, cashier::NOT_A_BUYERS_CODE, turn.now);
            turn.defer_sale(&mut self.record, "a code that is no buyer's was read");
        }
        used_by
    }

    fn open_session(&mut self, code: Option<Secret>, turn: &mut Turn) {
        self.set_state(State::InProgress, turn.now);
        turn.defer_sale(&mut self.record, "opening a session");
        turn.show(Scene::Checking);
        if turn.link.free_at(&[]) > turn.now.mono {
            // The service has asked for patience.
            self.phase = Phase::Opening(Opening::put_off(code, turn.now.mono));
            return;
        }
        let mode = session_mode(self.record.operation.mode, code.clone());
        let request = turn.request(&self.record.operation.id, Call::OpenSession(mode));
        self.phase = Phase::Opening(Opening::asked(request, code, turn.now.mono));
    }

    /// The cashier aborts it. Returns what is replied to the till, and the sale as it goes on, if it does.
    pub(super) fn abort(mut self, turn: &mut Turn) -> (Operation, Option<ActiveSale>) {
        match &self.phase {
            Phase::Undoing { .. } => {}
            Phase::Paying(_) => self.stop_paying(StopReason::Abort, turn),
            Phase::Confirming { payment_id, .. } => {
                let payment_id = *payment_id;
                self.start_undoing(payment_id, StopReason::Abort, turn);
            }
            Phase::InDoubt(_) if self.record.ending.is_some() => {}
            Phase::InDoubt(doubt) if doubt.unsent => {
                let what = "aborted by the cashier";
                let record = self.finish(State::Cancelled, None, what, turn);
                let operation = record.operation.clone();
                turn.for_queue
                    .push(QueueTask::watch_end(record, LOST_PAYMENT));
                return (operation, None);
            }
            Phase::InDoubt(doubt) => {
                let (error, lost_at) = (messages::no_connection(&doubt.facts()), doubt.lost_at);
                self.record.ending = Some(StopReason::Abort);
                let record = self.end_with_undoing(lost_at, error, turn);
                return (record.operation, None);
            }
            Phase::Starting | Phase::AwaitingScan | Phase::Opening(_) | Phase::AwaitingBuyer(_) => {
                let record = self.finish(State::Cancelled, None, "aborted by the cashier", turn);
                return (record.operation, None);
            }
        }
        (self.record.operation.clone(), Some(self))
    }
}

fn new_record(id: &str, request: BuyerRequest, account: Account, turn: &mut Turn) -> SaleRecord {
    let now = turn.now;
    let (kind, amount, mode) = match &request {
        BuyerRequest::Sale(sale) => (Kind::Sale, sale.amount, sale.mode),
        BuyerRequest::Card(_) => (Kind::Card, Kopecks::ZERO, None),
    };
    let mode = mode.unwrap_or(turn.settings.mode);
    let own_shift = request.receipt().and_then(|receipt| receipt.shift.clone());
    if kind == Kind::Sale {
        turn.own_shift.clone_from(&own_shift);
    }
    let operation = Operation {
        id: id.to_owned(),
        version: 0,
        kind,
        state: State::New,
        amount,
        mode,
        shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),
        order_number: turn.numbers.order_number(),
        payment_id: None,
        of: None,
        left: None,
        overdrawn: Kopecks::ZERO,
        undo: None,
        shows: None,
        message: messages::of_buyer(kind, State::New, mode).to_owned(),
        error: None,
        card: None,
        slip: None,
        created_at: now.wall,
        updated_at: now.wall,
        finished_at: None,
    };
    let wait = jiff::SignedDuration::try_from(turn.settings.wait_buyer).unwrap_or_default();
    let deadline = now.wall.checked_add(wait).unwrap_or(now.wall);
    SaleRecord {
        operation,
        request,
        account,
        deadline,
        payment_sent: false,
        ending: None,
        ended_by_service: None,
    }
}

/// No disk is believed: a payment may have left, and its intent be lost.
pub(super) const LOST_PAYMENT: &str = "a payment may have left before the restart; asked for later";
