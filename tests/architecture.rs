//! The layers of the source: which room may import which, and that texts stand in theirs.
//!
//! A room is a module directly below `src/`. [`ROOMS`] holds them from the ground up, each with all that it may
//! import; any other `crate::…` in the product's code fails here with a sentence that shows where it stands and
//! what to do. Code that only tests use (`#[cfg(test)]`, `tests.rs`, `tests/`) may import anything. The wing of
//! devices has floors of its own, [`DEVICES`], held the same way: there every import between two of its modules is
//! written `crate::devices::…`. The buyer's window, `src/window/`, is no room but a program of its own: what it may
//! import of the library stands in [`IMPORTS_OF_THE_WINDOW`], and nothing else names the crates of a desktop.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets something else than it expects shall fail"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

struct Room {
    name: &'static str,
    /// What belongs into it.
    holds: &'static str,
    /// The rooms below it that it may import.
    imports: &'static [&'static str],
}

const ROOMS: &[Room] = &[
    Room {
        name: "base",
        holds: "what every room needs and that knows none of them",
        imports: &[],
    },
    Room {
        name: "texts",
        holds: "what people read",
        imports: &[],
    },
    Room {
        name: "model",
        holds: "words that rooms share, without input or output",
        // A scan is a secret.
        imports: &["base", "texts"],
    },
    Room {
        name: "core",
        holds: "the one owner of state, a machine without clock, socket or disk",
        imports: &["base", "texts", "model"],
    },
    Room {
        name: "log",
        holds: "what the daemon reports of itself",
        imports: &["base"],
    },
    Room {
        name: "config",
        holds: "what the administrator wants",
        imports: &["base", "model"],
    },
    Room {
        name: "service",
        holds: "the client of the payment service",
        imports: &["base", "texts", "model", "core"],
    },
    Room {
        name: "devices",
        holds: "what is plugged in, codes in, scenes out",
        imports: &["base", "texts", "model", "core", "config"],
    },
    Room {
        name: "journal",
        holds: "the durable truth",
        imports: &["base", "texts", "model", "core"],
    },
    Room {
        name: "engine",
        holds: "core and journal as one machine",
        imports: &["base", "texts", "model", "core", "journal"],
    },
    Room {
        name: "report",
        holds: "a shift compared with the service, and printed",
        imports: &["base", "texts", "model", "core"],
    },
    Room {
        name: "metrics",
        holds: "what is counted",
        imports: &["model", "core"],
    },
    Room {
        name: "client",
        holds: "the client of our own daemon",
        imports: &[],
    },
    Room {
        name: "api",
        holds: "tills ask and listen",
        imports: &[
            "base", "texts", "model", "core", "log", "config", "devices", "report", "metrics",
        ],
    },
    Room {
        name: "sim",
        holds: "the simulated payment service",
        imports: &["base"],
    },
    Room {
        name: "selftest",
        holds: "what works at this till, and what to do where it does not",
        imports: &[
            "base", "texts", "model", "core", "log", "config", "service", "devices", "journal",
            "report", "client",
        ],
    },
    Room {
        name: "daemon",
        holds: "all of it joined in one process",
        imports: &[
            "base", "texts", "model", "core", "log", "config", "service", "devices", "journal",
            "engine", "report", "metrics", "api",
        ],
    },
    Room {
        name: "demo",
        holds: "everything on a bare machine",
        imports: &[
            "base", "texts", "model", "log", "config", "client", "sim", "daemon",
        ],
    },
    Room {
        name: "cli",
        holds: "the verbs",
        imports: &[
            "base", "texts", "model", "core", "log", "config", "service", "devices", "journal",
            "report", "client", "api", "sim", "selftest", "daemon", "demo",
        ],
    },
];

/// The folder of the buyer's window below `src/`, a program of its own and no room: it imports the library by its name.
const WINDOW: &str = "window";

/// What the window may import of the library.
const IMPORTS_OF_THE_WINDOW: &[&str] = &[
    "base", "core", // What winit warns of is logged like all else.
    "log", "config", "devices", "client",
];

