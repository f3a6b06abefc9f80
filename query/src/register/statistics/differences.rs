//! Periods that are declared both as a whole and by parts with a different sum. Pure.

use greenpark_model::{amount::Sum, day::DayRange, money::PriceBase};
use rust_decimal::Decimal;

use super::{
    DeclaredStatistic, StatisticSeries,
    pieces::{DoubleDeclaration, twice_declared},
};

/// The name of the threshold for the difference of a whole from its parts, as a share of the one that counts.
pub(crate) const DIFFERENCE: &str = "declared.difference";

/// The periods that overlap the range and whose whole and parts differ by more than `most`, each with a sentence.
pub(crate) fn differing(
    declared: &[DeclaredStatistic],
    series: &StatisticSeries,
    (range, base): (DayRange, Option<PriceBase>),
    most: Decimal,
) -> Vec<(DayRange, String)> {
    let twice = twice_declared(declared, series, range, base);
    let beyond = twice.into_iter().filter(|of| is_beyond(of, most));
    beyond
        .map(|of| {
            let (whole, parts) = (of.whole.amount, of.parts);
            let counts = match of.parts_count {
                true => "the parts, which were recorded later,",
                false => "the whole, which was recorded later,",
            };
            let period = of.whole.period;
            let sentence = format!(
                "{series} of {period} is declared as {whole} and by parts that sum to {parts}: {counts} count"
            );
            (period.range(), sentence)
        })
        .collect()
}

fn is_beyond(of: &DoubleDeclaration<'_>, most: Decimal) -> bool {
    let whole = Sum::from(of.whole.amount);
    let counts = match of.parts_count {
        true => of.parts,
        false => whole,
    };
    let decimal = |sum: Sum| sum.decimal().ok().map(|sum| sum.abs());
    let Some((off, counts)) = decimal(whole - of.parts).zip(decimal(counts)) else {
        return true;
    };
    // If the counted amount is zero, any other amount differs.
    off > counts.checked_mul(most).unwrap_or_default()
}
