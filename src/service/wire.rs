//! The wire, every name of it, and nothing else knows one.
//!
//! **C** = confirmed: the service's public SDKs for Go and PHP, its Bitrix module or several
//! independent shop plug-ins use exactly this. **A** = assumed: it follows from the behaviour of the
//! module that this one re-creates, but no public source shows the name. A merchant with the closed
//! specification changes an **A** name here and nowhere else.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::call::{PaymentInfo, PaymentStatus, PaymentType};
use crate::money::Kopecks;
use crate::operation::{Item, ItemKind, Receipt};

/// Between the configured address and the call (C). Not appended twice.
pub const BASE: &str = "/ms-pay";
/// Before each call (C).
pub const POS: &str = "/pos/";

/// Header with the till's registration number (C).
pub const HEADER_REG_NUM: &str = "regNum";
/// Header with the till's password (C).
pub const HEADER_PASSWORD: &str = "password";
/// Header with the till's token (A).
pub const HEADER_TOKEN: &str = "token";

/// Issues the token (A).
pub const TOKENS: &str = "tokens";
/// Opens a session (C).
pub const DEMAND_PAYMENT: &str = "demandPayment";
/// Whether the buyer joined (C).
pub const CONSUMER_STATUS: &str = "consumerStatus";
/// Its parameter (C).
pub const SESSION_ID: &str = "sessionId";
/// Pays (C).
pub const PAYMENTS: &str = "payments";
/// Below a payment: reverses it (C).
pub const REVERSALS: &str = "reversals";
/// A shift's operations (C).
pub const PAYMENT_REPORTS: &str = "paymentReports";
/// Its parameter (C).
pub const SHIFT: &str = "shift";

/// `internalCode` of "a token exists already" (A); the message is recognised as well.
pub const CODE_TOKEN_EXISTS: &str = "TOKEN_EXISTS";
/// `internalCode` of "a new token is needed" (A); the message is recognised as well.
pub const CODE_TOKEN_NEEDED: &str = "TOKEN_NEEDED";

/// The one line of a reversal without a receipt of its own (C).
pub const REVERSAL_ITEM: &str = "Отмена оплаты";

/// Longest session id that is believed.
const MAX_SESSION: usize = 256;
/// Longest text of a dynamic QR that is believed; a display could not show more.
const MAX_QR: usize = 2048;

/// What is wrong with an answer, or with a request that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or a required field is missing or of another type.
    #[error("the answer is not what the protocol says")]
    Shape(#[source] serde_json::Error),
    /// A field's value breaks the protocol.
    #[error("field {field}: {what}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong, without the value.
        what: String,
    },
}

fn field(field: &'static str, what: impl Into<String>) -> WireError {
    WireError::Field {
        field,
        what: what.into(),
    }
}

/// Reads a JSON object. An array of the values in their order, which the derived readers would take
/// as well, is none: a gateway's answer must not pass for the service's.
///
/// # Errors
/// [`WireError`] when it is none, or breaks the protocol.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, WireError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        return Err(field("answer", "not a JSON object"));
    }
    serde_json::from_slice(body).map_err(WireError::Shape)
}

/// Roubles as a JSON number, exact (C).
fn money(amount: Kopecks) -> Result<Box<RawValue>, WireError> {
    RawValue::from_string(amount.to_roubles()).map_err(WireError::Shape)
}

/// `POST demandPayment` (C).
#[derive(Serialize)]
pub struct DemandPayment<'a> {
    /// 1 consumer's QR (A), 2 static QR (A), 3 dynamic QR (C).
    #[serde(rename = "paymentMode")]
    pub payment_mode: u8,
    /// What the scanner read, mode 1 only (A).
    #[serde(rename = "consumerQR", skip_serializing_if = "Option::is_none")]
    pub consumer_qr: Option<&'a str>,
}

/// `POST payments` and `POST …/reversals` (C).
#[derive(Serialize)]
pub struct Payment<'a> {
    sum: Box<RawValue>,
    #[serde(rename = "orderNumber")]
    order_number: &'a str,
    /// Payments only.
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    shift: &'a str,
    #[serde(rename = "regNum")]
    reg_num: &'a str,
    details: Details<'a>,
}

