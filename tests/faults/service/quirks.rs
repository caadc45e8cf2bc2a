//! What a service does otherwise than one would hope, and whether that ends.

/// A reversal that is pending for so many seconds is pending for ever.
pub const NEVER_S: u64 = 1_000_000_000;

#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// A reversal of a pending payment is refused.
    pub refuses_pending: bool,
    /// A reversal of a pending payment comes just after the buyer has paid.
    pub overtaken: bool,
    /// A used order number is taken again.
    pub takes_used_numbers: bool,
    /// Reports show an operation only so many seconds after it was made.
    pub lag_s: u64,
    /// Reports leave out what is pending.
    pub hides_pending: bool,
    /// Reports leave out reversals.
    pub hides_reversals: bool,
    /// Buyers have spent what was refunded to them.
    pub empty_purses: bool,
    /// Its clock is five minutes ahead, and near midnight it files what it is sent under its own day.
    pub own_day: bool,
    /// Reversals are filed under the shift of what they reverse.
    pub sale_shift: bool,
    /// A shift without operations is answered 404.
    pub empty_is_404: bool,
    /// Every report that holds anything holds a row, too, that does not show whose it is.
    pub nameless_rows: bool,
    /// Reports end after so many rows, as if there were no more.
    pub rows: Option<usize>,
    /// A reversal is pending for so many seconds before it is carried out.
    pub slow_reversals_s: u64,
    /// A reversal that is pending is not counted: two may give back more than was paid. The simulation has no such
    /// service; the core's tests have, so that a second reversal that should not have left shows.
    pub counts_no_pending: bool,
    /// What was pending then fails every other time.
    pub failing_reversals: bool,
    /// A reversal cannot be asked for by its own number.
    pub reversal_unknown: bool,
    /// A payment that nobody confirms stays pending.
    pub pending_for_ever: bool,
    /// What the service has cancelled by itself may turn out to be paid.
    pub changes_its_mind: bool,
    /// `POST payments` is answered only when the buyer has decided.
    pub holds_answers: bool,
    /// A session lives for so many seconds; 0: for ever.
    pub session_life_s: u64,
    /// None of this ever gets better.
    pub for_ever: bool,
}

impl Quirks {
    /// Their names, for the counts.
    pub fn names(&self) -> Vec<&'static str> {
        let slow = (1..NEVER_S).contains(&self.slow_reversals_s);
        let named = [
            (
                self.refuses_pending,
                "service refuses to reverse what is pending",
            ),
            (self.overtaken, "buyer overtakes the reversal"),
            (self.takes_used_numbers, "service takes used order numbers"),
            (self.lag_s > 0, "reports lag"),
            (self.hides_pending, "reports leave out what is pending"),
            (self.hides_reversals, "reports leave out reversals"),
            (self.empty_purses, "purse too empty to give a refund back"),
            (self.own_day, "service files under its own day"),
            (
                self.sale_shift,
                "reversals are filed under the sale's shift",
            ),
            (self.empty_is_404, "an empty shift is answered 404"),
            (self.nameless_rows, "reports hold a row without a name"),
            (self.rows.is_some(), "reports end too early"),
            (slow, "reversals are pending first"),
            (
                self.slow_reversals_s == NEVER_S,
                "reversals stay pending for ever",
            ),
            (self.failing_reversals, "pending reversals fail at times"),
            (self.reversal_unknown, "GET of a reversal is refused"),
            (self.pending_for_ever, "what nobody confirms stays pending"),
            (self.changes_its_mind, "service may change a final status"),
            (self.holds_answers, "service holds the answer to a payment"),
            (self.session_life_s > 0, "sessions end"),
            (self.for_ever, "nothing of it ever gets better"),
        ];
        let met = named.into_iter().filter(|(met, _)| *met);
        met.map(|(_, name)| name).collect()
    }

    /// What gets better does; what is the service's way stays.
    pub fn heal(&mut self) {
        if self.for_ever {
            return;
        }
        self.lag_s = 0;
        self.hides_pending = false;
        self.hides_reversals = false;
        self.empty_purses = false;
        self.nameless_rows = false;
        self.rows = None;
        self.failing_reversals = false;
        self.reversal_unknown = false;
        self.pending_for_ever = false;
        if self.slow_reversals_s == NEVER_S {
            self.slow_reversals_s = 0;
        }
    }

    /// Whether reports may lack for ever what the service has done.
    pub fn hides(&self) -> bool {
        self.hides_pending || self.hides_reversals || self.rows.is_some()
    }

    /// Whether a reversal that it could carry out may fail for ever all the same.
    pub fn spoils_reversals(&self) -> bool {
        self.hides()
            || self.nameless_rows
            || self.empty_purses
            || self.failing_reversals
            || self.reversal_unknown
            || self.pending_for_ever
            || self.slow_reversals_s == NEVER_S
    }
}
