//! What the service answers when it does what it is asked: sessions, the buyer's arrival, payments.
//!
//! A required field that is missing or of another type is an error, never a guess; what no decision
//! rests on (cards, purse) is dropped when it cannot be read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{WireError, clean, field, object};
use crate::core::call::{PaymentInfo, PaymentStatus, PaymentType};
use crate::model::money::Kopecks;
use crate::model::operation::Card;

/// Longest session id that is believed, in bytes.
const MAX_SESSION: usize = 256;
/// Longest text of a dynamic QR that is believed, in bytes; a display could not show more.
const MAX_QR: usize = 2048;
/// Longest text of an amount that is believed, in bytes.
const MAX_AMOUNT_TEXT: usize = 64;
/// Greatest exponent of an amount, to either side. The largest payable amount has ten digits.
const MAX_EXPONENT: i32 = 32;

/// To `POST tokens` (A).
#[derive(Deserialize)]
pub struct TokenAnswer {
    /// The token (A).
    pub token: String,
}

#[derive(Deserialize)]
struct WireSession {
    #[serde(rename = "sessionId")]
    session_id: Box<RawValue>,
    #[serde(rename = "dynamicQR")]
    dynamic_qr: Option<String>,
    #[serde(rename = "confirmationCode")]
    confirmation_code: Option<Box<RawValue>>,
}

/// To `POST demandPayment`: session (R), dynamic QR (R), confirmation code (A).
pub struct Session {
    /// For the next calls. The service writes a JSON integer (R), whose digits are kept as they stand;
    /// a string is taken as well.
    pub id: String,
    /// Text of the QR; an address of any scheme, `o-plati://…` as recorded (R).
    pub qr: Option<String>,
    /// 4 to 6 digits (A).
    pub code: Option<String>,
}

/// Reads the answer to `POST demandPayment`.
///
/// # Errors
/// [`WireError`] when it breaks the protocol.
pub fn read_session(body: &[u8]) -> Result<Session, WireError> {
    let WireSession {
        session_id,
        dynamic_qr,
        confirmation_code,
    } = object(body)?;
    let id = text_of(&session_id)
        .ok_or_else(|| field("sessionId", "neither an integer nor a string"))?;
    if !is_printable(&id, MAX_SESSION) {
        return Err(field(
            "sessionId",
            format!("not 1 to {MAX_SESSION} printable bytes"),
        ));
    }
    if let Some(qr) = &dynamic_qr
        && !is_printable(qr, MAX_QR)
    {
        return Err(field(
            "dynamicQR",
            format!("not 1 to {MAX_QR} printable bytes"),
        ));
    }
    let code = confirmation_code.as_deref().map(confirmation).transpose()?;
    Ok(Session {
        id,
        qr: dynamic_qr,
        code,
    })
}

