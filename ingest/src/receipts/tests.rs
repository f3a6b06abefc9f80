//! Goal: a receipt claims nothing that was not entered, and contains all that fits. Method: entries
//! by hand, and the payload read as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::limits::{NUMBERING_MAX, RUNS_EACH_MAX};

const SINCE: i64 = 1_795_392_000_000;
const NOW: i64 = SINCE + 5_000;

fn origin(gateway: &str) -> Origin {
    Origin::of_receipts(&format!("park/p1/e1/{gateway}/down/receipt")).expect("an origin")
}

fn numbers(runs: &[(u64, u64)]) -> Numbers {
    let mut numbers = Numbers::default();
    for &(first, last) in runs {
        numbers.insert(first, last);
    }
    numbers
}

fn enter(receipts: &Receipts, gateway: &str, epoch: u64, runs: &[(u64, u64)]) {
    receipts.stored(&[StoredNumbers {
        origin: origin(gateway),
        epochs: vec![(epoch, numbers(runs))],
    }]);
}

fn archive(receipts: &Receipts, gateway: &str, epoch: u64, runs: &[(u64, u64)]) {
    let Origin {
        park,
        enterprise,
        gateway,
    } = origin(gateway);
    receipts.archived((&park, &enterprise, &gateway), epoch, &numbers(runs));
}

fn receipt(receipts: &Receipts, gateway: &str) -> Value {
    let receipt = receipts.of(&origin(gateway), 0, NOW).expect("a receipt");
    serde_json::from_slice(&receipt.payload).expect("JSON")
}

#[test]
fn a_receipt_reports_log_archive_and_gaps() {
    let receipts = Receipts::new(SINCE);
    assert!(receipts.of(&origin("g1"), 0, NOW).is_none());
    enter(&receipts, "g1", 7, &[(1, 500), (503, 600)]);
    assert_eq!(
        receipt(&receipts, "g1"),
        json!({"epoch": 7, "stored": {"upTo": 600, "gaps": [[501, 502]]}, "at": NOW, "since": SINCE})
    );
    archive(&receipts, "g1", 7, &[(1, 500)]);
    enter(&receipts, "g1", 7, &[(501, 501)]);
    assert_eq!(
        receipt(&receipts, "g1"),
        json!({"epoch": 7, "stored": {"upTo": 600, "gaps": [[502, 502]]},
               "archived": {"upTo": 500, "gaps": []}, "at": NOW, "since": SINCE})
    );
}

#[test]
fn the_latest_epoch_comes_first_and_three_are_kept() {
    let receipts = Receipts::new(SINCE);
    for epoch in [1, 2, 3, 4, 2] {
        enter(&receipts, "g1", epoch, &[(1, epoch)]);
    }
    // The archive is behind, and does not reorder the epochs.
    archive(&receipts, "g1", 3, &[(1, 1)]);
    let receipt = receipt(&receipts, "g1");
    assert_eq!(receipt["epoch"], 2);
    let earlier: Vec<_> = receipt["earlier"]
        .as_array()
        .expect("more epochs")
        .iter()
        .map(|epoch| epoch["epoch"].as_u64().expect("a number"))
        .collect();
    assert_eq!(earlier, [4, 3]);
}

#[test]
fn numbers_in_the_archive_count_as_stored() {
    let receipts = Receipts::new(SINCE);
    archive(&receipts, "g1", 7, &[(3, 9)]);
    let receipt = receipt(&receipts, "g1");
    assert_eq!(receipt["stored"], json!({"upTo": 9, "gaps": [[1, 2]]}));
    assert_eq!(receipt["archived"], receipt["stored"]);
}

#[test]
fn changes_are_published_in_order_and_repeats_again() {
    let receipts = Receipts::new(SINCE);
    enter(&receipts, "g1", 1, &[(1, 1)]);
    enter(&receipts, "g2", 1, &[(1, 1)]);
    let all = receipts.unpublished(NOW);
    let topics: Vec<_> = all.iter().map(|receipt| receipt.topic.as_str()).collect();
    assert_eq!(
        topics,
        ["park/p1/e1/g1/down/receipt", "park/p1/e1/g2/down/receipt"]
    );
    for receipt in &all {
        receipts.published(receipt);
    }
    assert!(receipts.unpublished(NOW).is_empty());
    // A gateway that sends again has not received the receipt.
    enter(&receipts, "g1", 1, &[(1, 1)]);
    let news = receipts.unpublished(NOW);
    assert_eq!(news.len(), 1);
    assert!(receipts.of(&origin("g1"), news[0].change, NOW).is_none());
    receipts.published(&news[0]);
    archive(&receipts, "g1", 1, &[(1, 1)]);
    receipts.published(&receipts.unpublished(NOW)[0]);
    archive(&receipts, "g1", 1, &[(1, 1)]);
    assert!(receipts.unpublished(NOW).is_empty());
    receipts.publish_anew();
    assert_eq!(receipts.unpublished(NOW).len(), 2);
}

