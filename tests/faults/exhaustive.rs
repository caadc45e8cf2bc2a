//! Every operation in every mode: a crash before every effect and a loss of every request, one by
//! one and in pairs. Fair otherwise.
//!
//! The second fault of a pair is looked for in the run that the first one leads to, so that what
//! only happens because of the first is broken as well. Reversals know no mode: their pairs are tried
//! in one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oplati::core::call::PaymentStatus;
use oplati::journal::Journal;
use oplati::model::operation::{Mode, State};

use crate::plan::{Action, Plan, RequestFate};
use crate::service::quirks::Quirks;
use crate::store::Store;
use crate::world::{Check, Exact, World};

/// What is tried, after a fair sale where it needs one; whether the mode matters to it.
const OPERATIONS: [(&str, &[Action], bool); 10] = [
    ("sale", &[Action::Begin], true),
    ("sale, its answer held", &[Action::Begin], true),
    (
        "sale, aborted, its answer held",
        &[Action::Begin, Action::Abort],
        true,
    ),
    ("sale, aborted", &[Action::Begin, Action::Abort], true),
    ("card", &[Action::Card], true),
    ("refund", &[Action::Refund(0, 40)], false),
    ("refund by payment", &[Action::RefundPayment(1, 40)], false),
    ("cancellation", &[Action::Cancel(0, false)], false),
    ("annulment", &[Action::Cancel(0, true)], false),
    (
        "cancellation of a refund",
        &[Action::CancelRefund(0)],
        false,
    ),
];
const MODES: [Mode; 3] = [Mode::ConsumerQr, Mode::StaticQr, Mode::DynamicQr];

/// Of every request.
const LOSSES: [RequestFate; 6] = [
    RequestFate::NotSent,
    RequestFate::RequestLost,
    RequestFate::AnswerLost,
    RequestFate::Refused,
    RequestFate::TokenNeeded,
    RequestFate::TokenAfterEffect,
];
/// Of requests that can move money: an effect before and after the settling time.
const LATE: [RequestFate; 2] = [RequestFate::Late(3), RequestFate::Late(20)];
/// Of what is under way when the process dies.
const AT_CRASH: [RequestFate; 3] = [
    RequestFate::AnswerLost,
    RequestFate::RequestLost,
    RequestFate::Late(20),
];
const SETTLE_S: u64 = 5;
/// So long after the people have done their part, faults are still tried.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// One fault at an exact place.
#[derive(Clone, Copy, Debug)]
enum Fault {
    CrashBefore(u64, RequestFate),
    Loss(u64, RequestFate),
}

struct Scenario {
    name: String,
    plan: Plan,
    pairs: bool,
}

#[derive(Default)]
struct Tried {
    single: u64,
    pairs: u64,
    broken: Vec<String>,
}

pub fn run() -> bool {
    let began = Instant::now();
    let scenarios = scenarios();
    let (next, tried) = (AtomicUsize::new(0), Mutex::new(Tried::default()));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, tried, scenarios) = (&next, &tried, &scenarios);
            scope.spawn(move || {
                let store = Store::new(1000 + thread as u64);
                let mut journal = store.journal();
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut found = Tried::default();
                    if let Err(what) = try_all(scenario, &mut found, &mut journal, &store) {
                        let name = &scenario.name;
                        found
                            .broken
                            .push(format!("{name}, without any fault: {what}"));
                    }
                    let mut tried = tried.lock().unwrap();
                    tried.single += found.single;
                    tried.pairs += found.pairs;
                    tried.broken.extend(found.broken);
                }
            });
        }
    });
    let tried = tried.into_inner().unwrap();
    for broken in tried.broken.iter().take(20) {
        println!("exhaustive: {broken}");
    }
    println!(
        "exhaustive: {} scenarios, {} single faults, {} pairs, {} broken, {:.0} s",
        scenarios.len(),
        tried.single,
        tried.pairs,
        tried.broken.len(),
        began.elapsed().as_secs_f64()
    );
    tried.broken.is_empty()
}

fn scenarios() -> Vec<Scenario> {
    let all = OPERATIONS.iter().flat_map(|operation| {
        MODES.iter().enumerate().map(move |(number, mode)| {
            let (name, deeds, mode_matters) = operation;
            Scenario {
                name: format!("{name}, {mode:?}"),
                plan: Plan {
                    seed: 1,
                    mode: *mode,
                    settle_s: SETTLE_S,
                    wait_buyer_s: 60,
                    poll_payment_s: 5,
                    journal_days: 400,
                    quirks: Quirks {
                        holds_answers: name.ends_with("held"),
                        session_life_s: 60,
                        ..Quirks::default()
                    },
                    deeds: deeds.to_vec(),
                },
                pairs: *mode_matters || number == 0,
            }
        })
    });
    all.collect()
}

