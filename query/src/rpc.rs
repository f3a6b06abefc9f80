//! The gRPC methods: each reads its request, asks, and tells.

mod assessment;
mod beside;
mod corrections;
mod declare;
mod explain;
mod indicators;
mod kept;
mod letters;
mod materials;
mod progress;
mod quality;
mod readings;
mod registry;
mod terms;
mod withdrawals;

use std::sync::Arc;

use greenpark_model::{coal::Basis, money::PriceBase};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    service::{Answer, Shared},
};

pub(crate) use {
    kept::Kept,
    readings::{Ended, Sender, send},
    registry::MeterPlace,
};

/// `park.query.v1.Indicators`.
pub(crate) struct IndicatorsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Registry`.
pub(crate) struct RegistryRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Readings`.
pub(crate) struct ReadingsRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.DeadLetters`.
pub(crate) struct DeadLettersRpc(pub(crate) Arc<Shared>);

/// `park.query.v1.Quality`.
pub(crate) struct QualityRpc(pub(crate) Arc<Shared>);

fn basis(code: i32) -> Result<Basis, QueryError> {
    match pb::Basis::try_from(code) {
        Ok(pb::Basis::Unspecified | pb::Basis::Calorific) => Ok(Basis::Calorific),
        Ok(pb::Basis::PrimaryEquivalent) => Ok(Basis::PrimaryEquivalent),
        Err(_) => Err(QueryError::invalid(
            "basis",
            format!("{code} is none; write BASIS_CALORIFIC or BASIS_PRIMARY_EQUIVALENT"),
        )),
    }
}

fn price_base(field: &str, text: &str) -> Result<PriceBase, QueryError> {
    if text.is_empty() {
        return Ok(PriceBase::Constant(2020));
    }
    text.parse()
        .map_err(|error: greenpark_model::money::UnknownPriceBase| {
            QueryError::invalid(field, error.to_string())
        })
}

/// What an answer says that was made from books behind the log.
const BEHIND: &str =
    "readings acknowledged a moment ago may be missing: the processor is behind the log";

impl Answer for pb::Figure {
    fn tell_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::ListIndicatorsResponse {
    fn tell_behind(&mut self) {
        self.figures.iter_mut().for_each(Answer::tell_behind);
    }
}

impl Answer for pb::WaterBalance {
    fn tell_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::QualityReport {
    fn tell_behind(&mut self) {
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::WasteLedger {
    fn tell_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::Progress {
    fn tell_behind(&mut self) {
        for target in &mut self.targets {
            target.notes.push(BEHIND.to_owned());
            let figures = target.base.iter_mut().chain(&mut target.current);
            figures.for_each(Answer::tell_behind);
        }
    }
}

impl Answer for pb::Scorecard {
    fn tell_behind(&mut self) {
        for line in self.lines.iter_mut().filter(|l| l.kind == "measured") {
            line.status = pb::PeriodStatus::Operational.into();
            line.notes.push(BEHIND.to_owned());
        }
    }
}

/// These do not depend on what is in the log, or say when their readings are of.
macro_rules! unaffected {
    ($reads_books:literal: $($answer:ty),* $(,)?) => {
        $(impl Answer for $answer {
            const READS_BOOKS: bool = $reads_books;

            fn tell_behind(&mut self) {}
        })*
    };
}

unaffected!(
    false:
    pb::ListDeadLettersResponse,
    pb::DeadLetterEntry,
    pb::CountDeadLettersResponse,
    pb::RecordDeadLetterReplayResponse,
    pb::ListPlansResponse,
);

unaffected!(
    true:
    pb::ListParksResponse,
    pb::Enterprise,
    pb::ListEnterprisesResponse,
    pb::Meter,
    pb::MeterChange,
    pb::Correction,
    pb::ListCorrectionsResponse,
    pb::ListMetersResponse,
    pb::DeclareStatisticsResponse,
    pb::DeclareIndicatorsResponse,
    pb::DeclareCalorificValuesResponse,
    pb::DeclareDeflatorsResponse,
    pb::DeclareSidesResponse,
    pb::WithdrawResponse,
    pb::ListStatisticsResponse,
    pb::DeclareCertificatesResponse,
    pb::ListCertificatesResponse,
    pb::AssessmentBasis,
);
