//! Findings by name, after the validation rules of meter data (METHOD (h)). Pure.

use greenpark_model::{
    amount::Sum,
    day::{CivilDay, DayRange},
    fold::DayFold,
    reading::{Kind, Series},
};
use rust_decimal::Decimal;

use super::{
    Subject,
    counts::{counts, doubted},
    relative_difference,
};
use crate::reference::quality_rules::QualityRules;
use crate::{lake::books::SeriesDays, register::statistics};

/// Weeks on either side in which similar days are searched.
const LIKE_WEEKS: i32 = 8;
/// The number of similar days that make a mean.
const LIKE_DAYS: usize = 3;
/// Ratios that a wrong multiplier causes.
const RATIOS: [i64; 3] = [10, 100, 1_000];

/// A finding that an operator should check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    /// The series concerned; `None` for the enterprise's books.
    pub(crate) series: Option<Series>,
    pub(crate) days: DayRange,
    pub(crate) detail: String,
}

/// One series with its days in and around a range.
struct Course<'a> {
    days: Vec<&'a (CivilDay, DayFold)>,
    range: DayRange,
    /// Readings of a complete day; 0 if none are expected.
    a_day: u32,
}

impl<'a> Course<'a> {
    fn within(&self) -> impl Iterator<Item = &'a (CivilDay, DayFold)> {
        let range = self.range;
        self.days
            .iter()
            .copied()
            .filter(move |(day, _)| range.contains(*day))
    }

    /// Returns true if a day has nearly all of its readings.
    fn is_whole(&self, fold: &DayFold) -> bool {
        fold.readings > 0 && u64::from(fold.readings) * 10 >= u64::from(self.a_day) * 9
    }

    /// The usual amount of `day`: the mean of the nearest complete days of its weekday, except those that `skip`
    /// selects.
    fn usual(&self, day: CivilDay, skip: impl Fn(CivilDay) -> bool) -> Option<Sum> {
        let fold_of = |like: CivilDay| {
            let at = self.days.binary_search_by_key(&like, |(of, _)| *of).ok()?;
            Some(&self.days[at].1).filter(|fold| self.is_whole(fold) && !skip(like))
        };
        let mut like: Vec<&DayFold> = Vec::new();
        for weeks in 1..=LIKE_WEEKS {
            like.extend(fold_of(day.plus(-7 * weeks)));
            like.extend(fold_of(day.plus(7 * weeks)));
            if like.len() >= LIKE_DAYS {
                break;
            }
        }
        like.truncate(LIKE_DAYS);
        let count = i128::try_from(like.len()).ok().filter(|count| *count > 0)?;
        let sum: Sum = like.iter().map(|fold| fold.within).sum();
        Some(Sum(sum.0 / count))
    }
}

/// Runs of consecutive days for which `holds` is true.
fn runs<'a>(
    days: impl Iterator<Item = &'a (CivilDay, DayFold)>,
    holds: impl Fn(&(CivilDay, DayFold)) -> bool,
) -> Vec<DayRange> {
    let mut found: Vec<DayRange> = Vec::new();
    for of in days.filter(|of| holds(of)) {
        let (day, _) = *of;
        match found.last_mut() {
            Some(run) if run.last().next() == day => {
                *run = DayRange::new(run.first(), day).unwrap_or(*run);
            }
            _ => found.extend(DayRange::new(day, day)),
        }
    }
    found
}

/// Finds a register that does not move on days that are usually busy; an idle register on usually idle days is
/// legitimate.
fn stuck(course: &Course<'_>, least: i32) -> Vec<(DayRange, String)> {
    let still = |(_, fold): &(CivilDay, DayFold)| course.is_whole(fold) && fold.within.0 == 0;
    runs(course.within(), still)
        .into_iter()
        .filter(|run| run.days() >= least)
        .filter(|run| {
            let busy = |day| {
                let usual = course.usual(day, |like| run.contains(like));
                usual.is_some_and(|usual| usual.0 > 0)
            };
            run.iter().all(busy)
        })
        .map(|run| {
            (
                run,
                format!(
                    "{} days at one value, while days like these are not idle",
                    run.days()
                ),
            )
        })
        .collect()
}

