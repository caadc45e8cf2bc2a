//! What the service knows and decides: tokens and payments. No network, no clock: time comes in as an
//! argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use serde_json::value::RawValue;

use super::buyer::BuyerScript;
use super::pace::{Asked, Pace};
use super::refusal::Refusal;
use super::rules::{AnswerWhen, Rules};
use super::sessions::Sessions;
use super::strict::{self, Details, Kopecks};

/// A payment that nobody confirmed ends after this time.
const CONFIRM_LIFE: Duration = Duration::from_secs(180);
/// Most sessions and payments that are kept.
pub(super) const MAX_ENTRIES: usize = 200_000;
/// The status of a payment that nobody confirmed.
const TIMEOUT: i64 = 4;

/// Both clocks of one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub wall: Timestamp,
    pub mono: Duration,
}

impl Moment {
    /// With milliseconds and the offset of Belarus, as the service writes times.
    fn text(self) -> String {
        let zone = TimeZone::fixed(Offset::constant(3));
        self.wall
            .to_zoned_datetime(zone)
            .strftime("%Y-%m-%dT%H:%M:%S%.3f%:z")
            .to_string()
    }
}

/// What an order becomes, in the service's own numbers.
struct Booking {
    kind: i64,
    status: i64,
    /// The payment that it sends back.
    of: Option<i64>,
}

impl Booking {
    fn payment(status: i64) -> Booking {
        Booking {
            kind: 1,
            status,
            of: None,
        }
    }
}

/// What was paid or sent back.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: i64,
    reg_num: String,
    pub kind: i64,
    pub sum: Kopecks,
    pub status: i64,
    created: String,
    paid: String,
    pub order_number: String,
    shift: String,
    /// For a reversal: what it reverses.
    pub of: Option<i64>,
    /// Made by a till that shall get its end, and not its beginning: both dates are those of the
    /// decision then, as recorded.
    one_date: bool,
    born: Duration,
}

/// Payment info on the wire.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct Info {
    paymentId: i64,
    paymentType: i64,
    sum: Box<RawValue>,
    status: i64,
    createdDate: String,
    paidDate: String,
    orderNumber: String,
}

impl Entry {
    pub(super) fn info(&self) -> Info {
        Info {
            paymentId: self.id,
            paymentType: self.kind,
            sum: strict::roubles(self.sum),
            status: self.status,
            createdDate: self.created.clone(),
            // Not paid: the date of its making, as the public clients expect.
            paidDate: if self.paid.is_empty() {
                self.created.clone()
            } else {
                self.paid.clone()
            },
            orderNumber: self.order_number.clone(),
        }
    }
}

/// Who asks: the till of a header.
pub(super) struct Caller<'a> {
    pub reg_num: &'a str,
    pub token: Option<&'a str>,
    pub password: Option<&'a str>,
}

/// A payment or reversal that was read strictly.
pub(super) struct Order {
    pub sum: Kopecks,
    pub order_number: String,
    pub shift: Option<String>,
    pub reg_num: Option<String>,
}

/// Everything the service knows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tokens: BTreeMap<String, String>,
    passwords: BTreeMap<String, String>,
    pub rules: Rules,
    pub pace: Pace,
    /// A buyer who acts by himself.
    pub script: Option<BuyerScript>,
    pub sessions: Sessions,
    pub entries: BTreeMap<i64, Entry>,
    orders: BTreeSet<String>,
    pub cards: Vec<(String, String)>,
    next: i64,
}

impl Ledger {
    /// Issues the one token of a till.
    pub(super) fn issue_token(
        &mut self,
        caller: &Caller<'_>,
        token: String,
    ) -> Result<String, Refusal> {
        let reg_num = caller.reg_num;
        if self.passwords.contains_key(reg_num) || self.tokens.contains_key(reg_num) {
            return Err(Refusal::token_exists());
        }
        self.tokens.insert(reg_num.to_owned(), token.clone());
        Ok(token)
    }

    pub(super) fn reset_token(&mut self, reg_num: Option<&str>) {
        match reg_num {
            Some(reg_num) => drop(self.tokens.remove(reg_num)),
            None => self.tokens.clear(),
        }
    }

