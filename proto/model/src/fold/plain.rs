//! The fold of a counter's day on which nothing happened: every reading counts, and every step is an advance.
//!
//! Almost all days are such days. Whether one is takes a pass over the columns without a branch a reading;
//! what the day proves then follows from its first two and last two registers, for the steps between them
//! sum to their difference. Any other day is left to the rules, step by step.

use super::{Amount, DayColumns, DayFold, Flag, Multiplier, Traits, point};
use crate::limits::{BOUND_MS_MIN, MICRO};

/// The fold of the day, if nothing happened on it.
pub(super) fn fold(traits: &Traits, columns: DayColumns<'_>) -> Option<DayFold> {
    let DayColumns {
        instants, values, ..
    } = columns;
    let last = values.len().checked_sub(1)?;
    if !traits.changes.is_empty() || !all_count(columns) || !is_rising(values) {
        return None;
    }
    if let Some(bound) = traits.bound_per_hour
        && !is_within(bound, traits.multiplier, columns)
    {
        return None;
    }
    let at = |row: usize| point(instants[row], values[row]);
    let (begins, ends) = (at(0)?, at(last)?);
    Some(DayFold {
        readings: u32::try_from(values.len()).unwrap_or(u32::MAX),
        within: traits.multiplier.between(begins.register, ends.register),
        first: Some(begins),
        head: if last >= 1 { at(1) } else { None },
        tail: if last >= 2 { at(last - 1) } else { None },
        last: Some(ends),
        ..DayFold::default()
    })
}

/// Whether every reading is flagged normal and in force.
fn all_count(columns: DayColumns<'_>) -> bool {
    let normal = Flag::Normal.code();
    let odd = columns
        .flags
        .iter()
        .fold(0, |odd, flag| odd | (flag ^ normal));
    let superseded = columns.superseded.iter().fold(false, |any, s| any | s);
    odd == 0 && !superseded
}

/// Whether no value falls, each being far enough from the ends of an i64 for a difference not to wrap: one
/// sign bit tells of all. What rises from an amount to an amount has amounts between them.
fn is_rising(values: &[i64]) -> bool {
    let far = |value: i64| (value ^ (value << 1)) | (value ^ (value << 2));
    let ends = values.first().map_or(0, |first| far(*first));
    let pairs = values.iter().zip(values.iter().skip(1));
    let signs = pairs.fold(ends, |signs, (before, after)| {
        signs | after.wrapping_sub(*before) | far(*after)
    });
    signs >= 0
}

/// Whether each step is within what the meter can measure in the shortest time between two readings. A day
/// that passes is plain; one that does not may still be, and the rules will tell.
fn is_within(bound: Amount, multiplier: Multiplier, columns: DayColumns<'_>) -> bool {
    let ms = i128::from(shortest_ms(columns.instants).max(BOUND_MS_MIN));
    let most = i128::from(bound.micro()) * ms / 3_600_000;
    // A multiplied step is rounded by at most one.
    let most = (most - 1) * i128::from(MICRO) / i128::from(multiplier.value().micro()).max(1);
    let Ok(most) = i64::try_from(most.min(i128::from(i64::MAX / 4))) else {
        return false;
    };
    let pairs = columns.values.iter().zip(columns.values.iter().skip(1));
    let signs = pairs.fold(0, |signs, (before, after)| {
        signs | most.wrapping_sub(after.wrapping_sub(*before))
    });
    signs >= 0
}

