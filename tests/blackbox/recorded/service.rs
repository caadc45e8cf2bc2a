//! A service that answers as the real one was recorded, retyped from protocol.md with invented
//! numbers. It stands apart from the simulator and from the client, so that one misreading cannot
//! hide in both.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{self, Answer, Request};
use super::ledger::{Connection, Ledger, Payment, Plan, Seen, Session, Trouble};
use super::rules::{self, Call};
use crate::harness::wait_for;

/// A question may arrive so much earlier than its pause ends, because the one before was read late
/// by a busy machine.
const ARRIVAL_TOLERANCE: Duration = Duration::from_millis(150);
/// Between two looks whether the till still waits for a held answer.
const HELD_LOOK_INTERVAL: Duration = Duration::from_millis(20);

struct Shared {
    ledger: Mutex<Ledger>,
    changed: Condvar,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }
}

/// The service; when it is dropped, it reports what the till did wrong.
pub struct Service {
    shared: Arc<Shared>,
    over: Arc<AtomicBool>,
    began: Instant,
    pub url: String,
}

impl Service {
    pub fn start() -> Service {
        let shared = Arc::new(Shared {
            ledger: Mutex::default(),
            changed: Condvar::new(),
        });
        let over = Arc::new(AtomicBool::new(false));
        let answering = Arc::clone(&shared);
        let handler =
            move |request: &Request, stream: &TcpStream| handle(&answering, request, stream);
        let url = http::serve(Arc::clone(&over), handler);
        Service {
            shared,
            over,
            began: Instant::now(),
            url,
        }
    }

    /// Changes how it behaves from now on.
    pub fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.shared.ledger().plan);
        self.shared.changed.notify_all();
    }

    /// The next so many requests of a call get this answer and nothing else happens.
    pub fn trouble(&self, call: Call, times: usize, answer: Answer) {
        self.shared.ledger().troubles.push(Trouble {
            call,
            times,
            has_effect: false,
            answer,
        });
    }

    /// The next request of a call is carried out, and gets this answer.
    pub fn trouble_after_effect(&self, call: Call, answer: Answer) {
        self.shared.ledger().troubles.push(Trouble {
            call,
            times: 1,
            has_effect: true,
            answer,
        });
    }

    /// All troubles are over.
    pub fn recover(&self) {
        self.shared.ledger().troubles.clear();
    }

    /// The buyer decides on every payment that waits.
    pub fn decide(&self, status: i64) {
        let mut ledger = self.shared.ledger();
        for row in 0..ledger.payments.len() {
            if ledger.payments[row].status == 0 {
                ledger.decide(row, status);
            }
        }
        self.shared.changed.notify_all();
    }

    /// The report shows everything from now on.
    pub fn list_all(&self) {
        for payment in &mut self.shared.ledger().payments {
            payment.listed = true;
        }
    }

    /// Every connection on which an answer is owed breaks.
    pub fn cut(&self) {
        for payment in &mut self.shared.ledger().payments {
            if payment.connection == Connection::Held {
                payment.connection = Connection::Cut;
            }
        }
        self.shared.changed.notify_all();
    }

    /// The buyer joins this session.
    pub fn join(&self, session: &str) {
        self.with_session(session, |session| session.joined = true);
    }

    /// This session ends now, whatever its life.
    pub fn end(&self, session: &str) {
        self.with_session(session, |session| session.ended = true);
    }

    fn with_session(&self, id: &str, change: impl FnOnce(&mut Session)) {
        let mut ledger = self.shared.ledger();
        let found = ledger.sessions.iter_mut().find(|session| session.id == id);
        change(found.unwrap());
    }

    pub fn sessions(&self) -> Vec<Session> {
        self.shared.ledger().sessions.clone()
    }

    pub fn session(&self, id: &str) -> Session {
        let mut found = self.sessions().into_iter().filter(|one| one.id == id);
        found.next().unwrap()
    }

    /// Sales, without their reversals.
    pub fn sales(&self) -> Vec<Payment> {
        let payments = self.shared.ledger().payments.clone();
        payments.into_iter().filter(|one| one.kind == 1).collect()
    }

    pub fn reversals(&self) -> Vec<Payment> {
        let payments = self.shared.ledger().payments.clone();
        payments.into_iter().filter(|one| one.kind != 1).collect()
    }

    pub fn balance(&self) -> i64 {
        self.shared.ledger().balance()
    }

    /// All requests of a call, oldest first.
    pub fn seen(&self, call: Call) -> Vec<Seen> {
        let seen = self.shared.ledger().seen.clone();
        seen.into_iter().filter(|one| one.call == call).collect()
    }

    /// Questions for the status of one session.
    pub fn questions(&self, session: &str) -> Vec<Seen> {
        let mut seen = self.seen(Call::ConsumerStatus);
        seen.retain(|one| one.of == session);
        seen
    }

    /// Waits until so many requests of a call were answered.
    pub fn until_answered(&self, call: Call, count: usize) -> Vec<Seen> {
        wait_for(&format!("{count} answered {call:?}"), || {
            let mut seen = self.seen(call);
            seen.retain(|one| one.answered.is_some());
            (seen.len() >= count).then_some(seen)
        })
    }

    /// Waits until so many sessions were opened, and gives the last.
    pub fn until_session(&self, count: usize) -> Session {
        wait_for(&format!("session number {count}"), || {
            self.sessions().get(count - 1).cloned()
        })
    }

    /// Waits until a session was reported to the till as over.
    pub fn until_reported_over(&self, session: &str) -> Instant {
        wait_for("the word that the session is over", || {
            self.session(session).reported_over
        })
    }

    /// The payment whose answer is owed.
    pub fn held(&self) -> Option<Payment> {
        let mut sales = self.sales().into_iter();
        sales.find(|one| one.connection == Connection::Held)
    }

    /// What was done wrong since the last time, so that it fails nothing any more.
    pub fn take_wrong(&self) -> Vec<String> {
        let wrong = self.wrong();
        let mut ledger = self.shared.ledger();
        ledger.wrong.clear();
        ledger.seen.clear();
        wrong
    }

    /// What the till did wrong, one sentence each.
    fn wrong(&self) -> Vec<String> {
        let ledger = self.shared.ledger();
        let mut wrong = ledger.wrong.clone();
        wrong.extend(impatient(&ledger));
        wrong
    }

    /// All requests, for whoever looks for the reason of a failure.
    fn story(&self) -> String {
        let mut story = String::from("what the service saw:\n");
        for seen in &self.shared.ledger().seen {
            let at = seen.at.duration_since(self.began).as_millis();
            let (call, of) = (seen.call, &seen.of);
            let _ = writeln!(story, "  {at:>6} ms {call:?} {of} → {:?}", seen.answered);
        }
        story
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if std::thread::panicking() {
            let _ = write!(std::io::stderr(), "{}", self.story());
            return;
        }
        let wrong = self.wrong();
        assert!(
            wrong.is_empty(),
            "the till broke the protocol: {wrong:#?}\n{}",
            self.story()
        );
    }
}

