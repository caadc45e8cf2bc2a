//! Every refusal, every call, every trouble.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::service::Random;
use super::*;
use crate::base::lock::lock;

mod recorded;
mod wire;

struct Bench {
    sim: Arc<Simulator>,
    token: Option<String>,
}

impl Bench {
    /// The service as it was recorded.
    fn new() -> Bench {
        Bench::with(Rules::default())
    }

    fn with(rules: Rules) -> Bench {
        let mut bench = Bench {
            sim: Simulator::new(None, rules),
            token: None,
        };
        let (status, body) = bench.post("tokens", json!({}));
        assert_eq!(status, 200);
        bench.token = Some(body["token"].as_str().unwrap().to_owned());
        bench
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        self.raw(
            method,
            path,
            query,
            body.map(|body| body.to_string().into_bytes()),
            |_| {},
        )
    }

    fn raw(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Vec<u8>>,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> (u16, Value) {
        let mut headers = BTreeMap::from([("regnum".to_owned(), "OPL000011111".to_owned())]);
        if body.is_some() {
            headers.insert("content-type".to_owned(), "application/json".to_owned());
        }
        if let Some(token) = &self.token {
            headers.insert("token".to_owned(), token.clone());
        }
        change(&mut headers);
        let query = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/ms-pay/pos/{path}")
        };
        let call = Call {
            method: method.to_owned(),
            path,
            query: query.collect(),
            headers,
            body: body.unwrap_or_default(),
            random: Random::of([0xAB; 16]),
        };
        read(&self.sim.answer(&call).response)
    }

    /// What the caller of a held payment gets in the end.
    async fn end_of(&self, held: &Value) -> (u16, Value) {
        let answered = Answered {
            fault: None,
            response: Response::json(500, &json!({})),
            held: held["paymentId"].as_i64(),
        };
        read(&self.sim.settled(answered).await.unwrap())
    }

    fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call("POST", path, &[], Some(body))
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.call("GET", path, query, None)
    }

    fn demand(&self, mode: u8) -> Value {
        let (status, body) = self.post("demandPayment", json!({"paymentMode": mode}));
        assert_eq!(status, 200, "{body}");
        body
    }

    /// A session whose buyer has joined.
    fn session(&self) -> i64 {
        let body = self.demand(3);
        assert_eq!(self.join().0, 200);
        body["sessionId"].as_i64().unwrap()
    }

    fn consumer(&self, session: i64) -> (u16, Value) {
        self.get("consumerStatus", &[("sessionId", &session.to_string())])
    }

    fn balance(&self) -> Value {
        self.get("/sim/ledger", &[]).1["balance"].clone()
    }

    fn reverse(&self, id: i64, body: Value) -> (u16, Value) {
        self.post(&format!("payments/{id}/reversals"), body)
    }

    fn join(&self) -> (u16, Value) {
        self.post("/sim/buyer/join", json!({}))
    }

    fn confirm(&self) -> (u16, Value) {
        self.post("/sim/buyer/confirm", json!({}))
    }

    fn violations(&self) -> Value {
        self.get("/sim/state", &[]).1["violations"].clone()
    }

    fn paid(&self, order: &str) -> i64 {
        let (status, body) = self.post("payments", payment(order, self.session()));
        assert_eq!(status, 200, "{body}");
        assert_eq!(self.confirm().0, 200);
        body["paymentId"].as_i64().unwrap()
    }
}

fn details(cost: f64) -> Value {
    json!({"receiptNumber": "1", "items": [{"type": 1, "name": "Хлеб", "quantity": 1, "cost": cost}], "amountTotal": cost})
}

fn read(response: &Response) -> (u16, Value) {
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status, body)
}

/// The caller gets the service's own words, or none, and the till's number in those for support.
fn is_error(answer: &(u16, Value), code: &str, russian: &str) {
    let (status, body) = answer;
    assert_eq!(body["code"], json!(status.to_string()), "{body}");
    assert_eq!(body["internalCode"], code, "{body}");
    assert_eq!(body["userMessage"]["lang_ru"], russian, "{body}");
    let dev = body["devMessage"].as_str().unwrap();
    assert!(dev.starts_with("RegNum OPL000011111: "), "{body}");
}

