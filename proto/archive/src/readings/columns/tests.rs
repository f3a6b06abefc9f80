//! Files are read back as they were written, and hold what they declare.

use bytes::Bytes;
use greenpark_model::{
    id::MeterId,
    log_position::{OffsetRange, Partition},
    quantity::{Medium, Quantity},
    reading::{Flag, Kind},
    ticket::Ticket,
};
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::Field,
};
use proptest::prelude::*;

use super::*;
use crate::{
    fixture::{annotated_log, build, build_annotated, day, enterprise, key, log, park, registers},
    readings::decode::{decode_between, decode_outline},
    rows::{LateArrival, SeriesKey},
};

fn facts() -> FileFacts {
    FileFacts {
        park: park(),
        day: day("2026-11-22"),
        kind: FileKind::Sealed {
            enterprise: enterprise("steel"),
            revision: 2,
        },
        offsets: Some(OffsetRange {
            partition: Partition::new(3),
            first: 100,
            next: 250,
        }),
    }
}

/// Reads a file with the library's own row reader, which does not depend on our code.
fn read_by_rows(bytes: Bytes) -> Vec<Vec<Field>> {
    let reader = SerializedFileReader::new(bytes).expect("a file");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        row.expect("a row")
            .into_columns()
            .into_iter()
            .map(|(_, field)| field)
            .collect()
    })
    .collect()
}

fn round_trip(rows: &ReadingRows) {
    let encoded = encode_readings(rows, &facts()).expect("sound rows");
    let rows = &ReadingRows {
        until: 250,
        ..rows.clone()
    };
    assert_eq!(
        decode_readings(encoded.bytes.clone()).expect("our file"),
        *rows
    );
    parts_are_read_back(rows, &encoded.bytes);
    let read = read_by_rows(encoded.bytes);
    assert_eq!(read.len(), rows.len());
    for (row, fields) in read.iter().enumerate() {
        let key = &rows.keys[rows.series[row] as usize];
        assert_eq!(fields[0], Field::Str(key.enterprise.to_string()));
        assert_eq!(fields[1], Field::Str(key.series.meter.to_string()));
        assert_eq!(fields[2], Field::Str(key.series.quantity.to_string()));
        assert_eq!(fields[3], Field::Str(key.series.kind.as_str().to_owned()));
        assert_eq!(fields[4], Field::TimestampMillis(rows.instants[row]));
        let Field::Decimal(value) = &fields[5] else {
            panic!("a decimal")
        };
        let bytes = <[u8; 8]>::try_from(value.data()).expect("eight bytes");
        assert_eq!(i64::from_be_bytes(bytes), rows.values[row]);
        let flag = Flag::from_code(rows.flags[row]).expect("a flag");
        assert_eq!(fields[6], Field::Str(flag.as_str().to_owned()));
        assert_eq!(fields[7], Field::Bool(rows.superseded[row]));
        let text =
            |text: Option<&str>| text.map_or(Field::Null, |text| Field::Str(text.to_owned()));
        let mut more = fields[8..].iter();
        if !rows.tickets.is_empty() {
            let ticket = rows.ticket(row).map(Ticket::as_str);
            assert_eq!(more.next(), Some(&text(ticket)));
        }
        if !rows.late.is_empty() {
            let late = rows.late(row);
            let received = late.map_or(Field::Null, |late| {
                Field::TimestampMillis(late.received.millis())
            });
            assert_eq!(more.next(), Some(&received));
            let gateway = late.map(|late| late.gateway.as_str());
            assert_eq!(more.next(), Some(&text(gateway)));
        }
        assert_eq!(more.next(), None);
    }
}

/// The outline lists the enterprises of a file's rows; with it, neighboring enterprises are read alone.
fn parts_are_read_back(rows: &ReadingRows, bytes: &Bytes) {
    let outline = decode_outline(bytes.clone()).expect("our file");
    let of: Vec<_> = rows.count_enterprises().collect();
    assert_eq!(outline.runs().collect::<Vec<_>>(), of);
    let (Some((first, _)), Some((last, _))) = (of.first(), of.last()) else {
        return;
    };
    let (middle, _) = of[of.len() / 2];
    for (first, last) in [(*first, middle), (middle, middle), (middle, *last)] {
        let part = decode_between(bytes.clone(), &outline, (first, last)).expect("our file");
        assert_eq!(part, rows.select_between(first, last));
    }
}

