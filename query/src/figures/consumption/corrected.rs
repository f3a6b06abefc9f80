//! Corrections by hand: what a meter consumed on some days, by whoever knows better. Pure.
//!
//! A correction replaces the amount of its days in every figure and says so; the readings stay as they are, and
//! where there are none it counts all the same. A period that cuts its days has the part that its days have of
//! them. It is of a meter and quantity: of which kind the readings are that it stands for makes no difference.

use greenpark_model::{amount::Sum, compose::Consumption, day::DayRange, fold::MeterProfile};

use crate::{
    figures::consumption::consume, lake::books::SeriesDays, register::corrections::Correction,
};

/// What a counter consumed, with what was set by hand.
#[derive(Debug, Default)]
pub(crate) struct Corrected {
    pub(crate) consumption: Consumption,
    /// The part of its amount that was set by hand.
    pub(crate) manual: Sum,
    /// The same, each correction without its sign: one that takes off what another adds is no measurement.
    pub(crate) manual_absolute: Sum,
    /// One sentence for each correction that counts.
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
    // What was not corrected, piece by piece: at the ends of the corrected days midnights matter.
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
