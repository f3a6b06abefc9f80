//! Folders that somebody changed, and logs that were forked: each is found.

use std::collections::BTreeMap;

use greenpark_proof::{
    checkpoint::Checkpoint,
    inclusion::InclusionProof,
    key::{Algorithm, SignerKey},
    note::Note,
    policy::Policy,
};
use proptest::{prelude::*, sample::Index, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    fixture::*,
    proofs::{extract, january, published, verified},
};

type Files = BTreeMap<String, Vec<u8>>;

const PROOF: &str = "extract.tlog-proof";
const MANIFEST: &str = "manifest.json";

/// A folder, another one of the same log, and the policy and checkpoint that an auditor kept before.
struct Genuine {
    files: Files,
    neighbor: Files,
    policy: Policy,
    since: Note,
}

async fn genuine() -> Genuine {
    let keys = tempfile::tempdir().expect("a folder");
    let world = published(&keys.path().join("proof.key")).await;
    let first = extract(&world, january(0)).await.expect("a folder");
    let proof = InclusionProof::read(&text(&first, PROOF)).expect("a proof");
    let size = Checkpoint::read_unverified(&proof.checkpoint)
        .expect("a checkpoint")
        .size;
    world.go_on();
    let neighbor = extract(&world, january(size)).await.expect("a folder");
    world.go_on();
    let files = extract(&world, january(size)).await.expect("a folder");
    world.stop().await;
    Genuine {
        policy: Policy::read(&text(&files, "policy.txt")).expect("a policy"),
        since: proof.checkpoint,
        files,
        neighbor,
    }
}

fn text(files: &Files, name: &str) -> String {
    String::from_utf8(files[name].clone()).expect("a text")
}

impl Genuine {
    async fn is_believed(&self, files: &Files) -> bool {
        verified(files, Some(self.policy.clone()), Some(&self.since))
            .await
            .is_ok()
    }

    async fn assert_found(&self, files: &Files, what: &str) {
        assert!(*files != self.files, "{what} changes nothing");
        assert!(!self.is_believed(files).await, "{what} was not found");
    }
}

/// Writes `bytes` as the file `name`, and its digest into the manifest if that names it.
fn with_manifest(files: &Files, name: &str, bytes: Vec<u8>) -> Files {
    let mut files = files.clone();
    let manifest = text(&files, MANIFEST);
    if let Some((before, after)) = manifest.split_once(&format!("\"{name}\": {{")) {
        let old = &files[name];
        let length = |bytes: &[u8]| format!("\"bytes\": {},", bytes.len());
        let after = after.replacen(&length(old), &length(&bytes), 1);
        let after = after.replacen(&sha256(old), &sha256(&bytes), 1);
        let edited = format!("{before}\"{name}\": {{{after}");
        files.insert(MANIFEST.to_owned(), edited.into_bytes());
    }
    files.insert(name.to_owned(), bytes);
    files
}

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, Index, u8),
    Cut(Index, Index),
    Grow(Index),
    Remove(Index),
    Swap(Index, Index),
    Edit(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        6 => (at(), at(), 0u8..8).prop_map(|(file, byte, bit)| Change::Flip(file, byte, bit)),
        2 => (at(), at()).prop_map(|(file, byte)| Change::Cut(file, byte)),
        1 => at().prop_map(Change::Grow),
        1 => at().prop_map(Change::Remove),
        1 => (at(), at()).prop_map(|(one, two)| Change::Swap(one, two)),
        2 => (at(), at()).prop_map(|(file, byte)| Change::Edit(file, byte)),
    ]
}

