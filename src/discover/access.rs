//! Whether a node can be used, and who has it.

use std::path::{Path, PathBuf};

use rustix::fs::Access as Rights;

/// Folders whose symlinks name devices for people, the best first.
const LINK_FOLDERS: [&str; 4] = [
    "dev/oplati",
    "dev/serial/by-id",
    "dev/serial/by-path",
    "dev/input/by-id",
];

/// Whether this process may read and write the node.
#[must_use]
pub fn is_allowed(node: &Path) -> bool {
    rustix::fs::access(node, Rights::READ_OK | Rights::WRITE_OK).is_ok()
}

/// The first other process that has the node open, as `name (pid)`; only root sees all of them.
#[must_use]
pub fn holder(node: &Path) -> Option<String> {
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name().to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = descriptors
            .flatten()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|open| open == node));
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} ({pid})", name.trim()));
        }
    }
    None
}

/// The stable names of a node below `root`, the best first.
#[must_use]
pub fn links(root: &Path, node: &Path) -> Vec<PathBuf> {
    let mut links = Vec::new();
    for folder in LINK_FOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        let mut here: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|link| std::fs::canonicalize(link).is_ok_and(|target| target == node))
            .collect();
        here.sort();
        links.extend(here);
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_rights_are_told() {
        let root = tempfile::tempdir().unwrap();
        let dev = root.path().join("dev");
        std::fs::create_dir_all(dev.join("oplati")).unwrap();
        let node = dev.join("ttyACM0");
        std::fs::write(&node, "").unwrap();
        std::os::unix::fs::symlink("../ttyACM0", dev.join("oplati/scanner-a")).unwrap();
        std::os::unix::fs::symlink("../gone", dev.join("oplati/scanner-b")).unwrap();
        let node = std::fs::canonicalize(node).unwrap();
        let found = links(root.path(), &node);
        assert_eq!(found, [root.path().join("dev/oplati/scanner-a")]);
        assert!(is_allowed(&node));
        assert!(!is_allowed(&dev.join("gone")));
    }
}
