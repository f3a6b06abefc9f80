//! A log survives lost tiles, a second writer and damage.

use std::sync::Arc;

use greenpark_model::clock::Clock;
use greenpark_proof::{
    inclusion::InclusionProof,
    key::{Algorithm, SignerKey},
    leaf::LeafKind,
    verify,
};
use object_store::{ObjectStore, memory::InMemory};
use proptest::prelude::*;

use super::*;

fn lake(store: &Arc<InMemory>) -> Lake {
    let clock = Clock::new(|| greenpark_model::day::Instant::from_millis(1_767_225_600_000));
    Lake::over(Arc::clone(store) as Arc<dyn ObjectStore>, clock)
}

fn key() -> SignerKey {
    SignerKey::generate("greenpark/east", Algorithm::Ed25519).expect("a key")
}

fn leaves(first: u64, many: u64) -> Vec<Leaf> {
    let leaf = |n: u64| Leaf {
        kind: LeafKind::Readings,
        name: format!("east/{n}"),
        sha256: format!("{n:064x}"),
        size: n,
        recorded_at: 0,
        version: 0,
    };
    (first..first + many).map(leaf).collect()
}

async fn append(
    log: &mut TransparencyLog,
    many: u64,
    key: &SignerKey,
) -> Result<Places<u64>, AppendError> {
    let published = Published {
        entries: usize::try_from(log.size() + many).expect("small"),
        ..Published::default()
    };
    let leaves = leaves(log.size(), many);
    log.append(&leaves, published, "greenpark/east", |head| {
        head.sign([key])
    })
    .await
}

/// Checks every property of the log that a reader relies on.
async fn check(log: &TransparencyLog, heads: &[(u64, Hash)], key: &SignerKey) {
    let keys = [key.verifier().clone()];
    let note = log.checkpoint().expect("leaves were appended").clone();
    let head = Checkpoint::verify(&note, &keys).expect("it is signed");
    for index in (0..log.size()).step_by(97).chain([log.size() - 1]) {
        let leaf = log
            .leaf(index)
            .await
            .expect("readable")
            .expect("it is there");
        assert_eq!(leaf, leaves(index, 1)[0]);
        let path = log
            .inclusion(index)
            .await
            .expect("readable")
            .expect("it is there");
        let proof = InclusionProof {
            index,
            path,
            checkpoint: note.clone(),
        };
        proof
            .verify(leaf.line().as_bytes(), &keys)
            .expect("it is proved");
    }
    for older in heads {
        let path = log
            .consistency(older.0)
            .await
            .expect("readable")
            .expect("it grew");
        verify::consistency(*older, &path, (head.size, head.root)).expect("it only grew");
        assert_eq!(log.root_at(older.0).await.expect("readable"), Some(older.1));
    }
    assert_eq!(log.published().entries as u64, log.size());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_log_is_read_back_whatever_of_its_tiles_is_lost(
        batches in prop::collection::vec(1u64..400, 1..7),
        lost in any::<u64>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (store, key) = (Arc::new(InMemory::new()), key());
            let mut log = lake(&store).transparency().await.expect("a new log");
            let mut heads = Vec::new();
            for (at, many) in batches.iter().enumerate() {
                append(&mut log, *many, &key).await.expect("appended");
                heads.push((log.size(), log.root_at(log.size()).await.expect("readable").expect("the root")));
                // A crash after the append's file: some of its tiles and the checkpoint are missing.
                let tiles: Vec<_> = store.list(Some(&Path::from("transparency/tile")))
                    .try_collect().await.expect("listed");
                let newest = Edge::tiles(log.size());
                for tile in newest.iter().filter(|tile| lost >> (at % 60) & 1 == 1 && tile.width > 0) {
                    store.delete(&place(tile)).await.expect("deleted");
                }
                assert!(!tiles.is_empty());
                log = lake(&store).transparency().await.expect("opened again");
            }
            check(&log, &heads, &key).await;
        });
    }
}

#[tokio::test]
async fn of_two_writers_one_is_refused_and_goes_on_from_the_other() {
    let (store, key) = (Arc::new(InMemory::new()), key());
    let mut one = lake(&store).transparency().await.expect("a new log");
    append(&mut one, 3, &key).await.expect("appended");
    let mut two = lake(&store).transparency().await.expect("the same log");
    append(&mut one, 300, &key).await.expect("appended first");
    let refused = append(&mut two, 5, &key).await;
    assert!(matches!(refused, Err(AppendError::Moved)), "{refused:?}");
    assert_eq!(two.size(), 303);
    assert_eq!(
        append(&mut two, 5, &key).await.expect("it goes on"),
        303..308
    );
    let one = lake(&store).transparency().await.expect("the same log");
    check(&one, &[], &key).await;
}

#[tokio::test]
async fn a_damaged_log_is_refused_with_the_file_that_is() {
    let (store, key) = (Arc::new(InMemory::new()), key());
    let mut log = lake(&store).transparency().await.expect("a new log");
    append(&mut log, 3, &key).await.expect("appended");
    append(&mut log, 2, &key).await.expect("appended");
    let path = Path::from(append_path(3));
    let bytes = store
        .get(&path)
        .await
        .expect("there")
        .bytes()
        .await
        .expect("whole");
    let text = String::from_utf8(bytes.to_vec()).expect("JSON");
    for changed in [
        text.replace("east/4", "east/5"),
        text.replace("\"start\":3", "\"start\":2"),
        String::new(),
    ] {
        store.put(&path, changed.into()).await.expect("overwritten");
        let error = lake(&store)
            .transparency()
            .await
            .expect_err("it is damaged");
        let source = std::error::Error::source(&error).and_then(std::error::Error::source);
        let text = source.expect("the cause").to_string();
        assert!(text.contains("appends/00000000000000000003.json"), "{text}");
    }
}
