//! The days that rollups cover, and a check that they were made with today's traits. Pure.

use std::collections::BTreeMap;

use greenpark_archive::{rollups::rules as rules_of, rows::SeriesKey};
use greenpark_model::{day::CivilDay, fold::MeterProfile, reading::Kind};

use crate::{lake::record_batches::RolledMonth, register::registry};

/// The days of a month that the rollups of an enterprise cover.
#[derive(Default)]
pub(super) struct RolledDays {
    /// Bit `n` is day `n` after the first.
    days: u32,
    /// Days with a later revision than the first, and that revision.
    pub(super) resealed: BTreeMap<CivilDay, u32>,
}

impl RolledDays {
    /// The days of `months` of one enterprise, by the first day of each month. `None` if a month was made with other
    /// traits than `registry` has, or does not cover a day for certain.
    pub(super) fn of(
        months: &[RolledMonth],
        registry: &registry::Park,
    ) -> Option<BTreeMap<CivilDay, Self>> {
        let mut rolled: BTreeMap<CivilDay, Self> = BTreeMap::new();
        for of_series in months.chunk_by(|a, b| a.key == b.key) {
            let rules = RulesNow::new(&of_series[0].key, registry);
            for month in of_series {
                let is_sure = month
                    .unusual
                    .iter()
                    .all(|of| of.revision > 0 && of.late == 0);
                if !is_sure || !rules.are_those_of(month) {
                    return None;
                }
                for (first, days) in month.days.months() {
                    rolled.entry(first).or_default().days |= days;
                }
                let rolled = rolled.entry(month.first).or_default();
                for of in month.unusual.iter().filter(|of| of.revision > 1) {
                    let known = rolled.resealed.entry(of.day).or_default();
                    *known = of.revision.max(*known);
                }
            }
        }
        Some(rolled)
    }

    pub(super) fn each(&self, first: CivilDay) -> impl Iterator<Item = CivilDay> {
        let days = self.days;
        let there = (0..31).filter(move |day| days >> day & 1 == 1);
        there.map(move |day| first.plus(day))
    }
}

/// The traits by which a series is folded now, as text.
pub(super) struct RulesNow {
    traits: MeterProfile,
    kind: Kind,
    /// The text for every range, if the traits never change.
    constant: Option<String>,
}

impl RulesNow {
    pub(super) fn new(key: &SeriesKey, registry: &registry::Park) -> Self {
        let traits = registry.meters.traits(&key.enterprise, &key.series);
        let kind = key.series.kind;
        let constant = traits.is_constant().then(|| traits.rules(kind));
        Self {
            traits,
            kind,
            constant,
        }
    }

    /// True if `month` was rolled up with these traits.
    pub(super) fn are_those_of(&self, month: &RolledMonth) -> bool {
        match &self.constant {
            Some(rules) => *month.rules == **rules,
            None => *month.rules == *rules_of(&self.traits, self.kind, month.first.month()),
        }
    }
}
