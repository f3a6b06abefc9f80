//! Collects the days of a series before they are joined and packed. Pure.

use std::sync::Arc;

use greenpark_archive::{rollups::PackedDays, rows::SeriesKey};
use greenpark_model::{
    compose,
    day::CivilDay,
    fold::{DayFold, MeterProfile},
    reading::Kind,
};

use super::{Amounts, NewestReading, OpenFold, SeriesDays, late::LateDay};
use crate::lake::record_batches::{RolledMonth, Total};

/// Collects the days of one series of one book.
#[derive(Debug, Clone)]
pub(crate) struct SeriesBuilder<'a> {
    pub(super) key: SeriesKey,
    /// Whole months, in order. `days` holds no day of these months.
    months: Vec<&'a RolledMonth>,
    pub(super) days: Vec<(CivilDay, DayFold)>,
    pub(super) repeats: Vec<(CivilDay, u32, u32)>,
    pub(super) late: Vec<Arc<LateDay>>,
    /// The last day whose rows were read, and its last reading.
    pub(super) newest: Option<(CivilDay, NewestReading)>,
}

impl<'a> SeriesBuilder<'a> {
    pub(crate) fn new(key: &SeriesKey) -> Self {
        Self {
            key: key.clone(),
            months: Vec::new(),
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
        let known = self.newest.as_ref().map(|(day, _)| *day);
        if known <= Some(day) {
            self.newest = open.newest.map(|newest| (day, newest));
        }
    }

    pub(super) fn push_total(&mut self, total: &Total) {
        self.push(
            total.day,
            total.fold.clone(),
            total.duplicates,
            total.conflicts,
        );
    }

    pub(super) fn is_empty(&self) -> bool {
        self.months.is_empty() && self.days.is_empty()
    }

    /// Adds the days of a month except those in `out`. The month stays packed if none of its days was added before.
    pub(super) fn push_month(&mut self, month: &'a RolledMonth, out: &[CivilDay]) {
        for of in month.unusual.iter().filter(|of| !out.contains(&of.day)) {
            let duplicates = of.duplicates.saturating_add(of.repeats);
            if duplicates > 0 || of.conflicts > 0 {
                self.repeats.push((of.day, duplicates, of.conflicts));
            }
        }
        let range = month.first.month();
        if out.is_empty() && !self.days.iter().any(|(day, _)| range.contains(*day)) {
            self.months.push(month);
            return;
        }
        let days = month.days.all().into_iter();
        self.days.extend(days.filter(|(day, _)| !out.contains(day)));
    }

    /// Sorts the days. A day occurs once, unless totals were published twice for one revision; these are
    /// equal.
    pub(super) fn sort(&mut self) {
        self.days.sort_by_key(|(day, _)| *day);
        self.days.dedup_by_key(|(day, _)| *day);
        self.repeats.sort_by_key(|(day, ..)| *day);
        self.repeats.dedup_by_key(|(day, ..)| *day);
        self.late.sort_by_key(|of| of.day);
        self.late.dedup_by_key(|of| of.day);
        // The newest reading is known only if the rows of the last day were read.
        let last = self.days.last().map(|(day, _)| *day);
        let last_rolled = self.months.iter().filter_map(|month| month.days.span());
        let last = last.max(last_rolled.map(|(_, last)| last).max());
        self.newest.take_if(|(day, _)| Some(*day) != last);
    }

    /// Packs the days, and joins them into one fold for ranges that contain all of them.
    pub(crate) fn join(self, traits: &MeterProfile) -> SeriesDays {
        let kind = self.key.series.kind;
        let whole = match kind {
            Kind::Gauge => DayFold::default(),
            _ => compose::join(traits, self.folds()),
        };
        let rest = PackedDays::new(&self.days);
        let months = self.months.iter().map(|month| &month.days);
        let days = PackedDays::together(months.chain([&rest]));
        let amounts = match kind {
            Kind::Interval | Kind::Event => Amounts::of(&days.all()),
            Kind::Register | Kind::DailyCounter | Kind::Gauge => Amounts::default(),
        };
        let (whole_days, most_readings) = match kind {
            Kind::Gauge => (0, 0),
            _ => (days.count_all_read(), days.most_readings()),
        };
        SeriesDays {
            key: self.key,
            days,
            repeats: self.repeats,
            late: self.late,
            newest: self.newest.map(|(_, newest)| newest),
            whole,
            whole_days,
            most_readings,
            amounts,
        }
    }

    /// The folds of months and days, in order.
    fn folds(&self) -> impl Iterator<Item = &DayFold> {
        let (mut months, mut days) = (self.months.iter().peekable(), self.days.iter().peekable());
        std::iter::from_fn(move || {
            let is_month = match (months.peek(), days.peek()) {
                (Some(month), Some((day, _))) => month.first < *day,
                (month, _) => month.is_some(),
            };
            match is_month {
                true => months.next().map(|month| &month.fold),
                false => days.next().map(|(_, fold)| fold),
            }
        })
    }
}

impl SeriesDays {
    /// A builder with the same days, to change and join again.
    pub(super) fn to_builder(&self) -> SeriesBuilder<'static> {
        SeriesBuilder {
            key: self.key.clone(),
            months: Vec::new(),
            days: self.days.all(),
            repeats: self.repeats.clone(),
            late: self.late.clone(),
            newest: self.span().map(|(_, last)| last).zip(self.newest),
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

/// The third quartile of the `amounts` above zero; `None` if there is none.
pub(crate) fn third_quartile(amounts: impl Iterator<Item = i128>) -> Option<i128> {
    let mut amounts: Vec<i128> = amounts.filter(|amount| *amount > 0).collect();
    let last = amounts.len().checked_sub(1)?;
    let (_, quartile, _) = amounts.select_nth_unstable(last * 3 / 4);
    Some(*quartile)
}
