//! `import`: registry and declarations from CSV, checked line by line before anything is written.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use greenpark_model::{
    amount::Amount,
    day::CivilDay,
    id::{self, ParkId},
    money::PriceBase,
    quantity::Quantity,
    reading::Kind,
};
use greenpark_proto::query::v1 as api;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    name,
    sheet::Sheet,
    wire::{Service, refusal},
};
use crate::cli::ImportArgs;

/// Most lines of one file: registries are thousands, and the check holds them all.
const LINES_MAX: usize = 100_000;
/// Statistics sent in one request, which are taken together.
const STATISTICS_MAX: usize = 5_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnterpriseLine {
    enterprise: String,
    title: String,
    industry: String,
    above_designated_size: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterLine {
    enterprise: String,
    meter: String,
    title: String,
    quantity: String,
    kind: String,
    #[serde(default)]
    interval_s: String,
    #[serde(default)]
    modulus: String,
    #[serde(default)]
    rated_per_hour: String,
    counted: String,
    valid_from: String,
    #[serde(default)]
    valid_to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticLine {
    enterprise: String,
    series: String,
    period: String,
    amount: String,
    price_base: String,
    r#final: String,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Plan {
    enterprises: Vec<api::Enterprise>,
    meters: Vec<api::Meter>,
    statistics: Vec<api::Statistic>,
}

/// Reads, checks and writes.
///
/// # Errors
/// A line is wrong (all are told, and nothing was written), or the service refuses.
pub async fn import(args: &ImportArgs) -> anyhow::Result<()> {
    let mut problems = Vec::new();
    let plan = read(args, &mut problems);
    if !problems.is_empty() {
        for problem in &problems {
            crate::gauge::line(problem);
        }
        bail!("{} lines are wrong; nothing was written", problems.len());
    }
    if plan.enterprises.is_empty() && plan.meters.is_empty() && plan.statistics.is_empty() {
        bail!("nothing to import; give --enterprises, --meters or --statistics");
    }
    let service = Service::connect(&args.client.grpc).await?;
    let counts = (
        plan.enterprises.len(),
        plan.meters.len(),
        plan.statistics.len(),
    );
    write(&service, args, plan).await?;
    let whole = json!({ "enterprises": counts.0, "meters": counts.1, "statistics": counts.2 });
    let mut sheet = Sheet::new(&["kind", "recorded"], &[1], whole);
    for (kind, count) in [
        ("enterprises", counts.0),
        ("meters", counts.1),
        ("statistics", counts.2),
    ] {
        sheet.push(vec![kind.to_owned(), count.to_string()]);
    }
    sheet.print(args.client.format)
}

fn read(args: &ImportArgs, problems: &mut Vec<String>) -> Plan {
    if let Err(error) = ParkId::new(&args.park) {
        problems.push(format!("--park: {error}"));
    }
    let park = args.park.as_str();
    Plan {
        enterprises: lines(args.enterprises.as_deref(), problems, |l| {
            enterprise(park, l)
        }),
        meters: lines(args.meters.as_deref(), problems, |l| meter(park, l)),
        statistics: lines(args.statistics.as_deref(), problems, |l| statistic(park, l)),
    }
}

/// The lines of `file`, each checked by `check`, which adds what is wrong with one.
fn lines<L: DeserializeOwned, T>(
    file: Option<&Path>,
    problems: &mut Vec<String>,
    check: impl Fn(L) -> Result<T, Vec<String>>,
) -> Vec<T> {
    let Some(file) = file else { return Vec::new() };
    let shown = file.display();
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(format!("{shown}: cannot be read: {error}"));
            return Vec::new();
        }
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text);
    let mut taken = Vec::new();
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            problems.push(format!(
                "{shown}: the header cannot be read: {error}; save it as UTF-8"
            ));
            return Vec::new();
        }
    };
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                problems.push(format!("{shown}: {error}"));
                continue;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        match record.deserialize::<L>(Some(&header)) {
            Ok(parsed) => match check(parsed) {
                Ok(entry) => taken.push(entry),
                Err(reasons) => {
                    problems.extend(reasons.into_iter().map(|r| format!("{shown}:{line}: {r}")));
                }
            },
            Err(error) => problems.push(format!("{shown}:{line}: {}", reason(&error))),
        }
        if taken.len() >= LINES_MAX {
            problems.push(format!(
                "{shown}: more than {LINES_MAX} lines; split the file"
            ));
            break;
        }
    }
    taken
}

fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

/// Collects what is wrong with the fields of a line.
#[derive(Debug, Default)]
struct Check(Vec<String>);

