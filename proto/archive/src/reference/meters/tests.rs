//! Entries apply in the order of their recording.

use super::*;
use crate::reference::ReferenceEntry;

const NAME: &str = "parks/p/enterprises/e/meters/m";

fn entry(subject: &str, from: &str, quantity: &str, modulus: Option<&str>) -> ReferenceEntry {
    let meter = RegisteredMeter {
        title: "main".to_owned(),
        quantity: quantity.parse().expect("a quantity"),
        kind: Kind::Register,
        interval_s: 3_600,
        modulus: modulus.map(|m| m.parse().expect("a decimal")),
        rated_per_hour: None,
        headroom: None,
        multiplier: Multiplier::ONE,
        counted: true,
        bidirectional: false,
        restart: None,
        particulars: Particulars::default(),
    };
    ReferenceEntry {
        kind: METER.to_owned(),
        subject: subject.to_owned(),
        valid_from: from.parse().expect("a day"),
        valid_to: None,
        recorded_at: Instant::from_millis(0),
        recorded_by: "test".to_owned(),
        evidence: "none".to_owned(),
        body: meter.write(),
    }
}

fn read(entries: Vec<ReferenceEntry>) -> Meters {
    let snapshot = ReferenceSnapshot {
        version: 1,
        entries,
    };
    let mut parks = Meters::read(&snapshot).expect("readable");
    parks.remove("p").expect("a park")
}

fn modulus(meters: &Meters, quantity: &str, day: &str) -> Option<String> {
    let series = Series {
        meter: MeterId::new("m").expect("an id"),
        quantity: quantity.parse().expect("a quantity"),
        kind: Kind::Register,
    };
    let enterprise = EnterpriseId::new("e").expect("an id");
    let day: CivilDay = day.parse().expect("a day");
    let profile = meters.traits(&enterprise, &series).at(day.start());
    profile.modulus.map(|m| m.to_string())
}

/// FAULTS A3: before the first entry nothing bounds a step, and the last one continues to hold.
#[test]
fn traits_are_dated_by_their_entries_and_change_the_digest() {
    let with = |later: &str| {
        let mut last = entry(NAME, "2022-01-01", "electricity", Some(later));
        last.valid_to = Some("2022-12-31".parse().expect("a day"));
        read(vec![
            entry(NAME, "2020-01-01", "electricity", Some("100000")),
            last,
        ])
    };
    let meters = with("1000000");
    let of_day = |day| modulus(&meters, "electricity", day);
    assert_eq!(of_day("2019-12-31"), None);
    assert_eq!(of_day("2020-01-01").as_deref(), Some("100000"));
    assert_eq!(of_day("2021-12-31").as_deref(), Some("100000"));
    assert_eq!(of_day("2022-01-01").as_deref(), Some("1000000"));
    assert_eq!(of_day("2023-01-01").as_deref(), Some("100000"));
    assert_ne!(meters.digest(), with("9000000").digest());
    assert_eq!(meters.digest(), with("1000000").digest());
}

/// FAULTS A7: the only entry holds after its end, too.
#[test]
fn an_entry_that_ends_holds_until_another_one_does() {
    let mut only = entry(NAME, "2022-01-01", "electricity", Some("1000"));
    only.valid_to = Some("2022-01-31".parse().expect("a day"));
    let meters = read(vec![only]);
    assert_eq!(
        modulus(&meters, "electricity", "2023-05-05").as_deref(),
        Some("1000")
    );
    let dated = meters.get(&EnterpriseId::new("e").expect("an id"), &series());
    let dated = dated.expect("registered");
    for day in ["2021-05-05", "2022-01-15", "2024-05-05"] {
        assert!(
            dated.nearest(day.parse().expect("a day")).is_some(),
            "{day}"
        );
    }
}

