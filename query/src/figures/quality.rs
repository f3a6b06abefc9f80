//! Data quality: indices of enterprises and days, and findings by name. Pure.
//!
//! Indices follow the national on-line monitoring (completeness, day against month) and the scores of
//! platforms (timeliness, correctness, accuracy, calibration); findings have the names that validation rules
//! of meter data have. Thresholds are data.

mod checks;
mod counts;
pub(crate) mod dead_letters;
mod declared;
mod delivery;

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::{dated::Dated, meters::RegisteredMeter};
use greenpark_model::{
    amount::Sum,
    compose::Consumption,
    day::{CivilDay, DayRange},
    id::EnterpriseId,
    reading::{Kind, Series},
};
use rust_decimal::Decimal;

use crate::{
    figures::{consumption::consume, park_days::ParkDays},
    lake::books::SeriesDays,
    reference::quality_rules::QualityRules,
    register::statistics::{self, total_of},
};

pub(crate) use {checks::Finding, delivery::Delivery};

/// The counts behind the indices; the tallies of parts can be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Expected readings of meters with an interval, and the received ones, capped per meter and day at the expected
    /// number.
    pub(crate) expected: u64,
    pub(crate) complete: u64,
    /// Numbered messages that arrived, and those that did not.
    pub(crate) messages: u64,
    pub(crate) missing: u64,
    /// All readings, repeats included, and the unusable ones.
    pub(crate) received: u64,
    pub(crate) wrong: u64,
    /// Days of enterprises with expected readings, and the days that were complete without late data.
    pub(crate) days: u64,
    pub(crate) days_in_time: u64,
    /// Counted meters, and those with a valid verification.
    pub(crate) meters: u64,
    pub(crate) verified: u64,
    /// The amounts of meters with sub-meters, and of their sub-meters.
    pub(crate) parents: Sum,
    pub(crate) children: Sum,
    /// The largest deviation of a month's books from the sum of its days.
    pub(crate) deviation: Option<Decimal>,
}

fn share(part: u64, whole: u64) -> Option<Decimal> {
    Decimal::from(part).checked_div(Decimal::from(whole))
}

/// An index of data quality.
pub(crate) struct Index {
    pub(crate) name: &'static str,
    pub(crate) chinese: &'static str,
    /// `None` if there is no data for it.
    pub(crate) value: Option<Decimal>,
    /// True if a lower value is better.
    pub(crate) falls: bool,
}

impl Tally {
    /// Adds another part.
    pub(crate) fn add(&mut self, other: &Self) {
        self.expected += other.expected;
        self.complete += other.complete;
        self.messages = self.messages.saturating_add(other.messages);
        self.missing = self.missing.saturating_add(other.missing);
        self.received += other.received;
        self.wrong += other.wrong;
        self.days += other.days;
        self.days_in_time += other.days_in_time;
        self.meters += other.meters;
        self.verified += other.verified;
        self.parents += other.parents;
        self.children += other.children;
        self.deviation = self.deviation.max(other.deviation);
    }

    /// The indices, each a fraction.
    pub(crate) fn indices(&self) -> [Index; 6] {
        let index = |name, chinese, value| Index {
            name,
            chinese,
            value,
            falls: false,
        };
        let right = self.received.saturating_sub(self.wrong);
        [
            index("completeness", "完整率", self.completeness()),
            index("timeliness", "及时率", share(self.days_in_time, self.days)),
            index("correctness", "正确率", share(right, self.received)),
            index("accuracy", "准确率", self.accuracy()),
            index(
                "calibration",
                "检定有效率",
                share(self.verified, self.meters),
            ),
            Index {
                falls: true,
                ..index("deviation", "日月偏差", self.deviation)
            },
        ]
    }

    /// The lower of the received shares of readings and of numbered messages: an arrived message does not replace a
    /// reading, and a missing message never raises the index.
    fn completeness(&self) -> Option<Decimal> {
        let readings = share(self.complete, self.expected);
        let messages = share(self.messages, self.messages.saturating_add(self.missing));
        [readings, messages].into_iter().flatten().min()
    }

