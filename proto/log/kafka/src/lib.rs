//! A log in Apache Kafka, by librdkafka.
//!
//! The writer is an idempotent producer with `acks=all`; a receipt is minted when the last record of a
//! call was delivered. The reader is a consumer on a thread of its own, which holds a bounded number of
//! bytes. The topics are made if they are not there, and a partition count other than the configured
//! one is refused.
//!
//! Kafka removes records by age and size, read or not. Topics made here have no such limit, so the
//! brokers' disks grow until the operator sets one; a retention of readings below 30 days is refused.
//! What is gone all the same before a group has read it is logged as an error when the group meets it.

mod assignment;
mod away;
mod consumer;
mod find;
pub mod inspect;
mod log;
mod reader;
mod retention;
mod topics;
mod trouble;
mod wire;
mod writer;

pub use crate::log::{KafkaLog, KafkaSettings};
