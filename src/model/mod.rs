//! The words that every room shares: money, operations, problems, devices, health. No input, no output.

pub(crate) mod archive;
pub(crate) mod check;
pub(crate) mod device;
pub(crate) mod health;
pub mod line;
pub mod money;
pub mod operation;
pub mod problem;
pub mod scan;
