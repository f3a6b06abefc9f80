//! `certificates`, and the comparison of both bases of assessment in other commands' answers.

use std::path::PathBuf;

use clap::Args;
use greenpark_console::{
    output::{OutputFormat, line},
    sheet::Sheet,
};
use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::{
    answer_parts::{amount_json, stamp_json},
    connection::{ClientArgs, QueryConnection, refusal},
    question::as_of,
};

/// The files of `import` that the assessment basis reads.
#[derive(Debug, Clone, Default, Args)]
pub struct LedgerFiles {
    /// CSV: id,mwh,generated,region,kind,enterprise,year,retired_on,withdrawn,reason; without an enterprise the park
    /// uses it as a whole.
    #[arg(long, value_name = "FILE.csv")]
    pub certificates: Option<PathBuf>,
    /// CSV: plan,basis_of_assessment,valid_from,valid_to: what a plan's energy target means, gross or assessed.
    #[arg(long, value_name = "FILE.csv")]
    pub assessment_bases: Option<PathBuf>,
}

/// Arguments of `certificates`.
#[derive(Debug, Clone, Args)]
pub struct CertificatesArgs {
    /// parks/-, parks/P, parks/P/enterprises/- or parks/P/enterprises/E.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// As it was known at an instant (2026-03-31T18:00:00+08:00) or at the end of a day [default: now].
    #[arg(long, value_name = "WHEN")]
    pub as_of: Option<String>,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Certificates of one page.
const PAGE_SIZE: i32 = 1_000;

/// Lists the certificates in force.
///
/// # Errors
/// The service refuses or does not answer; the instant cannot be read.
pub async fn certificates(args: &CertificatesArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let mut registry = service.registry();
    let mut request = api::ListCertificatesRequest {
        parent: args.name.clone(),
        page_size: PAGE_SIZE,
        page_token: String::new(),
        as_of: args.as_of.as_deref().map(as_of).transpose()?,
    };
    let mut all = Vec::new();
    loop {
        let answer = registry.list_certificates(request.clone()).await;
        let page = answer.map_err(refusal)?.into_inner();
        all.extend(page.certificates);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    certificate_sheet(&all).print(args.client.format)
}

/// Formats certificates with a row each.
#[must_use]
pub fn certificate_sheet(certificates: &[api::Certificate]) -> Sheet {
    let header = [
        "id",
        "used for",
        "year",
        "kind",
        "MWh",
        "generated",
        "region",
        "retired on",
    ];
    let whole: Vec<Value> = certificates.iter().map(certificate_json).collect();
    let mut sheet = Sheet::new(&header, &[2, 4], json!({ "certificates": whole }));
    for of in certificates {
        sheet.push(vec![
            of.id.clone(),
            of.used_for.clone(),
            of.year.to_string(),
            of.kind.clone(),
            of.mwh.clone(),
            of.generated.clone(),
            of.region.clone(),
            of.retired_on.clone(),
        ]);
    }
    sheet
}

fn certificate_json(of: &api::Certificate) -> Value {
    json!({
        "id": of.id,
        "mwh": of.mwh,
        "generated": of.generated,
        "region": of.region,
        "kind": of.kind,
        "used_for": of.used_for,
        "year": of.year,
        "retired_on": of.retired_on,
        "recorded_at": stamp_json(of.recorded_at.as_ref()),
        "recorded_by": of.recorded_by,
        "evidence": of.evidence,
    })
}

/// Converts both figures of an energy intensity and their difference to JSON.
pub(super) fn assessment_json(of: Option<&api::Assessment>) -> Value {
    let Some(of) = of else { return Value::Null };
    let bound = of.bound.as_ref().map(|bound| {
        json!({
            "plan": bound.plan,
            "percent": bound.percent,
            "base_year": bound.base_year,
            "saving": amount_json(bound.saving.as_ref()),
            "most": amount_json(bound.most.as_ref()),
            "home_region": bound.home_region,
        })
    });
    let deductions: Vec<Value> = of.deductions.iter().map(deduction_json).collect();
    json!({
        "rule_set": of.rule_set,
        "gross": { "value": of.gross_value, "energy": amount_json(of.gross.as_ref()) },
        "assessed": { "value": of.assessed_value, "energy": amount_json(of.assessed.as_ref()) },
        "deductions": deductions,
        "bound": bound,
        "notes": of.notes,
    })
}

fn deduction_json(of: &api::Deduction) -> Value {
    json!({
        "kind": of.kind,
        "id": of.id,
        "used_for": of.used_for,
        "year": of.year,
        "region": of.region,
        "amount": amount_json(of.amount.as_ref()),
        "factor": of.factor,
        "factor_source": of.factor_source,
        "claimed": amount_json(of.claimed.as_ref()),
        "deducted": amount_json(of.deducted.as_ref()),
        "limit": of.limit,
        "rule_source": of.rule_source,
        "declared": of.declared,
    })
}

/// Converts a target's figures on the other basis to JSON.
pub(super) fn other_basis_json(of: Option<&api::OtherBasis>) -> Value {
    let Some(of) = of else { return Value::Null };
    let years: Vec<Value> = of
        .years
        .iter()
        .map(|point| {
            json!({
                "year": point.year,
                "value": point.value,
                "change_percent": point.change_percent,
            })
        })
        .collect();
    json!({
        "basis_of_assessment": of.basis_of_assessment,
        "base_value": of.base_value,
        "value": of.value,
        "change_percent": of.change_percent,
        "progress_percent": of.progress_percent,
        "years": years,
    })
}

/// Formats a row per figure that has two bases, if there is one.
pub(super) fn beside<'a>(figures: impl Iterator<Item = &'a api::Figure>) -> Option<Sheet> {
    let header = [
        "name",
        "gross",
        "assessed",
        "gross tce",
        "assessed tce",
        "rules",
    ];
    let mut sheet = Sheet::new(&header, &[1, 2, 3, 4], Value::Null);
    let tce = |amount: &Option<api::Amount>| match amount {
        Some(of) => of.value.clone(),
        None => String::new(),
    };
    let mut rows = 0;
    for figure in figures {
        let Some(of) = &figure.assessment else {
            continue;
        };
        sheet.push(vec![
            figure.name.clone(),
            of.gross_value.clone(),
            of.assessed_value.clone(),
            tce(&of.gross),
            tce(&of.assessed),
            of.rule_set.clone(),
        ]);
        rows += 1;
    }
    (rows > 0).then_some(sheet)
}

/// An indicator on the basis that it is judged on, for the comparison.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) indicator: &'a str,
    pub(super) basis: &'a str,
    /// The base year's value, the judged year's, and the change and progress in per cent.
    pub(super) figures: [&'a str; 4],
    pub(super) other: Option<&'a api::OtherBasis>,
}

/// Formats two rows per indicator that has two bases, if there is one.
pub(super) fn both_bases<'a>(judged: impl Iterator<Item = Judged<'a>>) -> Option<Sheet> {
    let header = [
        "indicator",
        "basis",
        "judged",
        "base",
        "value",
        "change %",
        "progress %",
    ];
    let mut sheet = Sheet::new(&header, &[3, 4, 5, 6], Value::Null);
    let mut rows = 0;
    for of in judged {
        let Some(other) = of.other else { continue };
        let figures = [
            &*other.base_value,
            &*other.value,
            &*other.change_percent,
            &*other.progress_percent,
        ];
        let both = [
            (of.basis, "yes", of.figures),
            (&*other.basis_of_assessment, "no", figures),
        ];
        for (basis, judged, figures) in both {
            let cells = [of.indicator, basis, judged].into_iter().chain(figures);
            sheet.push(cells.map(str::to_owned).collect());
            rows += 1;
        }
    }
    (rows > 0).then_some(sheet)
}

