//! A record, its headers and its position.

use bytes::Bytes;
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use sha2::{Digest as _, Sha256};

/// A topic of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `greenpark.readings.v1`: accepted readings, one gateway batch a record.
    Readings,
    /// `greenpark.dead-letters.v1`: what could not be accepted, with its bytes and a reason.
    DeadLetters,
}

impl Topic {
    /// The name in Kafka.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Readings => "greenpark.readings.v1",
            Self::DeadLetters => "greenpark.dead-letters.v1",
        }
    }
}

/// What the payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// `park.telemetry.v1.ReadingBatch`, protobuf.
    ReadingBatch,
    /// `park.telemetry.v1.DeadLetter`, protobuf.
    DeadLetter,
}

impl ContentType {
    /// The value of the `content-type` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadingBatch => "application/x-protobuf; type=park.telemetry.v1.ReadingBatch",
            Self::DeadLetter => "application/x-protobuf; type=park.telemetry.v1.DeadLetter",
        }
    }

    /// The content type with this header value.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        [Self::ReadingBatch, Self::DeadLetter]
            .into_iter()
            .find(|c| c.as_str() == value)
    }
}

/// Who sent the payload, by the authenticated topic, and where it stands in the sender's own count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Headers {
    /// The enterprise.
    pub enterprise: EnterpriseId,
    /// The gateway.
    pub gateway: GatewayId,
    /// Which life of the gateway's session; 0 where it says nothing of it.
    pub epoch: u64,
    /// Its count within the epoch; 0 where it says nothing of it.
    pub sequence: u64,
    /// What the payload is.
    pub content_type: ContentType,
}

/// A record of the log: one gateway's batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The key: one park lives in one partition.
    pub park: ParkId,
    /// Who sent it.
    pub headers: Headers,
    /// The payload, as `headers.content_type` says; at most [`greenpark_model::limits::RECORD_BYTES_MAX`].
    pub payload: Bytes,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// Its place in the partition; the next record's is larger, not always by one.
    pub offset: u64,
}

/// A record with its position.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// When the log took it, UTC milliseconds.
    pub appended_ms: i64,
    /// What it is, or why it could not be read (a foreign producer's record: bad key or headers). Such an
    /// entry is counted and passed over, never an error that stops the reader.
    pub record: Result<Record, String>,
}

impl Entry {
    /// A number that tells this record from another one at the same offset: 63 bits of a SHA-256 of when the log
    /// took it, its key and its payload. It is the same in every version of this program.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut digest = Sha256::new();
        digest.update(self.appended_ms.to_le_bytes());
        if let Ok(record) = &self.record {
            digest.update(record.park.as_str());
            digest.update([0]);
            digest.update(&record.payload);
        }
        let digest = digest.finalize();
        let first = digest.first_chunk::<8>().copied().unwrap_or_default();
        u64::from_le_bytes(first) >> 1
    }
}
