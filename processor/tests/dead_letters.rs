//! Goal: every dead letter of the log is stored exactly once, despite kills, and a log that is not the lake's is refused.
//! Method: archivers over the in-memory log and the embedded log, killed and started again.

use std::time::Duration;

use bytes::Bytes;
use greenpark_archive::{
    dead_letters::{Letter, Payloads},
    lake::Lake,
};
use greenpark_log::{ContentType, Headers, LogReader, LogWriter, Record, Topic, memory::MemoryLog};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::{
    clock::Clock,
    day::Instant,
    id::{EnterpriseId, GatewayId, ParkId},
    letter::LetterCode,
};
use greenpark_processor::{
    DeadLetterArchiver, DeadLetterError, DeadLetterSettings, ProcessorMetrics,
};
use greenpark_proto::telemetry::v1::DeadLetter;
use greenpark_runtime::clock;
use prost::Message as _;
use tokio::{sync::oneshot, task::JoinHandle};

const NOW: i64 = 1_795_392_000_000;

fn record(park: &str, enterprise: &str, number: u64) -> Record {
    let letter = DeadLetter {
        topic: format!("park/{park}/{enterprise}/g/up/readings"),
        reason: "\"unit\": no".to_owned(),
        index: Some(3),
        payload: Bytes::from(number.to_string()),
        truncated: false,
        received_ms: NOW,
        code: i32::from(LetterCode::UnknownUnit.code()),
        readings: 1,
    };
    Record {
        park: ParkId::new(park).expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new(enterprise).expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            epoch: 0,
            sequence: 0,
            content_type: ContentType::DeadLetter,
        },
        payload: letter.encode_to_vec().into(),
    }
}

async fn append(writer: &LogWriter, records: Vec<Record>) {
    let count = records.len();
    let receipt = writer.append(Topic::DeadLetters, records).await;
    assert_eq!(receipt.expect("appended").records(), count);
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DeadLetterError>>,
    metrics: ProcessorMetrics,
}

