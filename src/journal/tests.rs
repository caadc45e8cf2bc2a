//! Against real files.

mod background;
mod files;
mod known;
mod rules;
mod versions;

use std::time::{Duration, Instant};

use super::*;
use crate::base::clock::Now;
use crate::core::Core;
use crate::core::call::{Failure, Received};
use crate::core::event::{Durability, Event, Settings, Step};
use crate::core::record::{Account, BuyerRequest, ReversalRecord, ReversalRequest, SaleRecord};
use crate::core::validate::tests::request;
use crate::model::archive::{Archive, OperationsQuery};
use crate::model::operation::{CancellationRequest, Kind, Mode, State, Undo};

fn core(restored: Restored) -> (Core, Step) {
    Core::new(settings(), restored, now(0))
}

fn settings() -> Settings {
    Settings {
        account: Some(Account {
            url: "http://localhost".into(),
            reg_num: "OPL000011111".into(),
        }),
        mode: Mode::ConsumerQr,
        timeout: Duration::from_secs(10),
        wait_buyer: Duration::from_secs(180),
        poll_payment: Duration::from_secs(5),
        poll_session: Duration::from_secs(2),
        settle: Duration::from_secs(30),
        valutcode: None,
        buyer_code: Vec::new(),
        order_prefix: "p".into(),
    }
}

fn now(seconds: u64) -> Now {
    let wall: jiff::Timestamp = "2026-11-24T09:00:00.123Z".parse().unwrap();
    let seconds_signed = i64::try_from(seconds).unwrap();
    let wall = wall
        .checked_add(jiff::SignedDuration::from_secs(seconds_signed))
        .unwrap();
    Now {
        wall,
        mono: Duration::from_secs(seconds),
    }
}

/// A folder, and the place of a journal in it. The folder goes when it is dropped.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    (folder, path)
}

/// What lies beside the journal.
fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_file_name(format!("journal.sqlite3{ending}"))
}