/// Finds days far above or below similar days.
fn high_low(course: &Course<'_>, times: Decimal) -> Vec<(DayRange, String)> {
    let mut found = Vec::new();
    for (day, fold) in course.within().filter(|(_, fold)| course.is_whole(fold)) {
        let usual = course.usual(*day, |_| false).filter(|usual| usual.0 > 0);
        let (Some(usual), Some(range)) = (usual, DayRange::new(*day, *day)) else {
            continue;
        };
        let Some(ratio) = ratio(fold.within, usual) else {
            continue;
        };
        let low = ratio
            .checked_mul(times)
            .is_some_and(|ratio| ratio < Decimal::ONE);
        if ratio > times || (low && fold.within.0 != 0) {
            let (amount, usual) = (fold.within, usual);
            found.push((range, format!("{amount}, while days like it have {usual}")));
        }
    }
    found
}

/// Finds a lasting change by a factor that a wrong multiplier causes.
fn multiplier(course: &Course<'_>, tolerance: Decimal, least: i32) -> Vec<(DayRange, String)> {
    let factor = |(day, fold): &(CivilDay, DayFold)| -> Option<i64> {
        let usual = course
            .usual(*day, |like| like >= *day)
            .filter(|usual| usual.0 > 0)?;
        let ratio = ratio(fold.within, usual).filter(|_| course.is_whole(fold))?;
        RATIOS.into_iter().find(|factor| {
            let factor = Decimal::from(*factor);
            let near = |ratio: Decimal| {
                let off = (ratio / factor - Decimal::ONE).abs();
                off <= tolerance
            };
            near(ratio) || Decimal::ONE.checked_div(ratio).is_some_and(near)
        })
    };
    runs(course.within(), |of| factor(of).is_some())
        .into_iter()
        .filter(|run| run.days() >= least)
        .map(|run| {
            let of = course.within().find(|(day, _)| *day == run.first());
            let factor = of.and_then(factor).unwrap_or_default();
            (run, format!("about {factor} times what days like these had, or its part: is the multiplier right?"))
        })
        .collect()
}

fn ratio(one: Sum, other: Sum) -> Option<Decimal> {
    one.decimal().ok()?.checked_div(other.decimal().ok()?)
}

/// Finds days without a reading, if registers bridge more than `most` days or do not bridge them at all.
fn gaps(course: &Course<'_>, kind: Kind, most: i32) -> Vec<(&'static str, DayRange, String)> {
    let mut found = Vec::new();
    let read: Vec<CivilDay> = course.days.iter().map(|(day, _)| *day).collect();
    for pair in read.windows(2) {
        let [before, after] = pair else { continue };
        let gap = DayRange::new(before.next(), after.previous());
        let Some(gap) = gap.filter(|gap| gap.overlaps(course.range)) else {
            continue;
        };
        let days = gap.days();
        if !matches!(kind, Kind::Register | Kind::DailyCounter) {
            found.push(("missing", gap, format!("{days} days were not read")));
        } else if days > most {
            let detail = format!("{days} days are estimated from the registers around them");
            found.push(("prolonged-estimation", gap, detail));
        }
    }
    // Nothing is known before the first reading and after the last one.
    let open_end = match (read.first(), read.last()) {
        (Some(first), Some(last)) => [
            DayRange::new(
                course.range.first(),
                course.range.last().min(first.previous()),
            ),
            DayRange::new(course.range.first().max(last.next()), course.range.last()),
        ],
        _ => [Some(course.range), None],
    };
    for days in open_end.into_iter().flatten() {
        found.push((
            "missing",
            days,
            format!("{} days were not read", days.days()),
        ));
    }
    found
}

