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

fn told(receipts: &Receipts, gateway: &str) -> Value {
    let told = receipts.of(&origin(gateway), 0, NOW).expect("a receipt");
    serde_json::from_slice(&told.payload).expect("JSON")
}

#[test]
fn a_receipt_tells_log_archive_and_gaps() {
    let receipts = Receipts::new(SINCE);
    assert!(receipts.of(&origin("g1"), 0, NOW).is_none());
    enter(&receipts, "g1", 7, &[(1, 500), (503, 600)]);
    assert_eq!(
        told(&receipts, "g1"),
        json!({"epoch": 7, "stored": {"upTo": 600, "gaps": [[501, 502]]}, "at": NOW, "since": SINCE})
    );
    archive(&receipts, "g1", 7, &[(1, 500)]);
    enter(&receipts, "g1", 7, &[(501, 501)]);
    assert_eq!(
        told(&receipts, "g1"),
        json!({"epoch": 7, "stored": {"upTo": 600, "gaps": [[502, 502]]},
               "archived": {"upTo": 500, "gaps": []}, "at": NOW, "since": SINCE})
    );
}

#[test]
fn the_epoch_heard_of_last_comes_first_and_three_are_known() {
    let receipts = Receipts::new(SINCE);
    for epoch in [1, 2, 3, 4, 2] {
        enter(&receipts, "g1", epoch, &[(1, epoch)]);
    }
    // The archive is behind, and does not reorder the epochs.
    archive(&receipts, "g1", 3, &[(1, 1)]);
    let told = told(&receipts, "g1");
    assert_eq!(told["epoch"], 2);
    let earlier: Vec<_> = told["earlier"]
        .as_array()
        .expect("more epochs")
        .iter()
        .map(|epoch| epoch["epoch"].as_u64().expect("a number"))
        .collect();
    assert_eq!(earlier, [4, 3]);
}

#[test]
fn what_the_archive_has_the_log_had_before_the_process_began() {
    let receipts = Receipts::new(SINCE);
    archive(&receipts, "g1", 7, &[(3, 9)]);
    let told = told(&receipts, "g1");
    assert_eq!(told["stored"], json!({"upTo": 9, "gaps": [[1, 2]]}));
    assert_eq!(told["archived"], told["stored"]);
}

#[test]
fn changes_are_published_in_their_order_and_a_repeat_again() {
    let receipts = Receipts::new(SINCE);
    enter(&receipts, "g1", 1, &[(1, 1)]);
    enter(&receipts, "g2", 1, &[(1, 1)]);
    let all = receipts.unpublished(NOW);
    let topics: Vec<_> = all.iter().map(|told| told.topic.as_str()).collect();
    assert_eq!(
        topics,
        ["park/p1/e1/g1/down/receipt", "park/p1/e1/g2/down/receipt"]
    );
    for told in &all {
        receipts.published(told);
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
fn among_more_gateways_than_are_published_at_once_each_has_its_turn() {
    let receipts = Receipts::new(SINCE);
    let names: Vec<_> = (0..3 * RECEIPTS_AT_ONCE_MAX - 100)
        .map(|n| format!("g{n}"))
        .collect();
    let mut published = BTreeSet::new();
    for second in 1..=3 {
        for name in &names {
            enter(&receipts, name, 1, &[(second, second)]);
        }
        for told in receipts.unpublished(NOW) {
            receipts.published(&told);
            published.insert(told.topic);
        }
    }
    assert_eq!(published.len(), names.len());
}

#[test]
fn what_is_sent_again_is_told_among_however_many_gaps() {
    let receipts = Receipts::new(SINCE);
    let even: Vec<_> = (1..=400).map(|n| (2 * n, 2 * n)).collect();
    enter(&receipts, "g1", 1, &even);
    let is_told = |number: u64| {
        let told = told(&receipts, "g1");
        let gaps: Vec<(u64, u64)> =
            serde_json::from_value(told["stored"]["gaps"].clone()).expect("gaps");
        assert!(gaps.len() <= GAPS_TOLD_MAX, "{} gaps", gaps.len());
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
fn many_gaps_are_told_as_few_and_claim_no_more() {
    let receipts = Receipts::new(SINCE);
    let odd: Vec<_> = (0..10_000).map(|n| (2 * n + 1, 2 * n + 1)).collect();
    for part in odd.chunks(1_000) {
        enter(&receipts, "g1", 1, part);
    }
    let payload = receipts.of(&origin("g1"), 0, NOW).expect("known").payload;
    assert!(payload.len() < 10 * 1024, "{} bytes", payload.len());
    let told = told(&receipts, "g1");
    assert_eq!(told["stored"]["upTo"], 19_999);
    let gaps: Vec<(u64, u64)> =
        serde_json::from_value(told["stored"]["gaps"].clone()).expect("gaps");
    // Sixty exact gaps, and two merged ones between them.
    assert_eq!(gaps.len(), GAPS_TOLD_MAX - 2);
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
fn gateways_without_end_are_forgotten_and_the_newest_known() {
    let receipts = Receipts::new(SINCE);
    let many = NUMBERING_MAX + NUMBERING_MAX / 2;
    for gateway in 0..many {
        enter(&receipts, &format!("g{gateway}"), 1, &[(1, 1)]);
    }
    let newest = format!("g{}", many - 1);
    assert_eq!(told(&receipts, &newest)["stored"]["upTo"], 1);
    assert!(receipts.of(&origin("g0"), 0, NOW).is_none());
    assert!(receipts.unpublished(NOW).len() <= RECEIPTS_AT_ONCE_MAX);
}
