//! Value added, or another declared series, of a range from what was declared for years, quarters and months.
//!
//! Declared periods that tile the range are added as they are. Where none begins and ends in place, the
//! shortest period around the days is prorated by days, which makes the figure operational. Days that
//! nothing was declared for add nothing and are named.

use std::{fmt, str::FromStr};

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, DayRange, Instant},
    id,
    money::{PriceBase, prorate},
    quantity::{Medium, MediumClass, Quantity},
};

use crate::limits::YEARS;

/// What is declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Series {
    /// Industrial value added (工业增加值), in 10⁴ yuan.
    ValueAdded,
    /// Gross output (工业总产值), in 10⁴ yuan.
    GrossOutput,
    /// The output of a product (产品产量) by its name, in t.
    Product(String),
    /// What meters of a quantity should sum to, by the books of the enterprise (报表消费量), in its unit.
    Consumption(Quantity),
    /// An energy used as raw material (原料用能), in the canonical unit of its medium.
    RawMaterial(Medium),
}

/// The period of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeclaredPeriod {
    /// A calendar year.
    Year(i16),
    /// Quarter 1 to 4 of a year.
    Quarter(i16, i8),
    /// Month 1 to 12 of a year.
    Month(i16, i8),
}

/// One figure in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What it tells.
    pub series: Series,
    /// Of which period.
    pub period: DeclaredPeriod,
    /// In 10⁴ yuan.
    pub amount: Amount,
    /// At which prices; `None` for what is no money.
    pub price_base: Option<PriceBase>,
    /// Whether it is final.
    pub finality: Finality,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// Whether a declared figure may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finality {
    /// It may.
    Preliminary,
    /// It is final.
    Final,
}

/// A series' total of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The sum, in the series' unit.
    pub amount: Sum,
    /// [`Finality::Final`] only if every part is.
    pub finality: Finality,
    /// Days whose part was prorated from a longer period.
    pub prorated_days: i32,
    /// Days that nothing was declared for.
    pub missing_days: i32,
}

/// A text that names no series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no series; write value_added, gross_output, product:NAME as in product:crude_steel, \
     consumption:QUANTITY as in consumption:electricity, or raw_material:ENERGY as in raw_material:natural_gas"
)]
pub struct UnknownSeries(pub String);

impl Series {
    /// The unit that it is declared in.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::ValueAdded | Self::GrossOutput => "10k-yuan",
            Self::Product(_) => "t",
            Self::Consumption(quantity) => quantity.medium.unit().symbol(),
            Self::RawMaterial(medium) => medium.unit().symbol(),
        }
    }

    /// Whether a figure may be divided by it.
    #[must_use]
    pub const fn is_output(&self) -> bool {
        matches!(
            self,
            Self::ValueAdded | Self::GrossOutput | Self::Product(_)
        )
    }

    /// Whether it is told at prices.
    #[must_use]
    pub const fn has_prices(&self) -> bool {
        matches!(self, Self::ValueAdded | Self::GrossOutput)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValueAdded => f.write_str("value_added"),
            Self::GrossOutput => f.write_str("gross_output"),
            Self::Product(name) => write!(f, "product:{name}"),
            Self::Consumption(quantity) => write!(f, "consumption:{quantity}"),
            Self::RawMaterial(medium) => write!(f, "raw_material:{}", medium.as_str()),
        }
    }
}

