//! A bitmap, and the few ways in which it is painted.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel coordinates: frames are bounded to 3840 pixels a side, and every access is checked"
)]

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::primitives::Rectangle;

use crate::config::PixelSize;

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

impl Area {
    /// `w` by `h` pixels whose upper left corner lies at `x` and `y`.
    pub fn new(x: u32, y: u32, w: u32, h: u32) -> Area {
        Area { x, y, w, h }
    }
}

/// Red, green, blue, a byte each, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    size: PixelSize,
    pixels: Vec<u8>,
}

impl Frame {
    /// All of one colour.
    pub fn filled(size: PixelSize, colour: Rgb888) -> Frame {
        let pixel = [colour.r(), colour.g(), colour.b()];
        let count = size.width as usize * size.height as usize;
        let pixels = match pixel {
            // Paper is white, and one value is set in half the time that three take.
            [red, green, blue] if red == green && green == blue => vec![red; 3 * count],
            pixel => pixel.repeat(count),
        };
        Frame { size, pixels }
    }

    /// Its size.
    pub fn size(&self) -> PixelSize {
        self.size
    }

    /// All pixels.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One pixel; `None` outside.
    pub fn get(&self, x: u32, y: u32) -> Option<Rgb888> {
        let start = self.offset(x, y)?;
        match self.pixels.get(start..start + 3)? {
            [r, g, b] => Some(Rgb888::new(*r, *g, *b)),
            _ => None,
        }
    }

    fn offset(&self, x: u32, y: u32) -> Option<usize> {
        let inside = x < self.size.width && y < self.size.height;
        inside.then(|| (y as usize * self.size.width as usize + x as usize) * 3)
    }

    /// Sets one pixel; outside nothing happens.
    pub fn set(&mut self, x: u32, y: u32, colour: Rgb888) {
        let Some(start) = self.offset(x, y) else {
            return;
        };
        if let Some(pixel) = self.pixels.get_mut(start..start + 3) {
            pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
        }
    }

    /// Mixes a colour in: 0 leaves the pixel, 255 replaces it.
    pub fn mix(&mut self, x: i64, y: i64, colour: Rgb888, share: u8) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
            return;
        };
        match share {
            0 => return,
            255 => return self.set(x, y, colour),
            _ => {}
        }
        let Some(old) = self.get(x, y) else { return };
        let part = |old: u8, new: u8| {
            let sum = u32::from(old) * u32::from(255 - share) + u32::from(new) * u32::from(share);
            (sum / 255) as u8
        };
        let mixed = Rgb888::new(
            part(old.r(), colour.r()),
            part(old.g(), colour.g()),
            part(old.b(), colour.b()),
        );
        self.set(x, y, mixed);
    }

    /// Fills a rectangle, as far as it lies inside.
    pub fn fill(&mut self, area: Area, colour: Rgb888) {
        let right = area.x.saturating_add(area.w).min(self.size.width);
        if area.x >= right {
            return;
        }
        let length = (right - area.x) as usize * 3;
        let rows = area.y..area.y.saturating_add(area.h).min(self.size.height);
        let Some(first) = self.offset(area.x, area.y).filter(|_| !rows.is_empty()) else {
            return;
        };
        let pixel = [colour.r(), colour.g(), colour.b()];
        let row = self.pixels.get_mut(first..first + length);
        for place in row.unwrap_or_default().as_chunks_mut::<3>().0 {
            *place = pixel;
        }
        // The others are copies of the first one, which is many times quicker than pixel by pixel.
        let row_bytes = self.size.width as usize * 3;
        for start in rows.skip(1).scan(first, |start, _| {
            *start += row_bytes;
            Some(*start)
        }) {
            self.pixels.copy_within(first..first + length, start);
        }
    }

    /// Puts a picture that is `scale` times finer at a place: each pixel is the mean of a square.
    pub fn shrink_in(&mut self, fine: &Frame, scale: u32, x: u32, y: u32) {
        let scale = scale.max(1);
        let (square, run) = (scale * scale, 3 * scale as usize);
        let row_bytes = fine.size.width.max(1) as usize * 3;
        for (row, rows) in (0_u32..).zip(fine.pixels.chunks_exact(row_bytes * scale as usize)) {
            let mut sums = vec![[0_u32; 3]; (fine.size.width / scale) as usize];
            for fine_row in rows.chunks_exact(row_bytes) {
                for (sum, pixels) in sums.iter_mut().zip(fine_row.chunks_exact(run)) {
                    for pixel in pixels.chunks_exact(3) {
                        for (sum, part) in sum.iter_mut().zip(pixel) {
                            *sum += u32::from(*part);
                        }
                    }
                }
            }
            for (column, sum) in (0_u32..).zip(sums) {
                let [r, g, b] = sum.map(|sum| (sum / square) as u8);
                self.set(x + column, y + row, Rgb888::new(r, g, b));
            }
        }
    }

    /// Turned clockwise by 0, 90, 180 or 270 degrees.
    pub fn rotated(self, degrees: u16) -> Frame {
        let PixelSize { width, height } = self.size;
        let size = match degrees {
            90 | 270 => PixelSize::new(height, width),
            180 => self.size,
            _ => return self,
        };
        let mut turned = Frame::filled(size, Rgb888::BLACK);
        for y in 0..height {
            for x in 0..width {
                let (to_x, to_y) = match degrees {
                    90 => (height - 1 - y, x),
                    180 => (width - 1 - x, height - 1 - y),
                    _ => (y, width - 1 - x),
                };
                if let Some(colour) = self.get(x, y) {
                    turned.set(to_x, to_y, colour);
                }
            }
        }
        turned
    }

    /// As a PNG.
    pub fn png(&self) -> Result<Vec<u8>, image::ImageError> {
        use image::codecs::png::{CompressionType, FilterType, PngEncoder};
        let mut bytes = Vec::new();
        let encoder =
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Up);
        let PixelSize { width, height } = self.size;
        image::ImageEncoder::write_image(
            encoder,
            &self.pixels,
            width,
            height,
            image::ExtendedColorType::Rgb8,
        )?;
        Ok(bytes)
    }
}

