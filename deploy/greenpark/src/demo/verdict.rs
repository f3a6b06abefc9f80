//! The verdict: the park's progress towards each target of its plan, as the service reports it.

use std::{collections::BTreeSet, fmt::Write};

use greenpark_client::{
    answer_parts::{indicator, requirement, verdict},
    connection::{QueryConnection, refusal},
};
use greenpark_console::{
    output::thousands,
    sheet::{Color, Sheet, tint},
};
use greenpark_gateway::demo::{history::Loaded, park::PARK};
use greenpark_proto::query::v1::{self as api, Verdict};

use super::Disk;

/// Requests the progress against the default plan, for its last year.
pub(super) async fn request(service: &QueryConnection) -> anyhow::Result<api::Progress> {
    let request = api::GetProgressRequest {
        name: format!("parks/{PARK}"),
        ..api::GetProgressRequest::default()
    };
    Ok(service
        .indicators()
        .get_progress(request)
        .await
        .map_err(refusal)?
        .into_inner())
}

/// Formats the verdict for people.
pub(super) fn draw(progress: &api::Progress, loaded: &Loaded, disk: &Disk) -> String {
    let mut text = String::new();
    let plan = progress.plan.clone().unwrap_or_default();
    let base = format!("{}", plan.base_year);
    let judged = format!("{}", progress.year);
    let title = format!("{} against {} ({})", progress.name, plan.id, plan.title);
    let _ = writeln!(text, "\n{}", tint(&title, Color::Bold));
    let header = [
        "indicator",
        "unit",
        &base,
        &judged,
        "change",
        "target",
        "progress",
        "verdict",
    ];
    let mut sheet = Sheet::new(&header, &[2, 3, 4, 5, 6], serde_json::Value::Null);
    for target in &progress.targets {
        sheet.push(row(target));
    }
    let _ = writeln!(text, "{}", tinted(&sheet.table()));
    let _ = writeln!(text, "{}", trajectory(&progress.targets));
    for target in &progress.targets {
        for note in &target.notes {
            let _ = writeln!(text, "  {}", tint(&format!("note: {note}"), Color::Dim));
        }
    }
    let _ = write!(text, "\n{}", summary(loaded, disk));
    text
}

fn row(target: &api::TargetProgress) -> Vec<String> {
    let figure = |figure: &Option<api::Figure>| {
        figure
            .as_ref()
            .map_or("–".to_owned(), |f| rounded(&f.value, 4))
    };
    let percent = |text: &str| {
        if text.is_empty() {
            "–".to_owned()
        } else {
            format!("{} %", rounded(text, 2))
        }
    };
    vec![
        indicator(target).to_owned(),
        target
            .current
            .as_ref()
            .map_or(String::new(), |f| f.unit.clone()),
        figure(&target.base),
        figure(&target.current),
        signed(&percent(&target.change_percent)),
        target_asked(target),
        percent(&target.progress_percent),
        format!("{} {}", sign(target.verdict()), verdict(target.verdict())),
    ]
}

fn target_asked(target: &api::TargetProgress) -> String {
    let requirement = requirement(target);
    match target.target.as_ref().map(|t| t.percent.as_str()) {
        None | Some("") => requirement,
        Some(_) => signed(&format!("{} %", requirement.replace(">=", "≥"))),
    }
}

fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Met | Verdict::OnSchedule => '✓',
        Verdict::Missed | Verdict::Behind => '✗',
        Verdict::Unknown | Verdict::Unspecified => '?',
    }
}

/// Colors the verdicts after the table has been laid out, so that codes do not count as width.
fn tinted(table: &str) -> String {
    let words = [
        (Verdict::Met, Color::Green),
        (Verdict::OnSchedule, Color::Green),
        (Verdict::Missed, Color::Red),
        (Verdict::Behind, Color::Red),
        (Verdict::Unknown, Color::Yellow),
    ];
    words
        .into_iter()
        .fold(table.to_owned(), |table, (word, color)| {
            let cell = format!("{} {}", sign(word), verdict(word));
            table.replace(&cell, &tint(&cell, color))
        })
}

/// Formats the years of every target: figure, change since the base year, and the change that the plan requires by then.
fn trajectory(targets: &[api::TargetProgress]) -> String {
    let years: BTreeSet<i32> = targets
        .iter()
        .flat_map(|t| &t.years)
        .map(|p| p.year)
        .collect();
    let names: Vec<String> = years.iter().map(i32::to_string).collect();
    let mut header = vec!["by year"];
    header.extend(names.iter().map(String::as_str));
    let numeric: Vec<usize> = (1..header.len()).collect();
    let mut sheet = Sheet::new(&header, &numeric, serde_json::Value::Null);
    for target in targets {
        let falls = target
            .years
            .iter()
            .any(|point| !point.change_percent.is_empty());
        let label = if falls { "\n  change %\n  asked %" } else { "" };
        let mut row = vec![format!("{}{label}", indicator(target))];
        row.extend(years.iter().map(|year| {
            let point = target.years.iter().find(|point| point.year == *year);
            point.map_or(String::new(), year_cell)
        }));
        sheet.push(row);
    }
    sheet.table()
}

