//! What the service knows and decides: tokens, sessions, payments. No network, no clock: time comes
//! in as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use serde_json::value::RawValue;

use super::strict::{self, DemandPayment, Details, Kopecks};

/// A session that nobody used is forgotten after this time.
const SESSION_LIFE: Duration = Duration::from_secs(3600);
/// A payment that nobody confirmed ends after this time.
const CONFIRM_LIFE: Duration = Duration::from_secs(180);
/// Most sessions and payments that are kept.
const MOST_ENTRIES: usize = 200_000;

/// A refusal as the service words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub internal_code: &'static str,
    /// English.
    pub dev_message: String,
    /// Russian, for people.
    pub message: &'static str,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        internal_code: &'static str,
        dev: impl Into<String>,
        message: &'static str,
    ) -> Refusal {
        Refusal {
            status,
            internal_code,
            dev_message: dev.into(),
            message,
        }
    }

    pub(super) fn bad(dev: impl Into<String>) -> Refusal {
        Refusal::new(400, "BAD_REQUEST", dev, "Неверный запрос")
    }

    fn token_exists() -> Refusal {
        let words = "Токен уже существует или касса работает в режиме пароля";
        Refusal::new(
            409,
            "TOKEN_EXISTS",
            "a token was issued already, or the till works with a password",
            words,
        )
    }

    fn token_needed() -> Refusal {
        let words = "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица";
        Refusal::new(401, "TOKEN_NEEDED", "no such token", words)
    }
}

/// Both clocks of one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub wall: Timestamp,
    pub mono: Duration,
}

impl Moment {
    /// With the offset of Belarus, as the service writes times.
    fn text(self) -> String {
        let zone = TimeZone::fixed(Offset::constant(3));
        self.wall
            .to_zoned_datetime(zone)
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string()
    }
}

/// A buyer who is invited.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub id: String,
    reg_num: String,
    pub qr: Option<String>,
    pub code: Option<String>,
    pub ready: bool,
    used: bool,
    born: Duration,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pursePublicId: Option<&'static str>,
}

