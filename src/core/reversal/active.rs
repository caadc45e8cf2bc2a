//! Entries of the queue as they come into being: undoings of the daemon's own, refunds and
//! cancellations of the till.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Now;
use crate::core::admission::AdmittedRequest;
use crate::core::call::{Failure, PaymentInfo, PaymentType};
use crate::core::event::{Reply as TillReply, RequestId, Turn};
use crate::core::question_clock::Subject;
use crate::core::record::{
    Account, Record, ReversalProgress, ReversalRecord, ReversalRequest, SaleRecord, Target,
};
use crate::core::reversal::target::take_from_left;
use crate::core::scene::Scene;
use crate::core::{Core, shift, words};
use crate::model::money::Kopecks;
use crate::model::operation::{
    CancellationRequest, Kind, Operation, OperationRequest, Receipt, RefundRequest, State, Undo,
};
use crate::model::problem::seed;

/// Backoff of tries that met no connection begins with this.
pub(in crate::core) const BACKOFF: Duration = Duration::from_secs(1);
/// When an order number that was conclusively absent, or whose payment took nothing, is asked for again.
/// The last one is for reports that only the next day makes whole.
pub(in crate::core) const RECHECKS: [SignedDuration; 3] = [
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(24),
];
/// What a refund that was not found holds of its sale is given back when no more than so many rechecks
/// remain: after the one an hour later. A day is too long for a buyer who is owed the money.
pub(in crate::core) const RECHECKS_WITHOUT_RESERVE: usize = 1;
/// Looking up an order number begins with this pause.
pub(in crate::core) const LOOK_UP_PAUSE: Duration = Duration::from_millis(500);

/// An entry that gets nowhere for so long is set aside.
pub(in crate::core) const MAX_STUCK: Duration = Duration::from_secs(3600);
/// The same by the civil clock …
const MAX_STUCK_CIVIL: SignedDuration = SignedDuration::from_hours(1);
/// … and after so many answers: a civil clock that jumps proves little.
const MIN_ANSWERED_ERRORS: u32 = 3;

/// An entry in memory.
#[derive(Debug)]
pub(in crate::core) struct ActiveReversal {
    pub record: ReversalRecord,
    pub stage: Stage,
    /// When the connection of the lost payment was closed, at the latest.
    pub lost_at: Duration,
    /// The same for the reversal.
    pub reversal_lost_at: Duration,
    pub next_at: Duration,
    pub pause: Duration,
    /// The last try failed for want of connection.
    pub wants_connection: bool,
    /// When it was made, while this process has had an answer to each of its requests.
    pub answered_from: Option<Timestamp>,
    /// Since when the service answers and it gets nowhere all the same.
    pub stuck_since: Option<Duration>,
    /// Since when no answer comes.
    pub silent_since: Option<Duration>,
    /// Since when its reversal leaves and no answer to it comes. What was silent before it left, as in an outage,
    /// tells nothing of it.
    pub lost_since: Option<Duration>,
    /// No answer came for long, and yet the line is well.
    pub line_is_well: bool,
    /// It is watched, and for long no question for its number was answered.
    pub is_overdue: bool,
    /// It was journalled before a restart and not as sent: the disk may have lost that it was.
    pub may_have_left: bool,
    /// It is set aside, and a person wants it tried as soon as its first question may leave. Memory alone knows:
    /// after a crash it is set aside as before, and whoever asked sees it so.
    pub retry_asked: bool,
    /// A person has it tried once more: should that bring it no further, it is set aside again at once.
    pub is_last_try: bool,
    /// A reversal has left in that try: it has all the time again.
    pub has_sent_anew: bool,
    /// Since when its reversal has been seen pending.
    pub pending_since: Option<Duration>,
    /// A payment or a reversal cannot be asked for by its number: the report is asked instead.
    pub asks_report: bool,
    /// The target was paid when it was looked at last.
    pub saw_paid: bool,
    /// The present reversal was refused, which is not yet believed.
    pub refusal: Option<Refusal>,
    pub foreign: bool,
}

