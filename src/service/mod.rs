//! The client of the payment service.
//!
//! - [`wire`]: every name of the wire; what is asked and answered is the core's word, [`crate::core::call`]
//! - `token`: token.conf · `classify`: what an answer means · `report`: looking for lost answers
//! - [`diagnose`]: name, connection, certificate and token, for the technician's bench
//! - [`trial`]: which assumptions about the service hold, for a merchant who wants to know
//! - [`Client`]: performs one call, never gives it up half-way, and always reports an outcome

mod classify;
mod client;
pub(crate) mod diagnose;
mod report;
mod token;
pub(crate) mod trial;
pub(crate) mod wire;

pub(crate) use classify::Credential;
pub use classify::{HttpAnswer, classify};
pub(crate) use client::{Client, ClientError, Exchange, NoReport, ServerDate, Settings};
pub(crate) use report::Unreadable;
