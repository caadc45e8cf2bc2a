//! The one place that prints.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use qrcode::QrCode;
use qrcode::render::unicode;

use super::ui_language::UiLanguage;
use crate::base::charset::{Charset, write_line};
use crate::base::text::is_unsafe;
use crate::texts::technician;

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
        write_line(&mut io::stdout().lock(), text)
    }

    /// A value of the result, for programs.
    pub(super) fn value(self, value: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
        line.push(b'\n');
        // JSON is UTF-8, whatever the terminal's coding is.
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()
    }

    /// Columns of the terminal that the result goes to; `None` for files and pipes.
    pub(super) fn width(self) -> Option<usize> {
        columns(io::stdout())
    }

    /// A remark; who has closed standard error does not want it.
    pub(super) fn note(self, text: &str) {
        drop(write_line(&mut io::stderr().lock(), text));
    }

    /// A QR code among the remarks: dark on light by explicit colours, whatever the terminal's own are. Where colours
    /// mean nothing, a terminal is taken to be light on dark. What has no room would be folded, and nobody's phone
    /// reads that.
    pub(super) fn qr(self, language: UiLanguage, code: &QrCode) {
        let picture = terminal_qr(code, has_colours());
        let needed = code.width() + QUIET_ZONES;
        let room = columns(io::stderr());
        if Charset::of_environment() != Charset::Utf8 || room.is_some_and(|room| room < needed) {
            let why = language.text(technician::OUTPUT_NO_PLACE_FOR_QR);
            self.note(&format!("{why} {needed}"));
            return;
        }
        self.note(&picture);
    }

    /// A line that the next one overwrites, for who watches a terminal.
    pub(super) fn status(self, text: &str) {
        if self.is_watched() && !is_dumb() {
            let mut stderr = io::stderr().lock();
            let text = Charset::of_environment().encode(text);
            let written = stderr.write_all(b"\r\x1b[K");
            drop(
                written
                    .and_then(|()| stderr.write_all(&text))
                    .and_then(|()| stderr.flush()),
            );
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

/// Puts a whole file at `path`, or, when the disk is full, none: what was there before stays. `-` is the standard
/// output, and what is no regular file is written as it is.
pub(super) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path == Path::new("-") {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        return stdout.flush();
    }
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // A link that leads nowhere by name, such as /dev/stdout to a file that was removed, is written through: it is
    // not ours to replace.
    if std::fs::metadata(&path).is_ok_and(|there| !there.is_file()) || path.is_symlink() {
        return std::fs::write(&path, bytes);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // Made anew: a link that somebody put there is not followed.
    drop(std::fs::remove_file(&temporary));
    let made = File::options()
        .write(true)
        .create_new(true)
        .open(&temporary);
    let written = made
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, &path));
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}

/// Columns that the quiet zones on both sides of a QR code take.
const QUIET_ZONES: usize = 8;

fn columns(terminal: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    // A terminal that does not know its size returns 0.
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether escapes mean nothing to the terminal.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// By <https://no-color.org>.
fn has_colours() -> bool {
    !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn terminal_qr(code: &QrCode, has_colours: bool) -> String {
    let mut renderer = code.render::<unicode::Dense1x2>();
    if !has_colours {
        let (dark, light) = (unicode::Dense1x2::Dark, unicode::Dense1x2::Light);
        return renderer.dark_color(light).light_color(dark).build();
    }
    let picture = renderer.build();
    picture
        .lines()
        .map(|line| format!("\u{1b}[38;5;16;48;5;231m{line}\u{1b}[0m\n"))
        .collect()
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
pub(super) fn table(headings: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
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
        .map(|(column, heading)| width(column, heading.as_ref()))
        .collect();
    let heading_row = headings
        .iter()
        .map(|heading| heading.as_ref().to_owned())
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
    fn a_qr_code_without_colours_is_light_on_dark() {
        let code = QrCode::new("OPL-1").unwrap();
        let (plain, coloured) = (terminal_qr(&code, false), terminal_qr(&code, true));
        assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
        let first = plain.lines().next().unwrap();
        assert_eq!(first, "█".repeat(code.width() + QUIET_ZONES));
    }

    #[test]
    fn what_cannot_be_saved_whole_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("display.png");
        save(&path, b"old").unwrap();
        save(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        // A folder in the temporary file's place stops the writing.
        std::fs::create_dir(folder.path().join("display.png.new")).unwrap();
        assert!(save(&path, b"newest").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("new.png", &link).unwrap();
        save(&link, b"x").unwrap();
        assert!(link.is_symlink() && folder.path().join("new.png").is_file());
        assert!(save(Path::new("/dev/full"), b"x").is_err());
        save(Path::new("/dev/null"), b"x").unwrap();
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
