//! Authenticates clients against the files of the listen settings, and reloads the files when they
//! change.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use greenpark_tls::{
    ClientCertificate, Stamp, TlsSettings, client_verifier, common_name, server_config,
};
use rustls::{
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::{
    GatewayGrants, Principal, Refusal,
    access_list::{AccessList, Grant},
    error::AuthFileError,
    password::Users,
    password_checks::{PasswordChecks, PasswordFile},
    principal::Proof,
};
use crate::settings::ListenSettings;

/// Authenticates the clients of a listener; all its connections share it.
#[derive(Debug)]
pub(crate) struct Authenticator {
    settings: ListenSettings,
    files: RwLock<Arc<AuthFiles>>,
    seen: Mutex<Vec<Stamp>>,
    password_checks: PasswordChecks,
    /// Grants that are recorded outside the settings; they change while clients are connected.
    recorded: watch::Receiver<Arc<GatewayGrants>>,
}

/// Returns the files as they were read last.
pub(crate) struct AuthFiles {
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether clients must present a certificate; `None` if the listener does not ask for one.
    certificates: Option<ClientCertificate>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    users: Option<PasswordFile>,
    access: AccessList,
}

/// The credentials that a client presents.
#[derive(Debug)]
pub(crate) struct Credentials<'a> {
    /// The client's certificate, verified by TLS, and those that lead to its authority.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) client_id: &'a str,
    /// The address that the client connects from.
    pub(crate) address: IpAddr,
}

impl std::fmt::Debug for AuthFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthFiles")
            .field("tls", &self.tls.is_some())
            .field("certificates", &self.certificates)
            .field("users", &self.users.is_some())
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Reads the files that `settings` name; follows `recorded` if the settings say so.
    pub(crate) fn open(
        settings: &ListenSettings,
        recorded: watch::Receiver<Arc<GatewayGrants>>,
    ) -> Result<Self, AuthFileError> {
        let seen = stamps(settings);
        Ok(Self {
            settings: settings.clone(),
            files: RwLock::new(Arc::new(AuthFiles::open(settings)?)),
            seen: Mutex::new(seen),
            password_checks: PasswordChecks::default(),
            recorded,
        })
    }

    /// Returns true if the settings name files, which may change.
    pub(crate) fn has_files(&self) -> bool {
        files(&self.settings).next().is_some()
    }

    /// Returns the files as they were read last.
    pub(crate) fn files(&self) -> Arc<AuthFiles> {
        Arc::clone(&self.files.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if one has changed; returns true if that succeeded. If a file is invalid, the old
    /// contents stay in use and one warning is logged.
    pub(crate) fn refresh(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.settings);
        if *seen == now {
            return false;
        }
        *seen = now;
        match AuthFiles::open(&self.settings) {
            Ok(files) => {
                *self.files.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
                info!("read certificates, users and access list again");
                true
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "a file of the listener has changed and is wrong; what was read before stays"
                );
                false
            }
        }
    }

    /// Returns true if `principal` could connect now with this client id, and would get the same rights.
    pub(crate) fn still_permits(&self, principal: &Principal, client_id: &str) -> bool {
        let (files, proof) = (self.files(), &principal.proof);
        if let Some((own, authorities)) = proof.certificates.split_first() {
            let verified = files
                .verifier
                .as_ref()
                .map(|verifier| verifier.verify_client_cert(own, authorities, UnixTime::now()));
            if verified.is_none_or(|verified| verified.is_err()) {
                return false;
            }
        }
        if let Some(hash) = &proof.password {
            let users = files.users.as_ref();
            if users.and_then(|users| users.hash(&principal.name)) != Some(hash) {
                return false;
            }
        }
        let grant = self.grant(&files, &principal.name, proof);
        files.access.admits_client_id(&principal.name, client_id) && grant == *principal.grant
    }

    fn grant(&self, files: &AuthFiles, name: &str, proof: &Proof) -> Grant {
        let recorded = match self.settings.follows_grants() {
            true => Arc::clone(&self.recorded.borrow()),
            false => Arc::default(),
        };
        files.access.grant(name, recorded.of(&proof.caller(name)))
    }

    /// Authenticates a client; `None` if no client has to prove a name.
    pub(crate) async fn authenticate(
        &self,
        files: &AuthFiles,
        credentials: Credentials<'_>,
    ) -> Result<Option<Principal>, Refusal> {
        if files.users.is_none() && files.certificates.is_none() {
            return Ok(None);
        }
        let certified = match credentials.certificates.first() {
            Some(certificate) => Some(common_name(certificate).ok_or(Refusal::NoName)?),
            None => None,
        };
        if certified.is_none() && files.certificates == Some(ClientCertificate::Required) {
            return Err(Refusal::NoCredentials);
        }
        let username = credentials.username.filter(|name| !name.is_empty());
        let alone = files.certificates == Some(ClientCertificate::Optional) && certified.is_some();
        let mut hash = None;
        match (&files.users, username) {
            (Some(file), Some(name)) => {
                hash = file.hash(name).cloned();
                let password = credentials.password.unwrap_or_default();
                let (name, address) = (name.to_owned(), credentials.address);
                if !self
                    .password_checks
                    .check(file, name, password, address)
                    .await?
                {
                    return Err(Refusal::BadCredentials);
                }
            }
            (Some(_), None) if !alone => return Err(Refusal::NoCredentials),
            // A user name without a proof.
            (None, _) if certified.is_none() => return Err(Refusal::NoCredentials),
            _ => {}
        }
        let name = match (certified, username) {
            (Some(certified), Some(name)) if certified != name => return Err(Refusal::OtherName),
            (Some(certified), _) => certified,
            (None, Some(name)) => name.to_owned(),
            (None, None) => return Err(Refusal::NoCredentials),
        };
        if !files.access.admits_client_id(&name, credentials.client_id) {
            return Err(Refusal::ClientId);
        }
        let proof = Proof {
            certificates: credentials.certificates,
            password: hash,
        };
        Ok(Some(Principal {
            grant: Arc::new(self.grant(files, &name, &proof)),
            name,
            proof,
        }))
    }
}

