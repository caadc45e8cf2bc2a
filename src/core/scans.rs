//! The codes that scanners have read: which one may serve a sale that begins a moment later, and which one was used
//! already. Where a code goes is decided by the sale and the admission.

use std::time::Duration;

use crate::base::secret::Secret;

/// How long before its sale a buyer's code may have been read.
const SCAN_BEFORE_SALE: Duration = Duration::from_secs(1);

/// What is remembered of the codes.
#[derive(Debug, Default)]
pub(super) struct Scans {
    /// The code of the newest sale that had one: a scanner may see the same telephone again.
    last_used: Option<Secret>,
    /// A buyer's code that no operation took, and when it was read.
    unused: Option<(Secret, Duration)>,
    /// When the till asked for the buyer's operation that is under way or waits to begin.
    asked_at: Duration,
}

impl Scans {
    /// The till asks for an operation with a buyer.
    pub(super) fn asked(&mut self, now: Duration) {
        self.asked_at = now;
    }

    /// A buyer's code that no operation takes now.
    pub(super) fn unused(&mut self, code: Secret, now: Duration) {
        self.unused = Some((code, now));
    }

    /// An operation takes the code.
    pub(super) fn used(&mut self, code: Secret) {
        self.last_used = Some(code);
    }

    /// Whether the newest operation with a code has this one.
    pub(super) fn is_last_used(&self, code: &Secret) -> bool {
        self.last_used.as_ref() == Some(code)
    }

    /// The code that was read just before the till asked for a sale, or since then, if it may serve it: "a buyer's
    /// code read at most 1 s before the `PUT`, and not the last one used, counts as scanned". It serves once.
    pub(super) fn take_read_just_before(&mut self) -> Option<Secret> {
        let (code, read_at) = self.unused.take()?;
        let is_fresh = self.asked_at.saturating_sub(read_at) <= SCAN_BEFORE_SALE;
        if !is_fresh || self.is_last_used(&code) {
            return None;
        }
        self.used(code.clone());
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn code(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_code_serves_a_sale_that_is_asked_for_within_a_second() {
        for (asked_at, serves) in [(10, true), (11, true), (12, false)] {
            let mut scans = Scans::default();
            scans.unused(code("a"), 10 * SECOND);
            scans.asked(asked_at * SECOND);
            assert_eq!(
                scans.take_read_just_before().is_some(),
                serves,
                "{asked_at}"
            );
            assert_eq!(scans.take_read_just_before(), None, "it serves once");
        }
    }

    #[test]
    fn a_code_that_is_read_while_the_sale_waits_to_begin_serves_it() {
        let mut scans = Scans::default();
        scans.asked(10 * SECOND);
        scans.unused(code("a"), 12 * SECOND);
        assert_eq!(scans.take_read_just_before(), Some(code("a")));
        assert!(scans.is_last_used(&code("a")));
    }

    #[test]
    fn the_code_of_the_sale_before_serves_none() {
        let mut scans = Scans::default();
        scans.used(code("a"));
        scans.asked(10 * SECOND);
        scans.unused(code("a"), 10 * SECOND);
        assert_eq!(scans.take_read_just_before(), None);
        assert!(!scans.is_last_used(&code("b")));
    }
}
