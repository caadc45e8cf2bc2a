//! Server-sent events as they arrive: bytes in any pieces in, whole messages out.

use std::collections::VecDeque;

/// The longest line and the longest message that is kept; a longer one is dropped whole.
const MAX_BYTES: usize = 256 * 1024;

/// One whole message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name, `message` if it has none.
    pub event: String,
    /// Its lines, joined.
    pub data: String,
    /// Where to go on after a break, if the server set it.
    pub id: Option<String>,
}

/// Keeps what is incomplete.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    event: String,
    data: Option<String>,
    id: Option<String>,
    overlong: bool,
    ready: VecDeque<Message>,
}

impl Parser {
    /// Takes the next piece of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < MAX_BYTES => self.line.push(byte),
                _ => self.overlong = true,
            }
        }
    }

    /// The oldest whole message that was not taken yet.
    pub fn next_message(&mut self) -> Option<Message> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.strip_suffix('\r').unwrap_or(&text);
        if line.is_empty() {
            return self.end_message();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => self.add_data(value),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments are heartbeats.
            _ => {}
        }
    }

    fn add_data(&mut self, value: &str) {
        match &mut self.data {
            Some(data) if data.len().saturating_add(value.len()) > MAX_BYTES => {
                self.overlong = true
            }
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }

    fn end_message(&mut self) {
        let (event, data) = (std::mem::take(&mut self.event), self.data.take());
        let overlong = std::mem::take(&mut self.overlong);
        if let (Some(data), false) = (data, overlong) {
            let event = if event.is_empty() {
                "message".to_owned()
            } else {
                event
            };
            let id = self.id.clone();
            self.ready.push_back(Message { event, data, id });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        pieces.into_iter().for_each(|piece| parser.push(piece));
        std::iter::from_fn(|| parser.next_message())
            .map(|message| (message.event, message.data))
            .collect()
    }

    fn pair(event: &str, data: &str) -> (String, String) {
        (event.to_owned(), data.to_owned())
    }

    #[test]
    fn names_data_comments_and_ids() {
        let text = ": heartbeat\n\nid: 7\nevent: operation\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: empty\n\n";
        assert_eq!(
            parse([text.as_bytes()]),
            [pair("operation", "{\"a\":1}"), pair("message", "x\ny")]
        );
    }

    #[test]
    fn an_id_holds_until_the_next_one() {
        let mut parser = Parser::default();
        parser.push(b"data: a\n\nid: 7\ndata: b\n\ndata: c\n\nid: 8\ndata: d\n\n");
        let ids: Vec<_> = std::iter::from_fn(|| parser.next_message())
            .map(|m| m.id)
            .collect();
        let expected = [None, Some("7"), Some("7"), Some("8")];
        assert_eq!(ids, expected.map(|id| id.map(str::to_owned)));
    }

    #[test]
    fn an_overlong_message_is_dropped_and_the_next_one_read() {
        let text = format!("data: {}\n\ndata: next\n\n", "x".repeat(MAX_BYTES));
        assert_eq!(parse([text.as_bytes()]), [pair("message", "next")]);
        let lines = format!("data: {}\n", "x".repeat(MAX_BYTES / 2)).repeat(5);
        assert_eq!(
            parse([format!("{lines}\ndata: next\n\n").as_bytes()]),
            [pair("message", "next")]
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cut in 0usize..60, garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = "event: операция\ndata: {\"сумма\":1234}\n\n".as_bytes();
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(parse([head, tail]), [pair("операция", "{\"сумма\":1234}")]);
            let after = [garbage.as_slice(), b"\n\n", text].concat();
            prop_assert_eq!(parse([after.as_slice()]).pop(), Some(pair("операция", "{\"сумма\":1234}")));
        }
    }
}
