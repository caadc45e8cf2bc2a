//! Trouble by command or by a seeded plan.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest plan.
const MAX_FAULTS: usize = 1000;

/// Which call is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `POST tokens`.
    Tokens,
    /// `POST demandPayment`.
    Demand,
    /// `GET consumerStatus`.
    Status,
    /// `POST payments`.
    Payments,
    /// `GET payments/{id}`.
    Payment,
    /// `POST payments/{id}/reversals`.
    Reversals,
    /// `GET paymentReports`.
    Reports,
    Any,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The connection closes, nothing was done.
    LoseRequest,
    /// It is done, and the connection closes without an answer.
    LoseAnswer,
    /// It is done and answered, `ms` late.
    Delay,
    /// It is done, and the connection stays open without an answer for `ms`, then closes; 0 = until
    /// the caller goes.
    Hold,
    /// It is done; while its answer is held the connection closes, after `ms`. An answer that is not
    /// held that long comes.
    CutHeld,
    /// It is delivered twice, the second time `ms` after the first: both are done, and the caller
    /// gets the answer to the second.
    Copy,
    /// It is done; the answer's head comes and no body.
    Cut,
    /// `status`, nothing was done; with `ms` that many whole seconds of `Retry-After` come with it.
    Error,
    /// `status`, but it is done; `ms` as above.
    ErrorWithEffect,
    /// It is done; 200 with a body that means nothing.
    Garbage,
    /// It is done; half of the answer comes.
    HalfBody,
}

impl Trouble {
    /// What a seeded plan chooses from.
    const BY_CHANCE: [Trouble; 8] = [
        Trouble::LoseRequest,
        Trouble::LoseAnswer,
        Trouble::Delay,
        Trouble::Cut,
        Trouble::Error,
        Trouble::ErrorWithEffect,
        Trouble::Garbage,
        Trouble::HalfBody,
    ];

    /// Whether the request takes effect all the same.
    pub fn takes_effect(self) -> bool {
        !matches!(self, Trouble::LoseRequest | Trouble::Error)
    }
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub on: Target,
    pub r#do: Trouble,
    /// How long, milliseconds, at most ten minutes.
    #[serde(default)]
    pub ms: u64,
    /// For `error`, 400 to 599; usually 503.
    #[serde(default = "unavailable")]
    pub status: u16,
    /// How often; 0 = until the plan is cleared.
    #[serde(default = "once")]
    pub times: u32,
}

fn unavailable() -> u16 {
    503
}

fn once() -> u32 {
    1
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    commands: VecDeque<Fault>,
    seeded: Option<Seeded>,
}

#[derive(Debug)]
struct Seeded {
    state: u64,
    percent: u64,
}

impl Plan {
    pub(super) fn add(&mut self, faults: Vec<Fault>) -> Result<(), String> {
        for fault in &faults {
            if fault.ms > 600_000 || !(400..600).contains(&fault.status) {
                return Err("ms is at most 600000, status 400 to 599".to_owned());
            }
        }
        if self.commands.len() + faults.len() > MAX_FAULTS {
            return Err(format!("at most {MAX_FAULTS} commands"));
        }
        self.commands.extend(faults);
        Ok(())
    }

    /// Hits that share of all calls with a trouble of the generator's choice.
    pub(super) fn seed(&mut self, seed: u64, percent: u64) {
        self.seeded = Some(Seeded {
            state: seed | 1,
            percent: percent.min(100),
        });
    }

    pub(super) fn clear(&mut self) {
        *self = Plan::default();
    }

    pub(super) fn commands(&self) -> Vec<Fault> {
        self.commands.iter().copied().collect()
    }

    /// What happens to this call.
    pub(super) fn next(&mut self, target: Target) -> Option<Fault> {
        let hit = |fault: &Fault| fault.on == target || fault.on == Target::Any;
        if let Some(index) = self.commands.iter().position(hit) {
            let fault = *self.commands.get(index)?;
            match fault.times {
                0 => {}
                1 => drop(self.commands.remove(index)),
                _ => self.commands.get_mut(index)?.times -= 1,
            }
            return Some(fault);
        }
        let seeded = self.seeded.as_mut()?;
        if seeded.next() % 100 >= seeded.percent {
            return None;
        }
        let index = usize::try_from(seeded.next() % 8).unwrap_or_default();
        let ms = seeded.next() % 1500;
        Some(Fault {
            on: target,
            r#do: *Trouble::BY_CHANCE.get(index)?,
            ms,
            status: 503,
            times: 1,
        })
    }
}

impl Seeded {
    /// Xorshift: repeatable, and good enough for mischief.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 11
    }
}

impl Fault {
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(on: Target, times: u32) -> Fault {
        Fault {
            on,
            r#do: Trouble::LoseAnswer,
            ms: 0,
            status: 503,
            times,
        }
    }

    #[test]
    fn commands_hit_their_call_as_often_as_they_state() {
        let mut plan = Plan::default();
        plan.add(vec![fault(Target::Payments, 2), fault(Target::Reports, 0)])
            .unwrap();
        assert!(plan.next(Target::Status).is_none());
        assert!(plan.next(Target::Payments).is_some() && plan.next(Target::Payments).is_some());
        assert!(plan.next(Target::Payments).is_none());
        assert!((0..50).all(|_| plan.next(Target::Reports).is_some()));
        plan.clear();
        assert!(plan.next(Target::Reports).is_none());
        assert!(
            plan.add(vec![Fault {
                status: 200,
                ..fault(Target::Any, 1)
            }])
            .is_err()
        );
    }

    #[test]
    fn one_seed_always_does_the_same() {
        let play = |seed| {
            let mut plan = Plan::default();
            plan.seed(seed, 30);
            (0..200)
                .map(|_| plan.next(Target::Payments).map(|fault| fault.r#do))
                .collect::<Vec<_>>()
        };
        assert_eq!(play(7), play(7));
        assert_ne!(play(7), play(8));
        let hits = play(7).into_iter().flatten().count();
        assert!((30..90).contains(&hits), "{hits} of 200 at 30 %");
    }
}
