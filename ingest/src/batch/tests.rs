//! Goal: each publish comes out once, as records, dead letters and acknowledgements. Method: fill a
//! batch by hand, seal it, and decode its records again.

mod arrival;
mod numbers;

use std::{fmt::Write, sync::Arc};

use greenpark_model::{
    batch::Batch,
    letter::LetterCode,
    limits::{DEAD_LETTER_BYTES_MAX, PACKET_BYTES_MAX, RECORD_BYTES_MAX},
};
use greenpark_proto::{reading_batch, telemetry::v1::DeadLetter};
use prost::Message as _;

use super::{dead_letters::DeadLetters, *};
use crate::{
    limits::{
        BATCH_MESSAGES_MAX, HELD_GATEWAY_BYTES, HELD_READING_BYTES, OVERSIZE_BYTES_KEPT,
        REASON_BYTES_MAX, TOPICS_CACHED_MAX,
    },
    memory_budget::MemoryBudget,
    metrics::IngestMetrics,
    routing::Routes,
    settings::DecodeSettings,
};

const NOW: i64 = 1_800_000_000_000;
const TOPIC: &str = "park/p1/e1/g1/up/readings";

fn accumulator() -> BatchAccumulator {
    BatchAccumulator::new(
        Arc::new(Routes::new(&DecodeSettings::default())),
        IngestMetrics::default(),
        Reservation::new(Arc::new(MemoryBudget::new(1 << 20))),
    )
}

fn reading(meter: usize, at: i64) -> String {
    format!(r#"{{"meter":"m{meter}","quantity":"electricity","at":{at},"value":1.5}}"#)
}

fn add(accumulator: &mut BatchAccumulator, topic: &str, payload: &str, packet_id: u16) {
    let qos = u8::from(packet_id != 0);
    accumulator.add(
        Publish {
            topic,
            payload: payload.as_bytes(),
            qos,
            packet_id,
            ..Publish::default()
        },
        NOW,
    );
}

fn batches(sealed: &PendingAppend) -> Vec<Batch> {
    let decode = |r: &Record| reading_batch::decode(&r.payload).expect("our own batch");
    sealed.readings.iter().map(decode).collect()
}

fn dead_letters(sealed: &PendingAppend) -> Vec<DeadLetter> {
    let decode = |r: &Record| DeadLetter::decode(r.payload.clone()).expect("our own letter");
    sealed.dead_letters.iter().map(decode).collect()
}

#[test]
fn messages_of_one_gateway_become_one_record() {
    let mut accumulator = accumulator();
    for meter in 0..10 {
        add(
            &mut accumulator,
            TOPIC,
            &reading(meter % 3, 1_700_000_000_000),
            1,
        );
        add(
            &mut accumulator,
            "park/p1/e1/g2/up/readings",
            &reading(7, 1_700_000_000_000),
            2,
        );
    }
    let sealed = accumulator.seal();
    let batches = batches(&sealed);
    assert_eq!(batches.iter().map(Batch::len).collect::<Vec<_>>(), [10, 10]);
    assert_eq!(batches[0].series_table().len(), 3);
    assert_eq!(sealed.readings[1].headers.gateway.as_str(), "g2");
    assert_eq!(sealed.messages.by_qos, [0, 20, 0]);
    assert!(accumulator.is_empty() && sealed.dead_letters.is_empty());
    // The next batch starts with an empty series table.
    add(&mut accumulator, TOPIC, &reading(2, 1_700_000_000_001), 3);
    assert_eq!(
        self::batches(&accumulator.seal())[0].series_table().len(),
        1
    );
}

#[test]
fn a_batch_too_large_for_a_record_is_split() {
    let mut accumulator = accumulator();
    let mut payload = r#"{"series":[{"meter":"m1","quantity":"electricity","from":1700000000000,"step":1,"value":[0"#.to_owned();
    let count = 60_000;
    (1..count).for_each(|value| write!(payload, ",{value}").expect("a String takes all"));
    payload.push_str("]}]}");
    add(&mut accumulator, TOPIC, &payload, 1);
    let sealed = accumulator.seal();
    let batches = batches(&sealed);
    assert!(batches.len() > 1);
    assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), count);
    assert!(
        sealed
            .readings
            .iter()
            .all(|r| r.payload.len() <= RECORD_BYTES_MAX)
    );
    assert_eq!(sealed.tallies[0].accepted, 60_000);
}

