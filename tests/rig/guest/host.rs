//! The line to the host.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

/// The second serial port.
pub struct Host {
    line: RefCell<(File, BufReader<File>)>,
}

impl Host {
    pub fn open() -> Host {
        let port = File::options()
            .read(true)
            .write(true)
            .open("/dev/ttyS1")
            .unwrap();
        let mut modes = rustix::termios::tcgetattr(&port).unwrap();
        modes.make_raw();
        rustix::termios::tcsetattr(&port, rustix::termios::OptionalActions::Now, &modes).unwrap();
        let reader = BufReader::new(port.try_clone().unwrap());
        Host {
            line: RefCell::new((port, reader)),
        }
    }

    pub fn send(&self, text: &str) {
        let mut line = self.line.borrow_mut();
        line.0.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Asks the host to do something, and waits until it is done.
    pub fn ask(&self, what: &str) -> String {
        self.send(&format!("HOST {what}"));
        let mut answer = String::new();
        self.line.borrow_mut().1.read_line(&mut answer).unwrap();
        let answer = answer.trim();
        assert!(answer.starts_with("OK"), "{what}: {answer}");
        answer.trim_start_matches("OK").trim().to_owned()
    }
}
