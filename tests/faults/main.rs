//! The proof that no rouble goes astray: the real core and the real journal against a model of the
//! service, in virtual time.
//!
//!     cargo test --test faults                              a small run, with checked arithmetic
//!     cargo test --release --test faults -- --seeds 100000  what tests/run runs
//!     cargo test --release --test faults -- simulation --seeds N --from S   N histories, beginning with seed S
//!     cargo test --release --test faults -- --seed S        one seed, with its shortest failing history
//!     cargo test --release --test faults -- --seed S --trace   and what that history writes and asks
//!
//! Everything else on its command line is what every test program takes: a filter, `--exact`, `--list`.
//!
//! What it shows is about money: a person tries again what is set aside, then says truly what happened, and every buyer
//! has what is his, or the books show by name who owes what. Nothing is excused.
//!
//! - `prng`, `plan`, `random_quirks`: one seed decides what happens
//! - `tales`, `routine`: what people begin and bring to its end · `people`, `caretakers`: their single deeds
//! - `service`, its `quirks` and `bodies`: the model of the service, its ways, and its answers on the wire
//! - `network`: what becomes of requests · `disk`, `store`: what becomes of writes
//! - `world`, `passage`, `carry_out`: the engine, its time, and the daemon's part around it
//! - `invariants`: what is checked after every step · `truth`, `books`: what is true in the end, and what the books
//!   show of it
//! - `ends`: how often each kind of operation reached each of its ends
//! - `exhaustive`: a crash at every effect and a loss at every request, alone and in pairs
//! - `torn`: write-ahead logs and checkpoints cut and damaged at any byte
//!
//! What cannot be in it, since it needs sockets, files or a second process, and what holds it instead:
//!
//! - HTTP itself, and each report by its own request: `src/service/client/tests.rs`, `tests/blackbox/recorded`
//! - token.conf, and the one token that is ever issued: `src/service/token.rs`, `tests/blackbox/recorded/tokens.rs`
//! - two processes at once, and SIGTERM with a call under way: `tests/blackbox/handover.rs`
//! - a caller's connection that breaks (what the core makes of it is in here): `tests/blackbox/trouble.rs`
//! - a journal that another program holds, removes or replaces: `src/journal/tests.rs`
//! - the reserve that secures room on a full disk: `src/journal/reserve.rs`, `tests/blackbox/limits.rs`
//! - the reader that compares a shift with the report (its rule is repeated in `caretakers`):
//!   `src/journal/tests.rs`, `tests/blackbox/reconcile.rs`
//!
//! One thing is left out since no program can mend it: a payment or reversal that was reported as carried out (status
//! 1) and is not any more. Goods have been handed over by then.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test program that shall stop at what it did not expect, and prints what it found"
)]

mod books;
mod caretakers;
mod carry_out;
mod disk;
mod ends;
mod exhaustive;
mod invariants;
mod network;
mod passage;
mod people;
mod plan;
mod prng;
mod random_quirks;
mod routine;
mod service;
mod store;
mod tales;
mod torn;
mod truth;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use libtest_mimic::Trial;
use oplati::journal::Journal;

use plan::{Action, Plan};
use store::Store;
use world::{Counts, World};

/// Seeds of the simulation where none are asked for; `tests/run` plays 100 000, which shall take no more than four
/// minutes on two cores.
const SEEDS: u64 = if cfg!(debug_assertions) { 500 } else { 2000 };
/// A long run prints how far it is every so many seeds.
const PROGRESS: u64 = 50_000;
/// Seeds of damaged write-ahead logs.
const TORN: u64 = if cfg!(debug_assertions) { 50 } else { 2000 };

/// Whether the shortest failing history is printed step by step.
static TRACES: AtomicBool = AtomicBool::new(false);

struct Arguments {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    /// What the test runner passes on.
    rest: Vec<String>,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        seeds: SEEDS,
        from: 0,
        seed: None,
        rest: Vec::new(),
    };
    let mut words = std::env::args();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse().ok());
        match word.as_str() {
            "--seeds" => arguments.seeds = number().expect("--seeds NUMBER"),
            "--from" => arguments.from = number().expect("--from NUMBER"),
            "--seed" => arguments.seed = Some(number().expect("--seed NUMBER")),
            "--trace" => TRACES.store(true, Ordering::Relaxed),
            _ => arguments.rest.push(word),
        }
    }
    arguments
}