    pub(super) fn set_password(&mut self, reg_num: String, password: String) {
        self.tokens.remove(&reg_num);
        self.passwords.insert(reg_num, password);
    }

    pub(super) fn tokens_issued(&self) -> usize {
        self.tokens.len()
    }

    /// A till shows its token, or its password.
    pub(super) fn authorise(&self, caller: &Caller<'_>) -> Result<(), Refusal> {
        let known = match (self.passwords.get(caller.reg_num), caller.password) {
            (Some(password), Some(given)) => password == given,
            (Some(_), None) => false,
            // An internet till's client knows only passwords: any will do for a till that has no token.
            (None, Some(_)) => !self.tokens.contains_key(caller.reg_num),
            (None, None) => {
                self.tokens.get(caller.reg_num).map(String::as_str) == caller.token
                    && caller.token.is_some()
            }
        };
        if known {
            Ok(())
        } else {
            Err(Refusal::token_needed())
        }
    }

    /// `POST payments`.
    pub(super) fn pay(
        &mut self,
        caller: &Caller<'_>,
        order: &Order,
        session: &str,
        details: &Details,
        at: Moment,
    ) -> Result<Entry, Refusal> {
        self.check_order(caller, order, details)?;
        self.sessions.take(caller, session, at)?;
        let status = match self.rules.answer {
            AnswerWhen::Pending | AnswerWhen::Held => 0,
            // Who does nothing lets the time pass.
            AnswerWhen::Final => {
                let script = self.script.unwrap_or_default();
                script.outcome.status().unwrap_or(TIMEOUT)
            }
        };
        let mut entry = self.enter(caller, order, Booking::payment(status), at);
        entry.one_date = self.rules.answer != AnswerWhen::Pending;
        self.entries.insert(entry.id, entry.clone());
        Ok(entry)
    }

    /// `POST webPayments`: a payment and its QR at once.
    pub(super) fn web_pay(
        &mut self,
        caller: &Caller<'_>,
        order: &Order,
        details: &Details,
        at: Moment,
    ) -> Result<Entry, Refusal> {
        self.check_order(caller, order, details)?;
        Ok(self.enter(caller, order, Booking::payment(0), at))
    }

    fn check_order(
        &self,
        caller: &Caller<'_>,
        order: &Order,
        details: &Details,
    ) -> Result<(), Refusal> {
        strict::order_number(&order.order_number).map_err(Refusal::bad)?;
        if order.sum <= 0 {
            return Err(Refusal::bad("sum must be more than nothing"));
        }
        details.check(order.sum).map_err(Refusal::bad)?;
        if [&order.reg_num, &details.regNum]
            .into_iter()
            .flatten()
            .any(|reg_num| reg_num != caller.reg_num)
        {
            return Err(Refusal::bad("regNum of the body is not that of the header"));
        }
        if order
            .shift
            .as_ref()
            .is_some_and(|shift| shift.is_empty() || shift.chars().count() > 64)
        {
            return Err(Refusal::bad("shift is empty or longer than 64"));
        }
        if self.rules.unique_numbers && self.orders.contains(&order.order_number) {
            return Err(Refusal::order_used());
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(Refusal::full("payments"));
        }
        Ok(())
    }

    fn enter(&mut self, caller: &Caller<'_>, order: &Order, booking: Booking, at: Moment) -> Entry {
        self.orders.insert(order.order_number.clone());
        self.next += 1;
        let id = 100_000 + self.next;
        let entry = Entry {
            id,
            reg_num: caller.reg_num.to_owned(),
            kind: booking.kind,
            sum: order.sum,
            status: booking.status,
            created: at.text(),
            paid: if booking.status == 1 {
                at.text()
            } else {
                String::new()
            },
            order_number: order.order_number.clone(),
            shift: order.shift.clone().unwrap_or_default(),
            of: booking.of,
            one_date: false,
            born: at.mono,
        };
        self.entries.insert(id, entry.clone());
        entry
    }

    /// `GET payments/{id}`.
    pub(super) fn payment(&self, caller: &Caller<'_>, id: i64) -> Result<&Entry, Refusal> {
        self.entries
            .get(&id)
            .filter(|entry| entry.reg_num == caller.reg_num)
            .ok_or_else(Refusal::unknown_payment)
    }

