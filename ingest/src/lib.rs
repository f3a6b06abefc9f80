//! From MQTT to the log: *PUBACK means the log has it*.
//!
//! Two front ends keep this promise. [`MqttListener`] is our own endpoint for MQTT 3.1, 3.1.1 and
//! 5, which gateways connect to; [`Subscriber`] holds a persistent session at a broker. Both
//! accumulate the publishes of a socket read into one record per gateway, append it, and
//! acknowledge after the log has returned its [`Receipt`](greenpark_log::Receipt): an
//! acknowledgement cannot be made without one.
//!
//! The topic, `park/{park}/{enterprise}/{gateway}/up/{stream}`, identifies the sender of a reading,
//! never the payload; configuration ([`DecodeSettings`]) selects the decoder, never a guess. A
//! reading that cannot be accepted becomes a dead letter with its bytes and a reason, and is
//! acknowledged when the dead letter is in the log. Received = accepted + dead-lettered, in the
//! [`IngestMetrics`] and in the log.
//!
//! This crate does not deduplicate, fold or store; a reading's identity makes a repeat harmless
//! later.

mod acks;
mod auth;
mod batch;
pub mod decode;
#[doc(hidden)]
pub mod fuzzing;
mod limits;
pub mod listen;
mod measured_log;
mod memory_budget;
mod metrics;
#[cfg(test)]
mod mosquitto;
mod mqtt;
mod newest;
mod pipeline;
mod receipts;
mod routing;
mod settings;
pub mod subscribe;
mod topic;
// `acks` names the module as it was called before.

pub use crate::{
    auth::{AuthFileError, GatewayGrants, password},
    listen::MqttListener,
    metrics::IngestMetrics,
    pipeline::Pipeline,
    receipts::Receipts,
    routing::{DecodeCounts, Decoder},
    settings::{
        AccessSettings, ClientCertificate, DecodeSettings, DecoderRule, Encoding, FieldMap,
        FieldScale, LatePolicy, ListenSettings, MemorySettings, Others, PayloadFormat, StampAt,
        SubscribeSettings, TimeUnit, TlsSettings, UsersSettings,
    },
    subscribe::Subscriber,
};
