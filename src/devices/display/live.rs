//! What the buyer sees now, for the API, the browser page and the windows.
//!
//! Two designs were weighed for pages and windows of other sizes than the API's picture: they get the
//! scene and draw it themselves, or they get a finished picture of the size that they ask for. The
//! second wins: there is one renderer and one proof that a code can be read, a browser needs no second
//! set of looks, and a window's process holds no code and no amount but as pixels.
//!
//! A picture has a number. It grows by [`SCENE`] with each new scene and by one with each picture of a
//! scene that moves, so that whoever holds an old picture can check whether it shows the present scene.

use std::sync::{Arc, Mutex};

use serde::Deserialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::frame::Frame;
use super::panel::{Capabilities, Driver, Panel, PanelError, PixelPanel};
use super::readback;
use super::render::Theme;
use crate::base::error_chain::with_causes;
use crate::base::lock::lock;
use crate::config::PixelSize;
use crate::core::scene::Scene;
use crate::texts::technician;

/// From the number of a scene to that of the next.
pub const SCENE: u64 = 1_000_000;
/// The header with a picture's number, as `/display/events` tells it.
pub const NUMBER_HEADER: &str = "oplati-picture";
/// The header that says whether a picture shows nothing but the idle scene: 1, or 0.
pub const IDLE_HEADER: &str = "oplati-idle";
/// Pictures of the present scene that are kept: a window and some pages.
const KEPT: usize = 4;

/// What the buyer sees now.
#[derive(Debug, Default)]
pub struct DisplayMirror {
    theme: Theme,
    /// The picture of the API.
    png: Mutex<Arc<[u8]>>,
    now: Mutex<Now>,
    numbers: watch::Sender<u64>,
    /// Pictures of the present number in other sizes.
    sized: Mutex<Vec<Drawn>>,
    viewers: Mutex<Viewers>,
}

/// What all pictures are made of.
#[derive(Clone, Debug, Default)]
struct Now {
    scene: Option<Scene>,
    /// Of the picture; published once the API's picture is there.
    number: u64,
    /// Whether the scene has no picture yet.
    is_new: bool,
}

#[derive(Clone, Debug)]
struct Drawn {
    number: u64,
    size: PixelSize,
    png: Arc<[u8]>,
}

/// Who looks.
#[derive(Debug, Default)]
struct Viewers {
    accepts_windows: bool,
    pages: usize,
    windows: Vec<OpenWindow>,
    /// Windows that ever came: the number of the newest.
    newest_window: u64,
    frames: u64,
    unproven: u64,
}

/// One that is connected.
#[derive(Clone, Debug)]
struct OpenWindow {
    number: u64,
    size: PixelSize,
    hidden: Option<Hidden>,
}

/// Why the buyer does not see what a window shows, as the window itself has met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hidden {
    /// Other windows stay above it, although it was raised.
    Covered,
    /// The screen saver or the power saving stays on, although it was called off.
    Dark,
}

impl Hidden {
    /// The state of the display.
    pub fn word(self) -> &'static str {
        match self {
            Hidden::Covered => "covered",
            Hidden::Dark => "dark",
        }
    }

    /// What a person can do, Russian.
    pub(super) fn remedy(self) -> String {
        let text = match self {
            Hidden::Covered => technician::CHECKS_COVERED_REMEDY,
            Hidden::Dark => technician::CHECKS_DARK_REMEDY,
        };
        text.ru.into_owned()
    }
}

/// What is known of the windows of `oplati display --window`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WindowFacts {
    /// The sizes of those that are connected.
    pub(super) sizes: Vec<PixelSize>,
    /// Why none of them is seen, if none is.
    pub(super) hidden: Option<Hidden>,
    /// The scene that stands on them.
    pub(super) shows: Option<&'static str>,
    /// Pictures that they took.
    pub(super) frames: u64,
    /// Windows that came after the first.
    pub(super) reconnects: u64,
    /// Codes that no decoder read.
    pub(super) unproven: u64,
}

/// Who looks at the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// The browser page.
    Page,
    /// A window of `oplati display --window`, of so many pixels.
    Window(PixelSize),
}

/// Somebody looks as long as this is held.
#[derive(Debug)]
pub struct Watching {
    live: Arc<DisplayMirror>,
    /// `None` for a page.
    window: Option<u64>,
}

