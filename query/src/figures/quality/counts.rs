//! Findings that are counts: the outcomes of the fold in a range, steps over its midnights included. Pure.

use greenpark_model::{
    amount::Sum,
    compose::Consumption,
    day::{CivilDay, DayRange},
    fold::MeterProfile,
    reading::Kind,
};

use crate::{figures::consumption::implausible, lake::books::SeriesDays};

/// The counts of a range, one finding for each check.
pub(super) fn counts(
    parts: &[&SeriesDays],
    range: DayRange,
    joined: &Consumption,
) -> Vec<(&'static str, String)> {
    let repeats = |of: fn(&(CivilDay, u32, u32)) -> u32| -> u64 {
        let days = parts.iter().flat_map(|part| &part.repeats);
        let within = days.filter(|(day, ..)| range.contains(*day));
        within.map(|repeat| u64::from(of(repeat))).sum()
    };
    let outcomes = joined.outcomes;
    let set_aside = match joined.set_aside {
        Sum::ZERO => String::new(),
        amount => format!("; {amount} set aside"),
    };
    let jumps = "register(s) rose by more than the meter can measure or did in its life";
    let beyond = "amount(s) are below zero or beyond what the meter can measure";
    let all: [(&'static str, u64, String); 8] = [
        (
            "spike",
            u64::from(outcomes.glitches),
            "dip(s) or spike(s) of the register came back".to_owned(),
        ),
        (
            "sentinel",
            u64::from(outcomes.sentinels),
            "of them showed 0, all ones or the least signed value, as devices do without one"
                .to_owned(),
        ),
        (
            "negative",
            u64::from(outcomes.resets),
            "register(s) fell for good without a cause on record".to_owned(),
        ),
        (
            "high-low",
            u64::from(outcomes.jumps),
            format!("{jumps}{set_aside}"),
        ),
        (
            "implausible",
            u64::from(outcomes.implausible),
            format!("{beyond}{set_aside}"),
        ),
        (
            "flag",
            u64::from(outcomes.invalid),
            "reading(s) are flagged as not measured".to_owned(),
        ),
        (
            "duplicate",
            repeats(|(_, duplicates, _)| *duplicates),
            "reading(s) came more than once".to_owned(),
        ),
        (
            "conflict",
            repeats(|(.., conflicts)| *conflicts),
            "reading(s) came with another value".to_owned(),
        ),
    ];
    let some = all.into_iter().filter(|(_, count, _)| *count > 0);
    some.map(|(check, count, what)| (check, format!("{count} {what}")))
        .collect()
}

/// Amounts of an unrated meter that are far above similar ones.
pub(super) fn doubted(
    parts: &[&SeriesDays],
    traits: &MeterProfile,
    kind: Kind,
    (range, times): (DayRange, i128),
) -> Vec<(&'static str, DayRange, String)> {
    let found = implausible::of(parts, traits, kind, (&[range], times)).into_iter();
    let doubted = found.filter_map(|found| Some((found.days, found.amount, found.usual?)));
    doubted
        .map(|(days, amount, usual)| {
            let detail = format!("{amount}, while those like it have {usual}: is the meter rated?");
            ("implausible", days, detail)
        })
        .collect()
}
