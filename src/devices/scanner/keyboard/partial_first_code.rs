//! Whether the first code after a keyboard was opened lacks its beginning.
//!
//! A scanner types evenly. Opened in mid-code, it gives its next key no later than one key takes; a code
//! that began afterwards is preceded by more than that. A fixed pause would not do: the slowest scanners
//! take longer for one key than the fastest, plugged in by a scan, take to begin.

use std::time::{Duration, SystemTime};

/// By how much the keys of a scanner may come unevenly.
const UNEVENNESS: u32 = 2;

/// Watches the first code. Times are those that the kernel gives to keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum FirstCode {
    /// No key has come.
    Opened { at: SystemTime, quiet: Duration },
    /// The first code is under way.
    Typed {
        silence: Duration,
        first: SystemTime,
        last: SystemTime,
        keys: u32,
        quiet: Duration,
    },
    /// What is typed now began after the opening.
    Seen,
}

impl FirstCode {
    /// Of a keyboard whose nodes were all grabbed at `at`, and whose codes end with `quiet`.
    pub(super) fn new(at: SystemTime, quiet: Duration) -> FirstCode {
        FirstCode::Opened { at, quiet }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, at: SystemTime) {
        let since = |earlier: SystemTime| at.duration_since(earlier);
        *self = match *self {
            FirstCode::Opened { at: opened, quiet } => {
                let silence = match since(opened) {
                    Ok(silence) if silence <= quiet => Some(silence),
                    // It came while the nodes were grabbed; a clock that was set back shows nothing.
                    Err(error) if error.duration() <= quiet => Some(Duration::ZERO),
                    Ok(_) | Err(_) => None,
                };
                silence.map_or(FirstCode::Seen, |silence| FirstCode::Typed {
                    silence,
                    first: at,
                    last: at,
                    keys: 1,
                    quiet,
                })
            }
            FirstCode::Typed {
                silence,
                first,
                last,
                keys,
                quiet,
            } => match since(last) {
                Ok(gap) if gap <= quiet => FirstCode::Typed {
                    silence,
                    first,
                    last: at,
                    // A key and its modifiers are pressed by one report.
                    keys: keys.saturating_add(u32::from(!gap.is_zero())),
                    quiet,
                },
                Ok(_) | Err(_) => FirstCode::Seen,
            },
            FirstCode::Seen => FirstCode::Seen,
        };
    }

    /// A code has ended; whether its beginning may be missing.
    pub(super) fn ends_cut(&mut self) -> bool {
        let FirstCode::Typed {
            silence,
            first,
            last,
            keys,
            ..
        } = std::mem::replace(self, FirstCode::Seen)
        else {
            return false;
        };
        let took = last.duration_since(first).unwrap_or_default();
        let gaps = keys.saturating_sub(1);
        silence * gaps < took * UNEVENNESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(100);

    /// A code of `keys` keys, `gap` ms each, the first `silence` ms after the opening.
    fn is_cut(silence: u64, gap: u64, keys: u64) -> bool {
        let opened = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let mut first_code = FirstCode::new(opened, QUIET);
        for key in 0..keys {
            first_code.key(opened + Duration::from_millis(silence + key * gap));
        }
        let is_cut = first_code.ends_cut();
        first_code.key(opened + Duration::from_millis(silence + keys * gap));
        assert!(!first_code.ends_cut(), "only the first code can be cut");
        is_cut
    }

    #[test]
    fn a_code_whose_first_key_came_as_soon_as_the_next_one_is_cut() {
        for (silence, gap, keys) in [(0, 1, 30), (7, 8, 2), (8, 8, 20), (30, 40, 5)] {
            assert!(is_cut(silence, gap, keys), "{silence} {gap} {keys}");
        }
    }

    #[test]
    fn a_code_that_began_after_some_silence_is_whole() {
        for (silence, gap, keys) in [(3, 1, 30), (40, 8, 20), (101, 90, 5), (5, 0, 30), (0, 5, 1)] {
            assert!(!is_cut(silence, gap, keys), "{silence} {gap} {keys}");
        }
    }

    #[test]
    fn modifiers_of_one_report_make_no_key_of_their_own() {
        let opened = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let mut first_code = FirstCode::new(opened, QUIET);
        for key in 0..10 {
            let at = opened + Duration::from_millis(14 + key * 8);
            first_code.key(at);
            first_code.key(at);
        }
        assert!(first_code.ends_cut(), "14 ms are less than two keys take");
    }

    #[test]
    fn a_clock_that_was_set_back_drops_nothing() {
        let opened = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (back, is_cut) in [(5, true), (3_600_000, false)] {
            let mut first_code = FirstCode::new(opened, QUIET);
            let first = opened - Duration::from_millis(back);
            for key in 0..10 {
                first_code.key(first + Duration::from_millis(key * 8));
            }
            assert_eq!(first_code.ends_cut(), is_cut, "{back}");
        }
    }

    #[test]
    fn silence_between_two_keys_ends_the_doubt() {
        let opened = SystemTime::UNIX_EPOCH;
        let mut first_code = FirstCode::new(opened, QUIET);
        for at in [0, 5, 200, 205] {
            first_code.key(opened + Duration::from_millis(at));
        }
        assert!(!first_code.ends_cut());
    }
}
