//! What a caller holds of a folder after a broken answer.

use std::collections::BTreeMap;

use greenpark_proto::query::v1 as pb;
use sha2::{Digest as _, Sha256};

use crate::{access::hex::hex, error::QueryError, limits::HELD_FILES_MAX};

/// By path: the first bytes of files, as their number and digest.
#[derive(Debug, Default)]
pub(super) struct Held<'a>(BTreeMap<&'a str, (u64, &'a str)>);

impl<'a> Held<'a> {
    pub(super) fn parse(files: &'a [pb::HeldFile]) -> Result<Self, QueryError> {
        if files.len() > HELD_FILES_MAX {
            let text = format!("at most {HELD_FILES_MAX} files; ask for the folder anew");
            return Err(QueryError::invalid("held", text));
        }
        let held = files
            .iter()
            .map(|file| (file.path.as_str(), (file.bytes, file.sha256.as_str())));
        Ok(Self(held.collect()))
    }

    /// How many bytes of `file` at `path` the caller has; none if what it has is something else.
    pub(super) fn bytes_of(&self, path: &str, file: &[u8]) -> usize {
        let Some((bytes, sha256)) = self.0.get(path) else {
            return 0;
        };
        let held = usize::try_from(*bytes).ok().and_then(|len| file.get(..len));
        match held {
            Some(held) if hex(&Sha256::digest(held)) == *sha256 => held.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(path: &str, bytes: &[u8]) -> pb::HeldFile {
        pb::HeldFile {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }

    #[test]
    fn what_is_held_is_kept_if_the_file_begins_with_it() {
        let files = [held("a", b"abc"), held("b", b"abx"), held("c", b"abcdef")];
        let held = Held::parse(&files).expect("few");
        let kept = ["a", "b", "c", "d"].map(|path| held.bytes_of(path, b"abcd"));
        assert_eq!(kept, [3, 0, 0, 0]);
    }

    #[test]
    fn too_many_files_are_refused() {
        let files = vec![pb::HeldFile::default(); HELD_FILES_MAX + 1];
        assert!(Held::parse(&files).is_err());
    }
}
