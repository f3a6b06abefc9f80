//! The login of a publisher: its credentials, and TLS to verify the server.

use std::{fmt, io, path::Path, sync::Arc};

use rumqttc::v5::mqttbytes::v5;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, Error as TlsError, RootCertStore,
        crypto::ring,
        pki_types::{
            CertificateDer, PrivateKeyDer, ServerName,
            pem::{self, PemObject},
        },
    },
};

/// The credentials of a publisher; none by default.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// A name and its password, if the server asks for one.
    pub user: Option<User>,
    /// TLS, if the server speaks it.
    pub tls: Option<Tls>,
}

/// A name and its password.
#[derive(Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password; empty where a certificate proves the name.
    pub password: String,
}

/// TLS to one server.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

/// Files of a certificate and its private key.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// PEM file of the certificate and its intermediate certificates.
    pub certificate: &'a Path,
    /// PEM file of its key.
    pub key: &'a Path,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file is missing or is not PEM.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// The error.
        #[source]
        cause: pem::Error,
    },
    /// A file has no certificate.
    #[error("there is no certificate in {0}")]
    Empty(String),
    /// A certificate or key cannot be used.
    #[error("cannot use {path}")]
    Unfit {
        /// The file.
        path: String,
        /// The error.
        #[source]
        cause: TlsError,
    },
    /// The name is not a valid server name.
    #[error("'{0}' is no name or address of a server")]
    Server(String),
}

/// A byte stream below MQTT: plain TCP or TLS.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A boxed [`Duplex`].
pub(crate) type Stream = Box<dyn Duplex>;

impl fmt::Debug for User {
    /// Omits the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Sets up TLS to `server`. An authority in the PEM file `ca` must have signed its certificate; the client presents
    /// `own` to a server that requests one.
    ///
    /// # Errors
    /// [`LoginError`] of a file or a name that cannot be used.
    pub fn new(server: &str, ca: &Path, own: Option<Pair<'_>>) -> Result<Self, LoginError> {
        let named = ServerName::try_from(server.to_owned());
        let server = named.map_err(|_| LoginError::Server(server.to_owned()))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ca)? {
            roots.add(root).map_err(unfit(ca))?;
        }
        // The provider that the process installed.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(unfit(ca))?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(Pair { certificate, key }) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(unread(key))?;
                let config = builder.with_client_auth_cert(chain, private);
                config.map_err(unfit(key))?
            }
        };
        Ok(Self {
            config: Arc::new(config),
            server,
        })
    }
}

impl Login {
    /// Performs the TLS handshake, if TLS is set.
    pub(super) async fn secure(&self, stream: TcpStream) -> io::Result<Stream> {
        let Some(Tls { config, server }) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Box::new(connector.connect(server.clone(), stream).await?))
    }

    /// Returns the login of CONNECT.
    pub(super) fn credentials(&self) -> Option<v5::Login> {
        let user = self.user.as_ref()?;
        Some(v5::Login::new(&user.name, &user.password))
    }
}

/// Returns true for an error of TLS itself, which another attempt would meet again.
pub(super) fn is_of_tls(error: &io::Error) -> bool {
    tls_error(error).is_some()
}

/// Returns the TLS error behind an I/O error, if there is one.
pub(crate) fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoginError> {
    let found = CertificateDer::pem_file_iter(path).map_err(unread(path))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(unread(path))?;
    match found.is_empty() {
        true => Err(LoginError::Empty(path.display().to_string())),
        false => Ok(found),
    }
}

fn unread(path: &Path) -> impl Fn(pem::Error) -> LoginError {
    let path = path.display().to_string();
    move |cause| LoginError::File {
        path: path.clone(),
        cause,
    }
}

fn unfit(path: &Path) -> impl Fn(TlsError) -> LoginError {
    let path = path.display().to_string();
    move |cause| LoginError::Unfit {
        path: path.clone(),
        cause,
    }
}