/// What an entry waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Stage {
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
    /// Nothing is known of the target: only whether the service answers at all.
    Probing {
        request: RequestId,
    },
    Rechecking {
        request: RequestId,
    },
}

/// The service refused our copy of a reversal; another one may have been carried out.
#[derive(Clone, Debug)]
pub(in crate::core) struct Refusal {
    pub failure: Failure,
    /// The target had been seen paid: a refusal is then one for good.
    pub knew_paid: bool,
}

impl Stage {
    pub(in crate::core) fn request(self) -> Option<RequestId> {
        match self {
            Stage::Waiting => None,
            Stage::LookingUp { request, .. }
            | Stage::Looking { request }
            | Stage::Reversing { request, .. }
            | Stage::LookingUpReversal { request, .. }
            | Stage::LookingAtReversal { request }
            | Stage::Probing { request }
            | Stage::Rechecking { request } => Some(request),
        }
    }
}

impl ActiveReversal {
    /// Whether it reverses that operation.
    pub(in crate::core) fn reverses(&self, id: &str) -> bool {
        self.record.operation.of.as_deref() == Some(id)
    }

    /// Its reversal was refused for the token, which is not believed yet.
    pub(in crate::core) fn is_refused_for_token(&self) -> bool {
        let refusal = self.refusal.as_ref();
        refusal.is_some_and(|refusal| matches!(refusal.failure, Failure::Token { .. }))
    }

    /// Whether it reverses what this till has made. Of another till's payment only the number is known.
    pub(in crate::core) fn is_of_ours(&self) -> bool {
        self.record.operation.of.is_some() || self.record.request == ReversalRequest::Own
    }

    /// Whether it brings back a payment under the number of an operation that stands on another one.
    pub(in crate::core) fn is_beside(&self) -> bool {
        self.record.request == ReversalRequest::Own
            && self.record.operation.of.is_none()
            && self.record.target.payment_id.is_some()
    }

    /// Whether the service speaks of the payment that it is to undo. Beside a payment that stands only the one with
    /// its own number.
    pub(in crate::core) fn is_target(&self, info: &PaymentInfo) -> bool {
        let target = &self.record.target;
        target.is(info) && (!self.is_beside() || target.payment_id == Some(info.payment_id))
    }

    /// Whether it undoes that operation now.
    pub(in crate::core) fn undoes(&self, id: &str) -> bool {
        self.record.is_live() && self.reverses(id)
    }

    /// A reversal of it whose fate nobody knows: under way, or set aside without a denial.
    pub(in crate::core) fn is_in_doubt(&self) -> bool {
        self.record.is_live() && !(self.record.set_aside && self.is_denied())
    }

    /// A cancellation of which nothing was sent, or whatever was sent was denied.
    pub(in crate::core) fn is_denied(&self) -> bool {
        self.record.reversal == ReversalProgress::NotSent && !self.record.is_refund()
    }

    /// Whether it only asks for its numbers once more: after an absence, or after a refusal.
    pub(in crate::core) fn is_watched(&self) -> bool {
        !self.blocks() && !self.retry_asked && !self.record.rechecks.is_empty()
    }

    /// A cancellation that a cashier waits for begins with the reversal itself.
    pub(in crate::core) fn acts_first(&self) -> bool {
        !self.record.sent_once && self.record.is_attended()
    }

    /// Whose status a question about the target asks for.
    pub(in crate::core) fn target_subject(&self) -> Subject {
        Subject::Order(self.record.target.order_number.clone())
    }

    /// The same for the reversal, under each of its numbers.
    pub(in crate::core) fn reversal_subjects(&self) -> Vec<Subject> {
        let numbers = self.record.order_numbers();
        numbers.into_iter().map(Subject::Order).collect()
    }

