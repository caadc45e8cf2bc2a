//! The QR code itself: dark on light, ECC M, four modules of quiet zone, whole pixels.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use qrcode::{Color, EcLevel, QrCode};

use crate::devices::display::frame::{Area, Frame};

/// Light modules around the code, ISO/IEC 18004.
pub const QUIET_ZONE: u32 = 4;
/// Below two pixels a module cameras fail.
pub const MIN_MODULE_PX: u32 = 2;

/// Why a frame cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The code has more modules than the display has pixels for.
    #[error(
        "the QR code has {modules} modules with its quiet zone, the display {available_px} pixels for it; at least {MIN_MODULE_PX} pixels a module are needed"
    )]
    QrTooDense {
        /// Modules on one side, quiet zones included.
        modules: u32,
        /// Pixels for that side.
        available_px: u32,
    },
    /// No QR code holds such a text.
    #[error("no QR code holds {length} bytes with error correction M, the limit is 2331")]
    QrTooLong {
        /// Bytes.
        length: usize,
    },
}

/// Where a code stands in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The code with its quiet zone.
    pub area: Area,
    /// Pixels of a module.
    pub module_px: u32,
}

/// A code before it has a size.
#[derive(Clone, Debug)]
pub struct Modules {
    dark: Vec<bool>,
    side: u32,
}

impl Modules {
    /// Encodes a text.
    pub fn encode(text: &str) -> Result<Modules, RenderError> {
        let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::M)
            .map_err(|_| RenderError::QrTooLong { length: text.len() })?;
        let side = u32::try_from(code.width()).unwrap_or(u32::MAX);
        Ok(Modules {
            dark: code
                .to_colors()
                .into_iter()
                .map(|colour| colour == Color::Dark)
                .collect(),
            side,
        })
    }

    /// Modules on one side, quiet zones included.
    pub fn side_with_quiet_zone(&self) -> u32 {
        self.side + 2 * QUIET_ZONE
    }

    /// Whole pixels for a module in a square of `available_px`, at least [`MIN_MODULE_PX`].
    pub fn module_px(&self, available_px: u32) -> Result<u32, RenderError> {
        let modules = self.side_with_quiet_zone();
        let px = available_px / modules;
        if px < MIN_MODULE_PX {
            return Err(RenderError::QrTooDense {
                modules,
                available_px,
            });
        }
        Ok(px)
    }

    /// Paints the code with its quiet zone in the middle of `area`, and gives where that is.
    pub fn paint(&self, frame: &mut Frame, area: Area) -> Result<Placed, RenderError> {
        let px = self.module_px(area.w.min(area.h))?;
        let side = self.side_with_quiet_zone() * px;
        let (left, top) = (area.x + (area.w - side) / 2, area.y + (area.h - side) / 2);
        let square = Area::new(left, top, side, side);
        frame.fill(square, Rgb888::WHITE);
        for (row, modules) in (0_u32..).zip(self.dark.chunks(self.side.max(1) as usize)) {
            for (column, _) in (0_u32..).zip(modules).filter(|(_, dark)| **dark) {
                let (x, y) = (
                    left + (QUIET_ZONE + column) * px,
                    top + (QUIET_ZONE + row) * px,
                );
                frame.fill(Area::new(x, y, px, px), Rgb888::BLACK);
            }
        }
        Ok(Placed {
            area: square,
            module_px: px,
        })
    }
}
