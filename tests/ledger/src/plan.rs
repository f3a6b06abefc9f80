//! What is sent, as a pure function of its number: the oracle that the books are held against.
//!
//! Reading `serial` has the value `serial + 1` millionths of a kilowatt-hour, so a value names its
//! reading. Some are sent wrong first and corrected later: the correction of `serial` has the value
//! `readings + serial + 1`, must count, and its forerunner must be kept as superseded. Every second correction is
//! taken back: the first value is sent once more, must count, and the correction is superseded.
//!
//! What was truly lost with a log is [`Missing`]; of what is left, what was sent last counts.
//!
//! The second meter of a gateway weighs two loads at each moment, which only their tickets tell apart. The last
//! one is a counter of the day, or a register whose values may fall: what it has used is no sum.

use std::{collections::BTreeSet, io::Write as _};

use greenpark_model::{day::CivilDay, limits::MICRO, reading::Kind};

/// Parks.
pub const PARKS: u64 = 2;
/// Enterprises of a park.
pub const ENTERPRISES: u64 = 3;
/// Gateways of an enterprise, each with a connection of its own.
pub const GATEWAYS: u64 = 2;
/// Meters behind a gateway.
pub const METERS: u64 = 4;
/// Civil days that the readings are spread over, across a change of year: two books a park.
pub const DAYS: u64 = 12;
/// Gateways in all.
pub const LINES: u64 = PARKS * ENTERPRISES * GATEWAYS;
/// The meter of a gateway that weighs.
const SCALE: u64 = 1;
/// One reading in this many is corrected.
const CORRECTED_EVERY: u64 = 499;
/// Readings of one message of the gateways that gather.
const BATCH: u64 = 10;
/// Bursts of undecodable payloads from each gateway, and how many payloads each has. All gateways'
/// bursts come at about one time, and are then more than the subscriber's window of 256.
pub const BURSTS: u64 = 3;
/// Payloads of a burst.
pub const BURST: u64 = 60;

/// The readings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    readings: u64,
}

/// Where a reading belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its gateway.
    pub line: u64,
    /// Its meter behind it.
    pub meter: u64,
    /// UTC milliseconds.
    pub at: i64,
}

/// What a stored value says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The reading `0` as it was first sent.
    First(u64),
    /// The correction of reading `0`.
    Correction(u64),
}

/// What was truly lost with a log, by reading.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    /// Readings whose first value is.
    pub first: BTreeSet<u64>,
    /// Those whose correction is.
    pub corrections: BTreeSet<u64>,
    /// Those whose first value is where it came once more.
    pub restored: BTreeSet<u64>,
}

impl Missing {
    /// Adds what a message of `line` holds.
    pub fn add(&mut self, plan: Plan, line: u64, message: Message) {
        self.first.extend(plan.serials(line, message));
        match message {
            Message::Correction(serial) => drop(self.corrections.insert(serial)),
            Message::Restored(serial) => drop(self.restored.insert(serial)),
            Message::Batch(_) | Message::Poison(_) => {}
        }
    }

    /// Every reading of which something is missing.
    pub fn serials(&self) -> impl Iterator<Item = u64> {
        let later = self.corrections.iter().chain(&self.restored);
        self.first.iter().chain(later).copied()
    }
}

/// A message of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// The readings of this batch of the gateway.
    Batch(u64),
    /// The correction of this reading.
    Correction(u64),
    /// The first value of this reading again, after its correction.
    Restored(u64),
    /// An undecodable payload.
    Poison(u64),
}

/// The first civil day.
#[must_use]
pub fn first_day() -> CivilDay {
    "2025-12-26".parse().expect("a day")
}

/// The park of a gateway.
#[must_use]
pub fn park(line: u64) -> String {
    format!("ledger-{}", line / (ENTERPRISES * GATEWAYS))
}

/// The enterprise of a gateway, unique in the lake.
#[must_use]
pub fn enterprise(line: u64) -> String {
    format!("works-{}", line / GATEWAYS)
}

/// The name of a meter.
#[must_use]
pub fn meter(line: u64, meter: u64) -> String {
    format!("g{line}-m{meter}")
}

/// What the values of a meter mean.
#[must_use]
pub fn kind(line: u64, meter: u64) -> Kind {
    match meter {
        SCALE => Kind::Event,
        3 if line.is_multiple_of(2) => Kind::DailyCounter,
        3 => Kind::Register,
        _ => Kind::Interval,
    }
}

/// Whether the values of a meter are amounts of electricity, which add up.
#[must_use]
pub fn adds(line: u64, meter: u64) -> bool {
    matches!(kind(line, meter), Kind::Interval | Kind::Event)
}

