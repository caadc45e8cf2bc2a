//! A report descriptor (USB HID 1.11, chapter 6.2.2) becomes the places of a code in a report.
//!
//! Makers lay their reports out differently (the data begins at byte 2 or 5, the length has a field or
//! none), so the places are read from the device's own descriptor, by usage: page 8C of the HID Point
//! of Sale Usage Tables 1.02, and Byte Count of Generic Desktop.
//!
//! A parser of our own: the public ones that were looked at panic on a descriptor without a usage
//! page, and a descriptor comes from whatever is plugged in. This one knows the few items that place
//! fields, bounds every count, and skips the rest.

use std::ops::Range;

/// Usage page and usage.
type Usage = (u16, u16);

const BARCODE_SCANNER: Usage = (0x8c, 0x02);
const DECODED_DATA: Usage = (0x8c, 0xfe);
const DECODE_DATA_CONTINUED: Usage = (0x8c, 0xff);
const SYMBOLOGY_IDENTIFIERS: [Usage; 3] = [(0x8c, 0xfb), (0x8c, 0xfc), (0x8c, 0xfd)];
const BYTE_COUNT: Usage = (0x01, 0x3b);
const KEYBOARD: Usage = (0x01, 0x06);

/// Largest report that is believed, in bits: the kernel's own limit is 16 KiB, scanners send 64 bytes.
const MAX_BITS: usize = 8 * 4096;
/// Most usages that one field may name.
const MAX_USAGES: usize = 512;
/// Deepest stack of Push items.
const DEEPEST: usize = 16;
/// Most reports of one device.
const MAX_REPORTS: usize = 64;
/// Most fields of one report; a scanner's has about 70.
const MAX_FIELDS: usize = 4096;

/// Where a code is in one kind of report. Offsets count from the first byte of what a read gives,
/// which is the report ID if there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLayout {
    /// The report ID, if reports are numbered.
    pub id: Option<u8>,
    /// Bytes of the code.
    pub data: Range<usize>,
    /// Bits of the length; without them the code ends before the NULs at the end.
    pub count: Option<Range<usize>>,
    /// Bytes of the AIM identifier.
    pub aim: Option<[usize; 3]>,
    /// The bit that shows that the code goes on in the next report.
    pub continued: Option<usize>,
}

/// Why a device cannot be used as a HID POS scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A keyboard.
    #[error("the device is a keyboard by its report descriptor")]
    Keyboard,
    /// Something else.
    #[error("the report descriptor has no barcode scanner (usage 8C:02)")]
    NoScanner,
    /// A scanner that does not declare where its codes are.
    #[error("the report descriptor names no Decoded Data (usage 8C:FE) in whole bytes")]
    NoData,
}

/// Whether one of the device's collections is a barcode scanner.
pub fn is_barcode_scanner(descriptor: &[u8]) -> bool {
    Parser::run(descriptor).tops.contains(&BARCODE_SCANNER)
}

/// The layouts of the reports that bring codes.
pub fn layouts(descriptor: &[u8]) -> Result<Vec<ReportLayout>, Unfit> {
    let parsed = Parser::run(descriptor);
    if !parsed.tops.contains(&BARCODE_SCANNER) {
        return Err(if parsed.tops.contains(&KEYBOARD) {
            Unfit::Keyboard
        } else {
            Unfit::NoScanner
        });
    }
    let layouts: Vec<ReportLayout> = parsed.reports.iter().filter_map(Report::layout).collect();
    if layouts.is_empty() {
        return Err(Unfit::NoData);
    }
    Ok(layouts)
}

/// How many bytes an output report has, its ID included; `None` when the device takes no such report.
pub fn output_length(descriptor: &[u8], id: u8) -> Option<usize> {
    let outputs = Parser::run(descriptor).outputs;
    let bits = outputs.iter().find(|(known, _)| *known == Some(id))?.1;
    Some(bits.div_ceil(8) + 1)
}

/// A field of an input report whose usage is of interest.
#[derive(Debug)]
struct Field {
    usage: Usage,
    bits: Range<usize>,
}

#[derive(Debug)]
struct Report {
    id: Option<u8>,
    /// Bits so far, the ID's included.
    length: usize,
    fields: Vec<Field>,
}

impl Report {
    fn one(&self, usage: Usage) -> Option<&Range<usize>> {
        let field = self.fields.iter().find(|field| field.usage == usage)?;
        Some(&field.bits)
    }

    fn byte(&self, usage: Usage) -> Option<usize> {
        let bits = self.one(usage)?;
        (bits.start % 8 == 0 && bits.len() == 8).then_some(bits.start / 8)
    }

