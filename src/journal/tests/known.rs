//! What a report's rows and a request are held against.

use super::*;

#[test]
fn the_newest_operation_that_carries_a_number_is_the_one_reported() {
    let (_folder, path, mut journal) = owing();
    // A cancellation takes the place of the set-aside undoing, and its number with it.
    let mut record = journal.find("~1").unwrap().unwrap();
    let number = record.operation().order_number.clone();
    record.operation_mut().payment_id = Some(7);
    for id in ["~1", "c1"] {
        record.operation_mut().id = id.into();
        journal.commit(&[written(record.clone())]).unwrap();
    }
    for (number, payment_id) in [(number.as_str(), 7), ("another", 7)] {
        let mut reader = ShiftReader::open(&path, "24112026").unwrap();
        let known = reader.reported(number, payment_id).unwrap().unwrap();
        assert_eq!(known.operation().id, "c1");
        let mut seen = Vec::new();
        let note = |record: &Record, reported| {
            if reported {
                seen.push(record.operation().id.clone());
            }
        };
        reader.each(note).unwrap();
        assert_eq!(seen, ["c1"]);
    }
    // One that has gone on under another number since is known by the service's own.
    record.operation_mut().id = "c2".into();
    record.operation_mut().payment_id = None;
    journal.commit(&[written(record)]).unwrap();
    let mut reader = ShiftReader::open(&path, "24112026").unwrap();
    let mut known = |payment_id| reader.reported(&number, payment_id).unwrap().unwrap();
    assert_eq!(known(7).operation().id, "c1");
    assert_eq!(known(8).operation().id, "c2");
    // The one that has gone on under another number is newer than those that still carry the old one.
    let Some(Record::Entry(mut entry)) = journal.find("c2").unwrap() else {
        panic!("a cancellation is an entry");
    };
    entry.operation.id = "c3".into();
    entry.operation.order_number = "its-own".into();
    entry.earlier.push(number.clone());
    keep(&mut journal, *entry);
    let mut reader = ShiftReader::open(&path, "24112026").unwrap();
    let known = reader.reported(&number, 9).unwrap().unwrap();
    assert_eq!(known.operation().id, "c3");
}

#[test]
fn what_undoes_an_unpaid_sale_is_found_and_so_is_what_asks_for_it_again() {
    let (_folder, path, mut journal) = owing();
    let reader = ShiftReader::open(&path, "24112026").unwrap();
    let undoings = |journal: &Journal, id: &str| {
        let record = journal.find(id).unwrap().unwrap();
        let undoings = reader
            .undoings_of(&record, record.operation().payment_id.unwrap_or_default())
            .unwrap();
        let ids = undoings.into_iter().map(|entry| entry.operation.id);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        (undoings(&journal, "owed"), undoings(&journal, "~1")),
        (vec!["~1".into()], vec![])
    );
    let to_recheck = |id: &str| reader.to_recheck(id).unwrap();
    assert_eq!(to_recheck("owed").as_deref(), Some("~1"));
    // A cancellation that ended as not made is none, unless it is asked for again itself.
    let mut dropped = undoing(&journal);
    dropped.request = ReversalRequest::Cancellation(cancellation_of("owed"));
    dropped.operation.id = "c1".into();
    for (state, rechecks, newest) in [
        (State::Cancelled, vec![], "~1"),
        (State::Failed, vec![], "~1"),
        (State::Failed, vec![now(30).wall], "c1"),
    ] {
        dropped.operation.state = state;
        dropped.rechecks = rechecks;
        keep(&mut journal, dropped.clone());
        assert_eq!(undoings(&journal, "owed"), ["~1", "c1"]);
        assert_eq!(to_recheck("owed").as_deref(), Some(newest), "{state:?}");
    }
    let forget = "DELETE FROM operations WHERE of = 'owed'";
    journal.connection.execute(forget, []).unwrap();
    assert_eq!(to_recheck("owed").as_deref(), Some("owed"), "it has none");
    assert_eq!(to_recheck("nobody"), None);
}

#[test]
fn a_reported_number_of_before_a_refusal_belongs_to_its_reversal() {
    let (_folder, path, mut journal) = owing();
    let mut entry = undoing(&journal);
    let before = std::mem::replace(&mut entry.operation.order_number, "new".into());
    entry.earlier = vec!["older".into(), before.clone()];
    keep(&mut journal, entry);
    let mut reader = ShiftReader::open(&path, "24112026").unwrap();
    for number in ["new", "older", before.as_str()] {
        let known = reader.reported(number, 9).unwrap().unwrap();
        assert_eq!(known.operation().id, "~1", "{number}");
    }
    assert_eq!(reader.reported("oldest", 9).unwrap(), None);
    let mut seen = Vec::new();
    reader
        .each(|record, reported| seen.extend(reported.then(|| record.operation().id.clone())))
        .unwrap();
    assert_eq!(seen, ["~1"]);
}

#[test]
fn a_receipt_whose_second_payment_waits_for_a_person_is_not_sold_again() {
    let (_folder, _, mut journal) = owing();
    let mut entry = undoing(&journal);
    entry.operation.id = "~2".into();
    entry.operation.of = None;
    entry.beside = Some("owed".into());
    entry.set_aside = true;
    let sale = sale(&journal, "owed");
    let receipt = sale.request.receipt().unwrap().number.clone();
    assert_eq!(
        journal.set_aside(&receipt, &sale.operation.shift).unwrap(),
        None
    );
    keep(&mut journal, entry);
    let found = journal.set_aside(&receipt, &sale.operation.shift).unwrap();
    assert_eq!(found.as_deref(), Some("~2"));
}
