//! A till, a buyer, a service and a journal, all in one struct, with one clock that the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Now;
use crate::base::secret::Secret;
use crate::core::Core;
use crate::core::call::{
    Answer, Call, Failure, Heard, PaymentInfo, PaymentStatus, PaymentType, Reply, SessionMode,
};
use crate::core::event::{
    Effect, Event, JournalContext, Reply as TillReply, RequestId, Restored, Settings, Step,
};
use crate::core::record::{Account, Record, ReversalRecord};
use crate::core::scene::Scene;
use crate::core::validate::tests::request;
use crate::model::money::Kopecks;
use crate::model::operation::{
    CancellationRequest, Card, CardRequest, Kind, Mode, Operation, OperationRequest, Outcome,
    RefundRequest, Shows, State, Verdict,
};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    NotSent,
    RequestLost,
    AnswerLost,
    /// The connection breaks now, the effect comes so many seconds later.
    Late(u64),
    Refused,
    /// Delivered twice: the first copy is carried out, and the second one's refusal is the answer.
    CopyRefused,
    /// The same, but the first copy takes effect so many seconds later.
    LateCopyRefused(u64),
    TokenNeeded,
    /// Carried out, and answered by a token error: what stands before the service has refused the answer's way back.
    TokenAfterEffect,
}

/// An operation in the service's ledger.
#[derive(Clone, Debug)]
pub(super) struct Payment {
    pub info: PaymentInfo,
    pub target: Option<i64>,
    pub shift: String,
}

/// A session with a buyer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    ready: bool,
    opened_at: Duration,
}

/// The service, as far as the core can tell.
#[derive(Default)]
pub(super) struct Service {
    pub ledger: BTreeMap<i64, Payment>,
    sessions: BTreeMap<String, Session>,
    /// How long a session lives; `None`: for ever.
    pub session_life: Option<Duration>,
    /// Answers to `POST payments` are held until the test lets them go.
    pub holds_answers: bool,
    pub(super) late: Vec<(Duration, Call)>,
    /// `POST payments` received, by order number: must never exceed one.
    pub pays: BTreeMap<String, u32>,
    pub reverses_pending: bool,
    pub card: Option<Card>,
    /// Reports end after so many rows.
    pub rows: Option<usize>,
    /// A purse that is too empty to give a refund back.
    pub purse_is_empty: bool,
    /// Reversals of what is paid stay pending.
    pub leaves_pending: bool,
    /// What fails, without effect.
    pub fails: Option<fn(&Service, &Call) -> Option<Failure>>,
}

/// Everything around the core.
pub(super) struct World {
    pub core: Core,
    pub now: Now,
    pub journal: BTreeMap<String, Record>,
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
            firsts: BTreeMap::new(),
            service: Service {
                reverses_pending: true,
                ..Service::default()
            },
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

    /// With a paid sale `s` of 1999 kopecks.
    pub(super) fn sold() -> World {
        let mut world = World::new(Mode::DynamicQr);
        world.begin("s", 1999);
        world.settle();
        world.join();
        world.advance(Duration::from_secs(2));
        world.buyer(PaymentStatus::Ok);
        world.advance(Duration::from_secs(2));
        assert_eq!(world.state("s"), State::Done);
        world
    }

    /// With a sale `s` of 1999 kopecks whose payment waits for its buyer.
    pub(super) fn confirming() -> World {
        let mut world = World::new(Mode::DynamicQr);
        world.begin("s", 1999);
        world.settle();
        world.join();
        world.advance(Duration::from_secs(3));
        assert_eq!(world.state("s"), State::AwaitingConfirmation);
        world
    }