    /// The first run of Decoded Data in whole bytes, whether declared byte by byte or as longer fields.
    fn data(&self) -> Option<Range<usize>> {
        let mut run: Option<Range<usize>> = None;
        for field in self.fields.iter().filter(|f| f.usage == DECODED_DATA) {
            if field.bits.start % 8 != 0 || field.bits.len() % 8 != 0 {
                return run;
            }
            let bytes = field.bits.start / 8..field.bits.end / 8;
            match &mut run {
                None => run = Some(bytes),
                Some(run) if run.end == bytes.start => run.end = bytes.end,
                Some(_) => break,
            }
        }
        run
    }

    fn layout(&self) -> Option<ReportLayout> {
        let [first, second, third] = SYMBOLOGY_IDENTIFIERS.map(|usage| self.byte(usage));
        Some(ReportLayout {
            id: self.id,
            data: self.data()?,
            count: self
                .one(BYTE_COUNT)
                .filter(|bits| bits.len() <= 16)
                .cloned(),
            aim: first
                .zip(second)
                .zip(third)
                .map(|((first, second), third)| [first, second, third]),
            continued: self.one(DECODE_DATA_CONTINUED).map(|bits| bits.start),
        })
    }
}

/// State that Push and Pop save.
#[derive(Clone, Copy, Debug, Default)]
struct Globals {
    page: u16,
    size: usize,
    count: usize,
    id: Option<u8>,
}

/// A usage as it stands before its main item.
#[derive(Clone, Copy, Debug)]
struct Local {
    usage: Usage,
    /// It names its page itself.
    is_whole: bool,
}

#[derive(Debug, Default)]
struct Parser {
    globals: Globals,
    saved: Vec<Globals>,
    usages: Vec<Local>,
    minimum: Option<Local>,
    depth: usize,
    /// Usages of the top-level application collections.
    tops: Vec<Usage>,
    reports: Vec<Report>,
    /// Output reports: number, and bits without it.
    outputs: Vec<(Option<u8>, usize)>,
}

impl Parser {
    fn run(descriptor: &[u8]) -> Parser {
        let mut parser = Parser::default();
        let mut rest = descriptor;
        while let Some((&head, tail)) = rest.split_first() {
            // A long item: size, tag, data. None is defined.
            if head == 0xfe {
                let skip = usize::from(tail.first().copied().unwrap_or(0)) + 2;
                rest = tail.get(skip..).unwrap_or_default();
                continue;
            }
            let size = match head & 3 {
                3 => 4,
                size => usize::from(size),
            };
            let Some((data, tail)) = tail.split_at_checked(size) else {
                break;
            };
            let value = data
                .iter()
                .rev()
                .fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            parser.item(head & 0xfc, value, size);
            rest = tail;
        }
        parser
    }

    fn item(&mut self, tag: u8, value: u32, size: usize) {
        let number = usize::try_from(value).unwrap_or(usize::MAX);
        match tag {
            0x04 => self.globals.page = low(value),
            0x74 => self.globals.size = number.min(MAX_BITS),
            0x94 => self.globals.count = number.min(MAX_BITS),
            0x84 => self.globals.id = u8::try_from(value).ok().filter(|id| *id != 0),
            0xa4 if self.saved.len() < DEEPEST => self.saved.push(self.globals),
            0xb4 => self.globals = self.saved.pop().unwrap_or(self.globals),
            0x08 => {
                let usage = self.usage(value, size);
                if self.usages.len() < MAX_USAGES {
                    self.usages.push(usage);
                }
            }
            0x18 => self.minimum = Some(self.usage(value, size)),
            0x28 => self.range_to(value, size),
            0x80 => self.input(value),
            0x90 => self.output(),
            // Feature: its fields are not ours.
            0xb0 => self.end_locals(),
            0xa0 => {
                self.complete_usages();
                if self.depth == 0
                    && value == 1
                    && let Some(local) = self.usages.first()
                {
                    self.tops.push(local.usage);
                }
                self.depth += 1;
                self.end_locals();
            }
            0xc0 => {
                self.depth = self.depth.saturating_sub(1);
                self.end_locals();
            }
            _ => {}
        }
    }

    /// Four bytes bring their own page.
    fn usage(&self, value: u32, size: usize) -> Local {
        let is_whole = size == 4;
        let page = if is_whole {
            low(value >> 16)
        } else {
            self.globals.page
        };
        Local {
            usage: (page, low(value)),
            is_whole,
        }
    }

    fn range_to(&mut self, value: u32, size: usize) {
        let last = self.usage(value, size);
        if let Some(first) = self.minimum.take()
            && first.usage.0 == last.usage.0
        {
            let room = MAX_USAGES.saturating_sub(self.usages.len());
            let range = (first.usage.1..=last.usage.1).take(room);
            self.usages.extend(range.map(|usage| Local {
                usage: (last.usage.0, usage),
                is_whole: last.is_whole,
            }));
        }
    }

