//! The one client of our own daemon, over its socket or loopback TCP: for the verbs, the self-test, the window and the
//! demo.

pub mod http;
pub(crate) mod sse;
