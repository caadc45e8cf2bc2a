//! What is plugged in, what is known of it, codes in and scenes out.
//!
//! - [`discovery`]: what is plugged in · [`profile`]: what is known about it
//! - [`scanner`]: codes come in · [`display`]: scenes go out · [`device_test`]: whether it works

pub(crate) mod device_test;
pub(crate) mod discovery;
pub mod display;
pub mod profile;
pub mod scanner;
