//! Reason codes and violations, in the terms of the standard.

/// The reason codes of MQTT 5 (section 2.4) that this endpoint reads or sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Success, normal disconnection, or a granted subscription with QoS 0.
    Success = 0x00,
    DisconnectWithWill = 0x04,
    NoMatchingSubscribers = 0x10,
    NoSubscriptionExisted = 0x11,
    Unspecified = 0x80,
    MalformedPacket = 0x81,
    ProtocolError = 0x82,
    ImplementationSpecific = 0x83,
    UnsupportedVersion = 0x84,
    ClientIdInvalid = 0x85,
    BadCredentials = 0x86,
    NotAuthorized = 0x87,
    ServerBusy = 0x89,
    ShuttingDown = 0x8b,
    BadAuthenticationMethod = 0x8c,
    KeepAliveTimeout = 0x8d,
    SessionTakenOver = 0x8e,
    TopicNameInvalid = 0x90,
    PacketIdInUse = 0x91,
    PacketIdNotFound = 0x92,
    ReceiveMaximumExceeded = 0x93,
    TopicAliasInvalid = 0x94,
    PacketTooLarge = 0x95,
    MessageRateTooHigh = 0x96,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    PayloadFormatInvalid = 0x99,
    SharedSubscriptionsNotSupported = 0x9e,
}

impl Reason {
    /// The byte on the wire.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Returns the CONNACK return code of MQTT 3.1 and 3.1.1. `None` if they have none for this
    /// reason: then the connection is closed without a CONNACK (`[MQTT-3.2.2-6]` of 3.1.1).
    pub(crate) fn return_code(self) -> Option<u8> {
        match self {
            Self::UnsupportedVersion => Some(1),
            Self::ClientIdInvalid => Some(2),
            Self::ServerBusy => Some(3),
            Self::BadCredentials => Some(4),
            Self::NotAuthorized | Self::BadAuthenticationMethod => Some(5),
            _ => None,
        }
    }
}

/// A packet that violates the standard. Its connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({reason:?})")]
pub(crate) struct Violation {
    /// The reason code of MQTT 5.
    pub(crate) reason: Reason,
    /// The invalid part of the packet, for the log.
    pub(crate) what: &'static str,
}

impl Violation {
    /// The bytes cannot be parsed as a packet.
    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self {
            reason: Reason::MalformedPacket,
            what,
        }
    }

    /// The packet can be parsed but is not allowed.
    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self {
            reason: Reason::ProtocolError,
            what,
        }
    }
}
