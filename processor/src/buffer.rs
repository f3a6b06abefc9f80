//! Buffers rows for the next flush, by park and day, in the order of the log.

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
    offsets::InBook,
    record::DecodedRecord,
    watermark::{PendingDay, PendingDays, Watermark},
};

/// Memory of a newly buffered series, in rows.
const ROWS_OF_A_SERIES: usize = 8;
/// Enterprises for which the index keeps its capacity between two flushes.
const ENTERPRISES_KEPT: usize = 10_000;

/// The buffered rows of one day, in columns.
#[derive(Debug, Default)]
pub(crate) struct DayRows {
    series: Vec<u32>,
    instants: Vec<i64>,
    values: Vec<i64>,
    flags: Vec<u8>,
    /// Tickets by row; few readings have one.
    tickets: Vec<(u32, Ticket)>,
    /// Late arrivals by row; few readings are late.
    late: Vec<(u32, LateArrival)>,
    /// Ranges of rows that may only have been sent again.
    resent: Vec<Range<u32>>,
}

/// The buffered rows of one park, and its unsealed days.
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
    /// Returns the number of buffered rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Buffers the readings of `record`, except those of books that have already consumed its offset. The readings are
    /// marked as sent again if the record is a copy of one that the book has. `consumed` holds the state of each year's
    /// book. Returns the number of buffered readings.
    pub(crate) fn add(
        &mut self,
        record: &DecodedRecord,
        now: Instant,
        consumed: &FxHashMap<i16, InBook>,
    ) -> usize {
        let batch = &record.batch;
        let ids = self.intern(&record.enterprise, batch);
        // OK because a batch has fewer rows than 2^32.
        let all = 0..batch.len() as u32;
        let mut buffered = 0;
        for run in runs(batch.instants()) {
            let book = consumed.get(&run.day.year()).copied().unwrap_or_default();
            if record.offset < book.next_offset {
                continue;
            }
            let day = self.days.entry(run.day).or_default();
            match book.is_copy(record.appended) {
                true => day.mark_resent(std::slice::from_ref(&all), run),
                false => day.mark_resent(&record.resent, run),
            }
            day.extend(batch, run, &ids, &record.gateway);
            let pending = PendingDay::touch(self.pending.get(&run.day).copied(), now);
            self.pending.insert(run.day, pending);
            buffered += run.to - run.from;
        }
        if let (Some(earliest), Some(latest)) = (earliest_in_time(batch), batch.latest()) {
            self.watermark
                .observe(&record.gateway, earliest, latest.millis(), now);
        }
        self.rows += buffered;
        buffered
    }

    /// Returns the park's index of each series of the batch.
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

    /// Returns the memory in use, in rows: each series since the last flush counts as several rows.
    pub(crate) fn weight(&self) -> usize {
        self.rows + self.keys.len() * ROWS_OF_A_SERIES
    }

    /// Removes all buffered rows, by day and in the order of the log, and returns them with the series that their indices
    /// refer to. So series that no longer send need no memory.
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

    /// Marks the readings of `run` that are in `resent` as sent again; called before they are appended.
    fn mark_resent(&mut self, resent: &[Range<u32>], run: Run) {
        // OK because a buffered day and a batch have fewer rows than 2^32.
        let (start, from, to) = (self.series.len() as u32, run.from as u32, run.to as u32);
        let first = resent.partition_point(|rows| rows.end <= from);
        let overlapping = resent[first..].iter().take_while(|rows| rows.start < to);
        let moved = overlapping.map(|rows| {
            let (begin, end) = (rows.start.max(from) - from, rows.end.min(to) - from);
            start + begin..start + end
        });
        self.resent.extend(moved);
    }

    /// Appends the tickets and late marks of the readings of `run`; called before they are appended.
    fn extend_marks(&mut self, batch: &Batch, run: Run, gateway: &GatewayId) {
        let start = self.series.len();
        let moved = |row: u32| {
            let row = row as usize;
            let within = (run.from..run.to).contains(&row);
            // OK because a buffered day has fewer rows than 2^32.
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

    /// Returns the number of rows of the day.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Sorts the rows and drops repeats. `keys` are the series of the park; the rows are all those of records before
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
        for row in self.resent.into_iter().flatten() {
            builder.again(row);
        }
        builder.reach(until);
        builder.finish()
    }
}

/// Returns the earliest instant of the batch without its late readings: they do not show the gateway's progress.
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
        let day = Instant::from_millis(*instants.get(from)?).day();
        let (start, end) = (day.start().millis(), day.start().millis() + DAY_MS);
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

/// Returns the years of the readings of a batch.
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
        let midnight = "2026-01-01"
            .parse::<CivilDay>()
            .expect("a day")
            .start()
            .millis();
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

    /// A record with one reading of each meter in `names`.
    fn record(names: Range<u32>) -> DecodedRecord {
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
        DecodedRecord {
            park: ParkId::new("p").expect("an id"),
            enterprise: EnterpriseId::new("e").expect("an id"),
            gateway: GatewayId::new("g").expect("an id"),
            offset: 0,
            appended: at,
            batch,
            epoch: 0,
            messages: BatchMessages::default(),
            resent: Vec::new(),
        }
    }

    #[test]
    fn series_that_no_longer_send_need_no_memory() {
        let mut buffer = ParkBuffer::default();
        let none = FxHashMap::default();
        let mut meters = Vec::new();
        for names in [0..1_000, 1_000..2_000, 500..501] {
            let many = names.len();
            let buffered = buffer.add(&record(names), Instant::from_millis(0), &none);
            assert_eq!(
                (buffered, buffer.weight()),
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
        // Indices that were used before name the right series.
        assert_eq!(meters.len(), 2_001);
        assert_eq!(meters.last().map(String::as_str), Some("m500"));
    }
}
