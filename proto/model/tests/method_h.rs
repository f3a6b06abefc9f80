//! METHOD (h)'s counter cases day by day, many of them over New Year, where an error at midnight would change the
//! figures of two years.
//!
//! Goal: the figures of a day, of a year and of both years together equal those computed by hand here.
//! Method: registers at civil instants are folded by day and joined, as totals are.

use greenpark_model::{
    amount::Amount,
    compose::{Consumption, compose, compose_daily},
    day::{DayRange, Instant},
    fold::{DayColumns, MeterChange, MeterProfile, Multiplier, Profile, fold_day},
    like_days::LikeDays,
    reading::{Flag, Kind},
};

/// Registers at minutes of civil time: `2025-12-31T23:59`.
struct Registers<'a>(MeterProfile, &'a [(&'a str, &'a str)]);

fn amount(text: &str) -> Amount {
    text.parse().expect("a decimal")
}

fn instant(minute: &str) -> Instant {
    format!("{minute}:00+08:00").parse().expect("an instant")
}

fn days(first: &str, last: &str) -> DayRange {
    let day = |text: &str| text.parse().expect("a day");
    DayRange::new(day(first), day(last)).expect("in order")
}

fn year(year: i16) -> DayRange {
    DayRange::year(year).expect("a year")
}

fn times(multiplier: &str) -> Multiplier {
    Multiplier::new(amount(multiplier)).expect("positive")
}

/// A meter of 80 × 100 replaces one of 120 × 100.
fn replaced(minute: &str, old_final: &str, new_initial: &str) -> MeterProfile {
    let change = MeterChange {
        instant: instant(minute),
        old_final: amount(old_final),
        new_initial: amount(new_initial),
        multiplier: times("8000"),
    };
    MeterProfile {
        multiplier: times("12000"),
        changes: vec![change],
        ..MeterProfile::default()
    }
}

impl Registers<'_> {
    fn consumption(&self, range: DayRange) -> Consumption {
        let Self(profile, registers) = self;
        let points: Vec<(i64, i64)> = registers
            .iter()
            .map(|(minute, register)| (instant(minute).millis(), amount(register).micro()))
            .collect();
        let of_days = points
            .chunk_by(|a, b| Instant::from_millis(a.0).day() == Instant::from_millis(b.0).day());
        let folds: Vec<_> = of_days
            .map(|of_day| {
                let (instants, values): (Vec<i64>, Vec<i64>) = of_day.iter().copied().unzip();
                let columns = DayColumns {
                    instants: &instants,
                    values: &values,
                    flags: &vec![Flag::Normal.code(); values.len()],
                    superseded: &vec![false; values.len()],
                };
                let day = Instant::from_millis(instants[0]).day();
                (day, fold_day(Kind::Register, &profile.on(day), columns))
            })
            .collect();
        let whole = compose(profile, range, &folds);
        let daily = compose_daily(profile, range, &folds, &LikeDays::default());
        let sum = daily.iter().map(|(_, day)| day.amount.0).sum::<i128>();
        assert_eq!(sum, whole.amount.0, "the days sum to the whole");
        whole
    }

    /// The consumption, and its estimated part.
    fn amounts(&self, range: DayRange) -> (String, String) {
        let consumption = self.consumption(range);
        (
            consumption.amount.to_string(),
            consumption.estimated.to_string(),
        )
    }
}

fn pair(amount: &str, estimated: &str) -> (String, String) {
    (amount.to_owned(), estimated.to_owned())
}

