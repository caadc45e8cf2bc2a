//! The calls of the protocol: from a request to an answer.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::faults::Target;
use super::ledger::{Caller, Entry, Ledger, Moment, Order};
use super::pace::Asked;
use super::refusal::Refusal;
use super::strict::{self, DemandPayment, Empty, Payment, ReversalRequest, WebPayment};

/// A request as it came, its body whole.
#[derive(Clone)]
pub(super) struct Call {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub random: Random,
}

/// Unpredictable bytes for ids.
#[derive(Clone, Copy)]
pub(super) struct Random([u8; 16]);

impl Random {
    pub(super) fn of(bytes: [u8; 16]) -> Random {
        Random(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Status and JSON.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whole seconds.
    pub retry_after: Option<u64>,
    /// What there is now that was not there before.
    pub made: Option<Made>,
}

/// What a buyer can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// A session, by its id.
    Session(String),
    Payment(i64),
}

impl Response {
    pub(super) fn json(status: u16, value: &impl serde::Serialize) -> Response {
        Response {
            status,
            body: serde_json::to_vec(value).unwrap_or_default(),
            retry_after: None,
            made: None,
        }
    }

    fn making(self, made: Made) -> Response {
        Response {
            made: Some(made),
            ..self
        }
    }
}

/// One of the protocol's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Tokens,
    DemandPayment,
    ConsumerStatus,
    Payments,
    Payment(i64),
    Reversals(i64),
    Reports,
    WebPayments,
    WebPaymentsV2,
}

impl Route {
    /// Finds the call; a known path with another method is none.
    pub(super) fn find(method: &str, path: &str) -> Option<Route> {
        let parts: Vec<&str> = path.strip_prefix("/ms-pay/pos/")?.split('/').collect();
        match (method, parts.as_slice()) {
            ("POST", ["tokens"]) => Some(Route::Tokens),
            ("POST", ["demandPayment"]) => Some(Route::DemandPayment),
            ("GET", ["consumerStatus"]) => Some(Route::ConsumerStatus),
            ("POST", ["payments"]) => Some(Route::Payments),
            ("GET", ["payments", id]) => id.parse().ok().map(Route::Payment),
            ("POST", ["payments", id, "reversals"]) => id.parse().ok().map(Route::Reversals),
            ("GET", ["paymentReports"]) => Some(Route::Reports),
            ("POST", ["webPayments"]) => Some(Route::WebPayments),
            ("POST", ["webPayments", "v2"]) => Some(Route::WebPaymentsV2),
            _ => None,
        }
    }

    /// What a fault calls it.
    pub(super) fn target(self) -> Target {
        match self {
            Route::Tokens => Target::Tokens,
            Route::DemandPayment => Target::Demand,
            Route::ConsumerStatus => Target::Status,
            Route::Payments | Route::WebPayments | Route::WebPaymentsV2 => Target::Payments,
            Route::Payment(_) => Target::Payment,
            Route::Reversals(_) => Target::Reversals,
            Route::Reports => Target::Reports,
        }
    }
}

/// Answers a call. What changed shows in the ledger.
pub(super) fn answer(ledger: &mut Ledger, route: Route, call: &Call, at: Moment) -> Response {
    ledger.expire(at);
    respond(ledger, route, call, at).unwrap_or_else(|refusal| refuse(refusal, call))
}

/// The refusal as the till of the request gets it.
pub(super) fn refuse(refusal: Refusal, call: &Call) -> Response {
    refusal.response(call.header("regnum").unwrap_or_default())
}

/// A payment as it stands now.
pub(super) fn payment_info(entry: &Entry) -> Response {
    Response::json(200, &entry.info())
}

fn respond(
    ledger: &mut Ledger,
    route: Route,
    call: &Call,
    at: Moment,
) -> Result<Response, Refusal> {
    let caller = caller(call)?;
    if call.method == "POST" && !call.header("content-type").is_some_and(is_json) {
        return Err(Refusal::bad("Content-Type must be application/json"));
    }
    if route == Route::Tokens {
        let Empty {} = read(call)?;
        let token = ledger.issue_token(&caller, call.random.hex())?;
        return Ok(Response::json(200, &json!({"token": token})));
    }
    // These two were answered to callers who sent nothing but their number.
    let is_open = matches!(route, Route::ConsumerStatus | Route::Payment(_));
    if !is_open || caller.token.is_some() || caller.password.is_some() {
        ledger.authorise(&caller)?;
    }
    match route {
        Route::Tokens => Err(Refusal::bad("tokens")),
        Route::DemandPayment => demand(ledger, &caller, call, at),
        Route::ConsumerStatus => consumer(ledger, &caller, call, at),
        Route::Payments => {
            let Payment {
                sum,
                orderNumber,
                sessionId,
                shift,
                regNum,
                details,
            } = read(call)?;
            let order = order(&sum, orderNumber, shift, regNum)?;
            let session = sessionId.into_text();
            let entry = ledger.pay(&caller, &order, &session, &details, at)?;
            Ok(payment_info(&entry).making(Made::Payment(entry.id)))
        }
        Route::Payment(id) => {
            ledger.payment(&caller, id)?;
            ledger.ask(Asked::Payment(id), at)?;
            ledger.payment(&caller, id).map(payment_info)
        }
        Route::Reversals(id) => {
            let ReversalRequest {
                sum,
                orderNumber,
                shift,
                regNum,
                details,
            } = read(call)?;
            let order = order(&sum, orderNumber, shift, regNum)?;
            ledger
                .reverse(&caller, id, &order, &details, at)
                .map(|entry| payment_info(&entry))
        }
        Route::Reports => report(ledger, &caller, call),
        Route::WebPayments | Route::WebPaymentsV2 => web(ledger, &caller, route, call, at),
    }
}

