//! The expected state: every reading that was sent, acknowledged and logged, in plain maps.

use std::collections::{BTreeMap, BTreeSet};

use greenpark_archive::messages::{GatewayEpoch, Messages};
use greenpark_log::{Entry, Topic};
use greenpark_model::{
    batch::Batch,
    day::{CivilDay, Instant},
    id::ParkId,
    log_position::Partition,
    messages::BatchMessages,
    numbers::Numbers,
    reading::Kind,
    ticket::Ticket,
};
use greenpark_proto::{reading_batch, telemetry::v1::DeadLetter};
use prost::Message as _;

use crate::{
    check::MeterDay,
    log::{GROUP, PARTITIONS, SimLog},
    promise::BrokenPromise,
};

/// Maximum number of readings of one meter and day. The value of each is a distinct power of two.
const DAY_READINGS_MAX: u32 = 40;
/// The bit that a correction adds to the value that it corrects.
const CORRECTED: i64 = 1 << DAY_READINGS_MAX;
/// The kinds of a gateway's meters. The values of the last two may fall: a counter that restarts daily, and a
/// register that feeds in.
const KINDS: [Kind; 5] = [
    Kind::Interval,
    Kind::Interval,
    Kind::Event,
    Kind::DailyCounter,
    Kind::Register,
];
/// The meter that weighs loads.
pub(crate) const SCALE: u8 = 2;
/// Ticket numbers from here on mark events that were sent without a ticket.
const IMPLIED_TICKET: u16 = 10_000;

/// The identity of a reading: its meter, instant and ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadingId {
    pub(crate) gateway: u8,
    pub(crate) meter: u8,
    pub(crate) instant: i64,
    /// The number of its ticket. Without a ticket it is 0, or, for a later one of several events of an
    /// instant, [`IMPLIED_TICKET`] plus its place.
    pub(crate) ticket: u16,
}

impl ReadingId {
    pub(crate) fn day(self) -> CivilDay {
        Instant::from_millis(self.instant).day()
    }

    /// The name of the meter.
    pub(crate) fn meter_name(self) -> String {
        format!("g{}m{}", self.gateway, self.meter)
    }

