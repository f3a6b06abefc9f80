//! Which readings of a meter count: those of the kind that it is registered as, or of one kind where nothing is
//! registered. Pure.
//!
//! A meter that is not registered and was heard as two kinds counts with one of them in a calendar year: the kind
//! that was heard on more days of the year, and of equals the register, then the counter of a day, the intervals,
//! the events. So the months of a year sum to it, and adding the same energy twice is ruled out; that nobody said
//! which kind is right withholds a verdict.

use std::cmp::Reverse;

use greenpark_model::{
    day::DayRange,
    id::EnterpriseId,
    reading::{Kind, Series},
};

use crate::{
    books::SeriesDays,
    corrections::{Corrected, consume_corrected},
    park_days::ParkDays,
    registry::{joined, kind_on},
};

/// The days on which a series counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counting {
    /// In order. One entry of a registered meter holds throughout each.
    pub(crate) days: Vec<DayRange>,
    /// Whether the meter is not registered and was heard as two kinds in a year that the range touches.
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
            let heard = self.heard(enterprise, series, part.first().year());
            conflict |= heard.iter().filter(|(_, days)| *days > 0).count() > 1;
            if heard.first().is_none_or(|(kind, _)| *kind == series.kind) {
                days.push(part);
            }
        }
        Counting {
            days: joined(days),
            conflict,
        }
    }

    /// The kinds that the meter of `series` was heard as in the books that are loaded, and on how many days of
    /// `year`; the one that counts in it first.
    fn heard(&self, enterprise: &EnterpriseId, series: &Series, year: i16) -> Vec<(Kind, usize)> {
        let mut heard: Vec<(Kind, usize)> = Vec::new();
        for book in self.books() {
            // Series are in order of meter, quantity and kind.
            let all = book.of(enterprise);
            let from = all.partition_point(|of| {
                let of = &of.key.series;
                (&of.meter, of.quantity) < (&series.meter, series.quantity)
            });
            let of_meter = all[from..].iter().take_while(|of| {
                let of = &of.key.series;
                (&of.meter, of.quantity) == (&series.meter, series.quantity)
            });
            for of in of_meter.filter(|of| of.key.series.kind != Kind::Gauge) {
                let read = of.days.iter().filter(|(_, fold)| fold.readings > 0);
                let days = match book.snapshot.year == year {
                    true => read.count(),
                    false => 0,
                };
                let kind = of.key.series.kind;
                match heard.iter_mut().find(|(known, _)| *known == kind) {
                    Some((_, known)) => *known += days,
                    None => heard.push((kind, days)),
                }
            }
        }
        heard.sort_by_key(|(kind, days)| (Reverse(*days), rank(*kind)));
        heard
    }

    /// What a series consumed on `days`, corrections by hand included.
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

    /// The days of `range` on which a registered meter gave readings of another kind than it is registered as.
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
            let read = || {
                let days = parts.iter().flat_map(|of| &of.days);
                days.filter(|(day, fold)| part.contains(*day) && fold.readings > 0)
            };
            let (first, last) = (
                read().map(|(day, _)| *day).min(),
                read().map(|(day, _)| *day).max(),
            );
            let days = first
                .zip(last)
                .and_then(|(first, last)| DayRange::new(first, last));
            found.extend(days.map(|days| OtherKind {
                days,
                registered,
                readings: read().map(|(_, fold)| u64::from(fold.readings)).sum(),
            }));
        }
        found
    }
}

/// `range` by calendar years.
pub(crate) fn by_year(range: DayRange) -> Vec<DayRange> {
    let years = range.first().year()..=range.last().year();
    range.cut(years.filter_map(DayRange::year).map(DayRange::first))
}

/// Which of two kinds counts that were heard on as many days.
const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Register => 0,
        Kind::DailyCounter => 1,
        Kind::Interval => 2,
        Kind::Event => 3,
        Kind::Gauge => 4,
    }
}
