//! `checkpoint`: the newest signed checkpoint of the transparency log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::Args;
use greenpark_console::output::{answer, line};
use greenpark_proof::{
    checkpoint::Checkpoint, hash::Hash, inclusion::InclusionProof, note::Note, policy::Policy,
    verify,
};
use greenpark_proto::query::v1 as api;

use crate::connection::{ClientArgs, QueryConnection, refusal};

/// Arguments of `checkpoint`.
#[derive(Debug, Clone, Args)]
pub struct CheckpointArgs {
    /// A checkpoint that was kept before, or a proof that ends with one: the log must still begin with it.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// The keys that the park gave before; without them, those that the service names now.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Write the checkpoint to this file, to be kept for the next time.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Requests the newest checkpoint, verifies its signatures and that the log only grew, and prints or writes it.
///
/// # Errors
/// The service refuses, a signature is wrong, or the log does not begin with the older checkpoint.
pub async fn checkpoint(args: &CheckpointArgs) -> anyhow::Result<()> {
    let older = args.since.as_deref().map(read).transpose()?;
    let older_head = older
        .as_ref()
        .map(Checkpoint::read_unverified)
        .transpose()?;
    let older_size = older_head.as_ref().map_or(0, |head| head.size);
    let service = QueryConnection::open(&args.client).await?;
    let request = api::GetCheckpointRequest { older_size };
    let newest = service.proofs().get_checkpoint(request).await;
    let newest = newest.map_err(refusal)?.into_inner();
    let policy = match &args.policy {
        Some(file) => policy(file)?,
        None => Policy::read(&newest.policy).context("the service's policy")?,
    };
    let note = Note::read(&newest.note).context("the service's checkpoint")?;
    let head = Checkpoint::verify(&note, policy.keys())?;
    if let (Some(note), Some(file)) = (&older, &args.since) {
        let older = Checkpoint::verify(note, policy.keys());
        let older = older.with_context(|| file.display().to_string())?;
        let path: Result<Vec<Hash>, _> =
            newest.consistency.iter().map(|hash| hash.parse()).collect();
        let path = path.context("the path from the older checkpoint")?;
        let (older, newer) = ((older.size, older.root), (head.size, head.root));
        verify::consistency(older, &path, newer).context(
            "the log does not begin with the older checkpoint: something was taken back",
        )?;
        line(&format!(
            "the log still begins with the {} leaves of {}",
            older.0,
            file.display()
        ));
    }
    line(&format!(
        "{} has {} leaves, signed by {} keys",
        head.origin,
        head.size,
        policy.keys().len()
    ));
    match &args.output {
        Some(file) => {
            fs::write(file, &newest.note).with_context(|| format!("write {}", file.display()))
        }
        None => answer(newest.note.trim_end()),
    }
}

/// Reads the checkpoint in a file, or at the end of a proof.
///
/// # Errors
/// The file cannot be read, or holds neither.
pub fn read(file: &Path) -> anyhow::Result<Note> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let note = match InclusionProof::read(&text) {
        Ok(proof) => proof.checkpoint,
        Err(_) => {
            Note::read(&text).with_context(|| format!("{}: no checkpoint", file.display()))?
        }
    };
    Checkpoint::read_unverified(&note).with_context(|| file.display().to_string())?;
    Ok(note)
}

/// The number of leaves of the checkpoint in a file.
///
/// # Errors
/// As for [`read`], or the checkpoint is of an empty log.
pub fn size_of(file: &Path) -> anyhow::Result<u64> {
    let size = Checkpoint::read_unverified(&read(file)?)?.size;
    ensure!(
        size > 0,
        "{}: is the checkpoint of an empty log",
        file.display()
    );
    Ok(size)
}

/// Reads the policy in a file.
///
/// # Errors
/// The file cannot be read, or is no policy.
pub fn policy(file: &Path) -> anyhow::Result<Policy> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    Policy::read(&text).with_context(|| file.display().to_string())
}
