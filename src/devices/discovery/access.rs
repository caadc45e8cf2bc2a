//! Whether a node can be used, and who has it.

use std::path::{Path, PathBuf};

use rustix::fs::Access as Rights;

use crate::base::regular_file;

/// Folders whose symlinks name devices for people, the best first.
const LINK_FOLDERS: [&str; 4] = [
    "dev/oplati",
    "dev/serial/by-id",
    "dev/serial/by-path",
    "dev/input/by-id",
];

/// Whether this process may read and write the node.
pub fn is_allowed(node: &Path) -> bool {
    rustix::fs::access(node, Rights::READ_OK | Rights::WRITE_OK).is_ok()
}

/// Whether an error of opening or using a node means that its device is gone.
pub fn is_gone(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    // ENXIO and ENODEV: the node outlived its device.
    let gone = [Errno::NOENT, Errno::NXIO, Errno::NODEV];
    error.kind() == std::io::ErrorKind::NotFound
        || Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno))
}

/// Another process that has the node, as `name (pid)`. Whose descriptors may not be looked at, which for
/// all but root are those of other users, is known by its lock only.
pub fn holder(node: &Path) -> Option<String> {
    let pid = opener(node)
        .or_else(|| locker(node))
        .or_else(|| lock_files_owner(node))?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let name: String = name
        .trim()
        .chars()
        .filter(|c| !crate::base::text::is_unsafe(*c))
        .collect();
    Some(format!("{name} ({pid})"))
}

/// The first other process that is seen to have the node open.
fn opener(node: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| {
        let facts = std::fs::metadata(path).ok()?;
        Some((facts.dev(), facts.ino()))
    };
    let wanted = identity(node)?;
    // Another container may have another file of the same name.
    let is_node = |fd: &Path| {
        std::fs::read_link(fd).is_ok_and(|open| open == node) && identity(fd) == Some(wanted)
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| another(entry.file_name().to_str()?));
    pids.into_iter().find(|pid| {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
        descriptors.is_ok_and(|mut descriptors| {
            descriptors.any(|fd| fd.is_ok_and(|fd| is_node(&fd.path())))
        })
    })
}

/// The process that has locked the node's file (`flock`), which everybody may know.
fn locker(node: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(node).ok()?;
    let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    // 1: FLOCK  ADVISORY  WRITE 4711 00:05:271 0 EOF
    let place = format!("{major:02x}:{minor:02x}:{}", file.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let pid = fields.find_map(another)?;
        (fields.next()? == place).then_some(pid)
    })
}

/// A number, and in some forms a name beside it.
const MAX_LOCK_FILE_BYTES: usize = 256;

/// The process that a lock file of the old kind names, if it is alive.
fn lock_files_owner(node: &Path) -> Option<u32> {
    let name = node.file_name()?.to_str()?;
    let text = lock_file(Path::new(&format!("/var/lock/LCK..{name}"))).ok()?;
    another(text.split_whitespace().next()?)
}

/// Whoever may write there may put a pipe or a device there, which no thread of a device may wait for.
fn lock_file(path: &Path) -> std::io::Result<String> {
    let bytes = regular_file::head(path, MAX_LOCK_FILE_BYTES)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// A process that is not this one.
fn another(pid: &str) -> Option<u32> {
    pid.parse().ok().filter(|pid| *pid != std::process::id())
}

/// The stable names of a node below `root`, the best first.
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

    /// A program that has begun: its first line, and the process, which ends with its input.
    fn begun(command: &mut std::process::Command) -> (String, std::process::Child) {
        use std::io::BufRead as _;
        use std::process::Stdio;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        (line, child)
    }

    #[test]
    fn a_pipe_in_a_lock_files_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(lock_file(&pipe).is_err() && lock_file(Path::new("/dev/zero")).is_err());
        std::fs::write(&file, "      4711\n").unwrap();
        assert_eq!(lock_file(&file).unwrap().trim(), "4711");
    }

    #[test]
    fn who_has_a_node_is_known_by_its_descriptors_and_by_its_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let node = std::fs::canonicalize(file.path()).unwrap();
        assert_eq!(holder(&node), None);
        let (_, mut child) = begun(std::process::Command::new("flock").arg(&node).args([
            "sh",
            "-c",
            "echo locked; read end",
        ]));
        let expected = format!("flock ({})", child.id());
        assert_eq!(holder(&node), Some(expected));
        assert_eq!(locker(&node), Some(child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(holder(&node), None);
    }

    #[test]
    fn a_file_of_the_same_name_in_another_container_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let node = std::fs::canonicalize(folder.path()).unwrap().join("node");
        std::fs::write(&node, "").unwrap();
        let (line, mut child) = begun(
            std::process::Command::new("unshare")
                .args(["--map-root-user", "--mount", "sh", "-c"])
                .arg("mount -t tmpfs tmpfs \"${1%/*}\" && : > \"$1\" && exec 3< \"$1\" && echo open; read end")
                .arg("sh")
                .arg(&node),
        );
        assert_eq!(line, "open\n");
        assert_eq!(holder(&node), None);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn links_are_found_and_rights_are_shown() {
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