    /// A usage without a page belongs to the last page before its main item (HID 1.11, 6.2.2.8). Like
    /// Linux, a page that was declared between two usages holds for those behind it.
    fn complete_usages(&mut self) {
        let page = self.globals.page;
        let incomplete = self.usages.iter_mut().rev().filter(|one| !one.is_whole);
        for local in incomplete.take_while(|one| one.usage.0 != page) {
            local.usage.0 = page;
        }
    }

    fn input(&mut self, flags: u32) {
        let Globals {
            size, count, id, ..
        } = self.globals;
        self.complete_usages();
        let usages = std::mem::take(&mut self.usages);
        self.end_locals();
        let Some(report) = self.report(id) else {
            return;
        };
        let bits = size.saturating_mul(count);
        if report.length + bits > MAX_BITS {
            return;
        }
        let is_constant = flags & 1 == 1;
        let is_variable = flags & 2 == 2;
        if !is_constant && is_variable && size > 0 {
            let room = MAX_FIELDS.saturating_sub(report.fields.len());
            for index in 0..count.min(room) {
                // The last usage holds for all that follow.
                let Some(local) = usages.get(index).or(usages.last()) else {
                    break;
                };
                let start = report.length + index * size;
                report.fields.push(Field {
                    usage: local.usage,
                    bits: start..start + size,
                });
            }
        }
        report.length += bits;
    }

    /// Only its length: what it takes is known from the profile.
    fn output(&mut self) {
        self.end_locals();
        let Globals {
            size, count, id, ..
        } = self.globals;
        let bits = size.saturating_mul(count);
        let has_room = self.outputs.len() < MAX_REPORTS;
        match self.outputs.iter_mut().find(|(known, _)| *known == id) {
            Some((_, length)) => *length = length.saturating_add(bits).min(MAX_BITS),
            None if has_room => self.outputs.push((id, bits.min(MAX_BITS))),
            None => {}
        }
    }

    fn report(&mut self, id: Option<u8>) -> Option<&mut Report> {
        let known = self.reports.iter().position(|report| report.id == id);
        let at = match known {
            Some(at) => at,
            None if self.reports.len() < MAX_REPORTS => {
                self.reports.push(Report {
                    id,
                    length: if id.is_some() { 8 } else { 0 },
                    fields: Vec::new(),
                });
                self.reports.len() - 1
            }
            None => return None,
        };
        self.reports.get_mut(at)
    }

    fn end_locals(&mut self) {
        self.usages.clear();
        self.minimum = None;
    }
}

