//! Decodes payloads into readings. Pure: no clock, no I/O, no log lines.
//!
//! A payload is accepted as a whole, in part, or not at all: valid readings are accepted, and each
//! invalid one becomes a refusal with its index and a reason for the engineer at the gateway. A
//! decoder fills a `Decoded`, which is reused, so that the usual payload costs no allocation.

mod columnar;
mod cut;
pub(crate) mod fault;
mod fields;
mod influx;
mod instant;
mod json;
mod mapped;
pub(crate) mod mapping;
mod moment;
mod neuron;
mod ordinals;
mod pointer;
mod protobuf;
pub(crate) mod reader;
mod refusals;
mod scan;
mod series;
mod sink;
pub(crate) mod sparkplug;
mod telegraf;
pub(crate) mod template;
mod text;
mod thingsboard;
pub(crate) mod timing;

use greenpark_model::{
    day::Instant,
    letter::LetterCode,
    reading::{Kind, Reading, Series},
    ticket::Ticket,
};

pub use self::cut::cut_reading;
pub(crate) use self::{fault::Fault, refusals::Refusals, series::SeriesTable, timing::Timing};
use self::{ordinals::Seen, reader::Reader, sink::Sink};
use crate::{
    DecodeSettings, DecoderRule,
    limits::{DECODED_READINGS_KEPT, MESSAGE_DAYS_MAX},
    settings::PayloadFormat,
    topic::{Routes, Sender},
};

/// The result of decoding a payload.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Accepted readings, with the index of their series in the gateway's [`SeriesTable`].
    pub(crate) readings: Vec<(u32, Reading)>,
    /// Tickets of events, by their row in `readings`, ascending.
    pub(crate) tickets: Vec<(u32, Ticket)>,
    /// Refused readings.
    pub(crate) refusals: Refusals,
    /// Fields that no entry of the map names, if the rule ignores them.
    pub(crate) ignored: u64,
    /// Fields that the sender marks as having no value.
    pub(crate) missing: u64,
    /// The payload carries a message that is not a reading, such as a Sparkplug death.
    understood: bool,
    /// Topics of Sparkplug rebirth requests to publish.
    pub(crate) rebirth_requests: Vec<String>,
    seen: Seen,
}

impl Decoded {
    /// Clears the result, and frees the memory of an unusually large payload: a `Decoded` lives as
    /// long as its connection.
    pub(crate) fn clear(&mut self) {
        self.readings.clear();
        if self.readings.capacity() > DECODED_READINGS_KEPT {
            self.readings = Vec::new();
        }
        self.tickets.clear();
        self.refusals.clear();
        self.rebirth_requests.clear();
        (self.ignored, self.missing, self.understood) = (0, 0, false);
    }

    fn is_empty(&self) -> bool {
        let passed = self.ignored + self.missing > 0 || self.understood;
        self.readings.is_empty() && self.refusals.is_empty() && !passed
    }

    /// Adds a reading of a series.
    #[inline]
    fn take(&mut self, of: u32, reading: Reading) {
        self.readings.push((of, reading));
    }

    /// Adds a reading with its ticket, if it has one.
    #[inline]
    fn take_ticketed(&mut self, of: u32, reading: Reading, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            let row = u32::try_from(self.readings.len()).unwrap_or(u32::MAX);
            self.tickets.push((row, ticket));
        }
        self.take(of, reading);
    }

    /// Refuses `count` readings starting at `index`.
    fn refuse(&mut self, index: usize, count: usize, reason: impl Into<Fault>) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.refusals.add(Some(index), count, reason);
    }

    /// Drops accepted readings and refuses the payload as a whole.
    fn refuse_all(&mut self, reason: Fault) {
        let rebirth_requests = std::mem::take(&mut self.rebirth_requests);
        self.clear();
        self.rebirth_requests = rebirth_requests;
        self.refusals.add(None, 1, reason);
    }
}

/// Decodes the payloads of one gateway and counts their readings: for tools that check payloads or
/// measure decoding speed.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
    series: SeriesTable,
    decoded: Decoded,
}

/// Counts of a decoded payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Accepted readings.
    pub accepted: u64,
    /// Refused readings, each with a reason in its dead letter.
    pub refused: u64,
    /// Fields that the rule ignores.
    pub ignored: u64,
    /// Fields that the sender marks as having no value.
    pub missing: u64,
}