#[test]
fn more_series_than_a_record_lists_are_split() {
    let mut accumulator = accumulator();
    (0..10_000).for_each(|meter| {
        add(
            &mut accumulator,
            TOPIC,
            &reading(meter, 1_700_000_000_000),
            1,
        )
    });
    let sealed = accumulator.seal();
    assert_eq!(
        batches(&sealed).iter().map(Batch::len).sum::<usize>(),
        10_000
    );
}

#[test]
fn a_refused_payload_is_a_dead_letter_with_its_bytes() {
    let mut accumulator = accumulator();
    let mixed = format!(
        "[{},{}]",
        reading(1, 1_700_000_000_000),
        reading(1, NOW * 2)
    );
    add(&mut accumulator, TOPIC, &mixed, 1);
    add(&mut accumulator, TOPIC, "nonsense", 2);
    add(&mut accumulator, "other/topic", "x", 3);
    add(&mut accumulator, "park/p1/e1/g1/up/unknown", "y", 4);
    add(&mut accumulator, TOPIC, "[]", 5);
    let sealed = accumulator.seal();
    assert_eq!(batches(&sealed)[0].len(), 1);
    let dead_letters = dead_letters(&sealed);
    let brief: Vec<_> = dead_letters
        .iter()
        .map(|l| (l.index, &l.payload[..], l.truncated))
        .collect();
    let expected: [(Option<u32>, &[u8], bool); 5] = [
        (Some(1), mixed.as_bytes(), false),
        (None, b"nonsense", false),
        (None, b"x", false),
        (None, b"y", false),
        (None, b"[]", false),
    ];
    assert_eq!(brief, expected);
    assert_eq!(sealed.dead_letters[2].park.as_str(), "_unknown");
    assert_eq!(sealed.dead_letters[3].headers.enterprise.as_str(), "e1");
    let dead: u64 = sealed.tallies.iter().map(|t| t.dead_lettered).sum();
    assert_eq!(dead, 5);
    assert!(
        dead_letters
            .iter()
            .all(|l| l.received_ms == NOW && !l.reason.is_empty())
    );
}

