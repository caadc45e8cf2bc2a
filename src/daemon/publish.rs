//! What the core's thread publishes of what has happened: to listeners, to the log, and to those who count.

use std::collections::BTreeSet;

use crate::api::notices::{NoticeKind, TraceKind};
use crate::api::till::Watch as _;
use crate::base::secret::tail;
use crate::core::record::Record;
use crate::daemon::core_loop::CoreLoop;
use crate::engine::Outcome;
use crate::metrics::outcome;
use crate::model::operation::{Kind, Operation, Shows, State, rfc3339_ms, word};
use crate::service::Exchange;

impl CoreLoop {
    pub(super) fn publish_record(&self, record: &Record, what: &str) {
        let operation = record.operation();
        let state = word(operation.state);
        let shown = operation.shows.as_ref();
        let shown = shown.map(|(Shows::Qr(text) | Shows::Code(text))| tail(text));
        tracing::info!(operation = %operation.id, state, amount = %operation.amount, shown, what, "Operation");
        self.publish(NoticeKind::Operation, &Event::of(operation, shown));
        if let Record::Entry(entry) = record
            && !entry.is_attended()
        {
            self.publish(NoticeKind::Queue, &entry.queue_item());
        }
    }

    pub(super) fn publish(&self, kind: NoticeKind, data: &impl serde::Serialize) {
        match serde_json::to_value(data) {
            Ok(data) => self.parts.notices.publish(kind, data),
            Err(error) => tracing::error!(%error, "An event cannot be sent"),
        }
    }

    /// The service's client may open connections before the buyer acts.
    pub(super) fn announce_requests(&self) {
        if let Some(client) = &self.parts.client {
            client.expect_requests(self.parts.engine.core().expected_requests());
        }
    }

    pub(super) fn publish_status(&mut self) {
        let status = self.parts.engine.core().status(self.parts.clock.now());
        if self.parts.shared.set_status(status) {
            self.publish_health();
        }
    }

    pub(super) fn publish_health(&mut self) {
        let health = crate::api::till::Watch::health(&*self.parts.shared);
        self.published_health = health_facts(&health);
        self.publish(NoticeKind::Health, &health);
    }

    /// Devices come and go without the core.
    pub(super) fn publish_changes(&mut self) {
        for device in self.parts.shared.devices() {
            let facts = (
                device.state.clone(),
                device.last_error.clone(),
                device.test.clone(),
            );
            if self.published_devices.get(&device.name) != Some(&facts) {
                self.published_devices.insert(device.name.clone(), facts);
                self.publish(NoticeKind::Device, &device);
            }
        }
        let health = crate::api::till::Watch::health(&*self.parts.shared);
        let facts = health_facts(&health);
        if facts != self.published_health {
            self.published_health = facts;
            self.publish(NoticeKind::Health, &health);
        }
    }

    /// Operations that this step has ended.
    pub(super) fn count_ends(&self, outcome: &Outcome) {
        let shared = &self.parts.shared;
        let mut counted = BTreeSet::new();
        // The last word of the step on each.
        for write in outcome.writes.iter().rev() {
            let operation = write.record.operation();
            let ends = operation.state.is_final() && operation.finished_at == Some(outcome.at);
            if !counted.insert(&operation.id) || !ends {
                continue;
            }
            shared.metrics.ended(operation.kind, operation.state);
            let slip = operation.slip.as_ref();
            if (operation.kind, operation.state) == (Kind::Sale, State::Done)
                && let Some(paid_at) = slip.and_then(|slip| slip.paid_at.parse().ok())
            {
                shared.note_done(paid_at, outcome.at);
            }
        }
    }

    /// A request to the service has ended.
    pub(super) fn trace_request(&self, operation: &str, call: &'static str, exchange: &Exchange) {
        let outcome = outcome(&exchange.answer);
        let shared = &self.parts.shared;
        shared.metrics.requested(call, outcome, exchange.elapsed);
        let at = rfc3339_ms::text(self.parts.clock.now().wall);
        let ms = u64::try_from(exchange.elapsed.as_millis()).unwrap_or(u64::MAX);
        let data = serde_json::json!({"operation": operation, "call": call, "outcome": outcome, "ms": ms, "at": at});
        self.parts.notices.trace(TraceKind::Request, data);
    }

    /// The buyer sees something else from now on.
    pub(super) fn trace_scene(&self, scene: &str) {
        let at = rfc3339_ms::text(self.parts.clock.now().wall);
        let data = serde_json::json!({"scene": scene, "at": at});
        self.parts.notices.trace(TraceKind::Scene, data);
    }
}

/// An operation as events hold it. What the display shows is the buyer's: events, which anybody may
/// keep, leave it out, and hold its length and its end, so that a renewed QR can be distinguished from the one before.
#[derive(serde::Serialize)]
struct Event {
    #[serde(flatten)]
    operation: Operation,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

impl Event {
    fn of(operation: &Operation, shown: Option<String>) -> Event {
        let operation = Operation {
            shows: None,
            ..operation.clone()
        };
        Event { operation, shown }
    }
}

/// What of health is worth an event when it changes.
fn health_facts(health: &crate::model::health::Health) -> Option<serde_json::Value> {
    // Not what displays show: that changes with every step of a sale.
    let devices = health
        .devices
        .iter()
        .map(|device| (&device.name, &device.state));
    let facts = (&health.status, &health.reasons, devices.collect::<Vec<_>>());
    serde_json::to_value(facts).ok()
}