fn changed(genuine: &Files, change: &Change) -> Files {
    let names: Vec<&String> = genuine.keys().collect();
    let name = |at: &Index| names[at.index(names.len())].clone();
    let mut files = genuine.clone();
    match change {
        Change::Flip(file, byte, bit) => {
            let bytes = files.get_mut(&name(file)).expect("there");
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Cut(file, byte) => {
            let bytes = files.get_mut(&name(file)).expect("there");
            bytes.truncate(byte.index(bytes.len()));
        }
        Change::Grow(file) => files.get_mut(&name(file)).expect("there").push(b'\n'),
        Change::Remove(file) => drop(files.remove(&name(file))),
        Change::Swap(one, two) => {
            let (one, two) = (name(one), name(two));
            let (first, second) = (files[&one].clone(), files[&two].clone());
            files.insert(one, second);
            files.insert(two, first);
        }
        Change::Edit(file, byte) => {
            let name = name(file);
            let mut bytes = files[&name].clone();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1;
            files = with_manifest(&files, &name, bytes);
        }
    }
    files
}

#[tokio::test]
async fn every_one_of_six_hundred_changes_is_found() {
    let genuine = genuine().await;
    assert!(genuine.is_believed(&genuine.files).await);
    let mut runner = TestRunner::deterministic();
    let mut found = 0;
    while found < 600 {
        let change = change().new_tree(&mut runner).expect("a change").current();
        let files = changed(&genuine.files, &change);
        if files != genuine.files {
            genuine.assert_found(&files, &format!("{change:?}")).await;
            found += 1;
        }
    }
}

/// The folder under a proof of other keys, as somebody makes it who has written everything anew.
fn signed_anew(genuine: &Genuine, keys: &[SignerKey], origin: &str) -> Files {
    let proof = InclusionProof::read(&text(&genuine.files, PROOF)).expect("a proof");
    let head = Checkpoint::read_unverified(&proof.checkpoint).expect("a checkpoint");
    let head = Checkpoint {
        origin: origin.to_owned(),
        ..head
    };
    let checkpoint = head.sign(keys).expect("it has an origin");
    let public = keys.iter().map(|key| key.verifier().clone()).collect();
    let policy = Policy::new(public).expect("keys");
    let mut files = genuine.files.clone();
    let proof = InclusionProof {
        checkpoint,
        ..proof
    };
    files.insert(PROOF.to_owned(), proof.to_string().into_bytes());
    files.insert("policy.txt".to_owned(), policy.to_string().into_bytes());
    files
}

#[tokio::test]
async fn forged_proofs_are_found() {
    let genuine = genuine().await;
    let mut neighbors = genuine.files.clone();
    neighbors.insert(PROOF.to_owned(), genuine.neighbor[PROOF].clone());
    genuine.assert_found(&neighbors, "a neighbor's proof").await;
    let mut without_path = genuine.files.clone();
    without_path.remove("consistency.txt");
    genuine
        .assert_found(&without_path, "a missing path from the older checkpoint")
        .await;

    // Whoever writes all of it anew is believed by nobody who kept the keys.
    let other = SignerKey::generate_log().expect("keys");
    let origin = other[0].verifier().name().to_owned();
    let anew = signed_anew(&genuine, &other, &origin);
    assert!(
        verified(&anew, None, None).await.is_ok(),
        "it agrees with itself"
    );
    genuine.assert_found(&anew, "another log").await;
    let own = genuine.policy.origin().to_owned();
    let namesakes = Algorithm::ALL.map(|of| SignerKey::generate(&own, of).expect("a key"));
    let anew = signed_anew(&genuine, &namesakes, &own);
    genuine
        .assert_found(&anew, "another log of the same name")
        .await;

    // A right signature of Ed25519 beside a wrong one of SM2, and the other way round.
    let genuine_text = text(&genuine.files, PROOF);
    let forged_text = text(&anew, PROOF);
    let signatures = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with('\u{2014}'));
        lines.map(str::to_owned).collect()
    };
    let (right, wrong) = (signatures(&genuine_text), signatures(&forged_text));
    for line in 0..2 {
        let mut files = genuine.files.clone();
        let mixed = genuine_text.replace(&right[line], &wrong[line]);
        files.insert(PROOF.to_owned(), mixed.into_bytes());
        genuine
            .assert_found(&files, "one wrong signature of two")
            .await;
        let removed = genuine_text.replace(&format!("{}\n", right[line]), "");
        files.insert(PROOF.to_owned(), removed.into_bytes());
        genuine
            .assert_found(&files, "one missing signature of two")
            .await;
    }
}

#[tokio::test]
async fn tables_that_do_not_follow_from_the_readings_are_found_under_a_right_proof() {
    // A dishonest service signs what it wants: the readings still tell.
    let genuine = genuine().await;
    for (name, from, to) in [
        ("figures.json", "\"sound\": ", "\"sound\":  "),
        ("daily-totals.csv", ",1\n", ",2\n"),
        ("readings.csv", "2.25", "2.26"),
    ] {
        let altered = text(&genuine.files, name).replacen(from, to, 1);
        assert_ne!(altered, text(&genuine.files, name), "{name} is altered");
        let files = with_manifest(&genuine.files, name, altered.into_bytes());
        let keys = SignerKey::generate_log().expect("keys");
        let files = sign_manifest(files, &keys);
        let refused = verified(&files, None, None)
            .await
            .expect_err("it does not follow");
        assert_eq!(
            refused.0,
            [format!("'{name}' does not follow from the sealed files")]
        );
    }
}

/// Signs a log whose only leaf is the folder's manifest.
fn sign_manifest(mut files: Files, keys: &[SignerKey]) -> Files {
    let manifest = text(&files, MANIFEST);
    let fields: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let leaf = greenpark_proof::leaf::Leaf {
        kind: greenpark_proof::leaf::LeafKind::Extract,
        name: fields["name"].as_str().expect("a name").to_owned(),
        sha256: sha256(manifest.as_bytes()),
        size: manifest.len() as u64,
        recorded_at: fields["as_of_ms"].as_i64().expect("an instant"),
        version: 0,
    };
    let head = Checkpoint {
        origin: keys[0].verifier().name().to_owned(),
        size: 1,
        root: greenpark_proof::hash::Hash::of_leaf(leaf.line().as_bytes()),
    };
    let proof = InclusionProof {
        index: 0,
        path: Vec::new(),
        checkpoint: head.sign(keys).expect("it has an origin"),
    };
    let public = keys.iter().map(|key| key.verifier().clone()).collect();
    let policy = Policy::new(public).expect("keys").to_string();
    files.insert("policy.txt".to_owned(), policy.into_bytes());
    files.insert(PROOF.to_owned(), proof.to_string().into_bytes());
    files
}
