//! Hashes of leaves and nodes (RFC 6962, section 2.1), and their texts.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// The number of bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// The SHA-256 of a leaf, a node or a tree. Its text is base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; HASH_BYTES]);

/// A text that is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no hash: it must be 32 bytes in base64")]
pub struct HashError;

impl Hash {
    /// The hash of the tree without leaves.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self(Sha256::digest(b"").into())
    }

    /// The hash of a leaf.
    #[must_use]
    pub fn of_leaf(leaf: &[u8]) -> Self {
        let hash = Sha256::new().chain_update([0]).chain_update(leaf);
        Self(hash.finalize().into())
    }

    /// The hash of a node with two children.
    #[must_use]
    pub fn of_node(left: Self, right: Self) -> Self {
        let hash = Sha256::new().chain_update([1]);
        let hash = hash.chain_update(left.0).chain_update(right.0);
        Self(hash.finalize().into())
    }

    /// The hash of a range whose complete subtrees have these hashes, from left to right; `None` without a hash.
    pub fn of_range(subtrees: impl DoubleEndedIterator<Item = Self>) -> Option<Self> {
        subtrees
            .rev()
            .reduce(|right, left| Self::of_node(left, right))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError)?;
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}
