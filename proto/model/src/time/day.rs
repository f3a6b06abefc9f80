//! Instants and civil days.
//!
//! An [`Instant`] is UTC milliseconds, as every wire and file carries it. A [`CivilDay`] is a day of the
//! calendar in Asia/Shanghai, by which every figure is counted. China has kept UTC+8 without daylight
//! saving since 1991, and no instant before 2000 is accepted, so the offset is a constant here; a test
//! compares it with jiff.
//!
//! ```
//! use greenpark_model::day::{CivilDay, Instant};
//! let evening: Instant = "2018-12-31T16:00:00Z".parse().expect("an instant");
//! assert_eq!(evening.day(), "2019-01-01".parse::<CivilDay>().expect("a day"));
//! ```

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::Offset};

use crate::time::spelling;

/// UTC+8 in milliseconds.
const OFFSET_MS: i64 = 8 * 3_600_000;
/// A civil day without daylight saving, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;
/// 1970-01-01, day 0.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A point in time in UTC milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(i64);

/// A day of the calendar in Asia/Shanghai (自然日), as days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivilDay(i32);

/// Why a text is not an instant or a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not a date-time with an offset.
    #[error("'{0}' is no instant; write 2026-11-23T08:00:00+08:00 or UTC milliseconds")]
    Instant(String),
    /// Not a date.
    #[error("'{0}' is no day; write 2026-11-23")]
    Day(String),
}

impl Instant {
    /// The instant `ms` milliseconds after 1970-01-01T00:00Z.
    #[must_use]
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The civil day that contains this instant; midnight is the first instant of its day.
    #[must_use]
    pub fn day(self) -> CivilDay {
        let days = self.0.saturating_add(OFFSET_MS).div_euclid(DAY_MS);
        CivilDay(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }
}

impl FromStr for Instant {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>()
            .ok()
            // 24:00:00 of a day is the next one's 00:00:00 (ISO 8601-1), which jiff does not parse.
            .or_else(|| spelling::next_day(text))
            .map(|t| Self(t.as_millisecond()))
            .ok_or_else(|| TimeError::Instant(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Instant {
    /// `2026-11-23T08:00:00+08:00`, in the park's civil time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(stamp) => write!(f, "{}", stamp.display_with_offset(Offset::constant(8))),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl CivilDay {
    /// The day `days` after 1970-01-01.
    #[must_use]
    pub const fn from_epoch_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn epoch_days(self) -> i32 {
        self.0
    }

    /// The day of this calendar date.
    #[must_use]
    pub fn from_date(date: Date) -> Self {
        Self((date - EPOCH).get_days())
    }

    /// The date of the calendar.
    #[must_use]
    pub fn date(self) -> Date {
        EPOCH.saturating_add(jiff::SignedDuration::from_hours(24 * i64::from(self.0)))
    }

    /// The year of the calendar.
    #[must_use]
    pub fn year(self) -> i16 {
        self.date().year()
    }

    /// The instant of 00:00.
    #[must_use]
    pub fn start(self) -> Instant {
        // OK because an i32 of days is below 2^31 × 8.64e7 ms < 2^58.
        Instant::from_millis(i64::from(self.0) * DAY_MS - OFFSET_MS)
    }

    /// The instant of 24:00, which is the next day's 00:00.
    #[must_use]
    pub fn end(self) -> Instant {
        self.next().start()
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Days from `earlier` to this one.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// All days of the month that contains this day.
    #[must_use]
    pub fn month(self) -> DayRange {
        let date = self.date();
        DayRange {
            first: Self::from_date(date.first_of_month()),
            last: Self::from_date(date.last_of_month()),
        }
    }

    /// The day `days` later.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl FromStr for CivilDay {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Date>()
            .ok()
            .filter(|_| text.len() == 10)
            .map(Self::from_date)
            .ok_or_else(|| TimeError::Day(text.chars().take(40).collect()))
    }
}

impl fmt::Display for CivilDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl fmt::Debug for CivilDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CivilDay({})", self.date())
    }
}

/// A period of whole civil days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DayRange {
    first: CivilDay,
    last: CivilDay,
}

impl DayRange {
    /// From `first` to `last`, both included; `None` if `last` is before `first`.
    #[must_use]
    pub fn new(first: CivilDay, last: CivilDay) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The calendar year `year`; `None` outside the calendar.
    #[must_use]
    pub fn year(year: i16) -> Option<Self> {
        let (first, last) = (Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?);
        Self::new(CivilDay::from_date(first), CivilDay::from_date(last))
    }

    /// Month `month` (1 to 12) of `year`; `None` outside the calendar.
    #[must_use]
    pub fn month(year: i16, month: i8) -> Option<Self> {
        let first = Date::new(year, month, 1).ok()?;
        Self::new(
            CivilDay::from_date(first),
            CivilDay::from_date(first.last_of_month()),
        )
    }