impl Watching {
    /// The number of the window, 1 for the first that came; `None` for a page.
    pub fn window(&self) -> Option<u64> {
        self.window
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut viewers = lock(&self.live.viewers);
        match self.window {
            None => viewers.pages = viewers.pages.saturating_sub(1),
            Some(number) => viewers.windows.retain(|window| window.number != number),
        }
    }
}

impl DisplayMirror {
    pub(super) fn new(theme: Theme, accepts_windows: bool) -> DisplayMirror {
        let viewers = Viewers {
            accepts_windows,
            ..Viewers::default()
        };
        DisplayMirror {
            theme,
            viewers: Mutex::new(viewers),
            ..DisplayMirror::default()
        }
    }

    /// What the shop calls the wallet.
    pub fn wallet_name(&self) -> &str {
        &self.theme.wallet_name
    }

    /// The number of the picture and the picture, a PNG; empty before the first one.
    pub fn png(&self) -> (u64, Arc<[u8]>) {
        let png = lock(&self.png);
        (*self.numbers.borrow(), png.clone())
    }

    /// What the buyer sees as a PNG of another size, with its number; a code that is too dense for the
    /// size gives way to the idle scene, as on every display. Takes long: draws, reads a code back and
    /// packs. The pictures of the present number are kept.
    pub fn sized(&self, size: PixelSize) -> Result<(u64, Arc<[u8]>), PanelError> {
        let (number, scene) = self.present();
        if let Some(kept) = self.kept(number, size) {
            return Ok((number, kept));
        }
        let capabilities = Capabilities::Pixels {
            size,
            millimetres: None,
        };
        let fitting = if capabilities.refuses(&scene).is_some() {
            &Scene::Idle
        } else {
            &scene
        };
        let animation_step = u32::try_from(number % SCENE).unwrap_or_default();
        let (frame, readback) =
            readback::render_verified(fitting, size, &self.theme, animation_step)
                .map_err(|error| PanelError::Failed(error.to_string()))?;
        if readback.is_some_and(|readback| !readback.is_read) {
            tracing::error!(
                width = size.width,
                height = size.height,
                "No decoder reads the QR code that is shown"
            );
            lock(&self.viewers).unproven += 1;
        }
        let png = packed(&frame)?;
        let png: Arc<[u8]> = Arc::from(png);
        self.keep(Drawn {
            number,
            size,
            png: png.clone(),
        });
        Ok((number, png))
    }

    fn present(&self) -> (u64, Scene) {
        let now = lock(&self.now);
        (now.number, now.scene.clone().unwrap_or(Scene::Idle))
    }

    fn kept(&self, number: u64, size: PixelSize) -> Option<Arc<[u8]>> {
        let sized = lock(&self.sized);
        let found = sized
            .iter()
            .find(|kept| kept.number == number && kept.size == size)?;
        Some(found.png.clone())
    }

    fn keep(&self, new: Drawn) {
        let mut sized = lock(&self.sized);
        // A picture that took long must not push out those of a newer scene.
        if sized.iter().any(|kept| kept.number > new.number) {
            return;
        }
        sized.retain(|kept| kept.number == new.number && kept.size != new.size);
        if sized.len() >= KEPT {
            sized.remove(0);
        }
        sized.push(new);
    }

    /// Publishes the number of each new picture.
    pub fn numbers(&self) -> watch::Receiver<u64> {
        self.numbers.subscribe()
    }

    /// Counts somebody who looks, until the answer is dropped; `None` for a window that oplati.conf
    /// does not want.
    #[must_use]
    pub fn enter(self: &Arc<Self>, viewer: Viewer) -> Option<Watching> {
        let mut viewers = lock(&self.viewers);
        let window = match viewer {
            Viewer::Page => {
                viewers.pages += 1;
                None
            }
            Viewer::Window(_) if !viewers.accepts_windows => return None,
            Viewer::Window(size) => {
                viewers.newest_window += 1;
                let number = viewers.newest_window;
                viewers.windows.push(OpenWindow {
                    number,
                    size,
                    hidden: None,
                });
                Some(number)
            }
        };
        Some(Watching {
            live: self.clone(),
            window,
        })
    }

