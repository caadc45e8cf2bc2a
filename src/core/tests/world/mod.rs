//! A till, a buyer, a service and a journal, all in one struct, with one clock that the test moves.

mod answers;
pub(super) mod failures;
mod restart;
mod service;
mod till;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

pub(super) use self::answers::Fate;
pub(super) use self::service::Service;
pub(super) use self::till::closed_by_a_person;
use crate::base::clock::Now;
use crate::core::Core;
use crate::core::call::{Call, PaymentStatus};
use crate::core::event::{
    Durability, Effect, Event, Reply as TillReply, RequestId, Restored, Settings, Step, Write,
};
use crate::core::record::{Account, Record, ReversalProgress, ReversalRecord};
use crate::core::scene::Scene;
use crate::model::operation::{Kind, Mode, Operation, State};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// A restart leaves out so many versions of an operation.
const RESTART_VERSIONS: u64 = 1000;

/// Everything around the core.
pub(super) struct World {
    pub core: Core,
    pub now: Now,
    pub journal: BTreeMap<String, Record>,
    /// The journal as a power cut may leave it at the worst.
    on_disk: BTreeMap<String, Record>,
    /// Steps that waited for the disk.
    pub waits_for_disk: usize,
    /// Each operation as it was written first.
    firsts: BTreeMap<String, Record>,
    pub service: Service,
    pub pending: Vec<(RequestId, Call)>,
    /// Requests whose answer the service holds; they have taken effect.
    pub held: Vec<(RequestId, Call)>,
    /// When each payment and session was asked for last.
    asked_at: BTreeMap<String, Duration>,
    pub replies: Vec<TillReply>,
    pub scenes: Vec<Scene>,
    pub states: Vec<(String, State)>,
    pub settings: Settings,
    pub alarms: Vec<String>,
    /// Whether the last code was kept away from the till.
    pub withheld: bool,
    /// Requests that the core has made.
    pub requests: usize,
    reverses: BTreeMap<String, u32>,
    ticket: u64,
    started: u32,
}

impl World {
    pub(super) fn new(mode: Mode) -> World {
        let now = Now {
            wall: "2026-11-24T09:00:00Z".parse().unwrap(),
            mono: Duration::ZERO,
        };
        let settings = Settings {
            account: Some(Account {
                url: "http://localhost".into(),
                reg_num: "OPL000011111".into(),
            }),
            mode,
            timeout: Duration::from_secs(10),
            wait_buyer: Duration::from_secs(180),
            settle: Duration::from_secs(30),
            poll_payment: Duration::from_secs(1),
            poll_session: Duration::from_secs(1),
            valutcode: None,
            buyer_code: Vec::new(),
            order_prefix: "p0".into(),
        };
        let (core, step) = Core::new(settings.clone(), Restored::default(), now);
        let mut world = World {
            core,
            now,
            journal: BTreeMap::new(),
            on_disk: BTreeMap::new(),
            waits_for_disk: 0,
            firsts: BTreeMap::new(),
            service: Service::new(now.wall),
            pending: Vec::new(),
            held: Vec::new(),
            asked_at: BTreeMap::new(),
            replies: Vec::new(),
            scenes: Vec::new(),
            states: Vec::new(),
            settings,
            alarms: Vec::new(),
            withheld: false,
            requests: 0,
            reverses: BTreeMap::new(),
            ticket: 0,
            started: 0,
        };
        world.take(step);
        world
    }

    /// With the pauses between questions that are the default.
    pub(super) fn polite(mode: Mode) -> World {
        let mut world = World::new(mode);
        world.settings.poll_payment = Duration::from_secs(5);
        world.settings.poll_session = Duration::from_secs(2);
        world.crash(Duration::ZERO);
        world
    }

    /// With a sale `s` of 1999 kopecks that has begun.
    pub(super) fn begun(mode: Mode) -> World {
        let mut world = World::new(mode);
        world.begin("s", 1999);
        world.settle();
        world
    }

    /// With a paid sale `s` of 1999 kopecks.
    pub(super) fn sold() -> World {
        let mut world = World::begun(Mode::DynamicQr);
        world.join();
        world.advance(Duration::from_secs(2));
        world.buyer(PaymentStatus::Ok);
        world.advance(Duration::from_secs(2));
        assert_eq!(world.state("s"), State::Done);
        world
    }

    /// With a sale `s` of 1999 kopecks whose payment waits for its buyer.
    pub(super) fn confirming() -> World {
        let mut world = World::begun(Mode::DynamicQr);
        world.join();
        world.advance(Duration::from_secs(3));
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
        world
    }

    /// With a sale `s` of 1999 kopecks whose payment request is next to be answered.
    pub(super) fn paying() -> World {
        let mut world = World::begun(Mode::DynamicQr);
        world.join();
        let is_next = |world: &World| matches!(world.pending.first(), Some((_, Call::Pay { .. })));
        while !is_next(&world) {
            world.pass(Duration::from_secs(1));
            if !is_next(&world) {
                world.answer(Fate::Answered);
            }
        }
        world
    }

    pub(super) fn event(&mut self, event: Event) {
        let step = self.core.handle(event, self.now);
        self.take(step);
    }

    /// An operation as it was journalled first.
    pub(super) fn first_record(&self, id: &str) -> Record {
        self.firsts[id].clone()
    }