    /// Quarter `quarter` (1 to 4) of `year`; `None` outside the calendar.
    #[must_use]
    pub fn quarter(year: i16, quarter: i8) -> Option<Self> {
        let month = quarter.checked_sub(1)?.checked_mul(3)?.checked_add(1)?;
        let first = Self::month(year, month)?;
        let last = Self::month(year, month.checked_add(2)?)?;
        Self::new(first.first, last.last)
    }

    /// The first day.
    #[must_use]
    pub const fn first(self) -> CivilDay {
        self.first
    }

    /// The last day, which belongs to the period.
    #[must_use]
    pub const fn last(self) -> CivilDay {
        self.last
    }

    /// The number of days.
    #[must_use]
    pub const fn days(self) -> i32 {
        self.last.days_since(self.first).saturating_add(1)
    }

    /// Returns true if `day` belongs to the period.
    #[must_use]
    pub fn contains(self, day: CivilDay) -> bool {
        self.first <= day && day <= self.last
    }

    /// The days common to both periods; `None` if there are none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// Returns true if the periods have a day in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.intersection(other).is_some()
    }

    /// Cuts the period at each of `starts`, so that none of them lies inside a part. The parts are in order.
    #[must_use]
    pub fn cut(self, starts: impl IntoIterator<Item = CivilDay>) -> Vec<Self> {
        let inside = |day: &CivilDay| self.first < *day && *day <= self.last;
        let mut starts: Vec<CivilDay> = starts.into_iter().filter(inside).collect();
        starts.push(self.first);
        starts.sort_unstable();
        starts.dedup();
        let ends = starts.iter().skip(1).map(|day| day.previous());
        let ends = ends.chain([self.last]);
        starts
            .iter()
            .zip(ends)
            .map(|(&first, last)| Self { first, last })
            .collect()
    }

    /// Every day in order.
    pub fn iter(self) -> impl Iterator<Item = CivilDay> {
        (self.first.0..=self.last.0).map(CivilDay)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn midnight_belongs_to_the_day_it_begins() {
        let day: CivilDay = "2018-01-02".parse().expect("a day");
        assert_eq!(day.start().day(), day);
        assert_eq!(
            Instant::from_millis(day.start().millis() - 1).day(),
            day.previous()
        );
        assert_eq!(day.end(), day.next().start());
        assert_eq!(day.start().to_string(), "2018-01-02T00:00:00+08:00");
    }

    #[test]
    fn periods_follow_the_calendar() {
        assert_eq!(DayRange::year(2020).expect("a year").days(), 366);
        assert_eq!(DayRange::month(2021, 2).expect("a month").days(), 28);
        let quarter = DayRange::quarter(2026, 4).expect("a quarter");
        assert_eq!(quarter.first().to_string(), "2026-10-01");
        assert_eq!(quarter.last().to_string(), "2026-12-31");
        assert_eq!(DayRange::quarter(2026, 5), None);
        assert_eq!(DayRange::quarter(2026, 0), None);
    }

    #[test]
    fn an_intersection_is_the_days_common_to_both_periods() {
        let (year, month) = (DayRange::year(2021), DayRange::month(2021, 2));
        let (year, month) = (year.expect("a year"), month.expect("a month"));
        assert_eq!(year.intersection(month), Some(month));
        let next = DayRange::month(2021, 3).expect("a month");
        assert!(!month.overlaps(next) && !next.overlaps(month));
        let both = DayRange::new(month.last(), next.first()).expect("in order");
        let last = DayRange::new(month.last(), month.last());
        assert_eq!(month.intersection(both), last);
        assert!(both.overlaps(next));
    }

    #[test]
    fn a_period_is_cut_at_each_start() {
        let month = DayRange::month(2021, 2).expect("a month");
        let day = |text: &str| text.parse::<CivilDay>().expect("a day");
        let cuts = [
            "2021-02-10",
            "2021-01-05",
            "2021-02-10",
            "2021-02-28",
            "2021-02-01",
        ];
        let parts: Vec<String> = month
            .cut(cuts.map(day))
            .iter()
            .map(|part| format!("{}/{}", part.first(), part.last()))
            .collect();
        assert_eq!(
            parts,
            [
                "2021-02-01/2021-02-09",
                "2021-02-10/2021-02-27",
                "2021-02-28/2021-02-28"
            ]
        );
    }

    proptest! {
        #[test]
        fn the_day_of_an_instant_equals_jiffs_in_shanghai(ms in 946_656_000_000i64..4_102_444_800_000) {
            let zone = TimeZone::posix("CST-8").expect("a zone");
            let zoned = Timestamp::from_millisecond(ms).expect("in range").to_zoned_datetime(zone);
            prop_assert_eq!(Instant::from_millis(ms).day().date(), zoned.date());
        }

        #[test]
        fn a_printed_day_parses_back(days in 0i32..40_000) {
            let day = CivilDay::from_epoch_days(days);
            prop_assert_eq!(day.to_string().parse::<CivilDay>(), Ok(day));
        }
    }
}
