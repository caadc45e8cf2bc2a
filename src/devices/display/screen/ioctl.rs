//! The framebuffer's calls to the kernel, as far as they are needed: `linux/fb.h`.
//!
//! Two ways were weighed: a crate (`framebuffer`, `linuxfb`), which maps the memory, panics or leaves
//! out what is needed here (forced modes, panning, palettes, which console has the screen), and these
//! few structures. The structures win; pictures are written by `pwrite`, which needs no unsafe memory
//! and which drivers with a shadow notice at once.
#![allow(
    unsafe_code,
    reason = "an ioctl has no safe form; each is one call with a structure that is checked against the kernel's"
)]

use std::fs::File;

use rustix::io::Result;
use rustix::ioctl::{Getter, IntegerSetter, Opcode, Setter, Updater, ioctl};

use super::pixels::Channel;

const FBIOGET_VSCREENINFO: Opcode = 0x4600;
const FBIOPUT_VSCREENINFO: Opcode = 0x4601;
const FBIOGET_FSCREENINFO: Opcode = 0x4602;
const FBIOGETCMAP: Opcode = 0x4604;
const FBIOPUTCMAP: Opcode = 0x4605;
const FBIOPAN_DISPLAY: Opcode = 0x4606;
const FBIOGET_CON2FBMAP: Opcode = 0x460f;
const FBIOBLANK: Opcode = 0x4611;
const FB_ACTIVATE_FORCE: u32 = 128;
const FB_BLANK_UNBLANK: usize = 0;

/// `fb_bitfield`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bitfield {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) msb_right: u32,
}

impl From<Bitfield> for Channel {
    fn from(field: Bitfield) -> Channel {
        Channel {
            offset: field.offset,
            length: field.length,
        }
    }
}

/// `fb_var_screeninfo`: what can be asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) virtual_width: u32,
    pub(super) virtual_height: u32,
    pub(super) x_offset: u32,
    pub(super) y_offset: u32,
    pub(super) bits_per_pixel: u32,
    /// 0: colours; 1: shades of grey; else a code of four letters.
    pub(super) grayscale: u32,
    pub(super) red: Bitfield,
    pub(super) green: Bitfield,
    pub(super) blue: Bitfield,
    pub(super) alpha: Bitfield,
    pub(super) nonstd: u32,
    pub(super) activate: u32,
    /// Millimetres, 0 or `u32::MAX` where they are not known.
    pub(super) height_mm: u32,
    pub(super) width_mm: u32,
    /// Clocks, margins, rotation and what is reserved: carried unread.
    pub(super) rest: [u32; 16],
}

/// `fb_fix_screeninfo`: what is as it is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) id: [u8; 16],
    pub(super) memory_start: usize,
    pub(super) memory_length: u32,
    pub(super) kind: u32,
    pub(super) kind_aux: u32,
    pub(super) visual: u32,
    pub(super) pan_steps: [u16; 3],
    pub(super) line_length: u32,
    pub(super) mmio_start: usize,
    pub(super) mmio_length: u32,
    pub(super) acceleration: u32,
    pub(super) capabilities: u16,
    pub(super) reserved: [u16; 2],
}

// The sizes of the kernel's structures: as they are on every Linux.
const _: () = assert!(size_of::<Variable>() == 160);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Fixed>() == 80);

/// `fb_con2fbmap`.
#[repr(C)]
struct ConsoleMap {
    console: u32,
    framebuffer: u32,
}

/// `fb_cmap`.
#[repr(C)]
struct RawPalette {
    start: u32,
    length: u32,
    red: *mut u16,
    green: *mut u16,
    blue: *mut u16,
    alpha: *mut u16,
}

pub(super) fn variable(fb: &File) -> Result<Variable> {
    // SAFETY: this call fills a `fb_var_screeninfo`, which `Variable` is; any bits are valid in it.
    unsafe { ioctl(fb, Getter::<FBIOGET_VSCREENINFO, Variable>::new()) }
}

pub(super) fn fixed(fb: &File) -> Result<Fixed> {
    // SAFETY: this call fills a `fb_fix_screeninfo`, which `Fixed` is; any bits are valid in it.
    unsafe { ioctl(fb, Getter::<FBIOGET_FSCREENINFO, Fixed>::new()) }
}