#[test]
fn method_h_case_1_a_rollover_over_new_year_is_of_both_years() {
    let profile = MeterProfile {
        profile: Profile {
            modulus: Some(amount("1000000")),
            bound_per_hour: Some(amount("400")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let registers = [
        ("2025-12-31T23:45", "999984.0625"),
        ("2026-01-01T00:15", "20"),
    ];
    let meter = Registers(profile, &registers);
    assert_eq!(meter.amounts(year(2025)), pair("17.96875", "17.96875"));
    assert_eq!(meter.amounts(year(2026)), pair("17.96875", "17.96875"));
    let both = meter.consumption(days("2025-12-31", "2026-01-01"));
    assert_eq!(both.amount.to_string(), "35.9375");
    assert_eq!((both.outcomes.rollovers, both.outcomes.resets), (1, 0));
}

/// Old final 50.112, new initial 3, from 120 × 100 to 80 × 100 at half past ten.
#[test]
fn method_h_case_4_a_replacement_in_the_middle_of_a_day() {
    let registers = [
        ("2026-03-04T00:00", "49.8"),
        ("2026-03-05T00:00", "50"),
        ("2026-03-05T10:00", "50.1"),
        ("2026-03-05T11:00", "3.01"),
        ("2026-03-06T00:00", "3.05"),
        ("2026-03-07T00:00", "3.1"),
    ];
    let meter = Registers(replaced("2026-03-05T10:30", "50.112", "3"), &registers);
    let on = |day: &str| meter.amounts(days(day, day));
    // 0.2 × 12 000; 0.112 × 12 000 + 0.05 × 8 000; 0.05 × 8 000.
    assert_eq!(on("2026-03-04"), pair("2400", "0"));
    assert_eq!(on("2026-03-05"), pair("1744", "0"));
    assert_eq!(on("2026-03-06"), pair("400", "0"));
    let whole = meter.consumption(days("2026-03-04", "2026-03-06"));
    assert_eq!(whole.amount.to_string(), "4544");
    assert_eq!((whole.outcomes.replacements, whole.outcomes.resets), (1, 0));
}

#[test]
fn method_h_case_4_a_replacement_over_new_year() {
    let registers = [
        ("2025-12-31T00:00", "49"),
        ("2025-12-31T23:00", "50.1"),
        ("2026-01-01T01:00", "3.02"),
        ("2026-01-02T00:00", "3.5"),
    ];
    let meter = Registers(replaced("2025-12-31T23:30", "50.12", "3"), &registers);
    // 1.1 × 12 000, and of the 240 + 160 over midnight one half to each year; 0.48 × 8 000.
    assert_eq!(meter.amounts(year(2025)), pair("13400", "200"));
    assert_eq!(meter.amounts(year(2026)), pair("4040", "200"));
    assert_eq!(meter.consumption(year(2025)).outcomes.replacements, 0);
    assert_eq!(meter.consumption(year(2026)).outcomes.replacements, 1);
}

/// A register at 23:59 counts as that of midnight (±1 minute), so the days are measured; the minute before it still
/// belongs to the old year.
#[test]
fn method_h_case_5_outage_from_23_59_to_06_14_keeps_its_3812() {
    let registers = [
        ("2025-12-31T00:00", "1000"),
        ("2025-12-31T23:59", "3000"),
        ("2026-01-01T06:14", "6812"),
        ("2026-01-02T00:00", "9000"),
    ];
    let meter = Registers(MeterProfile::default(), &registers);
    // One minute of 375: 3 812 / 375 = 10.165333….
    assert_eq!(meter.amounts(year(2025)), pair("2010.165333", "0"));
    assert_eq!(
        meter.amounts(days("2026-01-01", "2026-01-01")),
        pair("5989.834667", "0")
    );
    let both = days("2025-12-31", "2026-01-01");
    assert_eq!(meter.amounts(both), pair("8000", "0"));
}

/// A minute earlier no register counts as that of midnight: both days' parts are estimated, their sum is not.
#[test]
fn method_h_case_5_outage_from_23_58_is_flagged() {
    let registers = [
        ("2025-12-31T00:00", "1000"),
        ("2025-12-31T23:58", "3000"),
        ("2026-01-01T06:14", "6812"),
        ("2026-01-02T00:00", "9000"),
    ];
    let meter = Registers(MeterProfile::default(), &registers);
    // Two minutes of 376: 20.276595….
    assert_eq!(meter.amounts(year(2025)), pair("2020.276595", "20.276595"));
    let new_year = days("2026-01-01", "2026-01-01");
    assert_eq!(meter.amounts(new_year), pair("5979.723405", "3791.723405"));
    assert_eq!(
        meter.amounts(days("2025-12-31", "2026-01-01")),
        pair("8000", "0")
    );
}

#[test]
fn method_h_case_5_outage_of_two_weeks_over_new_year_is_shared_by_its_days() {
    let registers = [("2025-12-29T12:00", "100"), ("2026-01-12T12:00", "1500")];
    let meter = Registers(MeterProfile::default(), &registers);
    assert_eq!(meter.amounts(year(2025)), pair("250", "250"));
    assert_eq!(meter.amounts(year(2026)), pair("1150", "1150"));
    assert_eq!(
        meter.amounts(days("2026-01-05", "2026-01-05")),
        pair("100", "100")
    );
    assert_eq!(
        meter.amounts(days("2025-12-29", "2026-01-12")),
        pair("1400", "0")
    );
}

/// A thousandfold register at New Year's midnight itself: with and without a rating.
#[test]
fn method_h_case_7_a_glitch_at_new_year_is_of_no_year() {
    let rated = MeterProfile {
        profile: Profile {
            bound_per_hour: Some(amount("400")),
            ..Profile::default()
        },
        ..MeterProfile::default()
    };
    let registers = [
        ("2025-12-31T22:00", "138138"),
        ("2025-12-31T23:00", "138144"),
        ("2026-01-01T00:00", "52776558592"),
        ("2026-01-01T01:00", "138150"),
        ("2026-01-01T02:00", "138156"),
    ];
    for profile in [rated, MeterProfile::default()] {
        let meter = Registers(profile, &registers);
        // The midnight between 138 144 and 138 150 is interpolated.
        assert_eq!(meter.amounts(year(2025)), pair("9", "3"));
        assert_eq!(meter.amounts(year(2026)), pair("9", "3"));
        let both = meter.consumption(days("2025-12-31", "2026-01-01"));
        assert_eq!((both.outcomes.glitches, both.outcomes.jumps), (1, 0));
    }
}

/// A register that does not move, at zero or elsewhere: measured days without consumption.
#[test]
fn method_h_case_8_a_register_frozen_over_new_year_is_zero_and_measured() {
    for register in ["0", "77.5"] {
        let registers = [
            ("2025-12-31T08:00", register),
            ("2025-12-31T20:00", register),
            ("2026-01-01T08:00", register),
            ("2026-01-01T20:00", register),
        ];
        let meter = Registers(MeterProfile::default(), &registers);
        let both = meter.consumption(days("2025-12-31", "2026-01-01"));
        let expected = Consumption {
            readings: 4,
            days: 2,
            ..Consumption::default()
        };
        assert_eq!(both, expected, "{register}");
    }
}
