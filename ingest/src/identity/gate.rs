//! Who may come in: the files of the settings, read again when they change, and the proof of a name.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::{
    ClientCertificate, Refusal,
    access::{Access, Grant},
    certificate,
    checks::{Checks, Proved},
    password::{PasswordError, Users},
};
use crate::settings::ListenSettings;

/// A file of the identity settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// It cannot be read.
    #[error("read {path}, which the listen settings name")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        cause: io::Error,
    },
    /// It is no PEM.
    #[error("read the PEM file {path}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: rustls::pki_types::pem::Error,
    },
    /// It has no certificate.
    #[error("{path} has no certificate")]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// TLS does not take it.
    #[error("use {path} for TLS")]
    Tls {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: rustls::Error,
    },
    /// It is no password file.
    #[error("read the password file {path}")]
    Users {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: PasswordError,
    },
    /// It is no access list.
    #[error("read the access list {path}: {reason}")]
    Access {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What all connections of a listener ask.
#[derive(Debug)]
pub(crate) struct Gate {
    settings: ListenSettings,
    doors: RwLock<Arc<Doors>>,
    seen: Mutex<Vec<Stamp>>,
    checks: Checks,
}

/// The files as they were read last.
pub(crate) struct Doors {
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether a certificate is asked for, and must be there.
    certificates: Option<ClientCertificate>,
    users: Option<Arc<Users>>,
    proved: Arc<Proved>,
    access: Access,
}

/// What a client shows of itself.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    /// Its certificate, verified.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) client_id: &'a str,
    /// From where.
    pub(crate) address: IpAddr,
}

/// A client that has proved its name.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) name: String,
    pub(crate) grant: Arc<Grant>,
}

/// By which a file is known to have changed.
type Stamp = Option<(SystemTime, u64)>;

impl std::fmt::Debug for Doors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doors")
            .field("tls", &self.tls.is_some())
            .field("certificates", &self.certificates)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// Reads the files that `settings` name.
    pub(crate) fn open(settings: &ListenSettings) -> Result<Self, GateError> {
        let seen = stamps(settings);
        Ok(Self {
            settings: settings.clone(),
            doors: RwLock::new(Arc::new(Doors::open(settings)?)),
            seen: Mutex::new(seen),
            checks: Checks::default(),
        })
    }

    /// Whether there are files that may change.
    pub(crate) fn has_files(&self) -> bool {
        files(&self.settings).next().is_some()
    }

    /// The files as they were read last.
    pub(crate) fn doors(&self) -> Arc<Doors> {
        Arc::clone(&self.doors.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if one has changed; clients that are connected stay as they were let in.
    /// Files that are wrong change nothing, and are named once.
    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.settings);
        if *seen == now {
            return;
        }
        *seen = now;
        match Doors::open(&self.settings) {
            Ok(doors) => {
                *self.doors.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(doors);
                info!("read certificates, users and access list again");
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "a file of the listener has changed and is wrong; what was read before stays"
            ),
        }
    }

    /// Lets a client in, by its name; `None` where nobody has to prove one.
    pub(crate) async fn admit(
        &self,
        doors: &Doors,
        shown: Shown<'_>,
    ) -> Result<Option<Admitted>, Refusal> {
        if doors.users.is_none() && doors.certificates.is_none() {
            return Ok(None);
        }
        let certified = match &shown.certificate {
            Some(shown) => Some(certificate::common_name(shown).ok_or(Refusal::NoName)?),
            None => None,
        };
        if certified.is_none() && doors.certificates == Some(ClientCertificate::Required) {
            return Err(Refusal::NoCredentials);
        }
        let username = shown.username.filter(|name| !name.is_empty());
        let alone = doors.certificates == Some(ClientCertificate::Optional) && certified.is_some();
        match (&doors.users, username) {
            (Some(users), Some(name)) => {
                let password = shown.password.unwrap_or_default();
                let of = (users, &doors.proved);
                let asked = (name.to_owned(), password);
                if !self.checks.check(of, asked, shown.address).await? {
                    return Err(Refusal::BadCredentials);
                }
            }
            (Some(_), None) if !alone => return Err(Refusal::NoCredentials),
            // A name that nothing proves.
            (None, _) if certified.is_none() => return Err(Refusal::NoCredentials),
            _ => {}
        }
        let name = match (certified, username) {
            (Some(certified), Some(name)) if certified != name => return Err(Refusal::OtherName),
            (Some(certified), _) => certified,
            (None, Some(name)) => name.to_owned(),
            (None, None) => return Err(Refusal::NoCredentials),
        };
        if !doors.access.admits_client_id(&name, shown.client_id) {
            return Err(Refusal::ClientId);
        }
        let grant = Arc::new(doors.access.grant(&name));
        Ok(Some(Admitted { name, grant }))
    }
}

impl Doors {
    /// Whether clients have to show a password.
    pub(crate) fn asks_for_passwords(&self) -> bool {
        self.users.is_some()
    }

    fn open(settings: &ListenSettings) -> Result<Self, GateError> {
        let tls = settings.tls.as_ref();
        let acceptor = tls.map(certificate::server_config).transpose()?;
        let users = settings.users.as_ref().map(|users| {
            let parsed = Users::parse(&read(&users.file)?);
            let path = users.file.clone();
            parsed.map_err(|cause| GateError::Users { path, cause })
        });
        let access = settings.access.as_ref().map(|access| {
            let parsed = Access::parse(&read(&access.file)?);
            let path = access.file.clone();
            parsed.map_err(|reason| GateError::Access { path, reason })
        });
        let certificates = tls.filter(|tls| tls.client_ca.is_some()).map(|tls| {
            let asked = tls.client_certificate;
            asked.unwrap_or(ClientCertificate::Required)
        });
        Ok(Self {
            tls: acceptor.map(|config| TlsAcceptor::from(Arc::new(config))),
            certificates,
            users: users.transpose()?.map(Arc::new),
            proved: Arc::default(),
            access: access.transpose()?.unwrap_or_else(Access::own),
        })
    }
}

fn read(path: &Path) -> Result<String, GateError> {
    fs::read_to_string(path).map_err(|cause| GateError::File {
        path: path.to_owned(),
        cause,
    })
}

fn files(settings: &ListenSettings) -> impl Iterator<Item = &Path> {
    let tls = settings.tls.iter();
    let tls = tls.flat_map(|tls| {
        [
            Some(&tls.certificate),
            Some(&tls.key),
            tls.client_ca.as_ref(),
        ]
    });
    let users = settings.users.as_ref().map(|users| &users.file);
    let access = settings.access.as_ref().map(|access| &access.file);
    let all = tls.chain([users, access]);
    all.flatten().map(PathBuf::as_path)
}

fn stamps(settings: &ListenSettings) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files(settings).map(stamp).collect()
}
