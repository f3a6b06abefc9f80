//! Corrections by hand: a person's statement of a meter's consumption on some days. Pure.
//!
//! A correction replaces the amount of its days in every figure, and the figure notes it. The readings remain
//! unchanged, and a correction also counts where there are none. A period that cuts the corrected days gets the share
//! of its own days. A correction belongs to a meter and quantity, whatever the kind of the readings.

use greenpark_model::{amount::Sum, compose::Consumption, day::DayRange, fold::MeterProfile};

use crate::{
    figures::consumption::consume, lake::books::SeriesDays, register::corrections::Correction,
};

/// The consumption of a series, corrections included.
#[derive(Debug, Default)]
pub(crate) struct Corrected {
    pub(crate) consumption: Consumption,
    /// The part of its amount that was set by hand.
    pub(crate) manual: Sum,
    /// The sum of the corrections' absolute amounts: two corrections that cancel each other are still no measurement.
    pub(crate) manual_absolute: Sum,
    /// One sentence for each correction that counts; empty where none does.
    pub(crate) told: Vec<String>,
}

/// The consumption of one series in `range`, corrected.
pub(crate) fn consume_corrected(
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    range: DayRange,
    corrections: &[Correction],
) -> Corrected {
    let consumption = consume(parts, traits, range);
    let mut made = Corrected {
        consumption,
        ..Corrected::default()
    };
    let mut starts = Vec::new();
    for correction in corrections {
        let Some((part, amount)) = correction.share(range) else {
            continue;
        };
        starts.extend([part.first(), part.last().next()]);
        made.manual += amount;
        made.manual_absolute += Sum(amount.0.abs());
        let measured = consume(parts, traits, part).amount;
        made.told.push(format!(
            "{} to {}: {amount} by hand, {measured} as measured ({}; recorded by {}, {})",
            part.first(),
            part.last(),
            correction.reason,
            correction.recorded_by,
            correction.evidence
        ));
    }
    if made.told.is_empty() {
        return made;
    }
    // Measure the uncorrected days piece by piece, because midnights matter at the ends of the corrected days.
    let by_hand = |piece: &DayRange| {
        corrections
            .iter()
            .any(|correction| correction.days.contains(piece.first()))
    };
    (made.consumption.amount, made.consumption.estimated) = (made.manual, Sum::ZERO);
    for piece in range
        .cut(starts)
        .into_iter()
        .filter(|piece| !by_hand(piece))
    {
        let measured = consume(parts, traits, piece);
        made.consumption.amount += measured.amount;
        made.consumption.estimated += measured.estimated;
    }
    made
}
