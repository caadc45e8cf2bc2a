//! What is linked into the programs is named in the package's documentation, with its licence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package's architectures: of others not even the sources are there.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

const HEAD: &str = "\
The crates that are linked into /usr/bin/oplati and /usr/bin/oplati-window
==========================================================================

Of each: its licence and whose it is. Where a licence offers the terms of Expat (\"MIT\") or of Apache 2.0, these are
taken: the first stand in the file copyright beside this one, the others in /usr/share/common-licenses/Apache-2.0. All
other terms stand below the list.

";

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> serde_json::Value {
    let mut command = vec!["metadata", "--format-version", "1", "--all-features"];
    command.extend(
        TARGETS
            .iter()
            .flat_map(|target| ["--filter-platform", target]),
    );
    serde_json::from_str(&cargo(&command)).unwrap()
}

/// "name version" of what is linked on the package's architectures: no macros, no build scripts.
fn linked() -> BTreeSet<String> {
    let mut command = vec![
        "tree",
        "--all-features",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    command.extend(TARGETS.iter().flat_map(|target| ["--target", target]));
    let tree = cargo(&command);
    let crates = tree.lines().map(|line| {
        let mut words = line.split_whitespace();
        let (name, version) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        format!("{name} {}", version.trim_start_matches('v'))
    });
    crates
        .filter(|name| !name.trim().is_empty() && !name.starts_with("oplati "))
        .collect()
}

/// Its texts of licences, in the order of their names.
fn texts(folder: &Path) -> Vec<String> {
    let named = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let begins = ["licen", "copy", "notice", "unlicense"];
        path.is_file() && begins.iter().any(|begin| name.starts_with(begin))
    };
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(named)
        .collect();
    paths.sort();
    let read =
        |path: &PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).replace('\r', "");
    paths.iter().map(read).collect()
}

/// The lines by which somebody states that it is theirs; without any, whom cargo names.
fn owners(package: &serde_json::Value, texts: &[String]) -> BTreeSet<String> {
    let claims = |line: &&str| {
        let line = line.to_lowercase();
        let rest = line
            .strip_prefix("copyright")
            .unwrap_or_default()
            .trim_start();
        rest.starts_with(|c: char| c.is_ascii_digit() || c == '©')
            || (rest.starts_with("(c)") && !rest.contains("yyyy"))
    };
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let found: BTreeSet<String> = lines.filter(claims).map(str::to_owned).collect();
    if !found.is_empty() {
        return found;
    }
    let authors = package["authors"].as_array().unwrap().iter();
    let authors: BTreeSet<String> = authors
        .map(|author| author.as_str().unwrap().to_owned())
        .collect();
    let name = package["name"].as_str().unwrap();
    if authors.is_empty() {
        [format!("the authors of {name}")].into()
    } else {
        authors
    }
}

/// Whether its terms are those of Expat or Apache 2.0, and no others.
fn common(licence: &str) -> bool {
    !licence.contains(" AND ") && (licence.contains("MIT") || licence.contains("Apache-2.0"))
}

fn list() -> String {
    let metadata = metadata();
    let named = metadata["packages"].as_array().unwrap().iter();
    let packages: BTreeMap<String, &serde_json::Value> = named
        .map(|package| {
            (
                format!(
                    "{} {}",
                    package["name"].as_str().unwrap(),
                    package["version"].as_str().unwrap()
                ),
                package,
            )
        })
        .collect();
    let mut list = HEAD.to_owned();
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in linked() {
        let package = packages[&name];
        let licence = package["license"].as_str().unwrap();
        let texts = texts(
            Path::new(package["manifest_path"].as_str().unwrap())
                .parent()
                .unwrap(),
        );
        writeln!(list, "{name}: {licence}").unwrap();
        for owner in owners(package, &texts) {
            writeln!(list, "    {owner}").unwrap();
        }
        if !common(licence) {
            assert!(!texts.is_empty(), "{name} has no text of {licence}");
            others.entry(texts.join("\n")).or_default().push(name);
        }
    }
    let mut others: Vec<_> = others
        .into_iter()
        .map(|(text, names)| (names.join(", "), text))
        .collect();
    others.sort();
    for (names, text) in others {
        write!(
            list,
            "\n\n{names}\n{}\n\n{}\n",
            "-".repeat(names.chars().count().min(78)),
            text.trim()
        )
        .unwrap();
    }
    list
}

#[test]
fn committed_list_of_crates_is_that_of_cargo_lock() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/debian/crates.copyright");
    let list = list();
    if std::env::var_os("OPLATI_BLESS").is_some() {
        std::fs::write(path, &list).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == list,
        "the crates changed; refresh with: OPLATI_BLESS=1 cargo test committed_list_of_crates"
    );
}

/// The fonts are in the crate dejavu, whose own licence is another.
#[test]
fn the_fonts_licence_is_in_the_packages_copyright() {
    let metadata = metadata();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let dejavu = packages
        .find(|package| package["name"] == "dejavu")
        .unwrap();
    let folder = Path::new(dejavu["manifest_path"].as_str().unwrap())
        .parent()
        .unwrap();
    let licence =
        std::fs::read_to_string(folder.join("assets/dejavu-fonts-ttf-2.37/LICENSE")).unwrap();
    let copyright = include_str!("../../debian/copyright");
    let held: BTreeSet<&str> = copyright.lines().map(str::trim).collect();
    // The third font of the collection is not in the program.
    let (ours, _) = licence.split_once("TeX Gyre").unwrap();
    for line in ours.lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert!(held.contains(line), "{line}");
    }
}
