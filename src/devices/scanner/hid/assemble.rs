//! Reports into codes.
//!
//! A code of more than about 56 bytes comes in several reports, each but the last with the bit Decode
//! Data Continued; the AIM identifier is in each (Honeywell, from captured dumps). If the scanner is
//! unplugged or reset between two of them no end comes, so a wait for the next one is bounded, and the
//! length of a code is. Some devices declare no such bit: a full report then may go on, and silence
//! shows its end.
//!
//! Honeywell-like devices answer commands in the same report: texts are marked `]X0`, and `]Z6` marks the
//! command's echo, which ends the answer. They are no scans. Of other devices `]X0` is a symbology like others.

use std::time::Duration;

use crate::devices::discovery::report_descriptor::ReportLayout;
use crate::devices::scanner::frame::MAX_FRAME;
use crate::devices::scanner::text::AimId;

/// AIM identifiers of answers to commands: a text, and the echo that follows it.
const REPLY_TEXT: [u8; 3] = *b"]X0";
const REPLY_END: [u8; 3] = *b"]Z6";
/// Longest answer that is kept, bytes; the longest known one has 289.
const MAX_REPLY: usize = 1024;

/// Collects reports until a code is whole. Pure: time comes in as an argument.
#[derive(Clone, Debug)]
pub struct Assembler {
    layouts: Vec<ReportLayout>,
    continuation: Duration,
    buffer: Vec<u8>,
    waits_until: Option<Duration>,
    /// Without a flag, silence ends a code; with one, silence means that the rest was lost.
    silence_ends: bool,
    /// The code is over-long or part of it cannot be read: it is dropped to its end.
    spoilt: bool,
    discarded: u64,
    /// What the last report states of its code; none where reports do not state it.
    aim: Option<AimId>,
    reply: Vec<u8>,
    reply_is_whole: bool,
    answers_commands: bool,
}

impl Assembler {
    /// An empty one, for a device that answers commands or does not.
    pub fn new(
        layouts: Vec<ReportLayout>,
        continuation: Duration,
        answers_commands: bool,
    ) -> Assembler {
        Assembler {
            layouts,
            continuation,
            buffer: Vec::new(),
            waits_until: None,
            silence_ends: false,
            spoilt: false,
            discarded: 0,
            aim: None,
            reply: Vec::new(),
            reply_is_whole: false,
            answers_commands,
        }
    }

    /// Takes one report, as a read gives it, and gives the code that is whole now.
    pub fn push(&mut self, report: &[u8], now: Duration) -> Option<Vec<u8>> {
        let layout = self
            .layouts
            .iter()
            .find(|layout| layout.id.is_none() || layout.id.as_ref() == report.first())
            // Reports of other kinds: triggers, status.
            .cloned()?;
        let part = Part::read(&layout, report);
        if let Some(reply) = part.reply.filter(|_| self.answers_commands) {
            self.keep_reply(reply, part.data.unwrap_or_default());
            return None;
        }
        self.aim = part.aim;
        let is_full = match part.data {
            Some(data) if self.buffer.len() + data.len() <= MAX_FRAME => {
                self.buffer.extend_from_slice(data);
                data.len() == layout.data.len()
            }
            Some(_) | None => {
                self.spoilt = true;
                true
            }
        };
        match part.continues {
            Continues::Yes => self.wait(now, false),
            Continues::NotStated if is_full => self.wait(now, true),
            Continues::No | Continues::NotStated => return self.end(),
        }
        None
    }

