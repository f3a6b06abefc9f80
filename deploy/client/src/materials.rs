//! `water-balance` and `waste-ledger`.

use clap::Args;
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use greenpark_runtime::clock;
use serde_json::{Value, json};

use crate::{
    answer_parts::{amount_json, coverage_json, revision_json, stamp_json, status},
    connection::{ClientArgs, QueryConnection, refusal},
    name,
    question::as_of,
};

/// Arguments of `water-balance` and `waste-ledger`.
#[derive(Debug, Clone, Args)]
pub struct MaterialArgs {
    /// parks/-, parks/P or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// 2025, 2025-Q4, 2025-11, 2025-11-01..2025-11-30 or a plan's id [default: this year].
    #[arg(long)]
    pub period: Option<String>,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `waste-ledger`.
#[derive(Debug, Clone, Args)]
pub struct LedgerArgs {
    /// What is asked.
    #[command(flatten)]
    pub material: MaterialArgs,
    /// Waste by its code in the national catalogue, too.
    #[arg(long)]
    pub by_code: bool,
}

fn period(args: &MaterialArgs) -> anyhow::Result<api::Period> {
    match &args.period {
        Some(text) => name::period(text),
        None => name::period(&clock::now().day().year().to_string()),
    }
}

fn amount_text(amount: &Option<api::Amount>) -> String {
    amount.as_ref().map(|a| a.value.clone()).unwrap_or_default()
}

/// Requests a water balance and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn water_balance(args: &MaterialArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = api::GetWaterBalanceRequest {
        name: args.name.clone(),
        period: Some(period(args)?),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.indicators().get_water_balance(request).await;
    let balance = answer.map_err(refusal)?.into_inner();
    for note in &balance.notes {
        line(&format!("note: {note}"));
    }
    balance_sheet(&balance).print(args.client.format)
}

/// Formats a water balance with a row per source, then the balance.
#[must_use]
pub fn balance_sheet(balance: &api::WaterBalance) -> Sheet {
    let mut sheet = Sheet::new(
        &["water", "中文", "m3", "%"],
        &[2, 3],
        balance_json(balance),
    );
    for of in &balance.sources {
        let source = match of.source.as_str() {
            "" => "source unknown",
            source => source,
        };
        sheet.push(vec![
            source.to_owned(),
            of.chinese.clone(),
            amount_text(&of.amount),
            String::new(),
        ]);
    }
    let rows = [
        ("intake", "新水", amount_text(&balance.intake), ""),
        (
            "reused",
            "重复利用",
            amount_text(&balance.reused),
            balance.reuse_percent.as_str(),
        ),
        (
            "unaccounted",
            "漏损",
            amount_text(&balance.unaccounted),
            &balance.leakage_percent,
        ),
    ];
    for (what, chinese, amount, percent) in rows {
        sheet.push(vec![
            what.to_owned(),
            chinese.to_owned(),
            amount,
            percent.to_owned(),
        ]);
    }
    sheet
}

fn balance_json(balance: &api::WaterBalance) -> Value {
    let sources: Vec<Value> = balance
        .sources
        .iter()
        .map(|of| {
            json!({
                "source": of.source,
                "chinese": of.chinese,
                "amount": amount_json(of.amount.as_ref()),
                "estimated": amount_json(of.estimated.as_ref()),
            })
        })
        .collect();
    json!({
        "name": balance.name,
        "period": days_json(balance.period.as_ref()),
        "intake": amount_json(balance.intake.as_ref()),
        "sources": sources,
        "reused": amount_json(balance.reused.as_ref()),
        "reuse_percent": balance.reuse_percent,
        "unaccounted": amount_json(balance.unaccounted.as_ref()),
        "leakage_percent": balance.leakage_percent,
        "status": status(balance.status()),
        "coverage": balance.coverage.as_ref().map(coverage_json),
        "revisions": revisions_json(&balance.revisions),
        "notes": balance.notes,
        "as_of": stamp_json(balance.as_of.as_ref()),
    })
}

fn finding_json(of: &api::Finding) -> Value {
    json!({
        "check": of.check,
        "name": of.name,
        "quantity": of.quantity,
        "days": days_json(of.days.as_ref()),
        "detail": of.detail,
    })
}

fn days_json(days: Option<&api::Days>) -> Value {
    days.map_or(
        Value::Null,
        |days| json!({ "first": days.first, "last": days.last }),
    )
}

fn revisions_json(revisions: &[api::BookRevision]) -> Value {
    Value::Array(revisions.iter().map(revision_json).collect())
}

/// Requests a waste ledger and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn waste_ledger(ledger: &LedgerArgs) -> anyhow::Result<()> {
    let args = &ledger.material;
    let service = QueryConnection::open(&args.client).await?;
    let request = api::GetWasteLedgerRequest {
        name: args.name.clone(),
        period: Some(period(args)?),
        by_code: ledger.by_code,
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.indicators().get_waste_ledger(request).await;
    let ledger = answer.map_err(refusal)?.into_inner();
    for note in &ledger.notes {
        line(&format!("note: {note}"));
    }
    ledger_sheet(&ledger).print(args.client.format)
}

