//! A sale, from the till's wish to the buyer's confirmation; a card, from the till's wish to the
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
//! `POST payments` leaves in exactly one place, [`Core::pay`], and only after its intent is
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
use crate::core::event::{Reply as TillReply, RequestId, Settings, Step, Ticket, Turn};
use crate::core::poll::Poll;
use crate::core::question_clock::Subject;
use crate::core::record::{Account, BuyerRequest, SaleRecord, StopReason};
use crate::core::sale::completion::session_mode;
use crate::core::scene::Scene;
use crate::core::{Core, shift, words};
use crate::model::money::Kopecks;
use crate::model::operation::{Kind, Mode, Operation, State};
use crate::model::problem::Problem;
use crate::texts::cashier;

pub(super) use invitation::SESSION_LIFE;
use invitation::{Invitation, Opening};
use payment::{Doubt, Paying};

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
            words::of_buyer(kind, state, mode)
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

    /// What the buyer's display names beside a code; a card costs nothing.
    fn shown_amount(&self) -> Option<Kopecks> {
        (self.record.operation.kind != Kind::Card).then_some(self.record.operation.amount)
    }
}

impl Core {
    pub(super) fn begin_sale(
        &mut self,
        tickets: &[Ticket],
        id: String,
        request: BuyerRequest,
        turn: &mut Turn,
    ) {
        let Some(account) = self.settings.account.clone() else {
            return;
        };
        let mut record = self.new_record(&id, request, account, turn.now);
        turn.write_sale(&mut record, "asked for by the till");
        turn.creates = Some(id);
        for ticket in tickets {
            turn.reply(
                *ticket,
                TillReply::Begun(Ok((true, record.operation.clone()))),
            );
        }
        self.screen.occupy();
        let deadline = turn.now.mono + self.settings.wait_buyer;
        self.sale = Some(ActiveSale {
            record,
            phase: Phase::Starting,
            deadline,
            restored: false,
        });
    }

