//! `recompute`: computes a figure again from the raw readings of the lake and compares it bit for bit.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use greenpark_archive::lake::Lake;
use greenpark_client::{
    connection::{ClientArgs, QueryConnection, refusal},
    indicators::figure_json,
    question::{QuestionArgs, request, request_figure},
};
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use greenpark_query::recompute as again;
use greenpark_runtime::clock;
use prost::Message as _;
use serde_json::{Value, json};

use crate::settings::Settings;

/// Arguments of `recompute`.
#[derive(Debug, Clone, Args)]
pub struct RecomputeArgs {
    /// The figure.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Folder of the data: the lake at DIR/lake [default: greenpark-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Settings file of the service: its lake, factors and plans.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Requests a figure, computes it again from the readings of the lake, and reports whether both have the same bits.
///
/// # Errors
/// The service or the lake cannot be read, or the figures differ.
pub async fn recompute(args: &RecomputeArgs, settings: Settings) -> anyhow::Result<()> {
    let clock = clock::system();
    let service = QueryConnection::open(&args.client).await?;
    let question = request(&args.question, clock.now().day().year())?;
    let published = request_figure(&service, args.question.of, question.clone())
        .await
        .map_err(refusal)?;
    // As of the instant of the published figure, so that later readings do not count.
    let question = api::GetIndicatorRequest {
        as_of: published.as_of,
        ..question
    };
    let root = settings.lake.root.clone();
    let lake = Lake::open(&root, clock::system())
        .await
        .with_context(|| format!("open the lake at {root}"))?;
    let mut asker = settings.query;
    // Access to the files needs no token.
    asker.grants.clear();
    let indicator = args.question.of.indicator();
    let recomputed = again(lake, asker, clock, indicator, &question).await?;
    let differences = differences(&published, &recomputed);
    let same = published.encode_to_vec() == recomputed.encode_to_vec();
    let whole = json!({
        "same": same,
        "differences": differences,
        "published": figure_json(&published),
        "recomputed": figure_json(&recomputed),
    });
    let mut sheet = Sheet::new(&["", "published", "recomputed"], &[], whole);
    for (what, text) in LINES {
        sheet.push(vec![
            (*what).to_owned(),
            text(&published),
            text(&recomputed),
        ]);
    }
    sheet.print(args.client.format)?;
    if same {
        line("the same bits: the figure stands on these readings and nothing else");
        return Ok(());
    }
    for difference in &differences {
        line(&format!("differs: {difference}"));
    }
    bail!("the figure made again from the readings of {root} is another one")
}

/// A line of the comparison: its label, and the text for a figure.
type Line = (&'static str, fn(&api::Figure) -> String);

/// The lines that people read first.
const LINES: &[Line] = &[
    ("figure", |f| format!("{} {}", f.value, f.unit)),
    ("numerator", |f| amount_text(f.numerator.as_ref())),
    ("denominator", |f| amount_text(f.denominator.as_ref())),
    ("readings", |f| {
        let coverage = f.coverage.clone().unwrap_or_default();
        coverage.received.to_string()
    }),
    ("status", |f| f.status().as_str_name().to_owned()),
    ("bytes", |f| f.encoded_len().to_string()),
];

fn amount_text(amount: Option<&api::Amount>) -> String {
    amount.map_or_else(String::new, |a| format!("{} {}", a.value, a.unit))
}

/// Lists the differing fields by their names in JSON.
fn differences(published: &api::Figure, recomputed: &api::Figure) -> Vec<String> {
    let (one, other) = (figure_json(published), figure_json(recomputed));
    let (Value::Object(one), Value::Object(other)) = (&one, &other) else {
        return Vec::new();
    };
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |key: &&&String| one.get(**key) != other.get(**key);
    let difference = |key: &String| {
        let text =
            |of: &serde_json::Map<String, Value>| of.get(key).unwrap_or(&Value::Null).to_string();
        format!("{key}: {} and {}", text(one), text(other))
    };
    keys.iter()
        .filter(differs)
        .map(|key| difference(key))
        .collect()
}
