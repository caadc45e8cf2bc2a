//! Reads the INI text of `oplati.conf` into settings with their places.
//!
//! The public INI crates keep no line numbers of keys, and merge or drop doubled keys in silence;
//! every message of ours names `file:line`. The form is small: sections, `key = value`, whole-line
//! comments with `;` or `#` (a value may hold both characters), UTF-8 with an optional BOM (a comment may
//! be in any coding), LF or CRLF. Quotation marks are part of the value.

use super::names::KNOWN;

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
    pub what: What,
}

/// Why a line means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It begins or ends a section, but which one cannot be known: what follows belongs to none.
    BrokenHead(String),
    /// The line may be a secret without its key: it is not repeated.
    NoSetting,
    /// A comment that holds carriage returns: what its writer meant for further lines is part of it.
    LinesInComment,
    /// The whole file is one line for whoever ends lines as this program does.
    OneLine,
}

/// Largest file that is read.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// What may stand before the first line.
pub(super) const BOM: char = '\u{feff}';

/// Whether a line, with or without what stands around its text, means nothing to the program.
pub(super) fn is_comment(line: &str) -> bool {
    line.trim_start_matches(BOM)
        .trim_start()
        .starts_with([';', '#'])
}

/// What a line means for sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head<'a> {
    /// The section of this name begins.
    Section(&'a str),
    /// One begins, but which one cannot be known.
    Broken,
    None,
}

/// What a line, without white space around it, means for sections. A head that is not understood ends the section
/// before it all the same: no setting is ever guessed.
pub(super) fn head(line: &str) -> Head<'_> {
    let name = line
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|name| !name.contains(['[', ']']));
    if let Some(name) = name {
        return Head::Section(name.trim());
    }
    let visible =
        line.trim_start_matches(|c: char| c.is_whitespace() || crate::base::text::is_unsafe(c));
    let word = line.trim_matches(|c: char| !c.is_alphanumeric());
    let is_word_alone = KNOWN
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(word));
    let has_bracket = line.contains(['[', ']']) && !line.contains('=');
    if visible.starts_with('[') || has_bracket || is_word_alone {
        return Head::Broken;
    }
    Head::None
}

/// Splits a text into its entries, in order; what is neither entry, section nor comment is odd.
pub(super) fn parse(text: &str) -> (Vec<Entry>, Vec<Oddity>) {
    let text = text.strip_prefix(BOM).unwrap_or(text);
    let (mut entries, mut oddities) = (Vec::new(), Vec::new());
    if !text.contains('\n') && text.trim().contains('\r') {
        let what = What::OneLine;
        return (entries, vec![Oddity { line: 1, what }]);
    }
    let mut section = Some(String::new());
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        let mut odd = |what| oddities.push(Oddity { line: number, what });
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if is_comment(line) {
            if line.contains('\r') {
                odd(What::LinesInComment);
            }
            continue;
        }
        match head(line) {
            Head::Section(name) => {
                section = Some(name.to_owned());
                continue;
            }
            Head::Broken => {
                section = None;
                let shown = if line.starts_with('[') {
                    cut(line)
                } else {
                    String::new()
                };
                odd(What::BrokenHead(shown));
                continue;
            }
            Head::None => {}
        }
        match (line.split_once('='), &section) {
            (Some((key, value)), Some(section)) if !key.trim().is_empty() => entries.push(Entry {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                line: number,
            }),
            // Its section is not known, which is reported for the head.
            (Some(_), None) => {}
            (Some(_) | None, _) => odd(What::NoSetting),
        }
    }
    (entries, oddities)
}

/// How much of a foreign text a message repeats.
const MAX_SHOWN: usize = 60;

/// Foreign text made fit for a message: what shows nothing is named, and a mark shows that more follows.
pub(super) fn cut(text: &str) -> String {
    cut_to(text, MAX_SHOWN)
}

/// As [`cut`], with another length in characters.
pub(super) fn cut_to(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(most) {
        if crate::base::text::is_unsafe(c) {
            shown.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
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
        let (entries, oddities) = parse("[Main\nhunter2\n[Main]\n= x\n");
        assert!(entries.is_empty());
        assert_eq!(
            oddities
                .iter()
                .map(|oddity| oddity.line)
                .collect::<Vec<_>>(),
            [1, 2, 4]
        );
        assert!(!format!("{oddities:?}").contains("hunter2"));
    }

    #[test]
    fn no_key_below_a_broken_head_belongs_to_any_section() {
        for broken in [
            "[Display] ; buyer",
            "[Display] # buyer",
            "[Display",
            "[Display;]x",
            "Display]",
            "[[Display]]",
            "[Display] = x",
            "\u{200b}[Display]",
            "Display",
            "{Display}",
            "［Display］",
            "Display:",
        ] {
            let (entries, oddities) = parse(&format!("[Scanner]\n{broken}\ndevice = none\n"));
            assert_eq!(entries, [], "{broken}");
            assert!(
                matches!(
                    oddities.as_slice(),
                    [Oddity {
                        line: 2,
                        what: What::BrokenHead(_)
                    }]
                ),
                "{broken}: {oddities:?}"
            );
        }
        let (entries, oddities) =
            parse("[Main]\npassword = a[b]\ndisplay = 1\n[ Till ]\nlisten =\n");
        assert_eq!((entries.len(), oddities), (3, vec![]));
    }

    #[test]
    fn lines_that_end_in_carriage_returns_alone_are_no_comment() {
        let (entries, oddities) = parse("; settings\r[Main]\rregNum = OPL000011111\r");
        assert_eq!(entries, []);
        assert_eq!(
            oddities,
            [Oddity {
                line: 1,
                what: What::OneLine
            }]
        );
        let (entries, oddities) = parse("; a\rb\r\n; c\r\r\n[Main]\r\nmode = 1\r\n");
        assert_eq!(entries.len(), 1);
        assert_eq!(
            oddities,
            [Oddity {
                line: 1,
                what: What::LinesInComment
            }]
        );
    }

    #[test]
    fn what_is_cut_or_shows_nothing_is_marked() {
        assert_eq!(cut(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(cut(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert_eq!(cut("a\u{200b}\u{7}b"), "a<U+200B><U+0007>b");
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
