//! An X11 session, asked and controlled over a connection of our own.
//!
//! winit keeps its first list of monitors for ever on X11: what the server reports of a change never reaches it, since
//! nobody taught Xlib to read RandR's events. It also knows no screen saver, and softbuffer no pixels but those of 24
//! bits, which weak graphics of tills do not have.

use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyOrIdError};
use x11rb::protocol::dpms::{ConnectionExt as _, DPMSMode};
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::screensaver::{ConnectionExt as _, State as ScreensaverState};
use x11rb::protocol::xproto::{
    ConfigureWindowAux, ConnectionExt as _, CreateGCAux, ImageFormat, ImageOrder, ScreenSaver,
    StackMode, VisualClass, Visualtype,
};
use x11rb::rust_connection::RustConnection;

use super::outputs::Monitor;

/// Bytes of a request beside its pixels.
const REQUEST_HEAD_BYTES: usize = 64;

/// A line of our own to the X server of `DISPLAY`.
pub(super) struct XServer {
    connection: RustConnection,
    root: u32,
    is_kept_awake: bool,
}

impl XServer {
    /// `None` where the server cannot be reached.
    pub(super) fn connect() -> Option<XServer> {
        let (connection, screen) = x11rb::connect(None).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        Some(XServer {
            connection,
            root,
            is_kept_awake: false,
        })
    }

    /// Those that show something now; `None` where the server does not report it (RandR before 1.5).
    pub(super) fn monitors(&self) -> Option<Vec<Monitor>> {
        let asked = self.connection.randr_get_monitors(self.root, true).ok()?;
        let mut monitors = Vec::new();
        for monitor in asked.reply().ok()?.monitors {
            let name = self.connection.get_atom_name(monitor.name).ok()?;
            let name = name.reply().ok()?.name;
            monitors.push(Monitor {
                name: String::from_utf8_lossy(&name).into_owned(),
                x: i32::from(monitor.x),
                y: i32::from(monitor.y),
                width: u32::from(monitor.width),
                height: u32::from(monitor.height),
                is_primary: monitor.primary,
            });
        }
        Some(monitors)
    }

    /// Brings the window above whatever was raised since: no window manager does it for one that it does not manage.
    pub(super) fn raise(&self, window: u32) {
        let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        if let Ok(cookie) = self.connection.configure_window(window, &above) {
            cookie.ignore_error();
        }
        self.flush();
    }

    /// Whether the screen saver or the power saving is on.
    pub(super) fn is_dark(&self) -> bool {
        let saver = self.connection.screensaver_query_info(self.root).ok();
        let saver = saver.and_then(|asked| asked.reply().ok());
        saver.is_some_and(|saver| saver.state == u8::from(ScreensaverState::ON)) || self.is_off()
    }

    fn is_off(&self) -> bool {
        let asked = self.connection.dpms_info().ok();
        let power = asked.and_then(|asked| asked.reply().ok());
        power.is_some_and(|power| power.state && power.power_level != DPMSMode::ON)
    }

    /// Holds the screen saver and the power saving off, or no longer. What has come on already ends; so this is to be
    /// called again while it lasts, since other programs may force both.
    pub(super) fn keep_awake(&mut self, awake: bool) {
        if awake != std::mem::replace(&mut self.is_kept_awake, awake) {
            // Without the extension there is nothing to suspend but what the reset below holds off.
            if let Ok(cookie) = self.connection.screensaver_suspend(u32::from(awake)) {
                cookie.ignore_error();
            }
        }
        if awake {
            if let Ok(cookie) = self.connection.force_screen_saver(ScreenSaver::RESET) {
                cookie.ignore_error();
            }
            if self.is_off()
                && let Ok(cookie) = self.connection.dpms_force_level(DPMSMode::ON)
            {
                cookie.ignore_error();
            }
        }
        self.flush();
    }

    fn flush(&self) {
        if let Err(error) = self.connection.flush() {
            tracing::debug!(target: "oplati::window", %error, "The X server does not listen");
        }
    }

    /// For a window whose pixels softbuffer does not know.
    pub(super) fn painter(&self, window: u32) -> Result<Painter, String> {
        let failed = |error: ReplyOrIdError| format!("the X server refuses the window: {error}");
        let depth = self.depth_and_visual(window).map_err(failed)?;
        let (depth, visual) = depth;
        let setup = self.connection.setup();
        let format = setup.pixmap_formats.iter().find(|one| one.depth == depth);
        let layout = visual.zip(format).and_then(|(visual, format)| {
            PixelLayout::of(
                &visual,
                setup.image_byte_order,
                (format.bits_per_pixel, format.scanline_pad),
            )
        });
        let layout = layout.ok_or_else(|| {
            format!("this X server shows {depth} bits without true colour: set DefaultDepth 24 in xorg.conf")
        })?;
        let gc = self.connection.generate_id().map_err(failed)?;
        let made = self.connection.create_gc(gc, window, &CreateGCAux::new());
        made.map_err(|error| failed(error.into()))?.ignore_error();
        Ok(Painter {
            window,
            gc,
            depth,
            layout,
        })
    }

    fn depth_and_visual(&self, window: u32) -> Result<(u8, Option<Visualtype>), ReplyOrIdError> {
        let geometry = self.connection.get_geometry(window)?.reply()?;
        let attributes = self.connection.get_window_attributes(window)?.reply()?;
        let roots = self.connection.setup().roots.iter();
        let mut visuals = roots
            .flat_map(|root| &root.allowed_depths)
            .flat_map(|depth| &depth.visuals);
        let visual = visuals.find(|visual| visual.visual_id == attributes.visual);
        Ok((geometry.depth, visual.copied()))
    }

