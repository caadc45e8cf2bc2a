//! Bytes into frames: CR, LF or CRLF ends a code, and so does silence.
//!
//! A scanner at 9600 baud needs a millisecond for a character, one on USB sends packets of 64 bytes
//! a few milliseconds apart; some have no terminator at all. Waiting 100 ms after the last byte is
//! safe for both and not felt by a cashier. With a terminator there is no wait.

use std::time::Duration;

/// Largest code: a QR code holds at most 2953 bytes.
const MAX_FRAME: usize = 4096;

/// How codes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Silence that ends a code.
    pub quiet: Duration,
    /// CR and LF end a code; without it they are part of the code and only silence ends it.
    pub terminator: bool,
}

impl Default for Framing {
    fn default() -> Framing {
        Framing {
            quiet: Duration::from_millis(100),
            terminator: true,
        }
    }
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
    #[must_use]
    pub fn new(framing: Framing) -> Framer {
        Framer {
            framing,
            buffer: Vec::new(),
            overlong: false,
            last_byte: Duration::ZERO,
            discarded: 0,
        }
    }

    /// Takes what was read and gives the codes that are whole now. Empty codes, such as the one
    /// between CR and LF, are none.
    pub fn push(&mut self, bytes: &[u8], now: Duration) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        frames.extend(self.handle_timeout(now));
        for byte in bytes {
            if self.framing.terminator && matches!(byte, b'\r' | b'\n') {
                frames.extend(self.end());
            } else if self.buffer.len() == MAX_FRAME {
                self.overlong = true;
            } else {
                self.buffer.push(*byte);
            }
        }
        self.last_byte = now;
        frames
    }

    /// When silence will end the present code; `None` while there is none.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        (!self.buffer.is_empty()).then(|| self.last_byte + self.framing.quiet)
    }

    /// Gives the code that silence has ended.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.end()
        } else {
            None
        }
    }

    /// The device is gone: half a code is no code.
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.overlong = false;
    }

    /// Codes that were too long.
    #[must_use]
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        let frame = std::mem::take(&mut self.buffer);
        if std::mem::take(&mut self.overlong) {
            self.discarded += 1;
            return None;
        }
        (!frame.is_empty()).then_some(frame)
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
        frames
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
        assert_eq!(
            framer.handle_timeout(Duration::from_millis(199)),
            Some(b"AB12".to_vec())
        );
        assert_eq!(framer.poll_timeout(), None);
        let quiet = Framing {
            terminator: false,
            ..Framing::default()
        };
        assert_eq!(all(&[b"A\rB\n"], quiet), [b"A\rB\n"]);
    }

    #[test]
    fn bytes_after_silence_begin_another_code() {
        let mut framer = Framer::new(Framing::default());
        assert!(framer.push(b"OLD", Duration::ZERO).is_empty());
        assert_eq!(
            framer.push(b"NEW\r", Duration::from_secs(1)),
            [b"OLD".to_vec(), b"NEW".to_vec()]
        );
    }

    #[test]
    fn an_overlong_code_is_dropped_whole_and_counted() {
        let mut framer = Framer::new(Framing::default());
        let long = vec![b'x'; MAX_FRAME + 1];
        assert!(framer.push(&long, Duration::ZERO).is_empty());
        assert_eq!(framer.push(b"tail\rGOOD\r", SOON), [b"GOOD".to_vec()]);
        assert_eq!(framer.discarded(), 1);
        let fits = [vec![b'x'; MAX_FRAME], vec![b'\r']].concat();
        assert_eq!(framer.push(&fits, SOON)[0].len(), MAX_FRAME);
    }

    #[test]
    fn half_a_code_of_a_device_that_left_is_none() {
        let mut framer = Framer::new(Framing::default());
        assert!(framer.push(b"HALF", Duration::ZERO).is_empty());
        framer.reset();
        assert_eq!(framer.push(b"WHOLE\r", SOON), [b"WHOLE".to_vec()]);
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
        fn garbage_never_panics_nor_grows(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..8)) {
            let mut framer = Framer::new(Framing::default());
            for chunk in &chunks {
                for frame in framer.push(chunk, SOON) {
                    prop_assert!(!frame.is_empty() && frame.len() <= MAX_FRAME);
                }
            }
        }
    }
}
