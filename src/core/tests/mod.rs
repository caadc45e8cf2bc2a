//! The core against a model of the service, in virtual time: `world` drives, `stories` tells what
//! each rule promises, `chaos` lets anything happen in any order.

mod chaos;
mod patience;
mod reversals;
mod stories;
mod world;
