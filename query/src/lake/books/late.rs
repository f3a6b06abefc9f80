//! Days with late readings, and their rows, so that a day can be folded without its late readings. Pure.
//!
//! Such days are few. Totals count a day's late readings, and the rows of such a day are read again, so that a
//! figure can report its value before they came.

use std::{ops::Range, sync::Arc};

use greenpark_archive::{
    builder::RowsBuilder,
    rows::{LateArrival, ReadingRows, SeriesKey},
};
use greenpark_model::{
    day::{CivilDay, Instant},
    fold::{DayFold, MeterProfile, fold_day},
};

use super::{BookDays, SeriesBuilder, SeriesDays};
use crate::{lake::engine::READING_BYTES, register::registry};

/// A day of one series with late readings.
#[derive(Debug)]
pub(crate) struct LateDay {
    pub(crate) day: CivilDay,
    key: SeriesKey,
    traits: MeterProfile,
    /// All readings of the day.
    rows: ReadingRows,
}

impl LateDay {
    /// The day of the series in `span` of `rows`; `None` in the usual case without late readings.
    pub(super) fn of(
        day: CivilDay,
        (key, rows, span): (&SeriesKey, &ReadingRows, Range<usize>),
        traits: &MeterProfile,
    ) -> Option<Arc<Self>> {
        rows.late_in(span.clone()).next()?;
        Some(Arc::new(Self {
            day,
            key: key.clone(),
            traits: traits.clone(),
            rows: select(key, rows, span, |_| true),
        }))
    }

    /// Approximate memory: instant, value and marks of each reading.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.rows.len() * READING_BYTES
    }

    /// The counting late readings received after `since`.
    pub(crate) fn after(&self, since: Instant) -> impl Iterator<Item = &LateArrival> {
        let late = self.rows.late_in(0..self.rows.len());
        late.map(|(_, late)| late)
            .filter(move |late| late.received > since)
    }

    /// The fold of the day without these; `None` if no reading is left.
    fn before(&self, since: Instant) -> Option<DayFold> {
        let rows = select(&self.key, &self.rows, 0..self.rows.len(), |row| {
            let late = self.rows.late(row);
            late.is_none_or(|late| late.received <= since)
        });
        let columns = rows.columns(0..rows.len());
        (!rows.is_empty()).then(|| fold_day(self.key.series.kind, &self.traits, columns))
    }
}

/// The rows of one series that `keeps` accepts, in the order of the log.
fn select(
    key: &SeriesKey,
    rows: &ReadingRows,
    span: Range<usize>,
    keeps: impl Fn(usize) -> bool,
) -> ReadingRows {
    let mut builder = RowsBuilder::new();
    let series = builder.key(key);
    for (place, row) in (0u32..).zip(span.filter(|row| keeps(*row))) {
        let (instant, value) = (rows.instants[row], rows.values[row]);
        builder.push(series, instant, value, rows.flags[row]);
        if let Some(ticket) = rows.ticket(row) {
            builder.ticket(place, ticket.clone());
        }
        if let Some(late) = rows.late(row) {
            builder.late(place, late.clone());
        }
    }
    builder.finish().rows
}

impl BookDays {
    /// Every counting late reading received after `since`, with its series and day.
    pub(crate) fn late_after(
        &self,
        since: Instant,
    ) -> impl Iterator<Item = (&SeriesKey, CivilDay, &LateArrival)> {
        let days = self.series.iter().flat_map(|series| &series.late);
        days.flat_map(move |of| of.after(since).map(move |late| (&of.key, of.day, late)))
    }

