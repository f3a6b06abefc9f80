//! All statements of 3.1.1 (appendix B) and 5 (appendix B), each with a row of the tables, a test of another name, or
//! the reason why it has none.

use std::collections::BTreeSet;

use super::*;

/// Statements by section, with the last number of each.
type Sections = &'static [(&'static str, u32)];

const OF_3_1_1: Sections = &[
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
    ("7.0.0", 2),
    ("7.1.1", 1),
    ("7.1.2", 1),
];

const OF_5: Sections = &[
    ("1.5.4", 3),
    ("1.5.5", 1),
    ("1.5.7", 1),
    ("2.1.3", 1),
    ("2.2.1", 6),
    ("2.2.2", 1),
    ("3.1.0", 2),
    ("3.1.2", 30),
    ("3.1.3", 12),
    ("3.1.4", 6),
    ("3.2.0", 2),
    ("3.2.2", 22),
    ("3.3.1", 13),
    ("3.3.2", 20),
    ("3.3.4", 10),
    ("3.4.2", 3),
    ("3.5.2", 3),
    ("3.6.1", 1),
    ("3.6.2", 3),
    ("3.7.2", 3),
    ("3.8.1", 1),
    ("3.8.3", 5),
    ("3.8.4", 8),
    ("3.9.2", 2),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.11.2", 2),
    ("3.11.3", 2),
    ("3.12.4", 1),
    ("3.14.0", 1),
    ("3.14.1", 1),
    ("3.14.2", 4),
    ("3.14.4", 3),
    ("3.15.1", 1),
    ("3.15.2", 3),
    ("4.1.0", 2),
    ("4.2.0", 1),
    ("4.3.1", 1),
    ("4.3.2", 5),
    ("4.3.3", 13),
    ("4.4.0", 2),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.0", 1),
    ("4.7.1", 2),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.2", 6),
    ("4.9.0", 3),
    ("4.12.0", 7),
    ("4.12.1", 2),
    ("4.13.1", 1),
    ("4.13.2", 1),
    ("6.0.0", 4),
];

/// Other tests that cover a statement: the numbers in 3.1.1 and in 5, and the test's name.
const ELSEWHERE: &[(&[&str], &[&str], &str)] = &[
    (
        &["3.1.2-6", "3.1.4-3", "4.1.0-2"],
        &["3.1.2-4", "3.1.2-6", "3.1.4-4", "4.1.0-1", "4.1.0-2"],
        "a_will_is_published_unless_the_client_disconnects",
    ),
    (
        &["3.1.2-8", "3.1.2-10", "3.1.2-12", "3.14.4-3"],
        &["3.1.2-7", "3.1.2-8", "3.1.2-10", "3.14.4-3"],
        "a_will_is_published_unless_the_client_disconnects",
    ),
    (
        &["3.1.2-24"],
        &["3.1.2-22", "3.2.2-22"],
        "silence_of_one_and_a_half_keep_alives_ends_the_connection",
    ),
    (
        &[
            "3.1.3-4", "3.1.3-10", "3.1.3-11", "3.8.3-1", "3.10.3-1", "4.7.3-2",
        ],
        &[
            "1.5.7-1", "3.1.3-4", "3.1.3-11", "3.1.3-12", "3.3.2-13", "3.3.2-19", "3.8.3-1",
            "3.10.3-1", "4.7.3-2",
        ],
        "texts_follow_the_standards",
    ),
    (
        &["3.1.3-9"],
        &["3.1.3-8", "3.1.4-2", "3.2.2-8"],
        "wrong_credentials_are_refused_with_their_code",
    ),
    (
        &["3.1.4-2"],
        &["3.1.4-3"],
        "the_newer_connection_of_an_id_takes_over",
    ),
    (
        &["3.2.2-6"],
        &["3.14.0-1"],
        "connects_are_answered_as_the_standards_say",
    ),
    (
        &[],
        &["3.2.2-1", "3.2.2-16"],
        "a_client_without_an_id_gets_one",
    ),
    (
        &["3.3.4-1", "4.3.2-2", "4.3.3-2"],
        &[
            "4.3.2-4", "4.3.2-5", "4.3.3-8", "4.3.3-9", "4.3.3-10", "4.3.3-12", "4.3.3-13",
        ],
        "an_exchange_of_qos_2_runs_once_and_again",
    ),
    (
        &["3.3.5-2"],
        &[],
        "a_foreign_topic_is_refused_and_leaves_nothing_in_the_log",
    ),
    (
        &["3.8.3-2", "3.8.4-3"],
        &["3.8.4-3", "3.8.4-4", "3.8.4-7", "3.8.4-8"],
        "subscriptions_are_answered_as_the_standards_say",
    ),
    (
        &[],
        &["3.1.2-25"],
        "a_receipt_larger_than_the_client_accepts_is_not_sent",
    ),
    (
        &[],
        &[
            "3.3.1-9", "3.3.1-10", "3.3.1-11", "3.3.1-12", "3.3.1-13", "3.3.4-3", "3.3.4-4",
        ],
        "subscription_options_apply_to_receipts",
    ),
    (
        &["4.7.2-1"],
        &["4.7.2-1"],
        "filters_match_as_the_standard_says",
    ),
    (
        &["4.8.0-2"],
        &["4.13.2-1"],
        "a_failed_append_closes_the_connection_and_the_resend_arrives",
    ),
    (
        &[],
        &["3.14.4-1", "3.14.4-2"],
        "packets_against_the_protocol_end_the_connection_after_acknowledging_earlier_ones",
    ),
    (
        &[],
        &["4.9.0-3"],
        "nothing_is_acknowledged_before_its_receipt_and_pings_are_answered",
    ),
    (
        &[],
        &["3.15.1-1"],
        "fixed_headers_and_lengths_follow_the_standards",
    ),
];

