//! The gallery: every scene in every size and language as PNG files to be looked at, contact sheets of
//! them, and codes of many lengths for a second reader.
//!
//!     cargo run --release --example gallery -- target/gallery [tests/pictures/display.png]
//!
//! `codes/*.png` hold codes, and `codes/*.txt` beside them what must be read: `tests/gallery/codes.py` asks
//! zbar. The library's own readback (rqrr, and the quiet zone in pixels) is asked here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a gallery that cannot be written shall fail"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::imageops::{FilterType, overlay, resize};
use image::{Rgba, RgbaImage};
use oplati::config::{Language, PixelSize};
use oplati::core::scene::Scene;
use oplati::devices::display::logo::Logo;
use oplati::devices::display::{RenderError, Theme, readback, render};
use oplati::model::money::Kopecks;

const SIZES: [(u32, u32); 15] = [
    (320, 240),
    (240, 320),
    (480, 320),
    (480, 800),
    (800, 480),
    (1024, 600),
    (600, 1024),
    (1280, 1024),
    (1366, 768),
    (1920, 480),
    (480, 1920),
    (1920, 1080),
    (1080, 1920),
    (3840, 2160),
    (2160, 3840),
];
const LANGUAGES: [(Language, &str); 3] = [
    (Language::Ru, "ru"),
    (Language::Be, "be"),
    (Language::En, "en"),
];
/// Characters of a payload.
const LENGTHS: [usize; 10] = [20, 50, 71, 120, 200, 300, 420, 600, 800, 1000];
/// Of a contact sheet, pixels.
const TILE_WIDTH: u32 = 300;
const GAP: u32 = 10;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().unwrap_or_else(|| "target/gallery".into());
    std::fs::create_dir_all(folder.join("codes")).unwrap();
    let scenes = scenes(&folder);
    let (codes, refused) = codes(&folder.join("codes"));
    println!(
        "{scenes} scenes; {codes} codes read back, {refused} refused as too dense: {}",
        folder.display()
    );
    if let Some(sheet) = arguments.next() {
        let scenes: Vec<Scene> = Scene::samples().into_iter().take(15).collect();
        contact_sheet(&scenes, (800, 480), &look(Language::Ru, None), 5)
            .save(&sheet)
            .unwrap();
        println!("{}", sheet.display());
    }
}

fn look(language: Language, logo: Option<Arc<Logo>>) -> Theme {
    Theme {
        language,
        shop_name: Some("Магазин «Ромашка»".to_owned()),
        logo,
        ..Theme::default()
    }
}

fn scenes(folder: &Path) -> usize {
    let mut count = 0;
    for (width, height) in SIZES {
        let size = PixelSize::new(width, height);
        for (language, word) in LANGUAGES {
            let look = look(language, None);
            for scene in Scene::samples() {
                let frame = render(&scene, size, &look).unwrap();
                let name = format!("{width}x{height}-{word}-{}.png", scene.name());
                std::fs::write(folder.join(name), frame.png().unwrap()).unwrap();
                count += 1;
            }
            let sheet = contact_sheet(&Scene::samples(), (width, height), &look, 6);
            sheet
                .save(folder.join(format!("sheet-{width}x{height}-{word}.png")))
                .unwrap();
        }
        let look = look(Language::Be, Some(Arc::new(daisy())));
        let frame = render(&Scene::Idle, size, &look).unwrap();
        std::fs::write(
            folder.join(format!("{width}x{height}-be-idle-logo.png")),
            frame.png().unwrap(),
        )
        .unwrap();
    }
    count
}

/// A logo as a shop might have one, with transparency.
fn daisy() -> Logo {
    let mut picture = RgbaImage::new(400, 400);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (dx, dy) = (i64::from(x) - 200, i64::from(y) - 200);
        let petals = [
            (0, 120),
            (104, 60),
            (104, -60),
            (0, -120),
            (-104, -60),
            (-104, 60),
        ];
        let in_petal = petals
            .iter()
            .any(|(px, py)| (dx - px).pow(2) + (dy - py).pow(2) < 66 * 66);
        *pixel = match dx * dx + dy * dy {
            0..=4900 => Rgba([230, 168, 32, 255]),
            _ if in_petal => Rgba([64, 120, 190, 255]),
            _ => Rgba([0, 0, 0, 0]),
        };
    }
    Logo::from(picture)
}

fn contact_sheet(
    scenes: &[Scene],
    (width, height): (u32, u32),
    look: &Theme,
    columns: u32,
) -> RgbaImage {
    let tile_height = TILE_WIDTH * height / width;
    let rows = (scenes.len() as u32).div_ceil(columns);
    let mut sheet = RgbaImage::from_pixel(
        columns * (TILE_WIDTH + GAP) + GAP,
        rows * (tile_height + GAP) + GAP,
        Rgba([224, 224, 224, 255]),
    );
    for (at, scene) in (0..).zip(scenes) {
        let frame = render(scene, PixelSize::new(width, height), look).unwrap();
        let picture = image::load_from_memory(&frame.png().unwrap())
            .unwrap()
            .to_rgba8();
        let tile = resize(&picture, TILE_WIDTH, tile_height, FilterType::CatmullRom);
        let (column, row) = (at % columns, at / columns);
        let place = |index: u32, side: u32| i64::from(GAP + index * (side + GAP));
        overlay(
            &mut sheet,
            &tile,
            place(column, TILE_WIDTH),
            place(row, tile_height),
        );
    }
    sheet
}

/// A payload as the service might send it, of any length, with what changes from one to the next.
fn payload(length: usize) -> String {
    let mut text = format!("https://getapp.o-plati.by/map/?app_link={length:04}");
    let mut state = length as u64 + 1;
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.push(char::from_digit((state >> 33) as u32 % 36, 36).unwrap());
    }
    text.truncate(length);
    text
}

fn codes(folder: &Path) -> (usize, usize) {
    let (mut read, mut refused) = (0, 0);
    for (width, height) in SIZES {
        for length in LENGTHS {
            let text = payload(length);
            let scene = Scene::qr(text.clone(), Some(Kopecks(1_234_567)));
            let size = PixelSize::new(width, height);
            match readback::render_verified(&scene, size, &look(Language::Ru, None), 0) {
                Ok((frame, Some(readback))) => {
                    assert!(
                        readback.is_read,
                        "{width}x{height}, {length} characters: not read back"
                    );
                    assert!(readback.module_px >= 2);
                    let name = format!("{width}x{height}-{length}");
                    std::fs::write(folder.join(format!("{name}.png")), frame.png().unwrap())
                        .unwrap();
                    std::fs::write(folder.join(format!("{name}.txt")), text).unwrap();
                    read += 1;
                }
                Err(RenderError::QrTooDense { .. }) => refused += 1,
                other => panic!(
                    "{width}x{height}, {length} characters: {:?}",
                    other.map(|(_, readback)| readback)
                ),
            }
        }
    }
    (read, refused)
}