    /// What a window has met of itself; `false` where no window of that number is connected.
    #[must_use]
    pub fn note_hidden(&self, number: u64, hidden: Option<Hidden>) -> bool {
        let mut viewers = lock(&self.viewers);
        let mut windows = viewers.windows.iter_mut();
        let Some(window) = windows.find(|window| window.number == number) else {
            return false;
        };
        if window.hidden != hidden {
            match hidden {
                Some(why) => {
                    tracing::warn!(
                        number,
                        state = why.word(),
                        "The buyer's window cannot be seen"
                    );
                }
                None => tracing::info!(number, "The buyer's window is seen again"),
            }
        }
        window.hidden = hidden;
        true
    }

    /// A window took a picture.
    pub fn note_window_frame(&self) {
        lock(&self.viewers).frames += 1;
    }

    /// Whether the picture of this number is of the idle scene, as far as it is the present one.
    pub fn is_idle(&self, number: u64) -> bool {
        let (present, scene) = self.present();
        present / SCENE == number / SCENE && scene == Scene::Idle
    }

    /// Whether a browser page is open.
    pub fn is_watched(&self) -> bool {
        lock(&self.viewers).pages > 0
    }

    pub(super) fn window_facts(&self) -> WindowFacts {
        let (_, scene) = self.present();
        let viewers = lock(&self.viewers);
        let windows = &viewers.windows;
        // One that is seen is enough.
        let is_seen = windows.iter().any(|window| window.hidden.is_none());
        let hidden = windows.first().and_then(|window| window.hidden);
        WindowFacts {
            sizes: windows.iter().map(|window| window.size).collect(),
            hidden: hidden.filter(|_| !is_seen),
            shows: (!windows.is_empty()).then(|| scene.name()),
            frames: viewers.frames,
            reconnects: viewers.newest_window.saturating_sub(1),
            unproven: viewers.unproven,
        }
    }

    /// The scene of all pictures from now on; published once the API's picture of it is there.
    pub(super) fn put(&self, scene: Scene) {
        let mut now = lock(&self.now);
        now.scene = Some(scene);
        // Each has its own, also when none had a picture: what was drawn for one is not taken for another.
        now.number = next_scene(now.number);
        now.is_new = true;
    }

    fn set(&self, bytes: Vec<u8>) {
        let mut now = lock(&self.now);
        let mut png = lock(&self.png);
        *png = Arc::from(bytes);
        // A picture of the scene before may come late: then the next one has a new number, too.
        if !std::mem::take(&mut now.is_new) {
            now.number = (now.number + 1).min(next_scene(now.number) - 1);
        }
        self.numbers.send_replace(now.number);
    }
}

fn next_scene(number: u64) -> u64 {
    (number / SCENE + 1) * SCENE
}

pub(super) fn packed(frame: &Frame) -> Result<Vec<u8>, PanelError> {
    frame
        .png()
        .map_err(|error| PanelError::Failed(with_causes(&error)))
}

/// The picture that the API serves.
#[derive(Clone, Debug)]
pub(super) struct LivePicture {
    pub(super) frame: Arc<DisplayMirror>,
    pub(super) size: PixelSize,
}

impl Driver for LivePicture {
    fn node(&self) -> String {
        "/display".to_owned()
    }

    fn capabilities(&self) -> Option<Capabilities> {
        Some(Capabilities::Pixels {
            size: self.size,
            millimetres: None,
        })
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        Ok(Panel::Pixels(Box::new(self.clone())))
    }
}

