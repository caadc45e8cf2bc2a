//! What the journal keeps as a whole, finds at a restart, and returns for a request.

use super::*;
use crate::model::money::Kopecks;
use crate::model::operation::RefundRequest;

/// An entry like the undoing, but with that name and of that operation.
fn entry(journal: &Journal, id: &str, kind: Kind, of: Option<&str>) -> ReversalRecord {
    let mut entry = undoing(journal);
    let operation = &mut entry.operation;
    (operation.id, operation.kind) = (id.into(), kind);
    operation.of = of.map(Into::into);
    operation.order_number = format!("n-{id}");
    entry
}

/// A sale that was paid as the service's number 7, in that shift.
fn paid(journal: &mut Journal, id: &str, shift: &str) {
    over(journal, id, 10, State::Done);
    let mut record = journal.find(id).unwrap().unwrap();
    let operation = record.operation_mut();
    (operation.payment_id, operation.shift) = (Some(7), shift.into());
    journal.commit(&[written(record)]).unwrap();
}

fn refund_of_payment(payment_id: i64) -> OperationRequest {
    OperationRequest::Refund(RefundRequest {
        sale: None,
        payment_id: Some(payment_id),
        amount: Kopecks(100),
        receipt: request(100).receipt,
    })
}

#[test]
fn a_step_is_kept_whole_or_not_at_all() {
    let (_folder, _, mut journal) = owing();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON operations WHEN NEW.id = 'c2' \
                  BEGIN SELECT RAISE(ABORT, 'no'); END";
    journal.connection.execute_batch(refuse).unwrap();
    let writes = ["c1", "c2"].map(|id| {
        let entry = entry(&journal, id, Kind::Cancel, Some("owed"));
        written(Record::Entry(Box::new(entry)))
    });
    assert!(journal.commit(&writes).is_err());
    assert_eq!(journal.find("c1").unwrap(), None);
}

#[test]
fn an_entry_comes_with_what_it_reverses_and_with_the_sale_of_a_refund() {
    let (_folder, _, mut journal) = owing();
    let refund = entry(&journal, "r1", Kind::Refund, Some("owed"));
    keep(&mut journal, refund);
    for (id, of, expected) in [
        ("c1", Some("r1"), vec!["r1", "owed"]),
        ("c2", Some("owed"), vec!["owed"]),
        ("c3", Some("purged"), vec![]),
        ("c4", None, vec![]),
    ] {
        let reversal = entry(&journal, id, Kind::CancelRefund, of);
        keep(&mut journal, reversal);
        let (found, targets) = journal.entry(id).unwrap().unwrap();
        assert_eq!(found.operation.id, id);
        let targets = targets.iter().map(|target| target.operation().id.clone());
        assert_eq!(targets.collect::<Vec<_>>(), expected, "{id}");
    }
}

#[test]
fn a_closed_journal_is_locked_until_the_last_request_has_ended() {
    let (_folder, path, journal) = owing();
    let lock = journal.close();
    let error = Journal::open(&path).unwrap_err();
    assert!(matches!(error, JournalError::Taken { .. }), "{error:?}");
    drop(lock);
    reopened(&path);
}

#[test]
fn nothing_is_written_through_what_lies_in_the_place_of_the_lock() {
    let (folder, path) = place();
    let lock_file = beside(&path, ".lock");
    let token = folder.path().join("token.conf");
    std::fs::write(&token, "the only token").unwrap();
    for make in [
        (|from, to| std::os::unix::fs::symlink(from, to)) as fn(_, _) -> _,
        |from: &std::path::Path, to: &std::path::Path| std::fs::hard_link(from, to),
    ] {
        make(&token, &lock_file).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(matches!(error, JournalError::Prepare { .. }), "{error:?}");
        assert_eq!(std::fs::read(&token).unwrap(), b"the only token");
        std::fs::remove_file(&lock_file).unwrap();
    }
    reopened(&path);
}

#[test]
fn a_program_that_locks_the_journal_is_no_daemon_of_ours() {
    let (folder, path, journal) = owing();
    drop(journal.close());
    for name in ["journal.sqlite3", "journal.sqlite3.lock"] {
        let mut backup = std::process::Command::new("flock")
            .args(["--shared", "--no-fork"])
            .arg(folder.path().join(name))
            .args(["sleep", "60"])
            .spawn()
            .unwrap();
        let holder = (0..600).find_map(|_| match Journal::open(&path) {
            Ok(journal) => {
                drop(journal.close());
                std::thread::sleep(Duration::from_millis(50));
                None
            }
            Err(JournalError::Locked { holder, .. }) => Some(holder),
            Err(error) => panic!("{error:?}"),
        });
        backup.kill().unwrap();
        backup.wait().unwrap();
        let pid = backup.id().to_string();
        assert!(holder.unwrap().ends_with(&format!("(pid {pid})")), "{name}");
    }
    reopened(&path);
}

