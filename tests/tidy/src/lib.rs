//! The architecture and the house rules as tests: what the tree must look like to be understood.
//!
//! [`workspace`] reads `cargo metadata`, [`source`] measures Rust files by their syntax. The rules
//! themselves stand in `tests/`.

pub mod source;
pub mod workspace;
