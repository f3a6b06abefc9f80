//! Tickets and late readings of a batch.

use super::*;
use crate::meter::{
    amount::Amount,
    id::MeterId,
    quantity::{Medium, Quantity},
};

fn series(kind: Kind) -> Series {
    Series {
        meter: MeterId::new("scale").expect("an id"),
        quantity: Quantity::consumed(Medium::RawCoal),
        kind,
    }
}

fn reading(ms: i64) -> Reading {
    Reading {
        instant: Instant::from_millis(ms),
        value: Amount::from_micro(31_460_000).expect("in range"),
        flag: Flag::Normal,
    }
}

fn ticket(text: &str) -> Ticket {
    Ticket::parse(text).expect("a ticket")
}

fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.add_series(series(Kind::Event)).expect("room");
    batch.add_series(series(Kind::Register)).expect("room");
    batch.push(0, reading(1)).expect("room");
    batch
        .push_ticketed(0, reading(1), ticket("#2"))
        .expect("an event");
    batch.push(1, reading(2)).expect("room");
    batch.mark_last_late(Instant::from_millis(90));
    batch
        .push_ticketed(0, reading(3), ticket("A-17"))
        .expect("an event");
    batch.mark_last_late(Instant::from_millis(80));
    batch
}

#[test]
fn tickets_and_late_readings_stay_with_their_rows() {
    let mut batch = batch();
    assert_eq!(batch.tickets(), [(1, ticket("#2")), (3, ticket("A-17"))]);
    assert_eq!(
        (batch.late(), batch.received()),
        ([2, 3].as_slice(), Some(Instant::from_millis(90)))
    );
    batch.truncate(3);
    assert_eq!(batch.tickets(), [(1, ticket("#2"))]);
    assert_eq!(batch.late(), [2]);
    batch.truncate(2);
    assert_eq!((batch.late(), batch.received()), ([].as_slice(), None));
    batch.clear();
    assert_eq!(batch, Batch::new());
}

#[test]
fn only_an_event_has_a_ticket() {
    let mut batch = batch();
    let error = batch.push_ticketed(1, reading(4), ticket("1"));
    assert_eq!(error, Err(BatchError::TicketOfOther(4)));
    assert_eq!(batch.len(), 4);
}

#[test]
fn sparse_columns_that_do_not_fit_are_refused() {
    let columns = || BatchColumns {
        series: vec![0, 0],
        instants: vec![1, 2],
        values: vec![5, 6],
        flags: vec![Flag::Normal.code(); 2],
        ..BatchColumns::default()
    };
    let check = |kind, change: fn(&mut BatchColumns)| {
        let mut columns = columns();
        change(&mut columns);
        Batch::from_columns(vec![series(kind)], columns).map(|_| ())
    };
    let sparse = |name, row| Err(BatchError::Sparse(name, row));
    assert_eq!(
        check(Kind::Event, |c| c.tickets = vec![(0, ticket("1"))]),
        Ok(())
    );
    assert_eq!(
        check(Kind::Gauge, |c| c.tickets = vec![(1, ticket("1"))]),
        Err(BatchError::TicketOfOther(1))
    );
    assert_eq!(
        check(Kind::Event, |c| c.tickets =
            vec![(1, ticket("1")), (1, ticket("2"))]),
        sparse("tickets", 1)
    );
    assert_eq!(
        check(Kind::Event, |c| c.tickets = vec![(2, ticket("1"))]),
        sparse("tickets", 2)
    );
    assert_eq!(
        check(Kind::Register, |c| (c.late, c.received) =
            (vec![1, 0], Some(Instant::from_millis(9)))),
        sparse("late readings", 0)
    );
    assert_eq!(
        check(Kind::Register, |c| c.late = vec![1]),
        Err(BatchError::Received)
    );
}
