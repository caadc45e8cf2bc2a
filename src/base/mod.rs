//! What every room needs and that knows none of them: time, secrets, errors, files.

pub mod charset;
pub mod clock;
pub mod error_chain;
pub mod exit_code;
pub(crate) mod folders;
pub(crate) mod lock;
pub(crate) mod poll;
pub mod pty;
pub(crate) mod random;
pub(crate) mod regular_file;
pub mod secret;
pub(crate) mod system;
pub(crate) mod text;
pub(crate) mod unix_socket;
pub mod zone;
