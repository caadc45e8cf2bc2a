//! The one place that prints.

use std::io::{self, IsTerminal as _, Write as _};

use crate::log::is_unsafe;

/// Where results and remarks go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Results as JSON.
    pub json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output { json }
    }

    /// A line of the result.
    pub(super) fn line(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// A value of the result, for programs.
    pub(super) fn value(self, value: &impl serde::Serialize) -> io::Result<()> {
        self.line(&serde_json::to_string(value).map_err(io::Error::other)?)
    }

    /// Columns of the terminal that the result goes to; `None` for files and pipes.
    pub(super) fn width(self) -> Option<usize> {
        let stdout = io::stdout();
        let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
        // A terminal that does not know its size says 0.
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// A remark; who has closed standard error does not want it.
    pub(super) fn note(self, text: &str) {
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// A line that the next one overwrites, for who watches a terminal.
    pub(super) fn status(self, text: &str) {
        if self.is_watched() {
            let mut stderr = io::stderr().lock();
            drop(write!(stderr, "\r\u{1b}[K{text}").and_then(|()| stderr.flush()));
        }
    }

    /// Removes the line of [`Output::status`].
    pub(super) fn clear_status(self) {
        self.status("");
    }

    /// Whether a person reads the remarks as they come.
    pub(super) fn is_watched(self) -> bool {
        io::stderr().is_terminal()
    }
}

/// Foreign text made fit for a terminal: whoever chose it must not move the cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { ' ' } else { c })
        .collect()
}

/// Lines of at most `room` characters, broken between words, and within a word that is longer than a line.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && needed > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            if line.chars().count() >= room.max(1) {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

/// Rows under headings, each column as wide as its widest cell; cells that are numbers stand right.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let width = |column: usize, heading: &str| {
        cells(column)
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            .max(heading.chars().count())
    };
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| width(column, heading))
        .collect();
    let heading_row = headings
        .iter()
        .map(|heading| (*heading).to_owned())
        .collect::<Vec<_>>();
    let mut lines = Vec::new();
    for row in std::iter::once(&heading_row).chain(rows) {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| pad(&printable(cell), *width))
            .collect();
        lines.push(line.join("  ").trim_end().to_owned());
    }
    lines.join("\n")
}

fn pad(cell: &str, width: usize) -> String {
    let spaces = " ".repeat(width.saturating_sub(cell.chars().count()));
    let is_number = !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_number {
        format!("{spaces}{cell}")
    } else {
        format!("{cell}{spaces}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}c\u{202e}d"), "a [2J b c d");
        assert_eq!(table(&["a"], &[vec!["x\ry".into()]]), "a\nx y");
    }

    #[test]
    fn long_lines_break_between_words_and_longer_words_within() {
        assert_eq!(wrapped("ёж и еж", 4), ["ёж и", "еж"]);
        assert_eq!(wrapped("abcdefg h", 3), ["abc", "def", "g h"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }

    #[test]
    fn columns_line_up_in_cyrillic_too() {
        let rows = vec![
            vec!["Хлеб".into(), "12.34".into()],
            vec!["Соль".into(), "5.00".into()],
        ];
        assert_eq!(
            table(&["что", "сумма"], &rows),
            "что   сумма\nХлеб  12.34\nСоль   5.00"
        );
        assert_eq!(table(&["a"], &[]), "a");
    }
}