/// Digits, as text or as an integer, as the session's number is.
fn confirmation(value: &RawValue) -> Result<String, WireError> {
    let is_code = |code: &String| {
        (4..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
    };
    text_of(value)
        .filter(is_code)
        .ok_or_else(|| field("confirmationCode", "not 4 to 6 digits"))
}

fn is_printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The content of a JSON string, or the digits of a JSON integer as they are written; `None` for every
/// other type.
pub(super) fn text_of(value: &RawValue) -> Option<String> {
    let json = value.get();
    if json.starts_with('"') {
        return serde_json::from_str(json).ok();
    }
    let digits = json.strip_prefix('-').unwrap_or(json);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_integer.then(|| json.to_owned())
}

/// To `GET consumerStatus` (R).
#[derive(Deserialize)]
pub struct ConsumerAnswer {
    /// The buyer has joined (R).
    #[serde(rename = "isConsumerReady")]
    pub ready: bool,
    /// The buyer's cards: absent or an array, an empty one as recorded (R).
    #[serde(rename = "loyaltyCards")]
    cards: Option<Box<RawValue>>,
}

/// A loyalty card (A).
#[derive(Deserialize)]
struct CardAnswer {
    /// Its number (A).
    number: Box<RawValue>,
    /// Its name (A).
    name: Option<String>,
}

impl ConsumerAnswer {
    /// The first loyalty card, if there is one that can be read. The names of its fields are assumed:
    /// were they wrong, a buyer with a card must be able to pay all the same.
    pub fn card(&self) -> Option<Card> {
        let cards: Vec<CardAnswer> = serde_json::from_str(self.cards.as_ref()?.get()).ok()?;
        let first = cards.into_iter().next()?;
        Some(Card {
            number: clean(&text_of(&first.number)?, 64),
            name: clean(first.name.as_deref().unwrap_or_default(), 128),
        })
    }

    /// Whether cards came, readable or not.
    pub fn has_cards(&self) -> bool {
        let nothing = ["null", "[]"];
        let cards = self.cards.as_ref().map(|cards| cards.get());
        cards.is_some_and(|cards| {
            let dense: String = cards.split_whitespace().collect();
            !nothing.contains(&dense.as_str())
        })
    }
}

/// Payment info (R).
#[derive(Deserialize)]
pub struct WirePayment {
    /// (R)
    #[serde(rename = "paymentId")]
    payment_id: i64,
    /// (R)
    #[serde(rename = "paymentType")]
    payment_type: i64,
    /// (R)
    sum: Box<RawValue>,
    /// (R); a final one may come at once in the answer to `POST payments` (R).
    status: i64,
    /// (R)
    #[serde(rename = "createdDate")]
    created: String,
    /// (R). Nothing, or empty, until it is paid.
    #[serde(rename = "paidDate")]
    paid: Option<String>,
    /// (R), a string.
    #[serde(rename = "orderNumber")]
    order_number: Option<Box<RawValue>>,
    /// (C); was absent in every recorded answer (R). Only the slip shows it.
    #[serde(rename = "pursePublicId")]
    purse: Option<Box<RawValue>>,
}

impl WirePayment {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// [`WireError`] when it is none, or a field that is needed is missing or of another type.
    pub(in crate::service) fn parse(json: &[u8]) -> Result<WirePayment, WireError> {
        object(json)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`WireError::Field`] for a sum with more than two decimals, for what is no time, and without an
    /// `orderNumber`.
    pub fn read(self) -> Result<PaymentInfo, WireError> {
        let order_number = self.order_number.as_deref().and_then(text_of);
        let order_number =
            order_number.ok_or_else(|| field("orderNumber", "neither a string nor an integer"))?;
        self.check(order_number)
    }

    /// Checks every value of a report's row, which need not be ours: without an `orderNumber` that can
    /// be read, that is empty.
    ///
    /// # Errors
    /// [`WireError::Field`] for a sum with more than two decimals, or for what is no time.
    pub fn read_reported(self) -> Result<PaymentInfo, WireError> {
        let order_number = self.order_number.as_deref().and_then(text_of);
        self.check(order_number.unwrap_or_default())
    }

    fn check(self, order_number: String) -> Result<PaymentInfo, WireError> {
        let paid = self.paid.filter(|text| !text.is_empty());
        let purse = self.purse.as_deref().and_then(text_of);
        Ok(PaymentInfo {
            payment_id: self.payment_id,
            payment_type: match self.payment_type {
                1 => PaymentType::Sale,
                2 => PaymentType::Purchase,
                3 => PaymentType::ReversalOfSale,
                4 => PaymentType::ReversalOfPurchase,
                other => PaymentType::Unknown(other),
            },
            sum: kopecks(self.sum.get())?,
            status: match self.status {
                0 => PaymentStatus::InProgress,
                1 => PaymentStatus::Ok,
                2 => PaymentStatus::Decline,
                3 => PaymentStatus::NotEnough,
                4 => PaymentStatus::Timeout,
                5 => PaymentStatus::TechnicalCancelling,
                other => PaymentStatus::Unknown(other),
            },
            order_number,
            created: Some(time("createdDate", &self.created)?),
            paid: paid
                .as_deref()
                .map(|text| time("paidDate", text))
                .transpose()?,
            paid_text: clean(paid.as_deref().unwrap_or_default(), 40),
            purse: purse.map(|purse| clean(&purse, 64)),
        })
    }
}

/// The field of a report's row that is why it cannot be read, where that is known.
pub(in crate::service) fn wrong_field(row: &RawValue, error: &WireError) -> Option<&'static str> {
    match error {
        WireError::Field { field, .. } => Some(*field).filter(|field| *field != "answer"),
        WireError::Shape(_) => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(row.get()).ok()?;
            let breaks = |name: &&str| !fits(name, fields.get(*name).map(|value| value.get()));
            ROW_FIELDS.into_iter().find(breaks)
        }
    }
}