    /// The book without these readings.
    pub(crate) fn before(&self, since: Instant, registry: &registry::Park) -> Self {
        let series = self.series.iter().map(|days| {
            let came = |of: &Arc<LateDay>| of.after(since).next().is_some();
            if !days.late.iter().any(came) {
                let late = Vec::new();
                return SeriesDays {
                    late,
                    ..days.clone()
                };
            }
            let mut days = days.to_builder();
            days.leave_out(since);
            let (enterprise, series) = (&days.key.enterprise, &days.key.series);
            let traits = registry.meters.traits(enterprise, series);
            days.join(&traits)
        });
        Self {
            snapshot: Arc::clone(&self.snapshot),
            traits_digest: self.traits_digest,
            series: series.collect(),
            open: self.open.clone(),
            sealed: self.sealed.clone(),
            lost: self.lost.clone(),
        }
    }
}

impl SeriesBuilder<'_> {
    /// Folds the days without the readings received after `since`.
    fn leave_out(&mut self, since: Instant) {
        let late = std::mem::take(&mut self.late);
        for of in late.iter().filter(|of| of.after(since).next().is_some()) {
            let place = self.days.binary_search_by_key(&of.day, |(day, _)| *day);
            match (place, of.before(since)) {
                (Ok(place), Some(fold)) => self.days[place].1 = fold,
                (Ok(place), None) => {
                    self.days.remove(place);
                }
                (Err(_), _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::{
        amount::Sum,
        id::{EnterpriseId, GatewayId, MeterId},
        reading::{Flag, Kind, Series},
    };

    use super::*;

    fn late(received: i64) -> LateArrival {
        LateArrival {
            received: Instant::from_millis(received),
            gateway: GatewayId::new("gw").expect("an id"),
        }
    }

    /// A day of intervals: (minute, amount, instant of late receipt).
    fn day(of: &[(i64, i64, Option<i64>)]) -> Option<Arc<LateDay>> {
        let key = SeriesKey {
            enterprise: EnterpriseId::new("e").expect("an id"),
            series: Series {
                meter: MeterId::new("m").expect("an id"),
                quantity: "electricity".parse().expect("a quantity"),
                kind: Kind::Interval,
            },
        };
        let day: CivilDay = "2025-03-01".parse().expect("a day");
        let mut builder = RowsBuilder::new();
        let series = builder.key(&key);
        for (place, (minute, amount, received)) in (0u32..).zip(of) {
            let instant = day.start().millis() + minute * 60_000;
            builder.push(series, instant, *amount, Flag::Normal.code());
            if let Some(received) = received {
                builder.late(place, late(*received));
            }
        }
        let rows = builder.finish().rows;
        let traits = MeterProfile::default();
        LateDay::of(day, (&key, &rows, 0..rows.len()), &traits)
    }

    #[test]
    fn a_day_without_late_readings_is_not_kept() {
        assert!(day(&[(0, 1, None), (60, 2, None)]).is_none());
    }

    #[test]
    fn readings_received_after_an_instant_are_left_out_and_earlier_ones_stay() {
        let day = day(&[(0, 1, None), (60, 2, Some(10)), (120, 4, Some(20))]).expect("late");
        let sum = |since| {
            day.before(Instant::from_millis(since))
                .map(|fold| fold.within)
        };
        assert_eq!(sum(20), Some(Sum(7)));
        assert_eq!(sum(10), Some(Sum(3)));
        assert_eq!(sum(9), Some(Sum(1)));
        assert_eq!(day.after(Instant::from_millis(9)).count(), 2);
        assert_eq!(day.after(Instant::from_millis(20)).count(), 0);
    }

    #[test]
    fn a_value_that_a_late_one_superseded_counts_again_without_it() {
        let day = day(&[(0, 5, None), (0, 7, Some(10))]).expect("late");
        let sum = |since| {
            day.before(Instant::from_millis(since))
                .map(|fold| fold.within)
        };
        assert_eq!((sum(10), sum(9)), (Some(Sum(7)), Some(Sum(5))));
    }

    #[test]
    fn a_day_of_late_readings_alone_is_empty_without_them() {
        let day = day(&[(0, 5, Some(10))]).expect("late");
        assert!(day.before(Instant::from_millis(9)).is_none());
    }
}
