//! The core against a model of the service, in virtual time: `service` is the model, the same as in the simulation, `world`
//! drives.
//!
//! - What each rule promises: `stories`, `codes`, `aborts`, `reversals`, `queued_reversals`, `shifts`, and `recorded`,
//!   what follows from the service as it was recorded; `versions`, that each change has its own
//! - What each rule forbids: `rules`, `rules_of_reversals`, `rules_of_reconciliation`
//! - What a power cut may take: `durability`; a `PUT` once more: `repeats`
//! - What may not be trusted: `reports` (a final status), `partial_reports` (that a report is whole), `lost_writes` (a
//!   disk), `token_errors` and `edge_cases` (how money or time is lost although every answer was read rightly)
//! - Time: `patience`, `waiting` (a `PUT` that waits for the service), `session_lives`, `aftermath`
//! - What a person has to see: `set_aside`, `needs_review`, `second_payments`, `closed`
//! - Anything in any order: `chaos`

mod aborts;
mod aftermath;
mod chaos;
mod closed;
mod codes;
mod durability;
mod edge_cases;
mod lost_writes;
mod needs_review;
mod partial_reports;
mod patience;
mod queued_reversals;
mod recorded;
mod repeats;
mod reports;
mod reversals;
mod rules;
mod rules_of_reconciliation;
mod rules_of_reversals;
mod second_payments;
#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../../tests/faults/service/mod.rs"]
mod service;
mod session_lives;
mod set_aside;
mod shifts;
mod stories;
mod token_errors;
mod versions;
mod waiting;
mod world;