    /// When waiting for the next report ends; `None` while no code is under way.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.waits_until
    }

    /// The code that silence has ended; a code whose next report never came is dropped and counted. To
    /// be called when a wait ended and nothing had come: reports that wait for a busy reader are no
    /// silence.
    pub fn handle_timeout(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.waits_until.is_none_or(|at| at > now) {
            return None;
        }
        if self.silence_ends {
            return self.end();
        }
        self.discard();
        None
    }

    /// The AIM identifier of the newest code, where reports state it.
    pub fn aim(&self) -> Option<AimId> {
        self.aim
    }

    /// Codes that were too long, malformed or never ended.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// The text of an answer to a command, once when it is whole.
    pub fn take_reply(&mut self) -> Option<Vec<u8>> {
        let is_whole = std::mem::take(&mut self.reply_is_whole);
        is_whole.then(|| std::mem::take(&mut self.reply))
    }

    fn keep_reply(&mut self, reply: Reply, text: &[u8]) {
        match reply {
            Reply::End => self.reply_is_whole = !self.reply.is_empty(),
            Reply::Text => {
                let room = MAX_REPLY.saturating_sub(self.reply.len());
                self.reply
                    .extend_from_slice(text.get(..room).unwrap_or(text));
            }
        }
    }

    fn wait(&mut self, now: Duration, silence_ends: bool) {
        self.waits_until = Some(now + self.continuation);
        self.silence_ends = silence_ends;
    }

    fn discard(&mut self) {
        self.discarded += 1;
        self.buffer.clear();
        self.spoilt = false;
        self.waits_until = None;
    }

    fn end(&mut self) -> Option<Vec<u8>> {
        if self.spoilt {
            self.discard();
            return None;
        }
        self.waits_until = None;
        let code = std::mem::take(&mut self.buffer);
        (!code.is_empty()).then_some(code)
    }
}

/// Whether a code goes on in another report.
enum Continues {
    Yes,
    No,
    /// The device has no flag for it, or the report ends before it.
    NotStated,
}

/// What an answer to a command consists of.
#[derive(Clone, Copy)]
enum Reply {
    Text,
    End,
}

/// What one report holds.
struct Part<'a> {
    /// `None` when the report is shorter than it states, or states more than there is room for.
    data: Option<&'a [u8]>,
    aim: Option<AimId>,
    reply: Option<Reply>,
    continues: Continues,
}

