//! `oplati`: payments with the О!плати wallet at a shop till.
//!
//! The map, in the order in which data flows:
//!
//! - [`base`]: time, secrets, errors and files, which every room needs
//! - [`config`]: what the administrator wants · [`log`]: what the daemon reports of itself
//! - [`devices`]: what is plugged in, codes in, scenes out
//! - [`model`]: the words that everybody uses · [`texts`]: what people read, as data
//! - [`core`]: the one owner of state, without clock, socket or disk · [`journal`]: the durable truth · [`engine`]: both as one
//!   machine, which lets nothing out before it is durable
//! - [`service`]: the client of the payment service · [`report`]: a shift compared with it, and printed
//! - [`metrics`]: what is counted on the way
//! - [`client`]: asks our own daemon
//! - [`api`]: tills ask and listen · [`daemon`]: all of it joined in one process
//! - [`sim`], [`demo`]: a strict simulated service, and everything on a bare machine
//! - [`selftest`]: what works here, what does not, and what to do
//! - [`cli`]: the verbs
//!
//! Two programs are made of it: `oplati` (`src/main.rs`), the daemon and its command line, and `oplati-window`
//! (`src/window/`), the buyer's window in a desktop session. What is `pub` is for them and for the tests.

// The tests of the core share their model of the service with `tests/faults`, which knows this library by its name.
#[cfg(test)]
extern crate self as oplati;

pub(crate) mod api;
pub mod base;
pub mod cli;
pub mod client;
pub mod config;
pub mod core;
pub(crate) mod daemon;
pub(crate) mod demo;
pub mod devices;
pub mod engine;
pub mod journal;
pub mod log;
pub(crate) mod metrics;
pub mod model;
pub mod report;
pub(crate) mod selftest;
pub mod service;
pub(crate) mod sim;
pub(crate) mod texts;
