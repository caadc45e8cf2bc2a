//! What the buyer does, through the simulator's control API. Only here stand the names of that API.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::http::{CallError, Loopback};
use crate::model::money::Kopecks;

/// The fault of a request that never arrives.
const LOSE_REQUEST: &str = "lose_request";

/// The fault of an answer that never comes back.
const LOSE_ANSWER: &str = "lose_answer";

/// The person with the phone, and the one who pulls the network cable.
#[derive(Clone, Debug)]
pub struct Buyer {
    service: Loopback,
}

/// What the buyer answers to a payment that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Confirm,
    Decline,
    /// Wants to, but has too little.
    NotEnoughMoney,
}

/// What the buyer took from the display.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Typed digits.
    Code(String),
    /// A scanned QR code.
    Qr(String),
}

/// How the line between the shop and the service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// As it should.
    On,
    /// The next payment reaches the service, its answer does not come back.
    Lose,
    /// Nothing gets through.
    Off,
}

/// One line of the service's ledger, in the simulator's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The till's number for it.
    #[serde(rename = "orderNumber")]
    pub order_number: String,
    pub kopecks: Kopecks,
    /// What of it was given back.
    pub reversed: Kopecks,
    /// The protocol's number: 0 waits for the buyer, 1 is paid.
    pub status: i64,
    /// The protocol's number: 1 is a sale.
    #[serde(rename = "paymentType")]
    pub kind: i64,
}

impl Buyer {
    /// The buyer of the simulated service.
    pub fn of(service: Loopback) -> Buyer {
        Buyer { service }
    }

    /// The text of the QR code that the buyer's phone shows now.
    pub async fn qr(&self) -> Result<String, CallError> {
        #[derive(Deserialize)]
        struct Shown {
            qr: String,
        }
        Ok(self
            .service
            .ask::<Shown>(Method::GET, "/sim/qr", None)
            .await?
            .qr)
    }

    /// The buyer joins the sale whose code was taken from the display.
    ///
    /// # Errors
    /// [`CallError`], among them a refusal when no sale shows that.
    pub async fn join(&self, taken: &Taken) -> Result<(), CallError> {
        let body = match taken {
            Taken::Code(code) => json!({ "code": code }),
            Taken::Qr(text) => json!({ "qr": text }),
        };
        self.post("/sim/buyer/join", &body).await
    }

    /// The buyer answers the payment that waits.
    ///
    /// # Errors
    /// [`CallError`], among them a refusal when no payment waits.
    pub async fn decide(&self, decision: Decision) -> Result<(), CallError> {
        let path = match decision {
            Decision::Confirm => "/sim/buyer/confirm",
            Decision::Decline => "/sim/buyer/decline",
            Decision::NotEnoughMoney => "/sim/buyer/not_enough_money",
        };
        self.post(path, &json!({})).await
    }

    /// How long sessions live that are opened from now on.
    pub async fn set_session_life(&self, life: Duration) -> Result<(), CallError> {
        let ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        self.post("/sim/service", &json!({ "life_ms": ms })).await
    }

    /// How many of the till's questions came closer than the service allows.
    pub async fn violations(&self) -> Result<usize, CallError> {
        #[derive(Deserialize)]
        struct SimState {
            violations: Vec<Value>,
        }
        let state: SimState = self.service.ask(Method::GET, "/sim/state", None).await?;
        Ok(state.violations.len())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<(), CallError> {
        self.service
            .ask::<Value>(Method::POST, path, Some(body))
            .await
            .map(drop)
    }

    /// The service's ledger, newest first.
    pub async fn payments(&self) -> Result<Vec<Payment>, CallError> {
        #[derive(Deserialize)]
        struct Ledger {
            payments: Vec<Payment>,
        }
        Ok(self
            .service
            .ask::<Ledger>(Method::GET, "/sim/ledger", None)
            .await?
            .payments)
    }

    /// How the line behaves now: a lost answer is lost once, then all is well again.
    pub async fn network(&self) -> Result<Network, CallError> {
        #[derive(Deserialize)]
        struct Faults {
            plan: Vec<Fault>,
        }
        #[derive(Deserialize)]
        struct Fault {
            r#do: String,
        }
        let faults: Faults = self.service.ask(Method::GET, "/sim/faults", None).await?;
        let planned = |what: &str| faults.plan.iter().any(|fault| fault.r#do == what);
        Ok(match (planned(LOSE_REQUEST), planned(LOSE_ANSWER)) {
            (true, _) => Network::Off,
            (false, true) => Network::Lose,
            (false, false) => Network::On,
        })
    }

    /// Pulls the cable, or mends it.
    pub async fn set_network(&self, network: Network) -> Result<(), CallError> {
        let _: Value = self
            .service
            .ask(Method::DELETE, "/sim/faults", None)
            .await?;
        let fault = match network {
            Network::On => return Ok(()),
            Network::Lose => json!({"on": "payments", "do": LOSE_ANSWER, "times": 1}),
            Network::Off => json!({"on": "any", "do": LOSE_REQUEST, "times": 0}),
        };
        self.post("/sim/faults", &json!({ "plan": [fault] }))
            .await?;
        match network {
            // What is under way breaks, too: an answer that is held would come all the same.
            Network::Off => self.post("/sim/held/cut", &json!({})).await,
            Network::On | Network::Lose => Ok(()),
        }
    }
}

impl Payment {
    /// Money in.
    pub fn is_sale(&self) -> bool {
        self.kind == 1
    }

    pub fn is_pending(&self) -> bool {
        self.status == 0
    }

    pub fn is_paid(&self) -> bool {
        self.status == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::assert_has;
    use crate::sim::{Rules, Simulator};

    /// The simulator itself answers: a name misread here shows.
    fn with_buyer(work: impl AsyncFnOnce(Buyer)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(crate::sim::serve(
                listener,
                Simulator::new(None, Rules::default()),
                std::future::pending(),
            ));
            work(Buyer::of(Loopback::over_tcp(address).unwrap())).await;
        });
    }

    #[test]
    fn the_line_is_broken_and_mended() {
        with_buyer(async |buyer| {
            for network in [
                Network::Off,
                Network::Lose,
                Network::On,
                Network::Lose,
                Network::Off,
                Network::On,
            ] {
                buyer.set_network(network).await.unwrap();
                assert_eq!(buyer.network().await.unwrap(), network);
            }
        });
    }

    #[test]
    fn a_service_that_nobody_asked_has_nothing_to_complain_of() {
        with_buyer(async |buyer| {
            buyer
                .set_session_life(Duration::from_secs(3))
                .await
                .unwrap();
            assert_eq!(buyer.violations().await.unwrap(), 0);
        });
    }

    #[test]
    fn each_code_is_new_and_nothing_is_joined_or_paid_without_a_sale() {
        with_buyer(async |buyer| {
            assert_ne!(buyer.qr().await.unwrap(), buyer.qr().await.unwrap());
            assert_eq!(buyer.payments().await.unwrap(), []);
            for taken in [Taken::Code("1234".into()), Taken::Qr("https://x".into())] {
                assert!(matches!(
                    buyer.join(&taken).await,
                    Err(CallError::Refused { status: 409, .. })
                ));
            }
            for decision in [
                Decision::Confirm,
                Decision::Decline,
                Decision::NotEnoughMoney,
            ] {
                let refused = buyer.decide(decision).await.unwrap_err();
                assert_has(&refused.to_string(), ["no such payment waits"]);
            }
        });
    }
}
