//! Declared deflators: price indices and real growth. Pure.
//!
//! The most specific declaration counts: that of the park before that of all parks, then the longest prefix of the
//! enterprise's industry, then the one recorded last.

use rust_decimal::Decimal;

/// The form of a deflator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Form {
    /// The prices of the year relative to the base year's, which are 1 (工业生产者出厂价格指数).
    PriceIndex,
    /// The real growth of value added over the year before, in per cent (工业增加值实际增速).
    RealGrowth,
}

/// The declared deflator of one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deflator {
    pub(crate) form: Form,
    pub(crate) year: i16,
    /// The year to whose prices it converts.
    pub(crate) base: i16,
    /// A prefix of an industry's code; empty for every industry.
    pub(crate) industry: String,
    pub(crate) value: Decimal,
    /// True if it was declared for the park itself and not for all parks.
    pub(crate) of_park: bool,
}

impl Form {
    /// The name in JSON and on the wire.
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

/// The most specific deflator of a form, year and base for `industry`.
pub(crate) fn find<'a>(
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
}
