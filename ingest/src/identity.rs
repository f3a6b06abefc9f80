//! Who a gateway is, and for whom it may publish.
//!
//! A client proves its name with a password, a certificate, or both ([`Gate`]). The access list makes a
//! [`Grant`] of the name when the client connects; a grant is asked once for each topic of a connection,
//! together with the topic's route, and not once for each publish. Without any settings of its own the
//! listener takes anyone, and there is neither gate nor grant.
//!
//! Refusals are counted by reason and never carry a payload: what a stranger sends is not stored.

use std::sync::Arc;

use crate::topic::Sender;

mod access;
mod certificate;
mod checks;
mod gate;
pub mod password;
mod refusal;
mod settings;

pub(crate) use self::{
    access::Grant,
    gate::{Admitted, Doors, Gate, Shown},
    refusal::Refusal,
    settings::check,
};
pub use self::{
    gate::GateError,
    settings::{AccessSettings, ClientCertificate, TlsSettings, UsersSettings},
};

/// What is known of a client: who it is, and for whom it may publish. The default is a client behind a
/// broker, which sees to both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bearer {
    /// For whom it may publish; anyone, if nobody has to prove a name.
    pub(crate) grant: Option<Arc<Grant>>,
    /// Who it is, for rules that name their senders by it.
    pub(crate) sender: Arc<Sender>,
}

/// Longest name, in bytes: that of a common name in X.509 is 64 letters, which UTF-8 may make 256 bytes.
const NAME_BYTES_MAX: usize = 256;

/// Whether `text` can be the name of a client: not empty, no control characters, and no colon, which ends
/// the name in a password file.
fn is_name(text: &str) -> bool {
    let letters = !text.contains(|c: char| c == ':' || c.is_control());
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && letters
}

#[cfg(test)]
mod tests;
