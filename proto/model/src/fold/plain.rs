//! The fast fold of a counter's plain day: every reading counts, and every step is an advance.
//!
//! Almost all days are plain. The check is one pass over the columns without a branch per reading; the totals then
//! follow from the first two and last two registers that differ, for the steps between them sum to their
//! difference. The general fold handles any other day, step by step.

use crate::{
    fold::day_fold::{DayColumns, DayFold, point},
    limits::{BOUND_MS_MIN, LEAP_TIMES, MICRO},
    meter::{
        amount::Amount,
        profile::{MeterProfile, Multiplier, Profile},
        reading::Flag,
    },
};

/// The fold of the day, if it is plain.
pub(super) fn fold(meter: &MeterProfile, columns: DayColumns<'_>) -> Option<DayFold> {
    let DayColumns {
        instants, values, ..
    } = columns;
    let last = values.len().checked_sub(1)?;
    let Profile {
        bound_per_hour,
        bidirectional,
        restart,
        ..
    } = meter.profile;
    if !meter.is_constant() || bidirectional || restart.is_some() || !all_count(columns) {
        return None;
    }
    let steps = Steps::of(values);
    if !steps.is_rising {
        return None;
    }
    match bound_per_hour {
        Some(bound) if !is_within(bound, meter.multiplier, columns) => return None,
        None if !steps.are_even && leaps(values) => return None,
        _ => {}
    }
    let at = |row: usize| point(instants[row], values[row]);
    let (begin, end) = (at(0)?, at(last)?);
    let differs = |from: usize| move |row: &usize| values[*row] != values[from];
    let head = (0..=last).find(differs(0)).and_then(at);
    let tail = (0..=last).rev().find(differs(last)).and_then(at);
    Some(DayFold {
        readings: u32::try_from(values.len()).unwrap_or(u32::MAX),
        within: meter.multiplier.between(begin.register, end.register),
        first: Some(begin),
        head,
        tail,
        last: Some(end),
        ..DayFold::default()
    })
}

/// Returns true if every reading is flagged normal and not superseded.
fn all_count(columns: DayColumns<'_>) -> bool {
    let normal = Flag::Normal.code();
    let odd = columns
        .flags
        .iter()
        .fold(0, |odd, flag| odd | (flag ^ normal));
    let superseded = columns.superseded.iter().fold(false, |any, s| any | s);
    odd == 0 && !superseded
}

/// The result of one pass over the values.
struct Steps {
    /// No value falls. Rising values between two valid amounts are valid amounts.
    is_rising: bool,
    /// No step is more than nine times another, so none can be a leap.
    are_even: bool,
}

impl Steps {
    /// Combines all comparisons into one sign bit. Each value must be far enough from the ends of an i64 for a
    /// difference not to wrap.
    fn of(values: &[i64]) -> Self {
        /// Half of the range of values that are far from the ends: the two bits above it repeat the sign.
        const FAR: i64 = 1 << 61;
        let far = |value: i64| value.wrapping_add(FAR);
        let mut pairs = values.iter().zip(values.iter().skip(1));
        let (first, step) = match (values.first(), values.get(1)) {
            (Some(first), Some(second)) => (*first, second.wrapping_sub(*first)),
            (first, _) => (first.copied().unwrap_or(0), 0),
        };
        let (low, high) = (step.wrapping_div(3), step.saturating_mul(3));
        let begin = (far(first), 0i64, 0i64);
        let (ends, falls, uneven) = pairs.by_ref().fold(begin, |(ends, falls, uneven), pair| {
            let step = pair.1.wrapping_sub(*pair.0);
            (
                ends | far(*pair.1),
                falls | step,
                uneven | step.wrapping_sub(low) | high.wrapping_sub(step),
            )
        });
        Self {
            is_rising: ends >> 62 == 0 && falls >= 0,
            are_even: uneven >= 0,
        }
    }
}

/// Returns true if a step of rising values may be a leap: at least [`LEAP_TIMES`] the nonzero steps beside it. The
/// last register of such a day may be left out.
fn leaps(values: &[i64]) -> bool {
    let mut steps = [0i64; 2];
    let (mut count, mut found) = (0usize, false);
    let is_leap = |step: i64, beside: i64| i128::from(step) >= i128::from(beside) * LEAP_TIMES;
    for pair in values.windows(2) {
        let step = pair[1] - pair[0];
        if step == 0 {
            continue;
        }
        let [before, middle] = steps;
        found |= match count {
            0 => false,
            1 => is_leap(middle, step),
            _ => is_leap(middle, before) && is_leap(middle, step),
        };
        steps = [middle, step];
        count += 1;
    }
    found | (count >= 2 && is_leap(steps[1], steps[0]))
}

/// Returns true if each step is within what the meter can measure in the shortest time between two readings. A
/// day that fails may still be plain; the general fold decides.
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

/// The shortest time between two readings; usually the first, for all are equal.
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
        fold::{MeterChange, counter},
        time::day::{CivilDay, Instant},
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
            let mut instant = start.millis();
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

    fn meter() -> impl Strategy<Value = MeterProfile> {
        let amount = |micro: i64| Amount::from_micro(micro).expect("in range");
        let multiplier = prop_oneof![Just(1_000_000i64), Just(12_000_000_000), Just(333_333)];
        let change = MeterChange {
            instant: Instant::from_millis(
                CivilDay::from_epoch_days(20_000).start().millis() + 36_000_000,
            ),
            old_final: amount(5),
            new_initial: amount(3),
            multiplier: Multiplier::ONE,
        };
        let changes = prop_oneof![4 => Just(Vec::new()), 1 => Just(vec![change])];
        let bound = prop::option::of(4_000_000i64..80_000_000_000);
        let modulus = prop::option::of(Just(1_000_000_000i64));
        (multiplier, changes, bound, modulus).prop_map(
            move |(multiplier, changes, bound, modulus)| MeterProfile {
                profile: Profile {
                    modulus: modulus.map(amount),
                    bound_per_hour: bound.map(amount),
                    ..Profile::default()
                },
                multiplier: Multiplier::new(amount(multiplier)).expect("positive"),
                changes,
                ..MeterProfile::default()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// The fast fold of any day equals the general one.
        #[test]
        fn a_plain_day_folds_as_the_general_rules_fold_it(day in day(), meter in meter()) {
            if let Some(plain) = fold(&meter, day.columns()) {
                prop_assert_eq!(plain, counter::fold(&meter, day.columns()));
            }
        }
    }

    #[test]
    fn an_ordinary_day_of_a_rated_meter_is_plain_and_one_with_a_fall_is_not() {
        let start = CivilDay::from_epoch_days(20_000).start().millis();
        let mut day = Day {
            instants: (0..24).map(|hour| start + hour * 3_600_000).collect(),
            values: (0..24).map(|hour| hour * 5_000_000).collect(),
            flags: vec![Flag::Normal.code(); 24],
            superseded: vec![false; 24],
        };
        let meter = MeterProfile {
            profile: Profile {
                bound_per_hour: Amount::from_micro(6_000_000).ok(),
                ..Profile::default()
            },
            ..MeterProfile::default()
        };
        assert!(fold(&meter, day.columns()).is_some());
        day.values[12] -= 5_000_001;
        assert!(fold(&meter, day.columns()).is_none());
    }
}