impl Check {
    fn that<T, E: std::fmt::Display>(&mut self, column: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.0.push(format!("{column}: {error}")))
            .ok()
    }

    fn id(&mut self, column: &str, text: &str) {
        self.that(column, id::check(text));
    }

    fn day(&mut self, column: &str, text: &str) -> Option<CivilDay> {
        self.that(column, text.parse())
    }

    fn days(&mut self, from: &str, to: &str) {
        let first = self.day("valid_from", from);
        if to.is_empty() {
            return;
        }
        let last = self.day("valid_to", to);
        if first.zip(last).is_some_and(|(first, last)| last < first) {
            self.0.push(format!("valid_to: {to} is before {from}"));
        }
    }

    fn decimal(&mut self, column: &str, text: &str) {
        if !text.is_empty() {
            self.that(column, text.parse::<Amount>());
        }
    }

    fn yes(&mut self, column: &str, text: &str) -> bool {
        match text {
            "true" | "yes" | "1" => true,
            "false" | "no" | "0" => false,
            _ => {
                self.0
                    .push(format!("{column}: '{text}' is neither true nor false"));
                false
            }
        }
    }

    fn end<T>(self, entry: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() {
            Ok(entry)
        } else {
            Err(self.0)
        }
    }
}

fn enterprise(park: &str, line: EnterpriseLine) -> Result<api::Enterprise, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.days(&line.valid_from, &line.valid_to);
    let above = check.yes("above_designated_size", &line.above_designated_size);
    check.end(api::Enterprise {
        name: name::enterprise(park, &line.enterprise),
        title: line.title,
        industry: line.industry,
        above_designated_size: above,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
        recorded_at: None,
    })
}

fn meter(park: &str, line: MeterLine) -> Result<api::Meter, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    check.id("meter", &line.meter);
    check.that("quantity", line.quantity.parse::<Quantity>());
    if Kind::from_name(&line.kind).is_none() {
        check.0.push(format!(
            "kind: '{}' is none of register, interval, event, gauge",
            line.kind
        ));
    }
    check.decimal("modulus", &line.modulus);
    check.decimal("rated_per_hour", &line.rated_per_hour);
    check.days(&line.valid_from, &line.valid_to);
    let interval_s = match line.interval_s.as_str() {
        "" => 0,
        text => check.that("interval_s", text.parse()).unwrap_or(0),
    };
    let counted = check.yes("counted", &line.counted);
    check.end(api::Meter {
        name: name::meter(park, &line.enterprise, &line.meter),
        title: line.title,
        quantity: line.quantity,
        kind: line.kind,
        interval_s,
        modulus: line.modulus,
        rated_per_hour: line.rated_per_hour,
        counted,
        valid_from: line.valid_from,
        valid_to: line.valid_to,
        latest: None,
        recorded_at: None,
    })
}

fn statistic(park: &str, line: StatisticLine) -> Result<api::Statistic, Vec<String>> {
    let mut check = Check::default();
    check.id("enterprise", &line.enterprise);
    if !matches!(line.series.as_str(), "value_added" | "gross_output") {
        check.0.push(format!(
            "series: '{}' is neither value_added nor gross_output",
            line.series
        ));
    }
    let period = check.that("period", declared(&line.period));
    check.that("amount", line.amount.parse::<Amount>());
    check.that("price_base", line.price_base.parse::<PriceBase>());
    let last = check.yes("final", &line.r#final);
    check.end(api::Statistic {
        enterprise: name::enterprise(park, &line.enterprise),
        series: line.series,
        period,
        amount: line.amount,
        price_base: line.price_base,
        r#final: last,
        recorded_at: None,
    })
}

/// Statistics are declared for calendar periods.
fn declared(text: &str) -> anyhow::Result<api::Period> {
    use api::period::Period;
    match name::period(text) {
        Ok(api::Period {
            period: Some(Period::Year(_) | Period::Quarter(_) | Period::Month(_)),
        }) => name::period(text),
        _ => bail!("'{text}' is no calendar period; write 2025, 2025-Q4 or 2025-11"),
    }
}

async fn write(service: &Service, args: &ImportArgs, plan: Plan) -> anyhow::Result<()> {
    let (by, evidence) = (&args.recorded_by, &args.evidence);
    let mut registry = service.registry();
    for (done, enterprise) in plan.enterprises.into_iter().enumerate() {
        let request = api::RegisterEnterpriseRequest {
            enterprise: Some(enterprise),
            recorded_by: by.clone(),
            evidence: evidence.clone(),
        };
        let answer = registry.register_enterprise(request).await.map_err(refusal);
        answer
            .with_context(|| format!("{done} enterprises were recorded, then one was refused"))?;
    }
    for (done, meter) in plan.meters.into_iter().enumerate() {
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

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
        assert_eq!((line(3), line(5)), (7, 1), "{problems:#?}");
        assert_eq!(problems.len(), 9, "{problems:#?}");
    }

    #[test]
    fn a_header_in_another_encoding_is_told() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(b"enterprise,\xc6\xf3\xd2\xb5\nsteel,x\n")
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
        let statistics = lines(Some(file.path()), &mut problems, |l| statistic("p", l));
        assert_eq!(statistics[0].amount, "12345.67");
        assert_eq!(problems.len(), 4, "{problems:#?}");
    }
}
