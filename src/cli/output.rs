//! The one place that prints.

use std::io::{self, IsTerminal as _, Write as _};

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
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
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
        assert_eq!(printable("a\u{1b}[2J\nb\u{9b}c"), "a [2J b c");
        assert_eq!(table(&["a"], &[vec!["x\ry".into()]]), "a\nx y");
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
