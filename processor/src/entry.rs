//! A log entry as a batch.

use std::ops::Range;

use greenpark_log::{ContentType, Entry};
use greenpark_model::{
    batch::Batch,
    day::Instant,
    id::{EnterpriseId, GatewayId, ParkId},
    messages::BatchMessages,
};
use greenpark_proto::reading_batch;

/// A readable entry.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) park: ParkId,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) gateway: GatewayId,
    pub(crate) offset: u64,
    /// When the log took it.
    pub(crate) appended: Instant,
    pub(crate) batch: Batch,
    /// The batch's messages, of those that the gateway numbers, and of which epoch they are.
    pub(crate) epoch: u64,
    pub(crate) messages: BatchMessages,
    /// Rows of messages that had come before, in order: they were only sent again.
    pub(crate) again: Vec<Range<u32>>,
}

/// Reads `entry`; otherwise why it is passed over. Ingest checks all that it appends, so such an entry
/// was written by another producer; it stays in the log.
pub(crate) fn read(entry: Entry) -> Result<Arrival, String> {
    let record = entry.record?;
    if record.headers.content_type != ContentType::ReadingBatch {
        return Err("its content type is not a reading batch".to_owned());
    }
    let sequence = record.headers.sequence;
    let decoded = reading_batch::decode_numbered(&record.payload, sequence);
    let (batch, messages) = decoded.map_err(|error| error.to_string())?;
    Ok(Arrival {
        park: record.park,
        enterprise: record.headers.enterprise,
        gateway: record.headers.gateway,
        offset: entry.position.offset,
        appended: Instant(entry.appended_ms),
        batch,
        epoch: record.headers.epoch,
        messages,
        again: Vec::new(),
    })
}