impl Decoder {
    /// Creates a decoder with an empty series table.
    #[must_use]
    pub fn new(format: PayloadFormat) -> Self {
        Self {
            reader: Reader::native(format),
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        }
    }

    /// Creates a decoder for `rule` and the payloads of user `user` and client `client` on `topic`.
    ///
    /// # Errors
    /// The reason a dead letter would have, if the rule does not match the topic or does not
    /// identify the sender.
    pub fn of_rule(rule: &DecoderRule, topic: &str) -> Result<Self, String> {
        let settings = DecodeSettings {
            rules: vec![rule.clone()],
            ..DecodeSettings::default()
        };
        let route = Routes::new(&settings).resolve(topic, &Self::sender());
        Ok(Self {
            reader: route.reader?.as_ref().clone(),
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        })
    }

    /// Switches to another topic, and keeps the series table.
    ///
    /// # Errors
    /// As [`Decoder::of_rule`].
    pub fn turn_to(&mut self, topic: &str) -> Result<(), String> {
        self.reader = self.reader.at_topic(topic, &Self::sender())?;
        Ok(())
    }

    fn sender() -> Sender {
        Sender::new(Some("user"), Some("client"))
    }

    /// Returns the known Sparkplug edge nodes.
    #[cfg(test)]
    pub(crate) fn edges(&self) -> std::sync::Arc<sparkplug::Edges> {
        std::sync::Arc::clone(&self.reader.edges)
    }

    /// Returns the tickets of the last payload's events, by row.
    #[cfg(test)]
    fn tickets(&self) -> Vec<(u32, String)> {
        let tickets = self.decoded.tickets.iter();
        tickets
            .map(|(row, ticket)| (*row, ticket.to_string()))
            .collect()
    }

    /// Returns the readings of the last payload, and the reasons of its first refusals.
    #[must_use]
    pub fn outcome(&mut self) -> (Vec<(Series, Reading)>, Vec<String>) {
        let (series, decoded) = (&mut self.series, &self.decoded);
        let named = |&(of, reading): &(u32, Reading)| (series.get_mut(of).series.clone(), reading);
        let readings = decoded.readings.iter().map(named).collect();
        let reasons = decoded.refusals.first().iter().map(|r| r.reason.clone());
        (readings, reasons.collect())
    }

    /// Decodes a payload that arrived at `now_ms`.
    pub fn decode(&mut self, payload: &[u8], now_ms: i64) -> Counts {
        self.series.make_room();
        let (series, to) = (&mut self.series, &mut self.decoded);
        let timing = Timing::live(now_ms, &self.reader.stamps);
        decode(&self.reader, payload, series, &timing, to);
        Counts {
            accepted: self.decoded.readings.len() as u64,
            refused: self.decoded.refusals.readings(),
            ignored: self.decoded.ignored,
            missing: self.decoded.missing,
        }
    }
}

/// Decodes `payload` into `to`. Afterwards `to` is not empty: a payload without a reading, or any
/// other known content, is refused.
pub(crate) fn decode(
    reader: &Reader,
    payload: &[u8],
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) {
    to.clear();
    let outcome = match (&reader.mapping, reader.format) {
        (None, PayloadFormat::Protobuf) => protobuf::decode(payload, series, timing, to),
        (None, _) => match text::read(payload, reader.encoding) {
            Ok(text) => json::decode(&text, series, timing, to),
            Err(reason) => Err(not_text("JSON", &reason)),
        },
        (Some(mapping), _) => {
            let mut sink = Sink::new(mapping, series, timing, to);
            foreign(reader, payload, &mut sink)
        }
    };
    match outcome {
        Err(reason) => return to.refuse_all(reason),
        Ok(()) if to.is_empty() => {
            let words = "the payload has no reading";
            to.refuse_all(Fault::new(LetterCode::Empty, words));
        }
        Ok(()) if of_too_many_days(to) => {
            let words = format!(
                "readings of more than {MESSAGE_DAYS_MAX} days in one message; send them in several"
            );
            to.refuse_all(Fault::new(LetterCode::TooLarge, words));
        }
        Ok(()) => {}
    }
    if reader.stamps.shift_ms() != 0 {
        shift(to, series, reader.stamps.shift_ms());
    }
    if series.has_events() {
        ordinals::imply(to, series);
    }
}

