//! The readings of a demo meter at any instant: a pure function of meter and hour.
//!
//! A register is the sum of every hour since 2020-01-01, so a reading that is sent twice, today or after a restart, is the
//! same reading. Within the hour it rises linearly.

use greenpark_model::{
    amount::Amount,
    day::{CivilDay, DAY_MS},
    quantity::{Flow, Medium},
    reading::Kind,
};

use super::{
    park::{ELECTRICITY_MODULUS, ENTERPRISES, EnterpriseSpec, MeterSpec},
    trend::{
        self, ENERGY, FIRST_DAY, LEVEL, ONE, PRODUCTION, SUMMER, Season, UTILIZED, WATER, WINTER,
    },
};
use crate::splitmix;

/// Milliseconds of an hour, the step of the history.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Micro-units of the last displayed digit: registers show hundredths.
const RESOLUTION: i64 = 10_000;

/// The load of a lorry, in thousandths of a tonne.
const LORRY: i64 = 31_000;

/// A meter and its place in the park.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// The specification of the meter.
    pub spec: &'static MeterSpec,
    enterprise: &'static EnterpriseSpec,
    seed: u64,
}

/// A weighbridge ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// UTC milliseconds.
    pub(super) at: i64,
    /// Tonnes.
    pub(super) mass: Amount,
}

/// A register that advances day by day.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    meter: Meter,
    day: i32,
    /// Micro-units at the start of `day`, before the modulus.
    register: i64,
}

impl Meter {
    /// Returns the meters of the enterprise at `index` of [`ENTERPRISES`].
    pub fn all(index: usize) -> impl Iterator<Item = Self> {
        let enterprise = &ENTERPRISES[index];
        enterprise
            .meters
            .iter()
            .enumerate()
            .map(move |(number, spec)| Self {
                spec,
                enterprise,
                seed: splitmix::number(index as u64 + 1, number as u64),
            })
    }

    /// Returns the enterprise's production on `day`, in ppm of 2020's.
    fn production(&self, day: i32) -> i64 {
        trend::scale(PRODUCTION.at(day), growth(self.enterprise, day))
    }

    /// Returns the product of production, efficiency, season and jitter of a day, in ppm.
    fn daily(&self, day: i32) -> i64 {
        let (efficiency, season) = match self.spec.quantity.medium {
            Medium::FreshWater => (WATER.at(day), &SUMMER),
            Medium::Electricity => (ENERGY.at(day), &SUMMER),
            Medium::NaturalGas | Medium::Steam => (ENERGY.at(day), &WINTER),
            Medium::RawCoal => (ENERGY.at(day), &LEVEL),
            _ => (ONE, &LEVEL),
        };
        let chance = trend::jitter(self.seed, day.unsigned_abs().into(), 25_000);
        let level = trend::scale(self.production(day), efficiency);
        trend::scale(trend::scale(level, month(season, day)), chance)
    }

    /// Returns the consumption of each hour of `day`, in micro-units.
    fn hours(&self, day: i32) -> [i64; 24] {
        // OK because the amount is below 10^8 thousandths an hour.
        let level = trend::scale(self.spec.amount * 1_000, self.daily(day));
        let weekday = trend::weekday(day);
        let first = u64::from(day.unsigned_abs()) * 24;
        std::array::from_fn(|hour| {
            let shaped = trend::scale(level, self.enterprise.pattern.at(weekday, hour));
            let chance = trend::jitter(!self.seed, first + hour as u64, 18_000);
            let exact = trend::scale(shaped, chance);
            exact - exact % RESOLUTION
        })
    }

    /// Returns the tickets of `day` in order of time; a register has none.
    pub(super) fn tickets(&self, day: i32) -> Vec<Ticket> {
        if self.spec.kind != Kind::Event {
            return Vec::new();
        }
        let total = self.mass(day);
        let count = (total + LORRY - 1) / LORRY;
        let start = CivilDay::from_epoch_days(day).start().millis();
        let first = u64::from(day.unsigned_abs()) * 64;
        let edge = |n: i64| {
            if n == 0 || n == count {
                return total * n / count;
            }
            let sway = total / count / 5;
            // OK because a day's mass is far below 2^63.
            let part =
                (splitmix::number(self.seed, first + n as u64) % (2 * sway + 1) as u64) as i64;
            total * n / count + part - sway
        };
        (0..count)
            .map(|n| {
                // Tickets spread from seven to nineteen, each in its own part of that time.
                let part = DAY_MS / 2 / count;
                let wait = splitmix::number(!self.seed, first + n as u64) % (part / 1_000) as u64;
                let at = start + 7 * HOUR_MS + n * part + wait as i64 * 1_000;
                Ticket {
                    at,
                    mass: amount((edge(n + 1) - edge(n)) * 1_000),
                }
            })
            .collect()
    }

