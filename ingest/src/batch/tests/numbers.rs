//! Goal: a reader that has processed the log up to a record with a number has seen that message
//! completely.

use std::ops::Range;

use greenpark_model::{
    messages::BatchMessages,
    numbers::{NUMBER_MAX, Numbered},
};

use super::*;

fn add_numbered(
    accumulator: &mut BatchAccumulator,
    topic: &str,
    payload: &str,
    (epoch, sequence): (u64, u64),
) {
    accumulator.add(
        Publish {
            topic,
            payload: payload.as_bytes(),
            qos: 1,
            packet_id: 1,
            numbered: Numbered::new(epoch, sequence),
            ..Publish::default()
        },
        NOW,
    );
}

fn read(record: &Record) -> (Batch, BatchMessages) {
    let decoded = reading_batch::decode_numbered(&record.payload, record.headers.sequence);
    decoded.expect("our own batch")
}

/// Returns epoch and numbers of every record of readings.
fn numbers(sealed: &PendingAppend) -> Vec<(u64, Vec<(u64, u64)>)> {
    let of = |record: &Record| {
        let (_, messages) = read(record);
        (record.headers.epoch, messages.ended().runs().to_vec())
    };
    sealed.readings.iter().map(of).collect()
}

/// Returns each numbered message of a record with its rows.
fn rows(record: &Record) -> Vec<(u64, Range<u32>)> {
    let (_, messages) = read(record);
    let runs = messages.runs().iter();
    runs.flat_map(|run| run.each().collect::<Vec<_>>())
        .collect()
}

/// Returns the numbers that the receipt will store.
fn entered(sealed: &PendingAppend) -> Vec<(u64, Vec<(u64, u64)>)> {
    let all = sealed.numbered.iter().flat_map(|entered| &entered.epochs);
    all.map(|(epoch, numbers)| (*epoch, numbers.runs().to_vec()))
        .collect()
}

#[test]
fn messages_share_a_record_and_keep_their_numbers() {
    let mut accumulator = accumulator();
    for sequence in [5, 3, 4, 8] {
        add_numbered(
            &mut accumulator,
            TOPIC,
            &reading(1, 1_700_000_000_000),
            (7, sequence),
        );
        // Messages without a number share the record.
        add(&mut accumulator, TOPIC, &reading(2, 1_700_000_000_000), 1);
    }
    let sealed = accumulator.seal();
    assert_eq!(numbers(&sealed), [(7, vec![(3, 5), (8, 8)])]);
    assert_eq!(entered(&sealed), numbers(&sealed));
    assert_eq!(sealed.readings[0].headers.sequence, 3);
    assert_eq!(batches(&sealed)[0].len(), 8);
    let expected = [(5, 0..1), (3, 2..3), (4, 4..5), (8, 6..7)];
    assert_eq!(rows(&sealed.readings[0]), expected);
    // The next batch begins without numbers.
    add(&mut accumulator, TOPIC, &reading(1, 1_700_000_000_000), 1);
    let sealed = accumulator.seal();
    assert_eq!(numbers(&sealed), [(0, vec![])]);
    assert!(sealed.numbered.is_empty());
}

#[test]
fn repeated_messages_are_recorded_beside_new_ones() {
    let mut accumulator = accumulator();
    let payload = reading(1, 1_700_000_000_000);
    for sequence in [1, 2, 9, 1] {
        add_numbered(&mut accumulator, TOPIC, &payload, (7, sequence));
    }
    let sealed = accumulator.seal();
    assert_eq!(numbers(&sealed), [(7, vec![(1, 2), (9, 9)])]);
    let expected = [(1, 0..1), (2, 1..2), (9, 2..3), (1, 3..4)];
    assert_eq!(rows(&sealed.readings[0]), expected);
}

#[test]
fn a_new_epoch_is_a_new_record() {
    let mut accumulator = accumulator();
    let payload = reading(1, 1_700_000_000_000);
    add_numbered(&mut accumulator, TOPIC, &payload, (7, 900));
    add_numbered(&mut accumulator, TOPIC, &payload, (8, 1));
    add_numbered(&mut accumulator, TOPIC, &payload, (8, 2));
    let sealed = accumulator.seal();
    assert_eq!(numbers(&sealed), [(7, vec![(900, 900)]), (8, vec![(1, 2)])]);
    assert_eq!(entered(&sealed), numbers(&sealed));
}

#[test]
fn a_refused_message_keeps_its_number() {
    let mut accumulator = accumulator();
    add_numbered(&mut accumulator, TOPIC, "no JSON", (7, 1));
    add_numbered(&mut accumulator, "park/p1/e1/g2/up/nothing", "x", (7, 1));
    // A topic that identifies no gateway: the number has no owner.
    add_numbered(&mut accumulator, "sensor/1", "x", (7, 2));
    let sealed = accumulator.seal();
    assert_eq!(numbers(&sealed), [(7, vec![(1, 1)]), (7, vec![(1, 1)])]);
    assert!(batches(&sealed).iter().all(Batch::is_empty));
    let of_letters: Vec<_> = sealed
        .dead_letters
        .iter()
        .map(|r| (r.headers.epoch, r.headers.sequence))
        .collect();
    assert_eq!(of_letters, [(7, 1), (7, 1), (0, 0)]);
}

#[test]
fn a_message_split_over_two_records_is_numbered_in_the_last() {
    let mut accumulator = accumulator();
    let values = vec!["1"; 40_000].join(",");
    let long = |meter: &str| {
        format!(
            r#"{{"series":[{{"meter":"{meter}","quantity":"steam","from":1700000000000,"step":1,"value":[{values}]}}]}}"#
        )
    };
    add_numbered(&mut accumulator, TOPIC, &long("m1"), (7, 1));
    add_numbered(&mut accumulator, TOPIC, &long("m2"), (7, 2));
    let sealed = accumulator.seal();
    assert!(sealed.readings.len() > 1);
    let (last, before) = sealed.readings.split_last().expect("records");
    assert_eq!(last.headers.epoch, 7);
    let all = numbers(&sealed);
    assert_eq!(all.last(), Some(&(7, vec![(2, 2)])));
    assert!(before.iter().all(|r| r.payload.len() <= RECORD_BYTES_MAX));
    let first = all.iter().position(|(_, runs)| runs == &[(1, 1)]);
    assert_eq!(first, Some(0), "{all:?}");
    // In every record each reading belongs to its message.
    for record in &sealed.readings {
        let (batch, _) = read(record);
        let mut named = 0;
        for (number, rows) in rows(record) {
            named += rows.len();
            for row in rows {
                let of = &batch.series_table()[batch.series()[row as usize] as usize];
                assert_eq!(of.meter.as_str(), format!("m{number}"));
            }
        }
        assert_eq!(named, batch.len());
        assert_eq!(record.headers.epoch, 7);
    }
}

#[test]
fn unordered_numbers_fit_a_record() {
    let mut accumulator = accumulator();
    for n in 0..BATCH_MESSAGES_MAX as u64 {
        add_numbered(
            &mut accumulator,
            TOPIC,
            "x",
            (NUMBER_MAX, NUMBER_MAX - 3 * n),
        );
    }
    let sealed = accumulator.seal();
    assert!(
        sealed
            .readings
            .iter()
            .all(|r| r.payload.len() <= RECORD_BYTES_MAX)
    );
    let entered: usize = entered(&sealed).iter().map(|(_, runs)| runs.len()).sum();
    assert_eq!(entered, BATCH_MESSAGES_MAX);
}
