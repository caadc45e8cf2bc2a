//! How long operations are kept, by which clock.

use jiff::SignedDuration;

use super::*;
use crate::base::clock::ServiceClock;

#[test]
fn a_pulse_that_finds_the_journal_gone_touches_nothing_of_it() {
    let mut engine = with_an_old_sale(0);
    confirm(&mut engine, now(3));
    engine.storage.is_gone = true;
    assert!(engine.pulse(now(3)) && engine.is_gone());
    let disk = engine.storage();
    assert_eq!((disk.logs_emptied, disk.purged.len()), (0, 0));
}

#[test]
fn what_is_not_counted_yet_is_looked_at_again_soon_and_not_the_next_day() {
    let mut engine = with_an_old_sale(0);
    confirm(&mut engine, now(3));
    engine.storage.is_uncounted = true;
    engine.pulse(now(3));
    assert!(engine.storage().purged.is_empty());
    engine.storage.is_uncounted = false;
    engine.pulse(now(60));
    assert!(!engine.storage().purged.is_empty());
}

const DAY: u64 = 24 * 3600;

/// A sale of the process before, made by a clock that stood so many seconds off, and aborted.
fn with_an_old_sale(wrong_by: i64) -> Engine<Disk> {
    let mut engine = engine();
    let wrong = |at| Now {
        wall: now(at).wall + SignedDuration::from_secs(wrong_by),
        ..now(at)
    };
    let requested = OperationRequest::Sale(request(100));
    engine.begin(1, "s".into(), requested, wrong(1));
    engine.abort(2, "s".into(), wrong(2));
    assert_eq!(state(&engine, "s"), Some(State::Cancelled));
    Engine::start(settings(), engine.into_storage(), now(3))
        .unwrap()
        .0
}

/// The same instant on a till that was switched on so long ago, with the service's word for it.
fn confirm(engine: &mut Engine<Disk>, now: Now) {
    let clock = ServiceClock::new(now.wall, now.mono);
    engine.event(Event::ServiceClock(clock), now);
}

#[test]
fn an_operation_is_kept_for_its_days_since_a_confirmed_clock_has_seen_it() {
    for wrong_by in [0, -20 * 365 * 86_400, 2 * 365 * 86_400] {
        let mut engine = with_an_old_sale(wrong_by);
        confirm(&mut engine, now(3));
        engine.pulse(now(3));
        let mut engine = restarted(engine, 399 * DAY);
        assert_eq!(state(&engine, "s"), Some(State::Cancelled), "{wrong_by}");
        engine = restarted(engine, 401 * DAY);
        assert_eq!(state(&engine, "s"), None, "{wrong_by}");
    }
}

/// The next process, begun so many seconds after the first, whose clock is confirmed.
fn restarted(engine: Engine<Disk>, at: u64) -> Engine<Disk> {
    let now = Now {
        wall: now(at).wall,
        mono: Duration::from_secs(10),
    };
    let (mut engine, _) = Engine::start(settings(), engine.into_storage(), now).unwrap();
    confirm(&mut engine, now);
    engine.pulse(now);
    engine
}

#[test]
fn an_unconfirmed_clock_removes_nothing_whatever_it_shows() {
    let mut engine = with_an_old_sale(0);
    confirm(&mut engine, now(3));
    engine.pulse(now(3));
    let disk = engine.into_storage();
    let jumped = |mono| Now {
        wall: now(3 * 365 * DAY).wall,
        mono: Duration::from_secs(mono),
    };
    // Before the first answer, and after a jump that no answer has shown yet.
    let (mut engine, _) = Engine::start(settings(), disk, jumped(0)).unwrap();
    engine.pulse(jumped(5));
    confirm(&mut engine, now(10));
    engine.pulse(jumped(15));
    assert_eq!(engine.storage.purged.len(), 1, "by the first process alone");
    assert_eq!(state(&engine, "s"), Some(State::Cancelled));
}

#[test]
fn of_two_clocks_that_agree_the_earlier_one_removes() {
    for ahead in [-90, 90] {
        let mut engine = with_an_old_sale(0);
        let (now, keep) = (now(3), SignedDuration::from_hours(24 * 400));
        let service = now.wall + SignedDuration::from_secs(ahead);
        let clock = ServiceClock::new(service, now.mono);
        engine.event(Event::ServiceClock(clock), now);
        engine.pulse(now);
        assert_eq!(engine.storage.purged, [now.wall.min(service) - keep]);
    }
}

#[test]
fn nothing_is_removed_that_was_finished_in_this_process() {
    let mut short = settings();
    short.journal_days = 1;
    let disk = engine().into_storage();
    let (mut engine, _) = Engine::start(short, disk, now(0)).unwrap();
    confirm(&mut engine, now(0));
    begin(&mut engine, 1, "s", 1);
    engine.abort(2, "s".into(), now(2));
    for day in 0..30 {
        engine.pulse(now(day * DAY + 10));
        engine.pulse(now(day * DAY + 20));
    }
    assert_eq!(state(&engine, "s"), Some(State::Cancelled));
    assert!(engine.storage.purged.len() >= 29, "it was looked for");
}

#[test]
fn a_day_removes_a_bounded_number_of_operations() {
    let mut engine = with_an_old_sale(0);
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
               INSERT INTO operations (id, kind, state, shift, order_number, created_at, updated_at, open, live, \
               set_aside, record, ages_from) SELECT 'old-' || i, 'sale', 'done', '', '', '', '', 0, 0, 0, '', \
               '2020-01-01T00:00:00.000Z' FROM n";
    engine.storage.control.execute(sql, []).unwrap();
    let count = |engine: &Engine<Disk>| -> i64 {
        let sql = "SELECT COUNT(*) FROM operations";
        let row = engine.storage.control.query_row(sql, [], |row| row.get(0));
        row.unwrap()
    };
    confirm(&mut engine, now(3));
    for at in 1..200 {
        engine.pulse(now(5 * at));
    }
    assert_eq!(count(&engine), 2001);
    for at in 1..200 {
        engine.pulse(now(DAY + 2000 + 5 * at));
    }
    assert_eq!(count(&engine), 1);
}
