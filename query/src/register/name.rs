//! Resource names: `parks/P`, `parks/P/enterprises/E`, `parks/P/enterprises/E/meters/M`; `-` matches all.

use std::fmt;

use greenpark_model::id::{EnterpriseId, MeterId, ParkId};

use crate::error::QueryError;

/// The name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `parks/-`.
    Parks,
    /// `parks/P`.
    Park(ParkId),
    /// `parks/P/enterprises/-`.
    Enterprises(ParkId),
    /// `parks/P/enterprises/E`.
    Enterprise(ParkId, EnterpriseId),
    /// `parks/P/enterprises/E/meters/M`.
    Meter(ParkId, EnterpriseId, MeterId),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parks => f.write_str("parks/-"),
            Self::Park(park) => write!(f, "parks/{park}"),
            Self::Enterprises(park) => write!(f, "parks/{park}/enterprises/-"),
            Self::Enterprise(park, enterprise) => {
                write!(f, "parks/{park}/enterprises/{enterprise}")
            }
            Self::Meter(park, enterprise, meter) => {
                write!(f, "parks/{park}/enterprises/{enterprise}/meters/{meter}")
            }
        }
    }
}

impl Name {
    /// Parses `text`, the value of the request's `field`.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, QueryError> {
        let parts: Vec<&str> = text.split('/').collect();
        let id =
            |problem: greenpark_model::id::IdError| QueryError::invalid(field, problem.to_string());
        match parts.as_slice() {
            ["parks", "-"] => Ok(Self::Parks),
            ["parks", park] => Ok(Self::Park(ParkId::new(park).map_err(id)?)),
            ["parks", park, "enterprises", "-"] => {
                Ok(Self::Enterprises(ParkId::new(park).map_err(id)?))
            }
            ["parks", park, "enterprises", enterprise] => Ok(Self::Enterprise(
                ParkId::new(park).map_err(id)?,
                EnterpriseId::new(enterprise).map_err(id)?,
            )),
            ["parks", park, "enterprises", enterprise, "meters", meter] => Ok(Self::Meter(
                ParkId::new(park).map_err(id)?,
                EnterpriseId::new(enterprise).map_err(id)?,
                MeterId::new(meter).map_err(id)?,
            )),
            _ => Err(QueryError::invalid(field, unreadable(text))),
        }
    }

    /// The park, unless the name matches all parks.
    #[must_use]
    pub fn park(&self) -> Option<&ParkId> {
        match self {
            Self::Parks => None,
            Self::Park(park) | Self::Enterprises(park) => Some(park),
            Self::Enterprise(park, _) | Self::Meter(park, _, _) => Some(park),
        }
    }

    /// The error for a name that is not one of the `wanted` forms.
    pub(crate) fn unfit(&self, field: &str, wanted: &str) -> QueryError {
        QueryError::invalid(field, format!("'{self}' does not fit here; write {wanted}"))
    }
}

fn unreadable(text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    format!(
        "'{start}' is no name; write parks/P, parks/P/enterprises/E or parks/P/enterprises/E/meters/M, \
         with '-' for every one"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_as_they_are_read() {
        for text in [
            "parks/-",
            "parks/a",
            "parks/a/enterprises/-",
            "parks/a/enterprises/b",
            "parks/a/enterprises/b/meters/c",
        ] {
            assert_eq!(Name::parse("name", text).expect("a name").to_string(), text);
        }
        for bad in [
            "",
            "parks",
            "parks/",
            "a",
            "parks/a/b",
            "parks/-/enterprises/b",
            "parks/a b",
        ] {
            assert!(Name::parse("name", bad).is_err(), "{bad}");
        }
    }
}
