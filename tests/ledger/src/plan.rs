//! The readings of a run as a pure function of their serial number, to compare the books with.
//!
//! Reading `serial` has the value `serial + 1` millionths of a kilowatt-hour, so a value identifies its reading.
//! Some readings are corrected later: the correction of `serial` has the value `readings + serial + 1`, must
//! count, and the first value must be kept as superseded. Every second correction is taken back: the first value
//! is sent once more, must count, and the correction must be superseded.
//!
//! Values that were lost together with a log are [`Missing`]; of the remaining values the last one sent counts.
//!
//! The second meter of a gateway weighs two loads at each instant, which differ only in their tickets. The last
//! meter is a daily counter, or a register whose values may fall, so its values do not add up.

use std::{collections::BTreeSet, io::Write as _};

use greenpark_model::{day::CivilDay, limits::MICRO, reading::Kind};

/// Number of parks.
pub const PARKS: u64 = 2;
/// Enterprises in a park.
pub const ENTERPRISES: u64 = 3;
/// Gateways of an enterprise, each with a connection of its own.
pub const GATEWAYS_PER_ENTERPRISE: u64 = 2;
/// Meters behind a gateway.
pub const METERS: u64 = 4;
/// Civil days of the readings, across a change of year, so that each park has two books.
pub const DAYS: u64 = 12;
/// Number of all gateways.
pub const GATEWAYS: u64 = PARKS * ENTERPRISES * GATEWAYS_PER_ENTERPRISE;
/// The meter that weighs loads.
const SCALE: u64 = 1;
/// One reading in this many is corrected.
const CORRECTED_EVERY: u64 = 499;
/// Readings in a message of the gateways that send batches.
const BATCH: u64 = 10;
/// Bursts of undecodable payloads from each gateway. The bursts of all gateways come at about the same time and
/// together exceed the subscriber's window of 256.
pub const BURSTS: u64 = 3;
/// Payloads in a burst.
pub const BURST: u64 = 60;

/// The readings of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadPlan {
    readings: u64,
}

/// The gateway, meter and instant of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The gateway.
    pub gateway: u64,
    /// The meter behind the gateway.
    pub meter: u64,
    /// The instant in UTC milliseconds.
    pub at: i64,
}

/// The message that a stored value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueOrigin {
    /// The first value of the reading with this serial number.
    First(u64),
    /// The correction of the reading with this serial number.
    Correction(u64),
}

/// The values that were lost together with a log, by the serial number of the reading.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    /// Lost first values.
    pub first: BTreeSet<u64>,
    /// Lost corrections.
    pub corrections: BTreeSet<u64>,
    /// Lost first values that were sent once more.
    pub restored: BTreeSet<u64>,
}

impl Missing {
    /// Adds the values of a message of `gateway`.
    pub fn add(&mut self, plan: LoadPlan, gateway: u64, message: PlannedMessage) {
        self.first.extend(plan.serials(gateway, message));
        match message {
            PlannedMessage::Correction(serial) => drop(self.corrections.insert(serial)),
            PlannedMessage::Restored(serial) => drop(self.restored.insert(serial)),
            PlannedMessage::Batch(_) | PlannedMessage::Poison(_) => {}
        }
    }

    /// The readings with a missing value.
    pub fn serials(&self) -> impl Iterator<Item = u64> {
        let later = self.corrections.iter().chain(&self.restored);
        self.first.iter().chain(later).copied()
    }
}

/// A message that a gateway sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedMessage {
    /// The readings of the batch with this number.
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
pub fn park(gateway: u64) -> String {
    format!(
        "ledger-{}",
        gateway / (ENTERPRISES * GATEWAYS_PER_ENTERPRISE)
    )
}

/// The enterprise of a gateway, unique in the lake.
#[must_use]
pub fn enterprise(gateway: u64) -> String {
    format!("works-{}", gateway / GATEWAYS_PER_ENTERPRISE)
}

/// The id of a meter.
#[must_use]
pub fn meter(gateway: u64, meter: u64) -> String {
    format!("g{gateway}-m{meter}")
}

/// The kind of a meter.
#[must_use]
pub fn kind(gateway: u64, meter: u64) -> Kind {
    match meter {
        SCALE => Kind::Event,
        3 if gateway.is_multiple_of(2) => Kind::DailyCounter,
        3 => Kind::Register,
        _ => Kind::Interval,
    }
}

/// Returns true if the values of a meter are amounts of electricity, which add up.
#[must_use]
pub fn adds(gateway: u64, meter: u64) -> bool {
    matches!(kind(gateway, meter), Kind::Interval | Kind::Event)
}

/// The topic for the readings of a gateway.
#[must_use]
pub fn topic(gateway: u64) -> String {
    topic_of(gateway, "up/readings")
}

/// The topic for the receipts of a gateway.
#[must_use]
pub fn receipt_topic(gateway: u64) -> String {
    topic_of(gateway, "down/receipt")
}

