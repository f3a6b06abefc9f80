//! What an unrated meter usually does in a day of a year, against which a leap of its register is held.

use std::collections::BTreeMap;

use crate::{
    account::Leap,
    day::CivilDay,
    fold::{DayFold, Point, Traits},
    like_days::LikeDays,
    limits::{LIFE_READINGS_MIN, LIFE_TIMES},
};

/// What was consumed from one register to another, by the day.
#[derive(Debug, Clone, Copy)]
struct Pace {
    from: Point,
    to: Point,
    amount: i128,
    days: i128,
}

/// What a meter did in a year.
#[derive(Debug, Default)]
struct Year {
    readings: u64,
    paces: Vec<Pace>,
}

/// What a meter did in each year, found when it is asked for.
pub(crate) struct Usual<'a, 'l> {
    traits: &'a Traits,
    days: &'a [(CivilDay, DayFold)],
    like: LikeDays<'l>,
    years: BTreeMap<i16, Year>,
}

impl<'a, 'l> Usual<'a, 'l> {
    /// Looks at the days that serve as like days, or at `days` where there are none.
    pub(crate) const fn new(
        traits: &'a Traits,
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

    /// Whether a leap is far beyond what the meter did in its year: more than [`LIFE_TIMES`] its largest other
    /// day. Of a meter that was hardly read nothing is known.
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
    /// Adds what was consumed from each day's first register to the next one's; of a counter that starts anew each
    /// day, within each day.
    fn add(&mut self, traits: &Traits, year: i16, days: &[(CivilDay, DayFold)]) {
        let of_year = || days.iter().filter(|(day, _)| day.year() == year);
        let readings = of_year().map(|(_, fold)| u64::from(fold.readings));
        self.readings += readings.sum::<u64>();
        let anew = |from: Point| traits.at(from.instant).restart.is_some();
        let mut ends: Vec<(Point, Point)> = Vec::new();
        for (_, fold) in of_year() {
            match fold.first.zip(fold.last) {
                Some((from, to)) if anew(from) => self.paces.push(Pace {
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

    /// The largest day beside a leap of those that agree with the middle one: none is far above the next smaller.
    fn largest_beside(&self, leap: Leap) -> Option<i128> {
        let beside = self.paces.iter().map(|pace| {
            let holds =
                pace.from.instant <= leap.before.instant && leap.after.instant <= pace.to.instant;
            if holds {
                // Neither what leaps nor the days that nobody read it in.
                let days = pace.days - days_between(leap.before, leap.after);
                (pace.amount - leap.rise.0) / days.max(1)
            } else {
                pace.amount / pace.days
            }
        });
        let mut beside: Vec<i128> = beside.filter(|amount| *amount > 0).collect();
        beside.sort_unstable();
        // One other day alone says little; of two, the larger says what the meter can do.
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
