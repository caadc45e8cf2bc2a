//! What an output is to the worker: a driver opens a panel, a panel shows.
//!
//! Two designs were weighed: one trait that takes scenes, with the drawing inside each output, and two
//! kinds of panels, those that take finished pictures and those that draw by themselves. The second
//! wins: all screens share one renderer and one proof that a code can be read, and a panel is nothing
//! but bytes on their way.

use super::frame::Frame;
use super::qr::RenderError;
use crate::config::PixelSize;
use crate::core::scene::Scene;
use crate::devices::discovery::access;
use crate::texts::cashier;

/// A place for scenes that may have to be opened again and again.
pub(super) trait Driver: Send {
    /// The node as configured or, once it was found, as found.
    fn node(&self) -> String;

    /// The profile that states how the device speaks, if one applies.
    fn profile(&self) -> Option<String> {
        None
    }

    /// What the device has reported of itself since it was opened: maker, product, serial number, release.
    fn identity(&self) -> Option<String> {
        None
    }

    /// What the display can do, as far as that is known before it is open.
    fn capabilities(&self) -> Option<Capabilities> {
        None
    }

    /// Opens the display. Must come back within a second or two; is called again after a failure.
    fn open(&mut self) -> Result<Panel, PanelError>;
}

/// A display that is open.
pub(super) enum Panel {
    Pixels(Box<dyn PixelPanel>),
    Scenes(Box<dyn ScenePanel>),
}

/// A display that takes pictures. After an error of any of its calls it is dropped and opened anew.
pub(super) trait PixelPanel {
    /// The size of the pictures that it takes. A panel whose size changes gives [`PanelError::Missing`] and is
    /// opened anew.
    fn size(&self) -> PixelSize;

    /// The size of its visible area, where the display reports it.
    fn millimetres(&self) -> Option<Millimetres> {
        None
    }

    /// Shows a picture of exactly [`PixelPanel::size`]. Bounded in time as far as the kernel lets it.
    fn show(&mut self, frame: &Frame) -> Result<(), PanelError>;

    /// Looks whether the display is still there and still ours; called about twice a second while somebody is served.
    fn watch(&mut self) -> Result<Watched, PanelError> {
        Ok(Watched::Same)
    }

    /// Whether there is anything to look for.
    fn can_be_watched(&self) -> bool {
        false
    }
}

/// A display that draws by itself: a QR box, a pole display. After an error of any of its calls it is dropped and
/// opened anew.
pub(super) trait ScenePanel {
    fn capabilities(&self) -> Capabilities;

    /// Shows a scene, and returns which one stands there then, by its name: one that the display has no
    /// picture for leaves it idle. What it cannot do at all ([`Capabilities::refuses`]) never comes here.
    fn show(&mut self, scene: &Scene) -> Result<&'static str, PanelError>;

    /// As [`PixelPanel::watch`].
    fn watch(&mut self) -> Result<Watched, PanelError> {
        Ok(Watched::Same)
    }

    /// Its answer to a firmware query, once when more of it has come.
    fn firmware(&mut self) -> Option<String> {
        None
    }

    /// As [`PixelPanel::can_be_watched`].
    fn can_be_watched(&self) -> bool {
        false
    }
}

/// What a look at a display found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Same,
    /// What was shown is lost, such as after the console had the screen: show it again.
    Repaint,
}

/// Width and height of the visible area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millimetres {
    pub width: u32,
    pub height: u32,
}

/// What a display can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capabilities {
    Pixels {
        size: PixelSize,
        /// Of the visible area, where the display reports it.
        millimetres: Option<Millimetres>,
    },
    /// It draws QR codes by itself, and no text.
    QrBox {
        /// Longest payload, bytes.
        payload_max: usize,
        /// Texts that a payload must not hold, since they would end it.
        payload_without: Vec<String>,
    },
    /// It has two lines of text.
    Lines,
}

/// The reason why a display does not show a scene.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too dense for its pixels.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// Too long for a QR box.
    #[error("the QR code has {bytes} bytes, the display takes {limit}")]
    TooLong { bytes: usize, limit: usize },
    /// The display would take a part of the payload for its end.
    #[error("the QR code holds {text:?}, which the display takes for the code's end")]
    Forbidden { text: String },
    /// The display shows no such thing at all.
    #[error("the display cannot show {0}")]
    Unable(&'static str),
}

impl Refusal {
    /// Whether it lies in this payload: another one would be shown.
    pub fn is_of_payload(&self) -> bool {
        !matches!(self, Refusal::Unable(_))
    }
}

impl Capabilities {
    /// Why it does not show a scene, if it does not.
    pub fn refuses(&self, scene: &Scene) -> Option<Refusal> {
        match (self, scene) {
            (Capabilities::Pixels { size, .. }, Scene::Qr { payload, .. }) => {
                super::render::qr_fits(payload, *size)
                    .err()
                    .map(Refusal::Render)
            }
            (
                Capabilities::QrBox {
                    payload_max,
                    payload_without,
                },
                Scene::Qr { payload, .. },
            ) => {
                let text = payload.text();
                if text.len() > *payload_max {
                    return Some(Refusal::TooLong {
                        bytes: text.len(),
                        limit: *payload_max,
                    });
                }
                let held = payload_without
                    .iter()
                    .find(|part| text.contains(part.as_str()))?;
                Some(Refusal::Forbidden { text: held.clone() })
            }
            (Capabilities::QrBox { .. }, Scene::Code { .. }) => {
                Some(Refusal::Unable("a confirmation code"))
            }
            // A pole display shows that there is a code; another display, or the till, has it.
            (Capabilities::Pixels { .. } | Capabilities::QrBox { .. } | Capabilities::Lines, _) => {
                None
            }
        }
    }

