//! The days of a series as they are gathered, before they are joined and packed. Pure.

use std::sync::Arc;

use greenpark_archive::rows::SeriesKey;
use greenpark_model::{
    compose,
    day::CivilDay,
    fold::{DayFold, Traits},
    reading::Kind,
};

use super::{Amounts, Newest, OpenFold, SeriesDays, late::LateDay, packed::PackedDays};
use crate::decode::Total;

/// Days of one series of one book.
#[derive(Debug, Clone)]
pub(crate) struct Gathered {
    pub(super) key: SeriesKey,
    pub(super) days: Vec<(CivilDay, DayFold)>,
    pub(super) repeats: Vec<(CivilDay, u32, u32)>,
    pub(super) late: Vec<Arc<LateDay>>,
    pub(super) newest: Option<Newest>,
}

impl Gathered {
    pub(crate) fn new(key: &SeriesKey) -> Self {
        Self {
            key: key.clone(),
            days: Vec::new(),
            repeats: Vec::new(),
            late: Vec::new(),
            newest: None,
        }
    }

    pub(crate) fn push(&mut self, day: CivilDay, fold: DayFold, duplicates: u32, conflicts: u32) {
        self.days.push((day, fold));
        if duplicates > 0 || conflicts > 0 {
            self.repeats.push((day, duplicates, conflicts));
        }
    }

    pub(super) fn push_open(&mut self, day: CivilDay, open: &OpenFold) {
        self.push(day, open.fold.clone(), open.duplicates, open.conflicts);
        self.late.extend(open.late.clone());
        self.newest = open.newest;
    }

    pub(super) fn push_total(&mut self, total: &Total) {
        self.push(
            total.day,
            total.fold.clone(),
            total.duplicates,
            total.conflicts,
        );
    }

    /// Sorts what was pushed. A day stands once, unless totals were published twice for one revision;
    /// they are equal then.
    pub(super) fn settle(&mut self) {
        if !self.days.is_sorted_by(|a, b| a.0 < b.0) {
            // The newest reading is known only if the last day was among those read.
            let last_read = self.days.last().map(|(day, _)| *day);
            self.days.sort_by_key(|(day, _)| *day);
            self.days.dedup_by_key(|(day, _)| *day);
            self.repeats.sort_by_key(|(day, ..)| *day);
            self.repeats.dedup_by_key(|(day, ..)| *day);
            self.late.sort_by_key(|of| of.day);
            self.late.dedup_by_key(|of| of.day);
            if self.days.last().map(|(day, _)| *day) != last_read {
                self.newest = None;
            }
        }
    }

    /// Joins the days into one fold, which serves wherever a range holds all of them, and packs them.
    pub(crate) fn join(self, traits: &Traits) -> SeriesDays {
        let days = &self.days;
        let mut joined = SeriesDays {
            days: PackedDays::new(days),
            repeats: self.repeats,
            late: self.late,
            newest: self.newest,
            whole: DayFold::default(),
            whole_days: 0,
            most_readings: 0,
            amounts: Amounts::default(),
            key: self.key,
        };
        let kind = joined.key.series.kind;
        if kind == Kind::Gauge {
            return joined;
        }
        joined.whole = compose::join(traits, days.iter().map(|(_, fold)| fold));
        let read = days.iter().filter(|(_, fold)| fold.readings > 0);
        joined.whole_days = u32::try_from(read.count()).unwrap_or(u32::MAX);
        let readings = days.iter().map(|(_, fold)| fold.readings);
        joined.most_readings = readings.max().unwrap_or(0);
        if matches!(kind, Kind::Interval | Kind::Event) {
            joined.amounts = Amounts::of(days);
        }
        joined
    }
}

impl SeriesDays {
    /// The same days, to be changed and joined again.
    pub(super) fn gathered(&self) -> Gathered {
        Gathered {
            key: self.key.clone(),
            days: self.days.all(),
            repeats: self.repeats.clone(),
            late: self.late.clone(),
            newest: self.newest,
        }
    }
}

impl Amounts {
    fn of(days: &[(CivilDay, DayFold)]) -> Self {
        let largest = days.iter().map(|(_, fold)| fold.within.0).max();
        Self {
            largest: largest.unwrap_or(0),
            quartile: third_quartile(days.iter().map(|(_, fold)| fold.within.0)),
            peaks: days.iter().any(|(_, fold)| fold.peak().is_some()),
        }
    }
}

/// The third quartile of those of `amounts` that are above zero; `None` where none is.
pub(crate) fn third_quartile(amounts: impl Iterator<Item = i128>) -> Option<i128> {
    let mut amounts: Vec<i128> = amounts.filter(|amount| *amount > 0).collect();
    let last = amounts.len().checked_sub(1)?;
    let (_, quartile, _) = amounts.select_nth_unstable(last * 3 / 4);
    Some(*quartile)
}
