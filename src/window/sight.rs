//! Whether the buyer can see the window.

use oplati::devices::display::Hidden;

/// Looks in a row at which something must stand in the way before it counts: the first one raises the window
/// and calls the screen saver off, the second finds that it did not help.
const LOOKS: u8 = 2;

/// What was met at the last looks.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// As the window system reported last.
    is_covered: bool,
    met: u8,
    hidden: Option<Hidden>,
}

impl Sight {
    pub(super) fn note_covered(&mut self, is_covered: bool) {
        self.is_covered = is_covered;
    }

    /// One look, at least a second after the one before. Where nothing but the idle scene stands there
    /// (`is_needed` is false), other programs may have the screen: what is in the way then is no fault, and what
    /// was one before stays one until the window is seen.
    pub(super) fn look(&mut self, is_needed: bool, is_dark: bool) -> Option<Hidden> {
        let now = if is_dark {
            Some(Hidden::Dark)
        } else {
            self.is_covered.then_some(Hidden::Covered)
        };
        match now {
            None => {
                self.met = 0;
                self.hidden = None;
            }
            Some(_) if !is_needed => self.met = 0,
            Some(_) => {
                self.met = self.met.saturating_add(1);
                if self.met >= LOOKS {
                    self.hidden = now;
                }
            }
        }
        self.hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_raise_helps_against_is_no_fault() {
        let mut sight = Sight::default();
        sight.note_covered(true);
        assert_eq!(sight.look(true, false), None, "it is raised now");
        sight.note_covered(false);
        assert_eq!(sight.look(true, false), None);
        assert_eq!(sight.look(true, true), None);
        assert_eq!(sight.look(true, false), None, "not twice in a row");
        assert_eq!(sight.look(true, true), None);
    }

    #[test]
    fn what_stays_in_the_way_is_reported_until_the_window_is_seen() {
        let mut sight = Sight::default();
        sight.note_covered(true);
        assert_eq!(sight.look(true, false), None);
        assert_eq!(sight.look(true, false), Some(Hidden::Covered));
        assert_eq!(sight.look(true, true), Some(Hidden::Dark));
        // The sale is over, and the technician may look.
        assert_eq!(sight.look(false, false), Some(Hidden::Dark));
        sight.note_covered(false);
        assert_eq!(sight.look(false, false), None);
    }

    #[test]
    fn other_programs_may_have_the_screen_while_nothing_is_shown() {
        let mut sight = Sight::default();
        sight.note_covered(true);
        for _ in 0..5 {
            assert_eq!(sight.look(false, true), None);
        }
        assert_eq!(sight.look(true, false), None, "counted from the scene on");
    }
}