    /// One minus the relative difference between sub-meters and their parents.
    fn accuracy(&self) -> Option<Decimal> {
        let ratio = self
            .children
            .decimal()
            .ok()?
            .checked_div(self.parents.decimal().ok()?)?;
        let off = ratio.checked_sub(Decimal::ONE)?.abs();
        Some((Decimal::ONE - off.min(Decimal::ONE)).normalize())
    }

    /// The weighted mean of the known indices; `None` if none is known.
    pub(crate) fn score(&self, rules: &QualityRules) -> Option<Decimal> {
        let (mut sum, mut weights) = (Decimal::ZERO, Decimal::ZERO);
        for index in self.indices() {
            let weight = rules.value(&format!("weight.{}", index.name));
            if let Some((value, weight)) = index.value.zip(weight) {
                sum += value * weight;
                weights += weight;
            }
        }
        sum.checked_div(weights)
    }
}

/// One enterprise of a park, in a range of days that are over.
pub(crate) struct Subject<'a> {
    pub(crate) park: &'a ParkDays,
    pub(crate) enterprise: &'a EnterpriseId,
    pub(crate) range: DayRange,
    /// The numbered messages of its park's gateways, if they are known.
    pub(crate) delivery: Option<&'a Delivery>,
}

impl<'a> Subject<'a> {
    fn series(&self) -> impl Iterator<Item = (&'a Series, Vec<&'a SeriesDays>)> {
        let all = self.park.series(self.enterprise, self.range).into_iter();
        all.filter(|(series, _)| series.kind != Kind::Gauge)
    }

