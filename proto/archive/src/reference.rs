//! The registry and the declarations: an append-only table of statements, with their author, time and evidence.
//!
//! An entry is never changed; a correction is a later entry. Entries are read in the order of recording.

pub mod dated;
pub mod meters;
pub mod withdrawal;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, RecordBatch, StringArray, TimestampMillisecondArray,
    },
    datatypes::{
        DataType, Date32Type, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType,
    },
};
use bytes::Bytes;
use futures::FutureExt as _;
use greenpark_model::day::{CivilDay, Instant};
use object_store::path::Path;
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::{
    delta::{
        Commit, Nature, NewData, Null, OldData, Past, Shape, Table,
        state::{TableFile, TableState},
    },
    error::{EncodeError, FileDecodeError, LakePublishError, LakeReadError},
    store::{Storage, digest::content_id},
};

/// The table's folder in the lake.
pub(crate) const ROOT: &str = "reference";
/// Attempts to append while others append, too.
const ATTEMPTS_MAX: usize = 32;
/// Files beyond this many are merged.
const FILES_MAX: usize = 64;

static SHAPE: Shape = Shape {
    columns: &[
        ("kind", "string", Null::Never),
        ("subject", "string", Null::Never),
        ("valid_from", "date", Null::Never),
        ("valid_to", "date", Null::Allowed),
        ("recorded_at", "timestamp", Null::Never),
        ("recorded_by", "string", Null::Never),
        ("evidence", "string", Null::Never),
        ("body", "string", Null::Never),
    ],
    partition: &[],
    past: Past::Dropped,
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |(name, kind, null): &(&str, &str, Null)| {
        let kind = match *kind {
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            _ => DataType::Utf8,
        };
        Field::new(*name, kind, *null == Null::Allowed)
    };
    Arc::new(Schema::new(
        SHAPE.columns.iter().map(field).collect::<Vec<_>>(),
    ))
});

/// A statement about a subject, with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceEntry {
    /// The kind of statement.
    pub kind: String,
    /// The resource it is about.
    pub subject: String,
    /// The first civil day on which it holds.
    pub valid_from: CivilDay,
    /// The last civil day on which it holds; `None` if it has no end.
    pub valid_to: Option<CivilDay>,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Who recorded it.
    pub recorded_by: String,
    /// The evidence for it.
    pub evidence: String,
    /// The statement, as JSON.
    pub body: String,
}

/// All entries at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceSnapshot {
    /// The version of the table; −1 while there is none.
    pub version: i64,
    /// The entries in the order of recording.
    pub entries: Vec<ReferenceEntry>,
}

impl ReferenceSnapshot {
    /// Its size in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = self.entries.iter().map(|entry| {
            let ReferenceEntry {
                kind,
                subject,
                recorded_by,
                evidence,
                body,
                ..
            } = entry;
            kind.len() + subject.len() + recorded_by.len() + evidence.len() + body.len()
        });
        texts.sum::<usize>() + self.entries.len() * size_of::<ReferenceEntry>()
    }
}

/// The reference table of a lake.
#[derive(Debug)]
pub struct Reference {
    table: Table,
    storage: Storage,
    known: tokio::sync::Mutex<Option<Known>>,
}

/// The newest state that was read, with its decoded files.
#[derive(Debug)]
struct Known {
    state: TableState<ReferenceFile>,
    decoded: BTreeMap<String, Arc<Vec<ReferenceEntry>>>,
    snapshot: Arc<ReferenceSnapshot>,
}

/// A file of the table. Names sort in the order of recording: they begin with the version of their
/// commit.
#[derive(Debug, Clone)]
struct ReferenceFile {
    path: String,
    size: u64,
    version: i64,
}

impl TableFile for ReferenceFile {
    fn parse(path: &str, size: u64, _rows: u64) -> Option<Self> {
        let (number, _) = path
            .strip_suffix(".parquet")?
            .strip_prefix("entries.")?
            .split_once('.')?;
        Some(Self {
            path: path.to_owned(),
            size,
            version: number.parse().ok()?,
        })
    }
}

impl Reference {
    pub(crate) fn new(storage: &Storage) -> Self {
        let table = Table::new(storage, Path::from(ROOT), &SHAPE);
        Self {
            table,
            storage: storage.clone(),
            known: tokio::sync::Mutex::default(),
        }
    }

