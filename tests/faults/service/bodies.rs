//! Answers as they come over the wire, for those that a test breaks.

use oplati::core::call::{PaymentInfo, PaymentStatus, PaymentType, Reply};

/// What a service answers that does not know itself what it did.
pub const ERROR_BODY: &[u8] = br#"{"code": "DB", "devMessage": "no base"}"#;

/// A refusal in the service's own words.
pub const REFUSAL: &[u8] =
    r#"{"code": "400", "internalCode": "7", "userMessage": {"lang_ru": "Нельзя"}}"#.as_bytes();

/// What the service was recorded to answer to a second copy of a payment.
pub const EMPTY_REFUSAL: &[u8] = br#"{"code": "400", "internalCode": "", "devMessage": "RegNum OPL000011111: no demand", "userMessage": {"lang_ru": "", "lang_en": ""}}"#;

/// A row that does not show whose it is.
const NAMELESS_ROW: &str = r#"{"paymentId": 7, "paymentType": 1, "sum": 1, "status": 1, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": null}"#;

/// The body of an answer that holds payments.
pub fn body(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Payment(info) => Some(row(info)),
        Reply::Found(rows) => Some(report(rows, false)),
        Reply::Session { .. } | Reply::Consumer { .. } | Reply::Partial { .. } | Reply::Alive => {
            None
        }
    }
}

/// A shift's report; with a row without a name.
pub fn report(rows: &[PaymentInfo], nameless: bool) -> String {
    let mut texts: Vec<String> = rows.iter().map(row).collect();
    if nameless {
        texts.insert(0, NAMELESS_ROW.to_owned());
    }
    format!("[{}]", texts.join(","))
}

fn row(info: &PaymentInfo) -> String {
    let kind = match info.payment_type {
        PaymentType::Sale => 1,
        PaymentType::Purchase => 2,
        PaymentType::ReversalOfSale => 3,
        PaymentType::ReversalOfPurchase => 4,
        PaymentType::Unknown(number) => number,
    };
    let status = match info.status {
        PaymentStatus::InProgress => 0,
        PaymentStatus::Ok => 1,
        PaymentStatus::Decline => 2,
        PaymentStatus::NotEnough => 3,
        PaymentStatus::Timeout => 4,
        PaymentStatus::TechnicalCancelling => 5,
        PaymentStatus::Unknown(number) => number,
    };
    format!(
        r#"{{"paymentId": {}, "paymentType": {kind}, "sum": {}.{:02}, "status": {status}, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "{}"}}"#,
        info.payment_id,
        info.sum.0 / 100,
        info.sum.0 % 100,
        info.order_number
    )
}