    /// With a sale `s` of 1999 kopecks whose payment request is next to be answered.
    pub(super) fn paying() -> World {
        let mut world = World::new(Mode::DynamicQr);
        world.begin("s", 1999);
        world.settle();
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
        for effect in step.effects {
            match effect {
                Effect::Request { id, call, .. } => {
                    self.check_request(&call);
                    self.check_pace(&call);
                    self.requests += 1;
                    if self.service.holds_answers && matches!(*call, Call::Pay { .. }) {
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

    /// The till is told `done` only for status 1 of a payment that is ours, and every change has a version
    /// of its own.
    fn check_write(&self, record: &Record) {
        let operation = record.operation();
        let before = self.journal.get(&operation.id);
        let before = before.map_or(0, |before| before.operation().version);
        assert_eq!(operation.version, before + 1, "{}", operation.id);
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
                    && entry.reversal == crate::core::record::ReversalProgress::Sent)
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

    /// The held answer comes: the payment as it stands.
    pub(super) fn let_go(&mut self) {
        let (request, call) = self.held.remove(0);
        let Call::Pay { order_number, .. } = &call else {
            panic!("{call:?} is held")
        };
        let mut payments = self.service.ledger.values();
        let paid = payments.find(|payment| payment.info.order_number == *order_number);
        let answer = Ok(Reply::Payment(paid.unwrap().info.clone()));
        self.event(Event::Answered { request, answer });
    }

    /// The connection of the held answer breaks.
    pub(super) fn cut_held(&mut self) {
        let (request, _) = self.held.remove(0);
        let answer = Err(Failure::Lost {
            detail: "reset".into(),
            heard: Heard::Nothing,
        });
        self.event(Event::Answered { request, answer });
    }

    /// How often the reversal of that entry has left.
    pub(super) fn reverses_of(&self, id: &str) -> u32 {
        let number = &self.operation(id).order_number;
        self.reverses.get(number).copied().unwrap_or_default()
    }

    pub(super) fn begin(&mut self, id: &str, amount: i64) {
        let mut request = request(amount);
        request.receipt.number = format!("r-{id}");
        self.wish(id, OperationRequest::Sale(request));
    }

    pub(super) fn refund(&mut self, id: &str, sale: &str, amount: i64) {
        let receipt = request(amount).receipt;
        let sale = Some(sale.to_owned());
        self.wish(
            id,
            OperationRequest::Refund(RefundRequest {
                sale,
                payment_id: None,
                amount: Kopecks(amount),
                receipt,
            }),
        );
    }

    /// A refund of a payment that another till made.
    pub(super) fn refund_payment(&mut self, id: &str, payment_id: i64, amount: i64) {
        let receipt = request(amount).receipt;
        self.wish(
            id,
            OperationRequest::Refund(RefundRequest {
                sale: None,
                payment_id: Some(payment_id),
                amount: Kopecks(amount),
                receipt,
            }),
        );
    }

    pub(super) fn cancel(&mut self, id: &str, operation: &str, annul: bool) {
        let operation = operation.to_owned();
        self.wish(
            id,
            OperationRequest::Cancellation(CancellationRequest {
                operation,
                annul,
                shift: None,
            }),
        );
    }

    pub(super) fn card(&mut self, id: &str) {
        self.wish(
            id,
            OperationRequest::Card(CardRequest {
                valutcode: 7,
                card_number_type: 5,
            }),
        );
    }

    pub(super) fn wish(&mut self, id: &str, wish: OperationRequest) {
        self.ticket += 1;
        let event = Event::Begin {
            ticket: self.ticket,
            id: id.into(),
            existing: self.journal.get(id).cloned(),
            facts: Box::new(self.facts(&wish)),
            wish,
        };
        self.event(event);
    }

    /// The newest question's.
    pub(super) fn tickets(&self) -> u64 {
        self.ticket
    }

    /// What the journal would tell.
    fn facts(&self, wish: &OperationRequest) -> JournalContext {
        let mut facts = JournalContext::default();
        let target = match wish {
            OperationRequest::Refund(RefundRequest {
                sale: Some(sale), ..
            }) => Some(sale.clone()),
            OperationRequest::Refund(RefundRequest { payment_id, .. }) => {
                let paid = |record: &&Record| {
                    record.operation().kind == Kind::Sale
                        && record.operation().payment_id == *payment_id
                };
                let sale = self.journal.values().find(paid);
                sale.map(|record| record.operation().id.clone())
            }
            OperationRequest::Cancellation(cancellation) => Some(cancellation.operation.clone()),
            OperationRequest::Sale(_) | OperationRequest::Card(_) => None,
        };
        if let Some(target) = target {
            facts.target = self.journal.get(&target).cloned();
            let of = facts.target.as_ref().and_then(|target| {
                let of = target.operation().of.clone()?;
                self.journal.get(&of).cloned()
            });
            facts.sale = of;
            let reversals = self.journal.values().filter_map(as_entry);
            facts.reversals = reversals
                .filter(|entry| entry.operation.of.as_ref() == Some(&target))
                .cloned()
                .collect();
        } else if let OperationRequest::Refund(RefundRequest { payment_id, .. }) = wish {
            let reversals = self.journal.values().filter_map(as_entry);
            facts.reversals = reversals
                .filter(|entry| entry.target.payment_id == *payment_id)
                .cloned()
                .collect();
        }
        facts
    }

    /// What the last `PUT` was answered.
    pub(super) fn problem(&self) -> &crate::model::problem::Problem {
        match self.replies.last() {
            Some(TillReply::Begun(Err(problem))) => problem,
            other => panic!("no problem, but {other:?}"),
        }
    }

    pub(super) fn abort(&mut self, id: &str) {
        self.ticket += 1;
        let existing = self.journal.get(id).cloned();
        self.event(Event::Abort {
            ticket: self.ticket,
            id: id.into(),
            existing,
        });
    }

    pub(super) fn scan(&mut self, code: &str) {
        self.event(Event::Scan {
            ticket: None,
            device: "scanner1".into(),
            code: Secret::new(code),
        });
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
        let due = |(at, _): &(Duration, Call)| *at <= mono;
        let (late, rest) = std::mem::take(&mut self.service.late)
            .into_iter()
            .partition(due);
        self.service.late = rest;
        let late: Vec<(Duration, Call)> = late;
        for (_, call) in late {
            let _ = self.service.effect(&call, self.now);
        }
    }

    /// Ends the oldest request.
    pub(super) fn answer(&mut self, fate: Fate) {
        if self.pending.is_empty() {
            return;
        }
        let (request, call) = self.pending.remove(0);
        let lost = || {
            Err(Failure::Lost {
                detail: "reset".into(),
                heard: Heard::Nothing,
            })
        };
        if fate == Fate::NotSent {
            // What never left is no question.
            for key in self.asked_for(&call) {
                self.asked_at.remove(&key);
            }
        }
        let no = || {
            Err(Failure::Refused {
                message: Some("нельзя".into()),
                detail: "X".into(),
            })
        };
        let shut_out = || {
            Err(Failure::Token {
                problem: crate::core::call::TokenProblem::Needed,
                detail: "reset".into(),
            })
        };
        let answer: Answer = match fate {
            Fate::Answered => self.service.effect(&call, self.now),
            Fate::NotSent => Err(Failure::NotSent {
                detail: "connection refused".into(),
            }),
            Fate::RequestLost => lost(),
            Fate::AnswerLost => {
                let _ = self.service.effect(&call, self.now);
                lost()
            }
            Fate::Late(seconds) => {
                if call.moves_money() {
                    self.service
                        .late
                        .push((self.now.mono + Duration::from_secs(seconds), call));
                }
                lost()
            }
            Fate::Refused => no(),
            Fate::CopyRefused => {
                let _ = self.service.effect(&call, self.now);
                no()
            }
            Fate::LateCopyRefused(seconds) => {
                let at = self.now.mono + Duration::from_secs(seconds);
                self.service.late.push((at, call));
                no()
            }
            Fate::TokenNeeded => shut_out(),
            Fate::TokenAfterEffect => {
                let _ = self.service.effect(&call, self.now);
                shut_out()
            }
        };
        self.event(Event::Answered { request, answer });
    }

    /// Ticks and answers until nothing is under way at this instant.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            self.run_due();
            if self.pending.is_empty() {
                return;
            }
            self.answer(Fate::Answered);
        }
        panic!("requests never end: {:?}", self.pending);
    }

    /// As [`World::pass`], but every request is answered as it comes.
    pub(super) fn advance(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            self.settle();
            match self.core.next_wakeup() {
                Some((at, _)) if at <= end => self.jump_to(at.max(self.now.mono)),
                _ => break,
            }
        }
        self.jump_to(end);
        self.settle();
    }

    pub(super) fn buyer(&mut self, status: PaymentStatus) {
        let wall = self.now.wall;
        let pending = self.service.ledger.values_mut().rev().find(|payment| {
            payment.info.status == PaymentStatus::InProgress && payment.target.is_none()
        });
        if let Some(payment) = pending {
            payment.info.status = status;
            payment.info.paid = (status == PaymentStatus::Ok).then_some(wall);
        }
    }

    pub(super) fn join(&mut self) {
        self.service
            .sessions
            .values_mut()
            .for_each(|session| session.ready = true);
    }

    /// The buyer joins that session, in the order of their opening.
    pub(super) fn join_session(&mut self, number: usize) {
        let session = self.service.sessions.get_mut(&format!("s{number}"));
        session.unwrap().ready = true;
    }

    /// How old that session is.
    pub(super) fn age_of_session(&self, number: usize) -> Duration {
        self.now.mono - self.service.sessions[&format!("s{number}")].opened_at
    }

    /// A copy of the sale's refused payment is carried out now, and its buyer pays.
    pub(super) fn pay_late(&mut self, id: &str) {
        let Record::Sale(sale) = &self.journal[id] else {
            panic!("{id} is no sale")
        };
        let operation = &sale.operation;
        let (sum, order) = (operation.amount, operation.order_number.clone());
        let (shift, wall) = (operation.shift.clone(), self.now.wall);
        self.service
            .enter(PaymentType::Sale, sum, &order, &shift, None, wall);
        self.buyer(PaymentStatus::Ok);
    }

    /// A copy of a reversal is carried out now.
    pub(super) fn carry_out_reversal(&mut self, id: i64, order: &str, sum: Kopecks, shift: &str) {
        let wall = self.now.wall;
        drop(self.service.reverse(id, order, sum, shift, wall));
    }

    /// How many sessions were opened.
    pub(super) fn sessions(&self) -> usize {
        self.service.sessions.len()
    }

    /// The process dies; another reads the journal.
    pub(super) fn crash(&mut self, off: Duration) {
        self.pending.clear();
        self.held.clear();
        // A restart may forget one pause.
        self.asked_at.clear();
        self.started += 1;
        self.jump_to(self.now.mono + off);
        let mut restored = Restored {
            next_own: self.journal.keys().filter(|id| id.starts_with('~')).count() as u64 + 1,
            newest: self
                .journal
                .values()
                .map(|record| record.operation().updated_at)
                .max(),
            ..Restored::default()
        };
        let sales = self.journal.values().filter_map(|record| match record {
            Record::Sale(sale) if sale.operation.kind == Kind::Sale => Some(sale),
            Record::Sale(_) | Record::Entry(_) => None,
        });
        let newest = sales.max_by_key(|sale| sale.operation.created_at);
        restored.own_shift = newest.and_then(|sale| sale.request.receipt()?.shift.clone());
        for record in self.journal.values() {
            if let Record::Sale(sale) = record
                && sale.operation.state == State::Done
            {
                restored.witnesses.push(sale.as_ref().clone());
            }
        }
        for record in self.journal.values().filter(|record| record.is_open()) {
            match record {
                Record::Sale(sale) => restored.sales.push(sale.as_ref().clone()),
                Record::Entry(entry) => {
                    restored.entries.push(entry.as_ref().clone());
                    let mut of = entry.operation.of.clone();
                    while let Some(id) = of {
                        let target = self.journal[&id].clone();
                        of = target.operation().of.clone();
                        restored.targets.push(target);
                    }
                }
            }
        }
        self.settings.order_prefix = format!("p{}", self.started);
        let (core, step) = Core::new(self.settings.clone(), restored, self.now);
        self.core = core;
        self.take(step);
    }
}

impl Service {
    fn effect(&mut self, call: &Call, now: Now) -> Answer {
        let wall = now.wall;
        let refused = |detail: &str| {
            Err(Failure::Refused {
                message: None,
                detail: detail.into(),
            })
        };
        if let Some(failure) = self.fails.and_then(|fails| fails(self, call)) {
            return Err(failure);
        }
        match call {
            Call::OpenSession(mode) => {
                let session = format!("s{}", self.sessions.len());
                let opened = Session {
                    ready: matches!(mode, SessionMode::ConsumerQr(_)),
                    opened_at: now.mono,
                };
                let number = 123_456 + self.sessions.len();
                self.sessions.insert(session.clone(), opened);
                let shows = match mode {
                    SessionMode::ConsumerQr(_) => None,
                    SessionMode::StaticQr => Some(Shows::Code(number.to_string())),
                    SessionMode::DynamicQr => {
                        Some(Shows::Qr(format!("o-plati://o-cashpay/dyn/{number}")))
                    }
                };
                Ok(Reply::Session { session, shows })
            }
            Call::ConsumerStatus { session } => {
                let Some(found) = self.sessions.get(session) else {
                    return refused("no such session");
                };
                let age = now.mono - found.opened_at;
                if self.session_life.is_some_and(|life| age >= life) {
                    return Err(Failure::SessionOver {
                        detail: "166".into(),
                    });
                }
                let ready = found.ready;
                Ok(Reply::Consumer {
                    ready,
                    card: self.card.clone().filter(|_| ready),
                })
            }
            Call::Pay {
                order_number,
                sum,
                shift,
                ..
            } => Ok(Reply::Payment(self.enter(
                PaymentType::Sale,
                *sum,
                order_number,
                shift,
                None,
                wall,
            ))),
            Call::Payment { payment_id } => match self.ledger.get(payment_id) {
                Some(payment) => Ok(Reply::Payment(payment.info.clone())),
                None => refused("unknown payment"),
            },
            Call::Reverse {
                payment_id,
                order_number,
                sum,
                shift,
                ..
            } => self.reverse(*payment_id, order_number, *sum, shift, wall),
            Call::LookUp {
                shifts,
                order_numbers,
                witnesses,
            } => Ok(self.report(shifts, order_numbers, witnesses)),
            Call::Probe { .. } => Ok(Reply::Alive),
        }
    }

    /// What the client reads from the shifts' reports.
    fn report(&self, shifts: &[String], order_numbers: &[String], witnesses: &[String]) -> Reply {
        let rows = || {
            let rows = self.ledger.values().filter(|p| shifts.contains(&p.shift));
            rows.take(self.rows.unwrap_or(usize::MAX)).map(|p| &p.info)
        };
        let is_there = |number: &String| rows().any(|info| info.order_number == *number);
        let wanted = rows().filter(|info| order_numbers.contains(&info.order_number));
        let found = wanted.cloned().collect();
        if order_numbers.iter().all(is_there) || witnesses.iter().all(is_there) {
            return Reply::Found(found);
        }
        Reply::Partial {
            found,
            detail: "the report is not whole".into(),
        }
    }

    fn reverse(
        &mut self,
        id: i64,
        order: &str,
        sum: Kopecks,
        shift: &str,
        wall: Timestamp,
    ) -> Answer {
        let reverses_pending = self.reverses_pending;
        let refused = |detail: &str| {
            Err(Failure::Refused {
                message: None,
                detail: detail.into(),
            })
        };
        let before: i64 = self.reversed(id);
        let Some(payment) = self.ledger.get_mut(&id) else {
            return refused("unknown payment");
        };
        match payment.info.status {
            PaymentStatus::InProgress if reverses_pending => {
                payment.info.status = PaymentStatus::TechnicalCancelling;
                Ok(Reply::Payment(payment.info.clone()))
            }
            PaymentStatus::Ok => {
                let all = payment.info.sum;
                if before + sum.0 > all.0 {
                    return refused("more than was paid");
                }
                let of_refund = payment.info.payment_type == PaymentType::ReversalOfSale;
                let direction = if of_refund {
                    PaymentType::ReversalOfPurchase
                } else {
                    PaymentType::ReversalOfSale
                };
                let broke = of_refund && self.purse_is_empty;
                let mut info = self.enter(direction, sum, order, shift, Some(id), wall);
                info.status = if broke {
                    PaymentStatus::NotEnough
                } else if self.leaves_pending {
                    PaymentStatus::InProgress
                } else {
                    PaymentStatus::Ok
                };
                info.paid = Some(wall);
                if let Some(entry) = self.ledger.get_mut(&info.payment_id) {
                    entry.info = info.clone();
                }
                Ok(Reply::Payment(info))
            }
            PaymentStatus::InProgress
            | PaymentStatus::Decline
            | PaymentStatus::NotEnough
            | PaymentStatus::Timeout
            | PaymentStatus::TechnicalCancelling
            | PaymentStatus::Unknown(_) => refused("not reversible"),
        }
    }

    /// Kopecks of a payment that went back, less what of that came forth again.
    pub(super) fn reversed(&self, id: i64) -> i64 {
        self.ledger
            .values()
            .filter(|payment| {
                payment.target == Some(id) && payment.info.status == PaymentStatus::Ok
            })
            .map(|payment| payment.info.sum.0 - self.reversed(payment.info.payment_id))
            .sum()
    }

    fn enter(
        &mut self,
        payment_type: PaymentType,
        sum: Kopecks,
        order: &str,
        shift: &str,
        target: Option<i64>,
        wall: Timestamp,
    ) -> PaymentInfo {
        let payment_id = 1000 + i64::try_from(self.ledger.len()).unwrap();
        let info = PaymentInfo {
            payment_id,
            payment_type,
            sum,
            status: PaymentStatus::InProgress,
            order_number: order.to_owned(),
            created: Some(wall),
            paid: None,
            paid_text: wall.to_string(),
            purse: None,
        };
        self.ledger.insert(
            payment_id,
            Payment {
                info: info.clone(),
                target,
                shift: shift.to_owned(),
            },
        );
        info
    }
}

/// A person closes an entry.
pub(super) fn closed_by_a_person(ticket: u64, id: &str, outcome: Outcome, reason: &str) -> Event {
    Event::Settle {
        ticket,
        id: id.into(),
        verdict: Verdict {
            reason: reason.into(),
            outcome,
        },
    }
}

fn as_entry(record: &Record) -> Option<&ReversalRecord> {
    match record {
        Record::Entry(entry) => Some(entry),
        Record::Sale(_) => None,
    }
}
