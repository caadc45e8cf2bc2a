//! Bringing money back: the durable queue of undoings.
//!
//! An undoing looks before it acts, acts at most once at a time, and believes only what it then
//! sees. One *try* is a chain of requests that ends with a verdict: undone, conclusively absent,
//! set aside, or "later" with a reason.
//!
//! ```text
//! target unknown ─ look up the sale's order number ─ absent for good → nothing to undo (asked again later)
//!       │ found
//! look at the payment ── status 2 3 4 5 → undone
//!       │ 0, 1
//! reversal not sent ─ send it (intent first) ─┐
//! reversal sent, fate unknown ─ look it up ───┤─ look at the payment again
//! reversal known ─ look at it ── status 1 → undone; 2..5 → denied: a new number next time
//! ```
//! Entries are taken strictly in order: the head alone is tried. Set-aside ones are passed over.

mod answers;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Now;
use crate::core::event::{Reply as TillReply, RequestId, Step, Ticket};
use crate::core::record::{Reversal, SaleRecord, UndoingRecord};
use crate::core::sale::Phase;
use crate::core::{Core, shift, words};
use crate::operation::{Kind, Operation, QueueItem, State, Undo};
use crate::problem::{Code, Problem, seed};
use crate::service::call::{Answer, Call, Failure, PaymentInfo, PaymentStatus, PaymentType, Reply};

/// Backoff of tries that met no connection: this, doubling to [`MOST_BACKOFF`].
const BACKOFF: Duration = Duration::from_secs(1);
const MOST_BACKOFF: Duration = Duration::from_secs(60);
/// Most pause while the service answers but the money has not moved yet.
const MOST_PENDING_PAUSE: Duration = Duration::from_secs(10);
/// An entry is set aside after so many answered errors in a row …
const MOST_ANSWERED_ERRORS: u32 = 10;
/// … over at least this time.
const ERRORS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// When an order number that was conclusively absent is asked for again.
const RECHECKS: [SignedDuration; 2] =
    [SignedDuration::from_mins(10), SignedDuration::from_hours(1)];

/// An undoing in memory.
#[derive(Debug)]
pub(super) struct LiveUndoing {
    pub record: UndoingRecord,
    /// The sale as it was last written.
    pub sale: SaleRecord,
    stage: Stage,
    /// When the connection of the lost payment was closed, at the latest.
    lost_at: Duration,
    /// The same for the reversal.
    reversal_lost_at: Duration,
    next_at: Duration,
    pause: Duration,
    /// The last try failed for want of connection.
    pub wants_connection: bool,
    foreign: bool,
}

/// What an undoing waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    LookingUp {
        request: RequestId,
        asked_at: Duration,
    },
    Looking {
        request: RequestId,
    },
    Reversing {
        request: RequestId,
        knew_paid: bool,
    },
    LookingUpReversal {
        request: RequestId,
        asked_at: Duration,
    },
    LookingAtReversal {
        request: RequestId,
    },
    Rechecking {
        request: RequestId,
    },
}

impl Stage {
    fn request(self) -> Option<RequestId> {
        match self {
            Stage::Waiting => None,
            Stage::LookingUp { request, .. }
            | Stage::Looking { request }
            | Stage::Reversing { request, .. }
            | Stage::LookingUpReversal { request, .. }
            | Stage::LookingAtReversal { request }
            | Stage::Rechecking { request } => Some(request),
        }
    }
}

impl LiveUndoing {
    /// Whether it undoes that operation.
    pub(super) fn of(&self, id: &str) -> bool {
        self.record.is_live() && self.record.operation.of.as_deref() == Some(id)
    }

    fn blocks(&self) -> bool {
        self.record.is_live() && !self.record.set_aside
    }

    fn set(&mut self, state: State, message: &str, now: Now) {
        let operation = &mut self.record.operation;
        operation.state = state;
        message.clone_into(&mut operation.message);
        operation.updated_at = now.wall;
        operation.finished_at = state.is_final().then_some(now.wall);
    }

    /// Tries again after `pause`, but not needlessly after `moment`, when waiting will be over.
    fn later(&mut self, most: Duration, moment: Option<Duration>, now: Now) {
        self.stage = Stage::Waiting;
        self.next_at = now.mono + self.pause;
        if let Some(moment) = moment.filter(|moment| *moment > now.mono) {
            self.next_at = self.next_at.min(moment);
        }
        self.pause = (self.pause * 2).min(most);
        let wait =
            SignedDuration::try_from(self.next_at.saturating_sub(now.mono)).unwrap_or_default();
        self.record.next_try = now.wall.checked_add(wait).ok();
        self.record.operation.updated_at = now.wall;
    }

    fn is_reversal(&self, info: &PaymentInfo) -> bool {
        info.order_number == self.record.operation.order_number
            && info.sum == self.record.operation.amount
            && matches!(
                info.payment_type,
                PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
            )
    }
}

