//! Finished frames as the bytes of a screen, whatever its pixel format and stride.
//!
//! A table for each colour wins over code for each known format: formats are what the kernel reports,
//! any offsets and lengths, and three look-ups cost no more than shifting would.

use crate::devices::display::frame::Frame;

/// Where a colour lies in a pixel: `fb_bitfield` of `linux/fb.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// The place of its lowest bit in the pixel.
    pub offset: u32,
    /// How many bits it has; 0 for a colour that is not there.
    pub length: u32,
}

/// Why a screen's pixels cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A depth that no colour screen has.
    #[error("{0} bits per pixel are not supported; 8, 16, 24 and 32 are")]
    Depth(u32),
    /// The kernel's words on its colours make no sense.
    #[error("a colour of {length} bits at bit {offset} does not fit into pixels of {bits} bits")]
    Channel {
        /// The first bit of the colour, as the kernel reports it.
        offset: u32,
        /// Its bits, as the kernel reports them.
        length: u32,
        /// The bits of a pixel.
        bits: u32,
    },
}

/// A pixel format. Pixels are little-endian, as all tills with graphics are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The bytes of a pixel.
    bytes: usize,
    /// One sum of the three instead of three places.
    is_grey: bool,
    red: Box<[u32; 256]>,
    green: Box<[u32; 256]>,
    blue: Box<[u32; 256]>,
    /// Bits that are always set: an alpha channel, since a screen that has one may use it.
    opaque: u32,
}

impl Format {
    /// Of colours side by side.
    pub fn new(bits: u32, colours: [Channel; 3], alpha: Channel) -> Result<Format, FormatError> {
        let bytes = match bits {
            8 => 1,
            16 => 2,
            24 => 3,
            32 => 4,
            _ => return Err(FormatError::Depth(bits)),
        };
        let [red, green, blue] = colours.map(|channel| table(bits, channel));
        let opaque = match alpha.length {
            0 => 0,
            _ => *table(bits, alpha)?.last().unwrap_or(&0),
        };
        Ok(Format {
            bytes,
            is_grey: false,
            red: red?,
            green: green?,
            blue: blue?,
            opaque,
        })
    }

    /// Eight bits a colour in four bytes, the first one blue: every DRM driver has it.
    pub fn xrgb8888() -> Result<Format, FormatError> {
        let colours = [16, 8, 0].map(|offset| Channel { offset, length: 8 });
        Format::new(32, colours, Channel::default())
    }

    /// Three bits of red, three of green and two of blue: a palette is set to it, see [`palette`].
    pub fn rgb332() -> Result<Format, FormatError> {
        let colours = [(5, 3), (2, 3), (0, 2)].map(|(offset, length)| Channel { offset, length });
        Format::new(8, colours, Channel::default())
    }

    /// Shades of grey in a byte: the weights of ITU-R BT.601 in 256 parts.
    pub fn grey() -> Format {
        let weighted = |weight: u32| {
            let mut table = Box::new([0; 256]);
            for (value, place) in (0_u32..).zip(table.iter_mut()) {
                *place = value * weight;
            }
            table
        };
        Format {
            bytes: 1,
            is_grey: true,
            red: weighted(77),
            green: weighted(150),
            blue: weighted(29),
            opaque: 0,
        }
    }

    /// Bytes of a pixel.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn pixel(&self, rgb: &[u8]) -> u32 {
        let part = |table: &[u32; 256], at: usize| {
            let value = rgb.get(at).copied().unwrap_or_default();
            table.get(usize::from(value)).copied().unwrap_or_default()
        };
        let (red, green, blue) = (
            part(&self.red, 0),
            part(&self.green, 1),
            part(&self.blue, 2),
        );
        if self.is_grey {
            return (red + green + blue) >> 8;
        }
        red | green | blue | self.opaque
    }

    /// A row of pixels; what one of the two has more than the other is left alone.
    pub fn row(&self, rgb: &[u8], out: &mut [u8]) {
        // Four bytes at once where a screen has them, which is nearly always.
        if self.bytes == 4 {
            let (places, _) = out.as_chunks_mut::<4>();
            for (place, rgb) in places.iter_mut().zip(rgb.as_chunks::<3>().0) {
                *place = self.pixel(rgb).to_le_bytes();
            }
            return;
        }
        for (place, rgb) in out.chunks_exact_mut(self.bytes).zip(rgb.as_chunks::<3>().0) {
            let bytes = self.pixel(rgb).to_le_bytes();
            for (place, byte) in place.iter_mut().zip(bytes) {
                *place = byte;
            }
        }
    }

    /// A whole frame into rows of `stride` bytes; what lies behind a row's pixels is left alone.
    pub fn frame(&self, frame: &Frame, stride: usize, out: &mut [u8]) {
        let width = usize::try_from(frame.size().width).unwrap_or_default();
        let rows = frame.pixels().chunks_exact((width * 3).max(1));
        for (place, row) in out.chunks_mut(stride.max(1)).zip(rows) {
            let length = (width * self.bytes).min(place.len());
            self.row(row, place.get_mut(..length).unwrap_or_default());
        }
    }
}

