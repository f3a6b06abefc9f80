//! What came for a period after it was final, and by how much it moves the figure. Pure.
//!
//! A period is final from the latest of its end and the instant at which the last final statistic in force was
//! recorded that the figure divides by, or, where it divides by none, the value added of the period. To declare
//! it once more is to confirm what came until then.

use std::collections::BTreeSet;

use greenpark_model::{
    day::Instant,
    id::EnterpriseId,
    soundness::{Reason, Share},
};
use rust_decimal::Decimal;

use super::{denominator, is_per_declared, numerator::Numerator, soundness::Case, together};
use crate::figures::population::Population;
use crate::{
    error::QueryError,
    figures::{
        measure::Question,
        park_days::{Came, Concern, ParkDays, Witness},
    },
    register::statistics::Finality,
};

impl Case<'_> {
    /// What came after the period was final, where it moves the figure by more than the threshold.
    pub(super) fn late_change(&self) -> Result<Option<Reason>, QueryError> {
        let Some(since) = self.final_since() else {
            return Ok(None);
        };
        let parks = &self.population.parks;
        if parks.iter().any(|park| park.was_other(since)) {
            let then = self.parks_at(since, Witness::Books);
            let measured = together(self.question, &self.population.among(&then.0));
            let known = measured.completeness_due.share();
            // What was no whole year then was not judged, and to complete it moves nothing.
            if known.is_some_and(|known| known >= self.threshold("completeness")) {
                return self.moved_since(since, then);
            }
        }
        self.moved_since(since, self.parks_at(since, Witness::Marks))
    }

    /// The parks as they were at `since`, and what came for the figure after it.
    fn parks_at(&self, since: Instant, by: Witness) -> (Vec<ParkDays>, Came) {
        let mut came = Came::default();
        let members = |park: &ParkDays| -> BTreeSet<&EnterpriseId> {
            let of_park = self.population.members.iter();
            let of_park = of_park.filter(|(of, _)| of.park == park.park);
            of_park.map(|(_, enterprise)| enterprise).collect()
        };
        let quantities = |quantity| self.question.concerns(quantity);
        let mut parks = Vec::new();
        for park in &self.population.parks {
            let members = members(park);
            let concern = Concern {
                members: &members,
                quantities: &quantities,
                range: self.question.range,
            };
            parks.push(park.before((since, by), concern, &mut came));
        }
        (parks, came)
    }

    fn moved_since(
        &self,
        since: Instant,
        (parks, came): (Vec<ParkDays>, Came),
    ) -> Result<Option<Reason>, QueryError> {
        if came.is_empty() {
            return Ok(None);
        }
        let asked = self.threshold("late-change.move");
        let found = self.moved_from(&parks)?;
        let mut late = came.late;
        late.final_since = Some(since);
        Ok((found > asked).then(|| Reason::LateChange {
            share: Share {
                found,
                threshold: asked,
            },
            late,
            meters: came.meters.into_iter().collect(),
        }))
    }

    /// Since when the period is final; `None` while it is not.
    fn final_since(&self) -> Option<Instant> {
        let denominator = self.denominator;
        let is_open = !self.measured.open.is_empty();
        if is_open || denominator.is_prorated() || denominator.is_preliminary() {
            return None;
        }
        declared_since(self.question, self.population)
    }

    /// By what share of itself the numerator, or a denominator that meters make, differs from that of `parks`.
    fn moved_from(&self, parks: &[ParkDays]) -> Result<Decimal, QueryError> {
        let then = self.population.among(parks);
        let measured = together(self.question, &then);
        let numerator = Numerator::of(self.question, &measured)?;
        let mut moved = share_moved(self.numerator.total, numerator.total);
        if !is_per_declared(self.question) {
            let denominator = denominator::of(self.question, &then, &numerator)?;
            moved = moved.max(share_moved(self.denominator.amount, denominator.amount));
        }
        Ok(moved)
    }
}

/// Since when a period can be final, by what is declared of `population`.
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

/// By what share of `now` it differs from `then`; all of it where there is nothing to divide by.
fn share_moved(now: Decimal, then: Decimal) -> Decimal {
    let moved = (now - then).abs();
    match moved.is_zero() {
        true => Decimal::ZERO,
        false => moved.checked_div(now.abs()).unwrap_or(Decimal::ONE),
    }
}
