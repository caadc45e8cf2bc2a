//! The ways of a service that a seed draws.

use crate::prng::Random;
use crate::service::quirks::{NEVER_S, Quirks};

impl Quirks {
    /// As its buyers and its network happen to be.
    pub fn random(random: &mut Random) -> Quirks {
        let mut quirks = Quirks::default();
        if random.one_in(2) {
            quirks.refuses_pending = random.one_in(3);
            quirks.overtaken = random.one_in(5);
            quirks.takes_used_numbers = random.one_in(3);
            quirks.lag_s = if random.one_in(4) {
                random.below(700)
            } else {
                0
            };
            quirks.own_day = random.one_in(3);
            quirks.sale_shift = random.one_in(4);
            quirks.empty_is_404 = random.one_in(3);
            quirks.changes_its_mind = random.one_in(4);
        }
        // What hides or breaks is rarer: a history with it has fewer good ends.
        if random.one_in(4) {
            quirks.hides_pending = random.one_in(5);
            quirks.hides_reversals = random.one_in(8);
            quirks.empty_purses = random.one_in(5);
            quirks.nameless_rows = random.one_in(8);
            quirks.rows = random.one_in(8).then(|| random.below(6) as usize);
            quirks.slow_reversals_s = match random.below(16) {
                0..3 => 1 + random.below(900),
                3 => NEVER_S,
                _ => 0,
            };
            quirks.failing_reversals = random.one_in(3);
            quirks.reversal_unknown = random.one_in(8);
            quirks.pending_for_ever = random.one_in(5);
            quirks.for_ever = random.one_in(3);
        }
        // As recorded, and as other services may be.
        quirks.holds_answers = random.one_in(2);
        quirks.session_life_s = random.pick(&[0, 60, 60, 60, 7, 25, 90]);
        quirks
    }
}
