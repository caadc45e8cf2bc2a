//! What cashiers and buyers do, and what happens to the machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oplati::base::secret::Secret;
use oplati::core::call::PaymentStatus;
use oplati::core::event::Event;
use oplati::core::record::Record;
use oplati::model::money::Kopecks;
use oplati::model::operation::{
    CancellationRequest, CardRequest, Item, ItemKind, Kind, Operation, OperationRequest, Receipt,
    RefundRequest, SaleRequest, State,
};

use crate::plan::Action;
use crate::world::{Check, World};

/// What a clock without a battery shows.
fn dead_clock() -> Timestamp {
    "2006-01-01T00:00:00Z".parse().unwrap()
}

/// So many requests may be repeated later.
const MAX_WISHES: usize = 8;

impl World<'_> {
    pub fn play(&mut self, deeds: &[Action]) -> Check {
        for deed in deeds {
            self.deed(*deed)
                .map_err(|what| format!("{what} (at {deed:?})"))?;
        }
        Ok(())
    }

    pub fn deed(&mut self, deed: Action) -> Check {
        match deed {
            Action::Tale(tale) => self.tale(tale),
            Action::Begin => self.begin_sale().map(drop),
            Action::Card => self.begin_card().map(drop),
            Action::Settle => self.settle_all(),
            Action::Reconcile => self.reconcile(),
            Action::NextShift => {
                self.counts.note("shifts with names of their own");
                let number = 1 + self.names % 2;
                let text = format!("смена {number}");
                self.shift_text = (self.shift_text.as_ref() != Some(&text)).then_some(text);
                Ok(())
            }
            Action::SceneRefused => {
                self.troubled = true;
                self.event(Event::SceneRefused {
                    reason: "too small".into(),
                })
            }
            Action::OtherAccount(seconds) => self.other_account(seconds),
            Action::OtherSettings(bits) => self.other_settings(bits),
            Action::Repeat => self.repeat(0),
            Action::RepeatOlder(back) => self.repeat(1 + back as usize),
            Action::HangUp => self.hang_up(),
            Action::Scan => self.scan(),
            Action::Join => {
                self.service.join();
                Ok(())
            }
            Action::JoinOldest => self.join_oldest(),
            Action::Buyer(status) => self.buyer_decides(status),
            Action::ChangeOfMind => {
                self.change_of_mind();
                Ok(())
            }
            Action::CutHeld => self.cut_held(),
            Action::Answer(fate) => self.answer(false, fate),
            Action::AnswerNewest(fate) => self.answer(true, fate),
            Action::Pass(millis) => {
                // What is not answered meanwhile hangs.
                self.troubled = true;
                self.pass(Duration::from_millis(millis))
            }
            Action::LiveOn(millis) if self.now.mono < self.outage_until => {
                self.pass(Duration::from_millis(millis))
            }
            Action::LiveOn(millis) => {
                self.counts.note("peace for a while");
                self.advance(Duration::from_millis(millis))
            }
            other => self.deed_with_operation(other),
        }
    }

    /// What is done with one of several operations, if there is one.
    fn deed_with_operation(&mut self, deed: Action) -> Check {
        let done = match deed {
            Action::Refund(which, amount) => self
                .nth(which, Kind::Sale)
                .map(|sale| self.refund(&sale, amount).map(drop)),
            Action::RefundPayment(which, amount) => {
                Some(self.refund_payment(which, amount).map(drop))
            }
            Action::Cancel(which, annul) => self
                .nth(which, Kind::Sale)
                .map(|sale| self.cancel(&sale, annul).map(drop)),
            Action::CancelRefund(which) => self
                .nth(which, Kind::Refund)
                .map(|refund| self.cancel(&refund, false).map(drop)),
            Action::SettleOne(which) => self.live_entry(which).map(|id| self.settle(&id)),
            Action::Retry(which) => self.live_entry(which).map(|id| self.retry(&id)),
            Action::Abort => self.open_operation().map(|id| self.abort(&id)),
            other => Some(self.mishap(other)),
        };
        done.unwrap_or(Ok(()))
    }

    /// What happens to the line, the service and the clock.
    fn mishap(&mut self, deed: Action) -> Check {
        match deed {
            Action::Outage(millis) => {
                let time = Duration::from_millis(millis);
                self.counts.note(match time.as_secs() {
                    0 => "outage of milliseconds",
                    1..3600 => "outage of seconds or minutes",
                    3600..86_400 => "outage of hours",
                    _ => "outage of days",
                });
                self.outage_until = self.now.mono + time;
                self.fail_in_outage()?;
                self.pass(time)
            }
            Action::Closed(days) => {
                self.counts.note("closed for days");
                self.advance(Duration::from_secs(days * 86_400))
            }
            Action::Trouble(endpoint, fate, seconds) => {
                self.counts.note(match seconds {
                    0..3600 => "a part of the service is ill for minutes",
                    _ => "a part of the service is ill for hours",
                });
                let time = Duration::from_secs(seconds);
                self.trouble(endpoint, fate, time, u64::MAX);
                self.advance(time)
            }
            Action::BrokenForEver(endpoint, fate) => {
                self.counts.note("a part of the service is ill for ever");
                self.broken = Some((endpoint, fate));
                self.trouble(endpoint, fate, Duration::MAX, u64::MAX);
                Ok(())
            }
            Action::Clock(seconds) => {
                self.counts.note(match seconds.abs() {
                    0..3600 => "clock jump",
                    3600..1_000_000 => "clock jump of hours or days",
                    _ => "clock wrong by years",
                });
                let step = SignedDuration::from_secs(seconds);
                self.now.wall = self.now.wall.checked_add(step).unwrap_or(self.now.wall);
                Ok(())
            }
            Action::DeadClock(seconds) => {
                self.counts.note("clock dead at boot");
                self.now.wall = dead_clock();
                self.crash(0)?;
                self.advance(Duration::from_secs(seconds))?;
                self.set_clock_right();
                Ok(())
            }
            Action::ClockRight => {
                self.set_clock_right();
                Ok(())
            }
            other => self.machine_fails(other),
        }
    }

    /// What happens to the machine and its disk.
    fn machine_fails(&mut self, deed: Action) -> Check {
        match deed {
            Action::Crash(off) => {
                self.counts.note("crash at rest");
                self.crash(off)
            }
            Action::CrashForgetting(commits) => self.crash_losing(0, commits),
            Action::CrashBeforeEffect(number) => {
                self.crash_before_effect = Some(number);
                Ok(())
            }
            Action::CrashInCommit(rows) | Action::CommitFails(rows) => {
                self.hand.borrow_mut().fuse_kills = matches!(deed, Action::CrashInCommit(_));
                self.store.arm(rows);
                Ok(())
            }
            Action::Disk(fault, commits) => {
                let faults = (0..commits).map(|_| fault);
                self.hand.borrow_mut().next.extend(faults);
                Ok(())
            }
            Action::Suspend(seconds) => {
                self.counts.note(if seconds < 3600 {
                    "the machine sleeps"
                } else {
                    "the machine sleeps for hours"
                });
                self.suspend(seconds)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn set_clock_right(&mut self) {
        self.now.wall = self.true_wall();
    }

    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    // ---- cashiers ------------------------------------------------------------------------------

    fn receipt(&self, amount: i64, number: &str) -> Receipt {
        Receipt {
            number: number.to_owned(),
            shift: self.shift_text.clone(),
            items: vec![Item {
                name: "x".into(),
                quantity: None,
                price: None,
                cost: Kopecks(amount),
                kind: ItemKind::Goods,
                barcode: None,
            }],
            header: None,
            footer: None,
            paid_otherwise: Kopecks::ZERO,
        }
    }

    /// The sale that was asked for.
    pub(crate) fn begin_sale(&mut self) -> Result<String, String> {
        let id = self.name("s");
        let amount = 100 + self.names as i64;
        let request = SaleRequest {
            amount: Kopecks(amount),
            receipt: self.receipt(amount, &id),
            mode: None,
        };
        self.put(id.clone(), OperationRequest::Sale(request))?;
        Ok(id)
    }

    pub(crate) fn begin_card(&mut self) -> Result<String, String> {
        let id = self.name("k");
        let request = CardRequest {
            valutcode: 1,
            card_number_type: 5,
        };
        self.put(id.clone(), OperationRequest::Card(request))?;
        Ok(id)
    }

    pub(crate) fn refund(&mut self, sale: &str, amount: i64) -> Result<String, String> {
        let id = self.name("r");
        let request = RefundRequest {
            sale: Some(sale.to_owned()),
            payment_id: None,
            amount: Kopecks(amount),
            receipt: self.receipt(amount, &id),
        };
        self.put(id.clone(), OperationRequest::Refund(request))?;
        Ok(id)
    }

    pub(crate) fn cancel(&mut self, operation: &str, annul: bool) -> Result<String, String> {
        let id = self.name("c");
        let operation = operation.to_owned();
        self.put(
            id.clone(),
            OperationRequest::Cancellation(CancellationRequest {
                operation,
                annul,
                shift: None,
            }),
        )?;
        Ok(id)
    }

    pub(crate) fn nth(&self, which: u64, kind: Kind) -> Option<String> {
        let of_kind: Vec<&Operation> = self
            .records
            .values()
            .map(Record::operation)
            .filter(|operation| operation.kind == kind)
            .collect();
        let done: Vec<&&Operation> = of_kind
            .iter()
            .filter(|operation| operation.state == State::Done)
            .collect();
        // Mostly what can be reversed, at times what cannot.
        if which == 3 || done.is_empty() {
            return of_kind.last().map(|operation| operation.id.clone());
        }
        done.get(which as usize % done.len())
            .map(|operation| operation.id.clone())
    }

    /// A refund that names the payment and not the sale.
    pub(crate) fn refund_payment(&mut self, which: u64, amount: i64) -> Result<String, String> {
        let own = self.nth(which, Kind::Sale);
        let own = own.and_then(|id| self.records.get(&id)?.operation().payment_id);
        let payment_id = match own {
            Some(payment_id) if which == 0 => payment_id,
            _ => *self
                .elsewhere
                .get_or_insert_with(|| self.service.sell_elsewhere(Kopecks(100), self.real)),
        };
        let id = self.name("r");
        let request = RefundRequest {
            sale: None,
            payment_id: Some(payment_id),
            amount: Kopecks(amount),
            receipt: self.receipt(amount, &id),
        };
        self.put(id.clone(), OperationRequest::Refund(request))?;
        Ok(id)
    }

    pub fn put(&mut self, id: String, requested: OperationRequest) -> Check {
        self.ticket += 1;
        if self.acked.contains(&id) {
            self.counts.note("cashier repeats");
        }
        self.requests.retain(|(known, _)| *known != id);
        self.requests.push((id.clone(), requested.clone()));
        if self.requests.len() > MAX_WISHES {
            self.requests.remove(0);
        }
        let now = self.now;
        let ticket = self.ticket;
        let outcome = self.engine().begin(ticket, id, requested, now);
        self.take(outcome)
    }

    /// A `PUT` once more: the last one, or one before it.
    fn repeat(&mut self, back: usize) -> Check {
        let index = self.requests.len().checked_sub(1 + back);
        match index.and_then(|index| self.requests.get(index).cloned()) {
            Some((id, requested)) => self.put(id, requested),
            None => Ok(()),
        }
    }

    /// Who asked last waits no more: what is not begun by then is not begun for him.
    fn hang_up(&mut self) -> Check {
        let ticket = self.ticket;
        self.counts.note("caller hangs up");
        self.gone.insert(ticket);
        self.event(Event::CallerGone { ticket })
    }

    /// An operation of the till that is not over.
    pub(crate) fn open_operation(&self) -> Option<String> {
        let mut operations = self.records.values().map(Record::operation);
        let open = operations
            .find(|operation| !operation.state.is_final() && !operation.id.starts_with('~'));
        open.map(|operation| operation.id.clone())
    }

    pub(crate) fn abort(&mut self, id: &str) -> Check {
        self.ticket += 1;
        self.counts.note("cashier aborts");
        let (now, ticket) = (self.now, self.ticket);
        let outcome = self.engine().abort(ticket, id.to_owned(), now);
        self.take(outcome)
    }

    pub(crate) fn scan(&mut self) -> Check {
        self.event(Event::Scan {
            ticket: None,
            scan: oplati::model::scan::Scan {
                device: "scanner1".into(),
                code: Secret::new(format!("https://o-plati.by/{}", self.names)),
                raw: None,
            },
        })
    }

    // ---- buyers --------------------------------------------------------------------------------

    pub(crate) fn buyer_decides(&mut self, status: PaymentStatus) -> Check {
        self.service.decide(status, self.real);
        self.answer_held()
    }

    /// The service reports a payment that was over as paid. What a person has closed with its outcome is spared.
    pub(crate) fn change_of_mind(&mut self) -> bool {
        if !self.service.quirks.changes_its_mind {
            return false;
        }
        let closed: std::collections::BTreeSet<&str> = self
            .settled_as
            .keys()
            .filter_map(|id| match self.records.get(id) {
                Some(Record::Entry(entry)) => Some(entry.target.order_number.as_str()),
                Some(Record::Sale(_)) | None => None,
            })
            .collect();
        let changed = self
            .service
            .change_its_mind(self.real, |order| !closed.contains(order));
        if changed {
            self.counts.note("a final status changes");
        }
        changed
    }
}
