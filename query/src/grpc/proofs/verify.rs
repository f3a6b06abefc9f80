//! Verifies an extract folder without the service that made it.
//!
//! Every file is compared with the manifest, the manifest with the signed transparency log, the log with an older
//! checkpoint if one was kept, and the tables and figures are made again from the sealed files, bit for bit.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use greenpark_archive::transparency::published::read_entry_line;
use greenpark_proof::{
    checkpoint::Checkpoint, hash::Hash, inclusion::InclusionProof, note::Note, policy::Policy,
    verify,
};
use sha2::{Digest as _, Sha256};

use super::small_lake::derive;
use crate::{
    access::hex::hex,
    error::with_causes,
    grpc::rules_text,
    proof::folder::{
        BESIDE, CONSISTENCY, ENTRIES, FORM_FORMAT, FORMAT, FileDigest, Files, MANIFEST, Manifest,
        POLICY, PROOF, READINGS,
    },
    reference::shipped,
};

/// What a folder was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `parks/P/enterprises/E`.
    pub name: String,
    /// The first and last day.
    pub period: (String, String),
    /// The instant of the answer.
    pub as_of: String,
    /// The log, by its origin.
    pub log: String,
    /// The keys that signed.
    pub keys: Vec<String>,
    /// The leaves of the log.
    pub leaves: u64,
    /// The leaves of the older checkpoint that the log still begins with.
    pub since: Option<u64>,
    /// Files whose digests are right.
    pub files: usize,
    /// Sealed files among them.
    pub sealed: usize,
    /// Tables and figures that were made again with the same bytes; none of a form.
    pub remade: Vec<String>,
    /// The signed checkpoint, to be kept for the next time.
    pub checkpoint: String,
}

/// Why a folder is not believed: every reason that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct NotVerified(pub Vec<String>);

/// Verifies the folder at `root` with the keys of `policy`, or with those of the folder itself. `since` is a checkpoint
/// that was kept before.
///
/// # Errors
/// [`NotVerified`] lists what is wrong.
pub async fn verify_folder(
    root: &Path,
    policy: Option<Policy>,
    since: Option<&Note>,
) -> Result<Verified, NotVerified> {
    let files = read_files(root).map_err(|(path, error)| {
        NotVerified(vec![format!(
            "'{}' cannot be read: {error}",
            path.display()
        )])
    })?;
    verify_files(files, (FORMAT, root), policy, since).await
}

/// Verifies the form at `file` by what lies beside it, as [`verify_folder`] does. Its numbers cannot be made again from
/// it: an extract folder of the same period has what they are made of.
///
/// # Errors
/// [`NotVerified`] lists what is wrong.
pub async fn verify_form(
    file: &Path,
    policy: Option<Policy>,
    since: Option<&Note>,
) -> Result<Verified, NotVerified> {
    let mut files = Files::new();
    for name in [MANIFEST, PROOF, POLICY] {
        let path = beside(file, name);
        let bytes = fs::read(&path);
        let bytes = bytes.map_err(|error| {
            let path = path.display();
            NotVerified(vec![format!("'{path}' cannot be read: {error}")])
        })?;
        files.insert(name.to_owned(), bytes.into());
    }
    // Only who asked for the path from an older checkpoint has it.
    if let Ok(bytes) = fs::read(beside(file, CONSISTENCY)) {
        files.insert(CONSISTENCY.to_owned(), bytes.into());
    }
    // The manifest names the form by its id.
    let manifest = files
        .get(MANIFEST)
        .map(|bytes| serde_json::from_slice(bytes));
    let name = match manifest {
        Some(Ok(Manifest { files, .. })) if files.len() == 1 => files.into_keys().next(),
        _ => None,
    };
    let bytes = fs::read(file).map_err(|error| {
        NotVerified(vec![format!(
            "'{}' cannot be read: {error}",
            file.display()
        )])
    })?;
    files.insert(name.unwrap_or_default(), bytes.into());
    verify_files(files, (FORM_FORMAT, file), policy, since).await
}

