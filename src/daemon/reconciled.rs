//! Which shifts the daily check has reconciled, and in which of them the till and the service differ: beyond a restart.
//!
//! A table of the journal was weighed: its one writer is the core's thread, which must not wait for a report, and a
//! version of the tables would be spent on what can be asked for again. So it is a small file beside the journal,
//! replaced whole and on the disk before it takes the old one's place. What a power cut or a damaged file loses is a
//! day's reconciliation, which then happens once more and moves nothing.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

use super::schedule::{Progress, Trust, shift_of};
use super::state_file::{self, Durable};
use crate::model::health::{Reason, ReasonCode, ReconciliationHealth, ShiftDifferences};
use crate::texts::cashier;

/// Most shifts whose differences are remembered; the oldest give way.
const MAX_SHIFTS: usize = 31;
/// Shifts that a reason of health names.
const MAX_NAMED: usize = 7;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    progress: Progress,
    /// Oldest first.
    #[serde(default)]
    differences: Vec<ShiftDifferences>,
}

/// A shift that is not reconciled although the next one is due already.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Overdue {
    shift: String,
    /// Russian.
    why: String,
}

#[derive(Debug, Default)]
struct Inner {
    kept: Kept,
    /// As the file has it.
    saved: Kept,
    last_error: Option<String>,
    overdue: Option<Overdue>,
}

/// What is known of reconciled shifts.
#[derive(Debug, Default)]
pub(super) struct Reconciled {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Whether the file could not be written, which is logged once; held while it is.
    fails: Mutex<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reconciled {
    /// Goes on from where the last process stopped.
    pub(super) fn open(path: PathBuf) -> Reconciled {
        let mut kept: Kept = state_file::read(&path, "Facts about reconciled shifts");
        kept.differences.truncate(MAX_SHIFTS);
        let inner = Inner {
            saved: kept.clone(),
            kept,
            ..Inner::default()
        };
        Reconciled {
            path,
            inner: Mutex::new(inner),
            fails: Mutex::default(),
        }
    }

    /// Days whose shifts are to be reconciled now, oldest first.
    pub(super) fn due(&self, now: Timestamp, at: Time, clock: Trust) -> Vec<Date> {
        lock(&self.inner).kept.progress.due(now, at, clock)
    }

    /// The daily check has reconciled a day's shift and found so many differences.
    pub(super) fn checked(&self, day: Date, differences: u64, now: Timestamp, at: Time) {
        let mut inner = lock(&self.inner);
        let shift = shift_of(day);
        inner.kept.progress.done(day, now, at);
        inner.overdue = inner.overdue.take().filter(|late| late.shift != shift);
        let known = &mut inner.kept.differences;
        known.retain(|one| one.shift != shift);
        if differences > 0 {
            known.push(ShiftDifferences { shift, differences });
        }
        let surplus = known.len().saturating_sub(MAX_SHIFTS);
        known.drain(..surplus);
    }

    /// Somebody has reconciled a shift and seen what it differs in. That concerns health only where the daily check
    /// has found differences before: what a person asks for, that person sees.
    pub(super) fn seen(&self, shift: &str, differences: u64) {
        let mut inner = lock(&self.inner);
        let known = &mut inner.kept.differences;
        for one in known.iter_mut().filter(|one| one.shift == shift) {
            one.differences = differences;
        }
        known.retain(|one| one.differences > 0);
    }

    /// A try of the daily check failed; `is_late`: the next shift is due already.
    pub(super) fn failed(&self, day: Date, why: &str, is_late: bool) {
        let mut inner = lock(&self.inner);
        inner.last_error = Some(why.to_owned());
        if is_late {
            inner.overdue = Some(Overdue {
                shift: shift_of(day),
                why: why.to_owned(),
            });
        }
    }

    /// All that was due is done.
    pub(super) fn up_to_date(&self) {
        let mut inner = lock(&self.inner);
        inner.last_error = None;
        inner.overdue = None;
    }

    /// For `GET /v1/health`.
    pub(super) fn health(&self) -> ReconciliationHealth {
        let inner = lock(&self.inner);
        let shifts = inner.kept.differences.clone();
        ReconciliationHealth {
            last_shift: inner.kept.progress.until().map(shift_of),
            differences: sum(&shifts),
            shifts,
            last_error: inner.last_error.clone(),
        }
    }

    /// What needs a person, Russian.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let inner = lock(&self.inner);
        let mut reasons = Vec::new();
        let shifts = &inner.kept.differences;
        if !shifts.is_empty() {
            let named = shifts.iter().take(MAX_NAMED);
            let named: Vec<&str> = named.map(|one| one.shift.as_str()).collect();
            let more = if shifts.len() > MAX_NAMED { " …" } else { "" };
            let named = format!("{}{more}", named.join(" "));
            let text = cashier::shifts_differ_reason(sum(shifts), named);
            reasons.push(Reason::new(ReasonCode::ShiftsDiffer, text));
        }
        if let Some(Overdue { shift, why }) = &inner.overdue {
            let text = cashier::shift_overdue_reason(shift, why);
            reasons.push(Reason::new(ReasonCode::ShiftOverdue, text));
        }
        reasons
    }