/// What each of the 256 values becomes: 0 is no bit and 255 all bits, so that black is black and white
/// is white in every format.
fn table(bits: u32, channel: Channel) -> Result<Box<[u32; 256]>, FormatError> {
    let Channel { offset, length } = channel;
    let fits =
        (1..=16).contains(&length) && offset.checked_add(length).is_some_and(|end| end <= bits);
    if !fits {
        return Err(FormatError::Channel {
            offset,
            length,
            bits,
        });
    }
    let most = (1_u32 << length) - 1;
    let mut table = Box::new([0; 256]);
    for (value, place) in (0_u32..).zip(table.iter_mut()) {
        *place = ((value * most + 127) / 255) << offset;
    }
    Ok(table)
}

/// The palette by which an indexed screen of 8 bits shows [`Format::rgb332`]: red, green and blue of
/// each index, 16 bits each.
pub fn palette() -> [[u16; 256]; 3] {
    let ramp = |shift: usize, most: usize| {
        let mut colours = [0; 256];
        for (index, place) in colours.iter_mut().enumerate() {
            let part = (index >> shift) & most;
            *place = u16::try_from(part * 65_535 / most).unwrap_or(u16::MAX);
        }
        colours
    };
    [ramp(5, 7), ramp(2, 7), ramp(0, 3)]
}