impl<'a> Part<'a> {
    fn read(layout: &ReportLayout, report: &'a [u8]) -> Part<'a> {
        let aim = layout
            .aim
            .map(|at| at.map(|at| report.get(at).copied().unwrap_or_default()));
        let flag = layout
            .continued
            .and_then(|bit| bits(report, &(bit..bit + 1)));
        Part {
            data: Part::data(layout, report),
            aim,
            reply: match aim {
                Some(REPLY_TEXT) => Some(Reply::Text),
                Some(REPLY_END) => Some(Reply::End),
                Some(_) | None => None,
            },
            continues: match flag {
                Some(1) => Continues::Yes,
                Some(_) => Continues::No,
                None => Continues::NotStated,
            },
        }
    }

    fn data(layout: &ReportLayout, report: &'a [u8]) -> Option<&'a [u8]> {
        let is_cut = layout.continued.is_some_and(|bit| bit / 8 >= report.len());
        let room = report.get(layout.data.start..layout.data.end.min(report.len()))?;
        match &layout.count {
            _ if is_cut => None,
            Some(count) => room.get(..bits(report, count)?),
            None => {
                let end = room.iter().rposition(|byte| *byte != 0);
                room.get(..end.map_or(0, |end| end + 1))
            }
        }
    }
}

/// A number of at most 16 bits, the lowest first.
fn bits(report: &[u8], at: &std::ops::Range<usize>) -> Option<usize> {
    at.clone().rev().try_fold(0, |number, bit| {
        let byte = report.get(bit / 8)?;
        Some(number << 1 | usize::from(byte >> (bit % 8) & 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::discovery::report_descriptor::layouts;
    use crate::devices::discovery::report_descriptor::tests::{HONEYWELL_LIKE, NEWLAND_LIKE};
    use crate::devices::scanner::hid::tests::{honeywell_reports, newland_reports};
    use proptest::prelude::*;

    const WAIT: Duration = Duration::from_millis(500);

    fn assembler(descriptor: &[u8]) -> Assembler {
        Assembler::new(layouts(descriptor).unwrap(), WAIT, true)
    }

    fn read(descriptor: &[u8], reports: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut assembler = assembler(descriptor);
        reports
            .iter()
            .filter_map(|report| assembler.push(report, Duration::ZERO))
            .collect()
    }

    fn assert_next_is_read(assembler: &mut Assembler) {
        let next = honeywell_reports(b"NEXT", b"]Q1");
        let code = assembler.push(&next[0], WAIT);
        assert_eq!(code.as_deref(), Some(b"NEXT".as_slice()));
    }

    #[test]
    fn codes_of_each_length_arrive_in_both_layouts() {
        for length in [1, 55, 56, 57, 60, 112, 113, 1000, 2900] {
            let code: Vec<u8> = (0..length)
                .map(|at: usize| b'!' + u8::try_from(at % 90).unwrap())
                .collect();
            assert_eq!(
                read(HONEYWELL_LIKE, &honeywell_reports(&code, b"]Q1")),
                std::slice::from_ref(&code)
            );
            assert_eq!(read(NEWLAND_LIKE, &newland_reports(&code)), [code]);
        }
    }

    #[test]
    fn nul_inside_a_code_is_kept_where_there_is_a_length() {
        let code = b"AB\0CD\0";
        assert_eq!(
            read(HONEYWELL_LIKE, &honeywell_reports(code, b"]Q1")),
            [code]
        );
    }

    #[test]
    fn answers_to_commands_and_other_reports_are_no_scans() {
        let mut reports = honeywell_reports(b"REVINF: product", b"]X0");
        reports.extend(honeywell_reports(b"REVINF\x06.", b"]Z6"));
        reports.push(vec![0x07, 1, 2, 3]);
        reports.extend(honeywell_reports(b"CODE", b"]Q1"));
        assert_eq!(read(HONEYWELL_LIKE, &reports), [b"CODE"]);
    }

    #[test]
    fn a_device_without_commands_may_read_a_code_of_that_symbology() {
        let mut assembler = Assembler::new(layouts(HONEYWELL_LIKE).unwrap(), WAIT, false);
        let report = &honeywell_reports(b"GOODS", b"]X0")[0];
        let code = assembler.push(report, Duration::ZERO);
        assert_eq!(code.as_deref(), Some(b"GOODS".as_slice()));
    }

    /// As a Voyager 1602g answers `REVINF.`, shortened (python_hon_usbhid, README).
    #[test]
    fn an_answer_is_kept_whole_and_bounded_also_around_a_code() {
        let answer = b"Product Name: Voyager 1602g\r\nBoot Revision: : 8992\r\nSerial Number: 15232B1F0C\r\n";
        let end = honeywell_reports(b"REVINF\x06.", b"]Z6").remove(0);
        let mut assembler = assembler(HONEYWELL_LIKE);
        let mut send = |report: &[u8]| {
            let code = assembler.push(report, Duration::ZERO);
            (code, assembler.take_reply())
        };
        assert_eq!(send(&end), (None, None));
        for report in honeywell_reports(answer, b"]X0") {
            assert_eq!(send(&report), (None, None));
        }
        let code = &honeywell_reports(b"CODE", b"]Q1")[0];
        assert_eq!(send(code), (Some(b"CODE".to_vec()), None));
        assert_eq!(send(&end), (None, Some(answer.to_vec())));
        assert_eq!(send(code), (Some(b"CODE".to_vec()), None));
        for _ in 0..100 {
            send(&honeywell_reports(&[b'x'; 56], b"]X0")[0]);
        }
        assert_eq!(send(&end), (None, Some(vec![b'x'; MAX_REPLY])));
    }

    #[test]
    fn an_end_that_never_comes_is_waited_for_and_no_longer() {
        let mut assembler = assembler(HONEYWELL_LIKE);
        let reports = honeywell_reports(&[b'x'; 100], b"]Q1");
        assert_eq!(assembler.push(&reports[0], Duration::ZERO), None);
        assert_eq!(assembler.poll_timeout(), Some(WAIT));
        assert_eq!(assembler.handle_timeout(WAIT), None);
        assert_eq!(assembler.discarded(), 1);
        assert_next_is_read(&mut assembler);
    }

    #[test]
    fn a_report_that_states_more_than_it_has_is_discarded() {
        let mut assembler = assembler(HONEYWELL_LIKE);
        let mut report = honeywell_reports(b"CODE", b"]Q1").remove(0);
        report[1] = 57;
        assert_eq!(assembler.push(&report, Duration::ZERO), None);
        assert_eq!(assembler.discarded(), 1);
        // Cut before its flag: whether more follows is not known, so that silence ends it.
        assert_eq!(assembler.push(&[2], Duration::ZERO), None);
        assert_eq!(assembler.handle_timeout(WAIT), None);
        assert_eq!(assembler.discarded(), 2);
        assert_next_is_read(&mut assembler);
    }

    #[test]
    fn the_end_of_a_code_whose_middle_is_damaged_is_no_code() {
        for damaged in [0, 1] {
            let mut assembler = assembler(HONEYWELL_LIKE);
            let mut reports = honeywell_reports(&[b'x'; 150], b"]Q1");
            reports[damaged][1] = 200;
            for report in &reports {
                assert_eq!(assembler.push(report, Duration::ZERO), None);
            }
            assert_eq!(assembler.discarded(), 1);
            assert_next_is_read(&mut assembler);
        }
    }

    #[test]
    fn reports_that_a_busy_reader_took_late_do_not_split_a_code() {
        let mut assembler = assembler(HONEYWELL_LIKE);
        let reports = honeywell_reports(&[b'x'; 100], b"]Q1");
        assert_eq!(assembler.push(&reports[0], Duration::ZERO), None);
        // It waited in the kernel: no wait for it has ended in silence.
        let code = assembler.push(&reports[1], WAIT * 2);
        assert_eq!(code, Some(vec![b'x'; 100]));
    }

    #[test]
    fn an_endless_code_is_dropped_whole() {
        let mut assembler = assembler(NEWLAND_LIKE);
        for report in newland_reports(&vec![b'x'; MAX_FRAME + 1]) {
            assert_eq!(assembler.push(&report, Duration::ZERO), None);
        }
        assert_eq!(assembler.discarded(), 1);
        let next = assembler.push(&newland_reports(b"OK")[0], WAIT);
        assert_eq!(next.as_deref(), Some(b"OK".as_slice()));
    }

    #[test]
    fn without_a_flag_a_full_report_goes_on_and_silence_ends_it() {
        let layout = ReportLayout {
            id: None,
            data: 0..4,
            count: None,
            aim: None,
            continued: None,
        };
        let mut assembler = Assembler::new(vec![layout], WAIT, false);
        assert_eq!(assembler.push(b"ABCD", Duration::ZERO), None);
        let code = assembler.push(b"EF\0\0", Duration::ZERO);
        assert_eq!(code.as_deref(), Some(b"ABCDEF".as_slice()));
        assert_eq!(assembler.push(b"GHIJ", Duration::ZERO), None);
        assert_eq!(assembler.handle_timeout(WAIT), Some(b"GHIJ".to_vec()));
    }

    proptest! {
        #[test]
        fn garbage_between_codes_does_not_stop_the_next(
            noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..8),
            code in prop::collection::vec(1_u8..=255, 1..300),
        ) {
            let mut assembler = assembler(HONEYWELL_LIKE);
            for report in noise {
                if let Some(code) = assembler.push(&report, Duration::ZERO) {
                    prop_assert!(!code.is_empty() && code.len() <= MAX_FRAME);
                }
            }
            // Half a code that noise began is over by then.
            let later = WAIT * 2;
            assembler.handle_timeout(later);
            let reports = honeywell_reports(&code, b"]Q1");
            let codes: Vec<_> = reports.iter().filter_map(|report| assembler.push(report, later)).collect();
            prop_assert_eq!(codes, vec![code]);
        }
    }
}
