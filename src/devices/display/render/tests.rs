//! Every scene in every size and language; every code is read back off its pixels.

use std::fmt::Write as _;

use super::*;
use crate::devices::display::qr::QUIET_ZONE;
use proptest::prelude::*;

const SIZES: [(u32, u32); 11] = [
    (320, 240),
    (240, 320),
    (480, 320),
    (480, 800),
    (800, 480),
    (1024, 600),
    (600, 1024),
    (1920, 480),
    (480, 1920),
    (1920, 1080),
    (3840, 2160),
];

fn size((width, height): (u32, u32)) -> PixelSize {
    PixelSize::new(width, height)
}

fn theme(language: Language) -> Theme {
    Theme {
        language,
        shop_name: Some("Магазин «Ромашка»".into()),
        ..Theme::default()
    }
}

fn luminance(frame: &Frame) -> image::GrayImage {
    let PixelSize { width, height } = frame.size();
    let rgb = image::RgbImage::from_raw(width, height, frame.pixels().to_vec()).unwrap();
    image::DynamicImage::ImageRgb8(rgb).to_luma8()
}

/// Reads the code, checks its quiet zone, and gives its text and pixels a module.
fn read_qr(frame: &Frame) -> (String, u32) {
    let picture = luminance(frame);
    let mut prepared = rqrr::PreparedImage::prepare(picture.clone());
    let grids = prepared.detect_grids();
    assert_eq!(grids.len(), 1, "not exactly one code");
    let (_, text) = grids[0].decode().unwrap();
    let black = |x: u32, y: u32| picture.get_pixel(x, y).0[0] == 0;
    let (width, height) = picture.dimensions();
    // The upper left finder begins with the first all-black run of seven modules.
    let (left, top) = first_black(width, height, &black);
    let run = (left..width).find(|x| !black(*x, top)).unwrap() - left;
    assert_eq!(run % 7, 0, "modules are no whole pixels");
    let px = run / 7;
    let side = (left..width)
        .rev()
        .find(|x| black(*x, top) && (left..=*x).rev().take(run as usize).all(|x| black(x, top)))
        .unwrap()
        - left
        + 1;
    assert_eq!(side % px, 0);
    let quiet = QUIET_ZONE * px;
    for y in top - quiet..top + side + quiet {
        for x in left - quiet..left + side + quiet {
            let inside = (left..left + side).contains(&x) && (top..top + side).contains(&y);
            assert!(
                inside || picture.get_pixel(x, y).0[0] == 255,
                "the quiet zone is not light at {x},{y}"
            );
        }
    }
    (text, px)
}

fn first_black(width: u32, height: u32, black: &impl Fn(u32, u32) -> bool) -> (u32, u32) {
    // Type is never pure black: only modules are.
    let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let dark: Vec<(u32, u32)> = points.filter(|(x, y)| black(*x, *y)).collect();
    let left = dark.iter().map(|(x, _)| *x).min().unwrap();
    let top = dark.iter().map(|(_, y)| *y).min().unwrap();
    (left, top)
}

#[test]
fn every_code_is_read_back_with_its_quiet_zone_in_every_size_and_language() {
    for dimensions in SIZES.into_iter().filter(|(width, _)| *width < 3000) {
        for language in [Language::Ru, Language::Be, Language::En] {
            for length in [20, 71, 150, 220, 300] {
                let text = format!("https://getapp.o-plati.by/{}", "x7".repeat(200))
                    .chars()
                    .take(length)
                    .collect::<String>();
                let scene = Scene::qr(text.clone(), Some(Kopecks(123_456)));
                let frame = render(&scene, size(dimensions), &theme(language)).unwrap();
                let (read, px) = read_qr(&frame);
                assert_eq!(read, text, "{dimensions:?} {length}");
                assert!(px >= 2);
            }
        }
    }
}

