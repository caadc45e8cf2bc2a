//! Sessions: buyers who are invited, join, and pay once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::{Caller, MAX_ENTRIES, Moment};
use super::refusal::Refusal;
use super::rules::{Rules, SessionIds};
use super::service::Random;
use super::strict::DemandPayment;

/// The number before the first session's, of the size that was recorded.
const BEFORE_FIRST: u64 = 31_000;

/// A buyer who is invited.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// In the order of opening, from 1.
    pub number: u64,
    /// As text; in JSON it may be an integer.
    pub id: String,
    ids: SessionIds,
    reg_num: String,
    pub qr: Option<String>,
    pub code: Option<String>,
    pub ready: bool,
    used: bool,
    /// Nobody can join any more from here on.
    ends: Duration,
}

impl Session {
    /// The buyer did not join in time. Nothing is recorded of the end of a session that was joined;
    /// here it stays joined.
    pub(super) fn is_over(&self, at: Moment) -> bool {
        !self.ready && at.mono >= self.ends
    }

    fn waits(&self, at: Moment) -> bool {
        !self.ready && !self.is_over(at)
    }

    /// The answer to `demandPayment`.
    pub(super) fn answer(&self) -> Value {
        let mut body = serde_json::Map::new();
        let integer = self.id.parse::<u64>().ok();
        let id = match (self.ids, integer) {
            (SessionIds::Integer, Some(id)) => json!(id),
            _ => json!(self.id),
        };
        body.insert("sessionId".to_owned(), id);
        for (name, text) in [("dynamicQR", &self.qr), ("confirmationCode", &self.code)] {
            if let Some(text) = text {
                body.insert(name.to_owned(), json!(text));
            }
        }
        Value::Object(body)
    }
}

/// How a buyer finds his session.
pub(super) enum Joining {
    Session(String),
    Code(String),
    Qr(String),
    Latest,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_number: BTreeMap<u64, Session>,
    numbers: BTreeMap<String, u64>,
    buyers: BTreeSet<String>,
    opened: u64,
}

impl Sessions {
    /// Makes a buyer's code that `demandPayment` will know.
    pub(super) fn new_buyer_code(&mut self, random: &Random) -> String {
        let code = format!("https://getapp.o-plati.by/c/{}", random.hex());
        self.buyers.insert(code.clone());
        code
    }

    /// `POST demandPayment`.
    pub(super) fn open(
        &mut self,
        caller: &Caller<'_>,
        requested: &DemandPayment,
        rules: &Rules,
        random: &Random,
        at: Moment,
    ) -> Result<Session, Refusal> {
        let number = self.opened + 1;
        let id = match rules.session_ids {
            SessionIds::Integer => (BEFORE_FIRST + number).to_string(),
            SessionIds::String => format!("{}-{number}", random.hex()),
        };
        let mut session = Session {
            number,
            id,
            ids: rules.session_ids,
            reg_num: caller.reg_num.to_owned(),
            qr: None,
            code: None,
            ready: false,
            used: false,
            ends: at.mono.saturating_add(rules.session_life),
        };
        match (requested.paymentMode, &requested.consumerQR) {
            (1, Some(code)) if self.is_buyers(code) => session.ready = true,
            (1, Some(_)) => return Err(Refusal::unknown_consumer()),
            (2, None) => session.code = Some(self.free_code(number, at)),
            (3, None) => session.qr = Some(dynamic_qr(random, number)),
            _ => {
                return Err(Refusal::bad(
                    "paymentMode 1 with consumerQR, 2 or 3 without",
                ));
            }
        }
        self.opened = number;
        self.keep(session.clone());
        Ok(session)
    }

