//! Readings on their way: lost, repeated, out of order, corrected, glitched, flagged.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_model::{day::Instant, reading::Flag};
use proptest::{prelude::*, sample::Index};

use crate::truth::Truth;

/// A reading that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) instant: Instant,
    pub(crate) value: i64,
    pub(crate) flag: u8,
    pub(crate) superseded: bool,
}

/// Readings in the order of their arrival.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    arrived: Vec<Row>,
    /// The instants of readings that did not come from the meter; they are in `arrived`, too.
    glitches: BTreeSet<Instant>,
}

impl Delivery {
    /// The stored rows: by instant, each value once, of which the last to arrive counts.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut values: BTreeMap<Instant, Vec<Row>> = BTreeMap::new();
        for row in &self.arrived {
            let of = values.entry(row.instant).or_default();
            of.retain(|known| (known.value, known.flag) != (row.value, row.flag));
            of.push(*row);
        }
        let mut rows = Vec::new();
        for of in values.into_values() {
            let last = of.len() - 1;
            rows.extend(of.into_iter().enumerate().map(|(place, row)| Row {
                superseded: place < last,
                ..row
            }));
        }
        rows
    }

    /// The delivery without readings that did not come from the meter.
    pub(crate) fn clean(&self) -> Self {
        let real = |row: &&Row| !self.glitches.contains(&row.instant);
        Self {
            arrived: self.arrived.iter().filter(real).copied().collect(),
            glitches: BTreeSet::new(),
        }
    }
}

fn row(instant: Instant, value: i64) -> Row {
    Row {
        instant,
        value,
        flag: Flag::Normal.code(),
        superseded: false,
    }
}

/// A life and its delivery: runs of readings are lost, but never the first or the last, which define the true
/// total; some are repeated, some corrected after a wrong value, and all are shuffled.
pub(crate) fn of(truth: Truth) -> impl Strategy<Value = (Truth, Delivery)> {
    let last = truth.shown.len() - 1;
    let lost = prop::collection::vec((any::<Index>(), 1usize..40), 0..4);
    let repeated = prop::collection::vec(any::<Index>(), 0..6);
    let corrected = prop::collection::vec((any::<Index>(), any::<u32>()), 0..3);
    let order = Just((0..=last).collect::<Vec<usize>>()).prop_shuffle();
    (lost, repeated, corrected, order).prop_map(move |(lost, repeated, corrected, order)| {
        let gone = |place: usize| {
            let within = |(at, many): &(Index, usize)| {
                let from = at.index(last);
                (from..from + many).contains(&place)
            };
            place != 0 && place != last && lost.iter().any(within)
        };
        let sent = |place: usize| row(truth.shown[place].instant, truth.shown[place].register);
        let there: Vec<usize> = order.into_iter().filter(|place| !gone(*place)).collect();
        let wrong = corrected.iter().map(|(at, by)| {
            let right = sent(there[at.index(there.len())]);
            row(right.instant, right.value ^ i64::from(*by))
        });
        let mut arrived: Vec<Row> = wrong.collect();
        arrived.extend(there.iter().map(|place| sent(*place)));
        let again = repeated.iter().map(|at| sent(there[at.index(there.len())]));
        arrived.extend(again.collect::<Vec<_>>());
        let delivery = Delivery {
            arrived,
            glitches: BTreeSet::new(),
        };
        (truth.clone(), delivery)
    })
}

/// A life of which everything arrived, with glitches between its readings. Each ends before another begins, and
/// lies between two calm readings in the middle of a day: at a day's ends the neighboring day's registers decide
/// about a glitch, as the tests of `compose` show.
pub(crate) fn with_glitches(truth: Truth) -> impl Strategy<Value = (Truth, Delivery)> {
    let glitches = prop::collection::vec((any::<Index>(), 0u8..6, 1i64..1_000), 0..4);
    glitches.prop_map(move |glitches| {
        let mut delivery = Delivery {
            arrived: truth
                .shown
                .iter()
                .map(|shown| row(shown.instant, shown.register))
                .collect(),
            glitches: BTreeSet::new(),
        };
        let mut taken = BTreeSet::new();
        for (at, what, size) in glitches {
            let place = at.index(truth.shown.len() - 1);
            let near = place.saturating_sub(3)..=place + 3;
            let calm = near.clone().all(|near| {
                let inside = near + 1 < truth.shown.len();
                let day = |of: usize| truth.shown[of].instant.day();
                inside && place >= 3 && truth.is_calm(near) && day(near) == day(near + 1)
            });
            if !calm || near.clone().any(|near| taken.contains(&near)) {
                continue;
            }
            taken.extend(near);
            let shown = truth.shown[place];
            let (value, flag) = glitch(shown.register, what, size);
            let instant = Instant::from_millis(shown.instant.millis() + 1_000);
            delivery.glitches.insert(instant);
            delivery.arrived.push(Row {
                flag,
                ..row(instant, value)
            });
        }
        (truth.clone(), delivery)
    })
}

/// A value that did not come from the meter, and its flag.
fn glitch(register: i64, what: u8, size: i64) -> (i64, u8) {
    let normal = Flag::Normal.code();
    match what {
        // A blip to zero, a dip, a trembling register.
        0 => (0, normal),
        1 => (register - register / 2, normal),
        2 => ((register - size).max(0), normal),
        // A thousandfold value, a spike beyond what a meter measures.
        3 => (
            register.saturating_mul(1_000).min(900_000_000_000_000_000),
            normal,
        ),
        4 => (register + 50_000_000_000_000 + size, normal),
        // A value of an instrument that does not measure.
        _ => (size, Flag::Fault.code()),
    }
}