fn topic_of(gateway: u64, stream: &str) -> String {
    format!(
        "park/{}/{}/g{gateway}/{stream}",
        park(gateway),
        enterprise(gateway)
    )
}

impl LoadPlan {
    /// A plan of `readings` unique readings.
    #[must_use]
    pub fn new(readings: u64) -> Self {
        Self { readings }
    }

    /// Number of unique readings.
    #[must_use]
    pub fn readings(self) -> u64 {
        self.readings
    }

    /// Number of readings of a gateway.
    #[must_use]
    pub fn count(self, gateway: u64) -> u64 {
        self.readings / GATEWAYS + u64::from(gateway < self.readings % GATEWAYS)
    }

    fn first_serial(self, gateway: u64) -> u64 {
        self.readings / GATEWAYS * gateway + gateway.min(self.readings % GATEWAYS)
    }

    /// The serial number of the nth reading of a gateway.
    #[must_use]
    pub fn serial(self, gateway: u64, nth: u64) -> u64 {
        self.first_serial(gateway) + nth
    }

    /// The gateway, meter and instant of reading `serial`.
    #[must_use]
    pub fn identity(self, serial: u64) -> Identity {
        let share = self.readings / GATEWAYS;
        let long = (share + 1) * (self.readings % GATEWAYS);
        let gateway = if serial < long {
            serial / (share + 1)
        } else {
            self.readings % GATEWAYS + (serial - long) / share
        };
        let nth = serial - self.first_serial(gateway);
        let slot = nth / METERS;
        let slots_a_day = self.count(gateway).div_ceil(METERS).div_ceil(DAYS);
        let (day, position) = (slot / slots_a_day, slot % slots_a_day);
        let step = (86_400_000 / slots_a_day).max(1);
        // The scale weighs two loads at an instant.
        let position = match nth % METERS {
            SCALE => position & !1,
            _ => position,
        };
        // OK because there are twelve days, and a day has 86,400,000 milliseconds.
        let midnight = first_day().plus(day as i32).start().millis();
        Identity {
            gateway,
            meter: nth % METERS,
            at: midnight + (position * step) as i64,
        }
    }

    /// The ticket of reading `serial`, if it is weighed.
    #[must_use]
    pub fn ticket(self, serial: u64) -> Option<String> {
        (self.identity(serial).meter == SCALE).then(|| format!("W-{serial}"))
    }

    /// Returns true if reading `serial` is corrected and its first value is then sent once more.
    #[must_use]
    pub fn is_restored(self, serial: u64) -> bool {
        self.is_corrected(serial) && (serial / CORRECTED_EVERY).is_multiple_of(2)
    }

    /// Returns true if reading `serial` is corrected.
    #[must_use]
    pub fn is_corrected(self, serial: u64) -> bool {
        serial % CORRECTED_EVERY == 7
    }

    /// The value of reading `serial` that counts if `missing` is lost. Returns `None` if all its values are lost.
    #[must_use]
    pub fn in_force(self, serial: u64, missing: &Missing) -> Option<ValueOrigin> {
        let first = !missing.first.contains(&serial);
        let corrected = self.is_corrected(serial) && !missing.corrections.contains(&serial);
        let restored = self.is_restored(serial) && !missing.restored.contains(&serial);
        match (first, corrected, restored) {
            (_, _, true) | (true, false, _) => Some(ValueOrigin::First(serial)),
            (_, true, false) => Some(ValueOrigin::Correction(serial)),
            (false, false, false) => None,
        }
    }

    /// The value of the correction of `serial`, in millionths.
    #[must_use]
    pub fn corrected(self, serial: u64) -> i64 {
        (self.readings + serial + 1) as i64
    }

    /// The value of [`Self::in_force`] in millionths.
    #[must_use]
    pub fn counts(self, serial: u64, missing: &Missing) -> Option<i64> {
        self.in_force(serial, missing).map(|named| match named {
            ValueOrigin::First(serial) => (serial + 1) as i64,
            ValueOrigin::Correction(serial) => self.corrected(serial),
        })
    }

    /// The origin of a stored value. Returns `None` for a value that was never sent.
    #[must_use]
    pub fn origin(self, micro: i64) -> Option<ValueOrigin> {
        let serial = u64::try_from(micro).ok()?.checked_sub(1)?;
        if serial < self.readings {
            return Some(ValueOrigin::First(serial));
        }
        let serial = serial - self.readings;
        let sent = serial < self.readings && self.is_corrected(serial);
        sent.then_some(ValueOrigin::Correction(serial))
    }

    /// Readings in a message of the gateway.
    fn batch_size(gateway: u64) -> u64 {
        if gateway % 2 == 1 { BATCH } else { 1 }
    }

    /// Number of batches of a gateway.
    #[must_use]
    pub fn batches(self, gateway: u64) -> u64 {
        self.count(gateway).div_ceil(Self::batch_size(gateway))
    }