/// Statements without a test, with the reason.
const WITHOUT: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "2.3.1-2", "2.3.1-3", "3.1.2-23", "3.1.3-7", "3.3.1-1", "3.14.4-1", "4.3.1-1",
            "4.3.2-1", "4.5.0-2", "4.6.0-1", "4.6.0-2", "4.6.0-3", "4.6.0-4", "7.1.2-1",
        ],
        &[
            "3.1.2-20", "3.1.2-21", "3.1.2-30", "3.2.2-4", "3.2.2-5", "3.2.2-11", "3.2.2-14",
            "3.2.2-15", "3.2.2-17", "3.2.2-18", "3.2.2-21", "3.3.1-1", "3.3.2-10", "3.3.4-7",
            "3.3.4-8", "4.3.1-1", "4.3.2-1", "4.3.2-2", "4.3.2-3", "4.3.3-1", "4.3.3-2", "4.3.3-3",
            "4.3.3-5", "4.3.3-6", "4.3.3-7", "4.4.0-2", "4.5.0-2", "4.6.0-1", "4.6.0-2", "4.6.0-3",
            "4.6.0-4", "4.9.0-1", "4.9.0-2", "4.12.0-3",
        ],
        "the client, or the sender of a PUBLISH with a QoS above 0, which is never us",
    ),
    (
        &[
            "3.1.2-4", "3.1.2-5", "3.2.2-2", "4.1.0-1", "4.4.0-1", "4.5.0-1",
        ],
        &["3.1.2-5", "3.1.2-23", "3.1.3-9", "4.4.0-1", "4.5.0-1"],
        "no session outlives its connection (ingest/README.md)",
    ),
    (
        &[
            "2.3.1-4", "3.1.2-7", "3.1.2-16", "3.1.2-17", "3.3.1-3", "3.3.1-5", "3.3.1-6",
            "3.3.1-7", "3.3.1-8", "3.3.1-9", "3.3.1-10", "3.3.1-11", "3.3.1-12", "3.3.2-3",
            "3.3.5-1", "3.8.4-6", "3.10.4-3", "4.6.0-5", "4.6.0-6", "4.7.3-4",
        ],
        &[
            "2.2.1-4", "3.1.2-14", "3.1.2-15", "3.1.3-10", "3.3.1-3", "3.3.1-5", "3.3.1-6",
            "3.3.1-7", "3.3.1-8", "3.3.2-3", "3.3.2-4", "3.3.2-5", "3.3.2-6", "3.3.2-15",
            "3.3.2-16", "3.3.2-17", "3.3.2-18", "3.3.2-20", "3.3.4-2", "3.3.4-5", "3.3.4-9",
            "3.3.4-10", "3.8.3-3", "3.10.4-3", "4.6.0-5", "4.6.0-6", "4.7.3-4", "4.8.2-3",
            "4.8.2-4", "4.8.2-5", "4.8.2-6",
        ],
        "messages of clients are delivered to nobody: this is no broker (ingest/README.md)",
    ),
    (
        &[],
        &[
            "3.1.2-26", "3.1.2-27", "3.1.2-28", "3.1.2-29", "3.2.2-9", "3.2.2-10", "3.2.2-12",
            "3.2.2-13", "3.2.2-19", "3.2.2-20", "3.3.2-11", "3.4.2-2", "3.4.2-3", "3.5.2-2",
            "3.5.2-3", "3.6.2-2", "3.6.2-3", "3.7.2-2", "3.7.2-3", "3.9.2-1", "3.9.2-2",
            "3.11.2-1", "3.11.2-2", "3.14.2-2", "3.14.2-3", "3.14.2-4", "3.15.2-1", "3.15.2-2",
            "3.15.2-3", "4.12.0-2", "4.12.0-4", "4.12.0-5", "4.12.0-6", "4.12.1-1", "4.12.1-2",
        ],
        "of a property or packet that we never send, or a limit that we do not have",
    ),
    (
        &["6.0.0-1", "6.0.0-2", "6.0.0-3", "6.0.0-4"],
        &["6.0.0-1", "6.0.0-2", "6.0.0-3", "6.0.0-4"],
        "of WebSockets, which are not served",
    ),
    (
        &["7.0.0-1", "7.0.0-2", "7.1.1-1"],
        &["4.2.0-1", "2.2.1-1"],
        "of a whole implementation, or of its network",
    ),
];