    /// Whose status the first question of the next try asks for; nobody's, if it begins with the
    /// reversal itself.
    pub(in crate::core) fn first_question(&self) -> Vec<Subject> {
        let record = &self.record;
        if self.is_watched() {
            return if record.watches_reversal() {
                self.reversal_subjects()
            } else {
                vec![self.target_subject()]
            };
        }
        match record.reversal {
            ReversalProgress::Known(_) => self.reversal_subjects(),
            ReversalProgress::Sent if record.is_refund() || self.refusal.is_some() => {
                self.reversal_subjects()
            }
            ReversalProgress::NotSent if record.is_refund() && self.may_have_left => {
                self.reversal_subjects()
            }
            ReversalProgress::NotSent if record.is_refund() => Vec::new(),
            ReversalProgress::NotSent
                if record.target.payment_id.is_some() && self.acts_first() =>
            {
                Vec::new()
            }
            ReversalProgress::NotSent | ReversalProgress::Sent => vec![self.target_subject()],
        }
    }

    pub(in crate::core) fn blocks(&self) -> bool {
        self.record.is_live() && !self.record.set_aside
    }

    pub(in crate::core) fn set(&mut self, state: State, message: &str, now: Now) {
        let operation = &mut self.record.operation;
        operation.state = state;
        message.clone_into(&mut operation.message);
        operation.updated_at = now.wall;
        operation.finished_at = state.is_final().then_some(now.wall);
    }

    /// A refund whose answer is lost. Whoever tries once more now may give the money back twice, so its error says
    /// what not to do; it goes when the answer comes.
    pub(in crate::core) fn doubt(&mut self, now: Now) {
        let detail = self.record.last_error.as_deref().unwrap_or_default();
        self.record.operation.error = Some(words::refund_in_doubt(detail));
        self.set(State::InDoubt, seed::NO_CONNECTION, now);
    }

    /// When the next question of a watched entry is due. A clock that was set back must not put it off
    /// for days.
    pub(in crate::core) fn plan_recheck(&mut self, now: Now) {
        let position = RECHECKS.len().saturating_sub(self.record.rechecks.len());
        let longest = RECHECKS.get(position).copied().unwrap_or_default();
        let next = self.record.rechecks.first();
        let wait = next.map(|at| at.duration_since(now.wall).min(longest));
        self.next_at = now.mono + Duration::try_from(wait.unwrap_or_default()).unwrap_or_default();
    }

    /// It got on: the time of getting nowhere begins anew.
    pub(in crate::core) fn end_errors(&mut self) {
        (self.record.answered_errors, self.record.errors_since) = (0, None);
        (self.stuck_since, self.silent_since) = (None, None);
        (self.lost_since, self.answered_from) = (None, None);
        self.line_is_well = false;
    }

    /// The service has answered, and nothing came of it. Whether that has lasted too long by the clock of this
    /// process; or by the civil clock over so many answers, which counts over restarts.
    pub(in crate::core) fn gets_nowhere(&mut self, now: Now) -> bool {
        let since = *self.stuck_since.get_or_insert(now.mono);
        let record = &mut self.record;
        record.answered_errors = record.answered_errors.saturating_add(1);
        // A clock that was set back begins the time anew: nobody waits until it has caught up.
        let civil_since = record
            .errors_since
            .or(self.answered_from)
            .map_or(now.wall, |since| since.min(now.wall));
        record.errors_since = Some(civil_since);
        let civil = now.wall.duration_since(civil_since);
        self.is_last_try
            || now.mono.saturating_sub(since) >= MAX_STUCK
            || record.answered_errors >= MIN_ANSWERED_ERRORS && civil >= MAX_STUCK_CIVIL
    }

    /// No answer came. Whether that has lasted so long that it may be the service's doing and not the line's.
    pub(in crate::core) fn is_silent_for_long(&mut self, now: Now) -> bool {
        self.answered_from = None;
        let since = *self.silent_since.get_or_insert(now.mono);
        self.is_last_try || now.mono.saturating_sub(since) >= MAX_STUCK
    }

    /// Its reversal is not final. Whether that has lasted too long; a reversal that was sent anew has all the
    /// time again.
    pub(in crate::core) fn is_pending_for_long(&mut self, now: Now) -> bool {
        let since = *self.pending_since.get_or_insert(now.mono);
        self.is_last_try && !self.has_sent_anew || now.mono.saturating_sub(since) >= MAX_STUCK
    }

