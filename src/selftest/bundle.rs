//! The bundle for support: a plain tar archive (POSIX.1-1988 ustar) of the report, oplati.conf, the end of
//! the log and the tree of devices, for the eyes of its owner only (0600).
//!
//! Two ways to keep secrets out were thought of: not to copy what may hold one, or to copy and to mask.
//! Support needs the settings and the log, so it is masking, twice over: by place, what stands behind
//! the names of secrets; and by value, every secret that this machine has on disk, wherever it stands.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::ground::Ground;
use crate::discover::{access, sysfs};

/// Most of the log's end.
const MAX_LOG: u64 = 512 * 1024;
/// Most of any other file.
const MAX_FILE: u64 = 256 * 1024;
/// What stands in a secret's place.
const MASK: &str = "***";
/// Names whose values are secrets, in small letters.
const NAMES: [&str; 9] = [
    "password",
    "token",
    "bearer",
    "authorization",
    "consumerqr",
    "sessionid",
    "qr",
    "code",
    "cookie",
];
/// A secret shorter than this would mask ordinary words by its value.
const SHORTEST: usize = 4;
/// One run of letters and digits of this length is a key, whatever its name is.
const LONG_WORD: usize = 24;

/// Writes the bundle. The file is replaced whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, ground: &Ground, report: &serde_json::Value) -> io::Result<()> {
    let secrets = secrets(ground);
    let report = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
    let config = beginning(&ground.paths.config());
    let log = crate::log::end(&ground.paths.log(), MAX_LOG).unwrap_or_default();
    let files = [
        // The report is ours: its long words are paths and times, no keys.
        ("report.json", by_value(&report, &secrets)),
        ("oplati.conf", masked(&config, &secrets)),
        ("terminal.log", masked(&log, &secrets)),
        ("devices.txt", by_value(&tree(), &secrets)),
    ];
    let at = ground.now.wall.as_second();
    let mut archive = Vec::new();
    for (name, text) in &files {
        append(&mut archive, name, text.as_bytes(), at)?;
    }
    // Two empty blocks end an archive.
    archive.extend([0; 1024]);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    drop(std::fs::remove_file(&temporary));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = file
        .write_all(&archive)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
    }
    written
}

/// Every secret that this machine keeps, as far as this user may read them.
fn secrets(ground: &Ground) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut take = |text: String| {
        let text = text.trim();
        if text.len() >= SHORTEST {
            found.insert(text.to_owned());
        }
    };
    take(beginning(&ground.paths.token()));
    if let Ok(loaded) = &ground.settings {
        take(beginning(&loaded.config.till.token_file));
        if let Some(password) = &loaded.config.main.password {
            take(password.expose().to_owned());
        }
    }
    found
}

fn beginning(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn by_value(text: &str, secrets: &BTreeSet<String>) -> String {
    let masked = secrets
        .iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    masked
        .lines()
        .map(|line| line_without_links(line) + "\n")
        .collect()
}

/// A text of which we did not choose every word.
fn masked(text: &str, secrets: &BTreeSet<String>) -> String {
    by_value(text, secrets)
        .lines()
        .map(|line| without_keys(&without_named(line)) + "\n")
        .collect()
}

/// A link holds what a buyer's or merchant's code says: all behind the host goes.
fn line_without_links(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let is_end =
            |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',' | ';' | ')');
        let length = behind.find(is_end).unwrap_or(behind.len());
        let (link, after) = behind.split_at(length);
        match link.split_once(['/', '?', '#']) {
            Some((host, path)) if !path.is_empty() => {
                out.push_str(host.rsplit('@').next().unwrap_or(host));
                out.push('/');
                out.push_str(MASK);
            }
            Some(_) | None => out.push_str(link.rsplit('@').next().unwrap_or(link)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands behind the name of a secret: `name = value`, `"name": "value"`, `name value`.
fn without_named(line: &str) -> String {
    let lower = line.to_lowercase();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut cut = None;
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let before = lower.get(..at).and_then(|text| text.chars().next_back());
            let behind = lower.get(at + name.len()..).unwrap_or_default();
            let ends = behind.trim_start_matches(['"', '\'', ' ', '\t']);
            let is_value =
                ends.starts_with(['=', ':']) || (name == "bearer" && behind.starts_with(' '));
            if !before.is_some_and(is_word) && is_value {
                let end = at + name.len();
                cut = Some(cut.map_or(end, |cut: usize| cut.min(end)));
            }
        }
    }
    match cut.and_then(|at| line.get(..at)) {
        // Where a value ends, nobody can say of a line that another program wrote: all of it goes.
        Some(kept) => format!("{kept}={MASK}"),
        None => line.to_owned(),
    }
}

/// Long runs of letters and digits: keys, sessions, codes.
fn without_keys(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '=' | '_');
    for c in line.chars().chain(std::iter::once('\n')) {
        if is_of_key(c) {
            word.push(c);
            continue;
        }
        let mixed = word.chars().any(|c| c.is_ascii_digit());
        if word.len() >= LONG_WORD && mixed {
            out.push_str(MASK);
        } else {
            out.push_str(&word);
        }
        word.clear();
        if c != '\n' {
            out.push(c);
        }
    }
    out
}

