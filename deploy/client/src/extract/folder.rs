//! An extract as a folder that `verify` checks without the service.

mod partial;

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1::{self as api, folder_part::Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt, BufWriter},
};

use self::partial::Partial;
use crate::{
    checkpoint,
    connection::{QueryConnection, refusal},
    extract::{ExtractArgs, enterprise, hex},
    question,
};

/// Requests a folder and writes it; it appears under its name when it is whole. What a broken answer left is kept beside
/// it, and the same question goes on from there.
pub(super) async fn extract(args: &ExtractArgs, period: api::Period) -> anyhow::Result<()> {
    let folder = &args.output;
    ensure!(
        !folder.exists(),
        "-o {}: exists already; name a new folder",
        folder.display()
    );
    let older_size = match &args.since {
        Some(file) => checkpoint::size_of(file)?,
        None => 0,
    };
    let service = QueryConnection::open(&args.client).await?;
    let mut request = api::ExtractFolderRequest {
        name: enterprise(&service, &args.enterprise, args.park.as_deref()).await?,
        period: Some(period),
        as_of: args.as_of.as_deref().map(question::as_of).transpose()?,
        older_size,
        held: Vec::new(),
    };
    let partial = Partial::of(folder, &request);
    partial.go_on(&mut request).await?;
    if !request.held.is_empty() {
        line(&format!("going on with {}", partial.root.display()));
    }
    let digests = match receive(&service, request, &partial).await {
        Ok(digests) => digests,
        Err(error) if partial.root.exists() => {
            let kept = format!(
                "what came is kept in {}; ask the same again to go on",
                partial.root.display()
            );
            return Err(error.context(kept));
        }
        Err(error) => return Err(error),
    };
    let place = || format!("write {}", folder.display());
    let manifest = fs::read_to_string(partial.root.join("manifest.json")).await;
    let manifest: Value = serde_json::from_str(&manifest.with_context(place)?)
        .context("the manifest that came is no JSON; ask again")?;
    if let Err(error) = check(&manifest, &digests) {
        partial.remove().await?;
        return Err(error);
    }
    fs::rename(&partial.root, folder)
        .await
        .with_context(place)?;
    partial.remove().await?;
    line(&format!(
        "wrote {}; check it with: greenpark verify {}",
        folder.display(),
        folder.display()
    ));
    let mut sheet = Sheet::new(&["file", "sha256"], &[], json!(manifest));
    for (path, sha256) in &digests {
        sheet.push(vec![path.clone(), sha256.clone()]);
    }
    sheet.print(args.client.format)
}

/// A file of the answer while it is written.
struct OpenFile {
    path: String,
    file: BufWriter<fs::File>,
    sha256: Sha256,
}

/// Writes the files of the answer, and returns their digests.
async fn receive(
    service: &QueryConnection,
    request: api::ExtractFolderRequest,
    partial: &Partial,
) -> anyhow::Result<BTreeMap<String, String>> {
    let answer = service.proofs().extract_folder(request).await;
    let mut parts = answer.map_err(refusal)?.into_inner();
    let mut digests = BTreeMap::new();
    let mut open: Option<OpenFile> = None;
    while let Some(part) = parts.message().await.map_err(refusal)? {
        if let Some(as_of) = part.as_of {
            partial.begin(as_of).await?;
        }
        match part.part {
            Some(Part::Path(path)) => {
                close(open.take(), &mut digests).await?;
                open = Some(OpenFile::after(&partial.root, path, part.kept).await?);
            }
            Some(Part::Data(bytes)) => {
                let open = open.as_mut().context("bytes came before a file")?;
                open.sha256.update(&bytes);
                let failed = || format!("write {}", open.path);
                open.file.write_all(&bytes).await.with_context(failed)?;
            }
            None => {}
        }
    }
    close(open, &mut digests).await?;
    partial.remove_others(&digests).await?;
    Ok(digests)
}

impl OpenFile {
    /// Opens the file at `path` below `root` after its first `kept` bytes.
    async fn after(root: &Path, path: String, kept: u64) -> anyhow::Result<Self> {
        let place = place(root, &path)?;
        let failed = || format!("write {}", place.display());
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).await.with_context(failed)?;
        }
        let mut options = fs::OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false);
        let mut file = opened.open(&place).await.with_context(failed)?;
        let held = file.metadata().await.with_context(failed)?.len();
        ensure!(
            held >= kept,
            "{} has changed meanwhile; remove it and ask again",
            place.display()
        );
        file.set_len(kept).await.with_context(failed)?;
        let mut before = Vec::new();
        file.read_to_end(&mut before).await.with_context(failed)?;
        Ok(Self {
            path,
            file: BufWriter::new(file),
            sha256: Sha256::new_with_prefix(before),
        })
    }
}

/// Makes a file durable and notes its digest.
async fn close(
    open: Option<OpenFile>,
    digests: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let Some(mut open) = open else {
        return Ok(());
    };
    let failed = || format!("write {}", open.path);
    open.file.flush().await.with_context(failed)?;
    open.file.get_ref().sync_all().await.with_context(failed)?;
    digests.insert(open.path, hex(&open.sha256.finalize()));
    Ok(())
}

/// The place of `path` below `root`; a path that leads out of it is refused.
fn place(root: &Path, path: &str) -> anyhow::Result<PathBuf> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || !Path::new(path).components().all(inside) {
        bail!("the service sent a file called {path:?}, which is no place in a folder");
    }
    Ok(root.join(path))
}

/// Checks the files that came against their manifest.
pub(crate) fn check(manifest: &Value, digests: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let named = manifest["files"]
        .as_object()
        .context("the manifest names no files; ask again")?;
    for (path, file) in named {
        let sha256 = digests.get(path).map(String::as_str);
        ensure!(
            sha256.is_some() && file["sha256"].as_str() == sha256,
            "{path} did not come as its manifest says; ask again"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_leaves_the_folder() {
        let root = Path::new("out");
        let inside = place(root, "readings/day=2025-01-01/e.r1.x.parquet").expect("inside");
        assert_eq!(inside, root.join("readings/day=2025-01-01/e.r1.x.parquet"));
        for out in ["", "/etc/passwd", "../x", "a/../../x", "./x"] {
            assert!(place(root, out).is_err(), "{out}");
        }
    }

    #[test]
    fn a_file_that_did_not_come_whole_is_noticed() {
        let manifest = json!({"files": {"a": {"sha256": "00"}, "b": {"sha256": "11"}}});
        let of = |all: &[(&str, &str)]| {
            let all = all
                .iter()
                .map(|(path, sha256)| ((*path).to_owned(), (*sha256).to_owned()));
            all.collect::<BTreeMap<_, _>>()
        };
        check(&manifest, &of(&[("a", "00"), ("b", "11"), ("c", "22")])).expect("all came");
        assert!(check(&manifest, &of(&[("a", "00")])).is_err());
        assert!(check(&manifest, &of(&[("a", "00"), ("b", "12")])).is_err());
        assert!(check(&json!({}), &of(&[])).is_err());
    }
}
