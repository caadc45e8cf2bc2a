//! The simulated payment service, `oplati sim`: as strict as the protocol is known, with a ledger,
//! buyers who act by command or by themselves, and every trouble that a network makes.
//!
//! It is written from the protocol's description alone and shares no type or constant with the
//! client: a name misread there must be refused here.
//!
//! - `strict`: reading requests · `ledger`: what the service knows and decides · `service`: the calls
//! - [`BuyerScript`]: buyers · [`Fault`]: trouble · `control`: commands below `/sim/` · `http`: the wire
//!
//! Not simulated: the notifications that internet tills get; `notificationUrl` is checked and kept
//! silent.

mod buyer;
mod control;
mod faults;
mod http;
mod ledger;
mod service;
mod strict;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use buyer::{BuyerScript, Outcome, ScriptError};
pub use faults::{Fault, Target, Trouble};
pub use http::serve;

use faults::Plan;
use ledger::{Joining, Ledger, Moment};
use service::{Call, Response, Route};

/// Requests that the state shows.
const SHOWN_REQUESTS: usize = 1000;

/// What `oplati sim` is started with.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where; port 0 picks one.
    pub listen: SocketAddr,
    /// A buyer who acts by himself.
    pub buyer: Option<BuyerScript>,
}

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Somebody else listens there.
    #[error("{address} is taken by {holder}")]
    Taken {
        /// Which.
        address: SocketAddr,
        /// Who, as far as it can be known.
        holder: String,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody can be let in any more.
    #[error("cannot accept callers")]
    Accept(#[source] std::io::Error),
    /// The runtime or standard output failed.
    #[error("cannot run")]
    Run(#[source] std::io::Error),
}

impl SimError {
    /// The process's exit code, see [`crate::exit`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            SimError::Taken { .. } => crate::exit::TEMPFAIL,
            SimError::Listen { .. } | SimError::Accept(_) | SimError::Run(_) => crate::exit::IO,
        }
    }

    fn of_listening(address: SocketAddr, source: std::io::Error) -> SimError {
        if source.kind() != std::io::ErrorKind::AddrInUse {
            return SimError::Listen { address, source };
        }
        let holder = crate::api::listen::port_holder(address.port());
        let holder = holder.unwrap_or_else(|| "another process".to_owned());
        SimError::Taken { address, holder }
    }
}

/// One request for the state's list.
#[derive(Clone, Debug, Serialize)]
struct Seen {
    at_ms: u128,
    method: String,
    path: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Trouble>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct Inner {
    ledger: Ledger,
    plan: Plan,
    script: Option<BuyerScript>,
    requests: VecDeque<Seen>,
}

/// The service.
#[derive(Debug)]
pub struct Simulator {
    inner: Mutex<Inner>,
    began: Instant,
    me: Weak<Simulator>,
}

impl Simulator {
    /// A service without tills, with a buyer who acts by himself if a script says so.
    #[must_use]
    pub fn new(script: Option<BuyerScript>) -> Arc<Simulator> {
        let inner = Mutex::new(Inner {
            script,
            ..Inner::default()
        });
        Arc::new_cyclic(|me| Simulator {
            inner,
            began: Instant::now(),
            me: me.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: crate::clock::wall(),
            mono: self.began.elapsed(),
        }
    }

    /// Takes a request to its end; the fault says how little of the answer may be seen.
    fn answer(&self, call: &Call) -> (Option<Fault>, Response) {
        let at = self.moment();
        let mut inner = self.lock();
        if call.path.starts_with("/sim/") {
            return (None, control::answer(&mut inner, call, at));
        }
        let Some(route) = Route::find(&call.method, &call.path) else {
            let unknown =
                ledger::Refusal::new(404, "NO_SUCH_CALL", "no such call", "Нет такого запроса");
            return (None, unknown.into());
        };
        let fault = inner.plan.next(route.target());
        let happens = fault.is_none_or(|fault| fault.r#do.takes_effect());
        let response = if happens {
            service::answer(&mut inner.ledger, route, call, at)
        } else {
            Response {
                status: 503,
                body: Vec::new(),
            }
        };
        if inner.requests.len() == SHOWN_REQUESTS {
            inner.requests.pop_front();
        }
        let (method, path) = (call.method.clone(), call.path.clone());
        let fault_shown = fault.map(|fault| fault.r#do);
        inner.requests.push_back(Seen {
            at_ms: at.mono.as_millis(),
            method,
            path,
            status: response.status,
            fault: fault_shown,
        });
        let script = inner.script;
        drop(inner);
        if let Some(script) = script.filter(|_| response.status == 200) {
            self.let_buyer_act(script, route, &response);
        }
        (fault, response)
    }

    /// The scripted buyer joins a session or answers a payment after his time.
    fn let_buyer_act(&self, script: BuyerScript, route: Route, response: &Response) {
        let status = match script.outcome {
            Outcome::Done => 1,
            Outcome::Declined => 2,
            Outcome::NotEnoughMoney => 3,
            Outcome::Silent => return,
        };
        let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let Some(me) = self.me.upgrade() else { return };
        match route {
            Route::DemandPayment => {
                let session = body
                    .get("sessionId")
                    .and_then(|id| id.as_str())
                    .unwrap_or_default()
                    .to_owned();
                tokio::spawn(async move {
                    tokio::time::sleep(script.join).await;
                    // Joined already, by hand or by the consumer's QR.
                    drop(me.lock().ledger.join(&Joining::Session(session)));
                });
            }
            Route::Payments | Route::WebPayments | Route::WebPaymentsV2 => {
                let id = body.get("paymentId").and_then(serde_json::Value::as_i64);
                tokio::spawn(async move {
                    tokio::time::sleep(script.confirm).await;
                    let at = me.moment();
                    // Cancelled meanwhile.
                    drop(me.lock().ledger.decide(id, status, at));
                });
            }
            Route::Tokens
            | Route::ConsumerStatus
            | Route::Payment(_)
            | Route::Reversals(_)
            | Route::Reports => {}
        }
    }
}

/// Runs the simulator until it is told to stop; its first line on standard output names its address.
///
/// # Errors
/// [`SimError`].
pub fn run(options: &SimOptions) -> Result<(), SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SimError::Run)?;
    runtime.block_on(async {
        let address = options.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| SimError::of_listening(address, source))?;
        let bound = listener.local_addr().map_err(SimError::Run)?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "listening on http://{bound}")
            .and_then(|()| stdout.flush())
            .map_err(SimError::Run)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(SimError::Run)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(SimError::Run)?;
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        serve(listener, Simulator::new(options.buyer), stop).await
    })
}
