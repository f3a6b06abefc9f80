//! The TLS configuration of the listener, and the common name of a client's certificate.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};

use super::{error::AuthFileError, is_name};
use crate::settings::{ClientCertificate, TlsSettings};

/// The encoded object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;

/// Configures TLS 1.2 and 1.3 according to `settings`. The provider is always ring, whatever the
/// process default is.
pub(super) fn server_config(settings: &TlsSettings) -> Result<ServerConfig, AuthFileError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let tls = |path: &Path| {
        let path = path.to_owned();
        move |cause: rustls::Error| AuthFileError::Tls { path, cause }
    };
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(tls(&settings.certificate))?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(tls(path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match settings.client_certificate {
                Some(ClientCertificate::Optional) => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            let verifier = verifier
                .build()
                .map_err(|cause| tls(path)(rustls::Error::General(cause.to_string())))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = certificates(&settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(pem(&settings.key))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(tls(&settings.key))?;
    // A resumed session would not check the client's certificate again, not even after it expires.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AuthFileError> {
    let found = CertificateDer::pem_file_iter(path).map_err(pem(path))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(pem(path))?;
    if found.is_empty() {
        return Err(AuthFileError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn pem(path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> AuthFileError {
    let path = path.to_owned();
    move |cause| AuthFileError::Pem {
        path: path.clone(),
        cause,
    }
}

/// Returns the common name of a verified certificate, if it has exactly one and that can be a
/// user's name.
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut names = Vec::new();
    let mut subject = certificate.subject();
    while !subject.is_empty() {
        let mut set = read_element(&mut subject, SET)?;
        while !set.is_empty() {
            let mut attribute = read_element(&mut set, SEQUENCE)?;
            if read_element(&mut attribute, OBJECT_IDENTIFIER)? == COMMON_NAME {
                let text = read_element(&mut attribute, UTF8_STRING)
                    .or_else(|| read_element(&mut attribute, PRINTABLE_STRING))?;
                names.push(str::from_utf8(text).ok()?);
            }
        }
    }
    match names[..] {
        [name] if is_name(name) => Some(name.to_owned()),
        _ => None,
    }
}

/// Reads the contents of the DER element at the front of `from`, if it has this tag, and advances
/// `from`.
fn read_element<'a>(from: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[found, first], rest) = from.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest
            .split_first()
            .map(|(l, rest)| (usize::from(*l), rest))?,
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(contents)
}
