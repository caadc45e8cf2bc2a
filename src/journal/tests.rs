//! Against real files.

mod rules;

use std::time::{Duration, Instant};

use super::*;
use crate::base::clock::Now;
use crate::core::Core;
use crate::core::call::{Failure, Heard};
use crate::core::event::{Event, Settings, Step};
use crate::core::record::{Account, BuyerRequest, ReversalRequest};
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

/// A new journal, and a core that begins with it. The folder goes when it is dropped.
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

fn opened() -> (tempfile::TempDir, PathBuf, Journal, Core) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
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
        wish: OperationRequest::Sale(request(100)),
        existing: None,
        facts: Box::default(),
    }
}

fn written(record: Record) -> Write {
    let (what, at) = ("test".into(), now(20).wall);
    Write { record, what, at }
}

fn begin(journal: &mut Journal, core: &mut Core, id: &str, at: u64) {
    let existing = journal.find(id).unwrap();
    let mut request = request(100);
    request.receipt.number = format!("r-{id}");
    request.receipt.shift = Some("24112026".into());
    let event = Event::Begin {
        ticket: 1,
        id: id.into(),
        facts: Box::new(
            journal
                .facts(&OperationRequest::Sale(request.clone()), "24112026")
                .unwrap(),
        ),
        wish: OperationRequest::Sale(request),
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
        heard: Heard::Nothing,
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
    let Some(Record::Sale(written)) = journal.find("s1").unwrap() else {
        panic!()
    };
    drop(journal);
    let restored = reopened(&path).restore().unwrap();
    assert_eq!(restored.sales, [*written]);
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
    let Some(Record::Entry(mut undoing)) = journal.find("~1").unwrap() else {
        panic!()
    };
    undoing.set_aside = true;
    journal.commit(&[written(Record::Entry(undoing))]).unwrap();
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
        .prepare("SELECT state FROM steps WHERE operation = 's1' ORDER BY seq")
        .unwrap();
    let states: Vec<String> = statement
        .query_map([], |row| row.get(0))
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
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
fn damaged_files_are_kept_aside_and_newer_ones_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let Err(JournalError::Aside { aside }) = open_again(&path) else {
        panic!()
    };
    let kept = std::fs::read(aside.join("journal.sqlite3")).unwrap();
    assert_eq!(kept, vec![7; 8192]);
    // No empty one takes its place by itself, until a person has moved the folder away.
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::Aside { .. })
    ));
    assert!(!path.exists());
    std::fs::remove_dir_all(folder.path().join("journal.damaged")).unwrap();
    let journal = reopened(&path);
    journal
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(journal);
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::TooNew { found: 99, .. })
    ));
}

#[test]
fn a_journal_without_its_content_is_kept_aside_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let wal = folder.path().join("journal.sqlite3-wal");
    // The power fails with a sale in the log, and the file system loses the file's content.
    let copy = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let written = {
        let mut journal = reopened(&path);
        journal.secure_room().unwrap();
        let (mut core, _) = core(Restored::default());
        begin(&mut journal, &mut core, "s-1", 0);
        copy("journal.sqlite3-wal")
    };
    let reserve = folder.path().join("journal.sqlite3.reserve");
    assert!(!written.is_empty() && reserve.exists());
    for (file_stays, log) in [(true, true), (false, true), (true, false)] {
        std::fs::write(&reserve, "").unwrap();
        drop(std::fs::remove_file(&path));
        drop(std::fs::remove_file(&wal));
        if file_stays {
            std::fs::write(&path, "").unwrap();
        }
        if log {
            std::fs::write(&wal, &written).unwrap();
        }
        let Err(JournalError::Aside { aside }) = open_again(&path) else {
            panic!("a new journal was begun: {file_stays} {log}")
        };
        assert_eq!(aside.join("journal.sqlite3").exists(), file_stays);
        if log {
            assert_eq!(
                std::fs::read(aside.join("journal.sqlite3-wal")).unwrap(),
                written
            );
        }
        assert!(!path.exists());
        std::fs::remove_dir_all(folder.path().join("journal.damaged")).unwrap();
    }
    // A person took the journal away: a new one is begun, and its first moments are no damage.
    assert!(
        !reserve.exists(),
        "it would tell of a journal that is missing"
    );
    drop(reopened(&path));
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
}

