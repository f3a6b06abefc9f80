//! Goal: whatever is written, in any order and by any writer, the table holds the union, one file per month.

use std::{collections::BTreeSet, path::Path as FsPath, sync::Arc};

use greenpark_runtime::clock;
use object_store::memory::InMemory;
use proptest::prelude::*;

use super::{columns, *};
use crate::{
    fixture::{day, enterprise, park},
    lake::Lake,
    store::LogBounds,
};

fn of(gateway: &str, epoch: u64) -> GatewayEpoch {
    GatewayEpoch {
        enterprise: enterprise("steel"),
        gateway: gateway.parse().expect("an id"),
        epoch,
    }
}

fn messages(rows: &[(&str, u64, &str, (u64, u64))]) -> Messages {
    let mut messages = Messages::default();
    for (gateway, epoch, on, (first, last)) in rows {
        let mut numbers = Numbers::default();
        numbers.insert(*first, *last);
        messages.insert(&of(gateway, *epoch), day(on), &numbers);
    }
    messages
}

/// The months of the files on disk.
fn months(folder: &FsPath) -> Vec<String> {
    let table = folder.join("east/messages");
    let files = std::fs::read_dir(table).expect("a table");
    let names = files.map(|file| file.expect("a file").file_name());
    let mut months: Vec<String> = names
        .filter_map(|name| {
            let name = name.into_string().expect("text");
            Some(name.strip_suffix(".parquet")?.split('.').next()?.to_owned())
        })
        .collect();
    months.sort();
    months
}

#[tokio::test]
async fn a_set_written_twice_changes_nothing_and_each_month_has_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Lake::open(folder.path().to_str().expect("text"), clock::system()).await;
    let lake = lake.expect("a lake");
    let mut table = lake.messages(&park());
    assert!(table.read().await.expect("readable").is_empty());
    let first = messages(&[
        ("g1", 7, "2026-11-29", (1, 5)),
        ("g1", 7, "2026-11-30", (6, 9)),
        ("g1", 7, "2026-12-01", (10, 12)),
        ("g2", 8, "2026-11-30", (1, 1)),
    ]);
    assert!(table.add(&first, 0).await.expect("added"));
    assert_eq!(months(folder.path()), ["2026-11", "2026-12"]);
    assert!(!table.add(&first, 0).await.expect("nothing to add"));
    let version = |n: u32| {
        let entry = format!("east/messages/_delta_log/{n:020}.json");
        folder.path().join(entry).exists()
    };
    assert!(version(0) && !version(1), "no commit without a change");

    let more = messages(&[
        ("g1", 7, "2026-12-01", (13, 14)),
        ("g1", 7, "2026-12-02", (16, 16)),
    ]);
    table.expire_now();
    assert!(table.add(&more, 0).await.expect("added"));
    assert_eq!(
        months(folder.path()),
        ["2026-11", "2026-12"],
        "one file a month"
    );
    let mut all = first;
    all.join(&more);
    // The run of a day grows; missing numbers stay missing.
    assert_eq!(all.runs(), 5);
    let mut opened = lake.messages(&park());
    assert_eq!(opened.read().await.expect("readable"), all);
    assert_eq!(table.read().await.expect("readable"), all);
    assert!(!opened.add(&all, 0).await.expect("nothing to add"));
}

#[tokio::test]
async fn writers_that_do_not_know_of_each_other_lose_nothing() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let (mut old, mut new) = (lake.messages(&park()), lake.messages(&park()));
    let mut all = Messages::default();
    for n in 1..=6 {
        let some = messages(&[("g1", 7, "2026-11-22", (10 * n, 10 * n + 5))]);
        let table = if n % 2 == 0 { &mut old } else { &mut new };
        assert!(table.add(&some, 0).await.expect("added"));
        all.join(&some);
    }
    assert_eq!(old.read().await.expect("readable"), all);
}

#[tokio::test]
async fn a_late_number_is_kept_under_its_own_day() {
    let lake = Lake::over(Arc::new(InMemory::new()), clock::system());
    let mut table = lake.messages(&park());
    let first = messages(&[
        ("g1", 7, "2026-11-22", (1, 9)),
        ("g1", 7, "2026-11-23", (11, 12)),
    ]);
    assert!(table.add(&first, 0).await.expect("added"));
    let late = messages(&[
        ("g1", 7, "2025-01-31", (10, 10)),
        ("g1", 7, "2026-11-23", (9, 9)),
    ]);
    assert!(table.add(&late, 0).await.expect("added"));
    let read = table.read().await.expect("readable");
    let days: Vec<String> = read
        .iter()
        .map(|(_, day, numbers)| format!("{day} {:?}", numbers.runs()))
        .collect();
    assert_eq!(
        days,
        [
            "2025-01-31 [(10, 10)]",
            "2026-11-22 [(1, 9)]",
            "2026-11-23 [(9, 9), (11, 12)]"
        ]
    );
}

