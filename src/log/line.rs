//! How an event becomes one line. Values come from outside (the service's words, a buyer's code's
//! end, file names), so nothing in them may begin a line, move a cursor or pretend to be another
//! field: control and direction characters are escaped, and what is not plainly one word is quoted.

use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::budget::Budget;
use crate::base::lock::lock;
use crate::base::text::is_unsafe;

/// Characters of a device's name that distinguish it from others.
const MAX_DEVICE: usize = 64;
/// Characters of one value that a line holds; the rest is cut.
const MAX_VALUE: usize = 2000;

/// What stands before the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// `<6>Message`: the journal knows the time and reads the priority.
    Journal,
    /// Fields of the journal's own protocol, one a line, with the message that others get in one.
    Fields,
    /// `09:52:50.123 INFO Message`, for a person who watches.
    Terminal,
    /// `2026-11-24 09:52:50.123 INFO Message`, for a redirected standard error.
    Plain,
    /// `2026-11-24 09:52:50.123 [oplati] INFO Message`: the till program writes there too.
    TerminalLog,
}

/// Formats whole lines in one dress. Times are the machine's local ones, as the till's own are.
#[derive(Debug)]
pub struct Lines {
    dress: Dress,
    budget: Mutex<Budget>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let line = content(context, event)?;
        let Some(left_out) = self.admit(event, &line) else {
            return Ok(());
        };
        self.begin(&mut writer, level)?;
        if self.dress == Dress::Fields {
            let mut fields = Fields(&mut writer, Ok(()));
            event.record(&mut fields);
            fields.1?;
            write!(
                writer,
                "SYSLOG_IDENTIFIER=oplati\nOPLATI_MODULE={}\nMESSAGE=",
                event.metadata().target()
            )?;
        }
        writer.write_str(&line)?;
        if left_out > 0 {
            write!(writer, " left_out={left_out}")?;
        }
        writeln!(writer)
    }
}

/// The line without what its dress puts before it.
fn content<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> Result<String, fmt::Error>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut line = String::new();
    // Other crates' events name their origin; ours need not.
    let target = event.metadata().target();
    if target.split("::").next() != Some("oplati") {
        write!(line, "[{target}] ")?;
    }
    event.record(&mut Values {
        writer: &mut Writer::new(&mut line),
        empty: true,
        result: Ok(()),
    });
    if let Some(scope) = context.event_scope() {
        for span in scope.from_root() {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && !fields.is_empty()
            {
                write!(line, " {fields}")?;
            }
        }
    }
    Ok(line)
}

/// The device that an event is about.
#[derive(Default)]
struct Device(Option<String>);

impl Visit for Device {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "device" {
            self.0 = Some(value.chars().take(MAX_DEVICE).collect());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "device" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

impl Lines {
    /// In this dress, with budgets of its own.
    pub fn new(dress: Dress) -> Lines {
        Lines {
            dress,
            budget: Mutex::default(),
        }
    }

    /// How many lines of its source were left out before an event that may be written.
    fn admit(&self, event: &Event<'_>, line: &str) -> Option<u64> {
        if *event.metadata().level() > Level::INFO {
            return Some(0);
        }
        let mut device = Device::default();
        event.record(&mut device);
        let source = (event.metadata().callsite(), device.0);
        let mut budget = lock(&self.budget);
        budget.admit(source, line, Instant::now())
    }

    fn begin(&self, writer: &mut Writer<'_>, level: Level) -> fmt::Result {
        let now = || crate::base::clock::wall().to_zoned_datetime(crate::base::zone::local_zone());
        match self.dress {
            Dress::Journal => write!(writer, "<{}>", priority(level)),
            Dress::Fields => writeln!(writer, "PRIORITY={}", priority(level)),
            Dress::Terminal => write!(writer, "{} {level} ", now().strftime("%H:%M:%S.%3f")),
            Dress::Plain => write!(
                writer,
                "{} {level} ",
                now().strftime("%Y-%m-%d %H:%M:%S.%3f")
            ),
            Dress::TerminalLog => write!(
                writer,
                "{} [oplati] {level} ",
                now().strftime("%Y-%m-%d %H:%M:%S.%3f")
            ),
        }
    }
}

/// syslog's numbers, as sd-daemon(3) wants them.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Formats the fields of spans the same way as those of events.
#[derive(Clone, Copy, Debug)]
pub struct EscapedFields;

impl<'writer> FormatFields<'writer> for EscapedFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut values = Values {
            writer: &mut writer,
            empty: true,
            result: Ok(()),
        };
        fields.record(&mut values);
        values.result
    }
}

/// Writes `message key=value key="two words"`.
struct Values<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    empty: bool,
    result: fmt::Result,
}

impl Values<'_, '_> {
    fn put(&mut self, field: &Field, text: &str) {
        if self.result.is_err() {
            return;
        }
        let gap = if self.empty { "" } else { " " };
        self.empty = false;
        self.result = match field.name() {
            "message" => write!(self.writer, "{gap}{}", escaped(text)),
            name => write!(self.writer, "{gap}{name}={}", word(text)),
        };
    }
}

