//! The engine over a journal in memory whose disk fails on command.

mod retention;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

use super::*;
use crate::core::call::{Failure, Reply as ServiceReply};
use crate::core::event::{JournalContext, Restored};
use crate::core::record::{Account, Record, ReversalRecord};
use crate::core::validate::tests::request;
use crate::journal::Journal;
use crate::model::operation::{Mode, Shows, State};
use crate::model::problem::Code;

/// How a commit fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// ENOSPC.
    Full,
    /// Another process has the file.
    Busy,
    /// EIO, and yet everything was kept.
    Kept,
    /// The file was removed.
    Gone,
    /// The file was overwritten, which is confirmed.
    Damaged,
    /// A read that SQLite takes for damage.
    Doubt,
}

impl Fault {
    fn error(self) -> JournalError {
        let code = match self {
            Fault::Full => ffi::SQLITE_FULL,
            Fault::Busy => ffi::SQLITE_BUSY,
            Fault::Kept => ffi::SQLITE_IOERR,
            Fault::Doubt => ffi::SQLITE_CORRUPT,
            Fault::Damaged => {
                return JournalError::Damaged {
                    path: "j".into(),
                    report: String::new(),
                };
            }
            Fault::Gone => return JournalError::Gone { path: "j".into() },
        };
        JournalError::Statement {
            doing: "written",
            source: rusqlite::Error::SqliteFailure(ffi::Error::new(code), None),
        }
    }
}

struct Disk {
    journal: Journal,
    /// The same database, to look at and to fill.
    control: Connection,
    /// What becomes of the next commits.
    faults: VecDeque<Fault>,
    has_room: bool,
    /// The file was removed.
    is_gone: bool,
    is_uncounted: bool,
    /// Its log was removed as well, and cannot be put back so many times.
    unsecurable: u32,
    reserves_used: u32,
    logs_emptied: u32,
    /// What a look finds.
    look: Option<Fault>,
    looks_in_earnest: u32,
    damage_noted: bool,
    /// What a reading meets.
    unread: Option<Fault>,
    /// What a doubt is in the end.
    verdict: Option<Fault>,
    /// What every purge was to remove.
    purged: Vec<Timestamp>,
}

impl Storage for Disk {
    fn commit(&mut self, writes: &[Write]) -> Result<(), JournalError> {
        let fault = if writes.is_empty() {
            None
        } else {
            self.faults.pop_front()
        };
        match fault {
            None => self.journal.commit(writes),
            Some(fault) => {
                if fault == Fault::Kept {
                    self.journal.commit(writes)?;
                }
                Err(fault.error())
            }
        }
    }

    fn find(&self, id: &str) -> Result<Option<Record>, JournalError> {
        match self.unread {
            Some(fault) => Err(fault.error()),
            None => self.journal.find(id),
        }
    }

    fn context(
        &self,
        requested: &OperationRequest,
        shift: &str,
    ) -> Result<JournalContext, JournalError> {
        self.journal.context(requested, shift)
    }

    fn entry(&self, id: &str) -> Result<Option<(ReversalRecord, Vec<Record>)>, JournalError> {
        self.journal.entry(id)
    }

    fn restore(&self) -> Result<Restored, JournalError> {
        self.journal.restore()
    }

    fn secure_room(&mut self) -> Result<(), JournalError> {
        if self.is_gone {
            return Err(Fault::Gone.error());
        }
        if self.has_room {
            return Ok(());
        }
        Err(JournalError::Full { path: "j".into() })
    }

    fn use_reserve(&mut self) {
        self.reserves_used += 1;
    }

    fn start_aging(&mut self, now: Timestamp) -> Result<bool, JournalError> {
        self.journal.start_aging(now)
    }

    fn purge(&mut self, before: Timestamp, limit: u32) -> Result<u32, JournalError> {
        self.purged.push(before);
        self.journal.purge(before, limit)
    }