impl Running {
    fn start(lake: &Lake, reader: Box<dyn LogReader>) -> Self {
        let began = tokio::time::Instant::now();
        let clock = Clock::new(move || {
            Instant::from_millis(
                NOW + i64::try_from(began.elapsed().as_millis()).expect("a short test"),
            )
        });
        let metrics = ProcessorMetrics::default();
        let archiver =
            DeadLetterArchiver::new(reader, lake.clone(), &DeadLetterSettings::default(), clock);
        let archiver = archiver.with_metrics(metrics.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(archiver.run(async move { drop(stopped.await) }));
        Self {
            stop,
            task,
            metrics,
        }
    }

    async fn stop(self) -> Result<(), DeadLetterError> {
        drop(self.stop);
        self.task.await.expect("no panic")
    }

    async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

/// Yields until `is_so`.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), wait).await;
    in_time.unwrap_or_else(|_| panic!("{what} in a minute"));
}

async fn lake(folder: &tempfile::TempDir) -> Lake {
    let root = folder.path().join("lake");
    Lake::open(root.to_str().expect("UTF-8"), clock::system())
        .await
        .expect("a lake")
}

/// Opens the log of `folder`; a read in progress when its reader was killed holds the file a little longer.
async fn open(folder: &tempfile::TempDir) -> EmbeddedLog {
    let mut log = None;
    until("the log opens", async || {
        log = EmbeddedLog::open(
            &folder.path().join("log"),
            LogFileSettings::default(),
            clock::system(),
        )
        .ok();
        log.is_some()
    })
    .await;
    log.expect("it is open")
}

/// The dead letters of `park`, in the order of the log.
async fn letters(lake: &Lake, park: &str) -> Vec<Letter> {
    let mut table = lake.letters(&ParkId::new(park).expect("an id"));
    let mut all = Vec::new();
    for file in table.files().await.expect("readable") {
        let read = table.read(&file, Payloads::Taken).await.expect("readable");
        all.extend(read.kept);
    }
    all.sort_by_key(|letter| letter.id);
    all
}

async fn offsets(lake: &Lake, park: &str) -> Vec<u64> {
    let letters = letters(lake, park).await;
    letters.iter().map(|letter| letter.id.offset).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_is_stored_with_all_its_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(3, clock::system());
    let writer = log.writer();
    append(
        &writer,
        vec![
            record("p", "e", 1),
            record("q", "f", 2),
            record("p", "e", 3),
        ],
    )
    .await;
    // A record of another program is skipped.
    let mut foreign = record("p", "e", 4);
    foreign.payload = Bytes::from_static(b"\xff");
    append(&writer, vec![foreign, record("p", "e", 5)]).await;
    let running = Running::start(&lake, log.letter_reader("test"));
    until("the offset is stored", async || {
        log.letters_committed("test") == 5
    })
    .await;
    assert_eq!(running.metrics.dead_letters.get(), 4);
    assert_eq!(running.metrics.unreadable_dead_letters.get(), 1);
    running.stop().await.expect("no error");
    assert_eq!(offsets(&lake, "p").await, [0, 2, 4]);
    let of_q = letters(&lake, "q").await;
    let letter = &of_q[0];
    assert_eq!(
        (letter.enterprise.as_str(), letter.gateway.as_str()),
        ("f", "g")
    );
    assert_eq!(
        (letter.code, letter.index, letter.readings),
        (LetterCode::UnknownUnit, Some(3), 1)
    );
    assert_eq!((&*letter.payload, letter.bytes), (&b"2"[..], 1));
    assert_eq!(
        (letter.received, letter.topic.as_str()),
        (Instant::from_millis(NOW), "park/q/f/g/up/readings")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_stored_once_despite_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let (mut sent, mut round) = (0_u64, 0_u64);
    while round < 12 {
        // The log is closed and reopened with its archiver.
        let log = open(&folder).await;
        let running = Running::start(&lake, log.letter_reader("test"));
        for _ in 0..=round % 4 {
            let some = (sent..sent + 3).map(|number| record("p", "e", number));
            append(&log.writer(), some.collect()).await;
            sent += 3;
            tokio::task::yield_now().await;
        }
        if round % 3 == 1 {
            until("some are kept", async || {
                !offsets(&lake, "p").await.is_empty()
            })
            .await;
        }
        running.kill().await;
        let kept = offsets(&lake, "p").await;
        assert_eq!(
            kept,
            (0..kept.len() as u64).collect::<Vec<_>>(),
            "round {round}"
        );
        round += 1;
    }
    let log = open(&folder).await;
    let running = Running::start(&lake, log.letter_reader("test"));
    until("all are kept", async || {
        offsets(&lake, "p").await.len() as u64 >= sent
    })
    .await;
    running.stop().await.expect("no error");
    assert_eq!(offsets(&lake, "p").await, (0..sent).collect::<Vec<_>>());
    for (number, letter) in letters(&lake, "p").await.iter().enumerate() {
        assert_eq!(*letter.payload, *number.to_string().as_bytes());
    }
    // A new reader of the group finds only the last record.
    let running = Running::start(&lake, log.letter_reader("test"));
    append(&log.writer(), vec![record("p", "e", sent)]).await;
    until("the last is kept", async || {
        offsets(&lake, "p").await.len() as u64 > sent
    })
    .await;
    let metrics = running.metrics.clone();
    running.stop().await.expect("no error");
    assert_eq!(metrics.dead_letters.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archiver_that_takes_over_stores_each_dead_letter_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    let former = Running::start(&lake, log.letter_reader("test"));
    for number in 0..40 {
        append(&log.writer(), vec![record("p", "e", number)]).await;
        if number == 20 {
            until("some are kept", async || {
                !offsets(&lake, "p").await.is_empty()
            })
            .await;
        }
    }
    let latter = Running::start(&lake, log.letter_reader("test"));
    append(&log.writer(), vec![record("p", "e", 40)]).await;
    until("all are kept", async || {
        offsets(&lake, "p").await.len() >= 41
    })
    .await;
    former.stop().await.expect("no error");
    latter.stop().await.expect("no error");
    assert_eq!(offsets(&lake, "p").await, (0..41).collect::<Vec<_>>());
    assert_eq!(log.letters_committed("test"), 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_never_had_the_dead_letters_of_the_lake_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(&folder).await;
    let log = MemoryLog::new(1, clock::system());
    let some = (0..9).map(|number| record("p", "e", number));
    append(&log.writer(), some.collect()).await;
    let running = Running::start(&lake, log.letter_reader("test"));
    until("all are kept", async || {
        offsets(&lake, "p").await.len() == 9
    })
    .await;
    running.stop().await.expect("no error");
    // A log shorter than, as long as, and longer than the lake's; then the lake adopts it.
    for many in [1, 9, 12] {
        let another = MemoryLog::new(1, clock::system());
        let some = (100..100 + many).map(|number| record("p", "e", number));
        append(&another.writer(), some.collect()).await;
        let running = Running::start(&lake, another.letter_reader("test"));
        let ended = running.task.await.expect("no panic");
        let Err(DeadLetterError::Origin(why)) = ended else {
            panic!("{ended:?}");
        };
        assert!(why.to_string().contains("greenpark log adopt"), "{why}");
        if many < 12 {
            continue;
        }
        let adopted = greenpark_processor::adopt(&lake).await;
        adopted.expect("adopted");
        for more in [0, 3] {
            let some = (0..more).map(|number| record("p", "e", 200 + number));
            append(&another.writer(), some.collect()).await;
            let running = Running::start(&lake, another.letter_reader("test"));
            let all: Vec<u64> = (0..21 + more).collect();
            until("all are kept", async || offsets(&lake, "p").await == all).await;
            running.stop().await.expect("no error");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_the_same_log_are_not_read_twice_after_another_log_is_adopted() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = MemoryLog::new(1, clock::system());
    // Only the topic of readings was created again; then a dead letter comes, and later another log of dead letters.
    for many in [4, 5] {
        let lake = lake(&folder).await;
        let some = (0..many - offsets(&lake, "p").await.len() as u64).map(|n| record("p", "e", n));
        append(&log.writer(), some.collect()).await;
        let running = Running::start(&lake, log.letter_reader("test"));
        let all: Vec<u64> = (0..many).collect();
        until("all are kept", async || offsets(&lake, "p").await == all).await;
        running.stop().await.expect("no error");
        assert_eq!(offsets(&lake, "p").await, all);
        let adopted = greenpark_processor::adopt(&lake).await;
        adopted.expect("adopted");
    }
    let lake = lake(&folder).await;
    let running = Running::start(&lake, log.letter_reader("test"));
    append(&log.writer(), vec![record("p", "e", 9)]).await;
    until("the next is kept", async || {
        offsets(&lake, "p").await.len() == 6
    })
    .await;
    running.stop().await.expect("no error");
    // The permission was for the next log only, and that was the same log.
    let another = MemoryLog::new(1, clock::system());
    append(&another.writer(), vec![record("p", "e", 0)]).await;
    let running = Running::start(&lake, another.letter_reader("test"));
    let ended = running.task.await.expect("no panic");
    assert!(
        matches!(ended, Err(DeadLetterError::Origin(_))),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_missing_in_a_restored_lake_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = MemoryLog::new(1, clock::system());
    let mut entries = Vec::new();
    for numbers in [0..4, 4..9] {
        let lake = lake(&folder).await;
        let some = numbers.clone().map(|number| record("p", "e", number));
        append(&log.writer(), some.collect()).await;
        let running = Running::start(&lake, log.letter_reader("test"));
        let all: Vec<u64> = (0..numbers.end).collect();
        until("all are kept", async || offsets(&lake, "p").await == all).await;
        running.stop().await.expect("no error");
        let names = std::fs::read_dir(folder.path().join("lake/dead-letters/p/_delta_log"));
        let names = names
            .expect("a folder")
            .map(|file| file.expect("a file").path());
        entries.push(names.collect::<std::collections::BTreeSet<_>>());
    }
    for newer in entries[1].difference(&entries[0]) {
        std::fs::remove_file(newer).expect("removed");
    }
    let lake = lake(&folder).await;
    assert_eq!(offsets(&lake, "p").await.len(), 4);
    let running = Running::start(&lake, log.letter_reader("test"));
    let all: Vec<u64> = (0..9).collect();
    until("all are kept again", async || {
        offsets(&lake, "p").await == all
    })
    .await;
    running.stop().await.expect("no error");
}
