//! Where a file comes from, and whether it is unchanged: its digest and its footer.

use bytes::Bytes;
use greenpark_model::log_position::OffsetRange;
use object_store::path::Path;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    file::metadata::KeyValue,
};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{FileDecodeError, LakeReadError},
    lake::Lake,
    readings::file::ReadingsFile,
    snapshot::Snapshot,
    store::digest::{content_id, hex},
};

/// The origin of a file of readings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The path within the lake.
    pub path: String,
    /// The sha256 of its bytes, in hex.
    pub sha256: String,
    /// True if its name begins its digest.
    pub intact: bool,
    /// The partition, the first offset and the next offset of the log's records that it was made from.
    pub offsets: Option<OffsetRange>,
    /// The rules that its rows follow.
    pub rules: String,
}

impl Lake {
    /// Reads a file of `snapshot` completely and reports its origin.
    ///
    /// # Errors
    /// [`LakeReadError`] if it cannot be read, or is not a Parquet file any more.
    pub async fn origin(
        &self,
        snapshot: &Snapshot,
        file: &ReadingsFile,
    ) -> Result<Origin, LakeReadError> {
        let path = format!("{}/{}", snapshot.readings_root(), file.path);
        let bytes = self.storage().read(&Path::from(path.as_str())).await;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(source) => return Err(LakeReadError::Store { path, source }),
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let named = file.path.strip_suffix(".parquet");
        let intact = named.is_some_and(|name| name.ends_with(&content_id(&digest)));
        // A damaged file is reported as such, not as one without a footer.
        let footer = match footer(bytes) {
            Ok(footer) => footer,
            Err(_) if !intact => Vec::new(),
            Err(source) => return Err(LakeReadError::Decode { path, source }),
        };
        let text = |key: &str| {
            let key = format!("greenpark.{key}");
            let pair = footer.iter().find(|pair| pair.key == key)?;
            pair.value.as_deref()
        };
        let number = |key: &str| text(key)?.parse().ok();
        let offsets = || {
            let partition = text("partition")?.parse().ok()?;
            Some(OffsetRange {
                partition,
                first: number("first_offset")?,
                next: number("next_offset")?,
            })
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

fn footer(bytes: Bytes) -> Result<Vec<KeyValue>, FileDecodeError> {
    let options = ArrowReaderOptions::new();
    let metadata = ArrowReaderMetadata::load(&bytes, options)
        .map_err(|source| FileDecodeError::Parquet(source.into()))?;
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    Ok(pairs.cloned().unwrap_or_default())
}
