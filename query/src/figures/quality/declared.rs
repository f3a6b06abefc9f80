//! Findings about registrations and declarations: kinds, sides and periods declared twice. Pure.

use greenpark_model::{
    day::DayRange,
    reading::{Kind, Series},
};

use super::{Finding, Subject};
use crate::reference::quality_rules::QualityRules;
use crate::{
    figures::consumption::sides::Sides,
    lake::books::SeriesDays,
    register::statistics::{DIFFERENCE, DeclaredStatistic, differing},
};

impl Subject<'_> {
    /// Finds readings of another kind than the registered one, or of two kinds if the meter is not registered.
    pub(super) fn of_kinds(&self, series: &Series, parts: &[&SeriesDays]) -> Vec<Finding> {
        let finding = |days: DayRange, detail: String| Finding {
            check: "kind",
            series: Some(series.clone()),
            days,
            detail,
        };
        let others = self
            .park
            .other_kinds(self.enterprise, series, parts, self.range);
        let mut found: Vec<Finding> = others
            .into_iter()
            .map(|of| {
                let (kind, registered) = (series.kind.as_str(), of.registered.as_str());
                let readings = of.readings;
                finding(
                    of.days,
                    format!(
                        "{readings} reading(s) as {kind} do not count: the meter is registered as {registered}"
                    ),
                )
            })
            .collect();
        let counting = self.park.counting(self.enterprise, series, self.range);
        if counting.conflict && series.kind != Kind::Gauge {
            let kind = series.kind.as_str();
            let counts = match counting.days.is_empty() {
                true => "does not count",
                false => "counts",
            };
            found.push(finding(
                self.range,
                format!(
                    "is not registered and was heard as two kinds: {kind} {counts}; register it as what it is"
                ),
            ));
        }
        found
    }

    /// Finds periods that are declared twice, and sides without a declaration or a meter.
    pub(super) fn of_declarations(&self, rules: &QualityRules) -> Vec<Finding> {
        let finding = |check: &'static str, days: DayRange, detail: String| Finding {
            check,
            series: None,
            days,
            detail,
        };
        let declared = self.park.registry.statistics.get(self.enterprise);
        let declared = declared.map_or(&[][..], Vec::as_slice);
        let mut kinds: Vec<&DeclaredStatistic> = declared.iter().collect();
        kinds.sort_by(|a, b| (&a.series, a.price_base).cmp(&(&b.series, b.price_base)));
        kinds.dedup_by(|a, b| (&a.series, a.price_base) == (&b.series, b.price_base));
        let most = rules.of(DIFFERENCE);
        let mut found: Vec<Finding> = kinds
            .into_iter()
            .flat_map(|of| differing(declared, &of.series, (self.range, of.price_base), most))
            .map(|(days, sentence)| finding("declared-twice", days, sentence))
            .collect();
        let known = self.park.series(self.enterprise, self.range);
        let sides = Sides::of(self.park, self.enterprise, &known, self.range);
        found.extend(sides.undeclared.keys().map(|medium| {
            let medium = medium.as_str();
            finding(
                "side",
                self.range,
                format!("{medium} is metered as used and as supplied; declare which side counts"),
            )
        }));
        found.extend(sides.unmetered.iter().map(|(medium, side)| {
            let (medium, side) = (medium.as_str(), side.as_str());
            finding(
                "side",
                self.range,
                format!("{medium} has no meter on the side of {side}, which is declared"),
            )
        }));
        found
    }
}
