//! A ledger of fly ash over two months.

use super::*;
use crate::{proof::form::Outcome, reference::forms::layout};

/// January and February of an enterprise; fly ash is generated, utilized and stored as given.
fn filled(metered: &[&str], january: &[(Flow, i64)]) -> Form {
    let amounts = january.iter().map(|(flow, t)| (*flow, Decimal::from(*t)));
    let ledger = BTreeMap::from([(
        (Medium::FlyAsh, "900-001-S02".to_owned()),
        amounts.collect(),
    )]);
    let books = WasteBooks {
        months: BTreeMap::from([
            ("2025-01".to_owned(), ledger),
            ("2025-02".to_owned(), BTreeMap::new()),
        ]),
        metered: metered
            .iter()
            .map(|of| of.parse().expect("a quantity"))
            .collect(),
        open: BTreeSet::from(["2025-02".to_owned()]),
    };
    fill(layout("waste-ledger").expect("shipped"), &books)
}

const ALL: [&str; 5] = [
    "fly_ash.generated",
    "fly_ash.utilized",
    "fly_ash.stored",
    "fly_ash.disposed",
    "fly_ash.dumped",
];

#[test]
fn a_month_without_a_ticket_is_zero_only_where_there_is_a_meter() {
    let january = [
        (Flow::Generated, 100),
        (Flow::Utilized, 70),
        (Flow::Stored, 30),
    ];
    let form = filled(&ALL, &january);
    assert_eq!(form.rows.len(), 2);
    let (january, february) = (&form.rows[0], &form.rows[1]);
    assert_eq!(january.labels[2], Cell::text("900-001-S02"));
    assert_eq!(january.cells[0].known(), Ok(Decimal::ONE_HUNDRED));
    assert_eq!(february.cells[0].known(), Ok(Decimal::ZERO));
    let old_stock = february.cells[2].known().expect_err("no meter");
    assert_eq!(old_stock, "there is no meter of fly_ash.utilized_old_stock");
    assert!(
        form.checks
            .iter()
            .all(|check| check.outcome == Outcome::Holds)
    );
    assert!(form.notes[0].starts_with("2025-02"));
}

#[test]
fn a_ledger_that_does_not_close_or_is_not_whole_says_so() {
    let january = [(Flow::Generated, 100), (Flow::Utilized, 70)];
    let fails = filled(&ALL, &january);
    let sides = Outcome::Fails(Decimal::ONE_HUNDRED, Decimal::from(70));
    assert_eq!(fails.checks[0].outcome, sides);
    let part = filled(&ALL[..2], &january);
    let reason = "there is no meter of fly_ash.disposed".to_owned();
    assert_eq!(part.checks[0].outcome, Outcome::Open(reason));
}
