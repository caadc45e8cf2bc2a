//! What a picture costs, as ratios measured side by side in one run.
//!
//!     cargo bench --bench display
//!
//! - scene to finished frame, with its readback, beside a bare QR encoder with a PNG writer, beside the
//!   program `qrencode` where it is installed, and beside a copy of the frame's bytes
//! - frame to the pixels of a screen, beside the same copy
//! - scene to the last byte on a serial line, beside a bare write of the same bytes
//!
//! Each pair is measured in turns, so that whatever else the machine does meets both. Printed are
//! medians, with the share of the slowest tenth, and no judgement.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "a benchmark that cannot run shall fail, and ratios are no money"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use oplati::base::pty::RawPty;
use oplati::config::{DisplayDevice, PixelSize, SerialDisplay, SerialLine};
use oplati::core::scene::Scene;
use oplati::devices::display::frame::Frame;
use oplati::devices::display::readback::Picture;
use oplati::devices::display::screen::pixels::{Channel, Format};
use oplati::devices::display::{Displays, Theme, readback};
use oplati::devices::profile::Registry;
use oplati::model::money::Kopecks;

const SIZES: [(u32, u32); 3] = [(800, 480), (1920, 1080), (3840, 2160)];
const PAYLOAD: &str = "https://getapp.o-plati.by/map/?app_link=9f3b8a6e1c7d4f20b5a1d8e3c6f90712";
/// Of each measurement.
const ROUNDS: usize = 15;

fn main() {
    println!(
        "{:<58} {:>10} {:>10} {:>8}",
        "", "median", "slow tenth", "ratio"
    );
    for (width, height) in SIZES {
        pictures(PixelSize::new(width, height));
    }
    serial();
}

type Run<'a> = Box<dyn FnMut() + 'a>;

struct Sample {
    name: String,
    times: Vec<Duration>,
}

/// Measures all in turns; the first is what the others are compared with.
fn compare(title: &str, runs: &mut [(&str, &mut dyn FnMut())]) {
    println!("{title}");
    let mut samples: Vec<Sample> = runs
        .iter()
        .map(|(name, _)| Sample {
            name: (*name).to_owned(),
            times: Vec::new(),
        })
        .collect();
    for round in 0..=ROUNDS {
        for ((_, run), sample) in runs.iter_mut().zip(&mut samples) {
            let began = Instant::now();
            run();
            // The first round fills caches.
            if round > 0 {
                sample.times.push(began.elapsed());
            }
        }
    }
    let mut base = None;
    for sample in &mut samples {
        sample.times.sort();
        let median = sample.times[sample.times.len() / 2];
        let slow = sample.times[sample.times.len() * 9 / 10];
        let base = *base.get_or_insert(median);
        println!(
            "  {:<56} {:>7.0} µs {:>7.0} µs {:>7.2}x",
            sample.name,
            median.as_secs_f64() * 1e6,
            slow.as_secs_f64() * 1e6,
            median.as_secs_f64() / base.as_secs_f64()
        );
    }
}

fn pictures(size: PixelSize) {
    let PixelSize { width, height } = size;
    let look = Theme::default();
    let scene = Scene::qr(PAYLOAD.to_owned(), Some(Kopecks(123_456)));
    let paid = Scene::Paid {
        amount: Kopecks(123_456),
    };
    let draw = |scene: &Scene| readback::render_verified(scene, size, &look, 0).unwrap().0;
    let picture = Picture {
        scene: &scene,
        size,
        theme: &look,
        animation_step: 0,
    };
    let frame = draw(&scene);
    let mut copied = vec![0; frame.pixels().len()];
    compare(
        &format!("scene to frame, {width}x{height}"),
        &mut [
            ("QR encoder and PNG writer, nothing else", &mut || {
                black_box(encoder_and_png(size));
            }),
            ("QR scene, drawn", &mut || {
                black_box(picture.drawn().unwrap());
            }),
            ("QR scene, drawn and read back", &mut || {
                black_box(draw(&scene));
            }),
            ("QR scene, drawn, read back, as a PNG", &mut || {
                black_box(draw(&scene).png().unwrap());
            }),
            ("scene of words, drawn", &mut || {
                black_box(draw(&paid));
            }),
            ("copy of the frame", &mut || {
                copied.copy_from_slice(black_box(frame.pixels()));
            }),
        ],
    );
    screens(size, &frame);
    if let Some(mut qrencode) = qrencode(width.min(height)) {
        compare(
            "  beside a program",
            &mut [
                ("qrencode -o, a process", &mut qrencode),
                ("QR scene as a PNG", &mut || {
                    black_box(draw(&scene).png().unwrap());
                }),
            ],
        );
    }
}

