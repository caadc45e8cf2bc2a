//! Reads requests as strictly as the protocol can be read: unknown fields, wrong types and amounts
//! with more than two decimals are refused. Nothing here is shared with the client: a name misread
//! there must be refused here.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Kopecks, read off the JSON text itself.
pub(super) type Kopecks = i64;

/// Largest amount that is believed, kopecks.
const MOST: Kopecks = 1_000_000_000;

/// What is wrong, in English.
pub(super) type Fault = String;

/// `15.5` → 1550. No exponent, no sign, at most two decimals.
pub(super) fn kopecks(raw: &RawValue) -> Result<Kopecks, Fault> {
    kopecks_of(raw.get())
}

fn kopecks_of(text: &str) -> Result<Kopecks, Fault> {
    let (roubles, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if roubles.is_empty() || !digits(roubles) || !digits(decimals) || text.ends_with('.') {
        return Err(format!("{text} is not an amount in roubles"));
    }
    if decimals.len() > 2 {
        return Err(format!("{text} has more than two decimals"));
    }
    let padded = format!("{roubles}{decimals:0<2}");
    let amount: Kopecks = padded.parse().map_err(|_| format!("{text} is too large"))?;
    if amount > MOST {
        Err(format!("{text} is too large"))
    } else {
        Ok(amount)
    }
}

/// A `sum`, which the service takes as a text, too.
pub(super) fn sum(raw: &RawValue) -> Result<Kopecks, Fault> {
    let text = raw.get();
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    match inner {
        // Digits and a point are not escaped, so what is inside is the amount or is refused.
        Some(inner) => kopecks_of(inner),
        None => kopecks_of(text),
    }
}

/// `15.5` for 1550, as the service writes it.
pub(super) fn roubles(amount: Kopecks) -> Box<RawValue> {
    let mut text = format!("{}.{:02}", amount / 100, amount % 100);
    while text.ends_with('0') || text.ends_with('.') {
        let point = text.ends_with('.');
        text.pop();
        if point {
            break;
        }
    }
    RawValue::from_string(text).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Empty {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct DemandPayment {
    pub paymentMode: u8,
    pub consumerQR: Option<String>,
}

/// Taken as an integer and as a text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum SessionId {
    Integer(u64),
    Text(String),
}

impl SessionId {
    pub(super) fn into_text(self) -> String {
        match self {
            SessionId::Integer(id) => id.to_string(),
            SessionId::Text(text) => text,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct Payment {
    pub sum: Box<RawValue>,
    pub orderNumber: String,
    pub sessionId: SessionId,
    pub shift: Option<String>,
    pub regNum: Option<String>,
    pub details: Details,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct ReversalRequest {
    pub sum: Box<RawValue>,
    pub orderNumber: String,
    pub shift: Option<String>,
    pub regNum: Option<String>,
    pub details: Details,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct WebPayment {
    pub sum: Box<RawValue>,
    pub shift: Option<String>,
    pub orderNumber: String,
    pub regNum: Option<String>,
    pub details: Details,
    pub successUrl: Option<String>,
    pub failureUrl: Option<String>,
    pub notificationUrl: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(non_snake_case, reason = "names of the wire")]
pub(super) struct Details {
    pub receiptNumber: Option<String>,
    pub regNum: Option<String>,
    pub items: Vec<Item>,
    pub amountTotal: Box<RawValue>,
    pub footerInfo: Option<String>,
    pub headerInfo: Option<String>,
    pub title: Option<String>,
    pub tenders: Option<Vec<Tender>>,
    taxes: Option<Vec<Object>>,
    modifiers: Option<Vec<Object>>,
}

/// Of taxes and modifiers only the lists are known, not what is in them.
type Object = serde_json::Map<String, serde_json::Value>;

/// What a part of the receipt is paid with; the names beside `type` are unknown.
#[derive(Deserialize)]
pub(super) struct Tender {
    r#type: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub r#type: u8,
    pub name: String,
    pub quantity: Option<Box<RawValue>>,
    pub price: Option<Box<RawValue>>,
    pub cost: Box<RawValue>,
    pub barcode: Option<String>,
    pub unit: Option<String>,
}

impl Details {
    /// Checks that the items add up to the total, and that `sum` is not more: what is missing is paid
    /// by other means, or is not reversed.
    pub(super) fn check(&self, sum: Kopecks) -> Result<(), Fault> {
        if self.items.is_empty() {
            return Err("details.items is empty".to_owned());
        }
        let mut total = 0;
        for item in &self.items {
            total += item.check()?;
        }
        let stated = kopecks(&self.amountTotal)?;
        if total != stated || stated < sum {
            return Err(format!(
                "amountTotal {stated} is not the items' costs {total}, or less than sum {sum} (kopecks)"
            ));
        }
        let tenders = self.tenders.iter().flatten();
        if let Some(tender) = tenders.into_iter().find(|tender| !tender.is_known()) {
            return Err(format!("tender type {} is unknown", tender.r#type));
        }
        let lists = [&self.taxes, &self.modifiers].into_iter().flatten();
        if lists.flatten().any(serde_json::Map::is_empty) {
            return Err("a tax or modifier is empty".to_owned());
        }
        for (name, text, most) in [
            ("receiptNumber", &self.receiptNumber, 64),
            ("regNum", &self.regNum, 12),
            ("title", &self.title, 256),
            ("headerInfo", &self.headerInfo, 4096),
            ("footerInfo", &self.footerInfo, 4096),
        ] {
            if text
                .as_ref()
                .is_some_and(|text| text.chars().count() > most)
            {
                return Err(format!("details.{name} is longer than {most}"));
            }
        }
        Ok(())
    }
}

impl Tender {
    /// О!плати, a bank card, cash, a credit, something else.
    fn is_known(&self) -> bool {
        matches!(self.r#type, 1..=4 | 99)
    }
}

impl Item {
    fn check(&self) -> Result<Kopecks, Fault> {
        if !matches!(self.r#type, 1 | 2) {
            return Err(format!("item type {} is not 1 or 2", self.r#type));
        }
        if self.name.trim().is_empty() || self.name.chars().count() > 256 {
            return Err("item name is empty or longer than 256".to_owned());
        }
        let is_number =
            |raw: &RawValue| serde_json::from_str::<serde_json::Number>(raw.get()).is_ok();
        if self
            .quantity
            .as_deref()
            .is_some_and(|quantity| !is_number(quantity))
        {
            return Err("item quantity is no number".to_owned());
        }
        if let Some(price) = &self.price {
            kopecks(price)?;
        }
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 64);
        if long(&self.barcode) || long(&self.unit) {
            return Err("item barcode or unit is longer than 64".to_owned());
        }
        kopecks(&self.cost)
    }
}

/// At most 32 characters of `A-Z a-z 0-9 -`.
pub(super) fn order_number(text: &str) -> Result<(), Fault> {
    let fine = (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fine {
        Ok(())
    } else {
        Err("orderNumber is not 1 to 32 of A-Z a-z 0-9 -".to_owned())
    }
}

/// `OPL` and nine digits.
pub(super) fn reg_num(text: &str) -> bool {
    text.len() == 12
        && text.starts_with("OPL")
        && text.bytes().skip(3).all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn amounts_are_read_off_the_text() {
        for (text, amount) in [
            ("7", 700),
            ("15.5", 1550),
            ("59.99", 5999),
            ("0.05", 5),
            ("0", 0),
        ] {
            assert_eq!(kopecks(&raw(text)), Ok(amount));
            assert_eq!(roubles(amount).get(), text);
        }
        for bad in [
            "1.005",
            "1.500",
            "-1",
            "1e2",
            "\"1\"",
            "null",
            "99999999999",
        ] {
            assert!(kopecks(&raw(bad)).is_err(), "{bad}");
        }
        for (text, amount) in [("\"15.5\"", 1550), ("15.5", 1550)] {
            assert_eq!(sum(&raw(text)), Ok(amount));
        }
        for bad in ["\"\"", "\" 1\"", "\"1.005\"", "\"\\u0031\"", "[]"] {
            assert!(sum(&raw(bad)).is_err(), "{bad}");
        }
        assert_eq!(roubles(1000).get(), "10");
        assert_eq!(roubles(100_000).get(), "1000");
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<DemandPayment>(r#"{"paymentMode": 3}"#).is_ok());
        assert!(serde_json::from_str::<DemandPayment>(r#"{"paymentMode": 3, "x": 1}"#).is_err());
        assert!(serde_json::from_str::<DemandPayment>(r#"{"paymentMode": "3"}"#).is_err());
    }
}
