//! An extract as a folder that `verify` checks without the service.

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
    io::{AsyncWriteExt, BufWriter},
};

use crate::{
    checkpoint,
    connection::{QueryConnection, refusal},
    extract::{ExtractArgs, beside, enterprise, hex},
    question,
};

/// Requests a folder and writes it; it appears under its name when it is whole.
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
    let request = api::ExtractFolderRequest {
        name: enterprise(&service, args).await?,
        period: Some(period),
        as_of: args.as_of.as_deref().map(question::as_of).transpose()?,
        older_size,
    };
    let partial = beside(folder, "part");
    // What an attempt before left behind is of another answer.
    if partial.exists() {
        let place = || format!("remove {}", partial.display());
        fs::remove_dir_all(&partial).await.with_context(place)?;
    }
    let place = || format!("write {}", folder.display());
    let digests = match receive(&service, request, &partial).await {
        Ok(digests) => digests,
        Err(error) => {
            // A partial folder is useless; a failed removal changes nothing for the caller.
            let _ = fs::remove_dir_all(&partial).await;
            return Err(error);
        }
    };
    let manifest = fs::read_to_string(partial.join("manifest.json")).await;
    let manifest: Value = serde_json::from_str(&manifest.with_context(place)?)
        .context("the manifest that came is no JSON; ask again")?;
    check(&manifest, &digests)?;
    fs::rename(&partial, folder).await.with_context(place)?;
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

/// Writes the files of the answer below `root`, and returns their digests.
async fn receive(
    service: &QueryConnection,
    request: api::ExtractFolderRequest,
    root: &Path,
) -> anyhow::Result<BTreeMap<String, String>> {
    let answer = service.proofs().extract_folder(request).await;
    let mut parts = answer.map_err(refusal)?.into_inner();
    let mut digests = BTreeMap::new();
    let mut open: Option<(String, BufWriter<fs::File>, Sha256)> = None;
    while let Some(part) = parts.message().await.map_err(refusal)? {
        match part.part {
            Some(Part::Path(path)) => {
                close(open.take(), &mut digests).await?;
                let place = place(root, &path)?;
                let failed = || format!("write {}", place.display());
                if let Some(folder) = place.parent() {
                    fs::create_dir_all(folder).await.with_context(failed)?;
                }
                let file = fs::File::create(&place).await.with_context(failed)?;
                open = Some((path, BufWriter::new(file), Sha256::new()));
            }
            Some(Part::Data(bytes)) => {
                let (path, file, sha256) = open.as_mut().context("bytes came before a file")?;
                sha256.update(&bytes);
                let failed = || format!("write {path}");
                file.write_all(&bytes).await.with_context(failed)?;
            }
            None => {}
        }
    }
    close(open, &mut digests).await?;
    Ok(digests)
}

/// Makes a file durable and notes its digest.
async fn close(
    open: Option<(String, BufWriter<fs::File>, Sha256)>,
    digests: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let Some((path, mut file, sha256)) = open else {
        return Ok(());
    };
    let failed = || format!("write {path}");
    file.flush().await.with_context(failed)?;
    file.get_ref().sync_all().await.with_context(failed)?;
    digests.insert(path, hex(&sha256.finalize()));
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
fn check(manifest: &Value, digests: &BTreeMap<String, String>) -> anyhow::Result<()> {
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
