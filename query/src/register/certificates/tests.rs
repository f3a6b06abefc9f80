//! Certificates after entries in different orders.

use super::*;

fn day(text: &str) -> CivilDay {
    text.parse().expect("a day")
}

fn certificate(id: &str, used_for: &str, year: i16) -> Certificate {
    Certificate {
        id: id.to_owned(),
        mwh: "100".parse().expect("a decimal"),
        generated: Month::parse("2024-03").expect("a month"),
        region: "sichuan".parse().expect("a region"),
        kind: NonFossilKind::Certificate,
        used_for: Name::parse("name", used_for).expect("a name"),
        year,
        retired_on: Some(day("2024-12-20")),
        recorded_at: Instant::from_millis(0),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    }
}

fn entry(kind: &str, subject: &str, year: i16, body: String) -> ReferenceEntry {
    let days = DayRange::year(year).expect("a year");
    ReferenceEntry {
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        valid_from: days.first(),
        valid_to: Some(days.last()),
        recorded_at: Instant::from_millis(0),
        recorded_by: "test".to_owned(),
        evidence: String::new(),
        body,
    }
}

fn recorded(of: &Certificate) -> ReferenceEntry {
    entry(CERTIFICATE, &of.used_for.to_string(), of.year, of.write())
}

#[test]
fn an_entry_is_read_as_it_was_written() {
    let mut ledger = Ledger::default();
    let of = certificate("c-1", "parks/p/enterprises/e", 2025);
    ledger.apply(&recorded(&of)).expect("read");
    assert_eq!(ledger.get("c-1"), Some(&of));
    let held: Vec<_> = ledger.used_for(&of.used_for, 2025).collect();
    assert_eq!(held, [&of]);
    assert_eq!(ledger.used_for(&of.used_for, 2024).count(), 0);
}

#[test]
fn the_first_use_is_valid_until_it_is_withdrawn() {
    let mut ledger = Ledger::default();
    let first = certificate("c-1", "parks/p/enterprises/e", 2025);
    let second = certificate("c-1", "parks/q", 2025);
    ledger.apply(&recorded(&first)).expect("read");
    let refused = ledger.check(&second).expect_err("used");
    assert_eq!(refused.reason(), "CERTIFICATE_USED_TWICE");
    let message = refused.to_string();
    assert!(
        message.contains("parks/p/enterprises/e") && message.contains("parks/q"),
        "{message}"
    );
    // A foreign program recorded it anyway.
    ledger.apply(&recorded(&second)).expect("read");
    assert_eq!(ledger.get("c-1"), Some(&first));
    let same_of_another_year = certificate("c-1", "parks/p/enterprises/e", 2026);
    assert!(ledger.check(&same_of_another_year).is_err());
    ledger
        .apply(&recorded(&same_of_another_year))
        .expect("read");
    assert_eq!(ledger.get("c-1"), Some(&first));
    let withdrawal = entry(
        CERTIFICATE,
        "parks/p/enterprises/e",
        2025,
        first.write_withdrawal("wrong enterprise"),
    );
    ledger.apply(&withdrawal).expect("read");
    assert!(ledger.is_empty() && ledger.check(&second).is_ok());
    assert_eq!(ledger.used_for(&first.used_for, 2025).count(), 0);
    ledger.apply(&recorded(&second)).expect("read");
    assert_eq!(ledger.get("c-1"), Some(&second));
}

#[test]
fn a_revision_of_the_same_use_counts_instead() {
    let mut ledger = Ledger::default();
    let first = certificate("c-1", "parks/p", 2025);
    let revised = Certificate {
        mwh: "90".parse().expect("a decimal"),
        ..first.clone()
    };
    ledger.apply(&recorded(&first)).expect("read");
    assert!(ledger.check(&revised).is_ok());
    ledger.apply(&recorded(&revised)).expect("read");
    assert_eq!(ledger.all().collect::<Vec<_>>(), [&revised]);
}

#[test]
fn a_withdrawal_must_name_a_certificate_and_its_user() {
    let mut ledger = Ledger::default();
    let of = certificate("c-1", "parks/p", 2025);
    ledger.apply(&recorded(&of)).expect("read");
    let other = Name::parse("name", "parks/q").expect("a name");
    let not_held = ledger.withdrawable("c-1", &other).expect_err("another's");
    assert_eq!(not_held.reason(), "CERTIFICATE_NOT_HELD");
    let absent = ledger.withdrawable("c-2", &other).expect_err("absent");
    assert_eq!(absent.reason(), "NO_SUCH_CERTIFICATE");
    assert!(ledger.withdrawable("c-1", &of.used_for).is_ok());
}

#[test]
fn a_declared_basis_is_valid_from_its_day_on_for_the_park_and_its_enterprises() {
    let mut ledger = Ledger::default();
    let mut declared = entry(
        ASSESSMENT_BASIS,
        "parks/p",
        2024,
        write_basis("plan", BasisOfAssessment::Assessed),
    );
    declared.valid_to = None;
    ledger.apply(&declared).expect("read");
    let on = |name: &str, plan: &str, at: &str| {
        let name = Name::parse("name", name).expect("a name");
        ledger.basis(&name, plan, day(at)).map(|of| of.basis)
    };
    let assessed = Some(BasisOfAssessment::Assessed);
    assert_eq!(on("parks/p", "plan", "2024-12-31"), assessed);
    assert_eq!(on("parks/p/enterprises/e", "plan", "2025-12-31"), assessed);
    assert_eq!(on("parks/p", "plan", "2023-12-31"), None);
    assert_eq!(on("parks/p", "other", "2024-12-31"), None);
    assert_eq!(on("parks/q", "plan", "2024-12-31"), None);
    assert_eq!(on("parks/-", "plan", "2024-12-31"), None);
}
