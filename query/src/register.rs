//! The register of parks: the registry and the declarations in force. Pure.
//!
//! Entries are dated and never removed; the one recorded last counts. The figures read these types, and this folder
//! reads no figure.

pub(crate) mod certificates;
pub(crate) mod corrections;
pub(crate) mod deflator;
pub(crate) mod indicator_values;
pub mod name;
pub(crate) mod registry;
pub mod statistics;
