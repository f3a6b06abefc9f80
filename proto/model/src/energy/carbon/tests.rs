//! The vectors of METHOD (e), and that a new factor does not change an old period's figure.

use proptest::prelude::*;

use super::*;
use crate::{meter::amount::Amount, time::day::DayRange};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

fn region(name: &str) -> Region {
    name.parse().expect("a region")
}

fn grid(name: &str, year: i16, kg_per_kwh: &str) -> GridFactor {
    let days = DayRange::year(year).expect("a year");
    GridFactor {
        region: region(name),
        year,
        kg_per_kwh: decimal(kg_per_kwh),
        valid_from: days.first(),
        valid_to: Some(days.last()),
        published: DayRange::year(year + 2).expect("a year").last(),
        source: format!("{name} {year}"),
    }
}

fn fuel(medium: Medium, tco2_per_unit: &str) -> FuelFactor {
    FuelFactor {
        medium,
        tco2_per_unit: decimal(tco2_per_unit),
        composition: None,
        valid_from: day("2000-01-01"),
        valid_to: None,
        published: None,
        source: medium.as_str().to_owned(),
    }
}

fn set() -> CarbonSet {
    CarbonSet {
        id: "vector".to_owned(),
        grid: vec![
            grid("national", 2021, "0.5568"),
            grid("national", 2022, "0.5366"),
            grid("chongqing", 2022, "0.5227"),
            grid("national", 2023, "0.5306"),
            grid("chongqing", 2023, "0.5581"),
        ],
        fuels: vec![
            fuel(Medium::NaturalGas, "0.00216219"),
            fuel(Medium::Diesel, "3.0959"),
            fuel(Medium::Heat, "0.00011"),
        ],
    }
}

fn tco2(set: &CarbonSet, medium: Medium, place: &str, on: &str, amount: &str) -> Decimal {
    let amount: Amount = amount.parse().expect("a decimal");
    let applied = set.find(medium, &region(place), day(on)).expect("a factor");
    applied.tco2(amount.into()).expect("in range")
}

/// METHOD (e): a year's factor holds on each of its days and on no other.
#[test]
fn method_e_grid_factors_of_the_nation_and_of_chongqing_by_year() {
    let set = set();
    let kg = |place: &str, on: &str| tco2(&set, Medium::Electricity, place, on, "1000").to_string();
    for (year, expected) in [("2021", "0.5568"), ("2022", "0.5366"), ("2023", "0.5306")] {
        assert_eq!(kg("national", &format!("{year}-01-01")), expected);
        assert_eq!(kg("national", &format!("{year}-12-31")), expected);
    }
    assert_eq!(kg("chongqing", "2022-07-01"), "0.5227");
    assert_eq!(kg("chongqing", "2023-07-01"), "0.5581");
}

/// METHOD (e): from 2022 to 2023 Chongqing's factor rose by 6.8 % while the nation's fell.
#[test]
fn method_e_chongqing_rose_6_8_percent_while_the_nation_fell() {
    let set = set();
    let change = |place: &str| {
        let of = |on: &str| tco2(&set, Medium::Electricity, place, on, "1");
        ((of("2023-06-30") / of("2022-06-30") - Decimal::ONE) * Decimal::ONE_HUNDRED).round_dp(1)
    };
    assert_eq!(change("chongqing").to_string(), "6.8");
    assert_eq!(change("national").to_string(), "-1.1");
}

/// METHOD (e): each published product is its LHV × CC × OF × 44/12, rounded.
#[test]
fn method_e_published_fuel_factors_are_the_products_of_their_components() {
    for (lhv_gj, carbon, oxidation, published) in [
        ("389.31", "15.3", "0.99", "21.6219"),
        ("42.652", "20.2", "0.98", "3.0959"),
        ("43.07", "18.9", "0.98", "2.9251"),
        ("50.179", "17.2", "0.98", "3.1013"),
        ("51.498", "15.3", "0.98", "2.8313"),
        ("41.816", "21.1", "0.98", "3.1705"),
        ("28.435", "29.5", "0.93", "2.8604"),
        ("19.57", "26.1", "0.93", "1.7417"),
    ] {
        let composition = Composition {
            lhv_gj: decimal(lhv_gj),
            carbon_t_per_tj: decimal(carbon),
            oxidation: decimal(oxidation),
        };
        assert!(composition.rounds_to(decimal(published)), "{published}");
        let next = decimal(published) + decimal("0.0001");
        assert!(!composition.rounds_to(next), "{next}");
    }
}

