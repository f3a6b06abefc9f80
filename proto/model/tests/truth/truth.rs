//! The truth about a generated meter: its consumption, and the registers that showed it.

use std::collections::BTreeMap;

use greenpark_model::{
    amount::Amount,
    day::{CivilDay, DayRange, Instant},
    fold::{MeterChange, MeterProfile, Multiplier, Profile},
};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000;

/// A true register, and the consumption until its reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrueReading {
    pub(crate) instant: i64,
    /// The value that the meter showed, in millionths.
    pub(crate) register: i64,
    /// Consumed since the first reading, in millionths times millionths.
    pub(crate) consumed: i128,
}

/// A meter's life.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) meter: MeterProfile,
    pub(crate) readings: Vec<TrueReading>,
    pub(crate) rollovers: u32,
    pub(crate) replacements: u32,
}

/// The span from one reading to the next.
#[derive(Debug, Clone, Copy)]
struct Span {
    ms: i64,
    /// Thousandths of the rating.
    load: i64,
    change: Option<Change>,
}

/// A change of the meter after `at` thousandths of the span.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: i64,
    multiplier: Multiplier,
    /// The first register of the new meter; `None` if only the multiplier changes.
    new_initial: Option<i64>,
}

/// The build of a meter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    /// The largest possible consumption of an hour, in millionths.
    rating: i64,
    multiplier: Multiplier,
    has_modulus: bool,
    is_rated: bool,
    /// The first register, in thousandths of the modulus.
    start: i64,
    /// The usual time between readings.
    every: i64,
    first: i64,
}

/// Multipliers of transformers: CT × PT ratios.
fn whole_multiplier() -> impl Strategy<Value = Multiplier> {
    prop::sample::select(vec![1i64, 1, 1, 20, 80, 120, 12_000]).prop_map(|times| {
        let times = Amount::from_micro(times * 1_000_000).expect("in range");
        Multiplier::new(times).expect("positive")
    })
}

/// Multipliers with a fraction, such as m³ counted in pulses.
pub(crate) fn odd_multiplier() -> impl Strategy<Value = Multiplier> {
    (10_000i64..5_000_000).prop_map(|micro| {
        Multiplier::new(Amount::from_micro(micro).expect("in range")).expect("positive")
    })
}

prop_compose! {
    fn build(
        multiplier: BoxedStrategy<Multiplier>,
        is_rated: BoxedStrategy<bool>,
    )(
        multiplier in multiplier,
        is_rated in is_rated,
        rating in 1_000_000i64..5_000_000_000,
        has_modulus: bool,
        start in prop_oneof![0i64..1_000, 990i64..1_000],
        every in prop::sample::select(vec![1i64, 5, 15, 15, 30, 60, 240]),
        first in 1_000_000_000_000i64..1_900_000_000_000,
    ) -> Build {
        Build { rating, multiplier, has_modulus, is_rated, start, every: every * 60_000, first }
    }
}

/// Spans from reading to reading, in thousandths of the usual time between them.
fn spans(multiplier: BoxedStrategy<Multiplier>) -> impl Strategy<Value = Vec<Span>> {
    let ms = prop_oneof![
        30 => Just(1_000i64),
        // A stamp early or late.
        8 => 900i64..1_100,
        // An outage of some readings.
        2 => 1_000i64..30_000,
    ];
    let load = prop_oneof![2 => Just(0i64), 4 => 0i64..=1_000, 1 => Just(1_000i64)];
    let new_initial = prop::option::weighted(0.7, 0i64..50_000_000);
    let change = (
        prop_oneof![1i64..1_000, Just(1_000i64)],
        multiplier,
        new_initial,
    );
    let change = change.prop_map(|(at, multiplier, new_initial)| Change {
        at,
        multiplier,
        new_initial,
    });
    let span = (ms, load, prop::option::weighted(0.02, change));
    let span = span.prop_map(|(ms, load, change)| Span { ms, load, change });
    prop::collection::vec(span, 8..130)
}

/// Outages of hours to weeks: the place of each, and how long.
fn outages() -> impl Strategy<Value = Vec<(prop::sample::Index, i64)>> {
    let long = prop_oneof![2 => HOUR..48 * HOUR, 1 => 48 * HOUR..40 * 24 * HOUR];
    prop::collection::vec((any::<prop::sample::Index>(), long), 0..4)
}

/// A meter's life: `rated` ones, unrated ones or both.
pub(crate) fn truth(rated: BoxedStrategy<bool>) -> impl Strategy<Value = Truth> {
    truth_with(rated, whole_multiplier().boxed())
}

/// A meter's life with multipliers from `multiplier`.
pub(crate) fn truth_with(
    rated: BoxedStrategy<bool>,
    multiplier: BoxedStrategy<Multiplier>,
) -> impl Strategy<Value = Truth> {
    let build = build(multiplier.clone(), rated);
    (build, spans(multiplier), outages()).prop_map(|(build, mut spans, outages)| {
        for span in &mut spans {
            span.ms = build.every * span.ms / 1_000;
        }
        for (place, ms) in outages {
            let row = place.index(spans.len());
            spans[row].ms = ms;
        }
        live(build, &spans)
    })
}

/// A meter during the simulation.
struct Meter {
    register: i64,
    modulus: Option<i64>,
    multiplier: Multiplier,
    consumed: i128,
    rollovers: u32,
}

