//! Steps, and the text of the rules by which totals are computed.

use super::*;

fn amount(text: &str) -> Amount {
    text.parse().expect("a decimal")
}

fn at(instant: &str, register: &str) -> Point {
    Point {
        instant: instant.parse().expect("an instant"),
        register: amount(register),
    }
}

fn rated(bound: &str) -> Profile {
    Profile {
        bound_per_hour: Some(amount(bound)),
        ..Profile::default()
    }
}

fn change(at: &str, multiplier: &str) -> MeterChange {
    MeterChange {
        instant: at.parse().expect("an instant"),
        old_final: amount("5012"),
        new_initial: amount("3"),
        multiplier: Multiplier::new(amount(multiplier)).expect("positive"),
    }
}

#[test]
fn a_days_rules_contain_only_what_the_day_depends_on() {
    let traits = MeterProfile {
        profile: Profile {
            modulus: Some(amount("1000000")),
            ..rated("480")
        },
        multiplier: Multiplier::new(amount("12000")).expect("positive"),
        changes: vec![
            change("2026-03-05T10:30:00+08:00", "8000"),
            change("2026-07-01T00:00:00+08:00", "1"),
        ],
        dated: Vec::new(),
    };
    let told = |day: &str| traits.on(day.parse().expect("a day")).to_string();
    let always = "modulus 1000000, at most 480/h";
    assert_eq!(told("2026-03-04"), format!("{always}, times 12000"));
    assert_eq!(
        told("2026-03-05"),
        format!(
            "{always}, times 12000, from 2026-03-05T10:30:00+08:00 at 5012 on from 3 times 8000"
        )
    );
    assert_eq!(told("2026-03-06"), format!("{always}, times 8000"));
    // A change at midnight belongs to the step that ends there.
    assert_eq!(
        told("2026-06-30"),
        format!("{always}, times 8000, from 2026-07-01T00:00:00+08:00 at 5012 on from 3 times 1")
    );
    assert_eq!(told("2026-07-01"), always);
    assert_eq!(MeterProfile::default().to_string(), "");
}

#[test]
fn the_rules_of_a_total_name_the_version_of_the_fold() {
    let modulus = MeterProfile::of(Profile {
        modulus: Some(amount("10000")),
        ..Profile::default()
    });
    assert_eq!(MeterProfile::default().rules(Kind::Register), "fold 3");
    assert_eq!(modulus.rules(Kind::Register), "fold 3, modulus 10000");
    assert_eq!(MeterProfile::default().rules(Kind::Interval), "fold 3");
    assert_eq!(MeterProfile::default().rules(Kind::Gauge), "");
    let daily = MeterProfile::of(Profile {
        restart: Some(390),
        bidirectional: true,
        ..Profile::default()
    });
    assert_eq!(
        daily.rules(Kind::DailyCounter),
        "fold 3, both ways, anew at 06:30"
    );
}

/// FAULTS A3: a profile that holds from July on changes nothing in March.
#[test]
fn a_step_is_judged_by_the_profile_of_its_later_reading() {
    let july = "2026-07-01T00:00:00+08:00".parse().expect("an instant");
    let traits = MeterProfile {
        dated: vec![(july, rated("60"))],
        ..MeterProfile::default()
    };
    let march = (
        at("2026-03-01T00:00:00+08:00", "1000"),
        at("2026-03-01T01:00:00+08:00", "1500"),
    );
    let advance = Step::Advance(Sum::from(amount("500")));
    assert_eq!(traits.step(march.0, march.1), advance);
    let before = at("2026-06-30T23:30:00+08:00", "1000");
    assert_eq!(
        traits.step(before, at("2026-07-01T00:00:00+08:00", "1500")),
        Step::Excess
    );
    assert_eq!(
        traits.step(before, at("2026-06-30T23:59:00+08:00", "1500")),
        advance
    );
    assert!(
        traits
            .on("2026-03-01".parse().expect("a day"))
            .is_constant()
    );
}

#[test]
fn a_fall_to_a_change_that_no_modulus_explains_stays_a_fall() {
    let traits = MeterProfile {
        profile: Profile {
            modulus: Some(amount("10000")),
            ..rated("5")
        },
        changes: vec![change("2026-03-05T10:30:00+08:00", "2")],
        ..MeterProfile::default()
    };
    // A spike to 9,000 before the meter was changed at 5,012: the way over the modulus is 6,012.
    let spike = at("2026-03-05T00:00:00+08:00", "9000");
    let after = at("2026-03-05T12:00:00+08:00", "4");
    assert_eq!(traits.step(spike, after), Step::Fall);
    let level = at("2026-03-05T00:00:00+08:00", "5002");
    assert_eq!(
        traits.step(level, after),
        Step::Change(Sum::from(amount("12")))
    );
    assert_eq!(
        traits.step(at("2026-03-05T00:00:00+08:00", "4002"), after),
        Step::Excess
    );
}

/// FAULTS A13: a tremble is a bound of what the meter can measure, at any height of the register.
#[test]
fn a_tremble_does_not_depend_on_the_height_of_the_register() {
    let traits = MeterProfile::of(rated("10"));
    for height in [3i64, 150, 5_000, 900_000] {
        let point = |hour: &str, units: i64| Point {
            instant: format!("2026-03-05T{hour}:00:00+08:00")
                .parse()
                .expect("an instant"),
            register: Amount::from_micro((height * 10 + units) * 1_000_000).expect("in range"),
        };
        let fell = |units: i64| traits.step(point("10", 0), point("11", -units));
        assert_eq!(fell(3), Step::Tremble(Sum(-3_000_000)), "{height}");
        assert_eq!(fell(11), Step::Fall, "{height}");
    }
}

/// FAULTS A15: a daily counter restarts at its time, or a little later by its own clock.
#[test]
fn a_daily_counter_restarts() {
    let traits = MeterProfile::of(Profile {
        restart: Some(0),
        ..Profile::default()
    });
    let units = |text: &str| Sum::from(amount(text));
    let evening = at("2026-03-05T23:00:00+08:00", "23");
    let midnight = at("2026-03-06T00:00:00+08:00", "24");
    assert_eq!(traits.step(evening, midnight), Step::Advance(units("1")));
    assert_eq!(
        traits.step(midnight, at("2026-03-06T01:00:00+08:00", "1")),
        Step::Restart(units("1"))
    );
    assert_eq!(
        traits.step(evening, at("2026-03-06T00:00:00+08:00", "0")),
        Step::Restart(Sum::ZERO)
    );
    assert_eq!(
        traits.step(evening, at("2026-03-06T09:00:00+08:00", "30")),
        Step::Restart(units("30"))
    );
    let noon = at("2026-03-05T12:00:00+08:00", "12");
    assert_eq!(
        traits.step(noon, at("2026-03-05T13:00:00+08:00", "2")),
        Step::Fall
    );
}

#[test]
fn a_meter_of_both_ways_falls_by_its_export() {
    let traits = MeterProfile::of(Profile {
        modulus: Some(amount("1000")),
        bidirectional: true,
        ..rated("60")
    });
    let low = at("2026-03-05T12:00:00+08:00", "5");
    let step = |register| traits.step(low, at("2026-03-05T13:00:00+08:00", register));
    assert_eq!(step("2"), Step::Advance(Sum(-3_000_000)));
    assert_eq!(step("990"), Step::Rollover(Sum(-15_000_000)));
    assert_eq!(step("65"), Step::Advance(Sum(60_000_000)));
    assert_eq!(step("500"), Step::Excess);
}
