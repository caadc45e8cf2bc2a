//! A picture in a file, replaced whole with each scene.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::frame::Frame;
use super::live::packed;
use super::panel::{Capabilities, Driver, Panel, PanelError, PixelPanel};
use crate::base::error_chain::with_causes;
use crate::config::PixelSize;

/// Whoever shows the picture reads it, whatever the daemon's umask.
const MODE: u32 = 0o644;

/// A file, open or not.
#[derive(Clone, Debug)]
pub(super) struct PngFile {
    path: PathBuf,
    size: PixelSize,
}

impl PngFile {
    pub(super) fn new(path: PathBuf, size: PixelSize) -> PngFile {
        PngFile { path, size }
    }
}

impl Driver for PngFile {
    fn node(&self) -> String {
        self.path.display().to_string()
    }

    fn capabilities(&self) -> Option<Capabilities> {
        Some(Capabilities::Pixels {
            size: self.size,
            millimetres: None,
        })
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        refuse_other_than_file(&self.path).map_err(|source| {
            let path = self.path.clone();
            PanelError::Unwritable(with_causes(&ReplaceError { path, source }))
        })?;
        Ok(Panel::Pixels(Box::new(self.clone())))
    }
}

impl PixelPanel for PngFile {
    fn size(&self) -> PixelSize {
        self.size
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        replace(&self.path, &packed(frame)?)
            .map_err(|error| PanelError::Unwritable(with_causes(&error)))
    }
}

/// A picture that was not put in its place.
#[derive(Debug, thiserror::Error)]
#[error("cannot replace the picture {}", path.display())]
struct ReplaceError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Only a file is replaced or removed: a device node such as `/dev/full`, a folder, a socket or a link is somebody's,
/// and programs that have it by its name would be left without it.
fn refuse_other_than_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(io::Error::other(
            "a folder, link or device has that name; name a new file",
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Replaces a picture whole: a reader sees the old one or the new one, never half of one. After a
/// failed attempt there is none, neither what was written of the new one, which may hold a code, nor
/// the old one, which may hold one that is over.
fn replace(path: &Path, png: &[u8]) -> Result<(), ReplaceError> {
    let failed = |source| ReplaceError {
        path: path.to_owned(),
        source,
    };
    refuse_other_than_file(path).map_err(failed)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary: PathBuf = path.with_file_name(name);
    let replaced = write_new(&temporary, png)
        .and_then(|()| refuse_other_than_file(path))
        .and_then(|()| fs::rename(&temporary, path));
    replaced.map_err(|source| {
        remove(&temporary);
        // What stands there is over: no picture is better than an old code.
        remove(path);
        failed(source)
    })
}

fn remove(path: &Path) {
    if refuse_other_than_file(path).is_ok() {
        drop(fs::remove_file(path));
    }
}

/// The file is always made anew, so that a link laid in its place is never written through.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() || there.is_symlink() => fs::remove_file(path)?,
        Ok(_) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    // No fsync: after a power cut the display shows nothing anyway, and every start draws anew.
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_way_is_not_written_through_and_all_may_read_the_picture() {
        let folder = tempfile::tempdir().unwrap();
        let (picture, victim) = (
            folder.path().join("buyer.png"),
            folder.path().join("victim"),
        );
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("buyer.png.new")).unwrap();
        replace(&picture, b"picture").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"untouched");
        assert_eq!(fs::read(&picture).unwrap(), b"picture");
        assert_eq!(
            fs::metadata(&picture).unwrap().permissions().mode() & 0o777,
            MODE
        );
    }

    #[test]
    fn a_picture_that_cannot_be_replaced_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("buyer.png");
        replace(&picture, b"an old code").unwrap();
        // Nothing can be written in the place of the temporary file, as on a full disk.
        fs::create_dir(folder.path().join("buyer.png.new")).unwrap();
        replace(&picture, b"idle").unwrap_err();
        assert!(!picture.exists());
    }

    #[test]
    fn what_is_no_file_is_neither_replaced_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        let mut names = vec!["folder", "socket", "device", "nowhere"];
        // Only root can make a node.
        let (kind, mode) = (
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::from(0o666),
        );
        let full = rustix::fs::makedev(1, 7);
        if rustix::fs::mknodat(rustix::fs::CWD, at("full"), kind, mode, full).is_ok() {
            names.push("full");
        }
        for (name, target) in [("device", "/dev/full"), ("nowhere", "nothing")] {
            std::os::unix::fs::symlink(target, at(name)).unwrap();
        }
        for name in names.iter().copied() {
            let before = fs::symlink_metadata(at(name)).unwrap().file_type();
            let error = with_causes(&replace(&at(name), b"picture").unwrap_err());
            assert!(error.contains("a folder, link or device"), "{error}");
            let after = fs::symlink_metadata(at(name)).unwrap().file_type();
            assert_eq!(before, after, "{name}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
    }

    #[test]
    fn a_failure_names_the_picture_and_leaves_no_half_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("buyer.png");
        fs::create_dir(&occupied).unwrap();
        let error = replace(&occupied, b"picture").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot replace the picture {}", occupied.display())
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