/// The path of the file that proves `form` and is called `name` in an answer.
fn beside(form: &Path, name: &str) -> PathBuf {
    let mut path = form.as_os_str().to_owned();
    path.push(".");
    path.push(name);
    path.into()
}

async fn verify_files(
    files: Files,
    (format, root): (&str, &Path),
    policy: Option<Policy>,
    since: Option<&Note>,
) -> Result<Verified, NotVerified> {
    let mut wrong = Vec::new();
    let manifest = check_manifest(&files, format, &mut wrong);
    let Some(manifest) = manifest else {
        return Err(NotVerified(wrong));
    };
    check_files(&manifest, &files, &mut wrong);
    let own = text_of(&files, POLICY).and_then(read_policy);
    let own = note(own, &mut wrong);
    if let (Some(given), Some(own)) = (&policy, &own)
        && given.keys() != own.keys()
    {
        wrong.push(format!(
            "'{POLICY}' names other keys than those that were given"
        ));
    }
    let policy = policy.or(own);
    let proved = policy.as_ref().and_then(|policy| {
        let proved =
            text_of(&files, PROOF).and_then(|text| check_proof(&manifest, &files, text, policy));
        note(proved, &mut wrong)
    });
    let mut since_size = None;
    if let (Some((head, _)), Some(policy), Some(since)) = (&proved, &policy, since) {
        let checked = check_since(&files, head, since, policy);
        since_size = note(checked, &mut wrong);
    }
    let mut remade = Vec::new();
    // Files that are not those of the manifest make other tables; that is not a second fault.
    if wrong.is_empty() && format == FORMAT {
        remade = note(remake(&manifest, &files, root).await, &mut wrong).unwrap_or_default();
    }
    match (proved, policy) {
        (Some((head, checkpoint)), Some(policy)) if wrong.is_empty() => Ok(Verified {
            name: manifest.name,
            period: (manifest.first, manifest.last),
            as_of: manifest.as_of,
            log: head.origin,
            keys: policy.keys().iter().map(ToString::to_string).collect(),
            leaves: head.size,
            since: since_size,
            files: manifest.files.len(),
            sealed: files
                .keys()
                .filter(|path| path.starts_with(READINGS))
                .count(),
            remade,
            checkpoint,
        }),
        _ => Err(NotVerified(wrong)),
    }
}

/// Makes the tables and figures again, and returns their paths.
async fn remake(manifest: &Manifest, files: &Files, root: &Path) -> Result<Vec<String>, String> {
    let settings = manifest.choices.settings(root);
    let settings = settings.ok_or_else(|| format!("'{MANIFEST}' names a region that is none"))?;
    let derived = derive(manifest, files, settings).await;
    let derived = derived.map_err(|error| with_causes(&error))?;
    let is_other = |(path, bytes): &(&String, &bytes::Bytes)| files.get(*path) != Some(*bytes);
    if let Some((path, _)) = derived.iter().find(is_other) {
        return Err(format!("'{path}' does not follow from the sealed files"));
    }
    Ok(derived.into_keys().collect())
}

/// Reads the folder's policy, in the form that the service gives it.
fn read_policy(text: &str) -> Result<Policy, String> {
    let policy = read(POLICY, Policy::read(text))?;
    match policy.to_string() == text {
        true => Ok(policy),
        false => Err(format!("'{POLICY}' was written anew")),
    }
}

/// Notes why something is wrong.
fn note<T>(checked: Result<T, String>, wrong: &mut Vec<String>) -> Option<T> {
    checked.map_err(|why| wrong.push(why)).ok()
}

fn read<T, E: std::error::Error + 'static>(path: &str, read: Result<T, E>) -> Result<T, String> {
    read.map_err(|error| format!("'{path}': {}", with_causes(&error)))
}

fn text_of<'a>(files: &'a Files, path: &str) -> Result<&'a str, String> {
    let bytes = files
        .get(path)
        .ok_or_else(|| format!("'{path}' is missing"))?;
    std::str::from_utf8(bytes).map_err(|_| format!("'{path}' is no text"))
}

