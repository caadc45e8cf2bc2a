//! Scannable by construction: every frame with a code is read back before it is shown.
//!
//! A decoder alone is no proof: it reads codes without any quiet zone, which cameras do not. So the
//! quiet zone is looked at as well, pixel by pixel. A frame that fails gives way to one with a larger
//! code and less text, and that to the plain code. If even that is not read, it is shown all the same,
//! since a phone may do better than the decoder, and counted.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use super::frame::{Area, Frame};
use super::panel::Millimetres;
use super::qr::RenderError;
use super::render::{Drawn, Placed, Theme, WORDS, render_unrotated};
use crate::config::PixelSize;
use crate::core::scene::Scene;

/// A large frame is thinned out until about this many pixels of a module are left: enough for the
/// decoder, and the time for a screen of 3840 pixels is that for one of 800.
const DECODED_MODULE_PX: u32 = 4;

/// What is known of a frame with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readback {
    /// Whether a decoder read exactly the payload from the frame, with its quiet zone light.
    pub is_read: bool,
    /// Pixels of a module.
    pub module_px: u32,
}

impl Readback {
    /// A module's size on a display of such a visible area, micrometres.
    pub fn module_um(&self, size: PixelSize, visible: Millimetres) -> Option<u32> {
        let across = visible.width.checked_mul(1000)?.checked_div(size.width)?;
        let down = visible.height.checked_mul(1000)?.checked_div(size.height)?;
        across.min(down).checked_mul(self.module_px)
    }
}

/// Draws a scene; `animation_step` counts half seconds for what moves. A scene without a code needs no proof.
pub fn render_verified(
    scene: &Scene,
    size: PixelSize,
    theme: &Theme,
    animation_step: u32,
) -> Result<(Frame, Option<Readback>), RenderError> {
    rendered_and_read(scene, size, theme, animation_step, read)
}

fn rendered_and_read(
    scene: &Scene,
    size: PixelSize,
    theme: &Theme,
    animation_step: u32,
    read: impl Fn(&Frame, u32) -> Option<String>,
) -> Result<(Frame, Option<Readback>), RenderError> {
    let mut last = None;
    for words in WORDS {
        let Some(Drawn { frame, code }) =
            render_unrotated(scene, size, theme, animation_step, words)?
        else {
            continue;
        };
        let (Scene::Qr { payload, .. }, Some(placed)) = (scene, code) else {
            return Ok((frame.rotated(theme.rotate), None));
        };
        let is_read = is_light_around(&frame, placed)
            && read(&frame, placed.module_px).as_deref() == Some(payload.text());
        last = Some((frame, placed, is_read));
        if is_read {
            break;
        }
        tracing::debug!(?words, ?payload, "A frame with a code is not read back");
    }
    // The plain code is always drawn, or refused.
    let (frame, placed, is_read) = last.ok_or(RenderError::QrTooLong { length: 0 })?;
    let readback = Readback {
        is_read,
        module_px: placed.module_px,
    };
    Ok((frame.rotated(theme.rotate), Some(readback)))
}

/// The only code of a frame, as a decoder reads it.
fn read(frame: &Frame, module_px: u32) -> Option<String> {
    let step = (module_px / DECODED_MODULE_PX).max(1);
    let PixelSize { width, height } = frame.size();
    let (columns, rows) = ((width / step) as usize, (height / step) as usize);
    let mut picture = rqrr::PreparedImage::prepare_from_greyscale(columns, rows, |x, y| {
        let place = |at: usize| u32::try_from(at).map_or(u32::MAX, |at| at.saturating_mul(step));
        frame.get(place(x), place(y)).map_or(255, grey)
    });
    let grids = picture.detect_grids();
    let [grid] = grids.as_slice() else {
        return None;
    };
    grid.decode().ok().map(|(_, text)| text)
}

/// As the eye weighs the colours.
fn grey(colour: Rgb888) -> u8 {
    let sum =
        299 * u32::from(colour.r()) + 587 * u32::from(colour.g()) + 114 * u32::from(colour.b());
    u8::try_from(sum / 1000).unwrap_or(u8::MAX)
}

