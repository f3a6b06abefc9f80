//! The errors of the files that the listen settings name.

use std::{io, path::PathBuf};

use greenpark_tls::TlsFileError;

use super::password::PasswordError;

/// A file that the listen settings name cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// The file cannot be read.
    #[error("read {path}, which the listen settings name")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// A file of `listen.tls` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// The file is not a password file.
    #[error("read the password file {path}")]
    Users {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: PasswordError,
    },
    /// The file is not an access list.
    #[error("read the access list {path}: {reason}")]
    AccessList {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
}
