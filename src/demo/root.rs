//! The demo's private folder: everything that the demonstrated daemon writes, gone with the demo.
//!
//! A guard that removes the folder when dropped, and not a list of files to clean, so that every way
//! out (the end, an error, a signal, a panic that unwinds) removes whatever the daemon has put there.

use std::fs::{DirBuilder, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::DemoError;

/// How often a name that is already taken is replaced by another.
const NAME_TRIES: u32 = 16;

/// How often the removal is begun anew when something appears in the folder meanwhile.
const REMOVAL_TRIES: u32 = 5;

/// A folder with a random name that nobody else may enter; removed with all it holds when dropped.
#[derive(Debug)]
pub struct TempRoot {
    path: PathBuf,
}

impl TempRoot {
    /// Makes the folder below `parent`, mode 0700. A name that exists is never reused, so that nobody
    /// can prepare the folder beforehand.
    ///
    /// # Errors
    /// [`DemoError::Root`] when no folder can be made there.
    pub fn create(parent: &Path) -> Result<TempRoot, DemoError> {
        let failed = |source| DemoError::Root {
            path: parent.to_owned(),
            source,
        };
        for _ in 0..NAME_TRIES {
            let path = parent.join(format!(
                "oplati-demo-{:016x}",
                random_number().map_err(failed)?
            ));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    // A umask can only take rights away; it must not lock the owner out.
                    let root = TempRoot { path };
                    std::fs::set_permissions(&root.path, Permissions::from_mode(0o700))
                        .map_err(failed)?;
                    return Ok(root);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(std::io::Error::from(
            std::io::ErrorKind::AlreadyExists,
        )))
    }

    /// Where it is, absolute if the parent was.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempRoot {
    fn drop(&mut self) {
        // A thread that a panic left behind may write one more file meanwhile; the log even makes its
        // folder anew. Nothing is logged here for the same reason.
        for _ in 0..REMOVAL_TRIES {
            let _ = std::fs::remove_dir_all(&self.path);
            if !self.path.exists() {
                return;
            }
        }
        let _ = writeln!(
            std::io::stderr().lock(),
            "oplati: {}: temporary folder remains",
            self.path.display()
        );
    }
}

fn random_number() -> std::io::Result<u64> {
    getrandom::u64().map_err(std::io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_private_and_goes_with_its_guard() {
        let parent = tempfile::tempdir().unwrap();
        let root = TempRoot::create(parent.path()).unwrap();
        let path = root.path().to_owned();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        std::fs::create_dir_all(path.join("deep/er")).unwrap();
        std::fs::write(path.join("deep/er/file"), "x").unwrap();
        drop(root);
        assert!(!path.exists());
    }

    #[test]
    fn a_panic_removes_the_folder_too() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().to_owned();
        let outcome = std::thread::spawn(move || {
            let _root = TempRoot::create(&path).unwrap();
            panic!("on purpose");
        })
        .join();
        assert!(outcome.is_err());
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_demos_never_share_a_folder() {
        let parent = tempfile::tempdir().unwrap();
        let (one, other) = (
            TempRoot::create(parent.path()).unwrap(),
            TempRoot::create(parent.path()).unwrap(),
        );
        assert_ne!(one.path(), other.path());
    }

    #[test]
    fn a_place_that_is_no_folder_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let error = TempRoot::create(&parent.path().join("absent")).unwrap_err();
        assert!(matches!(error, DemoError::Root { .. }));
    }
}
