//! `explain`: the lineage of a figure, as a tree from the figure down to the files and the log.

use clap::Args;
use greenpark_console::output::{self, OutputFormat};
use greenpark_proto::query::v1::{self as api, explain_part::Part};
use greenpark_runtime::clock;
use serde_json::{Value, json};

use crate::{
    answer_parts::{amount_json, stamp_json},
    connection::{ClientArgs, QueryConnection, refusal},
    indicators::figure_json,
    question::{QuestionArgs, request},
    soundness,
};

/// Arguments of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The figure.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Every file and record, not just the first few.
    #[arg(long)]
    pub all: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Files and records of a kind that a tree shows without `--all`.
const SHOWN: usize = 5;

/// A received lineage.
#[derive(Debug, Default)]
struct Lineage {
    figure: api::Figure,
    meters: Vec<api::MeterPart>,
    files: Vec<api::LineageFile>,
    records: Vec<api::ReferenceRecord>,
    rules: api::Rules,
}

/// A line of a tree and its branches.
#[derive(Debug)]
struct Branch {
    text: String,
    below: Vec<Branch>,
}

/// Requests the lineage of a figure and prints it as a tree or as JSON.
///
/// # Errors
/// The service refuses or does not answer, or its answer ends before the rules.
pub async fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let year = clock::now().day().year();
    let explain_request = api::ExplainRequest {
        indicator: args.question.of.indicator().to_string(),
        question: Some(request(&args.question, year)?),
    };
    let answer = service.indicators().explain(explain_request).await;
    let mut parts = answer.map_err(refusal)?.into_inner();
    let (mut lineage, mut whole) = (Lineage::default(), false);
    while let Some(part) = parts.message().await.map_err(refusal)? {
        match part.part {
            Some(Part::Figure(figure)) => lineage.figure = figure,
            Some(Part::Meter(meter)) => lineage.meters.push(meter),
            Some(Part::File(file)) => lineage.files.push(file),
            Some(Part::Record(record)) => lineage.records.push(record),
            Some(Part::Rules(rules)) => {
                lineage.rules = rules;
                whole = true;
            }
            None => {}
        }
    }
    anyhow::ensure!(whole, "the answer ended before the rules; ask again");
    let limit = if args.all { usize::MAX } else { SHOWN };
    match args.client.format {
        OutputFormat::Json => output::answer(&lineage.json().to_string()),
        OutputFormat::Table => output::answer(&lineage.tree(limit).draw()),
        OutputFormat::Csv | OutputFormat::Xlsx => {
            anyhow::bail!("a lineage is a tree; write --format table or json")
        }
    }
}

impl Lineage {
    fn tree(&self, limit: usize) -> Branch {
        let figure = &self.figure;
        let period = figure.period.clone().unwrap_or_default();
        let value = match figure.value.as_str() {
            "" => "no value",
            value => value,
        };
        let mut root = Branch::new(format!(
            "{} of {}, {} to {}: {value} {}",
            figure.indicator, figure.name, period.first, period.last, figure.unit
        ));
        root.below.push(self.soundness(limit));
        root.below.push(self.numerator(limit));
        root.below.push(self.denominator());
        root.below.push(self.books(limit));
        root.below.push(self.recorded(limit));
        root.below.push(self.rules());
        if !figure.notes.is_empty() {
            let notes = figure.notes.iter().cloned().map(Branch::new);
            root.below.push(Branch::with("notes", notes.collect()));
        }
        root
    }

    /// Formats the soundness of the figure, with a remedy for each objection.
    fn soundness(&self, limit: usize) -> Branch {
        let figure = &self.figure;
        let reasons = figure.unsound.iter().map(|reason| {
            let names = reason.names.iter().cloned().map(Branch::new).collect();
            let mut below = vec![Branch::new(format!("to mend it: {}", reason.mend))];
            below.extend(cut(names, limit, "names"));
            let name = soundness::name(reason);
            Branch::with(format!("{name}: {}", reason.detail), below)
        });
        let mut below: Vec<Branch> = reasons.collect();
        below.push(Branch::new(soundness::thresholds(figure)));
        let text = match figure.unsound.is_empty() {
            true => "sound: a verdict can be given on it",
            false => "not sound: no verdict, comparison or forecast is given on it",
        };
        Branch::with(text, below)
    }

