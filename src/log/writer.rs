//! The thread that writes `terminal.log`. Whoever logs hands its line over and goes on; the lines wait here, in their
//! order and whole. Those for which there is no room are counted, and the count is logged in their place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::file::TerminalLog;
use crate::base::lock::lock;
use crate::base::regular_file::FILE_TIMEOUT;

/// A line that takes longer to write is reported where the log cannot report it.
const SLOW_LINE: Duration = Duration::from_millis(500);
/// Lines that may wait for the disk: many minutes of a till at work.
const MAX_WAITING: usize = 1000;
/// How often a line that could not be written is tried again; the file itself is looked at less often.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What a file does with a line.
pub(super) trait Sink: Send + Sync + 'static {
    /// Whether the line is written.
    fn append(&self, line: &[u8]) -> bool;
    /// Why the last one is not.
    fn failure(&self) -> Option<String>;
    /// Reports trouble where the log cannot.
    fn complain_on_stderr(&self, what: &str);
}

impl Sink for TerminalLog {
    fn append(&self, line: &[u8]) -> bool {
        TerminalLog::append(self, line)
    }

    fn failure(&self) -> Option<String> {
        TerminalLog::failure(self)
    }

    fn complain_on_stderr(&self, what: &str) {
        TerminalLog::complain_on_stderr(self, what);
    }
}

/// What lies between those who log and the thread that writes; nobody holds it while a disk is waited for.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    /// Lines that were handed in since the beginning.
    handed_in: u64,
    /// As many of them were written, or could not be.
    done: u64,
    /// Lines that are lost, and which the log does not report yet.
    lost_lines: u64,
    /// Since when the thread has waited for the disk to take a line.
    writing_since: Option<Instant>,
    /// It was reported that the disk does not answer.
    is_reported: bool,
    failure: Option<String>,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to do for the thread.
    handed_in: Condvar,
    /// A line is done with.
    done: Condvar,
}

/// Hands lines to the thread.
#[derive(Debug)]
pub(super) struct Writer<S: Sink> {
    sink: Arc<S>,
    /// `None` where the system has no thread to give: then whoever logs writes.
    shared: Option<Arc<Shared>>,
}

impl<S: Sink> Writer<S> {
    pub(super) fn start(sink: S) -> Writer<S> {
        let sink = Arc::new(sink);
        let shared = Arc::<Shared>::default();
        let thread = std::thread::Builder::new().name("oplati-log".to_owned());
        let started = thread.spawn({
            let (sink, shared) = (Arc::clone(&sink), Arc::clone(&shared));
            move || write(&*sink, &shared)
        });
        Writer {
            sink,
            shared: started.ok().map(|_| shared),
        }
    }

    /// Why lines are not written now, if they are not.
    pub(super) fn failure(&self) -> Option<Failure> {
        let Some(shared) = &self.shared else {
            return self.sink.failure().map(Failure::Refused);
        };
        let queue = lock(&shared.queue);
        if queue.is_slower_than(FILE_TIMEOUT) {
            Some(Failure::Silent)
        } else {
            queue.failure.clone().map(Failure::Refused)
        }
    }

    fn line(&self, line: &[u8]) {
        let Some(shared) = &self.shared else {
            self.sink.append(line);
            return;
        };
        let mut queue = lock(&shared.queue);
        if queue.waiting.len() >= MAX_WAITING {
            queue.lost_lines = queue.lost_lines.saturating_add(1);
            return;
        }
        queue.waiting.push_back(line.to_owned());
        queue.handed_in += 1;
        shared.handed_in.notify_one();
        let is_news = queue.is_slower_than(SLOW_LINE) && !queue.is_reported;
        queue.is_reported |= is_news;
        drop(queue);
        if is_news {
            self.sink
                .complain_on_stderr("the disk does not answer, and lines of the log wait for it");
        }
    }

    /// Waits until what was logged before is written, or could not be, but no longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let Some(shared) = &self.shared else {
            return;
        };
        let queue = lock(&shared.queue);
        let last = queue.handed_in;
        let is_awaited = |queue: &mut Queue| queue.done < last;
        drop(shared.done.wait_timeout_while(queue, timeout, is_awaited));
    }
}

impl Queue {
    fn is_slower_than(&self, time: Duration) -> bool {
        self.writing_since
            .is_some_and(|since| since.elapsed() >= time)
    }
}

impl<S: Sink> Drop for Writer<S> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            lock(&shared.queue).is_closed = true;
            shared.handed_in.notify_one();
        }
    }
}

/// Why the log is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The system reports why.
    Refused(String),
    /// The disk does not answer.
    Silent,
}

/// One call is one line: that is how the formatting layer calls it. It never fails, since nobody
/// could do anything about a log that cannot be written.
impl<S: Sink> Write for &Writer<S> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the thread does next.
enum Task {
    Line(Vec<u8>),
    /// The line that could not be written is tried again.
    Again,
    End,
}