#[test]
fn a_daily_counter_and_a_meter_of_both_ways_are_so_from_the_beginning() {
    let mut meter =
        RegisteredMeter::read(&entry(NAME, "2022-01-01", "electricity", None).body).expect("read");
    (meter.kind, meter.restart, meter.bidirectional) = (Kind::DailyCounter, Some(390), true);
    assert!(
        meter
            .write()
            .contains(r#""bidirectional":true,"restart":"06:30""#)
    );
    assert_eq!(
        RegisteredMeter::read(&meter.write()).expect("read back"),
        meter
    );
    let of = ReferenceEntry {
        body: meter.write(),
        ..entry(NAME, "2022-01-01", "electricity", None)
    };
    let series = Series {
        kind: Kind::DailyCounter,
        ..series()
    };
    let traits = read(vec![of]).traits(&EnterpriseId::new("e").expect("an id"), &series);
    assert_eq!(
        (traits.profile.restart, traits.profile.bidirectional),
        (Some(390), true)
    );
    assert!(traits.is_constant());
    for text in ["6:30", "24:00", "06:60", "", "noon!"] {
        assert!(read_clock(text).is_err(), "{text}");
    }
}

#[test]
fn each_quantity_of_a_meter_has_its_own_traits() {
    let meters = read(vec![
        entry(NAME, "2020-01-01", "electricity", None),
        entry(NAME, "2020-01-01", "steam", Some("1000000")),
    ]);
    assert_eq!(modulus(&meters, "electricity", "2020-05-05"), None);
    assert_eq!(
        modulus(&meters, "steam", "2020-05-05").as_deref(),
        Some("1000000")
    );
}

fn series() -> Series {
    Series {
        meter: MeterId::new("m").expect("an id"),
        quantity: "electricity".parse().expect("a quantity"),
        kind: Kind::Register,
    }
}

fn change(at: &str, multiplier: &str) -> ReferenceEntry {
    let amount = |text: &str| text.parse::<Amount>().expect("a decimal");
    let change = MeterChange {
        instant: at.parse().expect("an instant"),
        old_final: amount("5012"),
        new_initial: amount("3"),
        multiplier: Multiplier::new(amount(multiplier)).expect("positive"),
    };
    ReferenceEntry {
        kind: METER_CHANGE.to_owned(),
        body: write_change(series().quantity, change),
        ..entry(NAME, "2020-01-01", "electricity", None)
    }
}

#[test]
fn changes_are_in_order_and_a_later_entry_of_one_replaces_it() {
    let enterprise = EnterpriseId::new("e").expect("an id");
    let meters = read(vec![
        entry(NAME, "2020-01-01", "electricity", None),
        change("2022-01-01T00:00:00+08:00", "200"),
        change("2021-01-01T00:00:00+08:00", "100"),
        change("2022-01-01T00:00:00+08:00", "250"),
    ]);
    let traits = meters.traits(&enterprise, &series());
    let of_day: Vec<String> = traits
        .changes
        .iter()
        .map(|c| format!("{} {}", c.instant, c.multiplier.value()))
        .collect();
    assert_eq!(
        of_day,
        [
            "2021-01-01T00:00:00+08:00 100",
            "2022-01-01T00:00:00+08:00 250"
        ]
    );
    let none = read(vec![entry(NAME, "2020-01-01", "electricity", None)]);
    assert_ne!(meters.digest(), none.digest());
}

#[test]
fn a_withdrawn_change_is_gone_until_it_is_recorded_again() {
    let withdrawal = |at: &str| ReferenceEntry {
        kind: WITHDRAWAL.to_owned(),
        body: Withdrawal {
            of: Withdrawn::MeterChange {
                quantity: series().quantity.to_string(),
                at: at.to_owned(),
            },
            reason: "another meter".to_owned(),
        }
        .write(),
        ..entry(NAME, "2020-01-01", "electricity", None)
    };
    let key = MeterKey {
        enterprise: EnterpriseId::new("e").expect("an id"),
        meter: series().meter,
        quantity: series().quantity,
    };
    let at = "2022-01-01T00:00:00+08:00";
    let mut entries = vec![
        entry(NAME, "2020-01-01", "electricity", None),
        change("2021-01-01T00:00:00+08:00", "100"),
        change(at, "200"),
        // The same instant in another zone.
        withdrawal("2021-12-31T16:00:00Z"),
    ];
    assert_eq!(read(entries.clone()).changes(&key).len(), 1);
    entries.push(change(at, "250"));
    let again = read(entries);
    let last = again.changes(&key).last().expect("there");
    assert_eq!(last.multiplier.value().to_string(), "250");
    let nothing = vec![
        withdrawal(at),
        entry(NAME, "2020-01-01", "electricity", None),
    ];
    assert!(read(nothing).changes(&key).is_empty());
}

#[test]
fn a_bound_is_the_rating_and_its_headroom() {
    let mut meter =
        RegisteredMeter::read(&entry(NAME, "2020-01-01", "steam", None).body).expect("read");
    assert_eq!(meter.bound_per_hour(), None);
    meter.rated_per_hour = Some("400".parse().expect("a decimal"));
    let of_day = |meter: &RegisteredMeter| meter.bound_per_hour().map(|b| b.to_string());
    assert_eq!(of_day(&meter).as_deref(), Some("480"));
    meter.headroom = Some("1.05".parse().expect("a decimal"));
    assert_eq!(of_day(&meter).as_deref(), Some("420"));
    let back = RegisteredMeter::read(&meter.write()).expect("read back");
    assert_eq!(back, meter);
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let read = |entry| {
        let entries = vec![entry];
        Meters::read(&ReferenceSnapshot {
            version: 1,
            entries,
        })
    };
    for subject in [
        "",
        "parks/p",
        "parks/p/enterprises/e",
        "parks/p/enterprises/e/meters/m/x",
    ] {
        assert!(read(entry(subject, "2020-01-01", "steam", None)).is_err());
    }
    let mut broken = entry(NAME, "2020-01-01", "steam", None);
    broken.body = "{}".to_owned();
    assert!(matches!(
        read(broken),
        Err(Unreadable {
            problem: MeterError::Body(_),
            ..
        })
    ));
}
