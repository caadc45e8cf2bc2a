//! Files that are damaged, missing, held, or not what they should be.

use super::*;

#[test]
fn damaged_files_are_quarantined_and_newer_ones_left_alone() {
    let (folder, path) = place();
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let Err(JournalError::Quarantined { folder: kept_in }) = open_again(&path) else {
        panic!()
    };
    let kept = std::fs::read(kept_in.join("journal.sqlite3")).unwrap();
    assert_eq!(kept, vec![7; 8192]);
    // No empty one takes its place by itself, until a person has moved the folder away.
    assert!(matches!(
        Journal::open(&path),
        Err(JournalError::Quarantined { .. })
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
fn a_journal_without_its_content_is_quarantined_with_its_log() {
    let (folder, path) = place();
    let wal = beside(&path, "-wal");
    // The power fails with a sale in the log, and the file system loses the file's content.
    let copy = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let written = {
        let mut journal = reopened(&path);
        journal.secure_room().unwrap();
        let (mut core, _) = core(Restored::default());
        begin(&mut journal, &mut core, "s-1", 0);
        copy("journal.sqlite3-wal")
    };
    let reserve = beside(&path, ".reserve");
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
        let Err(JournalError::Quarantined { folder: kept_in }) = open_again(&path) else {
            panic!("a new journal was begun: {file_stays} {log}")
        };
        assert_eq!(kept_in.join("journal.sqlite3").exists(), file_stays);
        if log {
            assert_eq!(
                std::fs::read(kept_in.join("journal.sqlite3-wal")).unwrap(),
                written
            );
        }
        assert!(!path.exists());
        std::fs::remove_dir_all(folder.path().join("journal.damaged")).unwrap();
    }
    // A person took the journal away: a new one is begun, and its first moments are no damage.
    assert!(
        !reserve.exists(),
        "it would point to a journal that is missing"
    );
    drop(reopened(&path));
    assert!(std::fs::metadata(&path).unwrap().len() > 0);
}

#[test]
fn what_lies_beside_a_missing_journal_begins_no_other() {
    for left in ["-wal", "-shm", ".reserve"] {
        let (folder, path) = place();
        let beside = beside(&path, left);
        std::fs::write(&beside, "").unwrap();
        let seen = inspect(&path);
        assert!(matches!(seen, Err(JournalError::Damaged { .. })), "{left}");
        for _ in 0..2 {
            let opened = open_again(&path);
            assert!(
                matches!(opened, Err(JournalError::Quarantined { .. })),
                "{left}"
            );
            assert!(!path.exists() && !beside.exists(), "{left}");
        }
        // The remedy that the error names.
        std::fs::remove_dir_all(folder.path().join("journal.damaged")).unwrap();
        reopened(&path);
    }
}

#[test]
fn the_end_of_a_journal_that_is_gone_leaves_its_log() {
    for (replaced, by_an_old_one) in [(false, false), (true, false), (true, true)] {
        let (folder, path) = place();
        let wal = beside(&path, "-wal");
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
        match open_again(&path) {
            Ok(journal) => {
                assert!(replaced && !by_an_old_one);
                assert!(journal.find("s1").unwrap().is_some());
            }
            Err(error) => {
                assert!(!replaced || by_an_old_one);
                assert!(matches!(error, JournalError::Quarantined { .. }), "{error}");
            }
        }
    }
}

#[test]
fn a_log_that_is_removed_or_replaced_takes_no_more_writes_and_loses_nothing() {
    for replaced in [false, true] {
        let (folder, path, mut journal, mut core) = opened();
        let reader = Reader::open(&path).unwrap();
        let (log, kept) = (beside(&path, "-wal"), folder.path().join("old log"));
        begin(&mut journal, &mut core, "s1", 1);
        std::fs::copy(&log, &kept).unwrap();
        assert!(journal.empty_log());
        let (mut other, _) = super::tests::core(Restored::default());
        begin(&mut journal, &mut other, "s2", 2);
        std::fs::remove_file(&log).unwrap();
        if replaced {
            std::fs::rename(&kept, &log).unwrap();
        }
        let (mut third, _) = super::tests::core(Restored::default());
        let step = third.handle(a_sale(), now(3));
        for refused in [
            journal.commit(&step.writes),
            journal.secure_room(),
            journal.look(true),
        ] {
            let gone = refused.unwrap_err();
            assert!(matches!(&gone, JournalError::Gone { path } if *path == log));
        }
        assert!(!journal.empty_log());
        journal.secure_log().unwrap();
        journal.secure_log().unwrap();
        drop(journal.close());
        drop(reader);
        let aside = std::fs::read_dir(folder.path().join("journal.damaged"));
        assert_eq!(aside.map_or(0, Iterator::count), usize::from(replaced));
        let journal = reopened(&path);
        assert!(journal.find("s1").unwrap().is_some() && journal.find("s2").unwrap().is_some());
    }
}

/// The log of a journal with `s1` in it is removed; what hinders its rescue is in the way.
fn without_a_log() -> (tempfile::TempDir, PathBuf, Journal) {
    let (folder, path, mut journal, mut core) = opened();
    assert!(journal.empty_log());
    begin(&mut journal, &mut core, "s1", 1);
    std::fs::remove_file(beside(&path, "-wal")).unwrap();
    (folder, path, journal)
}

fn holds_s1(path: &Path) -> bool {
    reopened(path).find("s1").unwrap().is_some()
}

#[test]
fn a_removed_log_is_kept_though_somebody_reads() {
    let (_folder, path, mut journal, mut core) = opened();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT * FROM operations;")
        .unwrap();
    begin(&mut journal, &mut core, "s1", 1);
    std::fs::remove_file(beside(&path, "-wal")).unwrap();
    drop(journal.close());
    drop(reader);
    assert!(holds_s1(&path));
}

#[test]
fn a_replaced_log_is_kept_though_there_is_no_place_for_the_other() {
    let (folder, path, journal) = without_a_log();
    std::fs::write(folder.path().join("journal.damaged"), "a file").unwrap();
    std::fs::write(beside(&path, "-wal"), "somebody's").unwrap();
    drop(journal.close());
    let other = std::fs::read(beside(&path, "-wal.other")).unwrap();
    assert_eq!(other, b"somebody's");
    assert!(holds_s1(&path));
}

#[test]
fn a_removed_log_that_cannot_be_kept_yet_is_kept_later() {
    let (_folder, path, mut journal) = without_a_log();
    let copy = beside(&path, "-wal.new");
    std::fs::create_dir(&copy).unwrap();
    for _ in 0..2 {
        journal.secure_log().unwrap_err();
        assert!(!beside(&path, "-wal").exists());
    }
    std::fs::remove_dir(&copy).unwrap();
    journal.secure_log().unwrap();
    drop(journal.close());
    assert!(holds_s1(&path));
}

#[test]
fn a_removed_log_that_cannot_be_kept_at_all_is_moved_at_last() {
    let (_folder, path, journal) = without_a_log();
    std::fs::create_dir(beside(&path, "-wal.new")).unwrap();
    drop(journal.close());
    assert!(holds_s1(&path));
}

/// By the old index a log that another program has moved into the file looks damaged.
#[test]
fn a_removed_index_is_noticed_and_takes_no_more_writes() {
    let (_folder, path, mut journal, mut core) = opened();
    begin(&mut journal, &mut core, "s1", 1);
    let index = beside(&path, "-shm");
    std::fs::remove_file(&index).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    let moved = "PRAGMA wal_checkpoint(TRUNCATE)";
    other.query_row(moved, [], |_| Ok(())).unwrap();
    for refused in [journal.look(true), journal.secure_room()] {
        let gone = refused.unwrap_err();
        assert!(matches!(&gone, JournalError::Gone { path } if *path == index));
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let damaged = crate::journal::reading(rusqlite::Error::SqliteFailure(code, None));
    assert_eq!(journal.judge(damaged).trouble(), Trouble::Gone);
    journal.secure_log().unwrap();
    drop(journal.close());
    drop(other);
    assert!(holds_s1(&path));
}

#[test]
fn damage_that_is_met_while_it_runs_is_reported_and_known_at_the_next_start() {
    for damaged in ["", "-wal"] {
        let (folder, path, mut journal, mut core) = opened();
        begin(&mut journal, &mut core, "s1", 1);
        if damaged.is_empty() {
            assert!(journal.empty_log());
        }
        journal.secure_room().unwrap();
        journal.look(true).unwrap();
        let file = beside(&path, damaged);
        std::fs::write(file, "").unwrap();
        let written = std::fs::read(beside(&path, "-wal")).unwrap();
        let error = journal.look(true).unwrap_err();
        let error = journal.judge(error);
        assert_eq!(error.trouble(), Trouble::Damaged, "{error:?}");
        let error = journal.secure_room().unwrap_err();
        let error = journal.judge(error);
        assert_eq!(error.trouble(), Trouble::Damaged, "{error:?}");
        let log = std::fs::read(beside(&path, "-wal")).unwrap();
        assert_eq!(log, written, "a look takes nothing away");
        drop(journal.close());
        let opened = open_again(&path);
        assert!(matches!(opened, Err(JournalError::Quarantined { .. })));
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
fn what_takes_the_place_of_lock_or_reserve_is_named_and_not_waited_for() {
    let (_folder, path) = place();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let pipe = |ending: &str| {
        let path = beside(&path, ending);
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
    std::fs::remove_dir(beside(&path, ".reserve")).unwrap();
    for ending in ["-wal", "-shm"] {
        drop(std::fs::remove_file(beside(&path, ending)));
    }
    pipe("");
    assert!(matches!(inspect(&path), Err(JournalError::Prepare { .. })));
}

#[test]
fn a_look_finds_who_holds_the_journal_and_waits_for_nobody() {
    let (_folder, path) = place();
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
    let (_folder, path) = place();
    let mut journal = Journal::open(&path).unwrap();
    let reserve = beside(&path, ".reserve");
    journal.secure_room().unwrap();
    assert_eq!(std::fs::metadata(&reserve).unwrap().len(), 2 * 1024 * 1024);
    journal.use_reserve();
    assert!(!reserve.exists());
    journal.secure_room().unwrap();
    assert!(reserve.exists());
}

#[test]
fn a_second_writer_gets_the_holder_of_the_journal() {
    let (_folder, path) = place();
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
