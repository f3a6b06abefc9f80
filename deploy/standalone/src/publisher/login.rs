//! Who a publisher is to its server, and how it makes sure of the server.

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
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
    },
};

/// What a publisher shows and asks for; nothing by default.
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
    /// PEM file of the certificate, and of those between it and the authority.
    pub certificate: &'a Path,
    /// PEM file of its key.
    pub key: &'a Path,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file that is not there or no PEM.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        cause: pem::Error,
    },
    /// A file without a certificate.
    #[error("there is no certificate in {0}")]
    Empty(String),
    /// A certificate or key that cannot be used.
    #[error("cannot use {path}")]
    Unfit {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: TlsError,
    },
    /// No certificate can have this name.
    #[error("'{0}' is no name or address of a server")]
    Server(String),
}

/// A connection, whatever lies below MQTT.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// See [`Duplex`].
pub(crate) type Stream = Box<dyn Duplex>;

impl fmt::Debug for User {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS to `server`, whose certificate an authority in the PEM file `ca` must have signed; `own` is shown
    /// to a server that asks.
    ///
    /// # Errors
    /// [`LoginError`] of a file that cannot be used, or of a name that none can have.
    pub fn new(server: &str, ca: &Path, own: Option<Pair<'_>>) -> Result<Self, LoginError> {
        let named = ServerName::try_from(server.to_owned());
        let server = named.map_err(|_| LoginError::Server(server.to_owned()))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ca)? {
            roots.add(root).map_err(unfit(ca))?;
        }
        // Whatever provider the process has.
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
    /// Makes the handshake, if there is one to make.
    pub(super) async fn secure(&self, stream: TcpStream) -> io::Result<Stream> {
        let Some(Tls { config, server }) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Box::new(connector.connect(server.clone(), stream).await?))
    }

    /// What CONNECT carries.
    pub(super) fn credentials(&self) -> Option<v5::Login> {
        let user = self.user.as_ref()?;
        Some(v5::Login::new(&user.name, &user.password))
    }
}

/// Whether an error is one of TLS itself, which another attempt would meet again.
pub(super) fn is_of_tls(error: &io::Error) -> bool {
    tls_error(error).is_some()
}

/// What TLS says, where an error is one of TLS itself.
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