/// The receipt (C). `amountTotal` is what its items cost together, and more than `sum` where a part of the receipt is
/// paid by other means: the closed specification foresees that (A).
#[derive(Serialize)]
struct Details<'a> {
    #[serde(rename = "receiptNumber", skip_serializing_if = "Option::is_none")]
    receipt_number: Option<&'a str>,
    #[serde(rename = "regNum")]
    reg_num: &'a str,
    items: Vec<DetailsItem<'a>>,
    #[serde(rename = "amountTotal")]
    amount_total: Box<RawValue>,
    #[serde(rename = "footerInfo", skip_serializing_if = "Option::is_none")]
    footer_info: Option<&'a str>,
    #[serde(rename = "headerInfo", skip_serializing_if = "Option::is_none")]
    header_info: Option<&'a str>,
}

/// A line of the receipt (C).
#[derive(Serialize)]
struct DetailsItem<'a> {
    /// 1 goods, 2 service.
    r#type: u8,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Box<RawValue>>,
    cost: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    barcode: Option<&'a str>,
}

/// What a payment or a reversal says.
pub struct PaymentContent<'a> {
    /// Kopecks.
    pub sum: Kopecks,
    /// Ours.
    pub order_number: &'a str,
    /// Payments only.
    pub session: Option<&'a str>,
    /// The shift.
    pub shift: &'a str,
    /// The till.
    pub reg_num: &'a str,
    /// The receipt; without one the reversal's single line.
    pub receipt: Option<&'a Receipt>,
}

impl<'a> Payment<'a> {
    /// Puts the content into the wire's form.
    ///
    /// # Errors
    /// When a quantity is no decimal number, or the items cost more than 64 bits hold.
    pub fn new(content: &PaymentContent<'a>) -> Result<Payment<'a>, WireError> {
        let items = match content.receipt {
            Some(receipt) => receipt.items.iter().map(item).collect::<Result<_, _>>()?,
            None => vec![DetailsItem {
                r#type: 2,
                name: REVERSAL_ITEM,
                quantity: None,
                price: None,
                cost: money(content.sum)?,
                barcode: None,
            }],
        };
        let receipt = content.receipt;
        let total = receipt.map_or(Some(content.sum), Receipt::total);
        let total = total.ok_or_else(|| field("amountTotal", "more than 64 bits"))?;
        Ok(Payment {
            sum: money(content.sum)?,
            order_number: content.order_number,
            session_id: content.session,
            shift: content.shift,
            reg_num: content.reg_num,
            details: Details {
                receipt_number: receipt.map(|receipt| receipt.number.as_str()),
                reg_num: content.reg_num,
                items,
                amount_total: money(total)?,
                footer_info: receipt.and_then(|receipt| receipt.footer.as_deref()),
                header_info: receipt.and_then(|receipt| receipt.header.as_deref()),
            },
        })
    }
}

fn item(item: &Item) -> Result<DetailsItem<'_>, WireError> {
    Ok(DetailsItem {
        r#type: match item.kind {
            ItemKind::Goods => 1,
            ItemKind::Service => 2,
        },
        name: &item.name,
        quantity: item.quantity.as_deref().map(quantity).transpose()?,
        price: item.price.map(money).transpose()?,
        cost: money(item.cost)?,
        barcode: item.barcode.as_deref(),
    })
}