impl Core {
    /// Undoings that block sales, oldest first.
    pub(super) fn blocking_undoings(&self) -> impl Iterator<Item = &LiveUndoing> {
        self.undoings.iter().filter(|entry| entry.blocks())
    }

    pub(super) fn new_undoing(
        &mut self,
        sale: SaleRecord,
        lost_at: Duration,
        now: Now,
    ) -> LiveUndoing {
        let id = format!("~{}", self.next_undoing);
        self.next_undoing += 1;
        let operation = Operation {
            id,
            kind: Kind::Cancel,
            state: State::Queued,
            amount: sale.operation.amount,
            mode: sale.operation.mode,
            shift: sale.operation.shift.clone(),
            order_number: self.order_number(),
            payment_id: None,
            of: Some(sale.operation.id.clone()),
            left: None,
            undo: Some(Undo::Pending),
            shows: None,
            message: seed::CANCEL_QUEUED.to_owned(),
            error: None,
            card: None,
            slip: None,
            created_at: now.wall,
            updated_at: now.wall,
            finished_at: None,
        };
        let record = UndoingRecord {
            operation,
            target: sale.operation.payment_id,
            reversal: Reversal::NotSent,
            sent_once: false,
            denied_while_pending: false,
            tries: 0,
            last_error: None,
            next_try: Some(now.wall),
            answered_errors: 0,
            errors_since: None,
            set_aside: false,
            rechecks: Vec::new(),
            settled: None,
        };
        self.live(record, sale, lost_at, now)
    }

    fn live(
        &self,
        record: UndoingRecord,
        sale: SaleRecord,
        lost_at: Duration,
        now: Now,
    ) -> LiveUndoing {
        let recheck = record.rechecks.first().filter(|_| !record.is_live());
        let wait = recheck.map_or(SignedDuration::ZERO, |at| at.duration_since(now.wall));
        LiveUndoing {
            foreign: self.settings.account.as_ref() != Some(&sale.account),
            stage: Stage::Waiting,
            lost_at,
            reversal_lost_at: lost_at,
            next_at: now.mono + Duration::try_from(wait).unwrap_or_default(),
            pause: BACKOFF,
            wants_connection: false,
            record,
            sale,
        }
    }

    /// After a restart: every connection of the process before is closed by now, not earlier.
    pub(super) fn restore_undoing(&mut self, record: UndoingRecord, sale: SaleRecord, now: Now) {
        let entry = self.live(record, sale, now.mono, now);
        if entry.foreign && entry.record.is_live() {
            self.foreign.push(entry.record.operation.id.clone());
        }
        self.undoings.push(entry);
    }

    /// The service can be reached again: nobody waits for a backoff.
    pub(super) fn wake_undoings(&mut self, now: Now) {
        for entry in self.undoings.iter_mut().filter(|entry| entry.blocks()) {
            entry.wants_connection = false;
            entry.pause = BACKOFF;
            if entry.stage == Stage::Waiting {
                entry.next_at = now.mono;
            }
        }
    }

    pub(super) fn undoing_wakeup(&self) -> Option<(Duration, &'static str)> {
        let entry = self.due()?;
        Some((self.undoings.get(entry)?.next_at, "undoing"))
    }

    /// The entry that is tried next: the head of the queue, or a watched one that is earlier.
    fn due(&self) -> Option<usize> {
        let waits = |entry: &LiveUndoing| entry.stage == Stage::Waiting && !entry.foreign;
        let ours = || {
            self.undoings
                .iter()
                .enumerate()
                .filter(|(_, entry)| !entry.foreign)
        };
        let head = ours()
            .find(|(_, entry)| entry.blocks())
            .filter(|(_, entry)| waits(entry));
        let watched = ours()
            .filter(|(_, entry)| !entry.record.is_live() && waits(entry))
            .min_by_key(|(_, entry)| entry.next_at);
        [head, watched]
            .into_iter()
            .flatten()
            .min_by_key(|(_, entry)| entry.next_at)
            .map(|(index, _)| index)
    }

    pub(super) fn undoing_tick(&mut self, now: Now, step: &mut Step) {
        let Some(index) = self.due() else { return };
        let Some(mut entry) = self.take_undoing(index, |entry| entry.next_at <= now.mono) else {
            return;
        };
        if !entry.record.is_live() {
            let call = look_up_sale(&entry.sale);
            let request = self.request(&entry.record.operation.id, call, step);
            entry.stage = Stage::Rechecking { request };
        } else if let Some(payment_id) = entry.record.target {
            self.look(&mut entry, payment_id, step);
        } else {
            let request = self.request(&entry.record.operation.id, look_up_sale(&entry.sale), step);
            entry.stage = Stage::LookingUp {
                request,
                asked_at: now.mono,
            };
        }
        self.undoings.insert(index.min(self.undoings.len()), entry);
    }

