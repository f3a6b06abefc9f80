//! The truth about a generated meter: its consumption from moment to moment, and its changes.

use greenpark_model::{
    amount::{Amount, Sum},
    day::{CivilDay, Instant},
    fold::{MeterChange, MeterProfile, Multiplier, Profile},
};
use proptest::{prelude::*, sample::Index};

/// A register as the meter showed it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) instant: Instant,
    /// Millionths.
    pub(crate) register: i64,
}

/// A meter's life.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) shown: Vec<Shown>,
    /// The consumption between one reading and the next, multiplied, in millionths.
    steps: Vec<i128>,
    pub(crate) meter: MeterProfile,
}

/// The parameters of a life.
#[derive(Debug, Clone)]
struct Plan {
    minutes: i64,
    modulus: Option<i64>,
    begins_at: i64,
    multiplier: i64,
    /// The load of each step, in thousandths of the rating; zero is standstill.
    loads: Vec<i64>,
    replacement: Option<(Index, i64, i64)>,
}

/// The largest rise of the meter's own register in an hour, in millionths.
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
        let start = CivilDay::from_epoch_days(20_500).start().millis() + 1_800_000;
        let modulus = plan.modulus.unwrap_or(i64::MAX);
        let (mut register, mut times) = (plan.begins_at % modulus, plan.multiplier);
        let mut life = Self {
            shown: vec![Shown {
                instant: Instant::from_millis(start),
                register,
            }],
            steps: Vec::new(),
            meter: MeterProfile {
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
            let instant = life.shown[place].instant.millis() + plan.minutes * 60_000;
            let rise = RATED * plan.minutes / 60 * load / 1_000;
            let mut consumed = 0;
            let mut left = rise;
            if let Some((_, initial, new_times)) = replaced.filter(|(at, ..)| *at == place) {
                // Halfway between two readings, after half of the step.
                let before = rise / 2;
                let last = (register + before) % modulus;
                consumed += i128::from(before) * i128::from(times);
                life.meter.changes.push(MeterChange {
                    instant: Instant::from_millis(instant - plan.minutes * 30_000),
                    old_final: amount(last),
                    new_initial: amount(initial),
                    multiplier: multiplier(new_times),
                });
                (register, times, left) = (initial, new_times, rise - before);
            }
            consumed += i128::from(left) * i128::from(times);
            register = (register + left) % modulus;
            life.steps.push(consumed);
            life.shown.push(Shown {
                instant: Instant::from_millis(instant),
                register,
            });
        }
        let largest = plan.multiplier.max(times);
        life.meter.profile.bound_per_hour = Some(amount(RATED * largest + RATED * largest / 5));
        life
    }

    /// The consumption from the first reading to the last.
    pub(crate) fn consumed(&self) -> Sum {
        Sum(self.steps.iter().sum())
    }

    /// The first and the last day.
    pub(crate) fn days(&self) -> (CivilDay, CivilDay) {
        let day = |shown: &Shown| shown.instant.day();
        (day(&self.shown[0]), day(&self.shown[self.shown.len() - 1]))
    }

    /// Returns true if the register advanced from `place` to the next without a change on record and without a
    /// rollover.
    pub(crate) fn is_calm(&self, place: usize) -> bool {
        let (before, after) = (self.shown[place], self.shown[place + 1]);
        let changed = |change: &MeterChange| {
            before.instant < change.instant && change.instant <= after.instant
        };
        before.register <= after.register && !self.meter.changes.iter().any(changed)
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
        // Near the modulus in half of the cases.
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