#[test]
fn many_refusals_of_one_payload_share_a_dead_letter() {
    let mut accumulator = accumulator();
    let bad = vec![r#"{"meter":"m1"}"#; 1000].join(",");
    add(&mut accumulator, TOPIC, &format!("[{bad}]"), 1);
    let sealed = accumulator.seal();
    let dead_letters = dead_letters(&sealed);
    assert_eq!(dead_letters.len(), 1);
    assert!(
        dead_letters[0].reason.contains("1000 parts"),
        "{}",
        dead_letters[0].reason
    );
    assert!(
        dead_letters[0].reason.contains("and 992 more"),
        "{}",
        dead_letters[0].reason
    );
    assert_eq!(sealed.tallies[0].dead_lettered, 1000);
}

#[test]
fn a_refused_payload_keeps_all_its_bytes() {
    let mut accumulator = accumulator();
    let mut payload = vec![reading(1, 1_700_000_000_000); 13_000].join(",");
    // The refused reading is the last one, where a truncated dead letter would have been cut.
    payload = format!("[{payload},{}]", reading(2, NOW * 2));
    assert!(payload.len() > DEAD_LETTER_BYTES_MAX && payload.len() <= PACKET_BYTES_MAX);
    add(&mut accumulator, TOPIC, &payload, 1);
    let sealed = accumulator.seal();
    let dead_letters = dead_letters(&sealed);
    assert_eq!(dead_letters.len(), 2);
    let kept = dead_letters.iter().flat_map(|l| l.payload.iter().copied());
    assert_eq!(kept.collect::<Vec<u8>>(), payload.as_bytes());
    for (letter, part) in dead_letters
        .iter()
        .zip(["bytes 0 to 900000", "bytes 900000 to"])
    {
        assert!(letter.truncated && letter.index == Some(13_000));
        assert!(letter.reason.starts_with(part), "{}", letter.reason);
        assert!(letter.reason.contains("ahead"), "{}", letter.reason);
    }
    let tally = &sealed.tallies[0];
    assert_eq!((tally.accepted, tally.dead_lettered), (13_000, 1));
}

#[test]
fn dead_letters_of_the_largest_payloads_fit_the_log() {
    let mut accumulator = accumulator();
    let topic = format!("park/p1/e1/g1/up/{}", "x".repeat(65_500));
    add(&mut accumulator, &topic, &"x".repeat(PACKET_BYTES_MAX), 1);
    add(
        &mut accumulator,
        TOPIC,
        &"x".repeat(PACKET_BYTES_MAX + 1),
        2,
    );
    let sealed = accumulator.seal();
    let dead_letters = dead_letters(&sealed);
    let sizes: Vec<_> = dead_letters.iter().map(|l| l.payload.len()).collect();
    let rest = PACKET_BYTES_MAX - DEAD_LETTER_BYTES_MAX;
    assert_eq!(sizes, [DEAD_LETTER_BYTES_MAX, rest, OVERSIZE_BYTES_KEPT]);
    assert!(dead_letters.iter().all(|letter| letter.truncated));
    let reason = &dead_letters[2].reason;
    assert!(reason.contains("1048577 bytes"), "{reason}");
    assert!(
        sealed
            .dead_letters
            .iter()
            .all(|r| r.payload.len() <= RECORD_BYTES_MAX)
    );
}

#[test]
fn a_reason_that_quotes_the_payload_fits_the_log() {
    let message = Publish {
        topic: &"t".repeat(65_535),
        payload: &[b'x'; DEAD_LETTER_BYTES_MAX],
        qos: 1,
        packet_id: 1,
        ..Publish::default()
    };
    let mut sizes = Vec::new();
    for reason in ["é".repeat(40_000), "short".to_owned()] {
        let mut dead_letters = DeadLetters::default();
        dead_letters.whole(&Origin::unknown(), &message, &reason.into(), NOW);
        for record in dead_letters.take().0 {
            let letter = DeadLetter::decode(record.payload).expect("our own letter");
            assert!(letter.encoded_len() <= RECORD_BYTES_MAX);
            sizes.push(letter.reason.len());
        }
    }
    assert_eq!(sizes, [REASON_BYTES_MAX, 5]);
}

#[test]
fn the_memory_of_a_batch_is_reserved_before_it_is_sealed() {
    let budget = Arc::new(MemoryBudget::new(1 << 20));
    let mut accumulator = accumulator();
    accumulator.reservation = Reservation::new(Arc::clone(&budget));
    (0..1000).for_each(|meter| {
        add(
            &mut accumulator,
            TOPIC,
            &reading(meter, 1_700_000_000_000),
            1,
        )
    });
    add(&mut accumulator, TOPIC, &"x".repeat(1000), 1);
    accumulator.update_reservation();
    let open = budget.bytes();
    assert!(open >= 1000 * HELD_READING_BYTES + 1000, "{open}");
    let sealed = accumulator.seal();
    assert_eq!(budget.bytes(), open);
    drop(sealed);
    assert_eq!(budget.bytes(), HELD_GATEWAY_BYTES);
    add(&mut accumulator, TOPIC, "x", 1);
    accumulator.update_reservation();
    accumulator.discard();
    assert_eq!(budget.bytes(), HELD_GATEWAY_BYTES);
    drop(accumulator);
    assert_eq!(budget.bytes(), 0);
}

#[test]
fn a_sender_with_ever_new_topics_does_not_fill_memory() {
    let mut accumulator = accumulator();
    for round in 0..3 {
        for gateway in 0..TOPICS_CACHED_MAX {
            assert!(!accumulator.is_full(), "gateway {gateway}");
            add(
                &mut accumulator,
                &format!("park/p1/e1/g{round}-{gateway}/up/readings"),
                "x",
                1,
            );
        }
        assert!(accumulator.is_full());
        assert_eq!(accumulator.seal().dead_letters.len(), TOPICS_CACHED_MAX);
        assert!(accumulator.gateways.topics.entries.len() <= TOPICS_CACHED_MAX);
        assert!(accumulator.gateways.batches.len() <= TOPICS_CACHED_MAX);
    }
}

#[test]
fn a_reserved_park_name_is_a_dead_letter() {
    let mut accumulator = accumulator();
    let topic = "park/reference/e1/g1/up/readings";
    add(&mut accumulator, topic, &reading(1, 1_700_000_000_000), 1);
    let sealed = accumulator.seal();
    assert!(sealed.readings.is_empty());
    let dead_letters = dead_letters(&sealed);
    assert_eq!(dead_letters.len(), 1);
    assert!(
        dead_letters[0].reason.contains("'reference'"),
        "{}",
        dead_letters[0].reason
    );
}

#[test]
fn a_dead_letter_has_a_code_and_the_number_of_refused_readings() {
    let mut accumulator = accumulator();
    let bad = |unit: &str| {
        format!(
            r#"{{"meter":"m1","quantity":"electricity","unit":"{unit}","at":{NOW},"value":"x"}}"#
        )
    };
    for (topic, payload) in [
        (TOPIC, bad("furlong")),
        (TOPIC, bad("kWh")),
        (TOPIC, reading(1, NOW + 86_400_000)),
        (TOPIC, reading(1, 5)),
        (
            TOPIC,
            r#"{"meter":"m1","quantity":"electrcity","at":1,"value":1}"#.to_owned(),
        ),
        (
            TOPIC,
            r#"{"meter":"m1","quantity":"electricity","value":1}"#.to_owned(),
        ),
        (TOPIC, "[".to_owned()),
        (TOPIC, String::new()),
        ("park/p1/e1/g1/up/status", reading(1, NOW)),
        ("sensor/1", reading(1, NOW)),
        (TOPIC, format!("[{}1]", "1,".repeat(99))),
    ] {
        add(&mut accumulator, topic, &payload, 1);
    }
    let sealed = accumulator.seal();
    let said: Vec<_> = dead_letters(&sealed)
        .iter()
        .map(|letter| {
            let code = u8::try_from(letter.code)
                .ok()
                .and_then(LetterCode::from_code);
            (code.expect("a code").as_str(), letter.readings)
        })
        .collect();
    let expected = [
        ("unknown-unit", 1),
        ("bad-value", 1),
        ("future-instant", 1),
        ("bad-instant", 1),
        ("unknown-quantity", 1),
        ("bad-instant", 1),
        ("undecodable", 1),
        ("empty", 1),
        ("no-decoder", 1),
        ("bad-topic", 1),
        ("undecodable", 100),
    ];
    assert_eq!(said, expected);
    let undecodable = sealed
        .dead_letter_counts
        .iter()
        .find(|(code, _)| *code == LetterCode::Undecodable);
    assert_eq!(undecodable, Some(&(LetterCode::Undecodable, 2)));
    let refused: u64 = dead_letters(&sealed)
        .iter()
        .map(|letter| letter.readings)
        .sum();
    let tallied: u64 = sealed.tallies.iter().map(|tally| tally.dead_lettered).sum();
    assert_eq!(refused, tallied);
}
