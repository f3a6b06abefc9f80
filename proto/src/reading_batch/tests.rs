//! Round trips, units, and batches as a stranger may send them.

use greenpark_model::{day::Instant, reading::Reading};
use proptest::prelude::*;

use super::*;

fn series(meter: &str, quantity: &str, kind: Kind) -> Series {
    Series {
        meter: MeterId::new(meter).expect("an id"),
        quantity: quantity.parse().expect("a quantity"),
        kind,
    }
}

fn wire_batch(unit: &str, values: Vec<i64>) -> Vec<u8> {
    let series = wire::Series {
        meter: "m".to_owned(),
        quantity: "electricity".to_owned(),
        kind: wire::Kind::Register.into(),
        unit: unit.to_owned(),
    };
    wire::ReadingBatch {
        series: vec![series],
        instant_ms_delta: vec![1; values.len()],
        value_micro: values,
        ..wire::ReadingBatch::default()
    }
    .encode_to_vec()
}

#[test]
fn units_become_canonical() {
    let kilo = decode(&wire_batch("MWh", vec![1_500_000])).expect("a batch");
    assert_eq!(kilo.values(), [1_500_000_000]);
    let milli = decode(&wire_batch("Wh", vec![1_500_000, 500, 1_500])).expect("a batch");
    assert_eq!(milli.values(), [1_500, 0, 2]);
    let ten_thousand = decode(&wire_batch("万kWh", vec![1_500_000])).expect("a batch");
    assert_eq!(ten_thousand.values(), [15_000_000_000]);
}

#[test]
fn a_wrong_unit_names_series_and_canonical_unit() {
    let error = decode(&wire_batch("m3", vec![1])).expect_err("no energy");
    assert_eq!(
        error.to_string(),
        "series 0: unit 'm3' does not measure electricity; its canonical unit is kWh"
    );
}

#[test]
fn ragged_columns_and_overflowing_instants_are_refused() {
    let mut message = wire::ReadingBatch::decode(&*wire_batch("", vec![1, 2])).expect("ours");
    message.instant_ms_delta = vec![i64::MAX, 1];
    let error = decode(&message.encode_to_vec()).expect_err("beyond the calendar");
    assert!(
        matches!(error, BatchDecodeError::Instant { index: 1 }),
        "{error}"
    );
    message.instant_ms_delta = vec![1];
    let error = decode(&message.encode_to_vec()).expect_err("ragged");
    assert!(
        matches!(error, BatchDecodeError::Columns(BatchError::Ragged)),
        "{error}"
    );
}

#[test]
fn a_value_beyond_the_range_may_fit_in_the_canonical_unit() {
    let ten = UnitRatio::power_of_ten;
    let watt_hours = 1_000_000_000_000_000_000;
    assert_eq!(rescale(watt_hours, ten(0)), None);
    assert_eq!(
        rescale(watt_hours, ten(-3)).map(Amount::micro),
        Some(1_000_000_000_000_000)
    );
    assert_eq!(rescale(watt_hours, ten(3)), None);
    assert_eq!(rescale(i64::MIN, ten(-19)).map(Amount::micro), Some(-1));
    assert_eq!(rescale(i64::MIN, ten(-99)).map(Amount::micro), Some(0));
    assert_eq!(rescale(1, ten(99)), None);
}

fn sparse() -> impl Strategy<Value = (Option<Ticket>, bool)> {
    let text = prop_oneof!["[A-Za-z0-9_.-]{0,20}[0-9]", "#[2-9]", "#[1-9][0-9]{1,4}"];
    let ticket = text.prop_map(|text| Ticket::parse(&text).expect("a ticket"));
    (
        prop::option::weighted(0.3, ticket),
        prop::bool::weighted(0.2),
    )
}