/// METHOD (e) over METHOD (a)'s consumption, with 100 GJ of heat:
/// 1 200 000 × 0.5366 ÷ 1000 + 5 × 21.6219 + 8 × 3.0959 + 100 × 0.11.
#[test]
fn method_e_carbon_of_electricity_gas_diesel_and_heat() {
    let set = set();
    let parts = [
        (Medium::Electricity, "1200000", "643.92"),
        (Medium::NaturalGas, "50000", "108.1095"),
        (Medium::Diesel, "8", "24.7672"),
        (Medium::Heat, "100000", "11"),
    ];
    let mut total = Decimal::ZERO;
    for (medium, amount, expected) in parts {
        let part = tco2(&set, medium, "national", "2022-06-30", amount);
        assert_eq!(part.to_string(), expected, "{medium:?}");
        total += part;
    }
    assert_eq!(total.to_string(), "787.7967");
}

#[test]
fn adding_2023_does_not_change_the_figure_of_2022() {
    let after = set();
    let mut before = set();
    before.grid.retain(|f| f.published <= day("2025-12-30"));
    assert_eq!(before.grid.len(), 3);
    for place in ["national", "chongqing"] {
        let figure = |set: &CarbonSet| {
            tco2(set, Medium::Electricity, place, "2022-06-30", "959640.31").to_string()
        };
        assert_eq!(figure(&before), figure(&after));
        let days = DayRange::year(2022).expect("a year");
        for on in days.iter() {
            let found = |set: &CarbonSet| {
                set.find(Medium::Electricity, &region(place), on)
                    .map(|applied| applied.tco2_per_unit)
            };
            assert_eq!(found(&before), found(&after));
        }
    }
}

#[test]
fn a_factor_published_later_is_not_found() {
    let mut after = set();
    let mut late = fuel(Medium::Diesel, "9");
    late.published = Some(day("2025-12-31"));
    after.fuels.insert(0, late);
    let mut before = set();
    before.grid.retain(|f| f.published <= day("2025-12-30"));
    for medium in [Medium::Electricity, Medium::Diesel] {
        for (place, on) in [
            ("chongqing", "2022-06-30"),
            ("chongqing", "2023-06-30"),
            ("sichuan", "2024-01-01"),
        ] {
            let when = (day(on), Some(day("2025-12-30")));
            let known = after.find_known(medium, &region(place), when);
            assert_eq!(
                known,
                before.find_or_fall_back(medium, &region(place), day(on))
            );
        }
    }
    let when = (day("2023-06-30"), Some(day("2025-12-31")));
    let known = after
        .find_known(Medium::Diesel, &region("chongqing"), when)
        .expect("a factor");
    assert_eq!(known.tco2_per_unit, decimal("9"));
}

#[test]
fn a_missing_year_is_an_error_or_a_marked_fallback() {
    let set = set();
    let chongqing = region("chongqing");
    let strict = |on: &str| set.find(Medium::Electricity, &chongqing, day(on));
    assert_eq!(
        strict("2024-01-01"),
        Err(CarbonError::NoGridFactor {
            set: "vector".to_owned(),
            region: chongqing.clone(),
            day: day("2024-01-01")
        })
    );
    let fallen = |place: &str, on: &str| {
        set.find_or_fall_back(Medium::Electricity, &region(place), day(on))
            .map(|applied| (applied.tco2_per_unit.to_string(), applied.fallback))
    };
    assert_eq!(fallen("chongqing", "2023-05-01").expect("found").1, None);
    assert_eq!(
        fallen("chongqing", "2024-05-01"),
        Ok((
            "0.0005581".to_owned(),
            Some(Fallback::EarlierYear { year: 2023 })
        ))
    );
    assert_eq!(
        fallen("chongqing", "2021-05-01"),
        Ok((
            "0.0005568".to_owned(),
            Some(Fallback::National { year: 2021 })
        ))
    );
    assert_eq!(
        fallen("sichuan", "2025-05-01").expect("found").1,
        Some(Fallback::National { year: 2023 })
    );
    // A later factor is never used for an earlier day.
    assert!(fallen("chongqing", "2020-12-31").is_err());
}

