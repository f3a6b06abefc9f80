//! What should be: every reading that was sent, acknowledged and logged, kept as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::messages::{GatewayEpoch, Messages};
use greenpark_log::{Entry, Topic};
use greenpark_model::{
    batch::Batch,
    day::{CivilDay, Instant},
    id::ParkId,
    numbers::Numbers,
};
use greenpark_proto::{reading_batch, telemetry::v1::DeadLetter};
use prost::Message as _;

use crate::{
    queue::{GROUP, PARTITIONS, Queue},
    violation::Violation,
};

/// The most readings of one meter and day: each has a power of two for its value.
const DAY_READINGS_MAX: u32 = 40;
/// What a correction has beside the value that it corrects.
const CORRECTED: i64 = 1 << DAY_READINGS_MAX;

/// A reading's name: who measured it, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) gateway: u8,
    pub(crate) meter: u8,
    pub(crate) instant: i64,
}

impl Id {
    pub(crate) fn day(self) -> CivilDay {
        Instant(self.instant).day()
    }

    /// The name of its meter.
    pub(crate) fn meter_name(self) -> String {
        format!("g{}m{}", self.gateway, self.meter)
    }

    /// The reading of the meter with this name at `instant`.
    pub(crate) fn of(meter: &str, instant: i64) -> Option<Self> {
        let (gateway, meter) = meter.strip_prefix('g')?.split_once('m')?;
        Some(Self {
            gateway: gateway.parse().ok()?,
            meter: meter.parse().ok()?,
            instant,
        })
    }
}

/// A reading with a value that it was sent with, in millionths.
pub(crate) type Row = (Id, i64);

/// Numbered messages by park.
pub(crate) type ByPark = BTreeMap<ParkId, Messages>;

/// A record of the log.
#[derive(Debug)]
struct Logged {
    offset: u64,
    rows: Vec<Row>,
    /// Whose messages end in it, of which day, and which.
    numbered: Option<(ParkId, GatewayEpoch, CivilDay, Numbers)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Every reading ever sent, with its value in millionths before any correction.
    pub(crate) sent: BTreeMap<Id, i64>,
    corrected: BTreeSet<Id>,
    pub(crate) acked: BTreeSet<Id>,
    counts: BTreeMap<(u8, u8, CivilDay), u32>,
    /// What the log holds, by partition.
    log: BTreeMap<u32, Vec<Logged>>,
    logged: BTreeSet<Row>,
    /// The value that counts of each reading in the log: the one that came there last, where one that comes
    /// again keeps its place.
    pub(crate) in_force: BTreeMap<Id, i64>,
    /// Messages that are numbered in the log.
    pub(crate) numbered: ByPark,
    letters: BTreeSet<u32>,
    letters_read: usize,
}

impl Oracle {
    /// Names a new reading near `instant`; `None` where its meter has enough of that day. Each has a power
    /// of two that no other of its meter and day has, so that a sum says which readings are in it.
    pub(crate) fn name(&mut self, gateway: u8, meter: u8, instant: i64) -> Option<(Id, i64)> {
        let mut id = Id {
            gateway,
            meter,
            instant,
        };
        while self.sent.contains_key(&id) {
            id.instant += 1;
        }
        let count = self.counts.entry((gateway, meter, id.day())).or_insert(0);
        if *count >= DAY_READINGS_MAX {
            return None;
        }
        let value = 1i64 << *count;
        *count += 1;
        self.sent.insert(id, value);
        Some((id, value))
    }

    /// Corrects one of the latest readings of a gateway, that which is `back` places before the last, if it
    /// was not corrected before.
    pub(crate) fn correct(&mut self, gateway: u8, back: u8) -> Option<Row> {
        let of_gateway = self.sent.iter().filter(|(id, _)| id.gateway == gateway);
        let (&id, &value) = of_gateway.rev().nth(usize::from(back))?;
        let fresh = self.corrected.insert(id);
        fresh.then_some((id, value | CORRECTED))
    }

    /// Whether a reading was sent with this value.
    pub(crate) fn was_sent(&self, row: Row) -> bool {
        was_sent(&self.sent, &self.corrected, row)
    }

    /// Whether a reading may be superseded.
    pub(crate) fn is_corrected(&self, id: Id) -> bool {
        self.corrected.contains(&id)
    }

    /// Takes what the log holds by now.
    pub(crate) fn read_log(&mut self, queue: &Queue) -> Result<(), Violation> {
        for entry in queue.log.entries(Topic::Readings) {
            let position = entry.position;
            let lane = self.log.entry(position.partition).or_default();
            if lane
                .last()
                .is_some_and(|last| last.offset >= position.offset)
            {
                continue;
            }
            let record = Logged::read(entry)?;
            for &(id, value) in &record.rows {
                if !was_sent(&self.sent, &self.corrected, (id, value)) {
                    let what = format!("{value} of {id:?} is in the log");
                    return Err(Violation::new("phantom", what));
                }
                if self.logged.insert((id, value)) {
                    self.in_force.insert(id, value);
                }
            }
            record.add_to(&mut self.numbered);
            lane.push(record);
        }
        let letters = queue.log.entries(Topic::DeadLetters);
        for entry in letters.iter().skip(self.letters_read) {
            let record = entry.record.as_ref().ok();
            let letter = record.and_then(|r| DeadLetter::decode(r.payload.clone()).ok());
            if let Some(letter) = letter {
                self.letters.extend(marks_of(&letter.payload));
            }
        }
        self.letters_read = letters.len();
        Ok(())
    }

