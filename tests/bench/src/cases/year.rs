//! A year of small commits to one book: its size on disk and the time to open it.
//!
//! Ten readings a second cause a commit every three seconds, and a query each second causes one every second. Both are
//! compared with one commit a day, because any reader of a year must read its sealed files. The year is simulated: a
//! day has only a fraction of its commits, and the bounds of the log are smaller by the same factor. Each commit is
//! a real one with real files, on an in-memory file system.

#![expect(clippy::print_stdout, reason = "its output is what a bench is for")]

use std::{collections::HashSet, path::Path, time::Instant};

use greenpark_archive::{
    book::{Book, Change, Consumed},
    builder::RowsBuilder,
    file::{FileKind, ReadingsFile},
    lake::Lake,
    rows::SeriesKey,
    store::LogBounds,
    totals::TotalsRow,
};
use greenpark_model::{
    day::CivilDay,
    fold::DayFold,
    id::EnterpriseId,
    log_position::Partition,
    reading::{Flag, Kind, Series},
};
use greenpark_runtime::clock;
use tokio::runtime::Runtime;

use crate::fixture::{block_on, new_file, park};

/// Commits a day; each commit stands for 800 real ones.
const PACES: [(&str, u32); 3] = [
    ("of a commit a day", 1),
    ("without questions", 36),
    ("with a question a second", 108),
];
/// Number of hot files of a day that are merged.
const HOT_FILES: usize = 12;
const ENTERPRISES: [&str; 3] = ["glass", "paper", "steel"];
const DAYS: i64 = 365;
/// Number of times that a book is opened; the median counts.
const OPENED: usize = 31;

/// The size of a book on disk, and the time to open it.
#[derive(Debug, Clone, Copy)]
struct BookSize {
    entries: usize,
    files: usize,
    bytes: u64,
    open_ms: f64,
}

/// Compares a year with and without queries with two days of each.
pub(crate) fn year(runtime: &Runtime) {
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>9}",
        "a year of small commits", "entries", "files", "MiB", "open ms"
    );
    let sizes = PACES.map(|(pace, commits)| block_on(runtime, simulate_year(pace, commits)));
    let [_, without, with] = sizes.map(|(_, year)| year);
    for (two_days, year) in &sizes[1..] {
        assert!(
            year.entries as f64 <= 1.1 * two_days.entries as f64,
            "a year has as many entries as two days"
        );
    }
    assert!(
        with.entries as f64 <= 1.1 * without.entries as f64,
        "queries leave no entries"
    );
    assert!(
        with.files as f64 <= 1.1 * without.files as f64,
        "queries leave no files"
    );
}

/// The size of the book after its second day, and after a year.
async fn simulate_year(pace: &str, commits: u32) -> (BookSize, BookSize) {
    let in_memory = Path::new("/dev/shm");
    let folder = match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    let bounds = LogBounds::default();
    let bounds = LogBounds {
        checkpoint_entries: 10,
        kept_entries: 40,
        kept_ms: 0,
        ..bounds
    };
    let lake = Lake::open(folder.path().to_str().expect("UTF-8"), clock::system()).await;
    let lake = lake.expect("a lake").with_log_bounds(bounds);
    let first: CivilDay = "2026-01-01".parse().expect("a day");
    let mut book = lake.book(&park(), first.year()).await.expect("a book");
    let (mut of, mut after_two_days) = (first, None);
    for day in 0..DAYS {
        for _ in 0..commits {
            let change = flush(&book, of).await;
            drop(book.publish(change).await.expect("published"));
            book.pack_if_due().await;
        }
        let change = seal(&book, of);
        drop(book.publish(change).await.expect("published"));
        of = of.next();
        if day == 1 {
            after_two_days = Some(measure_book(folder.path(), &format!("two days {pace}")).await);
        }
    }
    let year = measure_book(folder.path(), &format!("a year {pace}")).await;
    (after_two_days.expect("two days passed"), year)
}

