//! Goal: valid readings of a batch are accepted whatever else the batch contains. Method: messages
//! made by hand, with one mistake at a time; and our own batches, which are accepted unchanged.

use greenpark_model::stamp::Stamps;
use greenpark_model::{
    amount::Amount,
    batch::Batch,
    day::Instant,
    id::MeterId,
    limits::FUTURE_MS_MAX,
    quantity::{Medium, Quantity},
    reading::Series as ModelSeries,
};
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000_000;
/// The instant of a test's first reading.
const START: i64 = NOW - 86_400_000;

fn entry(meter: &str, unit: &str) -> Series {
    Series {
        meter: meter.to_owned(),
        quantity: "electricity".to_owned(),
        kind: WireKind::Register.into(),
        unit: unit.to_owned(),
    }
}

/// A hundred readings, a second apart, of two alternating series.
fn hundred() -> ReadingBatch {
    ReadingBatch {
        series: vec![entry("m1", ""), entry("m2", "MWh")],
        series_of: (0..100).map(|index| index % 2).collect(),
        instant_ms_delta: (0..100)
            .map(|i| if i == 0 { START } else { 1000 })
            .collect(),
        value_micro: (0..100).collect(),
        flags: vec![b'N'; 100],
        ..ReadingBatch::default()
    }
}

fn decoded(batch: &ReadingBatch) -> Result<Decoded, Fault> {
    let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
    decode(&batch.encode_to_vec(), &mut table, &mut to).map(|()| to)
}

fn decode(payload: &[u8], table: &mut SeriesTable, to: &mut Decoded) -> Result<(), Fault> {
    super::decode(payload, table, &Timing::live(NOW, &Stamps::default()), to)
}

#[test]
fn tickets_are_read_from_events_and_an_invalid_one_refuses_its_reading() {
    let event = |kind: WireKind| Series {
        meter: "s1".into(),
        quantity: "raw_coal".into(),
        kind: kind.into(),
        unit: "吨".into(),
    };
    let mut batch = ReadingBatch {
        series: vec![event(WireKind::Event), event(WireKind::Register)],
        series_of: vec![0, 0, 0, 1, 0],
        instant_ms_delta: vec![START, 0, 0, 0, 0],
        value_micro: vec![1, 2, 3, 4, 5],
        ticket_rows: vec![0, 2, 3, 4],
        tickets: ["A-1", "none", "A-3", "A-4"].map(str::to_owned).to_vec(),
        // A gateway's own lateness column is ignored.
        late_rows: vec![0],
        received_ms: 7,
        ..ReadingBatch::default()
    };
    let to = decoded(&batch).expect("the good ones count");
    let tickets: Vec<_> = to
        .tickets
        .iter()
        .map(|(row, t)| (*row, t.as_str()))
        .collect();
    assert_eq!(
        (to.readings.len(), tickets),
        (3, vec![(0, "A-1"), (2, "A-4")])
    );
    let refusals = to.refusals.first();
    let refused: Vec<_> = refusals
        .iter()
        .map(|r| (r.index, r.reason.as_str()))
        .collect();
    assert!(
        refused[0].0 == Some(2) && refused[0].1.contains("no digit"),
        "{refused:?}"
    );
    assert!(
        refused[1].0 == Some(3) && refused[1].1.contains("only an event"),
        "{refused:?}"
    );
    for rows in [vec![0, 2, 3], vec![0, 2, 2, 3], vec![0, 1, 2, 9]] {
        batch.ticket_rows = rows;
        assert!(decoded(&batch).expect_err("no fit").contains("ticket"));
    }
}

/// Decodes a batch in which exactly the reading at `index` is refused, with `word` in its reason.
fn all_but_one(batch: &ReadingBatch, index: u32, word: &str) {
    let to = decoded(batch).expect("the good ones count");
    assert_eq!((to.readings.len(), to.refusals.parts()), (99, 1), "{word}");
    let refusal = &to.refusals.first()[0];
    assert_eq!((refusal.index, refusal.count), (Some(index), 1));
    assert!(refusal.reason.contains(word), "{}", refusal.reason);
}

#[test]
fn one_bad_reading_among_a_hundred_is_refused_alone() {
    let mut batch = hundred();
    batch.value_micro[17] = i64::MAX;
    all_but_one(&batch, 17, "its value");
    batch.value_micro[17] = 999_999_999_999_999;
    // It fits in kWh, but not as a value in MWh.
    batch.value_micro[18] = 999_999_999_999_999_999;
    assert_eq!(decoded(&batch).expect("a batch").readings.len(), 100);
    batch.value_micro[17] = 999_999_999_999_999_999;
    all_but_one(&batch, 17, "its value");

    let mut batch = hundred();
    batch.flags[99] = b'x';
    all_but_one(&batch, 99, "the byte 120");

    let mut batch = hundred();
    batch.series_of[3] = 2;
    all_but_one(&batch, 3, "its series is 2");

    let mut batch = hundred();
    batch.instant_ms_delta[50] += 2 * 86_400_000;
    batch.instant_ms_delta[51] -= 2 * 86_400_000;
    all_but_one(&batch, 50, "its instant");
}

