//! Decides whether a figure is sound, by the reasons of METHOD (i). Pure.

use greenpark_model::{
    indicator::Indicator,
    soundness::{Reason, Share, Term},
};
use rust_decimal::Decimal;

use super::{denominator::Denominator, numerator::Numerator};
use crate::figures::population::Population;
use crate::{
    error::QueryError,
    figures::measure::{Measured, Question},
};

/// A figure under judgement, and its inputs.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) name: &'a str,
    pub(super) population: &'a Population<'a>,
    pub(super) measured: &'a Measured,
    pub(super) numerator: &'a Numerator,
    pub(super) denominator: &'a Denominator,
}

/// Makes a reason from the names concerned.
type Naming = fn(Vec<String>) -> Reason;

impl Case<'_> {
    /// The reasons against a verdict, in the order of [`NAMES`](greenpark_model::soundness::NAMES); empty if the
    /// figure is sound.
    pub(super) fn reasons(&self) -> Result<Vec<Reason>, QueryError> {
        let mut reasons: Vec<Reason> = self.coverage().into_iter().collect();
        reasons.extend(self.estimated_share());
        reasons.extend(self.not_positive());
        reasons.extend(self.sides_and_kinds());
        reasons.extend(self.unregistered_share());
        reasons.extend(self.implausible()?);
        reasons.extend(self.late_change()?);
        reasons.extend(self.missing_data());
        Ok(reasons)
    }

    pub(super) fn threshold(&self, name: &str) -> Decimal {
        self.question.rules.quality.of(name)
    }

    fn coverage(&self) -> Option<Reason> {
        let asked = self.threshold("completeness");
        let due = &self.measured.completeness_due;
        let found = due.share().filter(|found| *found < asked)?;
        Some(Reason::Coverage {
            share: Share {
                found,
                threshold: asked,
            },
            meters: due.below(asked),
        })
    }

    fn estimated_share(&self) -> Option<Reason> {
        let asked = self.threshold("estimated.share");
        let found = self.numerator.uncertain_share();
        let found = found.filter(|found| *found > asked)?;
        Some(Reason::EstimatedShare {
            share: Share {
                found,
                threshold: asked,
            },
        })
    }

    fn not_positive(&self) -> impl Iterator<Item = Reason> {
        let terms = [
            (Term::Numerator, self.numerator.total),
            (Term::Denominator, self.denominator.amount),
        ];
        // A missing declaration is reported as undeclared, not as a number that is not positive.
        let denominator = self.denominator;
        let is_undeclared = !denominator.undeclared.is_empty() && denominator.amount.is_zero();
        let low = terms
            .into_iter()
            .filter(|(_, value)| *value <= Decimal::ZERO)
            .filter(move |(term, _)| *term != Term::Denominator || !is_undeclared);
        low.map(|(term, value)| Reason::NotPositive {
            term,
            value,
            names: vec![self.name.to_owned()],
        })
    }

    fn sides_and_kinds(&self) -> Vec<Reason> {
        let measured = self.measured;
        let media: Vec<String> = measured.side_undeclared.keys().cloned().collect();
        let meters: Vec<String> = measured.kind_conflict.iter().cloned().collect();
        let side = (!media.is_empty()).then_some(Reason::SideUndeclared { media });
        let kind = (!meters.is_empty()).then_some(Reason::KindConflict { meters });
        side.into_iter().chain(kind).collect()
    }

    fn unregistered_share(&self) -> Option<Reason> {
        let asked = self.threshold("unregistered.share");
        let found = self.numerator.unregistered_share();
        let found = found.filter(|found| *found > asked)?;
        Some(Reason::UnregisteredShare {
            share: Share {
                found,
                threshold: asked,
            },
            meters: self.measured.unregistered.iter().cloned().collect(),
        })
    }

    /// The reasons for missing data: open days, declarations, readings and sources.
    fn missing_data(&self) -> impl Iterator<Item = Reason> {
        let Self {
            measured,
            denominator,
            ..
        } = self;
        let mut reasons = Vec::new();
        if !measured.open.is_empty() {
            reasons.push(Reason::Open {
                days: u64::try_from(measured.open.len()).unwrap_or(u64::MAX),
            });
        }
        let undeclared = denominator.undeclared.iter().cloned();
        let incomplete = denominator.incomplete.iter().map(|(name, _)| name.clone());
        // An enterprise may have no waste to read; one without energy or water readings has a gap.
        let mut silent = match self.question.indicator {
            Indicator::WasteUtilization => Vec::new(),
            _ => measured.silent.clone(),
        };
        // An energy whose declared side has no meter has no readings on the side that counts.
        silent.extend(measured.side_unmetered.keys().cloned());
        let prorated = denominator.prorated.clone();
        let named: [(Vec<String>, Naming); 4] = [
            (prorated, |enterprises| Reason::Prorated { enterprises }),
            (undeclared.chain(incomplete).collect(), |enterprises| {
                Reason::Undeclared { enterprises }
            }),
            (silent, |enterprises| Reason::Silent { enterprises }),
            (measured.unsourced.iter().cloned().collect(), |meters| {
                Reason::Unsourced { meters }
            }),
        ];
        let holds = named.into_iter().filter(|(names, _)| !names.is_empty());
        reasons.extend(holds.map(|(names, reason)| reason(names)));
        reasons.into_iter()
    }
}
