//! What people and the network do.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use oplati::core::event::Event;
use oplati::core::record::{EntryRecord, Record};
use oplati::money::Kopecks;
use oplati::operation::{
    CancellationRequest, CardRequest, Item, ItemKind, Kind, Operation, Outcome, Receipt,
    RefundRequest, SaleRequest, State, Verdict, Wish,
};
use oplati::report::{Compared, Comparison};
use oplati::secret::Secret;
use oplati::service::call::{
    Answer, Call, Failure, Heard, PaymentInfo, PaymentStatus, PaymentType, Reply, TokenProblem,
};
use oplati::service::{HttpAnswer, classify};

use crate::plan::{Deed, Fate};
use crate::service::ELSEWHERE;
use crate::world::{Check, Held, World};

fn receipt(amount: i64, number: &str) -> Receipt {
    Receipt {
        number: number.to_owned(),
        shift: None,
        items: vec![Item {
            name: "x".into(),
            quantity: None,
            price: None,
            cost: Kopecks(amount),
            kind: ItemKind::Goods,
            barcode: None,
        }],
        header: None,
        footer: None,
        paid_otherwise: Kopecks::ZERO,
    }
}

/// What a service says that does not know itself what it did.
const ERROR_BODY: &[u8] = br#"{"code": "DB", "devMessage": "no base"}"#;

/// What the service was recorded to say to a second copy of a payment.
const EMPTY_REFUSAL: &[u8] = br#"{"code": "400", "internalCode": "", "devMessage": "RegNum OPL000011111: no demand", "userMessage": {"lang_ru": "", "lang_en": ""}}"#;

