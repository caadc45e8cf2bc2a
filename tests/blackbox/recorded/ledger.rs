//! What the stand-in service knows: sessions, payments, and every request that came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Answer;
use super::rules::Call;

/// What happens to the next `POST payments`.
#[derive(Clone, Copy, Debug)]
pub enum Pay {
    /// It is answered at once with a final status, as recorded.
    Final(i64),
    /// It is answered with status 0, and the buyer decides later.
    Pending,
    /// The answer waits for the buyer; the report shows status 0 meanwhile, or nothing.
    Held { listed: bool },
    /// A copy of the request came first and was carried out with this status, or was not; this one
    /// is refused as recorded. The report shows what the first copy did, or nothing yet.
    Copy { first: Option<i64>, listed: bool },
}

/// What happens to the next reversal.
#[derive(Clone, Copy, Debug)]
pub enum Reverse {
    /// It is refused; a copy of it that came first was carried out, or was not.
    Copy { first: bool },
}

/// How the service behaves; a test changes it as it goes on.
pub struct Plan {
    /// From the opening of a session that nobody joins to its end.
    pub life: Duration,
    /// The buyer joins after so many questions were answered with false; `None`: by hand only.
    pub joins_after: Option<usize>,
    /// Session ids are texts, which the service is allowed to use, too.
    pub text_ids: bool,
    /// For the payments to come; then each is paid at once.
    pub pay: VecDeque<Pay>,
    /// For the reversals to come; then each is carried out.
    pub reverse: VecDeque<Reverse>,
    /// What is decided is answered on the held connection.
    pub release_held: bool,
    /// The till works in password mode.
    pub password: Option<&'static str>,
    /// A shift without operations is answered with 404.
    pub empty_shift_is_404: bool,
    /// Rows of others, of odd shapes, stand in every report.
    pub odd_rows: bool,
    /// `pollPayment` of the till.
    pub poll_payment: Duration,
    /// `pollSession` of the till.
    pub poll_session: Duration,
    /// Each restart of the daemon may forget one pause of each payment and session.
    pub restarts: usize,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            life: Duration::from_secs(60),
            joins_after: Some(1),
            text_ids: false,
            pay: VecDeque::new(),
            reverse: VecDeque::new(),
            release_held: true,
            password: None,
            empty_shift_is_404: false,
            odd_rows: false,
            poll_payment: Duration::from_secs(1),
            poll_session: Duration::from_secs(1),
            restarts: 0,
        }
    }
}

/// A session with a buyer.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    /// `paymentMode`.
    pub mode: i64,
    pub opened: Instant,
    pub qr: String,
    pub code: String,
    pub joined: bool,
    /// Ended by the test before its life is over.
    pub ended: bool,
    /// When it was first reported to the till as over.
    pub reported_over: Option<Instant>,
    /// Questions that were answered.
    asked: usize,
    /// It had a payment.
    spent: bool,
}

/// What became of the connection on which a payment was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The answer is still owed.
    Held,
    Answered,
    /// The service closed it without an answer.
    Cut,
    /// The till closed it while the answer was owed.
    LeftByTill,
}

/// An operation, and what the report shows of it.
#[derive(Clone, Debug)]
pub struct Payment {
    pub id: i64,
    /// `paymentType`.
    pub kind: i64,
    /// Kopecks.
    pub sum: i64,
    pub status: i64,
    pub order_number: String,
    pub session: String,
    pub listed: bool,
    pub connection: Connection,
    /// When it was asked for, and when it got its final status.
    pub asked: Instant,
    pub decided: Option<Instant>,
    /// Of a reversal: what it reversed.
    pub of: Option<i64>,
    /// Kopecks that left the buyer's purse with it; negative when they came back.
    pub moved: i64,
    shift: String,
    created: String,
    paid: Option<String>,
}

impl Payment {
    /// `paidDate` as a moment.
    pub fn paid_at(&self) -> jiff::Timestamp {
        self.paid.as_ref().unwrap().parse().unwrap()
    }

