//! Decodes a log entry into a batch of readings.

use std::ops::Range;

use greenpark_log::{ContentType, Entry};
use greenpark_model::{
    batch::Batch,
    day::Instant,
    id::{EnterpriseId, GatewayId, ParkId},
    messages::BatchMessages,
};
use greenpark_proto::reading_batch;

/// A decoded log entry.
#[derive(Debug)]
pub(crate) struct DecodedRecord {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) gateway: GatewayId,
    pub(crate) offset: u64,
    /// The time at which the log appended the record.
    pub(crate) appended: Instant,
    pub(crate) batch: Batch,
    /// Epoch of the message numbers.
    pub(crate) epoch: u64,
    /// The numbered messages of the batch.
    pub(crate) messages: BatchMessages,
    /// Sorted ranges of rows whose messages came before: the gateway only sent them again.
    pub(crate) resent: Vec<Range<u32>>,
}

/// Decodes `entry`, or returns the reason why it is skipped. Ingest checks everything that it appends, so an
/// unreadable entry comes from another producer; it stays in the log.
pub(crate) fn decode(entry: Entry) -> Result<DecodedRecord, String> {
    let record = entry.record?;
    if record.headers.content_type != ContentType::ReadingBatch {
        return Err("its content type is not a reading batch".to_owned());
    }
    let sequence = record.headers.sequence;
    let decoded = reading_batch::decode_numbered(&record.payload, sequence);
    let (batch, messages) = decoded.map_err(|error| error.to_string())?;
    Ok(DecodedRecord {
        park: record.park,
        enterprise: record.headers.enterprise,
        gateway: record.headers.gateway,
        offset: entry.position.offset,
        appended: Instant::from_millis(entry.appended_ms),
        batch,
        epoch: record.headers.epoch,
        messages,
        resent: Vec::new(),
    })
}