    fn numerator(&self, limit: usize) -> Branch {
        let components = self.figure.components.iter().map(|component| {
            let mut text = format!("{} {}", component.quantity, amount_text(&component.amount));
            if !component.factor.is_empty() {
                text.push_str(&format!(" × {}", component.factor));
            }
            if component.contribution.is_some() {
                text.push_str(&format!(" = {}", amount_text(&component.contribution)));
            }
            if !component.factor_source.is_empty() {
                text.push_str(&format!("  ({})", component.factor_source));
            }
            let meters = self.meters.iter();
            let meters = meters.filter(|meter| meter.quantity == component.quantity);
            Branch::with(text, cut(meters.map(meter).collect(), limit, "meters"))
        });
        let text = format!("numerator {}", amount_text(&self.figure.numerator));
        Branch::with(text, components.collect())
    }

    fn denominator(&self) -> Branch {
        let mut text = format!("denominator {}", amount_text(&self.figure.denominator));
        if !self.figure.price_base.is_empty() {
            text.push_str(&format!(" at {} prices", self.figure.price_base));
        }
        Branch::new(text)
    }

    fn books(&self, limit: usize) -> Branch {
        let states = self.figure.revisions.iter().map(|book| {
            Branch::new(format!(
                "{}/{}: readings at version {}, totals at version {}",
                book.park, book.year, book.readings_version, book.totals_version
            ))
        });
        let mut below: Vec<Branch> = states.collect();
        below.extend(cut(self.files.iter().map(file).collect(), limit, "files"));
        let changed = match self.rules.files_changed {
            0 => "all as their names say".to_owned(),
            many => format!("{many} NOT as their names say"),
        };
        Branch::with(format!("{} files, {changed}", self.files.len()), below)
    }

    fn recorded(&self, limit: usize) -> Branch {
        let mut kinds: Vec<&str> = self.records.iter().map(|r| r.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let of_kind = |kind: &&str| {
            let records = self.records.iter().filter(|record| record.kind == *kind);
            let records: Vec<Branch> = records.map(record).collect();
            let text = format!("{} {kind}", records.len());
            Branch::with(text, cut(records, limit, "records"))
        };
        let text = format!("{} records of the reference table", self.records.len());
        Branch::with(text, kinds.iter().map(of_kind).collect())
    }

    fn rules(&self) -> Branch {
        let figure = &self.figure;
        let mut below = vec![
            Branch::new(format!("factor set {}", figure.factor_set)),
            Branch::new(format!("population {}", figure.population)),
            Branch::new(format!("rows {}", self.rules.files.join(" "))),
        ];
        below.extend(self.rules.figure.iter().cloned().map(Branch::new));
        Branch::with(format!("rules of {}", self.rules.made_by), below)
    }

    fn json(&self) -> Value {
        let meters: Vec<Value> = self.meters.iter().map(meter_json).collect();
        let files: Vec<Value> = self.files.iter().map(file_json).collect();
        let records: Vec<Value> = self.records.iter().map(record_json).collect();
        json!({
            "figure": figure_json(&self.figure),
            "meters": meters,
            "files": files,
            "records": records,
            "rules": {
                "files": self.rules.files,
                "figure": self.rules.figure,
                "made_by": self.rules.made_by,
            },
            "files_changed": self.rules.files_changed,
        })
    }
}

impl Branch {
    fn new(text: String) -> Self {
        Self {
            text,
            below: Vec::new(),
        }
    }

    fn with(text: impl Into<String>, below: Vec<Self>) -> Self {
        Self {
            text: text.into(),
            below,
        }
    }

    /// Draws the tree as text, one line per branch.
    fn draw(&self) -> String {
        let mut text = format!("{}\n", self.text);
        self.draw_below("", &mut text);
        text
    }

