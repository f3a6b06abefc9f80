//! Why the processor leaves.

use std::error::Error as StdError;

use greenpark_archive::{
    columns::EncodeError,
    error::{LakeOpenError, LakePublishError, LakeReadError},
};
use greenpark_log::CommitError;
use greenpark_model::id::ParkId;

/// Why the processor left.
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
    /// A file cannot be made.
    #[error("encode a file")]
    Encode(#[from] EncodeError),
    /// A commit did not succeed; if another writer moved the book on, its processor goes on.
    #[error("publish to a book")]
    Publish(#[from] LakePublishError),
    /// A book has consumed more than the log ever held: what the log holds would be passed over.
    #[error(
        "the book of {park} in {year} has consumed partition {partition} up to {consumed}, but the log ends \
         at {end}: it is not the log that the lake was written from; restore that one, or start a new lake"
    )]
    AheadOfLog {
        /// Whose book.
        park: ParkId,
        /// Its year.
        year: i16,
        /// The partition.
        partition: u32,
        /// The first offset that the book has not consumed.
        consumed: u64,
        /// The first offset that the log had not given out when the partition was assigned.
        end: u64,
    },
    /// The log ends before what the lake has consumed of it.
    #[error(
        "the lake has consumed partition {partition} up to {consumed}, but the log ends at {end}: it is not the \
         log that the lake was written from, or an older copy of it; restore that one, or go on with this one by \
         `greenpark log adopt`, which reads all that it holds"
    )]
    ShorterLog {
        /// The partition.
        partition: u32,
        /// The first offset that the lake has not consumed.
        consumed: u64,
        /// The first offset that the log had not given out when the partition was assigned.
        end: u64,
    },
    /// The log holds another record than the one that the lake has consumed last.
    #[error(
        "record {offset} of partition {partition} is not the one that the lake has consumed: this is not the log \
         that the lake was written from, or an older copy of it that has gone on since; restore that one, or go on \
         with this one by `greenpark log adopt`, which reads all that it holds"
    )]
    OtherLog {
        /// The partition.
        partition: u32,
        /// The offset in the log.
        offset: u64,
    },
    /// A book has consumed a partition that its park is not in: the count of partitions was changed, and
    /// records would be read twice or passed over.
    #[error(
        "the book of {park} in {year} was written from partition {partition}, but of {partitions} partitions \
         the park is in {home}: the count was changed; set it, and the topic, to what it was, or start a new lake"
    )]
    Moved {
        /// Whose book.
        park: ParkId,
        /// Its year.
        year: i16,
        /// The partition that it has consumed.
        partition: u32,
        /// The partition of the park now.
        home: u32,
        /// Partitions of the log now.
        partitions: u32,
    },
    /// A worker thread was lost.
    #[error("run a worker")]
    Worker(#[source] Box<dyn StdError + Send + Sync>),
}

impl RunError {
    /// Whether it is of one park, so that the others can go on without it.
    pub(crate) fn is_of_one_park(&self) -> bool {
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
