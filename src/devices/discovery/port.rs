//! A serial port, opened for one process alone: RS-232, CDC-ACM, a USB bridge, a pseudo-terminal.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use serialport::{SerialPort as _, TTYPort};

use super::access;
use crate::model::line::{LineSettings, Parity};

/// The reason why a port cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// There is no such node.
    #[error("{0}")]
    Missing(String),
    /// The node may not be opened by this user.
    #[error("{0}")]
    NoPermission(String),
    /// Another process has the port.
    #[error("{reason}")]
    Busy {
        /// That process as `name (pid)`, if it can be known.
        holder: Option<String>,
        /// The words of the system.
        reason: String,
    },
    /// The port cannot be used for another reason, as the system reports it.
    #[error("{0}")]
    Failed(String),
}

/// The port lends its descriptor only as a number.
#[expect(
    unsafe_code,
    reason = "serialport implements no AsFd, and poll needs the descriptor"
)]
pub fn descriptor(port: &TTYPort) -> BorrowedFd<'_> {
    // SAFETY: the descriptor belongs to `port`, which stays borrowed as long as the result lives.
    unsafe { BorrowedFd::borrow_raw(port.as_raw_fd()) }
}

/// Whether a read or write should simply be tried again later.
pub fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::TimedOut | ErrorKind::WouldBlock
    )
}

/// Opens a port in raw mode without flow control, locks it, and raises its control lines. `node` is the
/// node itself and no link to it, so that its holder can be found. Reads do not wait.
pub fn open(node: &Path, line: &LineSettings) -> Result<TTYPort, PortError> {
    let builder = serialport::new(node.to_string_lossy(), line.baud)
        .data_bits(if line.data_bits == 7 {
            serialport::DataBits::Seven
        } else {
            serialport::DataBits::Eight
        })
        .parity(match line.parity {
            Parity::None => serialport::Parity::None,
            Parity::Even => serialport::Parity::Even,
            Parity::Odd => serialport::Parity::Odd,
        })
        .stop_bits(if line.stop_bits == 2 {
            serialport::StopBits::Two
        } else {
            serialport::StopBits::One
        })
        .flow_control(serialport::FlowControl::None)
        .timeout(Duration::ZERO);
    let mut port = TTYPort::open(&builder).map_err(|error| error_of(&error, node))?;
    // Many devices speak and listen only while the host shows that it is there. A pseudo-terminal has
    // no such lines, and returns an error.
    for raised in [
        port.write_data_terminal_ready(true),
        port.write_request_to_send(true),
    ] {
        if let Err(error) = raised {
            tracing::debug!(node = %node.display(), %error, "A control line cannot be raised");
        }
    }
    Ok(port)
}

fn error_of(error: &serialport::Error, node: &Path) -> PortError {
    let reason = error.to_string();
    match error.kind() {
        serialport::ErrorKind::NoDevice => {
            if !node.exists() {
                return PortError::Missing(reason);
            }
            if !access::is_allowed(node) {
                return PortError::NoPermission(reason);
            }
            PortError::Busy {
                holder: access::holder(node),
                reason,
            }
        }
        serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            PortError::NoPermission(reason)
        }
        serialport::ErrorKind::Io(io::ErrorKind::NotFound) => PortError::Missing(reason),
        serialport::ErrorKind::Io(_)
        | serialport::ErrorKind::InvalidInput
        | serialport::ErrorKind::Unknown
            if !node.exists() =>
        {
            PortError::Missing(reason)
        }
        serialport::ErrorKind::Io(_)
        | serialport::ErrorKind::InvalidInput
        | serialport::ErrorKind::Unknown => PortError::Failed(reason),
    }
}