#[test]
fn a_code_too_dense_for_the_display_is_refused_with_figures() {
    let scene = Scene::qr("x".repeat(1500), Some(Kopecks(1)));
    let error = render(&scene, size((320, 240)), &Theme::default()).unwrap_err();
    let RenderError::QrTooDense { available_px, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(available_px, 240);
    let scene = Scene::qr("x".repeat(3000), Some(Kopecks(1)));
    assert_eq!(
        render(&scene, size((3840, 2160)), &Theme::default()).unwrap_err(),
        RenderError::QrTooLong { length: 3000 }
    );
}

#[test]
fn a_tight_display_shows_the_plain_code_rather_than_a_blur() {
    let scene = Scene::qr("https://getapp.o-plati.by/".repeat(16), Some(Kopecks(1)));
    let frame = render(&scene, size((320, 240)), &Theme::default()).unwrap();
    let (_, px) = read_qr(&frame);
    assert_eq!(px, 2);
}

#[test]
fn turned_frames_are_the_same_frame() {
    let scene = Scene::qr("https://getapp.o-plati.by/map".into(), Some(Kopecks(100)));
    for rotate in [90, 180, 270] {
        let theme = Theme {
            rotate,
            ..Theme::default()
        };
        let turned = render(&scene, size((480, 800)), &theme).unwrap();
        assert_eq!(turned.size(), size((480, 800)));
        assert_eq!(
            read_qr(&turned.rotated(360 - rotate)).0,
            "https://getapp.o-plati.by/map"
        );
    }
}

/// The margin around everything is ground: nothing is clipped at an edge.
#[test]
fn nothing_touches_the_edge_of_any_frame() {
    let languages = [Language::Ru, Language::Be, Language::En];
    let longest = Theme {
        wallet_name: "Ш".repeat(32),
        ..theme(Language::Ru)
    };
    let looks = languages.map(theme).into_iter().chain([longest]);
    for theme in looks {
        let language = theme.language;
        for dimensions in SIZES.into_iter().filter(|(width, _)| *width < 2000) {
            for scene in Scene::samples() {
                let frame = render(&scene, size(dimensions), &theme).unwrap();
                let PixelSize { width, height } = frame.size();
                let ground = frame.get(0, 0);
                let rim =
                    (0..width).flat_map(|x| [(x, 0), (x, 1), (x, height - 2), (x, height - 1)]);
                let rim = rim.chain(
                    (0..height).flat_map(|y| [(0, y), (1, y), (width - 2, y), (width - 1, y)]),
                );
                for (x, y) in rim {
                    assert_eq!(
                        frame.get(x, y),
                        ground,
                        "{scene:?} {dimensions:?} {language:?} at {x},{y}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_waits_moves_and_what_stands_does_not() {
    let at = |scene: &Scene, animation_step| {
        let drawn = render_unrotated(
            scene,
            size((320, 240)),
            &theme(Language::Ru),
            animation_step,
            WORDS[0],
        );
        drawn.unwrap().unwrap().frame
    };
    for scene in Scene::samples() {
        let frames: Vec<Frame> = (0..4)
            .map(|animation_step| at(&scene, animation_step))
            .collect();
        assert_eq!(frames[0] != frames[1], scene.moves(), "{scene:?}");
        assert_eq!(frames[1] != frames[2], scene.moves(), "{scene:?}");
        assert_eq!(frames[0], frames[3], "{scene:?}");
    }
}

/// Sixteen shades in 64 columns: enough to see a layout move.
fn ascii(frame: &Frame) -> String {
    let picture = luminance(frame);
    let (columns, rows) = (64, 64 * frame.size().height / frame.size().width / 2);
    let small = image::imageops::resize(
        &picture,
        columns,
        rows,
        image::imageops::FilterType::Triangle,
    );
    let mut text = String::new();
    for row in small.rows() {
        for pixel in row {
            let shade = b"@%#*+=-:. "[usize::from(pixel.0[0]) * 9 / 255];
            text.push(char::from(shade));
        }
        writeln!(text, "|").unwrap();
    }
    text
}

#[test]
fn layouts_stay_as_they_were_looked_at() {
    let logo = image::RgbaImage::from_pixel(300, 200, image::Rgba([0, 90, 160, 255]));
    let with_logo = |theme: Theme| Theme {
        logo: Some(Arc::new(logo.clone().into())),
        ..theme
    };
    let plain = Scene::samples().into_iter().map(|scene| {
        let name = scene.name().to_owned();
        (name, scene, theme(Language::Ru), theme(Language::Be))
    });
    let logo = (
        "idle_logo".to_owned(),
        Scene::Idle,
        with_logo(theme(Language::Ru)),
        with_logo(theme(Language::Be)),
    );
    for (name, scene, russian, belarusian) in plain.chain([logo]) {
        let landscape = render(&scene, size((800, 480)), &russian).unwrap();
        let portrait = render(&scene, size((480, 800)), &belarusian).unwrap();
        let both = format!("{}\n{}", ascii(&landscape), ascii(&portrait));
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("layout_{name}"), both));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_size_and_name_renders(width in 320_u32..1400, height in 240_u32..1400, name in "\\PC{0,80}", wallet_name in "\\PC{1,32}", kopecks in 1_i64..=100_000_000) {
        let theme = Theme { language: Language::Be, shop_name: Some(name), wallet_name, ..Theme::default() };
        for scene in [Scene::Idle, Scene::ScanMe, Scene::NoConnection, Scene::Paid { amount: Kopecks(kopecks) }, Scene::code("4829".into(), Some(Kopecks(kopecks)))] {
            let frame = render(&scene, PixelSize::new(width, height), &theme).unwrap();
            prop_assert_eq!(frame.pixels().len(), width as usize * height as usize * 3);
        }
    }
}
