//! Goal: a number is told when the books hold its message, and not before. Method: a processor over the log in
//! memory whose listener looks into the lake at once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use greenpark_archive::lake::Lake;
use greenpark_log::{ContentType, Headers, Record, Topic, memory::MemoryLog};
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    day::Instant,
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    numbers::Numbers,
    reading::{Flag, Kind, Reading, Series},
};
use greenpark_processor::{Archived, Clock, Processor, Settings};
use greenpark_proto::reading_batch;
use tokio::sync::oneshot;

const NOW: i64 = 1_795_392_000_000;

type Told = Arc<Mutex<Vec<(u64, Numbers)>>>;

fn numbers(runs: &[(u64, u64)]) -> Numbers {
    let mut numbers = Numbers::default();
    for &(first, last) in runs {
        numbers.insert(first, last);
    }
    numbers
}

/// A record of one gateway with as many readings as `values`, in which `numbers` of `epoch` end.
fn record(values: &[i64], epoch: u64, numbers: &Numbers) -> Record {
    let mut batch = Batch::new();
    if !values.is_empty() {
        let series = Series {
            meter: MeterId::new("m").expect("an id"),
            quantity: "electricity".parse().expect("a quantity"),
            kind: Kind::Interval,
        };
        let index = batch.add_series(series).expect("room");
        for &value in values {
            let reading = Reading {
                instant: Instant(NOW + value),
                value: Amount::from_micro(value).expect("in range"),
                flag: Flag::Normal,
            };
            batch.push(index, reading).expect("room");
        }
    }
    Record {
        park: ParkId::new("p").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            epoch,
            sequence: numbers.runs().first().map_or(0, |run| run.0),
            content_type: ContentType::ReadingBatch,
        },
        payload: reading_batch::encode_numbered(&batch, numbers),
    }
}

/// Runs a processor until `count` numbers of all epochs have been told, and returns them.
async fn told(lake: &Lake, log: &MemoryLog, count: u64) -> Vec<(u64, Numbers)> {
    let told = Told::default();
    let (heard, tell) = (Arc::clone(&told), Arc::clone(&told));
    let settings = Settings {
        flush_interval: Duration::from_millis(50),
        ..Settings::default()
    };
    let began = std::time::Instant::now();
    let clock = Clock::new(move || {
        Instant(NOW + i64::try_from(began.elapsed().as_millis()).expect("a short test"))
    });
    let processor = Processor::new(log.reader("test"), 1, lake.clone(), settings, clock)
        .with_listener(Arc::new(move |archived: Archived<'_>| {
            assert_eq!(archived.park.as_str(), "p");
            let mut told = tell.lock().expect("not poisoned");
            told.push((archived.epoch, archived.numbers.clone()));
        }));
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(processor.run(async move { drop(stopped.await) }));
    let all = async {
        let length = |(_, n): &(u64, Numbers)| n.runs().iter().map(|(a, b)| b - a + 1).sum::<u64>();
        while heard
            .lock()
            .expect("not poisoned")
            .iter()
            .map(length)
            .sum::<u64>()
            < count
        {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), all).await;
    in_time.expect("everything is told");
    let told = heard.lock().expect("not poisoned").clone();
    drop(stop);
    task.await.expect("no panic").expect("no error");
    told
}

async fn rows(lake: &Lake) -> u64 {
    let park = ParkId::new("p").expect("an id");
    let snapshot = lake.snapshot(&park, 2026).await.expect("a lake");
    snapshot.map_or(0, |s| s.files.iter().map(|file| file.rows).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_books_hold_is_told_and_told_again_when_it_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_str().expect("UTF-8");
    let lake = Lake::open(root).await.expect("a lake");
    let log = MemoryLog::new(1);
    let append = async |record: Record| {
        let receipt = log.writer().append(Topic::Readings, vec![record]).await;
        assert_eq!(receipt.expect("appended").records(), 1);
    };
    append(record(&[1, 2], 7, &numbers(&[(1, 2), (4, 4)]))).await;
    // A gateway that does not number, a message refused as a whole, and another epoch.
    append(record(&[3], 0, &Numbers::default())).await;
    append(record(&[], 7, &numbers(&[(3, 3)]))).await;
    append(record(&[4], 8, &numbers(&[(1, 1)]))).await;
    let mut joined = [Numbers::default(), Numbers::default()];
    for (epoch, numbers) in told(&lake, &log, 5).await {
        joined[usize::from(epoch == 8)].join(&numbers);
    }
    assert_eq!(joined, [numbers(&[(1, 4)]), numbers(&[(1, 1)])]);
    assert_eq!(rows(&lake).await, 4);
    // Only what is new is read by the next processor, and told.
    append(record(&[5], 7, &numbers(&[(5, 5)]))).await;
    assert_eq!(told(&lake, &log, 1).await, [(7, numbers(&[(5, 5)]))]);
    assert_eq!(rows(&lake).await, 5);
}