impl World<'_> {
    pub fn play(&mut self, deeds: &[Deed]) -> Check {
        for deed in deeds {
            self.deed(*deed)
                .map_err(|what| format!("{what} (at {deed:?})"))?;
        }
        Ok(())
    }

    /// The trouble ends: two hours of peace, with buyers who decide and a person who settles.
    pub fn find_peace(&mut self) -> Check {
        self.store.disarm();
        self.disk_full = 0;
        self.crash_before_effect = None;
        self.outage_until = Duration::ZERO;
        self.service.quirks.lag_s = 0;
        self.service.quirks.hides_pending = false;
        self.service.quirks.empty_purses = false;
        self.service.quirks.rows = None;
        self.service.quirks.failing_reversals = false;
        for _ in 0..6 {
            self.service.decide(PaymentStatus::Timeout, self.now.mono);
        }
        self.answer_held()?;
        self.live_on(Duration::from_secs(120))?;
        for _ in 0..20 {
            self.service.decide(PaymentStatus::Timeout, self.now.mono);
        }
        self.live_on(Duration::from_secs(7200))?;
        self.settle()?;
        self.check_peace()
    }

    /// A person closes everything that is set aside.
    fn settle(&mut self) -> Check {
        let aside: Vec<String> = self
            .records
            .values()
            .filter(|record| matches!(record, Record::Entry(entry) if entry.set_aside && entry.is_live()))
            .map(|record| record.operation().id.clone())
            .collect();
        for id in aside {
            self.ticket += 1;
            self.event(Event::Settle {
                ticket: self.ticket,
                id,
                verdict: Verdict {
                    reason: "by hand".into(),
                    outcome: Outcome::CarriedOut,
                },
            })?;
        }
        Ok(())
    }

    pub fn deed(&mut self, deed: Deed) -> Check {
        match deed {
            Deed::Begin => {
                let id = self.name("s");
                let request = SaleRequest {
                    amount: Kopecks(100 + self.names as i64),
                    receipt: receipt(100 + self.names as i64, &id),
                    mode: None,
                };
                self.wish(id, Wish::Sale(request))
            }
            Deed::Refund(which, amount) => {
                let Some(sale) = self.nth(which, Kind::Sale) else {
                    return Ok(());
                };
                let id = self.name("r");
                let request = RefundRequest {
                    sale: Some(sale),
                    payment_id: None,
                    amount: Kopecks(amount),
                    receipt: receipt(amount, &id),
                };
                self.wish(id, Wish::Refund(request))
            }
            Deed::RefundPayment(which, amount) => self.refund_payment(which, amount),
            Deed::Cancel(which, annul) => self.cancel(which, Kind::Sale, annul),
            Deed::CancelRefund(which) => self.cancel(which, Kind::Refund, false),
            Deed::Card => {
                let id = self.name("k");
                let request = CardRequest {
                    valutcode: 1,
                    card_number_type: 5,
                };
                self.wish(id, Wish::Card(request))
            }
            Deed::Settle => self.settle(),
            Deed::Reconcile => self.reconcile(),
            Deed::SceneRefused => {
                self.troubled = true;
                self.event(Event::SceneRefused {
                    reason: "too small".into(),
                })
            }
            Deed::OtherAccount(seconds) => self.other_account(seconds),
            Deed::Repeat => match self.last_wish.clone() {
                Some((id, wish)) => self.wish(id, wish),
                None => Ok(()),
            },
            Deed::Abort => self.abort(),
            Deed::Retry => self.retry(),
            Deed::Scan => self.event(Event::Scan {
                ticket: None,
                device: "scanner1".into(),
                code: Secret::new(format!("https://o-plati.by/{}", self.names)),
            }),
            Deed::Join => {
                self.service.join();
                Ok(())
            }
            Deed::JoinOldest => self.join_oldest(),
            Deed::Buyer(status) => {
                self.service.decide(status, self.now.mono);
                self.answer_held()
            }
            Deed::CutHeld => self.cut_held(),
            Deed::Answer(fate) => self.answer(false, fate),
            Deed::AnswerNewest(fate) => self.answer(true, fate),
            Deed::Pass(millis) => {
                // What is not answered meanwhile hangs.
                self.troubled = true;
                self.pass(Duration::from_millis(millis))
            }
            Deed::LiveOn(millis) if self.now.mono < self.outage_until => {
                self.pass(Duration::from_millis(millis))
            }
            Deed::LiveOn(millis) => {
                self.counts.note("peace for a while");
                self.live_on(Duration::from_millis(millis))
            }
            Deed::Outage(millis) => {
                let time = Duration::from_millis(millis);
                self.counts.note(match time.as_secs() {
                    0 => "outage of milliseconds",
                    1..3600 => "outage of seconds or minutes",
                    3600..86_400 => "outage of hours",
                    _ => "outage of days",
                });
                self.outage_until = self.now.mono + time;
                self.fail_in_outage()?;
                self.pass(time)
            }
            Deed::Crash(off) => {
                self.counts.note("crash at rest");
                self.crash(off)
            }
            Deed::CrashBeforeEffect(number) => {
                self.crash_before_effect = Some(number);
                Ok(())
            }
            Deed::CrashInCommit(rows) => {
                self.store.arm(rows);
                Ok(())
            }
            Deed::DiskFull(commits) => {
                self.disk_full = commits;
                Ok(())
            }
            Deed::Clock(seconds) => {
                self.counts.note(if seconds.abs() < 3600 {
                    "clock jump"
                } else {
                    "clock jump of hours or days"
                });
                let step = SignedDuration::from_secs(seconds);
                self.now.wall = self.now.wall.checked_add(step).unwrap_or(self.now.wall);
                Ok(())
            }
        }
    }

    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    pub(crate) fn nth(&self, which: u64, kind: Kind) -> Option<String> {
        let of_kind: Vec<&Operation> = self
            .records
            .values()
            .map(Record::operation)
            .filter(|operation| operation.kind == kind)
            .collect();
        let done: Vec<&&Operation> = of_kind
            .iter()
            .filter(|operation| operation.state == State::Done)
            .collect();
        // Mostly what can be reversed, at times what cannot.
        if which == 3 || done.is_empty() {
            return of_kind.last().map(|operation| operation.id.clone());
        }
        done.get(which as usize % done.len())
            .map(|operation| operation.id.clone())
    }

    /// A refund that names the payment and not the sale.
    fn refund_payment(&mut self, which: u64, amount: i64) -> Check {
        let own = self.nth(which, Kind::Sale);
        let own = own.and_then(|id| self.records.get(&id)?.operation().payment_id);
        let payment_id = match own {
            Some(payment_id) if which == 0 => payment_id,
            _ => *self
                .elsewhere
                .get_or_insert_with(|| self.service.sell_elsewhere(Kopecks(100), self.now.mono)),
        };
        let id = self.name("r");
        let request = RefundRequest {
            sale: None,
            payment_id: Some(payment_id),
            amount: Kopecks(amount),
            receipt: receipt(amount, &id),
        };
        self.wish(id, Wish::Refund(request))
    }

    /// As `POST /v1/reconciliations` does: what was absent and is reported is asked for once more.
    fn reconcile(&mut self) -> Check {
        let absent = self.compare().unmoved;
        for id in absent {
            let broken = |error: oplati::journal::JournalError| error.to_string();
            let of = |record: &&Record| {
                let operation = record.operation();
                operation.id == id && operation.kind == Kind::Refund
                    || operation.of.as_ref() == Some(&id) && operation.kind == Kind::Cancel
            };
            let entry = self.records.values().filter(of).max_by_key(|record| {
                let operation = record.operation();
                (operation.created_at, operation.id.clone())
            });
            let Some(entry) = entry.map(|record| record.operation().id.clone()) else {
                return Err(format!("{id} is absent, and nothing looks for it"));
            };
            if let Some((entry, target)) = self.journal.entry(&entry).map_err(broken)? {
                self.counts.note("reconciliation finds what was absent");
                let entry = Box::new(entry);
                self.event(Event::Recheck { entry, target })?;
            }
        }
        Ok(())
    }

    /// The service's ledger past the journal.
    pub(crate) fn compare(&self) -> Compared {
        let mut comparison = Comparison::default();
        let mut seen = BTreeSet::new();
        for info in self.service.reported(self.now.mono) {
            let known = self.records.values().find(|record| {
                let operation = record.operation();
                operation.order_number == info.order_number
                    || operation.payment_id == Some(info.payment_id)
            });
            let own = known.filter(|record| record.is_reported_as(info.payment_id));
            seen.extend(own.map(|record| record.operation().id.clone()));
            if !info.order_number.starts_with(ELSEWHERE) {
                let undoings = known.map(|record| self.undoings_of(record));
                comparison.reported(&info, known, &undoings.unwrap_or_default());
            }
        }
        for (id, record) in &self.records {
            comparison.journalled(record, seen.contains(id));
        }
        comparison.finish()
    }

    fn undoings_of(&self, record: &Record) -> Vec<EntryRecord> {
        let of = |entry: &Record| match entry {
            Record::Entry(entry) if entry.operation.of.as_ref() == Some(&record.operation().id) => {
                Some(entry.as_ref().clone())
            }
            Record::Entry(_) | Record::Sale(_) => None,
        };
        let mut undoings: Vec<EntryRecord> = self.records.values().filter_map(of).collect();
        undoings.sort_by_key(|entry| (entry.operation.created_at, entry.operation.id.clone()));
        undoings
    }

    /// Somebody changes `regNum`, sees that payments are refused, and changes it back.
    fn other_account(&mut self, seconds: u64) -> Check {
        self.counts.note("another till's account for a while");
        let ours = self.settings.account.clone();
        if let Some(account) = &mut self.settings.account {
            account.reg_num = "OPL000022222".into();
        }
        let lived = self
            .crash(0)
            .and_then(|()| self.live_on(Duration::from_secs(seconds)));
        self.settings.account = ours;
        lived.and_then(|()| self.crash(0))
    }

    pub(crate) fn cancel(&mut self, which: u64, kind: Kind, annul: bool) -> Check {
        let Some(operation) = self.nth(which, kind) else {
            return Ok(());
        };
        let id = self.name("c");
        self.wish(
            id,
            Wish::Cancellation(CancellationRequest { operation, annul }),
        )
    }

    pub fn wish(&mut self, id: String, wish: Wish) -> Check {
        self.ticket += 1;
        if self.acked.contains(&id) {
            self.counts.note("cashier repeats");
        }
        self.last_wish = Some((id.clone(), wish.clone()));
        let shift = oplati::core::shift::of_day(self.now.wall);
        let broken = |error: oplati::journal::JournalError| error.to_string();
        let event = Event::Begin {
            ticket: self.ticket,
            existing: self.journal.find(&id).map_err(broken)?,
            facts: Box::new(self.journal.facts(&wish, &shift).map_err(broken)?),
            id,
            wish,
        };
        self.event(event)
    }

    pub(crate) fn abort(&mut self) -> Check {
        let open = self
            .records
            .values()
            .map(Record::operation)
            .find(|operation| !operation.state.is_final() && !operation.id.starts_with('~'));
        let Some(id) = open.map(|operation| operation.id.clone()) else {
            return Ok(());
        };
        self.ticket += 1;
        self.counts.note("cashier aborts");
        let existing = self.journal.find(&id).map_err(|error| error.to_string())?;
        self.event(Event::Abort {
            ticket: self.ticket,
            id,
            existing,
        })
    }

    pub(crate) fn retry(&mut self) -> Check {
        let live = self.records.values().find_map(|record| match record {
            Record::Entry(entry) if entry.is_live() => Some(entry.operation.id.clone()),
            Record::Entry(_) | Record::Sale(_) => None,
        });
        let Some(id) = live else { return Ok(()) };
        self.ticket += 1;
        self.event(Event::Retry {
            ticket: self.ticket,
            id,
        })
    }

    // ---- the network's part -------------------------------------------------------------------

    pub(crate) fn answer(&mut self, newest: bool, fate: Fate) -> Check {
        if self.pending.is_empty() {
            return Ok(());
        }
        let index = if newest { self.pending.len() - 1 } else { 0 };
        let (request, call, _) = self.pending.remove(index);
        let answer = self.fate_of(&call, fate);
        self.note_asked(&call, &answer);
        self.note_refused(&call, fate, &answer);
        // Sessions end, and who asks for patience lives: neither makes a sale fail, but for a session that
        // nobody opens within `timeout`.
        let opens = matches!(call, Call::OpenSession(_));
        self.troubled |= match &answer {
            Ok(_) | Err(Failure::SessionOver { .. }) => false,
            Err(Failure::TooManyRequests { .. }) => opens,
            Err(_) => true,
        };
        if self.service.quirks.holds_answers
            && fate == Fate::Answered
            && let (
                Call::Pay {
                    answer_within,
                    order_number,
                    ..
                },
                Ok(_),
            ) = (&call, &answer)
            && !self.service.is_decided(order_number)
        {
            let until = self.now.mono + *answer_within;
            self.held.push(Held {
                request,
                call,
                until,
            });
            return Ok(());
        }
        if matches!(
            answer,
            Err(Failure::Lost { .. } | Failure::Refused { .. } | Failure::TooManyRequests { .. })
        ) {
            self.note_closed(&call);
        }
        if fate == Fate::Twice {
            self.event(Event::Answered {
                request,
                answer: answer.clone(),
            })?;
        }
        self.event(Event::Answered { request, answer })
    }

    /// Held answers whose buyer has decided come, and those that took too long are given up.
    pub(crate) fn answer_held(&mut self) -> Check {
        loop {
            let service = &self.service;
            let now = self.now.mono;
            let ready = self.held.iter().position(|held| {
                held.until <= now
                    || matches!(&held.call, Call::Pay { order_number, .. }
                        if service.is_decided(order_number))
            });
            let Some(held) = ready.map(|index| self.held.remove(index)) else {
                return Ok(());
            };
            let Call::Pay { order_number, .. } = &held.call else {
                continue;
            };
            if held.until <= now {
                self.counts.note("held answer given up");
                self.break_held(&held)?;
                continue;
            }
            self.counts.note("held answer comes");
            let order_number = order_number.clone();
            let info = self.service.payment_of(&order_number);
            let paid = info
                .as_ref()
                .is_some_and(|info| info.status == PaymentStatus::Ok);
            let waited_for = self.waits_for(&order_number);
            let answer = info.map(Reply::Payment).ok_or_else(|| Failure::Lost {
                detail: "lost".into(),
                heard: Heard::Nothing,
            });
            let (request, crashes) = (held.request, self.counts.crashes);
            self.event(Event::Answered { request, answer })?;
            // A process that dies in this very step finds it out after its restart.
            if paid && waited_for && crashes == self.counts.crashes {
                self.check_held(&order_number)?;
            }
        }
    }

    /// Every connection whose answer is held breaks.
    pub(crate) fn cut_held(&mut self) -> Check {
        for held in std::mem::take(&mut self.held) {
            self.counts.note("held answer cut");
            self.break_held(&held)?;
        }
        Ok(())
    }

    fn break_held(&mut self, held: &Held) -> Check {
        self.note_closed(&held.call);
        let request = held.request;
        let answer = Err(Failure::Lost {
            detail: "reset".into(),
            heard: Heard::Nothing,
        });
        self.event(Event::Answered { request, answer })
    }

    /// A buyer scans a code that the display has shown, the oldest that lives; over a line that is well
    /// the sale notices him.
    fn join_oldest(&mut self) -> Check {
        let waits = |record: &&Record| record.operation().state == State::AwaitingBuyer;
        let waiting = self.records.values().find(waits);
        let Some(id) = waiting.map(|record| record.operation().id.clone()) else {
            return Ok(());
        };
        let well = self.now.mono >= self.outage_until && self.now.mono >= self.hold_off_until;
        if !well || !self.service.join_oldest(&self.shown, self.now.mono) {
            return Ok(());
        }
        self.counts.note("buyer joins the oldest session");
        let armed = self.disk_full > 0 || self.crash_before_effect.is_some();
        self.store.disarm();
        self.live_on(Duration::from_secs(5))?;
        match self.records.get(&id) {
            Some(record) if !armed && record.operation().state == State::AwaitingBuyer => {
                Err(format!("{id} does not notice the buyer who has joined"))
            }
            _ => Ok(()),
        }
    }

    /// A gateway's words are no refusal, whatever they are taken for.
    fn note_refused(&mut self, call: &Call, fate: Fate, answer: &Answer) {
        let of_gateway = matches!(fate, Fate::Error | Fate::AnswerLost);
        if let Call::Pay { order_number, .. } = call
            && matches!(answer, Err(Failure::Refused { .. }))
            && !of_gateway
        {
            self.refused.insert(order_number.clone());
        }
    }

    pub(crate) fn note_closed(&mut self, call: &Call) {
        if let Call::Pay { order_number, .. } | Call::Reverse { order_number, .. } = call {
            self.closed_at.insert(order_number.clone(), self.now.mono);
        }
    }

    /// Whether a request under that number may still be on its way.
    pub(crate) fn may_arrive(&self, order_number: &str) -> bool {
        let closed_at = self.closed_at.get(order_number);
        self.is_under_way(order_number)
            || closed_at.is_some_and(|closed| self.now.mono < *closed + self.settings.settle)
    }

    /// Whether the connection of a payment under that number lives.
    fn is_under_way(&self, order_number: &str) -> bool {
        let held = self.held.iter().map(|held| &held.call);
        let mut calls = self.pending.iter().map(|(_, call, _)| call).chain(held);
        calls.any(|call| matches!(call, Call::Pay { order_number: of, .. } if *of == *order_number))
    }

    pub(crate) fn fate_of(&mut self, call: &Call, fate: Fate) -> Answer {
        let mono = self.now.mono;
        let lost = |heard| {
            Err(Failure::Lost {
                detail: "lost".into(),
                heard,
            })
        };
        let fault = match fate {
            Fate::Answered => "",
            Fate::NotSent => "not sent",
            Fate::RequestLost => "request lost",
            Fate::AnswerLost => "answer lost, or 5xx with effect",
            Fate::Garbage => "garbage",
            Fate::Cut if matches!(call, Call::LookUp { .. }) => "report cut",
            Fate::Cut => "answer cut",
            Fate::Error => "5xx without effect",
            Fate::Late(_) => "late effect",
            Fate::Refused => "refused",
            Fate::TokenNeeded => "token error",
            Fate::CopyRefused => "copy carried out, ours refused",
            Fate::LateCopy(_) => "ours refused, a copy carried out later",
            Fate::TooMany(_) => "too many requests",
            Fate::Twice => "answered twice",
            Fate::Foreign => "another's answer",
        };
        if !fault.is_empty() {
            self.counts.note(fault);
        }
        match fate {
            Fate::Answered | Fate::Twice => self.service.effect(call, mono),
            Fate::NotSent => Err(Failure::NotSent {
                detail: "connection refused".into(),
            }),
            Fate::RequestLost => lost(Heard::Nothing),
            Fate::Error => classify(call, &HttpAnswer::new(503, ERROR_BODY)),
            Fate::AnswerLost => {
                drop(self.service.effect(call, mono));
                if self.random.one_in(2) {
                    lost(Heard::Nothing)
                } else {
                    classify(call, &HttpAnswer::new(500, ERROR_BODY))
                }
            }
            Fate::Garbage => {
                drop(self.service.effect(call, mono));
                lost(Heard::Nonsense)
            }
            Fate::Cut => match self.service.effect(call, mono).map(|reply| body(&reply)) {
                Ok(Some(whole)) => {
                    let end = self.random.below(whole.len() as u64) as usize;
                    classify(call, &HttpAnswer::new(200, &whole.as_bytes()[..end]))
                }
                Ok(None) => lost(Heard::Nonsense),
                refused @ Err(_) => refused.map(|_| Reply::Alive),
            },
            Fate::Late(seconds) => {
                if call.moves_money() {
                    let at = mono + Duration::from_secs(seconds);
                    self.service.late.push((at, call.clone()));
                }
                lost(Heard::Nothing)
            }
            Fate::Refused => Err(Failure::Refused {
                message: None,
                detail: "no".into(),
            }),
            Fate::CopyRefused => {
                drop(self.service.effect(call, mono));
                classify(call, &HttpAnswer::new(400, EMPTY_REFUSAL))
            }
            Fate::LateCopy(seconds) => {
                if call.moves_money() {
                    let at = mono + Duration::from_secs(seconds);
                    self.service.late.push((at, call.clone()));
                }
                classify(call, &HttpAnswer::new(400, EMPTY_REFUSAL))
            }
            Fate::TooMany(seconds) => {
                let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds));
                let wait = retry_after.unwrap_or(Duration::from_secs(60));
                self.hold_off_until = self.hold_off_until.max(mono + wait);
                Err(Failure::TooManyRequests {
                    retry_after,
                    detail: "HTTP 429".into(),
                })
            }
            Fate::TokenNeeded => Err(Failure::Token {
                problem: TokenProblem::Needed,
                detail: "reset".into(),
            }),
            Fate::Foreign => match self.service.effect(call, mono) {
                Ok(Reply::Payment(info)) => {
                    let foreign = Reply::Payment(self.estrange(info));
                    self.read_or_told(call, foreign)
                }
                Ok(Reply::Found(rows)) => {
                    let rows = rows.into_iter().map(|info| self.estrange(info)).collect();
                    self.read_or_told(call, Reply::Found(rows))
                }
                answer => answer,
            },
        }
    }

    /// Another's number, sum or direction; of a payment that is paid.
    fn estrange(&mut self, mut info: PaymentInfo) -> PaymentInfo {
        info.status = PaymentStatus::Ok;
        match self.random.below(3) {
            0 => info.order_number = "another".into(),
            1 => info.sum = Kopecks(info.sum.0 + 1),
            _ => info.payment_type = PaymentType::Purchase,
        }
        info
    }

    /// As it comes over the wire, or past the client, so that the core itself must see it.
    fn read_or_told(&mut self, call: &Call, reply: Reply) -> Answer {
        match body(&reply).filter(|_| self.random.one_in(2)) {
            Some(body) => classify(call, &HttpAnswer::new(200, body.as_bytes())),
            None => Ok(reply),
        }
    }
}

