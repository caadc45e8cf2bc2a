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

use super::environment::Environment;
use crate::devices::discovery::{access, sysfs};

/// Most of the log's end.
const MAX_LOG: u64 = 512 * 1024;
/// Most of any other file.
const MAX_FILE: u64 = 256 * 1024;
/// What stands in a secret's place.
const MASK: &str = "***";
/// Parts of names whose values are secrets, in small letters: `accessToken` and `user_password`, too.
const PARTS: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "bearer",
    "authorization",
    "consumerqr",
    "sessionid",
    "cookie",
    "apikey",
    "api-key",
    "api_key",
    "app_link",
    "парол",
    "токен",
];
/// The same, but too short to stand for a secret within a longer name.
const NAMES: [&str; 9] = [
    "qr", "code", "pass", "pwd", "pin", "key", "payload", "код", "ключ",
];
/// A secret shorter than this would mask ordinary words by its value.
const SHORTEST: usize = 4;
/// One run of letters and digits of this length is a key, whatever its name is.
const LONG_WORD: usize = 24;
/// A number of so many digits is longer than a barcode: a card's, or a buyer's.
const LONG_NUMBER: usize = 16;

/// Writes the bundle. The file is replaced whole or not at all.
///
/// # Errors
/// When it cannot be written, or something other than a file has that name: a device such as `/dev/null`
/// must not be replaced.
pub fn save(path: &Path, ground: &Environment, report: &serde_json::Value) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other(
            "a folder, link or device has that name; name a new file",
        ));
    }
    let secrets = secrets(ground);
    let report = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
    let config = beginning(&ground.paths.config());
    let log = crate::log::end(&ground.paths.log(), MAX_LOG).unwrap_or_default();
    let files = [
        // The report is ours: its long words are paths and times, no keys.
        ("report.json", by_value(&report, &secrets)),
        ("oplati.conf", settings(&config, &secrets)),
        ("terminal.log", masked(&log, &secrets)),
        ("devices.txt", by_value(&tree(), &secrets)),
    ];
    let at = ground.now.wall.as_second().max(0).unsigned_abs();
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o600);
        header.set_mtime(at);
        header.set_size(u64::try_from(text.len()).map_err(io::Error::other)?);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    let archive = archive.into_inner()?;
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

/// Every secret that this machine keeps, as far as this user may read them; the longest first, so that
/// none leaves a rest of another.
fn secrets(ground: &Environment) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut take = |text: &str| {
        let text = text.trim();
        if text.len() >= SHORTEST {
            found.insert(text.to_owned());
            // As it stands in JSON.
            let quoted = serde_json::Value::from(text).to_string();
            found.insert(quoted.trim_matches('"').to_owned());
        }
    };
    take(&beginning(&ground.paths.token()));
    take(&beginning(&ground.paths.till_token()));
    // Also of an oplati.conf that has a mistake elsewhere.
    for line in beginning(&ground.paths.config()).lines() {
        match line.split_once('=') {
            Some((key, value)) if key.trim().eq_ignore_ascii_case("password") => take(value),
            Some((key, path)) if key.trim() == "tokenFile" => {
                take(&beginning(&ground.paths.written(path.trim())));
            }
            Some(_) | None => {}
        }
    }
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
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

fn by_value(text: &str, secrets: &[String]) -> String {
    let masked = secrets
        .iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    masked
        .lines()
        .map(|line| line_without_links(line) + "\n")
        .collect()
}

/// oplati.conf: settings that are known and no secrets. A comment, a misspelt name or a line without one may
/// hold anything.
fn settings(text: &str, secrets: &[String]) -> String {
    let shown = |line: &str| {
        let text = line.trim();
        let is_section = text.starts_with('[') && text.ends_with(']');
        match text.split_once('=') {
            _ if text.is_empty() || is_section => line.to_owned(),
            _ if text.starts_with([';', '#']) => format!("; {MASK}"),
            Some((key, value)) if crate::config::may_be_shown(key.trim()) => {
                format!(
                    "{key}={}",
                    crate::config::without_secrets(key.trim(), value)
                )
            }
            Some((key, _)) => format!("{}= {MASK}", without_keys(key)),
            None => MASK.to_owned(),
        }
    };
    let lines: String = text.lines().map(|line| shown(line) + "\n").collect();
    by_value(&lines, secrets)
        .lines()
        .map(|line| without_keys(line) + "\n")
        .collect()
}

/// A text of which we did not choose every word.
fn masked(text: &str, secrets: &[String]) -> String {
    by_value(text, secrets)
        .lines()
        .map(|line| without_keys(&without_named(line)) + "\n")
        .collect()
}

/// A link holds what a buyer's or merchant's code holds: all behind the host goes.
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

