//! No setting may put a picture, a socket or a token in the place of another file of the daemon: it would be replaced,
//! and what it held is gone.

use std::path::{Component, Path, PathBuf};

use super::binder::Binder;
use super::{BadValue, Config, DisplayDevice, Paths, ini};

/// How much of a path a message repeats, in characters: its end shows most.
const MAX_SHOWN_PATH: usize = 200;

/// A path that a setting names, to be made or replaced by the daemon.
struct Named {
    section: &'static str,
    key: &'static str,
    path: PathBuf,
}

impl Named {
    fn setting(&self) -> String {
        format!("[{}] {}", self.section, self.key)
    }
}

/// Refuses what names a file of the daemon's own, or what another setting names already.
pub(super) fn refuse(binder: &mut Binder<'_>, config: &Config, paths: &Paths) {
    let own = paths.own_files();
    let named = named(config);
    let mut bad = Vec::new();
    for (index, later) in named.iter().enumerate() {
        let owner = own.iter().find(|path| is_same(path, &later.path));
        let before = named.iter().take(index);
        let other = before.rev().find(|earlier| {
            earlier.setting() != later.setting() && is_same(&earlier.path, &later.path)
        });
        let (at, whose) = match (owner, other) {
            (Some(path), _) => (later, format!("{} is the daemon's own", shown(path))),
            // The line to change is one that stands in the file: the other may be a default.
            (None, Some(earlier)) if binder.is_set(later.section, later.key) => {
                (later, format!("this one is {}", earlier.setting()))
            }
            (None, Some(earlier)) => (earlier, format!("this one is {}", later.setting())),
            (None, None) => continue,
        };
        bad.push(BadValue {
            path: binder.path.to_owned(),
            line: binder.line_of(at.section, at.key),
            key: at.setting(),
            value: shown(&at.path),
            allowed: format!("a file that nothing else uses: {whose}"),
        });
    }
    binder.bad.extend(bad);
}

/// In the order in which they are reported.
fn named(config: &Config) -> Vec<Named> {
    let till = [
        ("socket", &config.till.socket),
        ("tokenFile", &config.till.token_file),
    ];
    let till = till.map(|(key, path)| ("Till", key, path));
    let pictures = config.display.devices.iter().filter_map(|device| {
        let DisplayDevice::Png { path, .. } = device else {
            return None;
        };
        Some(("Display", "device", path))
    });
    till.into_iter()
        .chain(pictures)
        .map(|(section, key, path)| Named {
            section,
            key,
            path: path.clone(),
        })
        .collect()
}

fn shown(path: &Path) -> String {
    ini::cut_to(&path.display().to_string(), MAX_SHOWN_PATH)
}

/// Whether both paths are one place. Another name is another place, and asks no disk: one that does not answer must not
/// keep oplati.conf from being read. A link with a name of its own is distinguished when it is to be replaced.
fn is_same(one: &Path, other: &Path) -> bool {
    one.file_name() == other.file_name() && real(one) == real(other)
}

/// Where a path leads: through links as far as there is anything, and without `..` where there is nothing.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    match (plain.parent().map(Path::canonicalize), plain.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        (Some(_) | None, _) => plain,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::{ConfigError, load};
    use crate::base::text::assert_has;

    const SETTINGS: &str = "linuxcash/cash/paysystems/oplati";

    /// What is reported of this text below a root that has a link `elsewhere` to the folder of the settings.
    fn reported(text: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        let settings = root.path().join(SETTINGS);
        std::fs::create_dir_all(&settings).unwrap();
        symlink(&settings, root.path().join("elsewhere")).unwrap();
        std::fs::write(settings.join("oplati.conf"), text).unwrap();
        match load(root.path()) {
            Ok(_) => String::new(),
            Err(error @ ConfigError::BadValues(..)) => error.to_string(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn no_setting_names_a_file_of_the_daemons_own() {
        let files = [
            "oplati.conf",
            "token.conf",
            "token.conf.new",
            "journal.sqlite3",
            "journal.sqlite3-wal",
            "journal.sqlite3-shm",
            "journal.sqlite3.lock",
            "journal.sqlite3.reserve",
            "devices.json",
            "reconciliations.json",
        ];
        for file in files {
            for (setting, key) in [
                ("[Display]\ndevice = web, png:", "[Display] device"),
                ("[Till]\ntokenFile = ", "[Till] tokenFile"),
                ("[Till]\nsocket = ", "[Till] socket"),
            ] {
                for folder in [SETTINGS, "elsewhere", "nowhere/../elsewhere"] {
                    let message = reported(&format!("{setting}{folder}/{file}\n"));
                    assert!(
                        message.contains("oplati.conf:2: ")
                            && message.contains(&format!("{key} = "))
                            && message.contains(&format!("{folder}/{file}: allowed: "))
                            && message.contains("is the daemon's own"),
                        "{setting}{folder}/{file}: {message}"
                    );
                }
            }
        }
        for file in [
            "linuxcash/logs/current/terminal.log",
            "run/oplati/till.token",
            "run/oplati/till.sock",
        ] {
            let message = reported(&format!("[Display]\ndevice = png:{file}\n"));
            assert!(
                message.contains("oplati.conf:2: [Display] device"),
                "{file}: {message}"
            );
        }
        assert_eq!(
            reported(&format!("[Display]\ndevice = png:{SETTINGS}/buyer.png\n")),
            ""
        );
    }

    #[test]
    fn no_two_settings_name_the_same_file() {
        let of_two_spellings = reported("[Till]\nsocket = run/a\ntokenFile = run/./a\n");
        assert_has(
            &of_two_spellings,
            [":3: [Till] tokenFile", "is [Till] socket"],
        );
        // The other one is a default: the line that stands in the file is named.
        let of_default = reported("[Till]\n\nsocket = run/oplati/till.token\n");
        assert_has(&of_default, [":3: [Till] socket", "is [Till] tokenFile"]);
    }
}
