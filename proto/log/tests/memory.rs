//! The faults that the log in memory plays.

use std::{task::Poll, time::Duration};

use bytes::Bytes;
use futures::poll;
use greenpark_log::{
    AppendError, Assigned, CommitError, ContentType, Headers, Record, Topic,
    memory::{INFLIGHT_BYTES, MemoryLog},
};
use greenpark_model::{
    clock::Clock,
    day::Instant,
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use greenpark_runtime::clock;

const WAIT: Duration = Duration::from_millis(100);

fn record(sequence: u64, payload_bytes: usize) -> Record {
    Record {
        park: ParkId::new("park-1").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("steel-01").expect("an id"),
            gateway: GatewayId::new("gw-7").expect("an id"),
            epoch: 1,
            sequence,
            content_type: ContentType::ReadingBatch,
        },
        payload: Bytes::from(vec![b'x'; payload_bytes]),
    }
}

#[tokio::test]
async fn a_paused_log_holds_appends_back_in_order_and_within_bounds() {
    let log = MemoryLog::new(1, clock::system());
    let writer = log.writer();
    log.pause();
    let half = INFLIGHT_BYTES / 10;
    let mut calls: Vec<_> = (0..20)
        .map(|n| writer.append(Topic::Readings, vec![record(n, half); 1]))
        .collect();
    for call in &mut calls {
        assert!(
            matches!(poll!(call), Poll::Pending),
            "a paused log gave a receipt"
        );
    }
    assert!(log.entries(Topic::Readings).is_empty());
    log.resume();
    for call in calls {
        assert_eq!(call.await.expect("the log appends").records(), 1);
    }
    let held: Vec<u64> = log
        .entries(Topic::Readings)
        .into_iter()
        .map(|entry| entry.record.expect("a record").headers.sequence)
        .collect();
    assert_eq!(held, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failed_append_leaves_nothing() {
    let log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    log.fail_appends(1);
    let failed = log
        .writer()
        .append(Topic::Readings, vec![record(1, 10)])
        .await;
    assert!(matches!(failed, Err(AppendError::Write(_))), "{failed:?}");
    let receipt = log
        .writer()
        .append(Topic::Readings, vec![record(2, 10)])
        .await;
    assert_eq!(receipt.expect("the log appends").records(), 1);
    let held = log.entries(Topic::Readings);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].appended_ms, 42);
}

#[tokio::test]
async fn a_partition_given_back_starts_at_the_committed_offset() {
    let log = MemoryLog::new(1, clock::system());
    let mut reader = log.reader("g");
    let records = (0..10).map(|n| record(n, 10)).collect();
    let receipt = log.writer().append(Topic::Readings, records).await;
    assert_eq!(receipt.expect("the log appends").records(), 10);
    let whole = Assigned {
        partition: Partition::FIRST,
        start: 0,
        end: 10,
    };
    let first = reader.next(1 << 20, WAIT).await.expect("the log reads");
    assert_eq!((first.entries.len(), first.assigned), (10, vec![whole]));
    reader
        .commit(Partition::FIRST, 4)
        .await
        .expect("the log commits");
    log.revoke("g", Partition::FIRST);
    let refused = reader.commit(Partition::FIRST, 6).await;
    assert!(
        matches!(refused, Err(CommitError::Revoked(Partition::FIRST))),
        "{refused:?}"
    );
    log.assign("g", Partition::FIRST);
    let again = reader.next(1 << 20, WAIT).await.expect("the log reads");
    let rest = Assigned { start: 4, ..whole };
    assert_eq!(
        (again.revoked, again.assigned),
        (vec![Partition::FIRST], vec![rest])
    );
    assert_eq!(again.entries.first().expect("records").position.offset, 4);
    assert_eq!(log.committed("g", Partition::FIRST), 4);
}
