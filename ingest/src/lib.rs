//! From MQTT to the log: *PUBACK means the log has it*.
//!
//! Two front ends keep the one promise. [`Listener`] is an MQTT 3.1.1 and 5 endpoint of our own, which
//! gateways connect to; [`Subscriber`] holds a persistent session at a broker. Both gather what one
//! socket read brings into one record a gateway, append it, and acknowledge when its
//! [`Receipt`](greenpark_log::Receipt) is there: an acknowledgement cannot be made without one.
//!
//! Who sent a reading is said by its topic, `park/{park}/{enterprise}/{gateway}/up/{stream}`, never by
//! its payload; how the payload is read is said by configuration ([`DecodeSettings`]), never guessed.
//! What cannot be taken becomes a dead letter with its bytes and a reason, and is acknowledged when
//! *that* is in the log. Received = accepted + dead-lettered, in the [`Metrics`] and in the log.
//!
//! This crate does not deduplicate, fold or store; a reading's identity makes a repeat harmless later.

mod acks;
pub mod decode;
#[doc(hidden)]
pub mod fuzzing;
mod gather;
mod held;
mod identity;
mod limits;
pub mod listen;
mod measured_log;
mod metrics;
#[cfg(test)]
mod mosquitto;
mod newest;
mod pipeline;
mod receipts;
mod settings;
pub mod subscribe;
mod topic;
mod wire;

pub use crate::{
    identity::{
        AccessSettings, ClientCertificate, GateError, TlsSettings, UsersSettings, password,
    },
    listen::Listener,
    metrics::Metrics,
    pipeline::{Clock, Pipeline},
    receipts::Receipts,
    settings::{
        DecodeSettings, DecoderRule, Encoding, FieldMap, Format, Late, ListenSettings,
        MemorySettings, Others, Scale, StampAt, SubscribeSettings, TimeUnit,
    },
    subscribe::Subscriber,
};