fn demand(
    ledger: &mut Ledger,
    caller: &Caller<'_>,
    call: &Call,
    at: Moment,
) -> Result<Response, Refusal> {
    let requested: DemandPayment = read(call)?;
    let sessions = &mut ledger.sessions;
    let session = sessions.open(caller, &requested, &ledger.rules, &call.random, at)?;
    let response = Response::json(200, &session.answer());
    Ok(response.making(Made::Session(session.id)))
}

fn consumer(
    ledger: &mut Ledger,
    caller: &Caller<'_>,
    call: &Call,
    at: Moment,
) -> Result<Response, Refusal> {
    allow_query(call, &["sessionId"])?;
    let id = call.query.get("sessionId");
    let id = id.ok_or_else(|| Refusal::bad("sessionId is missing"))?;
    let session = ledger.sessions.of(caller, id)?;
    let (is_ready, is_over) = (session.ready, session.is_over(at));
    ledger.ask(Asked::Session(session.number), at)?;
    if is_over {
        return Err(Refusal::session_over());
    }
    if !is_ready {
        return Ok(Response::json(200, &json!({"isConsumerReady": false})));
    }
    let cards = ledger.cards.iter();
    let cards: Vec<_> = cards
        .map(|(number, name)| json!({"number": number, "name": name}))
        .collect();
    let body = json!({"isConsumerReady": true, "loyaltyCards": cards});
    Ok(Response::json(200, &body))
}

fn report(ledger: &Ledger, caller: &Caller<'_>, call: &Call) -> Result<Response, Refusal> {
    allow_query(call, &["shift", "shiftStart", "shiftEnd"])?;
    let shift = call
        .query
        .get("shift")
        .ok_or_else(|| Refusal::bad("shift is missing"))?;
    let day = |name: &str| -> Result<Option<&str>, Refusal> {
        let Some(text) = call.query.get(name) else {
            return Ok(None);
        };
        text.parse::<jiff::civil::Date>()
            .map_err(|_| Refusal::bad(format!("{name} is no YYYY-MM-DD")))?;
        Ok(Some(text))
    };
    let days = match (day("shiftStart")?, day("shiftEnd")?) {
        (Some(first), Some(last)) => Some((first, last)),
        (None, None) => None,
        _ => return Err(Refusal::bad("shiftStart and shiftEnd come together")),
    };
    Ok(Response::json(200, &ledger.report(caller, shift, days)))
}

fn web(
    ledger: &mut Ledger,
    caller: &Caller<'_>,
    route: Route,
    call: &Call,
    at: Moment,
) -> Result<Response, Refusal> {
    let WebPayment {
        sum,
        shift,
        orderNumber,
        regNum,
        details,
        successUrl,
        failureUrl,
        notificationUrl,
    } = read(call)?;
    let v2 = route == Route::WebPaymentsV2;
    if notificationUrl.is_some() && !v2 {
        return Err(Refusal::bad("notificationUrl belongs to webPayments/v2"));
    }
    let urls = [
        ("successUrl", successUrl),
        ("failureUrl", failureUrl),
        ("notificationUrl", notificationUrl),
    ];
    for (name, url) in urls {
        // The public client for Go writes an address that was not given as an empty text.
        if url.filter(|url| !url.is_empty()).is_some_and(|url| {
            reqwest::Url::parse(&url).map_or(true, |url| !matches!(url.scheme(), "http" | "https"))
        }) {
            return Err(Refusal::bad(format!("{name} is no http address")));
        }
    }
    let order = order(&sum, orderNumber, shift, regNum)?;
    let entry = ledger.web_pay(caller, &order, &details, at)?;
    let page = format!(
        "https://getapp.o-plati.by/map/?app_link={}{:x}",
        call.random.hex(),
        entry.id
    );
    let name = if v2 { "redirectUrl" } else { "dynamicQR" };
    let response = Response::json(200, &json!({"paymentId": entry.id, name: page}));
    Ok(response.making(Made::Payment(entry.id)))
}

fn order(
    sum: &serde_json::value::RawValue,
    order_number: String,
    shift: Option<String>,
    reg_num: Option<String>,
) -> Result<Order, Refusal> {
    Ok(Order {
        sum: strict::sum(sum).map_err(Refusal::bad)?,
        order_number,
        shift,
        reg_num,
    })
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    let first = call.body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|first| *first != b'{') {
        return Err(Refusal::bad("the body is no object"));
    }
    serde_json::from_slice(&call.body).map_err(|error| Refusal::bad(error.to_string()))
}

fn is_json(kind: &str) -> bool {
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn allow_query(call: &Call, allowed: &[&str]) -> Result<(), Refusal> {
    match call
        .query
        .keys()
        .find(|name| !allowed.contains(&name.as_str()))
    {
        Some(name) => Err(Refusal::bad(format!("unknown parameter {name}"))),
        None => Ok(()),
    }
}

impl Call {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

fn caller(call: &Call) -> Result<Caller<'_>, Refusal> {
    let reg_num = call
        .header("regnum")
        .ok_or_else(|| Refusal::bad("header regNum is missing"))?;
    if !strict::reg_num(reg_num) {
        return Err(Refusal::bad("header regNum is not OPL and nine digits"));
    }
    Ok(Caller {
        reg_num,
        token: call.header("token"),
        password: call.header("password"),
    })
}
