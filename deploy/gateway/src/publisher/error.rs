//! The errors after which a publisher gives up.

use std::io;

use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, PubAckReason};

/// A publisher gave up.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The server refuses this client.
    #[error(
        "{address} refuses the connection ({code:?}); {unacknowledged} messages are not acknowledged"
    )]
    Refused {
        /// The server.
        address: String,
        /// Its code.
        code: ConnectReturnCode,
        /// Messages in flight.
        unacknowledged: usize,
    },
    /// One side does not accept the other's certificate.
    #[error("no TLS with {address}; {unacknowledged} messages are not acknowledged")]
    Tls {
        /// The server.
        address: String,
        /// Messages in flight.
        unacknowledged: usize,
        /// The error of TLS.
        #[source]
        cause: io::Error,
    },
    /// The server speaks TLS, and this client connected without.
    #[error("{address} speaks TLS; {unacknowledged} messages are not acknowledged")]
    Encrypted {
        /// The server.
        address: String,
        /// Messages in flight.
        unacknowledged: usize,
    },
    /// The server refuses a message.
    #[error("{address} refuses a message ({reason:?}); {unacknowledged} are not acknowledged")]
    Message {
        /// The server.
        address: String,
        /// Its reason.
        reason: PubAckReason,
        /// Messages in flight.
        unacknowledged: usize,
    },
    /// The server cannot be reached.
    #[error("no MQTT server answers at {address}; {unacknowledged} messages are not acknowledged")]
    Unreachable {
        /// The server.
        address: String,
        /// Messages in flight.
        unacknowledged: usize,
        /// The last attempt's error.
        #[source]
        cause: io::Error,
    },
}