impl Meter {
    /// Consumes at `load` thousandths of `rating` for `ms`.
    fn go_on(&mut self, rating: i64, load: i64, ms: i64) {
        let most = i128::from(rating) * i128::from(ms) * i128::from(load) / (1_000 * 3_600_000);
        let times = i128::from(self.multiplier.value().micro());
        let ticks = most * 1_000_000 / times;
        self.consumed += ticks * times;
        self.register += i64::try_from(ticks).expect("a register is in range");
        if let Some(modulus) = self.modulus.filter(|m| self.register >= *m) {
            self.register -= modulus;
            self.rollovers += 1;
        }
    }

    /// Continues for a span in which the meter is changed; `None` if a modulus is passed in it.
    fn go_on_changed(&mut self, rating: i64, span: Span, instant: i64) -> Option<MeterChange> {
        let change = span.change?;
        let before = (span.ms * change.at / 1_000).max(1);
        let mut ahead = Self { ..*self };
        ahead.go_on(rating, span.load, before);
        let changed = ahead.change(instant + before, change);
        ahead.go_on(rating, span.load, span.ms - before);
        if ahead.rollovers > self.rollovers {
            return None;
        }
        *self = ahead;
        Some(changed)
    }
}

fn live(build: Build, spans: &[Span]) -> Truth {
    let longest = spans.iter().map(|span| span.ms).max().expect("some spans");
    // A modulus of twenty times the largest step of any multiplier, rounded up as registers are.
    let most = i128::from(build.rating) * i128::from(longest) / 3_600_000 * 20;
    let changed = spans
        .iter()
        .filter_map(|span| span.change)
        .map(|c| c.multiplier);
    let multipliers = changed.chain([build.multiplier]).map(|m| m.value().micro());
    let divisor = i128::from(multipliers.min().expect("the first one"));
    let floor = i64::try_from(most * 1_000_000 / divisor).expect("a register is in range");
    let modulus = (6..19).map(|digits| 10i64.pow(digits)).find(|m| *m > floor);
    let modulus = modulus.filter(|m| build.has_modulus && *m < 10i64.pow(18));
    let mut meter = Meter {
        register: modulus.unwrap_or(1_000_000_000) / 1_000 * build.start,
        modulus,
        multiplier: build.multiplier,
        consumed: 0,
        rollovers: 0,
    };
    let (mut instant, mut changes) = (build.first, Vec::new());
    let mut readings = vec![meter.read(instant)];
    for span in spans {
        if let Some(change) = meter.go_on_changed(build.rating, *span, instant) {
            changes.push(change);
        } else {
            meter.go_on(build.rating, span.load, span.ms);
        }
        instant += span.ms;
        readings.push(meter.read(instant));
    }
    let amount = |micro| Amount::from_micro(micro).expect("in range");
    let profile = MeterProfile {
        profile: Profile {
            modulus: modulus.map(amount),
            bound_per_hour: build.is_rated.then(|| amount(build.rating)),
            ..Profile::default()
        },
        multiplier: build.multiplier,
        changes,
        ..MeterProfile::default()
    };
    let replacements = u32::try_from(profile.changes.len()).expect("few");
    Truth {
        meter: profile,
        readings,
        rollovers: meter.rollovers,
        replacements,
    }
}

impl Meter {
    fn read(&self, instant: i64) -> TrueReading {
        TrueReading {
            instant,
            register: self.register,
            consumed: self.consumed,
        }
    }

    fn change(&mut self, instant: i64, change: Change) -> MeterChange {
        let amount = |micro| Amount::from_micro(micro).expect("in range");
        let old_final = self.register;
        let shown = |value: i64| self.modulus.map_or(value, |modulus| value % modulus);
        self.register = change.new_initial.map_or(old_final, shown);
        self.multiplier = change.multiplier;
        MeterChange {
            instant: Instant::from_millis(instant),
            old_final: amount(old_final),
            new_initial: amount(self.register),
            multiplier: change.multiplier,
        }
    }
}

impl Truth {
    /// From the first day with a reading to the last.
    pub(crate) fn range(&self) -> DayRange {
        let (first, last) = (self.readings[0], self.readings[self.readings.len() - 1]);
        DayRange::new(
            Instant::from_millis(first.instant).day(),
            Instant::from_millis(last.instant).day(),
        )
        .expect("in order")
    }

    /// The day of a reading.
    pub(crate) fn day(&self, row: usize) -> CivilDay {
        Instant::from_millis(self.readings[row].instant).day()
    }

    /// The consumption from the first reading to the last, in millionths.
    pub(crate) fn total(&self) -> i128 {
        self.readings[self.readings.len() - 1].consumed / 1_000_000
    }

    /// The true consumption of each day: the difference between its midnights, each interpolated between the readings
    /// beside it.
    pub(crate) fn days(&self) -> BTreeMap<CivilDay, i128> {
        let range = self.range();
        range
            .iter()
            .map(|day| {
                (
                    day,
                    self.consumed_at(day.end().millis()) - self.consumed_at(day.start().millis()),
                )
            })
            .collect()
    }

    fn consumed_at(&self, instant: i64) -> i128 {
        let after = self.readings.partition_point(|r| r.instant <= instant);
        let (Some(from), Some(to)) = (
            after.checked_sub(1).map(|before| self.readings[before]),
            self.readings.get(after),
        ) else {
            return if after == 0 { 0 } else { self.total() };
        };
        let (begin, whole) = (from.consumed / 1_000_000, to.consumed / 1_000_000);
        let elapsed = i128::from(instant - from.instant);
        begin + (whole - begin) * elapsed / i128::from(to.instant - from.instant)
    }

    /// The same life with only the readings that `keep` selects.
    pub(crate) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let kept = self
            .readings
            .iter()
            .enumerate()
            .filter(|(row, _)| keep(*row));
        Self {
            readings: kept.map(|(_, reading)| *reading).collect(),
            ..self.clone()
        }
    }
}
