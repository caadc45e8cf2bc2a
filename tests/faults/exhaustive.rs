//! Every operation in every mode: a crash before every effect and a loss of every request, one by
//! one and in pairs. Fair otherwise.

use std::time::{Duration, Instant};

use oplati::journal::Journal;
use oplati::operation::{Mode, State};
use oplati::service::call::PaymentStatus;

use crate::plan::{Deed, Fate, Plan};
use crate::service::Quirks;
use crate::store::Store;
use crate::world::{Check, Exact, World};

/// What is tried, after a fair sale where it needs one.
const SCENARIOS: [(&str, Mode, &[Deed]); 10] = [
    ("sale, mode 0", Mode::ConsumerQr, &[Deed::Begin]),
    ("sale, mode 1", Mode::StaticQr, &[Deed::Begin]),
    ("sale, mode 2", Mode::DynamicQr, &[Deed::Begin]),
    (
        "sale, aborted",
        Mode::ConsumerQr,
        &[Deed::Begin, Deed::Abort],
    ),
    ("refund", Mode::ConsumerQr, &[Deed::Refund(0, 40)]),
    ("cancellation", Mode::ConsumerQr, &[Deed::Cancel(0, false)]),
    ("annulment", Mode::DynamicQr, &[Deed::Cancel(0, true)]),
    (
        "cancellation of a refund",
        Mode::ConsumerQr,
        &[Deed::CancelRefund(0)],
    ),
    ("card, mode 0", Mode::ConsumerQr, &[Deed::Card]),
    ("card, mode 2", Mode::DynamicQr, &[Deed::Card]),
];

const LOSSES: [Fate; 5] = [
    Fate::NotSent,
    Fate::RequestLost,
    Fate::AnswerLost,
    Fate::Refused,
    Fate::TokenNeeded,
];

/// One fault at an exact place.
#[derive(Clone, Copy, Debug)]
enum Fault {
    CrashBefore(u64),
    Loss(u64, Fate),
}

pub fn run() -> bool {
    let began = Instant::now();
    let store = Store::new(1000);
    let mut journal = store.journal();
    let (mut single, mut pairs, mut good) = (0_u64, 0_u64, true);
    for (name, mode, deeds) in SCENARIOS {
        let plan = Plan {
            seed: 1,
            mode,
            settle_s: 5,
            quirks: Quirks::default(),
            deeds: deeds.to_vec(),
        };
        let faults = match faults(&plan, &mut journal, &store) {
            Ok(faults) => faults,
            Err(what) => {
                println!("exhaustive: {name}, without any fault: {what}");
                return false;
            }
        };
        let mut try_out = |chosen: &[Fault]| {
            if let Err(what) = play(&plan, chosen, &mut journal, &store).1 {
                println!("exhaustive: {name} with {chosen:?}: {what}");
                good = false;
            }
        };
        for (index, first) in faults.iter().enumerate() {
            try_out(&[*first]);
            single += 1;
            for second in faults.iter().skip(index + 1) {
                try_out(&[*first, *second]);
                pairs += 1;
            }
        }
    }
    println!(
        "exhaustive: {} scenarios, {single} single faults, {pairs} pairs, {:.0} s",
        SCENARIOS.len(),
        began.elapsed().as_secs_f64()
    );
    good
}

/// Every place of a fair run where something can go wrong.
fn faults(plan: &Plan, journal: &mut Journal, store: &Store) -> Result<Vec<Fault>, String> {
    let (places, outcome) = play(plan, &[], journal, store);
    outcome?;
    let (effects, requests) = places;
    let crashes = (effects.0..effects.1).map(Fault::CrashBefore);
    let losses =
        (requests.0..requests.1).flat_map(|number| LOSSES.map(|fate| Fault::Loss(number, fate)));
    Ok(crashes.chain(losses).collect())
}

type Places = ((u64, u64), (u64, u64));

/// Where the part that is tried lay, and how it went.
fn play(plan: &Plan, faults: &[Fault], journal: &mut Journal, store: &Store) -> (Places, Check) {
    store.clear();
    let mut places = ((0, 0), (0, 0));
    let outcome = (|| {
        let mut world = World::new(plan, journal, store)?;
        prepare(&mut world, plan)?;
        let from = (world.effects_done, world.requests_made);
        let mut exact = Exact::default();
        for fault in faults {
            match fault {
                Fault::CrashBefore(number) => drop(exact.crash_before.insert(*number)),
                Fault::Loss(number, fate) => drop(exact.fate.insert(*number, *fate)),
            }
        }
        world.exact = exact;
        for deed in &plan.deeds {
            world.deed(*deed)?;
            act(&mut world, *deed)?;
        }
        places = ((from.0, world.effects_done), (from.1, world.requests_made));
        world.find_peace()
    })();
    (places, outcome)
}

/// A fair sale, and a refund of it where the scenario cancels one.
fn prepare(world: &mut World<'_>, plan: &Plan) -> Check {
    let needs_sale = |deed: &Deed| {
        matches!(
            deed,
            Deed::Refund(..) | Deed::Cancel(..) | Deed::CancelRefund(_)
        )
    };
    if !plan.deeds.iter().any(needs_sale) {
        return Ok(());
    }
    world.deed(Deed::Begin)?;
    act(world, Deed::Begin)?;
    if plan
        .deeds
        .iter()
        .any(|deed| matches!(deed, Deed::CancelRefund(_)))
    {
        world.deed(Deed::Refund(0, 30))?;
        world.live_on(Duration::from_secs(5))?;
    }
    let paid = |record: &oplati::core::record::Record| record.operation().state == State::Done;
    if world.records.values().all(paid) {
        Ok(())
    } else {
        Err("the fair beginning did not end well".to_owned())
    }
}

/// The people do their part.
fn act(world: &mut World<'_>, deed: Deed) -> Check {
    let second = Duration::from_secs(1);
    world.live_on(Duration::ZERO)?;
    if matches!(deed, Deed::Begin | Deed::Card) {
        for _ in 0..3 {
            world.deed(Deed::Scan)?;
            world.service.join();
            world.live_on(2 * second)?;
        }
    }
    if deed == Deed::Begin {
        world.service.decide(PaymentStatus::Ok, world.now.wall);
    }
    world.live_on(3 * second)
}