    /// The serial numbers of the readings whose first values are in a message.
    pub fn serials(self, gateway: u64, message: PlannedMessage) -> std::ops::Range<u64> {
        match message {
            PlannedMessage::Batch(batch) => {
                let size = Self::batch_size(gateway);
                let last = ((batch + 1) * size).min(self.count(gateway));
                self.serial(gateway, batch * size)..self.serial(gateway, last)
            }
            PlannedMessage::Correction(_)
            | PlannedMessage::Restored(_)
            | PlannedMessage::Poison(_) => 0..0,
        }
    }

    /// Writes the payload of a message.
    pub fn write(self, gateway: u64, message: PlannedMessage, out: &mut Vec<u8>) {
        match message {
            PlannedMessage::Batch(_) => {
                let serials = self.serials(gateway, message);
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
            PlannedMessage::Correction(serial) => {
                self.write_reading(serial, self.corrected(serial), out)
            }
            PlannedMessage::Restored(serial) => {
                self.write_reading(serial, (serial + 1) as i64, out)
            }
            PlannedMessage::Poison(nth) => {
                write_text(out, format_args!("{{\"meter\":\"{}", poison(gateway, nth)))
            }
        }
    }

    fn write_reading(self, serial: u64, micro: i64, out: &mut Vec<u8>) {
        let identity = self.identity(serial);
        let quantity = match adds(identity.gateway, identity.meter) {
            true => "electricity",
            false => "fresh_water",
        };
        write_text(
            out,
            format_args!(
                "{{\"meter\":\"{}\",\"quantity\":\"{quantity}\",\"kind\":\"{}\",\"at\":{},\"value\":{}.{:06}",
                meter(identity.gateway, identity.meter),
                kind(identity.gateway, identity.meter).as_str(),
                identity.at,
                micro / MICRO,
                micro % MICRO
            ),
        );
        if let Some(ticket) = self.ticket(serial) {
            write_text(out, format_args!(",\"ticket\":\"{ticket}\""));
        }
        out.push(b'}');
    }
}

/// The name of an undecodable payload, which is part of it.
#[must_use]
pub fn poison(gateway: u64, nth: u64) -> String {
    format!("poison-{gateway}-{nth}-")
}

fn write_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_has_its_own_identity_and_is_in_one_message() {
        for readings in [12_000, 12_001, 12_345] {
            let plan = LoadPlan::new(readings);
            let mut identities = BTreeSet::new();
            let mut days = BTreeSet::new();
            for serial in 0..readings {
                let identity = plan.identity(serial);
                let ticket = plan.ticket(serial);
                assert!(identities.insert((identity.gateway, identity.meter, identity.at, ticket)));
                days.insert(greenpark_model::day::Instant::from_millis(identity.at).day());
            }
            // A few readings do not fill the last day.
            assert!((DAYS - 1..=DAYS).contains(&(days.len() as u64)));
            let lines = 0..GATEWAYS;
            let sent = lines.flat_map(|gateway| {
                (0..plan.batches(gateway))
                    .flat_map(move |b| plan.serials(gateway, PlannedMessage::Batch(b)))
            });
            assert!(sent.eq(0..readings));
        }
    }

    #[test]
    fn the_last_value_that_is_not_lost_counts() {
        let plan = LoadPlan::new(1_000);
        // Reading 7 is corrected and restored, reading 506 only corrected.
        let [first, corrected] = [ValueOrigin::First(7), ValueOrigin::Correction(7)];
        let in_force = |lost: &[PlannedMessage]| {
            let mut missing = Missing::default();
            lost.iter()
                .for_each(|message| missing.add(plan, 0, *message));
            plan.in_force(7, &missing)
        };
        assert_eq!(in_force(&[]), Some(first));
        assert_eq!(in_force(&[PlannedMessage::Restored(7)]), Some(corrected));
        assert_eq!(
            in_force(&[PlannedMessage::Batch(7), PlannedMessage::Restored(7)]),
            Some(corrected)
        );
        let later = [PlannedMessage::Correction(7), PlannedMessage::Restored(7)];
        assert_eq!(in_force(&later), Some(first));
        assert_eq!(
            in_force(&[later[0], later[1], PlannedMessage::Batch(7)]),
            None
        );
        assert_eq!(
            plan.counts(506, &Missing::default()),
            Some(plan.corrected(506))
        );
    }

    #[test]
    fn a_value_identifies_its_reading() {
        let plan = LoadPlan::new(1_000);
        assert_eq!(plan.origin(1), Some(ValueOrigin::First(0)));
        assert_eq!(
            plan.origin(plan.corrected(7)),
            Some(ValueOrigin::Correction(7))
        );
        assert_eq!(plan.origin(plan.corrected(8)), None);
        assert_eq!(plan.origin(0), None);
        assert_eq!(plan.origin(-1), None);
    }
}
