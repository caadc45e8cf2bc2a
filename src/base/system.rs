//! What the system reports about itself: groups, processes and who holds a port.

use nix::sys::signal::SigSet;

/// The group of tills: it may use the socket, read the token and write terminal.log, too.
pub const TILL_GROUP: &str = "oplati-till";

/// Lifts the blocks of signals that the process has inherited: a starter that blocks SIGTERM for itself, as supervisors
/// and shells with traps do, would leave a daemon that nothing but SIGKILL ends. For the main thread before there is
/// another: threads inherit it.
pub fn unblock_signals() {
    // The call knows no error but that of a wrong argument.
    if let Err(error) = SigSet::all().thread_unblock() {
        tracing::debug!(%error, "Signals stay blocked");
    }
}

/// A process as people know it: its name and number.
pub fn process_name(pid: &str) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} (pid {pid})", name.trim())
}

/// The process that listens on a loopback port: its socket's inode is in the kernel's table.
pub fn port_holder(port: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default()
        + &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let suffix = format!(":{port:04X}");
    let row = table
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>())
        .find(|row| {
            row.get(1).is_some_and(|local| local.ends_with(&suffix)) && row.get(3) == Some(&"0A")
        })?;
    let socket = format!("socket:[{}]", row.get(9)?);
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(descriptors) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = descriptors.flatten().any(|fd| {
            std::fs::read_link(fd.path()).is_ok_and(|target| target.to_string_lossy() == socket)
        });
        if holds {
            return Some(process_name(&pid));
        }
    }
    None
}

/// The number of a group of this machine; `None` when there is none of that name.
pub fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        let id = (parts.next() == Some(name)).then(|| parts.nth(1))??;
        id.parse::<u32>().ok()
    })
}