    /// Takes an acknowledgement, which must not come before the log has what it is for.
    pub(crate) fn acknowledge(
        &mut self,
        rows: &[Row],
        poison: Option<u32>,
    ) -> Result<(), Violation> {
        if let Some(lost) = rows.iter().find(|row| !self.logged.contains(*row)) {
            let what = format!("{lost:?} was acknowledged and is not in the log");
            return Err(Violation::new("I1 acknowledged means logged", what));
        }
        if let Some(mark) = poison.filter(|mark| !self.letters.contains(mark)) {
            let what = format!("poison {mark} was acknowledged and is not among the dead letters");
            return Err(Violation::new("I1 acknowledged means logged", what));
        }
        self.acked.extend(rows.iter().map(|(id, _)| *id));
        Ok(())
    }

    fn records_committed(&self, queue: &Queue) -> impl Iterator<Item = &Logged> {
        (0..PARTITIONS).flat_map(move |partition| {
            let next = queue.log.committed(GROUP, partition);
            let lane = self.log.get(&partition).into_iter().flatten();
            lane.take_while(move |record| record.offset < next)
        })
    }

    /// Everything that the group has committed, which must be published.
    pub(crate) fn committed(&self, queue: &Queue) -> impl Iterator<Item = Id> {
        let records = self.records_committed(queue);
        records.flat_map(|record| record.rows.iter().map(|(id, _)| *id))
    }

    /// The numbers of what the group has committed, which must be in the lake's tables of messages.
    pub(crate) fn numbers_committed(&self, queue: &Queue) -> ByPark {
        let mut numbers = ByPark::new();
        for record in self.records_committed(queue) {
            record.add_to(&mut numbers);
        }
        numbers
    }

    /// Whether the group has committed all that the log holds.
    pub(crate) fn is_consumed(&self, queue: &Queue) -> bool {
        self.log.iter().all(|(&partition, lane)| {
            lane.last()
                .is_none_or(|last| queue.log.committed(GROUP, partition) > last.offset)
        })
    }
}

impl Logged {
    /// What a record says; nothing if it is a stranger's.
    fn read(entry: Entry) -> Result<Self, Violation> {
        let mut logged = Self {
            offset: entry.position.offset,
            rows: Vec::new(),
            numbered: None,
        };
        let Ok(record) = entry.record else {
            return Ok(logged);
        };
        let sequence = record.headers.sequence;
        let decoded = reading_batch::decode_numbered(&record.payload, sequence);
        let Ok((batch, numbers)) = decoded else {
            return Ok(logged);
        };
        logged.rows = rows_of(&batch)?;
        if !numbers.is_empty() {
            let of = GatewayEpoch {
                enterprise: record.headers.enterprise,
                gateway: record.headers.gateway,
                epoch: record.headers.epoch,
            };
            let latest = batch.latest().unwrap_or(Instant(entry.appended_ms));
            logged.numbered = Some((record.park, of, latest.day(), numbers));
        }
        Ok(logged)
    }

    fn add_to(&self, all: &mut ByPark) {
        if let Some((park, of, day, numbers)) = &self.numbered {
            let messages = all.entry(park.clone()).or_default();
            messages.insert(of, *day, numbers);
        }
    }
}

/// Whether `part` is in `whole`.
pub(crate) fn holds(whole: &ByPark, part: &ByPark) -> bool {
    let mut all = whole.clone();
    let each = part.iter();
    each.fold(true, |held, (park, messages)| {
        held & !all.entry(park.clone()).or_default().join(messages)
    })
}

fn was_sent(sent: &BTreeMap<Id, i64>, corrected: &BTreeSet<Id>, (id, value): Row) -> bool {
    let Some(&first) = sent.get(&id) else {
        return false;
    };
    value == first || corrected.contains(&id) && value == first | CORRECTED
}

fn rows_of(batch: &Batch) -> Result<Vec<Row>, Violation> {
    let table = batch.series_table();
    let rows = batch.series().iter().zip(batch.instants());
    rows.zip(batch.values())
        .map(|((&series, &instant), &value)| {
            let meter = table[series as usize].meter.as_str();
            let id = Id::of(meter, instant);
            id.map(|id| (id, value))
                .ok_or_else(|| Violation::new("phantom", format!("meter {meter} is in the log")))
        })
        .collect()
}

/// What a payload says of poison: `{"poison":7}`.
fn marks_of(payload: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(payload);
    let marks = text.split("{\"poison\":").skip(1);
    let digits = marks.filter_map(|rest| rest.split_once('}'));
    digits.filter_map(|(mark, _)| mark.parse().ok()).collect()
}