impl Subject<'_> {
    /// Collects all findings.
    pub(crate) fn findings(&self, rules: &QualityRules) -> Vec<Finding> {
        let mut found = Vec::new();
        found.extend(self.of_declarations(rules));
        for (series, parts) in self.series() {
            let kinds = self.of_kinds(series, &parts);
            let is_other = !kinds.is_empty() && self.meter(series).is_some();
            found.extend(kinds);
            // Readings that do not count and meters with corrections alone have no course to check.
            if parts.is_empty() || is_other {
                continue;
            }
            let of_series = self.of_series(series, &parts, rules);
            found.extend(of_series.into_iter().map(|(check, days, detail)| Finding {
                check,
                series: Some(series.clone()),
                days,
                detail,
            }));
        }
        found.extend(self.of_books(rules));
        let delivery = self.delivery.into_iter();
        found.extend(delivery.flat_map(|of| of.findings(self.enterprise, self.range)));
        found
    }

    fn of_series(
        &self,
        series: &Series,
        parts: &[&SeriesDays],
        rules: &QualityRules,
    ) -> Vec<(&'static str, DayRange, String)> {
        let range = self.range;
        let traits = self.park.registry.meters.traits(self.enterprise, series);
        let joined = self.joined(series, parts);
        let mut found: Vec<(&'static str, DayRange, String)> = counts(parts, range, &joined)
            .into_iter()
            .map(|(check, detail)| (check, range, detail))
            .collect();
        let times = rules.times();
        found.extend(doubted(parts, &traits, series.kind, (range, times)));
        let Some(meter) = self.meter(series) else {
            let mut registered = self.park.registry.meters.of(self.enterprise);
            let of_another = registered.any(|(key, _)| key.meter == series.meter);
            if of_another {
                let detail = format!(
                    "tells {}, and is registered for another quantity",
                    series.quantity
                );
                found.push(("unit", range, detail));
            }
            return found;
        };
        let interval = meter
            .on(range.last())
            .map_or(0, |entry| entry.body.interval_s);
        if interval == 0 {
            return found;
        }
        let days: Vec<(CivilDay, DayFold)> =
            parts.iter().flat_map(|part| part.days.all()).collect();
        let course = Course {
            days: days.iter().collect(),
            range,
            a_day: 86_400 / interval.min(86_400),
        };
        let days = |name| i32::try_from(rules.of(name).trunc().mantissa()).unwrap_or(i32::MAX);
        let named = |check: &'static str, of: Vec<(DayRange, String)>| {
            of.into_iter()
                .map(move |(days, detail)| (check, days, detail))
        };
        found.extend(named("stuck", stuck(&course, days("stuck.days"))));
        found.extend(named(
            "high-low",
            high_low(&course, rules.of("high-low.times")),
        ));
        let wrong = multiplier(
            &course,
            rules.of("multiplier.tolerance"),
            days("stuck.days"),
        );
        found.extend(named("multiplier", wrong));
        found.extend(gaps(&course, series.kind, days("prolonged.days")));
        found
    }

    /// Compares sub-meters with their parents, and days with declared months.
    fn of_books(&self, rules: &QualityRules) -> Vec<Finding> {
        let mut found = Vec::new();
        let tolerance = Decimal::ONE - rules.of("accuracy");
        for (parent, total, children) in self.families() {
            if relative_difference(children, total).is_some_and(|off| off > tolerance) {
                found.push(Finding {
                    check: "sum-check",
                    series: Some(parent),
                    days: self.range,
                    detail: format!("{total}, while its sub-meters have {children}"),
                });
            }
        }
        for (series, days, declared, sum, off) in self.deviations() {
            let statistics::StatisticSeries::Consumption(quantity) = series else {
                continue;
            };
            if off > rules.of("deviation") {
                found.push(Finding {
                    check: "deviation",
                    series: None,
                    days,
                    detail: format!("the books have {declared} of {quantity}, the days {sum}"),
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CivilDay {
        text.parse().expect("a day")
    }

    /// Five weeks from a Monday with the amounts of `week`, except for the changes in `odd`.
    fn weeks(week: [i64; 7], odd: &[(i32, i64)]) -> Vec<(CivilDay, DayFold)> {
        (0..35)
            .map(|n| {
                let usual = week[usize::try_from(n % 7).expect("small")];
                let units = odd
                    .iter()
                    .find(|(at, _)| *at == n)
                    .map_or(usual, |(_, units)| *units);
                let fold = DayFold {
                    readings: 24,
                    within: Sum(i128::from(units) * 1_000_000),
                    ..DayFold::default()
                };
                (day("2026-03-02").plus(n), fold)
            })
            .collect()
    }

    fn course(days: &[(CivilDay, DayFold)]) -> Course<'_> {
        Course {
            days: days.iter().collect(),
            range: DayRange::new(day("2026-03-02"), day("2026-04-05")).expect("in order"),
            a_day: 24,
        }
    }

    const BUSY: [i64; 7] = [100, 101, 99, 100, 102, 10, 9];

    #[test]
    fn method_h_a_frozen_zero_on_idle_days_is_legitimate_and_a_stuck_register_is_not() {
        let idle = [100, 100, 100, 100, 0, 0, 0];
        assert!(stuck(&course(&weeks(idle, &[])), 3).is_empty());
        let odd = [(14, 0), (15, 0), (16, 0)];
        let days = weeks(BUSY, &odd);
        let found = stuck(&course(&days), 3);
        let run = DayRange::new(day("2026-03-16"), day("2026-03-18")).expect("in order");
        assert_eq!(
            found.iter().map(|(days, _)| *days).collect::<Vec<_>>(),
            [run]
        );
        assert!(stuck(&course(&weeks(BUSY, &odd[..2])), 3).is_empty());
    }

    #[test]
    fn a_day_far_from_days_like_it_is_high_or_low() {
        let days = weeks(BUSY, &[(15, 400), (17, 20), (19, 0)]);
        let found = high_low(&course(&days), Decimal::from(3));
        let days_found: Vec<CivilDay> = found.iter().map(|(days, _)| days.first()).collect();
        assert_eq!(days_found, [day("2026-03-17"), day("2026-03-19")]);
        assert!(high_low(&course(&weeks(BUSY, &[])), Decimal::from(3)).is_empty());
    }

    #[test]
    fn a_lasting_tenfold_change_doubts_the_multiplier() {
        let odd: Vec<(i32, i64)> = (21..35)
            .map(|n| (n, BUSY[usize::try_from(n % 7).expect("small")] * 10))
            .collect();
        let tolerance = Decimal::new(5, 2);
        let days = weeks(BUSY, &odd);
        let found = multiplier(&course(&days), tolerance, 3);
        assert!(
            found.iter().any(|(days, detail)| {
                days.first() == day("2026-03-23") && detail.contains("about 10 times")
            }),
            "{found:?}"
        );
        let twice: Vec<(i32, i64)> = (21..35).map(|n| (n, 200)).collect();
        assert!(multiplier(&course(&weeks(BUSY, &twice)), tolerance, 3).is_empty());
    }

    #[test]
    fn gaps_are_estimated_where_registers_bridge_them_and_missing_where_nothing_does() {
        let mut days = weeks(BUSY, &[]);
        days.retain(|(of, _)| !(day("2026-03-10")..=day("2026-03-14")).contains(of));
        days.retain(|(of, _)| *of <= day("2026-03-30"));
        let checks = |kind, most| {
            let found = gaps(&course(&days), kind, most);
            found
                .iter()
                .map(|(check, days, _)| (*check, days.days()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            checks(Kind::Register, 3),
            [("prolonged-estimation", 5), ("missing", 6)]
        );
        assert_eq!(checks(Kind::Register, 5), [("missing", 6)]);
        assert_eq!(checks(Kind::Interval, 3), [("missing", 5), ("missing", 6)]);
    }
}