    fn take_undoing(
        &mut self,
        index: usize,
        when: impl Fn(&LiveUndoing) -> bool,
    ) -> Option<LiveUndoing> {
        when(self.undoings.get(index)?).then(|| self.undoings.remove(index))
    }

    /// The newest entry's reversal leaves in this very step: the cashier waits for it.
    pub(super) fn reverse_at_once(&mut self, now: Now, step: &mut Step) {
        let Some(mut entry) = self.undoings.pop() else {
            return;
        };
        if self.blocking_undoings().next().is_none() {
            self.reverse(&mut entry, false, now, step);
        } else {
            step.write_undoing(&entry.record, "queued");
        }
        self.undoings.push(entry);
    }

    fn look(&mut self, entry: &mut LiveUndoing, payment_id: i64, step: &mut Step) {
        let request = self.request(
            &entry.record.operation.id,
            Call::Payment { payment_id },
            step,
        );
        entry.stage = Stage::Looking { request };
    }

    /// The one place from which a reversal leaves: its intent is written first.
    fn reverse(&mut self, entry: &mut LiveUndoing, knew_paid: bool, now: Now, step: &mut Step) {
        let Some(payment_id) = entry.record.target else {
            return;
        };
        entry.record.reversal = Reversal::Sent;
        if !std::mem::replace(&mut entry.record.sent_once, true) {
            entry.record.operation.shift = shift::of_day(now.wall);
        }
        entry.set(State::InProgress, words::UNDOING, now);
        step.write_undoing(&entry.record, "the reversal is being sent");
        let operation = &entry.record.operation;
        let call = Call::Reverse {
            payment_id,
            order_number: operation.order_number.clone(),
            sum: operation.amount,
            shift: operation.shift.clone(),
            receipt: Some(entry.sale.request.receipt.clone()),
        };
        let request = self.request(&operation.id, call, step);
        entry.stage = Stage::Reversing { request, knew_paid };
    }

    pub(super) fn retry_undoing(&mut self, ticket: Ticket, id: &str, now: Now, step: &mut Step) {
        let entry = self
            .undoings
            .iter_mut()
            .find(|entry| entry.record.operation.id == id);
        let Some(entry) = entry.filter(|entry| entry.record.is_live()) else {
            return step.reply(ticket, TillReply::Queue(Err(not_in_queue())));
        };
        entry.pause = BACKOFF;
        if entry.stage == Stage::Waiting {
            entry.next_at = now.mono;
        }
        entry.record.next_try = Some(now.wall);
        if std::mem::take(&mut entry.record.set_aside) {
            (entry.record.answered_errors, entry.record.errors_since) = (0, None);
            entry.record.operation.undo = Some(Undo::Pending);
            entry.set(State::Queued, seed::CANCEL_QUEUED, now);
            entry.sale.operation.undo = Some(Undo::Pending);
            entry.sale.operation.updated_at = now.wall;
            step.write_sale(&entry.sale, "its undoing is tried again");
        }
        step.write_undoing(&entry.record, "a person asked for another try");
        step.reply(ticket, TillReply::Queue(Ok(entry.record.queue_item())));
    }

    pub(super) fn settle_undoing(
        &mut self,
        ticket: Ticket,
        id: &str,
        reason: &str,
        now: Now,
        step: &mut Step,
    ) {
        let found = self
            .undoings
            .iter()
            .position(|entry| entry.record.operation.id == id);
        let answer = found.ok_or_else(not_in_queue).and_then(|index| {
            let entry = self.undoings.get_mut(index).ok_or_else(not_in_queue)?;
            settle(entry, reason, now, step).map(|item| (index, item))
        });
        let answer = answer.map(|(index, item)| {
            self.undoings.remove(index);
            self.foreign.retain(|foreign| foreign != id);
            item
        });
        step.reply(ticket, TillReply::Queue(answer));
    }
}

/// A person closes a set-aside entry, or one of an account that is gone.
fn settle(
    entry: &mut LiveUndoing,
    reason: &str,
    now: Now,
    step: &mut Step,
) -> Result<QueueItem, Problem> {
    if !entry.record.is_live() {
        return Err(not_in_queue());
    }
    if !entry.record.set_aside && !entry.foreign {
        return Err(Problem::new(
            Code::Busy,
            "Отмена ещё выполняется сама, закрыть её нельзя",
            "Дождитесь завершения отмены",
        ));
    }
    entry.record.settled = Some(words::support_text(reason));
    entry.record.next_try = None;
    entry.set(State::Failed, words::SETTLED, now);
    step.write_undoing(&entry.record, "closed by a person");
    Ok(entry.record.queue_item())
}

fn look_up_sale(sale: &SaleRecord) -> Call {
    Call::LookUp {
        shifts: shift::neighbourhood(&sale.operation.shift),
        order_numbers: vec![sale.operation.order_number.clone()],
    }
}

fn not_in_queue() -> Problem {
    Problem::new(
        Code::NotFound,
        "В очереди нет такой отмены",
        "Посмотрите очередь: oplati queue",
    )
}
