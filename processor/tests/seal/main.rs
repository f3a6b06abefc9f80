//! The processor over an in-memory log and a lake on disk: which rows are stored after any order, repeat or restart.
//! Each reading has a value of its own, so that a double count is visible.

mod corrections;
mod origin;
mod suspended;

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use greenpark_archive::{lake::Lake, rows::ReadingRows, snapshot::Snapshot};
use greenpark_log::{ContentType, Headers, Record, Topic, memory::MemoryLog, partition};
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    clock::Clock,
    day::{CivilDay, Instant},
    id::{EnterpriseId, GatewayId, MeterId, ParkId},
    log_position::Partition,
    numbers::Numbers,
    reading::{Flag, Kind, Reading, Series},
};
use greenpark_processor::{Processor, ProcessorSettings};
use greenpark_proto::reading_batch;
use greenpark_runtime::clock;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

const HOUR: i64 = 3_600_000;

/// A lake, a log and the processor's clock.
struct Bench {
    folder: TempDir,
    log: MemoryLog,
    now: Arc<std::sync::atomic::AtomicI64>,
    memory: usize,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), greenpark_processor::RunError>>,
}

fn park() -> ParkId {
    ParkId::new("p").expect("an id")
}

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

impl Bench {
    fn new(now: &str) -> Self {
        let now: Instant = now.parse().expect("an instant");
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            log: MemoryLog::new(1, clock::system()),
            now: Arc::new(now.millis().into()),
            memory: ProcessorSettings::default().memory,
        }
    }

    /// Number of hot files.
    async fn hot_files(&self, lake: &Lake) -> usize {
        let book = snapshot(lake, 2026).await;
        book.map_or(0, |book| book.files.iter().filter(|f| f.is_hot()).count())
    }

    async fn lake(&self) -> Lake {
        Lake::open(self.folder.path().to_str().expect("UTF-8"), clock::system())
            .await
            .expect("a lake")
    }

    async fn start(&self, lake: &Lake) -> Running {
        self.start_of(lake, 1).await
    }

    /// Moves the clock to `now`.
    fn set(&self, now: &str) {
        let now: Instant = now.parse().expect("an instant");
        self.now
            .store(now.millis(), std::sync::atomic::Ordering::Relaxed);
    }

    /// Starts a processor that is configured with `partitions`.
    async fn start_of(&self, lake: &Lake, partitions: u32) -> Running {
        self.run(self.processor(lake, partitions))
    }

    /// Starts a processor and returns a receiver of its suspended parks.
    async fn start_watched(
        &self,
        lake: &Lake,
    ) -> (
        Running,
        tokio::sync::watch::Receiver<greenpark_processor::SuspendedParks>,
    ) {
        let processor = self.processor(lake, 1);
        let suspended = processor.suspended_parks();
        (self.run(processor), suspended)
    }

    fn run(&self, processor: Processor) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(processor.run(async move {
            let _stopped = stopped.await;
        }));
        Running { stop, task }
    }

    fn processor(&self, lake: &Lake, partitions: u32) -> Processor {
        let settings = ProcessorSettings {
            quiet: Duration::from_millis(100),
            flush_interval: Duration::from_millis(200),
            // The group's offset waits for it.
            messages_interval: Duration::from_millis(100),
            memory: self.memory,
            ..ProcessorSettings::default()
        };
        // The clock starts at the test's instant and moves with real time, so that pauses end.
        let (now, began) = (Arc::clone(&self.now), tokio::time::Instant::now());
        let clock = Clock::new(move || {
            let elapsed = i64::try_from(began.elapsed().as_millis()).expect("a short test");
            Instant::from_millis(now.load(std::sync::atomic::Ordering::Relaxed) + elapsed)
        });
        let reader = self.log.reader("test");
        Processor::new(reader, partitions, lake.clone(), settings, clock)
    }

    async fn send(&self, readings: &[(&str, &str, i64, i64)]) {
        self.send_of(&park(), readings).await;
    }

    async fn send_of(&self, park: &ParkId, readings: &[(&str, &str, i64, i64)]) {
        for reading in readings {
            self.send_one(park, *reading, &Numbers::default()).await;
        }
    }

    /// Sends a reading in whose record the messages `numbers` end.
    async fn send_one(
        &self,
        park: &ParkId,
        (enterprise, meter, instant, micro): (&str, &str, i64, i64),
        numbers: &Numbers,
    ) {
        let mut batch = Batch::new();
        let series = Series {
            meter: MeterId::new(meter).expect("an id"),
            quantity: "electricity".parse().expect("a quantity"),
            kind: Kind::Interval,
        };
        let index = batch.add_series(series).expect("room");
        let value = Amount::from_micro(micro).expect("in range");
        let reading = Reading {
            instant: Instant::from_millis(instant),
            value,
            flag: Flag::Normal,
        };
        batch.push(index, reading).expect("room");
        let sequence = numbers.runs().first().map_or(0, |run| run.0);
        let record = Record {
            park: park.clone(),
            headers: Headers {
                enterprise: EnterpriseId::new(enterprise).expect("an id"),
                gateway: GatewayId::new("g").expect("an id"),
                epoch: if sequence > 0 { 7 } else { 0 },
                sequence,
                content_type: ContentType::ReadingBatch,
            },
            payload: reading_batch::encode_numbered(&batch, &numbers.clone().into()),
        };
        let writer = self.log.writer();
        let receipt = writer.append(Topic::Readings, vec![record]).await;
        assert_eq!(receipt.expect("appended").records(), 1);
    }
}

