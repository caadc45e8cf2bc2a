//! Those who look after the till: they try again what is set aside, say what happened, compare books, and
//! change settings.

use std::collections::BTreeSet;
use std::time::Duration;

use oplati::core::call::{Call, PaymentInfo, PaymentStatus};
use oplati::core::event::Event;
use oplati::core::record::{Record, ReversalRecord, ReversalRequest};
use oplati::model::operation::{Kind, Mode, Operation, Outcome, State, Verdict};
use oplati::report::{Compared, Comparison};

use crate::service::{BY_HAND, ELSEWHERE};
use crate::world::{Check, World};

impl World<'_> {
    /// An entry of the queue, by its number there.
    pub(crate) fn live_entry(&self, which: u64) -> Option<String> {
        let live = self.live_entries(|_| true);
        live.get(which as usize % live.len().max(1)).cloned()
    }

    pub(crate) fn live_entries(&self, counts: impl Fn(&ReversalRecord) -> bool) -> Vec<String> {
        let live = self.records.values().filter_map(|record| match record {
            Record::Entry(entry) if entry.is_live() && counts(entry) => {
                Some(entry.operation.id.clone())
            }
            Record::Entry(_) | Record::Sale(_) => None,
        });
        live.collect()
    }

    pub(crate) fn retry(&mut self, id: &str) -> Check {
        self.ticket += 1;
        self.event(Event::Retry {
            ticket: self.ticket,
            id: id.to_owned(),
        })
    }

    /// A person closes everything that is set aside.
    pub(crate) fn settle_all(&mut self) -> Check {
        for id in self.live_entries(|entry| entry.set_aside) {
            self.settle(&id)?;
        }
        let records = self.records.values();
        let to_review = records.filter_map(|record| match record {
            Record::Entry(entry) if entry.needs_review => Some(entry.operation.id.clone()),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        for id in to_review.collect::<Vec<_>>() {
            self.counts
                .note("a person sees what was made otherwise than reported");
            self.settle(&id)?;
        }
        Ok(())
    }

    /// A person looks at the merchant's account, waits while something moves there, and says what has
    /// happened.
    pub(crate) fn settle(&mut self, id: &str) -> Check {
        let Some(Record::Entry(entry)) = self.records.get(id) else {
            return Ok(());
        };
        if self.moves_yet(entry) {
            return Ok(());
        }
        self.settle_at_once(id)
    }

    /// The same, by somebody who does not wait: he says truly what the account shows at that moment, and a copy of the
    /// request that is yet on its way may make it otherwise.
    pub(crate) fn settle_at_once(&mut self, id: &str) -> Check {
        let Some(Record::Entry(entry)) = self.records.get(id) else {
            return Ok(());
        };
        let outcome = self.outcome_of(entry);
        self.ticket += 1;
        self.settled_as.insert(id.to_owned(), outcome);
        self.event(Event::Settle {
            ticket: self.ticket,
            id: id.to_owned(),
            verdict: Verdict {
                reason: "by hand".into(),
                outcome,
            },
        })?;
        match self.records.get(id) {
            Some(Record::Entry(entry)) if entry.settled.is_some() => {
                let record = Record::Entry(entry.clone());
                let carried_out = outcome == Outcome::CarriedOut;
                self.counts.ends.note_settled(&record, carried_out);
            }
            _ => {
                self.settled_as.remove(id);
            }
        }
        Ok(())
    }

    pub(crate) fn moves_yet_of(&self, id: &str) -> bool {
        let record = self.records.get(id);
        record.is_some_and(|record| matches!(record, Record::Entry(entry) if self.moves_yet(entry)))
    }

    /// Whether something of an entry is on its way yet, or may be decided by itself.
    fn moves_yet(&self, entry: &ReversalRecord) -> bool {
        let numbers = entry.order_numbers();
        let target = &entry.target.order_number;
        let arrives = self.service.late.iter().any(|(_, call)| match call {
            Call::Pay { order_number, .. } => order_number == target,
            Call::Reverse { order_number, .. } => numbers.contains(order_number),
            _ => false,
        });
        let is_decided_later = |number: &String| self.service.is_decided_later(number);
        arrives || is_decided_later(target) || numbers.iter().any(is_decided_later)
    }

    /// What has become of an entry, by the service's ledger: whether the buyer has what it was to give him,
    /// or the shop what it was to take back.
    pub(crate) fn outcome_of(&self, entry: &ReversalRecord) -> Outcome {
        let numbers = entry.order_numbers();
        let amount = entry.operation.amount;
        let mut ledger = self.service.ledger.values();
        // Of a second payment nothing but its undoing was ever to be given back, whoever has done it: the disk may
        // have lost an undoing of before.
        let is_second = entry.request == ReversalRequest::Own && entry.operation.of.is_none();
        let is_reversed = ledger.any(|row| {
            row.target.is_some()
                && row.info.status == PaymentStatus::Ok
                && row.info.sum == amount
                && (numbers.contains(&row.info.order_number)
                    || row.target == entry.target.payment_id
                        && (is_second || row.info.order_number.starts_with(BY_HAND)))
        });
        let is_paid = self
            .service
            .paid_under(&entry.target.order_number)
            .next()
            .is_some();
        let has_nothing_to_undo = !entry.is_refund() && !entry.target.refund && !is_paid;
        let is_back = !entry.is_refund() && self.is_known_back(entry.target.payment_id);
        if is_reversed || has_nothing_to_undo || is_back {
            Outcome::CarriedOut
        } else {
            Outcome::NotCarriedOut
        }
    }

    /// Whether all of a payment went back by operations that the till knows: who looks for the money of one sees it,
    /// whichever of them has done it. What the disk has lost is shown by the reconciliation.
    fn is_known_back(&self, payment_id: Option<i64>) -> bool {
        let paid = payment_id.and_then(|id| self.service.ledger.get(&id));
        let rows = self.service.ledger.values();
        let mut back = rows.filter(|row| {
            row.target.is_some() && row.target == payment_id && row.info.status == PaymentStatus::Ok
        });
        paid.is_some_and(|paid| self.kept(paid) == 0)
            && back.all(|row| {
                let owner = self.owner_of(row);
                owner.is_some_and(|owner| {
                    self.records.contains_key(owner) && !self.forgotten.contains(owner)
                })
            })
    }

    /// As `POST /v1/reconciliations` does: what was absent and is reported is asked for once more.
    pub(crate) fn reconcile(&mut self) -> Check {
        let compared = self.compare(self.service.reported(self.real));
        for (id, payment_id) in compared.seconds {
            self.counts.note("reconciliation finds a further row");
            let now = self.now;
            let outcome = self.engine().recheck(id, Some(payment_id), now);
            self.take(outcome)?;
        }
        for id in compared.unmoved {
            let Some(id) = self.to_recheck(&id) else {
                return Err(format!("{id} is reported, and nothing looks for it"));
            };
            self.counts.note("reconciliation finds what was absent");
            let now = self.now;
            let outcome = self.engine().recheck(id, None, now);
            self.take(outcome)?;
        }
        Ok(())
    }

    /// As the journal's reader returns it: the newest undoing of a sale, or the sale; the refund itself.
    fn to_recheck(&self, id: &str) -> Option<String> {
        let is_it = |operation: &Operation| match operation.kind {
            Kind::Cancel | Kind::Annul => operation.of.as_deref() == Some(id) || operation.id == id,
            Kind::Sale | Kind::Refund | Kind::CancelRefund => operation.id == id,
            Kind::Card => false,
        };
        let stands = |record: &&Record| {
            record.operation().id == id
                || !matches!(record, Record::Entry(entry) if entry.was_dropped())
        };
        let operations = self.records.values().filter(stands).map(Record::operation);
        let newest = operations
            .filter(|operation| is_it(operation))
            .max_by_key(|operation| self.made.get(&operation.id));
        newest.map(|operation| operation.id.clone())
    }

    /// The record that a row of a report belongs to, as the journal's reader returns it.
    fn known_under(&self, info: &PaymentInfo) -> Option<&Record> {
        let newest = |is_it: &dyn Fn(&Record) -> bool| {
            let records = self.records.values().filter(|record| is_it(record));
            records.max_by_key(|record| self.made.get(&record.operation().id))
        };
        newest(&|record| record.operation().payment_id == Some(info.payment_id)).or_else(|| {
            newest(&|record| {
                record.operation().order_number == info.order_number
                    || matches!(record, Record::Entry(entry) if entry.earlier.contains(&info.order_number))
            })
        })
    }

    /// What was done to undo a payment that is reported, oldest first.
    fn undoings_of(&self, record: &Record, payment_id: i64) -> Vec<ReversalRecord> {
        let sale = record.operation();
        let is_own = record.is_reported_as(payment_id);
        if sale.kind != Kind::Sale || is_own && sale.state == State::Done {
            return Vec::new();
        }
        let undoes = |entry: &ReversalRecord| {
            if is_own {
                entry.operation.of.as_ref() == Some(&sale.id)
            } else {
                entry.target.payment_id == Some(payment_id)
            }
        };
        let mut undoings: Vec<ReversalRecord> = self
            .records
            .values()
            .filter_map(|record| match record {
                Record::Entry(entry) if undoes(entry) => Some(entry.as_ref().clone()),
                Record::Entry(_) | Record::Sale(_) => None,
            })
            .collect();
        undoings.sort_by_key(|entry| self.made.get(&entry.operation.id));
        undoings
    }

    /// The service's rows past the journal.
    pub(crate) fn compare(&self, rows: Vec<PaymentInfo>) -> Compared {
        let mut comparison = Comparison::default();
        let mut seen = BTreeSet::new();
        for info in rows {
            let known = self.known_under(&info);
            let own = known.filter(|record| record.is_reported_as(info.payment_id));
            seen.extend(own.map(|record| record.operation().id.clone()));
            let is_others = [ELSEWHERE, BY_HAND];
            if !is_others
                .iter()
                .any(|prefix| info.order_number.starts_with(prefix))
            {
                let undoings = known.map(|record| self.undoings_of(record, info.payment_id));
                comparison.reported(&info, known, &undoings.unwrap_or_default());
            }
        }
        for (id, record) in &self.records {
            comparison.journalled(record, seen.contains(id));
        }
        comparison.finish()
    }

    /// Somebody changes `regNum`, sees that payments are refused, and changes it back; or closes what the
    /// other account has left.
    pub(crate) fn other_account(&mut self, seconds: u64) -> Check {
        self.counts.note("another till's account for a while");
        let ours = self.settings.account.clone();
        if let Some(account) = &mut self.settings.account {
            account.reg_num = "OPL000022222".into();
        }
        let lived = self
            .crash(0)
            .and_then(|()| self.advance(Duration::from_secs(seconds)))
            .and_then(|()| {
                if seconds.is_multiple_of(3) {
                    self.settle_foreign()
                } else {
                    Ok(())
                }
            });
        self.settings.account = ours;
        lived.and_then(|()| self.crash(0))
    }

    fn settle_foreign(&mut self) -> Check {
        let ours = self.settings.account.clone();
        let foreign = self.live_entries(|entry| Some(&entry.account) != ours.as_ref());
        for id in foreign {
            self.counts.note("another account's entry is settled");
            self.settle(&id)?;
        }
        Ok(())
    }

    /// Somebody edits the settings; they hold from the next start.
    pub(crate) fn other_settings(&mut self, bits: u64) -> Check {
        self.counts.note("other settings from a start on");
        let pick = |from: [u64; 4], at: u64| from[((bits >> at) % 4) as usize];
        self.settings.settle = Duration::from_secs(pick([0, 5, 30, 120], 0));
        self.settings.wait_buyer = Duration::from_secs(pick([60, 60, 180, 90], 2));
        self.settings.poll_payment = Duration::from_secs(pick([5, 5, 1, 20], 4));
        self.settings.timeout = Duration::from_secs(pick([10, 10, 3, 30], 6));
        self.settings.mode = match (bits >> 8) % 3 {
            0 => Mode::ConsumerQr,
            1 => Mode::StaticQr,
            _ => Mode::DynamicQr,
        };
        self.crash(0)
    }
}
