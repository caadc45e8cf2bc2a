//! Scannable by construction: every frame with a code is read back.
//!
//! Reading takes several times as long as drawing, and a buyer waits. Two designs were weighed: to read in another
//! thread, which shows a code that nobody has read, and to read before, but only the first code of its look. The
//! second wins: where a code of as many modules has been read on this screen in the same place, with the same words
//! beside it, the next one differs in nothing that a decoder stumbles over; it is shown at once, read back then, and
//! gives way if it is not read after all ([`Proven`]).
//!
//! A decoder alone is no proof: it reads codes without any quiet zone, which cameras do not. So the
//! quiet zone is looked at as well, pixel by pixel. A frame that fails gives way to one with a larger
//! code and less text, and that to the plain code. If even that is not read, it is shown all the same,
//! since a phone may do better than the decoder, and counted.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use super::frame::{Area, Frame};
use super::panel::Millimetres;
use super::qr::RenderError;
use super::render::{Drawn, Placed, Theme, WORDS, Words, render_unrotated};
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

/// What a picture is made of.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// What is shown.
    pub scene: &'a Scene,
    /// The display's size as it stands.
    pub size: PixelSize,
    /// The shop's choices.
    pub theme: &'a Theme,
    /// Counts half seconds for what moves.
    pub animation_step: u32,
}

/// A decoder: the only code of a frame whose modules have so many pixels.
type Decoder = fn(&Frame, u32) -> Option<String>;

/// Draws a scene and reads its code back. A scene without a code needs no proof.
pub fn render_verified(
    scene: &Scene,
    size: PixelSize,
    theme: &Theme,
    animation_step: u32,
) -> Result<(Frame, Option<Readback>), RenderError> {
    let picture = Picture {
        scene,
        size,
        theme,
        animation_step,
    };
    picture.verified(decoded)
}

impl Picture<'_> {
    /// Draws it with the words that look best and fit.
    ///
    /// # Errors
    /// Where the code has no room.
    pub fn drawn(&self) -> Result<Frame, RenderError> {
        let (drawn, _) = self.first()?;
        Ok(drawn.frame.rotated(self.theme.rotate))
    }

    fn with(&self, words: Words) -> Result<Option<Drawn>, RenderError> {
        render_unrotated(
            self.scene,
            self.size,
            self.theme,
            self.animation_step,
            words,
        )
    }

    fn first(&self) -> Result<(Drawn, Words), RenderError> {
        for words in WORDS {
            if let Some(drawn) = self.with(words)? {
                return Ok((drawn, words));
            }
        }
        // The plain code is always drawn, or refused.
        Err(RenderError::QrTooLong { length: 0 })
    }

    /// Whether exactly the payload is read from it, with its quiet zone light.
    fn is_read(
        &self,
        frame: &Frame,
        placed: Placed,
        decoder: impl Fn(&Frame, u32) -> Option<String>,
    ) -> bool {
        let Scene::Qr { payload, .. } = self.scene else {
            return false;
        };
        is_light_around(frame, placed)
            && decoder(frame, placed.module_px).as_deref() == Some(payload.text())
    }

    fn verified(
        &self,
        decoder: impl Fn(&Frame, u32) -> Option<String>,
    ) -> Result<(Frame, Option<Readback>), RenderError> {
        let mut last = None;
        for words in WORDS {
            let Some(Drawn { frame, code }) = self.with(words)? else {
                continue;
            };
            let Some(placed) = code else {
                return Ok((frame.rotated(self.theme.rotate), None));
            };
            let is_read = self.is_read(&frame, placed, &decoder);
            last = Some((frame, placed, is_read));
            if is_read {
                break;
            }
            tracing::debug!(?words, "A frame with a code is not read back");
        }
        // The plain code is always drawn, or refused.
        let (frame, placed, is_read) = last.ok_or(RenderError::QrTooLong { length: 0 })?;
        let readback = Readback {
            is_read,
            module_px: placed.module_px,
        };
        Ok((frame.rotated(self.theme.rotate), Some(readback)))
    }
}

/// How the last code stood on a screen that a decoder has read there.
#[derive(Debug)]
pub struct Proven {
    look: Option<(PixelSize, Words, Placed)>,
    decoder: Decoder,
}

impl Default for Proven {
    fn default() -> Proven {
        Proven {
            look: None,
            decoder: decoded,
        }
    }
}

