//! Extracts: one file of an enterprise's readings or daily totals from one snapshot, and a manifest that
//! says what it was made of, so that an auditor can make it again.
//!
//! The file is sent as it is written; no more than a row group of it is in memory.

mod encode;
mod manifest;
mod totals;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::TryStreamExt as _;
use greenpark_archive::snapshot::Snapshot;
use greenpark_proto::query::v1 as pb;
use sha2::{Digest as _, Sha256};

use crate::{
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
    scope::{Scope, hex::hex},
};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Readings,
    DailyTotals,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv,
}

/// An extract that is asked.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) selection: Selection,
    pub(crate) content: Content,
    pub(crate) format: Format,
    pub(crate) scope: Scope,
}

/// A file under way to its client.
struct File<'a> {
    to: &'a Sender<pb::ExtractChunk>,
    encoder: Encoder,
    pending: Vec<u8>,
    digest: Sha256,
    bytes: u64,
    rows: u64,
}

/// A file that was sent.
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
            send(self.to, pb::ExtractChunk { part: Some(data) }).await?;
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

/// Makes the extract and sends it and its manifest. If a file was replaced before anything was sent, a
/// newer snapshot serves.
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
    let manifest = Manifest {
        job,
        sent: &sent,
        sources: &sources,
        snapshots: &snapshots,
        made_at: job.selection.as_of.unwrap_or_else(|| shared.now()),
    };
    let digests = totals::digests(&shared.books, job, &snapshots, &sources).await?;
    let part = pb::extract_chunk::Part::ManifestJson(manifest.json(&digests));
    send(to, pb::ExtractChunk { part: Some(part) }).await
}

/// What was sent and from what; or how it ended, and how many bytes had been sent by then.
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
    let (batch, sources, snapshots) = totals::make(shared, job).await.map_err(none)?;
    let mut file = File::new(to, job, &batch.schema()).map_err(none)?;
    if let Err(ended) = file.write(&batch).await {
        return Err((ended, file.bytes));
    }
    let bytes = file.bytes;
    let sent = file.finish().await.map_err(|ended| (ended, bytes))?;
    Ok((sent, sources, snapshots))
}
