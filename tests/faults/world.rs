//! The real core and the real journal between a till, a buyer and the model of the service, in
//! virtual time. After every step the promises are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oplati::clock::Now;
use oplati::core::Core;
use oplati::core::event::{Effect, Event, Reply as TillReply, RequestId, Settings, Step};
use oplati::core::record::{Account, Record, Reversal};
use oplati::journal::Journal;
use oplati::money::Kopecks;
use oplati::operation::{
    CancellationRequest, CardRequest, Item, ItemKind, Kind, Operation, Receipt, RefundRequest,
    SaleRequest, State, Undo, Wish,
};
use oplati::secret::Secret;
use oplati::service::call::{Answer, Call, Failure, PaymentStatus, Reply, TokenProblem};
use oplati::service::classify;

use crate::plan::{Deed, Fate, Plan};
use crate::random::Random;
use crate::service::Service;
use crate::store::Store;

/// What a service says that does not know itself what it did.
const ERROR_BODY: &[u8] = br#"{"code": "DB", "devMessage": "no base"}"#;

/// Told of every commit.
pub type AfterCommit<'a> = Box<dyn FnMut(&Journal) + 'a>;

/// A promise that was broken, and how.
pub type Check = Result<(), String>;

/// What a run met.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub steps: u64,
    pub crashes: u64,
    pub operations: u64,
    pub faults: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.operations += other.operations;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }

    fn note(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }
}

/// Faults at exact places, for the exhaustive runs.
#[derive(Clone, Debug, Default)]
pub struct Exact {
    /// Crash before the effect with this number, counted over the run.
    pub crash_before: BTreeSet<u64>,
    /// What becomes of the request with this number.
    pub fate: BTreeMap<u64, Fate>,
}

pub struct World<'a> {
    pub core: Core,
    pub now: Now,
    pub journal: &'a mut Journal,
    store: &'a Store,
    pub service: Service,
    pub settings: Settings,
    /// What was committed last, by id.
    pub records: BTreeMap<String, Record>,
    pub counts: Counts,
    pub exact: Exact,
    pub effects_done: u64,
    pub requests_made: u64,
    pending: Vec<(RequestId, Call, u64)>,
    /// Acknowledged operations.
    acked: BTreeSet<String>,
    /// When the connection of a request that got no answer was closed, by order number.
    closed_at: BTreeMap<String, Duration>,
    /// Sales whose abort was acknowledged.
    aborted: BTreeSet<String>,
    /// Requests that left, by order number.
    pays: BTreeMap<String, u32>,
    refunds_sent: BTreeMap<String, u32>,
    last_wish: Option<(String, Wish)>,
    random: Random,
    ticket: u64,
    names: u64,
    started: u64,
    outage_until: Duration,
    disk_full: u64,
    crash_before_effect: Option<u64>,
    /// Called after every commit.
    pub after_commit: Option<AfterCommit<'a>>,
}

fn start() -> Now {
    let wall: Timestamp = "2026-11-24T20:57:00Z".parse().unwrap();
    Now {
        wall,
        mono: Duration::ZERO,
    }
}

pub fn receipt(amount: i64, number: &str) -> Receipt {
    Receipt {
        number: number.to_owned(),
        shift: None,
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
    }
}

