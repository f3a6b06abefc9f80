//! Notes about sides of balances and kinds of readings.

use greenpark_model::balance::Side;

use crate::figures::{measure::Measured, population::listed};

pub(super) fn about_sides(measured: &Measured, notes: &mut Vec<String>) {
    let by_side = |side: Side, of: &std::collections::BTreeMap<String, Side>| -> Vec<String> {
        let names = of.iter().filter(|(_, declared)| **declared == side);
        names.map(|(name, _)| name.clone()).collect()
    };
    for side in Side::ALL {
        let names = by_side(side, &measured.both_sides);
        if !names.is_empty() {
            notes.push(format!(
                "metered as supplied and as used; by declaration the side of {} counts and the other is shown beside \
                 it: {}",
                side.as_str(),
                listed(&names)
            ));
        }
        let names = by_side(side, &measured.side_unmetered);
        if !names.is_empty() {
            notes.push(format!(
                "the side of {} is declared, and only the other side has meters, which do not count: {}",
                side.as_str(),
                listed(&names)
            ));
        }
    }
    if !measured.side_undeclared.is_empty() {
        let sum = |side: Option<greenpark_model::amount::Sum>| {
            side.map(|sum| sum.to_string()).unwrap_or_default()
        };
        let each = measured.side_undeclared.iter().map(|(name, balance)| {
            format!(
                "{name} (supply {}, consumption {})",
                sum(balance.of(Side::Supply)),
                sum(balance.of(Side::Consumption))
            )
        });
        let each: Vec<String> = each.collect();
        notes.push(format!(
            "metered as supplied and as used, and no side is declared: the larger one of each calendar year counts \
             until DeclareSides says which: {}",
            listed(&each)
        ));
    }
}

pub(super) fn about_kinds(measured: &Measured, notes: &mut Vec<String>) {
    if !measured.kind_conflict.is_empty() {
        let names: Vec<&String> = measured.kind_conflict.iter().collect();
        notes.push(format!(
            "not registered and heard as two kinds; the kind heard on more days of the year counts, register the \
             meter as what it is: {}",
            listed(&names)
        ));
    }
    if !measured.other_kind.is_empty() {
        let names: Vec<&String> = measured.other_kind.iter().collect();
        notes.push(format!(
            "readings of another kind than the meter is registered as do not count: {}",
            listed(&names)
        ));
    }
}