#[test]
fn a_wild_instant_does_not_shift_later_readings() {
    let mut batch = hundred();
    let before = START + 9_000;
    for wild in [i64::MIN, i64::MAX, -1] {
        batch.instant_ms_delta[10] = wild.wrapping_sub(before);
        batch.instant_ms_delta[11] = (before + 2_000).wrapping_sub(wild);
        all_but_one(&batch, 10, "its instant");
        let to = decoded(&batch).expect("a batch");
        assert_eq!(
            to.readings[98].1.instant,
            Instant::from_millis(START + 99_000)
        );
    }
}

#[test]
fn an_invalid_series_refuses_its_own_readings() {
    let wrong = [
        (
            Series {
                meter: "a/b".to_owned(),
                ..entry("", "")
            },
            "\"meter\"",
        ),
        (
            Series {
                quantity: "electrcity".to_owned(),
                ..entry("m", "")
            },
            "electrcity",
        ),
        (
            Series {
                kind: 0,
                ..entry("m", "")
            },
            "\"kind\"",
        ),
        (
            Series {
                kind: 77,
                ..entry("m", "")
            },
            "\"kind\"",
        ),
        (entry("m", "gal"), "gal"),
    ];
    for (wrong, word) in wrong {
        let mut batch = hundred();
        batch.series[1] = wrong;
        let to = decoded(&batch).expect("the good ones count");
        assert_eq!((to.readings.len(), to.refusals.readings()), (50, 50));
        let refused = to.refusals.first().iter().filter_map(|r| r.index);
        assert!(refused.eq((1..16).step_by(2)), "{word}");
        let reason = &to.refusals.first()[0].reason;
        assert!(
            reason.starts_with("series 1: ") && reason.contains(word),
            "{reason}"
        );
    }
}

#[test]
fn units_become_canonical() {
    let to = decoded(&hundred()).expect("a batch");
    let values: Vec<_> = to.readings.iter().map(|(_, r)| r.value.micro()).collect();
    assert_eq!(values[..4], [0, 1_000, 2, 3_000]);
}

#[test]
fn columns_that_do_not_fit_together_are_refused_as_a_whole() {
    let ragged: [fn(&mut ReadingBatch); 4] = [
        |batch| batch.instant_ms_delta.truncate(99),
        |batch| batch.value_micro.truncate(99),
        |batch| batch.flags.truncate(99),
        // Without the column the series of a reading is unknown.
        |batch| batch.series_of.clear(),
    ];
    for spoil in ragged {
        let mut batch = hundred();
        spoil(&mut batch);
        let reason = decoded(&batch).expect_err("ragged");
        assert!(reason.contains("different lengths"), "{reason}");
    }
    let mut batch = hundred();
    batch.series.pop();
    batch.series_of.clear();
    batch.flags.clear();
    assert_eq!(decoded(&batch).expect("one series").readings.len(), 100);
}

#[test]
fn more_than_a_record_holds_is_refused_as_a_whole() {
    let rows = BATCH_READINGS_MAX + 1;
    let batch = ReadingBatch {
        series: vec![entry("m1", "")],
        instant_ms_delta: vec![0; rows],
        value_micro: vec![0; rows],
        ..ReadingBatch::default()
    };
    assert!(
        decoded(&batch)
            .expect_err("too many")
            .contains("65536 readings")
    );
    let batch = ReadingBatch {
        series: vec![Series::default(); BATCH_SERIES_MAX + 1],
        ..ReadingBatch::default()
    };
    assert!(
        decoded(&batch)
            .expect_err("too many")
            .contains("4096 series")
    );
}

#[test]
fn bytes_that_are_not_a_batch_are_refused_with_their_cause() {
    let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
    let reason = decode(b"\xff\xff\xff", &mut table, &mut to).expect_err("no batch");
    assert!(reason.contains("ReadingBatch: "), "{reason}");
}

#[test]
fn our_own_batch_is_accepted_except_for_a_future_reading() {
    let mut batch = Batch::new();
    let meter = MeterId::new("m1").expect("an id");
    let quantity = Quantity::consumed(Medium::Electricity);
    let kind = Kind::Register;
    let series = ModelSeries {
        meter,
        quantity,
        kind,
    };
    let of = batch.add_series(series).expect("room");
    for ms in [NOW - 1, NOW + FUTURE_MS_MAX + 1, NOW] {
        let reading = Reading {
            instant: Instant::from_millis(ms),
            value: Amount::from_micro(5).expect("in range"),
            flag: Flag::Normal,
        };
        batch.push(of, reading).expect("room");
    }
    let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
    decode(&reading_batch::encode(&batch), &mut table, &mut to).expect("a batch");
    let instants: Vec<_> = to
        .readings
        .iter()
        .map(|(_, r)| r.instant.millis())
        .collect();
    assert_eq!(instants, [NOW - 1, NOW]);
    assert_eq!(to.refusals.parts(), 1);
    assert_eq!(to.refusals.first()[0].index, Some(1));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut table, mut to) = (SeriesTable::default(), Decoded::default());
        let _unused = decode(&bytes, &mut table, &mut to);
    }
}