    /// `POST payments/{id}/reversals`.
    pub(super) fn reverse(
        &mut self,
        caller: &Caller<'_>,
        id: i64,
        order: &Order,
        details: &Details,
        at: Moment,
    ) -> Result<Entry, Refusal> {
        self.check_order(caller, order, details)?;
        let target = self.payment(caller, id)?.clone();
        if target.status == 0 {
            self.orders.insert(order.order_number.clone());
            let entry = self.entries.get_mut(&id);
            let entry = entry.ok_or_else(Refusal::unknown_payment)?;
            entry.status = 5;
            return Ok(entry.clone());
        }
        if target.status != 1 {
            return Err(Refusal::not_paid());
        }
        if self.reversed(id) + order.sum > target.sum {
            return Err(Refusal::more_than_left());
        }
        let kind = if target.kind == 1 { 3 } else { 4 };
        let booking = Booking {
            kind,
            status: 1,
            of: Some(id),
        };
        Ok(self.enter(caller, order, booking, at))
    }

    /// Kopecks of an operation that went back and stayed back.
    pub(super) fn reversed(&self, id: i64) -> Kopecks {
        let back = self
            .entries
            .values()
            .filter(|entry| entry.of == Some(id) && entry.status == 1);
        back.map(|entry| entry.sum - self.reversed(entry.id)).sum()
    }

    /// `GET paymentReports`.
    pub(super) fn report(
        &self,
        caller: &Caller<'_>,
        shift: &str,
        days: Option<(&str, &str)>,
    ) -> Vec<Info> {
        let in_days = |entry: &Entry| {
            let day = entry.created.get(..10).unwrap_or_default();
            days.is_none_or(|(first, last)| first <= day && day <= last)
        };
        let rows = self.entries.values();
        let rows = rows.filter(|entry| {
            entry.reg_num == caller.reg_num && entry.shift == shift && in_days(entry)
        });
        rows.map(Entry::info).collect()
    }

    /// The buyer answers a payment: the one named, or the latest that waits.
    pub(super) fn decide(
        &mut self,
        id: Option<i64>,
        status: i64,
        at: Moment,
    ) -> Result<i64, String> {
        let waits = |entry: &&mut Entry| {
            entry.kind == 1 && entry.status == 0 && id.is_none_or(|id| entry.id == id)
        };
        let entry = self
            .entries
            .values_mut()
            .rev()
            .find(waits)
            .ok_or("no such payment waits")?;
        entry.status = status;
        if entry.one_date {
            entry.created = at.text();
        }
        if status == 1 {
            entry.paid = at.text();
        }
        Ok(entry.id)
    }

    /// A question for the status of a payment or session: noted when it comes too early, and turned
    /// away then if that is the rule.
    pub(super) fn ask(&mut self, asked: Asked, at: Moment) -> Result<(), Refusal> {
        let least = match asked {
            Asked::Payment(_) => self.rules.poll_payment,
            Asked::Session(_) => self.rules.poll_session,
        };
        let turned_away = self.rules.rate_limit;
        match self.pace.ask(asked, least, at.mono, turned_away) {
            Some(early) if turned_away => {
                let whole = u64::from(early.subsec_nanos() > 0);
                Err(Refusal::too_soon(early.as_secs() + whole))
            }
            _ => Ok(()),
        }
    }

    /// How long a payment can still wait for its buyer; `None` when it waits for nobody.
    pub(super) fn waits(&self, id: i64, at: Moment) -> Option<Duration> {
        let entry = self.entries.get(&id).filter(|entry| entry.status == 0)?;
        Some(CONFIRM_LIFE.saturating_sub(at.mono.saturating_sub(entry.born)))
    }

    /// Payments that nobody confirmed end by themselves.
    pub(super) fn expire(&mut self, at: Moment) {
        for entry in self.entries.values_mut() {
            if entry.status == 0 && at.mono.saturating_sub(entry.born) >= CONFIRM_LIFE {
                entry.status = TIMEOUT;
            }
        }
    }

    /// Kopecks that buyers have paid and not got back.
    pub(super) fn balance(&self) -> Kopecks {
        let paid = self
            .entries
            .values()
            .filter(|entry| entry.kind == 1 && entry.status == 1);
        paid.map(|entry| entry.sum - self.reversed(entry.id)).sum()
    }
}
