//! The simulated payment service, `oplati sim`: as strict as the protocol is known, with a ledger,
//! buyers who act by command or by themselves, and every trouble that a network makes.
//!
//! It is written from the protocol's description alone and shares no type or constant with the
//! client: a name misread there must be refused here. It answers as the real service was recorded to
//! answer; [`Rules`] hold what can be otherwise.
//!
//! - `strict`: reading requests · `service`: the calls · `refusal`: what is refused, in which words
//! - `ledger`: what the service knows and decides · `sessions`: invited buyers · `pace`: who asks too often
//! - [`BuyerScript`]: buyers · [`Fault`]: trouble · `control`: commands below `/sim/` · `http`: the wire
//!
//! Not simulated: the notifications that internet tills get; `notificationUrl` is checked and kept
//! silent.

mod buyer;
mod control;
mod faults;
mod http;
mod ledger;
mod pace;
mod refusal;
pub mod rules;
mod service;
mod sessions;
mod strict;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub use buyer::{BuyerScript, ScriptError};
pub use faults::{Fault, Trouble};
pub use http::serve;
pub use rules::{AnswerWhen, Rules, SessionIds};

use faults::Plan;
use ledger::{Ledger, Moment};
use refusal::Refusal;
use service::{Call, Made, Response, Route};
use sessions::Joining;

use crate::base::lock::lock;

/// Requests that the state shows.
const SHOWN_REQUESTS: usize = 1000;

