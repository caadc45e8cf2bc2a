//! Whether a sale may begin: checks that need nothing, then, after an outage or with undoings
//! waiting, a short try whether the service is back.

use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::Now;
use crate::core::event::{Reply, RequestId, Step, Ticket};
use crate::core::record::Record;
use crate::core::{Core, shift, validate};
use crate::operation::SaleRequest;
use crate::problem::{Code, Problem};
use crate::service::call::{Answer, Call, Failure};

/// How long a sale tries to empty the queue first.
const QUEUE_TRY: Duration = Duration::from_secs(3);
/// How long a sale probes the connection first.
const PROBE_TRY: Duration = Duration::from_secs(2);
/// Clocks are corrected by small steps; only more than this is a clock that runs wrong.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// How often the same `PUT` may be repeated while it waits.
const MAX_TICKETS: usize = 16;

/// A till's wish, as it came.
pub(super) struct Asked {
    pub ticket: Ticket,
    pub id: String,
    pub request: SaleRequest,
    pub existing: Option<Record>,
    pub set_aside: Option<String>,
}

/// A sale that waits for the probe or the queue.
#[derive(Debug)]
pub(super) struct Admission {
    tickets: Vec<Ticket>,
    id: String,
    request: SaleRequest,
    until: Duration,
    probe: Option<RequestId>,
    refused: bool,
}

impl Core {
    pub(super) fn ask_for_sale(&mut self, asked: Asked, now: Now, step: &mut Step) {
        let ticket = asked.ticket;
        if let Err(problem) = validate::id(&asked.id).and_then(|()| validate::sale(&asked.request))
        {
            return step.reply(ticket, Reply::Begun(Err(problem)));
        }
        if let Some(existing) = &asked.existing {
            return step.reply(ticket, Reply::Begun(repeated(existing, &asked.request)));
        }
        if let Some(admission) = &mut self.admission
            && admission.id == asked.id
            && admission.request == asked.request
            && admission.tickets.len() < MAX_TICKETS
        {
            return admission.tickets.push(ticket);
        }
        if let Err(problem) = self.may_begin(&asked, now) {
            return step.reply(ticket, Reply::Begun(Err(problem)));
        }
        self.admit(asked, now, step);
    }

    fn may_begin(&self, asked: &Asked, now: Now) -> Result<(), Problem> {
        if self.settings.account.is_none() {
            return Err(Problem::new(
                Code::NotConfigured,
                "Не задан регистрационный номер кассы",
                "Задайте regNum в oplati.conf и перезапустите службу oplati",
            ));
        }
        if let Some(first) = self.foreign.first() {
            return Err(Problem::new(
                Code::NotConfigured,
                format!("Не завершена операция {first} с другими url или regNum"),
                "Верните прежние url и regNum в oplati.conf или закройте операцию: oplati queue settle",
            ));
        }
        if self
            .newest
            .is_some_and(|newest| newest.duration_since(now.wall) > CLOCK_TOLERANCE)
        {
            return Err(Problem::new(
                Code::TemporarilyUnavailable,
                "Часы кассы отстают от последней записи журнала",
                "Установите верные дату и время",
            ));
        }
        if self.sale.is_some() || self.admission.is_some() {
            return Err(Problem::new(
                Code::Busy,
                "Выполняется другая операция О!плати",
                "Дождитесь её завершения или отмените её",
            ));
        }
        if let Some(undoing) = &asked.set_aside {
            return Err(Problem::new(
                Code::Conflict,
                format!("По этому чеку не завершена отмена {undoing}"),
                "Повторите её (oplati queue retry) или закройте (oplati queue settle)",
            ));
        }
        Ok(())
    }

    fn admit(&mut self, asked: Asked, now: Now, step: &mut Step) {
        let queued = self.blocking_undoings().next().is_some();
        let mut admission = Admission {
            tickets: vec![asked.ticket],
            id: asked.id,
            request: asked.request,
            until: now.mono + if queued { QUEUE_TRY } else { PROBE_TRY },
            probe: None,
            refused: false,
        };
        if queued {
            self.wake_undoings(now);
        } else if self.down {
            let shift = shift::of_day(now.wall);
            admission.probe = Some(self.request(&admission.id, Call::Probe { shift }, step));
        } else {
            return self.begin_sale(
                &admission.tickets,
                admission.id,
                admission.request,
                now,
                step,
            );
        }
        self.admission = Some(admission);
    }

    /// Whether the answer was the probe's.
    pub(super) fn probe_answered(&mut self, request: RequestId, answer: &Answer) -> bool {
        let Some(admission) = &mut self.admission else {
            return false;
        };
        if admission.probe != Some(request) {
            return false;
        }
        admission.probe = None;
        admission.refused = matches!(answer, Err(Failure::NotSent { .. } | Failure::Lost { .. }));
        true
    }

    pub(super) fn admission_wakeup(&self) -> Option<(Duration, &'static str)> {
        let admission = self.admission.as_ref()?;
        let decided = admission.refused || self.admission_ready();
        Some(if decided {
            (Duration::ZERO, "admission decided")
        } else {
            (admission.until, "admission")
        })
    }

    fn admission_ready(&self) -> bool {
        let probed = self
            .admission
            .as_ref()
            .is_some_and(|admission| admission.probe.is_none());
        probed && self.blocking_undoings().next().is_none()
    }

    /// Whether a sale was begun.
    pub(super) fn admission_tick(&mut self, now: Now, step: &mut Step) -> bool {
        let ready = self.admission_ready();
        let Some(admission) = &self.admission else {
            return false;
        };
        let over = admission.refused || admission.until <= now.mono;
        if !over && !ready {
            return false;
        }
        let Some(admission) = self.admission.take() else {
            return false;
        };
        if ready && !admission.refused {
            self.begin_sale(
                &admission.tickets,
                admission.id,
                admission.request,
                now,
                step,
            );
            return true;
        }
        for ticket in admission.tickets {
            step.reply(
                ticket,
                Reply::Begun(Err(Problem::temporarily_unavailable())),
            );
        }
        false
    }
}

/// A `PUT` of an id that stands already.
fn repeated(
    existing: &Record,
    request: &SaleRequest,
) -> Result<(bool, crate::operation::Operation), Problem> {
    match existing {
        Record::Sale(sale) if sale.request == *request => Ok((false, sale.operation.clone())),
        Record::Sale(_) | Record::Undoing(_) => Err(Problem::new(
            Code::Conflict,
            "Операция с таким идентификатором уже есть, но с другим содержанием",
            "Дайте новой операции новый идентификатор",
        )),
    }
}
