//! Totals of value added or another declared series in a range, from declarations for years, quarters and months.
//!
//! Declared periods that tile the range are added unchanged. Days that no whole period fits get a prorated share of
//! the shortest period around them, which makes the figure operational. Days without a declaration add nothing and
//! are reported.
//!
//! If a period is declared both as a whole and by parts that tile it, the later record counts: the whole, or the
//! parts if one of them was recorded after it.

mod differences;
mod pieces;

use std::{fmt, str::FromStr};

use greenpark_model::{
    amount::{Amount, Sum},
    day::{DayRange, Instant},
    id,
    money::{PriceBase, prorate},
    quantity::{Medium, MediumClass, Quantity},
};

use crate::limits::YEARS;

pub(crate) use differences::{DIFFERENCE, differing};
pub(crate) use pieces::{Piece, pieces_of};

/// A declared series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatisticSeries {
    /// Industrial value added (工业增加值), in 10⁴ yuan.
    ValueAdded,
    /// Gross output (工业总产值), in 10⁴ yuan.
    GrossOutput,
    /// The output of a product (产品产量) by its name, in t.
    Product(String),
    /// The consumption of a quantity by the enterprise's own books (报表消费量), which its meters should sum to, in the
    /// unit of the quantity.
    Consumption(Quantity),
    /// An energy used as raw material (原料用能), in the canonical unit of its medium.
    RawMaterial(Medium),
    /// An item of the books of an energy, for form 205-1.
    Energy(EnergyItem, Medium),
}

/// What an enterprise's books say of an energy beside its consumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EnergyItem {
    /// Purchased (购进量), in the canonical unit of the medium.
    Purchases,
    /// The amount paid for it (购进金额), in 10³ yuan.
    PurchaseCost,
    /// The stock at the end of the period (期末库存量), in the canonical unit.
    ClosingStock,
    /// Consumed by vehicles (运输工具消费), in the canonical unit.
    Transport,
    /// Consumed outside industrial production (非工业生产消费), in the canonical unit.
    NonProduction,
}

impl EnergyItem {
    /// All items.
    pub const ALL: [Self; 5] = [
        Self::Purchases,
        Self::PurchaseCost,
        Self::ClosingStock,
        Self::Transport,
        Self::NonProduction,
    ];

    /// The name of its series, before the medium.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchases => "purchases",
            Self::PurchaseCost => "purchase_cost",
            Self::ClosingStock => "closing_stock",
            Self::Transport => "transport",
            Self::NonProduction => "non_production",
        }
    }
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

/// A declared statistic in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredStatistic {
    /// The declared series.
    pub series: StatisticSeries,
    /// The declared period.
    pub period: DeclaredPeriod,
    /// The amount in the unit of the series.
    pub amount: Amount,
    /// The price base; `None` for a series without prices.
    pub price_base: Option<PriceBase>,
    /// The finality of the amount.
    pub finality: Finality,
    /// The instant when it was recorded.
    pub recorded_at: Instant,
}

/// The finality of a declared statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Finality {
    /// The amount may still change.
    Preliminary,
    /// The amount is final.
    Final,
}

/// The total of a series in a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The sum, in the series' unit.
    pub amount: Sum,
    /// [`Finality::Final`] only if every part is.
    pub finality: Finality,
    /// Days whose share was prorated from a longer period.
    pub prorated_days: i32,
    /// Days without a declaration.
    pub missing_days: i32,
}

/// The error for a text that names no series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no series; write value_added, gross_output, product:NAME as in product:crude_steel, \
     consumption:QUANTITY as in consumption:electricity, raw_material:ENERGY as in raw_material:natural_gas, or \
     purchases, purchase_cost, closing_stock, transport or non_production in the same way"
)]
pub struct UnknownSeries(pub String);

impl StatisticSeries {
    /// The unit of its declared amounts.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::ValueAdded | Self::GrossOutput => "10k-yuan",
            Self::Product(_) => "t",
            Self::Consumption(quantity) => quantity.medium.unit().symbol(),
            Self::Energy(EnergyItem::PurchaseCost, _) => "1k-yuan",
            Self::RawMaterial(medium) | Self::Energy(_, medium) => medium.unit().symbol(),
        }
    }

    /// Returns true if a figure may be divided by it.
    #[must_use]
    pub const fn is_output(&self) -> bool {
        matches!(
            self,
            Self::ValueAdded | Self::GrossOutput | Self::Product(_)
        )
    }

    /// Returns true if its amounts have a price base.
    #[must_use]
    pub const fn has_prices(&self) -> bool {
        matches!(self, Self::ValueAdded | Self::GrossOutput)
    }
}

impl fmt::Display for StatisticSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValueAdded => f.write_str("value_added"),
            Self::GrossOutput => f.write_str("gross_output"),
            Self::Product(name) => write!(f, "product:{name}"),
            Self::Consumption(quantity) => write!(f, "consumption:{quantity}"),
            Self::RawMaterial(medium) => write!(f, "raw_material:{}", medium.as_str()),
            Self::Energy(item, medium) => write!(f, "{}:{}", item.as_str(), medium.as_str()),
        }
    }
}

impl FromStr for StatisticSeries {
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
            Some((name, medium)) => {
                let medium = Medium::from_name(medium)
                    .filter(|medium| medium.class() == MediumClass::Energy)
                    .ok_or_else(unknown)?;
                let mut items = EnergyItem::ALL.into_iter();
                match items.find(|item| item.as_str() == name) {
                    Some(item) => Ok(Self::Energy(item, medium)),
                    None if name == "raw_material" => Ok(Self::RawMaterial(medium)),
                    None => Err(unknown()),
                }
            }
            None => Err(unknown()),
        }
    }
}

impl DeclaredPeriod {
    /// The period of a year; `None` if a declaration may not name that year.
    #[must_use]
    pub fn year(year: i16) -> Option<Self> {
        YEARS.contains(&year).then_some(Self::Year(year))
    }

    /// The days of the period.
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

/// The error for a text that names no period.
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

/// The total of `series` in `range` at `base`; `None` if no day of it has a declaration. `declared` is in the order
/// of recording.
#[must_use]
pub fn total_of(
    declared: &[DeclaredStatistic],
    series: &StatisticSeries,
    range: DayRange,
    base: Option<PriceBase>,
) -> Option<Total> {
    let made = pieces_of(declared, series, range, base)?;
    let part = |piece: &Piece<'_>| {
        let whole = Sum::from(piece.declared.amount);
        match piece.days == piece.of {
            true => whole,
            false => prorate(whole, piece.days, piece.of),
        }
    };
    Some(Total {
        amount: made.pieces.iter().map(part).sum(),
        finality: made.finality(),
        prorated_days: made.prorated_days(),
        missing_days: made.missing_days,
    })
}

#[cfg(test)]
mod tests;
