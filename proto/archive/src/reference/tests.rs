//! Entries are kept in the order of recording, whichever writer appends them.

use greenpark_runtime::clock;
use std::path::Path as FsPath;

use super::*;
use crate::{fixture::day, lake::Lake};

fn entry(number: i64) -> ReferenceEntry {
    ReferenceEntry {
        kind: "meter".to_owned(),
        subject: format!("parks/east/meters/{number}"),
        valid_from: day("2020-01-01"),
        valid_to: (number % 2 == 0).then(|| day("2025-12-31")),
        recorded_at: Instant::from_millis(1_700_000_000_000 + number),
        recorded_by: "registrar".to_owned(),
        evidence: "certificate 17".to_owned(),
        body: format!("{{\"modulus\":\"{number}\",\"名\":\"表\"}}"),
    }
}

async fn lake(folder: &FsPath) -> Lake {
    Lake::open(folder.to_str().expect("text"), clock::system())
        .await
        .expect("a lake")
}

#[tokio::test]
async fn entries_come_back_in_the_order_of_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(folder.path()).await;
    let none = lake.reference().entries().await.expect("readable");
    assert_eq!((none.version, none.entries.len()), (-1, 0));
    assert_eq!(
        lake.reference()
            .append(vec![entry(1), entry(0)])
            .await
            .expect("appended"),
        0
    );
    assert_eq!(
        lake.reference()
            .append(vec![entry(2)])
            .await
            .expect("appended"),
        1
    );
    let read = lake.reference().entries().await.expect("readable");
    assert_eq!(read.entries, [entry(1), entry(0), entry(2)]);
    assert!(Arc::ptr_eq(
        &read,
        &lake.reference().entries().await.expect("readable")
    ));
    assert!(lake.parks().await.expect("listed").is_empty());
}

#[tokio::test]
async fn two_who_append_both_succeed_and_see_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (lake(folder.path()).await, lake(folder.path()).await);
    for number in 0..(FILES_MAX as i64 + 10) {
        let one = if number % 2 == 0 { &a } else { &b };
        one.reference()
            .append(vec![entry(number)])
            .await
            .expect("appended");
    }
    let expected: Vec<_> = (0..(FILES_MAX as i64 + 10)).map(entry).collect();
    for one in [&a, &b, &lake(folder.path()).await] {
        let read = one.reference().entries().await.expect("readable");
        assert_eq!(read.entries, expected);
    }
    let state: TableState<ReferenceFile> = a.reference().table.load().await.expect("readable");
    assert!(state.files.len() <= FILES_MAX, "files were merged");
}

#[tokio::test]
async fn nothing_to_append_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = lake(folder.path()).await;
    let refused = lake.reference().append(Vec::new()).await;
    assert!(matches!(
        refused,
        Err(LakePublishError::Encode(EncodeError::Empty))
    ));
}

#[test]
fn no_park_can_lie_where_the_table_does() {
    assert!(greenpark_model::id::PARKS_RESERVED.contains(&ROOT));
}

#[tokio::test]
async fn what_is_checked_holds_when_its_entries_are_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (lake(folder.path()).await, lake(folder.path()).await);
    // Two writers that do not know of each other claim the only place.
    let claim = |number| {
        move |known: &ReferenceSnapshot| match known.entries.is_empty() {
            true => Ok(vec![entry(number)]),
            false => Err(LakePublishError::from(EncodeError::Empty)),
        }
    };
    let none = other.reference().entries().await.expect("readable");
    assert_eq!(none.version, -1);
    let first = one.reference().append_checked(claim(1)).await;
    assert_eq!(first.expect("appended"), (0, 1));
    let second = other.reference().append_checked(claim(2)).await;
    assert!(second.is_err());
    let read = other.reference().entries().await.expect("readable");
    assert_eq!(read.entries, [entry(1)]);
}
