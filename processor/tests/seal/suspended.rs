//! A failure of one park does not stop the others: a park with a damaged book is suspended, and once the book is repaired
//! no reading is missing.

use std::path::{Path, PathBuf};

use greenpark_log::memory::MemoryLog;
use greenpark_model::{clock::Clock, log_position::Partition};

use super::*;

fn other() -> ParkId {
    ParkId::new("q").expect("an id")
}

/// Readings of hours `from` to `to` for park `p` and park `q`, each a numbered message.
async fn send_both(bench: &Bench, from: i64, to: i64) {
    for hour in from..to {
        send_numbered(bench, &park(), (hour, hour + 1)).await;
        send_numbered(bench, &other(), (hour, hour + 1)).await;
    }
}

/// Sends them for one park.
async fn send_numbered(bench: &Bench, park: &ParkId, (from, to): (i64, i64)) {
    let start = day("2026-11-20").start().millis();
    for hour in from..to {
        let mut number = Numbers::default();
        let nth = u64::try_from(hour + 1).expect("small");
        number.insert(nth, nth);
        let reading = ("e", "m", start + hour * HOUR, hour + 1);
        bench.send_one(park, reading, &number).await;
    }
}

/// Number of numbered messages that the lake has of `park`.
async fn messages_of(bench: &Bench, park: &ParkId) -> u64 {
    let messages = bench.lake().await.messages(park).read().await;
    let messages = messages.expect("readable");
    let runs = messages.iter().flat_map(|(.., numbers)| numbers.runs());
    runs.map(|(first, last)| last - first + 1).sum()
}

/// Readings that the newest book of `park` holds; `None` if it cannot be read.
async fn count(bench: &Bench, park: &ParkId) -> Option<u64> {
    let snapshot = bench.lake().await.snapshot(park, 2026).await.ok()??;
    Some(snapshot.files.iter().map(|file| file.rows).sum())
}

/// Waits until the lake has so many readings and messages of `park`.
async fn has(bench: &Bench, park: &ParkId, all: u64) {
    until(|| async { (count(bench, park).await? == all).then_some(()) }).await;
    has_messages(bench, park, all).await;
}

/// Waits until the lake has so many messages of `park`.
async fn has_messages(bench: &Bench, park: &ParkId, all: u64) {
    until(|| async { (messages_of(bench, park).await == all).then_some(()) }).await;
}

/// Part of a park's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The newest entry of its book.
    Entry,
    /// Its first hot file.
    File,
    /// The newest entry of its messages.
    Messages,
}

impl Piece {
    fn table(self) -> &'static str {
        match self {
            Self::Entry | Self::File => "2026/readings",
            Self::Messages => "messages",
        }
    }

    fn path(self, bench: &Bench, park: &ParkId) -> PathBuf {
        let table = bench.folder.path().join(park.as_str()).join(self.table());
        match self {
            Self::File => files_in(&table.join("day=2026-11-20"), ".parquet").remove(0),
            Self::Entry | Self::Messages => {
                let mut entries = files_in(&table.join("_delta_log"), ".json");
                entries.pop().expect("an entry")
            }
        }
    }
}

/// The files in `folder` with this ending, by name.
fn files_in(folder: &Path, end: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.to_str().is_some_and(|name| name.ends_with(end)));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_park_with_a_damaged_book_is_suspended_and_misses_nothing_once_it_is_repaired() {
    for piece in [Piece::Entry, Piece::File, Piece::Messages] {
        let bench = Bench::new("2026-11-20T05:00:00Z");
        send_both(&bench, 0, 4).await;
        let running = bench.start(&bench.lake().await).await;
        for park in [park(), other()] {
            has(&bench, &park, 4).await;
        }
        running.stop().await;
        let path = piece.path(&bench, &park());
        let whole = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        // Over the day's end, so that its hot files are read to be sealed.
        bench.set("2026-11-21T05:00:00Z");
        send_both(&bench, 4, 8).await;
        let (running, mut asides) = bench.start_watched(&bench.lake().await).await;
        let named = asides.wait_for(|asides| asides.contains_key(&park())).await;
        let reason = named.expect("the processor runs")[&park()].clone();
        assert!(reason.contains(&format!("p/{}", piece.table())), "{reason}");
        until(|| async { (count(&bench, &other()).await? == 8).then_some(()) }).await;
        // Records that come meanwhile are kept for it.
        send_both(&bench, 8, 10).await;
        until(|| async { (count(&bench, &other()).await? == 10).then_some(()) }).await;
        if piece != Piece::File {
            let committed = bench.log.committed("test", Partition::FIRST);
            assert!(committed <= 8, "the log keeps what it needs: {committed}");
        }
        std::fs::write(&path, &whole).expect("written");
        let _none = asides.wait_for(|asides| asides.is_empty()).await;
        for park in [park(), other()] {
            until(|| async { (count(&bench, &park).await? == 10).then_some(()) }).await;
        }
        until(|| async { (bench.log.committed("test", Partition::FIRST) == 20).then_some(()) })
            .await;
        running.stop().await;
    }
}

