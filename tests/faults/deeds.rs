//! What people and the network do.

use std::time::Duration;

use jiff::SignedDuration;
use oplati::core::event::Event;
use oplati::core::record::Record;
use oplati::money::Kopecks;
use oplati::operation::{
    CancellationRequest, CardRequest, Item, ItemKind, Kind, Operation, Receipt, RefundRequest,
    SaleRequest, State, Wish,
};
use oplati::secret::Secret;
use oplati::service::call::{Answer, Call, Failure, PaymentStatus, Reply, TokenProblem};
use oplati::service::classify;

use crate::plan::{Deed, Fate};
use crate::world::{Check, World};

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
    }
}

/// What a service says that does not know itself what it did.
const ERROR_BODY: &[u8] = br#"{"code": "DB", "devMessage": "no base"}"#;

impl World<'_> {
    pub fn play(&mut self, deeds: &[Deed]) -> Check {
        for deed in deeds {
            self.deed(*deed)
                .and_then(|()| self.check_entries())
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
        for _ in 0..6 {
            self.service.decide(PaymentStatus::Timeout, self.now.wall);
        }
        self.live_on(Duration::from_secs(120))?;
        for _ in 0..20 {
            self.service.decide(PaymentStatus::Timeout, self.now.wall);
        }
        self.live_on(Duration::from_secs(7200))?;
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
                reason: "by hand".into(),
            })?;
        }
        self.check_entries()?;
        self.check_peace()
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
            Deed::Buyer(status) => {
                self.service.decide(status, self.now.wall);
                Ok(())
            }
            Deed::Answer(fate) => self.answer(false, fate),
            Deed::AnswerNewest(fate) => self.answer(true, fate),
            Deed::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Deed::Outage(seconds) => {
                self.outage_until = self.now.mono + Duration::from_secs(seconds);
                self.fail_in_outage()?;
                self.pass(Duration::from_secs(seconds))
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
                self.counts.note("clock jump");
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
        if matches!(answer, Err(Failure::Lost { .. })) {
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

    pub(crate) fn note_closed(&mut self, call: &Call) {
        if let Call::Pay { order_number, .. } | Call::Reverse { order_number, .. } = call {
            self.closed_at.insert(order_number.clone(), self.now.mono);
        }
    }

    /// Whether a request under that number may still be on its way.
    pub(crate) fn may_arrive(&self, order_number: &str) -> bool {
        self.closed_at
            .get(order_number)
            .is_some_and(|closed| self.now.mono < *closed + self.settings.settle)
    }

    pub(crate) fn fate_of(&mut self, call: &Call, fate: Fate) -> Answer {
        let (wall, mono) = (self.now.wall, self.now.mono);
        let lost = |protocol| {
            Err(Failure::Lost {
                detail: "lost".into(),
                protocol,
            })
        };
        let fault = match fate {
            Fate::Answered => "",
            Fate::NotSent => "not sent",
            Fate::RequestLost => "request lost",
            Fate::AnswerLost => "answer lost, or 5xx with effect",
            Fate::Garbage => "garbage",
            Fate::Error => "5xx without effect",
            Fate::Late(_) => "late effect",
            Fate::Refused => "refused",
            Fate::TokenNeeded => "token error",
            Fate::Twice => "answered twice",
            Fate::Foreign => "another's answer",
        };
        if !fault.is_empty() {
            self.counts.note(fault);
        }
        match fate {
            Fate::Answered | Fate::Twice => self.service.effect(call, wall, mono),
            Fate::NotSent => Err(Failure::NotSent {
                detail: "connection refused".into(),
            }),
            Fate::RequestLost => lost(false),
            Fate::Error => classify(call, 503, ERROR_BODY),
            Fate::AnswerLost => {
                drop(self.service.effect(call, wall, mono));
                if self.random.one_in(2) {
                    lost(false)
                } else {
                    classify(call, 500, ERROR_BODY)
                }
            }
            Fate::Garbage => {
                drop(self.service.effect(call, wall, mono));
                lost(true)
            }
            Fate::Late(seconds) => {
                if call.moves_money() {
                    let at = mono + Duration::from_secs(seconds);
                    self.service.late.push((at, call.clone()));
                }
                lost(false)
            }
            Fate::Refused => Err(Failure::Refused {
                message: None,
                detail: "no".into(),
            }),
            Fate::TokenNeeded => Err(Failure::Token {
                problem: TokenProblem::Needed,
                detail: "reset".into(),
            }),
            Fate::Foreign => match self.service.effect(call, wall, mono) {
                // The client takes a foreign body for a lost answer where money can move.
                Ok(Reply::Payment(mut info)) if !call.moves_money() => {
                    info.order_number = "another".into();
                    Ok(Reply::Payment(info))
                }
                Ok(Reply::Payment(_)) => lost(true),
                answer => answer,
            },
        }
    }
}
