//! What is known about models of devices: profiles.
//!
//! - [`schema`]: one file a model, as written · [`mod@display`]: those of displays, and [`template`]: their
//!   bytes · [`registry`]: all of them, the shop's own first
//! - [`udev`]: the rules that follow
//!
//! Differences between models are data: ids, line settings, how codes end, byte strings, times. A
//! procedure is code. A technician adds a model of a known kind with one file in
//! `etc/oplati/devices.d` and touches no code. Every file names its sources; a fact that is not known
//! is left out, and its default holds.

pub(crate) mod display;
pub(crate) mod registry;
pub mod schema;
pub(crate) mod template;
pub(crate) mod udev;

pub(crate) use display::DisplayProfile;
pub use registry::Registry;
pub(crate) use registry::UnknownProfile;