    fn new_record(
        &mut self,
        id: &str,
        request: BuyerRequest,
        account: Account,
        now: Now,
    ) -> SaleRecord {
        let (kind, amount, mode) = match &request {
            BuyerRequest::Sale(sale) => (Kind::Sale, sale.amount, sale.mode),
            BuyerRequest::Card(_) => (Kind::Card, Kopecks::ZERO, None),
        };
        let mode = mode.unwrap_or(self.settings.mode);
        let own_shift = request.receipt().and_then(|receipt| receipt.shift.clone());
        if kind == Kind::Sale {
            self.own_shift.clone_from(&own_shift);
        }
        let operation = Operation {
            id: id.to_owned(),
            version: 0,
            kind,
            state: State::New,
            amount,
            mode,
            shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),
            order_number: self.numbers.order_number(),
            payment_id: None,
            of: None,
            left: None,
            overdrawn: Kopecks::ZERO,
            undo: None,
            shows: None,
            message: words::of_buyer(kind, State::New, mode).to_owned(),
            error: None,
            card: None,
            slip: None,
            created_at: now.wall,
            updated_at: now.wall,
            finished_at: None,
        };
        let wait = jiff::SignedDuration::try_from(self.settings.wait_buyer).unwrap_or_default();
        let deadline = now.wall.checked_add(wait).unwrap_or(now.wall);
        SaleRecord {
            operation,
            request,
            account,
            deadline,
            payment_sent: false,
            ending: None,
        }
    }

    /// After a restart. Deadlines are taken from civil time once, and then run on the steady clock.
    pub(super) fn restore_sale(&mut self, record: SaleRecord, turn: &mut Turn) {
        let left = record.deadline.duration_since(turn.now.wall);
        let left = Duration::try_from(left)
            .unwrap_or_default()
            .min(self.settings.wait_buyer);
        let ours = self.settings.account.as_ref() == Some(&record.account);
        let attached = self
            .queue
            .iter()
            .any(|entry| entry.undoes(&record.operation.id));
        let mut sale = ActiveSale {
            record,
            phase: Phase::Starting,
            deadline: turn.now.mono + left,
            restored: true,
        };
        if !sale.record.payment_sent {
            if !ours || left.is_zero() || self.sale.is_some() {
                let (id, kind) = (sale.record.operation.id.clone(), sale.record.operation.kind);
                let what = "nobody waits any more";
                self.finish(sale, State::Expired, None, what, turn);
                // Of another account's the number is asked for when that account is back.
                if kind == Kind::Sale {
                    self.watch_end(&id, LOST_PAYMENT, turn);
                }
                return;
            }
            sale.record.operation.shows = None;
            sale.set_state(State::New, turn.now);
            turn.write_sale(&mut sale.record, "taken up again after a restart");
            if sale.record.operation.kind == Kind::Sale {
                let mut doubt = self.doubt("the daemon was restarted before the payment", turn.now);
                doubt.unsent = true;
                sale.phase = Phase::InDoubt(doubt);
            }
        } else if attached {
            let ending = sale.record.ending.unwrap_or(StopReason::Abort);
            sale.phase = Phase::Undoing {
                ending,
                until: turn.now.mono + self.patience(),
            };
        } else if !ours || sale.record.ending.is_some() || self.sale.is_some() {
            let error = words::no_connection("the daemon was restarted during the cancellation");
            return self.release(sale, turn.now.mono, error, turn);
        } else {
            sale.phase =
                Phase::InDoubt(self.doubt("the daemon was restarted during the payment", turn.now));
            sale.set_state(State::InDoubt, turn.now);
            turn.write_sale(&mut sale.record, "in doubt after a restart");
            turn.show(Scene::Checking);
        }
        self.sale = Some(sale);
    }

    /// When the sale has something to do next, and what.
    pub(super) fn sale_wakeup(&self) -> Option<(Duration, &'static str)> {
        let sale = self.sale.as_ref()?;
        let deadline = (sale.deadline, "waitBuyer");
        Some(match &sale.phase {
            Phase::Starting => (Duration::ZERO, "start"),
            Phase::AwaitingScan => deadline,
            Phase::Opening(opening) => match self.opening_due_at(opening) {
                Some(at) => deadline.min((at, "open a session")),
                None => deadline,
            },
            Phase::AwaitingBuyer(invitation) => {
                let mode = sale.record.operation.mode;
                self.invitation_wakeup(invitation, mode)
                    .fold(deadline, Ord::min)
            }
            Phase::Paying(paying) => self.paying_wakeup(sale, paying),
            Phase::Confirming { request, poll, .. } => {
                let due = self.link.free_at(&sale.subject()).max(poll.next_at);
                let next = request.is_none().then_some((due, "poll"));
                let end = poll
                    .gives_up_at(self.patience())
                    .map(|at| (at, "polls fail"));
                [next, end].into_iter().flatten().fold(deadline, Ord::min)
            }
            Phase::InDoubt(doubt) => self.doubt_wakeup(sale, doubt),
            Phase::Undoing { until, .. } => (*until, "undoing"),
        })
    }

    /// How long every question may fail before the service counts as unreachable: `timeout`, but where
    /// questions may be asked more seldom than that, never before a second one was possible.
    pub(super) fn patience(&self) -> Duration {
        let Settings {
            timeout,
            poll_payment,
            ..
        } = self.settings;
        if poll_payment < timeout {
            timeout
        } else {
            poll_payment + timeout
        }
    }

    pub(super) fn sale_tick(&mut self, turn: &mut Turn) {
        let Some(mut sale) = self.sale.take() else {
            return;
        };
        let over = sale.deadline <= turn.now.mono;
        match &mut sale.phase {
            Phase::AwaitingScan | Phase::Opening(_) | Phase::AwaitingBuyer(_) if over => {
                self.finish(sale, State::Expired, None, "nobody came in time", turn);
                return;
            }
            Phase::Confirming { payment_id, .. } if over => {
                let payment_id = *payment_id;
                self.start_undoing(&mut sale, payment_id, StopReason::Expiry, turn);
            }
            Phase::Starting => self.start(&mut sale, turn),
            Phase::Opening(_) => self.opening_tick(&mut sale, turn),
            Phase::AwaitingBuyer(_) => return self.invitation_tick(sale, turn),
            Phase::Paying(_) => return self.paying_tick(sale, turn),
            Phase::Confirming { .. } => return self.confirming_tick(sale, turn),
            Phase::InDoubt(_) => return self.doubt_tick(sale, turn),
            Phase::Undoing { until, .. } if *until <= turn.now.mono => {
                return self.release_attached(sale, turn);
            }
            Phase::AwaitingScan | Phase::Undoing { .. } => {}
        }
        self.sale = Some(sale);
    }

    /// Whether the answer was the sale's.
    pub(super) fn sale_answered(
        &mut self,
        request: RequestId,
        answer: &Answer,
        turn: &mut Turn,
    ) -> bool {
        let Some(sale) = self.sale.take_if(|sale| sale.awaits(request)) else {
            return false;
        };
        match sale.phase {
            Phase::Opening(_) => self.opening_answered(sale, answer, turn),
            Phase::AwaitingBuyer(_) => self.invitation_answered(sale, request, answer, turn),
            Phase::Paying(_) => self.paying_answered(sale, request, answer, turn),
            Phase::Confirming { .. } => self.status_answered(sale, answer, turn),
            Phase::InDoubt(_) => self.look_up_answered(sale, answer, turn),
            Phase::Starting | Phase::AwaitingScan | Phase::Undoing { .. } => self.sale = Some(sale),
        }
        true
    }

    fn start(&mut self, sale: &mut ActiveSale, turn: &mut Turn) {
        if sale.record.operation.mode != Mode::ConsumerQr {
            return self.open_session(sale, None, turn);
        }
        match self.scans.take_read_just_before() {
            Some(code) => self.open_session(sale, Some(code), turn),
            None => self.arm(sale, None, turn),
        }
    }

    /// Waits for a code, with a word on why it waits again.
    fn arm(&mut self, sale: &mut ActiveSale, message: Option<&str>, turn: &mut Turn) {
        sale.phase = Phase::AwaitingScan;
        sale.set_state(State::AwaitingScan, turn.now);
        if let Some(message) = message {
            message.clone_into(&mut sale.record.operation.message);
        }
        turn.write_sale(&mut sale.record, "the scanner is armed");
        turn.show(Scene::ScanMe);
    }

    /// The operation that takes the code, if one does.
    pub(super) fn take_code(
        &mut self,
        code: &Secret,
        buyers: bool,
        turn: &mut Turn,
    ) -> Option<String> {
        let mut sale = self.sale.take_if(|sale| sale.is_armed())?;
        let used_by = buyers.then(|| sale.record.operation.id.clone());
        if buyers {
            self.scans.used(code.clone());
            self.open_session(&mut sale, Some(code.clone()), turn);
        } else if sale.record.operation.message != cashier::NOT_A_BUYERS_CODE {
            sale.set(State::AwaitingScan, cashier::NOT_A_BUYERS_CODE, turn.now);
            turn.write_sale(&mut sale.record, "a code that is no buyer's was read");
        }
        self.sale = Some(sale);
        used_by
    }

    fn open_session(&mut self, sale: &mut ActiveSale, code: Option<Secret>, turn: &mut Turn) {
        sale.set_state(State::InProgress, turn.now);
        turn.write_sale(&mut sale.record, "opening a session");
        turn.show(Scene::Checking);
        if self.link.free_at(&[]) > turn.now.mono {
            // The service has asked for patience.
            sale.phase = Phase::Opening(Opening::put_off(code, turn.now.mono));
            return;
        }
        let mode = session_mode(sale.record.operation.mode, code.clone());
        let request = self.request(&sale.record.operation.id, Call::OpenSession(mode), turn);
        sale.phase = Phase::Opening(Opening::asked(request, code, turn.now.mono));
    }

    pub(super) fn abort_sale(&mut self, turn: &mut Turn) -> Result<Operation, Problem> {
        let Some(mut sale) = self.sale.take() else {
            return Err(Problem::no_operation());
        };
        let id = sale.record.operation.id.clone();
        match &sale.phase {
            Phase::Undoing { .. } => {}
            Phase::Paying(_) => self.stop_paying(&mut sale, StopReason::Abort, turn),
            Phase::Confirming { payment_id, .. } => {
                let payment_id = *payment_id;
                self.start_undoing(&mut sale, payment_id, StopReason::Abort, turn);
            }
            Phase::InDoubt(_) if sale.record.ending.is_some() => {}
            Phase::InDoubt(doubt) if doubt.unsent => {
                let what = "aborted by the cashier";
                self.finish(sale, State::Cancelled, None, what, turn);
                self.watch_end(&id, LOST_PAYMENT, turn);
                return written(turn, &id).ok_or_else(Problem::no_operation);
            }
            Phase::InDoubt(doubt) => {
                let (error, lost_at) = (words::no_connection(&doubt.facts()), doubt.lost_at);
                sale.record.ending = Some(StopReason::Abort);
                self.release(sale, lost_at, error, turn);
                return written(turn, &id).ok_or_else(Problem::no_operation);
            }
            Phase::Starting | Phase::AwaitingScan | Phase::Opening(_) | Phase::AwaitingBuyer(_) => {
                self.finish(sale, State::Cancelled, None, "aborted by the cashier", turn);
                return written(turn, &id).ok_or_else(Problem::no_operation);
            }
        }
        let operation = sale.record.operation.clone();
        self.sale = Some(sale);
        Ok(operation)
    }
}

/// No disk is believed: a payment may have left, and its intent be lost.
pub(super) const LOST_PAYMENT: &str = "a payment may have left before the restart; asked for later";

fn written(step: &Step, id: &str) -> Option<Operation> {
    step.written(id).map(|record| record.operation().clone())
}
