//! The built program from outside, as its users meet it: real processes, real sockets, a real
//! pseudo-terminal as scanner, real files.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets something else than it expects shall fail"
)]

mod bench_figures;
mod cli;
mod clients;
mod clock;
mod costs;
mod crashes;
mod crowd;
mod daily_check;
mod desktop;
mod displays;
mod failing_reads;
mod handover;
mod harness;
mod held_answers;
mod journal;
mod licences;
mod limits;
mod pipes;
mod reconcile;
mod recorded;
mod recorded_service;
mod reversals;
mod sales;
mod scanners;
mod selftest;
mod settings;
mod signals;
mod slow_report;
mod stalled_disk;
mod terminal_qr;
mod trial;
mod trouble;
