//! The leaves of sealed files: as their entries tell them, and from packed entries.

use greenpark_runtime::clock;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::store::{LogBounds, digest::hex};

const BOUNDS: LogBounds = LogBounds {
    checkpoint_entries: 5,
    kept_entries: 4,
    kept_ms: 0,
    packed_at_once: 8,
};

#[tokio::test]
async fn every_sealed_file_has_a_leaf_with_its_digest_whether_its_entry_is_packed_or_not() {
    let (folder, lake) = local().await;
    let lake = lake.with_log_bounds(BOUNDS);
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    for n in 0..40u64 {
        let of = day("2026-01-05").plus(i32::try_from(n / 4).expect("small"));
        let rows = registers(of, &["steel"], 3 + i64::try_from(n).expect("small"));
        let revision = u32::try_from(n / 4 + 1).expect("small");
        let change = match n % 4 {
            3 => seal(&book, of, &rows, revision),
            _ => flush(hot(&rows, of, n), n + 1),
        };
        let _ = book.publish(change).await.expect("published");
        book.pack_if_due().await;
    }
    let (mut leaves, mut reached, mut looks) = (Vec::new(), -1, 0);
    while reached < book.version() {
        let found = lake
            .sealed_after((&park(), 2026), reached, 3)
            .await
            .expect("readable");
        assert!(found.1 > reached, "it goes on");
        leaves.extend(found.0);
        (reached, looks) = (found.1, looks + 1);
    }
    assert!(looks > 2, "a few at a time");
    assert_eq!(leaves.len(), 10);
    assert!(leaves.is_sorted_by_key(|leaf| (leaf.version, leaf.recorded_at)));
    for leaf in &leaves {
        let bytes = std::fs::read(folder.path().join(&leaf.name)).expect("the file");
        assert_eq!(leaf.sha256, hex(&Sha256::digest(&bytes)), "{}", leaf.name);
        assert_eq!(leaf.size, bytes.len() as u64);
        let age = clock::now().millis() - leaf.recorded_at;
        assert!((0..600_000).contains(&age), "{age} ms");
    }
    let nothing = lake
        .sealed_after((&park(), 2026), reached, 3)
        .await
        .expect("readable");
    assert_eq!(nothing, (Vec::new(), reached));
}