/// Formats a ledger with a row per category or code, then the total and the bulk waste.
#[must_use]
pub fn ledger_sheet(ledger: &api::WasteLedger) -> Sheet {
    let header = [
        "category",
        "code",
        "generated",
        "utilized",
        "of old stock",
        "received",
        "stored",
        "disposed",
        "of old stock",
        "dumped",
        "gap",
        "%",
    ];
    let numeric: Vec<usize> = (2..header.len()).collect();
    let totals = [("all", &ledger.total), ("bulk", &ledger.bulk_total)];
    let rows: Vec<Value> = ledger.rows.iter().map(row_json).collect();
    let whole = json!({
        "name": ledger.name,
        "period": days_json(ledger.period.as_ref()),
        "rows": rows,
        "total": ledger.total.as_ref().map(row_json),
        "bulk_total": ledger.bulk_total.as_ref().map(row_json),
        "waste_set": ledger.waste_set,
        "status": status(ledger.status()),
        "coverage": ledger.coverage.as_ref().map(coverage_json),
        "revisions": revisions_json(&ledger.revisions),
        "findings": ledger.findings.iter().map(finding_json).collect::<Vec<Value>>(),
        "notes": ledger.notes,
        "as_of": stamp_json(ledger.as_of.as_ref()),
    });
    let mut sheet = Sheet::new(&header, &numeric, whole);
    for row in &ledger.rows {
        sheet.push(cells(&format!("{} {}", row.category, row.chinese), row));
    }
    for (title, row) in totals {
        if let Some(row) = row {
            sheet.push(cells(title, row));
        }
    }
    sheet
}

fn cells(title: &str, row: &api::WasteRow) -> Vec<String> {
    let code = match row.class_title.as_str() {
        "" => row.code.clone(),
        class => format!("{} {class}", row.code),
    };
    let amounts = [
        &row.generated,
        &row.utilized,
        &row.utilized_old_stock,
        &row.received,
        &row.stored,
        &row.disposed,
        &row.disposed_old_stock,
        &row.dumped,
        &row.identity_gap,
    ];
    let mut cells = vec![title.to_owned(), code];
    cells.extend(amounts.map(amount_text));
    cells.push(row.utilization_percent.clone());
    cells
}

fn row_json(row: &api::WasteRow) -> Value {
    json!({
        "category": row.category,
        "chinese": row.chinese,
        "code": row.code,
        "class": row.class_title,
        "bulk": row.bulk,
        "generated": amount_text(&row.generated),
        "utilized": amount_text(&row.utilized),
        "utilized_old_stock": amount_text(&row.utilized_old_stock),
        "received": amount_text(&row.received),
        "stored": amount_text(&row.stored),
        "disposed": amount_text(&row.disposed),
        "disposed_old_stock": amount_text(&row.disposed_old_stock),
        "dumped": amount_text(&row.dumped),
        "identity_gap": amount_text(&row.identity_gap),
        "utilization_percent": row.utilization_percent,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use greenpark_console::output::OutputFormat;

    use super::*;

    /// The command line, as far as these commands are concerned.
    #[derive(Debug, Parser)]
    enum CommandLine {
        WaterBalance(MaterialArgs),
        WasteLedger(LedgerArgs),
    }

    fn amount(value: &str, unit: &str) -> Option<api::Amount> {
        Some(api::Amount {
            value: value.to_owned(),
            unit: unit.to_owned(),
        })
    }

    fn text(sheet: &Sheet, format: OutputFormat) -> String {
        String::from_utf8(sheet.render(format).expect("rendered")).expect("text")
    }

    #[test]
    fn a_balance_is_told_by_source_and_then_whole() {
        let source = |source: &str, chinese: &str, value: &str| api::SourceAmount {
            source: source.to_owned(),
            chinese: chinese.to_owned(),
            amount: amount(value, "m3"),
            estimated: amount("0", "m3"),
        };
        let balance = api::WaterBalance {
            intake: amount("1000", "m3"),
            sources: vec![source("", "", "200"), source("rain", "雨水", "800")],
            reused: amount("3000", "m3"),
            reuse_percent: "75.000000".to_owned(),
            coverage: Some(api::Coverage {
                received: 2,
                ..api::Coverage::default()
            }),
            ..api::WaterBalance::default()
        };
        let sheet = balance_sheet(&balance);
        assert_eq!(
            text(&sheet, OutputFormat::Csv),
            "\u{feff}water,中文,m3,%\nsource unknown,,200,\nrain,雨水,800,\nintake,新水,1000,\n\
             reused,重复利用,3000,75.000000\nunaccounted,漏损,,\n"
        );
        let json: Value = serde_json::from_str(&text(&sheet, OutputFormat::Json)).expect("JSON");
        assert_eq!(json["sources"][1]["chinese"], "雨水");
        assert_eq!(json["unaccounted"], Value::Null);
        assert_eq!(json["coverage"]["received"], 2);
    }

    #[test]
    fn a_ledger_is_told_by_code_with_its_totals() {
        let ash = api::WasteRow {
            category: "fly_ash".to_owned(),
            chinese: "粉煤灰".to_owned(),
            code: "900-001-S02".to_owned(),
            class_title: "粉煤灰".to_owned(),
            bulk: true,
            generated: amount("100", "t"),
            utilized: amount("80", "t"),
            identity_gap: amount("20", "t"),
            utilization_percent: "80.000000".to_owned(),
            ..api::WasteRow::default()
        };
        let total = api::WasteRow {
            generated: amount("100", "t"),
            ..api::WasteRow::default()
        };
        let ledger = api::WasteLedger {
            rows: vec![ash],
            total: Some(total),
            ..api::WasteLedger::default()
        };
        let csv = text(&ledger_sheet(&ledger), OutputFormat::Csv);
        let lines: Vec<&str> = csv.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "fly_ash 粉煤灰,900-001-S02 粉煤灰,100,80,,,,,,,20,80.000000",
                "all,,100,,,,,,,,,"
            ]
        );
    }

    #[test]
    fn codes_are_asked_of_waste_only() {
        let read = |line: &str| CommandLine::try_parse_from(line.split(' '));
        assert!(read("greenpark waste-ledger parks/p --by-code --period 2024").is_ok());
        assert!(read("greenpark water-balance parks/p --as-of 2025-03-31").is_ok());
        assert!(read("greenpark water-balance parks/p --by-code").is_err());
    }
}
