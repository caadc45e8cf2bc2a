//! Reads the INI text of `oplati.conf` into settings with their places.
//!
//! The public INI crates keep no line numbers of keys, and merge or drop doubled keys in silence;
//! every message of ours names `file:line`. The form is small: sections, `key = value`, whole-line
//! comments with `;` or `#` (a value may hold both characters), UTF-8 with an optional BOM (a comment may
//! be in any coding), LF or CRLF. Quotation marks are part of the value.

/// One `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub section: String,
    pub key: String,
    pub value: String,
    /// From 1.
    pub line: usize,
}

/// A line that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Oddity {
    pub line: usize,
    pub what: String,
}

/// Largest file that is read.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// What may stand before the first line.
pub(super) const BOM: char = '\u{feff}';

/// Whether a line, with or without what stands around its text, says nothing to the program.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start_matches(BOM)
        .trim_start()
        .starts_with([';', '#'])
}

/// Splits a text into its entries, in order; what is neither entry, section nor comment is odd.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<Oddity>) {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let (mut entries, mut oddities) = (Vec::new(), Vec::new());
    let mut section = String::new();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || is_comment(line) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            match rest.strip_suffix(']') {
                Some(name) => name.trim().clone_into(&mut section),
                None => oddities.push(Oddity {
                    line: number,
                    what: format!("{:?} is no [Section]", cut(line)),
                }),
            }
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => entries.push(Entry {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                line: number,
            }),
            // The line may be a secret without its key: it is not repeated.
            Some(_) | None => oddities.push(Oddity {
                line: number,
                what: "neither [Section] nor key = value".to_owned(),
            }),
        }
    }
    (entries, oddities)
}

/// Foreign text made fit for a message.
pub(super) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bom_crlf_comments_and_equal_signs_in_values() {
        let (entries, oddities) = parse(
            "\u{feff}; x\r\n[Main]\r\nurl = http://h/?a=b;c#d\r\n# y\r\n\r\n[ Till ]\nlisten=\n",
        );
        assert_eq!(oddities, []);
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.section.as_str(), e.key.as_str(), e.value.as_str(), e.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("Main", "url", "http://h/?a=b;c#d", 3),
                ("Till", "listen", "", 7)
            ]
        );
    }

    #[test]
    fn odd_lines_are_named_without_their_text() {
        let (entries, oddities) = parse("[Main\nhunter2\n= x\n");
        assert!(entries.is_empty());
        assert_eq!(
            oddities
                .iter()
                .map(|oddity| oddity.line)
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert!(!format!("{oddities:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_lines_are_true(text in "[\\PC\n\r=\\[\\];]{0,200}") {
            let (entries, _) = parse(&text);
            for entry in entries {
                let line = text.split('\n').nth(entry.line - 1).unwrap();
                prop_assert!(line.contains(&entry.key));
            }
        }
    }
}