    fn empty_log(&mut self) -> bool {
        self.logs_emptied += 1;
        self.journal.empty_log()
    }

    fn operations(&self) -> u64 {
        self.journal.operations()
    }

    fn is_counted(&self) -> bool {
        !self.is_uncounted
    }

    fn look(&mut self, in_earnest: bool) -> Result<(), JournalError> {
        self.looks_in_earnest += u32::from(in_earnest);
        self.look.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn judge(&self, error: JournalError) -> JournalError {
        match self.verdict {
            Some(verdict) if error.is_doubt() => verdict.error(),
            _ => error,
        }
    }

    fn note_damage(&mut self) {
        self.damage_noted = true;
    }

    fn secure_log(&mut self) -> Result<(), JournalError> {
        if self.unsecurable == 0 {
            return Ok(());
        }
        self.unsecurable -= 1;
        Err(JournalError::Full { path: "j".into() })
    }
}

fn now(seconds: u64) -> Now {
    let wall: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
    let mono = Duration::from_secs(seconds);
    Now {
        wall: wall + mono,
        mono,
    }
}

fn settings() -> Settings {
    let core = event::Settings {
        account: Some(Account {
            url: "http://localhost".into(),
            reg_num: "OPL000011111".into(),
        }),
        mode: Mode::DynamicQr,
        timeout: Duration::from_secs(10),
        wait_buyer: Duration::from_secs(180),
        poll_payment: Duration::from_secs(5),
        poll_session: Duration::from_secs(2),
        settle: Duration::from_secs(30),
        valutcode: None,
        buyer_code: Vec::new(),
        order_prefix: order_prefix([7; ORDER_PREFIX_BYTES]),
    };
    Settings {
        core,
        journal_days: 400,
    }
}

fn engine() -> Engine<Disk> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("file:engine-{number}?mode=memory&cache=shared");
    let disk = Disk {
        journal: Journal::in_database(Connection::open(&name).unwrap()).unwrap(),
        control: Connection::open(&name).unwrap(),
        faults: VecDeque::new(),
        has_room: true,
        is_gone: false,
        is_uncounted: false,
        unsecurable: 0,
        reserves_used: 0,
        logs_emptied: 0,
        look: None,
        looks_in_earnest: 0,
        damage_noted: false,
        unread: None,
        verdict: None,
        purged: Vec::new(),
    };
    Engine::start(settings(), disk, now(0)).unwrap().0
}

fn begin(engine: &mut Engine<Disk>, ticket: Ticket, id: &str, at: u64) -> Outcome {
    let mut request = request(100);
    request.receipt.number = format!("r-{id}");
    engine.begin(ticket, id.into(), OperationRequest::Sale(request), now(at))
}

/// The answer to a `PUT`.
fn begun(outcome: &Outcome, asked: Ticket) -> Result<(bool, State), Code> {
    let answers = outcome.effects.iter().filter_map(|effect| {
        let Effect::Reply { ticket, reply } = effect else {
            return None;
        };
        (*ticket == asked).then_some(reply.as_ref())
    });
    let answers: Vec<_> = answers.collect();
    let [Reply::Begun(answer)] = answers[..] else {
        panic!("{outcome:?}")
    };
    let begun = answer
        .as_ref()
        .map(|(made, operation)| (*made, operation.state));
    begun.map_err(|problem| problem.code)
}

fn state(engine: &Engine<Disk>, id: &str) -> Option<State> {
    let found = engine.storage().find(id).unwrap();
    found.map(|record| record.operation().state)
}

/// The request that the outcome lets out.
fn request_of(outcome: &Outcome) -> Option<u64> {
    outcome.effects.iter().find_map(|effect| {
        let Effect::Request { id, .. } = effect else {
            return None;
        };
        Some(*id)
    })
}

#[test]
fn an_order_prefix_is_hexadecimal_and_as_long_as_the_core_allows() {
    let mut random = [0; ORDER_PREFIX_BYTES];
    random[0] = 0x0a;
    random[10] = 0xf1;
    assert_eq!(order_prefix(random), "0a000000000000000000f1");
    assert!(order_prefix(random).len() <= 24);
}

