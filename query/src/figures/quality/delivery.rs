//! Numbered messages that never arrived. Pure.
//!
//! If a gateway numbers its messages, a number between the first and the last known one of an epoch shows a missing
//! message. Before the first and after the last number nothing is known, nor about a gateway without numbers. A
//! missing number has no day of its own; it belongs to all days from that of the number before it to that of the
//! number after it.

use std::collections::BTreeMap;

use greenpark_archive::messages::Messages;
use greenpark_model::{
    day::{CivilDay, DayRange},
    id::{EnterpriseId, GatewayId},
    numbers::Numbers,
};

use super::checks::Finding;

/// The number of gaps that a finding lists before it only counts the rest.
const GAPS_LISTED: usize = 8;

/// The numbered messages of a park's gateways, by enterprise.
#[derive(Debug, Default)]
pub(crate) struct Delivery(BTreeMap<EnterpriseId, Vec<Course>>);

/// The messages of one epoch of a gateway.
#[derive(Debug)]
struct Course {
    gateway: GatewayId,
    epoch: u64,
    runs: Vec<Run>,
    gaps: Vec<Gap>,
}

/// Consecutive numbers that arrived, with the day of their readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    first: u64,
    last: u64,
    day: CivilDay,
}

/// Consecutive numbers that did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    first: u64,
    last: u64,
    days: DayRange,
}

impl Gap {
    fn len(self) -> u64 {
        self.last - self.first + 1
    }

    fn describe(self) -> String {
        let of = |first: &str, last: &str| match first == last {
            true => first.to_owned(),
            false => format!("{first} to {last}"),
        };
        let numbers = of(&self.first.to_string(), &self.last.to_string());
        let (first, last) = (self.days.first(), self.days.last());
        format!("{numbers} ({})", of(&first.to_string(), &last.to_string()))
    }
}

/// The gaps between `runs`, which are ordered by their first numbers.
fn gaps(runs: &[Run]) -> Vec<Gap> {
    let mut found = Vec::new();
    let mut before: Option<Run> = None;
    for &run in runs {
        let Some(furthest) = before else {
            before = Some(run);
            continue;
        };
        if furthest.last + 1 < run.first {
            let days = [furthest.day.min(run.day), furthest.day.max(run.day)];
            found.extend(DayRange::new(days[0], days[1]).map(|days| Gap {
                first: furthest.last + 1,
                last: run.first - 1,
                days,
            }));
        }
        // If a number arrived twice, its earliest day counts.
        if run.last > furthest.last || (run.last == furthest.last && run.day < furthest.day) {
            before = Some(run);
        }
    }
    found
}

impl Course {
    /// The number of messages that arrived for days in `range`.
    fn arrived(&self, range: DayRange) -> u64 {
        let mut arrived = Numbers::default();
        for run in self.runs.iter().filter(|run| range.contains(run.day)) {
            arrived.insert(run.first, run.last);
        }
        arrived
            .runs()
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum()
    }

    fn gaps(&self, range: DayRange) -> impl Iterator<Item = Gap> {
        let gaps = self.gaps.iter().copied();
        gaps.filter(move |gap| gap.days.overlaps(range))
    }

    fn missing(&self, range: DayRange) -> u64 {
        // OK because the gaps of one epoch do not overlap, and no number is beyond 2^53.
        self.gaps(range).map(Gap::len).sum()
    }

    fn finding(&self, range: DayRange) -> Option<Finding> {
        let days = self.gaps(range).map(|gap| gap.days);
        let days = days.reduce(|one, other| {
            let (first, last) = (one.first().min(other.first()), one.last().max(other.last()));
            DayRange::new(first, last).unwrap_or(one)
        })?;
        let mut listed: Vec<String> = self
            .gaps(range)
            .take(GAPS_LISTED)
            .map(Gap::describe)
            .collect();
        let more = self.gaps(range).count() - listed.len();
        if more > 0 {
            listed.push(format!("and {more} more gaps"));
        }
        let (gateway, epoch, missing) = (&self.gateway, self.epoch, self.missing(range));
        let listed = listed.join(", ");
        Some(Finding {
            check: "missing-messages",
            series: None,
            days,
            detail: format!(
                "{missing} message(s) of gateway {gateway}, epoch {epoch}, did not come: {listed}"
            ),
        })
    }
}

impl Delivery {
    /// Builds the deliveries of `messages`.
    pub(crate) fn of(messages: &Messages) -> Self {
        let mut all: BTreeMap<EnterpriseId, Vec<Course>> = BTreeMap::new();
        for (of, days) in messages.epochs() {
            let runs = days.iter().flat_map(|(&day, numbers)| {
                let runs = numbers.runs().iter();
                runs.map(move |&(first, last)| Run { first, last, day })
            });
            let mut runs: Vec<Run> = runs.collect();
            runs.sort_unstable();
            all.entry(of.enterprise.clone()).or_default().push(Course {
                gateway: of.gateway.clone(),
                epoch: of.epoch,
                gaps: gaps(&runs),
                runs,
            });
        }
        Self(all)
    }

