//! The truth about a meter: what it consumed from moment to moment, and what befell it.

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{MeterChange, MeterProfile, Multiplier, Profile},
};
use proptest::{prelude::*, sample::Index};

/// A reading as the meter gave it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) instant: Instant,
    /// Millionths.
    pub(crate) register: i64,
}

/// A meter's life.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) said: Vec<Said>,
    /// What was consumed between one reading and the next, multiplied, in millionths.
    steps: Vec<i128>,
    pub(crate) traits: MeterProfile,
}

/// How a life is made.
#[derive(Debug, Clone)]
struct Plan {
    minutes: i64,
    modulus: Option<i64>,
    begins_at: i64,
    multiplier: i64,
    /// Of the rating, in thousandths, for each step; zero is standstill.
    loads: Vec<i64>,
    replacement: Option<(Index, i64, i64)>,
}

/// Millionths of a unit that the meter's own register can rise in an hour, at most.
const RATED: i64 = 100_000_000;

fn amount(micro: i64) -> Amount {
    Amount::from_micro(micro).expect("in range")
}

fn multiplier(times: i64) -> Multiplier {
    Multiplier::new(amount(times * 1_000_000)).expect("positive")
}

impl Truth {
    fn of(plan: &Plan) -> Self {
        // Half past the hour, so that midnight has no reading of its own.
        let start = CivilDay::from_epoch_days(20_500).start().0 + 1_800_000;
        let modulus = plan.modulus.unwrap_or(i64::MAX);
        let (mut register, mut times) = (plan.begins_at % modulus, plan.multiplier);
        let mut life = Self {
            said: vec![Said {
                instant: Instant(start),
                register,
            }],
            steps: Vec::new(),
            traits: MeterProfile {
                profile: Profile {
                    modulus: plan.modulus.map(amount),
                    bound_per_hour: None,
                    ..Profile::default()
                },
                multiplier: multiplier(plan.multiplier),
                changes: Vec::new(),
                ..MeterProfile::default()
            },
        };
        let replaced = plan.replacement.map(|(at, initial, times)| {
            (
                at.index(plan.loads.len()),
                initial % modulus,
                plan.multiplier * times,
            )
        });
        for (place, load) in plan.loads.iter().enumerate() {
            let instant = life.said[place].instant.0 + plan.minutes * 60_000;
            let rise = RATED * plan.minutes / 60 * load / 1_000;
            let mut consumed = 0;
            let mut left = rise;
            if let Some((_, initial, new_times)) = replaced.filter(|(at, ..)| *at == place) {
                // Halfway between two readings, after half of the step.
                let before = rise / 2;
                let last = (register + before) % modulus;
                consumed += i128::from(before) * i128::from(times);
                life.traits.changes.push(MeterChange {
                    instant: Instant(instant - plan.minutes * 30_000),
                    old_final: amount(last),
                    new_initial: amount(initial),
                    multiplier: multiplier(new_times),
                });
                (register, times, left) = (initial, new_times, rise - before);
            }
            consumed += i128::from(left) * i128::from(times);
            register = (register + left) % modulus;
            life.steps.push(consumed);
            life.said.push(Said {
                instant: Instant(instant),
                register,
            });
        }
        let largest = plan.multiplier.max(times);
        life.traits.profile.bound_per_hour = Some(amount(RATED * largest + RATED * largest / 5));
        life
    }

    /// All that was consumed from the first reading to the last.
    pub(crate) fn consumed(&self) -> Sum {
        Sum(self.steps.iter().sum())
    }

    /// The first and the last day.
    pub(crate) fn days(&self) -> (CivilDay, CivilDay) {
        let day = |said: &Said| said.instant.day();
        (day(&self.said[0]), day(&self.said[self.said.len() - 1]))
    }

    /// Whether the register moved on from `place` to the next without anything on record, and not over its
    /// modulus.
    pub(crate) fn is_calm(&self, place: usize) -> bool {
        let (before, after) = (self.said[place], self.said[place + 1]);
        let changed = |change: &MeterChange| {
            before.instant < change.instant && change.instant <= after.instant
        };
        before.register <= after.register && !self.traits.changes.iter().any(changed)
    }
}

/// Any life of one to seven days.
pub(crate) fn life() -> impl Strategy<Value = Truth> {
    let minutes = prop_oneof![Just(15i64), Just(30), Just(60), Just(180)];
    let load = prop_oneof![1 => Just(0i64), 4 => 1i64..=1_000];
    let replacement = (
        any::<Index>(),
        0i64..5_000_000_000,
        // Transformers of the same size, or of twice it.
        prop_oneof![Just(1i64), Just(2)],
    );
    let life = (
        minutes,
        prop::option::of(Just(1_000_000_000_000i64)),
        // Near the modulus as often as not.
        prop_oneof![0i64..50_000_000_000, 990_000_000_000i64..1_000_000_000_000],
        prop_oneof![Just(1i64), Just(40), Just(12_000)],
        prop::collection::vec(load, 8..160),
        prop::option::of(replacement),
    );
    life.prop_map(
        |(minutes, modulus, begins_at, multiplier, loads, replacement)| {
            Truth::of(&Plan {
                minutes,
                modulus,
                begins_at,
                multiplier,
                loads,
                replacement,
            })
        },
    )
}
