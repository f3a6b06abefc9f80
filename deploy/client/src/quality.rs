//! `quality`: indices of data quality, each with a bar against its threshold, and the findings.

use std::collections::BTreeSet;

use clap::Args;
use greenpark_console::{
    output::{OutputFormat, line},
    sheet::Sheet,
};
use greenpark_proto::query::v1 as api;
use greenpark_runtime::clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    answer_parts::{stamp_json, verdict},
    connection::{ClientArgs, QueryConnection, refusal},
    name,
    question::as_of,
    scorecard::bar,
};

/// Arguments of `quality`.
#[derive(Debug, Clone, Args)]
pub struct QualityArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// A row for each month.
    #[arg(long, conflicts_with = "by_day")]
    pub by_month: bool,
    /// A row for each enterprise and day, of at most 31 days.
    #[arg(long)]
    pub by_day: bool,
    /// Every finding with its days, instead of a line for each check.
    #[arg(long)]
    pub findings: bool,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Requests the quality of the data and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn quality(args: &QualityArgs) -> anyhow::Result<()> {
    let period = match &args.period {
        Some(text) => name::period(text)?,
        None => name::period(&clock::now().day().year().to_string())?,
    };
    let service = QueryConnection::open(&args.client).await?;
    let request = api::GetQualityRequest {
        name: args.name.clone(),
        period: Some(period),
        by_day: args.by_day,
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.quality().get_quality(request).await;
    let report = answer.map_err(refusal)?.into_inner();
    for note in &report.notes {
        line(&format!("note: {note}"));
    }
    let sheet = match args.by_month || args.by_day {
        true => parts_sheet(&report),
        false => indices_sheet(&report),
    };
    sheet.print(args.client.format)?;
    if args.client.format != OutputFormat::Table {
        return Ok(());
    }
    let lines: Vec<String> = match args.findings {
        true => report.findings.iter().map(finding_line).collect(),
        false => check_lines(&report.findings),
    };
    for text in &lines {
        line(text);
    }
    if !args.findings && !lines.is_empty() {
        line("--findings lists each of them, --by-month shows the indices of each month");
    }
    Ok(())
}

/// Formats a finding with its name and days.
fn finding_line(finding: &api::Finding) -> String {
    let days = finding.days.clone().unwrap_or_default();
    let days = match days.first == days.last {
        true => days.first,
        false => format!("{} to {}", days.first, days.last),
    };
    let (check, name, detail) = (&finding.check, &finding.name, &finding.detail);
    format!("{check}: {name} {} {days}: {detail}", finding.quantity)
}

/// Formats one line per check: its finding, or the number of findings and names, and the first.
fn check_lines(findings: &[api::Finding]) -> Vec<String> {
    let mut checks: Vec<(&str, Vec<&api::Finding>)> = Vec::new();
    for finding in findings {
        match checks.iter_mut().find(|(check, _)| *check == finding.check) {
            Some((_, of)) => of.push(finding),
            None => checks.push((&finding.check, vec![finding])),
        }
    }
    let line = |(check, of): &(&str, Vec<&api::Finding>)| {
        let first = finding_line(of[0]);
        if of.len() == 1 {
            return first;
        }
        let names: BTreeSet<&str> = of.iter().map(|finding| finding.name.as_str()).collect();
        let first = first.trim_start_matches(check).trim_start_matches(": ");
        format!(
            "{check}: {} findings at {} meters or enterprises, the first: {first}",
            of.len(),
            names.len()
        )
    };
    checks.iter().map(line).collect()
}

/// Formats the overall indices with a row each.
fn indices_sheet(report: &api::QualityReport) -> Sheet {
    let header = ["index", "指标", "value", "asked", "of the way", "verdict"];
    let mut sheet = Sheet::new(&header, &[2], report_json(report));
    for index in report
        .indices
        .iter()
        .filter(|index| !index.value.is_empty())
    {
        let sign = if index.name == "deviation" {
            "<="
        } else {
            ">="
        };
        sheet.push(vec![
            index.name.clone(),
            index.chinese.clone(),
            index.value.clone(),
            format!("{sign} {}", index.threshold),
            bar(way(index).map(|way| way * Decimal::ONE_HUNDRED)),
            verdict(index.verdict()).to_owned(),
        ]);
    }
    sheet
}

/// Formats the whole and its parts with a row each and a column per index; an index that misses its threshold is marked.
fn parts_sheet(report: &api::QualityReport) -> Sheet {
    let indices: Vec<&str> = report
        .indices
        .iter()
        .map(|index| index.name.as_str())
        .collect();
    let header: Vec<&str> = ["of", "days"]
        .into_iter()
        .chain(indices.iter().copied())
        .collect();
    let numeric: Vec<usize> = (2..header.len()).collect();
    let mut sheet = Sheet::new(&header, &numeric, report_json(report));
    let mut push = |of: &str, days: &api::Days, indices: &[api::QualityIndex]| {
        let days = format!("{} to {}", days.first, days.last);
        let cells = indices.iter().map(|index| match index.verdict() {
            api::Verdict::Missed => format!("{} !", index.value),
            _ => index.value.clone(),
        });
        sheet.push([of.to_owned(), days].into_iter().chain(cells).collect());
    };
    push(
        &report.name,
        &report.period.clone().unwrap_or_default(),
        &report.indices,
    );
    for part in &report.parts {
        let of = match part.name.as_str() {
            "" => report.name.as_str(),
            name => name,
        };
        push(of, &part.days.clone().unwrap_or_default(), &part.indices);
    }
    sheet
}

/// Returns the share of the threshold that an index reaches; for a deviation, the distance from its limit.
fn way(index: &api::QualityIndex) -> Option<Decimal> {
    let value: Decimal = index.value.parse().ok()?;
    let threshold: Decimal = index.threshold.parse().ok()?;
    if index.name == "deviation" {
        return match value.is_zero() {
            true => Some(Decimal::ONE),
            false => threshold.checked_div(value),
        };
    }
    value.checked_div(threshold)
}

fn report_json(report: &api::QualityReport) -> Value {
    let indices = |indices: &[api::QualityIndex]| -> Vec<Value> {
        let told = |index: &api::QualityIndex| {
            json!({
                "name": index.name,
                "value": index.value,
                "threshold": index.threshold,
                "verdict": verdict(index.verdict()),
                "source": index.source,
            })
        };
        indices.iter().map(told).collect()
    };
    let days = |days: &Option<api::Days>| {
        let days = days.as_ref();
        days.map(|days| json!({ "first": days.first, "last": days.last }))
    };
    let parts = report.parts.iter().map(|part| {
        json!({
            "name": part.name,
            "days": days(&part.days),
            "indices": indices(&part.indices),
            "score": part.score,
        })
    });
    let findings = report.findings.iter().map(|finding| {
        json!({
            "check": finding.check,
            "name": finding.name,
            "quantity": finding.quantity,
            "days": days(&finding.days),
            "detail": finding.detail,
        })
    });
    json!({
        "name": report.name,
        "period": days(&report.period),
        "indices": indices(&report.indices),
        "score": report.score,
        "parts": parts.collect::<Vec<Value>>(),
        "findings": findings.collect::<Vec<Value>>(),
        "rules": report.rules,
        "enterprises": report.enterprises,
        "notes": report.notes,
        "as_of": stamp_json(report.as_of.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &str, name: &str) -> api::Finding {
        api::Finding {
            check: check.to_owned(),
            name: name.to_owned(),
            quantity: "electricity".to_owned(),
            days: Some(api::Days {
                first: "2024-03-01".to_owned(),
                last: "2024-03-01".to_owned(),
            }),
            detail: "came back".to_owned(),
        }
    }

    #[test]
    fn each_check_takes_one_line() {
        let findings = [
            finding("spike", "m1"),
            finding("flag", "m2"),
            finding("spike", "m1"),
            finding("spike", "m3"),
        ];
        assert_eq!(
            check_lines(&findings),
            [
                "spike: 3 findings at 2 meters or enterprises, the first: m1 electricity 2024-03-01: came back",
                "flag: m2 electricity 2024-03-01: came back",
            ]
        );
    }

    #[test]
    fn a_year_is_one_screen_and_its_months_are_rows_where_they_are_asked_for() {
        let index = |name: &str, verdict: api::Verdict| api::QualityIndex {
            name: name.to_owned(),
            value: "0.900000".to_owned(),
            threshold: "0.9".to_owned(),
            verdict: verdict.into(),
            ..api::QualityIndex::default()
        };
        let indices = vec![
            index("completeness", api::Verdict::Met),
            index("timeliness", api::Verdict::Missed),
        ];
        let part = api::QualityPart {
            indices: indices.clone(),
            ..api::QualityPart::default()
        };
        let report = api::QualityReport {
            name: "parks/p".to_owned(),
            indices,
            parts: vec![part; 12],
            ..api::QualityReport::default()
        };
        let lines = |sheet: &Sheet| sheet.table().lines().count();
        assert_eq!(lines(&indices_sheet(&report)), 2 + 4);
        let months = parts_sheet(&report);
        assert_eq!(lines(&months), 13 + 4);
        assert!(months.table().contains("0.900000 !"), "{}", months.table());
    }
}
