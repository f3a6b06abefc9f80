//! Rows that wait for the next flush, by park and day, in the order of the log.

use std::{collections::BTreeMap, ops::Range};

use greenpark_archive::{
    builder::RowsBuilder,
    rows::{LateArrival, Merged, SeriesKey},
};
use greenpark_model::{
    batch::Batch,
    day::{CivilDay, DAY_MS, Instant},
    id::{EnterpriseId, GatewayId},
    ticket::Ticket,
};
use rustc_hash::FxHashMap;

use crate::{
    entry::Arrival,
    park::InBook,
    watermark::{Pending, PendingDays, Watermark},
};

/// Memory of a series that waits with its first row, in rows.
const ROWS_OF_A_SERIES: usize = 8;
/// Enterprises for which room is kept between two flushes.
const ENTERPRISES_KEPT: usize = 10_000;

/// One day's rows in columns.
#[derive(Debug, Default)]
pub(crate) struct DayRows {
    series: Vec<u32>,
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
    /// Few readings have one, by row.
    tickets: Vec<(u32, Ticket)>,
    /// Few readings came late, by row.
    late: Vec<(u32, LateArrival)>,
    /// Runs of rows that may only have been sent again.
    again: Vec<Range<u32>>,
}

/// What one park's books wait for.
#[derive(Debug, Default)]
pub(crate) struct ParkBuffer {
    keys: Vec<SeriesKey>,
    index: FxHashMap<EnterpriseId, FxHashMap<greenpark_model::reading::Series, u32>>,
    days: BTreeMap<CivilDay, DayRows>,
    rows: usize,
    pub(crate) watermark: Watermark,
    pub(crate) pending: PendingDays,
}

/// Consecutive readings of a batch that fall on one day.
#[derive(Debug, Clone, Copy)]
struct Run {
    day: CivilDay,
    from: usize,
    to: usize,
}

impl ParkBuffer {
    /// Rows that wait.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes the readings of `arrival` that fall into a book which has not consumed its offset yet, as only sent again
    /// where it is a copy of what the book has; `consumed` tells that of the book of each year. Returns how many were
    /// taken.
    pub(crate) fn take(
        &mut self,
        arrival: &Arrival,
        now: Instant,
        consumed: &FxHashMap<i16, InBook>,
    ) -> usize {
        let batch = &arrival.batch;
        let ids = self.intern(&arrival.enterprise, batch);
        // OK because a batch has fewer rows than 2^32.
        let all = 0..batch.len() as u32;
        let mut taken = 0;
        for run in runs(batch.instants()) {
            let book = consumed.get(&run.day.year()).copied().unwrap_or_default();
            if arrival.offset < book.next_offset {
                continue;
            }
            let day = self.days.entry(run.day).or_default();
            match book.is_copy(arrival.appended) {
                true => day.mark_again(std::slice::from_ref(&all), run),
                false => day.mark_again(&arrival.again, run),
            }
            day.extend(batch, run, &ids, &arrival.gateway);
            let pending = Pending::touch(self.pending.get(&run.day).copied(), now);
            self.pending.insert(run.day, pending);
            taken += run.to - run.from;
        }
        if let (Some(earliest), Some(latest)) = (earliest_in_time(batch), batch.latest()) {
            self.watermark
                .hear(&arrival.gateway, earliest, latest.0, now);
        }
        self.rows += taken;
        taken
    }

    /// The park's index of each of the batch's series.
    fn intern(&mut self, enterprise: &EnterpriseId, batch: &Batch) -> Vec<u32> {
        if !self.index.contains_key(enterprise) {
            self.index.insert(enterprise.clone(), FxHashMap::default());
        }
        let known = self
            .index
            .get_mut(enterprise)
            .expect("the enterprise was just entered");
        let keys = &mut self.keys;
        let ids = batch.series_table().iter().map(|series| {
            if let Some(&id) = known.get(series) {
                return id;
            }
            let id = u32::try_from(keys.len()).expect("a park has fewer than 2^32 series");
            keys.push(SeriesKey {
                enterprise: enterprise.clone(),
                series: series.clone(),
            });
            known.insert(series.clone(), id);
            id
        });
        ids.collect()
    }

