//! `water-balance` and `waste-ledger`.

use greenpark_model::day::Instant;
use greenpark_proto::query::v1 as api;
use greenpark_runtime::clock;
use serde_json::{Value, json};

use super::{
    indicators::{amount_json, stamp_json, status},
    name,
    question::as_of,
    sheet::Sheet,
    wire::{Service, refusal},
};
use crate::cli::MaterialArgs;

fn period(args: &MaterialArgs) -> anyhow::Result<api::Period> {
    match &args.period {
        Some(text) => name::period(text),
        None => name::period(&Instant(clock::now_ms()).day().year().to_string()),
    }
}

fn told(amount: &Option<api::Amount>) -> String {
    amount.as_ref().map(|a| a.value.clone()).unwrap_or_default()
}

/// Asks a water balance and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn water_balance(args: &MaterialArgs) -> anyhow::Result<()> {
    let service = Service::connect(&args.client.grpc).await?;
    let request = api::GetWaterBalanceRequest {
        name: args.name.clone(),
        period: Some(period(args)?),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.indicators().get_water_balance(request).await;
    let balance = answer.map_err(refusal)?.into_inner();
    for note in &balance.notes {
        crate::gauge::line(&format!("note: {note}"));
    }
    let mut sheet = Sheet::new(
        &["water", "中文", "m3", "%"],
        &[2, 3],
        balance_json(&balance),
    );
    for of in &balance.sources {
        let source = match of.source.as_str() {
            "" => "source unknown",
            source => source,
        };
        sheet.push(vec![
            source.to_owned(),
            of.chinese.clone(),
            told(&of.amount),
            String::new(),
        ]);
    }
    let rows = [
        ("intake", "新水", told(&balance.intake), ""),
        (
            "reused",
            "重复利用",
            told(&balance.reused),
            balance.reuse_percent.as_str(),
        ),
        (
            "unaccounted",
            "漏损",
            told(&balance.unaccounted),
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
    sheet.print(args.client.format)
}

fn balance_json(balance: &api::WaterBalance) -> Value {
    let sources: Vec<Value> = balance
        .sources
        .iter()
        .map(|of| {
            json!({
                "source": of.source,
                "amount": amount_json(of.amount.as_ref()),
                "estimated": amount_json(of.estimated.as_ref()),
            })
        })
        .collect();
    json!({
        "name": balance.name,
        "intake": amount_json(balance.intake.as_ref()),
        "sources": sources,
        "reused": amount_json(balance.reused.as_ref()),
        "reuse_percent": balance.reuse_percent,
        "unaccounted": amount_json(balance.unaccounted.as_ref()),
        "leakage_percent": balance.leakage_percent,
        "status": status(balance.status()),
        "notes": balance.notes,
        "as_of": stamp_json(balance.as_of.as_ref()),
    })
}

/// Asks a waste ledger and prints it.
///
/// # Errors
/// The service refuses or does not answer; the period cannot be read.
pub async fn waste_ledger(args: &MaterialArgs) -> anyhow::Result<()> {
    let service = Service::connect(&args.client.grpc).await?;
    let request = api::GetWasteLedgerRequest {
        name: args.name.clone(),
        period: Some(period(args)?),
        by_code: args.by_code,
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let answer = service.indicators().get_waste_ledger(request).await;
    let ledger = answer.map_err(refusal)?.into_inner();
    for note in &ledger.notes {
        crate::gauge::line(&format!("note: {note}"));
    }
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
        "rows": rows,
        "total": ledger.total.as_ref().map(row_json),
        "bulk_total": ledger.bulk_total.as_ref().map(row_json),
        "waste_set": ledger.waste_set,
        "status": status(ledger.status()),
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
    sheet.print(args.client.format)
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
    cells.extend(amounts.map(told));
    cells.push(row.utilization_percent.clone());
    cells
}

fn row_json(row: &api::WasteRow) -> Value {
    json!({
        "category": row.category,
        "code": row.code,
        "class": row.class_title,
        "bulk": row.bulk,
        "generated": told(&row.generated),
        "utilized": told(&row.utilized),
        "utilized_old_stock": told(&row.utilized_old_stock),
        "received": told(&row.received),
        "stored": told(&row.stored),
        "disposed": told(&row.disposed),
        "disposed_old_stock": told(&row.disposed_old_stock),
        "dumped": told(&row.dumped),
        "identity_gap": told(&row.identity_gap),
        "utilization_percent": row.utilization_percent,
    })
}
