//! Value added brought to constant prices through what is declared of prices and of real growth. Pure.
//!
//! METHOD (b): `V_constant = V_nominal ÷ index` with the producer price index of the year (base year = 1),
//! or the chain `V_t = V_base × Π(1 + g)` over every year's real growth. The most specific declaration counts:
//! the park's before that of all parks, the longest prefix of the enterprise's industry before a shorter one,
//! and the one recorded last. A year without one leaves its value added as it was declared.

use std::collections::BTreeSet;

use greenpark_model::{
    amount::{Amount, Sum},
    id::EnterpriseId,
    indicator::round,
    money::PriceBase,
};
use rust_decimal::Decimal;

use crate::{
    measure::Question,
    registry::Park,
    statistics::{Declared, DeclaredPeriod, Series},
};

/// What a deflator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The prices of the year, those of the base year being 1 (工业生产者出厂价格指数).
    PriceIndex,
    /// The real growth of value added over the year before, in per cent (工业增加值实际增速).
    RealGrowth,
}

/// One year's deflator, as it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deflator {
    pub(crate) form: Form,
    pub(crate) year: i16,
    /// The year whose prices are brought about.
    pub(crate) base: i16,
    /// A prefix of an industry's code; empty for every industry.
    pub(crate) industry: String,
    pub(crate) value: Decimal,
    /// Whether it was declared for the park itself and not for all parks.
    pub(crate) of_park: bool,
}

impl Form {
    /// The name on every wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PriceIndex => "price-index",
            Self::RealGrowth => "real-growth",
        }
    }

    /// The form with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::PriceIndex, Self::RealGrowth]
            .into_iter()
            .find(|form| form.as_str() == name)
    }
}

/// What an enterprise declared, with what could be brought to the asked prices.
#[derive(Debug, Default)]
pub(crate) struct Deflated {
    pub(crate) declared: Vec<Declared>,
    ways: BTreeSet<String>,
}

impl Deflated {
    /// Brings what `declared` says of value added at other prices to those that are asked.
    pub(crate) fn of(
        question: &Question<'_>,
        park: &Park,
        enterprise: &EnterpriseId,
        declared: &[Declared],
    ) -> Self {
        let mut made = Self {
            declared: declared.to_vec(),
            ways: BTreeSet::new(),
        };
        let PriceBase::Constant(base) = question.price_base else {
            return made;
        };
        if *question.per != Series::ValueAdded {
            return made;
        }
        let industry = park.industry(enterprise, question.range);
        let find = |form, year| find(&park.deflators, (form, year, base), &industry);
        for of in declared {
            let year = of.period.range().first().year();
            let nominal =
                of.series == Series::ValueAdded && of.price_base == Some(PriceBase::Current);
            if let (true, Some(index)) = (nominal, find(Form::PriceIndex, year)) {
                let amount = divided(of.amount, index.value);
                made.put(
                    of,
                    base,
                    amount,
                    format!("price index {} of {year}", index.value),
                );
            }
        }
        made.grow(base, |year| find(Form::RealGrowth, year).map(|d| d.value));
        made
    }

    /// Adds the years that follow from the base year by their growth.
    fn grow(&mut self, base: i16, growth: impl Fn(i16) -> Option<Decimal>) {
        let of_base = |d: &&Declared| {
            let prices = [Some(PriceBase::Constant(base)), Some(PriceBase::Current)];
            d.series == Series::ValueAdded
                && d.period == DeclaredPeriod::Year(base)
                && prices.contains(&d.price_base)
        };
        // In the base year itself current prices are constant ones.
        let Some(start) = self.declared.iter().rfind(of_base).cloned() else {
            return;
        };
        let Ok(mut level) = Sum::from(start.amount).decimal() else {
            return;
        };
        self.put(
            &start,
            base,
            Some(start.amount),
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
            let of = Declared {
                period,
                ..start.clone()
            };
            self.put(&of, base, rounded(level), format!("real growth to {year}"));
        }
    }

    /// Adds `of` at constant prices, unless the same period is declared at them.
    fn put(&mut self, of: &Declared, base: i16, amount: Option<Amount>, way: String) {
        let price_base = Some(PriceBase::Constant(base));
        let same = |d: &Declared| {
            (&d.series, d.period, d.price_base) == (&of.series, of.period, price_base)
        };
        let Some(amount) = amount.filter(|_| !self.declared.iter().any(same)) else {
            return;
        };
        self.ways.insert(way);
        self.declared.push(Declared {
            amount,
            price_base,
            ..of.clone()
        });
    }

    /// By what it was done, in words.
    pub(crate) fn how(&self) -> String {
        let ways: Vec<&str> = self.ways.iter().map(String::as_str).collect();
        ways.join(", ")
    }
}

/// The deflator of a form, year and base that is the most specific for `industry`.
fn find<'a>(
    deflators: &'a [Deflator],
    (form, year, base): (Form, i16, i16),
    industry: &str,
) -> Option<&'a Deflator> {
    let fits = |d: &&Deflator| {
        (d.form, d.year, d.base) == (form, year, base) && industry.starts_with(&d.industry)
    };
    // The last of equals is the one recorded last.
    deflators
        .iter()
        .filter(fits)
        .max_by_key(|d| (d.of_park, d.industry.len()))
}

fn divided(amount: Amount, index: Decimal) -> Option<Amount> {
    let nominal = Sum::from(amount).decimal().ok()?;
    rounded(nominal.checked_div(index)?)
}

/// To fen, half to even.
fn rounded(value: Decimal) -> Option<Amount> {
    round(value, 6).to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflator(form: Form, year: i16, industry: &str, value: &str, of_park: bool) -> Deflator {
        Deflator {
            form,
            year,
            base: 2020,
            industry: industry.to_owned(),
            value: value.parse().expect("a decimal"),
            of_park,
        }
    }

    #[test]
    fn the_most_specific_deflator_counts_and_of_equals_the_last() {
        let of = |year, industry, value, of_park| {
            deflator(Form::PriceIndex, year, industry, value, of_park)
        };
        let all = [
            of(2021, "", "1.05", false),
            of(2021, "C31", "1.20", false),
            of(2021, "", "1.06", true),
            of(2021, "", "1.07", true),
            of(2022, "", "1.10", false),
        ];
        let found = |year, industry: &str| {
            let found = find(&all, (Form::PriceIndex, year, 2020), industry);
            found.map(|d| d.value.to_string())
        };
        assert_eq!(found(2021, "C31").as_deref(), Some("1.07"));
        assert_eq!(found(2022, "C31").as_deref(), Some("1.10"));
        assert_eq!(found(2023, "C31"), None);
        assert_eq!(find(&all, (Form::RealGrowth, 2021, 2020), ""), None);
        let without_park = &all[..2];
        let found = find(without_park, (Form::PriceIndex, 2021, 2020), "C311");
        assert_eq!(found.map(|d| d.value.to_string()).as_deref(), Some("1.20"));
    }

    #[test]
    fn method_b_a_nominal_value_is_divided_by_the_index() {
        let nominal: Amount = "1050".parse().expect("a decimal");
        let real = divided(nominal, "1.05".parse().expect("a decimal"));
        assert_eq!(real.map(|a| a.to_string()).as_deref(), Some("1000"));
        let third = divided(nominal, "1.1".parse().expect("a decimal"));
        assert_eq!(third.map(|a| a.to_string()).as_deref(), Some("954.545455"));
    }
}
