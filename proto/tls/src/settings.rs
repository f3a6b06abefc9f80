//! The TLS settings of a server, and whether their files changed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

/// TLS settings of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file of the server's certificate, followed by intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
    /// PEM file of the authorities that sign client certificates: mutual TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client must present a certificate; required by default if `client_ca` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// PEM file of the authorities' lists of revoked certificates. A certificate whose authority has no list in it is
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_crl: Option<PathBuf>,
}

/// Whether a client must present a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// Every client must; it must present a password too, if there is a password file.
    Required,
    /// A client proves its name with a certificate or by another credential.
    Optional,
}

/// The modification time and size of a file: if either differs, the file has changed.
pub type Stamp = Option<(SystemTime, u64)>;

impl TlsSettings {
    /// Adds a sentence to `problems` for every mistake in `section`, such as `listen.tls`. `other` names the settings
    /// of another credential, such as `listen.users`, and whether they are there.
    pub fn check(&self, section: &str, other: (&str, bool), problems: &mut Vec<String>) {
        for (key, path) in [("certificate", &self.certificate), ("key", &self.key)] {
            if path.as_os_str().is_empty() {
                problems.push(format!("{section}.{key}: is missing; name a PEM file"));
            }
        }
        match (self.client_certificate, &self.client_ca) {
            (Some(_), None) => problems.push(format!(
                "{section}.client_certificate: is given without {section}.client_ca"
            )),
            (Some(ClientCertificate::Optional), Some(_)) if !other.1 => problems.push(format!(
                "{section}.client_certificate: 'optional' needs {}, or a client without \
                 a certificate could not say who it is",
                other.0
            )),
            _ => {}
        }
        if self.client_crl.is_some() && self.client_ca.is_none() {
            problems.push(format!(
                "{section}.client_crl: is given without {section}.client_ca"
            ));
        }
    }

    /// Whether clients must present a certificate; `None` if the server does not ask for one.
    #[must_use]
    pub fn asks_for(&self) -> Option<ClientCertificate> {
        self.client_ca.as_ref()?;
        Some(
            self.client_certificate
                .unwrap_or(ClientCertificate::Required),
        )
    }

    /// The files that decide which clients are trusted.
    pub fn trust_files(&self) -> impl Iterator<Item = &Path> {
        let files = [self.client_ca.as_ref(), self.client_crl.as_ref()];
        files.into_iter().flatten().map(PathBuf::as_path)
    }

    /// All files that the settings name.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let own = [self.certificate.as_path(), self.key.as_path()];
        own.into_iter().chain(self.trust_files())
    }
}

/// The stamps of `files`, in order; `None` for a file that is not there.
pub fn stamps<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.map(stamp).collect()
}
