//! The names that a caller may read, or write.
//!
//! A [`Scope`] comes from a [`Caller`](super::caller::Caller). The days of a park and the scans of readings take
//! one, and give out nothing that it does not permit.

use std::sync::Arc;

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::id::{EnterpriseId, ParkId};

use super::role::Right;
use crate::{error::QueryError, register::name::Name};

/// The names that a caller may read or write. Its `Debug` text is part of the key of cached answers, so a scope to read
/// does not name its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    names: Vec<Name>,
    writer: Writer,
}

/// Who writes in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Writer {
    /// Nobody: the scope is to read.
    Nobody,
    /// Anyone: the service is open.
    Anyone,
    /// The caller with this name.
    Caller(Arc<str>),
}

impl Scope {
    /// Permits everything: the scope of an open service.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            names: vec![Name::Parks],
            writer: Writer::Anyone,
        }
    }

    /// A scope to read `names`.
    pub(crate) fn read(names: Vec<Name>) -> Self {
        Self {
            names,
            writer: Writer::Nobody,
        }
    }

    /// A scope in which `caller` writes `names`.
    pub(crate) fn write(names: Vec<Name>, caller: Arc<str>) -> Self {
        Self {
            names,
            writer: Writer::Caller(caller),
        }
    }

    /// The name of the caller that writes in it; empty in a scope to read.
    pub(crate) fn writer(&self) -> &str {
        match &self.writer {
            Writer::Nobody => "",
            Writer::Anyone => "anyone",
            Writer::Caller(caller) => caller,
        }
    }

    /// True if it permits at least what `other` permits.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let names = other.names.iter();
        names
            .map(|name| self.check_whole(name))
            .all(|checked| checked.is_ok())
    }

    /// True if the service is open.
    pub(crate) fn is_open(&self) -> bool {
        self.writer == Writer::Anyone
    }

    /// True if every enterprise of `park` is permitted.
    #[must_use]
    pub fn permits_park(&self, park: &ParkId) -> bool {
        self.names.iter().any(|name| match name {
            Name::Parks => true,
            Name::Park(p) => p == park,
            _ => false,
        })
    }

    /// The parks of the enterprises that are permitted by name.
    pub(crate) fn enterprise_parks(&self) -> impl Iterator<Item = &ParkId> {
        self.names.iter().filter_map(|name| match name {
            Name::Enterprise(park, _) => Some(park),
            _ => None,
        })
    }

    /// True if `enterprise` of `park` is permitted.
    #[must_use]
    pub fn permits(&self, park: &ParkId, enterprise: &EnterpriseId) -> bool {
        self.permits_park(park)
            || self
                .names
                .iter()
                .any(|name| matches!(name, Name::Enterprise(p, e) if p == park && e == enterprise))
    }

    /// True if anything of `park` is permitted.
    #[must_use]
    pub fn sees(&self, park: &ParkId) -> bool {
        self.permits_park(park) || self.names.iter().any(|name| name.park() == Some(park))
    }

    /// Refuses `name` unless all of it is permitted.
    pub(crate) fn check(&self, name: &Name) -> Result<(), QueryError> {
        let permitted = match name {
            // A question about all parks is answered for the permitted ones.
            Name::Parks => true,
            Name::Park(park) | Name::Enterprises(park) => self.permits_park(park),
            Name::Enterprise(park, enterprise) | Name::Meter(park, enterprise, _) => {
                self.permits(park, enterprise)
            }
        };
        if permitted {
            Ok(())
        } else {
            Err(QueryError::Hidden(name.to_string()))
        }
    }
}

impl Scope {
    /// The same error, without the names that this scope does not permit.
    pub(crate) fn hide(&self, error: QueryError) -> QueryError {
        match error {
            QueryError::NotFound { name, .. } if !self.is_open() && name.starts_with("parks/") => {
                QueryError::Hidden(name)
            }
            other => other,
        }
    }

    /// Names the caller as the author of every entry. What a request says of its author moves to the evidence, for
    /// nobody proved it; the name of the grant that allowed the entry stands beside it.
    pub(crate) fn sign(&self, entries: &mut [ReferenceEntry]) -> Result<(), QueryError> {
        let caller = match &self.writer {
            Writer::Nobody => return Err(QueryError::NoRight(Right::Declare.to_string())),
            Writer::Anyone => return Ok(()),
            Writer::Caller(caller) => caller,
        };
        for entry in entries {
            let stated = std::mem::replace(&mut entry.recorded_by, caller.to_string());
            let granted = self.granted_on(&entry.subject);
            let by = format!("stated by {stated}, granted on {granted}");
            entry.evidence = match entry.evidence.is_empty() {
                true => by,
                false => format!("{} ({by})", entry.evidence),
            };
        }
        Ok(())
    }

    /// The granted name that covers the entry's `subject`.
    fn granted_on(&self, subject: &str) -> String {
        let subject = Name::parse("subject", subject).ok();
        let covering = self.names.iter().find(|granted| {
            let alone = Self::read(vec![(*granted).clone()]);
            subject
                .as_ref()
                .is_some_and(|name| alone.check_whole(name).is_ok())
        });
        covering.map(Name::to_string).unwrap_or_default()
    }

    /// Refuses `name` unless all of it is permitted; for all parks, every park must be permitted, because a statement
    /// about all parks cannot be split.
    pub(crate) fn check_whole(&self, name: &Name) -> Result<(), QueryError> {
        match name {
            Name::Parks if !self.names.contains(&Name::Parks) => {
                Err(QueryError::Hidden(name.to_string()))
            }
            _ => self.check(name),
        }
    }
}
