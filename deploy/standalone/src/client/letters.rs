//! `dead-letters`: what gateways sent and was not accepted, for people.

mod replay;
mod told;

use std::{fs::File, io::Write, path::Path};

use anyhow::{Context, bail};
use greenpark_model::day::{CivilDay, Instant};
use greenpark_proto::query::v1 as api;
use tonic::Streaming;

pub use self::replay::replay;
use self::told::{counts_sheet, letter_sheet, list_sheet};
use super::{
    question::timestamp,
    sheet::BYTE_ORDER_MARK,
    wire::{Service, refusal},
};
use crate::{
    cli::{
        Format,
        letters::{ExportArgs, LetterFilterArgs, ListArgs, ShowArgs},
    },
    gauge::line,
};

/// Letters that one page is asked for.
const PAGE: u32 = 1_000;

/// Lists or counts dead letters.
///
/// # Errors
/// The service refuses or does not answer; a time cannot be read.
pub async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let filter = filter(&args.filter)?;
    let service = Service::connect(&args.client.grpc).await?;
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
    let service = Service::connect(&args.client.grpc).await?;
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
    let service = Service::connect(&args.client.grpc).await?;
    let mut letters = stream(&service, filter(&args.filter)?).await?;
    let ends_in_csv = |path: &Path| path.extension().is_some_and(|end| end == "csv");
    if args.output.is_none() && args.client.format == Format::Xlsx {
        bail!("--format xlsx: letters are written as CSV or JSON lines; a list can be a workbook");
    }
    let as_csv = match &args.output {
        Some(path) => ends_in_csv(path),
        None => args.client.format == Format::Csv,
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
        // By which a Chinese Excel knows that it is UTF-8.
        out.write_all(BYTE_ORDER_MARK.as_bytes())?;
        let mut writer = csv::Writer::from_writer(&mut out);
        writer.write_record(told::COLUMNS)?;
        while let Some(letter) = letters.message().await.map_err(refusal)? {
            writer.write_record(told::cells(&letter))?;
            count += 1;
        }
        writer.flush()?;
    } else {
        while let Some(letter) = letters.message().await.map_err(refusal)? {
            writeln!(out, "{}", told::letter_json(&letter))?;
            count += 1;
        }
    }
    out.flush()?;
    line(&format!("{count} dead letter(s) written"));
    Ok(())
}

/// Dead letters with their payloads, as they come.
async fn stream(
    service: &Service,
    filter: api::DeadLetterFilter,
) -> anyhow::Result<Streaming<api::DeadLetterEntry>> {
    let request = api::StreamDeadLettersRequest {
        filter: Some(filter),
    };
    let answer = service.dead_letters().stream_dead_letters(request).await;
    Ok(answer.map_err(refusal)?.into_inner())
}

/// A filter as people write it.
fn filter(args: &LetterFilterArgs) -> anyhow::Result<api::DeadLetterFilter> {
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
