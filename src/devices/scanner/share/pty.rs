//! The till program reads a pseudo-terminal as it would read the scanner's port.
//!
//! While nobody has it open, codes are dropped: a till that opens it an hour later must not find an
//! hour of goods. The name is a symlink that stays the same; the terminal stays open as long as the
//! daemon runs, through replugs of the scanner.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{Gid, Mode};

use super::Missed;
use crate::base::poll::wait_for;
use crate::base::pty::RawPty;
use crate::model::scan::RawScan;

/// A till that does not read for so long gets no more of this code.
const READER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often what the till writes is taken away. It means nothing here, but a terminal that nobody reads
/// fills up, and the till would wait for it for ever.
const DRAIN_INTERVAL: Duration = Duration::from_secs(5);
/// Ends a code of HID POS, which has no terminator of its own.
const LINE_END: &[u8] = b"\r\n";
/// Who may write into the folder of shared scanners can put his own in their place.
const FOLDER_MODE: u32 = 0o755;

/// The stable name of a terminal. The kernel gives the terminal's number to somebody else once it is closed: the
/// name goes before that, if it still leads there.
#[derive(Debug)]
pub(super) struct Link {
    path: PathBuf,
    node: PathBuf,
}

impl Drop for Link {
    fn drop(&mut self) {
        if std::fs::read_link(&self.path).is_ok_and(|node| node == self.node)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(link = %self.path.display(), %error, "The name of a shared scanner stays behind");
        }
    }
}

/// Removes the names that a daemon without an orderly end has left in `folder`: they lead to terminals that are
/// gone, or to somebody else's by now.
pub(super) fn remove_stale(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let leads_to_terminal =
            std::fs::read_link(entry.path()).is_ok_and(|node| node.starts_with("/dev/pts"));
        if leads_to_terminal && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!(link = %entry.path().display(), %error, "The name of a shared scanner stays behind");
        }
    }
}

pub(super) fn start(
    name: &str,
    folder: &Path,
    waiting: Receiver<RawScan>,
    missed: Missed,
) -> io::Result<Link> {
    let RawPty {
        near: master,
        far,
        node,
    } = RawPty::open()?;
    rustix::io::ioctl_fionbio(&master, true)?;
    // Once opened and closed, the terminal shows whether anybody has it.
    drop(far);
    rustix::fs::chmod(&node, Mode::from_raw_mode(0o660))?;
    give_to_tills(&node, folder);
    crate::base::folders::make(folder, FOLDER_MODE)?;
    let link = folder.join(name);
    match std::fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::os::unix::fs::symlink(&node, &link)?;
    // Before the thread: without one the terminal is closed at once.
    let link = Link { path: link, node };
    let device = name.to_owned();
    std::thread::Builder::new()
        .name(format!("oplati-share-{name}"))
        .spawn(move || write_all(&device, &master, &waiting, &missed))?;
    Ok(link)
}

impl Link {
    /// Where a till program finds the terminal.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The terminal belongs to the group that the folder belongs to, as the API's socket does.
fn give_to_tills(node: &Path, folder: &Path) {
    let group = std::fs::metadata(folder.parent().unwrap_or(folder))
        .ok()
        .map(|metadata| Gid::from_raw(std::os::unix::fs::MetadataExt::gid(&metadata)));
    if let Some(group) = group
        && let Err(error) = rustix::fs::chown(node, None, Some(group))
    {
        tracing::debug!(%error, "The terminal keeps its group");
    }
}

fn write_all(device: &str, master: &OwnedFd, waiting: &Receiver<RawScan>, missed: &Missed) {
    let mut was_read = true;
    let mut is_cut = false;
    loop {
        let raw = waiting.recv_timeout(DRAIN_INTERVAL);
        drain(master);
        let bytes = match raw {
            Ok(RawScan::Bytes(bytes)) => bytes,
            Ok(RawScan::Report(code)) => [&code, LINE_END].concat(),
            Ok(RawScan::Keys(_)) | Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let is_read = is_open(master) && write_whole(master, &bytes, &mut is_cut);
        if !is_read {
            missed.fetch_add(1, Ordering::Relaxed);
        }
        if was_read && !is_read {
            tracing::info!(device, "The till program does not read the shared scanner");
        }
        was_read = is_read;
    }
}

/// Reads what the till has written, or its echo, for the bin.
fn drain(master: &OwnedFd) {
    let mut bin = [0; 4096];
    // A terminal holds less; a till that writes on and on is left alone after a while.
    for _ in 0..64 {
        if !matches!(rustix::io::read(master, &mut bin), Ok(count) if count > 0) {
            return;
        }
    }
}

/// The master hangs up while nobody has the other end.
fn is_open(master: &OwnedFd) -> bool {
    wait_for(master, PollFlags::OUT, Duration::ZERO)
        .is_ok_and(|seen| !seen.contains(PollFlags::HUP))
}

/// Writes a code, or nothing of it, if that can be known beforehand. What a till that stopped reading got the
/// beginning of is ended before the next code, which would be taken for its rest.
fn write_whole(master: &OwnedFd, bytes: &[u8], is_cut: &mut bool) -> bool {
    let until = Instant::now() + READER_TIMEOUT;
    if *is_cut {
        if write(master, LINE_END, until) < LINE_END.len() {
            return false;
        }
        *is_cut = false;
    }
    let written = write(master, bytes, until);
    *is_cut = written > 0 && written < bytes.len();
    written == bytes.len()
}

/// How much of it was written.
fn write(master: &OwnedFd, bytes: &[u8], until: Instant) -> usize {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty())
        && Instant::now() < until
    {
        match rustix::io::write(master, rest) {
            Ok(count) => written += count,
            Err(rustix::io::Errno::AGAIN) => {
                // A master that is full returns an error; a till reads within milliseconds.
                let pause = Duration::from_millis(50);
                if wait_for(master, PollFlags::OUT, pause).is_err() {
                    break;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    /// A terminal that passes bytes as they are, and the till program's end of it.
    fn terminal() -> (OwnedFd, File) {
        let RawPty { near, far, .. } = RawPty::open().unwrap();
        rustix::io::ioctl_fionbio(&near, true).unwrap();
        (near, File::from(far))
    }

    #[test]
    fn a_code_that_a_till_got_the_beginning_of_is_a_line_of_its_own() {
        let (master, mut till) = terminal();
        let long = [vec![b'x'; 4000], vec![b'\r']].concat();
        let mut is_cut = false;
        let mut whole = 0;
        while write_whole(&master, &long, &mut is_cut) {
            whole += 1;
        }
        assert!(is_cut, "the terminal holds no multiple of 4001 bytes");
        // While there is no room, nothing is written.
        assert!(!write_whole(&master, b"LOST\r", &mut is_cut));
        let reading = std::thread::spawn(move || {
            let mut read = Vec::new();
            let mut chunk = [0; 4096];
            while !read.ends_with(b"GOODS\r") {
                let count = till.read(&mut chunk).unwrap();
                assert!(count > 0);
                read.extend_from_slice(&chunk[..count]);
            }
            read
        });
        assert!(write_whole(&master, b"GOODS\r", &mut is_cut));
        assert!(!is_cut);
        let read = reading.join().unwrap();
        let lines = read.split(|byte| matches!(byte, b'\r' | b'\n'));
        let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len(), whole + 2);
        assert_eq!(lines.last(), Some(&&b"GOODS"[..]));
        let piece = lines[whole];
        assert!(piece.len() < 4000 && piece.iter().all(|byte| *byte == b'x'));
    }
}
