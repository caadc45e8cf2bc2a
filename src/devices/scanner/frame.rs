//! Bytes of a line into frames: CR, LF or CRLF ends a code, and so does silence.
//!
//! A scanner at 9600 baud needs a millisecond for a character, one on USB sends packets of 64 bytes
//! a few milliseconds apart; some have no terminator at all. Waiting 100 ms after the last byte is
//! safe for both and not felt by a cashier. With a terminator there is no wait. A QR code may hold CR
//! and LF: a profile states whether they end a code.
//!
//! Silence is what the reader has seen: it looked for bytes, waited, and none came. Bytes that were
//! there while the reader had no processor belong to the code before them, however late they are read.
//!
//! What a till program shares is exactly what came, so that terminators are kept beside the code.

use std::time::Duration;

use crate::devices::profile::schema::{Serial, Terminator};

/// Largest code: a QR code holds at most 2953 bytes.
pub const MAX_FRAME: usize = 4096;

/// How codes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Silence that ends a code.
    pub quiet: Duration,
    /// What else does.
    pub terminator: Terminator,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing::of(&Serial::default())
    }
}

impl Framing {
    /// As a profile states.
    pub fn of(serial: &Serial) -> Framing {
        Framing {
            quiet: serial.quiet(),
            terminator: serial.terminator,
        }
    }
}

/// What the line gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The code; empty for terminators that follow the code before.
    pub code: Vec<u8>,
    /// The terminator as it came.
    pub end: Vec<u8>,
}

/// Collects bytes until a code is whole. Pure: time comes in as an argument.
#[derive(Clone, Debug)]
pub struct Framer {
    framing: Framing,
    buffer: Vec<u8>,
    /// The present code is over-long: everything up to its end is dropped.
    overlong: bool,
    last_byte: Duration,
    discarded: u64,
}

impl Framer {
    /// An empty one.
    pub fn new(framing: Framing) -> Framer {
        Framer {
            framing,
            buffer: Vec::new(),
            overlong: false,
            last_byte: Duration::ZERO,
            discarded: 0,
        }
    }

