//! `oplati.conf`: read whole, checked whole, and every complaint at once with its place.
//!
//! No setting is ever guessed: a bad value is an error, an unknown name a warning with the nearest
//! known one, an absent file means the defaults, and this is reported.

mod binder;
pub(crate) mod edit;
mod hints;
mod ini;
mod names;
mod own_files;
mod paths;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use binder::Binder;
use names::KNOWN;
use rustix::fs::OFlags;
use values::Allowed;

pub(crate) use names::{may_be_shown, without_secrets};
pub(crate) use paths::Paths;
pub use settings::{
    Config, DisplayDevice, DisplaySettings, Language, Layout, LineSettings, MainSettings, Parity,
    PixelSize, ScannerDevice, ScannerSettings, SerialDisplay, SerialLine, Share, TillSettings,
};

pub(crate) use values::pixel_size;

use crate::base::secret::Secret;
use crate::model::operation::Mode;

/// The wallet's name as the seed spells it, which is what buyers read unless `walletName` is another.
pub const WALLET_NAME: &str = "О!плати";

/// Where the settings came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// The defaults, since this file does not exist.
    Defaults(PathBuf),
}

/// Settings with what is to be reported about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What is odd but harmless.
    pub warnings: Vec<Warning>,
    /// File or defaults.
    pub source: Source,
    /// Each setting, for people.
    pub lines: Vec<SettingLine>,
}

/// One setting as `oplati check` prints it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SettingLine {
    /// `Main`.
    pub section: &'static str,
    /// `url`.
    pub key: &'static str,
    /// As written, `***` for a secret, empty for unset.
    pub value: String,
    /// `oplati.conf:3` or `default`.
    pub origin: String,
}

/// Something odd at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// What is odd.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// `[Main] mode`.
    pub key: String,
    /// As written, cut, `***` for a secret.
    pub value: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadValue {
            path,
            line,
            key,
            value,
            allowed,
        } = self;
        write!(
            f,
            "{}:{line}: {key} = {value}: allowed: {allowed}",
            path.display()
        )
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The settings' file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Not a settings file.
    #[error("{path} is larger than {} KiB", ini::MAX_BYTES / 1024)]
    TooLarge {
        /// The settings' file.
        path: PathBuf,
    },
    /// Another coding outside of a comment.
    #[error(
        "{path}:{line}: not UTF-8 at byte {byte} of the file; settings are expected in UTF-8, other codings such as CP1251 only in comments: save the file as UTF-8"
    )]
    NotUtf8 {
        /// The settings' file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        byte: usize,
    },
    /// A file of another coding, such as UTF-16 without its mark.
    #[error(
        "{path}:{line}: a NUL byte: this is no text in UTF-8, perhaps UTF-16; save the file as UTF-8"
    )]
    Nul {
        /// The settings' file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// All values that are not allowed, and what is odd beside them, which may be why.
    #[error("{}", list(.0, .1))]
    BadValues(Vec<BadValue>, Vec<Warning>),
}

/// In the order of the file.
fn list(values: &[BadValue], warnings: &[Warning]) -> String {
    let values = values.iter().map(|bad| (bad.line, bad.to_string()));
    let warnings = warnings
        .iter()
        .map(|warning| (warning.line, warning.to_string()));
    let mut all: Vec<(usize, String)> = values.chain(warnings).collect();
    all.sort_by_key(|(line, _)| *line);
    let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
    all.join("\n")
}

/// As [`load`], for whoever only calls the daemon: where oplati.conf is not theirs to read, since it may
/// hold the password, the defaults hold.
///
/// # Errors
/// [`ConfigError`] for whatever can be read and is not right.
pub fn load_as_caller(root: &Path) -> Result<Loaded, ConfigError> {
    match load(root) {
        Err(ConfigError::Unreadable { path, source })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            let mut loaded = bind("", &path, &Paths::below(root))?;
            loaded.source = Source::Defaults(path);
            Ok(loaded)
        }
        loaded => loaded,
    }
}

/// Reads the settings below `root`.
///
/// # Errors
/// [`ConfigError`], with every bad value at once.
pub fn load(root: &Path) -> Result<Loaded, ConfigError> {
    let paths = Paths::below(root);
    let path = paths.config();
    if let Some(bytes) = read_bytes(&path, OFlags::empty())? {
        return read(&bytes, root);
    }
    let mut loaded = bind("", &path, &paths)?;
    loaded.source = Source::Defaults(path);
    Ok(loaded)
}

/// The file's content, at most one byte more than is allowed; `None` without a file.
fn read_bytes(path: &Path, flags: OFlags) -> Result<Option<Vec<u8>>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    // Without NONBLOCK a named pipe in the file's place would be waited for without end.
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags((flags | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        // Whoever has put a link there means settings: a shared disk that is not mounted yet is no reason to go
        // on with the defaults.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.is_symlink() => {
            return Err(unreadable(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "a link that leads nowhere",
            )));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
    };
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(unreadable(std::io::Error::other("not a regular file")));
    }
    // A file of any size: one byte more than is allowed shows enough.
    let most = u64::try_from(ini::MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(Some(bytes))
}

/// Reads the settings out of the content of oplati.conf below `root`.
///
/// # Errors
/// [`ConfigError`], with every bad value at once.
pub fn read(bytes: &[u8], root: &Path) -> Result<Loaded, ConfigError> {
    let paths = Paths::below(root);
    let path = paths.config();
    bind(&text_of(bytes, &path)?, &path, &paths)
}