/// Opens a journal that was open before. A child process that another test is starting holds every descriptor until it
/// has become its program, that of the lock as well.
fn open_again(path: &Path) -> Result<Journal, JournalError> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Journal::open(path) {
            Err(JournalError::Taken { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

fn reopened(path: &Path) -> Journal {
    open_again(path).unwrap()
}

/// A new journal, and a core that begins with it.
fn opened() -> (tempfile::TempDir, PathBuf, Journal, Core) {
    let (folder, path) = place();
    let journal = reopened(&path);
    let (core, _) = core(journal.restore().unwrap());
    (folder, path, journal, core)
}

/// A journal with a released sale `owed` and its undoing `~1`, and the folder where it lies.
fn owing() -> (tempfile::TempDir, PathBuf, Journal) {
    let (folder, path, mut journal, mut core) = opened();
    released(&mut journal, &mut core, "owed");
    (folder, path, journal)
}

/// Plays events into the journal, as the daemon does.
fn play(journal: &mut Journal, core: &mut Core, event: Event, at: u64) -> Step {
    let step = core.handle(event, now(at));
    journal.commit(&step.writes).unwrap();
    step
}

/// A sale `s1` that nothing is known of yet.
fn a_sale() -> Event {
    Event::Begin {
        ticket: 1,
        id: "s1".into(),
        requested: OperationRequest::Sale(request(100)),
        existing: None,
        context: Box::default(),
    }
}

/// The undoing of a sale that is owed.
fn undoing(journal: &Journal) -> ReversalRecord {
    match journal.find("~1").unwrap() {
        Some(Record::Entry(entry)) => *entry,
        other => panic!("{other:?}"),
    }
}

fn keep(journal: &mut Journal, entry: ReversalRecord) {
    let record = Record::Entry(Box::new(entry));
    journal.commit(&[written(record)]).unwrap();
}

fn sale(journal: &Journal, id: &str) -> SaleRecord {
    match journal.find(id).unwrap() {
        Some(Record::Sale(sale)) => *sale,
        other => panic!("{other:?}"),
    }
}

fn cancellation_of(operation: &str) -> CancellationRequest {
    CancellationRequest {
        operation: operation.into(),
        annul: false,
        shift: None,
    }
}

fn written(record: Record) -> Write {
    let (what, at) = ("test".into(), now(20).wall);
    let durability = Durability::Immediate;
    Write {
        record,
        what,
        at,
        durability,
    }
}

fn begin(journal: &mut Journal, core: &mut Core, id: &str, at: u64) {
    let existing = journal.find(id).unwrap();
    let mut request = request(100);
    request.receipt.number = format!("r-{id}");
    request.receipt.shift = Some("24112026".into());
    let event = Event::Begin {
        ticket: 1,
        id: id.into(),
        context: Box::new(
            journal
                .context(&OperationRequest::Sale(request.clone()), "24112026")
                .unwrap(),
        ),
        requested: OperationRequest::Sale(request),
        existing,
    };
    play(journal, core, event, at);
}

/// A sale whose payment was lost and released: one sale, one undoing.
fn released(journal: &mut Journal, core: &mut Core, id: &str) {
    begin(journal, core, id, 1);
    play(journal, core, Event::Tick, 1);
    let scan = Event::Scan {
        ticket: None,
        scan: crate::model::scan::Scan {
            device: "scanner1".into(),
            code: crate::base::secret::Secret::new("https://getapp.o-plati.by/c/AB12"),
            raw: None,
        },
    };
    play(journal, core, scan, 2);
    let session = crate::core::call::Reply::Session {
        session: "s".into(),
        shows: None,
    };
    let answered = |request, answer| Event::Answered { request, answer };
    play(journal, core, answered(1, Ok(session)), 3);
    let lost = Failure::Lost {
        detail: "reset".into(),
        received: Received::Nothing,
    };
    play(journal, core, answered(2, Err(lost)), 4);
    play(journal, core, Event::Tick, 15);
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/journal.sqlite3");
    let mut journal = reopened(&path);
    let (mut core, _) = core(journal.restore().unwrap());
    released(&mut journal, &mut core, "s1");
    drop(journal);
    let journal = reopened(&path);
    let restored = journal.restore().unwrap();
    assert!(restored.sales.is_empty(), "the sale is final");
    let (undoing, sale) = (&restored.entries[0], restored.targets[0].clone());
    let Record::Sale(sale) = &sale else { panic!() };
    assert_eq!(
        (undoing.operation.id.as_str(), sale.operation.id.as_str()),
        ("~1", "s1")
    );
    assert_eq!(sale.operation.undo, Some(Undo::Pending));
    assert_eq!(restored.next_own, 2);
    assert_eq!(restored.newest, Some(now(15).wall));
    assert_eq!(
        journal
            .find("s1")
            .unwrap()
            .map(|record| record.operation().clone()),
        Some(sale.operation.clone())
    );
}

#[test]
fn an_unfinished_sale_is_restored_as_it_was_written() {
    let (_folder, path, mut journal, mut core) = opened();
    begin(&mut journal, &mut core, "s1", 1);
    play(&mut journal, &mut core, Event::Tick, 1);
    let written = sale(&journal, "s1");
    drop(journal);
    let restored = reopened(&path).restore().unwrap();
    assert_eq!(restored.sales, [written]);
}

#[test]
fn readers_see_pages_queue_and_single_operations() {
    let (_folder, path, mut journal, mut core) = opened();
    let reader = Reader::open(&path).unwrap();
    for id in ["a", "b", "c"] {
        begin(&mut journal, &mut core, id, 1);
        let abort = Event::Abort {
            ticket: 2,
            id: id.into(),
            existing: None,
        };
        play(&mut journal, &mut core, abort, 2);
    }
    released(&mut journal, &mut core, "d");
    let query = |limit, before: Option<&str>, state| OperationsQuery {
        shift: None,
        state,
        limit,
        before: before.map(str::to_owned),
    };
    let ids = |query| -> Vec<String> {
        reader
            .operations(&query)
            .unwrap()
            .into_iter()
            .map(|operation| operation.id)
            .collect()
    };
    assert_eq!(ids(query(50, None, None)), ["~1", "d", "c", "b", "a"]);
    assert_eq!(ids(query(2, Some("c"), None)), ["b", "a"]);
    assert_eq!(
        ids(query(50, None, Some(State::Cancelled))),
        ["c", "b", "a"]
    );
    assert_eq!(
        ids(OperationsQuery {
            shift: Some("x".into()),
            ..query(50, None, None)
        }),
        Vec::<String>::new()
    );
    assert_eq!(
        reader
            .operations(&query(1, Some("nobody"), None))
            .unwrap_err()
            .status,
        404
    );
    let queue = reader.queue().unwrap();
    assert_eq!(
        (queue.len(), queue[0].of.as_str(), queue[0].kind),
        (1, "d", Kind::Cancel)
    );
    assert_eq!(journal.operations(), 5);
    assert_eq!(reader.operation("nobody").unwrap(), None);
}

#[test]
fn a_set_aside_undoing_is_found_by_its_sales_receipt() {
    let (_folder, _, mut journal, mut core) = opened();
    released(&mut journal, &mut core, "s1");
    assert_eq!(journal.set_aside("r-s1", "24112026").unwrap(), None);
    let mut undoing = undoing(&journal);
    undoing.set_aside = true;
    keep(&mut journal, undoing);
    assert_eq!(
        journal.set_aside("r-s1", "24112026").unwrap(),
        Some("~1".into())
    );
    assert_eq!(journal.set_aside("r-s1", "25112026").unwrap(), None);
    assert_eq!(journal.set_aside("r-s2", "24112026").unwrap(), None);
}

#[test]
fn every_step_stays_in_the_time_line() {
    let (_folder, _, mut journal, mut core) = opened();
    released(&mut journal, &mut core, "s1");
    let mut statement = journal
        .connection
        .prepare(&format!(
            "SELECT state FROM ({}) ORDER BY seq",
            row::HISTORY
        ))
        .unwrap();
    let states: Vec<String> = statement
        .query_map(["s1"], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(
        states,
        [
            "new",
            "awaiting_scan",
            "in_progress",
            "in_progress",
            "in_doubt",
            "failed"
        ]
    );
}

#[test]
fn no_access_for_others_and_full_synchronous_wal() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = place();
    let journal = reopened(&path);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let pragma = |name| {
        journal
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
            .unwrap()
    };
    assert_eq!(
        pragma("journal_mode"),
        rusqlite::types::Value::Text("wal".into())
    );
    assert_eq!(pragma("synchronous"), rusqlite::types::Value::Integer(2));
}

#[test]
fn a_commit_waits_for_the_disk_unless_all_of_it_is_deferred() {
    let (_folder, path) = place();
    let mut journal = reopened(&path);
    let (mut core, _) = core(Restored::default());
    begin(&mut journal, &mut core, "a1", 20);
    let record = journal.find("a1").unwrap().unwrap();
    let write = |durability| Write {
        durability,
        ..written(record.clone())
    };
    let (now, later) = (Durability::Immediate, Durability::Deferred);
    for (writes, waits) in [
        (vec![write(later)], 1),
        (vec![write(now)], 2),
        (vec![write(later), write(later)], 1),
        (vec![write(now), write(later)], 2),
        (vec![write(later)], 1),
        (vec![write(later), write(now)], 2),
    ] {
        journal.commit(&writes).unwrap();
        let synchronous: i64 = journal
            .connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        assert_eq!(synchronous, waits, "{writes:?}");
    }
    // A look whether the disk takes writes means the disk.
    journal.commit(&[write(later)]).unwrap();
    journal.look(true).unwrap();
    assert!(journal.waits_for_disk);
}

#[test]
fn who_has_the_journal_and_means_to_keep_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    assert_eq!(running_holder(&path), None);
    let journal = reopened(&path);
    let own = std::process::id().to_string();
    assert_eq!(running_holder(&path), Some(own.clone()));
    let lock = journal.close();
    assert_eq!(running_holder(&path), None, "it is about to end");
    drop(lock);
    // What the file names is no holder, dead or alive.
    let lock = folder.path().join("journal.sqlite3.lock");
    for pid in [own.as_str(), "1", "4194304"] {
        std::fs::write(&lock, format!("{pid} \n")).unwrap();
        // A child of another test may have the descriptor for an instant.
        let deadline = Instant::now() + Duration::from_secs(20);
        while running_holder(&path).is_some() {
            assert!(Instant::now() < deadline, "{pid}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_failed_commit_leaves_nothing_of_its_step() {
    let (_folder, _, mut journal, mut core) = opened();
    let step = core.handle(a_sale(), now(1));
    journal
        .connection
        .execute_batch("DROP TABLE history")
        .unwrap();
    assert!(journal.commit(&step.writes).is_err());
    assert_eq!(journal.find("s1").unwrap(), None);
}

/// The sale, written anew as if it had ended at that moment.
fn ended(journal: &mut Journal, id: &str, at: u64, state: State) {
    let mut record = journal.find(id).unwrap().unwrap();
    let operation = record.operation_mut();
    operation.state = state;
    operation.created_at = now(at).wall;
    operation.updated_at = now(at).wall;
    journal
        .commit(&[Write {
            record,
            what: "ended".into(),
            at: now(at).wall,
            durability: Durability::Immediate,
        }])
        .unwrap();
    let created = rfc3339_ms::text(now(at).wall);
    let sql = "UPDATE operations SET created_at = ?2 WHERE id = ?1";
    journal
        .connection
        .execute(sql, params![id, created])
        .unwrap();
}

/// A sale of another process that ended, or is not over, at that moment.
fn over(journal: &mut Journal, id: &str, at: u64, state: State) {
    let (mut other, _) = core(Restored::default());
    begin(journal, &mut other, id, at);
    ended(journal, id, at, state);
}

#[test]
fn retention_removes_what_ended_long_ago_and_nothing_that_something_needs() {
    let (_folder, _, mut journal) = owing();
    for (id, at, state) in [
        ("old", 10, State::Done),
        ("old-open", 10, State::InProgress),
        ("new", 12, State::InProgress),
    ] {
        over(&mut journal, id, at, state);
    }
    ended(&mut journal, "owed", 10, State::Failed);
    assert!(!journal.start_aging(now(20).wall).unwrap());
    ended(&mut journal, "new", 15, State::Done);
    assert!(!journal.start_aging(now(900).wall).unwrap());
    let before = journal.operations();
    assert_eq!(journal.purge(now(500).wall, 9).unwrap(), 1);
    assert!(journal.find("old").unwrap().is_none());
    for kept in ["owed", "~1", "old-open", "new"] {
        assert!(journal.find(kept).unwrap().is_some(), "{kept}");
    }
    assert_eq!(journal.operations(), before - 1);
    let count = |sql: &str| {
        let count = journal.connection.query_row(sql, [], |row| row.get(0));
        count.unwrap()
    };
    let (left, named): (i64, i64) = (
        count("SELECT COUNT(*) FROM history"),
        count(
            "SELECT COUNT(*) FROM history WHERE seq IN (SELECT last_step FROM operations) OR seq IN (SELECT before FROM history)",
        ),
    );
    assert_eq!(left, named, "what led to no operation is gone as well");
    // With the undoing settled long ago, both go.
    ended(&mut journal, "~1", 10, State::Done);
    assert_eq!(
        journal.purge(now(1500).wall, 9).unwrap(),
        1,
        "it is new to the clock"
    );
    journal.start_aging(now(1000).wall).unwrap();
    assert_eq!(
        journal.purge(now(1500).wall, 1).unwrap(),
        1,
        "no more than the limit"
    );
    assert_eq!(journal.purge(now(1500).wall, 9).unwrap(), 1);
    assert!(journal.find("~1").unwrap().is_none() && journal.find("owed").unwrap().is_none());
}

#[test]
fn a_restart_knows_the_shift_that_the_newest_sale_named() {
    let (_folder, _, mut journal) = owing();
    let mut sale = sale(&journal, "owed");
    for shift in [Some("7"), Some("8"), None] {
        let BuyerRequest::Sale(request) = &mut sale.request else {
            panic!("it was asked for as a sale");
        };
        request.receipt.shift = shift.map(str::to_owned);
        sale.operation.id = format!("in-{shift:?}");
        let record = Record::Sale(Box::new(sale.clone()));
        journal.commit(&[written(record)]).unwrap();
        assert_eq!(journal.restore().unwrap().own_shift.as_deref(), shift);
    }
}

#[test]
fn a_restart_finds_the_sales_that_a_report_must_hold() {
    let (_folder, _, mut journal) = owing();
    let newest = 50 * 3600;
    for (id, at, state) in [
        ("too-old", newest - 49 * 3600, State::Done),
        ("a", newest - 47 * 3600, State::Done),
        ("b", newest - 5, State::Done),
        ("c", newest - 4, State::Failed),
        ("d", newest - 3, State::Done),
        ("e", newest - 2, State::Done),
        ("f", newest, State::Done),
    ] {
        over(&mut journal, id, at, state);
    }
    let restored = journal.restore().unwrap();
    let ids = restored.witnesses.iter().map(|sale| &sale.operation.id);
    assert_eq!(ids.collect::<Vec<_>>(), ["a", "d", "e", "f"]);
}

#[test]
fn what_no_confirmed_clock_has_seen_does_not_age() {
    let (_folder, _, mut journal, mut core) = opened();
    begin(&mut journal, &mut core, "s", 10);
    ended(&mut journal, "s", 10, State::Done);
    let far = now(2_000_000_000).wall;
    assert_eq!(journal.purge(far, 9).unwrap(), 0);
    journal.start_aging(now(1_000_000_000).wall).unwrap();
    assert_eq!(journal.purge(now(1_000_000_000).wall, 9).unwrap(), 0);
    assert_eq!(journal.purge(far, 9).unwrap(), 1);
}

#[test]
fn operations_of_any_state_are_found_newest_first() {
    let (_folder, path, mut journal, mut core) = opened();
    released(&mut journal, &mut core, "owed");
    let open = journal.find("owed").unwrap().unwrap();
    for (number, state) in [State::Failed, State::Done, State::Failed, State::Expired]
        .into_iter()
        .enumerate()
    {
        let mut record = open.clone();
        record.operation_mut().id = format!("o{number}");
        record.operation_mut().undo = None;
        record.operation_mut().state = state;
        journal.commit(&[written(record)]).unwrap();
    }
    let reader = Reader::open(&path).unwrap();
    let ids = |state, shift: Option<&str>, limit| {
        let query = OperationsQuery {
            state,
            shift: shift.map(str::to_owned),
            limit,
            ..OperationsQuery::default()
        };
        let page = reader.operations(&query).unwrap().into_iter();
        page.map(|operation| operation.id).collect::<Vec<_>>()
    };
    for shift in [None, Some("24112026")] {
        assert_eq!(ids(Some(State::Failed), shift, 9), ["o2", "o0", "owed"]);
        assert_eq!(ids(Some(State::Failed), shift, 2), ["o2", "o0"]);
        assert_eq!(ids(Some(State::Done), shift, 9), ["o1"]);
        assert_eq!(ids(Some(State::Expired), shift, 9), ["o3"]);
    }
    assert_eq!(ids(Some(State::Queued), None, 9), ["~1"]);
}
