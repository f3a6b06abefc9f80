//! Permissions to read and to declare.
//!
//! A [`Scope`] comes from the grant of a request's bearer token. The days of a park and the scans of readings take
//! one, and give out nothing that it does not permit.

pub(crate) mod hex;

use std::sync::Arc;

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::id::{EnterpriseId, ParkId};

use crate::{error::QueryError, register::name::Name};

/// The permissions of a bearer. Its `Debug` text is part of the key of cached answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    names: Vec<Name>,
    /// The holder of the grant; `None` if everyone may do everything.
    holder: Option<Arc<str>>,
    declares: bool,
}

impl Scope {
    /// Permits everything.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            names: vec![Name::Parks],
            holder: None,
            declares: true,
        }
    }

    /// The scope of a grant of `names`.
    pub(crate) fn of_grant(names: &[String], holder: &str, declares: bool) -> Self {
        let names = names
            .iter()
            .filter_map(|n| Name::parse("names", n).ok())
            .collect();
        Self {
            names,
            holder: Some(holder.into()),
            declares,
        }
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
            Err(QueryError::Denied(name.to_string()))
        }
    }
}

impl Scope {
    /// Checks that the bearer may declare, and adds the holder of the grant to every entry.
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

    /// Refuses `name` unless all of it is permitted; for all parks, every park must be permitted, because a statement
    /// about all parks cannot be split.
    pub(crate) fn check_whole(&self, name: &Name) -> Result<(), QueryError> {
        match name {
            Name::Parks if !self.names.contains(&Name::Parks) => {
                Err(QueryError::Denied(name.to_string()))
            }
            _ => self.check(name),
        }
    }
}
