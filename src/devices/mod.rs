//! What is plugged in, what is known of it, codes in and scenes out.
//!
//! - [`mode`]: how a scanner speaks · [`discovery`]: what is plugged in · [`profile`]: what is known about models ·
//!   [`matcher`]: which profile fits what is plugged in
//! - [`scanner`]: codes come in · [`display`]: scenes go out · [`device_test`]: whether it works

pub(crate) mod device_test;
pub mod discovery;
pub mod display;
pub(crate) mod matcher;
pub mod mode;
pub mod profile;
pub mod scanner;
#[cfg(test)]
pub(crate) mod testing;