#[test]
fn a_journal_is_held_though_its_lock_was_removed_or_it_has_another_name() {
    let (folder, path, journal) = owing();
    let elsewhere = folder.path().join("elsewhere.sqlite3");
    std::fs::hard_link(&path, &elsewhere).unwrap();
    let lock_file = beside(&path, ".lock");
    let is_held = |path: &std::path::Path| {
        let error = Journal::open(path).unwrap_err();
        let JournalError::Taken { pid, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(pid, std::process::id().to_string());
    };
    is_held(&elsewhere);
    std::fs::remove_file(&lock_file).unwrap();
    is_held(&path);
    // Nor is it free while the last request of the process may be under way.
    let lock = journal.close();
    std::fs::remove_file(&lock_file).unwrap();
    is_held(&path);
    is_held(&elsewhere);
    drop(lock);
    reopened(&path);
}

#[test]
fn a_restart_finds_the_refund_that_is_cancelled_and_its_sale() {
    let (_folder, _, mut journal) = owing();
    let mut refund = entry(&journal, "r1", Kind::Refund, Some("owed"));
    refund.operation.state = State::Done;
    keep(&mut journal, refund);
    let cancellation = entry(&journal, "c1", Kind::CancelRefund, Some("r1"));
    keep(&mut journal, cancellation);
    let mut own = undoing(&journal);
    own.operation.state = State::Done;
    keep(&mut journal, own);
    let restored = journal.restore().unwrap();
    let targets = restored.targets.iter().map(|one| &one.operation().id);
    assert_eq!(targets.collect::<Vec<_>>(), ["r1", "owed"]);
}

#[test]
fn a_restart_finds_the_witnesses_of_every_shift_that_is_asked_for() {
    let (_folder, _, mut journal) = owing();
    let asked_for = undoing(&journal).target.shift;
    paid(&mut journal, "a", &asked_for);
    paid(&mut journal, "b", "another shift");
    paid(&mut journal, "c", "the newest shift");
    let restored = journal.restore().unwrap();
    let mut ids: Vec<_> = restored
        .witnesses
        .iter()
        .map(|one| one.operation.id.as_str())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "c"]);
}

#[test]
fn what_a_cashier_waits_for_is_in_the_queue() {
    let (_folder, path, mut journal) = owing();
    let mut attended = entry(&journal, "c1", Kind::Cancel, Some("owed"));
    attended.request = ReversalRequest::Cancellation(cancellation_of("owed"));
    attended.operation.state = State::New;
    assert!(attended.is_attended());
    keep(&mut journal, attended);
    let queue = Reader::open(&path).unwrap().queue().unwrap();
    let ids: Vec<_> = queue.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["~1", "c1"]);
}

#[test]
fn the_facts_of_a_refund_by_payment_are_our_sale_or_what_was_refunded_before() {
    let (_folder, _, mut journal) = owing();
    paid(&mut journal, "s", "24112026");
    let context = journal.context(&refund_of_payment(7), "24112026").unwrap();
    assert_eq!(context.target.unwrap().operation().id, "s");
    let mut refund = entry(&journal, "r8", Kind::Refund, None);
    refund.target.payment_id = Some(8);
    keep(&mut journal, refund);
    let context = journal.context(&refund_of_payment(8), "24112026").unwrap();
    let reversals = context.reversals.iter().map(|one| &one.operation.id);
    assert_eq!(reversals.collect::<Vec<_>>(), ["r8"]);
    assert_eq!(context.target, None);
}

#[test]
fn the_facts_of_a_refunds_cancellation_hold_its_sale() {
    let (_folder, _, mut journal) = owing();
    let refund = entry(&journal, "r1", Kind::Refund, Some("owed"));
    keep(&mut journal, refund);
    let requested = OperationRequest::Cancellation(cancellation_of("r1"));
    let context = journal.context(&requested, "24112026").unwrap();
    assert_eq!(context.target.unwrap().operation().id, "r1");
    assert_eq!(context.sale.unwrap().operation().id, "owed");
}

#[test]
fn the_facts_of_a_sale_name_what_bars_its_receipt() {
    let (_folder, _, mut journal) = owing();
    let mut aside = undoing(&journal);
    aside.set_aside = true;
    keep(&mut journal, aside);
    let mut sale = request(100);
    sale.receipt.number = "r-owed".into();
    let requested = OperationRequest::Sale(sale);
    let context = journal.context(&requested, "24112026").unwrap();
    assert_eq!(context.set_aside.as_deref(), Some("~1"));
    let context = journal.context(&requested, "25112026").unwrap();
    assert_eq!(context.set_aside, None);
}

#[test]
fn what_is_only_asked_for_again_is_finished() {
    let (_folder, _, mut journal) = owing();
    assert_eq!(journal.unfinished().unwrap(), 1);
    let mut watched = undoing(&journal);
    watched.operation.state = State::Done;
    watched.rechecks = vec![now(600).wall];
    keep(&mut journal, watched);
    assert_eq!(journal.restore().unwrap().entries.len(), 1);
    assert_eq!(journal.unfinished().unwrap(), 0);
}