    fn meter(&self, series: &Series) -> Option<&'a Dated<RegisteredMeter>> {
        self.park.registry.meters.get(self.enterprise, series)
    }

    /// The tally of the whole range.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        let mut due: BTreeSet<CivilDay> = BTreeSet::new();
        for (series, parts) in self.series() {
            self.count_readings(series, &parts, &mut tally);
        }
        self.count_expected(&mut tally, &mut due);
        self.count_days(&due, &mut tally);
        self.count_children(&mut tally);
        if let Some(delivery) = self.delivery {
            (tally.messages, tally.missing) = delivery.tally(self.enterprise, self.range);
        }
        tally.deviation = self.deviations().into_iter().map(|(.., off)| off).max();
        tally
    }

    /// Counts the readings and the unusable ones.
    fn count_readings(&self, series: &Series, parts: &[&SeriesDays], tally: &mut Tally) {
        let days = parts.iter().flat_map(|part| part.days.near(self.range));
        for (_, fold) in days.filter(|(day, _)| self.range.contains(*day)) {
            tally.received += u64::from(fold.readings);
        }
        // Steps over midnights are decided with the days around them.
        let outcomes = self.joined(series, parts).outcomes;
        let wrong = [
            outcomes.glitches,
            outcomes.invalid,
            outcomes.implausible,
            outcomes.resets,
            outcomes.jumps,
        ];
        tally.wrong += wrong.into_iter().map(u64::from).sum::<u64>();
        let repeats = parts.iter().flat_map(|part| &part.repeats);
        for (_, duplicates, conflicts) in repeats.filter(|(day, ..)| self.range.contains(*day)) {
            tally.received += u64::from(*duplicates);
            tally.wrong += u64::from(*duplicates) + u64::from(*conflicts);
        }
    }

    /// Counts the expected readings of meters with an interval, day by day, and the verified meters.
    fn count_expected(&self, tally: &mut Tally, due: &mut BTreeSet<CivilDay>) {
        let known = self.park.series(self.enterprise, self.range);
        for (key, meter) in self.park.registry.meters.of(self.enterprise) {
            let last = meter.on(self.range.last()).map(|entry| &entry.body);
            if let Some(body) = last.filter(|body| body.counted) {
                tally.meters += 1;
                let until = body.particulars.verified_until;
                tally.verified += u64::from(until.is_some_and(|day| self.range.last() <= day));
            }
            for part in meter.parts(self.range) {
                let body = meter.on(part.first()).map(|entry| &entry.body);
                let Some(body) = body.filter(|body| body.interval_s > 0) else {
                    continue;
                };
                let series = Series {
                    meter: key.meter.clone(),
                    quantity: key.quantity,
                    kind: body.kind,
                };
                let parts = known.get(&series).map_or(&[][..], Vec::as_slice);
                let a_day = u64::from(86_400 / body.interval_s.min(86_400));
                due.extend(part.iter());
                tally.expected += a_day * u64::from(part.days().unsigned_abs());
                // A day is in one book.
                let days = parts.iter().flat_map(|of| of.days.near(part));
                let within = days.filter(|(day, _)| part.contains(*day));
                let complete = within.map(|(_, fold)| u64::from(fold.readings).min(a_day));
                tally.complete += complete.sum::<u64>();
            }
        }
    }

    /// Counts the days that were complete without late data; late data makes a second revision. Open days are not
    /// counted.
    fn count_days(&self, due: &BTreeSet<CivilDay>, tally: &mut Tally) {
        let books = self.park.books();
        let open = |day: &CivilDay| {
            let of = books
                .iter()
                .filter_map(|book| book.open.get(self.enterprise));
            of.into_iter().any(|days| days.contains(day))
        };
        let sealed = books
            .iter()
            .filter_map(|book| book.sealed.get(self.enterprise));
        let revisions: BTreeMap<CivilDay, u32> = sealed.flatten().copied().collect();
        for day in due.iter().filter(|day| !open(day)) {
            tally.days += 1;
            tally.days_in_time += u64::from(revisions.get(day) == Some(&1));
        }
    }

    /// Adds the amounts of meters with sub-meters, and of the sub-meters.
    fn count_children(&self, tally: &mut Tally) {
        for (_, parent, children) in self.families() {
            tally.parents += parent;
            tally.children += children;
        }
    }

    /// Each meter with sub-meters: its amount, and the sum of theirs.
    pub(crate) fn families(&self) -> Vec<(Series, Sum, Sum)> {
        let known = self.park.series(self.enterprise, self.range);
        let mut children: BTreeMap<&Series, Sum> = BTreeMap::new();
        for (series, parts) in &known {
            let named = self.meter(series).and_then(|meter| meter.latest());
            let named = named.and_then(|entry| entry.body.particulars.parent.clone());
            let is_parent = |other: &&&Series| {
                Some(&other.meter) == named.as_ref() && other.quantity == series.quantity
            };
            if let Some(parent) = known.keys().find(is_parent) {
                *children.entry(parent).or_default() += self.consumed(series, parts);
            }
        }
        children
            .into_iter()
            .map(|(parent, sum)| {
                let parts = known.get(parent).map_or(&[][..], Vec::as_slice);
                (parent.clone(), self.consumed(parent, parts), sum)
            })
            .collect()
    }

    fn consumed(&self, series: &Series, parts: &[&SeriesDays]) -> Sum {
        let corrected = self
            .park
            .consumed(self.enterprise, series, parts, self.range);
        corrected.consumption.amount
    }

    /// The consumption on the days of the range on which the series counts.
    fn counted(&self, series: &Series, parts: &[&SeriesDays]) -> Sum {
        let (park, of) = (self.park, self.enterprise);
        let days = park.counting(of, series, self.range).days.into_iter();
        days.map(|days| park.consumed(of, series, parts, days))
            .map(|corrected| corrected.consumption.amount)
            .sum()
    }

    /// The measured consumption of the series in the range, with the outcomes of its fold.
    fn joined(&self, series: &Series, parts: &[&SeriesDays]) -> Consumption {
        let meters = &self.park.registry.meters;
        let traits = meters.traits(self.enterprise, series);
        consume(parts, &traits, self.range)
    }

    /// Months within the range with a declared consumption: the declared amount, the sum of the days, and their
    /// difference as a share of the declared amount.
    pub(crate) fn deviations(
        &self,
    ) -> Vec<(statistics::StatisticSeries, DayRange, Sum, Sum, Decimal)> {
        let declared = self.park.registry.statistics.get(self.enterprise);
        let declared = declared.map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        for of in declared {
            let statistics::StatisticSeries::Consumption(quantity) = &of.series else {
                continue;
            };
            let month = of.period.range();
            if month.first() < self.range.first() || self.range.last() < month.last() {
                continue;
            }
            let Some(declared_total) = total_of(declared, &of.series, month, None) else {
                continue;
            };
            let of_month = Subject {
                range: month,
                ..*self
            };
            let days: Sum = of_month
                .series()
                .filter(|(series, _)| series.quantity == *quantity)
                .map(|(series, parts)| of_month.counted(series, &parts))
                .sum();
            let off = relative_difference(days, declared_total.amount);
            found.extend(
                off.map(|off| (of.series.clone(), month, declared_total.amount, days, off)),
            );
        }
        found
    }
}

