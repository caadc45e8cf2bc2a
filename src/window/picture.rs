//! Pixels as a window takes them.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};

use oplati::config::PixelSize;
use oplati::devices::display::frame::Frame;

/// Finished pixels, `0x00RRGGBB` each, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) size: PixelSize,
    /// Whether it is of the idle scene, over which a screen saver may come.
    pub(super) is_idle: bool,
    pixels: Vec<u32>,
}

impl Picture {
    pub(super) fn of_frame(frame: &Frame) -> Picture {
        Picture {
            size: frame.size(),
            is_idle: false,
            pixels: words(frame.pixels()),
        }
    }

    /// What the daemon sent, if it is a PNG of exactly this size.
    pub(super) fn of_png(png: &[u8], size: PixelSize) -> Result<Picture, image::ImageError> {
        let mut reader = ImageReader::with_format(Cursor::new(png), ImageFormat::Png);
        let mut limits = Limits::default();
        limits.max_image_width = Some(size.width);
        limits.max_image_height = Some(size.height);
        reader.limits(limits);
        let image = reader.decode()?.into_rgb8();
        if (image.width(), image.height()) != (size.width, size.height) {
            let wrong = image::error::ParameterErrorKind::DimensionMismatch;
            let error = image::error::ParameterError::from_kind(wrong);
            return Err(image::ImageError::Parameter(error));
        }
        Ok(Picture {
            size,
            is_idle: false,
            pixels: words(image.as_raw()),
        })
    }

    /// Copies it into the middle of a window of such a width, pixel by pixel and never scaled; what it
    /// leaves is black, and what does not fit is cut on all sides.
    pub(super) fn put(&self, window: &mut [u32], width: u32, height: u32) {
        window.fill(0);
        let across = Span::of(self.size.width, width);
        let down = Span::of(self.size.height, height);
        let rows = window
            .chunks_exact_mut(across.whole_to)
            .skip(down.to)
            .take(down.count);
        let own = self.pixels.chunks_exact(across.whole_from).skip(down.from);
        for (to, from) in rows.zip(own) {
            let to = to.get_mut(across.to..across.to + across.count);
            let from = from.get(across.from..across.from + across.count);
            if let (Some(to), Some(from)) = (to, from) {
                to.copy_from_slice(from);
            }
        }
    }
}

fn words(rgb: &[u8]) -> Vec<u32> {
    let word = |pixel: &[u8]| match pixel {
        [r, g, b] => u32::from_be_bytes([0, *r, *g, *b]),
        _ => 0,
    };
    rgb.chunks_exact(3).map(word).collect()
}

/// Which part of a side is copied where.
struct Span {
    whole_from: usize,
    whole_to: usize,
    from: usize,
    to: usize,
    count: usize,
}

impl Span {
    fn of(from: u32, to: u32) -> Span {
        let (from, to) = (from as usize, to as usize);
        Span {
            whole_from: from.max(1),
            whole_to: to.max(1),
            from: from.saturating_sub(to) / 2,
            to: to.saturating_sub(from) / 2,
            count: from.min(to),
        }
    }
}

/// The picture that a window of this size asks for: its own size, as far as displays go.
pub(super) fn size_for(width: u32, height: u32) -> PixelSize {
    let (long, short) = (
        width.max(height).clamp(320, 3840),
        width.min(height).clamp(240, 2160),
    );
    if width >= height {
        PixelSize::new(long, short)
    } else {
        PixelSize::new(short, long)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use oplati::config::DisplayDevice;
    use oplati::core::scene::Scene;
    use oplati::devices::display::{Theme, render};

    use super::*;

    fn size(width: u32, height: u32) -> PixelSize {
        PixelSize::new(width, height)
    }

    #[test]
    fn a_picture_survives_its_way_and_one_of_another_size_is_refused() {
        let frame = render(&Scene::Declined, size(320, 240), &Theme::default()).unwrap();
        let png = frame.png().unwrap();
        let picture = Picture::of_png(&png, size(320, 240)).unwrap();
        assert_eq!(picture, Picture::of_frame(&frame));
        for other in [size(321, 240), size(319, 240)] {
            assert!(Picture::of_png(&png, other).is_err(), "{other:?}");
        }
        assert!(Picture::of_png(&png[..png.len() / 2], size(320, 240)).is_err());
        assert!(Picture::of_png(b"no picture", size(320, 240)).is_err());
    }

    #[test]
    fn it_stands_in_the_middle_or_is_cut_and_never_scaled() {
        let picture = Picture {
            is_idle: false,
            size: size(2, 2),
            pixels: vec![1, 2, 3, 4],
        };
        let mut larger = [9; 16];
        picture.put(&mut larger, 4, 4);
        assert_eq!(larger, [0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0]);
        let mut narrow = [9; 4];
        picture.put(&mut narrow, 1, 4);
        assert_eq!(narrow, [0, 1, 3, 0]);
        let mut none: [u32; 0] = [];
        picture.put(&mut none, 0, 0);
    }

    #[test]
    fn every_window_asks_for_a_size_that_the_daemon_draws() {
        for (window, asked) in [
            ((1920, 1080), (1920, 1080)),
            ((600, 1024), (600, 1024)),
            ((1, 1), (320, 240)),
            ((5120, 1440), (3840, 1440)),
            ((3000, 3000), (3000, 2160)),
        ] {
            let size = size_for(window.0, window.1);
            assert_eq!((size.width, size.height), asked);
            let (width, height) = (size.width, size.height);
            let settings = format!("[Display]\ndevice = png:/picture.png@{width}x{height}\n");
            let read = oplati::config::read(settings.as_bytes(), Path::new("/")).unwrap();
            let drawn = matches!(
                &read.config.display.devices[..],
                [DisplayDevice::Png { size: drawn, .. }] if *drawn == size
            );
            assert!(drawn, "{width}x{height}");
        }
    }
}
