//! A journal that is too large to be checked before it is used.

use super::*;
use crate::journal::background::MAX_BYTES_AT_START;

const COPIES: u64 = 1500;

/// A journal with one sale and many copies of it, closed.
fn large() -> (tempfile::TempDir, PathBuf) {
    let (folder, path, mut journal, mut core) = opened();
    begin(&mut journal, &mut core, "s1", 1);
    let copy = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
        INSERT INTO operations (id, kind, state, shift, receipt, order_number, created_at, updated_at, open, live,
            set_aside, record, operation, request, ages_from)
        SELECT 'c' || n, kind, 'done', shift, receipt, order_number || n, created_at, updated_at, 0, live,
            set_aside, record, operation, request, created_at FROM operations, n WHERE id = 's1'";
    journal
        .connection
        .execute(copy, [i64::try_from(COPIES).unwrap()])
        .unwrap();
    drop(journal.close());
    assert!(std::fs::metadata(&path).unwrap().len() > MAX_BYTES_AT_START);
    (folder, path)
}

#[test]
fn it_is_counted_beside_the_service_and_nothing_is_removed_before() {
    let (_folder, path) = large();
    let mut journal = reopened(&path);
    let check = journal.background_check().unwrap().unwrap();
    assert_eq!(journal.operations(), COPIES + 1);
    let (mut other, _) = core(Restored::default());
    begin(&mut journal, &mut other, "s2", 2);
    let later = now(1_000_000).wall;
    assert!(!journal.is_counted());
    assert_eq!(journal.purge(later, 10).unwrap(), 0);
    check.run().unwrap();
    assert!(journal.is_counted());
    assert_eq!(journal.operations(), COPIES + 2);
    assert_eq!(journal.purge(later, 10).unwrap(), 10);
    assert_eq!(journal.operations(), COPIES - 8);
}

#[test]
fn its_damage_is_found_and_known_at_the_next_start() {
    let (_folder, path) = large();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let mut journal = reopened(&path);
    let error = journal.background_check().unwrap().unwrap().run();
    let error = journal.judge(error.unwrap_err());
    assert_eq!(error.trouble(), Trouble::Damaged, "{error}");
    journal.note_damage();
    drop(journal.close());
    assert!(matches!(
        open_again(&path),
        Err(JournalError::Quarantined { .. })
    ));
}

/// The disk has acknowledged a page of the index of identifiers, and lost it.
#[test]
fn an_identifier_that_its_index_has_lost_is_not_taken_for_a_new_one() {
    let (_folder, path) = large();
    let before = std::fs::read(&path).unwrap();
    let mut journal = reopened(&path);
    let (mut other, _) = core(Restored::default());
    begin(&mut journal, &mut other, "p1", 2);
    drop(journal.close());
    let after = std::fs::read(&path).unwrap();
    let pages = before.len() / 4096;
    let is_lost = |page: usize| {
        let range = page * 4096..(page + 1) * 4096;
        let mut bytes = after.clone();
        bytes[range.clone()].copy_from_slice(&before[range]);
        std::fs::write(&path, bytes).unwrap();
        let file = rusqlite::Connection::open(&path).unwrap();
        let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0));
        let is_row = count("SELECT COUNT(*) FROM operations NOT INDEXED WHERE +id = 'p1'");
        let is_found = count("SELECT COUNT(*) FROM operations WHERE id = 'p1'");
        (is_row, is_found) == (Ok(1), Ok(0))
    };
    assert!((1..pages).any(is_lost), "there is such a page");
    assert!(matches!(
        open_again(&path),
        Err(JournalError::Quarantined { .. })
    ));
}

#[test]
fn a_doubted_one_is_checked_whole_before_it_is_used() {
    let (_folder, path) = large();
    let journal = reopened(&path);
    assert!(journal.background_check().unwrap().is_some());
    drop(journal.close());
    let journal = loop {
        match Journal::open_doubted(&path) {
            Err(JournalError::Taken { .. }) => std::thread::sleep(Duration::from_millis(5)),
            opened => break opened.unwrap(),
        }
    };
    assert!(journal.background_check().unwrap().is_none());
}

#[test]
fn its_check_ends_with_the_journal() {
    let (_folder, path) = large();
    let journal = reopened(&path);
    let check = journal.background_check().unwrap().unwrap();
    drop(journal.close());
    check.run().unwrap_err();
    assert!(check.is_ended());
}

#[test]
fn a_small_one_is_checked_before_it_is_used() {
    let (_folder, _path, journal, _core) = opened();
    assert!(journal.background_check().unwrap().is_none());
}