fn low(value: u32) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written after the published layout of Hand Held and Honeywell devices (64 bytes: length, AIM
    /// identifier, 56 bytes of data, two vendor bytes, flag); no descriptor of a real one is public.
    pub(crate) const HONEYWELL_LIKE: &[u8] =
        b"\x05\x8c\x09\x02\xa1\x01\x85\x02\x09\x12\xa1\x02\x15\x00\x26\xff\x00\
        \x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\
        \x95\x03\x05\x8c\x09\xfb\x09\xfc\x09\xfd\x81\x02\
        \x95\x38\x09\xfe\x82\x02\x01\
        \x06\x66\xff\x95\x02\x09\x04\x09\x00\x81\x02\
        \x05\x8c\x25\x01\x75\x01\x95\x01\x09\xff\x81\x02\x75\x07\x81\x03\xc0\xc0";
    /// The same for Newland's family: length, 56 bytes of data, reserved, symbology, flag.
    pub(crate) const NEWLAND_LIKE: &[u8] =
        b"\x05\x8c\x09\x02\xa1\x01\x85\x02\x09\x12\xa1\x02\x15\x00\x26\xff\x00\
        \x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\
        \x05\x8c\x95\x38\x09\xfe\x82\x02\x01\
        \x06\x66\xff\x95\x05\x09\x04\x81\x02\
        \x05\x8c\x25\x01\x75\x01\x95\x01\x09\xff\x81\x02\x75\x07\x81\x03\xc0\xc0";
    /// A boot keyboard, after appendix E.6 of the HID specification.
    pub(crate) const KEYBOARD_LIKE: &[u8] = b"\x05\x01\x09\x06\xa1\x01\x05\x07\x19\xe0\x29\xe7\x15\x00\x25\x01\x75\x01\
        \x95\x08\x81\x02\x95\x01\x75\x08\x81\x01\x95\x06\x75\x08\x15\x00\x25\x65\x05\x07\x19\x00\x29\x65\
        \x81\x00\xc0";

    #[test]
    fn both_known_layouts_are_read_from_their_descriptors() {
        let honeywell = ReportLayout {
            id: Some(2),
            data: 5..61,
            count: Some(8..16),
            aim: Some([2, 3, 4]),
            continued: Some(63 * 8),
        };
        assert_eq!(layouts(HONEYWELL_LIKE), Ok(vec![honeywell]));
        let newland = ReportLayout {
            id: Some(2),
            data: 2..58,
            count: Some(8..16),
            aim: None,
            continued: Some(63 * 8),
        };
        assert_eq!(layouts(NEWLAND_LIKE), Ok(vec![newland]));
    }

    #[test]
    fn what_is_no_scanner_declares_what_it_is() {
        assert_eq!(layouts(KEYBOARD_LIKE), Err(Unfit::Keyboard));
        assert_eq!(layouts(b""), Err(Unfit::NoScanner));
        let empty = b"\x05\x8c\x09\x02\xa1\x01\xc0";
        assert!(is_barcode_scanner(empty));
        assert_eq!(layouts(empty), Err(Unfit::NoData));
    }

    #[test]
    fn a_scanner_behind_another_collection_is_found() {
        let both = [KEYBOARD_LIKE, HONEYWELL_LIKE].concat();
        assert_eq!(layouts(&both).unwrap(), layouts(HONEYWELL_LIKE).unwrap());
        let vendor_first = [b"\x06\x8c\xff\x09\x01\xa1\x01\xc0".as_slice(), NEWLAND_LIKE].concat();
        assert_eq!(
            layouts(&vendor_first).unwrap(),
            layouts(NEWLAND_LIKE).unwrap()
        );
    }

    #[test]
    fn usages_with_their_own_page_ranges_and_push_are_understood() {
        // Without report IDs: AIM by a range, the data by a 32-bit usage after Pop, no count, no flag.
        let descriptor =
            b"\x05\x8c\x09\x02\xa1\x01\x75\x08\xa4\x95\x03\x19\xfb\x29\xfd\x81\x02\xb4\
                           \x95\x10\x0b\xfe\x00\x8c\x00\x81\x02\xc0";
        let layout = ReportLayout {
            id: None,
            data: 3..19,
            count: None,
            aim: Some([0, 1, 2]),
            continued: None,
        };
        assert_eq!(layouts(descriptor), Ok(vec![layout]));
    }

    #[test]
    fn a_page_after_its_usages_holds_for_them_as_in_linux() {
        // Scanner and data are named before their page; the pages of the count and the data differ
        // within one item; the data is one field of 64 bits.
        let descriptor =
            b"\x09\x02\x05\x8c\xa1\x01\x85\x02\x75\x08\x95\x01\x05\x01\x09\x3b\x81\x02\
                           \x09\xfe\x05\x8c\x75\x40\x81\x02\xc0";
        let layout = ReportLayout {
            id: Some(2),
            data: 2..10,
            count: Some(8..16),
            aim: None,
            continued: None,
        };
        assert_eq!(layouts(descriptor), Ok(vec![layout]));
        let mixed =
            b"\x05\x8c\x09\x02\xa1\x01\x75\x08\x95\x05\x05\x01\x09\x3b\x05\x8c\x09\xfe\x81\x02\xc0";
        let layout = ReportLayout {
            id: None,
            data: 1..5,
            count: Some(0..8),
            aim: None,
            continued: None,
        };
        assert_eq!(layouts(mixed), Ok(vec![layout]));
    }

    #[test]
    fn fields_without_bits_and_endless_fields_take_no_memory() {
        let item = b"\x09\xfe\x81\x02";
        for size in [0, 1] {
            let head = [
                0x05, 0x8c, 0x09, 0x02, 0xa1, 0x01, 0x75, size, 0x96, 0xff, 0x7f,
            ];
            let descriptor = [&head, item.repeat(1000).as_slice()].concat();
            let parsed = Parser::run(&descriptor);
            assert!(
                parsed
                    .reports
                    .iter()
                    .all(|one| one.fields.len() <= MAX_FIELDS)
            );
        }
    }

    proptest! {
        #[test]
        fn no_descriptor_panics_or_grows(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(layouts) = layouts(&bytes) {
                for layout in layouts {
                    prop_assert!(layout.data.end <= MAX_BITS);
                }
            }
        }

        #[test]
        fn damage_to_a_real_descriptor_is_survived(at in 0..NEWLAND_LIKE.len(), byte in any::<u8>()) {
            let mut damaged = NEWLAND_LIKE.to_vec();
            damaged[at] = byte;
            let _ = layouts(&damaged);
        }
    }
}