fn write(sink: &impl Sink, shared: &Shared) {
    // The first line that could not be written: it states why, and shows when the file is well again, also where
    // nobody logs meanwhile.
    let mut kept: Option<Vec<u8>> = None;
    loop {
        let is_line = match next(shared, kept.is_some()) {
            Task::End => return,
            Task::Again => false,
            Task::Line(line) => {
                if kept.take_if(|kept| sink.append(kept)).is_some() || kept.is_none() {
                    kept = (!sink.append(&line)).then_some(line);
                } else {
                    lock(&shared.queue).lost_lines += 1;
                }
                true
            }
        };
        if !is_line {
            kept.take_if(|kept| sink.append(kept));
        }
        if kept.is_none() {
            report_lost_lines(sink, shared);
        }
        let failure = sink.failure();
        let mut queue = lock(&shared.queue);
        queue.failure = failure;
        queue.done += u64::from(is_line);
        queue.writing_since = None;
        if queue.waiting.is_empty() {
            queue.is_reported = false;
        }
        shared.done.notify_all();
    }
}

fn next(shared: &Shared, has_kept: bool) -> Task {
    let mut queue = lock(&shared.queue);
    loop {
        if let Some(line) = queue.waiting.pop_front() {
            queue.writing_since = Some(Instant::now());
            return Task::Line(line);
        }
        if queue.is_closed {
            return Task::End;
        }
        if !has_kept {
            let woken = shared.handed_in.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let woken = shared.handed_in.wait_timeout(queue, RETRY_INTERVAL);
        let (woken, waited) = woken.unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        if waited.timed_out() && queue.waiting.is_empty() {
            queue.writing_since = Some(Instant::now());
            return Task::Again;
        }
    }
}

/// Writes to the log how many lines are missing, once all lines that waited are written: the lost ones came after them.
fn report_lost_lines(sink: &impl Sink, shared: &Shared) {
    let lost_lines = {
        let mut queue = lock(&shared.queue);
        if !queue.waiting.is_empty() {
            return;
        }
        std::mem::take(&mut queue.lost_lines)
    };
    if lost_lines > 0 {
        sink.append(
            format!("({lost_lines} lines are missing: they could not be written)\n").as_bytes(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that answers when it is let to, and takes what it is set to take.
    #[derive(Debug, Default)]
    struct Disk {
        lines: Mutex<Vec<String>>,
        hangs: Mutex<()>,
        refuses: std::sync::atomic::AtomicBool,
    }

    impl Sink for Arc<Disk> {
        fn append(&self, line: &[u8]) -> bool {
            drop(self.hangs.lock().unwrap());
            let line = String::from_utf8(line.to_owned()).unwrap();
            let takes = self.failure().is_none();
            if takes {
                self.lines.lock().unwrap().push(line);
            }
            takes
        }

        fn failure(&self) -> Option<String> {
            let refuses = self.refuses.load(std::sync::atomic::Ordering::Relaxed);
            refuses.then(|| "no room".to_owned())
        }

        fn complain_on_stderr(&self, _: &str) {}
    }

    impl Disk {
        fn refuse(&self, refuses: bool) {
            self.refuses
                .store(refuses, std::sync::atomic::Ordering::Relaxed);
        }

        fn until(&self, expected: &[String]) {
            while *self.lines.lock().unwrap() != expected {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Nothing that is to happen takes so long.
    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    fn numbered(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{n}\n")).collect()
    }

    #[test]
    fn what_was_logged_is_there_after_a_flush_in_its_order() {
        let disk = Arc::<Disk>::default();
        let log = Writer::start(Arc::clone(&disk));
        let expected = numbered(100);
        for line in &expected {
            log.line(line.as_bytes());
        }
        log.flush(TEST_TIMEOUT);
        assert_eq!(*disk.lines.lock().unwrap(), expected);
        assert_eq!(log.failure(), None);
    }

    #[test]
    fn a_flush_does_not_wait_for_a_disk_that_hangs() {
        let disk = Arc::<Disk>::default();
        let log = Writer::start(Arc::clone(&disk));
        let hangs = disk.hangs.lock().unwrap();
        log.line(b"first\n");
        log.flush(Duration::from_millis(20));
        assert!(disk.lines.lock().unwrap().is_empty());
        drop(hangs);
        log.flush(TEST_TIMEOUT);
        assert_eq!(*disk.lines.lock().unwrap(), ["first\n"]);
    }

    #[test]
    fn a_disk_that_hangs_stops_nobody_and_gets_the_lines_in_order() {
        let disk = Arc::<Disk>::default();
        let log = Writer::start(Arc::clone(&disk));
        let hangs = disk.hangs.lock().unwrap();
        // The thread has one of them in its hands.
        let mut expected = numbered(MAX_WAITING + 1);
        for line in &expected {
            log.line(line.as_bytes());
            let has_taken_one = |queue: &Queue| (queue.waiting.len() as u64) < queue.handed_in;
            while !has_taken_one(&lock(&log.shared.as_ref().unwrap().queue)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        log.line(b"lost\n");
        log.line(b"lost\n");
        drop(hangs);
        expected.push("(2 lines are missing: they could not be written)\n".to_owned());
        disk.until(&expected);
        log.line(b"again\n");
        expected.push("again\n".to_owned());
        disk.until(&expected);
    }

    #[test]
    fn a_disk_that_refuses_is_tried_again_though_nobody_logs() {
        let disk = Arc::<Disk>::default();
        let log = Writer::start(Arc::clone(&disk));
        disk.refuse(true);
        log.line(b"first\n");
        log.line(b"lost\n");
        log.flush(TEST_TIMEOUT);
        assert_eq!(log.failure(), Some(Failure::Refused("no room".to_owned())));
        disk.refuse(false);
        while log.failure().is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let note = "(1 lines are missing: they could not be written)\n";
        assert_eq!(*disk.lines.lock().unwrap(), ["first\n", note]);
    }
}