/// The crates of a desktop, which the window alone uses: libraries are loaded by one of them before `main`.
const CRATES_OF_A_DESKTOP: &[&str] = &["softbuffer", "winit", "x11rb"];

/// The modules directly below `src/devices`.
const DEVICES: &[Room] = &[
    Room {
        name: "mode",
        holds: "how a scanner speaks",
        imports: &[],
    },
    Room {
        name: "discovery",
        holds: "what is plugged in",
        imports: &["mode"],
    },
    Room {
        name: "profile",
        holds: "what is known about models",
        imports: &["mode"],
    },
    Room {
        name: "matcher",
        holds: "which profile fits what is plugged in",
        imports: &["mode", "discovery", "profile"],
    },
    Room {
        name: "scanner",
        holds: "codes in",
        imports: &["mode", "discovery", "profile"],
    },
    Room {
        name: "display",
        holds: "scenes out",
        imports: &["discovery", "profile"],
    },
    Room {
        name: "device_test",
        holds: "whether a device works",
        imports: &["discovery"],
    },
];

/// Rooms that lie above each other, and where they are.
struct Building {
    rooms: &'static [Room],
    /// What the list is called here.
    list: &'static str,
    /// The folder of the rooms, below `src/`.
    folder: &'static str,
    /// What stands before a room's name where it is imported.
    prefix: &'static str,
}

const CRATE: Building = Building {
    rooms: ROOMS,
    list: "ROOMS",
    folder: "",
    prefix: "crate::",
};

const WING_OF_DEVICES: Building = Building {
    rooms: DEVICES,
    list: "DEVICES",
    folder: "devices",
    prefix: "crate::devices::",
};

/// One import: of which room, in which file and line, of what.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    room: String,
    place: String,
    imported: String,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !name.ends_with("tests.rs")
        {
            found.push(path);
        }
    }
}

/// The product's code of a file without comments: each line with its number. By convention the tests of a file are its
/// last part.
fn code_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let next = text.lines().skip(1).chain([""]);
    let begins_tests = |line: &str, next: &str| line == "#[cfg(test)]" && next.ends_with('{');
    text.lines()
        .zip(next)
        .take_while(move |(line, next)| !begins_tests(line, next))
        .enumerate()
        .filter(|(_, (line, _))| !line.trim_start().starts_with("//"))
        .map(|(index, (line, _))| (index + 1, line.split(" // ").next().unwrap_or_default()))
}

