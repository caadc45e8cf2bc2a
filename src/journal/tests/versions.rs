//! Journals that an earlier version has written.

use super::*;

/// Rows as version 1 wrote them: a paid sale, and a failed one with its undoing.
const VERSION_1: &str = include_str!("version_1.sql");

#[test]
fn a_journal_of_version_1_is_brought_forward() {
    let (_folder, path) = place();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    drop(old);
    let journal = reopened(&path);
    let restored = journal.restore().unwrap();
    assert_eq!(restored.sales.len(), 0);
    let entry = &restored.entries[0];
    assert_eq!((entry.operation.id.as_str(), entry.is_live()), ("~1", true));
    let Some(Record::Sale(sale)) = journal.find(entry.operation.of.as_ref().unwrap()).unwrap()
    else {
        panic!()
    };
    assert_eq!(entry.target.order_number, sale.operation.order_number);
    assert_eq!(entry.receipt.as_ref(), sale.request.receipt());
    assert_eq!(entry.account, sale.account);
    let paid = journal.find("paid").unwrap().unwrap();
    assert_eq!(paid.operation().state, State::Done);
    assert_eq!(paid.operation().version, 0, "none was counted then");
    assert!(
        journal
            .sale_of_payment(paid.operation().payment_id.unwrap())
            .unwrap()
            .is_some()
    );
    drop(journal);
    // A second opening finds nothing left to do.
    reopened(&path);
}

#[test]
fn a_time_line_goes_on_over_versions() {
    let (_folder, path) = place();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    let steps = "INSERT INTO steps (operation, at, state, what) VALUES ('paid', '2026-01-01T00:00:0' || ?1 || '.000Z', 'new', ?1)";
    for number in ["1", "2"] {
        old.execute(steps, [number]).unwrap();
    }
    drop(old);
    let mut journal = reopened(&path);
    let before = Reader::open(&path).unwrap().steps("paid").unwrap().unwrap();
    let record = journal.find("paid").unwrap().unwrap();
    for _ in 0..2 {
        journal.commit(&[written(record.clone())]).unwrap();
    }
    let steps = Reader::open(&path).unwrap().steps("paid").unwrap().unwrap();
    assert_eq!(steps.len(), before.len() + 2);
    let whats = |steps: &[crate::model::archive::OperationStep]| {
        let whats = steps.iter().map(|step| step.what.clone());
        whats.collect::<Vec<_>>()
    };
    assert_eq!(whats(&steps[..before.len()]), whats(&before));
    assert!(whats(&before).ends_with(&["1".to_owned(), "2".to_owned()]));
}
