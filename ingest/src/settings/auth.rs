//! The authentication settings: `[listen.tls]`, `[listen.users]` and `[listen.access]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS settings of the listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file of the server's certificate, followed by intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of the authorities that sign gateway certificates: mutual TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client must present a certificate; required by default if `client_ca` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// Whether a client must present a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Every client must; it must present a password too, if there is a password file.
    Required,
    /// A client proves its name with a certificate or with a password.
    Optional,
}

/// The users and their passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UsersSettings {
    /// The password file, as `greenpark passwd` and `mosquitto_passwd` write it.
    pub file: PathBuf,
}

/// The rights of each user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessSettings {
    /// The access list.
    pub file: PathBuf,
}

impl TlsSettings {
    pub(super) fn check(&self, has_users: bool, problems: &mut Vec<String>) {
        for (key, path) in [("certificate", &self.certificate), ("key", &self.key)] {
            if path.as_os_str().is_empty() {
                problems.push(format!("listen.tls.{key}: is missing; name a PEM file"));
            }
        }
        match (self.client_certificate, &self.client_ca) {
            (Some(_), None) => problems.push(
                "listen.tls.client_certificate: is given without listen.tls.client_ca".into(),
            ),
            (Some(ClientCertificate::Optional), Some(_)) if !has_users => problems.push(
                "listen.tls.client_certificate: 'optional' needs listen.users, or a client without \
                 a certificate could not say who it is"
                    .into(),
            ),
            _ => {}
        }
    }
}

/// Checks the three sections together.
pub(super) fn check(
    tls: Option<&TlsSettings>,
    users: Option<&UsersSettings>,
    access: Option<&AccessSettings>,
    problems: &mut Vec<String>,
) {
    if let Some(tls) = tls {
        tls.check(users.is_some(), problems);
    }
    let files = [
        ("users", users.map(|users| &users.file)),
        ("access", access.map(|access| &access.file)),
    ];
    for (section, file) in files {
        if file.is_some_and(|file| file.as_os_str().is_empty()) {
            problems.push(format!("listen.{section}.file: is missing; name a file"));
        }
    }
    let proves = users.is_some() || tls.is_some_and(|tls| tls.client_ca.is_some());
    if access.is_some() && !proves {
        problems.push(
            "listen.access: needs listen.users or listen.tls.client_ca, or nobody could prove a name"
                .into(),
        );
    }
}
