//! The built program from outside, as its users meet it: real processes, real sockets, a real
//! pseudo-terminal as scanner, real files.

mod bench;
mod cli;
mod crashes;
mod sales;
mod trouble;
