//! Goal: a rebalance of the group while an offset is stored has no effect (FAULTS C7). Method: a reader of the in-memory
//! log whose first commits are refused for a moment, as Kafka refuses them during a rebalance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use greenpark_archive::lake::Lake;
use greenpark_log::{
    CommitError, ContentType, Delivered, Entry, Headers, LogReader, ReadError, Record, Topic,
    memory::MemoryLog,
};
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    clock::Clock,
    day::Instant,
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    log_position::Partition,
    reading::{Flag, Kind, Reading, Series},
};
use greenpark_processor::{Processor, ProcessorSettings};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tokio::sync::oneshot;

const NOW: i64 = 1_795_392_000_000;
/// Number of commits that are refused.
const REFUSED: usize = 2;

/// A reader that cannot commit for a while.
#[derive(Debug)]
struct Rebalancing {
    reader: Box<dyn LogReader>,
    tries: Arc<AtomicUsize>,
}

impl LogReader for Rebalancing {
    fn next(
        &mut self,
        bytes_max: usize,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Delivered, ReadError>> {
        self.reader.next(bytes_max, wait)
    }

    fn find(
        &mut self,
        partition: Partition,
        offset: u64,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        self.reader.find(partition, offset)
    }

    fn rewind(&mut self, partition: Partition, offset: u64) {
        self.reader.rewind(partition, offset);
    }

    fn commit(
        &mut self,
        partition: Partition,
        next_offset: u64,
    ) -> BoxFuture<'_, Result<(), CommitError>> {
        if self.tries.fetch_add(1, Ordering::SeqCst) < REFUSED {
            let refused = CommitError::NotNow("a rebalance is in progress".into());
            return futures::future::err(refused).boxed();
        }
        self.reader.commit(partition, next_offset)
    }
}

fn record(value: i64) -> Record {
    let mut batch = Batch::new();
    let series = Series {
        meter: MeterId::new("m").expect("an id"),
        quantity: "electricity".parse().expect("a quantity"),
        kind: Kind::Interval,
    };
    let index = batch.add_series(series).expect("room");
    let reading = Reading {
        instant: Instant::from_millis(NOW - value),
        value: Amount::from_micro(value).expect("in range"),
        flag: Flag::Normal,
    };
    batch.push(index, reading).expect("room");
    Record {
        park: ParkId::new("p").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            epoch: 0,
            sequence: 0,
            content_type: ContentType::ReadingBatch,
        },
        payload: reading_batch::encode(&batch),
    }
}

#[tokio::test]
async fn an_offset_that_cannot_be_stored_now_is_stored_with_a_later_flush() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(&folder.path().display().to_string(), clock::system())
        .await
        .expect("a lake");
    let log = MemoryLog::new(1, clock::system());
    let tries = Arc::new(AtomicUsize::new(0));
    let reader = Rebalancing {
        reader: log.reader("test"),
        tries: Arc::clone(&tries),
    };
    let settings = ProcessorSettings {
        flush_interval: Duration::from_millis(20),
        ..ProcessorSettings::default()
    };
    let began = tokio::time::Instant::now();
    let clock = Clock::new(move || {
        Instant::from_millis(
            NOW + i64::try_from(began.elapsed().as_millis()).expect("a short test"),
        )
    });
    let processor = Processor::new(Box::new(reader), 1, lake.clone(), settings, clock);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(processor.run(async move { drop(stopped.await) }));
    let writer = log.writer();
    let mut sent = 0;
    while tries.load(Ordering::SeqCst) <= REFUSED {
        assert!(
            !running.is_finished(),
            "a commit that must wait ended the processor"
        );
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no flush in a minute"
        );
        sent += 1;
        let receipt = writer.append(Topic::Readings, vec![record(sent)]).await;
        let _receipt = receipt.expect("appended");
        tokio::task::yield_now().await;
    }
    drop(stop);
    running.await.expect("no panic").expect("no error");
    // The last stored offset is the end of the log, so a new reader has nothing to read.
    let mut again = log.reader("test");
    let rest = again
        .next(1 << 20, Duration::ZERO)
        .await
        .expect("the log reads");
    assert_eq!(rest.assigned[0].start, rest.assigned[0].end);
    let park = ParkId::new("p").expect("an id");
    let snapshot = lake
        .snapshot(&park, 2026)
        .await
        .expect("read")
        .expect("a book");
    let rows: u64 = snapshot.files.iter().map(|file| file.rows).sum();
    assert_eq!(rows, u64::try_from(sent).expect("few"));
}
