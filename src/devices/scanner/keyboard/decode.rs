//! Key events into codes.
//!
//! Only presses type; the kernel's repeats (value 2) are an artefact of a slow reader. Caps Lock and
//! Num Lock do nothing: they are states of the system, and the scanner's keys come past the system.
//! Enter, keypad Enter, Tab, Ctrl+M and Ctrl+J end a code, and so does silence. A key that means
//! nothing, and events that the kernel dropped (`SYN_DROPPED`), spoil the code: half a code that looks
//! whole is worse than none.

use std::time::Duration;

use super::keymap::{Held, character, keypad_digit};
use crate::base::text::cp1251;
use crate::devices::profile::schema::Keyboard;
use crate::devices::scanner::frame::MAX_FRAME;
use crate::model::scan::Stroke;

const TAB: u16 = 15;
const ENTER: u16 = 28;
const KEYPAD_ENTER: u16 = 96;
const LEFT_CTRL: u16 = 29;
const RIGHT_CTRL: u16 = 97;
const LEFT_SHIFT: u16 = 42;
const RIGHT_SHIFT: u16 = 54;
const LEFT_ALT: u16 = 56;
const RIGHT_ALT: u16 = 100;
/// Caps Lock, Num Lock, Scroll Lock, Meta left and right.
const WITHOUT_MEANING: [u16; 5] = [58, 69, 70, 125, 126];
/// Press and release of a character with its modifiers, and some reserve.
const MAX_STROKES: usize = MAX_FRAME * 6;

/// A code and the strokes that it was typed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// Its text; `None` when it was spoilt.
    pub text: Option<String>,
    /// As they came, ended so that no key stays down.
    pub strokes: Vec<Stroke>,
}

/// Collects strokes until a code is whole. Pure: time comes in as an argument.
#[derive(Clone, Debug)]
pub struct Decoder {
    settings: Keyboard,
    text: String,
    strokes: Vec<Stroke>,
    down: Vec<u16>,
    /// Digits typed on the keypad while the left Alt is held.
    alt_code: Option<String>,
    spoilt: bool,
    /// Keys of it are lost: what is left would look like another code and is not handed on.
    incomplete: bool,
    last_key: Duration,
    discarded: u64,
}

impl Decoder {
    /// An empty one.
    pub fn new(settings: Keyboard) -> Decoder {
        Decoder {
            settings,
            text: String::new(),
            strokes: Vec::new(),
            down: Vec::new(),
            alt_code: None,
            spoilt: false,
            incomplete: false,
            last_key: Duration::ZERO,
            discarded: 0,
        }
    }

    /// Takes an event's key and value, and gives the code that is whole now.
    pub fn push(&mut self, key: u16, value: i32, now: Duration) -> Option<Typed> {
        match value {
            1 => return self.press(key, now),
            0 => self.release(key),
            _ => {}
        }
        None
    }

    /// The kernel dropped events: what is under way is spoilt, and what is held down unknown.
    pub fn dropped(&mut self, now: Duration) {
        self.spoilt = true;
        self.incomplete = true;
        self.down.clear();
        self.alt_code = None;
        self.last_key = now;
    }

