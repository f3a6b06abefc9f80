//! What only the embedded log promises: durability across reopening and kill -9, clear refusals, bounds.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use greenpark_log::{
    AppendError, ContentType, Entry, Headers, LogReader, OpenError, Record, Topic,
};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    log_position::Partition,
};
use greenpark_runtime::clock;
use rustix::process::{Resource, Rlimit, setrlimit};

const WAIT: Duration = Duration::from_millis(200);

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

fn open(folder: &Path, settings: LogFileSettings) -> EmbeddedLog {
    EmbeddedLog::open(folder, settings, clock::system()).expect("the log opens")
}

async fn commit(reader: &mut Box<dyn LogReader>, next_offset: u64) {
    let committed = reader.commit(Partition::FIRST, next_offset).await;
    committed.expect("the log commits");
}

async fn append(log: &EmbeddedLog, topic: Topic, records: Vec<Record>) {
    let count = records.len();
    let receipt = log
        .writer()
        .append(topic, records)
        .await
        .expect("the log appends");
    assert_eq!(receipt.records(), count);
}

async fn read_all(reader: &mut Box<dyn LogReader>) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let delivered = reader.next(8 << 20, WAIT).await.expect("the log reads");
        entries.extend(delivered.entries);
        if delivered.caught_up {
            return entries;
        }
    }
}

fn sequence(entry: &Entry) -> u64 {
    entry
        .record
        .as_ref()
        .expect("a record of ours")
        .headers
        .sequence
}

fn refusal(folder: &Path, settings: LogFileSettings) -> String {
    let error = EmbeddedLog::open(folder, settings, clock::system()).expect_err("it is refused");
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_log_opened_again_holds_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..3 {
        let log = open(folder.path(), LogFileSettings::default());
        let records = (round * 500..round * 500 + 500).map(|n| record(n, 900));
        append(&log, Topic::Readings, records.collect()).await;
        append(&log, Topic::DeadLetters, vec![record(round, 10)]).await;
        assert_eq!(log.backlog("g"), (round + 1) * 500);
    }
    let log = open(folder.path(), LogFileSettings::default());
    let entries = read_all(&mut log.reader("g")).await;
    assert_eq!(
        entries.iter().map(sequence).collect::<Vec<_>>(),
        (0..1_500).collect::<Vec<_>>()
    );
    let offsets: Vec<u64> = entries.iter().map(|entry| entry.position.offset).collect();
    assert_eq!(offsets, (0..1_500).collect::<Vec<_>>());
    let dead = log.dead_letters(1, 10).await.expect("the log reads");
    assert_eq!(dead.iter().map(sequence).collect::<Vec<_>>(), [1, 2]);
    let first = log.dead_letters(0, 1).await.expect("the log reads");
    assert_eq!(first.len(), 1);
}

#[tokio::test]
async fn a_committed_offset_outlives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path(), LogFileSettings::default());
    let records = (0..10).map(|n| record(n, 50)).collect();
    append(&log, Topic::Readings, records).await;
    let mut reader = log.reader("g");
    assert_eq!(read_all(&mut reader).await.len(), 10);
    commit(&mut reader, 7).await;
    let past = reader.commit(Partition::FIRST, 11).await;
    assert!(past.is_err(), "nothing lies there");
    drop((reader, log));
    let log = open(folder.path(), LogFileSettings::default());
    assert_eq!(log.backlog("g"), 3);
    let rest = read_all(&mut log.reader("g")).await;
    assert_eq!(rest.iter().map(sequence).collect::<Vec<_>>(), [7, 8, 9]);
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let _log = open(folder.path(), LogFileSettings::default());
    let text = refusal(folder.path(), LogFileSettings::default());
    assert!(
        text.contains("another process") && text.contains("log.redb"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("log.redb"), vec![b'?'; 1 << 16]).expect("it is written");
    let text = refusal(folder.path(), LogFileSettings::default());
    assert!(text.contains("damaged"), "{text}");
}

