//! A sale, from the till's wish to the buyer's confirmation; a card, from the till's wish to the
//! buyer's joining, which are a sale's first steps.
//!
//! ```text
//!  mode 0:  new ─ awaiting_scan ─ in_progress ──────────────────┐
//!  mode 1:  new ─ in_progress ─ awaiting_buyer (code) ── in_progress ─ awaiting_confirmation ─ end
//!  mode 2:  new ─ in_progress ─ awaiting_buyer (QR) ────────────┘            │
//!                                                        in_doubt ───────────┘
//! ```
//! `POST payments` leaves in exactly one place, [`Core::pay`], and only after its intent is
//! written; whatever follows, it never leaves again.

mod answers;

use std::time::Duration;

use crate::clock::Now;
use crate::core::ending::{
    foreign_reply, is_payment_of, nothing_to_abort, refused_state, session_mode, silence,
    status_fact,
};
use crate::core::event::{Reply as TillReply, RequestId, Step, Ticket};
use crate::core::poll::Poll;
use crate::core::record::{Account, BuyerRequest, Ending, SaleRecord};
use crate::core::{Core, shift, words};
use crate::display::Scene;
use crate::money::Kopecks;
use crate::operation::{Card, Kind, Mode, Operation, OperationError, Shows, Slip, State};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::service::call::{Answer, Call, Failure, PaymentInfo, PaymentStatus, Reply};

/// First pause before a call that moves no money is repeated; doubles up to [`MOST_REPEAT_PAUSE`].
const REPEAT_PAUSE: Duration = Duration::from_millis(300);
const MOST_REPEAT_PAUSE: Duration = Duration::from_secs(2);
/// Pauses between looking up an order number: this doubling to [`MOST_LOOK_UP_PAUSE`].
const LOOK_UP_PAUSE: Duration = Duration::from_millis(500);
const MOST_LOOK_UP_PAUSE: Duration = Duration::from_secs(5);

/// The sale under way.
#[derive(Debug)]
pub(super) struct LiveSale {
    pub record: SaleRecord,
    pub phase: Phase,
    /// `record.deadline` on the clock that does not jump.
    pub deadline: Duration,
    requests: u32,
    /// When the display invited the buyer, if it did: both waits follow this clock.
    invited_at: Option<Duration>,
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
    /// The answer to `demandPayment`.
    Opening {
        request: Option<RequestId>,
        since: Duration,
        retry_at: Duration,
        pause: Duration,
        code: Option<Secret>,
    },
    /// The buyer's phone.
    AwaitingBuyer {
        session: String,
        request: Option<RequestId>,
        poll: Poll,
    },
    /// The answer to `POST payments`.
    Paying { request: RequestId },
    /// The buyer's confirmation.
    Confirming {
        payment_id: i64,
        request: Option<RequestId>,
        poll: Poll,
    },
    /// The fate of `POST payments`.
    InDoubt(Doubt),
    /// An undoing that the cashier waits for.
    Undoing { ending: Ending, until: Duration },
}

/// A payment whose answer was lost.
#[derive(Debug)]
pub(super) struct Doubt {
    pub request: Option<RequestId>,
    next_at: Duration,
    pause: Duration,
    until: Duration,
    lost_at: Duration,
    detail: String,
}

impl LiveSale {
    pub(super) fn wakeup(&self, timeout: Duration) -> Option<(Duration, &'static str)> {
        let person = (self.deadline, "waitBuyer");
        Some(match &self.phase {
            Phase::Starting => (Duration::ZERO, "start"),
            Phase::AwaitingScan
            | Phase::Opening {
                request: Some(_), ..
            } => person,
            Phase::Opening {
                request: None,
                retry_at,
                ..
            } => person.min((*retry_at, "repeat")),
            Phase::AwaitingBuyer { request, poll, .. }
            | Phase::Confirming { request, poll, .. } => {
                let next = request.is_none().then_some((poll.next_at, "poll"));
                let end = poll.gives_up_at(timeout).map(|at| (at, "polls fail"));
                [next, end].into_iter().flatten().fold(person, Ord::min)
            }
            Phase::Paying { .. } => return None,
            Phase::InDoubt(doubt) => match doubt.request {
                Some(_) => (doubt.until, "doubt ends"),
                None => (doubt.until.min(doubt.next_at), "look up"),
            },
            Phase::Undoing { until, .. } => (*until, "undoing"),
        })
    }

    /// Polls left until the deadline: one for each second of the whole wait.
    fn budget(&self, wait_buyer: Duration) -> u32 {
        u32::try_from(wait_buyer.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_sub(self.requests)
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
            words::NO_CARD
        } else {
            words::of_buyer(kind, state, mode)
        };
        self.set(state, message, now);
    }