/// What `oplati sim` is started with.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Where; port 0 picks one.
    pub listen: SocketAddr,
    /// A buyer who acts by himself.
    pub buyer: Option<BuyerScript>,
    pub rules: Rules,
}

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Somebody else listens there.
    #[error("{address} is taken by {holder}")]
    Taken {
        address: SocketAddr,
        /// Who, as far as it can be known.
        holder: String,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        address: SocketAddr,
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
    /// The process's exit code, see [`crate::base::exit_code`].
    pub fn exit_code(&self) -> u8 {
        match self {
            SimError::Taken { .. } => crate::base::exit_code::TEMPFAIL,
            SimError::Listen { .. } | SimError::Accept(_) | SimError::Run(_) => {
                crate::base::exit_code::IO
            }
        }
    }

    fn of_listening(address: SocketAddr, source: std::io::Error) -> SimError {
        if source.kind() != std::io::ErrorKind::AddrInUse {
            return SimError::Listen { address, source };
        }
        let holder = crate::base::system::port_holder(address.port());
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
    /// `None` when the answer was held.
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Trouble>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct Inner {
    ledger: Ledger,
    plan: Plan,
    requests: VecDeque<Seen>,
}

/// How far a request was answered at once.
struct Answered {
    /// How little of the answer may be seen.
    fault: Option<Fault>,
    response: Response,
    /// The payment whose end the answer waits for; the response holds its beginning.
    held: Option<i64>,
}

/// The service.
#[derive(Debug)]
pub struct Simulator {
    inner: Mutex<Inner>,
    /// Whenever a payment may have been decided.
    changes: watch::Sender<()>,
    /// Whenever the line breaks: held answers are lost then.
    cuts: watch::Sender<()>,
    began: Instant,
    me: Weak<Simulator>,
}

impl Simulator {
    /// A service without tills, with a buyer who acts by himself if there is a script.
    pub fn new(script: Option<BuyerScript>, rules: Rules) -> Arc<Simulator> {
        let mut inner = Inner::default();
        inner.ledger.script = script;
        inner.ledger.rules = rules;
        Arc::new_cyclic(|me| Simulator {
            inner: Mutex::new(inner),
            changes: watch::Sender::new(()),
            cuts: watch::Sender::new(()),
            began: Instant::now(),
            me: me.clone(),
        })
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: crate::base::clock::wall(),
            mono: self.began.elapsed(),
        }
    }

    /// Changes something, and lets held answers look whether it concerns them.
    fn change<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        let outcome = work(&mut lock(&self.inner));
        self.changes.send_replace(());
        outcome
    }

    /// Does what a request asks for.
    fn answer(&self, call: &Call) -> Answered {
        let at = self.moment();
        let at_once = |response| Answered {
            fault: None,
            response,
            held: None,
        };
        if call.method == "POST" && call.path == "/sim/held/cut" {
            self.cuts.send_replace(());
        }
        if call.path.starts_with("/sim/") {
            return at_once(self.change(|inner| control::answer(inner, call, at)));
        }
        let Some(route) = Route::find(&call.method, &call.path) else {
            return at_once(service::refuse(Refusal::no_such_call(), call));
        };
        let fault = lock(&self.inner).plan.next(route.target());
        if fault.is_none_or(|fault| fault.r#do.takes_effect()) {
            self.carry_out(route, call, fault)
        } else {
            let response = Response::json(503, &serde_json::Value::Null);
            self.change(|inner| inner.note(call, at, Some(response.status), fault));
            Answered {
                fault,
                response,
                held: None,
            }
        }
    }

    /// Does it once more, as a balancer does that delivers a request twice.
    fn repeat(&self, call: &Call) -> Option<Answered> {
        let route = Route::find(&call.method, &call.path)?;
        Some(self.carry_out(route, call, None))
    }

    fn carry_out(&self, route: Route, call: &Call, fault: Option<Fault>) -> Answered {
        let at = self.moment();
        let (response, held, script) = self.change(|inner| {
            let response = service::answer(&mut inner.ledger, route, call, at);
            let is_held = inner.ledger.rules.answer == AnswerWhen::Held;
            let held = match response.made {
                Some(Made::Payment(id)) if is_held && route == Route::Payments => Some(id),
                _ => None,
            };
            let status = held.is_none().then_some(response.status);
            inner.note(call, at, status, fault);
            (response, held, inner.ledger.script)
        });
        if let (Some(script), Some(made)) = (script, response.made.clone()) {
            self.let_buyer_act(script, made);
        }
        Answered {
            fault,
            response,
            held,
        }
    }

    /// The answer when it comes: a held one when the payment is decided, `None` when the line breaks
    /// before that.
    async fn settled(&self, answered: Answered) -> Option<Response> {
        let Some(id) = answered.held else {
            return Some(answered.response);
        };
        let (mut changes, mut cuts) = (self.changes.subscribe(), self.cuts.subscribe());
        loop {
            let at = self.moment();
            let waits = {
                let mut inner = lock(&self.inner);
                inner.ledger.expire(at);
                match (inner.ledger.waits(id, at), inner.ledger.entries.get(&id)) {
                    (Some(waits), _) => waits,
                    (None, Some(entry)) => return Some(service::payment_info(entry)),
                    (None, None) => return Some(answered.response),
                }
            };
            // What the first two mean, the loop finds out.
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(waits) => {}
                _ = cuts.changed() => return None,
            }
        }
    }

    /// The scripted buyer joins a session or answers a payment after his time.
    fn let_buyer_act(&self, script: BuyerScript, made: Made) {
        let Some(status) = script.outcome.status() else {
            return;
        };
        let Some(me) = self.me.upgrade() else { return };
        tokio::spawn(async move {
            let pause = match made {
                Made::Session(_) => script.join,
                Made::Payment(_) => script.confirm,
            };
            tokio::time::sleep(pause).await;
            let at = me.moment();
            me.change(|inner| match made {
                // Joined already, by hand or by the consumer's QR, or over.
                Made::Session(id) => drop(inner.ledger.sessions.join(&Joining::Session(id), at)),
                // Decided already, or cancelled meanwhile.
                Made::Payment(id) => drop(inner.ledger.decide(Some(id), status, at)),
            });
        });
    }
}

impl Inner {
    /// Adds a request to the state's list.
    fn note(&mut self, call: &Call, at: Moment, status: Option<u16>, fault: Option<Fault>) {
        if self.requests.len() == SHOWN_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(Seen {
            at_ms: at.mono.as_millis(),
            method: call.method.clone(),
            path: call.path.clone(),
            status,
            fault: fault.map(|fault| fault.r#do),
        });
    }
}

/// Runs the simulator until it is stopped; its first line on standard output names its address.
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
        serve(listener, Simulator::new(options.buyer, options.rules), stop).await
    })
}
