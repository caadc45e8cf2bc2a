//! What every request of a till must be: names, types and headers.

use serde_json::Value;

use super::http::Request;

/// Of every till in these tests.
pub const REG_NUM: &str = "OPL000011111";
/// The token that the service issues, once.
pub const TOKEN: &str = "5c1d0e7fb2a94836";

/// Which call a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Tokens,
    DemandPayment,
    ConsumerStatus,
    Payments,
    Payment,
    Reversals,
    PaymentReports,
}

/// The call, and the payment id in its path.
pub fn call_of(request: &Request) -> Option<(Call, Option<i64>)> {
    let path = request.path.strip_prefix("/ms-pay/pos/")?;
    let parts: Vec<&str> = path.split('/').collect();
    let call = match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["tokens"]) => (Call::Tokens, None),
        ("POST", ["demandPayment"]) => (Call::DemandPayment, None),
        ("GET", ["consumerStatus"]) => (Call::ConsumerStatus, None),
        ("POST", ["payments"]) => (Call::Payments, None),
        ("GET", ["payments", id]) => (Call::Payment, Some(id.parse().ok()?)),
        ("POST", ["payments", id, "reversals"]) => (Call::Reversals, Some(id.parse().ok()?)),
        ("GET", ["paymentReports"]) => (Call::PaymentReports, None),
        _ => return None,
    };
    Some(call)
}

/// All that is wrong with a request, one sentence each.
pub fn broken(request: &Request, call: Call, password: Option<&str>) -> Vec<String> {
    let mut wrong = Wrong {
        call,
        sentences: Vec::new(),
    };
    wrong.headers(request, password);
    match call {
        Call::Tokens => wrong.keys(&request.body, &[], &[]),
        Call::DemandPayment => wrong.demand(&request.body),
        Call::ConsumerStatus => wrong.query(request, &["sessionId"]),
        Call::Payment => wrong.query(request, &[]),
        Call::PaymentReports => wrong.report(request),
        Call::Payments => {
            wrong.keys(
                &request.body,
                &["sum", "orderNumber", "sessionId", "details"],
                &["shift", "regNum"],
            );
            wrong.unless(
                request.body["sessionId"].is_string(),
                "sessionId is not sent as a JSON string",
            );
            wrong.moves_money(&request.body);
        }
        Call::Reversals => {
            wrong.keys(
                &request.body,
                &["sum", "orderNumber", "details"],
                &["shift", "regNum"],
            );
            wrong.moves_money(&request.body);
        }
    }
    wrong.sentences
}

/// Kopecks of a JSON number in roubles with at most two decimals.
pub fn kopecks(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    let (roubles, decimals) = text.split_once('.').unwrap_or((&text, ""));
    // A float without kopecks is printed with one zero.
    if decimals.len() > 2 {
        return None;
    }
    let decimals: i64 = format!("{decimals:0<2}").parse().ok()?;
    Some(roubles.parse::<i64>().ok()? * 100 + decimals)
}

struct Wrong {
    call: Call,
    sentences: Vec<String>,
}

impl Wrong {
    fn unless(&mut self, good: bool, sentence: &str) {
        if !good {
            self.sentences.push(format!("{:?}: {sentence}", self.call));
        }
    }

    fn headers(&mut self, request: &Request, password: Option<&str>) {
        self.unless(
            request.header("regNum") == Some(REG_NUM),
            "the header regNum is missing or another till's",
        );
        let token = (password.is_none() && self.call != Call::Tokens).then_some(TOKEN);
        self.unless(
            request.header("token") == token,
            "the header token is not what was issued, or is where none belongs",
        );
        self.unless(
            request.header("password") == password,
            "the header password is not the configured one, or is where none belongs",
        );
        let has_body = request.method == "POST";
        self.unless(
            has_body == (request.body_length > 0),
            "a POST has a body and a GET has none",
        );
        let content = request.header("content-type").unwrap_or_default();
        let kind = content.split(';').next().unwrap_or_default();
        self.unless(
            !has_body || kind.trim().eq_ignore_ascii_case("application/json"),
            "the body is not declared as application/json",
        );
        self.unless(
            !has_body || request.body.is_object(),
            "the body is no JSON object",
        );
    }