    /// All entries; cached until the table moves on.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read.
    pub async fn entries(&self) -> Result<Arc<ReferenceSnapshot>, LakeReadError> {
        let mut known = self.known.lock().await;
        let known = self.refresh(&mut known).boxed().await?;
        Ok(Arc::clone(&known.snapshot))
    }

    /// Appends entries durably and all at once; returns the version that holds them.
    ///
    /// # Errors
    /// [`LakePublishError`]: unless it is [`Commit`](LakePublishError::Commit), nothing was appended.
    pub async fn append(&self, entries: Vec<ReferenceEntry>) -> Result<i64, LakePublishError> {
        self.append_checked(|_| Ok(entries.clone()))
            .await
            .map(|(version, _)| version)
    }

    /// Appends the entries that `make` returns for the current entries, durably and all at once. Returns the
    /// version that holds them, and their number. If another writer appends at the same time, `make` is called
    /// again with that writer's entries, so that its checks hold when its entries are committed.
    ///
    /// # Errors
    /// The error of `make`, or a [`LakePublishError`]: unless it is [`Commit`](LakePublishError::Commit), nothing was
    /// appended.
    pub async fn append_checked<E: From<LakePublishError>>(
        &self,
        make: impl Fn(&ReferenceSnapshot) -> Result<Vec<ReferenceEntry>, E> + Send + Sync,
    ) -> Result<(i64, usize), E> {
        let mut known = self.known.lock().await;
        let mut attempt = 1;
        let count = loop {
            let current = self.refresh(&mut known).await;
            let current = current.map_err(LakePublishError::from)?;
            let entries = make(&current.snapshot)?;
            let bytes = encode(&entries).map_err(LakePublishError::from)?;
            let state = &mut current.state;
            let data = new_data(state.version + 1, &bytes, entries.len());
            self.put(&data.path, &bytes).await?;
            let commit = Commit {
                add: vec![data],
                ..Commit::default()
            };
            match self.table.commit(state, commit).await {
                Ok(()) => break entries.len(),
                Err(LakePublishError::Fenced { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => {
                    *known = None;
                    return Err(error.into());
                }
            }
        };
        let known = self.refresh(&mut known).await;
        let known = known.map_err(LakePublishError::from)?;
        let version = known.state.version;
        if known.state.files.len() > FILES_MAX
            && let Err(error) = self.merge(known).await
        {
            warn!(
                error = &error as &dyn std::error::Error,
                "reference files were not merged"
            );
        }
        Ok((version, count))
    }

    async fn put(&self, path: &str, bytes: &Bytes) -> Result<(), LakePublishError> {
        let put = self
            .storage
            .put_together(vec![(self.table.place(path), bytes.clone())])
            .await;
        put.map_err(|source| LakePublishError::Write {
            table: ROOT.to_owned(),
            source: source.into(),
        })
    }

    /// Updates `known` to the newest version.
    async fn refresh<'a>(
        &self,
        known: &'a mut Option<Known>,
    ) -> Result<&'a mut Known, LakeReadError> {
        let known = match known {
            Some(known) => {
                self.table.follow(&mut known.state).await?;
                known
            }
            None => {
                let state = self.table.load().await?;
                let snapshot = Arc::new(ReferenceSnapshot {
                    version: -1,
                    entries: Vec::new(),
                });
                known.insert(Known {
                    state,
                    decoded: BTreeMap::new(),
                    snapshot,
                })
            }
        };
        known.state.removed.clear();
        if known.snapshot.version != known.state.version {
            known
                .decoded
                .retain(|path, _| known.state.files.contains_key(path));
            for path in known.state.files.keys() {
                if !known.decoded.contains_key(path) {
                    known
                        .decoded
                        .insert(path.clone(), Arc::new(self.read(path).await?));
                }
            }
            let entries = known
                .decoded
                .values()
                .flat_map(|entries| entries.iter().cloned())
                .collect();
            known.snapshot = Arc::new(ReferenceSnapshot {
                version: known.state.version,
                entries,
            });
        }
        Ok(known)
    }

    async fn read(&self, path: &str) -> Result<Vec<ReferenceEntry>, LakeReadError> {
        let place = self.table.place(path);
        let path = place.to_string();
        match self.storage.read(&place).await {
            Ok(bytes) => decode(bytes).map_err(|source| LakeReadError::Decode { path, source }),
            Err(source) => Err(LakeReadError::Store { path, source }),
        }
    }