    /// Parses the identity from the name of the meter, the instant and the ticket.
    pub(crate) fn parse(meter: &str, instant: i64, ticket: Option<&Ticket>) -> Option<Self> {
        let (gateway, meter) = meter.strip_prefix('g')?.split_once('m')?;
        let ticket = match ticket.map(Ticket::as_str) {
            None => 0,
            Some(text) => match text.split_at_checked(1)? {
                ("T", number) => number.parse().ok()?,
                ("#", place) => IMPLIED_TICKET + place.parse::<u16>().ok()?,
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

    /// The kind of the meter.
    pub(crate) fn kind(self) -> Kind {
        KINDS[usize::from(self.meter)]
    }

    /// The ticket that was sent, if there was one.
    pub(crate) fn ticket_sent(self) -> Option<String> {
        (1..IMPLIED_TICKET)
            .contains(&self.ticket)
            .then(|| format!("T{}", self.ticket))
    }
}

/// A reading and a value that it was sent with, in millionths.
pub(crate) type Row = (ReadingId, i64);

/// Numbered messages of each park.
pub(crate) type MessagesByPark = BTreeMap<ParkId, Messages>;

/// A record of the log.
#[derive(Debug)]
struct LoggedRecord {
    offset: u64,
    /// Each row, and whether it is marked late.
    rows: Vec<(Row, bool)>,
    /// Park, gateway, day and numbers of its messages, if they are numbered.
    numbered: Option<(ParkId, GatewayEpoch, CivilDay, BatchMessages)>,
}

/// The expected state.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Every reading ever sent, with its first value in millionths.
    pub(crate) sent: BTreeMap<ReadingId, i64>,
    /// Corrected readings, with the value that was sent last.
    corrected: BTreeMap<ReadingId, i64>,
    pub(crate) acked: BTreeSet<ReadingId>,
    counts: BTreeMap<(u8, u8, CivilDay), u32>,
    /// The records of the log, by partition.
    records: BTreeMap<Partition, Vec<LoggedRecord>>,
    logged: BTreeSet<Row>,
    /// The value in force of each reading in the log, and whether it is marked late. The last value in the log
    /// counts, but a value of a resent message keeps its first place.
    pub(crate) in_force: BTreeMap<ReadingId, (i64, bool)>,
    /// Rows of the log, by meter and day.
    pub(crate) received: BTreeMap<MeterDay, u64>,
    /// The message numbers in the log so far.
    numbers: BTreeMap<GatewayEpoch, Numbers>,
    /// Numbered messages in the log.
    pub(crate) numbered: MessagesByPark,
    /// Numbers of the undecodable elements among the dead letters.
    dead_letters: BTreeSet<u32>,
    dead_letters_read: usize,
}

impl Oracle {
    /// Creates a new reading at or after `instant`. Returns `None` if its meter has enough readings of that day.
    /// Its value is a power of two that no other reading of its meter and day has, so that a sum identifies
    /// its readings.
    pub(crate) fn new_reading(&mut self, gateway: u8, meter: u8, instant: i64) -> Option<Row> {
        let mut id = ReadingId {
            gateway,
            meter,
            instant,
            ticket: 0,
        };
        while self.sent.contains_key(&id) {
            id.instant += 1;
        }
        self.assign_value(id).map(|value| (id, value))
    }

    /// Creates `count` events of one instant at or after `instant`: with tickets from `first` on, or without.
    pub(crate) fn new_events(
        &mut self,
        gateway: u8,
        instant: i64,
        (count, first): (u8, Option<u16>),
    ) -> Vec<Row> {
        let mut at = instant;
        let event = |at, ticket| ReadingId {
            gateway,
            meter: SCALE,
            instant: at,
            ticket,
        };
        while self.sent.contains_key(&event(at, 0)) {
            at += 1;
        }
        let ticket = |nth: u16| match first {
            Some(first) => first + nth,
            None if nth == 0 => 0,
            None => IMPLIED_TICKET + nth + 1,
        };
        let ids = (0..u16::from(count)).map(|nth| event(at, ticket(nth)));
        ids.map_while(|id| self.assign_value(id).map(|value| (id, value)))
            .collect()
    }

    /// Assigns a value to a new reading. Returns `None` if its meter has enough readings of that day.
    fn assign_value(&mut self, id: ReadingId) -> Option<i64> {
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

    /// Corrects the reading of a gateway that is `back` places before the last one: to another value, and then
    /// back to the first. Of several events without tickets only the first can be corrected, because a message
    /// of its own can identify only that one.
    pub(crate) fn correct(&mut self, gateway: u8, back: u8) -> Option<Row> {
        let can_be_named = |id: &ReadingId| id.gateway == gateway && id.ticket < IMPLIED_TICKET;
        let of_gateway = self.sent.iter().filter(|(id, _)| can_be_named(id));
        let (&id, &value) = of_gateway.rev().nth(usize::from(back))?;
        let last = self.corrected.entry(id).or_insert(value);
        *last ^= CORRECTED;
        Some((id, *last))
    }

    /// Returns true if a reading was sent with this value.
    pub(crate) fn was_sent(&self, row: Row) -> bool {
        was_sent(&self.sent, &self.corrected, row)
    }

    /// Returns true if a reading was corrected and may therefore be superseded.
    pub(crate) fn is_corrected(&self, id: ReadingId) -> bool {
        self.corrected.contains_key(&id)
    }

    /// Reads the new records and dead letters of the log.
    pub(crate) fn read_log(&mut self, log: &SimLog) -> Result<(), BrokenPromise> {
        for entry in log.memory.entries(Topic::Readings) {
            let position = entry.position;
            let records = self.records.entry(position.partition).or_default();
            if records
                .last()
                .is_some_and(|last| last.offset >= position.offset)
            {
                continue;
            }
            let record = LoggedRecord::decode(entry)?;
            let repeats = record.add_numbers(&mut self.numbers);
            for (&((id, value), late), is_repeat) in record.rows.iter().zip(repeats) {
                if !was_sent(&self.sent, &self.corrected, (id, value)) {
                    let detail = format!("{value} of {id:?} is in the log");
                    return Err(BrokenPromise::new("phantom", detail));
                }
                let of_day = (id.meter_name(), id.day());
                *self.received.entry(of_day).or_insert(0) += 1;
                let is_new = self.logged.insert((id, value));
                let in_force = self.in_force.get(&id).map(|(value, _)| *value);
                if (is_new || !is_repeat) && in_force != Some(value) {
                    self.in_force.insert(id, (value, late));
                }
            }
            record.add_to(&mut self.numbered);
            records.push(record);
        }
        let dead_letters = log.memory.entries(Topic::DeadLetters);
        for entry in dead_letters.iter().skip(self.dead_letters_read) {
            let record = entry.record.as_ref().ok();
            let dead_letter = record.and_then(|r| DeadLetter::decode(r.payload.clone()).ok());
            if let Some(dead_letter) = dead_letter {
                self.dead_letters
                    .extend(poison_numbers(&dead_letter.payload));
            }
        }
        self.dead_letters_read = dead_letters.len();
        Ok(())
    }

    /// Records an acknowledgement, which must not come before the log holds its rows and dead letters.
    pub(crate) fn acknowledge(
        &mut self,
        rows: &[Row],
        poison: Option<u32>,
    ) -> Result<(), BrokenPromise> {
        if let Some(lost) = rows.iter().find(|row| !self.logged.contains(*row)) {
            let detail = format!("{lost:?} was acknowledged and is not in the log");
            return Err(BrokenPromise::new("I1 acknowledged means logged", detail));
        }
        if let Some(number) = poison.filter(|number| !self.dead_letters.contains(number)) {
            let detail =
                format!("poison {number} was acknowledged and is not among the dead letters");
            return Err(BrokenPromise::new("I1 acknowledged means logged", detail));
        }
        self.acked.extend(rows.iter().map(|(id, _)| *id));
        Ok(())
    }

    fn records_committed(&self, log: &SimLog) -> impl Iterator<Item = &LoggedRecord> {
        Partition::all(PARTITIONS).flat_map(move |partition| {
            let next = log.memory.committed(GROUP, partition);
            let records = self.records.get(&partition).into_iter().flatten();
            records.take_while(move |record| record.offset < next)
        })
    }

    /// The readings that the group has committed, which must be published.
    pub(crate) fn committed(&self, log: &SimLog) -> impl Iterator<Item = ReadingId> {
        let records = self.records_committed(log);
        records.flat_map(|record| record.rows.iter().map(|((id, _), _)| *id))
    }

    /// The messages that the group has committed, whose numbers must be in the lake.
    pub(crate) fn numbers_committed(&self, log: &SimLog) -> MessagesByPark {
        let mut numbers = MessagesByPark::new();
        for record in self.records_committed(log) {
            record.add_to(&mut numbers);
        }
        numbers
    }

    /// Returns true if the group has committed all records of the log.
    pub(crate) fn is_consumed(&self, log: &SimLog) -> bool {
        self.records.iter().all(|(&partition, records)| {
            records
                .last()
                .is_none_or(|last| log.memory.committed(GROUP, partition) > last.offset)
        })
    }
}

impl LoggedRecord {
    /// Decodes a record. A foreign record has no rows.
    fn decode(entry: Entry) -> Result<Self, BrokenPromise> {
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
            let gateway_epoch = GatewayEpoch {
                enterprise: record.headers.enterprise,
                gateway: record.headers.gateway,
                epoch: record.headers.epoch,
            };
            let latest = batch
                .latest()
                .unwrap_or(Instant::from_millis(entry.appended_ms));
            logged.numbered = Some((record.park, gateway_epoch, latest.day(), messages));
        }
        Ok(logged)
    }

    /// Adds the numbers of its messages to `seen`. Returns for each row whether its message had come before.
    fn add_numbers(&self, seen: &mut BTreeMap<GatewayEpoch, Numbers>) -> Vec<bool> {
        let mut repeats = vec![false; self.rows.len()];
        let Some((_, gateway_epoch, _, messages)) = &self.numbered else {
            return repeats;
        };
        let seen = seen.entry(gateway_epoch.clone()).or_default();
        for run in messages.runs() {
            for (number, rows) in run.each() {
                let is_repeat = seen.contains(number);
                rows.for_each(|row| repeats[row as usize] = is_repeat);
                if run.is_ended() {
                    seen.insert(number, number);
                }
            }
        }
        repeats
    }

    fn add_to(&self, all: &mut MessagesByPark) {
        if let Some((park, gateway_epoch, day, batch)) = &self.numbered {
            let messages = all.entry(park.clone()).or_default();
            messages.insert(gateway_epoch, *day, batch.ended());
        }
    }
}

/// Returns true if `whole` contains all messages of `part`.
pub(crate) fn holds(whole: &MessagesByPark, part: &MessagesByPark) -> bool {
    let mut all = whole.clone();
    let each = part.iter();
    each.fold(true, |held, (park, messages)| {
        held & !all.entry(park.clone()).or_default().join(messages)
    })
}

fn was_sent(
    sent: &BTreeMap<ReadingId, i64>,
    corrected: &BTreeMap<ReadingId, i64>,
    (id, value): Row,
) -> bool {
    let Some(&first) = sent.get(&id) else {
        return false;
    };
    value == first || corrected.contains_key(&id) && value == first | CORRECTED
}

fn rows_of(batch: &Batch) -> Result<Vec<(Row, bool)>, BrokenPromise> {
    let table = batch.series_table();
    let tickets: BTreeMap<u32, &Ticket> = batch.tickets().iter().map(|(at, t)| (*at, t)).collect();
    let rows = batch.series().iter().zip(batch.instants());
    (0u32..)
        .zip(rows.zip(batch.values()))
        .map(|(row, ((&series, &instant), &value))| {
            let series = &table[series as usize];
            let meter = series.meter.as_str();
            let id = ReadingId::parse(meter, instant, tickets.get(&row).copied());
            let late = batch.late().contains(&row);
            id.filter(|id| id.kind() == series.kind)
                .map(|id| ((id, value), late))
                .ok_or_else(|| {
                    BrokenPromise::new("phantom", format!("meter {meter} is in the log"))
                })
        })
        .collect()
}

/// The numbers of the undecodable elements in a payload, as 7 in `{"poison":7}`.
fn poison_numbers(payload: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(payload);
    let parts = text.split("{\"poison\":").skip(1);
    let numbers = parts.filter_map(|rest| rest.split_once('}'));
    numbers
        .filter_map(|(number, _)| number.parse().ok())
        .collect()
}