    /// Whether its reversal has left in vain for too long.
    pub(in crate::core) fn is_lost_for_long(&self, now: Now) -> bool {
        let since = self.lost_since;
        since.is_some_and(|since| now.mono.saturating_sub(since) >= MAX_STUCK)
    }

    /// Tries again after `pause`, but not needlessly after `moment`, when waiting will be over.
    pub(in crate::core) fn later(&mut self, most: Duration, moment: Option<Duration>, now: Now) {
        self.stage = Stage::Waiting;
        self.next_at = now.mono + self.pause.min(most);
        if let Some(moment) = moment.filter(|moment| *moment > now.mono) {
            self.next_at = self.next_at.min(moment);
        }
        self.pause = (self.pause * 2).min(most);
        let wait =
            SignedDuration::try_from(self.next_at.saturating_sub(now.mono)).unwrap_or_default();
        self.record.next_try = now.wall.checked_add(wait).ok();
        self.record.operation.updated_at = now.wall;
    }

    /// Whether the service speaks of this entry's reversal, under its present number or an earlier one.
    pub(in crate::core) fn is_reversal(&self, info: &PaymentInfo) -> bool {
        self.record.amount_under(&info.order_number) == Some(info.sum)
            && matches!(
                info.payment_type,
                PaymentType::ReversalOfSale | PaymentType::ReversalOfPurchase
            )
    }
}

/// What distinguishes one new entry from another.
struct New {
    id: String,
    kind: Kind,
    request: ReversalRequest,
    account: Account,
    target: Target,
    of: Option<String>,
    amount: Kopecks,
    receipt: Option<Receipt>,
    shift: String,
    mode: crate::model::operation::Mode,
}

impl Core {
    /// The daemon's own undoing of a sale that may have taken money.
    pub(in crate::core) fn new_own(
        &mut self,
        sale: &SaleRecord,
        lost_at: Duration,
        now: Now,
    ) -> ActiveReversal {
        let operation = &sale.operation;
        let target = Record::Sale(Box::new(sale.clone())).as_target();
        let new = New {
            id: self.numbers.own_id(),
            kind: Kind::Cancel,
            request: ReversalRequest::Own,
            account: sale.account.clone(),
            target,
            of: Some(operation.id.clone()),
            amount: operation.amount,
            receipt: sale.request.receipt().cloned(),
            shift: operation.shift.clone(),
            mode: operation.mode,
        };
        self.queued(new, lost_at, now)
    }

    /// An undoing that waits in the queue from its beginning.
    fn queued(&mut self, new: New, lost_at: Duration, now: Now) -> ActiveReversal {
        let mut record = self.new_entry_record(new, now);
        record.operation.state = State::Queued;
        record.operation.undo = Some(Undo::Pending);
        seed::CANCEL_QUEUED.clone_into(&mut record.operation.message);
        self.live(record, lost_at, now)
    }

    /// The undoing of another payment under the number of the one that an entry undoes.
    pub(in crate::core) fn new_own_beside(
        &mut self,
        beside: &ActiveReversal,
        payment_id: i64,
        now: Now,
    ) -> ActiveReversal {
        let id = self.numbers.own_id();
        let record = &beside.record;
        let target = record.target.clone();
        let new = New {
            id,
            kind: Kind::Cancel,
            request: ReversalRequest::Own,
            account: record.account.clone(),
            of: None,
            amount: target.sum,
            receipt: record.receipt.clone(),
            shift: target.shift.clone(),
            mode: record.operation.mode,
            target: Target {
                payment_id: Some(payment_id),
                ..target
            },
        };
        self.queued(new, now.mono, now)
    }

    /// The undoing of the daemon's own that takes up what a cancellation of the till's was to bring back: that one
    /// is over and stays so. It goes on under the same number.
    pub(in crate::core) fn new_own_instead_of(
        &mut self,
        over: &ReversalRecord,
        now: Now,
    ) -> ActiveReversal {
        let id = self.numbers.own_id();
        let operation = &over.operation;
        let new = New {
            id,
            kind: match operation.kind {
                Kind::CancelRefund => Kind::CancelRefund,
                Kind::Sale | Kind::Refund | Kind::Cancel | Kind::Annul | Kind::Card => Kind::Cancel,
            },
            request: ReversalRequest::Own,
            account: over.account.clone(),
            target: over.target.clone(),
            of: operation.of.clone(),
            amount: operation.amount,
            receipt: over.receipt.clone(),
            shift: operation.shift.clone(),
            mode: operation.mode,
        };
        let mut entry = self.queued(new, now.mono, now);
        take_over(&mut entry.record, over);
        entry
    }

