//! Dead letters as tables, JSON and CSV.

use std::fmt::Write as _;

use greenpark_console::{output::OutputFormat, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use serde_json::{Value, json};

use crate::answer_parts::{stamp, stamp_json};

/// Characters of a text that a table shows.
const SHOWN: usize = 80;

/// The columns of an export.
pub(super) const COLUMNS: [&str; 12] = [
    "name",
    "gateway",
    "received",
    "topic",
    "reason",
    "detail",
    "index",
    "readings",
    "truncated",
    "payload",
    "payload_hex",
    "replayed",
];

/// Formats a dead letter as a line of an export.
pub(super) fn cells(letter: &api::DeadLetterEntry) -> [String; 12] {
    let (text, hex) = payload(letter);
    [
        letter.name.clone(),
        letter.gateway.clone(),
        stamp(letter.received.as_ref()),
        letter.topic.clone(),
        letter.reason.clone(),
        letter.detail.clone(),
        letter
            .index
            .map(|index| index.to_string())
            .unwrap_or_default(),
        letter.readings.to_string(),
        letter.truncated.to_string(),
        text.unwrap_or_default(),
        hex.unwrap_or_default(),
        replayed(letter),
    ]
}

/// Returns the payload as text, or in hex if it is not UTF-8.
fn payload(letter: &api::DeadLetterEntry) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(&letter.payload) {
        Ok(text) if !text.contains('\0') => (Some(text.to_owned()), None),
        _ => {
            let mut hex = String::with_capacity(letter.payload.len() * 2);
            for byte in &letter.payload {
                // Writing to a String does not fail.
                let _ = write!(hex, "{byte:02x}");
            }
            (None, Some(hex))
        }
    }
}

fn replayed(letter: &api::DeadLetterEntry) -> String {
    let last = letter.replays.last();
    last.map(|replay| {
        format!(
            "{} by {}",
            stamp(replay.recorded_at.as_ref()),
            replay.recorded_by
        )
    })
    .unwrap_or_default()
}

/// Converts a dead letter to JSON, with its payload if it has one.
pub(super) fn letter_json(letter: &api::DeadLetterEntry) -> Value {
    let replays = letter.replays.iter().map(|replay| {
        json!({
            "recorded_at": stamp_json(replay.recorded_at.as_ref()),
            "recorded_by": replay.recorded_by,
            "evidence": replay.evidence,
        })
    });
    let mut whole = json!({
        "name": letter.name,
        "gateway": letter.gateway,
        "received": stamp_json(letter.received.as_ref()),
        "topic": letter.topic,
        "reason": letter.reason,
        "detail": letter.detail,
        "index": letter.index,
        "readings": letter.readings,
        "payload_bytes": letter.payload_bytes,
        "truncated": letter.truncated,
        "replays": replays.collect::<Vec<Value>>(),
    });
    if !letter.payload.is_empty() {
        let (text, hex) = payload(letter);
        whole["payload"] = json!(text);
        whole["payload_hex"] = json!(hex);
    }
    whole
}

/// Formats dead letters as a list.
pub(super) fn list_sheet(letters: &[api::DeadLetterEntry], format: OutputFormat) -> Sheet {
    let all: Vec<Value> = letters.iter().map(letter_json).collect();
    let header = [
        "received",
        "name",
        "gateway",
        "reason",
        "readings",
        "detail",
        "sent again",
    ];
    let mut sheet = Sheet::new(&header, &[4], json!({ "letters": all }));
    for letter in letters {
        let detail = match format {
            OutputFormat::Table => clipped(&letter.detail),
            _ => letter.detail.clone(),
        };
        sheet.push(vec![
            stamp(letter.received.as_ref()),
            letter.name.clone(),
            letter.gateway.clone(),
            letter.reason.clone(),
            letter.readings.to_string(),
            detail,
            replayed(letter),
        ]);
    }
    sheet
}

fn clipped(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// Formats one dead letter with a row per field.
pub(super) fn letter_sheet(letter: &api::DeadLetterEntry) -> Sheet {
    let mut sheet = Sheet::new(&["field", "value"], &[], letter_json(letter));
    for (name, value) in COLUMNS.iter().zip(cells(letter)) {
        if !value.is_empty() {
            sheet.push(vec![(*name).to_owned(), value]);
        }
    }
    sheet
}

/// Formats the counts of dead letters.
pub(super) fn counts_sheet(answer: &api::CountDeadLettersResponse) -> Sheet {
    let all = answer.counts.iter().map(|count| {
        json!({
            "name": count.name,
            "reason": count.reason,
            "letters": count.letters,
            "kept": count.kept,
            "readings": count.readings,
        })
    });
    let all: Vec<Value> = all.collect();
    let header = ["name", "reason", "letters", "kept", "readings"];
    let mut sheet = Sheet::new(
        &header,
        &[2, 3, 4],
        json!({ "counts": all, "notes": answer.notes }),
    );
    for count in &answer.counts {
        sheet.push(vec![
            count.name.clone(),
            count.reason.clone(),
            count.letters.to_string(),
            count.kept.to_string(),
            count.readings.to_string(),
        ]);
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(payload: &[u8]) -> api::DeadLetterEntry {
        api::DeadLetterEntry {
            name: "parks/p/enterprises/e/deadLetters/0-1".to_owned(),
            detail: "é".repeat(200),
            payload: payload.to_vec().into(),
            ..api::DeadLetterEntry::default()
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_in_hex() {
        let (text, hex) = payload(&letter(b"{}"));
        assert_eq!((text.as_deref(), hex), (Some("{}"), None));
        for bytes in [&b"\xff\x00"[..], b"a\0"] {
            let whole = letter_json(&letter(bytes));
            assert!(whole["payload"].is_null() && whole["payload_hex"].is_string());
        }
        assert_eq!(letter_json(&letter(b"\xff\x01"))["payload_hex"], "ff01");
    }

    #[test]
    fn a_table_clips_what_a_file_does_not() {
        let letters = [letter(b"")];
        let table = list_sheet(&letters, OutputFormat::Table).render(OutputFormat::Table);
        let table = String::from_utf8(table.expect("a table")).expect("text");
        assert!(table.contains('…'));
        let csv = list_sheet(&letters, OutputFormat::Csv).render(OutputFormat::Csv);
        let csv = String::from_utf8(csv.expect("CSV")).expect("text");
        assert!(csv.contains(&"é".repeat(200)));
    }
}
