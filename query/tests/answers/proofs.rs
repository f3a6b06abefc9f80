//! The transparency log and extract folders, as an auditor gets and verifies them.

use std::{collections::BTreeMap, fs, path::Path};

use greenpark_model::{day::CivilDay, reading::Kind};
use greenpark_proof::{checkpoint::Checkpoint, note::Note, policy::Policy};
use greenpark_proto::query::v1::{self as pb, folder_part::Part, proofs_client::ProofsClient};
use greenpark_query::{
    QuerySettings,
    verify::{NotVerified, Verified, verify_folder},
};
use serde_json::Value;
use tonic::{Code, Status};

use crate::fixture::*;

pub(crate) const NAME: &str = "parks/p/enterprises/e";

/// A year of two enterprises with a register, intervals and waste, and a registry.
pub(crate) async fn published(keys: &Path) -> World {
    let settings = QuerySettings {
        proof_key: Some(keys.to_owned()),
        // Its days would be leaves, too.
        access_log: false,
        ..QuerySettings::default()
    };
    let mut world = World::with(settings).await;
    fill(&mut world).await;
    world.go_on();
    world
}

async fn fill(world: &mut World) {
    for id in ["e", "other"] {
        world.register_enterprise(PARK, id, true).await;
        let value = value_added(PARK, id, year(2024), "100");
        world.declare(PARK, vec![value]).await;
    }
    world
        .register_meter(pb::Meter {
            name: format!("{NAME}/meters/r"),
            quantity: "electricity".to_owned(),
            kind: "register".to_owned(),
            multiplier: "40".to_owned(),
            counted: true,
            valid_from: "2023-01-01".to_owned(),
            ..pb::Meter::default()
        })
        .await;
    // A book is a year.
    for (id, days) in [
        ("e", -2..0),
        ("e", 0..40),
        ("other", -2..0),
        ("other", 0..40),
    ] {
        let days: Vec<_> = days.map(|n| day("2024-01-01").plus(n)).collect();
        let sealed: Vec<_> = days
            .iter()
            .map(|the_day| (*the_day, a_day(id, *the_day)))
            .collect();
        world.seal(PARK, &sealed, 1, With::Totals).await;
    }
}

fn a_day(id: &str, the_day: CivilDay) -> greenpark_archive::rows::ReadingRows {
    let n = i64::from(the_day.epoch_days());
    let register = |hour: i64| (at(the_day, hour), format!("{}.25", n * 24 + hour));
    let registers: Vec<_> = (0..24).map(register).collect();
    let registers: Vec<_> = registers
        .iter()
        .map(|(at, text)| (*at, text.as_str()))
        .collect();
    let water = [(at(the_day, 1), "1.5"), (at(the_day, 2), "2.25")];
    let waste = [(at(the_day, 3), "7"), (at(the_day, 4), "5.5")];
    rows(
        id,
        &[
            (series("r", "electricity", Kind::Register), &registers),
            (series("w", "fresh_water", Kind::Interval), &water),
            (series("g", "fly_ash.generated", Kind::Event), &waste[..1]),
            (series("u", "fly_ash.utilized", Kind::Event), &waste[1..]),
        ],
    )
}

/// A request for January 2024, whose neighbors are sealed.
pub(crate) fn january(older_size: u64) -> pb::ExtractFolderRequest {
    pb::ExtractFolderRequest {
        name: NAME.to_owned(),
        period: period(days("2024-01-01", "2024-01-31")),
        as_of: None,
        older_size,
        held: Vec::new(),
    }
}

/// The files of an extract.
pub(crate) async fn extract(
    world: &World,
    request: pb::ExtractFolderRequest,
) -> Result<BTreeMap<String, Vec<u8>>, Status> {
    let mut client = ProofsClient::new(world.channel.clone());
    let mut parts = client.extract_folder(request).await?.into_inner();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut open = String::new();
    while let Some(part) = parts.message().await? {
        match part.part.expect("a part") {
            Part::Path(path) => {
                assert!(
                    files.insert(path.clone(), Vec::new()).is_none(),
                    "{path} twice"
                );
                open = path;
            }
            Part::Data(data) => files.get_mut(&open).expect("begun").extend(data),
        }
    }
    Ok(files)
}

/// Writes the files of a folder.
pub(crate) fn write(root: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let place = root.join(path);
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        fs::write(place, bytes).expect("written");
    }
}

pub(crate) async fn verified(
    files: &BTreeMap<String, Vec<u8>>,
    policy: Option<Policy>,
    since: Option<&Note>,
) -> Result<Verified, NotVerified> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files);
    verify_folder(folder.path(), policy, since).await
}

