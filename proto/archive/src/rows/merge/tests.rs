//! Merging against the naive oracle: walk the log, keep each distinct (value, flag) of an identity in the order
//! it last came, and let the last one count.

use std::collections::BTreeMap;

use greenpark_model::{quantity::Medium, ticket::Ticket};
use proptest::prelude::*;

use crate::{
    fixture::{Sent, annotated_log, build, build_annotated, day, key, log, registers},
    rows::{Again, LateArrival, Merged, ReadingRows, SeriesKey},
};

type Log = Vec<(SeriesKey, i64, i64, u8)>;
/// The readings of an identity: value and flag, whether it was late, and whether it was only sent again.
type Recorded = Vec<((i64, u8), Option<LateArrival>, bool)>;

fn oracle(log: &Log) -> Merged {
    let sent = log.iter().map(|(key, instant, value, flag)| Sent {
        key: key.clone(),
        instant: *instant,
        ticket: None,
        value: *value,
        flag: *flag,
        late: None,
        again: false,
    });
    annotated_oracle(&sent.collect::<Vec<_>>())
}

fn annotated_oracle(log: &[Sent]) -> Merged {
    let mut identities: BTreeMap<(SeriesKey, i64, Option<Ticket>), Recorded> = BTreeMap::new();
    let mut repeats: BTreeMap<SeriesKey, u32> = BTreeMap::new();
    let mut merged = Merged::default();
    for sent in log {
        let identity = (sent.key.clone(), sent.instant, sent.ticket.clone());
        let recorded = identities.entry(identity).or_default();
        let value = (sent.value, sent.flag);
        let what = (value, sent.late.clone(), sent.again);
        match recorded.iter().position(|(before, ..)| *before == value) {
            Some(_) if sent.again => {}
            Some(last) if last + 1 == recorded.len() => {
                if recorded[last].2 {
                    recorded[last] = what;
                }
            }
            Some(before) => {
                recorded.remove(before);
                recorded.push(what);
            }
            None => {
                recorded.push(what);
                continue;
            }
        }
        *repeats.entry(sent.key.clone()).or_default() += 1;
        merged.duplicates += 1;
    }
    let rows = &mut merged.rows;
    for ((key, instant, ticket), recorded) in identities {
        if rows.keys.last() != Some(&key) {
            let index = rows.keys.len() as u32;
            rows.repeats
                .extend(repeats.get(&key).map(|many| (index, *many)));
            rows.keys.push(key);
        }
        let many = recorded.len();
        for (place, ((value, flag), late, again)) in recorded.into_iter().enumerate() {
            let row = rows.series.len() as u32;
            rows.series.push(rows.keys.len() as u32 - 1);
            rows.instants.push(instant);
            rows.values.push(value);
            rows.flags.push(flag);
            rows.tickets.extend(ticket.clone().map(|t| (row, t)));
            rows.late.extend(late.map(|late| (row, late)));
            rows.again.extend(again.then_some((row, Again)));
            let superseded = place + 1 < many;
            rows.superseded.push(superseded);
            merged.conflicts += u64::from(superseded);
        }
    }
    merged
}

/// The result of merging `parts`, and the oracle's result for the whole.
fn both(parts: &[Vec<Sent>]) -> (ReadingRows, ReadingRows) {
    let built: Vec<Merged> = parts.iter().map(|part| build_annotated(part)).collect();
    let rows: Vec<&ReadingRows> = built.iter().map(|part| &part.rows).collect();
    let merged = ReadingRows::merge(&rows).rows;
    assert!(merged.is_sound());
    (merged, annotated_oracle(&parts.concat()).rows)
}

/// A reading that counts: its series, instant and ticket, its value and flag, and whether it was late.
type Counting<'a> = (
    (u32, i64, Option<&'a Ticket>),
    (i64, u8),
    Option<&'a LateArrival>,
);

/// Rows without the readings that do not count.
fn counting(rows: &ReadingRows) -> Vec<Counting<'_>> {
    let kept = (0..rows.len()).filter(|&row| !rows.superseded[row]);
    kept.map(|row| {
        let (instant, value) = (rows.instants[row], rows.values[row]);
        let (ticket, late) = (rows.ticket(row), rows.late(row));
        let identity = (rows.series[row], instant, ticket);
        (identity, (value, rows.flags[row]), late)
    })
    .collect()
}

