//! A buyer who acts by himself, as `--buyer` and the control API describe.

use std::str::FromStr;
use std::time::Duration;

/// What a buyer does, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuyerScript {
    /// From the QR or code on the display until he joins.
    pub join: Duration,
    /// From the payment until he answers it.
    pub confirm: Duration,
    pub outcome: Outcome,
}

/// A buyer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Declined,
    NotEnoughMoney,
    /// Does nothing at all, from the start.
    Silent,
}

impl Outcome {
    /// The protocol's number of a payment that ends so.
    pub(super) fn status(self) -> Option<i64> {
        match self {
            Outcome::Done => Some(1),
            Outcome::Declined => Some(2),
            Outcome::NotEnoughMoney => Some(3),
            Outcome::Silent => None,
        }
    }
}

/// A script that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no buyer's script; allowed: join=300ms,confirm=500ms,outcome=done with ms or s and outcomes done, declined, not_enough_money, silent"
)]
pub struct ScriptError(String);

impl Default for BuyerScript {
    fn default() -> BuyerScript {
        BuyerScript {
            join: Duration::from_secs(2),
            confirm: Duration::from_secs(3),
            outcome: Outcome::Done,
        }
    }
}

impl FromStr for BuyerScript {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<BuyerScript, ScriptError> {
        let wrong = || ScriptError(text.chars().take(80).collect());
        let mut script = BuyerScript::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            match key.trim() {
                "join" => script.join = time(value).ok_or_else(wrong)?,
                "confirm" => script.confirm = time(value).ok_or_else(wrong)?,
                "outcome" => {
                    script.outcome = match value.trim() {
                        "done" => Outcome::Done,
                        "declined" => Outcome::Declined,
                        "not_enough_money" => Outcome::NotEnoughMoney,
                        "silent" => Outcome::Silent,
                        _ => return Err(wrong()),
                    }
                }
                _ => return Err(wrong()),
            }
        }
        Ok(script)
    }
}

/// `300ms` or `2s`, at most an hour.
fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let time = match text.strip_suffix("ms") {
        Some(number) => Duration::from_millis(number.parse().ok()?),
        None => Duration::from_secs(text.strip_suffix('s')?.parse().ok()?),
    };
    (time <= Duration::from_secs(3600)).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_or_refused() {
        let script: BuyerScript = "join=300ms, confirm=2s,outcome=not_enough_money"
            .parse()
            .unwrap();
        assert_eq!(
            script,
            BuyerScript {
                join: Duration::from_millis(300),
                confirm: Duration::from_secs(2),
                outcome: Outcome::NotEnoughMoney
            }
        );
        assert_eq!("".parse(), Ok(BuyerScript::default()));
        for bad in [
            "join",
            "join=3",
            "join=-1s",
            "outcome=maybe",
            "x=1s",
            "join=9999s",
        ] {
            assert!(bad.parse::<BuyerScript>().is_err(), "{bad}");
        }
    }
}