/// The body of an answer that tells of payments.
fn body(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Payment(info) => Some(row(info)),
        Reply::Found(rows) => {
            let rows: Vec<String> = rows.iter().map(row).collect();
            Some(format!("[{}]", rows.join(",")))
        }
        Reply::Session { .. } | Reply::Consumer { .. } | Reply::Partial { .. } | Reply::Alive => {
            None
        }
    }
}

fn row(info: &PaymentInfo) -> String {
    let kind = match info.payment_type {
        PaymentType::Sale => 1,
        PaymentType::Purchase => 2,
        PaymentType::ReversalOfSale => 3,
        PaymentType::ReversalOfPurchase => 4,
        PaymentType::Unknown(number) => number,
    };
    let status = match info.status {
        PaymentStatus::InProgress => 0,
        PaymentStatus::Ok => 1,
        PaymentStatus::Decline => 2,
        PaymentStatus::NotEnough => 3,
        PaymentStatus::Timeout => 4,
        PaymentStatus::TechnicalCancelling => 5,
        PaymentStatus::Unknown(number) => number,
    };
    format!(
        r#"{{"paymentId": {}, "paymentType": {kind}, "sum": {}.{:02}, "status": {status}, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "{}"}}"#,
        info.payment_id,
        info.sum.0 / 100,
        info.sum.0 % 100,
        info.order_number
    )
}
