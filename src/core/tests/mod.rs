//! The core against a model of the service, in virtual time: `world` drives, `stories` tells what
//! each rule promises, `recorded` what follows from the service as it was recorded, `versions` that
//! each change is told apart, `edge_cases` how money or time is lost although every answer was read
//! rightly, `waiting` what becomes of a `PUT` that waits for the service, `chaos` lets anything happen in any order.

mod chaos;
mod edge_cases;
mod patience;
mod recorded;
mod reversals;
mod stories;
mod versions;
mod waiting;
mod world;
