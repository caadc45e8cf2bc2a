//! Exit codes of every verb: those of sysexits(3), so that units and scripts can distinguish a mistake of theirs from a
//! state of the world. Plain numbers and no enum, since errors of all modules answer `exit_code() -> u8` and nothing
//! ever matches on them.

/// Done; for `sale`: paid.
pub const OK: u8 = 0;
/// The operation ended otherwise than done: declined, expired, cancelled, failed; or the daemon
/// refused it.
pub const NOT_DONE: u8 = 1;
/// `EX_USAGE`: the command line is wrong.
pub const USAGE: u8 = 64;
/// `EX_DATAERR`: an input (a payload, a picture's size) cannot be processed.
pub const DATA: u8 = 65;
/// `EX_UNAVAILABLE`: the daemon does not run; for the buyer's window: there is no desktop session, or its
/// program is not installed.
pub const UNAVAILABLE: u8 = 69;
/// `EX_SOFTWARE`: a mistake in this program.
pub const SOFTWARE: u8 = 70;
/// `EX_IOERR`: a file or a pipe could not be read or written.
pub const IO: u8 = 74;
/// `EX_TEMPFAIL`: worth another try: a port or socket is taken, the contact was lost midway, the daemon ended to
/// be started anew.
pub const TEMPFAIL: u8 = 75;
/// `EX_NOPERM`: the rights do not suffice.
pub const NOPERM: u8 = 77;
/// `EX_CONFIG`: oplati.conf holds a bad value or cannot be read.
pub const CONFIG: u8 = 78;
/// 128 + SIGINT: a person stopped it.
pub const INTERRUPTED: u8 = 130;

/// Prints what is wrong with the arguments of a program, or its help if that was asked for; the exit code for it.
pub fn print_usage(error: &clap::Error) -> u8 {
    // Nobody is left to report to when this fails.
    drop(error.print());
    if error.use_stderr() { USAGE } else { OK }
}
