//! The demo's generator: the same hour always gives the same reading, and the years give the verdict.

use std::collections::BTreeMap;

use greenpark_model::{amount::Sum, day::DayRange};

use super::*;
use crate::demo::park::MeterPlace;

fn meter(enterprise: usize, id: &str) -> Meter {
    Meter::all(enterprise)
        .find(|m| m.spec.id == id)
        .expect("a meter of the park")
}

#[test]
fn a_register_is_the_same_however_it_is_reached() {
    let day = FIRST_DAY + 400;
    let mut cursor = Cursor::at(meter(0, "electricity-1"), day);
    let start = CivilDay::from_epoch_days(day).start().millis();
    let single: Vec<Amount> = (0..24)
        .map(|h| cursor.register_at(start + h * HOUR_MS))
        .collect();
    let row = cursor.clone().next_day();
    assert_eq!(single, row);
    let within = cursor.register_at(start + HOUR_MS / 2);
    assert!(row[0] < within && within < row[1]);
    cursor.next_day();
    assert_eq!(
        cursor.register_at(start + DAY_MS),
        Cursor::at(cursor.meter(), day + 1).next_day()[0]
    );
}

#[test]
fn known_registers_do_not_change() {
    // The demo promises the same figures from one version to the next; change these knowingly.
    let register =
        |e, id: &str| Cursor::at(meter(e, id), FIRST_DAY + 2_000).next_day()[7].to_string();
    let told = [
        register(0, "electricity-1"),
        register(2, "steam-1"),
        register(10, "water-1"),
    ];
    assert_eq!(told, ["373264625.51", "1004200.83", "6505664.89"]);
}

#[test]
fn only_an_electricity_register_passes_its_modulus() {
    for index in 0..ENTERPRISES.len() {
        for meter in Meter::all(index).filter(|m| m.spec.kind == Kind::Register) {
            let mut cursor = Cursor::at(meter, FIRST_DAY);
            let mut before = Amount::ZERO;
            let mut falls = 0;
            for _ in 0..2_555 {
                for register in cursor.next_day() {
                    falls += u32::from(register < before);
                    before = register;
                }
            }
            let large = meter.modulus().is_some() && meter.spec.amount >= 13_000_000;
            assert!(
                falls <= 3 && (large || falls <= 1),
                "{}: {falls}",
                meter.spec.id
            );
            assert!(meter.modulus().is_some() || falls == 0, "{}", meter.spec.id);
        }
    }
}

#[test]
fn the_waste_books_agree_on_every_day() {
    for day in (FIRST_DAY..FIRST_DAY + 2_500).step_by(97) {
        let mut masses: BTreeMap<(u8, Flow), i64> = BTreeMap::new();
        for m in (0..ENTERPRISES.len())
            .flat_map(Meter::all)
            .filter(|m| m.spec.kind == Kind::Event)
        {
            let tickets = m.tickets(day);
            assert!(tickets.is_sorted_by_key(|t| t.at));
            assert!(
                tickets
                    .iter()
                    .all(|t| t.mass > Amount::ZERO && t.mass.micro() < 60_000_000)
            );
            let medium = m.spec.quantity.medium.code();
            *masses.entry((medium, m.spec.quantity.flow)).or_default() +=
                tickets.iter().map(|t| t.mass.micro()).sum::<i64>();
        }
        for medium in [
            Medium::FlyAsh,
            Medium::SmeltingSlag,
            Medium::ByproductGypsum,
        ] {
            let of = |flow| masses[&(medium.code(), flow)];
            let accounted = of(Flow::Utilized) - of(Flow::UtilizedOldStock)
                + of(Flow::Stored)
                + of(Flow::Disposed);
            assert_eq!(of(Flow::Generated), accounted, "{medium:?} on {day}");
        }
    }
}

/// What the counted meters of the park consumed in `year`, by class, and the value added.
fn totals(year: i16) -> (f64, f64, f64, f64) {
    let range = DayRange::year(year).expect("a year");
    let (mut tce, mut water, mut value) = (0.0, 0.0, 0.0);
    let (mut utilized, mut available) = (0.0, 0.0);
    for index in (0..ENTERPRISES.len()).filter(|&i| ENTERPRISES[i].above_designated_size) {
        for m in Meter::all(index).filter(|m| m.spec.place == MeterPlace::Main) {
            let consumed: Sum = range
                .iter()
                .map(|day| match m.spec.kind {
                    Kind::Event => m
                        .tickets(day.epoch_days())
                        .iter()
                        .map(|t| Sum::from(t.mass))
                        .sum(),
                    _ => Sum(m
                        .hours(day.epoch_days())
                        .iter()
                        .map(|&h| i128::from(h))
                        .sum()),
                })
                .sum();
            let units = consumed.0 as f64 / 1e6;
            match (m.spec.quantity.medium, m.spec.quantity.flow) {
                (Medium::Electricity, _) => tce += units * 0.1229 / 1e3,
                (Medium::NaturalGas, _) => tce += units * 1.2143 / 1e3,
                (Medium::Steam, _) => tce += units * 94.3 / 1e3,
                (Medium::RawCoal, _) => tce += units * 714.3 / 1e3,
                (Medium::FreshWater, _) => water += units,
                (_, Flow::Utilized) => utilized += units,
                (_, Flow::Generated | Flow::UtilizedOldStock) => available += units,
                _ => {}
            }
        }
        for month in 1..=12 {
            let month = DayRange::month(year, month).expect("a month");
            value += value_added(index, month.first(), month.days()) as f64 / 100.0;
        }
    }
    (
        tce / value,
        water / value,
        100.0 * utilized / available,
        value,
    )
}

#[test]
fn the_years_give_a_verdict_of_met_and_missed() {
    let (base, end) = (totals(2020), totals(2025));
    let change = |from: f64, to: f64| 100.0 * (to / from - 1.0);
    let (energy, water) = (change(base.0, end.0), change(base.1, end.1));
    assert!(
        (-17.5..-16.05).contains(&energy),
        "energy {energy:.2} %, from {:.4}",
        base.0
    );
    assert!(
        (-19.9..-18.5).contains(&water),
        "water {water:.2} %, from {:.3}",
        base.1
    );
    for year in 2020..=2025 {
        let rate = totals(year).2;
        assert!((70.0..80.0).contains(&rate), "waste in {year}: {rate:.2} %");
    }
    assert!(
        (0.2..0.8).contains(&base.0) && (5.0..40.0).contains(&base.1),
        "{base:?}"
    );
}
