//! The text that `--once` prints: for people, one line as each thing happens.

use std::io::Write;
use std::time::Duration;

use super::DemoError;
use crate::model::money::Kopecks;
use crate::texts::newcomer;

/// Columns of the state's name.
const STATE_WIDTH: usize = 22;

/// Writes lines, each at once.
#[derive(Debug)]
pub struct Table<W> {
    out: W,
}

impl<W: Write> Table<W> {
    /// Onto `out`.
    pub fn new(out: W) -> Table<W> {
        Table { out }
    }

    /// A line of its own.
    ///
    /// # Errors
    /// [`DemoError::Io`] when nobody takes it.
    pub fn line(&mut self, text: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(DemoError::Io)
    }

    /// What is played next, about how much.
    pub fn heading(&mut self, title: &str, amount: Kopecks) -> Result<(), DemoError> {
        let amount = amount.to_string().replace('.', ",");
        self.line(&newcomer::heading(amount, title))
    }

    /// A state of the operation.
    pub fn state(&mut self, since: Duration, state: &str, message: &str) -> Result<(), DemoError> {
        self.line(&format!(
            "  {:>8}  {state:<STATE_WIDTH$}  {message}",
            seconds(since)
        ))
    }

    /// What a person did.
    pub fn act(&mut self, what: &str) -> Result<(), DemoError> {
        self.line(&format!("            › {what}"))
    }
}

/// `1,234 с`.
pub fn seconds(duration: Duration) -> String {
    let milliseconds = format!("{:03}", duration.subsec_millis());
    newcomer::seconds(milliseconds, duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut out = Vec::new();
        let mut table = Table::new(&mut out);
        table.state(Duration::from_millis(7), "new", "Раз").unwrap();
        table
            .state(
                Duration::from_millis(12_345),
                "awaiting_confirmation",
                "Два",
            )
            .unwrap();
        table.act("Три").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "   0,007 с  new                     Раз\n  12,345 с  awaiting_confirmation   Два\n            › Три\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_an_error_and_no_panic() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert!(matches!(
            Table::new(Closed).line("x"),
            Err(DemoError::Io(_))
        ));
    }
}
