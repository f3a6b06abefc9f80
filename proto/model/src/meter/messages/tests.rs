//! Goal: every row belongs to its message, and a list from outside is accepted whole or not at all.

use proptest::prelude::*;

use super::*;

/// Messages: number, readings, true if it ends here, and the count of unnumbered rows before it.
type Came = Vec<(u64, u32, bool, u32)>;

fn came() -> impl Strategy<Value = Came> {
    let number = prop_oneof![4 => 1u64..6, 1 => NUMBER_MAX - 3..=NUMBER_MAX];
    let skipped = prop_oneof![4 => Just(0u32), 1 => 1u32..3];
    prop::collection::vec((number, 0u32..3, prop::bool::weighted(0.9), skipped), 0..30)
}

fn messages_of(came: &Came) -> (BatchMessages, u32) {
    let (mut messages, mut row) = (BatchMessages::default(), 0);
    for &(number, readings, ends, skipped) in came {
        let rows = row + skipped..row + skipped + readings;
        row = rows.end;
        if ends {
            messages.end(number, rows);
        } else {
            messages.leave(number, rows);
        }
    }
    (messages, row)
}

#[test]
fn equal_messages_in_order_are_one_run() {
    let (messages, rows) = messages_of(&(1..1_001).map(|n| (n, 8, true, 0)).collect());
    assert_eq!(messages.run_list(), [0, 0, 1_000, 8]);
    assert_eq!(rows, 8_000);
}

#[test]
fn lists_that_do_not_fit_give_no_runs() {
    let mut ended = Numbers::default();
    ended.insert(7, 8);
    let of = |list: &[i64]| BatchMessages::from_run_list(ended.clone(), list, 4);
    assert_eq!(of(&[0, 0, 2, 2]).runs().len(), 1);
    for list in [
        &[][..],
        &[0, 0, 2],
        &[0, 0, 2, 2, 0],
        &[0, 0, 2, 3],
        &[1, 0, 2, 2],
        &[-1, 0, 2, 2],
        &[0, -7, 2, 2],
        &[0, 1, 2, 2],
        &[0, 0, 1, 2],
        &[0, 0, 3, 1],
        &[0, 0, -2, 2],
        &[0, 0, 2, -2],
        &[0, 0, i64::MAX, 0],
        &[0, 0, 2, i64::MAX],
        &[0, i64::MAX, 2, 2],
        &[0, i64::MIN, 2, 2],
        &[i64::from(u32::MAX), 0, 2, 2],
        &[0, 0, i64::from(u32::MAX), i64::from(u32::MAX)],
    ] {
        let messages = of(list);
        assert_eq!(
            (messages.runs(), messages.ended()),
            (&[][..], &ended),
            "{list:?}"
        );
    }
    // A record in which no message ends may still hold a part of one.
    let part = BatchMessages::from_run_list(Numbers::default(), &[1, 9, 0, 3], 4);
    let [run] = part.runs() else {
        panic!("{part:?}");
    };
    assert_eq!(
        (run.numbers(), run.rows(), run.is_ended()),
        ((9, 9), 1..4, false)
    );
}

proptest! {
    #[test]
    fn every_message_has_the_rows_that_it_brought(came in came()) {
        let (messages, rows) = messages_of(&came);
        let told = messages.runs().iter().flat_map(|run| run.each().map(|(n, rows)| (n, rows, run.is_ended())));
        let mut row = 0;
        for ((number, rows, ends), &(of, readings, ended, skipped)) in told.zip(&came) {
            prop_assert_eq!((number, ends), (of, ended));
            prop_assert_eq!(rows, row + skipped..row + skipped + readings);
            row += skipped + readings;
        }
        let each: usize = messages.runs().iter().map(|run| run.each().count()).sum();
        prop_assert_eq!(each, came.len());
        let read = BatchMessages::from_run_list(messages.ended().clone(), &messages.run_list(), rows as usize);
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn a_strangers_list_never_panics(
        first in 0u64..9,
        list in prop::collection::vec(prop_oneof![any::<i64>(), -3i64..9], 0..13),
        rows in 0usize..20,
    ) {
        let mut ended = Numbers::default();
        ended.insert(first, first);
        let messages = BatchMessages::from_run_list(ended, &list, rows);
        for run in messages.runs() {
            prop_assert!(run.rows().end as usize <= rows);
            prop_assert!(run.each().all(|(_, each)| each.end <= run.rows().end));
        }
    }
}