#[test]
fn what_lies_beside_a_missing_journal_begins_no_other() {
    for left in ["-wal", "-shm", ".reserve"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let beside = folder.path().join(format!("journal.sqlite3{left}"));
        std::fs::write(&beside, "").unwrap();
        let seen = inspect(&path);
        assert!(matches!(seen, Err(JournalError::Damaged { .. })), "{left}");
        for _ in 0..2 {
            let opened = open_again(&path);
            assert!(matches!(opened, Err(JournalError::Aside { .. })), "{left}");
            assert!(!path.exists() && !beside.exists(), "{left}");
        }
        // The remedy that is told.
        std::fs::remove_dir_all(folder.path().join("journal.damaged")).unwrap();
        reopened(&path);
    }
}

#[test]
fn the_end_of_a_journal_that_is_gone_leaves_its_log() {
    for (replaced, by_an_old_one) in [(false, false), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.sqlite3");
        let wal = folder.path().join("journal.sqlite3-wal");
        let old = folder.path().join("old");
        drop(reopened(&path).close());
        std::fs::copy(&path, &old).unwrap();
        let mut journal = reopened(&path);
        let reader = Reader::open(&path).unwrap();
        let (mut core, _) = core(journal.restore().unwrap());
        begin(&mut journal, &mut core, "s0", 1);
        assert!(journal.empty_log());
        let (mut other, _) = super::tests::core(Restored::default());
        begin(&mut journal, &mut other, "s1", 2);
        // What the log does not hold, the old one lacks.
        assert!(!by_an_old_one || journal.empty_log());
        let written = std::fs::read(&wal).unwrap();
        assert_eq!(written.is_empty(), by_an_old_one);
        let copy = folder.path().join("copy");
        std::fs::copy(if by_an_old_one { &old } else { &path }, &copy).unwrap();
        std::fs::remove_file(&path).unwrap();
        if replaced {
            std::fs::rename(&copy, &path).unwrap();
        }
        assert!(!journal.empty_log());
        drop(journal.close());
        drop(reader);
        assert_eq!(std::fs::read(&wal).unwrap(), written);
        match Journal::open(&path) {
            Ok(journal) => {
                assert!(replaced && !by_an_old_one);
                assert!(journal.find("s1").unwrap().is_some());
            }
            Err(error) => {
                assert!(!replaced || by_an_old_one);
                assert!(matches!(error, JournalError::Aside { .. }), "{error}");
            }
        }
    }
}

#[test]
fn damage_that_is_met_while_it_runs_is_told_and_known_at_the_next_start() {
    for damaged in ["", "-wal"] {
        let (folder, path, mut journal, mut core) = opened();
        begin(&mut journal, &mut core, "s1", 1);
        if damaged.is_empty() {
            assert!(journal.empty_log());
        }
        journal.secure_room().unwrap();
        journal.look(true).unwrap();
        let file = folder.path().join(format!("journal.sqlite3{damaged}"));
        std::fs::write(file, "").unwrap();
        let written = std::fs::read(folder.path().join("journal.sqlite3-wal")).unwrap();
        let error = journal.look(true).unwrap_err();
        let error = journal.judge(error);
        assert_eq!(error.trouble(), Trouble::Damaged, "{error:?}");
        let error = journal.secure_room().unwrap_err();
        let error = journal.judge(error);
        assert_eq!(error.trouble(), Trouble::Damaged, "{error:?}");
        let log = std::fs::read(folder.path().join("journal.sqlite3-wal")).unwrap();
        assert_eq!(log, written, "a look takes nothing away");
        drop(journal.close());
        let opened = open_again(&path);
        assert!(matches!(opened, Err(JournalError::Aside { .. })));
        // A copy that a person puts in the place is none of that damage.
        let good = folder.path().join("good");
        Journal::open(&good.join("journal.sqlite3"))
            .unwrap()
            .close();
        std::fs::copy(good.join("journal.sqlite3"), &path).unwrap();
        reopened(&path);
    }
}