/// The shortest time between two readings: the first one's, where the others are as long.
fn shortest_ms(instants: &[i64]) -> i64 {
    let pairs = || instants.iter().zip(instants.iter().skip(1));
    let step = |(before, after): (&i64, &i64)| after.wrapping_sub(*before);
    let Some(first) = pairs().next().map(step) else {
        return 0;
    };
    let shorter = pairs().fold(0, |signs, pair| signs | step(pair).wrapping_sub(first));
    if shorter >= 0 {
        return first;
    }
    pairs().map(step).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        day::{CivilDay, Instant},
        fold::{CounterFold, MeterChange},
    };

    /// Readings of a day that is plain or nearly so.
    #[derive(Debug, Clone)]
    struct Day {
        instants: Vec<i64>,
        values: Vec<i64>,
        flags: Vec<u8>,
        superseded: Vec<bool>,
    }

    impl Day {
        fn columns(&self) -> DayColumns<'_> {
            DayColumns {
                instants: &self.instants,
                values: &self.values,
                flags: &self.flags,
                superseded: &self.superseded,
            }
        }
    }

    fn day() -> impl Strategy<Value = Day> {
        let step = prop_oneof![Just(0i64), 1i64..5_000_000, 4_900_000i64..5_100_000];
        let gap = prop_oneof![4 => Just(3_600_000i64), 1 => 0i64..7_200_000];
        let steps = prop::collection::vec((step, gap), 0..30);
        let odd = prop::option::of((any::<prop::sample::Index>(), 0u8..5, any::<i64>()));
        (steps, odd, 0i64..1_000_000_000).prop_map(|(steps, odd, mut register)| {
            let start = CivilDay::from_epoch_days(20_000).start();
            let mut instant = start.0;
            let mut day = Day {
                instants: Vec::new(),
                values: Vec::new(),
                flags: Vec::new(),
                superseded: Vec::new(),
            };
            for (step, gap) in steps {
                register += step;
                instant += gap;
                day.instants.push(instant);
                day.values.push(register);
                day.flags.push(Flag::Normal.code());
                day.superseded.push(false);
            }
            if let Some((at, what, value)) = odd.filter(|_| !day.values.is_empty()) {
                let at = at.index(day.values.len());
                match what {
                    0 => day.values[at] = value,
                    1 => {
                        day.values[at] = day.values[at].saturating_sub(value.rem_euclid(9_000_000))
                    }
                    2 => day.flags[at] = Flag::Manual.code(),
                    3 => day.flags[at] = Flag::Fault.code(),
                    _ => day.superseded[at] = true,
                }
            }
            day
        })
    }

    fn traits() -> impl Strategy<Value = Traits> {
        let amount = |micro: i64| Amount::from_micro(micro).expect("in range");
        let multiplier = prop_oneof![Just(1_000_000i64), Just(12_000_000_000), Just(333_333)];
        let change = MeterChange {
            instant: Instant(CivilDay::from_epoch_days(20_000).start().0 + 36_000_000),
            old_final: amount(5),
            new_initial: amount(3),
            multiplier: Multiplier::ONE,
        };
        let changes = prop_oneof![4 => Just(Vec::new()), 1 => Just(vec![change])];
        let bound = prop::option::of(4_000_000i64..80_000_000_000);
        let modulus = prop::option::of(Just(1_000_000_000i64));
        (multiplier, changes, bound, modulus).prop_map(
            move |(multiplier, changes, bound, modulus)| Traits {
                modulus: modulus.map(amount),
                bound_per_hour: bound.map(amount),
                multiplier: Multiplier::new(amount(multiplier)).expect("positive"),
                changes,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever the day, the rules say the same of it, step by step.
        #[test]
        fn a_plain_day_is_what_the_rules_make_of_it(day in day(), traits in traits()) {
            if let Some(plain) = fold(&traits, day.columns()) {
                prop_assert_eq!(plain, CounterFold::new(&traits, day.columns()).run());
            }
        }
    }

    #[test]
    fn an_ordinary_day_of_a_rated_meter_is_plain_and_one_with_a_fall_is_not() {
        let start = CivilDay::from_epoch_days(20_000).start().0;
        let mut day = Day {
            instants: (0..24).map(|hour| start + hour * 3_600_000).collect(),
            values: (0..24).map(|hour| hour * 5_000_000).collect(),
            flags: vec![Flag::Normal.code(); 24],
            superseded: vec![false; 24],
        };
        let traits = Traits {
            bound_per_hour: Amount::from_micro(6_000_000).ok(),
            ..Traits::default()
        };
        assert!(fold(&traits, day.columns()).is_some());
        day.values[12] -= 5_000_001;
        assert!(fold(&traits, day.columns()).is_none());
    }
}
