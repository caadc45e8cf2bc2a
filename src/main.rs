//! The program `oplati`: everything is in the library.

#![warn(clippy::too_many_lines)]

use std::process::ExitCode;

fn main() -> ExitCode {
    oplati::cli::main()
}
