//! Totals are read back as they were written.

use greenpark_model::{
    amount::{Amount, Sum},
    day::Instant,
    fold::{Odd, Outcomes, Stretch},
    id::MeterId,
    quantity::{Medium, Quantity},
    reading::Kind,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::*;
use crate::fixture::{day, enterprise};

fn point() -> impl Strategy<Value = Option<Point>> {
    let amount = -999_999_999_999_999_999i64..=999_999_999_999_999_999;
    prop::option::of((any::<i32>(), amount).prop_map(|(instant, micro)| Point {
        instant: Instant::from_millis(i64::from(instant) * 1_000),
        register: Amount::from_micro(micro).expect("in range"),
    }))
}

fn row() -> impl Strategy<Value = TotalsRow> {
    let outcomes = any::<[u32; 7]>().prop_map(|n| Outcomes {
        rollovers: n[0],
        replacements: n[1],
        resets: n[2],
        jumps: n[6],
        glitches: n[3],
        invalid: n[4],
        manual: n[5],
        sentinels: n[0] % 3,
        implausible: n[1] % 3,
    });
    let within = -(10i128.pow(38) - 1)..10i128.pow(38);
    let points = [point(), point(), point(), point()];
    let fold = (any::<u32>(), within, points, outcomes).prop_map(
        |(readings, within, [first, head, tail, last], outcomes)| DayFold {
            readings,
            within: Sum(within),
            first,
            head,
            tail,
            last,
            outcomes,
            odd: first.zip(last).filter(|_| readings % 2 == 0).map(|ends| {
                let (first, last) = ends;
                let stretch = |point| Stretch {
                    last: point,
                    ..Stretch::of(point)
                };
                Arc::new(Odd {
                    stretches: vec![stretch(first), stretch(last)],
                    set_aside: Sum(i128::from(readings)),
                    ..Odd::default()
                })
            }),
        },
    );
    let medium = prop::sample::select(Medium::ALL);
    let kind = prop::sample::select(Kind::ALL);
    (
        "[a-c]",
        "[a-z]{1,5}",
        medium,
        kind,
        any::<[u8; 32]>(),
        fold,
        any::<[u16; 3]>(),
        prop_oneof![4 => Just(0u32), 1 => 1u32..9],
    )
        .prop_map(|(name, meter, medium, kind, sha256, fold, counts, late)| {
            let [revision, duplicates, conflicts] = counts;
            TotalsRow {
                enterprise: enterprise(&name),
                series: Series {
                    meter: MeterId::new(&meter).expect("an id"),
                    quantity: Quantity::consumed(medium),
                    kind,
                },
                day: day("2026-11-22").plus(i32::from(revision) % 400),
                revision: u32::from(revision),
                sha256,
                rules: format!("at most {duplicates}/h").into(),
                fold,
                duplicates: u32::from(duplicates),
                conflicts: u32::from(conflicts),
                late,
            }
        })
}

proptest! {
    #[test]
    fn totals_are_read_back(rows in prop::collection::vec(row(), 1..60)) {
        let bytes = encode_totals(&rows).expect("in range");
        prop_assert_eq!(decode_totals(bytes).expect("our file"), rows);
    }
}

#[test]
fn no_rows_and_damaged_bytes_are_refused() {
    assert!(matches!(encode_totals(&[]), Err(EncodeError::Empty)));
    assert!(decode_totals(Bytes::from_static(b"PAR1")).is_err());
}

#[test]
fn names_hold_the_seal() {
    let name = file_name(17, &[0xab; 32]);
    assert_eq!(name, "totals.000000000017.abababababababab.parquet");
    assert_eq!(
        TotalsFile::parse(&name, 1, 2).map(|file| file.seal),
        Some(17)
    );
    assert_eq!(TotalsFile::parse("part-0.parquet", 1, 2), None);
}

#[test]
fn only_a_file_with_late_readings_has_their_column() {
    let mut rows = vec![TotalsRow {
        enterprise: enterprise("steel"),
        series: Series {
            meter: MeterId::new("main").expect("an id"),
            quantity: Quantity::consumed(Medium::Electricity),
            kind: Kind::Register,
        },
        day: day("2026-11-22"),
        revision: 1,
        sha256: [7; 32],
        rules: "".into(),
        fold: DayFold::default(),
        duplicates: 0,
        conflicts: 0,
        late: 0,
    }];
    let columns = |rows: &[TotalsRow]| {
        let bytes = encode_totals(rows).expect("in range");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("a file");
        reader.parquet_schema().num_columns()
    };
    let usual = columns(&rows);
    assert_eq!(more_columns(&rows), [] as [&str; 0]);
    rows[0].late = 2;
    assert_eq!(
        (columns(&rows), more_columns(&rows)),
        (usual + 1, vec!["late"])
    );
}
