//! Ids that are safe in a topic, a path, a key and a query.
//!
//! An id has 1 to [`ID_BYTES_MAX`] bytes of ASCII letters, digits, `-`, `_` and `.`, and does not begin
//! with `.` or `-`: it cannot contain an MQTT wildcard or level separator, a path step, a Hive `=`, or
//! white space. A value of an id type always obeys this rule.
//!
//! ```
//! use greenpark_model::id::{EnterpriseId, IdError};
//! assert_eq!(EnterpriseId::new("steel-01").expect("valid").as_str(), "steel-01");
//! assert!(EnterpriseId::new("a/b").is_err());
//! ```

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::limits::ID_BYTES_MAX;

/// Why a text is not a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// An empty text.
    #[error("an id is empty; give 1 to {ID_BYTES_MAX} letters, digits, '-', '_' or '.'")]
    Empty,
    /// Longer than [`ID_BYTES_MAX`] bytes.
    #[error("id '{start}…' has {length} bytes; at most {ID_BYTES_MAX} are allowed")]
    TooLong {
        /// The first characters of the offending text.
        start: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A character that topics and paths cannot carry.
    #[error(
        "id '{text}' has {character:?}; use letters, digits, '-', '_' or '.', beginning with a letter, digit or '_'"
    )]
    Character {
        /// The offending text.
        text: String,
        /// The first character that is not allowed at its place.
        character: char,
    },
    /// A name that the lake reserves for its own tables.
    #[error("id '{0}' is kept for the lake's own tables; choose another")]
    Reserved(String),
}

/// Folders of the lake that belong to no park: no park can have such an id.
pub const PARKS_RESERVED: &[&str] = &["reference", "dead-letters", "transparency", "access"];

/// Checks `text` against the rule of this module without making an id.
///
/// # Errors
/// [`IdError`] names the first mistake.
pub fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        let start = text.chars().take(16).collect();
        return Err(IdError::TooLong {
            start,
            length: text.len(),
        });
    }
    let first = text.as_bytes()[0];
    let bad = if first == b'.' || first == b'-' {
        text.chars().next()
    } else {
        text.chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
    };
    match bad {
        Some(character) => Err(IdError::Character {
            text: text.to_owned(),
            character,
        }),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, reserved $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Makes an id of `text` if it obeys the rule of this module.
            ///
            /// # Errors
            /// [`IdError`] names the first mistake.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                let reserved: &[&str] = $reserved;
                if reserved.contains(&text) {
                    return Err(IdError::Reserved(text.to_owned()));
                }
                Ok(Self(Arc::from(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// An industrial park (园区).
    ParkId, reserved PARKS_RESERVED
}
id! {
    /// An enterprise (企业) within a park.
    EnterpriseId, reserved &[]
}
id! {
    /// An edge gateway (网关) of an enterprise.
    GatewayId, reserved &[]
}
id! {
    /// A meter (计量器具) of an enterprise.
    MeterId, reserved &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_refuses_characters_that_topics_and_paths_cannot_carry() {
        for bad in [
            "", "a/b", "+", "#", "..", ".hidden", "-x", "a b", "day=1", "钢厂", "a\0b", "a\\b",
        ] {
            assert!(ParkId::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(ParkId::new(&"x".repeat(ID_BYTES_MAX + 1)).is_err());
        for good in ["a", "steel-01", "A.b_c-9", "_x", &"x".repeat(ID_BYTES_MAX)] {
            assert_eq!(ParkId::new(good).expect("valid").as_str(), good);
        }
    }

    #[test]
    fn a_park_cannot_be_named_like_a_table_of_the_lake() {
        for &name in PARKS_RESERVED {
            assert_eq!(ParkId::new(name), Err(IdError::Reserved(name.to_owned())));
            assert!(EnterpriseId::new(name).is_ok());
        }
    }
}
