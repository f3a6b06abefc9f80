//! `dead-letters`: lists, shows and exports the payloads that ingest refused.

mod output;

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use greenpark_console::{
    output::{OutputFormat, line},
    sheet::BYTE_ORDER_MARK,
};
use greenpark_model::day::{CivilDay, Instant};
use greenpark_proto::query::v1 as api;
use tonic::Streaming;

use self::output::{counts_sheet, letter_sheet, list_sheet};
use crate::{
    connection::{ClientArgs, QueryConnection, refusal},
    question::timestamp,
};

/// Which dead letters.
#[derive(Debug, Clone, Args)]
pub struct LetterFilterArgs {
    /// parks/-, parks/P or parks/P/enterprises/E; parks/_unknown has those whose topic does not say whose they are.
    #[arg(default_value = "parks/-")]
    pub name: String,
    /// Those of one gateway.
    #[arg(
        long,
        value_name = "GATEWAY",
        default_value = "",
        hide_default_value = true
    )]
    pub gateway: String,
    /// Those of a reason, such as unknown-unit; several may be given.
    #[arg(long, value_name = "REASON")]
    pub reason: Vec<String>,
    /// Those that came from a day or an instant on.
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Those that came until the end of a day, or before an instant.
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// Those that were not sent again.
    #[arg(long)]
    pub unreplayed: bool,
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Which.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// How many there are by enterprise and reason, instead of each.
    #[arg(long)]
    pub count: bool,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `dead-letters show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// parks/P/enterprises/E/deadLetters/0-17, as `list` names it.
    pub letter: String,
    /// Where to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Arguments of `dead-letters export`.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which.
    #[command(flatten)]
    pub filter: LetterFilterArgs,
    /// The file: .csv is CSV, any other name JSON lines [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Where to; without --output, --format csv is CSV and the others JSON lines.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Dead letters of one page.
const PAGE: u32 = 1_000;

/// Lists or counts dead letters.
///
/// # Errors
/// The service refuses or does not answer; a time cannot be read.
pub async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let filter = filter(&args.filter)?;
    let service = QueryConnection::open(&args.client).await?;
    if args.count {
        let request = api::CountDeadLettersRequest {
            filter: Some(filter),
        };
        let answer = service.dead_letters().count_dead_letters(request).await;
        let answer = answer.map_err(refusal)?.into_inner();
        for note in &answer.notes {
            line(&format!("note: {note}"));
        }
        return counts_sheet(&answer).print(args.client.format);
    }
    let mut letters: Vec<api::DeadLetterEntry> = Vec::new();
    let mut page_token = String::new();
    loop {
        let left = args
            .limit
            .saturating_sub(u32::try_from(letters.len()).unwrap_or(u32::MAX));
        let request = api::ListDeadLettersRequest {
            filter: Some(filter.clone()),
            page_size: i32::try_from(left.min(PAGE)).unwrap_or(i32::MAX),
            page_token,
        };
        let answer = service.dead_letters().list_dead_letters(request).await;
        let answer = answer.map_err(refusal)?.into_inner();
        letters.extend(answer.letters);
        page_token = answer.next_page_token;
        if page_token.is_empty() || letters.len() >= args.limit as usize {
            break;
        }
    }
    list_sheet(&letters, args.client.format).print(args.client.format)?;
    if !page_token.is_empty() {
        line("there are more; ask with --limit, or count them with --count");
    }
    Ok(())
}

/// Shows one dead letter.
///
/// # Errors
/// There is no such letter, or the service does not answer.
pub async fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = api::GetDeadLetterRequest {
        name: args.letter.clone(),
    };
    let answer = service.dead_letters().get_dead_letter(request).await;
    let letter = answer.map_err(refusal)?.into_inner();
    letter_sheet(&letter).print(args.client.format)
}

/// Writes dead letters with their payloads.
///
/// # Errors
/// The service refuses or does not answer, or the file cannot be written.
pub async fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let mut letters = stream(&service, filter(&args.filter)?).await?;
    let ends_in_csv = |path: &Path| path.extension().is_some_and(|end| end == "csv");
    if args.output.is_none() && args.client.format == OutputFormat::Xlsx {
        bail!("--format xlsx: letters are written as CSV or JSON lines; a list can be a workbook");
    }
    let as_csv = match &args.output {
        Some(path) => ends_in_csv(path),
        None => args.client.format == OutputFormat::Csv,
    };
    let mut out: Box<dyn Write + Send> = match &args.output {
        Some(path) => {
            let file = File::create(path);
            Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => Box::new(std::io::stdout()),
    };
    let mut count = 0_u64;
    if as_csv {
        // A Chinese Excel recognizes UTF-8 by this mark.
        out.write_all(BYTE_ORDER_MARK.as_bytes())?;
        let mut writer = csv::Writer::from_writer(&mut out);
        writer.write_record(output::COLUMNS)?;
        while let Some(letter) = letters.message().await.map_err(refusal)? {
            writer.write_record(output::cells(&letter))?;
            count += 1;
        }
        writer.flush()?;
    } else {
        while let Some(letter) = letters.message().await.map_err(refusal)? {
            writeln!(out, "{}", output::letter_json(&letter))?;
            count += 1;
        }
    }
    out.flush()?;
    line(&format!("{count} dead letter(s) written"));
    Ok(())
}

/// Streams dead letters with their payloads.
///
/// # Errors
/// The service refuses or does not answer.
pub async fn stream(
    service: &QueryConnection,
    filter: api::DeadLetterFilter,
) -> anyhow::Result<Streaming<api::DeadLetterEntry>> {
    let request = api::StreamDeadLettersRequest {
        filter: Some(filter),
    };
    let answer = service.dead_letters().stream_dead_letters(request).await;
    Ok(answer.map_err(refusal)?.into_inner())
}

/// Converts the arguments into a filter.
///
/// # Errors
/// A time cannot be read.
pub fn filter(args: &LetterFilterArgs) -> anyhow::Result<api::DeadLetterFilter> {
    let when = |option: &str, text: Option<&str>, edge: fn(CivilDay) -> Instant| {
        let Some(text) = text else { return Ok(None) };
        let instant = match text.parse::<CivilDay>() {
            Ok(day) => edge(day),
            Err(_) => text.parse::<Instant>().with_context(|| {
                format!("{option} {text}: write a day, or an instant as 2026-03-31T18:00:00+08:00")
            })?,
        };
        anyhow::Ok(Some(timestamp(instant)))
    };
    Ok(api::DeadLetterFilter {
        parent: args.name.clone(),
        gateway: args.gateway.clone(),
        reasons: args.reason.clone(),
        from: when("--from", args.from.as_deref(), CivilDay::start)?,
        to: when("--to", args.to.as_deref(), CivilDay::end)?,
        unreplayed: args.unreplayed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_asked_whole_and_a_time_that_is_none_is_named() {
        let args = |from: &str| LetterFilterArgs {
            name: "parks/-".to_owned(),
            gateway: String::new(),
            reason: Vec::new(),
            from: Some(from.to_owned()),
            to: Some("2026-03-31".to_owned()),
            unreplayed: false,
        };
        let day = filter(&args("2026-03-31")).expect("a day");
        let seconds = |at: Option<prost_types::Timestamp>| at.expect("a time").seconds;
        assert_eq!(seconds(day.to) - seconds(day.from), 86_400);
        let error = filter(&args("March")).expect_err("no time").to_string();
        assert!(error.contains("--from March"), "{error}");
    }
}