    /// Sessions are remembered for ever, since one that is over is refused for ever; for ever ends
    /// with the memory that a simulator may use.
    fn keep(&mut self, session: Session) {
        if self.by_number.len() >= MAX_ENTRIES
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.numbers.remove(&oldest.id);
        }
        self.numbers.insert(session.id.clone(), session.number);
        self.by_number.insert(session.number, session);
    }

    fn is_buyers(&self, code: &str) -> bool {
        let suffix = code.strip_prefix("https://getapp.o-plati.by/c/");
        let well_formed = suffix.is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        self.buyers.contains(code) || (well_formed && code.len() <= 128)
    }

    /// Six digits that no waiting session has.
    fn free_code(&self, number: u64, at: Moment) -> String {
        let taken = |code: &str| {
            self.by_number
                .values()
                .any(|session| session.waits(at) && session.code.as_deref() == Some(code))
        };
        let mut candidate = (number * 7919 + 100_003) % 1_000_000;
        while taken(&format!("{candidate:06}")) {
            candidate = (candidate + 1) % 1_000_000;
        }
        format!("{candidate:06}")
    }

    /// The till's session of that name.
    pub(super) fn of(&self, caller: &Caller<'_>, id: &str) -> Result<&Session, Refusal> {
        self.numbers
            .get(id)
            .and_then(|number| self.by_number.get(number))
            .filter(|session| session.reg_num == caller.reg_num)
            .ok_or_else(Refusal::unknown_session)
    }

    /// A payment takes the session: its buyer must have joined, and there must be no payment yet.
    pub(super) fn take(
        &mut self,
        caller: &Caller<'_>,
        id: &str,
        at: Moment,
    ) -> Result<(), Refusal> {
        let session = self.of(caller, id)?;
        if session.is_over(at) {
            return Err(Refusal::session_over());
        }
        if !session.ready {
            return Err(Refusal::not_joined());
        }
        if session.used {
            return Err(Refusal::session_used());
        }
        let number = session.number;
        if let Some(session) = self.by_number.get_mut(&number) {
            session.used = true;
        }
        Ok(())
    }

    /// The buyer takes part: by session, by code, by QR, or whoever is invited last.
    pub(super) fn join(&mut self, by: &Joining, at: Moment) -> Result<String, String> {
        let is_meant = |session: &&mut Session| {
            session.waits(at)
                && match by {
                    Joining::Session(id) => session.id == *id,
                    Joining::Code(code) => session.code.as_ref() == Some(code),
                    Joining::Qr(qr) => session.qr.as_ref() == Some(qr),
                    Joining::Latest => true,
                }
        };
        let session = self.by_number.values_mut().rev().find(is_meant);
        let session = session.ok_or("no such session waits")?;
        session.ready = true;
        Ok(session.id.clone())
    }

    /// The newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Session> {
        self.by_number.values().rev()
    }
}

/// The recorded form: 28 characters of base64url, here the random bytes and the session's number.
fn dynamic_qr(random: &Random, number: u64) -> String {
    let [.., a, b, c, d, e] = number.to_be_bytes();
    let bytes = [random.bytes().as_slice(), &[a, b, c, d, e]].concat();
    format!("o-plati://o-cashpay/dyn/{}", base64url(&bytes))
}

/// Without padding; whole groups of three bytes only.
fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (groups, _) = bytes.as_chunks::<3>();
    let letters = groups.iter().flat_map(|[a, b, c]| {
        [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ]
    });
    letters
        .filter_map(|six| {
            LETTERS
                .get(usize::from(six))
                .map(|letter| char::from(*letter))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_recorded_form_and_differ() {
        let random = Random::of([0xFB; 16]);
        let code = |number| dynamic_qr(&random, number);
        let rest = code(1)
            .strip_prefix("o-plati://o-cashpay/dyn/")
            .map(str::to_owned);
        let rest = rest.unwrap();
        assert_eq!(rest.len(), 28);
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        assert!(rest.chars().all(is_letter), "{rest}");
        assert_ne!(code(1), code(2));
        assert_eq!(base64url(b"\xFF\xEF\xBEdaisy!"), "_---ZGFpc3kh");
    }
}
