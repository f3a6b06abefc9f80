//! What should be: every reading that was sent, acknowledged and logged, kept as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::messages::{GatewayEpoch, Messages};
use greenpark_log::{Entry, Topic};
use greenpark_model::{
    batch::Batch,
    day::{CivilDay, Instant},
    id::ParkId,
    messages::BatchMessages,
    numbers::Numbers,
    reading::Kind,
    ticket::Ticket,
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
/// The kinds of a gateway's meters. The last two may fall, as what feeds in and what starts anew each day do.
const KINDS: [Kind; 5] = [
    Kind::Interval,
    Kind::Interval,
    Kind::Event,
    Kind::DailyCounter,
    Kind::Register,
];
/// The meter of a gateway that weighs.
pub(crate) const SCALE: u8 = 2;
/// What the ticket of an event that has none stands behind.
const IMPLIED: u16 = 10_000;

/// A reading's name: who measured it, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) gateway: u8,
    pub(crate) meter: u8,
    pub(crate) instant: i64,
    /// The number of its ticket, 0 where it has none, and its place where it has none of several.
    pub(crate) ticket: u16,
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
    pub(crate) fn of(meter: &str, instant: i64, ticket: Option<&Ticket>) -> Option<Self> {
        let (gateway, meter) = meter.strip_prefix('g')?.split_once('m')?;
        let ticket = match ticket.map(Ticket::as_str) {
            None => 0,
            Some(text) => match text.split_at_checked(1)? {
                ("T", number) => number.parse().ok()?,
                ("#", place) => IMPLIED + place.parse::<u16>().ok()?,
                _ => return None,
            },
        };
        Some(Self {
            gateway: gateway.parse().ok()?,
            meter: meter.parse().ok()?,
            instant,
            ticket,
        })
    }

    /// What its values mean.
    pub(crate) fn kind(self) -> Kind {
        KINDS[usize::from(self.meter)]
    }

    /// The number on its ticket, if it has one.
    pub(crate) fn ticket_sent(self) -> Option<String> {
        (1..IMPLIED)
            .contains(&self.ticket)
            .then(|| format!("T{}", self.ticket))
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
    /// With whether they came late.
    rows: Vec<(Row, bool)>,
    /// Whose messages they are, of which day, and which.
    numbered: Option<(ParkId, GatewayEpoch, CivilDay, BatchMessages)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Every reading ever sent, with its value in millionths before any correction.
    pub(crate) sent: BTreeMap<Id, i64>,
    /// With the value that was sent last.
    corrected: BTreeMap<Id, i64>,
    pub(crate) acked: BTreeSet<Id>,
    counts: BTreeMap<(u8, u8, CivilDay), u32>,
    /// What the log holds, by partition.
    log: BTreeMap<u32, Vec<Logged>>,
    logged: BTreeSet<Row>,
    /// The value that counts of each reading in the log, and whether it came late: the one that came there last,
    /// where one of a message that was only sent again keeps its place.
    pub(crate) in_force: BTreeMap<Id, (i64, bool)>,
    /// Rows of the log, by meter and day.
    pub(crate) received: BTreeMap<(String, CivilDay), u64>,
    /// The numbers that have come.
    come: BTreeMap<GatewayEpoch, Numbers>,
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
            ticket: 0,
        };
        while self.sent.contains_key(&id) {
            id.instant += 1;
        }
        self.value(id).map(|value| (id, value))
    }

    /// Names so many events of one instant near `instant`, each with a ticket from `first` on, or all without.
    pub(crate) fn name_events(
        &mut self,
        gateway: u8,
        instant: i64,
        (many, first): (u8, Option<u16>),
    ) -> Vec<Row> {
        let mut at = instant;
        let of = |at, ticket| Id {
            gateway,
            meter: SCALE,
            instant: at,
            ticket,
        };
        while self.sent.contains_key(&of(at, 0)) {
            at += 1;
        }
        let ticket = |nth: u16| match first {
            Some(first) => first + nth,
            None if nth == 0 => 0,
            None => IMPLIED + nth + 1,
        };
        let ids = (0..u16::from(many)).map(|nth| of(at, ticket(nth)));
        ids.map_while(|id| self.value(id).map(|value| (id, value)))
            .collect()
    }

    /// A value for a new reading; `None` where its meter has enough of that day.
    fn value(&mut self, id: Id) -> Option<i64> {
        let of_day = (id.gateway, id.meter, id.day());
        let count = self.counts.entry(of_day).or_insert(0);
        if *count >= DAY_READINGS_MAX {
            return None;
        }
        let value = 1i64 << *count;
        *count += 1;
        self.sent.insert(id, value);
        Some(value)
    }

    /// Corrects one of the latest readings of a gateway, that which is `back` places before the last: to another
    /// value, and then back to the first one. Of several events without a ticket only the first can be named by
    /// a message of its own.
    pub(crate) fn correct(&mut self, gateway: u8, back: u8) -> Option<Row> {
        let can_be_named = |id: &Id| id.gateway == gateway && id.ticket < IMPLIED;
        let of_gateway = self.sent.iter().filter(|(id, _)| can_be_named(id));
        let (&id, &value) = of_gateway.rev().nth(usize::from(back))?;
        let last = self.corrected.entry(id).or_insert(value);
        *last ^= CORRECTED;
        Some((id, *last))
    }

    /// Whether a reading was sent with this value.
    pub(crate) fn was_sent(&self, row: Row) -> bool {
        was_sent(&self.sent, &self.corrected, row)
    }

    /// Whether a reading may be superseded.
    pub(crate) fn is_corrected(&self, id: Id) -> bool {
        self.corrected.contains_key(&id)
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
            let again = record.again(&mut self.come);
            for (&((id, value), late), again) in record.rows.iter().zip(again) {
                if !was_sent(&self.sent, &self.corrected, (id, value)) {
                    let what = format!("{value} of {id:?} is in the log");
                    return Err(Violation::new("phantom", what));
                }
                let of_day = (id.meter_name(), id.day());
                *self.received.entry(of_day).or_insert(0) += 1;
                let new = self.logged.insert((id, value));
                let in_force = self.in_force.get(&id).map(|(value, _)| *value);
                if (new || !again) && in_force != Some(value) {
                    self.in_force.insert(id, (value, late));
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
        records.flat_map(|record| record.rows.iter().map(|((id, _), _)| *id))
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
        let Ok((batch, messages)) = decoded else {
            return Ok(logged);
        };
        logged.rows = rows_of(&batch)?;
        if !messages.is_empty() {
            let of = GatewayEpoch {
                enterprise: record.headers.enterprise,
                gateway: record.headers.gateway,
                epoch: record.headers.epoch,
            };
            let latest = batch.latest().unwrap_or(Instant(entry.appended_ms));
            logged.numbered = Some((record.park, of, latest.day(), messages));
        }
        Ok(logged)
    }

    /// Of each row whether its message had come; now it has.
    fn again(&self, come: &mut BTreeMap<GatewayEpoch, Numbers>) -> Vec<bool> {
        let mut again = vec![false; self.rows.len()];
        let Some((_, of, _, messages)) = &self.numbered else {
            return again;
        };
        let come = come.entry(of.clone()).or_default();
        for run in messages.runs() {
            for (number, rows) in run.each() {
                let had_come = come.contains(number);
                rows.for_each(|row| again[row as usize] = had_come);
                if run.is_ended() {
                    come.insert(number, number);
                }
            }
        }
        again
    }

    fn add_to(&self, all: &mut ByPark) {
        if let Some((park, of, day, came)) = &self.numbered {
            let messages = all.entry(park.clone()).or_default();
            messages.insert(of, *day, came.ended());
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

fn was_sent(sent: &BTreeMap<Id, i64>, corrected: &BTreeMap<Id, i64>, (id, value): Row) -> bool {
    let Some(&first) = sent.get(&id) else {
        return false;
    };
    value == first || corrected.contains_key(&id) && value == first | CORRECTED
}

fn rows_of(batch: &Batch) -> Result<Vec<(Row, bool)>, Violation> {
    let table = batch.series_table();
    let tickets: BTreeMap<u32, &Ticket> = batch.tickets().iter().map(|(at, t)| (*at, t)).collect();
    let rows = batch.series().iter().zip(batch.instants());
    (0u32..)
        .zip(rows.zip(batch.values()))
        .map(|(row, ((&series, &instant), &value))| {
            let series = &table[series as usize];
            let meter = series.meter.as_str();
            let id = Id::of(meter, instant, tickets.get(&row).copied());
            let late = batch.late().contains(&row);
            id.filter(|id| id.kind() == series.kind)
                .map(|id| ((id, value), late))
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
