//! Goal: dead letters are handed out like readings, to groups of their own, and none goes before it was read.
//! Method: the same cases over the log in memory and the embedded one, and the latter's bound.

use std::time::Duration;

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, LogReader, Record, Topic, memory::MemoryLog};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use greenpark_runtime::clock;

const WAIT: Duration = Duration::from_millis(200);

fn record(park: &str, sequence: u64, bytes: usize) -> Record {
    Record {
        park: ParkId::new(park).expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            epoch: 0,
            sequence,
            content_type: ContentType::DeadLetter,
        },
        payload: Bytes::from(vec![b'x'; bytes]),
    }
}

/// Offsets and numbers of what `reader` hands out until it has caught up.
async fn read(reader: &mut Box<dyn LogReader>) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    loop {
        let delivered = reader.next(1 << 20, WAIT).await.expect("the log reads");
        all.extend(delivered.entries.into_iter().map(|entry| {
            assert_eq!(entry.position.partition, Partition::FIRST);
            let sequence = entry.record.expect("ours").headers.sequence;
            (entry.position.offset, sequence)
        }));
        if delivered.caught_up {
            return all;
        }
    }
}

/// A log that is in this process.
enum Log {
    Memory(MemoryLog),
    Embedded(EmbeddedLog),
}

impl Log {
    async fn append(&self, topic: Topic, records: Vec<Record>) {
        let writer = match self {
            Self::Memory(log) => log.writer(),
            Self::Embedded(log) => log.writer(),
        };
        let count = records.len();
        let receipt = writer.append(topic, records).await.expect("appended");
        assert_eq!(receipt.records(), count);
    }

    fn letters(&self, group: &str) -> Box<dyn LogReader> {
        match self {
            Self::Memory(log) => log.letter_reader(group),
            Self::Embedded(log) => log.letter_reader(group),
        }
    }
}

fn logs(folder: &tempfile::TempDir) -> [Log; 2] {
    let settings = LogFileSettings {
        partitions: 3,
        ..LogFileSettings::default()
    };
    let embedded =
        EmbeddedLog::open(folder.path(), settings, clock::system()).expect("the log opens");
    [
        Log::Memory(MemoryLog::new(3, clock::system())),
        Log::Embedded(embedded),
    ]
}

#[tokio::test]
async fn letters_are_handed_out_in_order_and_from_where_their_group_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for log in logs(&folder) {
        let mut reader = log.letters("a");
        let parks = ["p", "q", "r"];
        for sequence in 0..6 {
            let park = parks[usize::try_from(sequence % 3).expect("small")];
            log.append(Topic::DeadLetters, vec![record(park, sequence, 10)])
                .await;
            log.append(Topic::Readings, vec![record(park, 99, 10)])
                .await;
        }
        let all: Vec<(u64, u64)> = (0..6).map(|n| (n, n)).collect();
        assert_eq!(read(&mut reader).await, all);
        reader.commit(Partition::FIRST, 4).await.expect("stored");
        assert!(
            reader.commit(Partition::FIRST, 7).await.is_err(),
            "it lies past the end"
        );
        drop(reader);
        assert_eq!(read(&mut log.letters("a")).await, all[4..]);
        assert_eq!(read(&mut log.letters("b")).await, all);
    }
}

#[tokio::test]
async fn a_letter_wakes_its_reader_and_a_later_reader_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    for log in logs(&folder) {
        let mut former = log.letters("a");
        assert!(read(&mut former).await.is_empty());
        let waiting = former.next(1 << 20, Duration::from_secs(60));
        let appending = log.append(Topic::DeadLetters, vec![record("p", 0, 10)]);
        let (delivered, ()) = tokio::join!(waiting, appending);
        assert_eq!(delivered.expect("read").entries.len(), 1);
        let mut latter = log.letters("a");
        let delivered = former.next(1 << 20, WAIT).await.expect("read");
        assert_eq!(delivered.revoked, [Partition::FIRST]);
        assert!(former.commit(Partition::FIRST, 1).await.is_err());
        assert_eq!(read(&mut latter).await, [(0, 0)]);
        latter.commit(Partition::FIRST, 1).await.expect("stored");
    }
}

#[tokio::test]
async fn letters_that_a_group_has_not_read_outlive_the_bound_and_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = LogFileSettings {
        dead_letter_bytes: 1 << 20,
        ..LogFileSettings::default()
    };
    let open =
        || EmbeddedLog::open(folder.path(), settings, clock::system()).expect("the log opens");
    let many = 40_u64;
    {
        let log = Log::Embedded(open());
        let mut reader = log.letters("a");
        for sequence in 0..many {
            log.append(Topic::DeadLetters, vec![record("p", sequence, 200_000)])
                .await;
        }
        let first = reader.next(1, WAIT).await.expect("the log reads").entries;
        assert_eq!(first[0].position.offset, 0, "the oldest is still there");
        reader.commit(Partition::FIRST, 5).await.expect("stored");
    }
    // Nobody reads at first, but the file knows that somebody does.
    let log = Log::Embedded(open());
    log.append(Topic::DeadLetters, vec![record("p", many, 200_000)])
        .await;
    let mut reader = log.letters("a");
    let unread: Vec<(u64, u64)> = (5..=many).map(|n| (n, n)).collect();
    assert_eq!(read(&mut reader).await, unread);
    reader
        .commit(Partition::FIRST, many + 1)
        .await
        .expect("stored");
    log.append(Topic::DeadLetters, vec![record("p", many + 1, 10)])
        .await;
    let left = read(&mut log.letters("b")).await;
    assert!(left.len() < 12, "{} letters are there", left.len());
}