/// What is read of a report's row and must be of one type.
const ROW_FIELDS: [&str; 6] = [
    "paymentId",
    "paymentType",
    "sum",
    "status",
    "createdDate",
    "paidDate",
];

/// Whether the JSON of one of [`ROW_FIELDS`] is of its type.
fn fits(name: &str, json: Option<&str>) -> bool {
    let is_text = |json: &str| json.starts_with('"');
    match (name, json) {
        ("paidDate", json) => json.is_none_or(|json| is_text(json) || json == "null"),
        ("createdDate", Some(json)) => is_text(json),
        ("sum", Some(_)) => true,
        (_, Some(json)) => json.parse::<i64>().is_ok(),
        (_, None) => false,
    }
}

fn time(name: &'static str, text: &str) -> Result<Timestamp, WireError> {
    text.parse()
        .map_err(|_| field(name, "not a time with its offset"))
}

/// A JSON number of roubles (R); one with an exponent, as some writers of JSON put round amounts, where
/// its value is exact to the kopeck.
fn kopecks(number: &str) -> Result<Kopecks, WireError> {
    let bad = || field("sum", "not an amount in roubles");
    if number.len() > MAX_AMOUNT_TEXT {
        return Err(bad());
    }
    let plain = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => without_exponent(mantissa, exponent).ok_or_else(bad)?,
        None => number.to_owned(),
    };
    Kopecks::from_roubles(&plain).map_err(|error| field("sum", error.to_string()))
}

/// Moves the decimal point by the exponent, digit by digit: `1.5`, `+1` → `15`.
fn without_exponent(mantissa: &str, exponent: &str) -> Option<String> {
    let exponent: i32 = exponent.parse().ok()?;
    let exponent = Some(exponent).filter(|exponent| exponent.abs() <= MAX_EXPONENT)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let Ok(point) = usize::try_from(point) else {
        let zeros = "0".repeat(usize::try_from(point.unsigned_abs()).ok()?);
        return Some(format!("0.{zeros}{digits}"));
    };
    let digits = format!("{digits:0<point$}");
    let (whole, fraction) = digits.split_at_checked(point)?;
    Some(match (whole, fraction) {
        (whole, "") => whole.to_owned(),
        ("", fraction) => format!("0.{fraction}"),
        (whole, fraction) => format!("{whole}.{fraction}"),
    })
}

/// Reads one payment info.
///
/// # Errors
/// [`WireError`] when it breaks the protocol.
pub fn read_payment(body: &[u8]) -> Result<PaymentInfo, WireError> {
    WirePayment::parse(body)?.read()
}

#[derive(Deserialize)]
struct RowName<'a> {
    #[serde(rename = "orderNumber", borrow)]
    order_number: Option<&'a RawValue>,
}