#[test]
fn a_creation_that_cannot_be_written_is_refused_and_forgotten() {
    for fault in [Fault::Full, Fault::Busy] {
        let mut engine = engine();
        engine.storage.faults.push_back(fault);
        let outcome = begin(&mut engine, 1, "s", 1);
        assert_eq!(begun(&outcome, 1), Err(Code::Storage));
        assert_eq!(outcome.writes, []);
        assert_eq!((engine.stalled(), state(&engine, "s")), (None, None));
        assert!(!engine.core().is_occupied());
        let outcome = begin(&mut engine, 2, "s", 2);
        assert_eq!(begun(&outcome, 2), Ok((true, State::New)));
    }
}

#[test]
fn a_creation_that_was_kept_although_its_write_failed_stands() {
    let mut engine = engine();
    engine.storage.faults.push_back(Fault::Kept);
    let outcome = begin(&mut engine, 1, "s", 1);
    assert_eq!(begun(&outcome, 1), Ok((true, State::New)));
    assert_eq!(state(&engine, "s"), Some(State::New));
    let outcome = engine.event(Event::Tick, now(1));
    assert!(request_of(&outcome).is_some(), "the sale goes on");
}

/// A sale whose session was asked for.
fn asking(engine: &mut Engine<Disk>) -> u64 {
    begin(engine, 1, "s", 1);
    let outcome = engine.event(Event::Tick, now(1));
    request_of(&outcome).unwrap()
}

fn session(request: u64) -> Event {
    let session = ServiceReply::Session {
        session: "x".into(),
        shows: Some(Shows::Qr("https://getapp.o-plati.by/x".into())),
    };
    Event::Answered {
        request,
        answer: Ok(session),
    }
}

#[test]
fn nothing_that_follows_from_a_write_is_seen_before_it_is_durable() {
    let mut engine = engine();
    let request = asking(&mut engine);
    engine.storage.faults = [Fault::Full, Fault::Busy, Fault::Kept].into();
    let outcome = engine.event(session(request), now(2));
    assert!(outcome.writes.is_empty() && outcome.effects.is_empty());
    assert_eq!(engine.stalled(), Some(Duration::from_secs(3)));
    assert_eq!(engine.next_wakeup().unwrap().0, Duration::from_secs(3));
    assert_eq!(engine.storage.reserves_used, 1);
    for at in [3, 4] {
        let outcome = engine.retry(now(at));
        assert!(outcome.writes.is_empty() && outcome.effects.is_empty());
        assert_eq!(engine.stalled(), Some(Duration::from_secs(at + 1)));
    }
    let outcome = engine.retry(now(5));
    assert_eq!((outcome.since, outcome.at), (now(2).mono, now(2).wall));
    assert_eq!(outcome.writes.len(), 1);
    assert!(matches!(outcome.effects[..], [Effect::Show(_), ..]));
    assert_eq!(engine.stalled(), None);
    assert_eq!(state(&engine, "s"), Some(State::AwaitingBuyer));
}

#[test]
fn what_is_handed_in_while_a_write_is_stalled_waits_in_its_order() {
    let mut engine = engine();
    let request = asking(&mut engine);
    engine.storage.faults.push_back(Fault::Busy);
    engine.event(session(request), now(2));
    let outcome = engine.abort(2, "s".into(), now(2));
    assert!(outcome.effects.is_empty());
    assert!(begin(&mut engine, 3, "t", 2).effects.is_empty());
    engine.event(Event::Tick, now(2));
    engine.retry(now(3));
    assert_eq!(engine.next_wakeup().unwrap().0, Duration::ZERO);
    let outcome = engine.event(Event::Tick, now(3));
    let aborted = |effect: &Effect| matches!(effect, Effect::Reply { ticket: 2, reply } if matches!(**reply, Reply::Aborted(Ok(_))));
    assert!(outcome.effects.iter().any(aborted), "{outcome:?}");
    let outcome = engine.event(Event::Tick, now(3));
    assert_eq!(begun(&outcome, 3), Ok((true, State::New)));
}