impl Entry {
    pub(super) fn info(&self) -> Info {
        Info {
            paymentId: self.id,
            paymentType: self.kind,
            sum: strict::roubles(self.sum),
            status: self.status,
            createdDate: self.created.clone(),
            // Not yet paid: the date of its making, as the public clients expect.
            paidDate: if self.paid.is_empty() {
                self.created.clone()
            } else {
                self.paid.clone()
            },
            orderNumber: self.order_number.clone(),
            // Known once somebody has paid.
            pursePublicId: (self.status == 1).then_some("**** 4821"),
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
    pub sessions: BTreeMap<u64, Session>,
    pub entries: BTreeMap<i64, Entry>,
    orders: BTreeSet<String>,
    buyers: BTreeSet<String>,
    pub cards: Vec<(String, String)>,
    next: u64,
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

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Makes a buyer's code that `demandPayment` will know.
    pub(super) fn new_buyer_code(&mut self, random: &str) -> String {
        let code = format!("https://getapp.o-plati.by/c/{random}");
        self.buyers.insert(code.clone());
        code
    }

    /// `POST demandPayment`.
    pub(super) fn open(
        &mut self,
        caller: &Caller<'_>,
        wish: &DemandPayment,
        random: &str,
        at: Moment,
    ) -> Result<Session, Refusal> {
        self.sessions
            .retain(|_, session| at.mono.saturating_sub(session.born) < SESSION_LIFE);
        if self.sessions.len() >= MOST_ENTRIES {
            return Err(Refusal::new(
                503,
                "FULL",
                "too many sessions",
                "Сервис занят",
            ));
        }
        let number = self.number();
        let mut session = Session {
            id: format!("{random}-{number}"),
            reg_num: caller.reg_num.to_owned(),
            qr: None,
            code: None,
            ready: false,
            used: false,
            born: at.mono,
        };
        match (wish.paymentMode, &wish.consumerQR) {
            (1, Some(code)) if self.is_buyers(code) => session.ready = true,
            (1, Some(_)) => {
                return Err(Refusal::new(
                    400,
                    "CONSUMER_QR",
                    "consumerQR is unknown",
                    "QR-код покупателя не распознан",
                ));
            }
            (2, None) => session.code = Some(self.free_code(number)),
            (3, None) => {
                session.qr = Some(format!(
                    "https://getapp.o-plati.by/map/?app_link={random}{number:x}"
                ));
            }
            _ => {
                return Err(Refusal::bad(
                    "paymentMode 1 with consumerQR, 2 or 3 without",
                ));
            }
        }
        self.sessions.insert(number, session.clone());
        Ok(session)
    }

    fn is_buyers(&self, code: &str) -> bool {
        let suffix = code.strip_prefix("https://getapp.o-plati.by/c/");
        let well_formed = suffix.is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        self.buyers.contains(code) || (well_formed && code.len() <= 128)
    }

    /// Six digits that no waiting session has.
    fn free_code(&self, number: u64) -> String {
        let taken = |code: &str| {
            self.sessions
                .values()
                .any(|session| !session.used && session.code.as_deref() == Some(code))
        };
        let mut candidate = (number * 7919 + 100_003) % 1_000_000;
        while taken(&format!("{candidate:06}")) {
            candidate = (candidate + 1) % 1_000_000;
        }
        format!("{candidate:06}")
    }

    /// `GET consumerStatus`.
    pub(super) fn is_ready(&self, caller: &Caller<'_>, id: &str) -> Result<bool, Refusal> {
        let session = self
            .sessions
            .values()
            .find(|session| session.id == id && session.reg_num == caller.reg_num);
        session
            .map(|session| session.ready)
            .ok_or_else(unknown_session)
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
        let found = self
            .sessions
            .values_mut()
            .find(|known| known.id == session && known.reg_num == caller.reg_num);
        let found = found.ok_or_else(unknown_session)?;
        if !found.ready {
            return Err(Refusal::new(
                409,
                "NOT_READY",
                "the consumer has not joined",
                "Покупатель не подключился",
            ));
        }
        if std::mem::replace(&mut found.used, true) {
            return Err(Refusal::new(
                409,
                "SESSION_USED",
                "the session has its payment",
                "Сессия уже использована",
            ));
        }
        Ok(self.enter(caller, order, 1, 0, None, at))
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
        Ok(self.enter(caller, order, 1, 0, None, at))
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
        if self.orders.contains(&order.order_number) {
            return Err(Refusal::new(
                409,
                "ORDER_USED",
                "orderNumber was used before",
                "Номер заказа уже использован",
            ));
        }
        if self.entries.len() >= MOST_ENTRIES {
            return Err(Refusal::new(
                503,
                "FULL",
                "too many payments",
                "Сервис занят",
            ));
        }
        Ok(())
    }

    fn enter(
        &mut self,
        caller: &Caller<'_>,
        order: &Order,
        kind: i64,
        status: i64,
        of: Option<i64>,
        at: Moment,
    ) -> Entry {
        self.orders.insert(order.order_number.clone());
        let id = 100_000 + i64::try_from(self.number()).unwrap_or_default();
        let entry = Entry {
            id,
            reg_num: caller.reg_num.to_owned(),
            kind,
            sum: order.sum,
            status,
            created: at.text(),
            paid: if status == 1 {
                at.text()
            } else {
                String::new()
            },
            order_number: order.order_number.clone(),
            shift: order.shift.clone().unwrap_or_default(),
            of,
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
            .ok_or_else(unknown_payment)
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
            let entry = self.entries.get_mut(&id).ok_or_else(unknown_payment)?;
            entry.status = 5;
            return Ok(entry.clone());
        }
        if target.status != 1 {
            return Err(Refusal::new(
                409,
                "NOT_PAID",
                "the payment took no money",
                "Операция не проведена",
            ));
        }
        if self.reversed(id) + order.sum > target.sum {
            return Err(Refusal::new(
                409,
                "MORE_THAN_LEFT",
                "more than is left of it",
                "Сумма больше остатка",
            ));
        }
        let kind = if target.kind == 1 { 3 } else { 4 };
        Ok(self.enter(caller, order, kind, 1, Some(id), at))
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

    /// The buyer takes part: by session, by code, by QR, or whoever is invited last.
    pub(super) fn join(&mut self, by: &Joining) -> Result<String, String> {
        let waits = |session: &&mut Session| {
            !session.ready
                && match by {
                    Joining::Session(id) => session.id == *id,
                    Joining::Code(code) => session.code.as_ref() == Some(code),
                    Joining::Qr(qr) => session.qr.as_ref() == Some(qr),
                    Joining::Latest => true,
                }
        };
        let session = self
            .sessions
            .values_mut()
            .rev()
            .find(waits)
            .ok_or("no such session waits")?;
        session.ready = true;
        Ok(session.id.clone())
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
        if status == 1 {
            entry.paid = at.text();
        }
        Ok(entry.id)
    }

    /// Payments that nobody confirmed end by themselves.
    pub(super) fn expire(&mut self, at: Moment) {
        for entry in self.entries.values_mut() {
            if entry.status == 0 && at.mono.saturating_sub(entry.born) >= CONFIRM_LIFE {
                entry.status = 4;
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

/// How a buyer finds his session.
pub(super) enum Joining {
    Session(String),
    Code(String),
    Qr(String),
    Latest,
}

fn unknown_session() -> Refusal {
    Refusal::new(404, "SESSION", "no such session", "Сессия не найдена")
}

fn unknown_payment() -> Refusal {
    Refusal::new(404, "PAYMENT", "no such payment", "Операция не найдена")
}