/// The `orderNumber` of one row of a report, and nothing else of it.
///
/// # Errors
/// [`WireError`] when the row is no object or has no such number: then nothing shows whose it is.
pub(in crate::service) fn order_number_of(row: &RawValue) -> Result<String, WireError> {
    let name: RowName<'_> = object(row.get().as_bytes())?;
    name.order_number
        .and_then(text_of)
        .ok_or_else(|| field("orderNumber", "neither a string nor an integer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn payment_info_is_read_and_foreign_numbers_are_kept() {
        let body = r#"{"paymentId": 7, "paymentType": 1, "sum": 59.99, "status": 1, "createdDate": "2026-11-24T10:00:00+03:00", "paidDate": "2026-11-24T10:00:05+03:00", "orderNumber": "n-1", "extra": {"a": [1]}}"#;
        let info = read_payment(body.as_bytes()).unwrap();
        assert_eq!((info.sum, info.status), (Kopecks(5999), PaymentStatus::Ok));
        assert_eq!(
            info.paid
                .unwrap()
                .duration_since(info.created.unwrap())
                .as_secs(),
            5
        );
        for unpaid in ["null", r#""""#] {
            let unpaid = body.replace(r#""2026-11-24T10:00:05+03:00""#, unpaid);
            let info = read_payment(unpaid.as_bytes()).unwrap();
            assert_eq!((info.paid, info.paid_text.as_str()), (None, ""));
        }
        let odd = body
            .replace(r#""status": 1"#, r#""status": 42"#)
            .replace(r#""paymentType": 1"#, r#""paymentType": 9"#);
        let info = read_payment(odd.as_bytes()).unwrap();
        assert_eq!(
            (info.status, info.payment_type),
            (PaymentStatus::Unknown(42), PaymentType::Unknown(9))
        );
    }

    #[test]
    fn broken_payment_info_is_an_error_never_a_guess() {
        let good = r#"{"paymentId": 7, "paymentType": 1, "sum": 1, "status": 1, "createdDate": "2026-11-24T10:00:00Z", "paidDate": "2026-11-24T10:00:01Z", "orderNumber": "n"}"#;
        assert!(read_payment(good.as_bytes()).is_ok());
        for (from, to) in [
            ("7", "\"7\""),
            ("createdDate", "created"),
            ("24T10:00:00Z", "24"),
            ("24T10:00:01Z", "24"),
            ("\"n\"", "null"),
            ("orderNumber", "order"),
            ("\"sum\": 1", "\"sum\": 1.005"),
            ("\"sum\": 1", "\"sum\": \"1\""),
            ("\"sum\": 1", "\"sum\": 1e-3"),
            ("\"sum\": 1", "\"sum\": -1"),
            ("\"status\": 1", "\"state\": 1"),
            ("}", ""),
        ] {
            assert!(
                read_payment(good.replacen(from, to, 1).as_bytes()).is_err(),
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn sessions_are_bounded() {
        let read = |text: &str| read_session(text.as_bytes());
        assert!(read(r#"{"sessionId": "s", "confirmationCode": "1234"}"#).is_ok());
        for bad in [
            r#"{"sessionId": ""}"#,
            r#"{"sessionId": "s\n"}"#,
            r#"{"sessionId": "s", "confirmationCode": "12a4"}"#,
            r#"{"sessionId": "s", "dynamicQR": ""}"#,
            "{}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_with_an_exponent_are_taken_where_they_are_exact() {
        for (text, expected) in [
            ("1E+2", 10_000),
            ("1e2", 10_000),
            ("1.005E1", 1005),
            ("150E-2", 150),
            ("5E-2", 5),
            ("12.5e0", 1250),
            ("0.5E1", 500),
            ("100E-1", 1000),
        ] {
            assert_eq!(kopecks(text).unwrap(), Kopecks(expected), "{text}");
        }
        let long = format!("1.{}", "0".repeat(100));
        for bad in [
            "1E-3", "1.005E0", "1e99", "1e-99", "-1E2", "1E", "E2", "1E2.5", "1E2E2", "1e32", &long,
        ] {
            assert!(kopecks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_purse_of_any_type_hurts_nobody() {
        let body = r#"{"paymentId": 12298058, "paymentType": 1, "sum": 1, "status": 1, "createdDate": "2021-09-06T11:38:53.723+03:00", "paidDate": "2021-09-06T11:38:53.723+03:00", "orderNumber": "737", "pursePublicId": PURSE}"#;
        for (purse, expected) in [
            ("null", None),
            ("77", Some("77")),
            (r#""**42""#, Some("**42")),
            ("{}", None),
            ("1.5", None),
        ] {
            let info = read_payment(body.replace("PURSE", purse).as_bytes()).unwrap();
            assert_eq!(info.purse.as_deref(), expected, "{purse}");
        }
        let recorded = body.replace(r#", "pursePublicId": PURSE"#, "");
        let info = read_payment(recorded.as_bytes()).unwrap();
        assert_eq!((info.purse, info.order_number.as_str()), (None, "737"));
        let number = recorded.replace(r#""737""#, "737");
        assert_eq!(read_payment(number.as_bytes()).unwrap().order_number, "737");
    }

    #[test]
    fn a_session_is_an_integer_or_a_string_and_nothing_else() {
        let qr = "o-plati://o-cashpay/dyn/Ab3_Cd5-Ef7hIj9lMn1pQr3tUv5x";
        let recorded = format!(r#"{{"dynamicQR": "{qr}", "sessionId": 31149}}"#);
        let session = read_session(recorded.as_bytes()).unwrap();
        assert_eq!(
            (session.id.as_str(), session.qr.as_deref()),
            ("31149", Some(qr))
        );
        let read = |id: &str| read_session(format!(r#"{{"sessionId": {id}}}"#).as_bytes());
        for (id, expected) in [
            (r#""s-1""#, "s-1"),
            (r#""0031""#, "0031"),
            ("0", "0"),
            ("-7", "-7"),
            ("98765432109876543210987", "98765432109876543210987"),
        ] {
            assert_eq!(read(id).unwrap_or_else(|_| panic!("{id}")).id, expected);
        }
        let long = "9".repeat(257);
        for bad in ["null", "true", "1.0", "1e3", "[1]", "{}", r#""""#, &long] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cards_that_cannot_be_read_keep_nobody_from_paying() {
        for (cards, expected, has) in [
            ("[]", None, false),
            ("null", None, false),
            ("[ ]", None, false),
            (r#"[{"number": "7", "name": null}]"#, Some("7"), true),
            (r#"[{"number": 7}]"#, Some("7"), true),
            (r#"[{"cardNumber": "7"}]"#, None, true),
            (r#"{"number": "7"}"#, None, true),
            ("17", None, true),
        ] {
            let body = format!(r#"{{"isConsumerReady": true, "loyaltyCards": {cards}}}"#);
            let answer: ConsumerAnswer = object(body.as_bytes()).unwrap();
            let number = answer.card().map(|card| card.number);
            assert_eq!(
                (number.as_deref(), answer.has_cards()),
                (expected, has),
                "{cards}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_payment(&body);
            let _ = read_session(&body);
        }

        #[test]
        fn no_number_panics(number in "[-+0-9.eE]{0,70}") {
            let _ = kopecks(&number);
        }

        #[test]
        fn moving_the_point_keeps_the_amount(amount in 0_i64..=1_000_000_000_000, shift in -9_i32..=9) {
            let number = format!("{amount}E{}", shift - 2);
            let exact = match u32::try_from(shift) {
                Ok(shift) => amount.checked_mul(10_i64.pow(shift)),
                Err(_) => {
                    let divisor = 10_i64.pow(shift.unsigned_abs());
                    (amount % divisor == 0).then_some(amount / divisor)
                }
            };
            prop_assert_eq!(kopecks(&number).ok(), exact.map(Kopecks), "{}", number);
        }
    }
}