/// A park that shares its partition with another loses the newest entry of its book or of its messages, or the whole
/// book.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_lost_beside_another_park_is_restored_from_the_log() {
    for lost in [Some(Piece::Entry), Some(Piece::Messages), None] {
        let bench = Bench::new("2026-11-20T05:00:00Z");
        let running = bench.start(&bench.lake().await).await;
        // Something of the table is left, and the other park goes on alone afterwards: its transactions are beyond the loss.
        for (from, to, alone) in [(0, 4, false), (4, 8, false), (8, 9, true), (9, 10, true)] {
            match alone {
                true => send_numbered(&bench, &other(), (from, to)).await,
                false => send_both(&bench, from, to).await,
            }
            for (park, all) in [(park(), to.min(8)), (other(), to)] {
                has(&bench, &park, u64::try_from(all).expect("small")).await;
            }
        }
        running.stop().await;
        let removed = match lost {
            Some(piece) => std::fs::remove_file(piece.path(&bench, &park())),
            None => std::fs::remove_dir_all(bench.folder.path().join("p/2026")),
        };
        removed.expect("removed");
        let running = bench.start(&bench.lake().await).await;
        has(&bench, &park(), 8).await;
        has(&bench, &other(), 10).await;
        running.stop().await;
    }
}

/// A suspended park turns out to have lost a commit, and the numbers needed to read it again cannot be read at that
/// moment: the loss is not forgotten at the next retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_detected_while_a_park_is_suspended_is_not_forgotten() {
    let mut bench = Bench::new("2026-11-20T05:00:00Z");
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    send_both(&bench, 0, 2).await;
    let running = bench.start(&bench.lake().await).await;
    for park in [park(), other()] {
        has(&bench, &park, 2).await;
    }
    running.stop().await;
    // The numbers of an earlier log are kept, and are read when the present log is read again.
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(43)));
    let adopted = greenpark_processor::adopt(&bench.lake().await).await;
    adopted.expect("adopted");
    let running = bench.start(&bench.lake().await).await;
    // Something of the table is left, and the other park goes on alone.
    for (from, to) in [(2, 4), (4, 6)] {
        send_both(&bench, from, to).await;
        for park in [park(), other()] {
            has(&bench, &park, u64::try_from(to).expect("small")).await;
        }
    }
    send_numbered(&bench, &other(), (6, 7)).await;
    has(&bench, &other(), 7).await;
    running.stop().await;

    let entry = Piece::Entry.path(&bench, &park());
    let whole = std::fs::read(&entry).expect("a file");
    std::fs::write(&entry, &whole[..whole.len() / 2]).expect("written");
    let (running, mut asides) = bench.start_watched(&bench.lake().await).await;
    let mut names = async |what: &str| {
        let found = asides.wait_for(|asides| {
            let reason = asides.get(&park());
            reason.is_some_and(|reason| reason.contains(what))
        });
        drop(found.await.expect("the processor runs"));
    };
    names("p/2026/readings").await;
    let files = files_in(&bench.folder.path().join("p/messages"), ".parquet");
    let numbers: Vec<_> = files
        .iter()
        .map(|file| (file, std::fs::read(file).expect("a file")))
        .collect();
    for (file, bytes) in &numbers {
        std::fs::write(file, &bytes[..bytes.len() / 2]).expect("written");
    }
    std::fs::remove_file(&entry).expect("removed");
    names("p/messages").await;
    for (file, bytes) in &numbers {
        std::fs::write(file, bytes).expect("written");
    }
    let _none = asides.wait_for(|asides| asides.is_empty()).await;
    has(&bench, &park(), 6).await;
    has(&bench, &other(), 7).await;
    running.stop().await;
}

/// A gateway sends unacknowledged messages again, even over another log than the one that had them. They keep their
/// place, even if that log is read from its first record on.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_again_over_another_log_does_not_replace_its_correction() {
    let mut bench = Bench::new("2026-11-20T05:00:00Z");
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(42)));
    let start = day("2026-11-20").start().millis();
    let messages = [(1, 0, 10), (2, 0, 12), (3, 1, 7)];
    let send = async |bench: &Bench, (nth, hour, micro): (u64, i64, i64)| {
        let mut number = Numbers::default();
        number.insert(nth, nth);
        let reading = ("e", "m", start + hour * HOUR, micro);
        bench.send_one(&park(), reading, &number).await;
    };
    for message in [messages[0], messages[1]] {
        send(&bench, message).await;
    }
    let running = bench.start(&bench.lake().await).await;
    has_messages(&bench, &park(), 2).await;
    running.stop().await;
    // The log is gone. The other park goes on alone afterwards: its transactions are beyond all that this park wrote.
    bench.log = MemoryLog::new(1, Clock::new(|| Instant::from_millis(43)));
    let adopted = greenpark_processor::adopt(&bench.lake().await).await;
    adopted.expect("adopted");
    let running = bench.start(&bench.lake().await).await;
    for message in [messages[0], messages[2]] {
        send(&bench, message).await;
    }
    has_messages(&bench, &park(), 3).await;
    for hour in 0..2 {
        send_numbered(&bench, &other(), (hour, hour + 1)).await;
        has_messages(&bench, &other(), u64::try_from(hour + 1).expect("small")).await;
    }
    running.stop().await;
    std::fs::remove_file(Piece::Entry.path(&bench, &park())).expect("removed");
    // Over the day's end, so that it is sealed.
    bench.set("2026-11-21T05:00:00Z");
    let lake = bench.lake().await;
    let running = bench.start(&lake).await;
    has_messages(&bench, &park(), 3).await;
    let book = sealed(&lake, 2026, 1).await;
    let rows = rows(&lake, &book).await.remove(0);
    let in_force = (0..rows.len()).filter(|row| !rows.superseded[*row]);
    let values: Vec<i64> = in_force.map(|row| rows.values[row]).collect();
    assert_eq!(values, [12, 7]);
    running.stop().await;
}
