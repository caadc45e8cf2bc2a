//! What is known about models of devices: profiles.
//!
//! - [`schema`]: one file a model, as written · [`mod@display`]: those of displays, and [`template`]: their
//!   bytes · [`registry`]: all of them, the shop's own first
//! - [`matcher`]: which profile fits what is plugged in, and why · [`udev`]: the rules that follow
//! - [`vectors`]: the proof that each file brings, run
//!
//! Differences between models are data: ids, line settings, how codes end, byte strings, times. A
//! procedure is code. A technician adds a model of a known kind with one file in
//! `etc/oplati/devices.d` and touches no code. Every file names its sources; a fact that is not known
//! is left out, and its default holds.

pub(crate) mod display;
pub(crate) mod matcher;
pub(crate) mod registry;
pub mod schema;
pub(crate) mod template;
pub(crate) mod udev;
pub(crate) mod vectors;

pub(crate) use display::DisplayProfile;
pub(crate) use matcher::{Fit, Why};
pub use registry::Registry;
pub(crate) use registry::UnknownProfile;
pub(crate) use schema::Mode;
