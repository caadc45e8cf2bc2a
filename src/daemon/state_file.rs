//! Small files of the daemon's own beside the journal: read whole with a bound, replaced whole. A damaged one is set
//! aside, and what it held begins anew.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::regular_file;

/// No right file is larger.
const MAX_BYTES: usize = 256 * 1024;

/// When a file that was written must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    /// Whenever the system likes.
    Eventually,
    /// Before it takes the place of the old one.
    AtOnce,
}

/// What the file holds, or nothing yet. `what` names it in the log when it cannot be read.
pub(super) fn read<T: Default + DeserializeOwned>(path: &Path, what: &str) -> T {
    match parsed(path) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => T::default(),
        Err(error) => {
            let kept = path.with_extension("json.damaged");
            let moved = fs::rename(path, &kept);
            tracing::warn!(%error, path = %path.display(), aside = %kept.display(), moved = moved.is_ok(), "{what} cannot be read and begin anew");
            T::default()
        }
    }
}

fn parsed<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let text = regular_file::read_text(path, MAX_BYTES)?;
    serde_json::from_str(&text).map_err(io::Error::other)
}

/// Puts what is kept in the file's place.
pub(super) fn replace(path: &Path, kept: &impl Serialize, durable: Durable) -> io::Result<()> {
    let text = serde_json::to_string_pretty(kept).map_err(io::Error::other)?;
    let temporary = path.with_extension("json.new");
    let written = write_new(&temporary, &text, durable).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What a full disk has cut takes no room.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn write_new(temporary: &Path, text: &str, durable: Durable) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    file.write_all(text.as_bytes())?;
    if durable == Durable::AtOnce {
        file.sync_all()?;
    }
    Ok(())
}
