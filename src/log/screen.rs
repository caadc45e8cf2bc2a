//! Standard error, whose reader may have stopped reading: a stopped pager or a full pipe must not
//! stop payments. So nothing is written that could block. A pipe that is reported as writable takes at
//! least 4096 bytes (`PIPE_BUF`), and pieces of that size are written one by one.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::base::lock::lock;

/// What a writable pipe takes without blocking.
const PIECE: usize = 4096;
/// How long a slow reader is waited for; one that did not read then is not waited for again.
const WRITE_TIMEOUT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Standard error, or what stands for it in tests.
#[derive(Debug)]
pub(super) struct Screen<F> {
    to: F,
    /// Lines that nobody read, since the last one that was.
    dropped: Mutex<u64>,
}

impl<F: AsFd> Screen<F> {
    pub(super) fn new(to: F) -> Screen<F> {
        Screen {
            to,
            dropped: Mutex::new(0),
        }
    }

    fn is_writable(&self, patience: &Timespec) -> bool {
        let mut fds = [PollFd::new(&self.to, PollFlags::OUT)];
        poll(&mut fds, Some(patience)).is_ok_and(|ready| ready > 0)
    }

    /// Writes all of it, or returns that it cannot.
    fn put(&self, bytes: &[u8], patience: &Timespec) -> bool {
        for piece in bytes.chunks(PIECE) {
            let mut rest = piece;
            while !rest.is_empty() {
                if !self.is_writable(patience) {
                    return false;
                }
                match rustix::io::write(&self.to, rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return false,
                }
            }
        }
        true
    }

    fn line(&self, bytes: &[u8]) {
        let mut dropped = lock(&self.dropped);
        let patience = if *dropped == 0 {
            WRITE_TIMEOUT
        } else {
            Timespec::default()
        };
        if *dropped > 0 {
            let note = format!("({} lines were dropped: nobody read them)\n", *dropped);
            if !self.put(note.as_bytes(), &Timespec::default()) {
                *dropped += 1;
                return;
            }
            *dropped = 0;
        }
        if !self.put(bytes, &patience) {
            *dropped += 1;
        }
    }
}

/// One line of one event.
pub(super) struct Line<'a, F: AsFd>(&'a Screen<F>);

impl<F: AsFd> Write for Line<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, F: AsFd + 'a> MakeWriter<'a> for Screen<F> {
    type Writer = Line<'a, F>;

    fn make_writer(&'a self) -> Line<'a, F> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_reader_that_stops_stops_nobody_and_gets_the_count_of_what_it_missed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let screen = Screen::new(writer);
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        // Far more than a pipe holds: without the check this never returns.
        for _ in 0..5_000 {
            screen.make_writer().write_all(&line).unwrap();
        }
        let dropped = *screen.dropped.lock().unwrap();
        assert!(dropped > 0 && dropped < 5_000, "{dropped}");
        // Makes room, however little the pipe held.
        assert!(reader.read(&mut vec![0; 64 * 1024]).unwrap() > 4096);
        screen.make_writer().write_all(b"again\n").unwrap();
        drop(screen);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let note = format!("({dropped} lines were dropped: nobody read them)\nagain\n");
        assert!(rest.ends_with(&note), "{rest}");
    }
}
