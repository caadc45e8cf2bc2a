//! What the books show of each buyer's money: the records, what a person has left as it was, and what a reconciliation
//! shows beside both.

use std::collections::{BTreeMap, BTreeSet};

use oplati::core::call::PaymentStatus;
use oplati::core::record::{Record, ReversalProgress, ReversalRecord};
use oplati::model::operation::{Kind, Operation, Outcome, State, Undo};
use oplati::report::{Difference, What};

use crate::service::{BY_HAND, Payment};
use crate::world::{Check, World};

impl World<'_> {
    /// What the buyer has paid of a sale and not got back is what the books show.
    pub(crate) fn check_money(&self, sale: &Operation, differences: &[Difference]) -> Check {
        let paid: i64 = self
            .payments_of(&sale.id)
            .map(|payment| self.kept(payment))
            .sum();
        let records = self.books(sale);
        if paid == records {
            return Ok(());
        }
        let books = records
            + self.reported_beside(&sale.id, differences)
            + self.all_unseen(&sale.id, differences);
        if paid == books {
            return Ok(());
        }
        Err(format!(
            "{} is {:?} with undo {:?} and {:?} left, which makes {books}, but the buyer has paid {paid}",
            sale.id, sale.state, sale.undo, sale.left
        ))
    }

    /// Whether a reversal of it is under way for ever: only then it may be open in peace.
    pub(crate) fn is_open(&self, sale: &str) -> bool {
        let is_of = |entry: &ReversalRecord, id: &str| entry.operation.of.as_deref() == Some(id);
        let live = self.live_entries(|entry| {
            let of = entry
                .operation
                .of
                .as_deref()
                .and_then(|of| self.records.get(of));
            is_of(entry, sale)
                || of.is_some_and(|of| of.operation().of.as_deref() == Some(sale))
                || self
                    .numbers
                    .get(&entry.target.order_number)
                    .is_some_and(|of| of == sale)
        });
        !live.is_empty()
    }

    pub(crate) fn kept(&self, payment: &Payment) -> i64 {
        payment.info.sum.0 - self.service.reversed(payment.info.payment_id)
    }

    /// Every payment that took money under a number of that sale.
    pub(crate) fn payments_of<'a>(&'a self, sale: &'a str) -> impl Iterator<Item = &'a Payment> {
        let own = self.numbers.iter().filter(move |(_, owner)| *owner == sale);
        own.flat_map(|(number, _)| self.service.paid_under(number))
    }

    /// What the shop has of a sale by the records: its own, or what it owes by name.
    fn books(&self, sale: &Operation) -> i64 {
        let has_paid = sale.state == State::Done && sale.undo != Some(Undo::Done);
        let left = sale.left.filter(|_| has_paid);
        let left = left.map_or(0, |left| left.0 - sale.overdrawn.0);
        // A sale that was undone as a whole holds nothing more for a refund.
        let held = if sale.undo == Some(Undo::Done) {
            0
        } else {
            self.held(&sale.id)
        };
        left + held + self.owed(sale)
    }

    /// What refunds hold of a sale that ended as failed, and of which nobody can say more yet.
    fn held(&self, sale: &str) -> i64 {
        let refunds = self.every_record().filter_map(|record| match record {
            Record::Entry(entry) if entry.operation.of.as_deref() == Some(sale) => Some(entry),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let holds = refunds.filter(|entry| {
            entry.left_held_until.is_some() && self.outcome_of(entry) == Outcome::NotCarriedOut
        });
        holds.map(|entry| entry.operation.amount.0).sum()
    }

    /// What a person has left as it was, of money that was to go back to the buyer: of the sale's own payment
    /// while it counts as not paid, and of second payments.
    fn owed(&self, sale: &Operation) -> i64 {
        let is_not_paid = sale.state != State::Done && sale.undo == Some(Undo::SetAside);
        let entries = self.every_record().filter_map(|record| match record {
            Record::Entry(entry) if !entry.is_refund() => Some(entry.as_ref()),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let is_left = |entry: &&ReversalRecord| {
            self.settled_as.get(&entry.operation.id) == Some(&Outcome::NotCarriedOut)
        };
        let (mut own, mut second) = (0, BTreeMap::new());
        for entry in entries.filter(is_left) {
            // Who looks into the merchant's account for a number sees every payment under it.
            let under_number = self.service.paid_under(&entry.target.order_number);
            let amount = match entry.target.payment_id {
                Some(_) => entry.operation.amount.0,
                None => under_number.map(|payment| self.kept(payment)).sum(),
            };
            match &entry.operation.of {
                // Tried again, it owes the same money.
                Some(of) if *of == sale.id && is_not_paid => own = own.max(amount),
                None if self.numbers.get(&entry.target.order_number) == Some(&sale.id) => {
                    second.insert(entry.target.payment_id, amount);
                }
                Some(_) | None => {}
            }
        }
        own + second.into_values().sum::<i64>()
    }

    /// What a reconciliation shows of a sale beside its records: rows that a second delivery has made, or whose records
    /// the disk has lost.
    fn reported_beside(&self, sale: &str, differences: &[Difference]) -> i64 {
        // A row on which a record stood that was removed since it was old is counted already.
        let purged_as = |row: &Payment| {
            let mut purged = self.purged.values().map(Record::operation);
            purged.find(|operation| operation.payment_id == Some(row.info.payment_id))
        };
        let is_old = |row: &Payment| purged_as(row).is_some();
        // One that was not paid then, and is since, is shown by nothing else.
        let is_paid_since = |row: &Payment| {
            purged_as(row).is_some_and(|operation| {
                operation.kind == Kind::Sale && operation.state != State::Done
            })
        };
        let rows: Vec<&Payment> = differences
            .iter()
            .filter(|one| one.what == What::UnknownHere)
            .filter_map(|one| self.service.ledger.get(&one.payment_id?))
            .filter(|row| is_paid_since(row) || self.may_be_unknown(row) && !is_old(row))
            .collect();
        let is_reported = |row: &&Payment| {
            row.target.is_none() && self.owner_of(row) == Some(sale) && !self.is_being_undone(row)
        };
        let payments: Vec<&Payment> = rows.iter().copied().filter(is_reported).collect();
        let kept: i64 = payments.iter().map(|payment| self.kept(payment)).sum();
        // What is kept of a payment is without its reversals already.
        let unseen = self.sought_in_vain(sale, differences);
        let unseen = unseen.flat_map(|entry| self.service.paid_under(&entry.target.order_number));
        let counted = payments.iter().copied().chain(unseen);
        let counted: BTreeSet<i64> = counted.map(|payment| payment.info.payment_id).collect();
        let is_counted = |row: &Payment| {
            let payment = self.payment_behind(row);
            payment.is_some_and(|id| counted.contains(&id))
        };
        // Nor does one that a person has said is carried out, unless its entry is known by another number of the
        // service. An own undoing of another payment may have its identifier after the disk has lost it. Of several
        // rows under its number it names one, which the reconciliation does not name beside the others.
        let is_first_of_all = |row: &Payment| {
            let number = &row.info.order_number;
            let all = self.service.ledger.values().filter(|one| {
                one.info.order_number == *number && one.info.status == PaymentStatus::Ok
            });
            let named = rows.iter().filter(|one| one.info.order_number == *number);
            let mut numbers = named.clone().map(|one| one.info.payment_id);
            named.count() == all.count() && numbers.next() == Some(row.info.payment_id)
        };
        let is_said = |row: &Payment| {
            let owner = self.owner_of(row);
            is_first_of_all(row) && owner.is_some_and(|owner| {
                self.settled_as.get(owner) == Some(&Outcome::CarriedOut)
                    && matches!(self.records.get(owner), Some(Record::Entry(entry))
                        if entry.settled.is_some()
                            && entry.target.payment_id == row.target
                            && entry.operation.payment_id.is_none_or(|own| own == row.info.payment_id))
            })
        };
        let reversals = rows
            .iter()
            .filter(|row| row.target.is_some() && !is_said(row));
        let brought_back: i64 = reversals
            .filter(|row| !is_counted(row))
            .map(|row| self.brings_back(row, sale))
            .sum();
        kept + brought_back - self.forgotten_by_hand(sale)
    }

    /// The payment that a reversal, or the reversal of one, is of.
    fn payment_behind(&self, row: &Payment) -> Option<i64> {
        let reversed = row.target?;
        let of = self.service.ledger.get(&reversed);
        Some(of.and_then(|row| row.target).unwrap_or(reversed))
    }

    /// What a person has given back in the merchant's account, who knows it although the disk has forgotten
    /// that he said so.
    fn forgotten_by_hand(&self, sale: &str) -> i64 {
        if !self.forgotten.contains(sale) {
            return 0;
        }
        let is_said = |row: &&Payment| {
            self.every_record().any(|record| {
                matches!(record, Record::Entry(entry) if entry.target.payment_id == row.target)
                    && self.settled_as.get(&record.operation().id) == Some(&Outcome::CarriedOut)
            })
        };
        let rows = self.service.ledger.values();
        rows.filter(|row| row.info.order_number.starts_with(BY_HAND))
            .filter(|row| !is_said(row))
            .map(|row| -self.brings_back(row, sale))
            .sum()
    }

    /// What a reversal changes of what the shop has of a sale: less by one of its payment, more by one of a
    /// refund.
    fn brings_back(&self, row: &Payment, sale: &str) -> i64 {
        let of = |row: &Payment| row.target.and_then(|id| self.service.ledger.get(&id));
        let is_sale = |row: &Payment| row.target.is_none() && self.owner_of(row) == Some(sale);
        match of(row) {
            Some(payment) if is_sale(payment) => -row.info.sum.0,
            Some(refund) if of(refund).is_some_and(is_sale) => row.info.sum.0,
            Some(_) | None => 0,
        }
    }

    /// Whether an entry of ours is for that payment.
    fn is_being_undone(&self, row: &Payment) -> bool {
        let id = row.info.payment_id;
        self.every_record().any(
            |record| matches!(record, Record::Entry(entry) if entry.target.payment_id == Some(id)),
        )
    }

    /// What a service that hides its operations for ever has kept from the books: a refund or a payment was reported to
    /// the till as not found, to be looked for in the merchant's account.
    fn all_unseen(&self, sale: &str, differences: &[Difference]) -> i64 {
        if !self.is_blind_for_ever() {
            return 0;
        }
        self.changed_unseen(sale)
            + self.undone_unseen(sale, differences)
            + self.carried_out_unseen(sale)
    }

    /// What a cancellation has brought back under an earlier number, for another sum than its last try asked for:
    /// whoever closes it can only say whether the last one was carried out.
    fn carried_out_unseen(&self, sale: &str) -> i64 {
        let entries = self.every_record().filter_map(|record| match record {
            Record::Entry(entry) if entry.operation.of.as_deref() == Some(sale) => Some(entry),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let left = entries.filter(|entry| entry.outcome == Some(Outcome::NotCarriedOut));
        let rows = left.flat_map(|entry| {
            let rows = self.service.ledger.values();
            rows.filter(|row| {
                entry.earlier.contains(&row.info.order_number)
                    && row.info.sum != entry.operation.amount
                    && row.info.status == PaymentStatus::Ok
            })
        });
        rows.map(|row| -row.info.sum.0).sum()
    }

    /// What the buyer has paid of a sale whose payment the service itself had called ended without money, and changed
    /// its mind: only a report shows that.
    fn changed_unseen(&self, sale: &str) -> i64 {
        let operation = self.every_record().map(Record::operation);
        let mut ended = operation.filter(|operation| {
            operation.id == sale
                && operation.state.is_final()
                && operation.state != State::Done
                && operation.undo.is_none()
                && operation.payment_id.is_some()
        });
        if !self.service.quirks.changes_its_mind || ended.next().is_none() {
            return 0;
        }
        self.payments_of(sale)
            .map(|payment| self.kept(payment))
            .sum()
    }

    /// Entries of a sale that are over, and that no difference names.
    fn unnamed<'a>(
        &'a self,
        sale: &'a str,
        differences: &'a [Difference],
    ) -> impl Iterator<Item = &'a ReversalRecord> {
        let is_named = move |entry: &ReversalRecord| {
            let mut named = differences.iter();
            named.any(|one| {
                one.what == What::UnknownHere && one.operation.as_ref() == Some(&entry.operation.id)
            })
        };
        let entries = self.every_record().filter_map(move |record| match record {
            Record::Entry(entry) if entry.operation.of.as_deref() == Some(sale) => Some(entry),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let entries = entries.map(AsRef::as_ref);
        entries.filter(move |entry: &&ReversalRecord| {
            entry.settled.is_none() && !entry.is_live() && !is_named(entry)
        })
    }

    /// Those of them that found nothing to undo.
    fn sought_in_vain<'a>(
        &'a self,
        sale: &'a str,
        differences: &'a [Difference],
    ) -> impl Iterator<Item = &'a ReversalRecord> {
        let record = self.records.get(sale).or_else(|| self.purged.get(sale));
        let is_undone = record.is_some_and(|record| record.operation().undo == Some(Undo::Done));
        let may_come = is_undone && self.service.quirks.changes_its_mind;
        self.unnamed(sale, differences).filter(move |entry| {
            (entry.operation.state, entry.reversal) == (State::Done, ReversalProgress::NotSent)
                && (entry.target.payment_id.is_none() || may_come)
        })
    }

    /// What was reported to the till as not found, and no difference names.
    fn undone_unseen(&self, sale: &str, differences: &[Difference]) -> i64 {
        let is_given = |entry: &&ReversalRecord| {
            (entry.operation.kind, entry.operation.state) == (Kind::Refund, State::Failed)
                && !matches!(entry.reversal, ReversalProgress::Known(_))
                && entry.left_held_until.is_none()
                && self.outcome_of(entry) == Outcome::CarriedOut
        };
        let given = self.unnamed(sale, differences).filter(is_given);
        // A doubled request gives it more than once.
        let rows_of = |entry: &ReversalRecord| -> i64 {
            let numbers = entry.order_numbers();
            let rows = self.service.ledger.values().filter(|row| {
                row.target.is_some()
                    && row.info.status == PaymentStatus::Ok
                    && numbers.contains(&row.info.order_number)
            });
            rows.map(|row| row.info.sum.0).sum()
        };
        let given: i64 = given
            .map(|entry| rows_of(entry).max(entry.operation.amount.0))
            .sum();
        let sought = self.sought_in_vain(sale, differences);
        let paid = sought.flat_map(|entry| self.service.paid_under(&entry.target.order_number));
        paid.map(|payment| self.kept(payment)).sum::<i64>() - given
    }

    pub(crate) fn owner_of(&self, row: &Payment) -> Option<&str> {
        let owner = self.numbers.get(&row.info.order_number);
        owner.map(String::as_str)
    }

    /// A copy of a request, or one whose record the disk has lost.
    pub(crate) fn may_be_unknown(&self, row: &Payment) -> bool {
        let is_copied = self.service.copies.contains(&row.info.payment_id)
            || self.service.copies.iter().any(|copy| {
                let copy = self.service.ledger.get(copy);
                copy.is_some_and(|copy| copy.info.order_number == row.info.order_number)
            });
        let is_forgotten = self
            .owner_of(row)
            .is_some_and(|owner| self.forgotten.contains(owner));
        is_copied || is_forgotten
    }
}
