//! The components of a standalone process, assembled for measuring on a temporary folder.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use greenpark_archive::{
    book::NewFile,
    columns::{FileFacts, encode_readings},
    file::FileKind,
    lake::Lake,
    rows::ReadingRows,
    snapshot::Snapshot,
};
use greenpark_ingest::{DecodeSettings, IngestMetrics, ListenSettings, MqttListener, Pipeline};
use greenpark_log::LogWriter;
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::{
    clock::Clock,
    day::{CivilDay, Instant},
    id::ParkId,
};
use greenpark_processor::{Processor, ProcessorSettings};
use greenpark_runtime::clock;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

/// The current time of the bench: after the history of the load, so that all its days are over.
pub(crate) const NOW_MS: i64 = 1_795_000_000_000;

/// A temporary folder with a log and a lake.
#[derive(Debug)]
pub(crate) struct BenchNode {
    folder: TempDir,
    pub(crate) log: EmbeddedLog,
}

/// A task that can be stopped.
#[derive(Debug)]
pub(crate) struct Task {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(crate) fn park() -> ParkId {
    ParkId::new("bench").expect("an id")
}

/// A file of `rows`, ready to be published.
pub(crate) fn new_file(rows: &ReadingRows, day: CivilDay, kind: FileKind) -> NewFile {
    let facts = FileFacts {
        park: park(),
        day,
        kind: kind.clone(),
        offsets: None,
    };
    NewFile {
        day,
        kind,
        encoded: encode_readings(rows, &facts).expect("sound rows"),
    }
}

impl BenchNode {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = LogFileSettings::default();
        let log = EmbeddedLog::open(&folder.path().join("log"), settings, clock::system())
            .expect("a log");
        Self { folder, log }
    }

    /// A place in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn lake(&self) -> Lake {
        let lake = self.path("lake");
        Lake::open(lake.to_str().expect("UTF-8"), clock::system())
            .await
            .expect("a lake")
    }

    /// Starts the listener over the embedded log.
    pub(crate) async fn listen(&self, writer: LogWriter) -> (SocketAddr, Task) {
        let metrics = IngestMetrics::new(&mut Registry::default());
        let clock = Clock::new(|| Instant::from_millis(NOW_MS));
        let pipeline = Pipeline::new(&DecodeSettings::default(), writer, clock, metrics);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = ListenSettings {
            address,
            ..ListenSettings::default()
        };
        let listener = MqttListener::bind(settings, pipeline).await.expect("bound");
        let address = listener.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(listener.run(async move {
            let _stopped = stopped.await;
        }));
        (address, Task { stop, task })
    }

    /// Starts the processor.
    pub(crate) async fn process(&self, lake: &Lake) -> Task {
        let began = std::time::Instant::now();
        let clock = Clock::new(move || {
            Instant::from_millis(
                NOW_MS + i64::try_from(began.elapsed().as_millis()).expect("a short bench"),
            )
        });
        let settings = ProcessorSettings::default();
        let reader = self.log.reader(&settings.group);
        let processor = Processor::new(reader, 1, lake.clone(), settings, clock);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                let _stopped = stopped.await;
            };
            processor.run(stopped).await.expect("the processor runs");
        });
        Task { stop, task }
    }
}

impl Task {
    pub(crate) async fn stop(self) {
        let _gone = self.stop.send(());
        self.task.await.expect("no panic");
    }
}

/// Waits until the book of 2026 holds `rows` sealed readings and no hot file.
pub(crate) async fn sealed(lake: &Lake, rows: u64) -> Arc<Snapshot> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        let book = lake.snapshot(&park(), 2026).await.expect("readable");
        let Some(book) = book else { continue };
        let hot = book.files.iter().any(|f| f.is_hot());
        if !hot && book.files.iter().map(|f| f.rows).sum::<u64>() == rows {
            return book;
        }
    }
}

pub(crate) fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    runtime.block_on(future)
}