proptest! {
    #[test]
    fn an_amount_is_rescaled_as_its_text_would_be(
        micro in -999_999_999_999_999_999i64..=999_999_999_999_999_999,
        shift in 0u32..18,
        scale in prop::sample::select(vec![-6, -3, 0, 3, 6]),
    ) {
        // Few digits make ties, many make overflows.
        let micro = micro / 10i64.pow(shift);
        let text = Amount::from_micro(micro).expect("in range").to_string();
        let parsed = Amount::parse_scaled(text.as_bytes(), scale).ok();
        prop_assert_eq!(rescale(micro, UnitRatio::power_of_ten(scale)), parsed);
    }

    #[test]
    fn an_encoded_batch_decodes_back(
        rows in prop::collection::vec(
            (0u32..3, 0i64..4_000_000_000_000, -1_000_000_000_000_000i64..1_000_000_000_000_000, 0usize..8, sparse()),
            0..200,
        ),
    ) {
        let mut batch = Batch::new();
        for s in [
            series("m1", "electricity", Kind::Register),
            series("m2", "fly_ash.utilized", Kind::Event),
            series("m3", "fresh_water", Kind::Interval),
        ] {
            batch.add_series(s).expect("room");
        }
        for (of, ms, value, flag, (ticket, late)) in rows {
            let value = Amount::from_micro(value).expect("in range");
            let reading = Reading { instant: Instant::from_millis(ms), value, flag: Flag::ALL[flag] };
            match ticket.filter(|_| of == 1) {
                Some(ticket) => batch.push_ticketed(of, reading, ticket).expect("an event"),
                None => batch.push(of, reading).expect("room"),
            }
            if late {
                batch.mark_last_late(Instant::from_millis(1_795_000_000_000 + ms % 1_000));
            }
        }
        prop_assert_eq!(decode(&encode(&batch)).expect("ours"), batch);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _unused = decode(&bytes);
    }
}

#[test]
fn a_record_lists_the_messages_that_end_in_it() {
    let mut messages = BatchMessages::default();
    for number in [7, 9, 8, 12] {
        messages.end(number, 0..0);
    }
    let bytes = encode_numbered(&Batch::new(), &messages);
    assert_eq!(
        decode_numbered(&bytes, 7).expect("ours"),
        (Batch::new(), messages.clone())
    );
    // An older record lists the messages that end in it, but not their readings.
    let before = BatchMessages::from(messages.ended().clone());
    let bytes = encode_numbered(&Batch::new(), &before);
    assert_eq!(
        decode_numbered(&bytes, 7).expect("ours"),
        (Batch::new(), before)
    );
    // A record without numbered messages has the same bytes as before there were any.
    assert_eq!(encode(&Batch::new()).len(), 0);
    let none = decode_numbered(&bytes, 0).expect("ours").1;
    assert!(none.is_empty());
}

#[test]
fn a_record_without_tickets_and_late_readings_has_the_same_bytes_as_before() {
    let mut batch = Batch::new();
    let of = batch
        .add_series(series("m1", "raw_coal", Kind::Event))
        .expect("room");
    let reading = Reading {
        instant: Instant::from_millis(1_000),
        value: Amount::from_micro(5).expect("in range"),
        flag: Flag::Normal,
    };
    batch.push(of, reading).expect("room");
    // The message before these fields existed: series, instants and values.
    let mut old = vec![0x0a, 18, 0x0a, 2];
    old.extend(b"m1");
    old.extend([0x12, 8]);
    old.extend(b"raw_coal");
    old.extend([0x18, 3]);
    old[1] = u8::try_from(old.len() - 2).expect("short");
    old.extend([0x1a, 2, 0xd0, 0x0f, 0x22, 1, 10]);
    assert_eq!(encode(&batch), old);
    assert_eq!(decode(&old).expect("an old record"), batch);
    batch
        .push_ticketed(of, reading, Ticket::new("7").expect("a number"))
        .expect("an event");
    batch.mark_last_late(Instant::from_millis(9_000));
    assert_eq!(decode(&encode(&batch)).expect("ours"), batch);
}

#[test]
fn a_ticket_that_is_no_number_is_refused_with_its_index() {
    let mut message = wire::ReadingBatch::decode(&*wire_batch("", vec![1, 2])).expect("ours");
    message.series[0].set_kind(wire::Kind::Event);
    message.ticket_rows = vec![0, 1];
    message.tickets = vec!["17".to_owned(), "no number".to_owned()];
    let error = decode(&message.encode_to_vec()).expect_err("a space");
    assert!(
        matches!(error, BatchDecodeError::Ticket { index: 1, .. }),
        "{error}"
    );
    message.tickets.truncate(1);
    let error = decode(&message.encode_to_vec()).expect_err("ragged");
    assert!(
        matches!(error, BatchDecodeError::Columns(BatchError::Ragged)),
        "{error}"
    );
}

#[test]
fn every_kind_decodes_back() {
    for &kind in Kind::ALL {
        let mut batch = Batch::new();
        batch
            .add_series(series("m", "electricity", kind))
            .expect("room");
        assert_eq!(decode(&encode(&batch)).expect("ours"), batch);
    }
}
