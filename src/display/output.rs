//! Where frames go: a file, and the picture that the API serves.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Replaces a picture whole: a reader sees the old one or the new one, never half of one.
pub(super) fn replace(path: &Path, png: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary: PathBuf = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&temporary)?;
    // No fsync: after a power cut the display shows nothing anyway, and every start draws anew.
    file.write_all(png)?;
    drop(file);
    std::fs::rename(&temporary, path)
}

/// What the buyer sees now, for the API and the browser page.
#[derive(Debug)]
pub struct LiveFrame {
    png: Mutex<Arc<[u8]>>,
    scenes: watch::Sender<u64>,
}

impl Default for LiveFrame {
    fn default() -> LiveFrame {
        LiveFrame {
            png: Mutex::new(Arc::from([])),
            scenes: watch::Sender::new(0),
        }
    }
}

impl LiveFrame {
    /// The number of the scene and its picture, a PNG; empty before the first one.
    #[must_use]
    pub fn png(&self) -> (u64, Arc<[u8]>) {
        let png = self.png.lock().unwrap_or_else(PoisonError::into_inner);
        (*self.scenes.borrow(), png.clone())
    }

    /// Tells the number of each new scene.
    #[must_use]
    pub fn scenes(&self) -> watch::Receiver<u64> {
        self.scenes.subscribe()
    }

    /// Whether anybody looks.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.scenes.receiver_count() > 0
    }

    pub(super) fn set(&self, number: u64, bytes: Vec<u8>) {
        let mut png = self.png.lock().unwrap_or_else(PoisonError::into_inner);
        *png = Arc::from(bytes);
        self.scenes.send_replace(number);
    }
}
