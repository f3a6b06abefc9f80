//! Signed notes (C2SP `signed-note`): a text, and lines that sign it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::key::{SignerKey, VerifierKey};

/// The largest note that is read.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signatures of a note that is read.
const SIGNATURES_MAX: usize = 32;
/// The beginning of a line that signs.
const DASH: &str = "\u{2014} ";

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has another form.
    #[error("is no signed note: it must be a text, an empty line, and lines that sign it")]
    Form,
    /// It is too large.
    #[error("is larger than {NOTE_BYTES_MAX} bytes")]
    Size,
    /// A key did not sign it.
    #[error("is not signed by the key {key}")]
    Unsigned {
        /// The key.
        key: String,
    },
    /// A signature is wrong.
    #[error("has a wrong signature of the key {key}")]
    Signature {
        /// The key.
        key: String,
    },
}

/// A note and its signatures, which are not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    /// The name, and the ID with the signature.
    signatures: Vec<(String, Vec<u8>)>,
}

impl Note {
    /// Signs `text`, which must end with a newline, with every key.
    ///
    /// # Errors
    /// [`NoteError::Form`] if no note can have this text.
    pub fn sign<'a>(
        text: &str,
        keys: impl IntoIterator<Item = &'a SignerKey>,
    ) -> Result<Self, NoteError> {
        if !is_text(text) {
            return Err(NoteError::Form);
        }
        let sign = |key: &SignerKey| {
            let id = key.verifier().id().to_be_bytes();
            let signature = [&id[..], &key.sign(text)].concat();
            (key.verifier().name().to_owned(), signature)
        };
        Ok(Self {
            text: text.to_owned(),
            signatures: keys.into_iter().map(sign).collect(),
        })
    }

    /// Reads a note. Its signatures are not verified.
    ///
    /// # Errors
    /// [`NoteError`] if it has another form or is too large.
    pub fn read(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Size);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{text}\n");
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures: Option<Vec<_>> = lines.split('\n').map(signature).collect();
        let signatures = signatures.ok_or(NoteError::Form)?;
        if !is_text(&text) || signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::Form);
        }
        Ok(Self { text, signatures })
    }

    /// Verifies that each of `keys` signed it, and returns its text. Signatures of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError`] if a signature is missing or wrong.
    pub fn verify<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a VerifierKey>,
    ) -> Result<&str, NoteError> {
        for key in keys {
            let id = key.id().to_be_bytes();
            let mut of_key = self.signatures.iter().filter_map(|(name, signature)| {
                (name == key.name()).then(|| signature.strip_prefix(&id))?
            });
            let signature = of_key.next().ok_or_else(|| NoteError::Unsigned {
                key: key.to_string(),
            })?;
            if of_key.next().is_some() || !key.verifies(&self.text, signature) {
                return Err(NoteError::Signature {
                    key: key.to_string(),
                });
            }
        }
        Ok(&self.text)
    }

    /// The signature of `key`, without its ID.
    #[must_use]
    pub fn signature_of(&self, key: &VerifierKey) -> Option<&[u8]> {
        let id = key.id().to_be_bytes();
        let mut all = self.signatures.iter();
        all.find_map(|(name, signature)| {
            (name == key.name()).then(|| signature.strip_prefix(&id))?
        })
    }

    /// The text, which nobody may have signed.
    #[must_use]
    pub fn text_unverified(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        for (name, signature) in &self.signatures {
            writeln!(f, "{DASH}{name} {}", STANDARD.encode(signature))?;
        }
        Ok(())
    }
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && text.chars().all(|c| c == '\n' || !c.is_ascii_control())
}

/// Reads a line that signs: the name, and the ID with the signature.
fn signature(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let signature = STANDARD.decode(signature).ok()?;
    (!name.is_empty() && signature.len() > 4).then(|| (name.to_owned(), signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    fn keys() -> [SignerKey; 2] {
        Algorithm::ALL
            .map(|algorithm| SignerKey::generate("greenpark/east", algorithm).expect("a key"))
    }

    #[test]
    fn a_note_is_read_back_and_both_keys_verify_it() {
        let keys = keys();
        let public = || keys.iter().map(SignerKey::verifier);
        let note = Note::sign("one\n\ntwo\n", &keys).expect("a text");
        let read = Note::read(&note.to_string()).expect("its text");
        assert_eq!(read, note);
        assert_eq!(read.verify(public()), Ok("one\n\ntwo\n"));
        let half = Note::sign("one\n", &keys[..1]).expect("a text");
        assert_eq!(half.verify(public().take(1)), Ok("one\n"));
        assert!(matches!(
            half.verify(public()),
            Err(NoteError::Unsigned { .. })
        ));
    }

    #[test]
    fn a_right_signature_does_not_make_up_for_a_wrong_one() {
        let keys = keys();
        let note = Note::sign("one\n", &keys).expect("a text").to_string();
        let other = Note::sign("two\n", &keys).expect("a text").to_string();
        let line = |note: &str, at: usize| note.lines().nth(at).map(str::to_owned).expect("a line");
        for wrong in [2, 3] {
            let forged = note.replace(&line(&note, wrong), &line(&other, wrong));
            let read = Note::read(&forged).expect("its form is right");
            let verified = read.verify(keys.iter().map(SignerKey::verifier));
            assert!(
                matches!(verified, Err(NoteError::Signature { .. })),
                "{forged}"
            );
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let note = Note::sign("one\n", &keys()).expect("a text").to_string();
        for bad in [
            "",
            "one\n",
            "one\n\n",
            &note[..note.len() - 1],
            &note.replace("\n\n", "\n"),
            &note.replace('\u{2014}', "-"),
            &note.replace("one", "o\tne"),
        ] {
            assert_eq!(Note::read(bad), Err(NoteError::Form), "{bad:?}");
        }
        assert_eq!(
            Note::read(&"x".repeat(NOTE_BYTES_MAX + 1)),
            Err(NoteError::Size)
        );
        assert_eq!(Note::sign("no newline", &keys()), Err(NoteError::Form));
    }
}