/// Candidates with what is known of them.
fn tree() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for one in sysfs::candidates(Path::new("/")) {
        let written = writeln!(
            text,
            "{} {} {} {:?} {:?} {:?} {} holder={:?} allowed={} links={:?}",
            one.node.display(),
            one.mode.word(),
            one.ids().unwrap_or_default(),
            one.maker,
            one.product,
            one.driver,
            one.device.display(),
            access::holder(&one.node),
            access::is_allowed(&one.node),
            access::links(Path::new("/"), &one.node),
        );
        if written.is_err() {
            break;
        }
    }
    text
}

/// One file: a block of 512 bytes about it, then its content in whole blocks.
fn append(archive: &mut Vec<u8>, name: &str, content: &[u8], at: i64) -> io::Result<()> {
    const SUM: std::ops::Range<usize> = 148..156;
    let mut header = Vec::with_capacity(512);
    let mut field = |text: String, width: usize| {
        let mut bytes = text.into_bytes();
        bytes.resize(width, 0);
        header.extend(bytes);
    };
    field(name.to_owned(), 100);
    field("0000600".to_owned(), 8);
    field("0000000".to_owned(), 8);
    field("0000000".to_owned(), 8);
    field(format!("{:011o}", content.len()), 12);
    field(format!("{:011o}", at.max(0)), 12);
    // The sum is reckoned with spaces in its own place.
    field(" ".repeat(8), 8);
    field("0".to_owned(), 1);
    field(String::new(), 100);
    field("ustar".to_owned(), 6);
    field("00".to_owned(), 2);
    field(String::new(), 247);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let place = header
        .get_mut(SUM)
        .ok_or_else(|| io::Error::other("no room for the sum"))?;
    place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(&header);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_masked_by_name_by_value_and_by_shape() {
        let secrets = BTreeSet::from(["hunter2".to_owned()]);
        for (line, kept) in [
            ("password = p", "password=***"),
            ("  ;Password=p", "  ;Password=***"),
            ("Authorization: Bearer abc", "Authorization=***"),
            (r#"{"consumerQr": "abc", "x": 1}"#, r#"{"consumerQr=***"#),
            ("said hunter2 aloud", "said *** aloud"),
            ("https://u:p@a.by/c/AB?x=1 ok", "https://a.by/*** ok"),
            (
                "url = https://cashboxapi.o-plati.by",
                "url = https://cashboxapi.o-plati.by",
            ),
            ("key 0123456789abcdef01234567 end", "key *** end"),
            ("regNum = OPL000011111", "regNum = OPL000011111"),
            ("Скан code=16 characters", "Скан code=***"),
        ] {
            assert_eq!(masked(line, &secrets), format!("{kept}\n"), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_known_secret_stays_and_any_text_is_borne(
            before in ".{0,40}", secret in "[a-zA-Z0-9]{6,30}", behind in ".{0,40}"
        ) {
            let secrets = BTreeSet::from([secret.clone()]);
            let text = masked(&format!("{before}{secret}{behind}"), &secrets);
            prop_assert!(!text.contains(&secret));
        }
    }
}
