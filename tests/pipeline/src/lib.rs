//! A whole park on one machine, for end-to-end tests: it runs on free ports and a temporary folder, is fed by
//! the replay that users run, and is queried over gRPC.
//!
//! [`test_park`] starts and stops it, [`query`] queries it, [`meter_year`] and [`register_year`] generate data, and
//! [`dead_letters`] follows dead letters from refusal to resending.

pub mod dead_letters;
pub mod meter_year;
pub mod query;
pub mod register_year;
pub mod test_park;
