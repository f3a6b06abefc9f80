//! `quality`: indices of data quality with a bar each against its threshold, and the findings below.

use greenpark_model::day::Instant;
use greenpark_proto::query::v1 as api;
use greenpark_runtime::clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{
    indicators::{stamp_json, verdict},
    name,
    question::as_of,
    scorecard::bar,
    sheet::Sheet,
    wire::{Service, refusal},
};
use crate::cli::{Format, QualityArgs};

/// Findings that a table lists before it only counts the rest.
const SHOWN: usize = 20;

/// Asks how good the data is and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn quality(args: &QualityArgs) -> anyhow::Result<()> {
    let period = match &args.period {
        Some(text) => name::period(text)?,
        None => name::period(&Instant(clock::now_ms()).day().year().to_string())?,
    };
    let service = Service::connect(&args.client.grpc).await?;
    let request = api::GetQualityRequest {
        name: args.name.clone(),
        period: Some(period),
        by_day: args.by_day,
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.quality().get_quality(request).await;
    let report = answer.map_err(refusal)?.into_inner();
    for note in &report.notes {
        crate::gauge::line(&format!("note: {note}"));
    }
    sheet(&report).print(args.client.format)?;
    if args.client.format != Format::Table {
        return Ok(());
    }
    for finding in report.findings.iter().take(SHOWN) {
        crate::gauge::line(&told(finding));
    }
    let more = report.findings.len().saturating_sub(SHOWN);
    if more > 0 {
        crate::gauge::line(&format!("{more} more findings; ask --format json"));
    }
    Ok(())
}

fn told(finding: &api::Finding) -> String {
    let days = finding.days.clone().unwrap_or_default();
    let days = match days.first == days.last {
        true => days.first,
        false => format!("{} to {}", days.first, days.last),
    };
    let (check, name, detail) = (&finding.check, &finding.name, &finding.detail);
    format!("{check}: {name} {} {days}: {detail}", finding.quantity)
}

/// A report as a sheet: a row for each index of the whole, then of each part.
fn sheet(report: &api::QualityReport) -> Sheet {
    let header = [
        "of",
        "days",
        "index",
        "指标",
        "value",
        "asked",
        "of the way",
        "verdict",
    ];
    let mut sheet = Sheet::new(&header, &[4, 5], report_json(report));
    let period = report.period.clone().unwrap_or_default();
    rows(&mut sheet, &report.name, &period, &report.indices);
    for part in &report.parts {
        let of = match part.name.as_str() {
            "" => report.name.as_str(),
            name => name,
        };
        let days = part.days.clone().unwrap_or_default();
        rows(&mut sheet, of, &days, &part.indices);
    }
    sheet
}

fn rows(sheet: &mut Sheet, of: &str, days: &api::Days, indices: &[api::QualityIndex]) {
    for index in indices.iter().filter(|index| !index.value.is_empty()) {
        let sign = if index.name == "deviation" {
            "<="
        } else {
            ">="
        };
        sheet.push(vec![
            of.to_owned(),
            format!("{} to {}", days.first, days.last),
            index.name.clone(),
            index.chinese.clone(),
            index.value.clone(),
            format!("{sign} {}", index.threshold),
            bar(way(index).map(|way| way * Decimal::ONE_HUNDRED)),
            verdict(index.verdict()).to_owned(),
        ]);
    }
}

/// How much of what is asked is there: of a deviation, how far it is from what it may be.
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