#[test]
fn a_journal_that_is_gone_lets_nothing_out_any_more() {
    let mut engine = engine();
    let request = asking(&mut engine);
    engine.storage.faults.push_back(Fault::Gone);
    let outcome = engine.event(session(request), now(2));
    assert!(engine.is_gone() && outcome.effects.is_empty());
    assert!(engine.retry(now(3)).effects.is_empty());
    assert_eq!(state(&engine, "s"), Some(State::InProgress));
}

#[test]
fn the_daemon_holds_a_removed_log_until_it_is_where_the_next_start_finds_it() {
    let mut engine = engine();
    (engine.storage.is_gone, engine.storage.unsecurable) = (true, 2);
    let mut refused = begin(&mut engine, 1, "s", 1);
    assert!(begun(&refused, 1).is_err() && !engine.is_gone());
    assert_eq!(engine.trouble(), Some(Trouble::Full));
    assert!(engine.pulse(now(60)) && !engine.is_gone());
    let disk = engine.storage();
    assert_eq!((disk.logs_emptied, disk.purged.len()), (0, 0));
    refused = begin(&mut engine, 2, "s", 70);
    assert!(begun(&refused, 2).is_err() && engine.is_gone());
}

#[test]
fn a_journal_that_is_damaged_begins_nothing_until_the_next_start() {
    // A creation meets it, a look does, somebody else who reads does, a doubt turns out to be it.
    for how in 0..4 {
        let mut engine = engine();
        match how {
            0 => {
                engine.storage.faults.push_back(Fault::Damaged);
                let outcome = begin(&mut engine, 1, "s", 1);
                assert_eq!(begun(&outcome, 1), Err(Code::Storage));
            }
            1 => {
                engine.storage.look = Some(Fault::Damaged);
                assert!(engine.pulse(now(1)));
                engine.storage.look = None;
            }
            2 => engine.note(Fault::Damaged.error()),
            _ => {
                engine.storage.unread = Some(Fault::Doubt);
                engine.storage.verdict = Some(Fault::Damaged);
                let outcome = begin(&mut engine, 1, "s", 1);
                assert_eq!(begun(&outcome, 1), Err(Code::Storage));
                engine.storage.unread = None;
            }
        }
        assert!(engine.storage.damage_noted);
        assert_eq!(engine.trouble(), Some(Trouble::Damaged));
        let outcome = begin(&mut engine, 2, "t", 2);
        assert_eq!(begun(&outcome, 2), Err(Code::Storage));
        assert!(outcome.writes.is_empty());
        engine.pulse(now(20));
        assert_eq!(engine.trouble(), Some(Trouble::Damaged));
        assert_eq!(engine.storage.purged.len(), 0);
    }
}

#[test]
fn a_damaged_journal_whose_write_is_stalled_lets_nobody_wait() {
    let mut engine = engine();
    begin(&mut engine, 1, "s", 1);
    engine.storage.faults.push_back(Fault::Damaged);
    engine.event(Event::Tick, now(2));
    assert!(engine.stalled().is_some());
    let outcome = begin(&mut engine, 2, "t", 3);
    assert_eq!(begun(&outcome, 2), Err(Code::Storage));
}