/// Reads every file under `root`.
fn read_files(root: &Path) -> Result<Files, (PathBuf, io::Error)> {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| (folder.clone(), error))?;
        for entry in entries {
            let path = entry.map_err(|error| (folder.clone(), error))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).map_err(|error| (path.clone(), error))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            files.insert(name.into_owned(), bytes.into());
        }
    }
    Ok(files)
}

fn check_manifest(files: &Files, ours: &str, wrong: &mut Vec<String>) -> Option<Manifest> {
    let text = note(text_of(files, MANIFEST), wrong)?;
    let manifest: Manifest = note(read(MANIFEST, serde_json::from_str(text)), wrong)?;
    if manifest.format != ours {
        let format = &manifest.format;
        wrong.push(format!(
            "'{MANIFEST}' has the format {format}, and this version reads {ours}"
        ));
        return None;
    }
    if manifest.text() != text {
        wrong.push(format!(
            "'{MANIFEST}' was written anew: it has not the form that the service gives it"
        ));
    }
    for (name, sha256) in &manifest.shipped {
        let ours = shipped::FILES.iter().find(|(of, _)| of == name);
        if ours.is_none_or(|(_, text)| hex(&Sha256::digest(text)) != *sha256) {
            let by = &manifest.made_by;
            wrong.push(format!(
                "figures stand on another '{name}' than this version has; verify with {by}"
            ));
        }
    }
    if manifest.rules != hex(&Sha256::digest(rules_text())) {
        let by = &manifest.made_by;
        wrong.push(format!(
            "figures follow other rules than this version's; verify with {by}"
        ));
    }
    Some(manifest)
}

fn check_files(manifest: &Manifest, files: &Files, wrong: &mut Vec<String>) {
    for (path, digest) in &manifest.files {
        match files.get(path) {
            None => wrong.push(format!("'{path}' is missing")),
            Some(bytes) if FileDigest::of(bytes) != *digest => {
                wrong.push(format!("'{path}' is not the file of the manifest"));
            }
            Some(_) => {}
        }
    }
    for path in files.keys() {
        if !manifest.files.contains_key(path) && !BESIDE.contains(&path.as_str()) {
            wrong.push(format!("'{path}' is not in the manifest"));
        }
    }
    let lines = files
        .get(ENTRIES)
        .map(|bytes| String::from_utf8_lossy(bytes));
    for (number, line) in (1..).zip(lines.unwrap_or_default().lines()) {
        if read_entry_line(line).is_none() {
            wrong.push(format!(
                "'{ENTRIES}', line {number}: is no entry in its canonical form"
            ));
        }
    }
}

/// Checks that the manifest is in the signed log; returns its checkpoint and the checkpoint's text.
fn check_proof(
    manifest: &Manifest,
    files: &Files,
    text: &str,
    policy: &Policy,
) -> Result<(Checkpoint, String), String> {
    let proof = read(PROOF, InclusionProof::read(text))?;
    let leaf = manifest.leaf(text_of(files, MANIFEST)?);
    let head = read(PROOF, proof.verify(leaf.line().as_bytes(), policy.keys()))?;
    Ok((head, proof.checkpoint.to_string()))
}

/// Checks that the log begins with the older checkpoint, and returns its number of leaves.
fn check_since(
    files: &Files,
    head: &Checkpoint,
    since: &Note,
    policy: &Policy,
) -> Result<u64, String> {
    let older = read("--since", Checkpoint::verify(since, policy.keys()))?;
    let mut path = Vec::new();
    if older.size != head.size {
        let text = text_of(files, CONSISTENCY)?;
        let mut lines = text.lines();
        if lines.next() != Some(&format!("older {}", older.size)) {
            return Err(format!(
                "'{CONSISTENCY}' does not start from the checkpoint of {} leaves: extract with --since this checkpoint",
                older.size
            ));
        }
        for line in lines {
            path.push(read::<Hash, _>(CONSISTENCY, line.parse())?);
        }
    }
    let (older, head) = ((older.size, older.root), (head.size, head.root));
    let checked = verify::consistency(older, &path, head);
    read(CONSISTENCY, checked).map(|()| older.0)
}
