//! HID POS scanners: usage page 8C, through hidraw.
//!
//! - [`assemble`]: reports into codes, by the places that the device's own descriptor names
//!
//! The node is read through a descriptor of our own and not through `hidapi`, whose `read_timeout`
//! calls a device that hangs up an error before it has read what still waits: a scan that was whole
//! would be lost with the cable. hidapi sends the feature report that some devices need when opened.

pub mod assemble;

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::source::{Decoded, Source};
use super::text::{Aim, decode};
use super::{DeviceState, not_opened};
use crate::devices::discovery::identity;
use crate::devices::discovery::port::is_passing;
use crate::devices::discovery::report_descriptor::{self, ReportLayout, Unfit};
use crate::devices::mode::Mode;
use crate::devices::profile::schema::Hid;
use crate::model::scan::RawScan;
use assemble::Assembler;

/// Largest report that is read at once.
const MAX_REPORT: usize = 4096;
/// Reports of one burst that are read before the thread looks around; the kernel keeps 64.
const BURST: usize = 64;

/// An open node.
#[derive(Debug)]
pub(super) struct HidSource {
    node: File,
    assembler: Assembler,
    /// Where reports have no place for the AIM identifier, it may stand in front of the code.
    aim: Aim,
    /// Codes in which nothing is printable.
    unreadable: u64,
}

impl HidSource {
    pub(super) fn open(
        node: &Path,
        descriptor: &[u8],
        settings: &Hid,
    ) -> Result<HidSource, (DeviceState, String)> {
        let layouts = report_descriptor::layouts(descriptor)
            .map_err(|unfit| (state_of(unfit), unfit.to_string()))?;
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(node)
            .map_err(|error| not_opened(&error))?;
        if !settings.open_feature.is_empty()
            && let Err(error) = send_feature(node, &settings.open_feature)
        {
            // Devices of one mode only have no such report.
            tracing::debug!(node = %node.display(), %error, "The opening report is refused");
        }
        // An answer that could not be distinguished from a code would be one.
        let marks_answers = layouts.iter().all(|layout| layout.aim.is_some());
        if let Some(query) = firmware_query(descriptor, settings).filter(|_| marks_answers)
            && let Err(error) = (&file).write(&query)
        {
            tracing::debug!(node = %node.display(), %error, "The firmware query is refused");
        }
        let continuation = Duration::from_millis(settings.continuation_ms.into());
        Ok(HidSource {
            node: file,
            aim: aim(&layouts),
            assembler: Assembler::new(layouts, continuation, settings.answers_commands()),
            unreadable: 0,
        })
    }
}

impl HidSource {
    fn decoded(&mut self, code: Vec<u8>) -> Decoded {
        let aim = match self.assembler.aim() {
            Some(aim) if self.aim == Aim::Keep => Aim::Apart(aim),
            Some(_) | None => self.aim,
        };
        let text = decode(&code, aim);
        self.unreadable += u64::from(text.is_none());
        Decoded::Code {
            code: text,
            raw: RawScan::Report(code),
        }
    }
}

/// The report that asks for the firmware, as long as the device wants it; `None` when it takes none.
fn firmware_query(descriptor: &[u8], settings: &Hid) -> Option<Vec<u8>> {
    let mut query = settings.firmware_query.fixed()?;
    let length = report_descriptor::output_length(descriptor, *query.first()?)?;
    (query.len() <= length).then(|| {
        query.resize(length, 0);
        query
    })
}

/// What may stand in front of a code of these reports.
pub(crate) fn aim(layouts: &[ReportLayout]) -> Aim {
    if layouts.iter().any(|layout| layout.aim.is_some()) {
        Aim::Keep
    } else {
        Aim::Strip
    }
}

fn send_feature(node: &Path, report: &[u8]) -> hidapi::HidResult<()> {
    let path = CString::new(node.as_os_str().as_bytes()).map_err(|error| {
        hidapi::HidError::HidApiError {
            message: error.to_string(),
        }
    })?;
    let api = hidapi::HidApi::new()?;
    api.open_path(&path)?.send_feature_report(report)
}

