//! The person at the terminal: what is typed, and Ctrl-C.
//!
//! Each is waited for by a thread of its own, so that a test can be stopped while nobody types, and a
//! display is given back whatever the person does.

use std::io::{BufRead as _, Read as _};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use tokio::sync::watch;

use super::super::follow::Stop;

/// Longest line; what is longer is several.
const MAX_LINE_BYTES: u64 = 1024;

/// Who is asked.
pub(super) struct Person {
    stopped: watch::Receiver<bool>,
    lines: Option<Receiver<String>>,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    NotYet,
    /// A line, never empty.
    Line(String),
    /// Standard input has ended: nobody is there.
    Nobody,
}

impl Person {
    /// From now on Ctrl-C, `kill` and the terminal's end do not end the process but are caught.
    pub(super) fn attend() -> std::io::Result<Person> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let mut stop = {
            let _inside = runtime.enter();
            Stop::listen()?
        };
        let (sender, stopped) = watch::channel(false);
        std::thread::Builder::new()
            .name("oplati-signals".to_owned())
            .spawn(move || {
                runtime.block_on(stop.received());
                sender.send_replace(true);
            })?;
        Ok(Person {
            stopped,
            lines: None,
        })
    }

    /// Whether the person has had enough.
    pub(super) fn has_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Ends when the person has had enough.
    pub(super) fn until_stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            if stopped.wait_for(|is_so| *is_so).await.is_err() {
                // Nobody listens to signals any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Begins to wait for a line; what was typed after the last answer is none.
    pub(super) fn ask(&mut self) -> std::io::Result<()> {
        if let Some(lines) = &self.lines {
            while lines.try_recv().is_ok() {}
            return Ok(());
        }
        let (sender, lines) = sync_channel(1);
        // It ends with the process, or with standard input.
        std::thread::Builder::new()
            .name("oplati-typed".to_owned())
            .spawn(move || hand_on(std::io::stdin().lock(), &sender))?;
        self.lines = Some(lines);
        Ok(())
    }

    /// The answer to [`Person::ask`], without waiting.
    pub(super) fn typed(&self) -> Typed {
        match self.lines.as_ref().map(Receiver::try_recv) {
            Some(Ok(line)) => Typed::Line(line),
            Some(Err(TryRecvError::Empty)) => Typed::NotYet,
            Some(Err(TryRecvError::Disconnected)) | None => Typed::Nobody,
        }
    }
}

/// Lines until the end; one without text is a dash, for who reads nothing presses Enter.
fn hand_on(mut input: impl std::io::BufRead, sender: &SyncSender<String>) {
    loop {
        let mut bytes = Vec::new();
        match (&mut input)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut bytes)
        {
            // A terminal that fails sends nothing more.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes);
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let line = match line.trim() {
            "" => "-".to_owned(),
            text => text.to_owned(),
        };
        if sender.send(line).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_fit_for_the_daemon_and_never_empty() {
        let long = "7".repeat(1500);
        let (sender, lines) = sync_channel(9);
        let input = format!(" 123456 \n\n\u{1b}\u{7}9\n{long}\nlast");
        hand_on(input.as_bytes(), &sender);
        drop(sender);
        let came: Vec<String> = lines.iter().collect();
        assert_eq!(came[..3], ["123456", "-", "9"]);
        assert_eq!((came[3].len(), came[4].len()), (1024, 476));
        assert_eq!(came[5..], ["last"]);
    }
}