/// The ramp of a screen whose colours go through tables (`FB_VISUAL_DIRECTCOLOR`).
pub fn straight(length: u32) -> Vec<u16> {
    let count = 1_u32.checked_shl(length.clamp(1, 8)).unwrap_or(256);
    (0..count)
        .map(|value| u16::try_from(value * 65_535 / (count - 1)).unwrap_or(u16::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
    use proptest::prelude::*;

    use super::*;
    use crate::config::PixelSize;

    fn channel(offset: u32, length: u32) -> Channel {
        Channel { offset, length }
    }

    fn one(format: &Format, rgb: [u8; 3]) -> u32 {
        let mut out = [0; 4];
        format.row(&rgb, &mut out[..format.bytes()]);
        u32::from_le_bytes(out)
    }

    /// The formats that screens have, with white and pure red in each.
    fn known() -> Vec<(Format, u32, u32)> {
        let of =
            |bits, red, green, blue, alpha| Format::new(bits, [red, green, blue], alpha).unwrap();
        let none = Channel::default();
        let (r, g, b) = (channel(16, 8), channel(8, 8), channel(0, 8));
        vec![
            (Format::xrgb8888().unwrap(), 0x00ff_ffff, 0x00ff_0000),
            (of(32, r, g, b, channel(24, 8)), 0xffff_ffff, 0xffff_0000),
            (of(32, b, g, r, none), 0x00ff_ffff, 0x0000_00ff),
            (of(32, channel(24, 8), r, g, none), 0xffff_ff00, 0xff00_0000),
            (
                of(32, channel(20, 10), channel(10, 10), channel(0, 10), none),
                0x3fff_ffff,
                0x3ff0_0000,
            ),
            (of(24, r, g, b, none), 0x00ff_ffff, 0x00ff_0000),
            (of(24, b, g, r, none), 0x00ff_ffff, 0x0000_00ff),
            (
                of(16, channel(11, 5), channel(5, 6), channel(0, 5), none),
                0xffff,
                0xf800,
            ),
            (
                of(16, channel(0, 5), channel(5, 6), channel(11, 5), none),
                0xffff,
                0x001f,
            ),
            (
                of(
                    16,
                    channel(10, 5),
                    channel(5, 5),
                    channel(0, 5),
                    channel(15, 1),
                ),
                0xffff,
                0xfc00,
            ),
            (
                of(16, channel(8, 4), channel(4, 4), channel(0, 4), none),
                0x0fff,
                0x0f00,
            ),
            (Format::rgb332().unwrap(), 0xff, 0xe0),
            (Format::grey(), 0xff, 76),
        ]
    }

    #[test]
    fn black_white_and_red_are_exact_in_every_format() {
        for (format, white, red) in known() {
            assert_eq!(one(&format, [255; 3]), white, "{format:?}");
            assert_eq!(one(&format, [255, 0, 0]), red, "{format:?}");
            assert_eq!(one(&format, [0; 3]), format.opaque, "{format:?}");
        }
    }

    #[test]
    fn palettes_show_what_their_format_defines() {
        let [red, green, blue] = palette();
        let format = Format::rgb332().unwrap();
        let index = |rgb| usize::try_from(one(&format, rgb)).unwrap();
        let shown = |rgb| [red[index(rgb)], green[index(rgb)], blue[index(rgb)]];
        assert_eq!(shown([255; 3]), [65_535; 3]);
        assert_eq!(shown([0; 3]), [0; 3]);
        assert_eq!(shown([0, 255, 0]), [0, 65_535, 0]);
        assert_eq!(straight(5).len(), 32);
        assert_eq!((straight(8)[0], straight(8)[255]), (0, 65_535));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(
            Format::new(1, [channel(0, 1); 3], Channel::default()),
            Err(FormatError::Depth(1))
        );
        for bad in [
            channel(0, 0),
            channel(20, 8),
            channel(u32::MAX, 8),
            channel(0, 33),
        ] {
            let error = Format::new(24, [channel(0, 8), channel(8, 8), bad], Channel::default());
            assert!(matches!(error, Err(FormatError::Channel { bits: 24, .. })));
        }
    }

    proptest! {
        /// Each pixel lies at its place, within one step of its colour, and nothing else is touched.
        #[test]
        fn frames_lie_in_rows_of_any_stride(
            which in 0..known().len(),
            (width, height) in (1_u32..20, 1_u32..9),
            padding in 0_usize..40,
            seed in any::<u32>(),
        ) {
            let (format, ..) = known().swap_remove(which);
            let mut frame = Frame::filled(PixelSize::new(width, height), Rgb888::BLACK);
            let colour = |x: u32, y: u32| {
                let value = seed.wrapping_mul(x * 31 + y * 7 + 1).to_le_bytes();
                Rgb888::new(value[0], value[1], value[2])
            };
            for y in 0..height {
                for x in 0..width {
                    frame.set(x, y, colour(x, y));
                }
            }
            let used = usize::try_from(width).unwrap() * format.bytes();
            let stride = used + padding;
            let mut out = vec![0xa5; stride * usize::try_from(height).unwrap()];
            format.frame(&frame, stride, &mut out);
            for (y, row) in (0..).zip(out.chunks(stride)) {
                for (x, pixel) in (0..).zip(row[..used].chunks(format.bytes())) {
                    let expected = colour(x, y);
                    let mut value = [0; 4];
                    value[..pixel.len()].copy_from_slice(pixel);
                    prop_assert_eq!(
                        u32::from_le_bytes(value),
                        one(&format, [expected.r(), expected.g(), expected.b()])
                    );
                }
                prop_assert!(row[used..].iter().all(|byte| *byte == 0xa5));
            }
        }

        /// A screen shorter or narrower than its own words is no panic and never written beyond.
        #[test]
        fn short_memory_is_survived(length in 0_usize..300, stride in 0_usize..90) {
            let frame = Frame::filled(PixelSize::new(20, 4), Rgb888::WHITE);
            for (format, ..) in known() {
                format.frame(&frame, stride, &mut vec![0; length]);
            }
        }

        /// Every value goes to the nearest of its channel, in order.
        #[test]
        fn values_keep_their_order(length in 1_u32..=16) {
            let table = table(32, channel(3, length)).unwrap();
            prop_assert!(table.is_sorted());
            prop_assert_eq!(table[0], 0);
            prop_assert_eq!(table[255], ((1 << length) - 1) << 3);
        }
    }
}