/// The topic of a gateway.
#[must_use]
pub fn topic(line: u64) -> String {
    topic_of(line, "up/readings")
}

/// The topic of the receipts of a gateway.
#[must_use]
pub fn receipt_topic(line: u64) -> String {
    topic_of(line, "down/receipt")
}

fn topic_of(line: u64, what: &str) -> String {
    format!("park/{}/{}/g{line}/{what}", park(line), enterprise(line))
}

impl Plan {
    /// A plan of `readings` unique ones.
    #[must_use]
    pub fn new(readings: u64) -> Self {
        Self { readings }
    }

    /// Unique readings.
    #[must_use]
    pub fn readings(self) -> u64 {
        self.readings
    }

    /// Readings of a gateway.
    #[must_use]
    pub fn count(self, line: u64) -> u64 {
        self.readings / LINES + u64::from(line < self.readings % LINES)
    }

    fn base(self, line: u64) -> u64 {
        self.readings / LINES * line + line.min(self.readings % LINES)
    }

    /// The number of reading `nth` of a gateway.
    #[must_use]
    pub fn serial(self, line: u64, nth: u64) -> u64 {
        self.base(line) + nth
    }

    /// Where reading `serial` belongs.
    #[must_use]
    pub fn place(self, serial: u64) -> Place {
        let share = self.readings / LINES;
        let long = (share + 1) * (self.readings % LINES);
        let line = if serial < long {
            serial / (share + 1)
        } else {
            self.readings % LINES + (serial - long) / share
        };
        let nth = serial - self.base(line);
        let slot = nth / METERS;
        let slots_a_day = self.count(line).div_ceil(METERS).div_ceil(DAYS);
        let (day, position) = (slot / slots_a_day, slot % slots_a_day);
        let step = (86_400_000 / slots_a_day).max(1);
        // Two loads of the scale are weighed at a time.
        let position = match nth % METERS {
            SCALE => position & !1,
            _ => position,
        };
        // OK because there are twelve days, and a day has 86,400,000 milliseconds.
        let midnight = first_day().plus(day as i32).start().0;
        Place {
            line,
            meter: nth % METERS,
            at: midnight + (position * step) as i64,
        }
    }

    /// The ticket of reading `serial`, if it has one.
    #[must_use]
    pub fn ticket(self, serial: u64) -> Option<String> {
        (self.place(serial).meter == SCALE).then(|| format!("W-{serial}"))
    }

    /// Whether reading `serial` is corrected, and then its first value sent once more.
    #[must_use]
    pub fn is_restored(self, serial: u64) -> bool {
        self.is_corrected(serial) && (serial / CORRECTED_EVERY).is_multiple_of(2)
    }

    /// Whether reading `serial` is corrected.
    #[must_use]
    pub fn is_corrected(self, serial: u64) -> bool {
        serial % CORRECTED_EVERY == 7
    }

    /// Which value of reading `serial` counts where `missing` did not come; `None` where none came.
    #[must_use]
    pub fn in_force(self, serial: u64, missing: &Missing) -> Option<Named> {
        let first = !missing.first.contains(&serial);
        let corrected = self.is_corrected(serial) && !missing.corrections.contains(&serial);
        let restored = self.is_restored(serial) && !missing.restored.contains(&serial);
        match (first, corrected, restored) {
            (_, _, true) | (true, false, _) => Some(Named::First(serial)),
            (_, true, false) => Some(Named::Correction(serial)),
            (false, false, false) => None,
        }
    }

    /// The value of the correction of `serial`, in millionths.
    #[must_use]
    pub fn corrected(self, serial: u64) -> i64 {
        (self.readings + serial + 1) as i64
    }

    /// The value that counts of `serial`, in millionths, where `missing` did not come; `None` where none came.
    #[must_use]
    pub fn counts(self, serial: u64, missing: &Missing) -> Option<i64> {
        self.in_force(serial, missing).map(|named| match named {
            Named::First(serial) => (serial + 1) as i64,
            Named::Correction(serial) => self.corrected(serial),
        })
    }

    /// What a stored value names; `None` for one that was never sent.
    #[must_use]
    pub fn named(self, micro: i64) -> Option<Named> {
        let serial = u64::try_from(micro).ok()?.checked_sub(1)?;
        if serial < self.readings {
            return Some(Named::First(serial));
        }
        let serial = serial - self.readings;
        let sent = serial < self.readings && self.is_corrected(serial);
        sent.then_some(Named::Correction(serial))
    }

    /// Readings in a message of the gateway.
    fn batch(line: u64) -> u64 {
        if line % 2 == 1 { BATCH } else { 1 }
    }

    /// Messages of readings of a gateway.
    #[must_use]
    pub fn batches(self, line: u64) -> u64 {
        self.count(line).div_ceil(Self::batch(line))
    }