    /// Writes what has changed, if anything has, on a thread that may wait for the disk.
    pub(super) async fn save(self: &Arc<Reconciled>) {
        let this = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || this.write()).await {
            tracing::error!(%error, "Facts about reconciled shifts are not saved");
        }
    }

    fn write(&self) {
        // One at a time, each with what is known then: nothing older replaces what is newer.
        let mut fails = lock(&self.fails);
        let (kept, saved) = {
            let inner = lock(&self.inner);
            (inner.kept.clone(), inner.saved.clone())
        };
        if kept == saved {
            return;
        }
        let written: io::Result<()> = state_file::replace(&self.path, &kept, Durable::AtOnce);
        let failed_before = std::mem::replace(&mut *fails, written.is_err());
        match written {
            Ok(()) => lock(&self.inner).saved = kept,
            Err(error) if !failed_before => {
                tracing::warn!(%error, path = %self.path.display(), "Facts about reconciled shifts are not saved");
            }
            Err(_) => {}
        }
    }
}

fn sum(shifts: &[ShiftDifferences]) -> u64 {
    let counts = shifts.iter().map(|one| one.differences);
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::text::assert_has;
    use jiff::ToSpan as _;
    use jiff::civil::{date, time};

    const AT: Time = time(4, 0, 0, 0);

    fn noon() -> Timestamp {
        "2026-11-24T09:00:00Z".parse().unwrap()
    }

    fn day(of_november: i8) -> Date {
        date(2026, 11, of_november)
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reconciliations.json");
        (folder, path)
    }

    #[test]
    fn what_is_known_survives_a_restart() {
        let (_folder, path) = place();
        let first = Reconciled::open(path.clone());
        assert_eq!(first.due(noon(), AT, Trust::Unknown), [day(23)]);
        assert_eq!(
            (first.health().last_shift, first.reasons().len()),
            (None, 0)
        );
        first.checked(day(23), 2, noon(), AT);
        first.write();
        let second = Reconciled::open(path);
        assert_eq!(second.due(noon(), AT, Trust::Unknown), []);
        let health = second.health();
        assert_eq!(health.last_shift.as_deref(), Some("23112026"));
        assert_eq!((health.differences, health.shifts.len()), (2, 1));
        assert_has(
            &second.reasons()[0].text,
            ["Расхождений с сервисом: 2, смены 23112026."],
        );
    }

    #[test]
    fn differences_go_when_anybody_finds_none_any_more() {
        let (_folder, path) = place();
        let known = Reconciled::open(path);
        known.checked(day(22), 2, noon(), AT);
        known.checked(day(23), 1, noon(), AT);
        // What the daily check has not found is that person's own.
        known.seen("24112026", 5);
        assert_eq!(known.health().differences, 3);
        known.seen("22112026", 1);
        assert_eq!(known.health().differences, 2);
        known.seen("22112026", 0);
        known.checked(day(23), 0, noon(), AT);
        assert_eq!((known.health().differences, known.reasons().len()), (0, 0));
    }

    #[test]
    fn a_shift_that_stays_unreconciled_needs_a_person() {
        let (_folder, path) = place();
        let known = Reconciled::open(path);
        known.failed(day(22), "Отчёт сервиса не получен.", false);
        assert!(known.reasons().is_empty() && known.health().last_error.is_some());
        known.failed(day(22), "Отчёт сервиса не получен.", true);
        let expected = "Смена 22112026 не сверена. Отчёт сервиса не получен.";
        assert_eq!(
            known.reasons(),
            [Reason::new(ReasonCode::ShiftOverdue, expected)]
        );
        known.checked(day(23), 0, noon(), AT);
        assert_eq!(known.reasons().len(), 1);
        known.checked(day(22), 0, noon(), AT);
        known.up_to_date();
        assert!(known.reasons().is_empty() && known.health().last_error.is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (_folder, path) = place();
        let known = Reconciled::open(path);
        let mut now = noon();
        for count in 0..40 {
            let day = day(23).saturating_add(count.days());
            known.checked(day, 1, now, AT);
            now += jiff::SignedDuration::from_hours(24);
        }
        let health = known.health();
        assert_eq!((health.shifts.len(), health.differences), (31, 31));
        assert_eq!(health.shifts[0].shift, "02122026");
        assert!(known.reasons()[0].text.contains("08122026 …"));
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let (folder, path) = place();
        for damaged in ["", "{\"until\": \"x\"}", "[]", "{\"differences\": {}}"] {
            std::fs::write(&path, damaged).unwrap();
            let known = Reconciled::open(path.clone());
            assert_eq!(known.due(noon(), AT, Trust::Unknown), [day(23)]);
            let aside = folder.path().join("reconciliations.json.damaged");
            assert_eq!(std::fs::read_to_string(aside).unwrap(), damaged);
        }
    }
}
