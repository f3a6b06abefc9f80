//! The cases. Each gets a log of its own, empty, with three partitions.

mod again;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use greenpark_log::{
    AppendError, Assigned, CommitError, ContentType, Delivered, Entry, Headers, LogReader,
    Position, Record, Topic, partition,
};
use greenpark_model::{
    id::{EnterpriseId, GatewayId, ParkId},
    limits::RECORD_BYTES_MAX,
    log_position::Partition,
};
use tokio::time::timeout;

pub(crate) use again::{
    a_partition_is_read_again_from_where_it_is_asked_for, a_record_is_found_by_its_offset,
};

use crate::subject::{PARTITIONS, Subject, WINDOW_BYTES};

/// No case should take a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);

const WAIT: Duration = Duration::from_millis(300);
const MANY_BYTES: usize = 1 << 20;

fn record(park: &str, sequence: u64, payload_bytes: usize) -> Record {
    let mut payload = sequence.to_le_bytes().to_vec();
    payload.resize(payload_bytes.max(8), b'x');
    Record {
        park: ParkId::new(park).expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new("steel-01").expect("an id"),
            gateway: GatewayId::new("gw-7").expect("an id"),
            epoch: 3,
            sequence,
            content_type: ContentType::ReadingBatch,
        },
        payload: Bytes::from(payload),
    }
}

fn parks(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("park-{index}")).collect()
}

fn read(entry: &Entry) -> &Record {
    entry.record.as_ref().expect("a record of ours")
}

/// Reads until `count` entries have come.
async fn drain(reader: &mut Box<dyn LogReader>, count: usize) -> Vec<Entry> {
    let started = Instant::now();
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < count {
        assert!(
            started.elapsed() < PATIENCE,
            "only {} of {count} records came",
            entries.len()
        );
        let delivered = reader.next(MANY_BYTES, WAIT).await.expect("the log reads");
        assert!(delivered.revoked.is_empty(), "nobody else reads");
        entries.extend(delivered.entries);
    }
    assert_eq!(entries.len(), count, "more came than was appended");
    entries
}

/// Reads until the log says that nothing is left.
async fn drain_all(reader: &mut Box<dyn LogReader>) -> Vec<Entry> {
    let started = Instant::now();
    let mut entries = Vec::new();
    let mut owned = false;
    loop {
        assert!(started.elapsed() < PATIENCE, "the reader never caught up");
        let delivered = reader.next(MANY_BYTES, WAIT).await.expect("the log reads");
        owned |= !delivered.assigned.is_empty();
        entries.extend(delivered.entries);
        if delivered.caught_up && owned {
            return entries;
        }
    }
}

async fn append(subject: &Subject, records: Vec<Record>) {
    let count = records.len();
    let appended = subject.writer().append(Topic::Readings, records).await;
    assert_eq!(appended.expect("the log appends").records(), count);
}

fn sequences(entries: &[Entry], park: &str) -> Vec<u64> {
    let of_park = entries
        .iter()
        .map(read)
        .filter(|record| record.park.as_str() == park);
    of_park.map(|record| record.headers.sequence).collect()
}

/// Commits everything in `entries`.
async fn commit_all(reader: &mut Box<dyn LogReader>, entries: &[Entry]) {
    let mut ends = BTreeMap::new();
    for entry in entries {
        ends.insert(entry.position.partition, entry.position.offset + 1);
    }
    for (partition, end) in ends {
        reader
            .commit(partition, end)
            .await
            .expect("the log commits");
    }
}

pub(crate) async fn records_come_back_as_they_were(subject: &Subject) {
    let mut records: Vec<Record> = parks(5)
        .iter()
        .flat_map(|park| [record(park, 0, 8), record(park, u64::MAX, 5_000)])
        .collect();
    records[0].payload = Bytes::new();
    records[1].headers.epoch = 0;
    let mut dead = record("park-0", 9, 100);
    dead.headers.content_type = ContentType::DeadLetter;
    append(subject, records.clone()).await;
    let receipt = subject
        .writer()
        .append(Topic::DeadLetters, vec![dead])
        .await;
    assert_eq!(receipt.expect("the log appends").records(), 1);
    let entries = drain_all(&mut subject.reader("g")).await;
    assert_eq!(entries.len(), records.len(), "dead letters are no readings");
    for expected in &records {
        let found = entries.iter().find(|entry| read(entry) == expected);
        let found = found.expect("every record comes back as it was");
        assert_eq!(
            found.position.partition,
            partition::of(&expected.park, PARTITIONS)
        );
        assert!(
            found.appended_ms > 1_700_000_000_000,
            "stamped when it was appended"
        );
    }
}

