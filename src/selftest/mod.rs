//! The technician's bench: what works at this till, what does not, and what to do.
//!
//! - [`environment`]: what all checks stand on, the daemon's word among it
//! - [`run()`]: all groups side by side, each with a deadline · `settings`, `system`, `devices`, `service`, `journal`,
//!   `api`: the groups
//! - [`trial`]: which assumptions about the service hold, in a session that nobody pays
//! - [`bundle`]: the report with everything that support asks for, and without any secret
//!
//! No check writes, asks for a token or opens a device; the trial alone opens a session. What only the running daemon knows, it is asked
//! for; the alternative, to let the daemon run all checks, would report nothing when it does not run, which is
//! when a technician needs it most.

mod api;

pub mod bundle;

pub mod devices;
pub mod environment;
mod journal;
mod run;
mod service;
mod settings;
mod system;
mod texts;
pub mod trial;

pub use environment::{Daemon, Environment};
pub use run::run;
