//! Folders that are made with rights of their own, whatever the umask: others must not be able to replace what lies
//! in them, and their owner must not be locked out.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstat, open};

/// What is made in such a folder has its group.
const SETGID: u32 = 0o2000;

/// Makes a folder and those around it, where they are missing, each with `mode` and a group that is inherited.
/// Answers those that were made, the outermost first.
pub fn make(folder: &Path, mode: u32) -> io::Result<Vec<PathBuf>> {
    // A relative path ends in the empty one, which is the present folder.
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => {
                give_mode(folder, mode)?;
                made.push(folder.to_owned());
            }
            // Somebody was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

/// Of the folder itself, should somebody put a link in its place; one without any rights can be opened in this way
/// alone.
fn give_mode(folder: &Path, mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let made: OwnedFd = open(folder, flags, Mode::empty())?;
    let inherited = fstat(&made)?.st_mode & SETGID;
    let itself = format!("/proc/self/fd/{}", made.as_raw_fd());
    fs::set_permissions(itself, fs::Permissions::from_mode(mode | inherited))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_its_mode_and_keeps_the_group_of_the_one_around_it() {
        let around = tempfile::tempdir().unwrap();
        fs::set_permissions(around.path(), fs::Permissions::from_mode(0o2770)).unwrap();
        let folder = around.path().join("a/b");
        let made = make(&folder, 0o705).unwrap();
        assert_eq!(made, [around.path().join("a"), folder.clone()]);
        for folder in made {
            let mode = fs::metadata(folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o2705);
        }
        assert!(make(&folder, 0o700).unwrap().is_empty(), "it is there");
    }
}
