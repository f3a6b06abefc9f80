//! The errors of the files that the TLS settings name.

use std::path::PathBuf;

/// A file that the TLS settings name cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// The file is not PEM.
    #[error("read the PEM file {path}")]
    Pem {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// The file contains no certificate.
    #[error("{path} has no certificate")]
    NoCertificate {
        /// The path of the file.
        path: PathBuf,
    },
    /// rustls refuses the contents.
    #[error("use {path} for TLS")]
    Tls {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: rustls::Error,
    },
}