    /// Takes what was read and gives what is whole now. The LF after a CR belongs to the code before
    /// it: as part of its frame if it came with it, else as a frame without a code.
    pub fn push(&mut self, bytes: &[u8], now: Duration) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        for byte in bytes {
            match self.framing.terminator {
                Terminator::Line if matches!(byte, b'\r' | b'\n') => {
                    self.end_with(&[*byte], &mut frames);
                }
                Terminator::Crlf if *byte == b'\n' && self.buffer.last() == Some(&b'\r') => {
                    self.buffer.pop();
                    self.end_with(b"\r\n", &mut frames);
                }
                Terminator::Line | Terminator::Crlf | Terminator::Quiet => self.take(*byte),
            }
        }
        self.last_byte = now;
        frames
    }

    fn take(&mut self, byte: u8) {
        if self.buffer.len() == MAX_FRAME {
            self.overlong = true;
            // The last byte is still looked at: it may begin the terminator.
            if let Some(last) = self.buffer.last_mut() {
                *last = byte;
            }
        } else {
            self.buffer.push(byte);
        }
    }

    fn end_with(&mut self, end: &[u8], frames: &mut Vec<Frame>) {
        if self.buffer.is_empty()
            && let Some(before) = frames.last_mut()
            && before.end.len() < MAX_FRAME
        {
            before.end.extend_from_slice(end);
            return;
        }
        if let Some(code) = self.end() {
            let end = end.to_vec();
            frames.push(Frame { code, end });
        }
    }

    /// When silence will end the present code; `None` while there is none.
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.buffer.is_empty()).then(|| self.last_byte + self.framing.quiet)
    }

    /// Gives the code that silence has ended: to be called when a wait ended and nothing had come.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Frame> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return None;
        }
        let end = Vec::new();
        self.end().map(|code| Frame { code, end })
    }

    /// Codes that were too long.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// `None` for an over-long code.
    fn end(&mut self) -> Option<Vec<u8>> {
        let code = std::mem::take(&mut self.buffer);
        if std::mem::take(&mut self.overlong) {
            self.discarded += 1;
            return None;
        }
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOON: Duration = Duration::from_millis(5);

    fn all(chunks: &[&[u8]], framing: Framing) -> Vec<Vec<u8>> {
        let mut framer = Framer::new(framing);
        let mut frames = Vec::new();
        let mut now = Duration::ZERO;
        for chunk in chunks {
            frames.extend(framer.push(chunk, now));
            now += SOON;
        }
        frames.extend(framer.handle_timeout(now + framing.quiet));
        codes(frames)
    }

    fn codes(frames: impl IntoIterator<Item = Frame>) -> Vec<Vec<u8>> {
        let codes = frames.into_iter().map(|frame| frame.code);
        codes.filter(|code| !code.is_empty()).collect()
    }

    #[test]
    fn each_terminator_ends_a_code_once() {
        for end in [b"\r".as_slice(), b"\n", b"\r\n"] {
            let bytes = [b"AB12".as_slice(), end, b"CD34", end].concat();
            assert_eq!(all(&[&bytes], Framing::default()), [b"AB12", b"CD34"]);
        }
        assert_eq!(
            all(&[b"AB12\r", b"\nCD34\r\n"], Framing::default()),
            [b"AB12", b"CD34"]
        );
    }

    #[test]
    fn silence_ends_a_code_and_only_silence_when_asked() {
        let mut framer = Framer::new(Framing::default());
        assert!(framer.push(b"AB", Duration::ZERO).is_empty());
        assert!(framer.push(b"12", Duration::from_millis(99)).is_empty());
        assert_eq!(framer.handle_timeout(Duration::from_millis(198)), None);
        let ended = framer.handle_timeout(Duration::from_millis(199));
        assert_eq!(codes(ended), [b"AB12"]);
        assert_eq!(framer.poll_timeout(), None);
        let framing = |terminator| Framing {
            terminator,
            ..Framing::default()
        };
        assert_eq!(all(&[b"A\rB\n"], framing(Terminator::Quiet)), [b"A\rB\n"]);
        assert_eq!(
            all(&[b"A\rB\nC\r", b"\nD\r\n"], framing(Terminator::Crlf)),
            [b"A\rB\nC".as_slice(), b"D"]
        );
    }

    #[test]
    fn terminators_stay_with_their_codes() {
        let frame = |code: &[u8], end: &[u8]| Frame {
            code: code.to_vec(),
            end: end.to_vec(),
        };
        let mut framer = Framer::new(Framing::default());
        assert_eq!(
            framer.push(b"A\r\nB\r", Duration::ZERO),
            [frame(b"A", b"\r\n"), frame(b"B", b"\r")]
        );
        assert_eq!(framer.push(b"\n", SOON), [frame(b"", b"\n")]);
        assert!(framer.push(b"C", SOON).is_empty());
        let quiet = framer.handle_timeout(Duration::from_secs(1));
        assert_eq!(quiet, Some(frame(b"C", b"")));
    }

    #[test]
    fn bytes_after_silence_begin_another_code() {
        let mut framer = Framer::new(Framing::default());
        assert!(framer.push(b"OLD", Duration::ZERO).is_empty());
        let later = Duration::from_secs(1);
        assert_eq!(codes(framer.handle_timeout(later)), [b"OLD"]);
        assert_eq!(codes(framer.push(b"NEW\r", later)), [b"NEW"]);
    }

    #[test]
    fn bytes_that_a_busy_reader_took_late_do_not_split_a_code() {
        let mut framer = Framer::new(Framing::default());
        assert!(framer.push(b"HALF", Duration::ZERO).is_empty());
        // They waited in the port: no wait for them has ended in silence.
        let late = framer.push(b"HALF\r", Duration::from_secs(1));
        assert_eq!(codes(late), [b"HALFHALF"]);
    }

    #[test]
    fn an_overlong_code_is_dropped_whole_and_counted() {
        let mut framer = Framer::new(Framing::default());
        let long = vec![b'x'; MAX_FRAME + 1];
        assert!(framer.push(&long, Duration::ZERO).is_empty());
        assert_eq!(codes(framer.push(b"tail\rGOOD\r", SOON)), [b"GOOD"]);
        assert_eq!(framer.discarded(), 1);
        let fits = [vec![b'x'; MAX_FRAME], vec![b'\r']].concat();
        assert_eq!(framer.push(&fits, SOON)[0].code.len(), MAX_FRAME);
    }

    proptest! {
        #[test]
        fn the_split_of_the_stream_means_nothing(
            codes in prop::collection::vec("[!-~]{1,60}", 1..6),
            end in prop_oneof![Just("\r"), Just("\n"), Just("\r\n")],
            cuts in prop::collection::vec(0_usize..400, 0..20),
        ) {
            let stream: String = codes.iter().map(|code| format!("{code}{end}")).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
            let frames = all(&chunks, Framing::default());
            prop_assert_eq!(frames, codes.iter().map(|code| code.as_bytes().to_vec()).collect::<Vec<_>>());
        }

        #[test]
        fn after_garbage_and_silence_the_next_code_is_whole(
            noise in prop::collection::vec(any::<u8>(), 0..6000),
            code in "[!-~]{1,60}",
            terminator in prop_oneof![Just(Terminator::Line), Just(Terminator::Crlf), Just(Terminator::Quiet)],
            cut in 0_usize..62,
        ) {
            let mut framer = Framer::new(Framing { terminator, ..Framing::default() });
            framer.push(&noise, Duration::ZERO);
            let later = Duration::from_secs(1);
            framer.handle_timeout(later);
            let sent = format!("{code}\r\n");
            let (first, second) = sent.as_bytes().split_at(cut.min(sent.len()));
            let mut frames = framer.push(first, later);
            frames.extend(framer.push(second, later + SOON));
            frames.extend(framer.handle_timeout(later * 2));
            let expected = if terminator == Terminator::Quiet { sent } else { code };
            prop_assert_eq!(codes(frames), vec![expected.into_bytes()]);
        }

        #[test]
        fn garbage_never_panics_nor_grows(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8)) {
            let mut framer = Framer::new(Framing::default());
            for chunk in &chunks {
                for frame in framer.push(chunk, SOON) {
                    prop_assert!(frame.code.len() <= MAX_FRAME && frame.end.len() <= MAX_FRAME);
                }
            }
        }
    }
}
