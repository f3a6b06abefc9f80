//! Why a client, a publish or a subscription is refused, and what the client is told.

use prometheus_client::encoding::EncodeLabelValue;

use crate::wire::Version;

/// A reason; each is a label of the metrics, so there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue, thiserror::Error)]
pub(crate) enum Refusal {
    /// No TLS, or a certificate that is not taken; an alert says which.
    #[error("its TLS handshake failed")]
    Tls,
    #[error("it says no user name")]
    NoCredentials,
    /// Whether the user or the password is wrong is nobody's business.
    #[error("its user name or password is wrong")]
    BadCredentials,
    #[error("its certificate has no common name that can be a user's")]
    NoName,
    #[error("its user name is not the common name of its certificate")]
    OtherName,
    #[error("its client id is not one that the access list lets its user have")]
    ClientId,
    #[error("its will is on a topic that its user may not publish on")]
    Will,
    #[error("too many clients wait for their passwords to be checked")]
    Busy,
    #[error("its user may not publish on a topic")]
    Publish,
    #[error("its user may not subscribe to a filter")]
    Subscription,
}

impl Refusal {
    /// The code of CONNACK.
    pub(crate) fn connack(self, version: Version) -> u8 {
        let (v4, v5) = match self {
            Self::BadCredentials => (0x04, 0x86),
            Self::ClientId => (0x02, 0x85),
            Self::Busy => (0x03, 0x89),
            _ => (0x05, 0x87),
        };
        match version {
            Version::V4 => v4,
            Version::V5 => v5,
        }
    }
}
