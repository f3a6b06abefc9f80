//! Converts value added to constant prices by declared price indices and real growth. Pure.
//!
//! METHOD (b): `V_constant = V_nominal ÷ index` with the producer price index of the year (base year = 1), or the
//! chain `V_t = V_base × Π(1 + g)` over every year's real growth, by the most specific declaration of each. A year
//! without one keeps its value added as declared. Converted amounts are not rounded; only their sum is, once.

use std::collections::BTreeSet;

use greenpark_model::{
    amount::{Amount, Sum},
    day::DayRange,
    id::EnterpriseId,
    money::PriceBase,
};
use rust_decimal::Decimal;

use crate::{
    figures::measure::Question,
    register::{
        deflator::{Form, find},
        registry::Park,
        statistics::{DeclaredPeriod, DeclaredStatistic, Finality, StatisticSeries, pieces_of},
    },
};

/// The declarations of an enterprise, with those that could be converted to the requested prices.
#[derive(Debug, Default)]
pub(crate) struct Deflated {
    /// In the order of recording.
    declared: Vec<DeclaredStatistic>,
    /// The exact amounts of the converted declarations, at the same places.
    exact: Vec<Option<Decimal>>,
    ways: BTreeSet<String>,
}

/// A total that is not rounded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExactTotal {
    /// In the series' unit, exact to 28 digits.
    pub(crate) amount: Decimal,
    /// [`Finality::Final`] only if every part is.
    pub(crate) finality: Finality,
    /// Days whose share was prorated from a longer period.
    pub(crate) prorated_days: i32,
    /// Days without a declaration.
    pub(crate) missing_days: i32,
}

impl Deflated {
    /// Converts the value added in `declared` from other prices to the requested ones.
    pub(crate) fn of(
        question: &Question<'_>,
        park: &Park,
        enterprise: &EnterpriseId,
        declared: &[DeclaredStatistic],
    ) -> Self {
        let mut made = PriceConversion {
            all: declared.iter().map(|of| (of.clone(), None)).collect(),
            added: Vec::new(),
            ways: BTreeSet::new(),
        };
        let PriceBase::Constant(base) = question.price_base else {
            return made.in_order();
        };
        if *question.per != StatisticSeries::ValueAdded {
            return made.in_order();
        }
        let industry = park.industry(enterprise, question.range);
        let find = |form, year| find(&park.deflators, (form, year, base), &industry);
        for (place, of) in declared.iter().enumerate() {
            let year = of.period.range().first().year();
            let nominal = of.series == StatisticSeries::ValueAdded
                && of.price_base == Some(PriceBase::Current);
            if let (true, Some(index)) = (nominal, find(Form::PriceIndex, year)) {
                let way = format!("price index {} of {year}", index.value);
                made.add((place, of), base, divided(of.amount, index.value), way);
            }
        }
        made.grow(base, |year| find(Form::RealGrowth, year).map(|d| d.value));
        made.in_order()
    }

    /// The unrounded total of `series` in `range` at `base`; `None` if no day has a declaration or the total is
    /// beyond 28 digits.
    pub(crate) fn total(
        &self,
        series: &StatisticSeries,
        range: DayRange,
        base: Option<PriceBase>,
    ) -> Option<ExactTotal> {
        let made = pieces_of(&self.declared, series, range, base)?;
        let mut amount = Decimal::ZERO;
        for piece in &made.pieces {
            let exact = self.exact.get(piece.place).copied().flatten();
            let whole = match exact {
                Some(exact) => exact,
                None => Sum::from(piece.declared.amount).decimal().ok()?,
            };
            let part = match piece.days == piece.of {
                true => whole,
                false => whole
                    .checked_mul(Decimal::from(piece.days))?
                    .checked_div(Decimal::from(piece.of))?,
            };
            amount = amount.checked_add(part)?;
        }
        Some(ExactTotal {
            amount,
            finality: made.finality(),
            prorated_days: made.prorated_days(),
            missing_days: made.missing_days,
        })
    }

    /// The indices and growth rates that the conversion used, in words.
    pub(crate) fn ways(&self) -> String {
        let ways: Vec<&str> = self.ways.iter().map(String::as_str).collect();
        ways.join(", ")
    }
}

/// Declarations while they are converted to other prices.
struct PriceConversion {
    /// Each declaration, with its exact amount if it was converted.
    all: Vec<(DeclaredStatistic, Option<Decimal>)>,
    /// For each added declaration, the place of the one it was made from.
    added: Vec<usize>,
    ways: BTreeSet<String>,
}