/// Questions for one payment or one session that came closer than the rule, and those that came
/// though the service had asked for patience.
fn impatient(ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    let rules = [
        (Call::ConsumerStatus, ledger.plan.poll_session),
        (Call::Payment, ledger.plan.poll_payment),
    ];
    for (call, pause) in rules {
        let mut seen: Vec<&Seen> = ledger.seen.iter().filter(|one| one.call == call).collect();
        seen.sort_by(|a, b| (&a.of, a.at).cmp(&(&b.of, b.at)));
        let mut forgotten = std::collections::BTreeMap::<&str, usize>::new();
        for pair in seen.windows(2).filter(|pair| pair[0].of == pair[1].of) {
            let (first, second) = (pair[0], pair[1]);
            let gap = second.at.duration_since(first.at);
            let is_early = gap + ARRIVAL_TOLERANCE < pause;
            let early = forgotten.entry(&first.of).or_default();
            *early += usize::from(is_early);
            if is_early && *early > ledger.plan.restarts {
                wrong.push(format!(
                    "{call:?} {}: two questions came {gap:?} apart, {pause:?} is the rule",
                    first.of
                ));
            }
            let until = first.not_before.map(|at| at - ARRIVAL_TOLERANCE);
            if until.is_some_and(|until| second.at < until) {
                wrong.push(format!(
                    "{call:?} {}: Retry-After was not obeyed, the next question came {gap:?} after",
                    first.of
                ));
            }
        }
    }
    wrong
}

