//! `import`: registry and declarations from CSV and workbooks, checked line by line before anything is written.

mod args;
mod assessment;
mod cells;
mod lines;
mod statement;
mod table_file;

use std::path::Path;

use anyhow::{Context, bail};
use csv::StringRecord;
use greenpark_console::{output::line, sheet::Sheet};
use greenpark_model::id::ParkId;
use greenpark_proto::query::v1::{self as api, registry_client::RegistryClient};
use lines::{
    calorific_value, change, correction, deflator, enterprise, indicator, meter, statistic,
};
use serde::de::DeserializeOwned;
use serde_json::json;
use statement::Statements;

use crate::connection::{AuthenticatedChannel, QueryConnection, refusal};

pub use self::args::ImportArgs;

/// Lines of one file, at most: a registry has thousands, and the check holds them all in memory.
const LINES_MAX: usize = 100_000;
/// Statistics of one request, which are recorded atomically.
const STATISTICS_MAX: usize = 5_000;

/// Parses the name of a declared series and returns true if it is declared at prices; the error says how names are
/// written. The registry of the query service defines the names, which this crate does not see.
pub type ParseSeries = fn(&str) -> Result<bool, String>;

/// The entries to write.
#[derive(Debug, Default)]
struct Plan {
    enterprises: Vec<api::Enterprise>,
    meters: Vec<api::Meter>,
    changes: Vec<api::MeterChange>,
    statistics: Vec<api::Statistic>,
    calorific_values: Vec<api::CalorificValue>,
    deflators: Vec<api::Deflator>,
    corrections: Vec<api::Correction>,
    indicators: Vec<api::DeclaredValue>,
    certificates: Vec<api::Certificate>,
    assessment_bases: Vec<api::AssessmentBasis>,
    statements: Statements,
}

/// Reads, checks and imports the files.
///
/// # Errors
/// A line is wrong (all are reported, and nothing was written), or the service refuses.
pub async fn import(args: &ImportArgs, series: ParseSeries) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let plan = read(args, series, &mut problems);
    if !problems.is_empty() {
        for problem in &problems {
            line(problem);
        }
        bail!("{} lines are wrong; nothing was written", problems.len());
    }
    let counts = [
        ("withdrawals", plan.statements.withdrawals.len()),
        ("enterprises", plan.enterprises.len()),
        ("meters", plan.meters.len()),
        ("meter_changes", plan.changes.len()),
        ("statistics", plan.statistics.len()),
        ("calorific_values", plan.calorific_values.len()),
        ("deflators", plan.deflators.len()),
        ("corrections", plan.corrections.len()),
        ("indicators", plan.indicators.len()),
        ("certificates", plan.certificates.len()),
        ("assessment_bases", plan.assessment_bases.len()),
        ("sides", plan.statements.sides.len()),
    ];
    if counts.iter().all(|(_, count)| *count == 0) {
        bail!("nothing to import; give a file, such as --enterprises FILE.csv");
    }
    let service = QueryConnection::open(&args.client).await?;
    write(&service, args, plan).await?;
    let whole = counts
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), json!(count)));
    let whole = serde_json::Value::Object(whole.collect());
    let mut sheet = Sheet::new(&["kind", "recorded"], &[1], whole);
    for (kind, count) in counts {
        sheet.push(vec![kind.to_owned(), count.to_string()]);
    }
    sheet.print(args.client.format)
}