impl AuthFiles {
    /// Returns true if clients must present a password.
    pub(crate) fn requires_passwords(&self) -> bool {
        self.users.is_some()
    }

    fn open(settings: &ListenSettings) -> Result<Self, AuthFileError> {
        let tls = settings.tls.as_ref();
        let acceptor = tls.map(server_config).transpose()?;
        let users = settings.users.as_ref().map(|users| {
            let parsed = Users::parse(&read(&users.file)?);
            let path = users.file.clone();
            parsed.map_err(|cause| AuthFileError::Users { path, cause })
        });
        let access = settings.access.as_ref().map(|access| match &access.file {
            None => Ok(AccessList::empty()),
            Some(path) => AccessList::parse(&read(path)?).map_err(|reason| {
                let path = path.clone();
                AuthFileError::AccessList { path, reason }
            }),
        });
        let certificates = tls.and_then(TlsSettings::asks_for);
        Ok(Self {
            tls: acceptor.map(|config| TlsAcceptor::from(Arc::new(config))),
            certificates,
            verifier: tls.map(client_verifier).transpose()?.flatten(),
            users: users.transpose()?.map(PasswordFile::new),
            access: access.transpose()?.unwrap_or_else(AccessList::own),
        })
    }
}

fn read(path: &Path) -> Result<String, AuthFileError> {
    fs::read_to_string(path).map_err(|cause| AuthFileError::File {
        path: path.to_owned(),
        cause,
    })
}

fn files(settings: &ListenSettings) -> impl Iterator<Item = &Path> {
    let tls = settings.tls.iter().flat_map(TlsSettings::files);
    let users = settings.users.as_ref().map(|users| users.file.as_path());
    let access = settings.access.as_ref();
    let access = access.and_then(|access| access.file.as_deref());
    tls.chain([users, access].into_iter().flatten())
}

fn stamps(settings: &ListenSettings) -> Vec<Stamp> {
    greenpark_tls::stamps(files(settings))
}