/// Sets this mode now, even if the kernel believes that it stands already, from the first pixel.
pub(super) fn force(fb: &File, mut wanted: Variable) -> Result<()> {
    wanted.activate = FB_ACTIVATE_FORCE;
    wanted.x_offset = 0;
    wanted.y_offset = 0;
    // SAFETY: this call reads and fills a `fb_var_screeninfo`, which `Variable` is.
    unsafe {
        ioctl(
            fb,
            Updater::<FBIOPUT_VSCREENINFO, Variable>::new(&mut wanted),
        )
    }
}

/// Shows the memory from its first pixel.
pub(super) fn pan(fb: &File, mut shown: Variable) -> Result<()> {
    shown.activate = 0;
    shown.x_offset = 0;
    shown.y_offset = 0;
    // SAFETY: this call reads and fills a `fb_var_screeninfo`, which `Variable` is.
    unsafe { ioctl(fb, Updater::<FBIOPAN_DISPLAY, Variable>::new(&mut shown)) }
}

/// Switches a screen on that saves power.
pub(super) fn wake(fb: &File) -> Result<()> {
    // SAFETY: this call takes a number.
    unsafe { ioctl(fb, IntegerSetter::<FBIOBLANK>::new_usize(FB_BLANK_UNBLANK)) }
}

/// The number of the framebuffer that has a text console (from 1).
pub(super) fn framebuffer_of(fb: &File, console: u32) -> Result<u32> {
    let mut map = ConsoleMap {
        console,
        framebuffer: u32::MAX,
    };
    // SAFETY: this call reads and fills a `fb_con2fbmap`, which `ConsoleMap` is.
    unsafe { ioctl(fb, Updater::<FBIOGET_CON2FBMAP, ConsoleMap>::new(&mut map))? };
    Ok(map.framebuffer)
}

/// Red, green and blue of a screen's indices, or tables of its colours; all of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Palette(pub(super) [Vec<u16>; 3]);

impl Palette {
    fn raw(&mut self) -> RawPalette {
        let Palette([red, green, blue]) = self;
        let length = red.len().min(green.len()).min(blue.len());
        RawPalette {
            start: 0,
            length: u32::try_from(length).unwrap_or_default(),
            red: red.as_mut_ptr(),
            green: green.as_mut_ptr(),
            blue: blue.as_mut_ptr(),
            alpha: std::ptr::null_mut(),
        }
    }

    /// What is set, of this length.
    pub(super) fn of(fb: &File, length: usize) -> Result<Palette> {
        let mut palette = Palette([vec![0; length], vec![0; length], vec![0; length]]);
        let mut raw = palette.raw();
        // SAFETY: this call reads a `fb_cmap` and fills `length` numbers at each of its addresses, which
        // are the vectors of `palette`, alive and not touched meanwhile; it takes null for no alpha.
        unsafe { ioctl(fb, Updater::<FBIOGETCMAP, RawPalette>::new(&mut raw))? };
        Ok(palette)
    }

    pub(super) fn set(&mut self, fb: &File) -> Result<()> {
        let raw = self.raw();
        // SAFETY: this call reads a `fb_cmap` and `length` numbers at each of its addresses, which are
        // the vectors of `self`, alive meanwhile; it takes null for no alpha.
        unsafe { ioctl(fb, Setter::<FBIOPUTCMAP, RawPalette>::new(raw)) }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// `linux/fb.h` as it is laid out on 64 bits.
    #[test]
    fn fields_lie_where_the_kernel_has_them() {
        assert_eq!(offset_of!(Variable, bits_per_pixel), 24);
        assert_eq!(offset_of!(Variable, red), 32);
        assert_eq!(offset_of!(Variable, activate), 84);
        assert_eq!(offset_of!(Variable, height_mm), 88);
        assert_eq!(offset_of!(Variable, rest), 96);
        if cfg!(target_pointer_width = "64") {
            assert_eq!(offset_of!(Fixed, memory_length), 24);
            assert_eq!(offset_of!(Fixed, visual), 36);
            assert_eq!(offset_of!(Fixed, line_length), 48);
        }
    }

    #[test]
    fn a_plain_file_is_distinguished_from_a_framebuffer() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(variable(&file), Err(rustix::io::Errno::NOTTY));
        assert_eq!(fixed(&file), Err(rustix::io::Errno::NOTTY));
        assert_eq!(Palette::of(&file, 4), Err(rustix::io::Errno::NOTTY));
    }
}
