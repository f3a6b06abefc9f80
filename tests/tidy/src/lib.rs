//! The architecture and the house rules as tests: what the tree must look like to be understood.
//!
//! [`workspace`] reads `cargo metadata`, [`source`] measures Rust files by their syntax, [`rooms`] reads which module imports which. The rules
//! themselves stand in `tests/`.

pub mod rooms;
pub mod source;
pub mod workspace;
