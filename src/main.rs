//! The program `oplati`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    oplati::cli::main()
}
