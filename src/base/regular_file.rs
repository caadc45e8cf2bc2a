//! Files that a person or a package puts somewhere, read whole and with care.
//!
//! Whoever opens a named pipe waits for its other end, and whoever reads a device may wait for ever: neither is a file
//! of settings. A share that does not answer cannot be recognised from here; so the threads that serve tills read no
//! file themselves.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

/// What touches files must be done in this time; beyond that its disk or its share hangs.
pub const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// Does what touches files in a thread that serves nobody. One that hangs is left behind, and goes on should the disk
/// answer after all; the answer is `TimedOut` then.
pub async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let task = tokio::task::spawn_blocking(work);
    match tokio::time::timeout(FILE_TIMEOUT, task).await {
        Ok(done) => done.map_err(io::Error::other),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the disk or the share does not answer",
        )),
    }
}

/// Reads the first `max` bytes of a regular file, or all of a shorter one.
///
/// # Errors
/// The system's own, and another kind of file.
pub fn head(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    // Without NONBLOCK a named pipe in the file's place would be waited for without end.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// As [`head`], and for a longer file.
pub fn read(path: &Path, max: usize) -> io::Result<Vec<u8>> {
    // A file of any size: one byte more than is allowed shows enough.
    let bytes = head(path, max.saturating_add(1))?;
    if bytes.len() > max {
        let what = format!("larger than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// Reads a regular file of at most `max` bytes that holds UTF-8.
///
/// # Errors
/// As [`read`], and for what is no UTF-8.
pub fn read_text(path: &Path, max: usize) -> io::Result<String> {
    let bytes = read(path, max)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"abc");
        let error = read(&path, 2).unwrap_err();
        assert_eq!(error.to_string(), "larger than 2 bytes");
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        for odd in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read(odd, 3).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file", "{}", odd.display());
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, 3).unwrap_err().to_string(), "not UTF-8");
    }
}
