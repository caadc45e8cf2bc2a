//! Real files and real threads.

use super::frame::Frame;
use super::panel::{Panel, PanelError, PixelPanel, Watched};
use super::*;
use crate::devices::testing::{TEST_TIMEOUT, wait_until};
use crate::model::money::Kopecks;
use std::sync::atomic::Ordering::Relaxed;

fn png(folder: &std::path::Path, width: u32, height: u32) -> DisplayDevice {
    DisplayDevice::Png {
        path: folder.join("buyer.png"),
        size: PixelSize::new(width, height),
    }
}

fn started(devices: &[DisplayDevice]) -> Displays {
    Displays::start(devices, &Theme::default()).unwrap()
}

/// Displays of which one is shown by this driver.
fn with_driver(driver: Box<dyn Driver>) -> Displays {
    let mut displays = started(&[]);
    let screen = Screen::render_verified("display1".into(), driver, &Theme::default());
    displays.screens.push(screen.unwrap());
    displays
}

fn paid(kopecks: i64) -> Scene {
    let amount = Kopecks(kopecks);
    Scene::Paid { amount }
}

fn wait_for_file(path: &Path, scene: &Scene) {
    let expected = expected(scene);
    let holds = || std::fs::read(path).is_ok_and(|bytes| bytes == expected);
    wait_until(scene.name(), holds);
}

fn expected(scene: &Scene) -> Vec<u8> {
    render(scene, PixelSize::new(320, 240), &Theme::default())
        .unwrap()
        .png()
        .unwrap()
}

#[test]
fn the_newest_scene_stands_in_the_file_and_idle_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let displays = started(&[png(folder.path(), 320, 240)]);
    for kopecks in 1..100 {
        displays.show(&paid(kopecks)).unwrap();
    }
    let last = expected(&paid(99));
    let path = folder.path().join("buyer.png");
    wait_for_file(&path, &paid(99));
    wait_until("the live picture", || {
        displays.live().png().1.as_ref() == last.as_slice()
    });
    displays.stop();
    assert_eq!(std::fs::read(&path).unwrap(), expected(&Scene::Idle));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_reader_never_sees_half_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let displays = started(&[png(folder.path(), 320, 240)]);
    displays.show(&Scene::Idle).unwrap();
    let path = folder.path().join("buyer.png");
    wait_until("the first picture", || path.exists());
    for round in 0..300 {
        displays.show(&paid(round + 1)).unwrap();
        image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap();
    }
    displays.stop();
}

#[test]
fn a_vanished_folder_fails_and_recovers_and_delays_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let displays = started(&[png(&inner, 320, 240)]);
    std::fs::remove_dir_all(&inner).unwrap();
    displays.show(&Scene::Declined).unwrap();
    wait_until("the failure", || displays.state()[0].state == "failed");
    let live = expected(&Scene::Declined);
    wait_until("the live picture", || {
        displays.live().png().1.as_ref() == live.as_slice()
    });
    std::fs::create_dir(&inner).unwrap();
    wait_for_file(&inner.join("buyer.png"), &Scene::Declined);
    wait_until("the state", || displays.state()[0].state == "connected");
    displays.stop();
}

#[test]
fn a_code_that_fits_no_display_is_refused_and_one_that_fits_one_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dense = Scene::qr("x".repeat(900), Some(Kopecks(1)));
    let small = png(folder.path(), 320, 240);
    let displays = started(std::slice::from_ref(&small));
    assert!(matches!(
        displays.show(&dense),
        Err(Refusal::Render(RenderError::QrTooDense { .. }))
    ));
    displays.stop();
    let large = DisplayDevice::Png {
        path: folder.path().join("large.png"),
        size: PixelSize::new(1920, 1080),
    };
    let displays = started(&[small, large]);
    displays.show(&Scene::Declined).unwrap();
    let small = folder.path().join("buyer.png");
    wait_for_file(&small, &Scene::Declined);
    assert_eq!(displays.show(&dense), Ok(()));
    wait_for_file(&small, &Scene::Idle);
    let error = displays.state()[0].last_error.clone().unwrap();
    assert!(error.contains("240 pixels"), "{error}");
    assert_eq!(displays.state()[0].state, "connected");
    displays.stop();
}

#[test]
fn without_any_display_the_picture_of_the_api_is_drawn_all_the_same() {
    let displays = started(&[]);
    let mut numbers = displays.live().numbers();
    displays.show(&Scene::ScanMe).unwrap();
    wait_until("a scene", || numbers.has_changed().unwrap());
    let (number, bytes) = displays.live().png();
    numbers.mark_unchanged();
    assert!(number >= 1 && bytes.starts_with(b"\x89PNG"));
    assert!(displays.state().is_empty());
    displays.stop();
}