pub(crate) async fn order_within_a_park_is_kept(subject: &Subject) {
    let parks = parks(8);
    for round in 0..10 {
        let sequences = round * 20..round * 20 + 20;
        let records = sequences.flat_map(|n| parks.iter().map(move |park| record(park, n, 50)));
        append(subject, records.collect()).await;
    }
    let entries = drain(&mut subject.reader("g"), 8 * 200).await;
    for park in &parks {
        assert_eq!(
            sequences(&entries, park),
            (0..200).collect::<Vec<_>>(),
            "{park}"
        );
    }
    let mut last = BTreeMap::new();
    for entry in &entries {
        let before = last.insert(entry.position.partition, entry.position.offset);
        assert!(
            before < Some(entry.position.offset),
            "offsets grow within a partition"
        );
    }
    assert!(last.len() > 1, "parks share the partitions out");
}

pub(crate) async fn overlapping_appends_arrive_once_each(subject: &Subject) {
    let writer = subject.writer();
    let tasks = parks(8).into_iter().map(|park| {
        let writer = &writer;
        async move {
            for call in 0..20 {
                let records = (call * 10..call * 10 + 10)
                    .map(|n| record(&park, n, 200))
                    .collect();
                let receipt = writer.append(Topic::Readings, records).await;
                assert_eq!(receipt.expect("the log appends").records(), 10);
            }
        }
    });
    join_all(tasks).await;
    let entries = drain(&mut subject.reader("g"), 8 * 200).await;
    for park in parks(8) {
        assert_eq!(
            sequences(&entries, &park),
            (0..200).collect::<Vec<_>>(),
            "{park}"
        );
    }
}

pub(crate) async fn calls_made_one_after_the_other_keep_their_order(subject: &Subject) {
    let writer = subject.writer();
    let calls: Vec<_> = (0..100)
        .map(|n| writer.append(Topic::Readings, vec![record("park-1", n, 100)]))
        .collect();
    for receipt in join_all(calls).await {
        assert_eq!(receipt.expect("the log appends").records(), 1);
    }
    let entries = drain(&mut subject.reader("g"), 100).await;
    assert_eq!(sequences(&entries, "park-1"), (0..100).collect::<Vec<_>>());
}

pub(crate) async fn a_new_reader_starts_at_the_committed_offset(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    let mut first = subject.reader("g");
    let entries = drain(&mut first, 10).await;
    commit_all(&mut first, &entries[..6]).await;
    drop(first);
    let rest = drain(&mut subject.reader("g"), 4).await;
    assert_eq!(sequences(&rest, "park-1"), [6, 7, 8, 9]);
}

pub(crate) async fn uncommitted_records_come_again(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    for _ in 0..2 {
        let entries = drain(&mut subject.reader("g"), 10).await;
        assert_eq!(sequences(&entries, "park-1"), (0..10).collect::<Vec<_>>());
    }
}

pub(crate) async fn a_commit_never_moves_backwards(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    let mut first = subject.reader("g");
    let entries = drain(&mut first, 10).await;
    commit_all(&mut first, &entries[..8]).await;
    commit_all(&mut first, &entries[..3]).await;
    drop(first);
    let mut second = subject.reader("g");
    let rest = drain(&mut second, 2).await;
    assert_eq!(sequences(&rest, "park-1"), [8, 9]);
    // Nor when another reader made the larger commit.
    commit_all(&mut second, &entries[..5]).await;
    drop(second);
    assert_eq!(
        sequences(&drain(&mut subject.reader("g"), 2).await, "park-1"),
        [8, 9]
    );
}

pub(crate) async fn an_oversize_record_is_refused_with_its_call(subject: &Subject) {
    let writer = subject.writer();
    let largest = record("park-1", 1, RECORD_BYTES_MAX);
    append(subject, vec![largest.clone()]).await;
    let call = vec![
        record("park-1", 2, 8),
        record("park-1", 3, RECORD_BYTES_MAX + 1),
    ];
    let refused = writer.append(Topic::Readings, call).await;
    assert!(
        matches!(refused, Err(AppendError::TooLarge { bytes }) if bytes == RECORD_BYTES_MAX + 1),
        "{refused:?}"
    );
    let entries = drain_all(&mut subject.reader("g")).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(read(&entries[0]), &largest);
}

