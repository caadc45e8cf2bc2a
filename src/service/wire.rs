//! The wire, every name of it, and nothing outside this module knows one.
//!
//! Each name is marked with how well it is known. **R** = recorded: seen in exchanges with the production service or in
//! its own description of a call; it outranks all else. **C** = confirmed: the service's public SDKs for Go and PHP,
//! its Bitrix module or several independent shop plug-ins use exactly this. **A** = assumed: it follows from the
//! behaviour of the module that this one re-creates, but no public source shows the name. A merchant with the closed
//! specification changes an **A** name here and nowhere else.
//!
//! Requests are in this file; `answer` reads what comes back, `error_body` what a refusal states.

mod answer;
mod error_body;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::money::Kopecks;
use crate::model::operation::{Item, ItemKind, Receipt};

pub use answer::{ConsumerAnswer, TokenAnswer, WirePayment, read_payment, read_session};
pub(super) use answer::{order_number_of, wrong_field};
pub use error_body::ErrorBody;

/// Between the configured address and the call (C). Not appended twice.
pub const BASE: &str = "/ms-pay";
/// Before each call (C).
pub const POS: &str = "/pos/";

/// Header with the till's registration number (R).
pub const HEADER_REG_NUM: &str = "regNum";
/// Header with the till's password (C).
pub const HEADER_PASSWORD: &str = "password";
/// Header with the till's token (A).
pub const HEADER_TOKEN: &str = "token";

/// Issues the token (A).
pub const TOKENS: &str = "tokens";
/// Opens a session (R).
pub const DEMAND_PAYMENT: &str = "demandPayment";
/// Whether the buyer joined (R).
pub const CONSUMER_STATUS: &str = "consumerStatus";
/// Its parameter (R).
pub const SESSION_ID: &str = "sessionId";
/// Pays (R); below it, a payment by its number (R).
pub const PAYMENTS: &str = "payments";
/// Below a payment: reverses it (C).
pub const REVERSALS: &str = "reversals";
/// A shift's operations (C).
pub const PAYMENT_REPORTS: &str = "paymentReports";
/// Its parameter (C).
pub const SHIFT: &str = "shift";

/// `internalCode` of `consumerStatus` when the session has ended, with HTTP 400: the recorded service
/// gives it some 60 s after `demandPayment`, and ever after (R).
pub const CODE_SESSION_OVER: &str = "166";

/// What a refusal states, from the outermost name to the innermost (R).
pub const ERROR_FIELDS: [&str; 5] = [
    "code",
    "internalCode",
    "devMessage",
    "userMessage.lang_ru",
    "userMessage.lang_en",
];

/// `paymentMode` for the consumer's QR (A).
pub const MODE_CONSUMER_QR: u8 = 1;
/// `paymentMode` for a static QR with a confirmation code (A).
pub const MODE_STATIC_QR: u8 = 2;
/// `paymentMode` for a dynamic QR (R).
pub const MODE_DYNAMIC_QR: u8 = 3;

/// The one line of a reversal without a receipt of its own (C).
pub const REVERSAL_ITEM: &str = "Отмена оплаты";

/// What is wrong with an answer, or with a request that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or a required field is missing or of another type.
    #[error("the answer does not match the protocol: {0}")]
    Shape(String),
    /// A field's value breaks the protocol.
    #[error("field {field}: {what}")]
    Field {
        field: &'static str,
        /// What is wrong, without the value.
        what: String,
    },
}

/// What a JSON reader complains of, without the value that it quotes: a session or a code may be that.
pub(super) fn shape(error: serde_json::Error) -> WireError {
    let text = error.to_string();
    let names_a_field = text.starts_with("missing field");
    let quoted = text.find(['`', '"']).filter(|_| !names_a_field);
    let Some((start, end)) = quoted.zip(text.rfind(['`', '"'])) else {
        return WireError::Shape(text);
    };
    let (before, after) = (text.get(..start), text.get(end + 1..));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    WireError::Shape(format!("{before}…{after}"))
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
    serde_json::from_slice(body).map_err(shape)
}

/// Roubles as a JSON number, exact and with at most two decimals (C).
fn money(amount: Kopecks) -> Result<Box<RawValue>, WireError> {
    RawValue::from_string(amount.to_roubles()).map_err(shape)
}

/// `POST demandPayment` (R).
#[derive(Serialize)]
pub struct DemandPayment<'a> {
    /// [`MODE_CONSUMER_QR`], [`MODE_STATIC_QR`] or [`MODE_DYNAMIC_QR`].
    #[serde(rename = "paymentMode")]
    pub payment_mode: u8,
    /// What the scanner read, mode 1 only (A).
    #[serde(rename = "consumerQR", skip_serializing_if = "Option::is_none")]
    pub consumer_qr: Option<&'a str>,
}

/// `POST payments` (R) and `POST …/reversals` (C).
#[derive(Serialize)]
pub struct Payment<'a> {
    sum: Box<RawValue>,
    #[serde(rename = "orderNumber")]
    order_number: &'a str,
    /// Payments only; a JSON string, whatever type the service gave it in (R).
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

/// What a payment or a reversal states.
pub struct PaymentContent<'a> {
    pub sum: Kopecks,
    /// The till's order number, unique for each request that moves money.
    pub order_number: &'a str,
    /// Payments only.
    pub session: Option<&'a str>,
    pub shift: &'a str,
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
    RawValue::from_string(number).map_err(shape)
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
        let endless = crate::model::operation::Item {
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
}