    fn draw_below(&self, indent: &str, to: &mut String) {
        let last = self.below.len().saturating_sub(1);
        for (place, branch) in self.below.iter().enumerate() {
            let (knot, rest) = if place == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            to.push_str(&format!("{indent}{knot}{}\n", branch.text));
            branch.draw_below(&format!("{indent}{rest}"), to);
        }
    }
}

/// Keeps at most `limit` branches and counts the rest.
fn cut(mut branches: Vec<Branch>, limit: usize, what: &str) -> Vec<Branch> {
    let more = branches.len().saturating_sub(limit);
    if more > 0 {
        branches.truncate(limit);
        branches.push(Branch::new(format!("… {more} more {what} (--all)")));
    }
    branches
}

fn amount_text(amount: &Option<api::Amount>) -> String {
    let amount = amount.as_ref();
    amount.map_or_else(String::new, |a| format!("{} {}", a.value, a.unit))
}

fn instant(stamp: Option<&prost_types::Timestamp>) -> String {
    match stamp_json(stamp) {
        Value::String(text) => text,
        _ => String::new(),
    }
}

fn meter(part: &api::MeterPart) -> Branch {
    let mut text = format!(
        "{} {} from {} readings on {} days",
        part.meter,
        amount_text(&part.amount),
        part.readings,
        part.reading_days
    );
    let point = |reading: &api::Reading| {
        format!("{} at {}", reading.value, instant(reading.instant.as_ref()))
    };
    if let (Some(first), Some(last)) = (&part.first, &part.last) {
        text.push_str(&format!("; register {} to {}", point(first), point(last)));
    }
    if !part.traits.is_empty() {
        text.push_str(&format!("; {}", part.traits));
    }
    Branch::new(text)
}

fn file(file: &api::LineageFile) -> Branch {
    let mut text = format!("{} sha256 {} {} rows", file.path, file.sha256, file.rows);
    if let Some(of) = &file.offsets {
        text.push_str(&format!(
            ", log partition {} offsets {} to {}",
            of.partition,
            of.first,
            of.next.saturating_sub(1)
        ));
    }
    if !file.intact {
        text.push_str(", NOT what its name says");
    }
    Branch::new(text)
}

fn record(record: &api::ReferenceRecord) -> Branch {
    Branch::new(format!(
        "{} {} recorded {} by {} on {}",
        record.subject,
        record.body,
        instant(record.recorded_at.as_ref()),
        record.recorded_by,
        record.evidence
    ))
}

fn meter_json(part: &api::MeterPart) -> Value {
    let point = |reading: &Option<api::Reading>| {
        reading.as_ref().map(
            |r| json!({ "value": r.value, "unit": r.unit, "instant": stamp_json(r.instant.as_ref()) }),
        )
    };
    json!({
        "meter": part.meter,
        "quantity": part.quantity,
        "kind": part.kind,
        "days": part.days.as_ref().map(|d| json!({ "first": d.first, "last": d.last })),
        "amount": amount_json(part.amount.as_ref()),
        "estimated": amount_json(part.estimated.as_ref()),
        "readings": part.readings,
        "reading_days": part.reading_days,
        "first": point(&part.first),
        "last": point(&part.last),
        "traits": part.traits,
    })
}

fn file_json(file: &api::LineageFile) -> Value {
    let offsets = file
        .offsets
        .as_ref()
        .map(|of| json!({ "partition": of.partition, "first": of.first, "next": of.next }));
    json!({
        "path": file.path,
        "sha256": file.sha256,
        "intact": file.intact,
        "enterprise": file.enterprise,
        "day": file.day,
        "revision": file.revision,
        "rows": file.rows,
        "offsets": offsets,
    })
}

fn record_json(record: &api::ReferenceRecord) -> Value {
    json!({
        "kind": record.kind,
        "subject": record.subject,
        "valid_from": record.valid_from,
        "valid_to": record.valid_to,
        "recorded_at": stamp_json(record.recorded_at.as_ref()),
        "recorded_by": record.recorded_by,
        "evidence": record.evidence,
        "body": serde_json::from_str::<Value>(&record.body).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_and_cut() {
        let leaves = |count: usize| {
            let leaves = (0..count).map(|n| Branch::new(n.to_string()));
            leaves.collect::<Vec<_>>()
        };
        let tree = Branch::with(
            "figure",
            vec![
                Branch::with("numerator", cut(leaves(4), 2, "meters")),
                Branch::new("denominator".to_owned()),
            ],
        );
        assert_eq!(
            tree.draw(),
            "figure\n├─ numerator\n│  ├─ 0\n│  ├─ 1\n│  └─ … 2 more meters (--all)\n└─ denominator\n"
        );
    }
}