fn read(args: &ImportArgs, series: ParseSeries, problems: &mut Vec<String>) -> Plan {
    if let Err(error) = ParkId::new(&args.park) {
        problems.push(format!("--park: {error}"));
    }
    let park = args.park.as_str();
    let plan = Plan {
        enterprises: lines(args.enterprises.as_deref(), problems, |l| {
            enterprise(park, l)
        }),
        meters: lines(args.meters.as_deref(), problems, |l| meter(park, l)),
        changes: lines(args.meter_changes.as_deref(), problems, |l| change(park, l)),
        statistics: lines(args.statistics.as_deref(), problems, |l| {
            statistic(park, l, series)
        }),
        calorific_values: lines(args.calorific_values.as_deref(), problems, |l| {
            calorific_value(park, l)
        }),
        deflators: lines(args.deflators.as_deref(), problems, deflator),
        corrections: lines(args.corrections.as_deref(), problems, |l| {
            correction(park, l)
        }),
        indicators: lines(args.indicators.as_deref(), problems, indicator),
        certificates: lines(args.ledger.certificates.as_deref(), problems, |l| {
            assessment::certificate(park, l)
        }),
        assessment_bases: lines(
            args.ledger.assessment_bases.as_deref(),
            problems,
            assessment::basis,
        ),
        statements: Statements {
            sides: lines(args.statements.sides.as_deref(), problems, |l| {
                statement::side(park, l)
            }),
            withdrawals: lines(args.statements.withdrawals.as_deref(), problems, |l| {
                statement::withdrawal(park, l, series)
            }),
        },
    };
    let enterprises = plan.enterprises.iter();
    let enterprises = enterprises.map(|e| (e.name.clone(), &e.valid_from, &e.valid_to));
    overlaps("--enterprises", enterprises, problems);
    let meters = plan.meters.iter();
    let meters = meters.map(|m| {
        let key = format!("{} {}", m.name, m.quantity);
        (key, &m.valid_from, &m.valid_to)
    });
    overlaps("--meters", meters, problems);
    let sides = plan.statements.sides.iter();
    let sides = sides.map(|s| {
        let key = format!("{} {}", s.enterprise, s.medium);
        (key, &s.valid_from, &s.valid_to)
    });
    overlaps("--sides", sides, problems);
    plan
}

/// Reports lines of one thing that are valid on the same day, because they contradict each other. To replace an entry,
/// import the new one after it.
fn overlaps<'a>(
    file: &str,
    entries: impl Iterator<Item = (String, &'a String, &'a String)>,
    problems: &mut Vec<String>,
) {
    let mut all: Vec<(String, &str, &str)> = entries
        .map(|(key, from, to)| (key, from.as_str(), if to.is_empty() { "9999" } else { to }))
        .collect();
    // Days sort as their texts do.
    all.sort();
    for pair in all.windows(2) {
        let [(one, _, last), (other, first, _)] = pair else {
            continue;
        };
        if one == other && first <= last {
            problems.push(format!(
                "{file}: two lines of {one} hold on {first}; end the earlier one the day before"
            ));
        }
    }
}

/// Reads the lines of `file` and converts each by `check`; wrong lines are added to the problems.
fn lines<L: DeserializeOwned, T>(
    file: Option<&Path>,
    problems: &mut Vec<String>,
    check: impl Fn(L) -> Result<T, Vec<String>>,
) -> Vec<T> {
    let Some(file) = file else { return Vec::new() };
    let display = file.display();
    let table = match table_file::read(file) {
        Ok(table) => table,
        Err(why) => {
            problems.push(format!("{display}: {why}"));
            return Vec::new();
        }
    };
    if table.rows.len() > LINES_MAX {
        problems.push(format!(
            "{display}: more than {LINES_MAX} lines; split the file"
        ));
        return Vec::new();
    }
    let mut entries = Vec::with_capacity(table.rows.len());
    for row in table.rows {
        let line = row.line;
        match row.cells.map_err(|why| vec![why]).and_then(|cells| {
            let cells = canonical(&table.header, &cells)?;
            let parsed = cells.deserialize::<L>(Some(&table.header));
            check(parsed.map_err(|error| vec![reason(&error)])?)
        }) {
            Ok(entry) => entries.push(entry),
            Err(reasons) => {
                problems.extend(
                    reasons
                        .into_iter()
                        .map(|r| format!("{display}:{line}: {r}")),
                );
            }
        }
    }
    entries
}