fn year_cell(point: &api::YearPoint) -> String {
    let mut cell = if point.value.is_empty() {
        "–".to_owned()
    } else {
        rounded(&point.value, 4)
    };
    if !point.change_percent.is_empty() {
        let requirement = &point.scheduled_percent;
        let changes = format!(
            "\n{}\n{}",
            rounded(&point.change_percent, 2),
            rounded(requirement, 2)
        );
        cell.push_str(&signed(&changes));
    }
    cell
}

fn summary(loaded: &Loaded, disk: &Disk) -> String {
    let mebibytes = disk.bytes as f64 / f64::from(1 << 20);
    let files = format!(
        "{} Parquet files, {mebibytes:.1} MiB",
        thousands(disk.files)
    );
    if loaded.readings == 0 {
        return format!("  nothing was missing since the last run; {files}\n");
    }
    let seconds = loaded.took.as_secs_f64();
    let rate = thousands((loaded.readings as f64 / seconds.max(1e-9)) as u64);
    let sent = thousands(loaded.readings);
    format!("  {sent} readings over MQTT in {seconds:.1} s, {rate} a second; {files}\n")
}

/// Rounds decimal text half up to at most `places` decimals.
fn rounded(text: &str, places: usize) -> String {
    let Some((_, fraction)) = text.split_once('.') else {
        return text.to_owned();
    };
    if fraction.len() <= places {
        return text.to_owned();
    }
    let Ok(micro) = text
        .parse::<greenpark_model::amount::Amount>()
        .map(|a| i128::from(a.micro()))
    else {
        return text.to_owned();
    };
    let unit = 10i128.pow(6u32.saturating_sub(u32::try_from(places).unwrap_or(6)));
    let half = if micro < 0 { -unit / 2 } else { unit / 2 };
    let whole = (micro + half) / unit * unit;
    let decimal = greenpark_model::amount::Sum(whole).to_string();
    match decimal.split_once('.') {
        Some((units, fraction)) => format!("{units}.{fraction:0<places$}"),
        None => format!("{decimal}.{:0<places$}", ""),
    }
}

/// Replaces the hyphen by a typographic minus.
fn signed(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn decimals_are_rounded_in_their_digits() {
        let texts = ["0.418449", "-16.4355", "12", "-0.00004", "3.5"].map(|text| rounded(text, 2));
        assert_eq!(texts, ["0.42", "-16.44", "12", "0.00", "3.5"]);
    }

    fn energy() -> api::TargetProgress {
        let figure = |value: &str| {
            let (value, unit) = (value.to_owned(), "tce/10k-yuan".to_owned());
            Some(api::Figure {
                value,
                unit,
                ..api::Figure::default()
            })
        };
        api::TargetProgress {
            target: Some(api::Target {
                indicator: "energy-intensity".into(),
                form: "fall".into(),
                percent: "16".into(),
            }),
            base: figure("0.418449"),
            current: figure("0.349653"),
            change_percent: "-16.4409".into(),
            progress_percent: "103.0214".into(),
            verdict: Verdict::Met.into(),
            years: vec![api::YearPoint {
                year: 2021,
                value: "0.406112".into(),
                change_percent: "-2.9483".into(),
                scheduled_percent: "-3.4270".into(),
                status: 3,
                ..api::YearPoint::default()
            }],
            ..api::TargetProgress::default()
        }
    }

    #[test]
    fn the_verdict_names_targets_years_and_readings() {
        let plan = api::Plan {
            id: "chongqing-parks-14fyp".into(),
            base_year: 2020,
            ..api::Plan::default()
        };
        let progress = api::Progress {
            name: "parks/demo".into(),
            plan: Some(plan),
            year: 2025,
            targets: vec![energy()],
            as_of: None,
        };
        let loaded = Loaded {
            readings: 4_800_000,
            took: Duration::from_secs(10),
            until: 0,
        };
        let text = draw(
            &progress,
            &loaded,
            &Disk {
                files: 37_000,
                bytes: 10 << 20,
            },
        );
        for part in [
            "2020",
            "2025",
            "0.4184",
            "0.3497",
            "−16.44 %",
            "−16 %",
            "103.02 %",
            "✓ met",
            "2021",
            "0.4061",
            "−2.95",
            "−3.43",
            "asked %",
            "4,800,000 readings over MQTT in 10.0 s, 480,000 a second; 37,000 Parquet files, 10.0 MiB",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