fn wide_key() -> impl Strategy<Value = SeriesKey> {
    let quantity = prop::sample::select(Medium::ALL).prop_map(Quantity::consumed);
    let kind = prop::sample::select(Kind::ALL);
    ("[a-d]{1,2}", "[a-zA-Z0-9_.]{1,8}", quantity, kind).prop_filter_map(
        "an id",
        |(name, meter, quantity, kind)| {
            let mut key = key(&name, "main", Medium::Electricity);
            key.series.meter = MeterId::new(&meter).ok()?;
            (key.series.quantity, key.series.kind) = (quantity, kind);
            Some(key)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn colliding_readings_are_read_back(log in log()) {
        let rows = build(&log).rows;
        prop_assume!(!rows.is_empty());
        round_trip(&rows);
    }

    #[test]
    fn tickets_and_late_readings_are_read_back(log in annotated_log()) {
        let rows = build_annotated(&log).rows;
        prop_assume!(!rows.is_empty());
        round_trip(&rows);
    }

    #[test]
    fn any_series_instants_and_values_are_read_back(
        log in prop::collection::vec(
            (
                wide_key(),
                -4_000_000_000_000i64..4_000_000_000_000,
                prop_oneof![
                    -999_999_999_999_999_999i64..=999_999_999_999_999_999,
                    -10i64..10,
                ],
                prop::sample::select(Flag::ALL).prop_map(|flag| flag.code()),
            ),
            1..600,
        ),
    ) {
        round_trip(&build(&log).rows);
    }

    #[test]
    fn many_readings_of_few_series_are_read_back(
        many in 1i64..4_000,
        step in 0i64..100_000,
        seed in any::<u32>(),
    ) {
        let mut rows = registers(day("2026-11-22"), &["glass", "steel"], many);
        let mut state = u64::from(seed) | 1;
        for value in &mut rows.values {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *value += (state >> 40) as i64 * step;
        }
        round_trip(&rows);
    }
}

#[test]
fn a_file_of_several_pages_is_read_back() {
    round_trip(&registers(
        day("2026-11-22"),
        &["glass", "steel", "tin"],
        50_000,
    ));
}

#[test]
fn tickets_and_late_readings_are_read_back_over_several_pages() {
    let mut rows = registers(day("2026-11-22"), &["glass", "steel"], 70_000);
    let late = |received: i64, gateway: &str| LateArrival {
        received: greenpark_model::day::Instant::from_millis(received),
        gateway: gateway.parse().expect("an id"),
    };
    rows.tickets = (0..140_000u32)
        .filter(|row| row % 977 == 5 || (65_500..65_600).contains(row))
        .map(|row| (row, Ticket::new(&format!("T-{row}")).expect("a number")))
        .collect();
    rows.late = vec![(69_999, late(5, "g1")), (139_999, late(-7, "g2"))];
    rows.repeats = vec![(1, 3)];
    round_trip(&rows);
    // The second page of late readings contains none.
    rows.late = vec![(0, late(1, "g1"))];
    round_trip(&rows);
}

#[test]
fn a_file_without_tickets_and_late_readings_has_the_columns_it_had() {
    let rows = registers(day("2026-11-22"), &["steel"], 24);
    let usual = encode_readings(&rows, &facts()).expect("sound rows");
    assert_eq!(usual.more_columns, [] as [&str; 0]);
    let mut rows = rows;
    rows.tickets = vec![(3, Ticket::implied(2).expect("a second one"))];
    let encoded = encode_readings(&rows, &facts()).expect("sound rows");
    assert_eq!(encoded.more_columns, ["ticket"]);
    let of = |bytes: Bytes| {
        let reader = SerializedFileReader::new(bytes).expect("a file");
        reader
            .metadata()
            .file_metadata()
            .schema_descr()
            .num_columns()
    };
    assert_eq!((of(usual.bytes), of(encoded.bytes)), (8, 9));
}

#[test]
fn the_declared_sorting_holds_and_names_all_columns_where_it_can() {
    let one = registers(day("2026-11-22"), &["glass", "steel"], 10);
    assert_eq!(declared(&one), [0, 1, 2, 3, 4]);
    // Steam has a lower code than heat, but its name comes after.
    let log: Vec<_> = [Medium::Steam, Medium::Heat]
        .iter()
        .flat_map(|medium| (0..5).map(|n| (key("steel", "main", *medium), n, n, 78)))
        .collect();
    assert_eq!(declared(&build(&log).rows), [0, 1]);
}

/// The sorting columns of the rows' file, checked against what a row reader sees.
fn declared(rows: &ReadingRows) -> Vec<i32> {
    let bytes = encode_readings(rows, &facts()).expect("sound rows").bytes;
    let reader = SerializedFileReader::new(bytes.clone()).expect("a file");
    assert_eq!(reader.num_row_groups(), 1);
    let group = reader.metadata().row_group(0);
    let columns: Vec<i32> = group
        .sorting_columns()
        .expect("declared")
        .iter()
        .map(|column| column.column_idx)
        .collect();
    let place = |fields: &Vec<Field>| -> Vec<String> {
        let text = |column: &i32| match &fields[*column as usize] {
            Field::Str(text) => text.clone(),
            Field::TimestampMillis(ms) => format!("{ms:020}"),
            other => panic!("unexpected {other}"),
        };
        columns.iter().map(text).collect()
    };
    assert!(read_by_rows(bytes).is_sorted_by_key(place));
    columns
}

#[test]
fn a_small_file_fits_a_disk_block_and_the_footer_says_what_it_is() {
    let mut rows = registers(day("2026-11-22"), &["steel"], 170);
    rows.repeats = vec![(0, 6)];
    let encoded = encode_readings(&rows, &facts()).expect("sound rows");
    assert!(
        encoded.bytes.len() <= 4_096,
        "{} bytes",
        encoded.bytes.len()
    );
    assert_eq!(
        encoded,
        encode_readings(&rows, &facts()).expect("sound rows")
    );
    let reader = SerializedFileReader::new(encoded.bytes).expect("a file");
    let pairs = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .expect("pairs")
        .clone();
    let value = |key: &str| {
        let found = pairs
            .iter()
            .find(|pair| pair.key == format!("greenpark.{key}"));
        found.and_then(|pair| pair.value.clone()).expect("a value")
    };
    assert_eq!(value("park"), "east");
    assert_eq!(value("day"), "2026-11-22");
    assert_eq!(
        (value("state"), value("revision")),
        ("sealed".to_owned(), "2".to_owned())
    );
    assert_eq!(
        (value("first_offset"), value("next_offset")),
        ("100".to_owned(), "250".to_owned())
    );
    assert_eq!(
        (value("readings"), value("duplicates")),
        ("170".to_owned(), "6".to_owned())
    );
    assert!(value("rules").contains("merge/2"));
}

#[test]
fn a_regular_register_costs_less_than_two_bytes_a_reading() {
    let rows = registers(day("2026-11-22"), &["steel"], 100_000);
    let encoded = encode_readings(&rows, &facts()).expect("sound rows");
    assert!(
        encoded.bytes.len() < 200_000,
        "{} bytes",
        encoded.bytes.len()
    );
}

#[test]
fn unsound_rows_are_refused() {
    let rows = registers(day("2026-11-22"), &["steel"], 3);
    let refuse = |rows: &ReadingRows| encode_readings(rows, &facts()).expect_err("unsound");
    assert!(matches!(
        refuse(&ReadingRows::default()),
        EncodeError::Empty
    ));
    let ragged = ReadingRows {
        flags: vec![78],
        ..rows.clone()
    };
    assert!(matches!(refuse(&ragged), EncodeError::Columns));
    let no_flag = ReadingRows {
        flags: vec![1; 3],
        ..rows.clone()
    };
    assert!(matches!(refuse(&no_flag), EncodeError::Columns));
    let unsorted = ReadingRows {
        instants: vec![2, 1, 3],
        ..rows
    };
    assert!(matches!(refuse(&unsorted), EncodeError::Columns));
}

#[test]
fn damaged_bytes_are_an_error_and_no_panic() {
    let rows = registers(day("2026-11-22"), &["steel"], 170);
    let bytes = encode_readings(&rows, &facts()).expect("sound rows").bytes;
    assert!(decode_readings(Bytes::new()).is_err());
    assert!(decode_readings(bytes.slice(..bytes.len() / 2)).is_err());
    assert!(decode_readings(Bytes::from_static(b"PAR1 is not enough PAR1")).is_err());
}
