//! The technician's bench: what works at this till, what does not, and what to do.
//!
//! - [`ground`]: what all checks stand on, the daemon's word among it
//! - [`run()`]: all groups side by side, each with a deadline · `settings`, `system`, `devices`, `service`, `journal`,
//!   `api`: the groups
//! - [`recognise`]: from what a scanner sent to what is wrong with it · [`closed_loop`]: codes on a display, read back
//! - [`trial`]: which assumptions about the service hold, in a session that nobody pays
//! - [`bundle`]: the report with everything that support asks for, and without any secret
//!
//! No check writes, asks for a token or opens a device; the trial alone opens a session. What only the running daemon knows, it is asked
//! for; the alternative, to let the daemon run all checks, would tell nothing when it does not run, which is
//! when a technician needs it most.

mod api;

pub mod bundle;
pub mod closed_loop;

pub mod devices;
pub mod ground;
mod journal;
pub mod recognise;
mod run;
mod service;
mod settings;
mod system;
mod texts;
pub mod trial;

pub use ground::{Daemon, Ground};
pub use run::run;

/// For trial codes, which must be new and need not be secret. A system without random numbers gives the
/// same code again: still a code.
pub(crate) fn random_byte() -> u8 {
    let mut byte = [0; 1];
    let _ = getrandom::fill(&mut byte);
    byte.first().copied().unwrap_or_default()
}
