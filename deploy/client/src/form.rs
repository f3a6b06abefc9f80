//! `form`: a statutory form as a workbook, with its manifest, its proof and the log's keys beside it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::Args;
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1::{self as api, folder_part::Part};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::fs;

use crate::{
    checkpoint,
    connection::{ClientArgs, QueryConnection, refusal},
    extract::{beside, enterprise, folder::check, hex},
    name::period,
    question::as_of,
};

/// The manifest among the files of the answer.
const MANIFEST: &str = "manifest.json";

/// Arguments of `form`.
#[derive(Debug, Clone, Args)]
pub struct FormArgs {
    /// 205-1 (purchase, consumption and stock of energy) or waste-ledger (solid waste by month).
    pub form: String,
    /// The enterprise: parks/P/enterprises/E, or E alone.
    #[arg(long, value_name = "E")]
    pub enterprise: String,
    /// The park of an enterprise that is named alone [default: the only one].
    #[arg(long, value_name = "P")]
    pub park: Option<String>,
    /// 2025, 2025-Q4, 2025-11 or 2025-11-01..2025-11-30.
    #[arg(long, value_name = "PERIOD", value_parser = period)]
    pub period: api::Period,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// The workbook, .xlsx. What proves it is beside it; `verify` checks it.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// A checkpoint that was kept before: the proof then shows that the log only grew.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Requests a form and writes it; the workbook appears when all that proves it is there.
///
/// # Errors
/// The service refuses, the disk does, or what came is not what its manifest says.
pub async fn form(args: &FormArgs) -> anyhow::Result<()> {
    let output = &args.output;
    ensure!(
        output.extension().is_some_and(|of| of == "xlsx"),
        "-o {}: end the name with .xlsx",
        output.display()
    );
    ensure!(
        !output.exists(),
        "-o {}: exists already; name a new file",
        output.display()
    );
    let older_size = match &args.since {
        Some(file) => checkpoint::size_of(file)?,
        None => 0,
    };
    let service = QueryConnection::open(&args.client).await?;
    let request = api::ExtractFormRequest {
        form: args.form.clone(),
        name: enterprise(&service, &args.enterprise, args.park.as_deref()).await?,
        period: Some(args.period.clone()),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
        older_size,
    };
    let mut files = receive(&service, request).await?;
    let digests: BTreeMap<String, String> = files
        .iter()
        .map(|(path, bytes)| (path.clone(), hex(&Sha256::digest(bytes))))
        .collect();
    let manifest = files
        .get(MANIFEST)
        .context("the answer has no manifest; ask again")?;
    let manifest: Value = serde_json::from_slice(manifest).context("the manifest is no JSON")?;
    check(&manifest, &digests)?;
    let form = files.keys().find(|path| path.ends_with(".xlsx")).cloned();
    let form = form.context("the answer has no workbook; ask again")?;
    let workbook = files.remove(&form).unwrap_or_default();
    for (name, bytes) in &files {
        write(&beside(output, name), bytes).await?;
    }
    let partial = beside(output, "part");
    write(&partial, &workbook).await?;
    let place = || format!("write {}", output.display());
    fs::rename(&partial, output).await.with_context(place)?;
    let shown = output.display();
    line(&format!(
        "wrote {shown}; check it with: greenpark verify {shown}"
    ));
    let mut sheet = Sheet::new(&["file", "sha256"], &[], manifest);
    for (path, sha256) in digests {
        sheet.push(vec![path, sha256]);
    }
    sheet.print(args.client.format)
}

/// The files of the answer. A form is small.
async fn receive(
    service: &QueryConnection,
    request: api::ExtractFormRequest,
) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let answer = service.proofs().extract_form(request).await;
    let mut parts = answer.map_err(refusal)?.into_inner();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut open = String::new();
    while let Some(part) = parts.message().await.map_err(refusal)? {
        match part.part {
            Some(Part::Path(path)) => {
                ensure!(
                    !path.contains('/'),
                    "the service sent a file called {path:?}, which is no part of a form"
                );
                files.insert(path.clone(), Vec::new());
                open = path;
            }
            Some(Part::Data(bytes)) => {
                let file = files.get_mut(&open).context("bytes came before a file")?;
                file.extend_from_slice(&bytes);
            }
            None => {}
        }
    }
    Ok(files)
}

async fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("write {}", path.display());
    fs::write(path, bytes).await.with_context(failed)
}
