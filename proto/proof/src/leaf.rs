//! What is published: one line of JSON a thing, with its digest and never its content.

use serde::{Deserialize, Serialize};

/// The kind of a published thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeafKind {
    /// A sealed file of readings: one enterprise's day in one revision.
    Readings,
    /// An entry of the reference table: a registration, a declaration, a correction, a grant.
    Entry,
    /// A data file that figures are made with: factors, plans, thresholds.
    Data,
    /// The rules of this version of the program.
    Rules,
    /// The manifest of an extract.
    Extract,
    /// A file of the access log, of a day that is over.
    AccessLog,
    /// The log goes on from an older state, as after a restored backup: its epoch was raised.
    Epoch,
}

/// A published thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// What it is.
    pub kind: LeafKind,
    /// Its name: a path in the lake, or the resource it is about.
    pub name: String,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The number of its bytes.
    pub size: u64,
    /// When it was recorded, in UTC milliseconds.
    pub recorded_at: i64,
    /// The version of its table that has it; for others their number.
    pub version: i64,
}

impl Leaf {
    /// The canonical line, without a newline: JSON without spaces, fields in their order.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// Reads a line; `None` if it is not the canonical line of a leaf.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let leaf: Self = serde_json::from_slice(line).ok()?;
        (leaf.line().as_bytes() == line).then_some(leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_has_one_line() {
        let leaf = Leaf {
            kind: LeafKind::Readings,
            name: "east/2026/readings/day=2026-01-01/steel.r1.0123456789abcdef.parquet".to_owned(),
            sha256: "00".repeat(32),
            size: 9,
            recorded_at: 1_767_225_600_000,
            version: 3,
        };
        let line = leaf.line();
        assert!(
            line.starts_with("{\"kind\":\"readings\",\"name\":\"east/2026/"),
            "{line}"
        );
        assert_eq!(Leaf::read(line.as_bytes()), Some(leaf));
        assert_eq!(Leaf::read(line.replace(',', ", ").as_bytes()), None);
        assert_eq!(Leaf::read(b"{}"), None);
    }
}
