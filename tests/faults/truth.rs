//! The truth about money. When the trouble is over, people try again what is set aside, and then say what has happened
//! to the rest; after that every buyer has what is his, or the books show by name who owes what.
//!
//! Trouble that lasts for ever is not over then: of it nothing may block, and all of it is reported.

use std::time::Duration;

use oplati::core::call::{PaymentInfo, PaymentStatus};
use oplati::core::record::{Record, ReversalProgress, ReversalRecord, ReversalRequest};
use oplati::engine::Storage as _;
use oplati::model::operation::{Kind, Outcome, State, Undo};
use oplati::report::Difference;

use crate::plan::Endpoint;
use crate::tales::MINUTE;

use crate::world::{Check, World};

const HOUR: Duration = Duration::from_secs(3600);
/// What gets nowhere for an hour is set aside; the rest is what backoff and other entries take.
const MAX_BLOCKING: Duration = Duration::from_secs(2 * 3600);

impl World<'_> {
    /// The trouble that ends, ends; people do their part; the truth is looked at.
    pub fn quiesce(&mut self) -> Check {
        self.store.disarm();
        self.hand.borrow_mut().next.clear();
        self.hand.borrow_mut().fuse_kills = true;
        self.crash_before_effect = None;
        self.outage_until = Duration::ZERO;
        self.end_troubles();
        self.service.heal(self.real);
        self.answer_held()?;
        self.set_clock_right();
        self.advance(HOUR / 6)?;
        self.check_nothing_blocks()?;
        // What was called absent is asked for until an hour after it, and by each reconciliation.
        self.advance(2 * HOUR)?;
        self.reconcile()?;
        self.advance(HOUR)?;
        self.retry_all()?;
        self.check_nothing_blocks()?;
        self.check_retried()?;
        self.reconcile()?;
        self.advance(2 * HOUR)?;
        self.check_listed()?;
        self.settle_all()?;
        self.advance(HOUR)?;
        // A refund whose cancellation waited for a person is looked at only now.
        self.reconcile()?;
        self.advance(MINUTE)?;
        self.settle_all()?;
        self.check_peace()?;
        self.check_rest_can_be_had()
    }

    /// However ill the service is, after a while a sale could begin.
    fn check_nothing_blocks(&mut self) -> Check {
        self.live_until(MAX_BLOCKING, |world| {
            world.core().status(world.now).queue_depth == 0
        })?;
        let depth = self.core().status(self.now).queue_depth;
        if depth == 0 {
            return Ok(());
        }
        let entries = self.live_entries(|entry| !entry.set_aside);
        Err(format!("{entries:?} block sales for ever"))
    }

    /// Whether a part of the service is broken in a way that ends never.
    fn is_ill_for_ever(&self) -> bool {
        self.broken.is_some() || self.service.quirks.for_ever
    }

    /// Whether no report will ever show all that the service has done.
    pub(crate) fn is_blind_for_ever(&self) -> bool {
        let quirks = &self.service.quirks;
        let no_report = matches!(self.broken, Some((Endpoint::Report, _)));
        quirks.for_ever && (quirks.hides() || quirks.nameless_rows || no_report)
    }

    /// Whoever is answered `busy`, because a refund of the sale is in doubt, tries again when the rest has had its try.
    fn retry_all(&mut self) -> Check {
        let mut ids = self.live_entries(|entry| entry.set_aside);
        while !ids.is_empty() {
            let tried = ids.len();
            let mut busy = Vec::new();
            for id in ids {
                self.counts.note("tried again in peace");
                self.retry_with_patience(&id)?;
                if self.answered_busy.contains(&self.ticket) {
                    busy.push(id);
                }
            }
            ids = if busy.len() < tried { busy } else { Vec::new() };
        }
        self.advance(HOUR)
    }

    fn retry_with_patience(&mut self, id: &str) -> Check {
        self.retry(id)?;
        self.advance(Duration::from_secs(60))?;
        // The try may find what a forgotten one has come to, and a person then tries once more.
        let of = self.records.get(id).map(Record::operation);
        let of = of.and_then(|operation| operation.of.clone());
        if self.forgotten.contains(id) || of.is_some_and(|of| self.forgotten.contains(&of)) {
            self.retry(id)?;
            self.advance(Duration::from_secs(60))?;
        }
        Ok(())
    }

    /// What the service would carry out went through when it was tried again.
    fn check_retried(&self) -> Check {
        for id in self.live_entries(|entry| entry.set_aside) {
            let Some(Record::Entry(entry)) = self.records.get(&id) else {
                continue;
            };
            let is_barred = self.is_sale_undone(entry);
            if !self.is_ill_for_ever() && !is_barred && self.would_be_carried_out(entry) {
                let why = entry.last_error.clone().unwrap_or_default();
                return Err(format!(
                    "{id} is set aside after another try, and the service would carry it out ({why})"
                ));
            }
        }
        Ok(())
    }

    /// Whether the sale of a refund that was to be cancelled has been undone since: the buyer has all that he
    /// paid, and what was refunded stays with him.
    fn is_sale_undone(&self, entry: &ReversalRecord) -> bool {
        let refund = entry
            .operation
            .of
            .as_ref()
            .and_then(|of| self.records.get(of));
        let sale = refund.and_then(|refund| self.records.get(refund.operation().of.as_ref()?));
        let undo = sale.and_then(|sale| sale.operation().undo);
        matches!(undo, Some(Undo::Pending | Undo::Done))
    }

    fn would_be_carried_out(&self, entry: &ReversalRecord) -> bool {
        let Some(target) = entry
            .target
            .payment_id
            .and_then(|id| self.service.ledger.get(&id))
        else {
            return !entry.is_refund();
        };
        let left = target.info.sum.0 - self.service.reversed(target.info.payment_id);
        // What was denied asks for all that is left by then, as far as the books know.
        let of = entry.operation.of.as_ref();
        let of = of
            .and_then(|of| self.records.get(of))
            .map(Record::operation);
        let is_denied = entry.reversal == ReversalProgress::NotSent && !entry.is_refund();
        let asked = of.and_then(|of| of.left).filter(|_| is_denied);
        let amount = asked.unwrap_or(entry.operation.amount).0;
        match target.info.status {
            // It must undo all that is left, or the rest could not be had afterwards.
            PaymentStatus::Ok if entry.is_refund() => amount <= left,
            PaymentStatus::Ok => amount > 0 && amount == left,
            status => status.took_nothing(),
        }
    }

    /// Everything that is not right is in the queue, for whoever looks there.
    fn check_listed(&self) -> Check {
        for id in self.live_entries(|_| true) {
            let listed = self.disk().find(&id).map_err(|error| error.to_string())?;
            let is_listed = matches!(&listed, Some(Record::Entry(entry))
                if entry.set_aside || !entry.is_attended());
            if !is_listed {
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

    /// With the trouble over: the queue is empty, and the money is where it was reported to the till.
    fn check_peace(&self) -> Check {
        let status = self.core().status(self.now);
        if status.queue_depth > 0 {
            return Err(format!(
                "{} entries never leave the queue",
                status.queue_depth
            ));
        }
        let differences = self.compare(self.ledger_rows()).differences;
        for record in self.every_record() {
            let operation = record.operation();
            if !operation.state.is_final() {
                return Err(format!("{} hangs in {:?}", operation.id, operation.state));
            }
            if operation.kind == Kind::Sale {
                self.check_money(operation, &differences)?;
            }
        }
        self.check_owners(&differences)?;
        self.check_copies()?;
        if let Some(payment_id) = self.elsewhere {
            self.check_elsewhere(payment_id)?;
        }
        self.check_reconciliation(&differences)
    }

    /// What the journal holds, and what it has removed since it was old.
    pub(crate) fn every_record(&self) -> impl Iterator<Item = &Record> {
        self.records.values().chain(self.purged.values())
    }

    /// Everything that the service has done.
    fn ledger_rows(&self) -> Vec<PaymentInfo> {
        let rows = self.service.ledger.values();
        rows.map(|payment| payment.info.clone()).collect()
    }

    /// Whatever was paid to this till is in its books, or a reconciliation shows it.
    fn check_owners(&self, differences: &[Difference]) -> Check {
        for row in self.service.ledger.values() {
            let is_paid = row.info.status == PaymentStatus::Ok && row.target.is_none();
            let Some(owner) = self.owner_of(row).filter(|_| is_paid) else {
                continue;
            };
            let is_difference = || {
                let mut all = differences.iter();
                all.any(|one| one.payment_id == Some(row.info.payment_id))
            };
            let is_known = self.records.contains_key(owner) || self.purged.contains_key(owner);
            if !is_known && self.kept(row) > 0 && !is_difference() {
                return Err(format!(
                    "{} was paid, no book knows of it, and no reconciliation shows it",
                    row.info.order_number
                ));
            }
        }
        Ok(())
    }

    /// Whatever a refund has given beyond itself counts off its sale, and a person has seen it.
    fn check_copies(&self) -> Check {
        for record in self.records.values() {
            let Record::Entry(entry) = record else {
                continue;
            };
            let is_seen = entry.settled.is_some() || self.is_blind_for_ever();
            if !entry.is_refund() || entry.operation.state != State::Done || is_seen {
                continue;
            }
            let further = self.service.ledger.values().find(|row| {
                row.info.order_number == entry.operation.order_number
                    && row.info.status == PaymentStatus::Ok
                    && entry.operation.payment_id != Some(row.info.payment_id)
            });
            if let Some(row) = further {
                return Err(format!(
                    "{} was given again as {}, and nobody has seen it",
                    entry.operation.id, row.info.payment_id
                ));
            }
        }
        Ok(())
    }

    /// Of another till's sale the buyer has back what was refunded and not cancelled.
    fn check_elsewhere(&self, payment_id: i64) -> Check {
        let back = self.service.reversed(payment_id);
        let (mut reported, mut open) = (0, false);
        for record in self.every_record() {
            let Record::Entry(entry) = record else {
                continue;
            };
            let operation = &entry.operation;
            if entry.is_refund() && entry.target.payment_id == Some(payment_id) {
                // As of a sale of our own (`undone_unseen`): reported as not found, to be looked for by hand.
                let is_unseen = self.is_blind_for_ever()
                    && operation.state == State::Failed
                    && self.outcome_of(entry) == Outcome::CarriedOut;
                let counts = operation.undo != Some(Undo::Done)
                    && (operation.state == State::Done || came_late(entry) || is_unseen);
                reported += if counts { operation.amount.0 } else { 0 };
                open |=
                    entry.is_live() || entry.settled.is_some() || self.is_settled(&operation.id);
            }
        }
        let rows = self.service.ledger.values();
        let mut beside =
            rows.filter(|row| row.target == Some(payment_id) && self.may_be_unknown(row));
        if back != reported && !open && beside.next().is_none() {
            return Err(format!(
                "{back} came back of another till's sale, {reported} was reported"
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

    /// A report of everything shows no difference but what a person closed or saw.
    fn check_reconciliation(&self, differences: &[Difference]) -> Check {
        for difference in differences.iter().filter(|_| !self.is_blind_for_ever()) {
            let known = difference.operation.as_ref();
            let record = known.and_then(|id| self.records.get(id));
            let record = record.or_else(|| self.once_sent(difference.payment_id));
            let row = difference
                .payment_id
                .and_then(|id| self.service.ledger.get(&id));
            let explained = record.is_some_and(|record| {
                let operation = record.operation();
                let settled = match record {
                    Record::Entry(entry) => {
                        entry.settled.is_some() || entry.is_live() || came_late(entry)
                    }
                    Record::Sale(_) => false,
                };
                let of = operation.of.as_deref().unwrap_or(&operation.id);
                settled || self.is_open(of) || self.is_settled(of) || self.is_settled(&operation.id)
            });
            let owner = row.and_then(|row| self.owner_of(row));
            let is_old = owner.is_some_and(|owner| self.purged.contains_key(owner));
            if !explained && !is_old && !row.is_some_and(|row| self.may_be_unknown(row)) {
                return Err(format!("the report shows {difference:?}"));
            }
        }
        Ok(())
    }

    /// What is left of a sale can be had: a refund of it is accepted and carried out.
    fn check_rest_can_be_had(&mut self) -> Check {
        let quirks = &self.service.quirks;
        let is_refused = self.core().status(self.now).clock_behind;
        if self.is_ill_for_ever() || quirks.spoils_reversals() || is_refused {
            return Ok(());
        }
        let sale = self.records.values().find(|record| {
            let operation = record.operation();
            operation.kind == Kind::Sale
                && operation.state == State::Done
                && operation.undo.is_none()
                && operation.left.is_some_and(|left| left.0 > 0)
                && !self.forgotten.contains(&operation.id)
                // A second copy of a refund has gone out as well, which a reconciliation names.
                && operation.left.is_some_and(|left| self.shop_has(&operation.id) >= left.0)
        });
        let Some((id, left)) = sale.map(|record| {
            let operation = record.operation();
            (
                operation.id.clone(),
                operation.left.map_or(0, |left| left.0),
            )
        }) else {
            return Ok(());
        };
        let whole = self.refund(&id, left)?;
        // It may wait for a probe first.
        self.live_until(HOUR, |world| {
            world.records.contains_key(&whole) && world.is_final(&whole)
        })?;
        if self.records.contains_key(&whole) {
            return self.check_given(&id, &whole);
        }
        // The same sum was reported as failed and given late: another such refund is made in two parts.
        for part in [left - 1, 1] {
            let refund = self.refund(&id, part)?;
            self.check_given(&id, &refund)?;
        }
        Ok(())
    }

    /// What the shop has of a sale.
    fn shop_has(&self, sale: &str) -> i64 {
        self.payments_of(sale)
            .map(|payment| self.kept(payment))
            .sum()
    }

    fn check_given(&mut self, id: &str, refund: &str) -> Check {
        self.live_until(HOUR, |world| world.is_final(refund))?;
        match self.records.get(refund).map(Record::operation) {
            Some(refund) if refund.state == State::Done => Ok(()),
            Some(refund) => Err(format!(
                "the rest of {id} cannot be had: {:?}",
                refund.error
            )),
            None => Err(format!("a refund of the rest of {id} is not accepted")),
        }
    }
}

/// The reversal was reported to the till as failed, and later as made all the same.
fn came_late(entry: &ReversalRecord) -> bool {
    entry.request != ReversalRequest::Own
        && entry.operation.state == State::Failed
        && matches!(entry.reversal, ReversalProgress::Known(_))
}