    /// Whether codes to be scanned can be seen on it.
    pub fn shows_qr(&self) -> bool {
        !matches!(self, Capabilities::Lines)
    }
}

impl From<RenderError> for PanelError {
    fn from(error: RenderError) -> PanelError {
        PanelError::Failed(error.to_string())
    }
}

/// The reason why a display cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    /// No such node, or nothing is plugged in.
    #[error("{0}")]
    Missing(String),
    /// Another process has it.
    #[error("{what} is held by {}", holder.as_deref().unwrap_or("another process"))]
    Busy {
        what: String,
        /// That process as `name (pid)`, if it can be known.
        holder: Option<String>,
    },
    /// Another program, such as a desktop, drives all screens of the graphics card.
    #[error("{what} is driven by {}", holder.as_deref().unwrap_or("another program, such as a desktop"))]
    Taken {
        what: String,
        /// That process as `name (pid)`, if it can be known.
        holder: Option<String>,
    },
    /// There is no screen that could be taken without being named, and none is missed.
    #[error("{0}")]
    Nothing(String),
    /// The node may not be opened by this user.
    #[error("no permission for {0}")]
    NoPermission(String),
    /// A file cannot be written.
    #[error("{0}")]
    Unwritable(String),
    /// The panel cannot be used for another reason, as the system reports it.
    #[error("{0}")]
    Failed(String),
}

impl PanelError {
    /// The contract's word for the state, the same as for scanners.
    pub fn word(&self) -> &'static str {
        match self {
            PanelError::Missing(_) => "missing",
            PanelError::Busy { .. } | PanelError::Taken { .. } => "busy",
            PanelError::Nothing(_) => "none",
            PanelError::NoPermission(_) => "no_permission",
            PanelError::Unwritable(_) | PanelError::Failed(_) => "failed",
        }
    }

    /// What a person can do, Russian.
    pub fn remedy(&self) -> String {
        match self {
            PanelError::Missing(_) => cashier::CHECK_CABLE_REMEDY.to_owned(),
            PanelError::Busy {
                holder: Some(holder),
                ..
            } => cashier::display_held_remedy(holder),
            PanelError::Busy { holder: None, .. } => cashier::DISPLAY_BUSY_REMEDY.to_owned(),
            PanelError::Taken { holder, .. } => {
                let desktop = cashier::DISPLAY_TAKEN_REMEDY_BY_DESKTOP;
                cashier::display_taken_remedy(holder.as_deref().unwrap_or(desktop))
            }
            PanelError::Nothing(_) => cashier::DISPLAY_NONE_REMEDY.to_owned(),
            PanelError::NoPermission(_) => cashier::DISPLAY_NO_PERMISSION_REMEDY.to_owned(),
            PanelError::Unwritable(_) => cashier::DISPLAY_PICTURE_REMEDY.to_owned(),
            PanelError::Failed(_) => cashier::DISPLAY_FAILED_REMEDY.to_owned(),
        }
    }

    /// From what the system reported about a node.
    pub fn of_io(node: &str, error: &std::io::Error) -> PanelError {
        let what = format!("{node}: {error}");
        if access::is_gone(error) {
            PanelError::Missing(what)
        } else if error.kind() == std::io::ErrorKind::PermissionDenied {
            PanelError::NoPermission(node.to_owned())
        } else {
            PanelError::Failed(what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Kopecks;

    #[test]
    fn a_box_takes_what_fits_and_names_what_does_not() {
        let qr_box = Capabilities::QrBox {
            payload_max: 30,
            payload_without: vec!["**".to_owned()],
        };
        let qr = |text: &str| Scene::qr(text.to_owned(), Some(Kopecks(1)));
        assert_eq!(qr_box.refuses(&qr("https://example.by/1")), None);
        let long = qr_box.refuses(&qr(&"x".repeat(31))).unwrap();
        assert_eq!(
            long.to_string(),
            "the QR code has 31 bytes, the display takes 30"
        );
        let ended = qr_box.refuses(&qr("a**b")).unwrap();
        assert!(ended.is_of_payload() && ended.to_string().contains("**"));
        let code = qr_box.refuses(&Scene::code("1234".into(), None)).unwrap();
        assert!(!code.is_of_payload());
        assert_eq!(qr_box.refuses(&Scene::Declined), None);
        assert_eq!(Capabilities::Lines.refuses(&qr("x")), None);
    }

    #[test]
    fn a_desktops_screen_is_reached_by_its_window_and_nothing_is_not_missed() {
        let taken = PanelError::Taken {
            what: "/dev/dri/card0".to_owned(),
            holder: Some("Xorg (7)".to_owned()),
        };
        assert_eq!(taken.to_string(), "/dev/dri/card0 is driven by Xorg (7)");
        assert_eq!(taken.word(), "busy");
        assert!(taken.remedy().contains("oplati display --window"));
        // Health knows this word as one that needs nobody.
        assert_eq!(PanelError::Nothing("x".to_owned()).word(), "none");
    }

    #[test]
    fn the_systems_errors_have_the_words_of_health() {
        let of = |errno: rustix::io::Errno| {
            let error = std::io::Error::from_raw_os_error(errno.raw_os_error());
            PanelError::of_io("/dev/x", &error).word()
        };
        assert_eq!(of(rustix::io::Errno::NOENT), "missing");
        assert_eq!(of(rustix::io::Errno::NODEV), "missing");
        assert_eq!(of(rustix::io::Errno::ACCESS), "no_permission");
        assert_eq!(of(rustix::io::Errno::IO), "failed");
    }
}
