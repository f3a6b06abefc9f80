//! Dated entries: the valid one on a day, and the counted ones in a range.

use greenpark_archive::meters::{METER, Particulars, RegisteredMeter};
use greenpark_model::{
    day::CivilDay,
    fold::Multiplier,
    id::MeterId,
    quantity::{Medium, Quantity},
    reading::Kind,
};

use super::*;

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

fn range(first: &str, last: &str) -> DayRange {
    DayRange::new(day(first), day(last)).expect("in order")
}

fn entry(kind: &str, subject: &str, from: &str, to: Option<&str>, body: String) -> ReferenceEntry {
    ReferenceEntry {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        valid_from: day(from),
        valid_to: to.map(day),
        recorded_at: Instant::from_millis(0),
        recorded_by: "test".to_owned(),
        evidence: "none".to_owned(),
        body,
    }
}

fn meter(modulus: Option<&str>, counted: bool) -> RegisteredMeter {
    RegisteredMeter {
        title: "main".to_owned(),
        quantity: Quantity::consumed(Medium::Electricity),
        kind: Kind::Register,
        interval_s: 3_600,
        modulus: modulus.map(|m| m.parse().expect("a decimal")),
        rated_per_hour: None,
        headroom: None,
        multiplier: Multiplier::ONE,
        counted,
        bidirectional: false,
        restart: None,
        particulars: Particulars::default(),
    }
}

fn read(entries: Vec<ReferenceEntry>) -> Arc<Park> {
    let registry = Registry::read(&ReferenceSnapshot {
        version: 1,
        entries,
    })
    .expect("readable");
    registry.park(&ParkId::new("p").expect("an id"))
}

fn series() -> Series {
    Series {
        meter: MeterId::new("m").expect("an id"),
        quantity: Quantity::consumed(Medium::Electricity),
        kind: Kind::Register,
    }
}

const METER_NAME: &str = "parks/p/enterprises/e/meters/m";

#[test]
fn a_meter_counts_except_on_days_that_its_entry_excludes() {
    let park = read(vec![
        entry(
            METER,
            METER_NAME,
            "2020-01-01",
            None,
            meter(None, true).write(),
        ),
        entry(
            METER,
            METER_NAME,
            "2020-03-01",
            Some("2020-03-31"),
            meter(Some("1000000"), false).write(),
        ),
    ]);
    let enterprise = EnterpriseId::new("e").expect("an id");
    let counted = park.counted(&enterprise, &series(), range("2020-01-01", "2020-12-31"));
    assert_eq!(
        counted,
        [
            range("2020-01-01", "2020-02-29"),
            range("2020-04-01", "2020-12-31")
        ]
    );
    let other = Series {
        meter: MeterId::new("x").expect("an id"),
        ..series()
    };
    let whole = range("2020-01-01", "2020-01-02");
    assert_eq!(park.counted(&enterprise, &other, whole), [whole]);
}

#[test]
fn an_enterprise_is_in_the_population_of_the_periods_it_was_above_designated_size() {
    let body = |above| {
        let title = "Steel".to_owned();
        Enterprise {
            title,
            industry: "C31".to_owned(),
            above_designated_size: above,
        }
        .write()
    };
    let name = "parks/p/enterprises/e";
    let park = read(vec![
        entry(body::ENTERPRISE, name, "2020-01-01", None, body(true)),
        entry(body::ENTERPRISE, name, "2022-07-01", None, body(false)),
    ]);
    let counted = |first: &str, last: &str| park.above_designated_size(range(first, last)).len();
    assert_eq!(counted("2019-01-01", "2019-12-31"), 0);
    assert_eq!(counted("2019-01-01", "2020-12-31"), 1);
    assert_eq!(counted("2022-01-01", "2022-12-31"), 1);
    assert_eq!(counted("2023-01-01", "2023-12-31"), 0);
}

#[test]
fn a_later_declaration_replaces_an_earlier_one_of_the_same_period_and_base() {
    let statistic = |amount: &str, base: &str| {
        let body = format!(
            r#"{{"series":"value_added","period":"2020","amount":"{amount}","price_base":"{base}","final":true}}"#
        );
        entry(
            body::STATISTIC,
            "parks/p/enterprises/e",
            "2020-01-01",
            Some("2020-12-31"),
            body,
        )
    };
    let park = read(vec![
        statistic("1", "constant-2020"),
        statistic("2", "current"),
        statistic("3", "constant-2020"),
    ]);
    let in_force: Vec<String> = park
        .statistics
        .values()
        .flatten()
        .map(|d| format!("{} {}", d.amount, d.price_base.expect("money")))
        .collect();
    // The statistic recorded last is the last.
    assert_eq!(in_force, ["2 current", "3 constant-2020"]);
}

#[test]
fn an_unreadable_entry_is_an_error_and_one_of_another_kind_is_ignored() {
    let foreign = entry(
        "partitions",
        "readings",
        "2020-01-01",
        None,
        "16".to_owned(),
    );
    assert!(
        Registry::read(&ReferenceSnapshot {
            version: 1,
            entries: vec![foreign]
        })
        .is_ok()
    );
    let broken = entry(METER, METER_NAME, "2020-01-01", None, "{}".to_owned());
    assert!(
        Registry::read(&ReferenceSnapshot {
            version: 1,
            entries: vec![broken]
        })
        .is_err()
    );
}