impl PriceConversion {
    /// Adds the years that follow from the base year by their growth.
    fn grow(&mut self, base: i16, growth: impl Fn(i16) -> Option<Decimal>) {
        let of_base = |(d, _): &(DeclaredStatistic, Option<Decimal>)| {
            let prices = [Some(PriceBase::Constant(base)), Some(PriceBase::Current)];
            d.series == StatisticSeries::ValueAdded
                && d.period == DeclaredPeriod::Year(base)
                && prices.contains(&d.price_base)
        };
        // In the base year itself, current prices equal constant ones.
        let Some(place) = self.all.iter().rposition(of_base) else {
            return;
        };
        let (start, exact) = self.all[place].clone();
        let amount = exact.or_else(|| Sum::from(start.amount).decimal().ok());
        let Some(mut level) = amount else { return };
        let place = self.origin(place);
        self.add(
            (place, &start),
            base,
            Some(level),
            format!("prices of {base}"),
        );
        let mut year = base;
        while let Some(rate) = growth(year.saturating_add(1)) {
            year = year.saturating_add(1);
            let factor = rate
                .checked_div(Decimal::ONE_HUNDRED)
                .and_then(|rate| rate.checked_add(Decimal::ONE));
            let Some(next) = factor.and_then(|factor| level.checked_mul(factor)) else {
                return;
            };
            level = next;
            let period = DeclaredPeriod::Year(year);
            let of = DeclaredStatistic {
                period,
                ..start.clone()
            };
            let way = format!("real growth to {year}");
            self.add((place, &of), base, Some(level), way);
        }
    }

    /// The place of the declaration that the one at `place` was made from.
    fn origin(&self, place: usize) -> usize {
        let declared = self.all.len() - self.added.len();
        match place.checked_sub(declared) {
            Some(added) => self.added[added],
            None => place,
        }
    }

    /// Adds `of`, made from the declaration at `place`, at constant prices, unless the same period is declared at
    /// constant prices.
    fn add(
        &mut self,
        (place, of): (usize, &DeclaredStatistic),
        base: i16,
        exact: Option<Decimal>,
        way: String,
    ) {
        let price_base = Some(PriceBase::Constant(base));
        let same = |(d, _): &(DeclaredStatistic, Option<Decimal>)| {
            (&d.series, d.period, d.price_base) == (&of.series, of.period, price_base)
        };
        if exact.is_none() || self.all.iter().any(same) {
            return;
        }
        self.ways.insert(way);
        self.added.push(place);
        let of = DeclaredStatistic {
            price_base,
            ..of.clone()
        };
        self.all.push((of, exact));
    }

    /// Returns all declarations in the order of recording; a converted one follows the one it was made from.
    fn in_order(self) -> Deflated {
        let origins: Vec<usize> = (0..self.all.len())
            .map(|place| self.origin(place))
            .collect();
        let mut all: Vec<(usize, (DeclaredStatistic, Option<Decimal>))> =
            origins.into_iter().zip(self.all).collect();
        all.sort_by_key(|(place, _)| *place);
        let (declared, exact) = all.into_iter().map(|(_, of)| of).unzip();
        Deflated {
            declared,
            exact,
            ways: self.ways,
        }
    }
}

fn divided(amount: Amount, index: Decimal) -> Option<Decimal> {
    Sum::from(amount).decimal().ok()?.checked_div(index)
}

#[cfg(test)]
mod tests {
    use greenpark_model::indicator::round;

    use super::*;

    #[test]
    fn method_b_a_nominal_value_is_divided_by_the_index() {
        let nominal: Amount = "1050".parse().expect("a decimal");
        let real = divided(nominal, "1.05".parse().expect("a decimal"));
        assert_eq!(real, Some(Decimal::ONE_THOUSAND));
    }

    #[test]
    fn deflated_amounts_are_summed_before_they_are_rounded() {
        let month = |month: i8| DeclaredStatistic {
            series: StatisticSeries::ValueAdded,
            period: DeclaredPeriod::Month(2021, month),
            amount: "1".parse().expect("a decimal"),
            price_base: Some(PriceBase::Current),
            finality: Finality::Final,
            recorded_at: greenpark_model::day::Instant::from_millis(0),
        };
        let mut conversion = PriceConversion {
            all: Vec::new(),
            added: Vec::new(),
            ways: BTreeSet::new(),
        };
        for (place, of) in (1..=12).map(month).enumerate() {
            conversion.all.push((of.clone(), None));
            assert_eq!(conversion.origin(place), place);
        }
        let index: Decimal = "1.2".parse().expect("a decimal");
        for (place, of) in (1..=12).map(month).enumerate() {
            let exact = divided(of.amount, index);
            conversion.add((place, &of), 2020, exact, "index".to_owned());
        }
        let total = conversion.in_order().total(
            &StatisticSeries::ValueAdded,
            DayRange::year(2021).expect("a year"),
            Some(PriceBase::Constant(2020)),
        );
        // 12 ÷ 1.2; each twelfth rounded to 0.833333 would give 9.999996.
        let total = total.expect("declared");
        assert_eq!(round(total.amount, 6).normalize().to_string(), "10");
        assert_eq!((total.prorated_days, total.missing_days), (0, 0));
    }
}
