//! The promises that are checked after every step; what is checked when peace has come is in `truth`.

use std::collections::BTreeMap;
use std::time::Duration;

use oplati::core::call::{Answer, Call, Failure, PaymentStatus};
use oplati::core::record::{Record, ReversalProgress, ReversalRecord, ReversalRequest};
use oplati::model::operation::{ErrorCode, Kind, Operation, State, Undo};

use crate::world::{Check, World};

/// A restart leaves out so many versions of an operation.
const RESTART_VERSIONS: u64 = 1000;
/// A write that fails is repeated every second, and one in a row of failures comes through.
const MAX_WRITE_DELAY: Duration = Duration::from_secs(10);

impl World<'_> {
    fn check_version(&self, operation: &Operation) -> Check {
        // Every change has a version of its own, whichever copy of the operation was changed; a restart leaves out
        // those that a power cut may have taken.
        if let Some(old) = self.records.get(&operation.id) {
            let (version, old) = (operation.version, old.operation().version);
            if version != old + 1 && version != old + 1 + RESTART_VERSIONS {
                return Err(format!(
                    "version {version} of {} follows version {old}",
                    operation.id
                ));
            }
        }
        if let Some(seen) = self.versions_seen.get(&operation.id)
            && operation.version <= *seen
        {
            return Err(format!(
                "version {} of {} comes after version {seen} was seen",
                operation.version, operation.id
            ));
        }
        Ok(())
    }

    pub(crate) fn check_write(&self, record: &Record) -> Check {
        let operation = record.operation();
        self.check_version(operation)?;
        // What was reported to the till as the end stays so; only an undoing that found nothing may live again.
        if let Some(old) = self.records.get(&operation.id)
            && old.operation().state.is_final()
            && old.operation().state != operation.state
            && !matches!(old, Record::Entry(entry)
                if entry.request == ReversalRequest::Own
                    && !matches!(entry.reversal, ReversalProgress::Known(_)))
        {
            return Err(format!(
                "{} was {:?} and is {:?}",
                operation.id,
                old.operation().state,
                operation.state
            ));
        }
        // A refusal is watched at once, and asked for when the settling time is over: four questions, where
        // an absence has three. A payment that took nothing is watched like an absent one.
        if let Record::Entry(entry) = record
            && (1..=3).contains(&entry.rechecks.len())
            && (entry.is_refund() || entry.target.payment_id.is_none())
            && !self
                .records
                .get(&operation.id)
                .is_some_and(|old| matches!(old, Record::Entry(old) if !old.rechecks.is_empty()))
        {
            let number = if entry.is_refund() {
                &operation.order_number
            } else {
                &entry.target.order_number
            };
            if self.may_arrive(number) {
                return Err(format!("{} was called absent too early", operation.id));
            }
        }
        if let Record::Entry(entry) = record {
            self.check_set_aside(entry)?;
        }
        if let Record::Sale(sale) = record
            && self.aborted.contains(&operation.id)
            && !operation.state.is_final()
            && sale.ending.is_none()
        {
            return Err(format!("the abort of {} is forgotten", operation.id));
        }
        let ended_paid =
            operation.state == State::Done && matches!(operation.kind, Kind::Sale | Kind::Refund);
        if ended_paid {
            let direction = operation.kind == Kind::Sale;
            let paid = self.service.ledger.values().any(|payment| {
                payment.info.order_number == operation.order_number
                    && payment.info.sum == operation.amount
                    && payment.info.status == PaymentStatus::Ok
                    && payment.target.is_none() == direction
            });
            if !paid && !self.settled_as.contains_key(&operation.id) {
                return Err(format!("{} is done, but no money moved", operation.id));
            }
        }
        Ok(())
    }

    /// A person is not troubled with a reversal that was carried out, when the report shows that it was.
    fn check_set_aside(&self, entry: &ReversalRecord) -> Check {
        let id = &entry.operation.id;
        let was = self.records.get(id);
        let was = was.is_some_and(|old| matches!(old, Record::Entry(old) if old.set_aside));
        if was || !entry.set_aside || entry.reversal != ReversalProgress::NotSent {
            return Ok(());
        }
        // Of what the disk has forgotten nobody knows that it left.
        let of = entry.operation.of.as_ref();
        if [Some(id), of]
            .into_iter()
            .flatten()
            .any(|id| self.forgotten.contains(id))
        {
            return Ok(());
        }
        let numbers = entry.order_numbers();
        // The answer that decided it came before a write that may have failed for a while.
        let asked_at = self.real.saturating_sub(MAX_WRITE_DELAY);
        let mut reported = self.service.reported(asked_at).into_iter();
        let carried_out = reported.any(|info| {
            numbers.contains(&info.order_number)
                && info.sum == entry.operation.amount
                && info.status == PaymentStatus::Ok
        });
        if carried_out {
            return Err(format!(
                "{id} is set aside, and the report shows it carried out"
            ));
        }
        Ok(())
    }

    /// A sale that ended without `done` while the service has its payment is being undone, or its number
    /// is asked for again.
    pub(crate) fn check_end(&self, id: &str) -> Check {
        let Some(Record::Sale(sale)) = self.records.get(id) else {
            return Ok(());
        };
        let operation = &sale.operation;
        let lives = |payment: &crate::service::Payment| {
            payment.info.order_number == operation.order_number
                && payment.target.is_none()
                && !payment.info.status.took_nothing()
        };
        let there = self.service.ledger.values().any(lives);
        if operation.state == State::Failed && !sale.payment_sent && !self.troubled {
            return Err(format!("{id} failed, although nothing went wrong"));
        }
        let rejected = operation.error.as_ref();
        let rejected = rejected.is_some_and(|error| error.code == ErrorCode::ServiceRejected);
        if rejected
            && sale.payment_sent
            && operation.undo.is_none()
            && !self.refused.contains(&operation.order_number)
        {
            return Err(format!(
                "{id} was reported as refused, and nobody has refused it"
            ));
        }
        if operation.state == State::Done || !there {
            return Ok(());
        }
        let cared_for = self.records.values().any(|record| match record {
            Record::Entry(entry) => {
                entry.operation.of.as_deref() == Some(id)
                    && (entry.is_live() || !entry.rechecks.is_empty())
            }
            Record::Sale(_) => false,
        });
        if cared_for || operation.undo == Some(Undo::Done) {
            return Ok(());
        }
        Err(format!(
            "{id} ended {:?} while the service has its payment, and nothing asks for it",
            operation.state
        ))
    }

    /// Whether the cashier still waits for the payment of that number.
    pub(crate) fn waits_for(&self, order_number: &str) -> bool {
        self.records.values().any(|record| {
            matches!(record, Record::Sale(sale)
                if sale.operation.order_number == *order_number
                    && sale.ending.is_none()
                    && !sale.operation.state.is_final())
        })
    }

    /// The buyer has paid in time, over a connection that lives: the sale is done.
    pub(crate) fn check_held(&self, order_number: &str) -> Check {
        let waits = self.waits_for(order_number);
        let done = self.records.values().any(|record| {
            let operation = record.operation();
            operation.order_number == *order_number && operation.state == State::Done
        });
        if done {
            return Ok(());
        }
        Err(format!(
            "by the held answer {order_number} is paid, and its sale is not done (waits: {waits})"
        ))
    }

    /// Two questions for one payment, or for one session, are never closer than the rule.
    pub(crate) fn check_pace(&mut self, call: &Call) -> Check {
        let pause = match call {
            Call::ConsumerStatus { .. } => self.settings.poll_session,
            _ => self.settings.poll_payment,
        };
        for key in self.asked_for(call) {
            let now = self.now.mono;
            let gap = match self.asked.insert(key.clone(), (now, None)) {
                Some((_, Some(ended))) => now - ended,
                // One that hangs for longer than a request may take is waited for no more.
                Some((left, None)) => (now - left).saturating_sub(self.settings.timeout),
                None => continue,
            };
            if gap < pause {
                return Err(format!("{key} is asked for again after {gap:?}"));
            }
        }
        Ok(())
    }

    /// A question ended; one that never left counts for nothing.
    pub(crate) fn note_asked(&mut self, call: &Call, answer: &Answer) {
        for key in self.asked_for(call) {
            if matches!(answer, Err(Failure::NotSent { .. })) {
                self.asked.remove(&key);
            } else if let Some((_, ended)) = self.asked.get_mut(&key) {
                *ended = Some(self.now.mono);
            }
        }
    }

    /// Whose status a call asks for.
    fn asked_for(&self, call: &Call) -> Vec<String> {
        match call {
            Call::ConsumerStatus { session } => vec![session.clone()],
            Call::Payment { payment_id } => {
                let known = self.service.ledger.get(payment_id);
                let foreign = self.elsewhere == Some(*payment_id);
                let number = known.filter(|_| !foreign);
                let number = number.map(|payment| payment.info.order_number.clone());
                vec![number.unwrap_or_else(|| format!("payment {payment_id}"))]
            }
            Call::LookUp { order_numbers, .. } => order_numbers.clone(),
            Call::OpenSession(_) | Call::Pay { .. } | Call::Reverse { .. } | Call::Probe { .. } => {
                Vec::new()
            }
        }
    }

    /// Whatever can move money was written before it leaves, and leaves as often as it may.
    pub(crate) fn check_request(&mut self, call: &Call) -> Check {
        match call {
            Call::Pay { order_number, .. } => {
                let intent = self.records.values().any(|record| {
                    matches!(record, Record::Sale(sale)
                        if sale.operation.order_number == *order_number
                            && sale.payment_sent && sale.ending.is_none()
                            && !sale.operation.state.is_final())
                });
                if !intent {
                    return Err("a payment leaves without its intent, or after an abort".into());
                }
                let owner = self.owner(order_number);
                self.numbers.insert(order_number.clone(), owner.clone());
                let sent = self.pays.entry(owner).or_default();
                *sent += 1;
                if *sent > 1 {
                    return Err(format!("a second POST payments: {order_number}"));
                }
            }
            Call::Reverse { order_number, .. } => {
                let intent = self.records.values().find_map(|record| match record {
                    Record::Entry(entry)
                        if entry.operation.order_number == *order_number
                            // What repeats it has its number, too.
                            && entry.is_live()
                            && entry.reversal == ReversalProgress::Sent =>
                    {
                        Some(entry)
                    }
                    Record::Entry(_) | Record::Sale(_) => None,
                });
                let Some(entry) = intent else {
                    return Err("a reversal leaves without its intent".into());
                };
                // Of what the disk has forgotten the process cannot know; a second reversal of a whole is refused.
                let is_lost = |id: &String| self.forgotten.contains(id);
                let is_forgotten = is_lost(&entry.operation.id)
                    || self.numbers.get(order_number).is_some_and(is_lost);
                let is_forgotten = is_forgotten && !entry.is_refund();
                if self.may_arrive(order_number) && !is_forgotten {
                    return Err(format!("reversal {order_number} is repeated too early"));
                }
                self.check_sum(entry)?;
                let (id, is_refund) = (entry.operation.id.clone(), entry.is_refund());
                self.numbers.insert(order_number.clone(), id.clone());
                if is_refund {
                    let sent = self.refunds_sent.entry(id.clone()).or_default();
                    *sent += 1;
                    if *sent > 1 {
                        return Err(format!("refund {id} leaves a second time"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The reversals of an operation together never exceed its sum.
    fn check_sum(&self, entry: &ReversalRecord) -> Check {
        let target = entry.operation.of.as_ref();
        let whole = match (target, entry.target.payment_id) {
            (Some(of), _) => self
                .records
                .get(of)
                .map(|record| record.operation().amount.0),
            // Of another till's payment only the service knows the sum, and an answer of it may be
            // wrong by a kopeck; it refuses to give back more than there is.
            (None, Some(id)) => match self.service.ledger.get(&id) {
                Some(paid) => Some(paid.info.sum.0 + 1),
                // It moves nothing of a payment that it does not know.
                None => return Ok(()),
            },
            (None, None) => None,
        };
        let Some(whole) = whole else {
            return Err(format!("{} reverses nothing", entry.operation.id));
        };
        let counts = |other: &&ReversalRecord| {
            let denied = other.set_aside && other.reversal == ReversalProgress::NotSent;
            let undone = other.operation.undo == Some(Undo::Done) && other.is_refund();
            // A refund that ended as failed may have reached the buyer, or is known to have.
            let may_be_given = other.is_refund()
                && (other.left_held_until.is_some()
                    || matches!(other.reversal, ReversalProgress::Known(_))
                        && other.settled.is_none());
            let ended = matches!(other.operation.state, State::Failed | State::Cancelled);
            let over = ended && !may_be_given;
            let same = other.operation.of == entry.operation.of
                && (target.is_some() || other.target.payment_id == entry.target.payment_id);
            // What an undoing of the daemon's own takes up goes on under the same number: it is one reversal.
            let taken_up = other.operation.order_number == entry.operation.order_number;
            // One that found nothing to undo has taken nothing.
            let in_vain = !other.is_refund()
                && other.operation.state == State::Done
                && other.reversal == ReversalProgress::NotSent
                && other.settled.is_none();
            same && !(denied || undone || over || taken_up || in_vain)
        };
        let others: i64 = self
            .records
            .values()
            .filter_map(|record| match record {
                Record::Entry(entry) => Some(entry.as_ref()),
                Record::Sale(_) => None,
            })
            .filter(counts)
            .map(|other| other.operation.amount.0)
            .sum();
        if others + entry.operation.amount.0 > whole {
            return Err(format!(
                "{} asks for more of {target:?} than is left",
                entry.operation.id
            ));
        }
        Ok(())
    }

    /// Nothing is sent to another till's account.
    pub(crate) fn check_account(&self, operation: &str) -> Check {
        match self.records.get(operation) {
            Some(record) if Some(record.account()) != self.settings.account.as_ref() => Err(
                format!("a request of {operation} goes to another till's account"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// What is replied to the till is durable.
    pub(crate) fn check_reply(&self, operation: &Operation) -> Check {
        let kept = self.records.get(&operation.id).map(Record::operation);
        if kept == Some(operation) {
            return Ok(());
        }
        Err(format!(
            "the till got {operation:?}, but the journal holds {kept:?}"
        ))
    }

    /// The sale that an order number belongs to; another number of the same sale is a second payment.
    pub(crate) fn owner(&self, order_number: &str) -> String {
        self.records
            .values()
            .map(Record::operation)
            .find(|operation| operation.order_number == *order_number)
            .map_or_else(|| order_number.to_owned(), |operation| operation.id.clone())
    }

    /// Refused cancellations of an operation that wait for a person.
    fn waiting(&self, of: &str) -> usize {
        let is_one = |record: &&Record| {
            matches!(record, Record::Entry(entry)
                if entry.operation.of.as_deref() == Some(of)
                    && entry.set_aside
                    && entry.is_live()
                    && !entry.is_refund()
                    && entry.reversal == ReversalProgress::NotSent)
        };
        self.records.values().filter(is_one).count()
    }

    /// After every step: every undecided operation has exactly one live entry, and the core knows as
    /// many as the journal.
    pub fn check_step(&self) -> Check {
        let mut undoings: BTreeMap<&str, usize> = BTreeMap::new();
        let mut blocking = 0;
        for record in self.records.values() {
            let Record::Entry(entry) = record else {
                continue;
            };
            blocking += usize::from(entry.is_live() && !entry.set_aside);
            if let Some(of) = &entry.operation.of
                && entry.is_live()
                && !entry.is_refund()
            {
                *undoings.entry(of).or_default() += 1;
            }
        }
        let depth = self.core().status(self.now).queue_depth;
        if depth != blocking {
            return Err(format!(
                "the core has {depth} entries that block, the journal {blocking}"
            ));
        }
        for record in self.records.values() {
            let operation = record.operation();
            let live = undoings.remove(operation.id.as_str()).unwrap_or_default();
            let target = matches!(operation.kind, Kind::Sale | Kind::Refund);
            let right = match operation.undo.filter(|_| target) {
                Some(Undo::Pending) => live == 1,
                Some(Undo::SetAside) if live == 0 => self.is_settled(&operation.id),
                Some(Undo::SetAside) => live == 1,
                // What a late cancellation has undone is undone, though another one waits for a person.
                Some(Undo::Done) => {
                    live == 0
                        || live == self.waiting(&operation.id)
                            && operation.left.is_none_or(|left| left.is_zero())
                }
                None => live == 0,
            };
            if !right {
                return Err(format!(
                    "{} has undo {:?} and {live} live entries",
                    operation.id, operation.undo
                ));
            }
        }
        match undoings.first_key_value() {
            Some((id, _)) => Err(format!("an entry undoes {id}, which is not there")),
            None => Ok(()),
        }
    }
}
