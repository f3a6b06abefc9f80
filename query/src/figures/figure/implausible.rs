//! How far implausible amounts would move a figure. Pure.

use greenpark_model::{
    amount::Sum,
    soundness::{Reason, Share},
};
use rust_decimal::Decimal;

use super::{denominator, is_per_declared, numerator::Numerator, soundness::Case};
use crate::{
    error::QueryError,
    figures::{
        consumption::implausible::Implausible,
        measure::{Factors, Measured, Part},
    },
};

impl Case<'_> {
    /// The reason for amounts that were set aside or are suspicious, if they would move the figure by more than the
    /// threshold.
    pub(super) fn implausible(&self) -> Result<Option<Reason>, QueryError> {
        let mut doubted = Measured::default();
        let (mut meters, mut readings) = (Vec::new(), 0);
        for of in &self.measured.implausible {
            let Some((by, moved)) = self.moved_by(of) else {
                continue;
            };
            let part = doubted.parts.entry((of.quantity, by)).or_default();
            part.amount += moved;
            part.counted += moved;
            readings += u64::from(of.found.count);
            meters.push(of.meter.clone());
        }
        if meters.is_empty() {
            return Ok(None);
        }
        let numerator = Numerator::of(self.question, &doubted)?;
        let mut found = share_of(numerator.total, self.numerator.total);
        if !is_per_declared(self.question) {
            let denominator = denominator::of(self.question, self.population, &numerator)?;
            found = found.max(share_of(denominator.amount, self.denominator.amount));
        }
        meters.sort();
        meters.dedup();
        let asked = self.threshold("implausible.move");
        Ok((found > asked).then_some(Reason::Implausible {
            share: Share {
                found,
                threshold: asked,
            },
            readings,
            meters,
        }))
    }

    /// The factors of an implausible amount and the change that it makes to the numerator; `None` if its quantity
    /// does not count.
    fn moved_by(&self, of: &Implausible) -> Option<(Factors, Sum)> {
        let parts = &self.measured.parts;
        let of_quantity = || {
            parts
                .iter()
                .filter(|((quantity, _), _)| *quantity == of.quantity)
        };
        // A side of a balance that does not count has amounts, but none of them is counted.
        let is_left_out = |part: &Part| part.amount != Sum::ZERO && part.counted == Sum::ZERO;
        if of_quantity().next().is_some() && of_quantity().all(|(_, part)| is_left_out(part)) {
            return None;
        }
        let by = match of_quantity().next() {
            Some(((_, by), _)) => by.clone(),
            None => {
                let medium = of.quantity.medium;
                let all = self.question.factors_of(None, medium, of.found.days);
                all.into_iter().next()?.1
            }
        };
        // An amount that was set aside would be added. A suspicious amount counts already and would shrink to the
        // usual one.
        let moved = match of.found.usual {
            None => of.found.amount,
            Some(usual) => of.found.amount - usual,
        };
        Some((by, moved))
    }
}

/// `moved` as a share of `whole`; one if `whole` is zero.
fn share_of(moved: Decimal, whole: Decimal) -> Decimal {
    match moved.is_zero() {
        true => Decimal::ZERO,
        false => (moved.abs())
            .checked_div(whole.abs())
            .unwrap_or(Decimal::ONE),
    }
}