#[test]
fn a_medium_without_a_factor_is_an_error_even_with_fallback() {
    let set = set();
    let steam = set.find_or_fall_back(Medium::Steam, &Region::national(), day("2022-01-01"));
    let error = steam.expect_err("no factor of steam").to_string();
    assert_eq!(error, "'vector' has no factor of steam for 2022-01-01");
}

/// The first criterion of the zero-carbon parks is CO₂ per tce.
#[test]
fn carbon_ratios_are_compared_only_at_equal_denominators() {
    let positive = |text| Positive::new(decimal(text)).expect("above zero");
    let tonnes = positive("776.7967");
    let prices = PriceBase::Constant(2020);
    let value = per_value_added(tonnes, positive("1000"), prices).expect("made");
    assert_eq!(value.value.get().to_string(), "0.7767967");
    let coal = per_tce(tonnes, positive("219.8518"), Basis::Calorific).expect("made");
    assert_eq!(coal.value.get().round_dp(6).to_string(), "3.533274");
    assert_eq!(value.fall_since(&coal), Err(RatioError::MixedBases));
    let current = per_value_added(tonnes, positive("1000"), PriceBase::Current).expect("made");
    assert_eq!(current.fall_since(&value), Err(RatioError::MixedBases));
    let less = per_value_added(tonnes, positive("1250"), prices).expect("made");
    assert_eq!(less.fall_since(&value), Ok(decimal("0.2")));
}

#[test]
fn a_region_is_a_name_in_small_letters() {
    assert_eq!(region("chongqing").to_string(), "chongqing");
    assert_eq!("national".parse(), Ok(Region::national()));
    for bad in ["", "Chongqing", "重庆", "a b"] {
        assert!(bad.parse::<Region>().is_err(), "{bad}");
    }
}

proptest! {
    /// Adding a factor of another region or other days does not change an existing one.
    #[test]
    fn a_new_factor_changes_no_figure_that_had_one(
        place in prop::sample::select(vec!["national", "chongqing", "sichuan"]),
        year in 2024..2040_i16,
        factor in 1..10_000_i64,
        on in 0..1_095_i32,
    ) {
        let before = set();
        let mut after = set();
        let mut added = grid(place, year, "1");
        added.kg_per_kwh = Decimal::new(factor, 4);
        after.grid.push(added);
        let on = day("2021-01-01").plus(on);
        for asked in ["national", "chongqing"] {
            let asked = region(asked);
            let strict = |set: &CarbonSet| {
                set.find(Medium::Electricity, &asked, on).map(|a| a.tco2_per_unit)
            };
            prop_assert_eq!(strict(&before), strict(&after));
            let fallen = |set: &CarbonSet| {
                let found = set.find_or_fall_back(Medium::Electricity, &asked, on);
                found.map(|a| (a.tco2_per_unit, a.fallback))
            };
            prop_assert_eq!(fallen(&before), fallen(&after));
        }
    }

    #[test]
    fn carbon_is_proportional_to_the_amount(kwh in 0..1_000_000_000_000_i64, parts in 1..9_i64) {
        let set = set();
        let applied = set
            .find(Medium::Electricity, &region("chongqing"), day("2023-03-03"))
            .expect("a factor");
        let of = |micro: i64| {
            let amount = Amount::from_micro(micro).expect("in range");
            applied.tco2(amount.into()).expect("in range")
        };
        let part = kwh / parts;
        prop_assert_eq!(of(part) * Decimal::from(parts) + of(kwh % parts), of(kwh));
    }
}
