//! The proof file beside a thing (C2SP `tlog-proof`): its leaf's place, the path to the root, and the checkpoint.

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    hash::Hash,
    key::VerifierKey,
    note::{Note, NoteError},
    verify::{self, PathError},
};

/// The first line.
const HEAD: &str = "c2sp.org/tlog-proof@v1";
/// The most hashes of a path: a tree has at most 2^64 leaves.
const PATH_MAX: usize = 64;

/// A proof that a leaf is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The place of the leaf.
    pub index: u64,
    /// The path from the leaf to the root.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It has another form.
    #[error(
        "it is no proof: its lines must be {HEAD}, the index, the path, an empty line and a checkpoint"
    )]
    Form,
    /// The checkpoint's note is refused.
    #[error("its checkpoint {0}")]
    Note(#[from] NoteError),
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path proves nothing.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl InclusionProof {
    /// Reads a proof. Nothing of it is verified.
    ///
    /// # Errors
    /// [`ProofError`] if it has another form.
    pub fn read(text: &str) -> Result<Self, ProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let mut lines = head.split('\n');
        let index = match (lines.next(), lines.next()) {
            (Some(HEAD), Some(line)) => line.strip_prefix("index "),
            _ => None,
        };
        let number: Option<u64> = index.and_then(|text| text.parse().ok());
        let number = number.filter(|number| index == Some(&number.to_string()));
        let path: Result<Vec<Hash>, _> = lines.map(str::parse).collect();
        let path = path.map_err(|_| ProofError::Form)?;
        let index = number.ok_or(ProofError::Form)?;
        let checkpoint = Note::read(note)?;
        let proof = Self {
            index,
            path,
            checkpoint,
        };
        let is_whole = proof.path.len() <= PATH_MAX && proof.to_string() == text;
        is_whole.then_some(proof).ok_or(ProofError::Form)
    }

    /// Verifies that `keys` signed a log that has `leaf`, and returns its checkpoint.
    ///
    /// # Errors
    /// [`ProofError`] if a signature or the path is wrong.
    pub fn verify(&self, leaf: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, keys)?;
        let head = (checkpoint.size, checkpoint.root);
        verify::inclusion((self.index, Hash::of_leaf(leaf)), &self.path, head)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEAD}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        edge::Edge,
        key::{Algorithm, SignerKey},
        tree,
    };

    fn proved() -> (InclusionProof, Vec<VerifierKey>) {
        let keys =
            Algorithm::ALL.map(|of| SignerKey::generate("greenpark/east", of).expect("a key"));
        let leaves: Vec<Hash> = (0..5u8).map(|n| Hash::of_leaf(&[n])).collect();
        let mut edge = Edge::default();
        edge.append(&leaves);
        let checkpoint = Checkpoint {
            origin: "greenpark/east".to_owned(),
            size: 5,
            root: edge.root(),
        };
        let of_range = |range: &tree::Range| {
            let of_node = |node: &tree::Node| {
                let first = usize::try_from(node.index << node.level).expect("small");
                crate::edge::subtree_root(&leaves[first..first + (1 << node.level)])
            };
            Hash::of_range(range.iter().map(of_node)).expect("a range is not empty")
        };
        let path = tree::inclusion(3, 5).expect("it is there");
        let proof = InclusionProof {
            index: 3,
            path: path.iter().map(of_range).collect(),
            checkpoint: checkpoint.sign(&keys).expect("it has an origin"),
        };
        (
            proof,
            keys.iter().map(|key| key.verifier().clone()).collect(),
        )
    }

    #[test]
    fn a_proof_is_read_back_and_verified() {
        let (proof, keys) = proved();
        let read = InclusionProof::read(&proof.to_string()).expect("its text");
        assert_eq!(read, proof);
        assert_eq!(
            read.verify(&[3], &keys).map(|checkpoint| checkpoint.size),
            Ok(5)
        );
        assert!(matches!(read.verify(&[4], &keys), Err(ProofError::Path(_))));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let (proof, keys) = proved();
        let text = proof.to_string();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            let verified =
                InclusionProof::read(&changed).and_then(|proof| proof.verify(&[3], &keys));
            assert!(verified.is_err(), "byte {at}: {changed}");
        }
        for cut in 0..text.len() {
            let verified = text.get(..cut).map(InclusionProof::read);
            let verified = verified.map(|read| read.and_then(|proof| proof.verify(&[3], &keys)));
            assert!(
                verified.is_none_or(|verified| verified.is_err()),
                "cut at {cut}"
            );
        }
    }
}