#[tokio::test]
async fn a_broken_answer_goes_on_and_what_is_held_is_not_sent_again() {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let mut client = ProofsClient::new(world.channel.clone());
    let first = client.extract_folder(january(0)).await.expect("an answer");
    let first = first.into_inner().message().await.expect("a part");
    let as_of = first.expect("a part").as_of;
    let whole = extract(
        &world,
        pb::ExtractFolderRequest {
            as_of,
            ..january(0)
        },
    );
    let whole = whole.await.expect("a folder");
    // Of four files the caller has one, half of one, something else, and nothing.
    let mut held = BTreeMap::new();
    for (place, (path, bytes)) in whole.iter().enumerate() {
        let had = match place % 4 {
            0 => bytes.clone(),
            1 => bytes[..bytes.len() / 2].to_vec(),
            2 => vec![b'?'; bytes.len()],
            _ => continue,
        };
        held.insert(path.clone(), had);
    }
    let named = held.iter().map(|(path, bytes)| pb::HeldFile {
        path: path.clone(),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
    });
    let request = pb::ExtractFolderRequest {
        as_of,
        held: named.collect(),
        ..january(0)
    };
    let mut parts = client
        .extract_folder(request)
        .await
        .expect("an answer")
        .into_inner();
    let (mut files, mut open) = (BTreeMap::new(), String::new());
    let mut kept = BTreeMap::new();
    while let Some(part) = parts.message().await.expect("a part") {
        match part.part.expect("a part") {
            Part::Path(path) => {
                let bytes = usize::try_from(part.kept).expect("small");
                let before = held
                    .get(&path)
                    .map_or(Vec::new(), |of| of[..bytes].to_vec());
                kept.insert(path.clone(), bytes);
                files.insert(path.clone(), before);
                open = path;
            }
            Part::Data(data) => files.get_mut(&open).expect("begun").extend(data),
        }
    }
    for (place, (path, bytes)) in whole.iter().enumerate() {
        // Each answer is published at a place of its own.
        if path == "extract.tlog-proof" {
            continue;
        }
        assert_eq!(files.get(path), Some(bytes), "{path}");
        let expected = [bytes.len(), bytes.len() / 2, 0, 0][place % 4];
        assert_eq!(kept.get(path), Some(&expected), "{path}");
    }
    verified(&files, None, None).await.expect("a whole folder");
}

async fn checkpoint(world: &World, older_size: u64) -> Result<pb::Checkpoint, Status> {
    let mut client = ProofsClient::new(world.channel.clone());
    let request = pb::GetCheckpointRequest { older_size };
    Ok(client.get_checkpoint(request).await?.into_inner())
}

#[tokio::test]
async fn a_folder_is_verified_without_the_service_and_has_its_figures() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut world = published(&keys.path().join("proof.key")).await;
    let files = extract(&world, january(0)).await.expect("a folder");
    let of_figures: Value = serde_json::from_slice(&files["figures.json"]).expect("JSON");
    let days = days("2024-01-01", "2024-01-31");
    for (at, figure) in [world.energy(NAME, days.clone()).await].iter().enumerate() {
        let found = &of_figures[at];
        assert_eq!(found["indicator"], "energy-intensity");
        assert_eq!(found["value"], figure.value.as_str());
        let numerator = figure.numerator.as_ref().expect("a numerator");
        assert_eq!(
            found["numerator"],
            format!("{} {}", numerator.value, numerator.unit)
        );
        assert_eq!(found["sound"], figure.unsound.is_empty());
    }
    assert!(
        !of_figures[0]["value"].as_str().expect("a text").is_empty(),
        "{of_figures}"
    );
    world.stop().await;
    let verified = verified(&files, None, None).await.expect("it is right");
    assert_eq!(verified.name, NAME);
    // January, and the days whose registers decide its midnights.
    assert_eq!(verified.sealed, 33);
    assert_eq!(
        verified.remade,
        [
            "daily-totals.csv",
            "extract.xlsx",
            "figures.json",
            "readings.csv"
        ]
    );
    let text = |name: &str| String::from_utf8_lossy(&files[name]).into_owned();
    assert!(
        !text("reference.jsonl").contains("other"),
        "another enterprise is nobody's business"
    );
    assert!(text("reference.jsonl").contains("\"multiplier\\\":\\\"40\\\""));
    assert_eq!(text("daily-totals.csv").lines().count(), 1 + 31 * 4);
}

