//! Extracts: one file of an enterprise's readings or daily totals from one snapshot. A manifest lists the sources,
//! so that an auditor can reproduce the file.
//!
//! The file is sent while it is written; memory holds at most one row group.

mod encode;
mod manifest;
pub(crate) mod totals;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::TryStreamExt as _;
use greenpark_archive::snapshot::Snapshot;
use greenpark_proto::query::v1 as pb;
use sha2::{Digest as _, Sha256};

use crate::{
    access::{hex::hex, scope::Scope},
    error::QueryError,
    grpc::{
        readings::extract::{encode::Encoder, manifest::Manifest},
        server::{
            Shared,
            stream::{Ended, Sender, send},
        },
    },
    lake::scan::{Scan, Selection, Source},
    limits::CHUNK_BYTES,
};

/// The rules of both contents, a sentence each.
pub(crate) fn rules() -> impl Iterator<Item = &'static str> {
    let both = manifest::READINGS_RULES
        .iter()
        .chain(manifest::TOTALS_RULES);
    both.copied()
}

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Readings,
    DailyTotals,
}

/// The format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv,
}

/// A parsed request for an extract.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) selection: Selection,
    pub(crate) content: Content,
    pub(crate) format: Format,
    pub(crate) scope: Scope,
}

/// A file being sent to the client.
struct File<'a> {
    to: &'a Sender<pb::ExtractChunk>,
    encoder: Encoder,
    pending: Vec<u8>,
    digest: Sha256,
    bytes: u64,
    rows: u64,
}

/// A sent file.
struct Sent {
    sha256: String,
    bytes: u64,
    rows: u64,
}

impl<'a> File<'a> {
    fn new(
        to: &'a Sender<pb::ExtractChunk>,
        job: &Job,
        schema: &SchemaRef,
    ) -> Result<Self, QueryError> {
        let encoder = Encoder::new(job, schema)?;
        Ok(Self {
            to,
            encoder,
            pending: Vec::new(),
            digest: Sha256::new(),
            bytes: 0,
            rows: 0,
        })
    }

    async fn write(&mut self, batch: &arrow::array::RecordBatch) -> Result<(), Ended> {
        self.encoder.write(batch)?;
        self.rows += batch.num_rows() as u64;
        self.encoder.drain(&mut self.pending);
        let whole = self.pending.len() - self.pending.len() % CHUNK_BYTES;
        self.send(whole).await
    }

