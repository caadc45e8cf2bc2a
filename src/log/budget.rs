//! How much one source of lines may write. A scanner whose line is noise, or that reads one code for ever, filled the
//! disk of a till with more than a gigabyte a day; beyond the budget its lines are counted instead.
//!
//! A source is a place in the program together with the device that the line is about, so that noise of one scanner
//! hides nothing of another. What is asked for by a person, the levels below info, has no budget.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// What a source may write in [`PERIOD`].
const MAX_BYTES: usize = 16 * 1024;
/// The same line may come so often in [`PERIOD`].
const MAX_REPEATS: u32 = 5;
/// A budget is for so long.
const PERIOD: Duration = Duration::from_secs(60);
/// Sources that are known at a time: places in the program are some hundred, devices some few.
const MAX_SOURCES: usize = 1024;

/// Where a line comes from: its place in the program, and the device that it is about.
pub(super) type Source = (Identifier, Option<String>);

/// What each source has written lately.
#[derive(Debug, Default)]
pub(super) struct Budget(HashMap<Source, Spent>);

#[derive(Debug)]
struct Spent {
    since: Instant,
    bytes: usize,
    left_out: u64,
    last: u64,
    repeats: u32,
}

impl Budget {
    /// Whether a line may be written, and then how many of its source were left out before it.
    pub(super) fn admit(&mut self, source: Source, line: &str, now: Instant) -> Option<u64> {
        if self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source) {
            self.0.retain(|_, spent| !spent.is_over(now));
        }
        if self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source) {
            return None;
        }
        let spent = self.0.entry(source).or_insert(Spent::new(now));
        if spent.is_over(now) {
            let left_out = spent.left_out;
            *spent = Spent::new(now);
            spent.left_out = left_out;
        }
        if !spent.pays(line) {
            spent.left_out = spent.left_out.saturating_add(1);
            return None;
        }
        Some(std::mem::take(&mut spent.left_out))
    }
}

impl Spent {
    fn new(now: Instant) -> Spent {
        Spent {
            since: now,
            bytes: 0,
            left_out: 0,
            last: 0,
            repeats: 0,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= PERIOD
    }

    fn pays(&mut self, line: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let line_hash = hasher.finish();
        let is_same = std::mem::replace(&mut self.last, line_hash) == line_hash;
        self.repeats = if is_same {
            self.repeats.saturating_add(1)
        } else {
            1
        };
        let bytes = self.bytes.saturating_add(line.len());
        if self.repeats > MAX_REPEATS || bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Callsite as _;

    fn source(device: &str) -> Source {
        static CALLSITE: tracing::callsite::DefaultCallsite = {
            static METADATA: tracing::Metadata<'static> = tracing::metadata! {
                name: "line",
                target: "oplati",
                level: tracing::Level::INFO,
                fields: &[],
                callsite: &CALLSITE,
                kind: tracing::metadata::Kind::EVENT
            };
            tracing::callsite::DefaultCallsite::new(&METADATA)
        };
        (CALLSITE.metadata().callsite(), Some(device.to_owned()))
    }

    #[test]
    fn repeats_are_counted_and_logged_with_the_next_line() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let written = (0..1000).filter(|_| budget.admit(source("scanner1"), "code", now).is_some());
        assert_eq!(written.count(), 5);
        assert_eq!(budget.admit(source("scanner2"), "code", now), Some(0));
        assert_eq!(budget.admit(source("scanner1"), "another", now), Some(995));
        assert_eq!(budget.admit(source("scanner1"), "code", now), Some(0));
    }

    #[test]
    fn a_source_writes_a_bounded_amount_a_minute() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let mut written = 0;
        for n in 0..60_000_u64 {
            // Ten minutes of a line of noise every 10 ms.
            let line = format!("noise {n} {}", "x".repeat(90));
            let at = now + Duration::from_millis(10 * n);
            if budget.admit(source("scanner1"), &line, at).is_some() {
                written += line.len();
            }
        }
        assert!(
            written <= 10 * MAX_BYTES && written > 9 * MAX_BYTES,
            "{written}"
        );
        let later = now + Duration::from_secs(3600);
        let admitted = budget.admit(source("scanner1"), "well again", later);
        assert!(admitted.is_some_and(|left_out| left_out > 1000));
    }

    #[test]
    fn sources_are_bounded_too() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let admitted = |budget: &mut Budget, at| {
            let devices = 0..2 * MAX_SOURCES;
            let lines = devices.filter(|n| budget.admit(source(&n.to_string()), "x", at).is_some());
            lines.count()
        };
        assert_eq!(admitted(&mut budget, now), MAX_SOURCES);
        assert_eq!(admitted(&mut budget, now + PERIOD), MAX_SOURCES);
        assert!(budget.0.len() <= MAX_SOURCES);
    }
}