#[tokio::test]
async fn the_same_question_as_of_one_instant_has_the_same_folder_but_for_its_proof() {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let mut request = january(0);
    request.as_of = Some(timestamp(&world));
    let mut one = extract(&world, request.clone()).await.expect("a folder");
    world.go_on();
    let mut two = extract(&world, request).await.expect("a folder");
    assert_ne!(
        one.remove("extract.tlog-proof"),
        two.remove("extract.tlog-proof")
    );
    assert_eq!(one, two);
    world.stop().await;
}

fn timestamp(world: &World) -> prost_types::Timestamp {
    let millis = world.clock().now().millis();
    prost_types::Timestamp {
        seconds: millis / 1_000,
        nanos: i32::try_from(millis % 1_000 * 1_000_000).expect("below a second"),
    }
}

#[tokio::test]
async fn a_period_with_a_day_that_is_not_sealed_is_refused_by_its_name() {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let late = day("2024-02-01");
    world.hot(PARK, late, 5, &a_day("e", late)).await;
    world.go_on();
    // The first register of February decides the last midnight of January.
    let refused = extract(&world, january(0))
        .await
        .expect_err("a neighbor is open");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = format!("{refused:?}");
    assert!(details.contains("2024-02-01"), "{details}");
    let earlier = pb::ExtractFolderRequest {
        period: period(days("2024-01-01", "2024-01-20")),
        ..january(0)
    };
    let files = extract(&world, earlier).await.expect("its days are sealed");
    verified(&files, None, None).await.expect("it is right");
    world.stop().await;
}

#[tokio::test]
async fn a_log_grows_from_every_checkpoint_that_was_kept() {
    let keys = tempfile::tempdir().expect("a folder");
    let mut world = published(&keys.path().join("proof.key")).await;
    let first = checkpoint(&world, 0).await.expect("a checkpoint");
    let kept = Note::read(&first.note).expect("a note");
    let size = Checkpoint::read_unverified(&kept)
        .expect("a checkpoint")
        .size;
    let policy = Policy::read(&first.policy).expect("a policy");
    world
        .declare(PARK, vec![value_added(PARK, "e", year(2023), "90")])
        .await;
    world.go_on();
    let files = extract(&world, january(size)).await.expect("a folder");
    let found = verified(&files, Some(policy.clone()), Some(&kept))
        .await
        .expect("it grew");
    assert_eq!((found.since, found.leaves), (Some(size), size + 2));
    let kept = Note::read(&found.checkpoint).expect("a note");
    let files = extract(&world, january(found.leaves))
        .await
        .expect("a folder");
    let again = verified(&files, Some(policy), Some(&kept))
        .await
        .expect("it grew");
    assert_eq!(again.leaves, found.leaves + 1);
    let beyond = checkpoint(&world, 1_000_000)
        .await
        .expect_err("not so many");
    assert_eq!(beyond.code(), Code::InvalidArgument);
    world.stop().await;
}

#[tokio::test]
async fn an_older_copy_of_the_lake_does_not_go_on_as_if_nothing_had_been() {
    let keys = tempfile::tempdir().expect("a folder");
    let key = keys.path().join("proof.key");
    let world = published(&key).await;
    let before = checkpoint(&world, 0).await.expect("a checkpoint");
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(
        &world.folder().join("transparency"),
        &copy.path().join("transparency"),
    );
    extract(&world, january(0)).await.expect("a folder");
    // The lake as it was before the extract.
    fs::remove_dir_all(world.folder().join("transparency")).expect("removed");
    copy_folder(
        &copy.path().join("transparency"),
        &world.folder().join("transparency"),
    );
    let with = |key: &Path| QuerySettings {
        proof_key: Some(key.to_owned()),
        ..QuerySettings::default()
    };
    let older = world.another_with(with(&key)).await;
    let refused = checkpoint(&older, 0)
        .await
        .expect_err("a checkpoint was given out");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        !refused.message().contains("leaves"),
        "the causes are the operator's"
    );
    older.stop().await;
    let renewed = world.another_with(with(&keys.path().join("new.key"))).await;
    let after = checkpoint(&renewed, 0)
        .await
        .expect("a new log on the old one");
    assert_ne!(before.policy, after.policy);
    let files = extract(&renewed, january(0)).await.expect("a folder");
    verified(&files, None, None).await.expect("it is right");
    renewed.stop().await;
    world.stop().await;
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).expect("copied");
        }
    }
}

#[tokio::test]
async fn a_service_without_keys_says_what_it_lacks() {
    let mut world = World::new().await;
    fill(&mut world).await;
    let refused = extract(&world, january(0)).await.expect_err("no keys");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("query.proof_key"),
        "{}",
        refused.message()
    );
    world.stop().await;
}