    /// A refund or a cancellation that the till asked for. Stands alone in its step.
    pub(in crate::core) fn begin_entry(
        &mut self,
        wants: AdmittedRequest,
        known: Option<PaymentInfo>,
        turn: &mut Turn,
    ) {
        let Some(account) = self.settings.account.clone() else {
            return;
        };
        let target = wants.facts.target.as_ref();
        let held = target.and_then(|target| self.held.get(&target.operation().id).cloned());
        let old = self.take_set_aside(&wants, held.as_ref());
        let record = match (&wants.wish, held, old.as_ref()) {
            (OperationRequest::Cancellation(request), Some(target), Some(old)) => {
                self.repeated_record(wants.id.clone(), request, &target, &old.record, turn.now)
            }
            (OperationRequest::Cancellation(request), Some(target), None) => {
                let new = cancellation(wants.id.clone(), request, &target, account);
                self.new_entry_record(new, turn.now)
            }
            (OperationRequest::Refund(request), target, _) => {
                let mode = self.settings.mode;
                let mut new = refund(
                    &wants.id,
                    request,
                    target.as_ref(),
                    known,
                    account,
                    mode,
                    turn.now,
                );
                if let (None, Some(present)) = (&request.receipt.shift, &self.own_shift) {
                    new.shift.clone_from(present);
                }
                self.new_entry_record(new, turn.now)
            }
            (
                OperationRequest::Cancellation(_)
                | OperationRequest::Sale(_)
                | OperationRequest::Card(_),
                _,
                _,
            ) => return,
        };
        self.rollback = Some(crate::core::Rollback {
            held: self.held.clone(),
            entry: old.as_ref().map(|old| old.record.clone()),
        });
        self.enter(record, old, &wants, turn);
    }

    /// Journals the entry with what it takes from its target, and answers the till.
    fn enter(
        &mut self,
        mut record: ReversalRecord,
        old: Option<ActiveReversal>,
        wants: &AdmittedRequest,
        turn: &mut Turn,
    ) {
        let waits = self.blocking_entries().next().is_some();
        // What repeats a set-aside entry owes what that one owed: nobody waits for it at the till, so it can
        // neither be aborted nor refused like a wish of which nothing has left.
        if waits || old.is_some() {
            record.queued_once = true;
            record.operation.state = State::Queued;
            seed::CANCEL_QUEUED.clone_into(&mut record.operation.message);
        }
        let (amount, is_refund) = (record.operation.amount, record.is_refund());
        let resumed = old.is_some() && record.reversal != ReversalProgress::NotSent;
        turn.write_entry(&mut record, "asked for by the till");
        if let Some(mut old) = old {
            let reason = format!("repeated as {}", record.operation.id);
            old.record.settled = Some(reason.clone());
            old.record.rechecks.clear();
            old.record.next_try = None;
            old.set(State::Failed, words::REPEATED, turn.now);
            turn.write_entry(&mut old.record, reason);
        }
        self.change_target(
            record.operation.of.as_deref(),
            "a reversal was asked for",
            turn,
            |target| {
                if !resumed {
                    take_from_left(target, amount);
                }
                if !is_refund {
                    target.undo = Some(Undo::Pending);
                }
            },
        );
        turn.creates = Some(record.operation.id.clone());
        for ticket in &wants.tickets {
            let answer = Ok((true, record.operation.clone()));
            turn.reply(*ticket, TillReply::Begun(answer));
        }
        if !waits {
            self.screen.occupy();
        }
        let entry = self.live(record, turn.now.mono, turn.now);
        self.entries.push(entry);
    }