    /// Sends the first `count` pending bytes.
    async fn send(&mut self, count: usize) -> Result<(), Ended> {
        let rest = self.pending.split_off(count);
        let ready = Bytes::from(std::mem::replace(&mut self.pending, rest));
        self.digest.update(&ready);
        self.bytes += ready.len() as u64;
        let mut from = 0;
        while from < ready.len() {
            let to = ready.len().min(from + CHUNK_BYTES);
            let data = pb::extract_chunk::Part::Data(ready.slice(from..to));
            send(self.to, pb::ExtractChunk { part: Some(data) }, 0).await?;
            from = to;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Sent, Ended> {
        self.encoder.finish()?;
        self.encoder.drain(&mut self.pending);
        self.send(self.pending.len()).await?;
        let sha256 = hex(&self.digest.finalize());
        Ok(Sent {
            sha256,
            bytes: self.bytes,
            rows: self.rows,
        })
    }
}

/// Writes and sends the extract, then its manifest. If a file was replaced before anything was sent, it starts again
/// from a newer snapshot.
pub(crate) async fn run(
    shared: &Shared,
    job: &Job,
    to: &Sender<pb::ExtractChunk>,
) -> Result<(), Ended> {
    let made = match job.content {
        Content::Readings => readings(shared, job, to).await,
        Content::DailyTotals => daily_totals(shared, job, to).await,
    };
    let (sent, sources, snapshots) = match made {
        Err((Ended::Failed(error), 0)) if error.is_file_replaced() => {
            shared.metrics.retried.inc();
            let again = match job.content {
                Content::Readings => readings(shared, job, to).await,
                Content::DailyTotals => daily_totals(shared, job, to).await,
            };
            again.map_err(|(ended, _)| ended)?
        }
        made => made.map_err(|(ended, _)| ended)?,
    };
    shared.metrics.extract_bytes.inc_by(sent.bytes);
    to.entry.sent(sent.rows, 0);
    to.entry.extracted(&sent.sha256).await?;
    let manifest = Manifest {
        job,
        sent: &sent,
        sources: &sources,
        snapshots: &snapshots,
        made_at: job.selection.as_of.unwrap_or_else(|| shared.now()),
        open: shared.settings.open,
    };
    let digests = totals::digests(&shared.books, job, &snapshots, &sources).await?;
    let part = pb::extract_chunk::Part::ManifestJson(manifest.json(&digests));
    send(to, pb::ExtractChunk { part: Some(part) }, 0).await
}

/// The whole file of `job`, in memory.
pub(crate) async fn whole(shared: &Shared, job: &Job) -> Result<Vec<u8>, QueryError> {
    let mut bytes = Vec::new();
    let mut encoder = match job.content {
        Content::DailyTotals => {
            let batch = totals::make(shared, job).await?.batch;
            let mut encoder = Encoder::new(job, &batch.schema())?;
            encoder.write(&batch)?;
            encoder
        }
        Content::Readings => {
            let scan = Scan::open(&shared.books, &job.scope, job.selection.clone()).await?;
            let (mut batches, _) = scan.run(&shared.books).await?;
            let schema = encode::readings_schema();
            let mut encoder = Encoder::new(job, &schema)?;
            while let Some(batch) = batches.try_next().await.map_err(QueryError::Scan)? {
                encoder.write(&encode::with_enterprise(&batch, &job.selection, &schema)?)?;
                encoder.drain(&mut bytes);
            }
            encoder
        }
    };
    encoder.finish()?;
    encoder.drain(&mut bytes);
    Ok(bytes)
}

/// The sent file and its sources; or the failure, and the number of bytes sent before it.
type Made = Result<(Sent, Vec<Source>, Vec<Arc<Snapshot>>), (Ended, u64)>;

async fn readings(shared: &Shared, job: &Job, to: &Sender<pb::ExtractChunk>) -> Made {
    let none = |error: QueryError| (Ended::Failed(error), 0);
    let scan = Scan::open(&shared.books, &job.scope, job.selection.clone())
        .await
        .map_err(none)?;
    let (mut batches, sources) = scan.run(&shared.books).await.map_err(none)?;
    let schema = encode::readings_schema();
    let mut file = File::new(to, job, &schema).map_err(none)?;
    loop {
        let batch = match batches.try_next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => return Err((Ended::Failed(QueryError::Scan(error)), file.bytes)),
        };
        let batch = encode::with_enterprise(&batch, &job.selection, &schema);
        let batch = batch.map_err(|error| (Ended::Failed(error), file.bytes))?;
        if let Err(ended) = file.write(&batch).await {
            return Err((ended, file.bytes));
        }
    }
    let bytes = file.bytes;
    let sent = file.finish().await.map_err(|ended| (ended, bytes))?;
    Ok((sent, sources, scan.snapshots))
}

async fn daily_totals(shared: &Shared, job: &Job, to: &Sender<pb::ExtractChunk>) -> Made {
    let none = |error: QueryError| (Ended::Failed(error), 0);
    let made = totals::make(shared, job).await.map_err(none)?;
    let mut file = File::new(to, job, &made.batch.schema()).map_err(none)?;
    if let Err(ended) = file.write(&made.batch).await {
        return Err((ended, file.bytes));
    }
    let bytes = file.bytes;
    let sent = file.finish().await.map_err(|ended| (ended, bytes))?;
    Ok((sent, made.sources, made.snapshots))
}