impl<'a> World<'a> {
    pub fn new(
        plan: &Plan,
        journal: &'a mut Journal,
        store: &'a Store,
    ) -> Result<World<'a>, String> {
        let settings = Settings {
            account: Some(Account {
                url: "http://localhost".into(),
                reg_num: "OPL000011111".into(),
            }),
            mode: plan.mode,
            timeout: Duration::from_secs(10),
            wait_buyer: Duration::from_secs(60),
            settle: Duration::from_secs(plan.settle_s),
            valutcode: None,
            buyer_code: Vec::new(),
            order_prefix: "p0".into(),
        };
        let now = start();
        let restored = journal.restore().map_err(|error| error.to_string())?;
        let (core, step) = Core::new(settings.clone(), restored, now);
        let mut world = World {
            core,
            now,
            journal,
            store,
            service: Service::of(plan.quirks.clone()),
            settings,
            records: BTreeMap::new(),
            counts: Counts::default(),
            exact: Exact::default(),
            effects_done: 0,
            requests_made: 0,
            pending: Vec::new(),
            acked: BTreeSet::new(),
            aborted: BTreeSet::new(),
            closed_at: BTreeMap::new(),
            pays: BTreeMap::new(),
            refunds_sent: BTreeMap::new(),
            last_wish: None,
            random: Random::new(plan.seed ^ 0xabcd),
            ticket: 0,
            names: 0,
            started: 0,
            outage_until: Duration::ZERO,
            disk_full: 0,
            crash_before_effect: None,
            after_commit: None,
        };
        for name in plan.quirks.names() {
            world.counts.note(name);
        }
        world.take(step)?;
        Ok(world)
    }

    // ---- the daemon's part -------------------------------------------------------------------

    pub fn event(&mut self, event: Event) -> Check {
        let step = self.core.handle(event, self.now);
        self.take(step)
    }

    fn take(&mut self, step: Step) -> Check {
        self.counts.steps += 1;
        let mut step = step;
        while self.disk_full > 0 && !step.writes.is_empty() {
            self.disk_full -= 1;
            self.counts.note("disk full");
            if let Some(id) = step.creates.take() {
                step = self.core.handle(Event::BeginFailed { id }, self.now);
            } else {
                self.jump_to(self.now.mono + Duration::from_secs(1));
            }
        }
        if self.journal.commit(&step.writes).is_err() {
            // The fuse: the process died between two statements of the transaction.
            self.counts.note("crash in a transaction");
            return self.crash(0);
        }
        for write in &step.writes {
            self.check_write(&write.record)?;
            let id = write.record.operation().id.clone();
            self.records.insert(id, write.record.clone());
        }
        if let Some(after) = &mut self.after_commit
            && !step.writes.is_empty()
        {
            after(self.journal);
        }
        for (number, effect) in step.effects.into_iter().enumerate() {
            let exact = self.exact.crash_before.remove(&self.effects_done);
            if self.crash_before_effect == Some(number as u64) || exact {
                self.crash_before_effect = None;
                self.counts.note("crash between effects");
                return self.crash(0);
            }
            self.effects_done += 1;
            self.perform(effect)?;
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Check {
        match effect {
            Effect::Request { id, call, .. } => {
                self.check_request(&call)?;
                self.pending.push((id, *call, self.requests_made));
                self.requests_made += 1;
            }
            Effect::Reply { reply, .. } => {
                if let TillReply::Begun(Ok((_, operation))) = reply.as_ref()
                    && self.acked.insert(operation.id.clone())
                {
                    self.counts.operations += 1;
                }
                if let TillReply::Aborted(Ok(operation)) = reply.as_ref()
                    && operation.kind == Kind::Sale
                {
                    self.aborted.insert(operation.id.clone());
                }
            }
            Effect::Show(_) | Effect::Scanned { .. } | Effect::Alarm { .. } => {}
        }
        Ok(())
    }

    /// The process dies; another reads the journal.
    pub fn crash(&mut self, off_s: u64) -> Check {
        self.counts.crashes += 1;
        self.store.disarm();
        self.crash_before_effect = None;
        for (_, call, _) in std::mem::take(&mut self.pending) {
            self.note_closed(&call);
            match self.random.below(4) {
                0 | 1 => drop(self.service.effect(&call, self.now.wall, self.now.mono)),
                2 => {
                    let late = Duration::from_secs(self.random.below(30));
                    self.service.late.push((self.now.mono + late, call));
                }
                _ => {}
            }
        }
        self.jump_to(self.now.mono + Duration::from_secs(off_s));
        self.started += 1;
        self.settings.order_prefix = format!("p{}", self.started);
        let restored = self.journal.restore().map_err(|error| error.to_string())?;
        let open = self
            .records
            .values()
            .filter(|record| record.is_open())
            .count();
        let found = restored.sales.len() + restored.entries.len();
        if open != found {
            return Err(format!(
                "{found} open operations restored instead of {open}"
            ));
        }
        for id in self.acked.iter().chain(&self.aborted) {
            let kept = self.journal.find(id).map_err(|error| error.to_string())?;
            if kept.as_ref() != self.records.get(id) {
                return Err(format!(
                    "acknowledged {id} is not in the journal as it was told"
                ));
            }
        }
        let (core, step) = Core::new(self.settings.clone(), restored, self.now);
        self.core = core;
        self.take(step)
    }

    // ---- promises -----------------------------------------------------------------------------

    fn check_write(&self, record: &Record) -> Check {
        let operation = record.operation();
        if let Some(Record::Sale(old)) = self.records.get(&operation.id)
            && old.operation.state.is_final()
            && old.operation.state != operation.state
        {
            return Err(format!(
                "{} was {:?} and is {:?}",
                operation.id, old.operation.state, operation.state
            ));
        }
        if let Record::Entry(entry) = record
            && !entry.rechecks.is_empty()
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
        if let Record::Sale(sale) = record
            && self.aborted.contains(&operation.id)
            && !operation.state.is_final()
            && sale.ending.is_none()
        {
            return Err(format!("the abort of {} is forgotten", operation.id));
        }
        let told_paid =
            operation.state == State::Done && matches!(operation.kind, Kind::Sale | Kind::Refund);
        if told_paid {
            let direction = operation.kind == Kind::Sale;
            let paid = self.service.ledger.values().any(|payment| {
                payment.info.order_number == operation.order_number
                    && payment.info.sum == operation.amount
                    && payment.info.status == PaymentStatus::Ok
                    && payment.target.is_none() == direction
            });
            if !paid {
                return Err(format!("{} is done, but no money moved", operation.id));
            }
        }
        Ok(())
    }

    /// Whatever can move money was written before it leaves, and leaves as often as it may.
    fn check_request(&mut self, call: &Call) -> Check {
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
                            && entry.reversal == Reversal::Sent =>
                    {
                        Some(entry)
                    }
                    Record::Entry(_) | Record::Sale(_) => None,
                });
                let Some(entry) = intent else {
                    return Err("a reversal leaves without its intent".into());
                };
                if self.may_arrive(order_number) {
                    return Err(format!("reversal {order_number} is repeated too early"));
                }
                if entry.is_refund() {
                    let id = entry.operation.id.clone();
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

    /// The sale that an order number belongs to; another number of the same sale is a second payment.
    fn owner(&self, order_number: &str) -> String {
        self.records
            .values()
            .map(Record::operation)
            .find(|operation| operation.order_number == *order_number)
            .map_or_else(|| order_number.to_owned(), |operation| operation.id.clone())
    }

    /// Every undecided operation has exactly one live entry.
    pub fn check_entries(&self) -> Check {
        let undoes = |record: &Record, id: &str| match record {
            Record::Entry(entry) => {
                entry.is_live() && !entry.is_refund() && entry.operation.of.as_deref() == Some(id)
            }
            Record::Sale(_) => false,
        };
        for record in self.records.values() {
            let operation = record.operation();
            let live = self
                .records
                .values()
                .filter(|other| undoes(other, &operation.id))
                .count();
            let owed = matches!(operation.undo, Some(Undo::Pending | Undo::SetAside))
                && matches!(operation.kind, Kind::Sale | Kind::Refund)
                && !self.is_settled(&operation.id);
            if live != usize::from(owed) {
                return Err(format!(
                    "{} has undo {:?} and {live} live entries",
                    operation.id, operation.undo
                ));
            }
        }
        Ok(())
    }

    fn is_settled(&self, id: &str) -> bool {
        let of = |record: &&Record| record.operation().of.as_deref() == Some(id);
        let settled = |record: &Record| match record {
            Record::Entry(entry) => entry.settled.as_ref().is_some_and(|why| why == "by hand"),
            Record::Sale(_) => false,
        };
        self.records.values().filter(of).any(settled)
    }

    /// With the trouble over: the queue is empty, and the money is where the till was told.
    pub fn check_peace(&self) -> Check {
        let status = self.core.status(self.now);
        if status.queue_depth > 0 {
            return Err(format!(
                "{} entries never leave the queue",
                status.queue_depth
            ));
        }
        for record in self.records.values() {
            let operation = record.operation();
            if !operation.state.is_final() {
                return Err(format!("{} hangs in {:?}", operation.id, operation.state));
            }
            if operation.kind == Kind::Sale {
                self.check_money(operation)?;
            }
        }
        Ok(())
    }

    fn check_money(&self, sale: &Operation) -> Check {
        let ours = |payment: &&crate::service::Payment| {
            payment.info.order_number == sale.order_number && payment.target.is_none()
        };
        let payments: Vec<_> = self.service.ledger.values().filter(ours).collect();
        if payments.len() > 1 {
            return Err(format!("{} was paid {} times", sale.id, payments.len()));
        }
        let taken = payments
            .first()
            .filter(|payment| payment.info.status == PaymentStatus::Ok)
            .map_or(0, |payment| {
                sale.amount.0 - self.service.reversed(payment.info.payment_id)
            });
        if self.is_settled(&sale.id) {
            return Ok(());
        }
        let undone = sale.undo == Some(Undo::Done);
        let owed = match (sale.state, undone) {
            (State::Done, false) => sale.left.map_or(0, |left| left.0),
            _ => 0,
        };
        if taken != owed {
            return Err(format!(
                "{} ended {:?} with undo {:?} and {:?} left, but the buyer has paid {taken}",
                sale.id, sale.state, sale.undo, sale.left
            ));
        }
        let back = sale.amount.0 - taken;
        let asked: i64 = self
            .records
            .values()
            .map(Record::operation)
            .filter(|other| other.kind == Kind::Refund && other.of.as_ref() == Some(&sale.id))
            .map(|refund| refund.amount.0)
            .sum();
        let cancelled = undone || sale.state != State::Done;
        if !cancelled && back > asked {
            return Err(format!(
                "{back} came back of {}, {asked} was asked for",
                sale.id
            ));
        }
        Ok(())
    }

    // ---- time ---------------------------------------------------------------------------------

    fn jump_to(&mut self, mono: Duration) {
        let step = SignedDuration::try_from(mono - self.now.mono).unwrap_or_default();
        self.now = Now {
            wall: self.now.wall.checked_add(step).unwrap_or(self.now.wall),
            mono,
        };
        self.service.arrive(self.now.wall, mono);
    }

    fn run_due(&mut self) -> Check {
        for _ in 0..200 {
            match self.core.next_wakeup() {
                Some((at, _)) if at <= self.now.mono => self.event(Event::Tick)?,
                _ => return Ok(()),
            }
        }
        Err(format!(
            "the core never rests: {:?}",
            self.core.next_wakeup()
        ))
    }

    fn pass(&mut self, time: Duration) -> Check {
        let end = self.now.mono + time;
        self.run_due()?;
        for _ in 0..20_000 {
            match self.core.next_wakeup() {
                Some((at, _)) if at <= end => {
                    self.jump_to(at.max(self.now.mono));
                    self.event(Event::Tick)?;
                    self.fail_in_outage()?;
                }
                _ => {
                    self.jump_to(end.max(self.now.mono));
                    return Ok(());
                }
            }
        }
        Err("time does not pass".into())
    }

    /// During an outage requests end by themselves.
    fn fail_in_outage(&mut self) -> Check {
        while self.now.mono < self.outage_until && !self.pending.is_empty() {
            self.counts.note("in an outage");
            self.answer(false, Fate::NotSent)?;
        }
        Ok(())
    }

    /// Everything is answered as it comes, for so long.
    pub fn live_on(&mut self, time: Duration) -> Check {
        let end = self.now.mono + time;
        for _ in 0..100_000 {
            self.run_due()?;
            if !self.pending.is_empty() {
                let number = self.pending.first().map_or(0, |(_, _, number)| *number);
                let fate = self.exact.fate.remove(&number).unwrap_or(Fate::Answered);
                self.answer(false, fate)?;
                continue;
            }
            match self.core.next_wakeup() {
                Some((at, _)) if at <= end => self.jump_to(at.max(self.now.mono)),
                _ => {
                    self.jump_to(end.max(self.now.mono));
                    return Ok(());
                }
            }
        }
        Err("the core is never done".into())
    }

    // ---- deeds --------------------------------------------------------------------------------

    pub fn play(&mut self, deeds: &[Deed]) -> Check {
        for deed in deeds {
            self.deed(*deed)
                .and_then(|()| self.check_entries())
                .map_err(|what| format!("{what} (at {deed:?})"))?;
        }
        Ok(())
    }

    /// The trouble ends: two hours of peace, with buyers who decide and a person who settles.
    pub fn find_peace(&mut self) -> Check {
        self.store.disarm();
        self.disk_full = 0;
        self.crash_before_effect = None;
        self.outage_until = Duration::ZERO;
        self.service.quirks.lag_s = 0;
        self.service.quirks.hides_pending = false;
        self.service.quirks.empty_purses = false;
        for _ in 0..6 {
            self.service.decide(PaymentStatus::Timeout, self.now.wall);
        }
        self.live_on(Duration::from_secs(120))?;
        for _ in 0..20 {
            self.service.decide(PaymentStatus::Timeout, self.now.wall);
        }
        self.live_on(Duration::from_secs(7200))?;
        let aside: Vec<String> = self
            .records
            .values()
            .filter(|record| matches!(record, Record::Entry(entry) if entry.set_aside && entry.is_live()))
            .map(|record| record.operation().id.clone())
            .collect();
        for id in aside {
            self.ticket += 1;
            self.event(Event::Settle {
                ticket: self.ticket,
                id,
                reason: "by hand".into(),
            })?;
        }
        self.check_entries()?;
        self.check_peace()
    }

    pub fn deed(&mut self, deed: Deed) -> Check {
        match deed {
            Deed::Begin => {
                let id = self.name("s");
                let request = SaleRequest {
                    amount: Kopecks(100 + self.names as i64),
                    receipt: receipt(100 + self.names as i64, &id),
                    mode: None,
                };
                self.wish(id, Wish::Sale(request))
            }
            Deed::Refund(which, amount) => {
                let Some(sale) = self.nth(which, Kind::Sale) else {
                    return Ok(());
                };
                let id = self.name("r");
                let request = RefundRequest {
                    sale: Some(sale),
                    payment_id: None,
                    amount: Kopecks(amount),
                    receipt: receipt(amount, &id),
                };
                self.wish(id, Wish::Refund(request))
            }
            Deed::Cancel(which, annul) => self.cancel(which, Kind::Sale, annul),
            Deed::CancelRefund(which) => self.cancel(which, Kind::Refund, false),
            Deed::Card => {
                let id = self.name("k");
                let request = CardRequest {
                    valutcode: 1,
                    card_number_type: 5,
                };
                self.wish(id, Wish::Card(request))
            }
            Deed::Repeat => match self.last_wish.clone() {
                Some((id, wish)) => self.wish(id, wish),
                None => Ok(()),
            },
            Deed::Abort => self.abort(),
            Deed::Retry => self.retry(),
            Deed::Scan => self.event(Event::Scan {
                ticket: None,
                device: "scanner1".into(),
                code: Secret::new(format!("https://o-plati.by/{}", self.names)),
            }),
            Deed::Join => {
                self.service.join();
                Ok(())
            }
            Deed::Buyer(status) => {
                self.service.decide(status, self.now.wall);
                Ok(())
            }
            Deed::Answer(fate) => self.answer(false, fate),
            Deed::AnswerNewest(fate) => self.answer(true, fate),
            Deed::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Deed::Outage(seconds) => {
                self.outage_until = self.now.mono + Duration::from_secs(seconds);
                self.fail_in_outage()?;
                self.pass(Duration::from_secs(seconds))
            }
            Deed::Crash(off) => {
                self.counts.note("crash at rest");
                self.crash(off)
            }
            Deed::CrashBeforeEffect(number) => {
                self.crash_before_effect = Some(number);
                Ok(())
            }
            Deed::CrashInCommit(rows) => {
                self.store.arm(rows);
                Ok(())
            }
            Deed::DiskFull(commits) => {
                self.disk_full = commits;
                Ok(())
            }
            Deed::Clock(seconds) => {
                self.counts.note("clock jump");
                let step = SignedDuration::from_secs(seconds);
                self.now.wall = self.now.wall.checked_add(step).unwrap_or(self.now.wall);
                Ok(())
            }
        }
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn nth(&self, which: u64, kind: Kind) -> Option<String> {
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

    fn cancel(&mut self, which: u64, kind: Kind, annul: bool) -> Check {
        let Some(operation) = self.nth(which, kind) else {
            return Ok(());
        };
        let id = self.name("c");
        self.wish(
            id,
            Wish::Cancellation(CancellationRequest { operation, annul }),
        )
    }

    pub fn wish(&mut self, id: String, wish: Wish) -> Check {
        self.ticket += 1;
        self.last_wish = Some((id.clone(), wish.clone()));
        let shift = oplati::core::shift::of_day(self.now.wall);
        let broken = |error: oplati::journal::JournalError| error.to_string();
        let event = Event::Begin {
            ticket: self.ticket,
            existing: self.journal.find(&id).map_err(broken)?,
            facts: Box::new(self.journal.facts(&wish, &shift).map_err(broken)?),
            id,
            wish,
        };
        self.event(event)
    }

    fn abort(&mut self) -> Check {
        let open = self
            .records
            .values()
            .map(Record::operation)
            .find(|operation| !operation.state.is_final() && !operation.id.starts_with('~'));
        let Some(id) = open.map(|operation| operation.id.clone()) else {
            return Ok(());
        };
        self.ticket += 1;
        let existing = self.journal.find(&id).map_err(|error| error.to_string())?;
        self.event(Event::Abort {
            ticket: self.ticket,
            id,
            existing,
        })
    }

    fn retry(&mut self) -> Check {
        let live = self.records.values().find_map(|record| match record {
            Record::Entry(entry) if entry.is_live() => Some(entry.operation.id.clone()),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let Some(id) = live else { return Ok(()) };
        self.ticket += 1;
        self.event(Event::Retry {
            ticket: self.ticket,
            id,
        })
    }

    // ---- the network's part -------------------------------------------------------------------

    fn answer(&mut self, newest: bool, fate: Fate) -> Check {
        if self.pending.is_empty() {
            return Ok(());
        }
        let index = if newest { self.pending.len() - 1 } else { 0 };
        let (request, call, _) = self.pending.remove(index);
        let answer = self.fate_of(&call, fate);
        if matches!(answer, Err(Failure::Lost { .. })) {
            self.note_closed(&call);
        }
        if fate == Fate::Twice {
            self.event(Event::Answered {
                request,
                answer: answer.clone(),
            })?;
        }
        self.event(Event::Answered { request, answer })
    }

    fn note_closed(&mut self, call: &Call) {
        if let Call::Pay { order_number, .. } | Call::Reverse { order_number, .. } = call {
            self.closed_at.insert(order_number.clone(), self.now.mono);
        }
    }

    /// Whether a request under that number may still be on its way.
    fn may_arrive(&self, order_number: &str) -> bool {
        self.closed_at
            .get(order_number)
            .is_some_and(|closed| self.now.mono < *closed + self.settings.settle)
    }

    fn fate_of(&mut self, call: &Call, fate: Fate) -> Answer {
        let (wall, mono) = (self.now.wall, self.now.mono);
        let lost = |protocol| {
            Err(Failure::Lost {
                detail: "lost".into(),
                protocol,
            })
        };
        let fault = match fate {
            Fate::Answered => "",
            Fate::NotSent => "not sent",
            Fate::RequestLost => "request lost",
            Fate::AnswerLost => "answer lost, or 5xx with effect",
            Fate::Garbage => "garbage",
            Fate::Error => "5xx without effect",
            Fate::Late(_) => "late effect",
            Fate::Refused => "refused",
            Fate::TokenNeeded => "token error",
            Fate::Twice => "answered twice",
            Fate::Foreign => "another's answer",
        };
        if !fault.is_empty() {
            self.counts.note(fault);
        }
        match fate {
            Fate::Answered | Fate::Twice => self.service.effect(call, wall, mono),
            Fate::NotSent => Err(Failure::NotSent {
                detail: "connection refused".into(),
            }),
            Fate::RequestLost => lost(false),
            Fate::Error => classify(call, 503, ERROR_BODY),
            Fate::AnswerLost => {
                drop(self.service.effect(call, wall, mono));
                if self.random.one_in(2) {
                    lost(false)
                } else {
                    classify(call, 500, ERROR_BODY)
                }
            }
            Fate::Garbage => {
                drop(self.service.effect(call, wall, mono));
                lost(true)
            }
            Fate::Late(seconds) => {
                if call.moves_money() {
                    let at = mono + Duration::from_secs(seconds);
                    self.service.late.push((at, call.clone()));
                }
                lost(false)
            }
            Fate::Refused => Err(Failure::Refused {
                message: None,
                detail: "no".into(),
            }),
            Fate::TokenNeeded => Err(Failure::Token {
                problem: TokenProblem::Needed,
                detail: "reset".into(),
            }),
            Fate::Foreign => match self.service.effect(call, wall, mono) {
                // The client takes a foreign body for a lost answer where money can move.
                Ok(Reply::Payment(mut info)) if !call.moves_money() => {
                    info.order_number = "another".into();
                    Ok(Reply::Payment(info))
                }
                Ok(Reply::Payment(_)) => lost(true),
                answer => answer,
            },
        }
    }
}
