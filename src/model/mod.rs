//! The words that every room shares: money, operations and problems. No input, no output.

pub mod money;
pub mod operation;
pub mod problem;
