//! `extract`: one file and its manifest, or a folder that proves itself.

pub(crate) mod folder;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_model::day::{CivilDay, DayRange};
use greenpark_proto::query::v1::{self as api, extract_chunk::Part};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    fs,
    io::{AsyncWriteExt, BufWriter},
};

use crate::{
    connection::{ClientArgs, QueryConnection, refusal},
    name, question,
};

/// What an extract holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Content {
    /// Every distinct reading.
    Readings,
    /// One row a meter, quantity and day.
    DailyTotals,
}

/// Arguments of `extract`.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// The enterprise: parks/P/enterprises/E, or E alone.
    #[arg(long, value_name = "E")]
    pub enterprise: String,
    /// The park of an enterprise that is named alone [default: the only one].
    #[arg(long, value_name = "P")]
    pub park: Option<String>,
    /// The first day.
    #[arg(long, value_name = "D")]
    pub from: String,
    /// The last day.
    #[arg(long, value_name = "D")]
    pub to: String,
    /// What a file holds [default: readings]. A folder holds both.
    #[arg(long, value_enum)]
    pub content: Option<Content>,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// A file, .parquet or .csv, whose manifest is FILE.manifest.json; or a folder, which `verify` checks.
    #[arg(short, long, value_name = "PATH")]
    pub output: PathBuf,
    /// A checkpoint that was kept before, or a proof that ends with one: a folder then shows that the log only grew.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Requests an extract and writes it; the file appears under its name when it is whole.
///
/// # Errors
/// The service refuses, the disk does, or the answer ends without a manifest.
pub async fn extract(args: &ExtractArgs) -> anyhow::Result<()> {
    let (from, to): (CivilDay, CivilDay) = (
        args.from.parse().context("--from")?,
        args.to.parse().context("--to")?,
    );
    if DayRange::new(from, to).is_none() {
        bail!("--to {to} is before --from {from}");
    }
    let format = match args.output.extension().and_then(|e| e.to_str()) {
        Some("parquet") => api::ExtractFormat::Parquet,
        Some("csv") => api::ExtractFormat::Csv,
        None if args.content.is_none() => return folder::extract(args, name::days(from, to)).await,
        None => bail!("--content: is of a file; a folder holds both"),
        Some(_) => bail!(
            "-o {}: end the name with .parquet or .csv, or name a folder",
            args.output.display()
        ),
    };
    if args.since.is_some() {
        bail!("--since: is of a folder; end -o without .parquet and .csv");
    }
    let service = QueryConnection::open(&args.client).await?;
    let request = api::ExtractRequest {
        name: enterprise(&service, &args.enterprise, args.park.as_deref()).await?,
        period: Some(name::days(from, to)),
        content: match args.content.unwrap_or(Content::Readings) {
            Content::Readings => api::ExtractContent::Readings,
            Content::DailyTotals => api::ExtractContent::DailyTotals,
        }
        .into(),
        format: format.into(),
        as_of: args.as_of.as_deref().map(question::as_of).transpose()?,
    };
    let manifest = receive(&service, request, &args.output).await?;
    let path = beside(&args.output, "manifest.json");
    fs::write(&path, &manifest)
        .await
        .with_context(|| format!("write {}", path.display()))?;
    let json: Value = serde_json::from_str(&manifest).context("the manifest is no JSON")?;
    let mut sheet = Sheet::new(&["manifest", "value"], &[], json.clone());
    for (key, value) in json.as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => format!("{} entries", list.len()),
            Value::Object(_) => continue,
            other => other.to_string(),
        };
        sheet.push(vec![key.clone(), text]);
    }
    line(&format!(
        "wrote {} and {}",
        args.output.display(),
        path.display()
    ));
    sheet.print(args.client.format)
}

/// Writes the bytes of the answer to `output` and returns the manifest.
async fn receive(
    service: &QueryConnection,
    request: api::ExtractRequest,
    output: &Path,
) -> anyhow::Result<String> {
    let partial = beside(output, "part");
    let result = receive_into(service, request, &partial).await;
    match result {
        Ok(manifest) => {
            let place = || format!("write {}", output.display());
            fs::rename(&partial, output).await.with_context(place)?;
            Ok(manifest)
        }
        Err(error) => {
            // A partial file is useless; a failed removal changes nothing for the caller.
            let _ = fs::remove_file(&partial).await;
            Err(error)
        }
    }
}

async fn receive_into(
    service: &QueryConnection,
    request: api::ExtractRequest,
    partial: &Path,
) -> anyhow::Result<String> {
    let mut chunks = service
        .readings()
        .extract(request)
        .await
        .map_err(refusal)?
        .into_inner();
    let place = || format!("write {}", partial.display());
    let mut file = BufWriter::new(fs::File::create(partial).await.with_context(place)?);
    let (mut manifest, mut sha256) = (None, Sha256::new());
    while let Some(chunk) = chunks.message().await.map_err(refusal)? {
        match chunk.part {
            Some(Part::Data(bytes)) => {
                sha256.update(&bytes);
                file.write_all(&bytes).await.with_context(place)?;
            }
            Some(Part::ManifestJson(json)) => manifest = Some(json),
            None => {}
        }
    }
    file.flush().await.with_context(place)?;
    file.get_ref().sync_all().await.with_context(place)?;
    let manifest = manifest.context("the answer ended without its manifest; ask again")?;
    check(&manifest, &sha256.finalize())?;
    Ok(manifest)
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the received bytes against the manifest.
fn check(manifest: &str, sha256: &[u8]) -> anyhow::Result<()> {
    let json: Value = serde_json::from_str(manifest).context("the manifest is no JSON")?;
    if json["sha256"] != hex(sha256) {
        bail!("the file that came is not the one of its manifest; ask again");
    }
    Ok(())
}

/// Returns the resource name of `enterprise`, which may be one already; without `park` the only one is meant.
pub(crate) async fn enterprise(
    service: &QueryConnection,
    enterprise: &str,
    park: Option<&str>,
) -> anyhow::Result<String> {
    if enterprise.contains('/') {
        return Ok(enterprise.to_owned());
    }
    if let Some(park) = park {
        return Ok(name::enterprise(park, enterprise));
    }
    let request = api::ListParksRequest::default();
    let parks = service
        .registry()
        .list_parks(request)
        .await
        .map_err(refusal)?
        .into_inner()
        .parks;
    match parks.as_slice() {
        [only] => Ok(name::enterprise(name::leaf(&only.name), enterprise)),
        [] => bail!("the service knows no park yet"),
        many => {
            let names: Vec<&str> = many.iter().map(|park| name::leaf(&park.name)).collect();
            bail!(
                "name the park of {enterprise} with --park: {}",
                names.join(", ")
            )
        }
    }
}

/// Returns `FILE.suffix` beside `FILE`.
pub(crate) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_its_manifests_is_refused() {
        let sha256 = Sha256::digest(b"abc");
        let described =
            "{\"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}";
        check(described, &sha256).expect("the vector of FIPS 180-4");
        assert!(check(described, &Sha256::digest(b"abd")).is_err());
        assert!(check("{}", &sha256).is_err());
    }

    #[test]
    fn the_manifest_stands_beside_the_file() {
        let path = beside(Path::new("out/steel.parquet"), "manifest.json");
        assert_eq!(path, Path::new("out/steel.parquet.manifest.json"));
    }
}
