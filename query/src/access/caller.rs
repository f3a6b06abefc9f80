//! An authenticated caller, with the grants in force.

use std::sync::Arc;

use super::{
    role::{Right, Role},
    scope::Scope,
};
use crate::{error::QueryError, register::name::Name};

/// Grants of a caller that a record of the access log names.
const GRANTS_NAMED: usize = 4;

/// How a caller proved its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// None: the service is open.
    None,
    /// A client certificate, by its common name.
    Certificate,
    /// A bearer token of the settings.
    Token,
    /// A signed JSON web token, by its subject.
    Jwt,
}

/// A grant of a caller that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldGrant {
    pub(crate) role: Role,
    /// `parks/-`, a park, or an enterprise.
    pub(crate) on: Name,
}

/// The name that a credential proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) credential: Credential,
    /// `certificate:NAME`, `token:NAME` or `jwt:SUBJECT`: names of different credentials never mix.
    pub(crate) caller: Arc<str>,
    /// The issuer of the credential; empty for a token of the settings.
    pub(crate) issuer: Arc<str>,
    /// The fingerprint of a certificate, or the id of a JSON web token; empty for other credentials.
    pub(crate) id: Arc<str>,
    /// What the settings grant with this credential.
    pub(crate) fixed: Vec<HeldGrant>,
}

/// An authenticated caller, with the grants in force.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) identity: Identity,
    /// The grants in force; `None` at an open service, where everyone may do everything.
    pub(crate) grants: Option<Arc<[HeldGrant]>>,
}

impl Caller {
    /// Anyone, at an open service.
    pub(crate) fn anyone() -> Self {
        Self {
            identity: Identity {
                credential: Credential::None,
                caller: "anyone".into(),
                issuer: "".into(),
                id: "".into(),
                fixed: Vec::new(),
            },
            grants: None,
        }
    }

    /// The names that the caller's grants permit for `right`.
    ///
    /// # Errors
    /// No grant of the caller gives the right.
    pub(crate) fn scope(&self, right: Right) -> Result<Scope, QueryError> {
        let Some(grants) = &self.grants else {
            return Ok(Scope::everything());
        };
        let held: Vec<&HeldGrant> = grants.iter().filter(|g| g.role.has(right)).collect();
        if held.is_empty() && right != Right::Identify {
            return Err(QueryError::NoRight(right.to_string()));
        }
        let mut names: Vec<Name> = held.iter().map(|grant| grant.on.clone()).collect();
        names.sort();
        names.dedup();
        Ok(match right {
            Right::Identify | Right::Read => Scope::read(names),
            Right::Declare | Right::Register | Right::Administer => {
                Scope::write(names, Arc::clone(&self.identity.caller))
            }
        })
    }

    /// The grants that give `right`, such as `auditor on parks/east`; the first of many.
    pub(crate) fn determined_by(&self, right: Right) -> String {
        let Some(grants) = &self.grants else {
            return "query.open".to_owned();
        };
        let mut held = grants.iter().filter(|grant| grant.role.has(right));
        let first: Vec<String> = held
            .by_ref()
            .take(GRANTS_NAMED)
            .map(|HeldGrant { role, on }| format!("{role} on {on}"))
            .collect();
        match held.count() {
            0 => first.join(", "),
            more => format!("{} and {more} more", first.join(", ")),
        }
    }
}