fn state_of(unfit: Unfit) -> DeviceState {
    match unfit {
        Unfit::Keyboard => DeviceState::WrongMode { is: Mode::Keyboard },
        Unfit::NoScanner | Unfit::NoData => DeviceState::Failed(unfit.to_string()),
    }
}

impl Source for HidSource {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.node.as_fd()]
    }

    fn read(&mut self, now: Duration) -> Result<Vec<Decoded>, String> {
        let mut decoded = Vec::new();
        let mut report = [0; MAX_REPORT];
        for _ in 0..BURST {
            match self.node.read(&mut report) {
                Ok(0) => return Err("the node gives nothing any more".to_owned()),
                Ok(length) => {
                    let report = report.get(..length).unwrap_or_default();
                    let code = self.assembler.push(report, now);
                    decoded.extend(code.map(|code| self.decoded(code)));
                }
                Err(error) if is_passing(&error) => break,
                // What came before the cable was pulled counts.
                Err(_) if !decoded.is_empty() => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(decoded)
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.assembler.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) -> Vec<Decoded> {
        let code = self.assembler.handle_timeout(now);
        code.into_iter().map(|code| self.decoded(code)).collect()
    }

    fn discarded(&self) -> u64 {
        self.assembler.discarded() + self.unreadable
    }

    fn firmware(&mut self) -> Option<String> {
        identity::firmware(&self.assembler.take_reply()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Aim, aim, firmware_query};
    use crate::devices::discovery::report_descriptor::layouts;
    use crate::devices::discovery::report_descriptor::tests::{HONEYWELL_LIKE, NEWLAND_LIKE};

    #[test]
    fn the_firmware_is_asked_for_only_where_the_device_has_the_report_and_room() {
        let registry = crate::devices::profile::Registry::built_in();
        let settings = registry.get("honeywell").unwrap().hid();
        assert_eq!(firmware_query(HONEYWELL_LIKE, &settings), None);
        let with = |bytes: u8| {
            // Output report FD behind the scanner's input report.
            let output = [
                0x85, 0xfd, 0x75, 8, 0x95, bytes, 0x09, 0x01, 0x91, 0x02, 0xc0,
            ];
            let (inside, _end) = HONEYWELL_LIKE.split_at(HONEYWELL_LIKE.len() - 1);
            firmware_query(&[inside, &output].concat(), &settings)
        };
        let query = with(63).unwrap();
        assert!(query.starts_with(b"\xfd\x0f\x16M\rREVINF.\0"));
        assert_eq!(query.len(), 64);
        assert_eq!(with(11).unwrap(), b"\xfd\x0f\x16M\rREVINF.");
        assert_eq!(with(10), None);
        let silent = registry.get("newland").unwrap().hid();
        assert_eq!(firmware_query(HONEYWELL_LIKE, &silent), None);
    }

    #[test]
    fn an_aim_identifier_apart_from_the_code_leaves_the_code_its_bracket() {
        assert_eq!(aim(&layouts(HONEYWELL_LIKE).unwrap()), Aim::Keep);
        assert_eq!(aim(&layouts(NEWLAND_LIKE).unwrap()), Aim::Strip);
    }

    fn reports(code: &[u8], start: usize, head: impl Fn(&mut [u8])) -> Vec<Vec<u8>> {
        let parts: Vec<&[u8]> = code.chunks(56).collect();
        let last = parts.len() - 1;
        let report = |(index, part): (usize, &&[u8])| {
            let mut report = vec![0; 64];
            report[0] = 2;
            report[1] = u8::try_from(part.len()).unwrap();
            head(&mut report);
            report[start..start + part.len()].copy_from_slice(part);
            report[63] = u8::from(index != last);
            report
        };
        parts.iter().enumerate().map(report).collect()
    }

    pub(crate) fn honeywell_reports(code: &[u8], aim: &[u8]) -> Vec<Vec<u8>> {
        reports(code, 5, |report| report[2..5].copy_from_slice(aim))
    }

    pub(crate) fn newland_reports(code: &[u8]) -> Vec<Vec<u8>> {
        reports(code, 2, |_| {})
    }
}