/// The fair run, every fault alone, and with every other one that comes after it.
fn try_all(scenario: &Scenario, tried: &mut Tried, journal: &mut Journal, store: &Store) -> Check {
    let fair = play(&scenario.plan, &[], journal, store);
    fair.1?;
    for first in faults(&fair.0, None) {
        let (places, outcome) = play(&scenario.plan, &[first], journal, store);
        tried.single += 1;
        tried.note(scenario, &[first], outcome);
        for second in faults(&places, Some(first)).filter(|_| scenario.pairs) {
            let (_, outcome) = play(&scenario.plan, &[first, second], journal, store);
            tried.pairs += 1;
            tried.note(scenario, &[first, second], outcome);
        }
    }
    Ok(())
}

impl Tried {
    fn note(&mut self, scenario: &Scenario, chosen: &[Fault], outcome: Check) {
        if let Err(what) = outcome {
            let name = &scenario.name;
            self.broken.push(format!("{name} with {chosen:?}: {what}"));
        }
    }
}

/// Every place of a run where something can go wrong; with `first`, those after it.
fn faults(places: &Places, first: Option<Fault>) -> impl Iterator<Item = Fault> + use<> {
    let (mut effects, mut requests) = (places.effects.clone(), places.requests.clone());
    // A second crash or loss differs little by its kind.
    let (crashes, losses) = match first {
        None => (AT_CRASH.as_slice(), LOSSES.as_slice()),
        Some(_) => (&AT_CRASH[..1], &LOSSES[..3]),
    };
    match first {
        Some(Fault::CrashBefore(number, _)) => {
            effects.start = effects.start.max(number + 1);
            requests.start = requests.start.max(places.requests_at_crash);
        }
        Some(Fault::Loss(number, _)) => requests.start = requests.start.max(number + 1),
        None => {}
    }
    let movers = places.movers.clone();
    let crashes = effects.flat_map(move |number| {
        crashes
            .iter()
            .map(move |fate| Fault::CrashBefore(number, *fate))
    });
    let losses = requests.flat_map(move |number| {
        let late: &[RequestFate] = if movers.contains(&number) { &LATE } else { &[] };
        losses
            .iter()
            .chain(late)
            .map(move |fate| Fault::Loss(number, *fate))
            .collect::<Vec<_>>()
    });
    crashes.chain(losses)
}

/// Where the part that is tried lay.
#[derive(Clone, Debug, Default)]
struct Places {
    effects: std::ops::Range<u64>,
    requests: std::ops::Range<u64>,
    /// Requests that can move money.
    movers: std::collections::BTreeSet<u64>,
    /// Requests that were made when the process died first.
    requests_at_crash: u64,
}

fn play(plan: &Plan, faults: &[Fault], journal: &mut Journal, store: &Store) -> (Places, Check) {
    store.clear();
    let mut places = Places::default();
    let outcome = (|| {
        let mut world = World::new(plan, journal, store)?;
        prepare(&mut world, plan)?;
        (places.effects.start, places.requests.start) = (world.effects_done, world.requests_made);
        let mut exact = Exact::default();
        for fault in faults {
            match fault {
                Fault::CrashBefore(number, fate) => {
                    exact.crash_before.insert(*number, *fate);
                }
                Fault::Loss(number, fate) => {
                    exact.fate.insert(*number, *fate);
                }
            }
        }
        world.exact = exact;
        for (number, deed) in plan.deeds.iter().enumerate() {
            world.deed(*deed)?;
            let aborted = plan.deeds.get(number + 1) == Some(&Action::Abort);
            act(&mut world, *deed, !aborted)?;
        }
        world.advance(AFTERWARDS)?;
        (places.effects.end, places.requests.end) = (world.effects_done, world.requests_made);
        places.movers = world.movers.clone();
        places.requests_at_crash = world.requests_at_crash;
        world.quiesce()
    })();
    (places, outcome)
}

/// A fair sale, and a refund of it where the scenario cancels one.
fn prepare(world: &mut World<'_>, plan: &Plan) -> Check {
    let needs_sale = |deed: &Action| {
        matches!(
            deed,
            Action::Refund(..) | Action::Cancel(..) | Action::CancelRefund(_)
        )
    };
    if !plan.deeds.iter().any(needs_sale) {
        return Ok(());
    }
    world.deed(Action::Begin)?;
    act(world, Action::Begin, true)?;
    let cancels_refund = |deed: &Action| matches!(deed, Action::CancelRefund(_));
    if plan.deeds.iter().any(cancels_refund) {
        world.deed(Action::Refund(0, 30))?;
        world.advance(Duration::from_secs(5))?;
    }
    let paid = |record: &oplati::core::record::Record| record.operation().state == State::Done;
    if world.records.values().all(paid) {
        Ok(())
    } else {
        Err("the fair beginning did not end well".to_owned())
    }
}

/// The people do their part.
fn act(world: &mut World<'_>, deed: Action, pays: bool) -> Check {
    let second = Duration::from_secs(1);
    world.advance(Duration::ZERO)?;
    if matches!(deed, Action::Begin | Action::Card) {
        for _ in 0..3 {
            world.deed(Action::Scan)?;
            world.service.join();
            world.advance(2 * second)?;
        }
    }
    if deed == Action::Begin && pays {
        world.buyer_decides(PaymentStatus::Ok)?;
    }
    world.advance(8 * second)
}