/// `1.500` as the JSON number `1.500`; leading zeros, which JSON forbids, are dropped.
fn quantity(text: &str) -> Result<Box<RawValue>, WireError> {
    let bad = || field("quantity", "no decimal number");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text, None), |(whole, part)| (whole, Some(part)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || fraction.is_some_and(|part| !digits(part)) {
        return Err(bad());
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let number = fraction.map_or_else(|| whole.to_owned(), |part| format!("{whole}.{part}"));
    RawValue::from_string(number).map_err(WireError::Shape)
}

/// To `POST tokens` (A).
#[derive(Deserialize)]
pub struct TokenAnswer {
    /// The token (A).
    pub token: String,
}

#[derive(Deserialize)]
struct WireSession {
    #[serde(rename = "sessionId")]
    session_id: String,
    #[serde(rename = "dynamicQR")]
    dynamic_qr: Option<String>,
    #[serde(rename = "confirmationCode")]
    confirmation_code: Option<String>,
}

/// To `POST demandPayment`: session (C), dynamic QR (C), confirmation code (A).
pub struct Session {
    /// For the next calls.
    pub id: String,
    /// Text of the QR.
    pub qr: Option<String>,
    /// 4 to 6 digits.
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
    if session_id.is_empty()
        || session_id.len() > MAX_SESSION
        || session_id.chars().any(char::is_control)
    {
        return Err(field(
            "sessionId",
            format!("not 1 to {MAX_SESSION} printable bytes"),
        ));
    }
    if let Some(qr) = &dynamic_qr
        && (qr.is_empty() || qr.len() > MAX_QR || qr.chars().any(char::is_control))
    {
        return Err(field(
            "dynamicQR",
            format!("not 1 to {MAX_QR} printable bytes"),
        ));
    }
    if let Some(code) = &confirmation_code
        && !((4..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(field("confirmationCode", "not 4 to 6 digits"));
    }
    Ok(Session {
        id: session_id,
        qr: dynamic_qr,
        code: confirmation_code,
    })
}

/// To `GET consumerStatus` (C), with loyalty cards (A).
#[derive(Deserialize)]
pub struct ConsumerAnswer {
    /// The buyer has joined (C).
    #[serde(rename = "isConsumerReady")]
    pub ready: bool,
    /// The buyer's cards (A).
    #[serde(rename = "loyaltyCards")]
    pub cards: Option<Vec<CardAnswer>>,
}

/// A loyalty card (A).
#[derive(Deserialize)]
pub struct CardAnswer {
    /// Its number (A).
    pub number: String,
    /// Its name (A).
    pub name: Option<String>,
}

/// Payment info (C).
#[derive(Deserialize)]
pub struct WirePayment {
    #[serde(rename = "paymentId")]
    payment_id: i64,
    #[serde(rename = "paymentType")]
    payment_type: i64,
    sum: Box<RawValue>,
    status: i64,
    #[serde(rename = "createdDate")]
    created: String,
    /// Nothing, or empty, until it is paid.
    #[serde(rename = "paidDate")]
    paid: Option<String>,
    #[serde(rename = "orderNumber")]
    order_number: String,
    #[serde(rename = "pursePublicId")]
    purse: Option<String>,
}

impl WirePayment {
    /// Whether it is one of these; a foreign one's values need not be read.
    #[must_use]
    pub fn is_one_of(&self, order_numbers: &[String]) -> bool {
        order_numbers.contains(&self.order_number)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`WireError::Field`] for a sum with more than two decimals, or for what is no time.
    pub fn read(self) -> Result<PaymentInfo, WireError> {
        let sum = Kopecks::from_roubles(self.sum.get())
            .map_err(|error| field("sum", error.to_string()))?;
        let paid = self.paid.filter(|text| !text.is_empty());
        Ok(PaymentInfo {
            payment_id: self.payment_id,
            payment_type: match self.payment_type {
                1 => PaymentType::Sale,
                2 => PaymentType::Purchase,
                3 => PaymentType::ReversalOfSale,
                4 => PaymentType::ReversalOfPurchase,
                other => PaymentType::Unknown(other),
            },
            sum,
            status: match self.status {
                0 => PaymentStatus::InProgress,
                1 => PaymentStatus::Ok,
                2 => PaymentStatus::Decline,
                3 => PaymentStatus::NotEnough,
                4 => PaymentStatus::Timeout,
                5 => PaymentStatus::TechnicalCancelling,
                other => PaymentStatus::Unknown(other),
            },
            order_number: self.order_number,
            created: Some(time("createdDate", &self.created)?),
            paid: paid
                .as_deref()
                .map(|text| time("paidDate", text))
                .transpose()?,
            paid_text: clean(paid.as_deref().unwrap_or_default(), 40),
            purse: self.purse.map(|purse| clean(&purse, 64)),
        })
    }
}

fn time(name: &'static str, text: &str) -> Result<Timestamp, WireError> {
    text.parse()
        .map_err(|_| field(name, "not a time with its offset"))
}

/// Reads one payment info.
///
/// # Errors
/// [`WireError`] when it breaks the protocol.
pub fn read_payment(body: &[u8]) -> Result<PaymentInfo, WireError> {
    object::<WirePayment>(body)?.read()
}

/// Error body (C); every part may be absent.
#[derive(Debug, Default, Deserialize)]
pub struct ErrorBody {
    code: Option<serde_json::Value>,
    #[serde(rename = "internalCode")]
    internal_code: Option<String>,
    #[serde(rename = "devMessage")]
    dev_message: Option<String>,
    #[serde(rename = "userMessage")]
    user_message: Option<UserMessage>,
}

#[derive(Debug, Default, Deserialize)]
struct UserMessage {
    lang_ru: Option<String>,
    lang_en: Option<String>,
}

impl ErrorBody {
    /// Reads it; `None` when the body is not the service's error.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<ErrorBody> {
        let body: ErrorBody = object(body).ok()?;
        let code = matches!(
            &body.code,
            Some(serde_json::Value::String(_) | serde_json::Value::Number(_))
        );
        let any = code
            || body.internal_code.is_some()
            || body.dev_message.is_some()
            || body.user_message.is_some();
        any.then_some(body)
    }

    /// The Russian words for people.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let text = clean(self.user_message.as_ref()?.lang_ru.as_deref()?, 300);
        (!text.trim().is_empty()).then_some(text)
    }

    /// `internalCode`.
    #[must_use]
    pub fn internal_code(&self) -> Option<&str> {
        self.internal_code.as_deref()
    }

    /// The service's own words for support, at most 300 characters.
    #[must_use]
    pub fn detail(&self) -> String {
        let code = self
            .code
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let english = self
            .user_message
            .as_ref()
            .and_then(|message| message.lang_en.as_deref());
        let parts = [
            Some(code.as_str()),
            self.internal_code.as_deref(),
            self.dev_message.as_deref(),
            english,
        ];
        let parts: Vec<&str> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        clean(&parts.join(" / "), 300)
    }
}

