//! The real core and the real journal between a till, a buyer and the model of the service, in
//! virtual time. After every step the promises are checked.
//!
//! Three clocks: `now.mono` is the machine's steady one, which stands still while the machine sleeps;
//! `now.wall` is the till's civil one, which people and batteries set wrong; `real` is the time that passes,
//! by which the service lives.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use oplati::base::clock::Now;
use oplati::core::call::Call;
use oplati::core::event::{RequestId, Settings};
use oplati::core::record::{Account, Record};
use oplati::engine::{self, Engine};
use oplati::journal::Journal;
use oplati::model::operation::{OperationRequest, Outcome};

use crate::disk::{Disk, Hand};
use crate::ends::Ends;
use crate::plan::{Endpoint, Plan, RequestFate};
use crate::prng::Random;
use crate::service::Service;
use crate::store::Store;

/// Called after every commit.
pub type AfterCommit<'a> = Box<dyn FnMut() + 'a>;

/// A promise that was broken, and how.
pub type Check = Result<(), String>;

/// What a run met.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub steps: u64,
    pub crashes: u64,
    pub operations: u64,
    pub faults: BTreeMap<&'static str, u64>,
    pub ends: Ends,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.operations += other.operations;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.ends.add(&other.ends);
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
    pub crash_before: BTreeMap<u64, RequestFate>,
    /// What becomes of the request with this number.
    pub fate: BTreeMap<u64, RequestFate>,
}

/// A part of the service that answers otherwise than it should.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub endpoint: Endpoint,
    pub fate: RequestFate,
    /// On the steady clock.
    pub until: Duration,
    /// So many requests more.
    pub times: u64,
}

/// When a request left.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Of all requests of the run, from 0.
    pub number: u64,
    /// By the service's clock.
    pub at: Duration,
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
    /// None only while the process is dead.
    pub(crate) engine: Option<Engine<Disk<'a>>>,
    /// What the test does to the disk.
    pub(crate) hand: Hand,
    pub now: Now,
    /// The time that has passed, asleep or not.
    pub(crate) real: Duration,
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
    pub(crate) pending: Vec<(RequestId, Call, Sent)>,
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
    pub(crate) at_crash: Option<RequestFate>,
    /// The part of the service that is ill for ever.
    pub(crate) broken: Option<(Endpoint, RequestFate)>,
    /// Which parts of the service are ill.
    pub(crate) troubles: Vec<Trouble>,
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
    pub(crate) random: Random,
    pub(crate) ticket: u64,
    /// Requests about the queue that were answered `busy`: a person asks again later.
    pub(crate) answered_busy: BTreeSet<u64>,
    pub(crate) names: u64,
    pub(crate) started: u64,
    pub(crate) outage_until: Duration,
    /// How long the journal keeps what is over.
    pub(crate) journal_days: u32,
    /// In which order operations were made.
    pub(crate) made: BTreeMap<String, u64>,
    /// The newest version of each operation that a caller may have seen, whatever a power cut took.
    pub(crate) versions_seen: BTreeMap<String, u64>,
    /// When each was written last since it was over.
    pub(crate) ended_at: BTreeMap<String, Duration>,
    /// What the journal has removed since it was old, as it was then.
    pub(crate) purged: BTreeMap<String, Record>,
    /// Operations of which the disk has lost a commit.
    pub(crate) forgotten: BTreeSet<String>,
    /// Whose every order number is that has left.
    pub(crate) numbers: BTreeMap<String, String>,
    /// How the entries were settled that a person has closed.
    pub(crate) settled_as: BTreeMap<String, Outcome>,
    /// What the till's receipts name as their shift; the date without it.
    pub(crate) shift_text: Option<String>,
    /// Tickets of those who have hung up.
    pub(crate) gone: BTreeSet<u64>,
    pub(crate) requests: Vec<(String, OperationRequest)>,
    pub(crate) crash_before_effect: Option<u64>,
    /// Every write, request and answer is printed.
    pub traces: bool,
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
    /// A till whose journal is empty.
    pub fn new(
        plan: &Plan,
        journal: &'a mut Journal,
        store: &'a Store,
    ) -> Result<World<'a>, String> {
        let (mut world, disk) = World::unstarted(plan, journal, store, BTreeMap::new());
        for name in plan.quirks.names() {
            world.counts.note(name);
        }
        world.start(disk)?;
        Ok(world)
    }

    /// The same till, buyers and service after a power cut that has left another journal: some commits, and
    /// all that the process knew, are lost.
    pub fn after_power_cut(
        mut self,
        plan: &Plan,
        journal: &'a mut Journal,
        store: &'a Store,
    ) -> Result<World<'a>, String> {
        self.end_requests(None);
        let mut rows = BTreeMap::new();
        for (id, record) in &self.records {
            let kept = journal.find(id).map_err(|error| error.to_string())?;
            if kept.as_ref() != Some(record) {
                self.forgotten.insert(id.clone());
            }
            rows.extend(kept.map(|kept| (id.clone(), kept)));
        }
        self.acked.retain(|id| rows.contains_key(id));
        self.aborted.clear();
        self.pays.clear();
        self.refunds_sent.clear();
        let (world, disk) = World::unstarted(plan, journal, store, rows.clone());
        let mut world = World {
            now: self.now,
            real: self.real,
            service: self.service,
            records: rows,
            elsewhere: self.elsewhere,
            acked: self.acked,
            closed_at: self.closed_at,
            random: self.random,
            ticket: self.ticket,
            names: self.names,
            numbers: self.numbers,
            made: self.made,
            ended_at: self.ended_at,
            forgotten: self.forgotten,
            settled_as: self.settled_as,
            broken: self.broken,
            troubles: self.troubles,
            ..world
        };
        world.drop_unsaid();
        world.start(disk)?;
        Ok(world)
    }

    fn unstarted(
        plan: &Plan,
        journal: &'a mut Journal,
        store: &'a Store,
        rows: BTreeMap<String, Record>,
    ) -> (World<'a>, Disk<'a>) {
        let now = start();
        let (disk, hand) = Disk::new(journal, store, rows);
        let world = World {
            engine: None,
            hand,
            now,
            store,
            service: Service::of(plan.quirks.clone(), now.wall),
            settings: settings(plan),
            records: BTreeMap::new(),
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
            broken: None,
            troubles: Vec::new(),
            real: Duration::ZERO,
            elsewhere: None,
            acked: BTreeSet::new(),
            aborted: BTreeSet::new(),
            closed_at: BTreeMap::new(),
            pays: BTreeMap::new(),
            refunds_sent: BTreeMap::new(),
            random: Random::new(plan.seed ^ 0xabcd),
            ticket: 0,
            answered_busy: BTreeSet::new(),
            names: 0,
            started: 0,
            outage_until: Duration::ZERO,
            journal_days: plan.journal_days,
            made: BTreeMap::new(),
            versions_seen: BTreeMap::new(),
            ended_at: BTreeMap::new(),
            purged: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            numbers: BTreeMap::new(),
            settled_as: BTreeMap::new(),
            shift_text: None,
            gone: BTreeSet::new(),
            requests: Vec::new(),
            crash_before_effect: None,
            traces: false,
            after_commit: None,
        };
        (world, disk)
    }
}

fn settings(plan: &Plan) -> Settings {
    Settings {
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
        order_prefix: String::new(),
    }
}

/// As the daemon makes it, of random bytes.
pub(crate) fn new_prefix(random: &mut Random) -> String {
    let mut bytes = [0; engine::ORDER_PREFIX_BYTES];
    for byte in &mut bytes {
        *byte = random.below(256) as u8;
    }
    engine::order_prefix(bytes)
}
