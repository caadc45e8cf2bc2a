//! The monitors of an X11 session, asked of the server itself.
//!
//! winit keeps its first list for ever on X11: what the server tells of a change never reaches it, since
//! nobody taught Xlib to read RandR's events.

use x11rb::connection::Connection as _;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::outputs::Monitor;

/// A line of our own to the X server of `DISPLAY`.
pub(super) struct Monitors {
    connection: RustConnection,
    root: u32,
}

impl Monitors {
    /// `None` where the server cannot be reached.
    pub(super) fn connect() -> Option<Monitors> {
        let (connection, screen) = x11rb::connect(None).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        Some(Monitors { connection, root })
    }

    /// Those that show something now; `None` where the server does not tell (RandR before 1.5).
    pub(super) fn list(&self) -> Option<Vec<Monitor>> {
        let asked = self.connection.randr_get_monitors(self.root, true).ok()?;
        let mut monitors = Vec::new();
        for monitor in asked.reply().ok()?.monitors {
            let name = self.connection.get_atom_name(monitor.name).ok()?;
            let name = name.reply().ok()?.name;
            monitors.push(Monitor {
                name: String::from_utf8_lossy(&name).into_owned(),
                x: i32::from(monitor.x),
                y: i32::from(monitor.y),
                width: u32::from(monitor.width),
                height: u32::from(monitor.height),
                is_primary: monitor.primary,
            });
        }
        Some(monitors)
    }
}
