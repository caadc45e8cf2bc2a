//! The real core and the real journal between a till, a buyer and the model of the service, in
//! virtual time. After every step the promises are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oplati::clock::Now;
use oplati::core::Core;
use oplati::core::event::{Effect, Event, Reply as TillReply, RequestId, Settings, Step};
use oplati::core::record::{Account, Record};
use oplati::journal::Journal;
use oplati::operation::{Kind, Shows, Wish};
use oplati::service::call::Call;

use crate::plan::{Fate, Plan};
use crate::random::Random;
use crate::service::Service;
use crate::store::Store;

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

    pub(crate) fn note(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }
}

/// Faults at exact places, for the exhaustive runs.
#[derive(Clone, Debug, Default)]
pub struct Exact {
    /// Crash before the effect with this number, counted over the run, and what becomes of the
    /// requests that are under way then.
    pub crash_before: BTreeMap<u64, Fate>,
    /// What becomes of the request with this number.
    pub fate: BTreeMap<u64, Fate>,
}

/// A payment whose answer the service holds.
#[derive(Debug)]
pub struct Held {
    pub request: RequestId,
    pub call: Call,
    /// The client waits no longer.
    pub until: Duration,
}

pub struct World<'a> {
    pub core: Core,
    pub now: Now,
    pub journal: &'a mut Journal,
    pub(crate) store: &'a Store,
    pub service: Service,
    pub settings: Settings,
    /// What was committed last, by id.
    pub records: BTreeMap<String, Record>,
    pub counts: Counts,
    pub exact: Exact,
    pub effects_done: u64,
    pub requests_made: u64,
    /// Numbers of the requests that can move money.
    pub movers: BTreeSet<u64>,
    /// Requests that had been made at the first crash at an exact place.
    pub requests_at_crash: u64,
    pub(crate) pending: Vec<(RequestId, Call, u64)>,
    /// Payments that were carried out, and whose answer the service holds.
    pub(crate) held: Vec<Held>,
    /// When the last question for a payment or a session left, and when it ended.
    pub(crate) asked: BTreeMap<String, (Duration, Option<Duration>)>,
    /// The service has asked for patience until then.
    pub(crate) hold_off_until: Duration,
    /// Order numbers whose request the service has refused in its own words.
    pub(crate) refused: BTreeSet<String>,
    /// Since the last buyer was invited something went wrong.
    pub(crate) troubled: bool,
    /// What the buyer of the present sale was shown by this process.
    pub(crate) shown: Vec<String>,
    /// What becomes of them at the next crash; else chance decides.
    at_crash: Option<Fate>,
    /// The payment of another till.
    pub(crate) elsewhere: Option<i64>,
    /// Acknowledged operations.
    pub(crate) acked: BTreeSet<String>,
    /// When the connection of a request that got no answer was closed, by order number.
    pub(crate) closed_at: BTreeMap<String, Duration>,
    /// Sales whose abort was acknowledged.
    pub(crate) aborted: BTreeSet<String>,
    /// Requests that left, by order number.
    pub(crate) pays: BTreeMap<String, u32>,
    pub(crate) refunds_sent: BTreeMap<String, u32>,
    pub(crate) last_wish: Option<(String, Wish)>,
    pub(crate) random: Random,
    pub(crate) ticket: u64,
    pub(crate) names: u64,
    pub(crate) started: u64,
    pub(crate) outage_until: Duration,
    pub(crate) disk_full: u64,
    pub(crate) crash_before_effect: Option<u64>,
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
            wait_buyer: Duration::from_secs(plan.wait_buyer_s),
            poll_payment: Duration::from_secs(plan.poll_payment_s),
            poll_session: Duration::from_secs(2),
            settle: Duration::from_secs(plan.settle_s),
            valutcode: None,
            buyer_code: Vec::new(),
            order_prefix: "p0".into(),
        };
        let now = start();
        let restored = journal.restore().map_err(|error| error.to_string())?;
        // A journal that was there before: what it holds open, the core takes up.
        let entries = restored.entries.iter().cloned();
        let entries = entries.map(|entry| Record::Entry(Box::new(entry)));
        let sales = restored.sales.iter().cloned();
        let sales = sales.map(|sale| Record::Sale(Box::new(sale)));
        let open = restored.targets.iter().cloned().chain(entries).chain(sales);
        let records = open
            .map(|record| (record.operation().id.clone(), record))
            .collect();
        let (core, step) = Core::new(settings.clone(), restored, now);
        let mut world = World {
            core,
            now,
            journal,
            store,
            service: Service::of(plan.quirks.clone(), now.wall),
            settings,
            records,
            counts: Counts::default(),
            exact: Exact::default(),
            effects_done: 0,
            requests_made: 0,
            movers: BTreeSet::new(),
            requests_at_crash: 0,
            pending: Vec::new(),
            held: Vec::new(),
            asked: BTreeMap::new(),
            hold_off_until: Duration::ZERO,
            refused: BTreeSet::new(),
            troubled: false,
            shown: Vec::new(),
            at_crash: None,
            elsewhere: None,
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
        let mut ended = Vec::new();
        for write in &step.writes {
            self.check_write(&write.record)?;
            let operation = write.record.operation();
            let id = operation.id.clone();
            let was_final = self.records.get(&id);
            let was_final = was_final.is_some_and(|old| old.operation().state.is_final());
            if operation.state.is_final() && !was_final {
                ended.push(id.clone());
                self.shown.clear();
            }
            if let Some(Shows::Qr(text) | Shows::Code(text)) = &operation.shows {
                self.shown.push(text.clone());
            }
            self.records.insert(id, write.record.clone());
        }
        for id in ended {
            self.check_end(&id)?;
        }
        if let Some(after) = &mut self.after_commit
            && !step.writes.is_empty()
        {
            after(self.journal);
        }
        for (number, effect) in step.effects.into_iter().enumerate() {
            let exact = self.exact.crash_before.remove(&self.effects_done);
            if self.crash_before_effect == Some(number as u64) || exact.is_some() {
                if exact.is_some() && self.requests_at_crash == 0 {
                    self.requests_at_crash = self.requests_made;
                }
                self.at_crash = exact;
                self.crash_before_effect = None;
                self.counts.note("crash between effects");
                return self.crash(0);
            }
            self.effects_done += 1;
            self.perform(effect)?;
        }
        self.check_step()
    }

    fn perform(&mut self, effect: Effect) -> Check {
        match effect {
            Effect::Request {
                id,
                operation,
                call,
            } => {
                self.check_account(&operation)?;
                self.check_request(&call)?;
                self.check_pace(&call)?;
                if call.moves_money() {
                    self.movers.insert(self.requests_made);
                }
                self.pending.push((id, *call, self.requests_made));
                self.requests_made += 1;
            }
            Effect::Reply { reply, .. } => {
                if let TillReply::Begun(Ok((_, operation))) = reply.as_ref() {
                    self.check_told(operation)?;
                    if self.acked.insert(operation.id.clone()) {
                        self.counts.operations += 1;
                        if matches!(operation.kind, Kind::Sale | Kind::Card) {
                            self.troubled = self.now.mono < self.hold_off_until;
                        }
                    }
                }
                if let TillReply::Aborted(Ok(operation)) = reply.as_ref() {
                    self.check_told(operation)?;
                    if matches!(operation.kind, Kind::Sale | Kind::Card) {
                        self.aborted.insert(operation.id.clone());
                    }
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
        let exact = self.at_crash.take();
        // A restart may forget one pause.
        self.asked.clear();
        self.shown.clear();
        for held in std::mem::take(&mut self.held) {
            self.note_closed(&held.call);
        }
        for (_, call, _) in std::mem::take(&mut self.pending) {
            self.note_closed(&call);
            let fate = exact.unwrap_or_else(|| match self.random.below(4) {
                0 | 1 => Fate::AnswerLost,
                2 => Fate::Late(self.random.below(30)),
                _ => Fate::RequestLost,
            });
            drop(self.fate_of(&call, fate));
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

    // ---- time ---------------------------------------------------------------------------------

    pub(crate) fn jump_to(&mut self, mono: Duration) {
        let step = SignedDuration::try_from(mono - self.now.mono).unwrap_or_default();
        self.now = Now {
            wall: self.now.wall.checked_add(step).unwrap_or(self.now.wall),
            mono,
        };
        self.service.arrive(mono);
    }

    pub(crate) fn run_due(&mut self) -> Check {
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

    pub(crate) fn pass(&mut self, time: Duration) -> Check {
        let end = self.now.mono + time;
        self.run_due()?;
        for _ in 0..20_000 {
            self.answer_held()?;
            match self.next_moment(end) {
                Some(at) => {
                    self.jump_to(at.max(self.now.mono));
                    self.answer_held()?;
                    self.event(Event::Tick)?;
                    self.fail_in_outage()?;
                }
                None => {
                    self.jump_to(end.max(self.now.mono));
                    return self.answer_held();
                }
            }
        }
        Err("time does not pass".into())
    }

    /// When something happens next, up to `end`.
    fn next_moment(&self, end: Duration) -> Option<Duration> {
        let wakeup = self.core.next_wakeup().map(|(at, _)| at);
        let held = self.held.iter().map(|held| held.until);
        held.chain(wakeup).min().filter(|at| *at <= end)
    }

    /// During an outage requests end by themselves.
    pub(crate) fn fail_in_outage(&mut self) -> Check {
        while self.now.mono < self.outage_until && !self.pending.is_empty() {
            self.counts.note("in an outage");
            self.answer(false, Fate::NotSent)?;
        }
        if self.now.mono < self.outage_until {
            self.cut_held()?;
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
            self.answer_held()?;
            if !self.pending.is_empty() {
                continue;
            }
            match self.next_moment(end) {
                Some(at) => self.jump_to(at.max(self.now.mono)),
                None => {
                    self.jump_to(end.max(self.now.mono));
                    return self.answer_held();
                }
            }
        }
        Err("the core is never done".into())
    }
}
