//! Reasons: their names, their sentences and their shares.

use super::*;

fn share(found: &str, asked: &str) -> Share {
    let decimal = |text: &str| text.parse().expect("a decimal");
    Share {
        found: decimal(found),
        threshold: decimal(asked),
    }
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|&name| name.to_owned()).collect()
}

/// One reason of each kind, in the order of [`NAMES`].
fn every() -> Vec<Reason> {
    let meters = || names(&["m"]);
    let enterprises = || names(&["e"]);
    vec![
        Reason::Coverage {
            share: share("0.0547945205479452", "0.9"),
            meters: meters(),
        },
        Reason::EstimatedShare {
            share: share("0.2", "0.1"),
        },
        Reason::NotPositive {
            term: Term::Denominator,
            value: Decimal::from(-500),
            names: enterprises(),
        },
        Reason::SideUndeclared {
            media: names(&["e electricity"]),
        },
        Reason::KindConflict { meters: meters() },
        Reason::UnregisteredShare {
            share: share("1", "0.05"),
            meters: meters(),
        },
        Reason::Implausible {
            share: share("0.006", "0.005"),
            readings: 2,
            meters: meters(),
        },
        Reason::LateChange {
            share: share("0.0011", "0.001"),
            late: LateChanges {
                readings: 3,
                corrections: 1,
                gateways: names(&["gw-a", "gw-b"]),
                arrived: Some((Instant::from_millis(0), Instant::from_millis(1_000))),
                final_since: Some(Instant::from_millis(0)),
            },
            meters: meters(),
        },
        Reason::Open { days: 4 },
        Reason::Prorated {
            enterprises: enterprises(),
        },
        Reason::Undeclared {
            enterprises: enterprises(),
        },
        Reason::Silent {
            enterprises: enterprises(),
        },
        Reason::Unsourced { meters: meters() },
    ]
}

#[test]
fn every_reason_has_a_name_a_sentence_and_a_remedy() {
    let every = every();
    let found: Vec<&str> = every.iter().map(Reason::name).collect();
    assert_eq!(found, NAMES);
    for reason in &every {
        assert!(!reason.mend().is_empty());
        assert!(!reason.to_string().is_empty());
        for name in reason.concerned() {
            assert!(reason.to_string().contains(name), "{reason}");
        }
    }
    assert_eq!(every.iter().filter(|reason| reason.is_open()).count(), 1);
}

#[test]
fn counts_are_those_of_the_findings() {
    let counts: Vec<u64> = every().iter().map(Reason::count).collect();
    assert_eq!(counts, [1, 0, 1, 1, 1, 1, 2, 4, 4, 1, 1, 1, 1]);
    let shares = every().iter().filter_map(Reason::share).count();
    assert_eq!(shares, 5);
}

#[test]
fn sentences_name_amounts_senders_and_instants() {
    let told: Vec<String> = every().iter().map(ToString::to_string).collect();
    assert_eq!(
        told[0],
        "completeness 0.054795 is below 0.9, the least that is asked of data: m"
    );
    assert_eq!(told[2], "the denominator is -500, not above zero: e");
    assert_eq!(
        told[7],
        "3 late reading(s) from gw-a, gw-b and 1 correction(s), 1970-01-01T08:00:00+08:00 to \
         1970-01-01T08:00:01+08:00, came after the period was final (1970-01-01T08:00:00+08:00), and move \
         the figure by 0.001100 of the numerator, more than 0.001: m"
    );
}

#[test]
fn a_sentence_lists_eight_names_and_counts_the_rest() {
    let meters: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    let told = Reason::KindConflict { meters }.to_string();
    assert!(told.ends_with("m6, m7 and 2 more"), "{told}");
}
