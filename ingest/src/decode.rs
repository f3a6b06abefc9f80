//! Payloads to readings, purely: no clock, no I/O, no log lines.
//!
//! A payload is taken whole, in part, or not at all: readings that can be taken are, each that cannot is
//! a refusal with its index and a reason for the engineer at the gateway. A decoder fills a `Decoded`,
//! which is reused, so that the usual payload costs no allocation.

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
mod pointer;
mod protobuf;
pub(crate) mod reader;
mod refusals;
mod scan;
mod series;
mod sink;
pub(crate) mod sparkplug;
mod telegraf;
mod thingsboard;

use greenpark_model::{
    letter::LetterCode,
    reading::{Reading, Series},
};

pub use self::cut::cut_reading;
pub(crate) use self::{fault::Fault, refusals::Refusals, series::SeriesTable};
use self::{reader::Reader, sink::Sink};
use crate::{
    DecodeSettings, DecoderRule, limits::DECODED_READINGS_KEPT, settings::Format, topic::Routes,
};

/// What a payload brought.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Readings that were taken, with their series in the gateway's [`SeriesTable`].
    pub(crate) readings: Vec<(u32, Reading)>,
    /// What was not taken.
    pub(crate) refusals: Refusals,
    /// Fields that no entry of the map names, where the rule ignores them.
    pub(crate) ignored: u64,
    /// Fields of which the sender says that it has no value.
    pub(crate) missing: u64,
    /// The payload says something that is no reading, such as a death.
    understood: bool,
    /// Topics on which Sparkplug nodes are to be asked for their births.
    pub(crate) asks: Vec<String>,
}

impl Decoded {
    /// Forgets everything, and gives back the memory of an unusually large payload: a `Decoded` lives as
    /// long as its connection.
    pub(crate) fn clear(&mut self) {
        self.readings.clear();
        if self.readings.capacity() > DECODED_READINGS_KEPT {
            self.readings = Vec::new();
        }
        self.refusals.clear();
        self.asks.clear();
        (self.ignored, self.missing, self.understood) = (0, 0, false);
    }

    fn is_empty(&self) -> bool {
        let passed = self.ignored + self.missing > 0 || self.understood;
        self.readings.is_empty() && self.refusals.is_empty() && !passed
    }

    /// Refuses `count` readings from `index` on.
    fn refuse(&mut self, index: usize, count: usize, reason: impl Into<Fault>) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.refusals.add(Some(index), count, reason);
    }

    /// Forgets what was taken and refuses the payload as a whole.
    fn refuse_all(&mut self, reason: Fault) {
        let asks = std::mem::take(&mut self.asks);
        self.clear();
        self.asks = asks;
        self.refusals.add(None, 1, reason);
    }
}

/// Decodes the payloads of one gateway and tells how many readings each brought: what a tool needs that
/// checks payloads, or measures how fast they are read.
#[derive(Debug)]
pub struct Decoder {
    reader: Reader,
    series: SeriesTable,
    decoded: Decoded,
}

/// How many readings of a payload were taken and how many were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Taken.
    pub accepted: u64,
    /// Refused, each with a reason in its dead letter.
    pub refused: u64,
    /// Of no interest, as the rule says.
    pub ignored: u64,
    /// Without a value, as the sender says.
    pub missing: u64,
}

impl Decoder {
    /// A decoder that has seen no series yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            reader: Reader::native(format),
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        }
    }

    /// A decoder for what comes on `topic` by `rule`.
    ///
    /// # Errors
    /// What a dead letter would say, if the rule does not cover the topic or does not say who sent it.
    pub fn of_rule(rule: &DecoderRule, topic: &str) -> Result<Self, String> {
        let rules = vec![rule.clone()];
        let route = Routes::new(&DecodeSettings { rules }).resolve(topic);
        Ok(Self {
            reader: route.reader?.as_ref().clone(),
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        })
    }

    /// Turns to another topic, with what was learnt so far.
    ///
    /// # Errors
    /// As [`Decoder::of_rule`].
    pub fn turn_to(&mut self, topic: &str) -> Result<(), String> {
        self.reader = self.reader.at_topic(topic)?;
        Ok(())
    }

    /// What is known of Sparkplug's edge nodes.
    #[cfg(test)]
    pub(crate) fn edges(&self) -> std::sync::Arc<sparkplug::Edges> {
        std::sync::Arc::clone(&self.reader.edges)
    }

    /// The readings of the last payload, and the reasons of its first refusals.
    #[must_use]
    pub fn outcome(&mut self) -> (Vec<(Series, Reading)>, Vec<String>) {
        let (series, decoded) = (&mut self.series, &self.decoded);
        let named = |&(of, reading): &(u32, Reading)| (series.get_mut(of).series.clone(), reading);
        let readings = decoded.readings.iter().map(named).collect();
        let reasons = decoded.refusals.first().iter().map(|r| r.reason.clone());
        (readings, reasons.collect())
    }

    /// Decodes a payload that came at `now_ms`.
    pub fn decode(&mut self, payload: &[u8], now_ms: i64) -> Counts {
        self.series.make_room();
        let (series, to) = (&mut self.series, &mut self.decoded);
        decode(&self.reader, payload, series, now_ms, to);
        Counts {
            accepted: self.decoded.readings.len() as u64,
            refused: self.decoded.refusals.readings(),
            ignored: self.decoded.ignored,
            missing: self.decoded.missing,
        }
    }
}

/// Decodes `payload`, which came at `now_ms`, into `to`. Afterwards `to` is not empty: a payload
/// without a reading, or anything else that is known, is refused.
pub(crate) fn decode(
    reader: &Reader,
    payload: &[u8],
    series: &mut SeriesTable,
    now_ms: i64,
    to: &mut Decoded,
) {
    to.clear();
    let outcome = match (&reader.mapping, reader.format) {
        (None, Format::Protobuf) => protobuf::decode(payload, series, now_ms, to),
        (None, _) => json::decode(payload, series, now_ms, to),
        (Some(mapping), _) => {
            let mut sink = Sink::new(mapping, series, now_ms, to);
            foreign(reader, payload, &mut sink)
        }
    };
    match outcome {
        Err(reason) => to.refuse_all(reason),
        Ok(()) if to.is_empty() => {
            let words = "the payload has no reading";
            to.refuse_all(Fault::new(LetterCode::Empty, words));
        }
        Ok(()) => {}
    }
}

fn foreign(reader: &Reader, payload: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
    let read = match reader.format {
        Format::Thingsboard => thingsboard::device(payload, sink),
        Format::ThingsboardGateway => thingsboard::gateway(payload, sink),
        Format::NeuronValues => neuron::values(payload, sink),
        Format::NeuronTags | Format::NeuronEcp => neuron::tags(payload, sink),
        Format::Influx => influx::decode(payload, sink),
        Format::Telegraf => telegraf::decode(payload, sink),
        Format::Sparkplug => return sparkplug::decode(payload, reader, sink),
        Format::Mapped | Format::Json | Format::Protobuf => mapped::decode(payload, sink),
    };
    read.map_err(Fault::from)
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_half_a_million_mistakes_leaves_no_memory_behind() {
        let mut decoder = Decoder::new(Format::Json);
        let payload = format!("[{}1]", "1,".repeat(500_000));
        let counts = decoder.decode(payload.as_bytes(), 0);
        assert_eq!((counts.accepted, counts.refused), (0, 500_001));
        assert!(decoder.decoded.refusals.first().len() < 10);
    }

    #[test]
    fn a_large_payload_leaves_no_memory_behind() {
        let mut decoder = Decoder::new(Format::Json);
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
