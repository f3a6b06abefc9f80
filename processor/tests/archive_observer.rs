//! Goal: a number is reported once the books hold its message, and not before; and it is in the lake's table of messages
//! before the group's offset passes its record, despite kills. Method: processors over the in-memory log, with an
//! observer that records the reported numbers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use greenpark_archive::{lake::Lake, messages::Messages};
use greenpark_log::{ContentType, Headers, Record, Topic, memory::MemoryLog};
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    clock::Clock,
    day::Instant,
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    log_position::Partition,
    numbers::Numbers,
    reading::{Flag, Kind, Reading, Series},
};
use greenpark_processor::{ArchivedNumbers, Processor, ProcessorSettings, RunError};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tokio::{sync::oneshot, task::JoinHandle};

const NOW: i64 = 1_795_392_000_000;

type Reports = Arc<Mutex<Vec<(u64, Numbers)>>>;

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
                instant: Instant::from_millis(NOW + value),
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
        payload: reading_batch::encode_numbered(&batch, &numbers.clone().into()),
    }
}

/// A processor and the numbers that it has reported.
struct Running {
    reports: Reports,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
}

/// Yields until `is_so`.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), wait).await;
    in_time.unwrap_or_else(|_| panic!("{what} in a minute"));
}

/// Number of messages reported so far.
fn count(reports: &Reports) -> u64 {
    let reports = reports.lock().expect("not poisoned");
    let runs = reports.iter().flat_map(|(_, numbers)| numbers.runs());
    runs.map(|(first, last)| last - first + 1).sum()
}

impl Running {
    /// Starts a processor that writes its messages each `interval`.
    fn start(lake: &Lake, log: &MemoryLog, interval: Duration) -> Self {
        let reports = Reports::default();
        let sink = Arc::clone(&reports);
        let settings = ProcessorSettings {
            flush_interval: Duration::from_millis(50),
            messages_interval: interval,
            ..ProcessorSettings::default()
        };
        let began = tokio::time::Instant::now();
        let clock = Clock::new(move || {
            Instant::from_millis(
                NOW + i64::try_from(began.elapsed().as_millis()).expect("a short test"),
            )
        });
        let processor = Processor::new(log.reader("test"), 1, lake.clone(), settings, clock)
            .with_archive_observer(Arc::new(move |archived: ArchivedNumbers<'_>| {
                assert_eq!(archived.park.as_str(), "p");
                let mut reports = sink.lock().expect("not poisoned");
                reports.push((archived.epoch, archived.numbers.clone()));
            }));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(processor.run(async move { drop(stopped.await) }));
        Self {
            reports,
            stop,
            task,
        }
    }

    /// Waits until `messages` messages have been reported.
    async fn wait_for_reports(&self, messages: u64) {
        until("everything is reported", || {
            count(&self.reports) >= messages
        })
        .await;
    }

    async fn stop(self) -> Vec<(u64, Numbers)> {
        drop(self.stop);
        self.task.await.expect("no panic").expect("no error");
        self.reports.lock().expect("not poisoned").clone()
    }

    async fn kill(self) {
        self.task.abort();
        let killed = self.task.await.expect_err("it was running");
        assert!(killed.is_cancelled());
    }
}

/// Runs a processor until `count` numbers of all epochs have been reported, and returns the reports.
async fn run_and_report(lake: &Lake, log: &MemoryLog, count: u64) -> Vec<(u64, Numbers)> {
    let running = Running::start(lake, log, Duration::from_secs(60));
    running.wait_for_reports(count).await;
    running.stop().await
}

async fn append(log: &MemoryLog, record: Record) {
    let receipt = log.writer().append(Topic::Readings, vec![record]).await;
    assert_eq!(receipt.expect("appended").records(), 1);
}

/// A lake in `folder`.
async fn lake(folder: &tempfile::TempDir) -> Lake {
    let root = folder.path().to_str().expect("UTF-8");
    Lake::open(root, clock::system()).await.expect("a lake")
}

fn park() -> ParkId {
    ParkId::new("p").expect("an id")
}

/// Epoch, day and runs of what the table holds.
async fn table(lake: &Lake) -> Vec<(u64, String, Vec<(u64, u64)>)> {
    let messages: Messages = lake.messages(&park()).read().await.expect("readable");
    let rows = messages.iter();
    rows.map(|(of, day, numbers)| (of.epoch, day.to_string(), numbers.runs().to_vec()))
        .collect()
}

