//! What the core wants done once its writes are durable: requests, pictures, answers to the till.

use tokio::sync::mpsc;

use crate::api::notices::NoticeKind;
use crate::base::secret::tail;
use crate::core::call::Call;
use crate::core::event::{Effect, Reply, RequestId, Ticket};
use crate::core::scene::Scene;
use crate::daemon::core_loop::{CoreInput, CoreLoop, PendingReply, send_reply};
use crate::daemon::status_board::Call as UnderWay;
use crate::model::operation::rfc3339_ms;
use crate::model::scan::Scan;
use crate::service::{Client, Exchange};

impl CoreLoop {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Request {
                id,
                operation,
                call,
            } => {
                self.requests += 1;
                self.send(id, operation, call);
            }
            Effect::Show(scene) => self.show(&scene),
            Effect::Reply { ticket, reply } => self.reply(ticket, *reply),
            Effect::Alarm { operation, what } => {
                tracing::error!(operation = %operation, what = %what, "A person is needed");
                self.publish_health();
            }
            Effect::Scanned {
                scan,
                used_by,
                withheld,
            } => {
                let Scan { device, code, raw } = scan;
                self.pass_on.code(&device, raw, withheld);
                let shown = tail(code.expose());
                tracing::info!(device = %device, code = %shown, used_by = used_by.as_deref(), "Scan");
                let length = code.expose().chars().count();
                let at = rfc3339_ms::text(self.parts.clock.now().wall);
                let data = serde_json::json!({"device": device, "length": length, "tail": shown, "used_by": used_by, "at": at});
                self.parts.notices.publish(NoticeKind::Scan, data);
            }
        }
    }

    fn show(&self, scene: &Scene) {
        tracing::debug!(scene = scene.name(), "Scene");
        if self.device_test.is_running() && *scene == Scene::Idle {
            return;
        }
        self.trace_scene(scene.name());
        if let Err(error) = self.parts.displays.show(scene) {
            tracing::warn!(scene = scene.name(), %error, "No display can show this");
            let refused = CoreInput::SceneRefused {
                reason: error.to_string(),
            };
            if self.parts.inbound.try_send(refused).is_err() {
                tracing::error!("The core's queue is full");
            }
        }
    }

    /// The task is never cancelled: its outcome always comes back.
    fn send(&self, request: RequestId, operation: String, call: Box<Call>) {
        let Some(client) = self.parts.client.clone() else {
            return;
        };
        let inbound = self.parts.inbound.clone();
        let under_way = self.parts.shared.calls.enter();
        self.parts.io.spawn(async move {
            let (exchange, _under_way) = exchange(&client, &call, &operation, under_way).await;
            let exchanged = CoreInput::Exchanged {
                request,
                operation,
                call: call.name(),
                exchange,
            };
            if let Err(mpsc::error::SendError(CoreInput::Exchanged { operation, .. })) =
                inbound.send(exchanged).await
            {
                tracing::warn!(
                    operation,
                    "A request ended after the core; a restart looks it up"
                );
            }
        });
    }

    pub(super) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        match (self.askers.remove(&ticket), reply) {
            (Some(PendingReply::Begin(answer)), Reply::Begun(result)) => send_reply(answer, result),
            (Some(PendingReply::Abort(answer)), Reply::Aborted(result)) => {
                send_reply(answer, result)
            }
            (Some(PendingReply::Scan(answer)), Reply::ScanUsed(used_by)) => {
                send_reply(answer, Ok(used_by))
            }
            (Some(PendingReply::Queue(answer)), Reply::Queue(result)) => send_reply(answer, result),
            (
                Some(
                    PendingReply::Begin(_)
                    | PendingReply::Abort(_)
                    | PendingReply::Scan(_)
                    | PendingReply::Queue(_),
                )
                | None,
                _,
            ) => {
                tracing::error!(ticket, "An answer fits no question");
            }
        }
    }
}

/// Performs a call; while it is `under_way` the daemon does not end. An answer that is held until the
/// buyer decides keeps no daemon from ending: what it would contain, the next start looks up.
async fn exchange(
    client: &Client,
    call: &Call,
    operation: &str,
    under_way: UnderWay,
) -> (Box<Exchange>, Option<UnderWay>) {
    let answer = client.call(call, operation);
    if !matches!(call, Call::Pay { .. }) {
        return (Box::new(answer.await), Some(under_way));
    }
    tokio::pin!(answer);
    if let Ok(exchange) = tokio::time::timeout(client.timeout(), &mut answer).await {
        return (Box::new(exchange), Some(under_way));
    }
    drop(under_way);
    (Box::new(answer.await), None)
}
