//! What tests send to a park, written once: a meter's minutes as a file for the replay, the packets of a
//! lean publisher, and free ports for whoever is to receive them.
//!
//! Nothing of ours is used here, so that a mistake of the product cannot be a mistake of its tests, too.

pub mod minutes;
pub mod mqtt;
pub mod ports;
