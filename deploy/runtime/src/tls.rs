//! One TLS provider for the whole process.
//!
//! Two providers are in the dependency tree (ring, and aws-lc-rs through the Delta kernel), so rustls
//! cannot choose by itself and would panic at the first TLS connection. A binary calls [`install`]
//! before anything else.

/// Makes ring the provider of this process. A second call changes nothing.
pub fn install() {
    // An error only says that a provider is already installed, which is what was asked for.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};

    #[test]
    fn tls_can_be_used_after_the_provider_is_installed_twice() {
        super::install();
        super::install();
        assert!(CryptoProvider::get_default().is_some());
        // Panics where rustls finds two providers and none installed.
        let config = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        assert!(config.alpn_protocols.is_empty());
    }
}
