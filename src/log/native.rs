//! The journal of systemd by its own protocol: an event's values are fields of their own, to be asked for
//! (`journalctl -u oplati OPLATI_OPERATION=...`).
//!
//! The crate tracing-journald would do it, but waits when the journal does not read, and a hanging
//! journal must not stop payments; so the few lines are here. An event is one datagram; values hold no line
//! end, so that the form is text, `NAME=value` lines (systemd.io/JOURNAL_NATIVE_PROTOCOL). What the journal
//! does not take, standard error gets, never both.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use tracing_subscriber::fmt::MakeWriter;

use super::screen::Screen;

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// The journal, and standard error for what it does not take.
#[derive(Debug)]
pub(super) struct Native<F> {
    journal: UnixDatagram,
    socket: PathBuf,
    screen: Screen<F>,
}

impl<F: AsFd> Native<F> {
    /// # Errors
    /// When nobody listens at `socket`.
    pub(super) fn connect(socket: &Path, screen: Screen<F>) -> io::Result<Native<F>> {
        let journal = UnixDatagram::unbound()?;
        journal.connect(socket)?;
        journal.set_nonblocking(true)?;
        Ok(Native {
            journal,
            socket: socket.to_owned(),
            screen,
        })
    }

    fn event(&self, fields: &[u8]) {
        // A journal that was restarted is connected to anew by the next event that fails.
        let sent = self.journal.send(fields).or_else(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(error);
            }
            self.journal.connect(&self.socket)?;
            self.journal.send(fields)
        });
        if sent.is_err() {
            drop(self.screen.make_writer().write_all(&as_line(fields)));
        }
    }
}

/// The fields as the line that standard error gets: `<6>Message`.
fn as_line(fields: &[u8]) -> Vec<u8> {
    let value = |name: &[u8]| {
        let mut lines = fields.split(|byte| *byte == b'\n');
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    [b"<", value(b"PRIORITY="), b">", value(b"MESSAGE="), b"\n"].concat()
}

/// One event.
pub(super) struct Datagram<'a, F: AsFd>(&'a Native<F>);

impl<F: AsFd> Write for Datagram<'_, F> {
    fn write(&mut self, fields: &[u8]) -> io::Result<usize> {
        self.0.event(fields);
        Ok(fields.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, F: AsFd + 'a> MakeWriter<'a> for Native<F> {
    type Writer = Datagram<'a, F>;

    fn make_writer(&'a self) -> Datagram<'a, F> {
        Datagram(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    use super::super::line::{Dress, EscapedFields, Lines};

    fn with_log(native: Native<io::PipeWriter>, emit: impl FnOnce()) {
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(EscapedFields)
            .event_format(Lines::new(Dress::Fields))
            .with_writer(native)
            .finish();
        tracing::subscriber::with_default(subscriber, emit);
    }

    #[test]
    fn an_event_is_one_datagram_of_fields_and_nothing_goes_to_standard_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let native = Native::connect(&path, Screen::new(writer)).unwrap();
        with_log(native, || {
            tracing::warn!(target: "oplati::core", operation = %"a-1", words = "x\nMESSAGE=forged", "Asked");
        });
        let mut bytes = [0; 4096];
        let length = journal.recv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "PRIORITY=4",
                "OPLATI_OPERATION=a-1",
                lines[2],
                "SYSLOG_IDENTIFIER=oplati",
                "OPLATI_MODULE=oplati::core",
                lines[5],
            ]
        );
        assert!(
            lines[2].starts_with("OPLATI_WORDS=x")
                && lines[5].starts_with("MESSAGE=Asked operation=a-1 words=")
        );
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[test]
    fn a_journal_that_does_not_read_stops_nobody_and_standard_error_gets_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let native = Native::connect(&path, Screen::new(writer)).unwrap();
        // Far more than a socket holds: if it waited, this would never return.
        with_log(native, || {
            (0..600).for_each(|n| tracing::info!(target: "oplati", n, "Again"))
        });
        drop(journal);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("<6>Again n="), "{rest}");
        assert!(rest.ends_with("<6>Again n=599\n"), "{rest}");
    }
}
