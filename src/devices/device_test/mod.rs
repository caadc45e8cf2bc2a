//! Codes on a display, read back by a scanner: what a whole till must be able to do, tried with a person.
//!
//! The machine is pure: time and what was read come in, what to show and to report goes out. The daemon
//! drives it between its scans, the command line does when the daemon does not run.
//!
//! A code may come in parts, so that a wrong reading is judged only after [`QUIET`]. Codes and what
//! came back live in memory only: what is reported of them is the finding.

pub(crate) mod checks;
pub(crate) mod diagnosis;
mod findings;

use std::time::Duration;

use self::diagnosis::{Finding, diagnose};
use crate::core::scene::Scene;
use crate::model::check::Text;
use crate::texts::technician;

/// After a reading that is not the code, its other parts may come so long.
pub const QUIET: Duration = Duration::from_millis(700);
/// A person may take so long for one reading.
pub const READING_TIMEOUT: Duration = Duration::from_secs(90);
/// Readings in a row, usually.
pub const USUAL_SCANS: usize = 10;
/// Most readings in a row.
pub const MAX_SCANS: usize = 50;
/// Characters of the codes, in turn: a buyer's code is short, a link long.
const LENGTHS: [usize; 10] = [20, 36, 64, 100, 20, 150, 36, 220, 64, 300];
/// Parts of one code that are kept.
const MAX_PARTS: usize = 16;
/// Most characters that are kept of what came for one code.
const MAX_CHARACTERS: usize = 8192;

const LATIN: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-./:";
const CYRILLIC: [char; 16] = [
    'Ж', 'щ', 'Ы', 'э', 'Ў', 'і', 'Ё', 'ф', 'Я', 'ь', 'Ю', 'г', 'Д', 'л', 'Ц', 'п',
];

/// What is looked at together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The scanner that must read; `None` when a person reads digits off a display without codes.
    pub scanner: Option<String>,
    /// Where the code stands.
    pub display: String,
}

/// What one reading came to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    finding: Finding,
    took: Duration,
    length: usize,
}

/// A test under way.
#[derive(Debug)]
pub struct ClosedLoop {
    pair: Pair,
    codes: Vec<String>,
    readings: Vec<Reading>,
    came: Vec<String>,
    asked_at: Duration,
    last_at: Option<Duration>,
    ended: Option<Ended>,
    unterminated: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    /// Nobody read any more.
    Left,
    /// A person stopped it, or a sale began.
    Stopped,
}

/// What to do after something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing has changed.
    Wait,
    /// Another code is to be shown: [`ClosedLoop::scene`].
    Show,
    Ended,
}

/// A random code of so many characters. Even steps are ASCII, as О!плати's own are.
fn code(length: usize, with_cyrillic: bool, random: &mut impl FnMut() -> u8) -> String {
    (0..length)
        .map(|at| {
            let byte = usize::from(random());
            // The first is Latin, so that a code begins and is distinguished in every layout.
            if with_cyrillic && at % 3 == 2 {
                CYRILLIC.get(byte % CYRILLIC.len()).copied().unwrap_or('Ж')
            } else {
                char::from(LATIN.get(byte % LATIN.len()).copied().unwrap_or(b'A'))
            }
        })
        .collect()
}

impl ClosedLoop {
    /// A test of `scans` readings (1 to [`MAX_SCANS`]) that begins at `now`.
    pub fn new(
        pair: Pair,
        scans: usize,
        now: Duration,
        mut random: impl FnMut() -> u8,
    ) -> ClosedLoop {
        let scans = scans.clamp(1, MAX_SCANS);
        let codes = if pair.scanner.is_some() {
            (0..scans)
                .zip(LENGTHS.iter().cycle())
                .map(|(step, length)| code(*length, step % 2 == 1, &mut random))
                .collect()
        } else {
            // Digits that a person reads off.
            vec![(0..6).map(|_| char::from(b'0' + random() % 10)).collect()]
        };
        ClosedLoop {
            pair,
            codes,
            readings: Vec::new(),
            came: Vec::new(),
            asked_at: now,
            last_at: None,
            ended: None,
            unterminated: 0,
        }
    }

    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The code that stands now.
    fn current(&self) -> Option<&String> {
        self.codes.get(self.readings.len())
    }

    /// What the display must show.
    pub fn scene(&self) -> Scene {
        match (self.ended, self.current()) {
            (None, Some(code)) if self.pair.scanner.is_some() => Scene::qr(code.clone(), None),
            (None, Some(code)) => Scene::code(code.clone(), None),
            _ => Scene::Idle,
        }
    }