#[test]
fn who_has_the_journal_and_means_to_keep_it_is_told() {
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
fn what_takes_the_place_of_lock_or_reserve_is_named_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let pipe = |ending: &str| {
        let path = folder.path().join(format!("journal.sqlite3{ending}"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        path
    };
    let lock = pipe(".lock");
    assert_eq!(stopping_holder(&path), None);
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::Prepare { .. })
    ));
    std::fs::remove_file(lock).unwrap();
    let mut journal = reopened(&path);
    let reserve = pipe(".reserve");
    let error = journal.secure_room().unwrap_err();
    assert_eq!(error.trouble(), Trouble::Reserve, "{error}");
    std::fs::remove_file(&reserve).unwrap();
    std::fs::create_dir(reserve).unwrap();
    let error = journal.secure_room().unwrap_err();
    assert_eq!(error.trouble(), Trouble::Reserve, "{error}");
    drop(journal);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir(folder.path().join("journal.sqlite3.reserve")).unwrap();
    for ending in ["-wal", "-shm"] {
        drop(std::fs::remove_file(
            folder.path().join(format!("journal.sqlite3{ending}")),
        ));
    }
    pipe("");
    assert!(matches!(inspect(&path), Err(JournalError::Prepare { .. })));
}

#[test]
fn a_look_finds_who_holds_the_journal_and_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let mut journal = reopened(&path);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = journal.look(false).unwrap_err();
    assert_eq!(error.trouble(), Trouble::Locked, "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    journal.look(true).unwrap();
}

#[test]
fn the_reserve_is_real_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(&folder.path().join("journal.sqlite3")).unwrap();
    let reserve = folder.path().join("journal.sqlite3.reserve");
    journal.secure_room().unwrap();
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 2 * 1024 * 1024);
    journal.use_reserve();
    assert!(!reserve.exists());
    journal.secure_room().unwrap();
    assert!(reserve.exists());
}

#[test]
fn a_failed_commit_leaves_nothing_of_its_step() {
    let (_folder, _, mut journal, mut core) = opened();
    let step = core.handle(a_sale(), now(1));
    journal
        .connection
        .execute_batch("DROP TABLE steps")
        .unwrap();
    assert!(journal.commit(&step.writes).is_err());
    assert_eq!(journal.find("s1").unwrap(), None);
}

#[test]
fn a_second_writer_is_told_who_holds_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
    let first = reopened(&path);
    let error = Journal::open(&path).unwrap_err();
    assert!(
        matches!(&error, JournalError::Taken { pid, .. } if *pid == std::process::id().to_string()),
        "{error:?}"
    );
    drop(first);
    reopened(&path);
}

#[test]
fn a_removed_or_replaced_file_takes_no_more_writes() {
    let (_folder, path, mut journal, mut core) = opened();
    let step = core.handle(a_sale(), now(1));
    std::fs::remove_file(&path).unwrap();
    for place in ["nothing", "another file"] {
        let error = journal.commit(&step.writes).unwrap_err();
        assert!(matches!(error, JournalError::Gone { .. }), "{place}");
        let error = journal.secure_room().unwrap_err();
        assert!(matches!(error, JournalError::Gone { .. }), "{place}");
        std::fs::write(&path, "").unwrap();
    }
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
        }])
        .unwrap();
    let created = rfc3339_ms::text(now(at).wall);
    let sql = "UPDATE operations SET created_at = ?2 WHERE id = ?1";
    journal
        .connection
        .execute(sql, params![id, created])
        .unwrap();
}