    async fn merge(&self, known: &mut Known) -> Result<(), LakePublishError> {
        let bytes = encode(&known.snapshot.entries)?;
        let files = known.state.files.values();
        let Some(newest) = files.clone().map(|file| file.version).max() else {
            return Ok(());
        };
        let remove = files.map(|file| OldData {
            path: file.path.clone(),
            day: None,
            size: file.size,
        });
        let data = new_data(newest, &bytes, known.snapshot.entries.len());
        let commit = Commit {
            remove: remove.collect(),
            add: vec![data],
            nature: Nature::Rearrangement,
            ..Commit::default()
        };
        self.put(&commit.add[0].path, &bytes).await?;
        self.table.commit(&mut known.state, commit).await
    }
}

fn new_data(version: i64, bytes: &Bytes, rows: usize) -> NewData {
    let id = content_id(&Sha256::digest(bytes).into());
    NewData {
        path: format!("entries.{version:012}.{id}.parquet"),
        day: None,
        size: bytes.len() as u64,
        stats: format!("{{\"numRecords\":{rows}}}"),
        more_columns: Vec::new(),
        sha256: None,
    }
}

fn encode(entries: &[ReferenceEntry]) -> Result<Bytes, EncodeError> {
    if entries.is_empty() {
        return Err(EncodeError::Empty);
    }
    let text = |text: fn(&ReferenceEntry) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(entries.iter().map(text)))
    };
    let day = |day: fn(&ReferenceEntry) -> Option<CivilDay>| -> ArrayRef {
        let days = entries
            .iter()
            .map(|entry| day(entry).map(CivilDay::epoch_days));
        Arc::new(days.collect::<Date32Array>())
    };
    let recorded = entries.iter().map(|entry| entry.recorded_at.millis());
    let recorded = TimestampMillisecondArray::from_iter_values(recorded).with_timezone("UTC");
    let columns = vec![
        text(|entry| &entry.kind),
        text(|entry| &entry.subject),
        day(|entry| Some(entry.valid_from)),
        day(|entry| entry.valid_to),
        Arc::new(recorded),
        text(|entry| &entry.recorded_by),
        text(|entry| &entry.evidence),
        text(|entry| &entry.body),
    ];
    let parquet = |source: parquet::errors::ParquetError| EncodeError::Parquet(source.into());
    let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), columns);
    let batch = batch.map_err(|source| EncodeError::Parquet(source.into()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("greenpark-archive version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, Arc::clone(&SCHEMA), Some(properties)).map_err(parquet)?;
    writer.write(&batch).map_err(parquet)?;
    writer.close().map_err(parquet)?;
    Ok(bytes.into())
}

fn decode(bytes: Bytes) -> Result<Vec<ReferenceEntry>, FileDecodeError> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&SCHEMA));
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|source| FileDecodeError::Parquet(source.into()))?;
    let mut entries = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|source| FileDecodeError::Parquet(source.into()))?;
        decode_batch(&batch, &mut entries)?;
    }
    Ok(entries)
}

fn decode_batch(
    batch: &RecordBatch,
    entries: &mut Vec<ReferenceEntry>,
) -> Result<(), FileDecodeError> {
    let column = |name: &'static str| {
        batch
            .column_by_name(name)
            .ok_or(FileDecodeError::Column(name))
    };
    let texts = |name| {
        column(name)?
            .as_string_opt::<i32>()
            .ok_or(FileDecodeError::Column(name))
    };
    let days = |name| {
        column(name)?
            .as_primitive_opt::<Date32Type>()
            .ok_or(FileDecodeError::Column(name))
    };
    let recorded = column("recorded_at")?.as_primitive_opt::<TimestampMillisecondType>();
    let recorded = recorded.ok_or(FileDecodeError::Column("recorded_at"))?;
    let (kind, subject, body) = (texts("kind")?, texts("subject")?, texts("body")?);
    let (by, evidence) = (texts("recorded_by")?, texts("evidence")?);
    let (from, to) = (days("valid_from")?, days("valid_to")?);
    entries.extend((0..batch.num_rows()).map(|row| {
        ReferenceEntry {
            kind: kind.value(row).to_owned(),
            subject: subject.value(row).to_owned(),
            valid_from: CivilDay::from_epoch_days(from.value(row)),
            valid_to: to
                .is_valid(row)
                .then(|| CivilDay::from_epoch_days(to.value(row))),
            recorded_at: Instant::from_millis(recorded.value(row)),
            recorded_by: by.value(row).to_owned(),
            evidence: evidence.value(row).to_owned(),
            body: body.value(row).to_owned(),
        }
    }));
    Ok(())
}

#[cfg(test)]
mod tests;