    /// Puts the pixels, `0x00RRGGBB` each, into the window.
    ///
    /// # Errors
    /// When the line is cut.
    pub(super) fn paint(
        &self,
        painter: &Painter,
        pixels: &[u32],
        width: u16,
    ) -> Result<(), ConnectionError> {
        let stride = painter.layout.stride(width.into());
        let room = self
            .connection
            .maximum_request_bytes()
            .saturating_sub(REQUEST_HEAD_BYTES);
        let rows = (room / stride.max(1)).max(1);
        let mut top: usize = 0;
        for part in pixels.chunks(usize::from(width).max(1) * rows) {
            let height = part.len() / usize::from(width).max(1);
            let (Ok(y), Ok(height)) = (i16::try_from(top), u16::try_from(height)) else {
                break;
            };
            let data = painter.layout.rows(part, width.into());
            self.connection
                .put_image(
                    ImageFormat::Z_PIXMAP,
                    painter.window,
                    painter.gc,
                    width,
                    height,
                    0,
                    y,
                    0,
                    painter.depth,
                    &data,
                )?
                .ignore_error();
            top += usize::from(height);
        }
        self.connection.flush()
    }
}

/// How pixels get into a window.
pub(super) struct Painter {
    window: u32,
    gc: u32,
    depth: u8,
    layout: PixelLayout,
}

/// What a pixel looks like on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PixelLayout {
    masks: [u32; 3],
    bytes: usize,
    scanline_pad_bytes: usize,
    order: ImageOrder,
}

impl PixelLayout {
    /// `None` for palettes, and for pixels that are no whole bytes.
    fn of(visual: &Visualtype, order: ImageOrder, (bits, pad): (u8, u8)) -> Option<PixelLayout> {
        let is_true_colour = visual.class == VisualClass::TRUE_COLOR;
        let bytes = usize::from(bits / 8);
        (is_true_colour && bits % 8 == 0 && (2..=4).contains(&bytes)).then_some(PixelLayout {
            masks: [visual.red_mask, visual.green_mask, visual.blue_mask],
            bytes,
            scanline_pad_bytes: usize::from(pad / 8).max(1),
            order,
        })
    }

    /// Bytes of a row.
    fn stride(&self, width: usize) -> usize {
        (width * self.bytes).next_multiple_of(self.scanline_pad_bytes)
    }

    fn rows(&self, pixels: &[u32], width: usize) -> Vec<u8> {
        let stride = self.stride(width);
        let mut data = Vec::with_capacity(pixels.len() / width.max(1) * stride);
        for row in pixels.chunks_exact(width.max(1)) {
            let end = data.len() + stride;
            for pixel in row {
                let word = self.word(*pixel);
                match self.order {
                    ImageOrder::MSB_FIRST => {
                        data.extend(word.to_be_bytes().iter().skip(4 - self.bytes));
                    }
                    _ => data.extend(word.to_le_bytes().iter().take(self.bytes)),
                }
            }
            data.resize(end, 0);
        }
        data
    }

    /// The pixel as the server's visual has it.
    fn word(&self, pixel: u32) -> u32 {
        let [_, red, green, blue] = pixel.to_be_bytes();
        let parts = [red, green, blue].into_iter().zip(self.masks);
        parts.fold(0, |word, (value, mask)| {
            let bits = mask.count_ones();
            let value = u32::from(value);
            let scaled = if bits <= 8 {
                value >> (8 - bits)
            } else {
                value << (bits - 8)
            };
            word | (scaled << mask.trailing_zeros().min(31)) & mask
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(masks: [u32; 3], bytes: usize, order: ImageOrder) -> PixelLayout {
        PixelLayout {
            masks,
            bytes,
            scanline_pad_bytes: 4,
            order,
        }
    }

    #[test]
    fn pixels_of_sixteen_bits_and_of_other_orders() {
        let rgb565 = [0xf800, 0x07e0, 0x001f];
        let little = layout(rgb565, 2, ImageOrder::LSB_FIRST);
        let row = [0x00ff_0000, 0x0000_ff00, 0x0000_00ff];
        assert_eq!(
            little.rows(&row, 3),
            [0x00, 0xf8, 0xe0, 0x07, 0x1f, 0x00, 0, 0]
        );
        let big = layout(rgb565, 2, ImageOrder::MSB_FIRST);
        assert_eq!(big.rows(&row[..1], 1), [0xf8, 0x00, 0, 0]);
        let deep = layout([0x3ff0_0000, 0x000f_fc00, 0x3ff], 4, ImageOrder::LSB_FIRST);
        assert_eq!(deep.word(0x00ff_ffff), 0x3fcf_f3fc);
        let bgr = layout([0xff, 0xff00, 0x00ff_0000], 4, ImageOrder::MSB_FIRST);
        assert_eq!(bgr.rows(&[0x0012_3456], 1), [0, 0x56, 0x34, 0x12]);
        assert_eq!(little.rows(&[0x00ff_ffff; 4], 2).len(), 8);
    }

    #[test]
    fn a_palette_is_no_layout() {
        let visual = |class| Visualtype {
            class,
            red_mask: 0xf800,
            green_mask: 0x07e0,
            blue_mask: 0x001f,
            ..Visualtype::default()
        };
        let of = |class, bits| PixelLayout::of(&visual(class), ImageOrder::LSB_FIRST, (bits, 32));
        assert!(of(VisualClass::TRUE_COLOR, 16).is_some());
        assert!(of(VisualClass::PSEUDO_COLOR, 8).is_none());
        assert!(of(VisualClass::TRUE_COLOR, 8).is_none());
    }
}