/// The difference of `one` from `other`, as a share of `other`.
fn relative_difference(one: Sum, other: Sum) -> Option<Decimal> {
    let difference = (one - other).decimal().ok()?.abs();
    difference.checked_div(other.decimal().ok()?.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::quality_rules;

    #[test]
    fn indices_are_shares_and_the_score_averages_the_known_ones() {
        let rules = quality_rules::load(None).expect("shipped");
        let tally = Tally {
            expected: 240,
            complete: 216,
            received: 220,
            wrong: 11,
            days: 10,
            days_in_time: 9,
            meters: 4,
            verified: 3,
            ..Tally::default()
        };
        let values: Vec<String> = tally
            .indices()
            .iter()
            .map(|index| {
                index
                    .value
                    .map(|v| v.normalize().to_string())
                    .unwrap_or_default()
            })
            .collect();
        assert_eq!(values, ["0.9", "0.9", "0.95", "", "0.75", ""]);
        // (0.9 × 0.3 + 0.9 × 0.1 + 0.95 × 0.2) ÷ 0.6, accuracy being unknown.
        let score = tally
            .score(&rules)
            .map(|score| score.round_dp(6).normalize().to_string());
        assert_eq!(score.as_deref(), Some("0.916667"));
        assert_eq!(Tally::default().score(&rules), None);
    }

    #[test]
    fn completeness_is_the_lower_of_readings_and_messages() {
        let of = |expected, complete, messages, missing| {
            let tally = Tally {
                expected,
                complete,
                messages,
                missing,
                ..Tally::default()
            };
            let completeness = tally.completeness();
            completeness.map(|share| share.normalize().to_string())
        };
        assert_eq!(of(0, 0, 0, 0), None);
        assert_eq!(of(0, 0, 9, 1).as_deref(), Some("0.9"));
        assert_eq!(of(10, 8, 9, 1).as_deref(), Some("0.8"));
        assert_eq!(of(10, 10, 9, 1).as_deref(), Some("0.9"));
        assert_eq!(of(10, 8, 10, 0).as_deref(), Some("0.8"));
        assert_eq!(of(10, 10, 0, 3).as_deref(), Some("0"));
        assert_eq!(of(1, 1, u64::MAX, u64::MAX).as_deref(), Some("1"));
    }

    #[test]
    fn accuracy_falls_on_either_side_of_the_parent() {
        let of = |parents: i128, children: i128| {
            let tally = Tally {
                parents: Sum(parents),
                children: Sum(children),
                ..Tally::default()
            };
            tally.accuracy().map(|accuracy| accuracy.to_string())
        };
        assert_eq!(of(1_000, 930).as_deref(), Some("0.93"));
        assert_eq!(of(1_000, 1_070).as_deref(), Some("0.93"));
        assert_eq!(of(1_000, 5_000).as_deref(), Some("0"));
        assert_eq!(of(0, 0), None);
    }
}