/// A frame as the pixels of a screen.
fn screens(size: PixelSize, frame: &Frame) {
    let PixelSize { width, height } = size;
    let mut copied = vec![0; frame.pixels().len()];
    let mut screens: Vec<(&str, Format, Vec<u8>)> = Vec::new();
    let rgb565 = [(11, 5), (5, 6), (0, 5)].map(|(offset, length)| Channel { offset, length });
    for (name, format) in [
        ("XRGB8888, as DRM has it", Format::xrgb8888().unwrap()),
        (
            "RGB565, as small panels have it",
            Format::new(16, rgb565, Channel::default()).unwrap(),
        ),
    ] {
        let bytes = format.bytes() * width as usize * height as usize;
        screens.push((name, format, vec![0; bytes]));
    }
    let mut runs: Vec<(&str, Run<'_>)> = vec![(
        "copy of the frame",
        Box::new(|| copied.copy_from_slice(black_box(frame.pixels()))),
    )];
    for (name, format, memory) in &mut screens {
        let stride = format.bytes() * width as usize;
        runs.push((name, Box::new(move || format.frame(frame, stride, memory))));
    }
    let mut runs: Vec<(&str, &mut dyn FnMut())> = runs
        .iter_mut()
        .map(|(name, run)| (*name, run.as_mut() as &mut dyn FnMut()))
        .collect();
    compare(
        &format!("frame to pixels in memory, {width}x{height}"),
        &mut runs,
    );
}

/// The least that a QR display must do: encode, scale to whole pixels, write a PNG.
fn encoder_and_png(size: PixelSize) -> Vec<u8> {
    let code = qrcode::QrCode::with_error_correction_level(PAYLOAD, qrcode::EcLevel::M).unwrap();
    let modules = code.width() as u32;
    let px = (size.width.min(size.height) / (modules + 8)).max(1);
    let colours = code.to_colors();
    let picture = image::GrayImage::from_fn(size.width, size.height, |x, y| {
        let module = |at: u32| (at / px).checked_sub(4).filter(|at| *at < modules);
        let dark = module(x)
            .zip(module(y))
            .is_some_and(|(x, y)| colours[(y * modules + x) as usize] == qrcode::Color::Dark);
        image::Luma([if dark { 0 } else { 255 }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn qrencode(side: u32) -> Option<impl FnMut()> {
    let module = (side / 41).max(1).to_string();
    let run = move || {
        Command::new("qrencode")
            .args(["-l", "M", "-s", &module, "-o", "/dev/null", PAYLOAD])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    run().ok()?;
    Some(move || drop(run()))
}

/// A pole display on a pseudo-terminal: what counts is when the last byte is out.
fn serial() {
    let pty = RawPty::open().unwrap();
    let (mut master, mut bare) = (File::from(pty.near), File::from(pty.far));
    let device = DisplayDevice::Serial(SerialDisplay {
        line: SerialLine {
            path: pty.node,
            settings: None,
        },
        profile: Some("pole-epson".to_owned()),
    });
    let displays =
        Displays::start_with(&[device], &Theme::default(), &Registry::built_in()).unwrap();
    displays.show(&Scene::Idle).unwrap();
    // What makes it ready, then its two lines: 9 bytes, 2 x 24.
    let lines = 2 * (4 + 20);
    let mut seen = vec![0; lines];
    let mut drain = |master: &mut File| master.read_exact(&mut seen).unwrap();
    let mut ready = [0; 7];
    master.read_exact(&mut ready).unwrap();
    drain(&mut master);
    let text = vec![b'x'; lines];
    let shared = std::cell::RefCell::new((master, drain));
    let mut amount = 0;
    compare(
        "scene to the last byte on a serial line, 2x20",
        &mut [
            ("bare write of as many bytes", &mut || {
                bare.write_all(&text).unwrap();
                let (master, drain) = &mut *shared.borrow_mut();
                drain(master);
            }),
            ("scene through the display's thread", &mut || {
                amount += 1;
                displays
                    .show(&Scene::Paid {
                        amount: Kopecks(amount),
                    })
                    .unwrap();
                let (master, drain) = &mut *shared.borrow_mut();
                drain(master);
            }),
        ],
    );
}
