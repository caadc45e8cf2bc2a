//! Faults that are known and being mended: what the promises do not hold yet. The list ends empty.

/// By their names in the list of faults found.
const KNOWN: &[&str] = &[
    "A1", "A7", "A10", "B1", "B2", "B3", "B4", "B7", "C1", "C2", "C3", "C4",
];

/// Whether a promise is broken by that fault, as is known.
pub fn is_known(fault: &str) -> bool {
    KNOWN.contains(&fault)
}
