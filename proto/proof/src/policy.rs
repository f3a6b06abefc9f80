//! Which keys a checkpoint must be signed by (C2SP `tlog-policy`).
//!
//! Every `log` line names a key that must have signed. Lines of witnesses are refused, because a policy that asks for
//! them would be believed without being held.

use crate::key::{KeyError, VerifierKey};

/// A policy: the keys of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    keys: Vec<VerifierKey>,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A line has another form.
    #[error("line {line}: {text}: must be `log KEY`, `quorum none`, or begin with #")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text.
        text: String,
    },
    /// A key cannot be read.
    #[error("line {line}: {source}")]
    Key {
        /// Its number, from 1.
        line: usize,
        /// Why.
        source: KeyError,
    },
    /// There is no key, or the quorum is missing.
    #[error("must have one line `log KEY` or more, and one line `quorum none`")]
    Incomplete,
    /// The keys are of more than one log.
    #[error("names more than one log: {0} and {1}")]
    Logs(String, String),
}

impl Policy {
    /// The policy of a log that signs with every one of `keys`.
    ///
    /// # Errors
    /// [`PolicyError`] if there is no key, or they are of more than one log.
    pub fn new(keys: Vec<VerifierKey>) -> Result<Self, PolicyError> {
        let Some(first) = keys.first() else {
            return Err(PolicyError::Incomplete);
        };
        if let Some(other) = keys.iter().find(|key| key.name() != first.name()) {
            return Err(PolicyError::Logs(
                first.name().to_owned(),
                other.name().to_owned(),
            ));
        }
        Ok(Self { keys })
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] names the line.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let (mut keys, mut quorums) = (Vec::new(), 0);
        for (line, text) in (1..).zip(text.lines()) {
            let words: Vec<&str> = text
                .split([' ', '\t'])
                .filter(|word| !word.is_empty())
                .collect();
            match words[..] {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["log", key] => {
                    let key = key.parse();
                    keys.push(key.map_err(|source| PolicyError::Key { line, source })?);
                }
                ["quorum", "none"] => quorums += 1,
                _ => {
                    let text = text.to_owned();
                    return Err(PolicyError::Line { line, text });
                }
            }
        }
        if quorums != 1 {
            return Err(PolicyError::Incomplete);
        }
        Self::new(keys)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.keys.first().map_or("", VerifierKey::name)
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for key in &self.keys {
            writeln!(f, "log {key}")?;
        }
        writeln!(f, "quorum none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SignerKey};

    #[test]
    fn a_policy_is_read_back_and_others_are_refused() {
        let key = |name: &str, of| {
            SignerKey::generate(name, of)
                .expect("a key")
                .verifier()
                .clone()
        };
        let keys = Algorithm::ALL.map(|of| key("east", of)).to_vec();
        let policy = Policy::new(keys).expect("two keys of a log");
        let text = policy.to_string();
        assert_eq!(Policy::read(&text), Ok(policy.clone()));
        assert_eq!(Policy::read(&format!("# who\n\n {text}")), Ok(policy));
        let west = format!("log {}\n{text}", key("west", Algorithm::Ed25519));
        assert!(matches!(Policy::read(&west), Err(PolicyError::Logs(..))));
        assert_eq!(Policy::read("quorum none\n"), Err(PolicyError::Incomplete));
        assert_eq!(
            Policy::read(&text.replace("quorum none\n", "")),
            Err(PolicyError::Incomplete)
        );
        for bad in ["quorum all", "log", "witness a b", "log east"] {
            let read = Policy::read(&format!("{text}{bad}\n"));
            assert!(
                matches!(
                    read,
                    Err(PolicyError::Line { line: 4, .. } | PolicyError::Key { line: 4, .. })
                ),
                "{bad}"
            );
        }
    }
}
