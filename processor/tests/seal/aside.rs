//! One park's trouble is its own: its damaged book is set aside, the others go on, and once it is whole again
//! nothing is missing.

use std::path::PathBuf;

use super::*;

fn other() -> ParkId {
    ParkId::new("q").expect("an id")
}

/// Readings of hours `from` to `to` for park `p` and park `q`.
async fn send_both(bench: &Bench, from: i64, to: i64) {
    let start = day("2026-11-20").start().0;
    for hour in from..to {
        let of_hour = [("e", "m", start + hour * HOUR, hour + 1)];
        bench.send(&of_hour).await;
        bench.send_of(&other(), &of_hour).await;
    }
}

/// Readings that the newest book of `park` holds; `None` if it cannot be read.
async fn count(bench: &Bench, park: &ParkId) -> Option<u64> {
    let snapshot = bench.lake().await.snapshot(park, 2026).await.ok()??;
    Some(snapshot.files.iter().map(|file| file.rows).sum())
}

/// The newest entry of a park's book, or its first hot file.
fn damaged(bench: &Bench, park: &ParkId, entry: bool) -> PathBuf {
    let table = bench
        .folder
        .path()
        .join(park.as_str())
        .join("2026/readings");
    let (folder, end) = match entry {
        true => (table.join("_delta_log"), ".json"),
        false => (table.join("day=2026-11-20"), ".parquet"),
    };
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.to_str().is_some_and(|name| name.ends_with(end)));
    files.sort();
    match entry {
        true => files.pop().expect("an entry"),
        false => files.remove(0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_book_is_set_aside_and_misses_nothing_once_it_is_whole() {
    for entry in [true, false] {
        let bench = Bench::new("2026-11-20T05:00:00Z");
        send_both(&bench, 0, 4).await;
        let running = bench.start(&bench.lake().await).await;
        for park in [park(), other()] {
            until(|| async { (count(&bench, &park).await? == 4).then_some(()) }).await;
        }
        running.stop().await;
        let path = damaged(&bench, &park(), entry);
        let whole = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        // Over the day's end, so that its hot files are read to be sealed.
        bench.set("2026-11-21T05:00:00Z");
        send_both(&bench, 4, 8).await;
        let (running, mut asides) = bench.start_watched(&bench.lake().await).await;
        let named = asides.wait_for(|asides| asides.contains_key(&park())).await;
        let reason = named.expect("the processor runs")[&park()].clone();
        assert!(reason.contains("p/2026/readings"), "{reason}");
        until(|| async { (count(&bench, &other()).await? == 8).then_some(()) }).await;
        // What comes meanwhile is kept for it.
        send_both(&bench, 8, 10).await;
        until(|| async { (count(&bench, &other()).await? == 10).then_some(()) }).await;
        if entry {
            let committed = bench.log.committed("test", 0);
            assert!(committed <= 8, "the log keeps what it needs: {committed}");
        }
        std::fs::write(&path, &whole).expect("written");
        let _none = asides.wait_for(|asides| asides.is_empty()).await;
        for park in [park(), other()] {
            until(|| async { (count(&bench, &park).await? == 10).then_some(()) }).await;
        }
        until(|| async { (bench.log.committed("test", 0) == 20).then_some(()) }).await;
        running.stop().await;
    }
}