#[test]
fn what_is_not_confirmed_as_damage_is_the_disks_fault_and_heals_with_it() {
    // A creation's reading meets it, its write does, a look does, somebody else who reads does.
    for how in 0..4 {
        let mut engine = engine();
        engine.storage.look = Some(Fault::Doubt);
        match how {
            0 => engine.storage.unread = Some(Fault::Doubt),
            1 => engine.storage.faults.push_back(Fault::Doubt),
            2 => assert!(engine.pulse(now(1))),
            _ => engine.note(Fault::Doubt.error()),
        }
        if how < 2 {
            let outcome = begin(&mut engine, 1, "s", 1);
            assert_eq!(begun(&outcome, 1), Err(Code::Storage));
        }
        assert_eq!(engine.trouble(), Some(Trouble::Disk), "{how}");
        assert!(!engine.storage.damage_noted);
        // The disk answers again.
        engine.storage.unread = None;
        engine.storage.look = None;
        assert!(engine.pulse(now(10)));
        assert_eq!(engine.trouble(), None, "{how}");
        let outcome = begin(&mut engine, 2, "t", 11);
        assert!(begun(&outcome, 2).is_ok(), "{how}");
    }
}

#[test]
fn a_write_that_failed_is_reported_until_one_has_worked() {
    let mut engine = engine();
    engine.pulse(now(1));
    engine.storage.faults.push_back(Fault::Busy);
    let outcome = begin(&mut engine, 1, "s", 2);
    assert_eq!(begun(&outcome, 1), Err(Code::Storage));
    assert_eq!(engine.trouble(), Some(Trouble::Locked));
    engine.storage.look = Some(Fault::Kept);
    engine.pulse(now(10));
    assert_eq!(engine.trouble(), Some(Trouble::Disk), "another cause");
    engine.storage.look = None;
    engine.pulse(now(20));
    assert_eq!(engine.trouble(), None);
    assert_eq!(engine.storage.looks_in_earnest, 2);
    engine.pulse(now(30));
    assert_eq!(
        engine.storage.looks_in_earnest, 2,
        "an idle till writes nothing"
    );
    // A creation that works shows it, too.
    engine.storage.faults.push_back(Fault::Full);
    begin(&mut engine, 2, "s", 31);
    assert_eq!(engine.trouble(), Some(Trouble::Full));
    assert_eq!(
        begun(&begin(&mut engine, 3, "s", 32), 3),
        Ok((true, State::New))
    );
    assert_eq!(engine.trouble(), None);
}

#[test]
fn a_journal_that_is_held_for_long_is_reported_before_a_buyer_meets_it() {
    let mut engine = engine();
    engine.storage.look = Some(Fault::Busy);
    engine.pulse(now(1));
    assert_eq!(engine.trouble(), None, "a moment is no trouble");
    engine.pulse(now(10));
    assert_eq!(engine.trouble(), Some(Trouble::Locked));
    engine.storage.look = None;
    engine.pulse(now(20));
    assert_eq!(engine.trouble(), None);
}

#[test]
fn without_room_nothing_begins_and_what_stands_is_answered() {
    let mut engine = engine();
    begin(&mut engine, 1, "s", 1);
    engine.storage.has_room = false;
    let outcome = begin(&mut engine, 2, "t", 2);
    assert_eq!(begun(&outcome, 2), Err(Code::Storage));
    assert_eq!(engine.trouble(), Some(Trouble::Full));
    let outcome = begin(&mut engine, 3, "s", 3);
    assert_eq!(begun(&outcome, 3), Ok((false, State::New)));
    engine.storage.has_room = true;
    assert!(engine.pulse(now(10)) && engine.trouble().is_none());
    assert!(!engine.pulse(now(11)), "not due yet");
}

#[test]
fn another_engine_takes_up_what_the_storage_holds() {
    let mut engine = engine();
    let request = asking(&mut engine);
    engine.event(session(request), now(2));
    let disk = engine.into_storage();
    let (mut engine, first) = Engine::start(settings(), disk, now(3)).unwrap();
    assert!(engine.core().is_occupied(), "{first:?}");
    // An answer to the process before is nobody's.
    let lost = Failure::NotSent {
        detail: String::new(),
    };
    let answered = Event::Answered {
        request: request + 100,
        answer: Err(lost),
    };
    assert!(engine.event(answered, now(3)).writes.is_empty());
}
