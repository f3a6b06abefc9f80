//! The notes of a figure: sentences that its reader must know.

mod doubts;

use std::collections::BTreeSet;

use greenpark_model::{
    amount::Sum,
    day::DayRange,
    indicator::{Indicator, round},
    waste::Ledger,
};
use rust_decimal::Decimal;

use crate::{
    figures::{
        figure::{denominator::Denominator, numerator::Numerator},
        measure::{Measured, Question},
        population::{Population, listed},
    },
    register::statistics::StatisticSeries,
};

pub(super) fn of_figure(
    question: &Question<'_>,
    population: &Population<'_>,
    measured: &Measured,
    numerator: &Numerator,
    denominator: &Denominator,
) -> Vec<String> {
    let mut notes = population.notes.clone();
    if !measured.is_known() {
        notes.push(
            "there is no value: no meter of this indicator was read in the period".to_owned(),
        );
    } else if numerator.total <= Decimal::ZERO {
        let total = numerator.total.normalize();
        notes.push(format!(
            "there is no value: the numerator is {total}, and there is no ratio of what is not above zero"
        ));
    }
    about_readings(question, measured, &mut notes);
    about_falls(measured, &mut notes);
    match question.indicator {
        Indicator::WasteUtilization => about_waste(measured, &numerator.ledger, &mut notes),
        Indicator::CarbonPerEnergy => {}
        _ => about_declared(question, denominator, &mut notes),
    }
    about_rules(question, measured, &mut notes);
    notes
}

/// The notes of a table of amounts of `what`, which has no denominator.
pub(super) fn of_table(
    question: &Question<'_>,
    population: &Population<'_>,
    measured: &Measured,
    what: &str,
) -> Vec<String> {
    let mut notes = population.notes.clone();
    if !measured.is_known() {
        notes.push(format!("no meter of {what} was read in the period"));
    }
    about_readings(question, measured, &mut notes);
    about_falls(measured, &mut notes);
    about_rules(question, measured, &mut notes);
    notes
}

/// Notes about gaps in factors, sources and completeness.
fn about_rules(question: &Question<'_>, measured: &Measured, notes: &mut Vec<String>) {
    if !measured.unsourced.is_empty() {
        let names: Vec<&String> = measured.unsourced.iter().collect();
        notes.push(format!(
            "not counted, for nothing says where their water comes from; register water_source: {}",
            listed(&names)
        ));
    }
    let threshold = question.rules.quality.of("completeness");
    if let Some(share) = measured.completeness().filter(|share| *share < threshold) {
        notes.push(format!(
            "completeness {} is below {}, the least that is asked of data",
            round(share, 6),
            threshold.normalize()
        ));
    }
    if !measured.corrections.is_empty() {
        notes.push(format!(
            "{} correction(s) by hand count: {}",
            measured.corrections.len(),
            listed(&measured.corrections)
        ));
    }
    doubts::about_sides(measured, notes);
    doubts::about_kinds(measured, notes);
    if question.needs_carbon() {
        let carbon = measured
            .parts
            .keys()
            .filter_map(|(_, by)| by.carbon.as_ref());
        let origins: BTreeSet<&String> = carbon.filter_map(|of| of.fallback.as_ref()).collect();
        if !origins.is_empty() {
            let origins: Vec<&String> = origins.into_iter().collect();
            notes.push(format!(
                "the grid factor of the year is not published: {}",
                listed(&origins)
            ));
        }
    }
}

fn about_readings(question: &Question<'_>, measured: &Measured, notes: &mut Vec<String>) {
    let range = question.range;
    for medium in &measured.without_factor {
        let medium = medium.as_str();
        notes.push(match question.needs_carbon() {
            true => format!(
                "there is no value: no factor for {medium} in the whole period; add a dated entry in \
                 query.carbon_files"
            ),
            false => format!(
                "there is no value: no factor for {medium} at basis {} in the whole period; add a dated \
                 entry in query.factor_files",
                question.basis
            ),
        });
    }
    let waste = question.indicator == Indicator::WasteUtilization;
    if measured.is_known() && !measured.silent.is_empty() && !waste {
        let names = listed(&measured.silent);
        notes.push(format!(
            "counted, although no meter of theirs was read in the period: {names}"
        ));
    }
    if !measured.unregistered.is_empty() {
        let names: Vec<&String> = measured.unregistered.iter().collect();
        notes.push(format!(
            "meters without a registry entry are counted: {}",
            listed(&names)
        ));
    }
    let today = question.now.day();
    let ahead = DayRange::new(today.next().max(range.first()), range.last());
    let to_come = ahead.map_or(0, DayRange::days);
    let open = i32::try_from(measured.open.len())
        .unwrap_or(i32::MAX)
        .saturating_sub(to_come);
    if open > 0 {
        notes.push(format!(
            "{open} day(s) with readings or today are not sealed yet"
        ));
    }
    if to_come > 0 {
        notes.push(format!("{to_come} day(s) of the period are still to come"));
    }
}

