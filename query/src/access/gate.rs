//! Checks the credential of a request: a bearer token, a JSON web token, or the certificate of the connection.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use greenpark_model::day::Instant;
use greenpark_tls::Stamp;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::{
    caller::{Credential, HeldGrant, Identity},
    hex::hex,
    jwt::{self, KeysError, TOKEN_BYTES_MAX},
    role::Role,
    settings::{AccessSettings, Grant, JwtSettings},
};
use crate::{error::QueryError, register::name::Name};

/// The certificate of a connection, verified by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerCertificate {
    /// Its common name.
    pub(crate) name: Arc<str>,
    /// Its SHA-256 in hex.
    pub(crate) fingerprint: Arc<str>,
}

/// Checks credentials, and knows what the settings grant.
#[derive(Debug)]
pub(crate) struct Gate {
    /// False if nobody can prove a name: then everyone may do everything.
    closed: bool,
    /// Tokens by their SHA-256 in hex. The timing of a lookup by digest reveals nothing about a token.
    tokens: HashMap<String, KnownToken>,
    /// Callers that the settings make administrators.
    administrators: HashSet<String>,
    jwt: Option<Jwt>,
}

/// A token of the settings.
#[derive(Debug)]
struct KnownToken {
    caller: Arc<str>,
    /// What the settings grant to its bearer.
    grants: Vec<HeldGrant>,
}

/// JSON web tokens, with the issuer's keys as they were read last.
#[derive(Debug)]
struct Jwt {
    settings: JwtSettings,
    keys: RwLock<Arc<jwt::Keys>>,
    seen: Mutex<Vec<Stamp>>,
}

impl Gate {
    /// A gate by `settings`. Reads the issuer's keys.
    pub(crate) fn open(settings: &AccessSettings<'_>) -> Result<Self, KeysError> {
        let named = settings.tokens.iter().map(|token| {
            let known = KnownToken {
                caller: format!("token:{}", token.name).into(),
                grants: Vec::new(),
            };
            (token.sha256.to_lowercase(), known)
        });
        let granted = settings.grants.iter().map(|grant| {
            let digest = grant.token_sha256.to_lowercase();
            let known = KnownToken {
                caller: caller_of(grant, &digest),
                grants: held_by(grant).collect(),
            };
            (digest, known)
        });
        Ok(Self {
            closed: settings.authenticates(),
            tokens: named.chain(granted).collect(),
            administrators: settings.administrators.iter().cloned().collect(),
            jwt: settings.jwt.map(Jwt::open).transpose()?,
        })
    }

    /// True if callers must prove a name.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// The identity that the headers of a request or the certificate of its connection prove. A token in the headers
    /// decides alone: a wrong one is refused, whatever the certificate is.
    pub(crate) fn identify(
        &self,
        headers: &HeaderMap,
        certificate: Option<&PeerCertificate>,
        now: Instant,
    ) -> Result<Identity, QueryError> {
        let mut given = headers.get_all(http::header::AUTHORIZATION).iter();
        let mut identity = match given.next() {
            None => of_certificate(certificate.ok_or(QueryError::Unauthenticated)?),
            Some(header) => {
                let text = header.to_str().ok().filter(|_| given.next().is_none());
                let bearer = text.and_then(|text| text.strip_prefix("Bearer "));
                self.of_bearer(bearer.unwrap_or_default().trim(), now)?
            }
        };
        if self.administrators.contains(&*identity.caller) {
            identity.fixed.push(HeldGrant {
                role: Role::Administrator,
                on: Name::Parks,
            });
        }
        Ok(identity)
    }

    fn of_bearer(&self, token: &str, now: Instant) -> Result<Identity, QueryError> {
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Err(QueryError::Unauthenticated);
        }
        if let Some(known) = self.tokens.get(&hex(&Sha256::digest(token.as_bytes()))) {
            return Ok(Identity {
                credential: Credential::Token,
                caller: Arc::clone(&known.caller),
                issuer: "".into(),
                id: "".into(),
                fixed: known.grants.clone(),
            });
        }
        let jwt = self.jwt.as_ref().ok_or(QueryError::Unauthenticated)?;
        jwt.identify(token, now)
    }

    /// Reads the issuer's keys again if their file changed. A wrong file is logged, and the keys read before stay.
    pub(crate) fn refresh(&self) {
        if let Some(jwt) = &self.jwt {
            jwt.refresh();
        }
    }
}

fn of_certificate(certificate: &PeerCertificate) -> Identity {
    Identity {
        credential: Credential::Certificate,
        caller: format!("certificate:{}", certificate.name).into(),
        issuer: "".into(),
        id: Arc::clone(&certificate.fingerprint),
        fixed: Vec::new(),
    }
}

/// A token without a holder is named by its digest, so that no two are one caller.
fn caller_of(grant: &Grant, digest: &str) -> Arc<str> {
    match grant.holder.trim() {
        "" => format!("token:{}", &digest[..12.min(digest.len())]).into(),
        holder => format!("token:{holder}").into(),
    }
}

fn held_by(grant: &Grant) -> impl Iterator<Item = HeldGrant> {
    let role = match grant.declares {
        true => Role::Operator,
        false => Role::Auditor,
    };
    let names = grant.names.iter();
    let names = names.filter_map(|name| Name::parse("names", name).ok());
    names.map(move |on| HeldGrant { role, on })
}

impl Jwt {
    fn open(settings: &JwtSettings) -> Result<Self, KeysError> {
        let seen = stamp(&settings.keys);
        Ok(Self {
            settings: settings.clone(),
            keys: RwLock::new(Arc::new(jwt::read_keys(&settings.keys)?)),
            seen: Mutex::new(seen),
        })
    }

    fn identify(&self, token: &str, now: Instant) -> Result<Identity, QueryError> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let claims = jwt::check(token, &keys, &self.settings, now);
        let claims = claims.map_err(|refused| match refused {
            jwt::Refused::Invalid => QueryError::Unauthenticated,
            jwt::Refused::OutOfTime => QueryError::OutOfTime,
        })?;
        Ok(Identity {
            credential: Credential::Jwt,
            caller: format!("jwt:{}", claims.subject).into(),
            issuer: claims.issuer.into(),
            id: claims.id.into(),
            fixed: Vec::new(),
        })
    }

    fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.settings.keys);
        if *seen == now {
            return;
        }
        *seen = now;
        match jwt::read_keys(&self.settings.keys) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                info!("read the keys of query.jwt again");
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "the file of query.jwt.keys has changed and is wrong; the keys read before stay"
            ),
        }
    }
}

fn stamp(keys: &Path) -> Vec<Stamp> {
    greenpark_tls::stamps([keys].into_iter())
}
