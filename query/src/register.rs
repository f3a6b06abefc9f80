//! What is recorded of parks: the registry and what is declared, as they stand. Pure.
//!
//! Every entry is dated and stays; the one recorded last counts. The figures read these types and this room
//! reads no figure.

pub(crate) mod certificates;
pub(crate) mod corrections;
pub(crate) mod deflator;
pub(crate) mod indicator_values;
pub mod name;
pub(crate) mod registry;
pub mod statistics;
