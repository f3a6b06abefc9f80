//! What a table of amounts stands on: its readings, and nothing that an amount could be divided by. Pure.

use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    figures::{
        figure::{about, coverage, notes, numerator::Numerator, together},
        measure::Question,
        population::Population,
    },
};

/// The coverage, status, books and notes of a table.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) status: pb::PeriodStatus,
    pub(crate) coverage: pb::Coverage,
    pub(crate) revisions: Vec<pb::BookRevision>,
    pub(crate) notes: Vec<String>,
}

/// The frame of the quantities that `question` concerns. `what` they are stands in its notes.
pub(crate) fn frame(
    question: &Question<'_>,
    population: &Population<'_>,
    what: &str,
) -> Result<Frame, QueryError> {
    let measured = together(question, population);
    let numerator = Numerator::of(question, &measured)?;
    let (_, revisions) = about(population, question);
    Ok(Frame {
        status: match measured.open.is_empty() {
            true => pb::PeriodStatus::Final,
            false => pb::PeriodStatus::Operational,
        },
        coverage: coverage(question, &measured, &numerator)?,
        revisions,
        notes: notes::of_table(question, population, &measured, what),
    })
}
