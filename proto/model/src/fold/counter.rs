//! The general fold of a counter's day: its stretches, and the totals that they prove.

use std::sync::Arc;

use crate::{
    fold::{
        account::{Account, Piece},
        day_fold::{DayColumns, DayFold, Odd},
        explain::explain,
        life::Life,
    },
    meter::profile::MeterProfile,
};

/// Folds a counter's day, register by register.
pub(super) fn fold(traits: &MeterProfile, columns: DayColumns<'_>) -> DayFold {
    let mut fold = DayFold::default();
    let mut life = Life::new(traits);
    for row in 0..columns.instants.len() {
        if columns.superseded[row] {
            continue;
        }
        fold.readings = fold.readings.saturating_add(1);
        if !fold.outcomes.count_flag(columns.flags[row]) {
            continue;
        }
        if let Some(point) = columns.point(row) {
            life.push_point(0, point);
        }
    }
    decide(fold, Odd::default(), &life)
}

/// Joins the folds of days into one, as if all were one day.
#[must_use]
pub(crate) fn join<'a>(traits: &MeterProfile, days: impl Iterator<Item = &'a DayFold>) -> DayFold {
    let mut fold = DayFold::default();
    let mut odd = Odd::default();
    let mut life = Life::new(traits);
    for day in days {
        fold.readings = fold.readings.saturating_add(day.readings);
        fold.outcomes = fold.outcomes.plus(day.outcomes.of_readings());
        if day.first.is_none() {
            fold.within += day.within;
            odd.set_aside += day.set_aside();
            odd.export += day.export();
        }
        for stretch in day.stretches() {
            life.push(0, &stretch);
        }
    }
    decide(fold, odd, &life)
}

/// Completes a fold by the explanation of a life of one entry.
fn decide(mut fold: DayFold, mut odd: Odd, life: &Life<'_>) -> DayFold {
    let stretches = life.stretches();
    let explanation = explain(life);
    let account = Account::new(life, &explanation, |_| false);
    for piece in account.pieces {
        match piece {
            Piece::Within { amount, export, .. } => {
                fold.within += amount;
                odd.export += export;
            }
            Piece::Event {
                outcomes,
                set_aside,
                ..
            } => {
                fold.outcomes = fold.outcomes.plus(outcomes);
                odd.set_aside += set_aside;
            }
            Piece::Edge { .. } => {}
        }
    }
    let ends = explanation.ends(life);
    if let Some((first, last)) = ends {
        (fold.first, fold.last) = (Some(first), Some(last));
    }
    // Keep a register at an end although it is left out: composing may believe it once the days beside it are known.
    match stretches.as_slice() {
        [only] if ends == Some((only.first, only.last)) => {
            (fold.head, fold.tail) = (only.head, only.tail);
        }
        _ => odd.stretches = stretches,
    }
    fold.odd = (odd != Odd::default()).then(|| Arc::new(odd));
    fold
}

#[cfg(test)]
mod tests;
