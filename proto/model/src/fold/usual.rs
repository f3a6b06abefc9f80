//! The usual daily consumption of an unrated meter in a year, with which a leap of its register is compared.

use std::collections::BTreeMap;

use crate::{
    fold::{account::Leap, day_fold::DayFold, like_days::LikeDays},
    limits::{LIFE_READINGS_MIN, LIFE_TIMES},
    meter::profile::{MeterProfile, Point},
    time::day::CivilDay,
};

/// The consumption from one register to another, and its days.
#[derive(Debug, Clone, Copy)]
struct Pace {
    from: Point,
    to: Point,
    amount: i128,
    days: i128,
}

/// The paces of a meter in a year.
#[derive(Debug, Default)]
struct Year {
    readings: u64,
    paces: Vec<Pace>,
}

/// The paces of a meter in each year, computed on first use.
pub(crate) struct Usual<'a, 'l> {
    traits: &'a MeterProfile,
    days: &'a [(CivilDay, DayFold)],
    like: LikeDays<'l>,
    years: BTreeMap<i16, Year>,
}

impl<'a, 'l> Usual<'a, 'l> {
    /// Compares with the days that serve as like days, or with `days` if there are none.
    pub(crate) const fn new(
        traits: &'a MeterProfile,
        days: &'a [(CivilDay, DayFold)],
        like: LikeDays<'l>,
    ) -> Self {
        Self {
            traits,
            days,
            like,
            years: BTreeMap::new(),
        }
    }

    /// Returns true if a leap is far beyond the meter's usual consumption: more than [`LIFE_TIMES`] its largest other
    /// day of the year. A meter with few readings has no usual consumption.
    pub(crate) fn is_beyond(&mut self, leap: Leap) -> bool {
        let year = leap.after.instant.day().year();
        let (traits, days, like) = (self.traits, self.days, self.like);
        let known = self.years.entry(year).or_insert_with(|| {
            let mut known = Year::default();
            let runs = like.runs();
            if runs.is_empty() {
                known.add(traits, year, days);
            }
            for run in runs {
                known.add(traits, year, run);
            }
            known
        });
        let passed = days_between(leap.before, leap.after).max(1);
        known.readings >= LIFE_READINGS_MIN
            && known
                .largest_beside(leap)
                .is_some_and(|largest| leap.rise.0 > largest * LIFE_TIMES * passed)
    }
}

fn days_between(from: Point, to: Point) -> i128 {
    i128::from(to.instant.day().days_since(from.instant.day()))
}

impl Year {
    /// Adds the consumption from each day's first register to the next day's; for a daily counter, that within each
    /// day.
    fn add(&mut self, traits: &MeterProfile, year: i16, days: &[(CivilDay, DayFold)]) {
        let of_year = || days.iter().filter(|(day, _)| day.year() == year);
        let readings = of_year().map(|(_, fold)| u64::from(fold.readings));
        self.readings += readings.sum::<u64>();
        let restarts = |from: Point| traits.at(from.instant).restart.is_some();
        let mut ends: Vec<(Point, Point)> = Vec::new();
        for (_, fold) in of_year() {
            match fold.first.zip(fold.last) {
                Some((from, to)) if restarts(from) => self.paces.push(Pace {
                    from,
                    to,
                    amount: fold.within.0,
                    days: 1,
                }),
                Some(of_day) => ends.push(of_day),
                None => {}
            }
        }
        let unchanged =
            |from: Point, to: Point| traits.changes_between(from.instant, to.instant).is_none();
        let pace = |from: Point, to: Point| Pace {
            from,
            to,
            amount: traits
                .multiplier_at(to.instant)
                .between(from.register, to.register)
                .0,
            days: days_between(from, to).max(1),
        };
        let pairs = ends.windows(2).map(|pair| (pair[0].0, pair[1].0));
        let pairs = pairs.chain(ends.last().copied());
        let same_meter = pairs.filter(|(from, to)| unchanged(*from, *to));
        self.paces
            .extend(same_meter.map(|(from, to)| pace(from, to)));
    }

    /// The largest day beside a leap, among those up to the first that is far above the next smaller one, starting
    /// from the median.
    fn largest_beside(&self, leap: Leap) -> Option<i128> {
        let beside = self.paces.iter().map(|pace| {
            let holds =
                pace.from.instant <= leap.before.instant && leap.after.instant <= pace.to.instant;
            if holds {
                // Without the leap itself and the days without a reading.
                let days = pace.days - days_between(leap.before, leap.after);
                (pace.amount - leap.rise.0) / days.max(1)
            } else {
                pace.amount / pace.days
            }
        });
        let mut beside: Vec<i128> = beside.filter(|amount| *amount > 0).collect();
        beside.sort_unstable();
        // One other day alone shows little; of two, the larger shows what the meter can measure.
        let middle = (beside.len() > 1).then_some(beside.len() / 2)?;
        let mut largest = *beside.get(middle)?;
        for amount in &beside[middle..] {
            if *amount > largest.saturating_mul(LIFE_TIMES) {
                break;
            }
            largest = *amount;
        }
        Some(largest)
    }
}
