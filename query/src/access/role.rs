//! Roles, and the rights that each has.

use std::{fmt, str::FromStr};

/// What a method lets its caller do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Learn one's own name and grants. Every caller may.
    Identify,
    /// Read figures, registrations, readings and extracts.
    Read,
    /// Declare statistics of an enterprise.
    Declare,
    /// Register enterprises and meters, and correct readings.
    Register,
    /// Record and revoke grants.
    Administer,
}

/// The role that a grant gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A gateway (网关): publishes readings.
    Gateway,
    /// An enterprise (企业): reads its own figures and declares its own statistics.
    Enterprise,
    /// An operator of a park (园区管理员): reads, declares, registers and corrects.
    Operator,
    /// An auditor (审计员): reads everything, and writes nothing.
    Auditor,
    /// An administrator (授权管理员): records and revokes grants, and reads no data.
    Administrator,
}

/// A text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of gateway, enterprise, operator, auditor and administrator")]
pub struct UnknownRole(String);

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Enterprise,
        Self::Operator,
        Self::Auditor,
        Self::Administrator,
    ];

    /// True if the role has `right`.
    #[must_use]
    pub fn has(self, right: Right) -> bool {
        match right {
            Right::Identify => true,
            Right::Read => matches!(self, Self::Enterprise | Self::Operator | Self::Auditor),
            Right::Declare => matches!(self, Self::Enterprise | Self::Operator),
            Right::Register => self == Self::Operator,
            Right::Administer => self == Self::Administrator,
        }
    }

    /// The name of the role.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Enterprise => "enterprise",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identify => "to identify itself",
            Self::Read => "to read",
            Self::Declare => "to declare",
            Self::Register => "to register and correct",
            Self::Administer => "to grant",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("Operator".parse::<Role>().is_err());
    }

    #[test]
    fn an_administrator_sees_no_data_and_an_auditor_writes_none() {
        let rights = |role: Role| {
            [
                Right::Read,
                Right::Declare,
                Right::Register,
                Right::Administer,
            ]
            .map(|right| role.has(right))
        };
        assert_eq!(rights(Role::Gateway), [false; 4]);
        assert_eq!(rights(Role::Enterprise), [true, true, false, false]);
        assert_eq!(rights(Role::Operator), [true, true, true, false]);
        assert_eq!(rights(Role::Auditor), [true, false, false, false]);
        assert_eq!(rights(Role::Administrator), [false, false, false, true]);
    }
}
