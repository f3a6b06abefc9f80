//! A brief snapshot together with the days of the rollups equals the whole snapshot. Where that is impossible,
//! the snapshot is whole.

use greenpark_model::log_position::Partition;
use greenpark_runtime::clock;
use std::{collections::BTreeMap, sync::Arc};

use super::{rollups::seal_day, *};
use crate::{
    book::sealed_sum::SealedSum, reference::meters::Meters, snapshot::Snapshot, store::LogBounds,
    tables::rollups::decode_rollups,
};

/// The brief snapshot and the whole one.
async fn both(lake: &Lake) -> (Arc<Snapshot>, Arc<Snapshot>) {
    let brief = lake.brief(&park(), 2026).await.expect("readable");
    let whole = lake.snapshot(&park(), 2026).await.expect("readable");
    (brief.expect("a book"), whole.expect("a book"))
}

/// The paths of files.
fn paths(of: &Snapshot) -> Vec<&str> {
    of.files.iter().map(|file| file.path.as_str()).collect()
}

/// The revision of each day of steel that the rollups of a snapshot hold.
async fn rolled(lake: &Lake, of: &Snapshot) -> BTreeMap<CivilDay, u32> {
    let mut days = BTreeMap::new();
    for file in &of.rollups_files {
        let path = format!("{}/{}", of.rollups_root(), file.path).into();
        let got = lake.store().get(&path).await.expect("there");
        let bytes = got.bytes().await.expect("whole");
        for rollup in decode_rollups(bytes).expect("our file") {
            days.extend(rollup.days().map(|(_, of)| (of.day, of.revision)));
        }
    }
    days
}

/// Asserts that a brief reader knows what the whole snapshot holds, whether it follows or starts anew.
async fn agree(reader: &Lake, root: &str) {
    for lake in [
        reader,
        &Lake::open(root, clock::system()).await.expect("a lake"),
    ] {
        let (brief, whole) = both(lake).await;
        assert_eq!(brief.readings_version, whole.readings_version);
        assert_eq!(brief.sealed, whole.sealed);
        assert_eq!(lake.whole(&brief).await.expect("readable"), whole);
        let Some(unnamed) = brief.unnamed else {
            assert_eq!(brief, whole);
            continue;
        };
        let mut days = rolled(lake, &brief).await;
        let steel = enterprise("steel");
        let sum = SealedSum::of(days.iter().map(|(day, of)| (&steel, *day, *of)));
        assert_eq!(sum, unnamed);
        let named = brief.files.iter();
        days.extend(named.filter_map(|file| Some((file.day, file.sealed()?.1))));
        let sealed = whole.files.iter();
        let sealed = sealed.filter_map(|file| Some((file.day, file.sealed()?.1)));
        assert_eq!(days, sealed.collect());
        let hot = |of: &Snapshot| -> Vec<ReadingsFile> {
            let hot = of.files.iter().filter(|file| file.is_hot());
            hot.cloned().collect()
        };
        assert_eq!(hot(&brief), hot(&whole));
    }
}

async fn flush_day(book: &mut Book, day: CivilDay, offset: u64) {
    let change = flush(hot(&registers(day, &["steel"], 5), day, offset), offset + 1);
    let _ = book.publish(change).await.expect("published");
}

#[tokio::test]
async fn a_snapshot_in_brief_names_what_came_since_the_rollups() {
    let (folder, lake) = local().await;
    let root = folder.path().to_str().expect("text");
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    flush_day(&mut book, day("2026-02-02"), 1).await;
    seal_day(&mut book, day("2026-01-30"), 1).await;
    seal_day(&mut book, day("2026-01-31"), 1).await;
    agree(&lake, root).await;
    assert!(!both(&lake).await.0.is_brief(), "nothing is rolled up yet");
    book.roll_up(&meters).await.expect("rolled up");
    seal_day(&mut book, day("2026-02-01"), 1).await;
    agree(&lake, root).await;
    let (brief, _) = both(&lake).await;
    let of: Vec<String> = brief
        .files
        .iter()
        .map(|file| file.day.to_string())
        .collect();
    assert_eq!(of, ["2026-02-01", "2026-02-02"]);
    // A day is sealed again, before it is rolled up again and after.
    seal_day(&mut book, day("2026-01-30"), 2).await;
    agree(&lake, root).await;
    book.roll_up(&meters).await.expect("rolled up");
    flush_day(&mut book, day("2026-02-03"), 2).await;
    agree(&lake, root).await;
    assert_eq!(both(&lake).await.0.files.len(), 2);
    // Hot readings go when their day is sealed, and come for a day that is.
    seal_day(&mut book, day("2026-02-02"), 1).await;
    flush_day(&mut book, day("2026-01-31"), 3).await;
    agree(&lake, root).await;
    assert!(both(&lake).await.0.is_brief());
}

#[tokio::test]
async fn where_there_is_nothing_to_go_by_a_snapshot_in_brief_is_whole() {
    let (folder, lake) = local().await;
    let root = folder.path().to_str().expect("text");
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    seal_day(&mut book, day("2026-01-30"), 1).await;
    seal_day(&mut book, day("2026-01-31"), 1).await;
    book.roll_up(&meters).await.expect("rolled up");
    let anew = async || Lake::open(root, clock::system()).await.expect("a lake");
    assert!(both(&anew().await).await.0.is_brief());
    let log = folder.path().join("east/2026/readings/_delta_log");
    let entry = log.join("00000000000000000001.json");
    let text = std::fs::read_to_string(&entry).expect("there");
    // A log that went on differently, as after an older copy of the lake was restored.
    let other = text.replacen("\"entry\":", "\"entry\":1", 1);
    assert_ne!(other, text);
    std::fs::write(&entry, other).expect("written");
    assert!(!both(&anew().await).await.0.is_brief());
    agree(&lake, root).await;
    std::fs::write(&entry, text).expect("written");
    assert!(both(&anew().await).await.0.is_brief());
    // A sealed file is removed without a replacement.
    let gone = book.files().next().cloned().expect("a file");
    let change = Change {
        remove: vec![gone.clone()],
        ..Change::default()
    };
    let _ = book.publish(change).await.expect("published");
    agree(&lake, root).await;
    let (brief, whole) = both(&anew().await).await;
    assert!(!brief.is_brief());
    assert!(!paths(&whole).contains(&gone.path.as_str()));
}

#[tokio::test]
async fn what_readers_in_brief_begin_with_is_noted_anew_before_entries_are_packed() {
    let (folder, lake) = local().await;
    let root = folder.path().to_str().expect("text");
    let bounds = LogBounds {
        checkpoint_entries: 10,
        kept_entries: 300,
        kept_ms: 0,
        packed_at_once: 1_000,
    };
    let lake = lake.with_log_bounds(bounds);
    let meters = Arc::new(Meters::default());
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    seal_day(&mut book, day("2026-01-31"), 1).await;
    book.roll_up(&meters).await.expect("rolled up");
    for offset in 1..=700 {
        let change = Change {
            consumed: Some(Consumed::up_to(Partition::FIRST, offset)),
            ..Change::default()
        };
        let _ = book.publish(change).await.expect("published");
        book.pack_if_due().await;
    }
    let entry = folder
        .path()
        .join("east/2026/readings/_delta_log/00000000000000000000.json");
    assert!(!entry.exists(), "it is packed");
    agree(&lake, root).await;
    assert!(both(&lake).await.0.is_brief());
}
