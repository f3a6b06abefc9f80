//! Goal: numbers are a set, whatever their order of arrival. Method: the same insertions into a naive set.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn numbers(runs: &[(u64, u64)]) -> Numbers {
    let mut numbers = Numbers::default();
    for &(first, last) in runs {
        numbers.insert(first, last);
    }
    numbers
}

fn listed(numbers: &Numbers) -> BTreeSet<u64> {
    numbers.runs().iter().flat_map(|&(a, b)| a..=b).collect()
}

fn well_formed(numbers: &Numbers) -> bool {
    let each = numbers.runs().iter().all(|&(a, b)| 0 < a && a <= b);
    each && numbers.runs().windows(2).all(|w| w[0].1 + 1 < w[1].0)
}

#[test]
fn an_epoch_and_a_sequence_must_be_in_range() {
    assert!(Numbered::new(1, NUMBER_MAX).is_some());
    for (epoch, sequence) in [(0, 1), (1, 0), (NUMBER_MAX + 1, 1), (1, NUMBER_MAX + 1)] {
        assert_eq!(Numbered::new(epoch, sequence), None);
    }
}

#[test]
fn the_first_run_and_the_newest_outlive_forgetting() {
    let mut come = numbers(&[(1, 9), (11, 11), (13, 13), (15, 15), (17, 20)]);
    come.forget_beyond(3);
    assert_eq!(come.runs(), [(1, 9), (15, 15), (17, 20)]);
    come.forget_beyond(0);
    assert_eq!(come.runs(), [(1, 9), (17, 20)]);
    let mut none = Numbers::default();
    none.forget_beyond(1);
    assert_eq!((none.up_to(), none.is_empty()), (0, true));
}

#[test]
fn contradictory_turns_are_refused() {
    for (first, turns) in [
        (0, &[1][..]),
        (1, &[]),
        (1, &[0]),
        (1, &[1, 0]),
        (1, &[1, 0, 1]),
        (NUMBER_MAX, &[2]),
        (2, &[u64::MAX]),
        (1, &[1, u64::MAX]),
    ] {
        assert_eq!(Numbers::from_turns(first, turns), None, "{first} {turns:?}");
    }
    assert_eq!(Numbers::from_turns(7, &[1]), Some(numbers(&[(7, 7)])));
}

proptest! {
    #[test]
    fn any_order_and_any_repeats_make_the_same_set(
        runs in prop::collection::vec((0u64..60, 0u64..6), 0..40), cut in 0usize..40,
    ) {
        let naive: BTreeSet<u64> = runs.iter().flat_map(|&(a, n)| a.max(1)..=a + n).collect();
        let mut come = Numbers::default();
        let mut seen = BTreeSet::new();
        for &(first, more) in &runs {
            let before = seen.len();
            seen.extend(first.max(1)..=first + more);
            prop_assert_eq!(come.insert(first, first + more), seen.len() > before);
            prop_assert!(well_formed(&come));
        }
        prop_assert_eq!(&listed(&come), &naive);
        prop_assert_eq!(come.up_to(), naive.last().copied().unwrap_or(0));
        let missing: BTreeSet<u64> = come.gaps().flat_map(|(a, b)| a..=b).collect();
        let expected: BTreeSet<u64> = (1..=come.up_to()).filter(|n| !naive.contains(n)).collect();
        prop_assert_eq!(missing, expected);
        for number in 0..80 {
            prop_assert_eq!(come.contains(number), naive.contains(&number));
        }
        // Joining two parts gives the same.
        let (one, other) = runs.split_at(cut.min(runs.len()));
        let closed = |part: &[(u64, u64)]| part.iter().map(|&(a, n)| (a, a + n)).collect::<Vec<_>>();
        let (mut joined, other) = (numbers(&closed(one)), numbers(&closed(other)));
        let before = joined.clone();
        prop_assert_eq!(joined.join(&other), joined != before);
        prop_assert_eq!(&joined, &come);
    }

    #[test]
    fn turns_come_back(runs in prop::collection::vec((1u64..500, 0u64..6), 1..30)) {
        let closed: Vec<_> = runs.iter().map(|&(a, n)| (a, a + n)).collect();
        let come = numbers(&closed);
        let first = come.runs()[0].0;
        prop_assert_eq!(Numbers::from_turns(first, &come.turns()), Some(come));
    }

    #[test]
    fn what_is_forgotten_only_becomes_a_gap(
        runs in prop::collection::vec((1u64..500, 0u64..3), 0..80), most in 0usize..20,
    ) {
        let closed: Vec<_> = runs.iter().map(|&(a, n)| (a, a + n)).collect();
        let all = numbers(&closed);
        let mut kept = all.clone();
        kept.forget_beyond(most);
        prop_assert!(well_formed(&kept));
        prop_assert!(kept.runs().len() <= most.max(2));
        prop_assert!(listed(&kept).is_subset(&listed(&all)));
        prop_assert_eq!(kept.up_to(), all.up_to());
        prop_assert_eq!(kept.runs().first(), all.runs().first());
    }
}
