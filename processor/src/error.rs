//! Error of the processor.

use std::error::Error as StdError;

use greenpark_archive::{
    columns::EncodeError,
    error::{LakeOpenError, LakePublishError, LakeReadError},
};
use greenpark_log::CommitError;
use greenpark_model::{id::ParkId, log_position::Partition};

/// Error that ends the processor.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The log cannot be read.
    #[error("read the log")]
    Log(#[from] greenpark_log::ReadError),
    /// The group's offset cannot be stored.
    #[error("store the group's offset")]
    Commit(#[from] CommitError),
    /// A book cannot be opened.
    #[error("open a book")]
    Open(#[from] LakeOpenError),
    /// A file cannot be read.
    #[error("read from a book")]
    Read(#[from] LakeReadError),
    /// A file cannot be encoded.
    #[error("encode a file")]
    Encode(#[from] EncodeError),
    /// A commit did not succeed; if another writer has fenced the book, that writer continues.
    #[error("publish to a book")]
    Publish(#[from] LakePublishError),
    /// A book has consumed more than the log ever held: records of the log would be skipped.
    #[error(
        "the book of {park} in {year} has consumed partition {partition} up to {consumed}, but the log ends \
         at {end}: it is not the log that the lake was written from; restore that one, or start a new lake"
    )]
    AheadOfLog {
        /// The park of the book.
        park: ParkId,
        /// The year of the book.
        year: i16,
        /// The partition.
        partition: Partition,
        /// The first offset that the book has not consumed.
        consumed: u64,
        /// The end of the log when the partition was assigned.
        end: u64,
    },
    /// The log ends before the offset that the lake has consumed.
    #[error(
        "the lake has consumed partition {partition} up to {consumed}, but the log ends at {end}: it is not the \
         log that the lake was written from, or an older copy of it; restore that one, or go on with this one by \
         `greenpark log adopt`, which reads all that it holds"
    )]
    ShorterLog {
        /// The partition.
        partition: Partition,
        /// The first offset that the lake has not consumed.
        consumed: u64,
        /// The end of the log when the partition was assigned.
        end: u64,
    },
    /// The log holds a different record than the last one that the lake has consumed.
    #[error(
        "record {offset} of partition {partition} is not the one that the lake has consumed: this is not the log \
         that the lake was written from, or an older copy of it that has gone on since; restore that one, or go on \
         with this one by `greenpark log adopt`, which reads all that it holds"
    )]
    OtherLog {
        /// The partition.
        partition: Partition,
        /// The offset in the log.
        offset: u64,
    },
    /// A book has consumed a partition that its park is not in: the number of partitions was changed, and records would
    /// be read twice or skipped.
    #[error(
        "the book of {park} in {year} was written from partition {partition}, but of {partitions} partitions \
         the park is in {home}: the count was changed; set it, and the topic, to what it was, or start a new lake"
    )]
    Moved {
        /// The park of the book.
        park: ParkId,
        /// The year of the book.
        year: i16,
        /// The partition that it has consumed.
        partition: Partition,
        /// The present partition of the park.
        home: Partition,
        /// The present number of partitions of the log.
        partitions: u32,
    },
    /// A worker thread panicked.
    #[error("run a worker")]
    Worker(#[source] Box<dyn StdError + Send + Sync>),
}

impl RunError {
    /// Returns true if the error concerns one park, so that the others can continue without it.
    pub(crate) fn concerns_one_park(&self) -> bool {
        match self {
            Self::Open(LakeOpenError::Folder { .. } | LakeOpenError::Location { .. }) => false,
            Self::Open(LakeOpenError::Repair(error)) | Self::Publish(error) => {
                !matches!(error, LakePublishError::Fenced { .. })
            }
            Self::Open(_) | Self::Read(_) | Self::Encode(_) => true,
            Self::Log(_)
            | Self::Commit(_)
            | Self::AheadOfLog { .. }
            | Self::ShorterLog { .. }
            | Self::OtherLog { .. }
            | Self::Moved { .. }
            | Self::Worker(_) => false,
        }
    }

    pub(crate) fn worker(error: tokio::task::JoinError) -> Self {
        Self::Worker(Box::new(error))
    }
}