impl PixelPanel for LivePicture {
    fn size(&self) -> PixelSize {
        self.size
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        self.frame.set(packed(frame)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::display::render;
    use crate::model::money::Kopecks;

    const SMALL: PixelSize = PixelSize::new(320, 240);

    fn size(width: u32, height: u32) -> PixelSize {
        PixelSize::new(width, height)
    }

    fn decoded(png: &[u8]) -> image::RgbImage {
        image::load_from_memory(png).unwrap().to_rgb8()
    }

    #[test]
    fn numbers_count_scenes_in_millions_and_pictures_below() {
        let live = DisplayMirror::default();
        live.put(Scene::Checking);
        live.set(vec![1]);
        live.set(vec![2]);
        assert_eq!(live.png().0, SCENE + 1);
        live.put(Scene::Declined);
        // Published only when its picture is there, and yet never under the number of the scene before.
        assert_eq!(*live.numbers().borrow(), SCENE + 1);
        assert_eq!(live.sized(SMALL).unwrap().0, 2 * SCENE);
        live.set(vec![3]);
        assert_eq!(live.png(), (2 * SCENE, Arc::from([3])));
        // However long a scene moves, its pictures never count as those of the next.
        lock(&live.now).number = 3 * SCENE - 1;
        live.set(vec![4]);
        assert_eq!(live.png().0, 3 * SCENE - 1);
    }

    #[test]
    fn every_size_gets_a_picture_of_its_own_turned_once_and_few_are_kept() {
        let theme = Theme {
            rotate: 90,
            ..Theme::default()
        };
        let live = DisplayMirror::new(theme.clone(), false);
        let scene = Scene::qr("https://example.by/1".to_owned(), Some(Kopecks(5)));
        live.put(scene.clone());
        for asked in [size(480, 320), SMALL] {
            let (_, png) = live.sized(asked).unwrap();
            let (frame, _) = readback::render_verified(&scene, asked, &theme, 0).unwrap();
            assert_eq!(decoded(&png).as_raw(), frame.pixels());
            let (_, again) = live.sized(asked).unwrap();
            assert!(Arc::ptr_eq(&png, &again), "kept");
        }
        for width in 400..420 {
            live.sized(size(width, 300)).unwrap();
        }
        assert_eq!(lock(&live.sized).len(), KEPT);
        // Before the API's picture of the scene before was there.
        live.put(Scene::Idle);
        let (_, png) = live.sized(SMALL).unwrap();
        let idle = render(&Scene::Idle, SMALL, &theme).unwrap();
        assert_eq!(decoded(&png).as_raw(), idle.pixels());
        assert_eq!(lock(&live.sized).len(), 1, "the scene before is forgotten");
    }

    #[test]
    fn a_code_that_is_too_dense_for_a_size_gives_way_to_the_idle_scene() {
        let live = DisplayMirror::default();
        live.put(Scene::qr("x".repeat(900), Some(Kopecks(1))));
        let idle = render(&Scene::Idle, SMALL, &Theme::default()).unwrap();
        let (_, png) = live.sized(SMALL).unwrap();
        assert_eq!(decoded(&png).as_raw(), idle.pixels());
        let (_, large) = live.sized(size(1920, 1080)).unwrap();
        let idle = render(&Scene::Idle, size(1920, 1080), &Theme::default()).unwrap();
        assert_ne!(decoded(&large).as_raw(), idle.pixels());
    }

    #[test]
    fn viewers_count_as_long_as_they_look_and_windows_only_where_they_are_wanted() {
        let live = Arc::new(DisplayMirror::default());
        let page = live.enter(Viewer::Page);
        assert!(live.is_watched() && live.enter(Viewer::Window(SMALL)).is_none());
        drop(page);
        assert!(!live.is_watched());
        let live = Arc::new(DisplayMirror::new(Theme::default(), true));
        live.put(Scene::Declined);
        let window = live.enter(Viewer::Window(SMALL)).unwrap();
        assert!(!live.is_watched());
        let facts = live.window_facts();
        assert_eq!((facts.shows, facts.reconnects), (Some("declined"), 0));
        drop(window);
        assert_eq!(live.window_facts().shows, None);
        let _again = live.enter(Viewer::Window(SMALL)).unwrap();
        assert_eq!(live.window_facts().reconnects, 1);
    }

    #[test]
    fn windows_are_hidden_when_none_of_them_is_seen() {
        let live = Arc::new(DisplayMirror::new(Theme::default(), true));
        let first = live.enter(Viewer::Window(SMALL)).unwrap();
        let second = live.enter(Viewer::Window(SMALL)).unwrap();
        let (one, two) = (first.window().unwrap(), second.window().unwrap());
        assert!(live.note_hidden(one, Some(Hidden::Covered)));
        assert_eq!(live.window_facts().hidden, None, "the other is seen");
        assert!(live.note_hidden(two, Some(Hidden::Dark)));
        assert_eq!(live.window_facts().hidden, Some(Hidden::Covered));
        drop(first);
        assert_eq!(live.window_facts().hidden, Some(Hidden::Dark));
        assert!(!live.note_hidden(one, None), "it is gone");
        assert!(live.note_hidden(two, None));
        assert_eq!(live.window_facts().hidden, None);
    }
}