impl Running {
    /// Waits for its end, which must be a refusal that contains `words`.
    async fn refused(self, words: &str) {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.task).await;
        let ended = ended.expect("in time").expect("no panic");
        let error = ended.expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    }

    async fn stop(self) {
        let _gone = self.stop.send(());
        self.task.await.expect("no panic").expect("no error");
    }

    async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

/// Waits until `condition` returns a value, for at most half a minute.
async fn until<T, F: Future<Output = Option<T>>>(mut condition: impl FnMut() -> F) -> T {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let waiting = async {
        loop {
            tick.tick().await;
            if let Some(value) = condition().await {
                return value;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("in time")
}

async fn snapshot(lake: &Lake, year: i16) -> Option<Arc<Snapshot>> {
    lake.snapshot(&park(), year).await.expect("readable")
}

/// The book once `days` enterprise-days are sealed and no hot file is left.
async fn sealed(lake: &Lake, year: i16, days: usize) -> Arc<Snapshot> {
    until(|| async {
        let book = snapshot(lake, year).await?;
        let hot = book.files.iter().any(|f| f.is_hot());
        (!hot && book.files.len() == days).then_some(book)
    })
    .await
}

async fn rows(lake: &Lake, book: &Snapshot) -> Vec<ReadingRows> {
    let writer = lake.book(&park(), book.year).await.expect("a book");
    let mut rows = Vec::new();
    for file in &book.files {
        rows.push(writer.read(file).await.expect("readable"));
    }
    rows
}

fn year_of_hours(first: &str, days: i64) -> Vec<(&'static str, &'static str, i64, i64)> {
    let start = day(first).start().millis();
    (0..days * 24)
        .map(|h| ("e", "m", start + h * HOUR, h + 1))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_sealed_one_file_a_day_with_totals() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let history = year_of_hours("2025-12-30", 4);
    bench.send(&history).await;
    let running = bench.start(&lake).await;
    let (old, new) = (sealed(&lake, 2025, 2).await, sealed(&lake, 2026, 2).await);
    running.stop().await;
    let mut sum = 0;
    for book in [&old, &new] {
        for rows in rows(&lake, book).await {
            assert_eq!(rows.len(), 24);
            sum += rows.values.iter().sum::<i64>();
        }
        assert_eq!(book.totals_files.iter().map(|f| f.rows).sum::<u64>(), 2);
    }
    assert_eq!(sum, history.iter().map(|r| r.3).sum::<i64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_and_shuffled_history_changes_nothing() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let mut history = year_of_hours("2026-03-01", 5);
    bench.send(&history).await;
    let running = bench.start(&lake).await;
    let first = sealed(&lake, 2026, 5).await;
    let paths: BTreeSet<String> = first.files.iter().map(|f| f.path.clone()).collect();
    // A fixed permutation: 120 hours stepped through by 49, which has no factor in common with 120.
    history = (0..120).map(|i| history[i * 49 % 120]).collect();
    bench.send(&history).await;
    until(|| async { (bench.log.committed("test", Partition::FIRST) >= 240).then_some(()) }).await;
    let again = sealed(&lake, 2026, 5).await;
    running.stop().await;
    let same: BTreeSet<String> = again.files.iter().map(|f| f.path.clone()).collect();
    assert_eq!(same, paths, "a repeat made a new revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_read_barrier_publishes_the_whole_log_and_fails_once_the_processor_has_stopped() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    // The clock does not move, so that only a request causes a flush.
    let settings = ProcessorSettings::default();
    let now = Arc::clone(&bench.now);
    let clock =
        Clock::new(move || Instant::from_millis(now.load(std::sync::atomic::Ordering::Relaxed)));
    let processor = Processor::new(bench.log.reader("test"), 1, lake.clone(), settings, clock);
    let barrier = processor.read_barrier();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(processor.run(async move {
        let _stopped = stopped.await;
    }));
    let running = Running { stop, task };
    let patience = Duration::from_secs(30);
    assert!(barrier.catch_up(patience).await, "an empty log is read");
    bench.send(&year_of_hours("2026-06-01", 1)).await;
    assert!(barrier.catch_up(patience).await);
    let book = snapshot(&lake, 2026).await.expect("a book");
    assert_eq!(book.files.iter().map(|f| f.rows).sum::<u64>(), 24);
    running.stop().await;
    assert!(!barrier.catch_up(patience).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reading_makes_revision_two_and_keeps_revision_one() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    bench.send(&year_of_hours("2026-03-01", 2)).await;
    let running = bench.start(&lake).await;
    let first = sealed(&lake, 2026, 2).await;
    let late = day("2026-03-01").start().millis() + HOUR / 2;
    bench.send(&[("e", "m", late, 1_000_000)]).await;
    let second = until(|| async {
        let book = snapshot(&lake, 2026).await?;
        let revision =
            book.sealed_revision(day("2026-03-01"), &EnterpriseId::new("e").expect("an id"));
        (revision == Some(2)).then_some(book)
    })
    .await;
    running.stop().await;
    assert_eq!(second.files.iter().map(|f| f.rows).sum::<u64>(), 49);
    let old = &first.files[0];
    let kept = bench
        .folder
        .path()
        .join(first.readings_root())
        .join(&old.path);
    assert!(kept.is_file(), "revision 1 is gone from {}", kept.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_day_is_visible_hot_and_sealed_by_a_later_processor() {
    let bench = Bench::new("2026-03-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let running = bench.start(&lake).await;
    bench.send(&year_of_hours("2026-03-01", 1)[..12]).await;
    let hot_rows = |book: &Snapshot| -> u64 {
        book.files
            .iter()
            .filter(|f| f.is_hot())
            .map(|f| f.rows)
            .sum()
    };
    until(|| async { snapshot(&lake, 2026).await.filter(|b| hot_rows(b) == 12) }).await;
    running.kill().await;
    let next_day: Instant = "2026-03-02T02:00:00+08:00".parse().expect("an instant");
    bench
        .now
        .store(next_day.millis(), std::sync::atomic::Ordering::Relaxed);
    let running = bench.start(&lake).await;
    let book = sealed(&lake, 2026, 1).await;
    running.stop().await;
    assert_eq!(book.files[0].rows, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_counts_once_despite_repeated_kills() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let history = year_of_hours("2026-03-01", 10);
    for part in history.chunks(24) {
        let running = bench.start(&lake).await;
        bench.send(part).await;
        // Killed as soon as a write of this part may have begun.
        until(|| async { (bench.log.entries(Topic::Readings).len() >= 24).then_some(()) }).await;
        running.kill().await;
    }
    let running = bench.start(&lake).await;
    let book = sealed(&lake, 2026, 10).await;
    running.stop().await;
    let sum: i64 = rows(&lake, &book)
        .await
        .iter()
        .flat_map(|r| r.values.iter())
        .sum();
    assert_eq!(sum, history.iter().map(|r| r.3).sum::<i64>());
    assert_eq!(book.files.iter().map(|f| f.rows).sum::<u64>(), 240);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_kept_and_the_later_value_counts() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    let instant = day("2026-03-01").start().millis();
    bench
        .send(&[
            ("e", "m", instant, 5),
            ("e", "m", instant, 7),
            ("e", "m", instant, 7),
        ])
        .await;
    let running = bench.start(&lake).await;
    let book = sealed(&lake, 2026, 1).await;
    running.stop().await;
    let rows = rows(&lake, &book).await.remove(0);
    assert_eq!(
        (rows.values, rows.superseded),
        (vec![5, 7], vec![true, false])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_partition_count_is_refused_and_no_record_is_skipped() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    bench.send(&year_of_hours("2026-03-01", 2)).await;
    let running = bench.start(&lake).await;
    let before = sealed(&lake, 2026, 2).await;
    running.stop().await;
    let moves = |count: &u32| partition::of(&park(), *count) != Partition::FIRST;
    let count = (2..).find(moves).expect("a count that moves the park");
    // The log was created again with more partitions, and the settings were changed accordingly.
    let other = Bench {
        log: MemoryLog::new(count, clock::system()),
        ..bench
    };
    other.send(&year_of_hours("2026-03-05", 3)).await;
    let running = other.start_of(&lake, count).await;
    running.refused("the count was changed").await;
    let after = snapshot(&lake, 2026).await.expect("a book");
    assert_eq!(after.files, before.files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_revoked_and_assigned_again_continues() {
    let bench = Bench::new("2026-06-01T12:00:00+08:00");
    let lake = bench.lake().await;
    bench.send(&year_of_hours("2026-03-01", 1)).await;
    let running = bench.start(&lake).await;
    sealed(&lake, 2026, 1).await;
    bench.log.revoke("test", Partition::FIRST);
    bench.send(&year_of_hours("2026-03-02", 1)).await;
    bench.log.assign("test", Partition::FIRST);
    let book = sealed(&lake, 2026, 2).await;
    running.stop().await;
    assert_eq!(book.files.iter().map(|f| f.rows).sum::<u64>(), 48);
}

/// Seals a day of forty enterprises, from five hot files and rows that come when the day is over. Returns the sealed rows
/// and the number of commits with sealed files.
async fn seal_a_large_day(memory: usize) -> (Vec<ReadingRows>, usize) {
    let names: Vec<String> = (0..40).map(|n| format!("e{n:02}")).collect();
    let mut bench = Bench::new("2026-03-01T23:00:00+08:00");
    bench.memory = memory;
    let lake = bench.lake().await;
    let start = day("2026-03-01").start().millis();
    let part = |part: i64| -> Vec<_> {
        let minutes = part * 10..part * 10 + 10;
        let of = |(n, name): (i64, _)| {
            let minutes = minutes.clone();
            minutes.map(move |i| (name, "m", start + i * 60_000, n * 1_000 + i))
        };
        let names = names.iter().map(String::as_str);
        (1..).zip(names).flat_map(of).collect()
    };
    for n in 0..5 {
        bench.send(&part(n)).await;
        let running = bench.start(&lake).await;
        until(|| async {
            (bench.log.committed("test", Partition::FIRST) == 400 * (n as u64 + 1)).then_some(())
        })
        .await;
        running.stop().await;
    }
    assert!(bench.hot_files(&lake).await >= 5);
    bench.send(&part(5)).await;
    let next_day = day("2026-03-03").start().millis();
    bench
        .now
        .store(next_day, std::sync::atomic::Ordering::Relaxed);
    let running = bench.start(&lake).await;
    let book = sealed(&lake, 2026, 40).await;
    running.stop().await;
    let log = bench
        .folder
        .path()
        .join(book.readings_root())
        .join("_delta_log");
    let entries = std::fs::read_dir(log).expect("a log");
    let entries = entries.map(|entry| entry.expect("an entry").path());
    let texts = entries.filter_map(|path| std::fs::read_to_string(path).ok());
    let commits = texts.filter(|text| text.contains(".r1.")).count();
    (rows(&lake, &book).await, commits)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_larger_than_memory_is_sealed_in_chunks_to_the_same_rows() {
    let (whole, once) = seal_a_large_day(ProcessorSettings::default().memory).await;
    // Memory for 500 of the day's 2,400 rows.
    let (portions, commits) = seal_a_large_day((128 << 20) + 500 * 384).await;
    assert_eq!(portions, whole);
    assert_eq!(whole.iter().map(ReadingRows::len).sum::<usize>(), 2_400);
    assert_eq!((once, commits), (1, 1), "a day is published at once");
}
