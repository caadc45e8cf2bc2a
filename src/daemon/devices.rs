//! Devices as oplati.conf names them: opened, or told as not supported.

use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc;

use super::DaemonError;
use super::core_loop::Inbound;
use super::shared::Unsupported;
use crate::config::{DisplayDevice, ScannerDevice};
use crate::display::Output;
use crate::scanner::{self, ScannerEvent, ScannerHandle};

/// Events of scanners that may wait.
const SCANS: usize = 64;

pub(super) fn outputs(devices: &[DisplayDevice]) -> (Vec<Output>, Vec<Unsupported>) {
    let (mut outputs, mut unsupported) = (Vec::new(), Vec::new());
    for (index, device) in devices.iter().enumerate() {
        let name = format!("display{}", index + 1);
        let node = match device {
            DisplayDevice::Png { path, size } => {
                outputs.push(Output::Png {
                    name,
                    path: path.clone(),
                    size: *size,
                });
                continue;
            }
            DisplayDevice::Web => {
                outputs.push(Output::Web { name });
                continue;
            }
            // Nothing is missing: the page is always served.
            DisplayDevice::Auto => {
                tracing::info!(device = %name, "auto looks for no display in this version");
                continue;
            }
            DisplayDevice::Drm { connector } => {
                format!("drm:{}", connector.as_deref().unwrap_or(""))
            }
            DisplayDevice::Framebuffer { path } => path.display().to_string(),
            DisplayDevice::Window => "window".to_owned(),
            DisplayDevice::Serial(line) => line.path.display().to_string(),
        };
        unsupported.push(Unsupported {
            name,
            kind: "display",
            node,
        });
    }
    (outputs, unsupported)
}

pub(super) type ScannerEvents = std::sync::mpsc::Receiver<ScannerEvent>;

pub(super) fn start_scanners(
    devices: &[ScannerDevice],
    unsupported: &mut Vec<Unsupported>,
) -> Result<(Vec<ScannerHandle>, ScannerEvents), DaemonError> {
    let (events, queue) = sync_channel(SCANS);
    let mut scanners = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let name = format!("scanner{}", index + 1);
        let node = match device {
            ScannerDevice::Serial(line) => {
                let framing = scanner::frame::Framing::default();
                let settings = scanner::Settings {
                    name,
                    line: line.clone(),
                    framing,
                    events: events.clone(),
                };
                let handle = scanner::start(settings);
                scanners.push(handle.map_err(|source| DaemonError::System {
                    what: "a scanner's thread",
                    source,
                })?);
                continue;
            }
            ScannerDevice::Auto => {
                tracing::info!(device = %name, "auto looks for no scanner in this version");
                continue;
            }
            ScannerDevice::Hid { path } | ScannerDevice::Keyboard { path } => {
                path.display().to_string()
            }
        };
        unsupported.push(Unsupported {
            name,
            kind: "scanner",
            node,
        });
    }
    Ok((scanners, queue))
}

/// Ends when every scanner has stopped.
pub(super) fn carry_scans(events: &ScannerEvents, inbound: &mpsc::Sender<Inbound>) {
    while let Ok(event) = events.recv() {
        let told = match event {
            ScannerEvent::Scan { device, code } => Inbound::Scan { device, code },
            ScannerEvent::State { .. } => Inbound::DeviceChanged,
        };
        if inbound.blocking_send(told).is_err() {
            return;
        }
    }
}
