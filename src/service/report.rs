//! A shift's report, read for a few order numbers: a busy shift has a hundred thousand rows, and
//! only the wanted ones are kept.
//!
//! No report is taken for whole on its own word ("What nothing may assume"): it must hold the witnesses, sales of ours
//! that were seen paid, and each of its rows must state whose it is. Else it proves no absence.

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::wire::{self, WireError, WirePayment, shape};
use crate::core::call::{PaymentInfo, PaymentStatus, Reply};

/// What is looked for in a report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub order_numbers: &'a [String],
    /// What a whole report holds in any case.
    pub witnesses: &'a [String],
}

/// What a report holds of some order numbers.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The wanted operations, in the report's order.
    pub found: Vec<PaymentInfo>,
    /// Rows that do not show whose they are: any of them may be a wanted one, so that no absence follows from a report
    /// that has some. What is found is found all the same.
    pub unreadable: usize,
    /// The witnesses that it holds.
    witnesses: Vec<String>,
}

impl Report {
    /// Adds another shift's.
    pub(super) fn add(&mut self, other: Report) {
        // A row may stand in several reports, or twice in one: it is one row.
        for info in other.found {
            if !self.found.contains(&info) {
                self.found.push(info);
            }
        }
        self.unreadable += other.unreadable;
        self.witnesses.extend(other.witnesses);
    }

    /// Whether each of these was found.
    fn has_all(&self, order_numbers: &[String]) -> bool {
        self.has_each(order_numbers, |_| true)
    }

    /// Whether each of these was found paid: no other report can show anything that counts more.
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

    /// What was found, and whether what was not found is absent.
    pub(super) fn conclude(self, wanted: Wanted<'_>) -> Reply {
        let gap = self.gap(wanted.witnesses);
        match gap.filter(|_| !self.has_all(wanted.order_numbers)) {
            Some(detail) => Reply::Partial {
                found: self.found,
                detail,
            },
            None => Reply::Found(self.found),
        }
    }

    /// Why it proves no absence.
    fn gap(&self, witnesses: &[String]) -> Option<String> {
        let missing = |witness: &&String| !self.witnesses.contains(witness);
        if let Some(witness) = witnesses.iter().find(missing) {
            return Some(format!(
                "paymentReports: {witness} was paid and is not there, so the report is not whole"
            ));
        }
        (self.unreadable > 0).then(|| {
            format!(
                "paymentReports: {} rows do not show whose they are",
                self.unreadable
            )
        })
    }
}

/// Looks for the wanted operations in a report. Rows of others may be as odd as they like.
///
/// # Errors
/// [`WireError`] when the report is cut or no array, or when a row that has a wanted number breaks the
/// protocol: absence is then not to be believed, nor any other row of that number.
pub(super) fn find(body: &[u8], wanted: Wanted<'_>) -> Result<Report, WireError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let report = wanted.deserialize(&mut deserializer).map_err(shape)?;
    deserializer.end().map_err(shape)?;
    report
}

/// Why a report cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unreadable {
    /// The first row that breaks the protocol, from 1, and its field where that is known.
    pub row: Option<(usize, Option<&'static str>)>,
    /// Whether it was JSON so far: a router's page is none.
    pub is_json: bool,
    /// English, for support.
    error: WireError,
}

impl Unreadable {
    fn of(error: serde_json::Error) -> Unreadable {
        Unreadable {
            row: None,
            is_json: !error.is_syntax(),
            error: shape(error),
        }
    }
}

/// Every operation of a report as it comes, however long the report is; `each` returns whether to go on.
///
/// # Errors
/// [`Unreadable`] when the report is cut or any of its rows breaks the protocol.
pub(super) fn each_row(
    report: impl std::io::Read,
    each: &mut dyn FnMut(PaymentInfo) -> bool,
) -> Result<(), Unreadable> {
    let mut deserializer = serde_json::Deserializer::from_reader(report);
    let mut broken = None;
    Each {
        each,
        broken: &mut broken,
    }
    .deserialize(&mut deserializer)
    .map_err(|error| broken.take().unwrap_or_else(|| Unreadable::of(error)))?;
    deserializer.end().map_err(Unreadable::of)
}