fn main() {
    let arguments = arguments();
    if let Some(seed) = arguments.seed {
        return replay(seed);
    }
    let (from, seeds) = (arguments.from, arguments.seeds);
    let trials = vec![
        part("exhaustive", exhaustive::run),
        part("torn", || torn::run(TORN)),
        part("simulation", move || simulate(from, seeds)),
    ];
    let mut options = libtest_mimic::Arguments::from_iter(arguments.rest);
    // Each part takes all cores for itself.
    options.test_threads = Some(1);
    libtest_mimic::run(&options, trials).exit();
}

/// A part of the proof; what it has found it prints itself.
fn part(name: &str, run: impl FnOnce() -> bool + Send + 'static) -> Trial {
    Trial::test(name, move || {
        if run() {
            Ok(())
        } else {
            Err("a promise was broken, or an end was not reached".into())
        }
    })
}

/// Plays one plan to its end.
fn play(
    plan: &Plan,
    deeds: &[Action],
    journal: &mut Journal,
    store: &Store,
    traces: bool,
) -> (Counts, world::Check) {
    store.clear();
    match World::new(plan, journal, store) {
        Ok(mut world) => {
            world.traces = traces;
            let outcome = world.play(deeds).and_then(|()| world.quiesce());
            (std::mem::take(&mut world.counts), outcome)
        }
        Err(what) => (Counts::default(), Err(what)),
    }
}

/// All seeds, on every core of the machine; whether every promise held.
fn simulate(from: u64, seeds: u64) -> bool {
    let began = Instant::now();
    let (next, failed) = (AtomicU64::new(from), AtomicBool::new(false));
    let total = Mutex::new(Counts::default());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (next, failed, total) = (&next, &failed, &total);
            scope.spawn(move || {
                let store = Store::new(thread);
                let mut journal = store.journal();
                let mut counts = Counts::default();
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    if seed > from && (seed - from).is_multiple_of(PROGRESS) {
                        eprintln!("{} seeds", seed - from);
                    }
                    let plan = Plan::of_seed(seed);
                    let (met, outcome) = play(&plan, &plan.deeds, &mut journal, &store, false);
                    counts.add(&met);
                    if let Err(what) = outcome {
                        failed.store(true, Ordering::Relaxed);
                        print_shortest(&plan, &what, &mut journal, &store);
                    }
                }
                total.lock().unwrap().add(&counts);
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!(
        "simulation: {} seeds, {} operations, {} steps, {} crashes, {:.0} s",
        next.load(Ordering::Relaxed).min(from + seeds) - from,
        total.operations,
        total.steps,
        total.crashes,
        began.elapsed().as_secs_f64()
    );
    for (fault, count) in &total.faults {
        println!("  {count:>9}  {fault}");
    }
    let played = next.load(Ordering::Relaxed).min(from + seeds) - from;
    let is_full = total.ends.print(played);
    is_full && !failed.load(Ordering::Relaxed)
}

/// Prints the shortest history that still fails.
fn print_shortest(plan: &Plan, what: &str, journal: &mut Journal, store: &Store) {
    let deeds = shorten(plan, journal, store);
    let traces = TRACES.load(Ordering::Relaxed);
    let (_, outcome) = play(plan, &deeds, journal, store, traces);
    println!("seed {} breaks a promise: {what}", plan.seed);
    println!(
        "  mode {:?}, settle {} s, {:?}; the shortest history that fails:",
        plan.mode, plan.settle_s, plan.quirks
    );
    for deed in &deeds {
        println!("    {deed:?}");
    }
    println!("  and ends with: {:?}", outcome.err());
    println!(
        "  play it again: cargo test --release --test faults -- --seed {}",
        plan.seed
    );
}

/// Leaves out what is not needed to fail: first large parts, then single deeds, until every one that
/// is left is needed.
fn shorten(plan: &Plan, journal: &mut Journal, store: &Store) -> Vec<Action> {
    let mut deeds = plan.deeds.clone();
    let mut size = deeds.len() / 2;
    while size > 0 {
        let (mut at, before) = (0, deeds.len());
        while at < deeds.len() {
            let mut fewer = deeds.clone();
            fewer.drain(at..(at + size).min(deeds.len()));
            if play(plan, &fewer, journal, store, false).1.is_err() {
                deeds = fewer;
            } else {
                at += size;
            }
        }
        if size > 1 || deeds.len() == before {
            size /= 2;
        }
    }
    deeds
}

fn replay(seed: u64) {
    let store = Store::new(0);
    let mut journal = store.journal();
    let plan = Plan::of_seed(seed);
    match play(&plan, &plan.deeds, &mut journal, &store, false).1 {
        Ok(()) => println!("seed {seed}: every promise holds"),
        Err(what) => {
            print_shortest(&plan, &what, &mut journal, &store);
            std::process::exit(1);
        }
    }
}
