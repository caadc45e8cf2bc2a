//! A HID POS scanner that answers commands, as a Voyager 1602g does (python_hon_usbhid, README).

use std::io::{Read as _, Write as _};
use std::process::Command;

use crate::devices::{Layout, Scanner as _, Uhid};
use crate::till::Till;
use crate::wait_for;

/// Behind the scanner's input report: output report FD of 63 bytes.
const COMMANDS: &[u8] = b"\x85\xfd\x06\x66\xff\x75\x08\x95\x3f\x09\x05\x91\x02\xc0";
const QUERY: &[u8] = b"\xfd\x0f\x16M\rREVINF.";
const ANSWER: &[u8] = b"Product Name: Voyager 1602g\r\nBoot Revision: : 8992\r\nSoftware Part Number: CW000082BBA\r\n";

// linux/uhid.h
const UHID_OUTPUT: u32 = 6;
const UHID_SET_REPORT: u32 = 13;
const UHID_SET_REPORT_REPLY: u32 = 14;
const EIO: u16 = 5;

pub fn is_reported_and_is_no_scan() -> String {
    let mut scanner = Uhid::new(Layout::Honeywell);
    scanner.ids = (0x0c2e, 0x0db3, "honeywell");
    scanner.descriptor.pop();
    scanner.descriptor.extend_from_slice(COMMANDS);
    scanner.plug();
    let till = Till::start("device = hid:/dev/oplati/honeywell");
    answer(&mut scanner);
    let firmware = wait_for("the firmware", || {
        let device = till.device("scanner1");
        device["firmware"].as_str().map(str::to_owned)
    });
    assert_eq!(
        firmware,
        "Product Name: Voyager 1602g; Boot Revision: : 8992; Software Part Number: CW000082BBA"
    );
    till.read(&mut scanner, b"a code");
    assert_eq!((till.counter("scans"), till.counter("discarded")), (1, 0));
    let listed = Command::new("oplati").arg("devices").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("Voyager 1602g; Boot"), "{listed}");
    firmware
}

/// Refuses the opening report, as devices of one mode do, and answers the query.
fn answer(scanner: &mut Uhid) {
    let mut event = [0; 4400];
    loop {
        let mut device = scanner.device.as_ref().unwrap();
        let length = device.read(&mut event).unwrap();
        let event = &event[..length];
        let number = |at: usize| u32::from_ne_bytes(event[at..at + 4].try_into().unwrap());
        match number(0) {
            UHID_SET_REPORT => {
                let mut reply = UHID_SET_REPORT_REPLY.to_ne_bytes().to_vec();
                reply.extend(number(4).to_ne_bytes());
                reply.extend(EIO.to_ne_bytes());
                device.write_all(&reply).unwrap();
            }
            UHID_OUTPUT => {
                assert!(event[4..].starts_with(QUERY), "{:x?}", &event[4..20]);
                // The kernel reports how much was written behind the room for the longest report.
                let size = u16::from_ne_bytes(event[4100..4102].try_into().unwrap());
                assert_eq!(size, 64);
                break;
            }
            _ => {}
        }
    }
    for report in Layout::Honeywell.reports_with(ANSWER, b"]X0") {
        scanner.send(&report);
    }
    for report in Layout::Honeywell.reports_with(b"REVINF\x06.", b"]Z6") {
        scanner.send(&report);
    }
}