    /// The display has no room for the code that stands: a shorter one takes its place. False when none
    /// is short enough.
    pub fn shorten(&mut self) -> bool {
        let at = self.readings.len();
        match self.codes.get_mut(at) {
            Some(code) if code.chars().count() > 20 => {
                *code = code.chars().take(20).collect();
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether what this device reads is for the test.
    pub fn wants(&self, device: &str) -> bool {
        self.ended.is_none()
            && self
                .pair
                .scanner
                .as_deref()
                .is_none_or(|scanner| scanner == device)
    }

    pub fn read(&mut self, text: &str, now: Duration) -> Next {
        let Some(expected) = self.current().cloned() else {
            return Next::Wait;
        };
        let kept: usize = self.came.iter().map(String::len).sum();
        if self.came.len() < MAX_PARTS && kept.saturating_add(text.len()) <= MAX_CHARACTERS {
            self.came.push(text.to_owned());
        }
        self.last_at = Some(now);
        let finding = diagnose(&expected, &self.came);
        if matches!(finding, Finding::Exact | Finding::Split(_)) {
            return self.note(finding, now);
        }
        Next::Wait
    }

    pub fn tick(&mut self, now: Duration) -> Next {
        let Some(expected) = self.current().cloned().filter(|_| self.ended.is_none()) else {
            return Next::Wait;
        };
        if let Some(last) = self.last_at {
            if now.saturating_sub(last) < QUIET {
                return Next::Wait;
            }
            let finding = diagnose(&expected, &self.came);
            return self.note(finding, last);
        }
        if now.saturating_sub(self.asked_at) < READING_TIMEOUT {
            return Next::Wait;
        }
        self.note(Finding::Nothing, now);
        self.ended = Some(Ended::Left);
        Next::Ended
    }

    /// When [`ClosedLoop::tick`] has something to do.
    pub fn wakeup(&self) -> Option<Duration> {
        if self.ended.is_some() {
            return None;
        }
        let asked = self.asked_at + READING_TIMEOUT;
        Some(self.last_at.map_or(asked, |last| last + QUIET))
    }

    /// A person has enough, or a buyer comes.
    pub fn stop(&mut self) {
        if self.ended.is_none() {
            self.ended = Some(Ended::Stopped);
        }
    }

    /// So many of the codes had no terminator: only silence has ended them.
    pub fn note_unterminated(&mut self, codes: u64) {
        self.unterminated = codes;
    }

    fn note(&mut self, finding: Finding, at: Duration) -> Next {
        let length = self.current().map_or(0, |code| code.chars().count());
        self.readings.push(Reading {
            finding,
            took: at.saturating_sub(self.asked_at),
            length,
        });
        self.came.clear();
        self.last_at = None;
        self.asked_at = at;
        if self.current().is_none() {
            self.ended = Some(Ended::Done);
            return Next::Ended;
        }
        Next::Show
    }

    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Readings done, and of how many.
    pub fn progress(&self) -> (usize, usize) {
        (self.readings.len(), self.codes.len())
    }

    /// One line for the technician.
    pub fn message(&self) -> Text {
        let (step, of) = self.progress();
        let display = &self.pair.display;
        match (self.ended, &self.pair.scanner) {
            (Some(Ended::Stopped), _) => technician::DEVICE_TEST_STOPPED,
            (Some(Ended::Left), _) => technician::DEVICE_TEST_LEFT,
            (Some(Ended::Done), _) => technician::DEVICE_TEST_DONE,
            (None, Some(scanner)) => {
                let next = step + 1;
                let read = technician::device_test_read_code(display, next, of, scanner);
                match self.readings.last().map(|last| &last.finding) {
                    None | Some(Finding::Exact) => read,
                    Some(fault) => {
                        let fault = fault.message();
                        read.within(|read| {
                            fault.within(|fault| technician::device_test_last(fault, read))
                        })
                    }
                }
            }
            (None, None) => technician::device_test_type_digits(display),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::check::{Check, Verdict};
    use proptest::prelude::*;

    fn pair() -> Pair {
        Pair {
            scanner: Some("scanner1".to_owned()),
            display: "display1".to_owned(),
        }
    }

    fn test(scans: usize) -> ClosedLoop {
        let mut next = 0_u8;
        ClosedLoop::new(pair(), scans, Duration::ZERO, move || {
            next = next.wrapping_mul(5).wrapping_add(17);
            next
        })
    }

    fn shown(test: &ClosedLoop) -> String {
        let Scene::Qr { payload, .. } = test.scene() else {
            panic!("{:?}", test.scene());
        };
        payload.text().to_owned()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ten_codes_of_20_to_300_characters_and_with_cyrillic_come_back() {
        let mut test = test(10);
        let mut lengths = Vec::new();
        let mut with_cyrillic = 0;
        for step in 1..=10 {
            let code = shown(&test);
            lengths.push(code.chars().count());
            with_cyrillic += usize::from(!code.is_ascii());
            let next = test.read(&code, seconds(step * 2));
            assert_eq!(next, if step == 10 { Next::Ended } else { Next::Show });
        }
        assert_eq!(
            (lengths.iter().min(), lengths.iter().max()),
            (Some(&20), Some(&300))
        );
        assert_eq!(with_cyrillic, 5);
        let checks = test.checks();
        assert_eq!(checks.len(), 1);
        assert!(
            checks[0]
                .detail
                .en
                .starts_with("10 of 10 without fault, usually in 2000 ms")
        );
        assert_eq!(test.scene(), Scene::Idle);
    }

    #[test]
    fn a_fault_is_judged_after_a_while_and_reported_once() {
        let mut test = test(3);
        for step in 0..3 {
            let swapped = shown(&test).to_uppercase();
            assert_eq!(test.read(&swapped, seconds(step * 5 + 1)), Next::Wait);
            assert_eq!(test.tick(seconds(step * 5 + 1)), Next::Wait);
            let next = test.tick(seconds(step * 5 + 2));
            assert_eq!(next, if step == 2 { Next::Ended } else { Next::Show });
        }
        let checks = test.checks();
        assert_eq!(checks[0].result, Verdict::Fail);
        assert!(
            checks[0].detail.en.ends_with("3 of 3"),
            "{:?}",
            checks[0].detail
        );
        assert!(checks[0].remedy.is_some());
    }

    #[test]
    fn a_code_in_parts_is_one_reading() {
        let mut test = test(1);
        let code = shown(&test);
        let (first, second) = code.split_at(5);
        assert_eq!(test.read(first, seconds(1)), Next::Wait);
        assert_eq!(test.read(second, seconds(1)), Next::Ended);
        assert!(test.checks()[0].detail.en.contains("2 parts"));
    }

    #[test]
    fn nobody_and_a_stop_end_it() {
        let mut left = test(3);
        assert_eq!(left.wakeup(), Some(READING_TIMEOUT));
        assert_eq!(left.tick(READING_TIMEOUT), Next::Ended);
        assert_eq!(left.checks()[0].result, Verdict::Fail);
        let mut stopped = test(3);
        stopped.stop();
        assert!(stopped.is_over() && !stopped.wants("scanner1"));
        assert_eq!(stopped.scene(), Scene::Idle);
    }

    fn summary(test: &ClosedLoop) -> Check {
        test.checks().pop().unwrap()
    }

    #[test]
    fn what_was_not_read_to_the_end_does_not_pass() {
        let mut stopped = test(3);
        stopped.stop();
        assert_eq!(stopped.checks().len(), 1);
        assert_eq!(summary(&stopped).result, Verdict::Skipped);
        assert!(
            summary(&stopped)
                .detail
                .ru
                .starts_with("ничего не прочитано")
        );

        let mut halfway = test(3);
        halfway.read(&shown(&halfway), seconds(1));
        let mut left = test(3);
        left.read(&shown(&left), seconds(1));
        halfway.stop();
        left.tick(seconds(1) + READING_TIMEOUT);
        for ended in [halfway, left] {
            let summary = summary(&ended);
            assert_eq!(summary.result, Verdict::Warn);
            let words = "не до конца: прочитано 1 из 3, без ошибок 1";
            assert_eq!(summary.detail.ru, words);
            assert!(summary.remedy.is_some());
        }

        let mut nobody = test(3);
        nobody.tick(READING_TIMEOUT);
        assert_eq!(summary(&nobody).result, Verdict::Skipped);

        let mut wrong = test(1);
        wrong.read("-", seconds(1));
        wrong.tick(seconds(2));
        assert_eq!(summary(&wrong).result, Verdict::Skipped);
        assert!(summary(&wrong).detail.ru.starts_with("ни один из 1"));
    }

    #[test]
    fn digits_pass_only_when_a_person_has_read_them() {
        let new = || {
            let display = "display1".to_owned();
            let pair = Pair {
                scanner: None,
                display,
            };
            ClosedLoop::new(pair, 1, Duration::ZERO, || 7)
        };
        let (mut right, mut wrong, mut left, mut stopped) = (new(), new(), new(), new());
        right.read("777777", seconds(1));
        wrong.read("-", seconds(1));
        wrong.tick(seconds(2));
        left.tick(READING_TIMEOUT);
        stopped.stop();
        for (test, result) in [
            (right, Verdict::Pass),
            (wrong, Verdict::Fail),
            (left, Verdict::Skipped),
            (stopped, Verdict::Skipped),
        ] {
            let checks = test.checks();
            assert_eq!(checks.len(), 1, "{checks:?}");
            assert_eq!((checks[0].id, checks[0].result), ("display.read", result));
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_it_ends(texts in prop::collection::vec(".{0,60}", 0..80)) {
            let mut test = test(5);
            for (at, text) in texts.iter().enumerate() {
                let at = seconds(at as u64);
                if !test.is_over() {
                    test.read(text, at);
                }
                test.tick(at);
                let (step, of) = test.progress();
                prop_assert!(step <= of);
            }
            for _ in 0..6 {
                if let Some(at) = test.wakeup() {
                    test.tick(at);
                }
            }
            prop_assert!(test.is_over());
            prop_assert!(!test.checks().is_empty());
        }
    }
}
