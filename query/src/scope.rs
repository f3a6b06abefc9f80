//! Who may read and declare what.
//!
//! A [`Scope`] is made from a request's metadata and nothing else; every question to the books takes
//! one, so what it does not permit is never planned.

pub(crate) mod hex;

use std::sync::Arc;

use greenpark_archive::reference::ReferenceEntry;
use greenpark_model::id::{EnterpriseId, ParkId};

use crate::{error::QueryError, register::name::Name};

/// What a bearer may read and declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    names: Vec<Name>,
    /// Whose grant it is of; `None` where everyone may everything.
    holder: Option<Arc<str>>,
    declares: bool,
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

    /// What a grant of `names` permits.
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