/// Foreign words: no control characters, at most so many characters.
pub(super) fn clean(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::validate::tests::request;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_written_exactly() {
        let mut request = request(1550);
        request.receipt.items[0].quantity = Some("007.50".into());
        let content = PaymentContent {
            sum: Kopecks(1550),
            order_number: "n-1",
            session: Some("s"),
            shift: "24112026",
            reg_num: "OPL000011111",
            receipt: Some(&request.receipt),
        };
        let text = serde_json::to_string(&Payment::new(&content).unwrap()).unwrap();
        assert!(text.contains(r#""sum":15.5,"#), "{text}");
        assert!(
            text.contains(r#""amountTotal":15.5"#) && text.contains(r#""quantity":7.50"#),
            "{text}"
        );
        let partial = PaymentContent {
            receipt: None,
            session: None,
            sum: Kopecks(5),
            ..content
        };
        let text = serde_json::to_string(&Payment::new(&partial).unwrap()).unwrap();
        assert!(
            text.contains(r#""items":[{"type":2,"name":"Отмена оплаты","cost":0.05}]"#),
            "{text}"
        );
        assert!(!text.contains("sessionId"));
    }

    #[test]
    fn a_receipt_that_is_partly_paid_otherwise_has_its_own_total() {
        let mut receipt = request(1234).receipt;
        receipt.paid_otherwise = Kopecks(500);
        let sale = PaymentContent {
            sum: Kopecks(734),
            order_number: "n-1",
            session: Some("s"),
            shift: "24112026",
            reg_num: "OPL000011111",
            receipt: Some(&receipt),
        };
        let written = |content: &PaymentContent<'_>| {
            serde_json::to_value(Payment::new(content).unwrap()).unwrap()
        };
        let numbers = |body: &serde_json::Value| {
            let details = &body["details"];
            let numbers = [&body["sum"], &details["amountTotal"]].map(ToString::to_string);
            (
                numbers.join(" of "),
                details["items"][0]["cost"].to_string(),
            )
        };
        assert_eq!(
            numbers(&written(&sale)),
            ("7.34 of 12.34".into(), "12.34".into())
        );
        let whole = PaymentContent {
            session: None,
            ..sale
        };
        assert_eq!(
            numbers(&written(&whole)),
            ("7.34 of 12.34".into(), "12.34".into())
        );
        let part = PaymentContent {
            receipt: None,
            sum: Kopecks(100),
            ..whole
        };
        assert_eq!(numbers(&written(&part)), ("1 of 1".into(), "1".into()));
        let endless = crate::operation::Item {
            cost: Kopecks(i64::MAX),
            ..receipt.items[0].clone()
        };
        let endless = Receipt {
            items: vec![endless.clone(), endless],
            ..receipt.clone()
        };
        let endless = PaymentContent {
            receipt: Some(&endless),
            ..part
        };
        assert!(Payment::new(&endless).is_err());
    }

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
            ("\"sum\": 1", "\"sum\": 1e2"),
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
    fn error_bodies_are_told_from_other_json() {
        assert!(ErrorBody::read(b"{}").is_none());
        assert!(ErrorBody::read(b"[]").is_none());
        assert!(ErrorBody::read(b"<html>").is_none());
        let body = ErrorBody::read(r#"{"code": "X", "internalCode": "Y", "devMessage": "z\u0007", "userMessage": {"lang_ru": "Нельзя"}}"#.as_bytes()).unwrap();
        assert_eq!(body.message().as_deref(), Some("Нельзя"));
        assert_eq!(body.detail(), "\"X\" / Y / z");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_payment(&body);
            let _ = read_session(&body);
            let _ = ErrorBody::read(&body);
        }
    }
}
