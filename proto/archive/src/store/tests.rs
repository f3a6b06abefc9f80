//! A put file is complete, under its name alone, and never put twice.

use super::*;

fn store() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LocalStore::open(&folder.path().join("lake")).expect("a store");
    (folder, store)
}

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

#[tokio::test]
async fn a_name_is_created_once() {
    let (_folder, store) = store();
    let path = Path::from("a/b/00.json");
    store
        .put_opts(&path, "first".into(), create())
        .await
        .expect("a new name");
    let again = store.put_opts(&path, "second".into(), create()).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })));
    let bytes = store
        .get(&path)
        .await
        .expect("there")
        .bytes()
        .await
        .expect("whole");
    assert_eq!(bytes, "first");
    store.put(&path, "third".into()).await.expect("overwritten");
    let listed: Vec<_> = store.list(None).try_collect().await.expect("listed");
    assert_eq!(
        listed
            .iter()
            .map(|meta| meta.location.clone())
            .collect::<Vec<_>>(),
        [path]
    );
    let left = fs::read_dir(store.root.join("a/b"))
        .expect("a folder")
        .count();
    assert_eq!(left, 1, "no staged file is left");
}

#[tokio::test]
async fn what_a_crash_left_in_part_is_replaced_and_what_is_whole_is_left_alone() {
    let (_folder, store) = store();
    for many in [3, FSYNC_FILES_MAX + 5] {
        let file = |n: usize| {
            (
                Path::from(format!("t/day={many}/{n}")),
                Bytes::from(format!("file {n}")),
            )
        };
        let files: Vec<_> = (0..many).map(file).collect();
        fs::create_dir_all(store.place(&Path::from(format!("t/day={many}")))).expect("a folder");
        fs::write(store.place(&files[1].0), "fi").expect("a part");
        fs::write(store.place(&files[2].0), &files[2].1).expect("a whole");
        let whole = fs::metadata(store.place(&files[2].0))
            .expect("there")
            .modified()
            .expect("a time");
        store.put_together(files.clone()).await.expect("put");
        for (path, bytes) in &files {
            assert_eq!(fs::read(store.place(path)).expect("there"), *bytes);
        }
        let after = fs::metadata(store.place(&files[2].0))
            .expect("there")
            .modified()
            .expect("a time");
        assert_eq!(whole, after);
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_there_when_it_is_complete() {
    let (_folder, store) = store();
    let path = Path::from("checkpoint.parquet");
    let mut upload = store.put_multipart(&path).await.expect("an upload");
    upload.put_part("one ".into()).await.expect("a part");
    upload.put_part("two".into()).await.expect("a part");
    assert!(matches!(
        store.head(&path).await,
        Err(Error::NotFound { .. })
    ));
    upload.complete().await.expect("complete");
    let bytes = store
        .get(&path)
        .await
        .expect("there")
        .bytes()
        .await
        .expect("whole");
    assert_eq!(bytes, "one two");
}

#[tokio::test]
async fn listings_are_in_order() {
    let (_folder, store) = store();
    let names: Vec<Path> = (0..40)
        .map(|n| Path::from(format!("log/{:020}.json", n * 7 % 40)))
        .collect();
    for name in &names {
        store.put(name, "x".into()).await.expect("put");
    }
    let listed: Vec<_> = store
        .list_with_offset(
            Some(&Path::from("log")),
            &Path::from(format!("log/{:020}.json", 9)),
        )
        .map_ok(|meta| meta.location)
        .try_collect()
        .await
        .expect("listed");
    assert_eq!(listed.len(), 30);
    assert!(listed.is_sorted());
}

#[tokio::test]
async fn a_root_that_is_away_is_not_made_anew() {
    let (_folder, store) = store();
    let root = store.root.clone();
    let away = root.with_extension("away");
    fs::rename(&root, &away).expect("moved");
    let (path, bytes) = (Path::from("t/file"), Bytes::from("text"));
    store
        .put(&path, bytes.clone().into())
        .await
        .expect_err("refused");
    store
        .put_together(vec![(path.clone(), bytes)])
        .await
        .expect_err("refused");
    store.put_multipart(&path).await.expect_err("refused");
    assert!(!root.exists());
    fs::rename(&away, &root).expect("moved back");
}
