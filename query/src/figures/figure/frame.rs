//! The frame of a table of amounts, which has no denominator: coverage, status, revisions and notes. Pure.

use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    figures::{
        figure::{coverage, measure_together, members_and_revisions, notes, numerator::Numerator},
        measure::Question,
        population::Population,
    },
};

/// The coverage, status, revisions and notes of a table.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) status: pb::PeriodStatus,
    pub(crate) coverage: pb::Coverage,
    pub(crate) revisions: Vec<pb::BookRevision>,
    pub(crate) notes: Vec<String>,
}

/// Makes the frame of the quantities that `question` concerns. Its notes call them `what`.
pub(crate) fn frame(
    question: &Question<'_>,
    population: &Population<'_>,
    what: &str,
) -> Result<Frame, QueryError> {
    let measured = measure_together(question, population);
    let numerator = Numerator::of(question, &measured)?;
    let (_, revisions) = members_and_revisions(population, question);
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