/// The names of modules that stand after `prefix` in a line of code: one, or those of a list in braces.
fn names_after(prefix: &str, code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split(prefix).skip(1) {
        if let Some(list) = rest.strip_prefix('{') {
            let list = list.split('}').next().unwrap_or_default();
            names.extend(list.split(',').map(first_word));
        } else {
            names.push(first_word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.trim_start()
        .chars()
        .take_while(|c| is_inner(*c))
        .collect()
}

/// What the product's code of one file imports from other rooms.
fn imports_of(prefix: &str, room: &str, place: &str, text: &str) -> Vec<Import> {
    let mut imports = Vec::new();
    for (number, line) in code_of(text) {
        let others = names_after(prefix, line)
            .into_iter()
            .filter(|name| name != room);
        imports.extend(others.map(|imported| Import {
            room: room.to_owned(),
            place: format!("src/{place}:{number}"),
            imported,
        }));
    }
    imports
}

/// Every file of the product's code in a folder: its path below that folder and its text.
fn all_files(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    rust_files(root, &mut files);
    assert!(
        files.len() > 50,
        "the source is not where it was: {files:?}"
    );
    files.sort();
    let read = |file: &PathBuf| {
        let place = file.strip_prefix(root).unwrap().to_string_lossy();
        (place.into_owned(), fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

fn all_imports(building: &Building) -> Vec<Import> {
    let mut imports = Vec::new();
    for (inside, text) in all_files(&source().join(building.folder)) {
        let room = inside.split('/').next().unwrap().trim_end_matches(".rs");
        // The roots of crate and wing, the build script and the window's program are no rooms.
        if !matches!(room, "lib" | "main" | "build" | "mod" | WINDOW) {
            let place = Path::new(building.folder).join(&inside);
            let place = place.to_string_lossy();
            imports.extend(imports_of(building.prefix, room, &place, &text));
        }
    }
    imports
}

/// Why an import is wrong, in a sentence that helps; `None` where it is allowed.
fn objection(building: &Building, import: &Import) -> Option<String> {
    let Building {
        rooms,
        list,
        folder,
        ..
    } = *building;
    let Import {
        room,
        place,
        imported,
    } = import;
    let Some(at) = rooms.iter().position(|known| known.name == room) else {
        return Some(format!(
            "{place}: `{room}` is no room. Add it to {list} in tests/architecture.rs, above all that it imports"
        ));
    };
    if rooms[at].imports.contains(&imported.as_str()) {
        return None;
    }
    let Some(of) = rooms.iter().position(|known| known.name == imported) else {
        return Some(format!("{place}: `{imported}` is no room of src/{folder}"));
    };
    Some(if of > at {
        format!(
            "{place}: `{room}` ({}) lies below `{imported}` ({}) and must not import it. What both need belongs \
             into a room below both; what only `{imported}` can do comes in as an argument or a trait",
            rooms[at].holds, rooms[of].holds
        )
    } else {
        format!(
            "{place}: `{room}` ({}) does without `{imported}` ({}). If it cannot any more, give the reason in the commit \
             that adds `{imported}` to its imports in tests/architecture.rs",
            rooms[at].holds, rooms[of].holds
        )
    })
}

#[test]
fn every_room_imports_only_what_lies_below_it() {
    let mut objections = Vec::new();
    for building in [CRATE, WING_OF_DEVICES] {
        let imports = all_imports(&building);
        objections.extend(imports.iter().filter_map(|one| objection(&building, one)));
    }
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
}

#[test]
fn the_rooms_are_those_of_the_source_from_the_ground_up() {
    for building in [CRATE, WING_OF_DEVICES] {
        let mut below = BTreeSet::new();
        for room in building.rooms {
            for import in room.imports {
                assert!(
                    below.contains(import),
                    "`{}` lists `{import}`, which does not lie below it",
                    room.name
                );
            }
            let path = source().join(building.folder).join(room.name);
            assert!(
                path.is_dir() || path.with_extension("rs").is_file(),
                "`{}` is in {} and not in src/{}",
                room.name,
                building.list,
                building.folder
            );
            below.insert(room.name);
        }
    }
}

#[test]
fn no_import_is_allowed_that_nobody_needs() {
    for building in [CRATE, WING_OF_DEVICES] {
        let imports = all_imports(&building);
        for room in building.rooms {
            for import in room.imports {
                let is_used = imports
                    .iter()
                    .any(|one| one.room == room.name && one.imported == *import);
                assert!(
                    is_used,
                    "nothing in `{}` imports `{import}`: take it out of {}, so that it stays so",
                    room.name, building.list
                );
            }
        }
    }
}

#[test]
fn the_window_imports_what_is_listed_for_it_and_no_more() {
    let mut used = BTreeSet::new();
    for (inside, text) in all_files(&source()) {
        if !inside.starts_with("window/") {
            continue;
        }
        for import in imports_of("oplati::", WINDOW, &inside, &text) {
            assert!(
                IMPORTS_OF_THE_WINDOW.contains(&import.imported.as_str()),
                "{}: the window does without `{}`. If it cannot any more, say why in the commit that adds it to \
                 IMPORTS_OF_THE_WINDOW in tests/architecture.rs",
                import.place,
                import.imported
            );
            used.insert(import.imported);
        }
    }
    for import in IMPORTS_OF_THE_WINDOW {
        assert!(
            used.contains(*import),
            "the window does not import `{import}`: take it out of IMPORTS_OF_THE_WINDOW, so that it stays so"
        );
    }
}

#[test]
fn only_the_window_has_to_do_with_a_desktop() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let features = manifest["features"].as_table().unwrap();
    assert!(
        !features.contains_key("default"),
        "`cargo build` is of `oplati` alone, without the window: leave the features without a default"
    );
    for name in CRATES_OF_A_DESKTOP {
        let is_optional = manifest["dependencies"][*name].get("optional");
        assert_eq!(
            is_optional,
            Some(&toml::Value::Boolean(true)),
            "{name} in Cargo.toml is for the feature `window` alone: optional = true"
        );
    }
    for (inside, text) in all_files(&source()) {
        if inside.starts_with("window/") {
            continue;
        }
        for (number, line) in code_of(&text) {
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            assert!(
                !words.any(|word| CRATES_OF_A_DESKTOP.contains(&word)),
                "src/{inside}:{number}: what needs a desktop belongs into src/window/, a program of its own: the \
                 daemon loads nothing of one"
            );
        }
    }
}

#[test]
fn a_new_upward_import_is_named_with_its_place() {
    let text = "//! crate::demo in a comment is none.\nuse crate::{model, demo::Stage};\nuse crate::base::clock;\n#[cfg(test)]\nmod tests {\n    use crate::cli;\n";
    let imports = imports_of("crate::", "core", "core/mod.rs", text);
    let names: Vec<&str> = imports
        .iter()
        .map(|import| import.imported.as_str())
        .collect();
    assert_eq!(names, ["model", "demo", "base"]);
    let objection_text = objection(&CRATE, &imports[1]).unwrap();
    assert!(
        objection_text.starts_with("src/core/mod.rs:2: `core`"),
        "{objection_text}"
    );
    assert!(
        objection_text.contains("lies below `demo`"),
        "{objection_text}"
    );
}

/// Cyrillic letters that stand in the code and not in `src/texts/`, and why.
const CYRILLIC_IN_CODE: &[(&str, &str)] = &[
    ("api/openapi.rs", "an attribute takes a literal alone"),
    ("api/routes.rs", "an attribute takes a literal alone"),
    ("base/charset.rs", "a code page"),
    ("base/text.rs", "a code page"),
    ("config/mod.rs", "the default of walletName"),
    ("devices/device_test/diagnosis.rs", "a keyboard"),
    ("devices/device_test/mod.rs", "letters of test codes"),
    ("devices/display/serial/code_page.rs", "a code page"),
    ("devices/scanner/keyboard/keymap.rs", "a keyboard"),
    ("selftest/bundle.rs", "words before secrets"),
    ("service/wire.rs", "what the service is sent"),
    ("sim/refusal.rs", "what the service answers"),
];

#[test]
fn what_people_read_stands_in_the_texts() {
    let is_cyrillic = |c: char| ('\u{400}'..='\u{52f}').contains(&c);
    let mut excused = BTreeSet::new();
    let mut objections = Vec::new();
    for (place, text) in all_files(&source()) {
        for (number, line) in code_of(&text).filter(|(_, line)| line.contains(is_cyrillic)) {
            if CYRILLIC_IN_CODE.iter().any(|(file, _)| *file == place) {
                excused.insert(place.clone());
            } else {
                objections.push(format!(
                    "src/{place}:{number}: `{}` belongs into src/texts/, into the file of who reads it, or, if it is \
                     no text, into CYRILLIC_IN_CODE in tests/architecture.rs with the reason",
                    line.trim()
                ));
            }
        }
    }
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
    for (file, reason) in CYRILLIC_IN_CODE {
        assert!(
            excused.contains(*file),
            "{file} ({reason}) holds no Cyrillic letter any more: take it out of CYRILLIC_IN_CODE"
        );
    }
}

#[test]
fn inside_the_wing_of_devices_an_upward_import_is_named_as_well() {
    let text = "use crate::config;\nuse crate::devices::scanner::hid;\n";
    let prefix = WING_OF_DEVICES.prefix;
    let imports = imports_of(prefix, "profile", "devices/profile/mod.rs", text);
    assert_eq!(imports.len(), 1, "the room below the wing is no part of it");
    let objection_text = objection(&WING_OF_DEVICES, &imports[0]).unwrap();
    assert!(
        objection_text.starts_with("src/devices/profile/mod.rs:2: `profile`"),
        "{objection_text}"
    );
    assert!(
        objection_text.contains("lies below `scanner`"),
        "{objection_text}"
    );
}