impl OriginDimensions for Frame {
    fn size(&self) -> Size {
        Size::new(self.size.width, self.size.height)
    }
}

impl DrawTarget for Frame {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) {
                self.set(x, y, colour);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Self::Error> {
        let (left, top) = (area.top_left.x.max(0), area.top_left.y.max(0));
        let right = i64::from(area.top_left.x) + i64::from(area.size.width);
        let bottom = i64::from(area.top_left.y) + i64::from(area.size.height);
        let (w, h) = (right - i64::from(left), bottom - i64::from(top));
        if w > 0 && h > 0 {
            self.fill(
                Area::new(left as u32, top as u32, w as u32, h as u32),
                colour,
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_four_times_is_the_same_and_corners_go_where_they_should() {
        let mut frame = Frame::filled(PixelSize::new(3, 2), Rgb888::BLACK);
        frame.set(0, 0, Rgb888::RED);
        assert_eq!(frame.clone().rotated(90).get(1, 0), Some(Rgb888::RED));
        assert_eq!(frame.clone().rotated(180).get(2, 1), Some(Rgb888::RED));
        assert_eq!(frame.clone().rotated(270).get(0, 2), Some(Rgb888::RED));
        assert_eq!(frame.clone().rotated(90).rotated(270), frame);
    }

    #[test]
    fn painting_outside_changes_nothing() {
        let mut frame = Frame::filled(PixelSize::new(4, 4), Rgb888::WHITE);
        let before = frame.clone();
        frame.set(4, 0, Rgb888::RED);
        frame.mix(-1, 0, Rgb888::RED, 255);
        frame.fill(Area::new(9, 9, 5, u32::MAX), Rgb888::RED);
        assert_eq!(frame, before);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let mut frame = Frame::filled(PixelSize::new(40, 30), Rgb888::WHITE);
        frame.fill(Area::new(3, 4, 10, 5), Rgb888::BLUE);
        let decoded = image::load_from_memory(&frame.png().unwrap())
            .unwrap()
            .to_rgb8();
        assert_eq!(decoded.as_raw(), frame.pixels());
    }
}