/// A network folder that hangs does not return from a call; so does this panel.
struct Hanging {
    entered: mpsc::Sender<()>,
    held: Option<mpsc::Receiver<Infallible>>,
}

impl Driver for Hanging {
    fn node(&self) -> String {
        "/nonexistent".to_owned()
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        if let Some(held) = self.held.take() {
            assert_eq!(self.entered.send(()), Ok(()));
            assert_eq!(held.recv(), Err(mpsc::RecvError));
        }
        Err(PanelError::Missing("gone".to_owned()))
    }
}

/// Displays of which one hangs with its first scene, until what comes with them is dropped.
fn with_a_hanging_display() -> (Displays, mpsc::Sender<Infallible>) {
    let (release, held) = mpsc::channel();
    let (entered, inside) = mpsc::channel();
    let hanging = Hanging {
        entered,
        held: Some(held),
    };
    let displays = with_driver(Box::new(hanging));
    displays.show(&Scene::Declined).unwrap();
    inside.recv_timeout(TEST_TIMEOUT).unwrap();
    (displays, release)
}

#[test]
fn a_display_that_hangs_delays_neither_the_others_nor_the_end() {
    let (displays, release) = with_a_hanging_display();
    let before = displays.live().png().0;
    displays.show(&Scene::ScanMe).unwrap();
    wait_until("the other display", || displays.live().png().0 > before);
    displays.stop();
    let idle = render(&Scene::Idle, USUAL_SIZE, &Theme::default()).unwrap();
    assert_eq!(
        displays.live().png().1.as_ref(),
        idle.png().unwrap().as_slice()
    );
    drop(release);
}

/// Takes pictures until it is ordered to break, and counts how often it was opened.
#[derive(Clone, Default)]
struct Fragile {
    opened: Arc<std::sync::atomic::AtomicU64>,
    broken: Arc<std::sync::atomic::AtomicBool>,
    lost: Arc<std::sync::atomic::AtomicBool>,
    shown: Arc<std::sync::atomic::AtomicU64>,
}

impl Driver for Fragile {
    fn node(&self) -> String {
        "fragile".to_owned()
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        self.opened.fetch_add(1, Relaxed);
        if self.broken.load(Relaxed) {
            return Err(PanelError::Missing("nothing is plugged in".to_owned()));
        }
        Ok(Panel::Pixels(Box::new(self.clone())))
    }
}

impl PixelPanel for Fragile {
    fn size(&self) -> PixelSize {
        PixelSize::new(320, 240)
    }

    fn show(&mut self, _: &Frame) -> Result<(), PanelError> {
        self.shown.fetch_add(1, Relaxed);
        Ok(())
    }

    fn can_be_watched(&self) -> bool {
        true
    }

    fn watch(&mut self) -> Result<Watched, PanelError> {
        if self.broken.load(Relaxed) {
            return Err(PanelError::Missing("unplugged".to_owned()));
        }
        let lost = self.lost.swap(false, Relaxed);
        Ok(if lost {
            Watched::Repaint
        } else {
            Watched::Same
        })
    }
}

#[test]
fn what_a_display_lost_is_shown_again_and_an_unplugged_one_is_opened_again() {
    let panel = Fragile::default();
    let displays = with_driver(Box::new(panel.clone()));
    displays.show(&Scene::Declined).unwrap();
    wait_until("the scene", || {
        displays.state()[0].shows == Some("declined")
    });
    let shown = panel.shown.load(Relaxed);
    panel.lost.store(true, Relaxed);
    wait_until("the repaint", || panel.shown.load(Relaxed) > shown);
    panel.broken.store(true, Relaxed);
    wait_until("the loss", || displays.state()[0].state == "missing");
    assert_eq!(displays.state()[0].shows, None);
    assert!(displays.state()[0].remedy.is_some());
    let opened = panel.opened.load(Relaxed);
    wait_until("another try", || panel.opened.load(Relaxed) > opened);
    panel.broken.store(false, Relaxed);
    wait_until("the return", || {
        displays.state()[0].shows == Some("declined")
    });
    assert_eq!(displays.state()[0].reconnects, 1);
    displays.stop();
}