async fn rows(lake: &Lake) -> u64 {
    let snapshot = lake.snapshot(&park(), 2026).await.expect("a lake");
    snapshot.map_or(0, |s| s.files.iter().map(|file| file.rows).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_numbers_are_reported_and_again_when_they_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    append(&log, record(&[1, 2], 7, &numbers(&[(1, 2), (4, 4)]))).await;
    // A gateway that does not number, a message refused as a whole, and another epoch.
    append(&log, record(&[3], 0, &Numbers::default())).await;
    append(&log, record(&[], 7, &numbers(&[(3, 3)]))).await;
    append(&log, record(&[4], 8, &numbers(&[(1, 1)]))).await;
    let mut joined = [Numbers::default(), Numbers::default()];
    for (epoch, numbers) in run_and_report(&lake, &log, 5).await {
        joined[usize::from(epoch == 8)].join(&numbers);
    }
    assert_eq!(joined, [numbers(&[(1, 4)]), numbers(&[(1, 1)])]);
    assert_eq!(rows(&lake).await, 4);
    // The next processor reads again from where the lake is complete: new numbers are reported, and some earlier ones again.
    append(&log, record(&[5], 7, &numbers(&[(5, 5)]))).await;
    let mut again = joined.clone();
    for (epoch, numbers) in run_and_report(&lake, &log, 1).await {
        again[usize::from(epoch == 8)].join(&numbers);
    }
    assert_eq!(again, [numbers(&[(1, 5)]), numbers(&[(1, 1)])]);
    assert_eq!(rows(&lake).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_survive_a_kill_between_their_rows_and_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(NOW + 86_400_000)));
    // A record before them without numbers may be committed.
    append(&log, record(&[9], 0, &Numbers::default())).await;
    append(&log, record(&[1, 2], 7, &numbers(&[(1, 2), (4, 4)]))).await;
    append(&log, record(&[], 7, &numbers(&[(3, 3)]))).await;
    let first = Running::start(&lake, &log, Duration::from_secs(600));
    first.wait_for_reports(4).await;
    assert_eq!(rows(&lake).await, 3);
    until("the record before them is committed", || {
        log.committed("test", Partition::FIRST) == 1
    })
    .await;
    // More rows, and still no write of the table.
    append(&log, record(&[3], 7, &numbers(&[(5, 5)]))).await;
    first.wait_for_reports(5).await;
    first.kill().await;
    assert_eq!(log.committed("test", Partition::FIRST), 1);
    assert!(table(&lake).await.is_empty());

    let second = Running::start(&lake, &log, Duration::from_secs(600));
    second.wait_for_reports(5).await;
    assert_eq!(log.committed("test", Partition::FIRST), 1);
    second.stop().await;
    assert_eq!(rows(&lake).await, 4, "rows that the books have are skipped");
    // A message without readings has the day on which the log appended it.
    let days = [
        (7, "2026-11-23".to_owned(), vec![(1, 2), (4, 5)]),
        (7, "2026-11-24".to_owned(), vec![(3, 3)]),
    ];
    assert_eq!(table(&lake).await, days);
    assert_eq!(log.committed("test", Partition::FIRST), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_written_after_the_interval_without_further_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    append(&log, record(&[1], 7, &numbers(&[(1, 1)]))).await;
    let running = Running::start(&lake, &log, Duration::from_millis(200));
    until("the offset is stored", || {
        log.committed("test", Partition::FIRST) == 1
    })
    .await;
    assert_eq!(
        table(&lake).await.len(),
        1,
        "the table is written before the offset"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_numbers_has_no_table_and_waits_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    let running = Running::start(&lake, &log, Duration::from_secs(600));
    for value in 1..=3_u64 {
        let micro = i64::try_from(value).expect("small");
        append(&log, record(&[micro], 0, &Numbers::default())).await;
        until("the offset is stored", || {
            log.committed("test", Partition::FIRST) == value
        })
        .await;
    }
    running.stop().await;
    assert_eq!(rows(&lake).await, 3);
    assert!(!folder.path().join("p/messages").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_that_takes_over_writes_the_numbers_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    append(&log, record(&[1], 7, &numbers(&[(1, 1)]))).await;
    let former = Running::start(&lake, &log, Duration::from_secs(600));
    former.wait_for_reports(1).await;
    let latter = Running::start(&lake, &log, Duration::from_secs(600));
    latter.wait_for_reports(1).await;
    append(&log, record(&[2], 7, &numbers(&[(2, 2)]))).await;
    latter.wait_for_reports(2).await;
    former.stop().await;
    assert_eq!(
        log.committed("test", Partition::FIRST),
        0,
        "the former processor no longer owns the partition"
    );
    latter.stop().await;
    assert_eq!(table(&lake).await[0].2, [(1, 2)]);
    assert_eq!(log.committed("test", Partition::FIRST), 2);
    assert_eq!(rows(&lake).await, 2);
}