    /// When silence will end the present code; `None` while there is none.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let quiet = Duration::from_millis(self.settings.quiet_ms.into());
        (!self.strokes.is_empty() || self.spoilt).then(|| self.last_key + quiet)
    }

    /// Gives what silence has ended: to be called when a wait ended and nothing had come. Keys that wait
    /// for a busy reader are no silence.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Typed> {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.end()
        } else {
            None
        }
    }

    /// Codes that were spoilt or too long.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    fn press(&mut self, key: u16, now: Duration) -> Option<Typed> {
        if self.down.contains(&key) {
            return None;
        }
        self.last_key = now;
        if self.strokes.is_empty() {
            // What is held since the code before was let go with it.
            self.strokes
                .extend(self.down.iter().map(|key| (*key, true)));
        }
        self.down.push(key);
        if self.strokes.len() < MAX_STROKES {
            self.strokes.push((key, true));
        } else {
            self.spoilt = true;
            self.incomplete = true;
        }
        if is_modifier(key) {
            if key == LEFT_ALT {
                self.alt_code = Some(String::new());
            }
            return None;
        }
        if let (Some(code), Some(digit)) = (&mut self.alt_code, keypad_digit(key)) {
            if code.len() < 4 {
                code.extend(char::from_digit(digit, 10));
            }
            return None;
        }
        if matches!(key, ENTER | KEYPAD_ENTER | TAB) {
            return self.end();
        }
        match character(key, self.held(), self.settings.layout) {
            Some('\r' | '\n') => return self.end(),
            // A prefix for programs that read the keyboard, such as F7.
            None if self.text.is_empty() => {}
            sign => self.take(sign),
        }
        None
    }

    /// Adds a character; what means none, and what is too much, spoils the code.
    fn take(&mut self, sign: Option<char>) {
        match sign {
            Some(sign) if self.text.len() + sign.len_utf8() <= MAX_FRAME => self.text.push(sign),
            Some(_) | None => self.spoilt = true,
        }
    }

    fn release(&mut self, key: u16) {
        // The release of a key whose code has ended was reported with it.
        let Some(at) = self.down.iter().position(|down| *down == key) else {
            return;
        };
        self.down.remove(at);
        if !self.strokes.is_empty() && self.strokes.len() < MAX_STROKES {
            self.strokes.push((key, false));
        }
        if key == LEFT_ALT
            && let Some(code) = self.alt_code.take()
            && !code.is_empty()
        {
            self.take(alt_character(&code));
        }
    }

    fn held(&self) -> Held {
        let down = |keys: [u16; 2]| keys.iter().any(|key| self.down.contains(key));
        Held {
            shift: down([LEFT_SHIFT, RIGHT_SHIFT]),
            ctrl: down([LEFT_CTRL, RIGHT_CTRL]),
            alt_gr: self.down.contains(&RIGHT_ALT),
        }
    }

    fn end(&mut self) -> Option<Typed> {
        let mut strokes = std::mem::take(&mut self.strokes);
        let text = std::mem::take(&mut self.text);
        // Modifiers may stay down over the next code; other keys are let go with this one.
        let held = left_down(&strokes);
        strokes.extend(held.into_iter().rev().map(|key| (key, false)));
        self.down.retain(|key| is_modifier(*key));
        self.alt_code = self.alt_code.take().map(|_| String::new());
        let is_incomplete = std::mem::take(&mut self.incomplete);
        if std::mem::take(&mut self.spoilt) {
            self.discarded += 1;
            return (!strokes.is_empty() && !is_incomplete).then_some(Typed {
                text: None,
                strokes,
            });
        }
        let is_empty = strokes.iter().all(|(key, _)| is_modifier(*key));
        (!is_empty || !text.is_empty()).then_some(Typed {
            text: Some(text),
            strokes,
        })
    }
}

/// Keys that were pressed last, in the order of their presses.
fn left_down(strokes: &[Stroke]) -> Vec<u16> {
    let mut down: Vec<u16> = Vec::new();
    for (key, pressed) in strokes {
        down.retain(|other| other != key);
        if *pressed {
            down.push(*key);
        }
    }
    down
}

fn is_modifier(key: u16) -> bool {
    matches!(
        key,
        LEFT_CTRL | RIGHT_CTRL | LEFT_SHIFT | RIGHT_SHIFT | LEFT_ALT | RIGHT_ALT
    ) || WITHOUT_MEANING.contains(&key)
}

