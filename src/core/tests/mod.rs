//! The core against a model of the service, in virtual time: `service` is the model, the same as in the simulation,
//! `world` drives, `stories` tells what each rule promises, `recorded` what follows from the service as it was recorded, `versions` that
//! each change is told apart, `reports` what no report may be trusted with, `set_aside` what becomes of
//! an entry that gets nowhere, `edge_cases` how money or time is lost although every answer was read
//! rightly, `waiting` what becomes of a `PUT` that waits for the service, `told_otherwise` what was made otherwise than the
//! till was told, `rules`, `rules_of_reversals`
//! and `rules_of_reconciliation` what each rule forbids, `chaos` lets anything
//! happen in any order.

mod aftermath;
mod chaos;
mod closed;
mod edge_cases;
mod patience;
mod recorded;
mod reports;
mod reversals;
mod rules;
mod rules_of_reconciliation;
mod rules_of_reversals;
#[allow(dead_code, reason = "the simulation needs more of it")]
#[path = "../../../tests/faults/service/mod.rs"]
mod service;
mod set_aside;
mod shifts;
mod stories;
mod token_errors;
mod told_otherwise;
mod versions;
mod waiting;
mod world;
