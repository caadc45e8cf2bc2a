//! A caller's JSON is read by one rule for every call, and what is wrong with it is reported with the field's name.
//!
//! The libraries are more lenient than the contract in one way and stricter in another: a list of values in their order
//! passes for an object, and `12.0` does not pass for an integer, though to JSON Schema it is one.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::texts::cashier;

/// The only field of any body that holds a list.
const LIST: &str = "items";
/// Whole numbers in floating form are exact up to so many digits.
const MAX_EXACT_DIGITS: usize = 15;

/// Reads a body.
///
/// # Errors
/// What is wrong, Russian, with the field's path.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let Plain(value) = serde_json::from_slice(bytes).map_err(|error| of_syntax(&error))?;
    if !value.is_object() {
        return Err(cashier::BODY_NO_OBJECT.to_owned());
    }
    if let Some(place) = misplaced_list(&value, "", "") {
        return Err(cashier::field_list(place));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        in_russian(&path, &error.inner().to_string())
    })
}

fn of_syntax(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if let Some(rest) = text.strip_prefix("duplicate field `") {
        let name = rest.split('`').next().unwrap_or_default();
        return cashier::field_twice(name);
    }
    cashier::body_syntax(error.column(), error.line())
}

/// Where a list stands that no call has.
fn misplaced_list(value: &Value, key: &str, path: &str) -> Option<String> {
    match value {
        Value::Array(values) if key == LIST => {
            let mut places = values.iter().enumerate();
            places.find_map(|(index, value)| misplaced_list(value, "", &format!("{path}[{index}]")))
        }
        Value::Array(_) => Some(path.to_owned()),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let gap = if path.is_empty() { "" } else { "." };
            misplaced_list(value, key, &format!("{path}{gap}{key}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A library's message as a person reads it. Values are left out: a code or a key may be among them.
pub(super) fn in_russian(path: &str, message: &str) -> String {
    let quoted = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
    let inner = |name: &str| match path {
        "" | "." | "?" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(name) = quoted("missing field `") {
        return cashier::field_needed(inner(name));
    }
    if let Some(name) = quoted("unknown field `") {
        // The path holds the field already.
        let path = if path.ends_with(name) {
            path.to_owned()
        } else {
            inner(name)
        };
        return cashier::field_unknown(path);
    }
    if let Some(name) = quoted("duplicate field `") {
        return cashier::field_twice(name);
    }
    let one_of = |words: &str| cashier::field_wrong(path, cashier::needs_one_of(words));
    let expected = message.split_once(", expected ").map(|(_, rest)| rest);
    let needed = match expected {
        Some("a string") => cashier::NEEDS_TEXT,
        Some("a boolean") => cashier::NEEDS_BOOLEAN,
        Some(number) if is_integer(number) => cashier::NEEDS_INTEGER,
        Some(object) if object.starts_with("struct ") => cashier::NEEDS_OBJECT,
        Some("a sequence") => cashier::NEEDS_LIST,
        Some(words) => {
            let words = words.trim_start_matches("one of ").replace('`', "");
            return one_of(&words.replace(" or ", ", "));
        }
        None if message.contains("invalid digit") || message.contains("from empty string") => {
            cashier::NEEDS_INTEGER
        }
        None if message.contains("too large to fit") => cashier::NEEDS_SMALLER,
        None if message.contains("is not 0, 1 or 2") => return one_of("0, 1, 2"),
        None => message,
    };
    cashier::field_wrong(path, needed)
}

fn is_integer(kind: &str) -> bool {
    matches!(
        kind,
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize"
    )
}

/// A value in which no field stands twice, and whole numbers are integers however they were written.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Plain)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // Written out, a whole number has no point.
        let digits = value.to_string();
        let whole = digits.parse::<i64>().ok();
        Ok(match whole.filter(|_| digits.len() <= MAX_EXACT_DIGITS) {
            Some(whole) => Value::from(whole),
            None => Number::from_f64(value).map_or(Value::Null, Value::Number),
        })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Plain(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Plain(value))) = fields.next_entry::<String, Plain>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom(format!("duplicate field `{name}`")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::validate::tests::request;
    use crate::model::operation::{CardRequest, SaleRequest};

    fn fault(text: &str) -> String {
        parse::<SaleRequest>(text.as_bytes()).unwrap_err()
    }

    /// A good sale with one text put in another's place.
    fn with(from: &str, to: &str) -> String {
        let good = serde_json::to_string(&request(1999)).unwrap();
        assert!(good.contains(from), "{good}");
        good.replacen(from, to, 1)
    }

    #[test]
    fn what_is_wrong_is_reported_with_the_field() {
        for (from, to, expected) in [
            ("\"amount\":1999,", "", "amount: обязательное поле"),
            (
                "\"amount\":1999",
                "\"amount\":\"x\"",
                "amount: нужно целое число",
            ),
            (
                "\"amount\":1999",
                "\"amount\":19.99",
                "amount: нужно целое число",
            ),
            (
                "\"amount\":1999",
                "\"amount\":1e18",
                "amount: нужно целое число",
            ),
            (
                "\"cost\":1999",
                "\"cost\":null",
                "receipt.items[0].cost: нужно целое число",
            ),
            (
                "\"cost\":1999,",
                "",
                "receipt.items[0].cost: обязательное поле",
            ),
            (
                "\"kind\":\"goods\"",
                "\"kind\":\"x\"",
                "receipt.items[0].kind: допустимо goods, service",
            ),
            (
                "\"number\":\"1\"",
                "\"number\":1",
                "receipt.number: нужен текст",
            ),
            (
                "\"number\":\"1\"",
                "\"nummer\":\"1\"",
                "receipt.nummer: такого поля нет",
            ),
            (
                "\"amount\":1999",
                "\"amount\":1,\"amount\":1999",
                "amount: поле указано дважды",
            ),
            (
                "\"amount\":1999",
                "\"amount\":1999,\"mode\":7",
                "mode: допустимо 0, 1, 2",
            ),
            (
                "\"amount\":1999",
                "\"amount\":",
                "тело запроса: ошибка JSON в строке 1, столбце",
            ),
            ("{\"amount\"", "[{\"amount\"", "тело запроса: ошибка JSON"),
        ] {
            let message = fault(&with(from, to));
            assert!(message.starts_with(expected), "{expected}: {message}");
        }
        assert_eq!(fault("[]"), "тело запроса: нужен объект JSON");
        assert_eq!(fault("7"), "тело запроса: нужен объект JSON");
    }

    #[test]
    fn a_list_is_no_object() {
        for (text, place) in [
            (r#"{"amount":1,"receipt":["1",null,[]]}"#, "receipt"),
            (
                r#"{"amount":1,"receipt":{"number":"1","items":[["x","1","1",1]]}}"#,
                "receipt.items[0]",
            ),
        ] {
            let expected = format!("{place}: список здесь не допускается");
            assert_eq!(fault(text), expected);
        }
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        for number in ["5", "5.0", "5e0", "0.5e1", "50E-1"] {
            let text = format!("{{\"valutcode\": {number}, \"cardNumberType\": 5}}");
            let card: CardRequest = parse(text.as_bytes()).unwrap();
            assert_eq!(card.valutcode, 5, "{number}");
        }
        let sale: SaleRequest = parse(with(":1999,", ":1999.00,").as_bytes()).unwrap();
        assert_eq!(sale, request(1999));
    }
}