    /// What waits, in rows: a series that is new since the last flush counts as some.
    pub(crate) fn weight(&self) -> usize {
        self.rows + self.keys.len() * ROWS_OF_A_SERIES
    }

    /// Takes out every day that waits, with its rows in the order of the log, and the series that their indices
    /// refer to. Nothing is kept of a series that sends no more.
    pub(crate) fn drain(&mut self) -> (BTreeMap<CivilDay, DayRows>, Vec<SeriesKey>) {
        self.rows = 0;
        self.index.clear();
        if self.index.capacity() > ENTERPRISES_KEPT {
            self.index = FxHashMap::default();
        }
        (
            std::mem::take(&mut self.days),
            std::mem::take(&mut self.keys),
        )
    }
}

impl DayRows {
    fn extend(&mut self, batch: &Batch, run: Run, ids: &[u32], gateway: &GatewayId) {
        let range = run.from..run.to;
        if !batch.tickets().is_empty() || !batch.late().is_empty() {
            self.extend_marks(batch, run, gateway);
        }
        let of = batch.series()[range.clone()].iter();
        // OK because a batch only names series that it lists.
        self.series.extend(of.map(|&series| ids[series as usize]));
        self.instants
            .extend_from_slice(&batch.instants()[range.clone()]);
        self.values
            .extend_from_slice(&batch.values()[range.clone()]);
        self.flags.extend_from_slice(&batch.flags()[range]);
    }

    /// Says which of the readings that are about to be appended may only have been sent again: those of `again`.
    fn mark_again(&mut self, again: &[Range<u32>], run: Run) {
        // OK because a day that waits, and a batch, have fewer rows than 2^32.
        let (start, from, to) = (self.series.len() as u32, run.from as u32, run.to as u32);
        let first = again.partition_point(|rows| rows.end <= from);
        let met = again[first..].iter().take_while(|rows| rows.start < to);
        let moved = met.map(|rows| {
            let (begin, end) = (rows.start.max(from) - from, rows.end.min(to) - from);
            start + begin..start + end
        });
        self.again.extend(moved);
    }

    /// Takes the tickets and late marks of the readings that are about to be appended.
    fn extend_marks(&mut self, batch: &Batch, run: Run, gateway: &GatewayId) {
        let start = self.series.len();
        let moved = |row: u32| {
            let row = row as usize;
            let within = (run.from..run.to).contains(&row);
            // OK because a day that waits has fewer rows than 2^32.
            within.then(|| (start + row - run.from) as u32)
        };
        let tickets = batch.tickets().iter();
        self.tickets
            .extend(tickets.filter_map(|(row, ticket)| Some((moved(*row)?, ticket.clone()))));
        let Some(received) = batch.received() else {
            return;
        };
        let late = batch.late().iter().filter_map(|&row| {
            let gateway = gateway.clone();
            Some((moved(row)?, LateArrival { received, gateway }))
        });
        self.late.extend(late);
    }

    /// Rows of the day.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Sorts the rows and drops repeats; `keys` are the park's, and the rows are all those of records before
    /// `until` that the book does not have.
    pub(crate) fn merge(self, keys: &[SeriesKey], until: u64) -> Merged {
        let mut builder = RowsBuilder::new();
        let mut known: Vec<Option<u32>> = vec![None; keys.len()];
        let rows = self
            .series
            .iter()
            .zip(&self.instants)
            .zip(&self.values)
            .zip(&self.flags);
        for (((&series, &instant), &value), &flag) in rows {
            // OK because a day only names series of its park.
            let at = series as usize;
            let key = *known[at].get_or_insert_with(|| builder.key(&keys[at]));
            builder.push(key, instant, value, flag);
        }
        for (row, ticket) in self.tickets {
            builder.ticket(row, ticket);
        }
        for (row, late) in self.late {
            builder.late(row, late);
        }
        for row in self.again.into_iter().flatten() {
            builder.again(row);
        }
        builder.reach(until);
        builder.finish()
    }
}

