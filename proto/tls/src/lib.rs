//! TLS of a server: its settings, its configuration from PEM files, and the name in a client's certificate.
//!
//! Gateways (MQTT) and callers (gRPC) are authenticated by the same rules. This crate reads files and does no other
//! I/O. A server accepts the connections itself, and reads the files again when their [`stamps`] differ.

mod error;
mod name;
mod server;
mod settings;

pub use error::TlsFileError;
pub use name::{common_name, fingerprint, is_name, serial};
pub use server::{client_verifier, server_config};
pub use settings::{ClientCertificate, Stamp, TlsSettings, stamps};