/// Returns true if the readings span more days than one message may have: each day becomes a file.
fn of_too_many_days(to: &Decoded) -> bool {
    // The usual message has fewer readings.
    if to.readings.len() <= MESSAGE_DAYS_MAX {
        return false;
    }
    let days = to.readings.iter().map(|(_, reading)| reading.instant.day());
    let mut days: Vec<_> = days.collect();
    days.sort_unstable();
    days.dedup();
    days.len() > MESSAGE_DAYS_MAX
}

/// Moves the instants of intervals from their end to their start.
fn shift(to: &mut Decoded, series: &SeriesTable, by_ms: i64) {
    for (of, reading) in &mut to.readings {
        if series.kind(*of) == Kind::Interval {
            reading.instant = Instant(reading.instant.0.saturating_sub(by_ms));
        }
    }
}

fn foreign(reader: &Reader, payload: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
    if reader.format == PayloadFormat::Sparkplug {
        return sparkplug::decode(payload, reader, sink);
    }
    let (format, what) = match reader.format {
        PayloadFormat::Influx => (PayloadFormat::Influx, "line protocol"),
        other => (other, "JSON"),
    };
    let text = text::read(payload, reader.encoding);
    let text = text.map_err(|reason| not_text(what, &reason))?;
    let read = match format {
        PayloadFormat::Thingsboard => thingsboard::device(&text, sink),
        PayloadFormat::ThingsboardGateway => thingsboard::gateway(&text, sink),
        PayloadFormat::NeuronValues => neuron::values(&text, sink),
        PayloadFormat::NeuronTags | PayloadFormat::NeuronEcp => neuron::tags(&text, sink),
        PayloadFormat::Influx => influx::decode(&text, sink),
        PayloadFormat::Telegraf => telegraf::decode(&text, sink),
        _ => mapped::decode(&text, sink),
    };
    read.map_err(Fault::from)
}

/// Returns the fault of a payload that is not valid text, and so not `what`.
fn not_text(what: &str, reason: &str) -> Fault {
    Fault::new(LetterCode::Undecodable, format!("not {what}: {reason}"))
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_half_a_million_mistakes_leaves_no_memory_behind() {
        let mut decoder = Decoder::new(PayloadFormat::Json);
        let payload = format!("[{}1]", "1,".repeat(500_000));
        let counts = decoder.decode(payload.as_bytes(), 0);
        assert_eq!((counts.accepted, counts.refused), (0, 500_001));
        assert!(decoder.decoded.refusals.first().len() < 10);
    }

    #[test]
    fn a_message_has_no_more_days_than_one_may_have() {
        for (days, taken) in [(1_000, 1_000), (1_001, 0), (9_905, 0)] {
            let mut decoder = Decoder::new(PayloadFormat::Json);
            let values = vec!["1"; days].join(",");
            let payload = format!(
                r#"{{"series":[{{"meter":"m1","quantity":"steam","from":1000000000000,"step":86400000,"value":[{values}]}}]}}"#
            );
            let counts = decoder.decode(payload.as_bytes(), 1_900_000_000_000);
            assert_eq!(counts.accepted, taken, "{days}");
            let (_, reasons) = decoder.outcome();
            let told = reasons.first().map_or("", String::as_str);
            assert_eq!(told.contains("1000 days"), taken == 0, "{told}");
        }
        // Ten thousand readings of one day become one file.
        let mut decoder = Decoder::new(PayloadFormat::Json);
        let values = vec!["1"; 10_000].join(",");
        let payload = format!(
            r#"{{"series":[{{"meter":"m1","quantity":"steam","from":1000000000000,"step":1,"value":[{values}]}}]}}"#
        );
        assert_eq!(
            decoder
                .decode(payload.as_bytes(), 1_900_000_000_000)
                .accepted,
            10_000
        );
    }

    #[test]
    fn a_large_payload_leaves_no_memory_behind() {
        let mut decoder = Decoder::new(PayloadFormat::Json);
        let values = vec!["1"; 50_000].join(",");
        let payload = format!(
            r#"{{"series":[{{"meter":"m1","quantity":"steam","from":1700000000000,"step":1,"value":[{values}]}}]}}"#
        );
        let counts = decoder.decode(payload.as_bytes(), 1_800_000_000_000);
        assert_eq!((counts.accepted, counts.refused), (50_000, 0));
        decoder.decoded.clear();
        assert!(decoder.decoded.readings.capacity() <= DECODED_READINGS_KEPT);
    }
}