    /// The numbers of the readings in a message.
    pub fn serials(self, line: u64, message: Message) -> std::ops::Range<u64> {
        match message {
            Message::Batch(batch) => {
                let size = Self::batch(line);
                let last = ((batch + 1) * size).min(self.count(line));
                self.serial(line, batch * size)..self.serial(line, last)
            }
            Message::Correction(_) | Message::Restored(_) | Message::Poison(_) => 0..0,
        }
    }

    /// The payload of a message.
    pub fn write(self, line: u64, message: Message, out: &mut Vec<u8>) {
        match message {
            Message::Batch(_) => {
                let serials = self.serials(line, message);
                let many = serials.end - serials.start > 1;
                for (at, serial) in serials.enumerate() {
                    let before: &[u8] = match (many, at) {
                        (true, 0) => b"[",
                        (true, _) => b",",
                        (false, _) => b"",
                    };
                    out.extend_from_slice(before);
                    self.write_reading(serial, (serial + 1) as i64, out);
                }
                if many {
                    out.push(b']');
                }
            }
            Message::Correction(serial) => self.write_reading(serial, self.corrected(serial), out),
            Message::Restored(serial) => self.write_reading(serial, (serial + 1) as i64, out),
            Message::Poison(nth) => put(out, format_args!("{{\"meter\":\"{}", poison(line, nth))),
        }
    }

    fn write_reading(self, serial: u64, micro: i64, out: &mut Vec<u8>) {
        let place = self.place(serial);
        let quantity = match adds(place.line, place.meter) {
            true => "electricity",
            false => "fresh_water",
        };
        put(
            out,
            format_args!(
                "{{\"meter\":\"{}\",\"quantity\":\"{quantity}\",\"kind\":\"{}\",\"at\":{},\"value\":{}.{:06}",
                meter(place.line, place.meter),
                kind(place.line, place.meter).as_str(),
                place.at,
                micro / MICRO,
                micro % MICRO
            ),
        );
        if let Some(ticket) = self.ticket(serial) {
            put(out, format_args!(",\"ticket\":\"{ticket}\""));
        }
        out.push(b'}');
    }
}

/// The name of an undecodable payload, which it holds.
#[must_use]
pub fn poison(line: u64, nth: u64) -> String {
    format!("poison-{line}-{nth}-")
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_has_an_identity_of_its_own_and_is_in_one_message() {
        for readings in [12_000, 12_001, 12_345] {
            let plan = Plan::new(readings);
            let mut identities = BTreeSet::new();
            let mut days = BTreeSet::new();
            for serial in 0..readings {
                let place = plan.place(serial);
                let ticket = plan.ticket(serial);
                assert!(identities.insert((place.line, place.meter, place.at, ticket)));
                days.insert(greenpark_model::day::Instant(place.at).day());
            }
            // Few readings do not fill the last day.
            assert!((DAYS - 1..=DAYS).contains(&(days.len() as u64)));
            let lines = 0..LINES;
            let sent = lines.flat_map(|line| {
                (0..plan.batches(line)).flat_map(move |b| plan.serials(line, Message::Batch(b)))
            });
            assert!(sent.eq(0..readings));
        }
    }

    #[test]
    fn what_was_sent_last_of_what_is_left_counts() {
        let plan = Plan::new(1_000);
        // Reading 7 is restored, reading 506 corrected alone.
        let [first, corrected] = [Named::First(7), Named::Correction(7)];
        let of = |gone: &[Message]| {
            let mut missing = Missing::default();
            gone.iter()
                .for_each(|message| missing.add(plan, 0, *message));
            plan.in_force(7, &missing)
        };
        assert_eq!(of(&[]), Some(first));
        assert_eq!(of(&[Message::Restored(7)]), Some(corrected));
        assert_eq!(
            of(&[Message::Batch(7), Message::Restored(7)]),
            Some(corrected)
        );
        let later = [Message::Correction(7), Message::Restored(7)];
        assert_eq!(of(&later), Some(first));
        assert_eq!(of(&[later[0], later[1], Message::Batch(7)]), None);
        assert_eq!(
            plan.counts(506, &Missing::default()),
            Some(plan.corrected(506))
        );
    }

    #[test]
    fn a_value_names_its_reading() {
        let plan = Plan::new(1_000);
        assert_eq!(plan.named(1), Some(Named::First(0)));
        assert_eq!(plan.named(plan.corrected(7)), Some(Named::Correction(7)));
        assert_eq!(plan.named(plan.corrected(8)), None);
        assert_eq!(plan.named(0), None);
        assert_eq!(plan.named(-1), None);
    }
}