struct Each<'a> {
    each: &'a mut dyn FnMut(PaymentInfo) -> bool,
    broken: &'a mut Option<Unreadable>,
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
        let mut number = 0;
        while let Some(row) = rows.next_element::<Box<RawValue>>()? {
            number += 1;
            let read = WirePayment::parse(row.get().as_bytes());
            match read.and_then(WirePayment::read_reported) {
                Ok(info) => {
                    if !(self.each)(info) {
                        return Err(serde::de::Error::custom("nobody wants more"));
                    }
                }
                Err(error) => {
                    *self.broken = Some(Unreadable {
                        row: Some((number, wire::wrong_field(&row, &error))),
                        is_json: true,
                        error,
                    });
                    return Err(serde::de::Error::custom("a row breaks the protocol"));
                }
            }
        }
        Ok(())
    }
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
                Ok(number) if self.witnesses.contains(&number) => report.witnesses.push(number),
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

    fn looked_up(body: &str, numbers: &[&str], witnesses: &[&str]) -> Result<Reply, WireError> {
        let owned =
            |numbers: &[&str]| -> Vec<String> { numbers.iter().map(ToString::to_string).collect() };
        let wanted = Wanted {
            order_numbers: &owned(numbers),
            witnesses: &owned(witnesses),
        };
        Ok(find(body.as_bytes(), wanted)?.conclude(wanted))
    }

    /// What a report without witnesses proves.
    fn concluded(body: &str, numbers: &[&str]) -> Result<Vec<PaymentInfo>, String> {
        match looked_up(body, numbers, &[]) {
            Ok(Reply::Found(found)) => Ok(found),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_row_that_is_listed_twice_is_one_row() {
        let body = format!("[{}, {}, {0}]", row("a", "1"), row("a", "2"));
        let numbers = ["a".to_owned()];
        let wanted = Wanted {
            order_numbers: &numbers,
            witnesses: &[],
        };
        let mut report = Report::default();
        for _shift in 0..2 {
            report.add(find(body.as_bytes(), wanted).unwrap());
        }
        let Reply::Found(found) = report.conclude(wanted) else {
            panic!("it is whole");
        };
        let sums: Vec<i64> = found.iter().map(|info| info.sum.0).collect();
        assert_eq!(
            sums,
            [100, 200],
            "one row each, and both rows of the number"
        );
    }

    #[test]
    fn a_report_without_one_of_its_witnesses_proves_no_absence() {
        let body = format!(
            "[{}, {}, {}]",
            row("a", "1"),
            row("w-1", "2"),
            row("w-2", "3")
        );
        let outcome = |numbers: &[&str], witnesses: &[&str]| {
            let (found, is_whole) = match looked_up(&body, numbers, witnesses).unwrap() {
                Reply::Found(found) => (found, true),
                Reply::Partial { found, detail } => {
                    assert!(detail.contains("w-9"), "{detail}");
                    (found, false)
                }
                other @ (Reply::Session { .. }
                | Reply::Consumer { .. }
                | Reply::Payment(_)
                | Reply::Alive) => panic!("{other:?}"),
            };
            (found.len(), is_whole)
        };
        assert_eq!(outcome(&["x"], &["w-1", "w-2"]), (0, true));
        assert_eq!(outcome(&["x"], &["w-1", "w-9"]), (0, false));
        // What is found is found, and only what is missing stays open.
        assert_eq!(outcome(&["a"], &["w-9"]), (1, true));
        assert_eq!(outcome(&["a", "x"], &["w-9"]), (1, false));
        // One that cannot be read is there all the same.
        let odd = body.replacen(r#""sum": 2"#, r#""sum": null"#, 1);
        assert_ne!(odd, body);
        assert_eq!(
            looked_up(&odd, &["x"], &["w-1"]).unwrap(),
            Reply::Found(Vec::new())
        );
        let mut two = find(b"[]", Wanted::default()).unwrap();
        let wanted = Wanted {
            order_numbers: &["x".to_owned()],
            witnesses: &["w-1".to_owned()],
        };
        two.add(find(body.as_bytes(), wanted).unwrap());
        assert_eq!(
            two.conclude(wanted),
            Reply::Found(Vec::new()),
            "any shift's will do"
        );
    }

    #[test]
    fn odd_rows_of_others_hide_nothing_and_forbid_absence_where_they_have_no_name() {
        let ours = row("a", "1");
        let number = row("b", "1").replace(r#""b""#, "737");
        let purse = row("b", "1").replace('}', r#", "pursePublicId": 5}"#);
        let other = r#"{"orderNumber": "b", "paymentId": "x", "sum": null}"#.to_owned();
        // Whose it is can be seen: another's.
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
        for (written, odd, field) in [
            ("2.5", "2.505", Some("sum")),
            (r#""sum": 2.5, "#, "", Some("sum")),
            (r#""sum": 2.5"#, r#""sum": null"#, Some("sum")),
            (r#""status": 0"#, r#""status": "0""#, Some("status")),
            (
                r#""paymentId": 1"#,
                r#""paymentId": 1.5"#,
                Some("paymentId"),
            ),
            ("2026-11-24T10", "24.11.2026 10", Some("createdDate")),
        ] {
            let last = row("b", "2.5").replace(written, odd);
            let bad = format!("[{}, {last}]", row("a", "1"));
            let error = each_row(bad.as_bytes(), &mut |_| true).unwrap_err();
            assert_eq!(
                (error.row, error.is_json),
                (Some((2, field)), true),
                "{bad}"
            );
        }
        let failure = |body: &str| {
            let error = each_row(body.as_bytes(), &mut |_| true).unwrap_err();
            (error.row, error.is_json)
        };
        assert_eq!(failure("[7]"), (Some((1, None)), true));
        assert_eq!(failure(r#"{"rows": []}"#), (None, true));
        assert_eq!(failure("<html>"), (None, false));
        assert!(each_row(body.as_bytes(), &mut |_| false).is_err());
    }

    #[test]
    fn a_cut_or_broken_report_proves_nothing() {
        let body = format!("[{}, {}]", row("a", "1"), row("b", "1"));
        for end in 0..body.len() {
            assert!(
                looked_up(body.get(..end).unwrap(), &["x"], &[]).is_err(),
                "cut at {end}"
            );
        }
        assert!(looked_up(&format!("[{}]", row("a", "1.005")), &["a"], &[]).is_err());
        assert!(looked_up(&format!("{body}x"), &["x"], &[]).is_err());
        assert!(looked_up(r#"{"rows": []}"#, &["x"], &[]).is_err());
        assert!(concluded(r#"[{"paymentId": "1"}]"#, &["x"]).is_err());
    }
}