/// Prints additional sheets after an answer for people.
pub(super) fn print_beside(
    format: OutputFormat,
    sheets: impl IntoIterator<Item = Option<Sheet>>,
) -> anyhow::Result<()> {
    if format == OutputFormat::Table {
        for sheet in sheets.into_iter().flatten() {
            sheet.print(format)?;
        }
    }
    Ok(())
}

/// Formats a row per deduction, if there is one.
pub(super) fn deductions<'a>(figures: impl Iterator<Item = &'a api::Figure>) -> Option<Sheet> {
    let header = [
        "deducted",
        "id",
        "used for",
        "amount",
        "factor",
        "claimed tce",
        "deducted tce",
        "rule",
    ];
    let mut sheet = Sheet::new(&header, &[4, 5, 6], Value::Null);
    let text = |amount: &Option<api::Amount>, unit: bool| match amount {
        Some(of) if unit => format!("{} {}", of.value, of.unit),
        Some(of) => of.value.clone(),
        None => String::new(),
    };
    let mut rows = 0;
    for of in figures.filter_map(|figure| figure.assessment.as_ref()) {
        for line in &of.deductions {
            sheet.push(vec![
                line.kind.clone(),
                line.id.clone(),
                line.used_for.clone(),
                text(&line.amount, true),
                line.factor.clone(),
                text(&line.claimed, false),
                text(&line.deducted, false),
                of.rule_set.clone(),
            ]);
            rows += 1;
        }
    }
    (rows > 0).then_some(sheet)
}

