//! What a test with a person has found.

use std::time::Duration;

use super::diagnosis::Finding;
use super::{ClosedLoop, Ended, Reading};
use crate::model::check::{Check, Group, Text, Verdict};

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
            let detail = Text::new(
                format!("сканер не посылает конец кода; раз: {codes}"),
                format!("the scanner sends no terminator; {codes} times"),
            );
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
            Some(scanner) => Text::new(
                format!("{scanner} читает с {display}"),
                format!("{scanner} reads from {display}"),
            ),
            None => Text::new(format!("{display} показывает"), format!("{display} shows")),
        }
    }

    fn fault(&self, finding: &Finding, count: usize, of: usize) -> Check {
        let says = finding.says();
        let detail = Text::new(
            format!("{}; раз: {count} из {of}", says.ru),
            format!("{}; {count} of {of}", says.en),
        );
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
        let again = Some(Text::new(
            "Повторите проверку до конца",
            "Do the test again, to its end",
        ));
        if read == 0 {
            let detail = Text::new(
                "ничего не прочитано, скорость неизвестна",
                "nothing was read, the speed is not known",
            );
            return self.speed(detail).ended(Verdict::Skipped, again);
        }
        if !whole {
            let detail = Text::new(
                format!("не до конца: прочитано {read} из {of}, без ошибок {good}"),
                format!("not to its end: {read} of {of} read, {good} without fault"),
            );
            return self.speed(detail).ended(Verdict::Warn, again);
        }
        if good == 0 {
            let detail = Text::new(
                format!("ни один из {of} кодов не прочитан без ошибок, скорость неизвестна"),
                format!("none of {of} codes was read without fault, the speed is not known"),
            );
            return self.speed(detail).ended(Verdict::Skipped, None);
        }
        self.speed(Text::new(
            format!("без ошибок {good} из {of}, обычно за {middle} мс, до {longest} символов"),
            format!(
                "{good} of {of} without fault, usually in {middle} ms, up to {longest} characters"
            ),
        ))
    }

    fn speed(&self, detail: Text) -> Check {
        self.check("scanner.speed", self.title(), detail)
    }

    /// What a person has read off a display without codes.
    fn digits(&self) -> Check {
        let check = |ru, en| self.check("display.read", self.title(), Text::new(ru, en));
        match self.readings.first().map(|one| &one.finding) {
            Some(Finding::Exact) => check(
                "человек прочитал то, что показано",
                "a person read what is shown",
            ),
            None | Some(Finding::Nothing) => {
                check("никто не ввёл цифры", "nobody typed the digits").ended(
                    Verdict::Skipped,
                    Some(Text::new(
                        "Повторите проверку и введите цифры с дисплея",
                        "Do the test again and type the digits of the display",
                    )),
                )
            }
            Some(_) => check("человек прочитал другое", "a person read something else").fail(
                "Проверьте profile дисплея в oplati.conf: oplati devices profiles",
                "Check the display's profile in oplati.conf: oplati devices profiles",
            ),
        }
    }
}