#[test]
fn receipts_of_many_gateways_are_published_in_turn() {
    let receipts = Receipts::new(SINCE);
    let names: Vec<_> = (0..3 * RECEIPTS_AT_ONCE_MAX - 100)
        .map(|n| format!("g{n}"))
        .collect();
    let mut published = BTreeSet::new();
    for second in 1..=3 {
        for name in &names {
            enter(&receipts, name, 1, &[(second, second)]);
        }
        for receipt in receipts.unpublished(NOW) {
            receipts.published(&receipt);
            published.insert(receipt.topic);
        }
    }
    assert_eq!(published.len(), names.len());
}

#[test]
fn a_repeated_number_is_reported_among_many_gaps() {
    let receipts = Receipts::new(SINCE);
    let even: Vec<_> = (1..=400).map(|n| (2 * n, 2 * n)).collect();
    enter(&receipts, "g1", 1, &even);
    let is_told = |number: u64| {
        let receipt = receipt(&receipts, "g1");
        let gaps: Vec<(u64, u64)> =
            serde_json::from_value(receipt["stored"]["gaps"].clone()).expect("gaps");
        assert!(gaps.len() <= GAPS_LISTED_MAX, "{} gaps", gaps.len());
        !gaps
            .iter()
            .any(|&(first, last)| (first..=last).contains(&number))
    };
    assert!(!is_told(400));
    enter(&receipts, "g1", 1, &[(400, 400)]);
    assert!(is_told(400) && is_told(2) && is_told(800) && !is_told(401));
    enter(&receipts, "g1", 1, &[(401, 401)]);
    assert!(is_told(401));
}

#[test]
fn many_gaps_are_merged_without_claiming_more() {
    let receipts = Receipts::new(SINCE);
    let odd: Vec<_> = (0..10_000).map(|n| (2 * n + 1, 2 * n + 1)).collect();
    for part in odd.chunks(1_000) {
        enter(&receipts, "g1", 1, part);
    }
    let payload = receipts.of(&origin("g1"), 0, NOW).expect("known").payload;
    assert!(payload.len() < 10 * 1024, "{} bytes", payload.len());
    let receipt = receipt(&receipts, "g1");
    assert_eq!(receipt["stored"]["upTo"], 19_999);
    let gaps: Vec<(u64, u64)> =
        serde_json::from_value(receipt["stored"]["gaps"].clone()).expect("gaps");
    // Sixty exact gaps, and two merged ones between them.
    assert_eq!(gaps.len(), GAPS_LISTED_MAX - 2);
    assert!(gaps.windows(2).all(|w| w[0].1 < w[1].0));
    // Every missing number is in a gap.
    let missing = |n: u64| gaps.iter().any(|&(a, b)| a <= n && n <= b);
    assert!(
        (1..20_000)
            .step_by(2)
            .all(|n| missing(n + 1) || n == 19_999)
    );
    assert_eq!(gaps.first().expect("some").0, 2);
    assert_eq!(gaps.last(), Some(&(19_998, 19_998)));
    let table = receipts.lock();
    let known = table.get(&origin("g1")).expect("known");
    assert!(known.epochs[0].stored.runs().len() <= RUNS_EACH_MAX);
}

#[test]
fn the_number_of_tracked_gateways_is_bounded() {
    let receipts = Receipts::new(SINCE);
    let many = NUMBERING_MAX + NUMBERING_MAX / 2;
    for gateway in 0..many {
        enter(&receipts, &format!("g{gateway}"), 1, &[(1, 1)]);
    }
    let newest = format!("g{}", many - 1);
    assert_eq!(receipt(&receipts, &newest)["stored"]["upTo"], 1);
    assert!(receipts.of(&origin("g0"), 0, NOW).is_none());
    assert!(receipts.unpublished(NOW).len() <= RECEIPTS_AT_ONCE_MAX);
}