    /// The set-aside entry of the same target, which a new cancellation repeats.
    fn take_set_aside(
        &mut self,
        wants: &AdmittedRequest,
        target: Option<&Record>,
    ) -> Option<ActiveReversal> {
        let (OperationRequest::Cancellation(_), Some(target)) = (&wants.wish, target) else {
            return None;
        };
        let id = &target.operation().id;
        let index = self.entries.iter().position(|entry| {
            entry.record.set_aside && !entry.record.is_refund() && entry.undoes(id)
        })?;
        Some(self.entries.remove(index))
    }

    /// A person asks once more for what was set aside, which is taken over with its number.
    fn repeated_record(
        &mut self,
        id: String,
        request: &CancellationRequest,
        target: &Record,
        old: &ReversalRecord,
        now: Now,
    ) -> ReversalRecord {
        let mut new = cancellation(id, request, target, old.account.clone());
        if old.request == ReversalRequest::Own || old.reversal != ReversalProgress::NotSent {
            new.amount = old.operation.amount;
        }
        new.target.clone_from(&old.target);
        new.receipt.clone_from(&old.receipt);
        let mut record = self.new_entry_record(new, now);
        take_over(&mut record, old);
        record
    }

    fn new_entry_record(&mut self, new: New, now: Now) -> ReversalRecord {
        let operation = Operation {
            id: new.id,
            version: 0,
            kind: new.kind,
            state: State::New,
            amount: new.amount,
            mode: new.mode,
            shift: new.shift,
            order_number: self.numbers.order_number(),
            payment_id: None,
            of: new.of,
            left: None,
            overdrawn: Kopecks::ZERO,
            undo: None,
            shows: None,
            message: words::of_entry(new.kind, State::New).to_owned(),
            error: None,
            card: None,
            slip: None,
            created_at: now.wall,
            updated_at: now.wall,
            finished_at: None,
        };
        ReversalRecord {
            operation,
            request: new.request,
            account: new.account,
            target: new.target,
            receipt: new.receipt,
            reversal: ReversalProgress::NotSent,
            earlier: Vec::new(),
            earlier_amounts: Vec::new(),
            sent_once: false,
            resent: false,
            denied_while_pending: false,
            queued_once: false,
            tries: 0,
            last_error: None,
            next_try: Some(now.wall),
            answered_errors: 0,
            errors_since: None,
            set_aside: false,
            rechecks: Vec::new(),
            settled: None,
            outcome: None,
            left_held_until: None,
            needs_review: false,
            copies: Vec::new(),
            beside: None,
        }
    }

    pub(in crate::core) fn live(
        &self,
        record: ReversalRecord,
        lost_at: Duration,
        now: Now,
    ) -> ActiveReversal {
        let mut entry = ActiveReversal {
            foreign: self.settings.account.as_ref() != Some(&record.account),
            stage: Stage::Waiting,
            lost_at,
            reversal_lost_at: lost_at,
            next_at: now.mono,
            pause: if record.is_refund() {
                LOOK_UP_PAUSE
            } else {
                BACKOFF
            },
            wants_connection: false,
            answered_from: Some(record.operation.created_at),
            stuck_since: None,
            silent_since: None,
            lost_since: None,
            line_is_well: false,
            is_overdue: false,
            may_have_left: false,
            retry_asked: false,
            is_last_try: false,
            has_sent_anew: false,
            pending_since: None,
            asks_report: false,
            refusal: None,
            // Tills cancel and refund what is paid; our own undoings look first.
            saw_paid: record.request != ReversalRequest::Own,
            record,
        };
        if entry.is_watched() {
            entry.plan_recheck(now);
        }
        entry
    }