fn payment(order: &str, session: impl Into<Value>) -> Value {
    let session: Value = session.into();
    json!({"sum": 15.5, "orderNumber": order, "sessionId": session, "shift": "24112026", "details": details(15.5)})
}

#[test]
fn one_token_until_it_is_reset() {
    let bench = Bench::new();
    let exists = "Токен уже существует или касса работает в режиме пароля";
    is_error(&bench.post("tokens", json!({})), "", exists);
    assert_eq!(
        bench
            .post("/sim/token/reset", json!({"regNum": "OPL000011111"}))
            .0,
        200
    );
    let refused = bench.get("payments/1", &[]);
    assert_eq!(refused.0, 401);
    let needed = "Необходимо получить новый токен в кассовом ПО либо касса не зарегистрирована в личном кабинете юр. лица";
    is_error(&refused, "", needed);
    assert_eq!(bench.post("tokens", json!({})).0, 200);
}

#[test]
fn a_till_with_a_password_needs_it_and_gets_no_token() {
    let bench = Bench::new();
    bench.post(
        "/sim/till/password",
        json!({"regNum": "OPL000011111", "password": "s3cret"}),
    );
    assert_eq!(bench.post("tokens", json!({})).0, 400);
    let with = |password: &str| {
        let password = password.to_owned();
        bench.raw(
            "GET",
            "paymentReports",
            &[("shift", "x")],
            None,
            |headers| {
                headers.remove("token");
                headers.insert("password".into(), password);
            },
        )
    };
    assert_eq!(with("s3cret").0, 200);
    assert_eq!(with("wrong").0, 401);
}

#[test]
fn the_whole_way_of_a_payment_and_its_reversals() {
    let bench = Bench::new();
    let body = bench.demand(3);
    let session = body["sessionId"].as_i64().unwrap();
    let code = body["dynamicQR"].as_str().unwrap();
    let rest = code.strip_prefix("o-plati://o-cashpay/dyn/").unwrap();
    assert_eq!(rest.len(), 28);
    assert_eq!(bench.consumer(session).1, json!({"isConsumerReady": false}));
    let early = bench.post("payments", payment("n-0", session));
    is_error(&early, "6", "Покупатель не подключился");
    bench.post("/sim/buyer/join", json!({"session": session.to_string()}));
    for _ in 0..2 {
        assert_eq!(
            bench.consumer(session).1,
            json!({"isConsumerReady": true, "loyaltyCards": []})
        );
    }
    let (_, info) = bench.post("payments", payment("n-1", session));
    assert_eq!(
        (&info["status"], &info["paymentType"], &info["orderNumber"]),
        (&json!(0), &json!(1), &json!("n-1"))
    );
    assert_eq!(info["sum"].to_string(), "15.5");
    let id = info["paymentId"].as_i64().unwrap();
    bench.post("/sim/buyer/confirm", json!({"paymentId": id}));
    assert_eq!(bench.get(&format!("payments/{id}"), &[]).1["status"], 1);
    let part = |order: &str, sum: f64| {
        bench.reverse(
            id,
            json!({"sum": sum, "orderNumber": order, "details": details(sum)}),
        )
    };
    let (status, reversal) = part("r-1", 10.0);
    assert_eq!(
        (status, &reversal["paymentType"], &reversal["status"]),
        (200, &json!(3), &json!(1))
    );
    is_error(&part("r-2", 5.51), "10", "Сумма больше остатка");
    assert_eq!(part("r-3", 5.5).0, 200);
    assert_eq!(bench.balance(), 0);
    let again = json!({"sum": 10, "orderNumber": "r-4", "details": details(10.0)});
    let (_, back) = bench.post(
        &format!("payments/{}/reversals", reversal["paymentId"]),
        again,
    );
    assert_eq!(back["paymentType"], 4);
    assert_eq!(bench.balance(), 1000);
}

