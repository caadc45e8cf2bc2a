//! The power fails and connections break, again and again, in the middle of sales, refunds and
//! cancellations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Sim, Till, wait_until};

/// Rounds, shared out to so many tills at the same time.
const ROUNDS: u64 = 200;
const TILLS: u64 = 20;
/// A sale takes about this long with a quick buyer.
const SALE_MS: u64 = 4_500;
/// A refund or a cancellation.
const REVERSAL_MS: u64 = 300;
/// So many of a hundred requests meet trouble.
const TROUBLE_PERCENT: u64 = 8;

/// Repeatable chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// The daemon is killed after a random time; what was acknowledged must end, and end well.
fn crash_within(till: &mut Till, id: &str, most_ms: u64, chance: &mut Chance) -> Value {
    // The moment of the crash is the point of this test: it is chance, not a condition.
    std::thread::sleep(Duration::from_millis(chance.below(most_ms)));
    till.kill();
    till.start();
    till.until_final(id);
    till.until_queue_is_empty();
    till.operation(id)
}

/// One sale, and perhaps what is brought back of it; kopecks that the buyer has paid in the end.
fn round(till: &mut Till, sim: &Sim, id: &str, chance: &mut Chance) -> i64 {
    let trouble = json!({"seed": chance.below(1 << 30), "rate_percent": TROUBLE_PERCENT});
    sim.control("POST", "/sim/faults/seed", trouble);
    begin(
        till,
        &format!("/v1/sales/{id}"),
        &crate::harness::sale(id, 100),
    );
    if chance.below(4) == 0 {
        std::thread::sleep(Duration::from_millis(chance.below(SALE_MS / 2)));
        till.post(&format!("/v1/operations/{id}/abort"), json!(null));
    }
    let sale = crash_within(till, id, SALE_MS, chance);
    let numbered = |payment: &Value| payment["orderNumber"] == sale["order_number"];
    let ours = sim.payments().into_iter().filter(numbered).count();
    assert!(ours <= 1, "{id} was paid twice");
    if sale["state"] != "done" {
        return 0;
    }
    let back = format!("{id}-back");
    // A refund that was not found has not reached the buyer, but its part is held for an hour.
    let mut held = 0;
    match chance.below(3) {
        0 => {
            let receipt = json!({"number": back, "items": [{"name": "x", "cost": 30}]});
            let refund = json!({"sale": id, "amount": 30, "receipt": receipt});
            begin(till, &format!("/v1/refunds/{back}"), &refund);
            let refund = crash_within(till, &back, REVERSAL_MS, chance);
            held = if refund["state"] == "failed" { 30 } else { 0 };
        }
        1 => {
            let cancellation = json!({"operation": id});
            begin(till, &format!("/v1/cancellations/{back}"), &cancellation);
            crash_within(till, &back, REVERSAL_MS, chance);
        }
        _ => {}
    }
    till.operation(id)["left"].as_i64().unwrap_or_default() + held
}

/// The buyers have paid what was reported to the till; else both sides of the books are in the message.
fn until_balance_is(sim: &Sim, till: &Till, taken: i64, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    while sim.balance() != taken {
        assert!(
            Instant::now() < deadline,
            "after {id} buyers have paid {} and not {taken}: {:#?} {:#}",
            sim.balance(),
            sim.payments(),
            till.get("/v1/operations?limit=5").1
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// While the line is bad, a till asks until it is taken.
fn begin(till: &Till, path: &str, body: &Value) {
    wait_until("an accepted PUT", || {
        let (status, answer) = till.put(path, body.clone());
        assert!(matches!(status, 200 | 201 | 503), "{path}: {answer}");
        status != 503
    });
}

#[test]
#[ignore = "long: run by tests/run"]
fn two_hundred_crashes_lose_nothing_and_charge_nobody_twice() {
    let tills: Vec<_> = (0..TILLS)
        .map(|number| {
            std::thread::spawn(move || {
                let sim = Sim::start(Some("join=150ms,confirm=200ms,outcome=done"));
                sim.allow_one_early_question();
                let mut till = Till::started(&sim.url, 2, "");
                let mut chance = Chance(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number + 1));
                let mut taken = 0;
                for round_number in 0..ROUNDS / TILLS {
                    let id = format!("s-{number}-{round_number}");
                    taken += round(&mut till, &sim, &id, &mut chance);
                    until_balance_is(&sim, &till, taken, &id);
                }
                ROUNDS / TILLS
            })
        })
        .collect();
    let rounds: u64 = tills.into_iter().map(|till| till.join().unwrap()).sum();
    assert_eq!(rounds, ROUNDS);
}
