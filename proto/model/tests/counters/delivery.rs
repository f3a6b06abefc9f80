//! What becomes of readings on their way: lost, repeated, out of order, corrected, glitched, flagged.

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
    /// What did not come from the meter, as it is in `arrived` too.
    glitches: BTreeSet<Instant>,
}

impl Delivery {
    /// As they rest: by instant, each once, the value that came last in force.
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

    /// The same without what did not come from the meter.
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

/// A life and what arrived of it: runs of readings lost, but never the first nor the last, for those say what
/// is to be told; some repeated, some corrected after a wrong value, and all of it shuffled.
pub(crate) fn of(truth: Truth) -> impl Strategy<Value = (Truth, Delivery)> {
    let last = truth.said.len() - 1;
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
        let said = |place: usize| row(truth.said[place].instant, truth.said[place].register);
        let there: Vec<usize> = order.into_iter().filter(|place| !gone(*place)).collect();
        let wrong = corrected.iter().map(|(at, by)| {
            let right = said(there[at.index(there.len())]);
            row(right.instant, right.value ^ i64::from(*by))
        });
        let mut arrived: Vec<Row> = wrong.collect();
        arrived.extend(there.iter().map(|place| said(*place)));
        let again = repeated.iter().map(|at| said(there[at.index(there.len())]));
        arrived.extend(again.collect::<Vec<_>>());
        let delivery = Delivery {
            arrived,
            glitches: BTreeSet::new(),
        };
        (truth.clone(), delivery)
    })
}

/// A life of which everything arrived, with glitches between its readings. Each comes back before another
/// begins, and stands between two calm readings of the middle of a day: at a day's ends a glitch is decided
/// with the neighboring day's registers, as tests of `compose` show.
pub(crate) fn with_glitches(truth: Truth) -> impl Strategy<Value = (Truth, Delivery)> {
    let glitches = prop::collection::vec((any::<Index>(), 0u8..6, 1i64..1_000), 0..4);
    glitches.prop_map(move |glitches| {
        let mut delivery = Delivery {
            arrived: truth
                .said
                .iter()
                .map(|said| row(said.instant, said.register))
                .collect(),
            glitches: BTreeSet::new(),
        };
        let mut taken = BTreeSet::new();
        for (at, what, size) in glitches {
            let place = at.index(truth.said.len() - 1);
            let near = place.saturating_sub(3)..=place + 3;
            let calm = near.clone().all(|near| {
                let inside = near + 1 < truth.said.len();
                let day = |of: usize| truth.said[of].instant.day();
                inside && place >= 3 && truth.is_calm(near) && day(near) == day(near + 1)
            });
            if !calm || near.clone().any(|near| taken.contains(&near)) {
                continue;
            }
            taken.extend(near);
            let said = truth.said[place];
            let (value, flag) = glitch(said.register, what, size);
            let instant = Instant(said.instant.0 + 1_000);
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
        // Whatever an instrument says while it does not measure.
        _ => (size, Flag::Fault.code()),
    }
}