pub(crate) async fn an_empty_append_has_a_receipt(subject: &Subject) {
    append(subject, Vec::new()).await;
}

pub(crate) async fn an_empty_log_answers_with_nothing(subject: &Subject) {
    let mut reader = subject.reader("g");
    assert!(drain_all(&mut reader).await.is_empty());
    let started = Instant::now();
    let delivered = reader
        .next(MANY_BYTES, WAIT)
        .await
        .expect("nothing is no error");
    assert!(delivered.entries.is_empty() && delivered.caught_up);
    assert!(
        started.elapsed() >= WAIT,
        "an idle reader waits and does not spin"
    );
}

pub(crate) async fn caught_up_means_nothing_is_left(subject: &Subject) {
    let mut reader = subject.reader("g");
    let mut expected = 0;
    for round in 0..5u64 {
        let records = parks(6)
            .iter()
            .map(|park| record(park, round, 50))
            .collect::<Vec<_>>();
        append(subject, records).await;
        expected += 6;
        let mut found = 0;
        let started = Instant::now();
        while found < 6 {
            assert!(
                started.elapsed() < PATIENCE,
                "records of round {round} did not come"
            );
            let Delivered {
                entries, caught_up, ..
            } = reader.next(MANY_BYTES, WAIT).await.expect("the log reads");
            found += entries.len();
            assert!(
                !caught_up || found == 6,
                "caught up with {found} of 6 in round {round}"
            );
        }
    }
    assert_eq!(expected, 30);
}

pub(crate) async fn a_delivery_is_bounded(subject: &Subject) {
    append(
        subject,
        (0..100).map(|n| record("park-1", n, 1_000)).collect(),
    )
    .await;
    let mut reader = subject.reader("g");
    let mut entries = Vec::new();
    while entries.len() < 100 {
        let delivered = reader.next(10_000, WAIT).await.expect("the log reads");
        assert!(
            delivered.entries.len() <= 11,
            "{} records at once",
            delivered.entries.len()
        );
        entries.extend(delivered.entries);
    }
    assert_eq!(sequences(&entries, "park-1"), (0..100).collect::<Vec<_>>());
}

pub(crate) async fn more_than_the_window_gets_through(subject: &Subject) {
    let writer = subject.writer();
    let calls = 8 * WINDOW_BYTES / (64 * 8_192);
    let appends = (0..calls as u64).map(|call| {
        let records = (call * 64..call * 64 + 64)
            .map(|n| record("park-1", n, 8_192))
            .collect();
        writer.append(Topic::Readings, records)
    });
    for receipt in join_all(appends).await {
        assert_eq!(receipt.expect("the log appends").records(), 64);
    }
    let entries = drain(&mut subject.reader("g"), calls * 64).await;
    let found: BTreeSet<u64> = sequences(&entries, "park-1").into_iter().collect();
    assert_eq!(found.len(), calls * 64);
}

pub(crate) async fn groups_do_not_see_each_other(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    let mut one = subject.reader("one");
    let entries = drain(&mut one, 10).await;
    commit_all(&mut one, &entries).await;
    let entries = drain(&mut subject.reader("two"), 10).await;
    assert_eq!(sequences(&entries, "park-1"), (0..10).collect::<Vec<_>>());
}

pub(crate) async fn a_dropped_next_loses_nothing(subject: &Subject) {
    append(
        subject,
        (0..300).map(|n| record("park-1", n, 2_000)).collect(),
    )
    .await;
    let mut reader = subject.reader("g");
    let started = Instant::now();
    let mut entries = Vec::new();
    let mut micros = 1;
    while entries.len() < 300 {
        assert!(
            started.elapsed() < PATIENCE,
            "only {} records came",
            entries.len()
        );
        let patience = Duration::from_micros(micros % 3_000);
        micros += 97;
        if let Ok(delivered) = timeout(patience, reader.next(20_000, WAIT)).await {
            entries.extend(delivered.expect("the log reads").entries);
        }
    }
    assert_eq!(sequences(&entries, "park-1"), (0..300).collect::<Vec<_>>());
}

