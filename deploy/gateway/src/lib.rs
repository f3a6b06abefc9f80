//! What a gateway does: it publishes readings over MQTT until the server has acknowledged them.
//!
//! | Module | Holds |
//! |---|---|
//! | [`payload`] | readings as the JSON of a message |
//! | [`publisher`] | one MQTT connection: messages in flight, repeats, reconnects |
//! | [`replay`] | the command `replay`: a CSV file of readings, as one gateway |
//! | [`demo`] | the demo park's meters, their history and their live readings |
//! | [`splitmix`] | repeatable pseudorandom numbers for orders and the demo |

pub mod demo;
pub mod payload;
pub mod publisher;
pub mod replay;
pub mod splitmix;
