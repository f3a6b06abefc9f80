//! The reasons for refusing a client, a publish or a subscription.

use prometheus_client::encoding::EncodeLabelValue;

use crate::mqtt::Reason;

/// The reason of a refusal; each is a metric label, so there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue, thiserror::Error)]
pub(crate) enum Refusal {
    /// The client does not speak TLS, or its certificate is refused; a TLS alert gives the details.
    #[error("its TLS handshake failed")]
    Tls,
    #[error("it says no user name")]
    NoCredentials,
    /// The client must not learn whether the user or the password is wrong.
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
    /// Returns the reason code of the CONNACK.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::BadCredentials => Reason::BadCredentials,
            Self::ClientId => Reason::ClientIdInvalid,
            Self::Busy => Reason::ServerBusy,
            _ => Reason::NotAuthorized,
        }
    }
}
