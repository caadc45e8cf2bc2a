//! Real files and real threads.

use std::time::Instant;

use super::*;
use crate::money::Kopecks;

const PATIENCE: Duration = Duration::from_secs(10);

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} never came true");
        std::thread::yield_now();
    }
}

fn png(folder: &std::path::Path, width: u32, height: u32) -> Output {
    Output::Png {
        name: "display1".into(),
        path: folder.join("buyer.png"),
        size: PixelSize { width, height },
    }
}

fn expected(scene: &Scene) -> Vec<u8> {
    render(
        scene,
        PixelSize {
            width: 320,
            height: 240,
        },
        &Look::default(),
    )
    .unwrap()
    .png()
    .unwrap()
}

#[test]
fn the_newest_scene_stands_in_the_file_and_idle_after_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let displays = Displays::start(vec![png(folder.path(), 320, 240)], &Look::default()).unwrap();
    for kopecks in 1..100 {
        displays
            .show(&Scene::Paid {
                amount: Kopecks(kopecks),
            })
            .unwrap();
    }
    let last = expected(&Scene::Paid {
        amount: Kopecks(99),
    });
    let path = folder.path().join("buyer.png");
    wait_until("the last scene", || {
        std::fs::read(&path).is_ok_and(|bytes| bytes == last)
    });
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
    let displays = Displays::start(vec![png(folder.path(), 320, 240)], &Look::default()).unwrap();
    displays.show(&Scene::Idle).unwrap();
    let path = folder.path().join("buyer.png");
    wait_until("the first picture", || path.exists());
    for round in 0..300 {
        displays
            .show(&Scene::Paid {
                amount: Kopecks(round + 1),
            })
            .unwrap();
        image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap();
    }
    displays.stop();
}

#[test]
fn a_vanished_folder_fails_and_recovers_and_delays_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let displays = Displays::start(vec![png(&inner, 320, 240)], &Look::default()).unwrap();
    std::fs::remove_dir_all(&inner).unwrap();
    displays.show(&Scene::Declined).unwrap();
    wait_until("the failure", || displays.state()[0].state == "failed");
    let live = expected(&Scene::Declined);
    wait_until("the live picture", || {
        displays.live().png().1.as_ref() == live.as_slice()
    });
    std::fs::create_dir(&inner).unwrap();
    wait_until("the recovery", || {
        std::fs::read(inner.join("buyer.png")).is_ok_and(|bytes| bytes == live)
    });
    wait_until("the state", || displays.state()[0].state == "connected");
    displays.stop();
}

#[test]
fn a_code_that_fits_no_display_is_refused_and_one_that_fits_one_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dense = Scene::qr("x".repeat(900), Some(Kopecks(1)));
    let small = png(folder.path(), 320, 240);
    let displays = Displays::start(vec![small.clone()], &Look::default()).unwrap();
    assert!(matches!(
        displays.show(&dense),
        Err(RenderError::QrTooDense { .. })
    ));
    displays.stop();
    let large = Output::Png {
        name: "display2".into(),
        path: folder.path().join("large.png"),
        size: PixelSize {
            width: 1920,
            height: 1080,
        },
    };
    let displays = Displays::start(vec![small, large], &Look::default()).unwrap();
    displays.show(&Scene::Declined).unwrap();
    let small = folder.path().join("buyer.png");
    wait_until("the scene before", || {
        std::fs::read(&small).is_ok_and(|bytes| bytes == expected(&Scene::Declined))
    });
    assert_eq!(displays.show(&dense), Ok(()));
    wait_until("nothing stale", || {
        std::fs::read(&small).is_ok_and(|bytes| bytes == expected(&Scene::Idle))
    });
    let error = displays.state()[0].last_error.clone().unwrap();
    assert!(error.contains("240 pixels"), "{error}");
    assert_eq!(displays.state()[0].state, "connected");
    displays.stop();
}

#[test]
fn without_any_display_the_picture_of_the_api_is_drawn_all_the_same() {
    let displays = Displays::start(Vec::new(), &Look::default()).unwrap();
    let mut scenes = displays.live().scenes();
    displays.show(&Scene::ScanMe).unwrap();
    wait_until("a scene", || scenes.has_changed().unwrap());
    let (number, bytes) = displays.live().png();
    scenes.mark_unchanged();
    assert!(number >= 1 && bytes.starts_with(b"\x89PNG"));
    assert!(displays.state().is_empty());
    displays.stop();
}

/// A network folder that hangs does not return from a call; so does this output.
#[test]
fn a_display_that_hangs_delays_neither_the_others_nor_the_end() {
    let (release, held) = mpsc::channel::<Infallible>();
    let (entered, inside) = mpsc::channel();
    let size = PixelSize {
        width: 320,
        height: 240,
    };
    let hang = move |_, _| {
        entered.send(()).unwrap();
        assert_eq!(held.recv(), Err(mpsc::RecvError));
        Ok(())
    };
    let hanging = Screen::start("display1".into(), None, size, &Look::default(), hang).unwrap();
    let mut displays = Displays::start(Vec::new(), &Look::default()).unwrap();
    displays.screens.insert(0, hanging);
    displays.show(&Scene::Declined).unwrap();
    inside.recv_timeout(PATIENCE).unwrap();
    let before = displays.live().png().0;
    displays.show(&Scene::ScanMe).unwrap();
    wait_until("the other display", || displays.live().png().0 > before);
    displays.stop();
    let idle = render(&Scene::Idle, USUAL_SIZE, &Look::default())
        .unwrap()
        .png()
        .unwrap();
    assert_eq!(displays.live().png().1.as_ref(), idle.as_slice());
    drop(release);
}