#[tokio::test]
async fn another_partition_count_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path(), LogFileSettings::default()));
    let refused = EmbeddedLog::open(
        folder.path(),
        LogFileSettings {
            partitions: 4,
            ..LogFileSettings::default()
        },
        clock::system(),
    );
    assert!(
        matches!(
            refused,
            Err(OpenError::PartitionCount {
                expected: 4,
                found: 1,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_damaged_record_stops_the_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path(), LogFileSettings::default());
    append(
        &log,
        Topic::Readings,
        (0..100).map(|n| record(n, 5_000)).collect(),
    )
    .await;
    drop(log);
    let path = folder.path().join("log.redb");
    let bytes = fs::read(&path).expect("it reads");
    let run = bytes
        .windows(64)
        .position(|window| window == [b'x'; 64])
        .expect("a payload");
    let mut file = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it opens");
    file.seek(SeekFrom::Start(run as u64)).expect("it seeks");
    file.write_all(b"y").expect("it writes");
    drop(file);
    let log = open(folder.path(), LogFileSettings::default());
    let mut reader = log.reader("g");
    let mut entries = Vec::new();
    let error = loop {
        match reader.next(1, WAIT).await {
            Ok(delivered) => entries.extend(delivered.entries),
            Err(error) => break error,
        }
    };
    let source = std::error::Error::source(&error).expect("it says why");
    assert!(source.to_string().contains("partition 0"), "{source}");
    assert!(entries.len() < 100, "the damage was read over");
}

#[tokio::test]
async fn what_every_group_has_committed_is_trimmed_to_the_bound() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = LogFileSettings {
        retain_bytes: 2 << 20,
        ..LogFileSettings::default()
    };
    let log = open(folder.path(), settings);
    let mut fast = log.reader("fast");
    let mut slow = log.reader("slow");
    let batch = |round: u64| {
        (round * 100..round * 100 + 100)
            .map(|n| record(n, 10_000))
            .collect()
    };
    for round in 0..10 {
        append(&log, Topic::Readings, batch(round)).await;
        let end = read_all(&mut fast)
            .await
            .last()
            .expect("records")
            .position
            .offset
            + 1;
        commit(&mut fast, end).await;
    }
    assert_eq!(
        read_all(&mut slow).await.len(),
        1_000,
        "what one group still needs was trimmed"
    );
    commit(&mut slow, 1_000).await;
    append(&log, Topic::Readings, batch(10)).await;
    let rest = read_all(&mut log.reader("late")).await;
    assert_eq!(sequence(rest.last().expect("records")), 1_099);
    let held = rest.len() * 10_000;
    assert!(held < (2 << 20) + (2 << 20), "{held} bytes are held");
    assert!(
        held > 2 << 20,
        "more was trimmed than the bound asks for: {held}"
    );
}

#[tokio::test]
async fn a_group_that_is_gone_keeps_the_log_until_it_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = LogFileSettings {
        retain_bytes: 1 << 20,
        ..LogFileSettings::default()
    };
    let batch = |round: u64| {
        (round * 100..round * 100 + 100)
            .map(|n| record(n, 10_000))
            .collect()
    };
    let began = clock::now().millis();
    {
        let log = open(folder.path(), settings);
        append(&log, Topic::Readings, batch(0)).await;
        let mut former = log.reader("former");
        assert_eq!(read_all(&mut former).await.len(), 100);
        commit(&mut former, 50).await;
        let mut own = log.reader("own");
        for round in 1..10 {
            append(&log, Topic::Readings, batch(round)).await;
            let read = read_all(&mut own).await;
            let last = read.last().expect("records").position.offset;
            commit(&mut own, last + 1).await;
        }
        let groups = log.groups().expect("they are told");
        let each = groups.iter().map(|of| (of.group.as_str(), of.behind));
        let told: Vec<_> = each.collect();
        assert_eq!(told, [("former", 950), ("own", 0)]);
        let seen = groups.iter().filter_map(|of| of.seen_ms);
        assert_eq!(
            seen.filter(|ms| (began..=clock::now().millis()).contains(ms))
                .count(),
            2
        );
        let oldest = log.oldest_unread_ms("former").await.expect("it is read");
        assert!((began..=clock::now().millis()).contains(&oldest.expect("there is one")));
        assert_eq!(log.oldest_unread_ms("own").await.expect("it is read"), None);
        let refused = EmbeddedLog::forget(folder.path(), settings, "former");
        assert!(refused.is_err(), "the log is open");
    }
    let forget = |group| EmbeddedLog::forget(folder.path(), settings, group);
    assert!(forget("former").expect("it is forgotten"));
    assert!(!forget("former").expect("it was forgotten"));
    let log = open(folder.path(), settings);
    append(&log, Topic::Readings, batch(10)).await;
    let held = read_all(&mut log.reader("late")).await.len() * 10_000;
    assert!(held < 3 << 20, "{held} bytes are held");
    assert_eq!(log.backlog("own"), 100, "the other group is where it was");
}

#[tokio::test]
async fn old_dead_letters_make_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = LogFileSettings {
        dead_letter_bytes: 1 << 20,
        ..LogFileSettings::default()
    };
    let log = open(folder.path(), settings);
    for round in 0..10 {
        let records = (round * 50..round * 50 + 50)
            .map(|n| record(n, 10_000))
            .collect();
        append(&log, Topic::DeadLetters, records).await;
    }
    let mut held = Vec::new();
    while let Some(entry) = {
        let from = held
            .last()
            .map_or(0, |last: &Entry| last.position.offset + 1);
        let page = log.dead_letters(from, 30).await.expect("the log reads");
        held.extend(page.iter().cloned());
        page.last().cloned()
    } {
        assert_eq!(sequence(&entry), entry.position.offset);
    }
    assert_eq!(sequence(held.last().expect("letters")), 499);
    assert!(held.len() < 200, "{} letters are held", held.len());
    assert!(held.len() >= 100, "{} letters are held", held.len());
}

