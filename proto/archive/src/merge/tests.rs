//! Merging against the naive oracle: walk the log, keep each distinct (value, flag) of an identity in the
//! order it first came, and let the last one count.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{
    fixture::{build, day, key, log, registers},
    rows::{Merged, Rows, SeriesKey},
};
use greenpark_model::quantity::Medium;

type Log = Vec<(SeriesKey, i64, i64, u8)>;

fn oracle(log: &Log) -> Merged {
    let mut identities: BTreeMap<(SeriesKey, i64), Vec<(i64, u8)>> = BTreeMap::new();
    let mut merged = Merged::default();
    for (key, instant, value, flag) in log {
        let said = identities.entry((key.clone(), *instant)).or_default();
        if said.contains(&(*value, *flag)) {
            merged.duplicates += 1;
        } else {
            said.push((*value, *flag));
        }
    }
    let rows = &mut merged.rows;
    for ((key, instant), said) in identities {
        if rows.keys.last() != Some(&key) {
            rows.keys.push(key);
        }
        for (place, (value, flag)) in said.iter().enumerate() {
            rows.series.push(rows.keys.len() as u32 - 1);
            rows.instants.push(instant);
            rows.values.push(*value);
            rows.flags.push(*flag);
            let superseded = place + 1 < said.len();
            rows.superseded.push(superseded);
            merged.conflicts += u64::from(superseded);
        }
    }
    merged
}

proptest! {
    #[test]
    fn a_builder_gives_what_the_oracle_gives(log in log()) {
        prop_assert_eq!(build(&log), oracle(&log));
    }

    #[test]
    fn merging_parts_gives_what_the_whole_log_gives(parts in prop::collection::vec(log(), 0..5)) {
        let built: Vec<Merged> = parts.iter().map(|part| build(part)).collect();
        let rows: Vec<&Rows> = built.iter().map(|part| &part.rows).collect();
        let merged = Rows::merge(&rows);
        let whole = oracle(&parts.concat());
        let before = |count: fn(&Merged) -> u64| built.iter().map(count).sum::<u64>();
        prop_assert_eq!(merged.duplicates + before(|part| part.duplicates), whole.duplicates);
        prop_assert!(merged.rows.is_sound());
        prop_assert_eq!(merged.rows, whole.rows);
    }

    #[test]
    fn merging_again_changes_nothing(log in log()) {
        let once = build(&log).rows;
        prop_assert_eq!(Rows::merge(&[&once]), Merged { rows: once.clone(), ..Merged::default() });
        let twice = Rows::merge(&[&once, &once]);
        prop_assert_eq!(twice.duplicates, once.len() as u64);
        prop_assert_eq!(twice.conflicts, 0);
        prop_assert_eq!(twice.rows, once);
    }

    #[test]
    fn enterprises_taken_apart_and_merged_are_the_whole(log in log()) {
        let rows = build(&log).rows;
        let parts: Vec<Rows> = rows.enterprises().map(|e| rows.select_enterprise(e)).collect();
        prop_assert!(parts.iter().all(Rows::is_sound));
        prop_assert_eq!(Rows::merge(&parts.iter().collect::<Vec<_>>()).rows, rows);
    }
}

#[test]
fn many_values_of_one_instant_are_told_apart() {
    let key = key("steel", "main", Medium::Electricity);
    let log: Log = (0..200).map(|n| (key.clone(), 7, n % 150, 78)).collect();
    let merged = build(&log);
    assert_eq!((merged.duplicates, merged.conflicts), (50, 149));
    assert_eq!(merged, oracle(&log));
}

#[test]
fn a_repeat_of_a_superseded_value_does_not_count_again() {
    let key = key("steel", "main", Medium::Electricity);
    let log: Log = [5, 6, 5]
        .iter()
        .map(|value| (key.clone(), 7, *value, 78))
        .collect();
    let rows = build(&log).rows;
    assert_eq!(
        (rows.values, rows.superseded),
        (vec![5, 6], vec![true, false])
    );
}

#[test]
fn a_later_value_supersedes_across_parts_and_is_counted_once() {
    let day = day("2026-11-22");
    let first = registers(day, &["steel"], 24);
    let mut second = first.clone();
    second.values[3] += 1;
    let merged = Rows::merge(&[&first, &second]);
    assert_eq!(
        (merged.duplicates, merged.conflicts, merged.rows.len()),
        (23, 1, 25)
    );
    let again = Rows::merge(&[&merged.rows, &second]);
    assert_eq!((again.duplicates, again.conflicts), (24, 0));
    assert_eq!(again.rows, merged.rows);
}

#[test]
fn nothing_merged_is_nothing() {
    assert_eq!(Rows::merge(&[]), Merged::default());
    assert_eq!(Rows::merge(&[&Rows::default()]), Merged::default());
}