    /// Returns the mass that this weighbridge weighs on `day`, in thousandths of a tonne. The flows of a waste are shares of
    /// the generated mass, so the balance holds on every day: generated = (utilized − from old stock) + stored + disposed.
    fn mass(&self, day: i32) -> i64 {
        let medium = self.spec.quantity.medium;
        if medium.unit() != greenpark_model::quantity::Unit::Tonne
            || self.spec.quantity.flow == Flow::Consumed
        {
            return trend::scale(self.spec.amount, self.daily(day));
        }
        // The jitter is seeded by the waste and not by the weighbridge, so that every flow has the same.
        let seed = u64::from(medium.code());
        let chance = trend::jitter(seed, day.unsigned_abs().into(), 60_000);
        let generated = trend::scale(trend::scale(self.spec.amount, self.production(day)), chance);
        let utilized = trend::scale(
            generated,
            trend::scale(
                UTILIZED.at(day),
                trend::jitter(!seed, day.unsigned_abs().into(), 40_000),
            ),
        );
        let reclaimed = generated * 3 / 200;
        let disposed = (generated - utilized) * 2 / 5;
        match self.spec.quantity.flow {
            Flow::Utilized => utilized + reclaimed,
            Flow::UtilizedOldStock => reclaimed,
            Flow::Stored => generated - utilized - disposed,
            Flow::Disposed => disposed,
            _ => generated,
        }
    }

    /// Returns the modulus of the register, in whole units.
    #[must_use]
    pub fn modulus(&self) -> Option<i64> {
        let electricity = self.spec.quantity.medium == Medium::Electricity;
        (electricity && self.spec.kind == Kind::Register).then_some(ELECTRICITY_MODULUS)
    }

    /// Returns the most that the meter can measure in an hour, in whole units: six times its level of 2020.
    #[must_use]
    pub fn rated_per_hour(&self) -> Option<i64> {
        (self.spec.kind == Kind::Register).then(|| (self.spec.amount * 6 / 1_000).max(1))
    }

    fn displayed(&self, register: i64) -> Amount {
        match self.modulus() {
            // OK because a modulus of 10^9 units is 10^15 micro-units.
            Some(modulus) => amount(register % (modulus * 1_000_000)),
            None => amount(register),
        }
    }
}

impl Cursor {
    /// Returns the register of `meter` at the start of `day`, summed over every hour before.
    pub(super) fn at(meter: Meter, day: i32) -> Self {
        let mut cursor = Self {
            meter,
            day: FIRST_DAY,
            register: first_register(meter),
        };
        while cursor.day < day {
            cursor.next_day();
        }
        cursor
    }

    /// Returns the register at the 24 hours of the cursor's day and moves to the next day.
    pub(super) fn next_day(&mut self) -> [Amount; 24] {
        let hours = self.meter.hours(self.day);
        self.day += 1;
        hours.map(|consumed| {
            let displayed = self.meter.displayed(self.register);
            self.register += consumed;
            displayed
        })
    }

    /// Returns the register at an instant of the cursor's day.
    pub(super) fn register_at(&self, at: i64) -> Amount {
        let since = at - CivilDay::from_epoch_days(self.day).start().millis();
        let (hour, rest) = (since / HOUR_MS, since % HOUR_MS);
        let hours = self.meter.hours(self.day);
        let mut register = self.register;
        for (index, consumed) in (0i64..).zip(hours) {
            if index < hour {
                register += consumed;
            } else if index == hour {
                // OK because an hour's consumption is below 10^11 micro-units and an hour has 3.6 × 10^6 ms.
                let part = consumed * rest / HOUR_MS;
                register += part - part % RESOLUTION;
            }
        }
        self.meter.displayed(register)
    }

    /// The meter.
    pub(super) fn meter(&self) -> Meter {
        self.meter
    }

    /// The day of the cursor.
    pub(super) fn day(&self) -> i32 {
        self.day
    }
}

/// Returns the value added that the enterprise declares for the month that begins on `first` and has `days` days, in
/// hundredths of 10⁴ yuan.
#[must_use]
pub fn value_added(index: usize, first: CivilDay, days: i32) -> i64 {
    let enterprise = &ENTERPRISES[index];
    let middle = first.plus(days / 2).epoch_days();
    let production = trend::scale(PRODUCTION.at(middle), growth(enterprise, middle));
    let chance = trend::jitter(index as u64 + 1_000, middle.unsigned_abs().into(), 12_000);
    let hundredths = enterprise.value_added * i64::from(days) * 100;
    trend::scale(trend::scale(hundredths, production), chance)
}

/// Returns the growth of the enterprise relative to the park, in ppm.
fn growth(enterprise: &EnterpriseSpec, day: i32) -> i64 {
    ONE + enterprise.growth * i64::from(day - FIRST_DAY - 182) / 365
}

fn month(season: &Season, day: i32) -> i64 {
    let month = CivilDay::from_epoch_days(day).date().month();
    usize::try_from(month - 1)
        .ok()
        .and_then(|m| season.get(m))
        .copied()
        .unwrap_or(ONE)
}

/// Returns the initial register of a meter: meters were not new in 2020.
fn first_register(meter: Meter) -> i64 {
    // OK because the remainder is below 2 × 10^5.
    let whole = (splitmix::number(meter.seed, u64::MAX) % 180_000) as i64;
    whole * 1_000_000 + 370_000
}

fn amount(micro: i64) -> Amount {
    Amount::from_micro(micro).expect("the demo's registers stay below 10^12 units")
}

#[cfg(test)]
mod tests;