    /// Exactly the wanted names, and perhaps the others.
    fn keys(&mut self, object: &Value, wanted: &[&str], others: &[&str]) {
        for name in wanted {
            self.unless(!object[*name].is_null(), &format!("{name} is missing"));
        }
        let known = |name: &str| wanted.contains(&name) || others.contains(&name);
        for name in object.as_object().into_iter().flat_map(|map| map.keys()) {
            self.unless(known(name), &format!("{name} is in no description"));
        }
    }

    fn query(&mut self, request: &Request, wanted: &[&str]) {
        let names: Vec<&str> = request.query.iter().map(|(name, _)| &**name).collect();
        self.unless(names == wanted, &format!("the query has {names:?}"));
    }

    fn demand(&mut self, body: &Value) {
        let mode = body["paymentMode"].as_i64();
        self.unless(
            matches!(mode, Some(1..=3)),
            "paymentMode is no integer from 1 to 3",
        );
        if mode == Some(1) {
            self.keys(body, &["paymentMode", "consumerQR"], &[]);
            self.unless(body["consumerQR"].is_string(), "consumerQR is no text");
        } else {
            self.keys(body, &["paymentMode"], &[]);
        }
    }

    fn report(&mut self, request: &Request) {
        for (name, value) in &request.query {
            let is_good = match name.as_str() {
                "shift" => !value.is_empty(),
                "shiftStart" | "shiftEnd" => value.parse::<jiff::civil::Date>().is_ok(),
                _ => false,
            };
            self.unless(is_good, &format!("the query has {name} = {value:?}"));
        }
        self.unless(
            request.query("shift").is_some(),
            "the report of no shift is asked for",
        );
    }

    fn moves_money(&mut self, body: &Value) {
        let number = body["orderNumber"].as_str().unwrap_or_default();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
        self.unless(
            (1..=32).contains(&number.len()) && number.chars().all(is_allowed),
            "orderNumber is not 1 to 32 of A-Z a-z 0-9 -",
        );
        let sum = kopecks(&body["sum"]);
        self.unless(
            sum.is_some_and(|sum| sum > 0),
            "sum is no positive number with at most two decimals",
        );
        for name in ["shift", "regNum"] {
            let value = &body[name];
            self.unless(
                value.is_null() || value.as_str().is_some_and(|text| !text.is_empty()),
                &format!("{name} is no text"),
            );
        }
        self.details(&body["details"], sum);
    }

    fn details(&mut self, details: &Value, sum: Option<i64>) {
        self.keys(
            details,
            &["items", "amountTotal"],
            &[
                "receiptNumber",
                "regNum",
                "footerInfo",
                "headerInfo",
                "title",
            ],
        );
        let mut total = Some(0);
        let items = details["items"].as_array().cloned().unwrap_or_default();
        self.unless(!items.is_empty(), "details has no item");
        for item in &items {
            self.keys(
                item,
                &["type", "name", "cost"],
                &["quantity", "price", "barcode", "unit"],
            );
            self.unless(
                matches!(item["type"].as_i64(), Some(1 | 2)),
                "an item is neither goods nor a service",
            );
            let name = item["name"].as_str().unwrap_or_default();
            self.unless(!name.trim().is_empty(), "an item has no name");
            total = total.zip(kopecks(&item["cost"])).map(|(a, b)| a + b);
        }
        let amount = kopecks(&details["amountTotal"]);
        self.unless(
            amount.is_some() && amount == total && amount >= sum,
            "amountTotal is not the sum of the items, or is less than sum",
        );
    }
}
