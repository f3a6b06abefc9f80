//! Entries of a book's log that a power cut left empty or torn.

use greenpark_model::log_position::Partition;
use greenpark_runtime::clock;

use super::*;

/// A lake with a book of `many` entries, one hot file each.
async fn with_entries(many: u64) -> tempfile::TempDir {
    let (folder, lake) = local().await;
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let day = day("2026-11-22");
    for offset in 1..=many {
        let rows = registers(day, &["steel"], 20 + i64::try_from(offset).expect("small"));
        let _published = book
            .publish(flush(hot(&rows, day, offset), offset + 1))
            .await
            .expect("published");
    }
    folder
}

#[tokio::test]
async fn an_entry_that_is_empty_or_cut_short_is_an_error_and_no_commit() {
    let folder = with_entries(3).await;
    let newest = folder
        .path()
        .join("east/2026/readings/_delta_log/00000000000000000002.json");
    let whole = std::fs::read(&newest).expect("an entry");
    let lines: Vec<usize> = (1..whole.len())
        .filter(|at| whole[at - 1] == b'\n')
        .collect();
    assert!(lines.len() >= 2, "it has several actions");
    let cuts = lines.iter().copied().chain([0, 1, 40, whole.len() / 2]);
    for cut in cuts.filter(|cut| *cut < whole.len()) {
        std::fs::write(&newest, &whole[..cut]).expect("written");
        let root = folder.path().to_str().expect("text");
        let lake = Lake::open(root, clock::system()).await.expect("a lake");
        let read = lake.snapshot(&park(), 2026).await;
        assert!(read.is_err(), "cut at {cut} of {}", whole.len());
        let opened = lake.book(&park(), 2026).await;
        assert!(opened.is_err(), "cut at {cut} of {}", whole.len());
    }
    std::fs::write(&newest, &whole).expect("written");
    let root = folder.path().to_str().expect("text");
    let lake = Lake::open(root, clock::system()).await.expect("a lake");
    let book = lake.book(&park(), 2026).await.expect("whole again");
    assert_eq!(book.next_offset(Partition::FIRST), Some(4));
}

#[tokio::test]
async fn a_reader_refuses_a_log_with_a_hole() {
    let folder = with_entries(4).await;
    let entry = folder
        .path()
        .join("east/2026/readings/_delta_log/00000000000000000002.json");
    let bytes = std::fs::read(&entry).expect("an entry");
    std::fs::remove_file(&entry).expect("removed");
    let root = folder.path().to_str().expect("text");
    let lake = Lake::open(root, clock::system()).await.expect("a lake");
    let read = lake.snapshot(&park(), 2026).await;
    let error = read.expect_err("an entry is missing before the last one");
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(
        cause.unwrap_or_default().contains("entry 2 is missing"),
        "{error:?}"
    );
    std::fs::write(&entry, bytes).expect("written");
    let found = lake.snapshot(&park(), 2026).await.expect("whole again");
    assert_eq!(found.expect("a book").files.len(), 4);
}
