//! A shift's report, read for a few order numbers: a busy shift has a hundred thousand rows, and
//! only the wanted ones are kept.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::call::PaymentInfo;
use super::wire::{WireError, WirePayment};

/// The wanted operations of a report.
///
/// # Errors
/// [`WireError`] when the report is cut or any of its rows breaks the protocol: absence is then not
/// to be believed.
pub(super) fn find(body: &[u8], order_numbers: &[String]) -> Result<Vec<PaymentInfo>, WireError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let rows = Wanted { order_numbers }
        .deserialize(&mut deserializer)
        .map_err(WireError::Shape)?;
    deserializer.end().map_err(WireError::Shape)?;
    rows.into_iter().collect()
}

/// Every operation of a report as it comes, however long the report is; `each` says whether to go on.
///
/// # Errors
/// [`WireError`] when the report is cut or any of its rows breaks the protocol.
pub(super) fn each_row(
    report: impl std::io::Read,
    each: &mut dyn FnMut(PaymentInfo) -> bool,
) -> Result<(), WireError> {
    let mut deserializer = serde_json::Deserializer::from_reader(report);
    let mut broken = None;
    Each {
        each,
        broken: &mut broken,
    }
    .deserialize(&mut deserializer)
    .map_err(|error| broken.take().unwrap_or(WireError::Shape(error)))?;
    deserializer.end().map_err(WireError::Shape)
}

struct Each<'a> {
    each: &'a mut dyn FnMut(PaymentInfo) -> bool,
    broken: &'a mut Option<WireError>,
}

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of payment infos")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<WirePayment>()? {
            match row.read() {
                Ok(info) => {
                    if !(self.each)(info) {
                        return Err(serde::de::Error::custom("nobody wants more"));
                    }
                }
                Err(error) => {
                    *self.broken = Some(error);
                    return Err(serde::de::Error::custom("a row breaks the protocol"));
                }
            }
        }
        Ok(())
    }
}

struct Wanted<'a> {
    order_numbers: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<Result<PaymentInfo, WireError>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<Result<PaymentInfo, WireError>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of payment infos")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(row) = rows.next_element::<WirePayment>()? {
            if row.is_one_of(self.order_numbers) {
                found.push(row.read());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(order: &str, sum: &str) -> String {
        format!(
            r#"{{"paymentId": 1, "paymentType": 1, "sum": {sum}, "status": 0, "createdDate": "2026-11-24T10:00:00+03:00", "orderNumber": "{order}"}}"#
        )
    }

    #[test]
    fn only_the_wanted_rows_are_kept() {
        let rows: Vec<String> = (0..1000).map(|n| row(&format!("n-{n}"), "1.5")).collect();
        let body = format!("[{}]", rows.join(","));
        let found = find(body.as_bytes(), &["n-7".into(), "n-x".into()]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].order_number, "n-7");
        assert_eq!(find(b"[]", &["n-7".into()]).unwrap(), []);
    }

    #[test]
    fn rows_come_one_by_one_and_a_broken_end_is_an_error() {
        let body = format!("[{}, {}]", row("a", "1"), row("b", "2.5"));
        let mut seen = Vec::new();
        each_row(body.as_bytes(), &mut |info| {
            seen.push(info.order_number);
            true
        })
        .unwrap();
        assert_eq!(seen, ["a", "b"]);
        for end in 0..body.len() {
            assert!(
                each_row(&body.as_bytes()[..end], &mut |_| true).is_err(),
                "{end}"
            );
        }
        let bad = body.replace("2.5", "2.505");
        assert!(each_row(bad.as_bytes(), &mut |_| true).is_err());
        assert!(each_row(body.as_bytes(), &mut |_| false).is_err());
    }

    #[test]
    fn a_cut_or_broken_report_proves_nothing() {
        let body = format!("[{}, {}]", row("a", "1"), row("b", "1"));
        for end in 0..body.len() {
            assert!(
                find(&body.as_bytes()[..end], &["x".into()]).is_err(),
                "cut at {end}"
            );
        }
        assert!(find(format!("[{}]", row("a", "1.005")).as_bytes(), &["a".into()]).is_err());
        assert!(find(format!("{body}x").as_bytes(), &["x".into()]).is_err());
        assert!(find(br#"{"rows": []}"#, &["x".into()]).is_err());
        assert!(find(br#"[{"paymentId": "1"}]"#, &["x".into()]).is_err());
        let nameless = body.replace(r#""orderNumber": "b""#, r#""orderNumber": null"#);
        assert!(find(nameless.as_bytes(), &["x".into()]).is_err());
    }
}
