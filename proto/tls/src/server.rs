//! The TLS configuration of a server.

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{ClientCertificate, TlsFileError, TlsSettings};

/// Configures TLS 1.2 and 1.3 according to `settings`. The provider is always ring, whatever the
/// process default is.
///
/// # Errors
/// [`TlsFileError`] names the file that cannot be used.
pub fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsFileError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(tls(&settings.certificate))?;
    let builder = match client_verifier(settings)? {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
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

/// Verifies the certificates of clients according to `settings`; `None` if clients are not asked for one.
///
/// # Errors
/// [`TlsFileError`] names the file that cannot be used.
pub fn client_verifier(
    settings: &TlsSettings,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsFileError> {
    let Some(path) = &settings.client_ca else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(path)? {
        roots.add(root).map_err(tls(path))?;
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = match &settings.client_crl {
        Some(path) => verifier
            .with_crls(revoked(path)?)
            .only_check_end_entity_revocation(),
        None => verifier,
    };
    let verifier = match settings.client_certificate {
        Some(ClientCertificate::Optional) => verifier.allow_unauthenticated(),
        _ => verifier,
    };
    let verifier = verifier
        .build()
        .map_err(|cause| tls(path)(rustls::Error::General(cause.to_string())))?;
    Ok(Some(verifier))
}

fn tls(path: &Path) -> impl FnOnce(rustls::Error) -> TlsFileError {
    let path = path.to_owned();
    move |cause| TlsFileError::Tls { path, cause }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = CertificateDer::pem_file_iter(path).map_err(pem(path))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(pem(path))?;
    if found.is_empty() {
        return Err(TlsFileError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsFileError> {
    let found = CertificateRevocationListDer::pem_file_iter(path).map_err(pem(path))?;
    found.collect::<Result<_, _>>().map_err(pem(path))
}

fn pem(path: &Path) -> impl Fn(rustls::pki_types::pem::Error) -> TlsFileError {
    let path = path.to_owned();
    move |cause| TlsFileError::Pem {
        path: path.clone(),
        cause,
    }
}