fn about_falls(measured: &Measured, notes: &mut Vec<String>) {
    let outcomes = measured.outcomes;
    let sentences = [
        (
            outcomes.resets,
            "register(s) fell without a cause on record and are counted from the new value",
        ),
        (
            outcomes.jumps,
            "register(s) rose by more than the meter can measure or did in its life, and are counted from \
             the new value",
        ),
        (outcomes.rollovers, "register(s) passed their modulus"),
        (
            outcomes.replacements,
            "meter(s) or multiplier(s) were changed on record",
        ),
        (
            outcomes.glitches,
            "dip(s) or spike(s) of a register came back, and are left out",
        ),
        (
            outcomes.implausible,
            "amount(s) are below zero or beyond what the meter can measure, and are left out",
        ),
        (
            outcomes.invalid,
            "reading(s) have a flag that says nothing was measured, and are left out",
        ),
        (outcomes.manual, "reading(s) were set by hand"),
    ];
    notes.extend(
        sentences
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}")),
    );
}

fn about_waste(measured: &Measured, ledger: &Ledger, notes: &mut Vec<String>) {
    if measured.is_known() && ledger.available().0 == 0 {
        notes.push("there is no value: nothing was generated or taken from old stock".to_owned());
    }
    if ledger.net_utilized() < Sum::ZERO {
        notes.push(
            "more is received from others than is used: what is only stored or disposed of was booked as \
             utilized by who handed it over"
                .to_owned(),
        );
    }
    let gap = ledger.identity_gap();
    if gap.0 != 0 {
        notes.push(format!(
            "the ledger does not close: generated exceeds what was used, stored, disposed of and dumped \
             by {gap} t"
        ));
    }
}

fn about_declared(question: &Question<'_>, denominator: &Denominator, notes: &mut Vec<String>) {
    let what = match question.per {
        StatisticSeries::ValueAdded => "value added".to_owned(),
        StatisticSeries::GrossOutput => "gross output".to_owned(),
        other => other.to_string(),
    };
    if denominator.amount.is_zero() {
        notes.push(format!(
            "there is no value: {what} is zero or not declared; declare statistics for the period"
        ));
    } else if denominator.amount < Decimal::ZERO {
        let amount = denominator.amount.normalize();
        notes.push(format!(
            "there is no value: {what} is {amount}, and there is no ratio of what is not above zero"
        ));
    }
    if !denominator.deflated.is_empty() {
        notes.push(format!(
            "value added is brought to constant prices by what is declared: {}",
            listed(&denominator.deflated)
        ));
    }
    if !denominator.declared_twice.is_empty() {
        notes.push(format!(
            "declared as a whole and by parts that differ: {}",
            listed(&denominator.declared_twice)
        ));
    }
    if !denominator.undeclared.is_empty() {
        notes.push(format!(
            "no {what} is declared for the period, while consumption counts: {}",
            listed(&denominator.undeclared)
        ));
    }
    if !denominator.incomplete.is_empty() {
        let names: Vec<String> = denominator
            .incomplete
            .iter()
            .map(|(name, days)| format!("{name} ({days} days)"))
            .collect();
        notes.push(format!(
            "no {what} is declared for some days: {}",
            listed(&names)
        ));
    }
    if !denominator.prorated.is_empty() {
        notes.push(format!(
            "{what} is prorated by days within a longer period: {}",
            listed(&denominator.prorated)
        ));
    }
    if !denominator.preliminary.is_empty() {
        notes.push(format!(
            "{what} is preliminary: {}",
            listed(&denominator.preliminary)
        ));
    }
}
