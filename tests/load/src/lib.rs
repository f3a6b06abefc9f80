//! Shared by tests that send readings to a park: a CSV file of minutes for the replay, MQTT packets, random
//! numbers and free ports.
//!
//! This crate uses no other crate of Greenpark, so that a bug of the product cannot hide itself in its tests.

pub mod minutes;
pub mod mqtt;
pub mod ports;
pub mod random;
