//! An error with all its causes on one line. Errors never print their source themselves, so that each cause is stated
//! exactly once, here, at the edge.

use std::error::Error;

/// `cannot open the journal …: unable to open database file`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn each_cause_is_stated_once() {
        let error = Outer("x.conf", std::io::Error::other("disk on fire"));
        assert_eq!(with_causes(&error), "cannot read x.conf: disk on fire");
    }
}
