//! The signed head of a log (C2SP `tlog-checkpoint`).

use crate::{
    hash::Hash,
    key::{SignerKey, VerifierKey},
    note::{Note, NoteError},
};

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// The number of its leaves.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is refused.
    #[error("the checkpoint {0}")]
    Note(#[from] NoteError),
    /// The text has another form.
    #[error(
        "the note is no checkpoint: its lines must be the origin, the number of leaves, and the root in base64"
    )]
    Form,
    /// It is another log's.
    #[error("the checkpoint is of the log {found}, and not of {wanted}")]
    Origin {
        /// The log it names.
        found: String,
        /// The log whose key was given.
        wanted: String,
    },
}

impl Checkpoint {
    /// The lines that are signed.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Signs it with every key.
    ///
    /// # Errors
    /// [`CheckpointError`] if its origin is not one line.
    pub fn sign<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a SignerKey>,
    ) -> Result<Note, CheckpointError> {
        let text = self.text();
        if text.lines().count() != 3 || self.origin.is_empty() {
            return Err(CheckpointError::Form);
        }
        Ok(Note::sign(&text, keys)?)
    }

    /// Reads the checkpoint of a note that nobody may have signed.
    ///
    /// # Errors
    /// [`CheckpointError::Form`] if the note has another form.
    pub fn read_unverified(note: &Note) -> Result<Self, CheckpointError> {
        Self::read(note.text_unverified())
    }

    /// Verifies that each of `keys` signed a note, that they are its log's, and returns the checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] if a signature, the form or the origin is wrong.
    pub fn verify(note: &Note, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint = Self::read(note.verify(keys)?)?;
        match keys.iter().find(|key| key.name() != checkpoint.origin) {
            None => Ok(checkpoint),
            Some(key) => Err(CheckpointError::Origin {
                found: checkpoint.origin,
                wanted: key.name().to_owned(),
            }),
        }
    }

    fn read(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = text.lines().collect();
        let [origin, size, root] = lines[..] else {
            return Err(CheckpointError::Form);
        };
        let read = || {
            Some(Self {
                origin: origin.to_owned(),
                size: size.parse().ok()?,
                root: root.parse().ok()?,
            })
        };
        // Only one text of each number: no zeros before it and no sign.
        read()
            .filter(|checkpoint| checkpoint.text() == text && !origin.is_empty())
            .ok_or(CheckpointError::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    #[test]
    fn a_checkpoint_is_signed_and_read_back() {
        let key = SignerKey::generate("greenpark/east", Algorithm::Sm2).expect("a key");
        let checkpoint = Checkpoint {
            origin: "greenpark/east".to_owned(),
            size: 7,
            root: Hash::of_leaf(b"a"),
        };
        let note = checkpoint.sign([&key]).expect("it has an origin");
        let keys = [key.verifier().clone()];
        assert_eq!(Checkpoint::verify(&note, &keys), Ok(checkpoint.clone()));
        let other = SignerKey::generate("greenpark/west", Algorithm::Sm2).expect("a key");
        let note = checkpoint.sign([&other]).expect("it has an origin");
        let verified = Checkpoint::verify(&note, &[other.verifier().clone()]);
        assert!(matches!(verified, Err(CheckpointError::Origin { .. })));
    }

    #[test]
    fn other_texts_are_no_checkpoints() {
        let root = Hash::of_nothing();
        for text in [
            format!("east\n07\n{root}\n"),
            format!("east\n+7\n{root}\n"),
            format!("\n7\n{root}\n"),
            format!("east\n7\n{root}\nmore\n"),
            "east\n7\nAAAA\n".to_owned(),
            "east\n7\n".to_owned(),
        ] {
            assert_eq!(
                Checkpoint::read(&text),
                Err(CheckpointError::Form),
                "{text}"
            );
        }
    }
}
