//! `scorecard`: a plan's whole scorecard, with a bar for each indicator against its target.

use greenpark_console::{output::line, sheet::Sheet};
use greenpark_proto::query::v1 as api;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    answer_parts::verdict,
    assessment::{Judged, assessment_json, both_bases, other_basis_json, print_beside},
    connection::{QueryConnection, refusal},
    question::{self, ProgressArgs},
    soundness,
};

/// Cells of a full bar.
const BAR_CELLS: u32 = 20;

/// Requests a scorecard and prints it.
///
/// # Errors
/// The service refuses or does not answer.
pub async fn scorecard(args: &ProgressArgs) -> anyhow::Result<()> {
    let service = QueryConnection::open(&args.client).await?;
    let request = question::of_plan(args)?;
    let answer = service.indicators().get_scorecard(request).await;
    let card = answer.map_err(refusal)?.into_inner();
    for note in notes(&card.lines) {
        line(&format!("note: {note}"));
    }
    sheet(&card).print(args.client.format)?;
    let bases = both_bases(card.lines.iter().map(judged));
    print_beside(args.client.format, [bases])
}

/// Returns a line on the basis that it is judged on.
fn judged(line: &api::ScorecardLine) -> Judged<'_> {
    let other = line.other_basis.as_ref();
    Judged {
        indicator: &line.id,
        basis: &line.basis_of_assessment,
        figures: [
            &line.base_value,
            &line.value,
            &line.change_percent,
            &line.progress_percent,
        ],
        other,
    }
}

/// Collects the notes of all lines: a note of several lines occurs once, followed by their names.
fn notes(lines: &[api::ScorecardLine]) -> Vec<String> {
    let mut grouped: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        for note in &line.notes {
            match grouped.iter_mut().find(|(text, _)| text == note) {
                Some((_, of)) => of.push(&line.id),
                None => grouped.push((note, vec![&line.id])),
            }
        }
    }
    let text = |(note, of): (&str, Vec<&str>)| match of.as_slice() {
        [one] => format!("{one}: {note}"),
        of => format!("{note}: {}", of.join(", ")),
    };
    grouped.into_iter().map(text).collect()
}

/// Formats a scorecard with a row per indicator.
fn sheet(card: &api::Scorecard) -> Sheet {
    let header = [
        "indicator",
        "title",
        "unit",
        "asked",
        "base",
        "value",
        "of the way",
        "progress %",
        "verdict",
        "unsound",
    ];
    let lines: Vec<Value> = card.lines.iter().map(line_json).collect();
    let whole = json!({
        "name": card.name,
        "plan": card.plan.as_ref().map(|plan| &plan.id),
        "year": card.year,
        "lines": lines,
    });
    let mut sheet = Sheet::new(&header, &[4, 5, 7], whole);
    for line in &card.lines {
        sheet.push(vec![
            line.id.clone(),
            line.title.clone(),
            line.unit.clone(),
            requirement(line),
            line.base_value.clone(),
            line.value.clone(),
            bar(way(line)),
            line.progress_percent.clone(),
            verdict(line.verdict()).to_owned(),
            soundness::cell(&line.unsound),
        ]);
    }
    sheet
}

/// Formats the requirement of a line, such as `−16 %`, `≥ 70` or `+6.5 %/a`, or that no target is declared.
fn requirement(line: &api::ScorecardLine) -> String {
    let requirement = &line.asked;
    match line.form.as_str() {
        "" => "none declared".to_owned(),
        "fall" => format!("-{requirement} %"),
        "yearly-growth" => format!("+{requirement} %/a"),
        "at-most" => format!("<= {requirement}"),
        _ => format!(">= {requirement}"),
    }
}

/// Returns the progress in per cent; a floor has no progress, so its value is compared with the floor.
fn way(line: &api::ScorecardLine) -> Option<Decimal> {
    let decimal = |text: &str| text.parse::<Decimal>().ok();
    decimal(&line.progress_percent).or_else(|| {
        let (value, requirement) = (decimal(&line.value)?, decimal(&line.asked)?);
        let part = value
            .checked_div(requirement)
            .filter(|_| line.form == "floor")?;
        part.checked_mul(Decimal::ONE_HUNDRED)
    })
}

/// Draws a bar of [`BAR_CELLS`] cells for 100 %; more than that ends in an arrow.
pub(super) fn bar(percent: Option<Decimal>) -> String {
    let Some(percent) = percent else {
        return String::new();
    };
    let share = percent.max(Decimal::ZERO) * Decimal::from(BAR_CELLS) / Decimal::ONE_HUNDRED;
    let full = u32::try_from(share.round())
        .unwrap_or(u32::MAX)
        .min(BAR_CELLS);
    let beyond = if percent > Decimal::ONE_HUNDRED {
        "▶"
    } else {
        ""
    };
    let cells = "█".repeat(full as usize) + &"░".repeat((BAR_CELLS - full) as usize);
    format!("{cells}{beyond}")
}

fn line_json(line: &api::ScorecardLine) -> Value {
    json!({
        "id": line.id,
        "title": line.title,
        "unit": line.unit,
        "form": line.form,
        "asked": line.asked,
        "base_value": line.base_value,
        "value": line.value,
        "change_percent": line.change_percent,
        "progress_percent": line.progress_percent,
        "verdict": verdict(line.verdict()),
        "kind": line.kind,
        "source": line.source,
        "basis_of_assessment": line.basis_of_assessment,
        "basis_source": line.basis_source,
        "other_basis": other_basis_json(line.other_basis.as_ref()),
        "assessment": assessment_json(line.assessment.as_ref()),
        "notes": line.notes,
        "unsound": soundness::json(&line.unsound),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_target_and_an_arrow_goes_beyond() {
        let of = |percent: i64| bar(Some(Decimal::from(percent)));
        assert_eq!(of(0), "░".repeat(20));
        assert_eq!(of(50), "█".repeat(10) + &"░".repeat(10));
        assert_eq!(of(100), "█".repeat(20));
        assert_eq!(of(131), "█".repeat(20) + "▶");
        assert_eq!(of(-12), "░".repeat(20));
        assert_eq!(bar(None), "");
    }

    #[test]
    fn a_note_of_several_lines_stands_once() {
        let line = |id: &str, notes: &[&str]| api::ScorecardLine {
            id: id.to_owned(),
            notes: notes.iter().map(|&note| note.to_owned()).collect(),
            ..api::ScorecardLine::default()
        };
        let lines = [
            line("a", &["nothing is declared"]),
            line("b", &["prorated", "nothing is declared"]),
            line("c", &[]),
            line("d", &["nothing is declared"]),
        ];
        assert_eq!(
            notes(&lines),
            ["nothing is declared: a, b, d", "b: prorated"]
        );
    }

    #[test]
    fn a_floor_is_held_against_its_value() {
        let line = api::ScorecardLine {
            form: "floor".to_owned(),
            asked: "70".to_owned(),
            value: "77".to_owned(),
            ..api::ScorecardLine::default()
        };
        assert_eq!(way(&line), Some(Decimal::from(110)));
        assert_eq!(requirement(&line), ">= 70");
    }
}