/// One request: checked, recorded, carried out, answered.
fn handle(shared: &Shared, request: &Request, stream: &TcpStream) -> Answer {
    let mut ledger = shared.ledger();
    let Some((call, id)) = rules::call_of(request) else {
        let (method, path) = (&request.method, &request.path);
        ledger.wrong(format!("{method} {path} is in no description"));
        return Answer::error(404, "", "Неизвестный вызов", "");
    };
    let broken = rules::broken(request, call, ledger.plan.password);
    ledger.wrong.extend(broken);
    let number = ledger.seen.len();
    ledger.seen.push(Seen {
        at: request.at,
        call,
        of: subject(request, call, id),
        answered: None,
        answered_at: None,
        not_before: None,
    });
    let trouble = take_trouble(&mut ledger, call);
    let (ledger, answer) = match trouble {
        Some((false, answer)) => (ledger, answer),
        Some((true, answer)) => (
            carry_out(shared, ledger, request, (call, id), stream).0,
            answer,
        ),
        None => carry_out(shared, ledger, request, (call, id), stream),
    };
    finish(ledger, number, &answer);
    answer
}

/// What is asked about.
fn subject(request: &Request, call: Call, id: Option<i64>) -> String {
    match call {
        Call::Tokens => String::new(),
        Call::DemandPayment => request.body["paymentMode"].to_string(),
        Call::ConsumerStatus => request.query("sessionId").unwrap_or_default().to_owned(),
        Call::Payments | Call::Reversals => {
            let number = request.body["orderNumber"].as_str();
            number.unwrap_or_default().to_owned()
        }
        Call::Payment => id.unwrap_or_default().to_string(),
        Call::PaymentReports => request.query("shift").unwrap_or_default().to_owned(),
    }
}

fn take_trouble(ledger: &mut Ledger, call: Call) -> Option<(bool, Answer)> {
    let troubles = &mut ledger.troubles;
    let at = troubles.iter().position(|one| one.call == call)?;
    let trouble = &mut troubles[at];
    let taken = (trouble.has_effect, trouble.answer.clone());
    trouble.times -= 1;
    if trouble.times == 0 {
        troubles.remove(at);
    }
    Some(taken)
}

fn carry_out<'a>(
    shared: &'a Shared,
    mut ledger: MutexGuard<'a, Ledger>,
    request: &Request,
    (call, id): (Call, Option<i64>),
    stream: &TcpStream,
) -> (MutexGuard<'a, Ledger>, Answer) {
    let id = id.unwrap_or_default();
    let body: &Value = &request.body;
    let answer = match call {
        Call::Tokens => ledger.tokens(),
        Call::DemandPayment => ledger.demand_payment(body),
        Call::ConsumerStatus => {
            ledger.consumer_status(request.query("sessionId").unwrap_or_default())
        }
        Call::Payment => ledger.payment(id),
        Call::Reversals => ledger.reverse(id, body),
        Call::PaymentReports => ledger.report(request.query("shift").unwrap_or_default()),
        Call::Payments => match ledger.pay(body) {
            Err(answer) => answer,
            Ok(row) => return hold(shared, ledger, row, stream),
        },
    };
    // A reversal may have decided what a held request waits for.
    shared.changed.notify_all();
    (ledger, answer)
}

/// Keeps an answer back until the buyer has decided, the connection is cut or the till has gone.
fn hold<'a>(
    shared: &'a Shared,
    mut ledger: MutexGuard<'a, Ledger>,
    row: usize,
    stream: &TcpStream,
) -> (MutexGuard<'a, Ledger>, Answer) {
    loop {
        let payment = &ledger.payments[row];
        let (connection, answer) = if payment.connection == Connection::Cut {
            (Connection::Cut, Answer::Close)
        } else if payment.status != 0 && ledger.plan.release_held {
            (Connection::Answered, Answer::ok(payment.info()))
        } else if http::has_gone(stream) {
            (Connection::LeftByTill, Answer::Close)
        } else {
            let waited = shared.changed.wait_timeout(ledger, HELD_LOOK_INTERVAL);
            ledger = waited.unwrap().0;
            continue;
        };
        ledger.payments[row].connection = connection;
        return (ledger, answer);
    }
}

fn finish(mut ledger: MutexGuard<'_, Ledger>, number: usize, answer: &Answer) {
    let seen = &mut ledger.seen[number];
    let now = Instant::now();
    seen.answered = Some(answer.status());
    seen.answered_at = Some(now);
    if let Answer::Send { head, .. } = answer {
        let seconds = head
            .iter()
            .find_map(|line| line.strip_prefix("Retry-After: "));
        let seconds = seconds.and_then(|text| text.parse().ok());
        seen.not_before = seconds.map(|seconds| now + Duration::from_secs(seconds));
    }
}