#[test]
fn the_reversal_of_a_pending_payment_moves_nothing() {
    let bench = Bench::new();
    let (_, info) = bench.post("payments", payment("n-1", bench.session()));
    let id = info["paymentId"].as_i64().unwrap();
    let body = json!({"sum": 15.5, "orderNumber": "r-1", "details": details(15.5)});
    let (status, body) = bench.reverse(id, body);
    assert_eq!(
        (status, &body["status"], &body["paymentId"]),
        (200, &json!(5), &json!(id))
    );
    assert_eq!(bench.balance(), 0);
    assert_eq!(bench.confirm().0, 409, "nothing waits any more");
}

#[test]
fn buyers_codes_confirmation_codes_and_cards() {
    let bench = Bench::new();
    let code = bench.get("/sim/qr", &[]).1["qr"]
        .as_str()
        .unwrap()
        .to_owned();
    for (code, status) in [(code.as_str(), 200), ("4810268003455", 400)] {
        let body = json!({"paymentMode": 1, "consumerQR": code});
        assert_eq!(bench.post("demandPayment", body).0, status, "{code}");
    }
    let body = bench.demand(2);
    let code = body["confirmationCode"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(bench.post("/sim/buyer/join", json!({"code": "000"})).0, 409);
    assert_eq!(bench.post("/sim/buyer/join", json!({"code": code})).0, 200);
    bench.post(
        "/sim/buyer/loyalty",
        json!({"cards": [{"number": "7", "name": "Своя"}]}),
    );
    let (_, body) = bench.consumer(body["sessionId"].as_i64().unwrap());
    assert_eq!(
        body["loyaltyCards"],
        json!([{"number": "7", "name": "Своя"}])
    );
}

type Spoil = fn(&mut Value);

/// What makes a payment one that the protocol does not allow.
const SPOILT: [(&str, Spoil); 15] = [
    ("unknown field", |body| body["extra"] = json!(1)),
    ("unknown field of an item", |body| {
        body["details"]["items"][0]["colour"] = json!("x")
    }),
    ("sum as a word", |body| body["sum"] = json!("15.5 BYN")),
    ("no sum", |body| {
        drop(body.as_object_mut().unwrap().remove("sum"))
    }),
    ("nothing to pay", |body| body["sum"] = json!(0)),
    ("the total is not the items'", |body| {
        body["details"]["amountTotal"] = json!(15.51)
    }),
    ("more to pay than the receipt is about", |body| {
        body["sum"] = json!(15.51)
    }),
    ("an unknown tender", |body| {
        body["details"]["tenders"] = json!([{"type": 5}])
    }),
    ("taxes that are no list", |body| {
        body["details"]["taxes"] = json!({})
    }),
    ("item type", |body| {
        body["details"]["items"][0]["type"] = json!(3)
    }),
    ("no items", |body| body["details"]["items"] = json!([])),
    ("long order number", |body| {
        body["orderNumber"] = json!("x".repeat(33))
    }),
    ("order number's letters", |body| {
        body["orderNumber"] = json!("n_1")
    }),
    ("another till", |body| {
        body["regNum"] = json!("OPL000022222")
    }),
    ("no session", |body| body["sessionId"] = json!("nobody")),
];

#[test]
fn a_payment_that_the_protocol_does_not_allow_is_refused() {
    let bench = Bench::new();
    for (name, spoil) in SPOILT {
        let mut body = payment("n-1", bench.session());
        spoil(&mut body);
        let (status, body) = bench.post("payments", body);
        assert!((400..500).contains(&status), "{name}: {status} {body}");
        assert!(body["userMessage"]["lang_ru"].is_string(), "{name}");
    }
}

#[test]
fn what_the_protocol_does_not_allow_is_refused() {
    let bench = Bench::new();
    let three = br#"{"sum": 1.005, "orderNumber": "n-1", "sessionId": "x", "details": {"items": [], "amountTotal": 1.005}}"#;
    assert_eq!(
        bench
            .raw("POST", "payments", &[], Some(three.to_vec()), |_| {})
            .0,
        400
    );
    let headers = |change: fn(&mut BTreeMap<String, String>)| {
        bench
            .raw(
                "POST",
                "demandPayment",
                &[],
                Some(br#"{"paymentMode": 3}"#.to_vec()),
                change,
            )
            .0
    };
    assert_eq!(headers(|headers| drop(headers.remove("regnum"))), 400);
    assert_eq!(
        headers(|headers| drop(headers.insert("regnum".into(), "123".into()))),
        400
    );
    assert_eq!(headers(|headers| drop(headers.remove("content-type"))), 400);
    assert_eq!(headers(|headers| drop(headers.remove("token"))), 401);
    assert_eq!(bench.get("payments/x", &[]).0, 404);
    assert_eq!(
        bench
            .get("paymentReports", &[("shift", "x"), ("page", "1")])
            .0,
        400
    );
    assert_eq!(bench.get("tokens", &[]).0, 404);
}

#[test]
fn an_order_number_serves_again_unless_the_rules_are_otherwise() {
    let bench = Bench::new();
    bench.paid("n-1");
    bench.paid("n-1");
    assert_eq!(bench.balance(), 3100);
    bench.post("/sim/service", json!({"unique_numbers": true}));
    let again = bench.post("payments", payment("n-1", bench.session()));
    is_error(&again, "7", "Номер заказа уже использован");
}

#[test]
fn reports_hold_the_shift_and_only_it() {
    let bench = Bench::new();
    let id = bench.paid("n-1");
    let (_, rows) = bench.get("paymentReports", &[("shift", "24112026")]);
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    assert_eq!(rows[0]["paymentId"], id);
    assert_eq!(
        bench.get("paymentReports", &[("shift", "25112026")]).1,
        json!([])
    );
    let days = [
        ("shift", "24112026"),
        ("shiftStart", "2001-01-01"),
        ("shiftEnd", "2001-01-02"),
    ];
    assert_eq!(bench.get("paymentReports", &days).1, json!([]));
    assert_eq!(
        bench
            .get(
                "paymentReports",
                &[
                    ("shift", "x"),
                    ("shiftStart", "1.1.2001"),
                    ("shiftEnd", "x")
                ]
            )
            .0,
        400
    );
}

#[test]
fn internet_tills_pay_with_one_call() {
    let bench = Bench::new();
    let body = |order: &str| {
        json!({"sum": 15.5, "shift": "24112026", "orderNumber": order, "regNum": "OPL000011111",
        "details": details(15.5), "successUrl": "https://shop.by/ok", "failureUrl": "https://shop.by/no"})
    };
    let (status, answer) = bench.post("webPayments", body("w-1"));
    assert_eq!(status, 200);
    assert!(answer["paymentId"].is_i64() && answer["dynamicQR"].is_string());
    let mut second = body("w-2");
    second["notificationUrl"] = json!("https://shop.by/notify");
    assert_eq!(bench.post("webPayments", second.clone()).0, 400);
    assert!(bench.post("webPayments/v2", second.clone()).1["redirectUrl"].is_string());
    second["orderNumber"] = json!("w-3");
    second["notificationUrl"] = json!("not an address");
    assert_eq!(bench.post("webPayments/v2", second).0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scripted_buyer_joins_and_pays_by_himself() {
    let script = "join=1ms,confirm=1ms,outcome=not_enough_money"
        .parse()
        .unwrap();
    let bench = Bench::new();
    lock(&bench.sim.inner).ledger.script = Some(script);
    let session = bench.demand(3)["sessionId"].as_i64().unwrap();
    while bench.consumer(session).1["isConsumerReady"] != true {
        tokio::task::yield_now().await;
    }
    let (_, info) = bench.post("payments", payment("n-1", session));
    let (status, info) = bench.end_of(&info).await;
    assert_eq!((status, &info["status"]), (200, &json!(3)));
}
