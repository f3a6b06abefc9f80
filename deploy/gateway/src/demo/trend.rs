//! The shapes of the demo: the effect of production, efficiency, season and the hour of the day on a meter.
//!
//! Everything is integer arithmetic in parts per million, so the same hour gives the same reading on
//! every machine.

use crate::splitmix;

/// One, in parts per million.
pub(super) const ONE: i64 = 1_000_000;

/// The first day of the demo's history, 2020-01-01, in days since 1970-01-01.
pub const FIRST_DAY: i32 = 18_262;

/// The working hours of an enterprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Furnaces and clean rooms: never off.
    Continuous,
    /// From six to twenty-two, less on Sundays.
    TwoShifts,
    /// From eight to eighteen, little at weekends.
    DayShift,
}

/// A figure over the years: values at mid-year from 2019 on, interpolated linearly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path(pub(super) [i64; 14]);

/// Production of the park, 2020 = 1.
pub(super) const PRODUCTION: Path = Path([
    962_000, 1_000_000, 1_081_000, 1_119_000, 1_176_000, 1_239_000, 1_303_000, 1_362_000,
    1_417_000, 1_468_000, 1_516_000, 1_561_000, 1_604_000, 1_645_000,
]);

/// Energy per unit of production: the plan requires −16 % by 2025, and the park reaches it.
pub(super) const ENERGY: Path = Path([
    1_022_000, 1_000_000, 971_500, 946_500, 914_000, 881_500, 853_500, 832_000, 814_000, 799_000,
    786_000, 775_000, 766_000, 759_000,
]);

/// Water per unit of production: the plan requires −20 %, and the park just misses it.
pub(super) const WATER: Path = Path([
    1_032_000, 1_000_000, 961_000, 927_500, 895_000, 857_500, 821_500, 795_000, 773_000, 755_000,
    740_000, 728_000, 718_000, 710_000,
]);

/// The share of a year's waste that is utilized in the same year.
pub(super) const UTILIZED: Path = Path([
    702_000, 712_000, 719_000, 726_000, 734_000, 741_000, 752_000, 759_000, 764_000, 768_000,
    771_000, 774_000, 776_000, 778_000,
]);

impl Path {
    /// The value on `day` (days since 1970-01-01).
    pub(super) fn at(&self, day: i32) -> i64 {
        // Mid-2019 is 183 days before the first day; a year has 1461 quarter-days.
        let quarters = i64::from(day - FIRST_DAY + 183).max(0) * 4;
        let last = self.0.len() - 1;
        let index = usize::try_from(quarters / 1461).unwrap_or(last).min(last);
        let (from, to) = (self.0[index], self.0[(index + 1).min(last)]);
        from + (to - from) * (quarters % 1461) / 1461
    }
}

/// The factor of each month on the use of a medium, January first.
pub(super) type Season = [i64; 12];

/// Cooling in a Chongqing summer.
pub(super) const SUMMER: Season = [
    962_000, 948_000, 960_000, 970_000, 990_000, 1_030_000, 1_078_000, 1_085_000, 1_032_000,
    983_000, 975_000, 987_000,
];

/// Heating in its winter.
pub(super) const WINTER: Season = [
    1_090_000, 1_060_000, 1_025_000, 990_000, 965_000, 945_000, 930_000, 930_000, 955_000, 995_000,
    1_040_000, 1_075_000,
];

/// No season.
pub(super) const LEVEL: Season = [ONE; 12];

impl Pattern {
    /// Returns the factor of a weekday and hour; `weekday` 0 is Monday.
    pub(super) fn at(self, weekday: i32, hour: usize) -> i64 {
        const TWO: [i64; 24] = [
            420, 400, 390, 390, 430, 640, 1150, 1290, 1340, 1360, 1350, 1300, 1240, 1330, 1350,
            1340, 1310, 1260, 1220, 1200, 1170, 1100, 720, 500,
        ];
        const DAY: [i64; 24] = [
            310, 300, 300, 300, 310, 360, 560, 1250, 1840, 1980, 2010, 1900, 1560, 1880, 1990,
            1980, 1900, 1700, 1080, 720, 560, 460, 400, 350,
        ];
        let (hours, saturday, sunday) = match self {
            Self::Continuous => return if weekday < 5 { 1_004_000 } else { 990_000 },
            Self::TwoShifts => (&TWO, 940, 620),
            Self::DayShift => (&DAY, 560, 330),
        };
        let week = match weekday {
            5 => saturday,
            6 => sunday,
            _ => 1_000,
        };
        hours[hour] * week
    }
}

/// Returns the weekday of `day`; Monday is 0.
pub(super) fn weekday(day: i32) -> i32 {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7)
}

/// `value × ppm ÷ 10⁶`.
pub(super) fn scale(value: i64, ppm: i64) -> i64 {
    // OK because values are below 10^12 micro-units an hour and factors below 10 × 10^6 ppm.
    value * ppm / ONE
}

/// Returns a pseudorandom factor between `1 − spread` and `1 + spread` in ppm, by `seed` and `index`.
pub(super) fn jitter(seed: u64, index: u64, spread: i64) -> i64 {
    let width = spread.unsigned_abs() * 2 + 1;
    // OK because the remainder is at most twice a spread of less than 10^6.
    ONE - spread + (splitmix::number(seed, index) % width) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_pass_through_their_years() {
        let mid_2020 = FIRST_DAY + 182;
        assert!((PRODUCTION.at(mid_2020) - ONE).abs() < 500);
        let mid_2025 = mid_2020 + 1826;
        assert!((ENERGY.at(mid_2025) - 853_500).abs() < 500);
        assert_eq!(PRODUCTION.at(i32::MAX / 8), 1_645_000);
    }

    #[test]
    fn weekdays_follow_the_calendar() {
        // 2020-01-01 was a Wednesday.
        assert_eq!(weekday(FIRST_DAY), 2);
    }
}
