//! Changes single settings of oplati.conf and leaves every other byte as the administrator wrote it:
//! comments in whatever coding, order, unknown keys, BOM, line ends.
//!
//! Two designs were thought of: writing the whole file anew out of the settings, or changing lines.
//! The second wins: the file is a person's, and what the program does not understand is still theirs.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::ini::Head;
use super::names::SECRET_KEYS;
use super::{BadValue, ConfigError, KNOWN, Paths, bind, ini, read_bytes, text_of};

/// The settings file of a first installation: the manual's example, every setting in a comment.
pub const EXAMPLE: &str = include_str!("oplati.conf");
/// For the daemon's group to read, and for nobody else: it may hold the password.
const MODE: u32 = 0o640;
/// The daemon's group.
const GROUP: &str = "oplati";
/// What others than owner and group may do.
const OTHERS: u32 = 0o007;
/// Another process that changes the file is done within this time, unless it hangs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries to get the lock.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);
/// As many as the kernel follows.
const MAX_LINKS: usize = 40;

/// One setting and what it shall be.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    section: &'static str,
    key: &'static str,
    value: String,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.section, self.key)
    }
}

/// Why a setting is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Not `Section.key=value` with a known name. The value is not repeated: it may be a secret.
    #[error(
        "{0}: allowed: Section.key=value with a section and a key of oplati.conf, such as Main.mode=2"
    )]
    Unknown(String),
    /// What would be read as something else.
    #[error("{0}: allowed: one line without control characters")]
    Control(String),
    /// Values that the settings do not allow; nothing was written.
    #[error("{}", .0.iter().map(|bad| format!("{} = {}: allowed: {}", bad.key, bad.value, bad.allowed)).collect::<Vec<_>>().join("\n"))]
    NotAllowed(Vec<BadValue>),
    /// The file as it is.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Whoever may write into the folder may put a link there: root would read or replace what it leads to.
    #[error(
        "{path} is a link that belongs to user number {owner}: only links of root or of the caller are followed; remove it, or give it to root with chown -h"
    )]
    ForeignLink { path: PathBuf, owner: u32 },
    /// Another process changes the file, and does not come to an end.
    #[error("{path} is being changed by another process: try again")]
    Busy { path: PathBuf },
    /// It cannot be replaced; it is as it was.
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl std::str::FromStr for Change {
    type Err = EditError;

    fn from_str(text: &str) -> Result<Change, EditError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let unknown = || EditError::Unknown(ini::cut(name));
        if !text.contains('=') {
            return Err(unknown());
        }
        let (section, key) = name.trim().split_once('.').ok_or_else(unknown)?;
        let known = KNOWN.iter().find(|(name, _)| *name == section);
        let (section, keys) = known.ok_or_else(unknown)?;
        let key = keys.iter().find(|name| **name == key).ok_or_else(unknown)?;
        if value.chars().any(char::is_control) {
            return Err(EditError::Control(ini::cut(name)));
        }
        let value = value.trim().to_owned();
        Ok(Change {
            section,
            key,
            value,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It was so already; the file was not touched.
    Unchanged,
    /// The file is another now, or would be.
    Changed,
    /// The same; and since it holds a secret now, others than owner and group have lost their rights.
    Closed,
}

impl Change {
    fn sets_secret(&self) -> bool {
        SECRET_KEYS.contains(&self.key) && !self.value.is_empty()
    }
}

/// Brings `changes` into oplati.conf below `root`, or only checks whether they could be (`try_only`).
/// Without a file, [`EXAMPLE`] is begun with. Values of other settings may be wrong: they stay.
///
/// # Errors
/// [`EditError`]; the file is as it was then.
pub fn edit(root: &Path, changes: &[Change], try_only: bool) -> Result<Edited, EditError> {
    let paths = Paths::below(root);
    let path = paths.config();
    let failed = |source| EditError::Write {
        path: path.clone(),
        source,
    };
    // Two that change the file at once would each write what the other has not.
    let _lock = match path.parent() {
        Some(folder) if !try_only => {
            fs::create_dir_all(folder).map_err(failed)?;
            let lock = lock(folder, LOCK_TIMEOUT).map_err(failed)?;
            Some(lock.ok_or_else(|| EditError::Busy { path: path.clone() })?)
        }
        Some(_) | None => None,
    };
    let real = follow(&path)?;
    // A link that was put there meanwhile is not followed.
    let bytes = read_bytes(&real, OFlags::NOFOLLOW)?;
    let before = bytes.as_deref().unwrap_or(EXAMPLE.as_bytes());
    text_of(before, &path)?;
    let mut after = before.to_owned();
    for change in changes {
        after = with(&after, change);
    }
    if let Err(ConfigError::BadValues(bad, _)) = bind(&text_of(&after, &path)?, &path, &paths) {
        let asked = |bad: &BadValue| {
            changes
                .iter()
                .any(|change| bad.key == format!("[{}] {}", change.section, change.key))
        };
        let ours: Vec<BadValue> = bad.into_iter().filter(asked).collect();
        if !ours.is_empty() {
            return Err(EditError::NotAllowed(ours));
        }
    }
    let is_open = fs::symlink_metadata(&real).is_ok_and(|facts| facts.mode() & OTHERS != 0);
    let closes = is_open && changes.iter().any(Change::sets_secret);
    if bytes.is_some() && after == before && !closes {
        return Ok(Edited::Unchanged);
    }
    if !try_only {
        replace(&real, &after, closes).map_err(failed)?;
    }
    Ok(if closes {
        Edited::Closed
    } else {
        Edited::Changed
    })
}

/// The right to change what lies in the folder, for as long as it is held; `None` when it is not to be had in time.
/// Of the folder, since the file itself is another one after each change.
fn lock(folder: &Path, timeout: Duration) -> io::Result<Option<File>> {
    let file = File::open(folder)?;
    let began = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < timeout => {
                std::thread::sleep(LOCK_INTERVAL);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a setting is when no line sets it.
fn default_of(change: &Change) -> String {
    let path = Path::new("");
    let lines = bind("", path, &Paths::below(Path::new("/"))).map(|loaded| loaded.lines);
    let lines = lines.unwrap_or_default();
    let line = lines
        .into_iter()
        .find(|line| line.section == change.section && line.key == change.key);
    line.map(|line| line.value).unwrap_or_default()
}

/// The file with one setting changed. Only lines that are UTF-8 are, and a line is the same one in bytes and in
/// text: what is not UTF-8 holds no line's end.
fn with(bytes: &[u8], change: &Change) -> Vec<u8> {
    let (entries, _) = ini::parse(&String::from_utf8_lossy(bytes));
    let entry = entries
        .iter()
        .rev()
        .find(|entry| entry.section == change.section && entry.key == change.key);
    let default = default_of(change);
    let present = entry.map(|entry| entry.value.as_str()).unwrap_or_default();
    let effective = if present.is_empty() {
        &default
    } else {
        present
    };
    if effective == change.value || (change.value.is_empty() && present.is_empty()) {
        return bytes.to_owned();
    }
    let mut lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    if let Some(entry) = entry {
        if let Some(line) = lines.get_mut(entry.line - 1) {
            *line = with_value(&String::from_utf8_lossy(line), &change.value).into_bytes();
        }
        return lines.concat();
    }
    let end = if lines.first().is_some_and(|line| line.ends_with(b"\r\n")) {
        "\r\n"
    } else {
        "\n"
    };
    if let Some(last) = lines.last_mut().filter(|line| !line.ends_with(b"\n")) {
        last.extend_from_slice(end.as_bytes());
    }
    let line = format!("{} = {}{end}", change.key, change.value).into_bytes();
    let texts: Vec<_> = lines
        .iter()
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    match place(&texts, change) {
        Some(index) => lines.insert(index, line),
        None => {
            let gap = texts.iter().any(|line| !bare(line).is_empty());
            let head = format!("{}[{}]{end}", if gap { end } else { "" }, change.section);
            lines.extend([head.into_bytes(), line]);
        }
    }
    lines.concat()
}

/// A line without what stands around its text.
fn bare(line: &str) -> &str {
    line.trim_start_matches(ini::BOM).trim()
}

/// `key = old` with another value; what stands around it stays.
fn with_value(line: &str, value: &str) -> String {
    let Some((key, old)) = line.split_once('=') else {
        return line.to_owned();
    };
    let body = old.trim_end();
    let end = old.strip_prefix(body).unwrap_or("\n");
    let gap: String = body.chars().take_while(|c| c.is_whitespace()).collect();
    let gap = if body.is_empty() && key.ends_with(' ') {
        " ".to_owned()
    } else {
        gap
    };
    // Spaces after an unset value are no part of the line's end.
    let end = end.trim_start_matches([' ', '\t']);
    format!("{key}={gap}{value}{end}")
}

/// Where a new line belongs: after its example in a comment, else after the last line of its section
/// that is not empty; `None` without the section.
fn place(lines: &[Cow<'_, str>], change: &Change) -> Option<usize> {
    let (mut within, mut example, mut last) = (false, None, None);
    for (index, line) in lines.iter().enumerate() {
        let line = bare(line);
        match ini::head(line) {
            Head::Section(name) => within = name == change.section,
            Head::Broken if !ini::is_comment(line) => within = false,
            Head::Broken | Head::None => {}
        }
        if !within || line.is_empty() {
            continue;
        }
        last = Some(index + 1);
        let comment = line.strip_prefix([';', '#']).map(str::trim_start);
        let key = comment.and_then(|text| text.split_once('='));
        if key.is_some_and(|(key, _)| key.trim() == change.key) {
            example = Some(index + 1);
        }
    }
    example.or(last)
}

/// Where the file is: an administrator may keep it elsewhere, by a link.
fn follow(path: &Path) -> Result<PathBuf, EditError> {
    let mut real = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(facts) = fs::symlink_metadata(&real) else {
            break;
        };
        if !facts.is_symlink() {
            break;
        }
        let owner = facts.uid();
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(EditError::ForeignLink { path: real, owner });
        }
        let target = fs::read_link(&real).map_err(|source| ConfigError::Unreadable {
            path: real.clone(),
            source,
        })?;
        real = real.parent().unwrap_or(Path::new("/")).join(target);
    }
    Ok(real)
}

/// Puts a whole new file in the old one's place, with its owners and rights, those of others left out where it `closes`.
/// A power cut leaves the one or the other.
fn replace(path: &Path, bytes: &[u8], closes: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let new = folder.join(format!(".oplati.conf.{}", std::process::id()));
    let written = write_new(&new, path, bytes, closes).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(new: &Path, old: &Path, bytes: &[u8], closes: bool) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
    match fs::symlink_metadata(old) {
        Ok(old) if !old.is_symlink() => {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
            let taken = if closes { OTHERS } else { 0 };
            // The daemon may have read it as any other user: nobody but root is in root's group, which is no loss.
            if closes
                && old.gid() == 0
                && let Some(group) = crate::base::system::group_id(GROUP)
            {
                drop(std::os::unix::fs::fchown(&file, None, Some(group)));
            }
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777 & !taken))?;
        }
        Ok(_) | Err(_) => {
            if let Some(group) = crate::base::system::group_id(GROUP) {
                // A person's own folder: the file is then theirs alone.
                drop(std::os::unix::fs::fchown(&file, None, Some(group)));
            }
            file.set_permissions(fs::Permissions::from_mode(MODE))?;
        }
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
