//! A shift's report, read for a few order numbers: a busy shift has a hundred thousand rows, and
//! only the wanted ones are kept.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::call::{PaymentInfo, PaymentStatus};
use super::wire::{self, WireError, WirePayment, shape};

/// What a report holds of some order numbers.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The wanted operations, in the report's order.
    pub found: Vec<PaymentInfo>,
    /// Rows of which it cannot be told whose they are: any of them may be a wanted one, so that no
    /// absence follows from a report that has some. What is found is found all the same.
    pub unreadable: usize,
}

impl Report {
    /// Adds another shift's.
    pub(super) fn add(&mut self, other: Report) {
        self.found.extend(other.found);
        self.unreadable += other.unreadable;
    }

    /// Whether each of these was found.
    fn has_all(&self, order_numbers: &[String]) -> bool {
        self.has_each(order_numbers, |_| true)
    }

    /// Whether each of these was found paid: no other report can say anything that counts more.
    pub(super) fn has_all_paid(&self, order_numbers: &[String]) -> bool {
        self.has_each(order_numbers, |info| info.status == PaymentStatus::Ok)
    }

    /// Whether each of these was found, and not only in rows that took nothing: another copy of the
    /// request may stand in a report that did not come.
    pub(super) fn has_all_alive(&self, order_numbers: &[String]) -> bool {
        self.has_each(order_numbers, |info| !info.status.took_nothing())
    }

    fn has_each(&self, order_numbers: &[String], counts: impl Fn(&PaymentInfo) -> bool) -> bool {
        let is_found = |number: &String| {
            let mut rows = self.found.iter();
            rows.any(|info| info.order_number == *number && counts(info))
        };
        order_numbers.iter().all(is_found)
    }

    /// What was found, where that answers the question for these numbers.
    ///
    /// # Errors
    /// [`WireError`] when one is missing and a row that cannot be read may be it.
    pub(super) fn conclude(self, order_numbers: &[String]) -> Result<Vec<PaymentInfo>, WireError> {
        if self.unreadable > 0 && !self.has_all(order_numbers) {
            return Err(WireError::Field {
                field: "paymentReports",
                what: format!("{} rows cannot be told whose they are", self.unreadable),
            });
        }
        Ok(self.found)
    }
}

/// Looks for the wanted operations in a report. Rows of others may be as odd as they like.
///
/// # Errors
/// [`WireError`] when the report is cut or no array, or when a row that has a wanted number breaks the
/// protocol: absence is then not to be believed, nor any other row of that number.
pub(super) fn find(body: &[u8], order_numbers: &[String]) -> Result<Report, WireError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let report = Wanted { order_numbers }
        .deserialize(&mut deserializer)
        .map_err(shape)?;
    deserializer.end().map_err(shape)?;
    report
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
    .map_err(|error| broken.take().unwrap_or_else(|| shape(error)))?;
    deserializer.end().map_err(shape)
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
        while let Some(row) = rows.next_element::<Box<RawValue>>()? {
            let row = WirePayment::parse(row.get().as_bytes());
            match row.and_then(WirePayment::read_reported) {
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
    type Value = Result<Report, WireError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Result<Report, WireError>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of payment infos")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        let mut report = Report::default();
        let mut broken = None;
        while let Some(row) = rows.next_element::<&RawValue>()? {
            match wire::order_number_of(row) {
                Ok(number) if self.order_numbers.contains(&number) => {
                    match WirePayment::parse(row.get().as_bytes()).and_then(WirePayment::read) {
                        Ok(info) => report.found.push(info),
                        Err(error) => broken = Some(error),
                    }
                }
                Ok(_) => {}
                Err(_) => report.unreadable += 1,
            }
        }
        Ok(broken.map_or(Ok(report), Err))
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

    fn concluded(body: &str, numbers: &[&str]) -> Result<Vec<PaymentInfo>, WireError> {
        let numbers: Vec<String> = numbers.iter().map(|number| (*number).to_owned()).collect();
        find(body.as_bytes(), &numbers)?.conclude(&numbers)
    }

    #[test]
    fn odd_rows_of_others_hide_nothing_and_forbid_absence_where_they_have_no_name() {
        let ours = row("a", "1");
        let number = row("b", "1").replace(r#""b""#, "737");
        let purse = row("b", "1").replace('}', r#", "pursePublicId": 5}"#);
        let other = r#"{"orderNumber": "b", "paymentId": "x", "sum": null}"#.to_owned();
        // Whose it is can be told: another's.
        for odd in [&number, &purse, &other] {
            let body = format!("[{odd}, {ours}]");
            assert_eq!(concluded(&body, &["a"]).unwrap().len(), 1, "{odd}");
            assert_eq!(concluded(&body, &["x"]).unwrap(), [], "{odd}");
        }
        let null = row("b", "1").replace(r#""b""#, "null");
        let nameless = null.replace("orderNumber", "order");
        for unreadable in [
            &null,
            &nameless,
            "7",
            "[]",
            "null",
            r#""a""#,
            r#"{"orderNumber": {}}"#,
        ] {
            let body = format!("[{unreadable}, {ours}]");
            assert_eq!(concluded(&body, &["a"]).unwrap().len(), 1, "{unreadable}");
            assert!(concluded(&body, &["x"]).is_err(), "{unreadable}");
            assert!(concluded(&body, &["a", "x"]).is_err(), "{unreadable}");
        }
        // Reconciled all the same: it is another's, and has a sum.
        let mut seen = Vec::new();
        let body = format!("[{null}, {number}, {purse}]");
        each_row(body.as_bytes(), &mut |info| {
            seen.push(info.order_number);
            true
        })
        .unwrap();
        assert_eq!(seen, ["", "737", "b"]);
    }

    #[test]
    fn a_number_of_ours_in_a_broken_row_is_no_answer_whatever_other_rows_it_has() {
        let body = format!("[{}, {}]", row("a", "1"), row("a", "1.005"));
        assert!(concluded(&body, &["a"]).is_err());
        assert_eq!(concluded(&body, &["b"]).unwrap(), []);
    }

    #[test]
    fn only_the_wanted_rows_are_kept() {
        let rows: Vec<String> = (0..1000).map(|n| row(&format!("n-{n}"), "1.5")).collect();
        let body = format!("[{}]", rows.join(","));
        let found = concluded(&body, &["n-7", "n-x"]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].order_number, "n-7");
        assert_eq!(concluded("[]", &["n-7"]).unwrap(), []);
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
        assert!(concluded(r#"[{"paymentId": "1"}]"#, &["x"]).is_err());
    }
}