/// Publishes a hot file of thirty readings, merged with the others once there are many.
async fn flush(book: &Book, of: CivilDay) -> Change {
    let offset = book.commits();
    let mut builder = RowsBuilder::new();
    for name in ENTERPRISES {
        let key = builder.key(&key(name));
        let at = of.start().millis() + i64::try_from(offset).expect("small") % 86_400 * 1_000;
        (0..10).for_each(|n| builder.push(key, at + n, n, Flag::Normal.code()));
    }
    let hot: Vec<ReadingsFile> = book.day_files(of).cloned().collect();
    let remove = if hot.len() < HOT_FILES {
        Vec::new()
    } else {
        hot
    };
    let kind = FileKind::Hot {
        partition: Partition::FIRST,
        offset,
    };
    Change {
        add: vec![new_file(&builder.finish().rows, of, kind)],
        remove,
        consumed: Some(Consumed::up_to(Partition::FIRST, offset + 1)),
        ..Change::default()
    }
}

fn seal(book: &Book, of: CivilDay) -> Change {
    let mut change = Change {
        remove: book.day_files(of).cloned().collect(),
        ..Change::default()
    };
    for name in ENTERPRISES {
        let mut builder = RowsBuilder::new();
        let index = builder.key(&key(name));
        (0..96).for_each(|n| {
            builder.push(
                index,
                of.start().millis() + n * 900_000,
                n,
                Flag::Normal.code(),
            );
        });
        let kind = FileKind::Sealed {
            enterprise: EnterpriseId::new(name).expect("an id"),
            revision: 1,
        };
        let file = new_file(&builder.finish().rows, of, kind);
        change.totals.push(TotalsRow {
            enterprise: EnterpriseId::new(name).expect("an id"),
            series: key(name).series,
            day: of,
            revision: 1,
            sha256: file.encoded.sha256,
            rules: "".into(),
            fold: DayFold::default(),
            duplicates: 0,
            conflicts: 0,
            late: 0,
        });
        change.add.push(file);
    }
    change
}

fn key(enterprise: &str) -> SeriesKey {
    SeriesKey {
        enterprise: EnterpriseId::new(enterprise).expect("an id"),
        series: Series {
            meter: "main".parse().expect("an id"),
            quantity: "electricity".parse().expect("a quantity"),
            kind: Kind::Register,
        },
    }
}

async fn measure_book(root: &Path, name: &str) -> BookSize {
    let mut size = BookSize {
        entries: 0,
        files: 0,
        bytes: 0,
        open_ms: 0.0,
    };
    let lake = Lake::open(root.to_str().expect("UTF-8"), clock::system())
        .await
        .expect("a lake");
    let now = lake
        .snapshot(&park(), 2026)
        .await
        .expect("readable")
        .expect("a book");
    let named: HashSet<&str> = now.files.iter().map(|file| file.path.as_str()).collect();
    count(root, &named, &mut size);
    let mut opened = Vec::with_capacity(OPENED);
    for _ in 0..OPENED {
        let began = Instant::now();
        let lake = Lake::open(root.to_str().expect("UTF-8"), clock::system())
            .await
            .expect("a lake");
        let snapshot = lake.snapshot(&park(), 2026).await.expect("readable");
        assert!(snapshot.is_some_and(|snapshot| !snapshot.files.is_empty()));
        opened.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    opened.sort_by(f64::total_cmp);
    size.open_ms = opened[OPENED / 2];
    println!(
        "{name:<34} {:>9} {:>9} {:>9.1} {:>9.1}",
        size.entries,
        size.files,
        size.bytes as f64 / f64::from(1 << 20),
        size.open_ms
    );
    size
}

/// Counts the files in a folder, except hot files that the book has removed: they are deleted only after a minute, in
/// which months of the simulated year pass.
fn count(folder: &Path, named: &HashSet<&str>, size: &mut BookSize) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            count(&path, named, size);
            continue;
        }
        let text = path.to_string_lossy();
        let of_day = text.rfind("day=").map(|at| &text[at..]);
        if of_day.is_some_and(|path| path.contains("/hot.") && !named.contains(path)) {
            continue;
        }
        size.files += 1;
        size.bytes += std::fs::metadata(&path).map_or(0, |file| file.len());
        let is_entry = path.extension().is_some_and(|ext| ext == "json");
        size.entries += usize::from(is_entry && text.contains("/readings/"));
    }
}