    /// Returns true if no gateway numbers its messages.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn courses(&self, enterprise: &EnterpriseId) -> &[Course] {
        self.0.get(enterprise).map_or(&[], Vec::as_slice)
    }

    /// The numbers of messages of an enterprise that arrived in `range`, and that did not.
    pub(crate) fn tally(&self, enterprise: &EnterpriseId, range: DayRange) -> (u64, u64) {
        let (mut arrived, mut missing) = (0_u64, 0_u64);
        for course in self.courses(enterprise) {
            arrived = arrived.saturating_add(course.arrived(range));
            missing = missing.saturating_add(course.missing(range));
        }
        (arrived, missing)
    }

    /// One finding for each epoch of an enterprise with messages that did not arrive in `range`.
    pub(crate) fn findings(&self, enterprise: &EnterpriseId, range: DayRange) -> Vec<Finding> {
        let courses = self.courses(enterprise).iter();
        courses.filter_map(|course| course.finding(range)).collect()
    }
}

#[cfg(test)]
mod tests {
    use greenpark_archive::messages::GatewayEpoch;

    use super::*;

    fn day(text: &str) -> CivilDay {
        text.parse().expect("a day")
    }

    fn range(first: &str, last: &str) -> DayRange {
        DayRange::new(day(first), day(last)).expect("in order")
    }

    fn works() -> EnterpriseId {
        "works".parse().expect("an id")
    }

    fn delivery(rows: &[(u64, &str, (u64, u64))]) -> Delivery {
        let mut messages = Messages::default();
        for (epoch, on, (first, last)) in rows {
            let of = GatewayEpoch {
                enterprise: works(),
                gateway: "g1".parse().expect("an id"),
                epoch: *epoch,
            };
            let mut numbers = Numbers::default();
            numbers.insert(*first, *last);
            messages.insert(&of, day(on), &numbers);
        }
        Delivery::of(&messages)
    }

    fn tally(delivery: &Delivery, first: &str, last: &str) -> (u64, u64) {
        delivery.tally(&works(), range(first, last))
    }

    #[test]
    fn a_number_between_two_days_is_missing_on_both_and_on_those_between() {
        let delivery = delivery(&[
            (7, "2026-06-01", (100, 109)),
            (7, "2026-06-04", (113, 115)),
            (7, "2026-06-05", (116, 120)),
        ]);
        assert_eq!(tally(&delivery, "2026-06-01", "2026-06-30"), (18, 3));
        assert_eq!(tally(&delivery, "2026-06-01", "2026-06-01"), (10, 3));
        assert_eq!(tally(&delivery, "2026-06-02", "2026-06-03"), (0, 3));
        assert_eq!(tally(&delivery, "2026-06-05", "2026-06-30"), (5, 0));
        assert_eq!(tally(&delivery, "2026-05-01", "2026-05-31"), (0, 0));
        let found = delivery.findings(&works(), range("2026-06-02", "2026-06-02"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].days, range("2026-06-01", "2026-06-04"));
        assert_eq!(
            found[0].detail,
            "3 message(s) of gateway g1, epoch 7, did not come: 110 to 112 (2026-06-01 to 2026-06-04)"
        );
    }

    #[test]
    fn a_late_message_of_an_old_day_is_no_gap_and_each_epoch_counts_for_itself() {
        let delivery = delivery(&[
            (7, "2026-06-03", (1, 5)),
            (7, "2026-01-02", (6, 6)),
            (7, "2026-06-03", (7, 10)),
            // The gateway began a new epoch; its losses in the old one are unknown.
            (8, "2026-06-03", (40, 50)),
        ]);
        assert_eq!(tally(&delivery, "2026-06-03", "2026-06-03"), (20, 0));
        assert_eq!(tally(&delivery, "2026-01-01", "2026-12-31"), (21, 0));
        assert!(
            delivery
                .findings(&works(), range("2026-01-01", "2026-12-31"))
                .is_empty()
        );
    }

    #[test]
    fn a_message_that_was_sent_twice_counts_once_and_by_its_earliest_day() {
        let delivery = delivery(&[
            (7, "2026-06-01", (1, 5)),
            (7, "2026-06-09", (5, 5)),
            (7, "2026-06-09", (3, 3)),
            (7, "2026-06-02", (7, 7)),
        ]);
        assert_eq!(tally(&delivery, "2026-06-01", "2026-06-30"), (6, 1));
        assert_eq!(tally(&delivery, "2026-06-09", "2026-06-09"), (2, 0));
    }

    #[test]
    fn many_gaps_make_a_short_finding() {
        let rows: Vec<_> = (0..50)
            .map(|n| (7, "2026-06-01", (2 * n + 1, 2 * n + 1)))
            .collect();
        let found = delivery(&rows).findings(&works(), range("2026-06-01", "2026-06-01"));
        let detail = &found[0].detail;
        assert!(
            detail.starts_with(
                "49 message(s) of gateway g1, epoch 7, did not come: 2 (2026-06-01), "
            )
        );
        assert!(
            detail.ends_with("16 (2026-06-01), and 41 more gaps"),
            "{detail}"
        );
    }
}
