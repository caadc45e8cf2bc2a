//! Puts every profile of `devices/` into the program, so that the program and its data are always of
//! one version, and makes Rust of the texts of `src/texts/`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "texts/generate.rs"]
mod generate;

use generate::{Source, generate};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    profiles(&root, &out.join("profiles.rs"))?;
    println!("cargo::rerun-if-changed=src/texts");
    texts(&root, "src/texts", &out.join("texts.rs"))?;
    texts(&root, "src/texts/example", &out.join("texts_example.rs"))
}

fn profiles(root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for kind in ["scanner", "display"] {
        let folder = root.join("devices").join(kind);
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder)? {
            files.push(entry?.path());
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let mut code = String::from("&[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({name:?}, include_str!({path:?})),")?;
    }
    code.push_str("]\n");
    Ok(fs::write(out, code)?)
}

fn texts(root: &Path, folder: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(stem) = name.strip_suffix(".ftl") else {
            continue;
        };
        let (audience, language) = stem.split_once('.').unwrap_or((stem, ""));
        sources.push(Source {
            place: format!("{folder}/{name}"),
            audience: audience.to_owned(),
            language: language.to_owned(),
            content: fs::read_to_string(&path)?,
        });
    }
    match generate(sources) {
        Ok(code) => fs::write(out, code)?,
        Err(errors) => {
            for error in errors {
                println!("cargo::error={error}");
            }
        }
    }
    Ok(())
}