impl FromStr for Series {
    type Err = UnknownSeries;
    fn from_str(text: &str) -> Result<Self, UnknownSeries> {
        let unknown = || UnknownSeries(text.chars().take(60).collect());
        match text.split_once(':') {
            None if text == "value_added" => Ok(Self::ValueAdded),
            None if text == "gross_output" => Ok(Self::GrossOutput),
            Some(("product", name)) if id::check(name).is_ok() => {
                Ok(Self::Product(name.to_owned()))
            }
            Some(("consumption", quantity)) => quantity
                .parse()
                .map(Self::Consumption)
                .map_err(|_| unknown()),
            Some(("raw_material", medium)) => Medium::from_name(medium)
                .filter(|medium| medium.class() == MediumClass::Energy)
                .map(Self::RawMaterial)
                .ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

impl DeclaredPeriod {
    /// A year that a declaration may name.
    #[must_use]
    pub fn year(year: i16) -> Option<Self> {
        YEARS.contains(&year).then_some(Self::Year(year))
    }

    /// Its days.
    #[must_use]
    pub fn range(self) -> DayRange {
        let range = match self {
            Self::Year(year) => DayRange::year(year),
            Self::Quarter(year, quarter) => DayRange::quarter(year, quarter),
            Self::Month(year, month) => DayRange::month(year, month),
        };
        range.expect("a period is only made with a year, quarter and month of the calendar")
    }
}

impl fmt::Display for DeclaredPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Quarter(year, quarter) => write!(f, "{year:04}-Q{quarter}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
        }
    }
}

/// A text that names no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a period; write 2026, 2026-Q4 or 2026-11")]
pub struct NotAPeriod;

impl FromStr for DeclaredPeriod {
    type Err = NotAPeriod;
    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let (year, rest) = match text.split_once('-') {
            Some((year, rest)) => (year, Some(rest)),
            None => (text, None),
        };
        let year = Some(year)
            .filter(|y| y.len() == 4 && y.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|y| y.parse().ok())
            .filter(|y| YEARS.contains(y))
            .ok_or(NotAPeriod)?;
        let within = |digits: &str, length: usize, most: i8| {
            Some(digits)
                .filter(|d| d.len() == length && d.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|d| d.parse::<i8>().ok())
                .filter(|n| (1..=most).contains(n))
                .ok_or(NotAPeriod)
        };
        match rest {
            None => Ok(Self::Year(year)),
            Some(rest) => match rest.strip_prefix('Q') {
                Some(quarter) => Ok(Self::Quarter(year, within(quarter, 1, 4)?)),
                None => Ok(Self::Month(year, within(rest, 2, 12)?)),
            },
        }
    }
}

/// The total of `series` in `range` at `base`; `None` if nothing was declared for any day of it.
#[must_use]
pub fn total_of(
    declared: &[Declared],
    series: &Series,
    range: DayRange,
    base: Option<PriceBase>,
) -> Option<Total> {
    let mut usable: Vec<(DayRange, &Declared)> = declared
        .iter()
        .filter(|d| d.series == *series && d.price_base == base)
        .map(|d| (d.period.range(), d))
        .filter(|(days, _)| days.overlaps(range))
        .collect();
    if usable.is_empty() {
        return None;
    }
    // Longest first: a declared year counts before its months.
    usable.sort_by_key(|(days, _)| (std::cmp::Reverse(days.days()), days.first()));
    let mut tiles = Vec::new();
    if tile(&usable, range.first(), range.last(), &mut tiles) {
        return Some(sum_of(&tiles));
    }
    Some(patch(&usable, range))
}

