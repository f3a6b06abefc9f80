//! A log entry as a batch.

use greenpark_log::{ContentType, Entry};
use greenpark_model::{
    batch::Batch,
    day::Instant,
    id::{EnterpriseId, GatewayId, ParkId},
    numbers::Numbers,
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
    /// Which of the gateway's numbered messages end in the batch, and of which epoch.
    pub(crate) epoch: u64,
    pub(crate) numbers: Numbers,
    /// Every message that ends in the batch had come before: it was only sent again.
    pub(crate) again: bool,
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
    let (batch, numbers) = decoded.map_err(|error| error.to_string())?;
    Ok(Arrival {
        park: record.park,
        enterprise: record.headers.enterprise,
        gateway: record.headers.gateway,
        offset: entry.position.offset,
        appended: Instant(entry.appended_ms),
        batch,
        epoch: record.headers.epoch,
        numbers,
        again: false,
    })
}
