//! What every room needs and that knows none of them: time, secrets, errors, files.

pub mod clock;
pub mod error_chain;
pub mod exit_code;
pub mod folders;
pub mod random;
pub mod regular_file;
pub mod secret;
pub mod system;
pub mod text;
