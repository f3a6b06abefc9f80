//! Meters: the readings they give, the quantities and exact amounts of those readings, and the properties of a
//! meter that its registry entry declares.
//!
//! A [`Reading`](reading::Reading) belongs to a series; a [`Batch`](batch::Batch) carries readings of one enterprise
//! to the log, with the [messages] they came in. A [`MeterProfile`](profile::MeterProfile) decides what the
//! step between two registers was.

pub mod amount;
pub mod batch;
pub mod dead_letter;
pub mod id;
pub mod messages;
pub mod numbers;
pub mod profile;
pub mod quantity;
pub mod ratio;
pub mod reading;
pub mod ticket;
pub mod unit;
