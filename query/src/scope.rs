//! Who may read and declare what.
//!
//! A [`Scope`] is made from a request's metadata and nothing else; every question to the books takes
//! one, so what it does not permit is never planned.

use std::{collections::HashMap, sync::Arc};

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::id::{EnterpriseId, ParkId};
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;

use crate::{
    error::QueryError,
    name::Name,
    paging::{hex, unhex},
    settings::Grant,
};

/// What a bearer may read and declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    names: Vec<Name>,
    /// Whose grant it is of; `None` where everyone may everything.
    holder: Option<Arc<str>>,
    declares: bool,
}

/// Makes scopes of requests.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Scopes by SHA-256 of their token in hex; `None` where everyone may everything. Looking up a
    /// digest tells an attacker nothing of a token by its timing.
    scopes: Option<HashMap<String, Scope>>,
}

impl Scope {
    /// Everything.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            names: vec![Name::Parks],
            holder: None,
            declares: true,
        }
    }

    /// Whether every enterprise of `park` is permitted.
    #[must_use]
    pub fn permits_park(&self, park: &ParkId) -> bool {
        self.names.iter().any(|name| match name {
            Name::Parks => true,
            Name::Park(p) => p == park,
            _ => false,
        })
    }

    /// Whether `enterprise` of `park` is permitted.
    #[must_use]
    pub fn permits(&self, park: &ParkId, enterprise: &EnterpriseId) -> bool {
        self.permits_park(park)
            || self
                .names
                .iter()
                .any(|name| matches!(name, Name::Enterprise(p, e) if p == park && e == enterprise))
    }

    /// Whether anything of `park` is permitted.
    #[must_use]
    pub fn sees(&self, park: &ParkId) -> bool {
        self.permits_park(park) || self.names.iter().any(|name| name.park() == Some(park))
    }

    /// Refuses `name` unless all of it is permitted.
    pub(crate) fn check(&self, name: &Name) -> Result<(), QueryError> {
        let permitted = match name {
            // A question about all parks is answered with those that are permitted.
            Name::Parks => true,
            Name::Park(park) | Name::Enterprises(park) => self.permits_park(park),
            Name::Enterprise(park, enterprise) | Name::Meter(park, enterprise, _) => {
                self.permits(park, enterprise)
            }
        };
        if permitted {
            Ok(())
        } else {
            Err(QueryError::Denied(name.to_string()))
        }
    }
}

impl Scope {
    /// Lets its bearer declare, and says in every entry whose grant that is by.
    pub(crate) fn sign(&self, entries: &mut [ReferenceEntry]) -> Result<(), QueryError> {
        if !self.declares {
            return Err(QueryError::MayNotDeclare);
        }
        if let Some(holder) = &self.holder {
            for entry in entries {
                entry.recorded_by = format!("{} (grant of {holder})", entry.recorded_by);
            }
        }
        Ok(())
    }

    /// Refuses `name` unless all of it is permitted, and every park where it is all parks: what is said
    /// or told of them together is nobody's part.
    pub(crate) fn check_whole(&self, name: &Name) -> Result<(), QueryError> {
        match name {
            Name::Parks if !self.names.contains(&Name::Parks) => {
                Err(QueryError::Denied(name.to_string()))
            }
            _ => self.check(name),
        }
    }
}

impl Gate {
    pub(crate) fn new(grants: &[Grant]) -> Self {
        if grants.is_empty() {
            return Self { scopes: None };
        }
        let scopes = grants
            .iter()
            .map(|grant| {
                let names = grant
                    .names
                    .iter()
                    .filter_map(|n| Name::parse("names", n).ok())
                    .collect();
                let scope = Scope {
                    names,
                    holder: Some(grant.holder.as_str().into()),
                    declares: grant.declares,
                };
                (grant.token_sha256.to_lowercase(), scope)
            })
            .collect();
        Self {
            scopes: Some(scopes),
        }
    }

    /// The scope of a request with this metadata.
    pub(crate) fn admit(&self, metadata: &MetadataMap) -> Result<Scope, QueryError> {
        let Some(scopes) = &self.scopes else {
            return Ok(Scope::everything());
        };
        let token = metadata
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(QueryError::Unauthenticated)?;
        let digest = hex(&Sha256::digest(token.trim().as_bytes()));
        scopes
            .get(&digest)
            .cloned()
            .ok_or(QueryError::Unauthenticated)
    }
}

/// Adds a sentence to `problems` for everything that is wrong with `grant`, which stands at `place`.
pub(crate) fn check_grant(grant: &Grant, place: &str, problems: &mut Vec<String>) {
    if unhex(&grant.token_sha256).is_none_or(|digest| digest.len() != 32) {
        problems.push(format!("{place}.token_sha256: is not a SHA-256 in hex"));
    }
    if grant.declares && grant.holder.trim().is_empty() {
        problems.push(format!(
            "{place}.holder: is empty; say whose token it is, for what is declared with it is recorded under that name"
        ));
    }
    if grant.holder.chars().any(char::is_control) {
        problems.push(format!("{place}.holder: holds what is no text"));
    }
    if grant.names.is_empty() {
        problems.push(format!(
            "{place}.names: is empty, so the token would reach nothing"
        ));
    }
    for name in &grant.names {
        let fits = matches!(
            Name::parse("names", name),
            Ok(Name::Parks | Name::Park(_) | Name::Enterprise(..))
        );
        if !fits {
            problems.push(format!(
                "{place}.names: '{name}' is none of parks/-, parks/P and parks/P/enterprises/E"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reaches_what_it_was_granted_and_no_more() {
        let grant = |token: &str, name: &str| Grant {
            token_sha256: hex(&Sha256::digest(token.as_bytes())),
            names: vec![name.to_owned()],
            holder: "tests".to_owned(),
            declares: false,
        };
        let gate = Gate::new(&[grant("a", "parks/p"), grant("b", "parks/p/enterprises/e")]);
        let admit = |token: &str| {
            let mut metadata = MetadataMap::new();
            let value = format!("Bearer {token}").parse().expect("ascii");
            metadata.insert("authorization", value);
            gate.admit(&metadata)
        };
        let (park, other) = (
            ParkId::new("p").expect("an id"),
            ParkId::new("q").expect("an id"),
        );
        let enterprise = EnterpriseId::new("e").expect("an id");
        let whole = admit("a").expect("known");
        assert!(whole.permits_park(&park) && !whole.sees(&other));
        let one = admit("b").expect("known");
        assert!(one.permits(&park, &enterprise) && !one.permits_park(&park) && one.sees(&park));
        assert!(one.check(&Name::Park(park)).is_err());
        assert!(matches!(admit("c"), Err(QueryError::Unauthenticated)));
        assert!(gate.admit(&MetadataMap::new()).is_err());
        assert_eq!(
            Gate::new(&[]).admit(&MetadataMap::new()).expect("open"),
            Scope::everything()
        );
    }
}