/// The child of the test below: appends until it is killed, and notes each receipt in a file.
#[test]
fn child_that_appends_until_killed() {
    let Ok(folder) = env::var("GREENPARK_LOG_KILLED_CHILD") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let folder = Path::new(&folder);
        let log = open(
            folder,
            LogFileSettings {
                linger: Duration::ZERO,
                ..LogFileSettings::default()
            },
        );
        let held = read_all(&mut log.reader("child")).await.len() as u64;
        let receipts = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("receipts"));
        let mut receipts = receipts.expect("a file");
        for call in 0.. {
            let first = held + call * 50;
            append(
                &log,
                Topic::Readings,
                (first..first + 50).map(|n| record(n, 700)).collect(),
            )
            .await;
            receipts
                .write_all(&(first + 50).to_le_bytes())
                .expect("it writes");
        }
    });
}

/// Goal: a receipt outlives kill -9. Method: a child appends and notes its receipts; it is killed ten
/// times at whatever point it has reached; after each the log must hold an unbroken run of records, no
/// less than the last receipt says and no torn call.
#[tokio::test]
async fn receipts_outlive_kill_nine() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut promised = 0;
    for round in 0..10u64 {
        let mut child = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "child_that_appends_until_killed"])
            .env("GREENPARK_LOG_KILLED_CHILD", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the child starts");
        let receipts = folder.path().join("receipts");
        let started = tokio::time::Instant::now();
        // Killed after some more receipts each time, so at another point of its work.
        let enough = promised + 50 * (1 + round * 7);
        while promised < enough {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "the child does not append"
            );
            let noted = fs::read(&receipts).unwrap_or_default();
            promised = noted.chunks_exact(8).last().map_or(promised, |last| {
                u64::from_le_bytes(last.try_into().expect("eight bytes"))
            });
            tokio::task::yield_now().await;
        }
        child.kill().expect("the child is killed");
        child.wait().expect("the child is gone");
        let noted = fs::read(&receipts).expect("it reads");
        let last = noted.chunks_exact(8).last().expect("receipts");
        promised = u64::from_le_bytes(last.try_into().expect("eight bytes"));
        let log = open(folder.path(), LogFileSettings::default());
        let entries = read_all(&mut log.reader("judge")).await;
        assert!(
            entries.len() as u64 >= promised,
            "{} of {promised} are there",
            entries.len()
        );
        assert_eq!(entries.len() % 50, 0, "a call is there in part");
        for (index, entry) in entries.iter().enumerate() {
            assert_eq!(sequence(entry), index as u64);
        }
    }
}

/// The child of the test below: its disk is full for a while, by a limit on the size of files.
#[test]
fn child_whose_disk_is_full() {
    let Ok(folder) = env::var("GREENPARK_LOG_FULL_CHILD") else {
        return;
    };
    let limit = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        setrlimit(Resource::Fsize, limit).expect("the limit is set");
    };
    limit(Some(8 << 20));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let log = open(Path::new(&folder), LogFileSettings::default());
        let writer = log.writer();
        let call = |n| writer.append(Topic::Readings, vec![record(n, 500_000)]);
        let mut promised = Vec::new();
        let failed = loop {
            let n = promised.len() as u64;
            assert!(n < 100, "the disk never filled");
            match call(n).await {
                Ok(_receipt) => promised.push(n),
                Err(error) => break error,
            }
        };
        assert!(matches!(failed, AppendError::Write(_)), "{failed}");
        limit(None);
        let again = promised.len() as u64;
        let receipt = call(again)
            .await
            .expect("the log works again once there is room");
        assert_eq!(receipt.records(), 1);
        promised.push(again);
        let mut found: Vec<u64> = read_all(&mut log.reader("g"))
            .await
            .iter()
            .map(sequence)
            .collect();
        // What failed may be there all the same.
        found.dedup();
        assert_eq!(found, promised);
        fs::write(Path::new(&folder).join("done"), "").expect("it writes");
    });
}

/// Goal: a full disk fails appends, loses nothing and ends. Method: a child under a limit on the size of
/// files, with the limit's signal ignored, as only a shell can hand down without unsafe code.
#[test]
fn a_full_disk_fails_appends_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; exec \"$0\" --exact child_whose_disk_is_full",
        ])
        .arg(env::current_exe().expect("this test"))
        .env("GREENPARK_LOG_FULL_CHILD", folder.path())
        .stdout(Stdio::null())
        .status()
        .expect("the child starts");
    assert!(status.success());
    assert!(
        folder.path().join("done").exists(),
        "the child did not run its test"
    );
}