pub(crate) async fn a_waiting_reader_is_woken(subject: &Subject) {
    let mut reader = subject.reader("g");
    assert!(drain_all(&mut reader).await.is_empty());
    let started = Instant::now();
    let waiting = async {
        loop {
            let delivered = reader
                .next(MANY_BYTES, PATIENCE)
                .await
                .expect("the log reads");
            if !delivered.entries.is_empty() {
                return delivered.entries;
            }
        }
    };
    let ((), entries) = tokio::join!(append(subject, vec![record("park-1", 1, 50)]), waiting);
    assert_eq!(sequences(&entries, "park-1"), [1]);
    assert!(
        started.elapsed() < PATIENCE / 2,
        "the reader slept through the append"
    );
}

pub(crate) async fn a_partition_has_one_reader_of_a_group(subject: &Subject) {
    append(
        subject,
        parks(8).iter().map(|park| record(park, 1, 50)).collect(),
    )
    .await;
    let mut old = subject.reader("g");
    let entries = drain(&mut old, 8).await;
    let mut new = subject.reader("g");
    let started = Instant::now();
    let mut revoked = Vec::new();
    let mut assigned = Vec::new();
    while revoked.is_empty()
        || revoked
            .iter()
            .any(|lost| !assigned.iter().any(|a: &Assigned| a.partition == *lost))
    {
        assert!(
            started.elapsed() < PATIENCE,
            "revoked {revoked:?}, assigned {assigned:?}"
        );
        let (of_old, of_new) = tokio::join!(old.next(MANY_BYTES, WAIT), new.next(MANY_BYTES, WAIT));
        revoked.extend(of_old.expect("the log reads").revoked);
        assigned.extend(of_new.expect("the log reads").assigned);
    }
    let lost = revoked[0];
    let end = entries
        .iter()
        .filter(|entry| entry.position.partition == lost)
        .count() as u64;
    let refused = old.commit(lost, end).await;
    assert!(
        matches!(refused, Err(CommitError::Revoked(p)) if p == lost),
        "{refused:?}"
    );
    new.commit(lost, end).await.expect("the new reader commits");
}

/// The end is that of the log and not of the group: it does not depend on what was committed, and the
/// next record gets it as its offset.
pub(crate) async fn a_partition_comes_with_its_end(subject: &Subject) {
    let parks = parks(12);
    let mut expected: BTreeMap<Partition, u64> =
        Partition::all(PARTITIONS).map(|p| (p, 0)).collect();
    let (ends, _none) = drain_with_ends(&mut subject.reader("early")).await;
    assert_eq!(ends, expected);
    for round in 0..2 {
        let records = parks.iter().map(|park| record(park, round, 50)).collect();
        append(subject, records).await;
        for park in &parks {
            *expected.entry(partition_of(park)).or_default() += 1;
        }
        let mut reader = subject.reader("g");
        let (ends, entries) = drain_with_ends(&mut reader).await;
        assert_eq!(ends, expected, "round {round}");
        assert_eq!(entries.len(), parks.len(), "round {round}");
        commit_all(&mut reader, &entries).await;
    }
    append(subject, vec![record("park-1", 9, 50)]).await;
    let next = drain_all(&mut subject.reader("g")).await;
    let positions: Vec<Position> = next.iter().map(|entry| entry.position).collect();
    let partition = partition_of("park-1");
    let offset = expected[&partition];
    assert_eq!(positions, [Position { partition, offset }]);
}

fn partition_of(park: &str) -> Partition {
    partition::of(&ParkId::new(park).expect("an id"), PARTITIONS)
}

/// Reads until every partition was assigned and nothing is left; says where each ended.
async fn drain_with_ends(
    reader: &mut Box<dyn LogReader>,
) -> (BTreeMap<Partition, u64>, Vec<Entry>) {
    let started = Instant::now();
    let mut ends = BTreeMap::new();
    let mut entries = Vec::new();
    loop {
        assert!(started.elapsed() < PATIENCE, "only {ends:?} were assigned");
        let delivered = reader.next(MANY_BYTES, WAIT).await.expect("the log reads");
        let assigned = delivered.assigned.into_iter();
        ends.extend(assigned.map(|assigned| (assigned.partition, assigned.end)));
        entries.extend(delivered.entries);
        if delivered.caught_up && ends.len() == PARTITIONS as usize {
            return (ends, entries);
        }
    }
}