/// Prints the notes on deductions, and the reason why one counts for less than its amount.
pub(super) fn print_notes(figure: &api::Figure) {
    let Some(of) = &figure.assessment else { return };
    for note in &of.notes {
        line(&format!("note: {}: {note}", figure.name));
    }
    for deduction in of.deductions.iter().filter(|of| !of.limit.is_empty()) {
        let (kind, id) = (&deduction.kind, &deduction.id);
        line(&format!("note: {kind} {id}: {}", deduction.limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sheet: &Sheet, format: OutputFormat) -> String {
        String::from_utf8(sheet.render(format).expect("rendered")).expect("text")
    }

    fn amount(value: &str, unit: &str) -> Option<api::Amount> {
        Some(api::Amount {
            value: value.to_owned(),
            unit: unit.to_owned(),
        })
    }

    fn figure() -> api::Figure {
        let deduction = api::Deduction {
            kind: "certificate".to_owned(),
            id: "GEC-1".to_owned(),
            used_for: "parks/p".to_owned(),
            year: 2025,
            region: "sichuan".to_owned(),
            amount: amount("1000", "MWh"),
            factor: "0.1229".to_owned(),
            claimed: amount("122.900000", "tce"),
            deducted: amount("88.000000", "tce"),
            limit: "what other regions give counts for at most 88.000000 tce".to_owned(),
            rule_source: "[C] notice".to_owned(),
            ..api::Deduction::default()
        };
        api::Figure {
            value: "0.909091".to_owned(),
            basis_of_assessment: "gross".to_owned(),
            assessment: Some(api::Assessment {
                rule_set: "assessment-2024".to_owned(),
                gross_value: "0.909091".to_owned(),
                assessed_value: "0.829091".to_owned(),
                gross: amount("1000.000000", "tce"),
                assessed: amount("912.000000", "tce"),
                deductions: vec![deduction],
                ..api::Assessment::default()
            }),
            ..api::Figure::default()
        }
    }

    #[test]
    fn json_has_both_figures_and_every_line_with_its_sources() {
        let figure = figure();
        let json = assessment_json(figure.assessment.as_ref());
        assert_eq!(json["rule_set"], "assessment-2024");
        assert_eq!(json["gross"]["value"], "0.909091");
        assert_eq!(json["assessed"]["value"], "0.829091");
        assert_eq!(json["deductions"][0]["deducted"]["value"], "88.000000");
        assert_eq!(json["deductions"][0]["rule_source"], "[C] notice");
        assert_eq!(assessment_json(None), Value::Null);
        let sheet = beside([figure].iter()).expect("a figure of two bases");
        assert_eq!(
            text(&sheet, OutputFormat::Csv),
            "\u{feff}name,gross,assessed,gross tce,assessed tce,rules\n\
             ,0.909091,0.829091,1000.000000,912.000000,assessment-2024\n"
        );
    }

    #[test]
    fn what_is_deducted_is_a_sheet_of_its_own() {
        let figures = [figure(), api::Figure::default()];
        let sheet = deductions(figures.iter()).expect("a line");
        assert_eq!(
            text(&sheet, OutputFormat::Csv),
            "\u{feff}deducted,id,used for,amount,factor,claimed tce,deducted tce,rule\n\
             certificate,GEC-1,parks/p,1000 MWh,0.1229,122.900000,88.000000,assessment-2024\n"
        );
        assert!(deductions(figures[1..].iter()).is_none());
    }

    #[test]
    fn both_bases_of_a_target_are_rows_and_one_is_judged() {
        let other = api::OtherBasis {
            basis_of_assessment: "assessed".to_owned(),
            base_value: "1".to_owned(),
            value: "0.818182".to_owned(),
            change_percent: "-18.1818".to_owned(),
            progress_percent: "115.0934".to_owned(),
            years: Vec::new(),
        };
        let judged = |other| Judged {
            indicator: "energy-intensity",
            basis: "gross",
            figures: ["1", "0.909091", "-9.0909", "54.6644"],
            other,
        };
        let sheet = both_bases([judged(Some(&other))].into_iter()).expect("two rows");
        assert_eq!(
            text(&sheet, OutputFormat::Csv),
            "\u{feff}indicator,basis,judged,base,value,change %,progress %\n\
             energy-intensity,gross,yes,1,0.909091,-9.0909,54.6644\n\
             energy-intensity,assessed,no,1,0.818182,-18.1818,115.0934\n"
        );
        assert!(both_bases([judged(None)].into_iter()).is_none());
    }

    #[test]
    fn certificates_are_listed_with_who_uses_them() {
        let of = api::Certificate {
            id: "GEC-1".to_owned(),
            mwh: "1000".to_owned(),
            generated: "2025-03".to_owned(),
            region: "sichuan".to_owned(),
            kind: "certificate".to_owned(),
            used_for: "parks/p".to_owned(),
            year: 2025,
            retired_on: "2025-12-20".to_owned(),
            ..api::Certificate::default()
        };
        let sheet = certificate_sheet(&[of]);
        assert_eq!(
            text(&sheet, OutputFormat::Csv),
            "\u{feff}id,used for,year,kind,MWh,generated,region,retired on\n\
             GEC-1,parks/p,2025,certificate,1000,2025-03,sichuan,2025-12-20\n"
        );
        let json: Value = serde_json::from_str(&text(&sheet, OutputFormat::Json))
            .expect("what was written as JSON");
        assert_eq!(json["certificates"][0]["used_for"], "parks/p");
    }
}
