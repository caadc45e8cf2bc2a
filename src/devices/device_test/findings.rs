//! What a test with a person has found.

use std::time::Duration;

use super::diagnosis::Finding;
use super::{ClosedLoop, Ended, Reading};
use crate::model::check::{Check, Group, Text, Verdict};
use crate::texts::technician;

impl ClosedLoop {
    /// What was found, once it is over: each fault once, and the speed of what came back whole.
    pub fn checks(&self) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        if !self.is_over() {
            return checks;
        }
        if self.pair.scanner.is_none() {
            return vec![self.digits()];
        }
        let mut faults: Vec<(&Finding, usize)> = Vec::new();
        for reading in &self.readings {
            if reading.finding == Finding::Exact {
                continue;
            }
            let same = |other: &&mut (&Finding, usize)| {
                std::mem::discriminant(other.0) == std::mem::discriminant(&reading.finding)
            };
            match faults.iter_mut().find(same) {
                Some((_, count)) => *count += 1,
                None => faults.push((&reading.finding, 1)),
            }
        }
        let of = self.readings.len();
        for (finding, count) in faults {
            checks.push(self.fault(finding, count, of));
        }
        checks.extend(self.terminator());
        checks.push(self.summary());
        checks
    }

    /// Codes that wait for silence come late, and two read quickly are one.
    fn terminator(&self) -> Option<Check> {
        let codes = self.unterminated;
        (codes > 0).then(|| {
            let detail = technician::findings_no_terminator(codes);
            self.check("scanner.terminator", self.title(), detail)
                .ended(Verdict::Warn, Finding::Glued.remedy())
        })
    }

    fn check(&self, id: &'static str, title: Text, detail: Text) -> Check {
        let subject = self.pair.scanner.as_ref().unwrap_or(&self.pair.display);
        Check::pass(id, Group::Devices, title, detail).of(subject)
    }

    fn title(&self) -> Text {
        let display = &self.pair.display;
        match &self.pair.scanner {
            Some(scanner) => technician::findings_reads(display, scanner),
            None => technician::findings_shows(display),
        }
    }

    fn fault(&self, finding: &Finding, count: usize, of: usize) -> Check {
        let message = finding.message();
        let detail = message.within(|message| technician::findings_times(count, of, message));
        self.check("scanner.reading", self.title(), detail)
            .ended(finding.verdict(), finding.remedy())
    }

    /// How the readings went as a whole. A test in which nothing was read proves nothing, and one that
    /// ended in the middle not enough.
    fn summary(&self) -> Check {
        let exact = self
            .readings
            .iter()
            .filter(|one| one.finding == Finding::Exact);
        let mut times: Vec<Duration> = exact.clone().map(|one| one.took).collect();
        let longest = exact.map(|one| one.length).max().unwrap_or_default();
        let (good, of) = (times.len(), self.codes.len());
        let was_read = |one: &&Reading| one.finding != Finding::Nothing;
        let read = self.readings.iter().filter(was_read).count();
        let whole = self.ended == Some(Ended::Done);
        times.sort();
        let middle = times.get(good / 2).map_or(0, Duration::as_millis);
        let again = Some(technician::FINDINGS_REPEAT_TO_END);
        if read == 0 {
            let detail = technician::FINDINGS_NOTHING_READ;
            return self.speed(detail).ended(Verdict::Skipped, again);
        }
        if !whole {
            let detail = technician::findings_not_to_end(good, of, read);
            return self.speed(detail).ended(Verdict::Warn, again);
        }
        if good == 0 {
            let detail = technician::findings_none_without_fault(of);
            return self.speed(detail).ended(Verdict::Skipped, None);
        }
        self.speed(technician::findings_speed(good, longest, middle, of))
    }

    fn speed(&self, detail: Text) -> Check {
        self.check("scanner.speed", self.title(), detail)
    }

    /// What a person has read off a display without codes.
    fn digits(&self) -> Check {
        let check = |detail| self.check("display.read", self.title(), detail);
        match self.readings.first().map(|one| &one.finding) {
            Some(Finding::Exact) => check(technician::FINDINGS_PERSON_READ_RIGHT),
            None | Some(Finding::Nothing) => check(technician::FINDINGS_NOBODY_TYPED)
                .ended(Verdict::Skipped, Some(technician::FINDINGS_TYPE_DIGITS)),
            Some(_) => check(technician::FINDINGS_PERSON_READ_OTHER)
                .fail(technician::FINDINGS_CHECK_PROFILE),
        }
    }
}
