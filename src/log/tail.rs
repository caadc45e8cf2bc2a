//! The end of `terminal.log`, for who looks at it over the API.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::base::text::is_unsafe;

/// So much of the file is read at most.
const MAX_BYTES: u64 = 256 * 1024;
/// A longer line is cut, characters.
const MAX_LINE: usize = 2000;

/// The last lines, oldest first, without control characters. The till program writes there too: what
/// is no UTF-8 is shown as replacement characters.
pub fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let text = end(path, MAX_BYTES)?;
    let mut newest: Vec<String> = text.lines().rev().take(lines).map(plain).collect();
    newest.reverse();
    Ok(newest)
}

/// The last `most` bytes of a file, the first line of them whole.
pub fn end(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::options()
        .read(true)
        // A pipe in its place stops nobody.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    let from = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        // The first line has lost its beginning.
        Some((_, rest)) if from > 0 => rest.to_owned(),
        Some(_) | None => text,
    })
}

fn plain(line: &str) -> String {
    line.chars()
        .filter(|character| !is_unsafe(*character))
        .take(MAX_LINE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_come_whole_clean_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("terminal.log");
        let mut bytes = Vec::new();
        for number in 0..20_000 {
            bytes.extend(format!("line {number} of the till's program\r\n").bytes());
        }
        bytes.extend(b"bad \xff\x1b[31m byte\nlast, half");
        std::fs::write(&path, &bytes).unwrap();
        let lines = tail(&path, 3).unwrap();
        assert_eq!(
            lines,
            [
                "line 19999 of the till's program",
                "bad \u{fffd}[31m byte",
                "last, half"
            ]
        );
        let lines = tail(&path, 500_000).unwrap();
        assert!(lines.len() > 5000 && lines[0].starts_with("line "));
        assert!(tail(&folder.path().join("none"), 3).is_err());
    }
}