#[test]
fn retention_removes_what_ended_long_ago_and_nothing_that_something_needs() {
    let (_folder, _, mut journal) = owing();
    for (id, at, state) in [
        ("old", 10, State::Done),
        ("old-open", 10, State::InProgress),
        ("new", 12, State::InProgress),
    ] {
        let (mut other, _) = core(Restored::default());
        begin(&mut journal, &mut other, id, at);
        ended(&mut journal, id, at, state);
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
    let steps: i64 = journal
        .connection
        .query_row(
            "SELECT COUNT(*) FROM steps WHERE operation = 'old'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(steps, 0);
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
    journal.commit(&[written(Record::Entry(entry))]).unwrap();
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
    // A cancellation that was told as not made is none, unless it is asked for again itself.
    let Record::Entry(mut dropped) = journal.find("~1").unwrap().unwrap() else {
        panic!("an undoing is an entry");
    };
    let request = CancellationRequest {
        operation: "owed".into(),
        annul: false,
        shift: None,
    };
    dropped.request = ReversalRequest::Cancellation(request);
    dropped.operation.id = "c1".into();
    for (state, rechecks, newest) in [
        (State::Cancelled, vec![], "~1"),
        (State::Failed, vec![], "~1"),
        (State::Failed, vec![now(30).wall], "c1"),
    ] {
        dropped.operation.state = state;
        dropped.rechecks = rechecks;
        let record = Record::Entry(dropped.clone());
        journal.commit(&[written(record)]).unwrap();
        assert_eq!(undoings(&journal, "owed"), ["~1", "c1"]);
        assert_eq!(to_recheck("owed").as_deref(), Some(newest), "{state:?}");
    }
    let forget = "DELETE FROM operations WHERE of = 'owed'";
    journal.connection.execute(forget, []).unwrap();
    assert_eq!(to_recheck("owed").as_deref(), Some("owed"), "it has none");
    assert_eq!(to_recheck("nobody"), None);
}

#[test]
fn a_restart_knows_the_shift_that_the_newest_sale_named() {
    let (_folder, _, mut journal) = owing();
    let Record::Sale(mut sale) = journal.find("owed").unwrap().unwrap() else {
        panic!("a sale is a sale");
    };
    for shift in [Some("7"), Some("8"), None] {
        let BuyerRequest::Sale(request) = &mut sale.request else {
            panic!("it was asked for as a sale");
        };
        request.receipt.shift = shift.map(str::to_owned);
        sale.operation.id = format!("in-{shift:?}");
        let record = Record::Sale(sale.clone());
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
        let (mut other, _) = core(Restored::default());
        begin(&mut journal, &mut other, id, at);
        ended(&mut journal, id, at, state);
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

/// Rows as version 1 wrote them: a paid sale, and a failed one with its undoing.
const VERSION_1: &str = include_str!("tests/version_1.sql");

#[test]
fn a_journal_of_version_1_is_brought_forward() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.sqlite3");
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
fn a_reported_number_of_before_a_refusal_belongs_to_its_reversal() {
    let (_folder, path, mut journal) = owing();
    let Record::Entry(mut entry) = journal.find("~1").unwrap().unwrap() else {
        panic!("an undoing is an entry");
    };
    let before = std::mem::replace(&mut entry.operation.order_number, "new".into());
    entry.earlier = vec!["older".into(), before.clone()];
    journal.commit(&[written(Record::Entry(entry))]).unwrap();
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
    let Record::Entry(mut entry) = journal.find("~1").unwrap().unwrap() else {
        panic!("an undoing is an entry");
    };
    entry.operation.id = "~2".into();
    entry.operation.of = None;
    entry.beside = Some("owed".into());
    entry.set_aside = true;
    let Record::Sale(sale) = journal.find("owed").unwrap().unwrap() else {
        panic!("a sale");
    };
    let receipt = sale.request.receipt().unwrap().number.clone();
    assert_eq!(
        journal.set_aside(&receipt, &sale.operation.shift).unwrap(),
        None
    );
    journal.commit(&[written(Record::Entry(entry))]).unwrap();
    let found = journal.set_aside(&receipt, &sale.operation.shift).unwrap();
    assert_eq!(found.as_deref(), Some("~2"));
}