/// The source files of the named tests.
const SOURCES: [&str; 9] = [
    include_str!("../../tests.rs"),
    include_str!("../statements.rs"),
    include_str!("../endings.rs"),
    include_str!("../flows.rs"),
    include_str!("../auth.rs"),
    include_str!("../auth/publishes.rs"),
    include_str!("../receipts.rs"),
    include_str!("../refusals.rs"),
    include_str!("../../../topic/filter.rs"),
];

fn all(sections: Sections) -> BTreeSet<String> {
    let numbers = |&(section, last): &(&'static str, u32)| {
        (1..=last).map(move |number| format!("{section}-{number}"))
    };
    sections.iter().flat_map(numbers).collect()
}

fn of_rows(version: u8) -> BTreeSet<String> {
    let mut table = Table::new(version);
    for fill in [
        connect::rows,
        texts::rows,
        packets::rows,
        publish::rows,
        subscribe::rows,
        control::rows,
        properties::rows,
    ] {
        fill(&mut table);
    }
    let numbers = table
        .rows
        .iter()
        .filter_map(|row| row.number.strip_prefix("MQTT-"));
    numbers.map(str::to_owned).collect()
}

#[test]
fn every_statement_has_a_row_a_test_or_a_reason() {
    for (version, sections) in [(4, OF_3_1_1), (5, OF_5)] {
        let all = all(sections);
        let mut held = of_rows(version);
        let unknown: Vec<_> = held.difference(&all).collect();
        assert!(
            unknown.is_empty(),
            "no statements of level {version}: {unknown:?}"
        );
        for &(of_4, of_5, why) in ELSEWHERE.iter().chain(WITHOUT) {
            for number in if version == 4 { of_4 } else { of_5 } {
                assert!(
                    all.contains(*number),
                    "{number} is no statement of level {version}"
                );
                held.insert((*number).to_owned());
                assert!(!why.is_empty());
            }
        }
        let missing: Vec<_> = all.difference(&held).collect();
        assert!(
            missing.is_empty(),
            "level {version} has no row for {missing:?}"
        );
    }
}

#[test]
fn the_named_tests_exist() {
    for (.., name) in ELSEWHERE {
        let there = SOURCES
            .iter()
            .any(|source| source.contains(&format!("fn {name}(")));
        assert!(there, "there is no test {name}");
    }
}