/// Alt with digits, as Windows has it: with a zero in front the ANSI code page, which is CP1251 here;
/// without it ASCII only, since the other page depends on the country.
fn alt_character(code: &str) -> Option<char> {
    let byte: u8 = code.parse().ok()?;
    (code.starts_with('0') || byte < 0x80).then(|| cp1251(byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::devices::scanner::keyboard::keymap::key_of;
    use crate::devices::scanner::vectors::key_events;
    use crate::model::line::Layout;
    use proptest::prelude::*;

    const SOON: Duration = Duration::from_millis(1);

    /// The strokes of a scanner that types a text in the US layout and Enter.
    pub(crate) fn strokes_of(text: &str) -> Vec<(u16, i32)> {
        let mut strokes = Vec::new();
        for sign in text.chars() {
            let (key, shift) = key_of(sign).unwrap();
            if shift {
                strokes.push((LEFT_SHIFT, 1));
            }
            strokes.extend([(key, 1), (key, 0)]);
            if shift {
                strokes.push((LEFT_SHIFT, 0));
            }
        }
        strokes.extend([(ENTER, 1), (ENTER, 0)]);
        strokes
    }

    fn keys(keys: &str) -> Vec<(u16, i32)> {
        key_events(keys).unwrap()
    }

    fn as_strokes(events: &[(u16, i32)]) -> Vec<Stroke> {
        let strokes = events.iter().map(|(key, value)| (*key, *value == 1));
        strokes.collect()
    }

    fn typed(decoder: &mut Decoder, events: &[(u16, i32)]) -> Vec<Typed> {
        let typed = events.iter();
        typed
            .filter_map(|(key, value)| decoder.push(*key, *value, SOON))
            .collect()
    }

    fn texts(decoder: &mut Decoder, events: &[(u16, i32)]) -> Vec<Option<String>> {
        let typed = typed(decoder, events).into_iter();
        typed.map(|typed| typed.text).collect()
    }

    fn us() -> Decoder {
        Decoder::new(Keyboard::default())
    }

    #[test]
    fn what_is_typed_is_read_and_what_was_struck_is_kept() {
        let strokes = strokes_of("Ab-1_?");
        let mut decoder = us();
        let typed = typed(&mut decoder, &strokes);
        assert_eq!(typed.len(), 1);
        assert_eq!(typed[0].text.as_deref(), Some("Ab-1_?"));
        assert_eq!(typed[0].strokes, as_strokes(&strokes));
        assert_eq!(decoder.poll_timeout(), None);
    }

    #[test]
    fn a_modifier_held_over_two_codes_is_pressed_for_each() {
        let mut decoder = us();
        let typed = typed(&mut decoder, &keys("+42 30 28 48 +28"));
        assert_eq!(typed[1].text.as_deref(), Some("B"));
        assert_eq!(typed[1].strokes, as_strokes(&keys("+42 48 28 -42")));
    }

    #[test]
    fn each_end_ends_and_silence_too() {
        for end in [ENTER, KEYPAD_ENTER, TAB] {
            let typed = keys(&format!("30 +{end}"));
            assert_eq!(texts(&mut us(), &typed), [Some("a".to_owned())]);
        }
        let ctrl_m = keys("30 +29 +50");
        assert_eq!(texts(&mut us(), &ctrl_m), [Some("a".to_owned())]);
        let mut decoder = us();
        assert!(texts(&mut decoder, &[(30, 1), (30, 0)]).is_empty());
        let quiet = decoder.poll_timeout().unwrap();
        assert_eq!(decoder.handle_timeout(quiet - SOON), None);
        let ended = decoder.handle_timeout(quiet).unwrap();
        assert_eq!(ended.text.as_deref(), Some("a"));
    }

    #[test]
    fn repeats_locks_and_strange_releases_do_nothing() {
        let repeats = vec![(30, 2), (30, 2)];
        let strokes = [keys("-30 58 +30"), repeats, keys("-30 69 +48 +48 -48 28")];
        assert_eq!(texts(&mut us(), &strokes.concat()), [Some("ab".to_owned())]);
    }

    #[test]
    fn separators_of_marks_pass_by_control_and_by_alt() {
        let gs = keys("30 +29 27 -29 48 +28");
        assert_eq!(texts(&mut us(), &gs), [Some("a\u{1d}b".to_owned())]);
        let alt = |digits: &str| texts(&mut us(), &keys(&format!("+56 {digits} -56 +28")));
        assert_eq!(alt("82 80 73"), [Some("\u{1d}".to_owned())]);
        assert_eq!(alt("82 79 73 80"), [Some("А".to_owned())]);
        assert_eq!(alt("80 80 80"), [None]);
    }

    #[test]
    fn a_spoilt_code_is_discarded_whole_and_the_next_is_not() {
        let mut decoder = us();
        assert!(texts(&mut decoder, &[(30, 1), (30, 0)]).is_empty());
        decoder.dropped(SOON);
        let rest = keys("48 28");
        // Its end alone would be a code that nobody scanned.
        assert!(texts(&mut decoder, &rest).is_empty());
        assert_eq!(decoder.discarded(), 1);
        assert_eq!(
            texts(&mut decoder, &strokes_of("next")),
            [Some("next".to_owned())]
        );
        assert_eq!(texts(&mut decoder, &[(30, 1), (59, 1), (ENTER, 1)]), [None]);
        assert_eq!(decoder.discarded(), 2);
    }

    #[test]
    fn a_function_key_in_front_of_a_code_is_no_part_of_it() {
        let mut decoder = us();
        const F7: u16 = 65;
        let typed = [vec![(F7, 1), (F7, 0)], strokes_of("code")].concat();
        assert_eq!(texts(&mut decoder, &typed), [Some("code".to_owned())]);
        assert_eq!(decoder.discarded(), 0);
    }

    #[test]
    fn a_dropped_event_before_the_first_key_spoils_until_silence() {
        let mut decoder = us();
        decoder.dropped(SOON);
        let quiet = decoder.poll_timeout().unwrap();
        assert_eq!(decoder.handle_timeout(quiet), None);
        assert_eq!(decoder.discarded(), 1);
        let later = strokes_of("x").into_iter();
        let mut later = later.filter_map(|(key, value)| decoder.push(key, value, quiet + SOON));
        assert_eq!(later.next().unwrap().text.as_deref(), Some("x"));
    }

    #[test]
    fn russian_layout_types_russian_and_overlong_codes_end() {
        let mut decoder = Decoder::new(Keyboard {
            layout: Layout::Ru,
            ..Keyboard::default()
        });
        let strokes = keys("+42 34 -42 18 +28");
        assert_eq!(texts(&mut decoder, &strokes), [Some("Пу".to_owned())]);
        let mut decoder = us();
        let long = strokes_of(&"x".repeat(MAX_FRAME + 1));
        assert_eq!(texts(&mut decoder, &long), [None]);
    }

    #[test]
    fn a_code_that_never_ends_grows_no_further() {
        let mut decoder = us();
        // A character by Alt and its number, over and over.
        let character = keys("+56 82 80 72 -56");
        for _ in 0..2 * MAX_STROKES {
            assert_eq!(texts(&mut decoder, &character), []);
        }
        assert!(decoder.text.len() <= MAX_FRAME && decoder.strokes.len() <= MAX_STROKES);
        assert_eq!(texts(&mut decoder, &[(ENTER, 1)]), []);
        assert_eq!(decoder.discarded(), 1);
        assert_eq!(
            texts(&mut decoder, &strokes_of("next")),
            [Some("next".to_owned())]
        );
    }

    #[test]
    fn keys_that_a_busy_reader_took_late_do_not_split_a_code() {
        let mut decoder = us();
        assert!(texts(&mut decoder, &[(30, 1), (30, 0)]).is_empty());
        // They waited in the kernel: no wait for them has ended in silence.
        let late = Duration::from_secs(1);
        assert_eq!(decoder.push(48, 1, late), None);
        let typed = decoder.push(ENTER, 1, late).unwrap();
        assert_eq!(typed.text.as_deref(), Some("ab"));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "[ -~]{1,80}") {
            prop_assert_eq!(texts(&mut us(), &strokes_of(&text)), vec![Some(text)]);
        }

        #[test]
        fn no_storm_of_keys_panics_grows_or_leaves_a_key_down(events in prop::collection::vec((0_u16..260, -1..3), 0..400)) {
            let mut decoder = us();
            let mut typed = typed(&mut decoder, &events);
            typed.extend(decoder.handle_timeout(Duration::from_secs(9)));
            for one in typed {
                for (key, _) in &one.strokes {
                    let last = one.strokes.iter().rev().find(|(other, _)| other == key);
                    prop_assert_eq!(last, Some(&(*key, false)));
                }
            }
            prop_assert_eq!(decoder.poll_timeout(), None);
        }

        #[test]
        fn after_a_storm_and_silence_the_next_code_is_whole(
            events in prop::collection::vec((0_u16..260, -1..4), 0..400),
            text in "[ -~]{1,40}",
        ) {
            let mut decoder = us();
            for (key, value) in events {
                if value == 3 {
                    decoder.dropped(SOON);
                } else {
                    decoder.push(key, value, SOON);
                }
            }
            for modifier in [LEFT_CTRL, RIGHT_CTRL, LEFT_SHIFT, RIGHT_SHIFT, LEFT_ALT, RIGHT_ALT] {
                decoder.push(modifier, 0, SOON);
            }
            decoder.handle_timeout(Duration::from_secs(9));
            prop_assert_eq!(texts(&mut decoder, &strokes_of(&text)), vec![Some(text)]);
        }
    }
}