#[test]
fn a_gateway_without_order_is_bounded_and_others_are_not_touched() {
    let mut messages = messages(&[
        ("g2", 1, "2026-11-22", (1, 3)),
        ("g2", 1, "2026-11-22", (5, 5)),
    ]);
    for epoch in 1..=4 {
        let mut numbers = Numbers::default();
        for n in 1..=20 {
            numbers.insert(2 * n, 2 * n);
        }
        messages.insert(&of("g1", epoch), day("2026-11-22"), &numbers);
    }
    assert_eq!(messages.runs(), 82);
    assert!(!messages.forget_beyond(80));
    let whole = messages.clone();
    assert!(messages.forget_beyond(40));
    assert_eq!(messages.runs(), 42);
    let runs = |messages: &Messages, wanted: GatewayEpoch| {
        let of = messages.iter().find(|(of, ..)| **of == wanted);
        of.map(|(.., numbers)| numbers.runs().to_vec())
    };
    let first = runs(&messages, of("g1", 4)).expect("the epoch");
    assert_eq!((first[0], first[1], first.len()), ((2, 2), (24, 24), 10));
    assert_eq!(runs(&messages, of("g2", 1)), Some(vec![(1, 3), (5, 5)]));
    // Numbers that were forgotten and come again are forgotten again.
    let mut again = messages.clone();
    again.join(&whole);
    again.forget_beyond(40);
    assert_eq!(again, messages);
    // With epochs without end, the newest are kept.
    assert!(messages.forget_beyond(4));
    assert_eq!(runs(&messages, of("g1", 2)), None);
    assert_eq!(runs(&messages, of("g1", 4)).map(|runs| runs.len()), Some(2));
}

#[test]
fn an_epoch_that_no_gateway_can_have_is_passed_over() {
    let impossible = messages(&[
        ("g1", 0, "2026-11-22", (1, 1)),
        ("g1", 1 << 53, "2026-11-22", (1, 1)),
    ]);
    assert!(impossible.is_empty());
}

proptest! {
    #[test]
    fn a_file_is_read_back_as_it_was_written(
        rows in prop::collection::vec((0..3_u8, 1..4_u64, 0..70_i32, 1..200_u64, 0..20_u64), 1..60),
    ) {
        let mut messages = Messages::default();
        let mut naive = BTreeSet::new();
        for (gateway, epoch, after, first, more) in rows {
            let of = of(&format!("g{gateway}"), epoch);
            let on = day("2026-11-22").plus(after);
            let mut numbers = Numbers::default();
            numbers.insert(first, first + more);
            messages.insert(&of, on, &numbers);
            naive.extend((first..=first + more).map(|number| (of.clone(), on, number)));
        }
        let bytes = columns::encode(&messages).expect("encoded");
        let read = columns::decode(bytes).expect("decoded");
        prop_assert_eq!(&read, &messages);
        let single = read.iter().flat_map(|(of, day, numbers)| {
            let each = numbers.runs().iter().flat_map(|&(first, last)| first..=last);
            each.map(move |number| (of.clone(), day, number))
        });
        prop_assert_eq!(single.collect::<BTreeSet<_>>(), naive);
        prop_assert_eq!(read.runs(), messages.iter().map(|(.., n)| n.runs().len()).sum::<usize>());
    }
}

/// The names in the folder of the table's log.
fn log_names(folder: &FsPath) -> BTreeSet<String> {
    let names = std::fs::read_dir(folder.join("east/messages/_delta_log")).expect("a log");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("a file").file_name();
    names
        .map(|entry| name(entry).into_string().expect("text"))
        .collect()
}

#[tokio::test]
async fn the_log_stays_short_and_only_where_a_checkpoint_says_the_same() {
    let bounds = LogBounds {
        checkpoint_entries: 5,
        kept_entries: 16,
        kept_ms: 0,
        packed_at_once: 40,
    };
    for damaged in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_str().expect("text");
        let lake = Lake::open(root, clock::system())
            .await
            .expect("a lake")
            .with_log_bounds(bounds);
        let mut table = lake.messages(&park());
        for n in 1..=80u64 {
            let one = messages(&[("g1", 7, "2026-11-29", (n, n))]);
            assert!(table.add(&one, 0).await.expect("added"));
            if damaged {
                for name in log_names(folder.path()) {
                    if name.ends_with(".checkpoint.parquet") {
                        let path = folder.path().join("east/messages/_delta_log").join(name);
                        std::fs::write(path, "no checkpoint").expect("written");
                    }
                }
            }
        }
        let entries = log_names(folder.path());
        let entries = entries
            .iter()
            .filter(|name| name.ends_with(".json"))
            .count();
        match damaged {
            true => assert_eq!(entries, 80),
            false => assert!(entries <= 16 + 5 + 2, "{entries} entries"),
        }
        if !damaged {
            let mut anew = Lake::open(root, clock::system())
                .await
                .expect("a lake")
                .messages(&park());
            let all = messages(&[("g1", 7, "2026-11-29", (1, 80))]);
            assert_eq!(anew.read().await.expect("readable"), all);
        }
    }
}