/// The earliest instant of the batch, late readings aside: they say nothing of how far their gateway has come.
fn earliest_in_time(batch: &Batch) -> Option<i64> {
    let late = batch.late();
    if late.is_empty() {
        return batch.instants().iter().copied().min();
    }
    let in_time = (0u32..).zip(batch.instants());
    let in_time = in_time.filter(|(row, _)| late.binary_search(row).is_err());
    in_time.map(|(_, &ms)| ms).min()
}

/// Splits instants into runs of one day each.
fn runs(instants: &[i64]) -> impl Iterator<Item = Run> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let day = Instant(*instants.get(from)?).day();
        let (start, end) = (day.start().0, day.start().0 + DAY_MS);
        let more = instants[from..]
            .iter()
            .take_while(|&&ms| start <= ms && ms < end)
            .count();
        let run = Run {
            day,
            from,
            to: from + more,
        };
        from = run.to;
        Some(run)
    })
}

/// The years that a batch falls into.
pub(crate) fn years(batch: &Batch) -> Vec<i16> {
    let mut years: Vec<i16> = runs(batch.instants()).map(|run| run.day.year()).collect();
    years.sort_unstable();
    years.dedup();
    years
}

#[cfg(test)]
mod tests {
    use greenpark_model::{
        amount::Amount,
        id::{MeterId, ParkId},
        messages::BatchMessages,
        reading::{Flag, Kind, Reading, Series},
    };

    use super::*;

    #[test]
    fn a_batch_is_split_at_midnight() {
        let midnight = "2026-01-01".parse::<CivilDay>().expect("a day").start().0;
        let instants = [
            midnight - 2,
            midnight - 1,
            midnight,
            midnight + DAY_MS,
            midnight,
        ];
        let lengths: Vec<usize> = runs(&instants).map(|r| r.to - r.from).collect();
        assert_eq!(lengths, [2, 1, 1, 1]);
        let first = runs(&instants).next().expect("a run");
        assert_eq!(first.day.to_string(), "2025-12-31");
    }

    /// A batch of as many meters as `names`, with a reading of each.
    fn arrival(names: Range<u32>) -> Arrival {
        let at: Instant = "2026-03-01".parse::<CivilDay>().expect("a day").start();
        let mut batch = Batch::new();
        for name in names {
            let series = Series {
                meter: MeterId::new(&format!("m{name}")).expect("an id"),
                quantity: "electricity".parse().expect("a quantity"),
                kind: Kind::Interval,
            };
            let index = batch.add_series(series).expect("room");
            let reading = Reading {
                instant: at,
                value: Amount::from_micro(i64::from(name)).expect("small"),
                flag: Flag::Normal,
            };
            batch.push(index, reading).expect("room");
        }
        Arrival {
            park: ParkId::new("p").expect("an id"),
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            offset: 0,
            appended: at,
            batch,
            epoch: 0,
            messages: BatchMessages::default(),
            again: Vec::new(),
        }
    }

    #[test]
    fn nothing_is_kept_of_series_that_send_no_more() {
        let mut buffer = ParkBuffer::default();
        let none = FxHashMap::default();
        let mut meters = Vec::new();
        for names in [0..1_000, 1_000..2_000, 500..501] {
            let many = names.len();
            let taken = buffer.take(&arrival(names), Instant(0), &none);
            assert_eq!(
                (taken, buffer.weight()),
                (many, many * (1 + ROWS_OF_A_SERIES))
            );
            let (mut days, keys) = buffer.drain();
            assert_eq!((keys.len(), buffer.weight()), (many, 0));
            let (_, rows) = days.pop_first().expect("a day");
            let merged = rows.merge(&keys, 1).rows;
            meters.extend(
                merged
                    .keys
                    .into_iter()
                    .map(|key| key.series.meter.to_string()),
            );
        }
        // The series are the right ones, whatever their indices were before.
        assert_eq!(meters.len(), 2_001);
        assert_eq!(meters.last().map(String::as_str), Some("m500"));
    }
}
