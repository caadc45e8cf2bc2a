//! The shop's logo: a PNG of the administrator, taken as hostile as anything else that is read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use embedded_graphics::pixelcolor::Rgb888;
use image::imageops::FilterType;
use image::{ImageReader, Limits, RgbaImage};

use super::frame::Frame;

/// Largest file, bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Largest side, pixels.
const MAX_SIDE: u32 = 4096;
/// Memory that decoding may take, bytes.
const MAX_MEMORY: u64 = 128 * 1024 * 1024;
/// A small picture becomes a blur if it is enlarged more.
const MAX_ENLARGED: u32 = 2;

/// A logo that cannot be shown.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant states what its fields are"
)]
pub enum LogoError {
    #[error("cannot read the logo {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the logo {} has {bytes} bytes, at most {MAX_BYTES} are read", path.display())]
    Large { path: PathBuf, bytes: u64 },
    #[error("the logo {} is no PNG of at most {MAX_SIDE}x{MAX_SIDE} pixels", path.display())]
    Decode {
        path: PathBuf,
        #[source]
        source: image::ImageError,
    },
}

/// A picture with transparency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo(RgbaImage);

impl From<RgbaImage> for Logo {
    fn from(picture: RgbaImage) -> Logo {
        Logo(picture)
    }
}

impl Logo {
    /// Reads a PNG.
    pub fn read(path: &Path) -> Result<Logo, LogoError> {
        let failed = |source| LogoError::Read {
            path: path.to_owned(),
            source,
        };
        // A named pipe must not hold the start up, and a device has no end.
        let file = File::options()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if !facts.is_file() {
            let what = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file");
            return Err(failed(what));
        }
        if facts.len() > MAX_BYTES {
            return Err(LogoError::Large {
                path: path.to_owned(),
                bytes: facts.len(),
            });
        }
        let mut content = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut content)
            .map_err(failed)?;
        let mut reader =
            ImageReader::with_format(std::io::Cursor::new(content), image::ImageFormat::Png);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_MEMORY);
        reader.limits(limits);
        let picture = reader.decode().map_err(|source| LogoError::Decode {
            path: path.to_owned(),
            source,
        })?;
        Ok(Logo(picture.to_rgba8()))
    }

    /// As large as it fits into a box, its shape kept.
    pub fn fitted(&self, w: u32, h: u32) -> Logo {
        let (width, height) = (self.width().max(1), self.height().max(1));
        let (w, h) = (
            w.min(width * MAX_ENLARGED).max(1),
            h.min(height * MAX_ENLARGED).max(1),
        );
        // Whole numbers: the side that reaches its limit first decides.
        let by_width = (w, (height * w / width).max(1));
        let by_height = ((width * h / height).max(1), h);
        let (to_w, to_h) = if by_width.1 <= h { by_width } else { by_height };
        if (to_w, to_h) == (width, height) {
            return self.clone();
        }
        // The colour of what is transparent must not bleed into the edges.
        let mut weighted = self.0.clone();
        for pixel in weighted.pixels_mut() {
            let [r, g, b, alpha] = pixel.0;
            let part = |colour: u8| scaled(colour, alpha, u8::MAX);
            pixel.0 = [part(r), part(g), part(b), alpha];
        }
        let mut sized = image::imageops::resize(&weighted, to_w, to_h, FilterType::CatmullRom);
        for pixel in sized.pixels_mut() {
            let [r, g, b, alpha] = pixel.0;
            let whole = |colour: u8| scaled(colour, u8::MAX, alpha.max(1));
            pixel.0 = [whole(r), whole(g), whole(b), alpha];
        }
        Logo(sized)
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.0.width()
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.0.height()
    }

    /// Puts it into a frame with its upper left corner at a place.
    pub fn paint(&self, frame: &mut Frame, left: u32, top: u32) {
        for (x, y, pixel) in self.0.enumerate_pixels() {
            let [r, g, b, alpha] = pixel.0;
            frame.mix(
                i64::from(left) + i64::from(x),
                i64::from(top) + i64::from(y),
                Rgb888::new(r, g, b),
                alpha,
            );
        }
    }
}

/// A colour times `by` divided by `of`.
fn scaled(colour: u8, by: u8, of: u8) -> u8 {
    let product = u16::from(colour) * u16::from(by) / u16::from(of);
    u8::try_from(product).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PixelSize;
    use embedded_graphics::pixelcolor::RgbColor as _;

    fn saved(picture: &RgbaImage) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        picture.save(&path).unwrap();
        (folder, path)
    }

    #[test]
    fn a_logo_keeps_its_shape_and_what_is_transparent_shows_the_ground() {
        let mut picture = RgbaImage::from_pixel(40, 20, image::Rgba([255, 0, 0, 255]));
        picture.put_pixel(0, 0, image::Rgba([255, 0, 0, 0]));
        let (_folder, path) = saved(&picture);
        let logo = Logo::read(&path).unwrap();
        for (room, size) in [
            ((400, 400), (80, 40)),
            ((20, 400), (20, 10)),
            ((400, 5), (10, 5)),
            ((40, 20), (40, 20)),
            ((1, 1), (1, 1)),
        ] {
            let fitted = logo.fitted(room.0, room.1);
            assert_eq!((fitted.width(), fitted.height()), size, "{room:?}");
        }
        let mut frame = Frame::filled(PixelSize::new(60, 40), Rgb888::WHITE);
        logo.paint(&mut frame, 10, 10);
        assert_eq!(frame.get(10, 10), Some(Rgb888::WHITE));
        assert_eq!(frame.get(11, 10), Some(Rgb888::RED));
        assert_eq!(frame.get(50, 10), Some(Rgb888::WHITE));
    }

    #[test]
    fn what_is_transparent_does_not_darken_the_edges() {
        let mut picture = RgbaImage::new(300, 300);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if (75..225).contains(&x) && (75..225).contains(&y) {
                *pixel = image::Rgba([255, 255, 255, 255]);
            }
        }
        let small = Logo(picture).fitted(77, 77);
        let mut frame = Frame::filled(PixelSize::new(77, 77), Rgb888::WHITE);
        small.paint(&mut frame, 0, 0);
        // Rounding may take a shade, a fringe took many.
        assert!(frame.pixels().iter().all(|part| *part >= 252));
    }

    #[test]
    fn what_is_no_logo_is_reported_with_its_path() {
        assert!(Logo::read(Path::new("/dev/zero")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(Logo::read(&pipe).is_err());
        let missing = folder.path().join("missing.png");
        let message = Logo::read(&missing).unwrap_err().to_string();
        assert!(message.contains("missing.png"), "{message}");
        let (_folder, path) = saved(&RgbaImage::new(MAX_SIDE + 1, 2));
        assert!(matches!(Logo::read(&path), Err(LogoError::Decode { .. })));
        std::fs::write(&path, b"\x89PNG\r\n\x1a\nnot really").unwrap();
        assert!(matches!(Logo::read(&path), Err(LogoError::Decode { .. })));
        std::fs::File::create(&path)
            .unwrap()
            .set_len(MAX_BYTES + 1)
            .unwrap();
        assert!(matches!(Logo::read(&path), Err(LogoError::Large { .. })));
    }
}
