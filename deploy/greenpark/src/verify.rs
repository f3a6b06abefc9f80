//! `verify`: checks an extract folder or a form without the service that made it.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use greenpark_client::checkpoint;
use greenpark_console::{
    output::{OutputFormat, line},
    sheet::Sheet,
};
use greenpark_query::verify::{Verified, verify_folder, verify_form};
use serde_json::json;

/// Arguments of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The folder that `extract` wrote, or the workbook that `form` wrote.
    pub path: PathBuf,
    /// The keys that the park gave before; without them, those that came with it.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// A checkpoint that was kept before, or a proof that ends with one: the log must still begin with it.
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Write its checkpoint to this file, to be kept for the next time.
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    pub format: OutputFormat,
}

/// Verifies a folder or a form, and prints what it was found to hold or everything that is wrong.
///
/// # Errors
/// It is not believed, or a file of the arguments cannot be read.
pub async fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let policy = args.policy.as_deref().map(checkpoint::policy).transpose()?;
    let is_given = policy.is_some();
    let since = args.since.as_deref().map(checkpoint::read).transpose()?;
    let verified = match args.path.is_file() {
        true => verify_form(&args.path, policy, since.as_ref()).await,
        false => verify_folder(&args.path, policy, since.as_ref()).await,
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(wrong) => {
            for reason in &wrong.0 {
                line(&format!("wrong: {reason}"));
            }
            bail!(
                "{} is not verified: {} thing(s) are wrong",
                args.path.display(),
                wrong.0.len()
            );
        }
    };
    sheet_of(&verified).print(args.format)?;
    if !is_given {
        line(
            "the keys came with it: compare them with those that the park gave you, or name these with --policy",
        );
    }
    if let Some(file) = &args.keep {
        fs::write(file, &verified.checkpoint)
            .with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// What was verified, for people and as JSON.
fn sheet_of(verified: &Verified) -> Sheet {
    let whole = json!({
        "name": verified.name,
        "first": verified.period.0,
        "last": verified.period.1,
        "as_of": verified.as_of,
        "log": verified.log,
        "leaves": verified.leaves,
        "since": verified.since,
        "keys": verified.keys,
        "files": verified.files,
        "sealed_files": verified.sealed,
        "made_again": verified.remade,
    });
    let mut sheet = Sheet::new(&["verified", ""], &[], whole);
    let mut row = |what: &str, text: String| sheet.push(vec![what.to_owned(), text]);
    row(
        "extract",
        format!(
            "{}, {} to {}",
            verified.name, verified.period.0, verified.period.1
        ),
    );
    row("as of", verified.as_of.clone());
    row(
        "files",
        format!(
            "{} with the digests of the manifest, {} of them sealed",
            verified.files, verified.sealed
        ),
    );
    row(
        "made again",
        match verified.remade.as_slice() {
            [] => "nothing: an extract folder has what a form is made of".to_owned(),
            remade => format!("{}: the same bytes", remade.join(", ")),
        },
    );
    row(
        "log",
        format!("{}, {} leaves", verified.log, verified.leaves),
    );
    for key in &verified.keys {
        row("signed by", key.clone());
    }
    if let Some(older) = verified.since {
        row(
            "since",
            format!("the log still begins with the {older} leaves of the older checkpoint"),
        );
    }
    sheet
}
