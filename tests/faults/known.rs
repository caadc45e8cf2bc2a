//! Faults that are known and being mended: what the promises do not hold yet. The list ends empty.

/// By their names in the list of faults found.
const KNOWN: &[&str] = &["S8", "S9", "S10"];

/// Whether a promise is broken by that fault, as is known.
pub fn is_known(fault: &str) -> bool {
    KNOWN.contains(&fault)
}