/// Fills `tiles` with periods that follow each other from `from` to `last`; whether there are such.
/// Periods nest (months in quarters in years), so a start has at most three and the search is short.
fn tile<'a>(
    usable: &[(DayRange, &'a Declared)],
    from: CivilDay,
    last: CivilDay,
    tiles: &mut Vec<&'a Declared>,
) -> bool {
    if from > last {
        return true;
    }
    for (days, declared) in usable
        .iter()
        .filter(|(d, _)| d.first() == from && d.last() <= last)
    {
        tiles.push(declared);
        if tile(usable, days.last().next(), last, tiles) {
            return true;
        }
        tiles.pop();
    }
    false
}

fn sum_of(tiles: &[&Declared]) -> Total {
    Total {
        amount: tiles.iter().map(|d| Sum::from(d.amount)).sum(),
        finality: tiles
            .iter()
            .map(|d| d.finality)
            .min()
            .unwrap_or(Finality::Preliminary),
        prorated_days: 0,
        missing_days: 0,
    }
}

/// Whole periods where they fit, parts of longer ones where they do not.
fn patch(usable: &[(DayRange, &Declared)], range: DayRange) -> Total {
    let mut total = Total {
        amount: Sum::ZERO,
        finality: Finality::Final,
        prorated_days: 0,
        missing_days: 0,
    };
    let mut day = range.first();
    while day <= range.last() {
        let whole = usable
            .iter()
            .find(|(d, _)| d.first() == day && d.last() <= range.last());
        let around = usable.iter().rev().find(|(d, _)| d.contains(day));
        let next = usable
            .iter()
            .filter(|(d, _)| d.first() > day)
            .map(|(d, _)| d.first().previous())
            .min();
        let last = range.last().min(next.unwrap_or(range.last()));
        day = if let Some((days, declared)) = whole {
            total.amount += declared.amount.into();
            total.finality = total.finality.min(declared.finality);
            days.last().next()
        } else if let Some((days, declared)) = around {
            let last = last.min(days.last());
            let part = last.days_since(day).saturating_add(1);
            total.amount += prorate(declared.amount.into(), part, days.days());
            total.finality = total.finality.min(declared.finality);
            total.prorated_days = total.prorated_days.saturating_add(part);
            last.next()
        } else {
            total.missing_days = total.missing_days.saturating_add(1);
            day.next()
        };
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: PriceBase = PriceBase::Constant(2020);

    fn declared(period: &str, amount: &str, finality: Finality) -> Declared {
        Declared {
            series: Series::ValueAdded,
            period: period.parse().expect("a period"),
            amount: amount.parse().expect("a decimal"),
            price_base: Some(BASE),
            finality,
            recorded_at: Instant(0),
        }
    }

    fn range(first: &str, last: &str) -> DayRange {
        let day = |text: &str| text.parse().expect("a day");
        DayRange::new(day(first), day(last)).expect("in order")
    }

    /// The value added that is declared of these days.
    fn total(statistics: &[Declared], first: &str, last: &str) -> Option<Total> {
        let days = range(first, last);
        total_of(statistics, &Series::ValueAdded, days, Some(BASE))
    }

    #[test]
    fn a_year_is_tiled_by_quarters_and_months_where_it_was_not_declared_whole() {
        let statistics: Vec<_> = [("2020-Q1", "1"), ("2020-Q2", "2"), ("2020-07", "4")]
            .into_iter()
            .chain([
                ("2020-08", "8"),
                ("2020-09", "16"),
                ("2020-Q4", "32"),
                ("2020-01", "64"),
            ])
            .map(|(p, a)| declared(p, a, Finality::Final))
            .collect();
        let year = total(&statistics, "2020-01-01", "2020-12-31");
        let year = year.expect("declared");
        assert_eq!(year.amount.to_string(), "63");
        assert_eq!((year.prorated_days, year.missing_days), (0, 0));
        assert_eq!(year.finality, Finality::Final);
    }

    #[test]
    fn a_declared_year_counts_before_its_months() {
        let statistics = [
            declared("2020-01", "5", Finality::Final),
            declared("2020", "100", Finality::Preliminary),
        ];
        let year = total(&statistics, "2020-01-01", "2020-12-31").expect("declared");
        assert_eq!(year.amount.to_string(), "100");
        assert_eq!(year.finality, Finality::Preliminary);
        let month = total(&statistics, "2020-01-01", "2020-01-31").expect("declared");
        assert_eq!(
            (month.amount.to_string().as_str(), month.prorated_days),
            ("5", 0)
        );
    }

    #[test]
    fn days_within_a_period_are_prorated_from_the_shortest_around_them() {
        let statistics = [
            declared("2021", "365", Finality::Final),
            declared("2021-02", "280", Finality::Final),
        ];
        let part = total(&statistics, "2021-01-30", "2021-03-02").expect("declared");
        // Two days of January and two of March at 1 a day, February as declared.
        assert_eq!(part.amount.to_string(), "284");
        assert_eq!((part.prorated_days, part.missing_days), (4, 0));
        let inside = total(&statistics, "2021-02-01", "2021-02-07").expect("declared");
        assert_eq!(
            (inside.amount.to_string().as_str(), inside.prorated_days),
            ("70", 7)
        );
    }

    #[test]
    fn a_shorter_period_that_begins_later_counts_from_its_first_day() {
        let statistics = [
            declared("2021", "365", Finality::Final),
            declared("2021-02", "280", Finality::Final),
        ];
        let part = total(&statistics, "2021-01-20", "2021-02-10").expect("declared");
        // Twelve days of January at 1 a day, ten of February at 10.
        assert_eq!(part.amount.to_string(), "112");
        assert_eq!((part.prorated_days, part.missing_days), (22, 0));
    }

    #[test]
    fn undeclared_days_are_counted_and_other_price_bases_are_not_taken() {
        let statistics = [declared("2021-02", "28", Finality::Final)];
        let part = total(&statistics, "2021-02-01", "2021-03-31").expect("declared");
        assert_eq!(
            (part.amount.to_string().as_str(), part.missing_days),
            ("28", 31)
        );
        assert_eq!(
            total_of(
                &statistics,
                &Series::ValueAdded,
                range("2021-02-01", "2021-02-28"),
                Some(PriceBase::Current)
            ),
            None
        );
        assert_eq!(total(&statistics, "2022-02-01", "2022-02-28"), None);
    }

    #[test]
    fn periods_are_printed_as_they_are_read() {
        for text in ["2026", "2026-Q4", "2026-11"] {
            assert_eq!(
                text.parse::<DeclaredPeriod>()
                    .expect("a period")
                    .to_string(),
                text
            );
        }
        for bad in [
            "",
            "26",
            "2026-13",
            "2026-Q5",
            "2026-1",
            "2026-11-01",
            "1999",
            "+026",
            "2026-Q",
        ] {
            assert!(bad.parse::<DeclaredPeriod>().is_err(), "{bad}");
        }
    }
}