proptest! {
    #[test]
    fn a_builder_gives_what_the_oracle_gives(log in log()) {
        prop_assert_eq!(build(&log), oracle(&log));
    }

    #[test]
    fn a_builder_keeps_tickets_apart_and_annotations_with_their_readings(log in annotated_log()) {
        prop_assert_eq!(build_annotated(&log), annotated_oracle(&log));
    }

    #[test]
    fn merging_parts_gives_what_the_whole_log_gives(parts in prop::collection::vec(log(), 0..5)) {
        let built: Vec<Merged> = parts.iter().map(|part| build(part)).collect();
        let rows: Vec<&ReadingRows> = built.iter().map(|part| &part.rows).collect();
        let merged = ReadingRows::merge(&rows);
        let whole = oracle(&parts.concat());
        let before = |count: fn(&Merged) -> u64| built.iter().map(count).sum::<u64>();
        prop_assert_eq!(merged.duplicates + before(|part| part.duplicates), whole.duplicates);
        prop_assert!(merged.rows.is_sound());
        prop_assert_eq!(merged.rows, whole.rows);
    }

    #[test]
    fn merging_parts_with_late_readings_gives_what_the_whole_log_gives(
        mut parts in prop::collection::vec(annotated_log(), 0..4),
    ) {
        for sent in parts.iter_mut().flatten() {
            sent.again = false;
        }
        let (merged, whole) = both(&parts);
        prop_assert_eq!(counting(&merged), counting(&whole));
        // Of readings that do not count, only the lateness of the first may be lost.
        let bare = |rows: &ReadingRows| ReadingRows { late: Vec::new(), ..rows.clone() };
        prop_assert_eq!(bare(&merged), bare(&whole));
    }

    #[test]
    fn merging_parts_that_were_sent_again_gives_what_the_whole_log_gives(
        mut parts in prop::collection::vec(annotated_log(), 0..4),
    ) {
        for sent in parts.iter_mut().flatten() {
            sent.late = None;
        }
        let (merged, whole) = both(&parts);
        prop_assert_eq!(merged, whole);
    }

    #[test]
    fn merging_again_changes_nothing(log in log()) {
        let once = build(&log).rows;
        prop_assert_eq!(ReadingRows::merge(&[&once]), Merged { rows: once.clone(), ..Merged::default() });
        let twice = ReadingRows::merge(&[&once, &once]);
        prop_assert_eq!(twice.duplicates, once.len() as u64);
        prop_assert_eq!(twice.conflicts, 0);
        prop_assert!(twice.rows.are_those_of(&once));
    }

    /// Parts that record how far they reach make the same rows, in any order, whatever a killed flush left
    /// behind.
    #[test]
    fn a_record_that_is_read_again_is_no_correction(
        log in log(),
        (a, b, c) in (0usize..121, 0usize..121, 0usize..121),
    ) {
        let mut cuts = [a, b, c].map(|cut| cut.min(log.len()));
        cuts.sort_unstable();
        let part = |from: usize, to: usize| {
            let mut rows = build(&log[from..to]).rows;
            rows.until = to as u64;
            rows
        };
        // Hot files up to `cuts[0]`; sealed up to `cuts[2]`, and not noted; read again up to `cuts[1]`.
        let (hot, sealed) = (part(0, cuts[0]), part(0, cuts[2]));
        let again = part(cuts[0], cuts[1]);
        let merged = ReadingRows::merge(&[&sealed, &hot, &again]).rows;
        prop_assert!(merged.are_those_of(&sealed), "{merged:?} is not {sealed:?}");
        let rest = part(cuts[0], log.len());
        let merged = ReadingRows::merge(&[&rest, &sealed, &hot]).rows;
        let whole = part(0, log.len());
        prop_assert_eq!(counting(&merged), counting(&whole));
        prop_assert_eq!(merged.until, if log.is_empty() { 0 } else { whole.until });
    }

    #[test]
    fn enterprises_taken_apart_and_merged_are_the_whole(log in annotated_log()) {
        let rows = build_annotated(&log).rows;
        let parts: Vec<ReadingRows> = rows.enterprises().map(|e| rows.select_enterprise(e)).collect();
        prop_assert!(parts.iter().all(ReadingRows::is_sound));
        prop_assert_eq!(ReadingRows::merge(&parts.iter().collect::<Vec<_>>()).rows, rows);
    }
}

