//! One entry of the queue: what it waits for, and for how long it has got nowhere.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Now;
use crate::core::call::{Failure, PaymentInfo, PaymentType};
use crate::core::event::RequestId;
use crate::core::messages;
use crate::core::question_clock::Subject;
use crate::core::record::{ReversalProgress, ReversalRecord, ReversalRequest};
use crate::model::operation::State;
use crate::texts::original;

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
    /// proves nothing about it.
    pub lost_since: Option<Duration>,
    /// No answer came for long, and yet the line is well.
    pub line_is_well: bool,
    /// It is watched, and for long no question for its number was answered.
    pub is_overdue: bool,
    /// It was journalled before a restart and not as sent: the disk may have lost that it was.
    pub may_have_left: bool,
    /// One that left was refused for the token: that proves only that this copy had no effect.
    pub was_refused_for_token: bool,
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
    pub is_of_other_account: bool,
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

    /// A cancellation that the cashier waits for, of which nothing was sent: it can be refused.
    pub(in crate::core) fn may_still_be_refused(&self) -> bool {
        self.record.is_attended()
            && self.record.reversal == ReversalProgress::NotSent
            && self.has_no_earlier()
    }

    /// Whether no reversal of it has left before the present one that could have been carried out.
    pub(in crate::core) fn has_no_earlier(&self) -> bool {
        // No disk is believed: it may have lost that a reversal left before the restart.
        !self.may_have_left && !self.was_refused_for_token && self.record.earlier.is_empty()
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

    /// A refund whose answer is lost. Whoever tries once more now may give the money back twice, so its error states
    /// what not to do; it goes when the answer comes.
    pub(in crate::core) fn doubt(&mut self, now: Now) {
        let detail = self.record.last_error.as_deref().unwrap_or_default();
        self.record.operation.error = Some(messages::refund_in_doubt(detail));
        self.set(State::InDoubt, original::NO_CONNECTION, now);
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
