//! Decides which readings of a meter count: those of its registered kind, or of one kind where the meter is not
//! registered. Pure.
//!
//! An unregistered meter with readings of two kinds counts with one of them in a calendar year: the kind with
//! readings on more days of the year. On a tie the order is register, daily counter, interval, event. So the months
//! of a year sum to it, and the same energy is never added twice. As nobody registered the right kind, the figure
//! gets no verdict.

use std::cmp::Reverse;

use greenpark_model::{
    day::DayRange,
    id::EnterpriseId,
    reading::{Kind, Series},
};

use crate::{
    figures::{
        consumption::corrected::{Corrected, consume_corrected},
        park_days::{ParkDays, is_within},
    },
    lake::books::SeriesDays,
    register::registry::{joined, kind_on},
};

/// The days on which a series counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counting {
    /// Ranges in order. Throughout each, one entry of a registered meter is valid.
    pub(crate) days: Vec<DayRange>,
    /// True if the meter is not registered and has readings of two kinds in a year that the range touches.
    pub(crate) conflict: bool,
}

/// Days with readings of a kind that the meter is not registered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherKind {
    pub(crate) days: DayRange,
    pub(crate) registered: Kind,
    pub(crate) readings: u64,
}

impl ParkDays {
    /// The days of `range` on which `series` counts.
    pub(crate) fn counting(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
        range: DayRange,
    ) -> Counting {
        if self.registry.meters.get(enterprise, series).is_some() {
            return Counting {
                days: self.registry.counted(enterprise, series, range),
                conflict: false,
            };
        }
        let (mut days, mut conflict) = (Vec::new(), false);
        for part in by_year(range) {
            let kinds = self.kinds(enterprise, series, (range, part.first().year()));
            conflict |= kinds.iter().filter(|(_, days)| *days > 0).count() > 1;
            if kinds.first().is_none_or(|(kind, _)| *kind == series.kind) {
                days.push(part);
            }
        }
        Counting {
            days: joined(days),
            conflict,
        }
    }

    /// The kinds of readings of the meter of `series` in the books of `range`, with the number of days of `year`; the
    /// kind that counts comes first. For a meter of one kind the days are not counted.
    fn kinds(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
        (range, year): (DayRange, i16),
    ) -> Vec<(Kind, usize)> {
        let of_meter: Vec<(&SeriesDays, bool)> = self
            .books()
            .iter()
            .filter(|book| is_within(book, range))
            .flat_map(|book| {
                let all = of_meter(book.of(enterprise), series);
                all.map(|of| (of, book.snapshot.year == year))
            })
            .collect();
        let mut kinds: Vec<(Kind, usize)> = Vec::new();
        for (of, _) in &of_meter {
            let kind = of.key.series.kind;
            if kinds.iter().all(|(known, _)| *known != kind) {
                kinds.push((kind, 0));
            }
        }
        if kinds.len() < 2 {
            return kinds;
        }
        for (kind, days) in &mut kinds {
            let of_kind = of_meter
                .iter()
                .filter(|(of, _)| of.key.series.kind == *kind);
            let in_year = of_kind.filter(|(_, in_year)| *in_year);
            *days = in_year.map(|(of, _)| of.whole_days as usize).sum();
        }
        kinds.sort_by_key(|(kind, days)| (Reverse(*days), rank(*kind)));
        kinds
    }

    /// The consumption of a series on `days`, corrections by hand included.
    pub(crate) fn consumed(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
        parts: &[&SeriesDays],
        days: DayRange,
    ) -> Corrected {
        let meters = &self.registry.meters;
        let traits = meters.traits(enterprise, series);
        let corrections = self.registry.corrections(enterprise, series);
        consume_corrected(parts, &traits, days, corrections)
    }

    /// The days of `range` on which a registered meter has readings of a kind that it is not registered as.
    pub(crate) fn other_kinds(
        &self,
        enterprise: &EnterpriseId,
        series: &Series,
        parts: &[&SeriesDays],
        range: DayRange,
    ) -> Vec<OtherKind> {
        let Some(meter) = self.registry.meters.get(enterprise, series) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for part in meter.parts(range) {
            let registered = kind_on(meter, part.first());
            let Some(registered) = registered.filter(|kind| *kind != series.kind) else {
                continue;
            };
            let read = || parts.iter().flat_map(|of| of.days.read_in(part));
            let ends = read().min().zip(read().max());
            let days = ends.and_then(|(first, last)| DayRange::new(first, last));
            let readings = || {
                let days = parts.iter().flat_map(|of| of.days.near(part));
                let within = days.filter(|(day, _)| part.contains(*day));
                within.map(|(_, fold)| u64::from(fold.readings)).sum()
            };
            found.extend(days.map(|days| OtherKind {
                days,
                registered,
                readings: readings(),
            }));
        }
        found
    }
}

/// The series of the same meter and quantity as `series`, without gauges. `all` holds the enterprise's series,
/// ordered by meter, quantity and kind.
fn of_meter<'a>(
    all: &'a [SeriesDays],
    series: &Series,
) -> impl Iterator<Item = &'a SeriesDays> + use<'a> {
    let order = |of: &SeriesDays| {
        let of = &of.key.series;
        (&of.meter, of.quantity).cmp(&(&series.meter, series.quantity))
    };
    let from = all.partition_point(|of| order(of).is_lt());
    let many = all[from..].partition_point(|of| order(of).is_eq());
    let of_meter = all[from..from + many].iter();
    of_meter.filter(|of| of.key.series.kind != Kind::Gauge)
}

/// Cuts `range` at the turns of calendar years.
pub(crate) fn by_year(range: DayRange) -> Vec<DayRange> {
    let years = range.first().year()..=range.last().year();
    range.cut(years.filter_map(DayRange::year).map(DayRange::first))
}

/// The precedence of a kind among kinds with readings on equally many days; the lowest counts.
const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Register => 0,
        Kind::DailyCounter => 1,
        Kind::Interval => 2,
        Kind::Event => 3,
        Kind::Gauge => 4,
    }
}
