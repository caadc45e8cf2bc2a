//! The power fails in the middle of a sale, again and again.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Sim, Till, wait_for};

/// Rounds, shared out to so many tills at the same time.
const ROUNDS: u64 = 20;
const TILLS: u64 = 4;
/// A sale takes about this long with a quick buyer.
const SALE_MS: u64 = 3_500;

/// Repeatable chance.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 16
}

/// One sale with a `kill -9` after `delay`; what was acknowledged must be there afterwards.
fn round(till: &mut Till, sim: &Sim, id: &str, delay: Duration, abort: bool) -> Value {
    assert_eq!(till.begin(id, 100).0, 201);
    if abort {
        std::thread::sleep(delay / 2);
        till.ask("POST", &format!("/v1/operations/{id}/abort"), json!(null));
    }
    // The moment of the crash is the point of this test: it is chance, not a condition.
    std::thread::sleep(delay);
    till.kill();
    till.start();
    let operation = till.until_final(id);
    till.until_queue_is_empty();
    let operation = if operation["undo"].is_null() {
        operation
    } else {
        till.operation(id)
    };
    let ours = sim
        .payments()
        .into_iter()
        .filter(|payment| payment["orderNumber"] == operation["order_number"]);
    assert!(ours.count() <= 1, "{id} was paid twice");
    operation
}

#[test]
fn twenty_crashes_lose_nothing_and_charge_nobody_twice() {
    let tills: Vec<_> = (0..TILLS)
        .map(|number| {
            std::thread::spawn(move || {
                let sim = Sim::start(Some("join=200ms,confirm=400ms,outcome=done"));
                let mut till = Till::started(&sim.url, 2, "");
                let mut chance = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number + 1);
                let mut taken = 0;
                for round_number in 0..ROUNDS / TILLS {
                    let delay = Duration::from_millis(random(&mut chance) % SALE_MS);
                    let abort = random(&mut chance).is_multiple_of(4);
                    let id = format!("s-{number}-{round_number}");
                    let operation = round(&mut till, &sim, &id, delay, abort);
                    let done = operation["state"] == "done";
                    taken += if done { 100 } else { 0 };
                    wait_for("the money where it belongs", || {
                        (sim.balance() == taken).then_some(())
                    });
                }
                ROUNDS / TILLS
            })
        })
        .collect();
    let rounds: u64 = tills.into_iter().map(|till| till.join().unwrap()).sum();
    assert_eq!(rounds, ROUNDS);
}
