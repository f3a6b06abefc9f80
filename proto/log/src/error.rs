//! What can go wrong with a log.

use greenpark_model::log_position::Partition;
use std::error::Error as StdError;

/// The cause below, whatever library it came from.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// A log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The embedded log's file or folder.
    #[error("open the log at {path}")]
    File {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The Kafka client.
    #[error("connect to Kafka at {brokers}")]
    Kafka {
        /// The bootstrap servers.
        brokers: String,
        /// The cluster did not answer or is busy: it may answer later.
        is_away: bool,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The number of partitions is not what the archive was written with.
    #[error(
        "topic {topic} has {found} partitions, expected {expected}; a park would change its partition: restore the count or start a new archive"
    )]
    PartitionCount {
        /// The topic.
        topic: &'static str,
        /// As configured.
        expected: u32,
        /// As found.
        found: u32,
    },
    /// The topic's settings let readings be lost that nobody has read.
    #[error(
        "topic {topic} has {property}={found}, which can drop acknowledged readings unread; set it: kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {property}={needed}"
    )]
    Retention {
        /// The topic's name in Kafka.
        topic: String,
        /// The setting.
        property: &'static str,
        /// As found.
        found: String,
        /// A value that keeps every reading.
        needed: &'static str,
    },
}

impl OpenError {
    /// Whether it passes by itself: the cluster did not answer.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Kafka { is_away, .. } => *is_away,
            _ => false,
        }
    }
}

/// Records may or may not be in the log.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// A record is larger than the log takes.
    #[error("a record of {bytes} bytes is larger than the log takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Writing did not succeed.
    #[error("append to the log")]
    Write(#[source] Cause),
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
}

/// Nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Reading did not succeed.
    #[error("read from the log")]
    Read(#[source] Cause),
    /// The log is shutting down.
    #[error("the log is closed")]
    Closed,
}

/// The committed offset may be the old one.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Storing did not succeed.
    #[error("store the group's offset")]
    Store(#[source] Cause),
    /// The partition belongs to another reader now.
    #[error("partition {0} is no longer ours")]
    Revoked(Partition),
    /// The group is being shared out anew, or nobody can be asked for a moment: nothing was stored, and the same or a
    /// later offset may be stored with the next flush.
    #[error("the group's offset cannot be stored at the moment")]
    NotNow(#[source] Cause),
}
