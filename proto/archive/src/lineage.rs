//! Where a file comes from, and whether it is still what it was: its digest, and what its footer says.

use bytes::Bytes;
use object_store::path::Path;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    file::metadata::KeyValue,
};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{DecodeError, ReadError},
    lake::Lake,
    readings::file::ReadingsFile,
    snapshot::Snapshot,
    store::digest::{content_id, hex},
};

/// What is found of a file of readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The path within the lake.
    pub path: String,
    /// The sha256 of its bytes, in hex.
    pub sha256: String,
    /// Whether the digest is the one that its name begins to tell.
    pub intact: bool,
    /// The partition, the first offset and the next offset of the log's records that it was made from.
    pub offsets: Option<(u32, u64, u64)>,
    /// The rules that its rows obey.
    pub rules: String,
}

impl Lake {
    /// Reads a file of `snapshot` whole and tells where it comes from.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be read, or is no Parquet file any more.
    pub async fn origin(
        &self,
        snapshot: &Snapshot,
        file: &ReadingsFile,
    ) -> Result<Origin, ReadError> {
        let path = format!("{}/{}", snapshot.readings_root(), file.path);
        let bytes = self.storage().read(&Path::from(path.as_str())).await;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(source) => return Err(ReadError::Store { path, source }),
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let named = file.path.strip_suffix(".parquet");
        let intact = named.is_some_and(|name| name.ends_with(&content_id(&digest)));
        // A damaged file is told as such, not as one without a footer.
        let footer = match footer(bytes) {
            Ok(footer) => footer,
            Err(_) if !intact => Vec::new(),
            Err(source) => return Err(ReadError::Decode { path, source }),
        };
        let text = |key: &str| {
            let key = format!("greenpark.{key}");
            let pair = footer.iter().find(|pair| pair.key == key)?;
            pair.value.as_deref()
        };
        let number = |key: &str| text(key)?.parse().ok();
        let offsets = || {
            let partition = text("partition")?.parse().ok()?;
            Some((partition, number("first_offset")?, number("next_offset")?))
        };
        Ok(Origin {
            sha256: hex(&digest),
            intact,
            offsets: offsets(),
            rules: text("rules").unwrap_or_default().to_owned(),
            path,
        })
    }
}

fn footer(bytes: Bytes) -> Result<Vec<KeyValue>, DecodeError> {
    let options = ArrowReaderOptions::new();
    let metadata = ArrowReaderMetadata::load(&bytes, options)
        .map_err(|source| DecodeError::Parquet(source.into()))?;
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    Ok(pairs.cloned().unwrap_or_default())
}
