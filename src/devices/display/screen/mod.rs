//! Screens: finished pictures become bytes of a graphics card.
//!
//! - `outputs`: what screens there are, by sysfs · `auto`: which one is taken without being named
//! - `drm`, `fb`: the two ways to a screen without a desktop · `pixels`: formats · `ioctl`: the
//!   framebuffer's calls

mod auto;
mod drm;
mod fb;
mod ioctl;
mod outputs;
pub mod pixels;

pub(super) use self::drm::DrmDriver;
pub(super) use auto::AutoDriver;
pub(super) use fb::FbDriver;