    /// The buyer's code was taken: the service tells the card when it has found the buyer.
    fn await_card(&mut self, session: String, now: Now) {
        self.phase = Phase::AwaitingBuyer {
            session,
            request: None,
            poll: Poll::begin_now(now.mono),
        };
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
        now: Now,
        step: &mut Step,
    ) {
        let Some(account) = self.settings.account.clone() else {
            return;
        };
        let record = self.new_record(&id, request, account, now);
        step.write_sale(&record, "asked for by the till");
        step.creates = Some(id);
        for ticket in tickets {
            step.reply(
                *ticket,
                TillReply::Begun(Ok((true, record.operation.clone()))),
            );
        }
        self.idle_at = None;
        let deadline = now.mono + self.settings.wait_buyer;
        self.sale = Some(LiveSale {
            record,
            phase: Phase::Starting,
            deadline,
            requests: 0,
            invited_at: None,
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
        let operation = Operation {
            id: id.to_owned(),
            kind,
            state: State::New,
            amount,
            mode,
            shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),
            order_number: self.order_number(),
            payment_id: None,
            of: None,
            left: None,
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
    pub(super) fn restore_sale(&mut self, record: SaleRecord, now: Now, step: &mut Step) {
        let left = record.deadline.duration_since(now.wall);
        let left = Duration::try_from(left)
            .unwrap_or_default()
            .min(self.settings.wait_buyer);
        let ours = self.settings.account.as_ref() == Some(&record.account);
        let attached = self
            .entries
            .iter()
            .any(|entry| entry.undoes(&record.operation.id));
        let mut sale = LiveSale {
            record,
            phase: Phase::Starting,
            deadline: now.mono + left,
            requests: 0,
            invited_at: None,
            restored: true,
        };
        if !sale.record.payment_sent {
            if !ours || left.is_zero() || self.sale.is_some() {
                return self.finish(
                    sale,
                    State::Expired,
                    None,
                    "nobody waits any more",
                    now,
                    step,
                );
            }
            sale.record.operation.shows = None;
            sale.set_state(State::New, now);
            step.write_sale(&sale.record, "taken up again after a restart");
        } else if attached {
            let ending = sale.record.ending.unwrap_or(Ending::Abort);
            sale.phase = Phase::Undoing {
                ending,
                until: now.mono + self.settings.timeout,
            };
        } else if !ours || sale.record.ending.is_some() || self.sale.is_some() {
            let error = words::no_connection("the daemon was restarted during the cancellation");
            return self.release(sale, now.mono, error, now, step);
        } else {
            sale.phase = self.doubt("the daemon was restarted during the payment", now);
            sale.set_state(State::InDoubt, now);
            step.write_sale(&sale.record, "in doubt after a restart");
            step.show(Scene::Checking);
        }
        self.sale = Some(sale);
    }

    fn doubt(&self, detail: &str, now: Now) -> Phase {
        Phase::InDoubt(Doubt {
            request: None,
            next_at: now.mono,
            pause: LOOK_UP_PAUSE,
            until: now.mono + self.settings.timeout,
            lost_at: now.mono,
            detail: detail.to_owned(),
        })
    }

    pub(super) fn sale_tick(&mut self, now: Now, step: &mut Step) {
        let Some(mut sale) = self.sale.take() else {
            return;
        };
        let over = sale.deadline <= now.mono;
        match &mut sale.phase {
            Phase::AwaitingScan | Phase::Opening { .. } | Phase::AwaitingBuyer { .. } if over => {
                self.finish(sale, State::Expired, None, "nobody came in time", now, step);
                return;
            }
            Phase::Confirming { payment_id, .. } if over => {
                let payment_id = *payment_id;
                self.start_undoing(&mut sale, payment_id, Ending::Expiry, now, step);
            }
            Phase::AwaitingBuyer { poll, .. } | Phase::Confirming { poll, .. }
                if poll.failing_for(now.mono) >= self.settings.timeout =>
            {
                return self.polls_failed(sale, &silence(), now, step);
            }
            Phase::Starting => self.start(&mut sale, now, step),
            Phase::Opening {
                request: slot @ None,
                retry_at,
                code,
                ..
            } if *retry_at <= now.mono => {
                let mode = session_mode(sale.record.operation.mode, code.clone());
                *slot =
                    Some(self.request(&sale.record.operation.id, Call::OpenSession(mode), step));
            }
            Phase::AwaitingBuyer {
                session,
                request: slot @ None,
                poll,
            } if poll.next_at <= now.mono => {
                sale.requests += 1;
                poll.asked(now.mono);
                let call = Call::ConsumerStatus {
                    session: session.clone(),
                };
                *slot = Some(self.request(&sale.record.operation.id, call, step));
            }
            Phase::Confirming {
                payment_id,
                request: slot @ None,
                poll,
            } if poll.next_at <= now.mono => {
                sale.requests += 1;
                poll.asked(now.mono);
                let call = Call::Payment {
                    payment_id: *payment_id,
                };
                *slot = Some(self.request(&sale.record.operation.id, call, step));
            }
            Phase::InDoubt(doubt) if doubt.until <= now.mono => {
                let (error, lost_at) = (words::no_connection(&doubt.detail), doubt.lost_at);
                return self.release(sale, lost_at, error, now, step);
            }
            Phase::InDoubt(doubt) if doubt.request.is_none() && doubt.next_at <= now.mono => {
                let operation = &sale.record.operation;
                let call = Call::LookUp {
                    shifts: shift::neighbourhood(&operation.shift),
                    order_numbers: vec![operation.order_number.clone()],
                };
                doubt.request = Some(self.request(&operation.id, call, step));
            }
            Phase::Undoing { until, .. } if *until <= now.mono => {
                return self.release_attached(sale, now, step);
            }
            Phase::AwaitingScan
            | Phase::Opening { .. }
            | Phase::AwaitingBuyer { .. }
            | Phase::Paying { .. }
            | Phase::Confirming { .. }
            | Phase::InDoubt(_)
            | Phase::Undoing { .. } => {}
        }
        self.sale = Some(sale);
    }

    fn start(&mut self, sale: &mut LiveSale, now: Now, step: &mut Step) {
        if sale.record.operation.mode != Mode::ConsumerQr {
            return self.open_session(sale, None, now, step);
        }
        match self.code_read_just_before() {
            Some(code) => {
                self.last_used_code = Some(code.clone());
                self.open_session(sale, Some(code), now, step);
            }
            None => self.arm(sale, None, now, step),
        }
    }

    /// Waits for a code, with a word on why it waits again.
    fn arm(&mut self, sale: &mut LiveSale, message: Option<&str>, now: Now, step: &mut Step) {
        sale.phase = Phase::AwaitingScan;
        sale.set_state(State::AwaitingScan, now);
        if let Some(message) = message {
            message.clone_into(&mut sale.record.operation.message);
        }
        step.write_sale(&sale.record, "the scanner is armed");
        step.show(Scene::ScanMe);
    }

    /// The operation that takes the code, if one does.
    pub(super) fn take_code(
        &mut self,
        code: &Secret,
        buyers: bool,
        now: Now,
        step: &mut Step,
    ) -> Option<String> {
        let mut sale = self.sale.take_if(|sale| sale.is_armed())?;
        let used_by = buyers.then(|| sale.record.operation.id.clone());
        if buyers {
            self.last_used_code = Some(code.clone());
            self.open_session(&mut sale, Some(code.clone()), now, step);
        } else if sale.record.operation.message != words::NOT_A_BUYERS_CODE {
            sale.set(State::AwaitingScan, words::NOT_A_BUYERS_CODE, now);
            step.write_sale(&sale.record, "a code that is no buyer's was read");
        }
        self.sale = Some(sale);
        used_by
    }

    fn open_session(
        &mut self,
        sale: &mut LiveSale,
        code: Option<Secret>,
        now: Now,
        step: &mut Step,
    ) {
        sale.set_state(State::InProgress, now);
        step.write_sale(&sale.record, "opening a session");
        step.show(Scene::Checking);
        let mode = session_mode(sale.record.operation.mode, code.clone());
        let request = Some(self.request(&sale.record.operation.id, Call::OpenSession(mode), step));
        let (since, retry_at) = (now.mono, now.mono);
        sale.phase = Phase::Opening {
            request,
            since,
            retry_at,
            pause: REPEAT_PAUSE,
            code,
        };
    }

    pub(super) fn abort_sale(&mut self, now: Now, step: &mut Step) -> Result<Operation, Problem> {
        let Some(mut sale) = self.sale.take() else {
            return Err(nothing_to_abort());
        };
        let id = sale.record.operation.id.clone();
        match &sale.phase {
            Phase::Undoing { .. } => {}
            Phase::Paying { .. } => {
                if sale.record.ending.is_none() {
                    sale.record.ending = Some(Ending::Abort);
                    sale.set(State::InProgress, words::CANCELLING, now);
                    step.write_sale(&sale.record, "aborted by the cashier");
                    step.show(Scene::Checking);
                }
            }
            Phase::Confirming { payment_id, .. } => {
                let payment_id = *payment_id;
                self.start_undoing(&mut sale, payment_id, Ending::Abort, now, step);
            }
            Phase::InDoubt(doubt) => {
                let (error, lost_at) = (words::no_connection(&doubt.detail), doubt.lost_at);
                sale.record.ending = Some(Ending::Abort);
                self.release(sale, lost_at, error, now, step);
                return written(step, &id).ok_or_else(nothing_to_abort);
            }
            Phase::Starting
            | Phase::AwaitingScan
            | Phase::Opening { .. }
            | Phase::AwaitingBuyer { .. } => {
                self.finish(
                    sale,
                    State::Cancelled,
                    None,
                    "aborted by the cashier",
                    now,
                    step,
                );
                return written(step, &id).ok_or_else(nothing_to_abort);
            }
        }
        let operation = sale.record.operation.clone();
        self.sale = Some(sale);
        Ok(operation)
    }
}

fn written(step: &Step, id: &str) -> Option<Operation> {
    step.written(id).map(|record| record.operation().clone())
}
