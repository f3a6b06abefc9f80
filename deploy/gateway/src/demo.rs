//! The demo park: fictional enterprises, their meters and the readings that their gateways publish.
//!
//! The history is a pure function of meter and hour ([`meter`]); each enterprise has one gateway, which publishes like
//! anyone's. The command `demo` of the binary registers the park, loads the history and shows the verdict.

pub mod history;
pub mod live;
pub mod meter;
pub mod park;
mod source;
pub mod trend;