    fn take(&mut self, step: Step) {
        let is_immediate = |write: &Write| write.durability == Durability::Immediate;
        let waits = step.writes.iter().any(is_immediate);
        for write in step.writes {
            let operation = write.record.operation();
            self.states.push((operation.id.clone(), operation.state));
            self.check_write(&write.record);
            let id = operation.id.clone();
            self.firsts
                .entry(id.clone())
                .or_insert_with(|| write.record.clone());
            self.journal.insert(id, write.record);
        }
        if waits {
            self.on_disk.clone_from(&self.journal);
            self.waits_for_disk += 1;
        }
        for effect in step.effects {
            match effect {
                Effect::Request { id, call, .. } => {
                    self.check_request(&call);
                    self.check_pace(&call);
                    self.requests += 1;
                    if self.service.quirks.holds_answers && matches!(*call, Call::Pay { .. }) {
                        drop(self.service.effect(&call, self.now));
                        self.held.push((id, *call));
                        continue;
                    }
                    self.pending.push((id, *call));
                }
                Effect::Show(scene) => self.scenes.push(scene),
                Effect::Reply { reply, .. } => self.replies.push(*reply),
                Effect::Alarm { what, .. } => self.alarms.push(what),
                Effect::Scanned { withheld, .. } => self.withheld = withheld,
            }
        }
    }

    /// The till gets `done` only for status 1 of a payment that is ours, and every change has a version of its own.
    fn check_write(&self, record: &Record) {
        let operation = record.operation();
        let before = self.journal.get(&operation.id);
        let before = before.map_or(0, |before| before.operation().version);
        let next = [before + 1, before + 1 + RESTART_VERSIONS];
        assert!(next.contains(&operation.version), "{}", operation.id);
        let Record::Sale(sale) = record else { return };
        if sale.operation.state == State::Done && sale.operation.kind == Kind::Sale {
            let paid = self.service.ledger.values().any(|payment| {
                payment.info.order_number == sale.operation.order_number
                    && payment.info.status == PaymentStatus::Ok
            });
            assert!(
                paid,
                "{} is done, but its payment is not paid",
                sale.operation.id
            );
        }
    }

    /// Whatever can move money was written before it leaves, and leaves at most once.
    fn check_request(&mut self, call: &Call) {
        if let Call::Pay { order_number, .. } = call {
            let intent = self.journal.values().any(|record| matches!(record, Record::Sale(sale)
                if sale.operation.order_number == *order_number && sale.payment_sent && sale.ending.is_none()));
            assert!(
                intent,
                "a payment leaves without its intent, or after an abort"
            );
            let sent = self.service.pays.entry(order_number.clone()).or_default();
            *sent += 1;
            assert_eq!(*sent, 1, "a second POST payments for {order_number}");
        }
        if let Call::Reverse { order_number, .. } = call {
            *self.reverses.entry(order_number.clone()).or_default() += 1;
            let intent = self.journal.values().any(|record| {
                matches!(record, Record::Entry(entry)
                if entry.operation.order_number == *order_number
                    && entry.reversal == ReversalProgress::Sent)
            });
            assert!(intent, "a reversal leaves without its intent");
        }
    }

    /// Never two questions for one payment or session closer than the rule.
    fn check_pace(&mut self, call: &Call) {
        let pause = match call {
            Call::ConsumerStatus { .. } => self.settings.poll_session,
            Call::OpenSession(_)
            | Call::Pay { .. }
            | Call::Payment { .. }
            | Call::Reverse { .. }
            | Call::LookUp { .. }
            | Call::Probe { .. } => self.settings.poll_payment,
        };
        for key in self.asked_for(call) {
            let before = self.asked_at.insert(key.clone(), self.now.mono);
            let gap = before.map(|before| self.now.mono - before);
            assert!(
                gap.is_none_or(|gap| gap >= pause),
                "{key} is asked for again after {gap:?}"
            );
        }
    }

    /// Whose status a call asks for.
    fn asked_for(&self, call: &Call) -> Vec<String> {
        match call {
            Call::ConsumerStatus { session } => vec![session.clone()],
            Call::Payment { payment_id } => {
                let known = self.service.ledger.get(payment_id);
                let number = known.map(|payment| payment.info.order_number.clone());
                number.into_iter().collect()
            }
            Call::LookUp { order_numbers, .. } => order_numbers.clone(),
            Call::OpenSession(_) | Call::Pay { .. } | Call::Reverse { .. } | Call::Probe { .. } => {
                Vec::new()
            }
        }
    }

    /// How often the reversal of that entry has left.
    pub(super) fn reverses_of(&self, id: &str) -> u32 {
        let number = &self.operation(id).order_number;
        self.reverses.get(number).copied().unwrap_or_default()
    }

    pub(super) fn operation(&self, id: &str) -> &Operation {
        self.journal[id].operation()
    }

    pub(super) fn state(&self, id: &str) -> State {
        self.operation(id).state
    }

    pub(super) fn entry(&self, id: &str) -> &ReversalRecord {
        match &self.journal[id] {
            Record::Entry(entry) => entry,
            Record::Sale(_) => panic!("{id} is a sale"),
        }
    }

    /// Moves time, and lets everything that is due happen on the way.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        self.run_due();
        while let Some((at, _)) = self.core.next_wakeup().filter(|(at, _)| *at <= end) {
            self.jump_to(at.max(self.now.mono));
            self.event(Event::Tick);
        }
        self.jump_to(end);
    }

    pub(super) fn run_due(&mut self) {
        for _ in 0..100 {
            if self
                .core
                .next_wakeup()
                .is_none_or(|(at, _)| at > self.now.mono)
            {
                return;
            }
            self.event(Event::Tick);
        }
        panic!(
            "the core never comes to rest: {:?}",
            self.core.next_wakeup()
        );
    }

    fn jump_to(&mut self, mono: Duration) {
        let step = SignedDuration::try_from(mono - self.now.mono).unwrap();
        self.now = Now {
            wall: self.now.wall.checked_add(step).unwrap(),
            mono,
        };
        for call in self.service.take_due(mono) {
            drop(self.service.effect(&call, self.now));
        }
    }
}