    /// Exactly as recorded: milliseconds, the offset of Minsk, roubles, no `pursePublicId`.
    pub fn info(&self) -> String {
        let (id, kind, status) = (self.id, self.kind, self.status);
        let (sum, created) = (roubles(self.sum), &self.created);
        let paid = self.paid.as_ref();
        let paid = paid.map_or_else(String::new, |date| format!(r#""paidDate": "{date}", "#));
        let number = &self.order_number;
        format!(
            r#"{{"paymentId": {id}, "paymentType": {kind}, "sum": {sum}, "status": {status}, "createdDate": "{created}", {paid}"orderNumber": "{number}"}}"#
        )
    }
}

/// As the service writes money: no more decimals than needed.
fn roubles(kopecks: i64) -> String {
    let text = format!("{}.{:02}", kopecks / 100, kopecks % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The present moment as recorded: `2021-09-06T11:38:53.723+03:00`.
fn date() -> String {
    let minsk = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(3));
    let now = oplati::base::clock::wall().to_zoned_datetime(minsk);
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub call: Call,
    /// The session, the payment's id, the order number or the shift.
    pub of: String,
    /// HTTP status; 0 for a connection that was closed; `None` while it is owed.
    pub answered: Option<u16>,
    pub answered_at: Option<Instant>,
    /// The till was asked not to repeat the question before.
    pub not_before: Option<Instant>,
}

/// A call goes wrong.
pub struct Trouble {
    pub call: Call,
    /// So many times.
    pub times: usize,
    /// The request is carried out all the same.
    pub has_effect: bool,
    pub answer: Answer,
}

/// All that the service knows.
#[derive(Default)]
pub struct Ledger {
    pub plan: Plan,
    pub sessions: Vec<Session>,
    pub payments: Vec<Payment>,
    pub seen: Vec<Seen>,
    pub troubles: Vec<Trouble>,
    /// What the till did wrong, one sentence each.
    pub wrong: Vec<String>,
    pub is_token_issued: bool,
}

/// What the service answers to a second payment in one session, though the first was paid.
pub fn refusal() -> Answer {
    let text = "Операция отклонена. Продавец не сформировал требование об оплате!";
    Answer::error(400, "", text, "")
}

impl Ledger {
    pub fn wrong(&mut self, sentence: impl Into<String>) {
        self.wrong.push(sentence.into());
    }

    /// Whether a session is to be reported to the till as over.
    fn is_over(&self, session: &Session) -> bool {
        let is_old = session.opened.elapsed() >= self.plan.life;
        session.reported_over.is_some() || (!session.joined && (session.ended || is_old))
    }

    /// Sessions that a buyer could still join.
    pub fn living(&self) -> usize {
        let lives = |session: &&Session| !session.joined && !self.is_over(session);
        self.sessions.iter().filter(lives).count()
    }

    /// Kopecks that buyers have paid and not got back.
    pub fn balance(&self) -> i64 {
        self.payments.iter().map(|payment| payment.moved).sum()
    }

    pub fn tokens(&mut self) -> Answer {
        if self.plan.password.is_some() || self.is_token_issued {
            let text = "Токен уже существует или касса работает в режиме пароля";
            return Answer::error(400, "", text, text);
        }
        self.is_token_issued = true;
        Answer::ok(json!({"token": super::rules::TOKEN}).to_string())
    }

    pub fn demand_payment(&mut self, body: &Value) -> Answer {
        let number = self.sessions.len();
        let mode = body["paymentMode"].as_i64().unwrap_or_default();
        let id = 80_417_031 + 13 * u64::try_from(number).unwrap();
        let written = if self.plan.text_ids {
            format!("\"{id:010}-aF\"")
        } else {
            id.to_string()
        };
        let session = Session {
            id: written.trim_matches('"').to_owned(),
            mode,
            opened: Instant::now(),
            qr: format!(
                "o-plati://o-cashpay/dyn/{}Q-_{number:02}xw{number:02}",
                letters(id)
            ),
            code: format!("{:05}", 40_217 + 1_311 * number),
            joined: false,
            ended: false,
            reported_over: None,
            asked: 0,
            spent: false,
        };
        let (qr, code) = (&session.qr, &session.code);
        let answer = match mode {
            3 => format!(r#"{{"dynamicQR": "{qr}", "sessionId": {written}}}"#),
            2 => format!(r#"{{"sessionId": {written}, "confirmationCode": "{code}"}}"#),
            _ => format!(r#"{{"sessionId": {written}}}"#),
        };
        self.sessions.push(session);
        if self.living() > MAX_LIVING_SESSIONS {
            self.wrong("demandPayment: more sessions than a renewal needs are alive together");
        }
        Answer::ok(answer)
    }

    pub fn consumer_status(&mut self, id: &str) -> Answer {
        let joins_after = self.plan.joins_after;
        let Some(at) = self.sessions.iter().position(|session| session.id == id) else {
            self.wrong("consumerStatus: asked for a session that was never opened");
            return Answer::error(400, "", "Сессия не найдена", "");
        };
        let is_over = self.is_over(&self.sessions[at]);
        let session = &mut self.sessions[at];
        if is_over {
            session.reported_over.get_or_insert_with(Instant::now);
            let text = "Превышено время ожидания клиента.";
            return Answer::error(400, "166", text, text);
        }
        session.joined |= joins_after.is_some_and(|questions| session.asked >= questions);
        session.asked += 1;
        if session.joined {
            Answer::ok(r#"{"isConsumerReady": true, "loyaltyCards": []}"#)
        } else {
            Answer::ok(r#"{"isConsumerReady": false}"#)
        }
    }

    /// Takes a payment: the row that the caller waits for, or the answer at once.
    pub fn pay(&mut self, body: &Value) -> Result<usize, Answer> {
        let session = body["sessionId"].as_str().unwrap_or_default().to_owned();
        let number = body["orderNumber"].as_str().unwrap_or_default().to_owned();
        if self.payments.iter().any(|p| p.order_number == number) {
            self.wrong(format!("payments: {number} was sent a second time"));
        }
        let Some(at) = self.sessions.iter().position(|known| known.id == session) else {
            self.wrong("payments: the session was never opened, or its id was changed");
            return Err(refusal());
        };
        if self.is_over(&self.sessions[at]) {
            self.wrong("payments: the session is over");
            return Err(refusal());
        }
        let session = &mut self.sessions[at];
        // The buyer's own code is already the buyer's word.
        let may_pay = session.joined || session.mode == 1;
        let is_second = std::mem::replace(&mut session.spent, true);
        if !may_pay {
            self.wrong("payments: nobody had joined the session");
        }
        if is_second {
            return Err(refusal());
        }
        let pay = self.plan.pay.pop_front().unwrap_or(Pay::Final(1));
        let (status, listed) = match pay {
            Pay::Final(status) => (status, true),
            Pay::Pending => (0, true),
            Pay::Held { listed } => (0, listed),
            Pay::Copy { first: None, .. } => return Err(refusal()),
            Pay::Copy {
                first: Some(status),
                listed,
            } => (status, listed),
        };
        let row = self.row(body, 1, status, None);
        self.payments[row].listed = listed;
        match pay {
            Pay::Held { .. } => {
                self.payments[row].connection = Connection::Held;
                Ok(row)
            }
            Pay::Copy { .. } => Err(refusal()),
            Pay::Final(_) | Pay::Pending => Err(Answer::ok(self.payments[row].info())),
        }
    }

    /// Adds an operation.
    fn row(&mut self, body: &Value, kind: i64, status: i64, of: Option<i64>) -> usize {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let number = i64::try_from(self.payments.len()).unwrap();
        self.payments.push(Payment {
            id: 61_203_391 + 7 * number,
            kind,
            sum: super::rules::kopecks(&body["sum"]).unwrap_or_default(),
            status: 0,
            order_number: text("orderNumber"),
            session: text("sessionId"),
            listed: true,
            connection: Connection::Answered,
            asked: Instant::now(),
            decided: None,
            of,
            moved: 0,
            shift: text("shift"),
            created: date(),
            paid: None,
        });
        let row = self.payments.len() - 1;
        if status != 0 {
            self.decide(row, status);
        }
        row
    }

    /// Gives an operation its final status.
    pub fn decide(&mut self, row: usize, status: i64) {
        let payment = &mut self.payments[row];
        payment.status = status;
        payment.decided = Some(Instant::now());
        // Recorded: both dates are the same when the answer comes at once.
        payment.paid = Some(if payment.asked.elapsed() < Duration::from_millis(50) {
            payment.created.clone()
        } else {
            date()
        });
        if status == 1 && payment.kind == 1 {
            payment.moved = payment.sum;
        }
    }

    pub fn payment(&mut self, id: i64) -> Answer {
        match self.payments.iter().find(|payment| payment.id == id) {
            Some(payment) => Answer::ok(payment.info()),
            None => Answer::error(400, "", "Платёж не найден", ""),
        }
    }

    pub fn reverse(&mut self, id: i64, body: &Value) -> Answer {
        let Some(at) = self.payments.iter().position(|payment| payment.id == id) else {
            self.wrong("reversals: the payment does not exist");
            return Answer::error(400, "", "Платёж не найден", "");
        };
        let refused = Answer::error(400, "", "Операция не может быть отменена", "");
        let copy = self.plan.reverse.pop_front();
        if matches!(copy, Some(Reverse::Copy { first: false })) {
            return refused;
        }
        let (kind, status, moved) = {
            let target = &self.payments[at];
            (target.kind, target.status, target.moved)
        };
        if status > 1 {
            return refused;
        }
        let row = self.row(body, if kind == 1 { 3 } else { 4 }, 1, Some(id));
        if status == 0 {
            self.decide(at, 5);
        } else {
            let sign = if moved > 0 { -1 } else { 1 };
            self.payments[row].moved = sign * self.payments[row].sum;
            let back = self.payments.iter().filter(|p| p.of == Some(id));
            let back: i64 = back.map(|p| p.moved.abs()).sum();
            if back > moved.abs() {
                self.wrong("reversals: more was given back than had been paid");
            }
        }
        if copy.is_some() {
            return refused;
        }
        Answer::ok(self.payments[row].info())
    }

    pub fn report(&self, shift: &str) -> Answer {
        let listed = |payment: &&Payment| payment.listed && payment.shift == shift;
        let mut rows: Vec<String> = self
            .payments
            .iter()
            .filter(listed)
            .map(Payment::info)
            .collect();
        if rows.is_empty() && self.plan.empty_shift_is_404 {
            return Answer::error(404, "", "Смена не найдена", "");
        }
        if self.plan.odd_rows {
            let (id, date) = (61_000_001, date());
            rows.insert(0, format!(r#"{{"paymentId": {id}, "paymentType": 1, "sum": 3.2, "status": 1, "createdDate": "{date}", "paidDate": "{date}", "orderNumber": null, "pursePublicId": 4417}}"#));
            rows.push(format!(r#"{{"paymentId": {}, "paymentType": 1, "sum": 120, "status": 3, "createdDate": "{date}", "orderNumber": 737, "shop": {{"id": 1}}}}"#, id + 1));
        }
        Answer::ok(format!("[{}]", rows.join(", ")))
    }
}

/// The one that is shown and those that it replaces, where sessions live longer than the till could
/// know; a till that opens one with every question comes far beyond.
const MAX_LIVING_SESSIONS: usize = 4;

/// Nineteen letters that mean nothing.
fn letters(mut seed: u64) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let length = u64::try_from(alphabet.len()).unwrap();
    let mut text = String::new();
    for _ in 0..19 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push(alphabet[usize::try_from((seed >> 33) % length).unwrap()]);
    }
    text
}