    /// After a restart: every connection of the process before is closed by now, not earlier.
    pub(in crate::core) fn restore_entry(&mut self, record: ReversalRecord, turn: &mut Turn) {
        let mut entry = self.live(record, turn.now.mono, turn.now);
        if entry.foreign && entry.record.is_live() {
            self.foreign.push(entry.record.operation.id.clone());
        }
        // The time for which no process ran does not count as one of getting nowhere.
        entry.answered_from = None;
        entry.may_have_left = entry.record.is_live();
        if let Some(since) = entry.record.errors_since {
            let spent = entry.record.operation.updated_at.duration_since(since);
            let spent = spent.max(SignedDuration::ZERO);
            entry.record.errors_since = turn.now.wall.checked_sub(spent).ok();
        }
        let sent_refund =
            entry.record.is_refund() && entry.record.reversal != ReversalProgress::NotSent;
        if sent_refund && entry.record.operation.state == State::InProgress {
            entry.doubt(turn.now);
            turn.write_entry(&mut entry.record, "in doubt after a restart");
        }
        self.entries.push(entry);
    }

    /// Whether a refund stands before the cashier: it takes the place of a buyer.
    pub(in crate::core) fn refund_is_attended(&self) -> bool {
        let attended =
            |entry: &ActiveReversal| entry.record.is_refund() && entry.record.is_attended();
        self.entries.iter().any(attended)
    }

    /// What the buyer may see of an entry that stands before the cashier.
    pub(in crate::core) fn show_for(
        &mut self,
        entry: &ActiveReversal,
        scene: Scene,
        turn: &mut Turn,
    ) {
        if entry.record.is_attended() && self.sale.is_none() {
            self.screen.occupy();
            turn.show(scene);
        }
    }
}

/// One entry goes on where another has ended.
fn take_over(record: &mut ReversalRecord, old: &ReversalRecord) {
    record.reversal = old.reversal;
    record.earlier.clone_from(&old.earlier);
    record.earlier_amounts.clone_from(&old.earlier_amounts);
    record.sent_once = old.sent_once;
    record.resent = old.resent;
    record.denied_while_pending = old.denied_while_pending;
    record.operation.payment_id = old.operation.payment_id;
    // Under its present number it may have left, though the disk has lost that, and no other has.
    record
        .operation
        .order_number
        .clone_from(&old.operation.order_number);
    record.operation.shift.clone_from(&old.operation.shift);
}

fn cancellation(
    id: String,
    request: &CancellationRequest,
    target: &Record,
    account: Account,
) -> New {
    let operation = target.operation();
    let left = operation.left.unwrap_or(operation.amount);
    let whole = left == operation.amount;
    let (kind, receipt) = match target {
        Record::Sale(sale) if request.annul => (Kind::Annul, sale.request.receipt()),
        Record::Sale(sale) => (Kind::Cancel, sale.request.receipt()),
        Record::Entry(refund) => (Kind::CancelRefund, refund.receipt.as_ref()),
    };
    New {
        id,
        kind,
        request: ReversalRequest::Cancellation(request.clone()),
        account,
        target: target.as_target(),
        of: Some(operation.id.clone()),
        amount: left,
        receipt: receipt.filter(|_| whole).cloned(),
        // The day of its first sending takes its place.
        shift: request.shift.as_ref().unwrap_or(&operation.shift).clone(),
        mode: operation.mode,
    }
}

fn refund(
    id: &str,
    request: &RefundRequest,
    sale: Option<&Record>,
    known: Option<PaymentInfo>,
    account: Account,
    mode: crate::model::operation::Mode,
    now: Now,
) -> New {
    let target = match (sale, known) {
        (Some(sale), _) => sale.as_target(),
        (None, known) => Target {
            payment_id: request.payment_id,
            order_number: known
                .as_ref()
                .map(|info| info.order_number.clone())
                .unwrap_or_default(),
            sum: known.map_or(request.amount, |info| info.sum),
            shift: String::new(),
            sale_shift: String::new(),
            refund: false,
        },
    };
    let own_shift = request.receipt.shift.clone();
    New {
        id: id.to_owned(),
        kind: Kind::Refund,
        request: ReversalRequest::Refund(request.clone()),
        account,
        target,
        of: sale.map(|sale| sale.operation().id.clone()),
        amount: request.amount,
        receipt: Some(request.receipt.clone()),
        shift: own_shift.unwrap_or_else(|| shift::of_day(now.wall)),
        mode: sale.map_or(mode, |sale| sale.operation().mode),
    }
}
