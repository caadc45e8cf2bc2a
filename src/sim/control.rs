//! The control API: what a person or a test does to the service and its buyers. Only on loopback,
//! never part of the protocol.
//!
//! | call below `/sim/` | body | does |
//! |---|---|---|
//! | `GET state`, `GET ledger` | | rules, sessions, violations, payments, requests; payments and balance |
//! | `GET qr` | | a new code of a buyer's phone |
//! | `GET service`, `POST service` | `{"life_ms"?, "answer"?, "session_ids"?, "unique_numbers"?, "poll_payment_ms"?, "poll_session_ms"?, "rate_limit"?}` | returns or changes the rules; a life is that of sessions opened later |
//! | `POST buyer/join` | `{"session" or "code" or "qr"}`, or none for the latest | the buyer joins |
//! | `POST buyer/confirm`, `decline`, `not_enough_money`, `timeout` | `{"paymentId"?}` | the buyer decides |
//! | `POST buyer/loyalty`, `buyer/script` | `{"cards": [{"number", "name"}]}`, `{"script"?}` | what buyers have, and what they do by themselves |
//! | `POST held/cut` | | breaks the connections of held answers |
//! | `POST token/reset`, `till/password` | `{"regNum"?}`, `{"regNum", "password"}` | as in the merchant's account |
//! | `GET`, `POST`, `DELETE faults`, `POST faults/seed` | `{"plan": [fault…]}`, `{"seed", "rate_percent"}` | trouble, see [`Fault`] |

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Inner;
use super::faults::Fault;
use super::ledger::Moment;
use super::rules::RulesBody;
use super::service::{Call, Response};
use super::sessions::Joining;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    session: Option<String>,
    code: Option<String>,
    qr: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decide {
    #[serde(rename = "paymentId")]
    payment_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cards {
    cards: Vec<OneCard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneCard {
    number: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    script: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Reset {
    reg_num: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Password {
    reg_num: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    plan: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    seed: u64,
    rate_percent: u64,
}

type Outcome = Result<Value, String>;

/// Answers a call below `/sim/`.
pub(super) fn answer(inner: &mut Inner, call: &Call, at: Moment) -> Response {
    let path = call.path.strip_prefix("/sim/").unwrap_or_default();
    let outcome = match (call.method.as_str(), path) {
        ("GET", "state") => Ok(state(inner, at)),
        ("GET", "service") => Ok(json!(inner.ledger.rules.body())),
        ("GET", "ledger") => Ok(ledger(inner)),
        ("GET", "qr") => Ok(json!({"qr": inner.ledger.sessions.new_buyer_code(&call.random)})),
        ("GET", "faults") => Ok(json!({"plan": inner.plan.commands()})),
        ("DELETE", "faults") => {
            inner.plan.clear();
            Ok(json!({}))
        }
        ("POST", path) => post(inner, path, call, at),
        _ => return Response::json(404, &json!({"error": "no such command"})),
    };
    match outcome {
        Ok(value) => Response::json(200, &value),
        Err(error) => Response::json(409, &json!({"error": error})),
    }
}

fn post(inner: &mut Inner, path: &str, call: &Call, at: Moment) -> Outcome {
    match path {
        "buyer/join" => {
            let Join { session, code, qr } = read(call)?;
            let by = match (session, code, qr) {
                (Some(session), None, None) => Joining::Session(session),
                (None, Some(code), None) => Joining::Code(code),
                (None, None, Some(qr)) => Joining::Qr(qr),
                (None, None, None) => Joining::Latest,
                _ => return Err("one of session, code, qr".to_owned()),
            };
            inner
                .ledger
                .sessions
                .join(&by, at)
                .map(|session| json!({"session": session}))
        }
        "buyer/confirm" => decide(inner, 1, call, at),
        "buyer/decline" => decide(inner, 2, call, at),
        "buyer/not_enough_money" => decide(inner, 3, call, at),
        "buyer/timeout" => decide(inner, 4, call, at),
        "buyer/loyalty" => {
            let Cards { cards } = read(call)?;
            inner.ledger.cards = cards
                .into_iter()
                .map(|card| (card.number, card.name))
                .collect();
            Ok(json!({}))
        }
        "buyer/script" => {
            let Script { script } = read(call)?;
            let script = script.map(|script| script.parse()).transpose();
            inner.ledger.script = script.map_err(|error: super::ScriptError| error.to_string())?;
            Ok(json!({}))
        }
        "service" => {
            let change: RulesBody = read(call)?;
            inner.ledger.rules = inner.ledger.rules.changed(&change)?;
            Ok(json!(inner.ledger.rules.body()))
        }
        // Done by whoever holds them.
        "held/cut" => Ok(json!({})),
        "token/reset" => {
            let Reset { reg_num } = read(call)?;
            inner.ledger.reset_token(reg_num.as_deref());
            Ok(json!({}))
        }
        "till/password" => {
            let Password { reg_num, password } = read(call)?;
            inner.ledger.set_password(reg_num, password);
            Ok(json!({}))
        }
        "faults" => {
            let Faults { plan } = read(call)?;
            inner.plan.add(plan).map(|()| json!({}))
        }
        "faults/seed" => {
            let Seed { seed, rate_percent } = read(call)?;
            inner.plan.seed(seed, rate_percent);
            Ok(json!({}))
        }
        _ => Err("no such command".to_owned()),
    }
}

fn decide(inner: &mut Inner, status: i64, call: &Call, at: Moment) -> Outcome {
    let Decide { payment_id } = read(call)?;
    inner
        .ledger
        .decide(payment_id, status, at)
        .map(|id| json!({"paymentId": id}))
}

/// A command without a body is one without requests.
fn read<T: DeserializeOwned>(call: &Call) -> Result<T, String> {
    let body: &[u8] = if call.body.is_empty() {
        b"{}"
    } else {
        &call.body
    };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn state(inner: &Inner, at: Moment) -> Value {
    let newest = inner.ledger.sessions.newest().take(20);
    let sessions: Vec<Value> = newest
        .map(|session| {
            json!({
                "session": session.id, "number": session.number, "qr": session.qr,
                "code": session.code, "ready": session.ready, "over": session.is_over(at),
            })
        })
        .collect();
    json!({
        "service": inner.ledger.rules.body(),
        "sessions": sessions,
        "violations": inner.ledger.pace.violations,
        "payments": payments(inner),
        "tokens": inner.ledger.tokens_issued(),
        "requests": inner.requests,
    })
}

fn payments(inner: &Inner) -> Vec<Value> {
    let rows = inner.ledger.entries.values().rev().take(1000);
    rows.map(|entry| {
        json!({
            "paymentId": entry.id, "paymentType": entry.kind, "status": entry.status, "kopecks": entry.sum,
            "orderNumber": entry.order_number, "of": entry.of, "reversed": inner.ledger.reversed(entry.id),
        })
    })
    .collect()
}

fn ledger(inner: &Inner) -> Value {
    json!({"payments": payments(inner), "balance": inner.ledger.balance()})
}