/// The text of the file. A comment may be in any coding, such as CP1251 of an older till: what is not UTF-8 in it
/// is U+FFFD here, so that lines stay lines, and who changes the file keeps its bytes.
fn text_of<'a>(bytes: &'a [u8], path: &Path) -> Result<Cow<'a, str>, ConfigError> {
    let path = || path.to_owned();
    if bytes.len() > ini::MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path() });
    }
    let mut before = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if let Err(error) = std::str::from_utf8(line)
            && !ini::is_comment(&String::from_utf8_lossy(line))
        {
            return Err(ConfigError::NotUtf8 {
                path: path(),
                line: index + 1,
                byte: before + error.valid_up_to() + 1,
            });
        }
        if line.contains(&0) && !ini::is_comment(&String::from_utf8_lossy(line)) {
            return Err(ConfigError::Nul {
                path: path(),
                line: index + 1,
            });
        }
        before += line.len();
    }
    Ok(String::from_utf8_lossy(bytes))
}

fn bind(text: &str, path: &Path, paths: &Paths) -> Result<Loaded, ConfigError> {
    let (entries, oddities) = ini::parse(text);
    let mut binder = Binder {
        path,
        entries,
        warnings: Vec::new(),
        bad: Vec::new(),
        lines: Vec::new(),
    };
    for oddity in oddities {
        binder.note(oddity);
    }
    binder.warn_unknown();
    binder.warn_doubled();
    let config = Config {
        main: bind_main(&mut binder),
        scanner: bind_scanner(&mut binder, paths),
        display: bind_display(&mut binder, paths),
        till: bind_till(&mut binder, paths),
    };
    binder.refuse_shared_ports(&config);
    own_files::refuse(&mut binder, &config, paths);
    if !values::is_private(&config.main.url) {
        binder.warn_at(
            "Main",
            "url",
            "http to another machine shows token and password to the network; use https",
        );
    }
    let Binder {
        mut warnings,
        bad,
        lines,
        ..
    } = binder;
    if !bad.is_empty() {
        return Err(ConfigError::BadValues(bad, warnings));
    }
    warnings.sort_by_key(|warning| warning.line);
    Ok(Loaded {
        config,
        warnings,
        source: Source::File(path.to_owned()),
        lines,
    })
}

fn bind_main(binder: &mut Binder) -> MainSettings {
    let mut main = binder.section("Main");
    let url = "http://localhost";
    MainSettings {
        url: main.take("url", url, url.to_owned(), values::url),
        timeout: main.seconds("timeout", 10, 1..=300),
        reg_num: main.take_if_set("regNum", values::reg_num),
        mode: main.take("mode", "0", Mode::ConsumerQr, values::mode),
        password: main.take_if_set("password", |text| {
            values::password(text).map(|text| Some(Secret::new(text)))
        }),
        valutcode: main.take_if_set("valutcode", |text| {
            values::number(text, &(0..=65_535), "").map(Some)
        }),
        wait_buyer: main.seconds("waitBuyer", 180, 10..=3600),
        settle: main.seconds("settle", 30, 0..=600),
        journal_days: main.take("journalDays", "400", 400, |text| {
            values::number(text, &(1..=36_500), " (days)")
        }),
        poll_payment: main.seconds("pollPayment", 5, 1..=60),
        poll_session: main.seconds("pollSession", 2, 1..=10),
        wallet_name: {
            let usual = WALLET_NAME.to_owned();
            main.take("walletName", WALLET_NAME, usual, values::wallet_name)
        },
        reconcile_at: main.take("reconcileAt", "off", None, values::reconcile_at),
    }
}

fn bind_scanner(binder: &mut Binder, paths: &Paths) -> ScannerSettings {
    let mut scanner = binder.section("Scanner");
    let codes = |text: &str| {
        let codes = values::list(text).into_iter();
        let codes = codes.map(|code| values::plain(code, 128));
        codes.collect::<Result<Vec<_>, Allowed>>()
    };
    let devices = |text: &str| values::scanners(text, paths);
    ScannerSettings {
        devices: scanner.take("device", "auto", vec![ScannerDevice::Auto], devices),
        profile: scanner.take_if_set("profile", values::profile),
        layout: scanner.take_if_set("layout", values::layout),
        share: scanner.take("share", "no", Share::No, values::share),
        buyer_code: scanner.take_if_set("buyerCode", codes),
    }
}

fn bind_display(binder: &mut Binder, paths: &Paths) -> DisplaySettings {
    let mut display = binder.section("Display");
    let read = |text: &str| values::displays(text, paths);
    let mut devices = display.take("device", "auto", vec![DisplayDevice::Auto], read);
    let count = devices.iter().filter_map(DisplayDevice::serial).count();
    let profiles: Vec<String> =
        display.take_if_set("profile", |text| values::display_profiles(text, count));
    let serial = devices.iter_mut().filter_map(DisplayDevice::serial_mut);
    for (index, display) in serial.enumerate() {
        display.profile = profiles.get(index).or(profiles.first()).cloned();
    }
    DisplaySettings {
        devices,
        profiles,
        language: display.take("language", "ru", Language::Ru, values::language),
        shop_name: display.take_if_set("shopName", |text| values::plain(text, 80).map(Some)),
        logo: display.take_if_set("logo", |text| Ok(Some(paths.written(text)))),
        rotate: display.take("rotate", "0", 0, values::rotate),
    }
}

fn bind_till(binder: &mut Binder, paths: &Paths) -> TillSettings {
    let mut till = binder.section("Till");
    let written = |text: &str| Ok(paths.written(text));
    let shown = |path: &Path| path.display().to_string();
    let (socket, token) = (paths.socket(), paths.till_token());
    TillSettings {
        socket: till.take("socket", &shown(&socket), socket, written),
        listen: till.take_if_set("listen", values::listen),
        token_file: till.take("tokenFile", &shown(&token), token, written),
    }
}