/// What stands behind the name of a secret: `name = value`, `"name": "value"`, `name → value`. Where a name
/// stands in a sentence, the words behind it that have digits go.
fn without_named(line: &str) -> String {
    // Letter by letter, so that every place in it is that place in the line.
    let small = |c: char| {
        let mut small = c.to_lowercase();
        let one = small.next().filter(|one| one.len_utf8() == c.len_utf8());
        one.filter(|_| small.next().is_none()).unwrap_or(c)
    };
    let lower: String = line.chars().map(small).collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut value, mut sentence): (Option<usize>, Option<usize>) = (None, None);
    let sooner = |place: Option<usize>, at: usize| Some(place.map_or(at, |place| place.min(at)));
    let parts = PARTS.iter().map(|name| (name, true));
    for (name, is_part) in parts.chain(NAMES.iter().map(|name| (name, false))) {
        for (at, _) in lower.match_indices(name) {
            let before = lower.get(..at).and_then(|text| text.chars().next_back());
            let behind = lower.get(at + name.len()..).unwrap_or_default();
            let rest = behind.trim_start_matches(is_word);
            if !is_part && (before.is_some_and(char::is_alphanumeric) || starts_word(behind)) {
                continue;
            }
            let end = lower.len() - rest.len();
            let ends = rest.trim_start_matches(['"', '\'', '\\', ' ', '\t']);
            let is_value = ends.starts_with(['=', ':', '→'])
                || (*name == "bearer" && rest.starts_with(' '))
                || rest.starts_with('\t');
            if is_value {
                value = sooner(value, end);
            } else if is_part {
                sentence = sooner(sentence, end);
            }
        }
    }
    // Where a value ends, nobody can know of a line that another program wrote: all of it goes.
    let (kept, tail) = match value {
        Some(at) => (line.get(..at).unwrap_or_default(), format!("={MASK}")),
        None => (line, String::new()),
    };
    let Some((plain, words)) = sentence.and_then(|at| kept.split_at_checked(at)) else {
        return format!("{kept}{tail}");
    };
    let word = |word: &str| {
        if word.chars().any(|c| c.is_ascii_digit()) {
            MASK.to_owned()
        } else {
            word.to_owned()
        }
    };
    let words: Vec<String> = words.split(' ').map(word).collect();
    format!("{plain}{}{tail}", words.join(" "))
}

/// A name goes on: `codes`, not `code_2`.
fn starts_word(behind: &str) -> bool {
    behind.starts_with(char::is_alphanumeric)
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
        let has_digit = word.chars().any(|c| c.is_ascii_digit());
        let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        if (word.len() >= LONG_WORD && has_digit) || (word.len() >= LONG_NUMBER && is_number) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_masked_by_name_by_value_and_by_shape() {
        let secrets = vec!["hunter2".to_owned()];
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
            // Letters whose small form has another length.
            ("İİİİİİİİ password=Sekret9", "İİİİİİİİ password=***"),
            (
                "\u{212a}\u{212a} ПАРОЛЬ: Sekret9",
                "\u{212a}\u{212a} ПАРОЛЬ=***",
            ),
            ("user_password=Sekret9", "user_password=***"),
            ("accessToken: Sekret9", "accessToken=***"),
            ("qr_payload=Sekret9", "qr_payload=***"),
            (r#"{\"password\":\"Sekret9\"}"#, r#"{\"password=***"#),
            ("password\tSekret9", "password=***"),
            ("PASSWORD → Sekret9", "PASSWORD=***"),
            ("the token Sekret9 was refused", "the token *** was refused"),
            (
                "getapp.o-plati.by/map/?app_link=Sekret9",
                "getapp.o-plati.by/map/?app_link=***",
            ),
            ("card 1234567890123456", "card ***"),
            (
                "EAN 4810153001234 barcodes: 3",
                "EAN 4810153001234 barcodes: 3",
            ),
        ] {
            assert_eq!(masked(line, &secrets), format!("{kept}\n"), "{line}");
        }
    }

    #[test]
    fn of_the_settings_only_what_is_known_to_be_none_is_shown() {
        let text = "# пароль Sekret9\n; old password was Sekret9\n[Main]\nregNum = OPL000011111\npasword = Sekret9\npassword = p\npassword Sekret9\n\ntimeout=5\n";
        let kept = "; ***\n; ***\n[Main]\nregNum = OPL000011111\npasword = ***\npassword = ***\n***\n\ntimeout=5\n";
        assert_eq!(settings(text, &[]), kept);
    }

    proptest! {
        #[test]
        fn any_letters_before_a_name_are_borne(before in ".{0,20}", value in "[A-Z]{4}[0-9]{4}") {
            let text = masked(&format!("{before} password={value}"), &[]);
            prop_assert!(!text.contains(&value), "{text}");
        }

        #[test]
        fn no_known_secret_stays_and_any_text_is_borne(
            before in ".{0,40}", secret in "[a-zA-Z0-9]{6,30}", behind in ".{0,40}"
        ) {
            let secrets = vec![secret.clone()];
            let text = masked(&format!("{before}{secret}{behind}"), &secrets);
            prop_assert!(!text.contains(&secret));
        }
    }
}