impl Proven {
    /// Draws and shows a scene: at once where its look is proven, else once its code is read back.
    ///
    /// # Errors
    /// Those of `show`, and of a code that has no room.
    pub fn show<E: From<RenderError>>(
        &mut self,
        picture: &Picture<'_>,
        mut show: impl FnMut(&Frame) -> Result<(), E>,
    ) -> Result<Option<Readback>, E> {
        let (drawn, words) = picture.first()?;
        let look = drawn.code.map(|placed| (picture.size, words, placed));
        let mut show_turned = |frame: &Frame| match picture.theme.rotate {
            0 => show(frame),
            degrees => show(&frame.clone().rotated(degrees)),
        };
        let Some(placed) = drawn.code else {
            show_turned(&drawn.frame)?;
            return Ok(None);
        };
        let is_proven = self.look == look;
        if is_proven {
            show_turned(&drawn.frame)?;
        }
        let readback = Readback {
            is_read: picture.is_read(&drawn.frame, placed, self.decoder),
            module_px: placed.module_px,
        };
        if !readback.is_read {
            self.look = None;
            let (frame, readback) = picture.verified(self.decoder)?;
            show(&frame)?;
            return Ok(readback);
        }
        self.look = look;
        if !is_proven {
            show_turned(&drawn.frame)?;
        }
        Ok(Some(readback))
    }
}

/// The only code of a frame, as a decoder reads it.
fn decoded(frame: &Frame, module_px: u32) -> Option<String> {
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
    use std::cell::{Cell, RefCell};

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
        let (scene, theme) = (scene(), Theme::default());
        let not_read = |_: &Frame, px| {
            tried.borrow_mut().push(px);
            None
        };
        let (frame, readback) = picture(&scene, &theme).verified(not_read).unwrap();
        let tried = tried.into_inner();
        assert_eq!(tried.len(), WORDS.len());
        assert!(tried.is_sorted(), "{tried:?}");
        let readback = readback.unwrap();
        assert!(!readback.is_read);
        // What is shown all the same is the plain code, the largest.
        assert_eq!(readback.module_px, *tried.last().unwrap());
        assert!(decoded(&frame, readback.module_px).is_some());
    }

    #[test]
    fn a_frame_that_reads_otherwise_is_not_proven() {
        let other = |_: &Frame, _| Some("https://getapp.o-plati.by/other".to_owned());
        let (scene, theme) = (scene(), Theme::default());
        let (_, readback) = picture(&scene, &theme).verified(other).unwrap();
        assert!(!readback.unwrap().is_read);
    }

    fn picture<'a>(scene: &'a Scene, theme: &'a Theme) -> Picture<'a> {
        Picture {
            scene,
            size: SIZE,
            theme,
            animation_step: 0,
        }
    }

    /// Shows a code, and returns how often a frame was shown before the decoder was asked and in all.
    fn shown(proven: &mut Proven, picture: &Picture<'_>) -> (u32, u32, Readback) {
        ASKED_AFTER.set(None);
        FRAMES.set(0);
        let readback = proven.show(picture, |_| {
            FRAMES.set(FRAMES.get() + 1);
            Ok::<(), RenderError>(())
        });
        let before = ASKED_AFTER.get().unwrap();
        (before, FRAMES.get(), readback.unwrap().unwrap())
    }

    thread_local! {
        static FRAMES: Cell<u32> = const { Cell::new(0) };
        /// Frames that were shown when the decoder was asked first.
        static ASKED_AFTER: Cell<Option<u32>> = const { Cell::new(None) };
    }

    fn noting(frame: &Frame, module_px: u32) -> Option<String> {
        ASKED_AFTER.set(ASKED_AFTER.get().or(Some(FRAMES.get())));
        decoded(frame, module_px)
    }

    #[test]
    fn only_the_first_code_of_a_look_waits_for_its_decoder() {
        for rotate in [0, 90] {
            let mut proven = Proven {
                decoder: noting,
                ..Proven::default()
            };
            let theme = Theme {
                rotate,
                ..Theme::default()
            };
            let first = shown(&mut proven, &picture(&scene(), &theme));
            assert_eq!((first.0, first.1, first.2.is_read), (0, 1, true));
            let other = Scene::qr(
                "https://getapp.o-plati.by/map/?app_link=0a1b2c3d".to_owned(),
                Some(Kopecks(99)),
            );
            let second = shown(&mut proven, &picture(&other, &theme));
            assert_eq!((second.0, second.1, second.2.is_read), (1, 1, true));
            // A denser code has not been read yet.
            let denser = Scene::qr("x".repeat(300), None);
            assert_eq!(shown(&mut proven, &picture(&denser, &theme)).0, 0);
        }
    }

    #[test]
    fn a_code_of_a_proven_look_that_is_not_read_gives_way_and_proves_nothing() {
        let (scene, theme) = (scene(), Theme::default());
        let picture = picture(&scene, &theme);
        let mut proven = Proven::default();
        proven
            .show(&picture, |_| Ok::<(), RenderError>(()))
            .unwrap();
        proven.decoder = |_, _| None;
        let frames = RefCell::new(Vec::new());
        let show = |frame: &Frame| {
            frames.borrow_mut().push(frame.clone());
            Ok::<(), RenderError>(())
        };
        let readback = proven.show(&picture, show).unwrap().unwrap();
        assert!(!readback.is_read);
        let frames = frames.into_inner();
        let [first, plain] = frames.as_slice() else {
            panic!("{} frames", frames.len());
        };
        assert!(first != plain, "the plain code takes its place");
        proven.decoder = noting;
        assert_eq!(shown(&mut proven, &picture).0, 0, "it is proven anew");
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
