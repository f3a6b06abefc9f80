//! A client that has proved its name, and what it proved it with.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::{access_list::Grant, password::Hash};

/// A client that has proved its name.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) name: String,
    pub(crate) grant: Arc<Grant>,
    pub(super) proof: Proof,
}

/// What a client proved its name with. At least one of the two is there.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    /// The certificate, and those that lead from it to its authority.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// The hash of the password.
    pub(super) password: Option<Hash>,
}

impl Proof {
    /// The caller that grants name: a certificate decides, whatever is beside it.
    pub(super) fn caller(&self, name: &str) -> String {
        match self.certificates.is_empty() {
            true => format!("user:{name}"),
            false => format!("certificate:{name}"),
        }
    }
}
