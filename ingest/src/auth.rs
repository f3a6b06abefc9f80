//! Authentication and authorization of gateways.
//!
//! A client proves its name with a password, a certificate, or both ([`Authenticator`]). When the
//! client connects, the access list turns the name into a [`Grant`]. The grant is checked once for
//! each topic of a connection, when the topic is resolved, and not once for each publish. Without
//! `listen.tls.client_ca` and `listen.users` the listener accepts every client, without a grant.
//!
//! When a file or a recorded grant changes, every connection checks its client again. It ends, after its last
//! acknowledgement, if the client could no longer connect or would get other rights.
//!
//! Refusals are counted by reason and never carry a payload: what a stranger sends is not stored.

use std::sync::Arc;

use crate::topic::Sender;

mod access_list;
mod authenticator;
mod error;
pub mod password;
mod password_checks;
mod principal;
mod recorded;
mod refusal;

pub(crate) use self::{
    access_list::Grant,
    authenticator::{AuthFiles, Authenticator, Credentials},
    principal::Principal,
    refusal::Refusal,
};
pub use self::{error::AuthFileError, recorded::GatewayGrants};

/// The known identity of a client and its rights. The default is a client behind a broker: the
/// broker authenticates and authorizes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientIdentity {
    /// The gateways that the client may publish for; `None` allows all, where no client has to
    /// prove a name.
    pub(crate) grant: Option<Arc<Grant>>,
    /// The names of the client, for rules that derive the origin from them.
    pub(crate) sender: Arc<Sender>,
}

#[cfg(test)]
mod tests;
