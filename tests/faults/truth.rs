//! The truth about money. When the trouble is over, people try again what is set aside, and then say what has
//! happened to the rest; after that every buyer has what is his, or the books say by name who owes what.
//!
//! Trouble that lasts for ever is not over then: of it nothing may block, and all of it is told.

use std::time::Duration;

use oplati::core::record::{EntryRecord, Record, Reversal};
use oplati::operation::{Kind, Operation, State, Undo};
use oplati::report::{Difference, What};
use oplati::service::call::{PaymentInfo, PaymentStatus};

use crate::known::is_known;
use crate::service::Payment;
use crate::world::{Check, Outcome, World};

const HOUR: Duration = Duration::from_secs(3600);
/// What gets nowhere for an hour is set aside; the rest is what backoff and other entries take.
const MAX_BLOCKING: Duration = Duration::from_secs(2 * 3600);

impl World<'_> {
    /// The trouble that ends, ends; people do their part; the truth is looked at.
    pub fn find_peace(&mut self) -> Check {
        self.store.disarm();
        self.fuse_kills = true;
        self.disk.clear();
        self.crash_before_effect = None;
        self.outage_until = Duration::ZERO;
        self.end_troubles();
        self.service.heal(self.real);
        self.answer_held()?;
        if !is_known("B3") {
            self.set_clock_right();
        }
        self.live_on(HOUR / 6)?;
        self.check_nothing_blocks()?;
        // What was called absent is asked for until an hour after it, and by each reconciliation.
        self.live_on(2 * HOUR)?;
        self.reconcile()?;
        self.live_on(HOUR)?;
        self.retry_all()?;
        self.check_nothing_blocks()?;
        self.check_retried()?;
        self.reconcile()?;
        self.live_on(2 * HOUR)?;
        self.check_listed()?;
        self.settle_all()?;
        self.live_on(HOUR)?;
        self.check_peace()?;
        self.check_rest_can_be_had()
    }

    /// However ill the service is, after a while a sale could begin.
    fn check_nothing_blocks(&mut self) -> Check {
        self.live_until(MAX_BLOCKING, |world| world.core.status(world.now).queue_depth == 0)?;
        let depth = self.core.status(self.now).queue_depth;
        let is_ill = self.is_ill_for_ever();
        if depth == 0 || is_ill && (is_known("B1") || is_known("B2") || is_known("B4")) {
            return Ok(());
        }
        let entries = self.live_entries(|entry| !entry.set_aside);
        Err(format!("{entries:?} block sales for ever"))
    }

    /// Whether a part of the service is broken in a way that ends never.
    fn is_ill_for_ever(&self) -> bool {
        self.broken.is_some() || self.service.quirks.for_ever
    }

    fn retry_all(&mut self) -> Check {
        for id in self.live_entries(|entry| entry.set_aside) {
            self.counts.note("tried again in peace");
            self.retry(&id)?;
            self.live_on(Duration::from_secs(60))?;
        }
        self.live_on(HOUR)
    }

    /// What the service would carry out went through when it was tried again.
    fn check_retried(&self) -> Check {
        for id in self.live_entries(|entry| entry.set_aside) {
            let Some(Record::Entry(entry)) = self.records.get(&id) else {
                continue;
            };
            if !self.is_ill_for_ever() && self.would_be_carried_out(entry) {
                let why = entry.last_error.clone().unwrap_or_default();
                return Err(format!(
                    "{id} is set aside after another try, and the service would carry it out ({why})"
                ));
            }
        }
        Ok(())
    }

    fn would_be_carried_out(&self, entry: &EntryRecord) -> bool {
        let Some(target) = entry.target.payment_id.and_then(|id| self.service.ledger.get(&id))
        else {
            return !entry.is_refund();
        };
        let left = target.info.sum.0 - self.service.reversed(target.info.payment_id);
        let amount = entry.operation.amount.0;
        match target.info.status {
            // It must undo all that is left, or the rest could not be had afterwards.
            PaymentStatus::Ok if entry.is_refund() => amount <= left,
            PaymentStatus::Ok => amount == left,
            status => status.took_nothing(),
        }
    }

    /// Everything that is not right is told: in the queue, to whoever looks there.
    fn check_listed(&self) -> Check {
        for id in self.live_entries(|_| true) {
            let listed = self.journal.find(&id).map_err(|error| error.to_string())?;
            let is_listed = matches!(&listed, Some(Record::Entry(entry))
                if entry.set_aside || !entry.is_attended());
            if !is_listed && !is_known("B7") {
                return Err(format!("{id} is not over, and the queue does not show it"));
            }
        }
        Ok(())
    }

    pub(crate) fn is_settled(&self, id: &str) -> bool {
        let mut settled = self.settled_as.keys();
        settled.any(|entry| {
            let of = self.records.get(entry);
            let of = of.and_then(|record| record.operation().of.as_deref());
            of == Some(id)
        })
    }

    /// Whether an entry of a sale, or of a refund of it, was settled while settling could not say what has
    /// happened.
    fn is_settled_blindly(&self, sale: &str) -> bool {
        let of_sale = |record: &&Record| record.operation().of.as_deref() == Some(sale);
        let mut reversals = self.records.values().filter(of_sale);
        is_known("C2")
            && (self.is_settled(sale)
                || reversals.any(|record| self.is_settled(&record.operation().id)))
    }

    /// With the trouble over: the queue is empty, and the money is where the till was told.
    fn check_peace(&self) -> Check {
        let status = self.core.status(self.now);
        if status.queue_depth > 0 && !self.is_ill_for_ever() {
            return Err(format!(
                "{} entries never leave the queue",
                status.queue_depth
            ));
        }
        let differences = self.compare(self.ledger_rows()).differences;
        for record in self.records.values() {
            let operation = record.operation();
            if !operation.state.is_final() && !self.is_ill_for_ever() {
                return Err(format!("{} hangs in {:?}", operation.id, operation.state));
            }
            if operation.kind == Kind::Sale {
                self.check_money(operation, &differences)?;
            }
        }
        self.check_owners(&differences)?;
        if let Some(payment_id) = self.elsewhere {
            self.check_elsewhere(payment_id)?;
        }
        self.check_reconciliation(&differences)
    }

    /// Everything that the service has done.
    fn ledger_rows(&self) -> Vec<PaymentInfo> {
        let rows = self.service.ledger.values();
        rows.map(|payment| payment.info.clone()).collect()
    }

    /// What the buyer has paid of a sale and not got back is what the books say.
    fn check_money(&self, sale: &Operation, differences: &[Difference]) -> Check {
        if self.is_settled_blindly(&sale.id) || self.is_open(&sale.id) {
            return Ok(());
        }
        let paid: i64 = self.payments_of(&sale.id).map(|payment| self.kept(payment)).sum();
        let books = self.books(sale) + self.told_beside(&sale.id, differences);
        if paid == books {
            return Ok(());
        }
        Err(format!(
            "{} is {:?} with undo {:?} and {:?} left, which makes {books}, but the buyer has paid {paid}",
            sale.id, sale.state, sale.undo, sale.left
        ))
    }

    /// Whether a reversal of it is under way for ever: only then it may be open in peace.
    fn is_open(&self, sale: &str) -> bool {
        let is_of = |entry: &EntryRecord, id: &str| entry.operation.of.as_deref() == Some(id);
        let live = self.live_entries(|entry| {
            let of = entry.operation.of.as_deref().and_then(|of| self.records.get(of));
            is_of(entry, sale)
                || of.is_some_and(|of| of.operation().of.as_deref() == Some(sale))
                || self.numbers.get(&entry.target.order_number).is_some_and(|of| of == sale)
        });
        !live.is_empty()
    }

    fn kept(&self, payment: &Payment) -> i64 {
        payment.info.sum.0 - self.service.reversed(payment.info.payment_id)
    }

    /// Every payment that took money under a number of that sale.
    fn payments_of<'a>(&'a self, sale: &'a str) -> impl Iterator<Item = &'a Payment> {
        let own = self.numbers.iter().filter(move |(_, owner)| *owner == sale);
        own.flat_map(|(number, _)| self.service.paid_under(number))
    }

    /// What the records say that the shop has of a sale: its own, or what it owes by name.
    fn books(&self, sale: &Operation) -> i64 {
        let has_paid = sale.state == State::Done && sale.undo != Some(Undo::Done);
        if has_paid {
            return sale.left.map_or(0, |left| left.0) + self.owed(&sale.id, true);
        }
        self.owed(&sale.id, false)
    }

    /// What a person has left as it was, of money that was to go back to the buyer: of the sale's own payment
    /// while it counts as not paid, and of second payments.
    fn owed(&self, sale: &str, second_only: bool) -> i64 {
        let entries = self.records.values().filter_map(|record| match record {
            Record::Entry(entry) if !entry.is_refund() => Some(entry.as_ref()),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let owes = entries.filter(|entry| {
            let of = entry.operation.of.as_deref();
            let is_second = of.is_none()
                && self.numbers.get(&entry.target.order_number).is_some_and(|of| of == sale);
            let is_left = self.settled_as.get(&entry.operation.id) == Some(&Outcome::NotCarriedOut);
            is_left && (is_second || of == Some(sale) && !second_only)
        });
        owes.map(|entry| entry.operation.amount.0).sum()
    }

    /// What a reconciliation tells of a sale beside its records: rows that a second delivery has made, or
    /// whose records the disk has lost.
    fn told_beside(&self, sale: &str, differences: &[Difference]) -> i64 {
        let unknown = differences.iter().filter(|one| one.what == What::UnknownHere);
        let rows = unknown.filter_map(|one| self.service.ledger.get(&one.payment_id?));
        rows.filter(|row| self.may_be_unknown(row))
            .map(|row| match row.target {
                None if self.owner_of(row) == Some(sale) => row.info.sum.0 - self.known_back(row),
                Some(target) => match self.service.ledger.get(&target) {
                    Some(payment) if self.owner_of(payment) == Some(sale) => -row.info.sum.0,
                    Some(_) | None => 0,
                },
                None => 0,
            })
            .sum()
    }

    /// What came back of a payment through requests that the books know.
    fn known_back(&self, row: &Payment) -> i64 {
        self.service.reversed(row.info.payment_id)
    }

    fn owner_of(&self, row: &Payment) -> Option<&str> {
        let owner = self.numbers.get(&row.info.order_number);
        owner.map(String::as_str)
    }

    /// A copy of a request, or one whose record the disk has lost.
    fn may_be_unknown(&self, row: &Payment) -> bool {
        let is_copied = self.service.copies.contains(&row.info.payment_id)
            || self.service.copies.iter().any(|copy| {
                let copy = self.service.ledger.get(copy);
                copy.is_some_and(|copy| copy.info.order_number == row.info.order_number)
            });
        let is_forgotten = self.owner_of(row).is_some_and(|owner| self.forgotten.contains(owner));
        is_copied || is_forgotten
    }

    /// Whatever was paid to this till is in its books, or a reconciliation tells of it.
    fn check_owners(&self, differences: &[Difference]) -> Check {
        for row in self.service.ledger.values() {
            let is_paid = row.info.status == PaymentStatus::Ok && row.target.is_none();
            let Some(owner) = self.owner_of(row).filter(|_| is_paid) else {
                continue;
            };
            let is_told = || {
                let mut told = differences.iter();
                told.any(|one| one.payment_id == Some(row.info.payment_id))
            };
            if !self.records.contains_key(owner) && self.kept(row) > 0 && !is_told() {
                return Err(format!(
                    "{} was paid, no book knows of it, and no reconciliation tells",
                    row.info.order_number
                ));
            }
        }
        Ok(())
    }

    /// Of another till's sale the buyer has back what was refunded and not cancelled.
    fn check_elsewhere(&self, payment_id: i64) -> Check {
        let back = self.service.reversed(payment_id);
        let (mut told, mut open) = (0, false);
        for record in self.records.values() {
            let Record::Entry(entry) = record else {
                continue;
            };
            let operation = &entry.operation;
            if entry.is_refund() && entry.target.payment_id == Some(payment_id) {
                let counts = operation.undo != Some(Undo::Done)
                    && (operation.state == State::Done || came_late(entry));
                told += if counts { operation.amount.0 } else { 0 };
                open |= entry.is_live() || entry.settled.is_some() || self.is_settled(&operation.id);
            }
        }
        let rows = self.service.ledger.values();
        let mut beside = rows.filter(|row| row.target == Some(payment_id) && self.may_be_unknown(row));
        if back != told && !open && beside.next().is_none() {
            return Err(format!(
                "{back} came back of another till's sale, {told} was told"
            ));
        }
        Ok(())
    }

    /// The entry that sent it under a number of its own that was denied since.
    fn once_sent(&self, payment_id: Option<i64>) -> Option<&Record> {
        let order = &self.service.ledger.get(&payment_id?)?.info.order_number;
        self.records.values().find(|record| match record {
            Record::Entry(entry) => entry.earlier.contains(order),
            Record::Sale(_) => false,
        })
    }

    /// A report of everything shows no difference but what a person closed or was told of.
    fn check_reconciliation(&self, differences: &[Difference]) -> Check {
        for difference in differences {
            let known = difference.operation.as_ref();
            let record = known.and_then(|id| self.records.get(id));
            let record = record.or_else(|| self.once_sent(difference.payment_id));
            let row = difference.payment_id.and_then(|id| self.service.ledger.get(&id));
            let explained = record.is_some_and(|record| {
                let operation = record.operation();
                let settled = match record {
                    Record::Entry(entry) => entry.settled.is_some() || entry.is_live() || came_late(entry),
                    Record::Sale(_) => false,
                };
                let of = operation.of.as_deref().unwrap_or(&operation.id);
                settled || self.is_open(of) || self.is_settled(of) || self.is_settled(&operation.id)
            });
            if !explained && !row.is_some_and(|row| self.may_be_unknown(row)) {
                return Err(format!("the report shows {difference:?}"));
            }
        }
        Ok(())
    }

    /// What is left of a sale can be had: a refund of it is accepted and carried out.
    fn check_rest_can_be_had(&mut self) -> Check {
        let quirks = &self.service.quirks;
        if self.is_ill_for_ever() || quirks.spoils_reversals() || is_known("C3") && is_known("C4") {
            return Ok(());
        }
        let sale = self.records.values().find(|record| {
            let operation = record.operation();
            operation.kind == Kind::Sale
                && operation.state == State::Done
                && operation.undo.is_none()
                && operation.left.is_some_and(|left| left.0 > 0)
                && !self.is_settled_blindly(&operation.id)
        });
        let Some((id, left)) = sale.map(|record| {
            let operation = record.operation();
            (operation.id.clone(), operation.left.map_or(0, |left| left.0))
        }) else {
            return Ok(());
        };
        let refund = self.refund(&id, left)?;
        self.live_until(HOUR, |world| world.is_final(&refund))?;
        match self.records.get(&refund).map(Record::operation) {
            Some(refund) if refund.state == State::Done => Ok(()),
            Some(refund) => Err(format!("the rest of {id} cannot be had: {:?}", refund.error)),
            None => Err(format!("a refund of the rest of {id} is not accepted")),
        }
    }
}

/// The till was told that the refund failed, and later that it was made all the same.
fn came_late(entry: &EntryRecord) -> bool {
    entry.is_refund()
        && entry.operation.state == State::Failed
        && matches!(entry.reversal, Reversal::Known(_))
}