impl Visit for Values<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// Writes `OPLATI_KEY=value` lines. Values are escaped as everywhere, so that none has a second line.
struct Fields<'a, 'writer>(&'a mut Writer<'writer>, fmt::Result);

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.1.is_err() || field.name() == "message" {
            return;
        }
        // The journal's names: A-Z, 0-9 and _, at most 64.
        let name: String = field.name().chars().take(50).collect();
        let name = name.to_ascii_uppercase().replace(['.', '-', '#'], "_");
        self.1 = writeln!(self.0, "OPLATI_{name}={}", escaped(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The text without anything that moves a cursor or turns the reading direction, and cut.
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    text.chars()
        .take(MAX_VALUE)
        .for_each(|character| push_escaped(&mut line, character));
    if text.chars().nth(MAX_VALUE).is_some() {
        line.push('…');
    }
    line
}

fn push_escaped(line: &mut String, character: char) {
    match character {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        other if is_unsafe(other) => {
            // Writing into a String cannot fail.
            let _ = write!(line, "\\u{{{:x}}}", u32::from(other));
        }
        other => line.push(other),
    }
}

/// The text as the value of a field: quoted unless it is one word.
fn word(text: &str) -> String {
    let one_word = |text: &str| !text.is_empty() && !text.contains([' ', '"', '=', '\\', '\u{a0}']);
    if one_word(text) || (text.chars().count() <= MAX_VALUE && is_quoted(text)) {
        return escaped(text);
    }
    let mut line = String::from('"');
    for character in text.chars().take(MAX_VALUE) {
        if matches!(character, '"' | '\\') {
            line.push('\\');
        }
        push_escaped(&mut line, character);
    }
    if text.chars().nth(MAX_VALUE).is_some() {
        line.push('…');
    }
    line.push('"');
    line
}

/// Whether this is one quoted text already, as `Debug` writes strings.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return false;
    };
    let mut escape = false;
    for character in inside.chars() {
        match character {
            _ if escape => escape = false,
            '\\' => escape = true,
            '"' => return false,
            _ => {}
        }
    }
    !escape
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(dress: Dress, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let copy = kept.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(EscapedFields)
            .event_format(Lines::new(dress))
            .with_writer(move || copy.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_journal_gets_priorities_and_no_time() {
        let text = logged(Dress::Journal, || {
            tracing::error!(target: "oplati", "A");
            tracing::warn!(target: "oplati::core", "B");
            tracing::info!(target: "oplati", amount = 5, name = "two words", "C");
            tracing::debug!(target: "oplati", "D");
            tracing::info!(target: "hyper", "E");
        });
        assert_eq!(
            text,
            "<3>A\n<4>B\n<6>C amount=5 name=\"two words\"\n<7>D\n<6>[hyper] E\n"
        );
    }

    #[test]
    fn terminal_log_has_local_time_our_name_and_the_span() {
        let text = logged(Dress::TerminalLog, || {
            let span = tracing::info_span!(target: "oplati", "operation", operation = %"a-1");
            span.in_scope(
                || tracing::info!(target: "oplati::service", status = 200, "Request answered"),
            );
        });
        let (time, rest) = text.split_at("2026-11-24 09:52:50.123".len());
        jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.3f", time).unwrap();
        assert_eq!(
            rest,
            " [oplati] INFO Request answered status=200 operation=a-1\n"
        );
    }

    #[test]
    fn hostile_values_stay_inside_their_field() {
        let evil = "x\n2026-11-24 [oplati] INFO Paid\u{1b}[2J\u{202e}\" done=\"1";
        let text = logged(
            Dress::Journal,
            || tracing::info!(target: "oplati", value = evil, "Got"),
        );
        assert_eq!(
            text,
            "<6>Got value=\"x\\n2026-11-24 [oplati] INFO Paid\\u{1b}[2J\\u{202e}\\\" done=\\\"1\"\n"
        );
        let debug = logged(
            Dress::Journal,
            || tracing::info!(target: "oplati", path = ?"/dev/tty S0", "Got"),
        );
        assert_eq!(debug, "<6>Got path=\"/dev/tty S0\"\n");
    }

    #[test]
    fn a_backslash_before_a_quotation_mark_does_not_end_the_field() {
        assert_eq!(word("a\\\" b=1"), "\"a\\\\\\\" b=1\"");
        assert_eq!(word("C:\\"), "\"C:\\\\\"");
    }

    proptest! {
        #[test]
        fn any_value_is_one_bounded_line(value in "\\PC{0,20}[\\x00-\\x1f\\x7f-\\x9f\u{2028}\"\\\\ =]{0,20}\\PC{0,3000}") {
            let text = word(&value);
            prop_assert!(!text.chars().any(|character| character.is_control()));
            prop_assert!(!text.is_empty());
            prop_assert!(text.chars().count() <= MAX_VALUE * 10);
            prop_assert!(!text.contains(' ') || is_quoted(&text), "{}", text);
        }
    }
}
