//! Data that arrived after the period was final, and how far it moves the figure. Pure.
//!
//! A period is final from the later of two instants: its end, and the recording of the last final statistic in force
//! in the figure's denominator series, or of the period's value added if the figure divides by no series. Declaring
//! the statistic once more confirms the data that arrived until then.

use std::collections::BTreeSet;

use greenpark_model::{
    day::Instant,
    id::EnterpriseId,
    soundness::{Reason, Share},
};
use rust_decimal::Decimal;

use super::{
    denominator, is_per_declared, measure_together, numerator::Numerator, soundness::Case,
};
use crate::figures::population::Population;
use crate::{
    error::QueryError,
    figures::{
        measure::Question,
        park_days::{FigureConcern, LateArrivals, LateEvidence, ParkDays},
    },
    register::statistics::Finality,
};

impl Case<'_> {
    /// The reason for data that arrived after the period was final, if it moves the figure by more than the
    /// threshold.
    pub(super) fn late_change(&self) -> Result<Option<Reason>, QueryError> {
        let Some(since) = self.final_since() else {
            return Ok(None);
        };
        let parks = &self.population.parks;
        if parks.iter().any(|park| park.had_other_books(since)) {
            let then = self.parks_at(since, LateEvidence::Books);
            let measured = measure_together(self.question, &self.population.among(&then.0));
            let known = measured.completeness_due.share();
            // A period that was incomplete then was not judged, so completing it moves nothing.
            if known.is_some_and(|known| known >= self.threshold("completeness")) {
                return self.moved_since(since, then);
            }
        }
        self.moved_since(since, self.parks_at(since, LateEvidence::Marks))
    }

    /// The parks as they were at `since`, and the data for the figure that arrived after it.
    fn parks_at(&self, since: Instant, by: LateEvidence) -> (Vec<ParkDays>, LateArrivals) {
        let mut arrivals = LateArrivals::default();
        let members = |park: &ParkDays| -> BTreeSet<&EnterpriseId> {
            let of_park = self.population.members.iter();
            let of_park = of_park.filter(|(of, _)| of.park == park.park);
            of_park.map(|(_, enterprise)| enterprise).collect()
        };
        let quantities = |quantity| self.question.concerns(quantity);
        let mut parks = Vec::new();
        for park in &self.population.parks {
            let members = members(park);
            let concern = FigureConcern {
                members: &members,
                quantities: &quantities,
                range: self.question.range,
            };
            parks.push(park.before((since, by), concern, &mut arrivals));
        }
        (parks, arrivals)
    }

    fn moved_since(
        &self,
        since: Instant,
        (parks, arrivals): (Vec<ParkDays>, LateArrivals),
    ) -> Result<Option<Reason>, QueryError> {
        if arrivals.is_empty() {
            return Ok(None);
        }
        let asked = self.threshold("late-change.move");
        let found = self.moved_from(&parks)?;
        let mut late = arrivals.late;
        late.final_since = Some(since);
        Ok((found > asked).then(|| Reason::LateChange {
            share: Share {
                found,
                threshold: asked,
            },
            late,
            meters: arrivals.meters.into_iter().collect(),
        }))
    }

    /// The instant from which the period is final; `None` while it is not.
    fn final_since(&self) -> Option<Instant> {
        let denominator = self.denominator;
        let is_open = !self.measured.open.is_empty();
        if is_open || denominator.is_prorated() || denominator.is_preliminary() {
            return None;
        }
        declared_since(self.question, self.population)
    }

    /// The relative difference of the numerator, or of a metered denominator, from that of `parks`; the larger of the
    /// two.
    fn moved_from(&self, parks: &[ParkDays]) -> Result<Decimal, QueryError> {
        let then = self.population.among(parks);
        let measured = measure_together(self.question, &then);
        let numerator = Numerator::of(self.question, &measured)?;
        let mut moved = share_moved(self.numerator.total, numerator.total);
        if !is_per_declared(self.question) {
            let denominator = denominator::of(self.question, &then, &numerator)?;
            moved = moved.max(share_moved(self.denominator.amount, denominator.amount));
        }
        Ok(moved)
    }
}

/// The instant from which the period can be final, by the declarations of `population`.
pub(crate) fn declared_since(
    question: &Question<'_>,
    population: &Population<'_>,
) -> Option<Instant> {
    let (end, members) = (question.range.last().end(), population.members.iter());
    let declared = members
        .filter_map(|(park, enterprise)| park.registry.statistics.get(enterprise))
        .flatten()
        .filter(|of| of.series == *question.per && of.finality == Finality::Final)
        .filter(|of| of.period.range().overlaps(question.range))
        .map(|of| of.recorded_at)
        .max();
    match declared {
        None if is_per_declared(question) => None,
        declared => Some(declared.map_or(end, |at| at.max(end))),
    }
}

/// The difference from `then` as a share of `now`; one if `now` is zero.
fn share_moved(now: Decimal, then: Decimal) -> Decimal {
    let moved = (now - then).abs();
    match moved.is_zero() {
        true => Decimal::ZERO,
        false => moved.checked_div(now.abs()).unwrap_or(Decimal::ONE),
    }
}