/// Whether the quiet zone of four modules is white.
fn is_light_around(frame: &Frame, placed: Placed) -> bool {
    let Area { x, y, w, h } = placed.area;
    let quiet = super::qr::QUIET_ZONE * placed.module_px;
    let strips = [
        Area::new(x, y, w, quiet),
        Area::new(x, y + h.saturating_sub(quiet), w, quiet),
        Area::new(x, y, quiet, h),
        Area::new(x + w.saturating_sub(quiet), y, quiet, h),
    ];
    strips.iter().all(|strip| {
        let rows = strip.y..strip.y.saturating_add(strip.h);
        rows.into_iter().all(|row| {
            let mut columns = strip.x..strip.x.saturating_add(strip.w);
            columns.all(|column| frame.get(column, row) == Some(Rgb888::WHITE))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::Kopecks;
    use std::cell::RefCell;

    const SIZE: PixelSize = PixelSize::new(800, 480);

    fn scene() -> Scene {
        Scene::qr(
            "https://getapp.o-plati.by/map/?app_link=9f3b8a6e".to_owned(),
            Some(Kopecks(1234)),
        )
    }

    #[test]
    fn a_frame_that_is_not_read_gives_way_to_a_larger_code_and_then_to_the_plain_one() {
        let tried = RefCell::new(Vec::new());
        let (frame, readback) = rendered_and_read(&scene(), SIZE, &Theme::default(), 0, |_, px| {
            tried.borrow_mut().push(px);
            None
        })
        .unwrap();
        let tried = tried.into_inner();
        assert_eq!(tried.len(), WORDS.len());
        assert!(tried.is_sorted(), "{tried:?}");
        let readback = readback.unwrap();
        assert!(!readback.is_read);
        // What is shown all the same is the plain code, the largest.
        assert_eq!(readback.module_px, *tried.last().unwrap());
        assert!(read(&frame, readback.module_px).is_some());
    }

    #[test]
    fn a_frame_that_reads_otherwise_is_not_proven() {
        let other = |_: &Frame, _| Some("https://getapp.o-plati.by/other".to_owned());
        let (_, readback) = rendered_and_read(&scene(), SIZE, &Theme::default(), 0, other).unwrap();
        assert!(!readback.unwrap().is_read);
    }

    #[test]
    fn a_code_is_read_in_every_turn_and_its_modules_are_measured() {
        for rotate in [0, 90, 180, 270] {
            let theme = Theme {
                rotate,
                ..Theme::default()
            };
            let (frame, readback) = render_verified(&scene(), SIZE, &theme, 0).unwrap();
            assert_eq!(frame.size(), SIZE);
            let readback = readback.unwrap();
            assert!(readback.is_read);
            let visible = Millimetres {
                width: 160,
                height: 96,
            };
            assert_eq!(
                readback.module_um(SIZE, visible),
                Some(200 * readback.module_px)
            );
        }
        assert_eq!(
            render_verified(&Scene::Declined, SIZE, &Theme::default(), 0)
                .unwrap()
                .1,
            None
        );
    }

    #[test]
    fn a_spot_in_the_quiet_zone_is_seen() {
        let drawn = render_unrotated(&scene(), SIZE, &Theme::default(), 0, WORDS[0]);
        let mut drawn = drawn.unwrap().unwrap();
        let placed = drawn.code.unwrap();
        assert!(is_light_around(&drawn.frame, placed));
        let Area { x, y, w, h } = placed.area;
        for spot in [(x, y), (x + w - 1, y + h / 2), (x + 1, y + h - 1)] {
            drawn.frame.set(spot.0, spot.1, Rgb888::new(250, 250, 250));
            assert!(!is_light_around(&drawn.frame, placed), "{spot:?}");
            drawn.frame.set(spot.0, spot.1, Rgb888::WHITE);
        }
    }
}
