//! The words that every room shares: money, operations, problems, devices, health. No input, no output.

pub mod archive;
pub mod check;
pub mod device;
pub mod health;
pub mod line;
pub mod money;
pub mod operation;
pub mod problem;