/// Normalizes the cells of a row, or returns the reason for each cell that has no normal form.
fn canonical(header: &StringRecord, cells: &StringRecord) -> Result<StringRecord, Vec<String>> {
    let mut record = StringRecord::new();
    let mut reasons = Vec::new();
    for (column, text) in header.iter().zip(cells) {
        match cells::canonical(column, text) {
            Ok(text) => record.push_field(&text),
            Err(why) => reasons.push(format!("{column}: {why}")),
        }
    }
    if reasons.is_empty() {
        Ok(record)
    } else {
        Err(reasons)
    }
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

/// Registers enterprises, meters and changes of meters.
async fn register(
    registry: &mut RegistryClient<AuthenticatedChannel>,
    args: &ImportArgs,
    plan: &Plan,
) -> anyhow::Result<()> {
    let (by, evidence) = (&args.recorded_by, &args.evidence);
    for (done, enterprise) in plan.enterprises.iter().cloned().enumerate() {
        let request = api::RegisterEnterpriseRequest {
            enterprise: Some(enterprise),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.register_enterprise(request).await.map_err(refusal);
        answer
            .with_context(|| format!("{done} enterprises were recorded, then one was refused"))?;
    }
    for (done, meter) in plan.meters.iter().cloned().enumerate() {
        let request = api::RegisterMeterRequest {
            meter: Some(meter),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.register_meter(request).await.map_err(refusal);
        answer.with_context(|| {
            format!("all enterprises and {done} meters were recorded, then one was refused")
        })?;
    }
    // A change without a multiplier keeps the previous one.
    let mut changes = plan.changes.clone();
    changes.sort_by_key(|change| change.at.map(|at| (at.seconds, at.nanos)));
    for (done, change) in changes.into_iter().enumerate() {
        let request = api::RecordMeterChangeRequest {
            change: Some(change),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.record_meter_change(request).await.map_err(refusal);
        answer.with_context(|| {
            format!("all meters and {done} of their changes were recorded, then one was refused")
        })?;
    }
    Ok(())
}

async fn write(service: &QueryConnection, args: &ImportArgs, plan: Plan) -> anyhow::Result<()> {
    let (by, evidence) = (&args.recorded_by, &args.evidence);
    let mut registry = service.registry();
    statement::withdraw(&mut registry, args, &plan.statements.withdrawals).await?;
    register(&mut registry, args, &plan).await?;
    statement::declare(&mut registry, args, &plan.statements.sides).await?;
    for (page, statistics) in plan.statistics.chunks(STATISTICS_MAX).enumerate() {
        let request = api::DeclareStatisticsRequest {
            parent: format!("parks/{}", args.park),
            statistics: statistics.to_vec(),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let done = page * STATISTICS_MAX;
        let answer = registry.declare_statistics(request).await.map_err(refusal);
        answer.with_context(|| {
            format!("the registry and {done} statistics were recorded, then some were refused")
        })?;
    }
    rates(
        &service.registry(),
        args,
        plan.calorific_values,
        plan.deflators,
    )
    .await?;
    for (done, correction) in plan.corrections.into_iter().enumerate() {
        let request = api::RecordCorrectionRequest {
            correction: Some(correction),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.record_correction(request).await.map_err(refusal);
        answer.with_context(|| {
            format!(
                "all but the indicators and {done} corrections were recorded, then one was refused"
            )
        })?;
    }
    if !plan.indicators.is_empty() {
        let request = api::DeclareIndicatorsRequest {
            parent: format!("parks/{}", args.park),
            values: plan.indicators,
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.declare_indicators(request).await.map_err(refusal);
        answer.context("all but the certificates was recorded, the indicators were not")?;
    }
    let registry = service.registry();
    assessment::declare(registry, args, &plan.certificates, plan.assessment_bases).await
}

/// Declares the conversion factors: calorific values and deflators.
async fn rates(
    registry: &RegistryClient<AuthenticatedChannel>,
    args: &ImportArgs,
    values: Vec<api::CalorificValue>,
    deflators: Vec<api::Deflator>,
) -> anyhow::Result<()> {
    let parent = format!("parks/{}", args.park);
    let mut registry = registry.clone();
    if !values.is_empty() {
        let request = api::DeclareCalorificValuesRequest {
            parent: parent.clone(),
            values,
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let answer = registry.declare_calorific_values(request).await;
        let recorded =
            "the registry and the statistics were recorded, the calorific values were not";
        answer.map_err(refusal).context(recorded)?;
    }
    if !deflators.is_empty() {
        let request = api::DeclareDeflatorsRequest {
            parent,
            deflators,
            recorded_by: args.recorded_by.clone(),
            evidence: args.evidence.clone(),
        };
        let answer = registry.declare_deflators(request).await;
        let recorded =
            "the registry, statistics and calorific values were recorded, the deflators were not";
        answer.map_err(refusal).context(recorded)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn series(name: &str) -> Result<bool, String> {
        match name {
            "value_added" => Ok(true),
            other => Err(format!("'{other}' is no series")),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room on the disk");
        file
    }

    #[test]
    fn every_bad_line_is_told_with_its_number() {
        let file = file(
            "enterprise,meter,title,quantity,kind,interval_s,modulus,rated_per_hour,counted,valid_from,valid_to\n\
             steel,e-1,进线,electricity,register,3600,1000000,60000,true,2020-01-01,\n\
             steel,e/2,,electrcity,counter,often,1e6x,,maybe,2020-13-01,\n\
             steel,e-3,,electricity\n\
             steel,w-1,,fresh_water,register,,,,yes,2020-01-01,2019-01-01\n",
        );
        let mut problems = Vec::new();
        let meters = lines(Some(file.path()), &mut problems, |l| meter("p", l));
        assert_eq!(meters.len(), 1);
        assert_eq!(meters[0].name, "parks/p/enterprises/steel/meters/e-1");
        let line = |n: u32| {
            problems
                .iter()
                .filter(|p| p.contains(&format!(":{n}: ")))
                .count()
        };
        // A spreadsheet leaves empty cells at a row's end out, so a short row lacks just what must be there.
        assert_eq!((line(3), line(4), line(5)), (7, 3, 1), "{problems:#?}");
        assert_eq!(problems.len(), 11, "{problems:#?}");
    }

    #[test]
    fn a_file_as_excel_saves_it_is_imported() {
        let text = "enterprise;series;period;amount;price_base;final\r\n\
                    steel;value_added;2025年11月;1,204.50;constant-2020;TRUE\r\n\
                    steel;value_added;2025/12;1204,5;constant-2020;是\r\n";
        let (gbk, ..) = encoding_rs::GBK.encode(text);
        let mut saved = tempfile::NamedTempFile::new().expect("a temporary file");
        saved.write_all(&gbk).expect("room on the disk");
        let mut problems = Vec::new();
        let statistics = lines(Some(saved.path()), &mut problems, |l| {
            statistic("p", l, series)
        });
        assert_eq!(statistics.len(), 1, "{problems:#?}");
        assert_eq!(statistics[0].amount, "1204.50");
        assert!(statistics[0].r#final);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(
            problems[0].contains(":3: amount: '1204,5'"),
            "{problems:#?}"
        );
    }

    #[test]
    fn two_lines_of_one_thing_may_not_hold_on_the_same_day() {
        let overlapping = |entries: &[(&str, &str, &str)]| {
            let texts: Vec<(String, String, String)> = entries
                .iter()
                .map(|(key, from, to)| ((*key).to_owned(), (*from).to_owned(), (*to).to_owned()))
                .collect();
            let mut problems = Vec::new();
            let entries = texts.iter().map(|(key, from, to)| (key.clone(), from, to));
            overlaps("--meters", entries, &mut problems);
            problems
        };
        let apart = [("m", "2021-01-01", ""), ("m", "2020-01-01", "2020-12-31")];
        assert!(overlapping(&apart).is_empty());
        let both = [
            ("m", "2020-06-01", ""),
            ("m", "2020-01-01", "2020-06-01"),
            ("n", "2020-01-01", ""),
        ];
        let problems = overlapping(&both);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].contains("of m hold on 2020-06-01"),
            "{problems:?}"
        );
    }

    #[test]
    fn a_header_in_another_encoding_is_told() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(b"enterprise,\xff\xd2\xb5\nsteel,x\n")
            .expect("room");
        let mut problems = Vec::new();
        assert!(lines(Some(file.path()), &mut problems, |l| meter("p", l)).is_empty());
        assert!(
            problems.len() == 1 && problems[0].contains("UTF-8"),
            "{problems:?}"
        );
    }

    #[test]
    fn statistics_are_read_exactly() {
        let file = file(
            "enterprise,series,period,amount,price_base,final\n\
             steel,value_added,2025-Q1,12345.67,constant-2020,true\n\
             steel,profit,2025-Q9x,,nominal,false\n",
        );
        let mut problems = Vec::new();
        let statistics = lines(Some(file.path()), &mut problems, |l| {
            statistic("p", l, series)
        });
        assert_eq!(statistics[0].amount, "12345.67");
        assert_eq!(problems.len(), 4, "{problems:#?}");
    }
}