#[test]
fn what_moves_is_drawn_again_and_what_stands_is_not() {
    let displays = started(&[]);
    displays.show(&Scene::Checking).unwrap();
    let first = displays.live().png().0;
    wait_until("another moment", || displays.live().png().0 > first + 2);
    displays.show(&Scene::Declined).unwrap();
    let declined = render(&Scene::Declined, USUAL_SIZE, &Theme::default())
        .unwrap()
        .png()
        .unwrap();
    wait_until("the end", || displays.live().png().1.as_ref() == declined);
    displays.stop();
}

#[test]
fn it_is_known_when_no_display_shows_what_a_sale_needs() {
    struct Pole;
    impl Driver for Pole {
        fn node(&self) -> String {
            "pole".to_owned()
        }
        fn capabilities(&self) -> Option<Capabilities> {
            Some(Capabilities::Lines)
        }
        fn open(&mut self) -> Result<Panel, PanelError> {
            Err(PanelError::Missing("unplugged".to_owned()))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let code = Scene::code("1234".into(), Some(Kopecks(1)));
    let qr = Scene::qr("https://getapp.o-plati.by".into(), Some(Kopecks(1)));
    assert!(!started(&[]).none_shows(&qr));
    let displays = with_driver(Box::new(Pole));
    assert!(displays.none_shows(&qr) && !displays.none_shows(&code));
    // The till has the code: a sale is not refused for it.
    assert_eq!(displays.show(&qr), Ok(()));
    let both = started(&[png(folder.path(), 320, 240)]);
    assert!(!both.none_shows(&qr) && !both.none_shows(&code));
}

#[test]
fn windows_are_connected_or_missed_and_a_code_must_fit_one_of_them() {
    let size = |width, height| Viewer::Window(PixelSize { width, height });
    let displays = started(&[DisplayDevice::Window]);
    let dense = Scene::qr("x".repeat(900), Some(Kopecks(1)));
    // Nobody knows how large the window will be that is to come.
    displays.show(&dense).unwrap();
    let missing = &displays.state()[0];
    assert_eq!((missing.state, missing.shows), ("missing", None));
    assert!(missing.remedy.as_ref().unwrap().contains("--window"));
    let small = displays.live().enter(size(320, 240)).unwrap();
    displays.show(&Scene::Declined).unwrap();
    assert!(displays.show(&dense).is_err());
    let connected = &displays.state()[0];
    assert_eq!(
        (connected.state, connected.shows, connected.remedy.as_ref()),
        ("connected", Some("declined"), None)
    );
    let window = small.window().unwrap();
    assert!(displays.live().note_hidden(window, Some(Hidden::Dark)));
    let dark = &displays.state()[0];
    assert_eq!((dark.state, dark.shows), ("dark", Some("declined")));
    assert!(dark.remedy.as_ref().unwrap().contains("xset"));
    let large = displays.live().enter(size(1920, 1080)).unwrap();
    assert_eq!(displays.state()[0].state, "connected", "one is seen");
    assert_eq!(displays.show(&dense), Ok(()));
    drop((small, large));
    assert_eq!(displays.state()[0].state, "missing");
    displays.stop();
}

#[test]
fn a_display_that_hangs_is_not_called_connected() {
    let (displays, release) = with_a_hanging_display();
    wait_until("the verdict", || displays.state()[0].state == "failed");
    assert_eq!(
        displays.state()[0].remedy.as_deref(),
        Some(cashier::DISPLAY_SILENT_REMEDY)
    );
    drop(release);
    wait_until("the display's own word", || {
        displays.state()[0].state == "missing"
    });
}

#[test]
fn a_display_that_is_not_there_is_no_place_for_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let dense = Scene::qr("x".repeat(900), Some(Kopecks(1)));
    let window = DisplayDevice::Window;
    let displays = started(&[png(folder.path(), 320, 240), window]);
    assert!(displays.show(&dense).is_err());
    let size = PixelSize::new(1920, 1080);
    let _window = displays.live().enter(Viewer::Window(size)).unwrap();
    assert_eq!(displays.show(&dense), Ok(()));
}

#[test]
fn small_modules_and_codes_that_nobody_read_are_reported() {
    let displays = started(&[DisplayDevice::Web]);
    let state = displays.state().remove(0);
    assert!(state.remedy.as_ref().unwrap().contains("/display"));
    assert!(state.advice().is_empty());
    let fine = DisplayState {
        module_um: Some(MIN_MODULE_UM),
        ..state.clone()
    };
    assert!(fine.advice().is_empty());
    let poor = DisplayState {
        module_um: Some(MIN_MODULE_UM - 1),
        unproven: 2,
        ..state
    };
    let advice = poor.advice();
    assert!(
        advice[0].contains("0,49 мм") && advice[1].ends_with(": 2"),
        "{advice:?}"
    );
}