#[test]
fn many_values_of_one_instant_are_kept_apart() {
    let key = key("steel", "main", Medium::Electricity);
    let log: Log = (0..200).map(|n| (key.clone(), 7, n % 150, 78)).collect();
    let merged = build(&log);
    assert_eq!((merged.duplicates, merged.conflicts), (50, 149));
    assert_eq!(merged, oracle(&log));
}

#[test]
fn a_value_that_comes_back_counts_again() {
    let key = key("steel", "main", Medium::Electricity);
    let log: Log = [10, 12, 10]
        .iter()
        .map(|value| (key.clone(), 7, *value, 78))
        .collect();
    let rows = build(&log).rows;
    assert_eq!(
        (rows.values, rows.superseded),
        (vec![12, 10], vec![true, false])
    );
    // The same, each in a file of its own.
    let files: Vec<ReadingRows> = log
        .iter()
        .map(|one| build(std::slice::from_ref(one)).rows)
        .collect();
    let rows = ReadingRows::merge(&files.iter().collect::<Vec<_>>()).rows;
    assert_eq!(
        (rows.values, rows.superseded),
        (vec![12, 10], vec![true, false])
    );
}

#[test]
fn a_value_that_was_only_sent_again_keeps_its_place() {
    let sent = |value, again| Sent {
        key: key("steel", "main", Medium::Electricity),
        instant: 7,
        ticket: None,
        value,
        flag: 78,
        late: None,
        again,
    };
    let counts = |log: &[Sent]| {
        let files: Vec<ReadingRows> = log
            .iter()
            .map(|one| build_annotated(std::slice::from_ref(one)).rows)
            .collect();
        let apart = ReadingRows::merge(&files.iter().collect::<Vec<_>>()).rows;
        assert_eq!(apart, build_annotated(log).rows);
        let last = apart.superseded.iter().position(|older| !older);
        apart.values[last.expect("one counts")]
    };
    let again = [sent(10, false), sent(12, false), sent(10, true)];
    assert_eq!(counts(&again), 12);
    // A value that did not come before counts, and so does one that comes once more by itself.
    assert_eq!(counts(&[sent(12, false), sent(10, true)]), 10);
    assert_eq!(counts(&[&again[..], &[sent(10, false)]].concat()), 10);
}

#[test]
fn events_of_one_instant_with_tickets_are_amounts_of_their_own() {
    let mut key = key("steel", "scale", Medium::RawCoal);
    key.series.kind = greenpark_model::reading::Kind::Event;
    let sent = |ticket: Option<u32>, value| Sent {
        key: key.clone(),
        instant: 7,
        ticket: ticket.and_then(Ticket::implied),
        value,
        flag: 78,
        late: None,
        again: false,
    };
    let log = [
        sent(None, 31_460_000),
        sent(Some(2), 28_900_000),
        sent(Some(3), 31_460_000),
        sent(Some(4), 31_460_000),
    ];
    let rows = build_annotated(&log).rows;
    let sum: i64 = rows.values.iter().sum();
    assert_eq!((rows.len(), sum), (4, 123_280_000));
    let again = ReadingRows::merge(&[&rows, &rows]).rows;
    assert_eq!((again.len(), again.repeats_of(0)), (4, 4));
}

#[test]
fn a_later_value_supersedes_across_parts_and_is_counted_once() {
    let day = day("2026-11-22");
    let first = registers(day, &["steel"], 24);
    let mut second = first.clone();
    second.values[3] += 1;
    let merged = ReadingRows::merge(&[&first, &second]);
    assert_eq!(
        (merged.duplicates, merged.conflicts, merged.rows.len()),
        (23, 1, 25)
    );
    assert_eq!(merged.rows.repeats, [(0, 23)]);
    let again = ReadingRows::merge(&[&merged.rows, &second]);
    assert_eq!((again.duplicates, again.conflicts), (24, 0));
    assert_eq!(again.rows.repeats, [(0, 47)]);
    assert!(again.rows.are_those_of(&merged.rows));
}

#[test]
fn nothing_merged_is_nothing() {
    assert_eq!(ReadingRows::merge(&[]), Merged::default());
    assert_eq!(
        ReadingRows::merge(&[&ReadingRows::default()]),
        Merged::default()
    );
}
