//! A decoder outside the pipeline, for tools that check payloads.

use greenpark_model::reading::{Reading, Series};

use super::Routes;
#[cfg(test)]
use crate::decode::dialects::sparkplug::Edges;
use crate::{
    decode::{self, Decoded, SeriesTable, Timing, TopicDecoder},
    settings::{DecodeSettings, DecoderRule, PayloadFormat},
    topic::Sender,
};

/// Decodes the payloads of one gateway and counts their readings: for tools that check payloads or
/// measure decoding speed.
#[derive(Debug)]
pub struct Decoder {
    decoder: TopicDecoder,
    series: SeriesTable,
    pub(crate) decoded: Decoded,
}

/// The counts of a decoded payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeCounts {
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
            decoder: TopicDecoder::native(format),
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
            decoder: route.decoder?.as_ref().clone(),
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        })
    }

    /// Switches to another topic, and keeps the series table.
    ///
    /// # Errors
    /// As [`Decoder::of_rule`].
    pub fn turn_to(&mut self, topic: &str) -> Result<(), String> {
        self.decoder = self.decoder.at_topic(topic, &Self::sender())?;
        Ok(())
    }

    fn sender() -> Sender {
        Sender::new(Some("user"), Some("client"))
    }

    /// Returns the known Sparkplug edge nodes.
    #[cfg(test)]
    pub(crate) fn edges(&self) -> std::sync::Arc<Edges> {
        std::sync::Arc::clone(&self.decoder.edges)
    }

    /// Returns the tickets of the last payload's events, by row.
    #[cfg(test)]
    pub(crate) fn tickets(&self) -> Vec<(u32, String)> {
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
    pub fn decode(&mut self, payload: &[u8], now_ms: i64) -> DecodeCounts {
        self.series.make_room();
        let (series, to) = (&mut self.series, &mut self.decoded);
        let timing = Timing::live(now_ms, &self.decoder.stamps);
        decode::decode(&self.decoder, payload, series, &timing, to);
        DecodeCounts {
            accepted: self.decoded.readings.len() as u64,
            refused: self.decoded.refusals.readings(),
            ignored: self.decoded.ignored,
            missing: self.decoded.missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DECODED_READINGS_KEPT;

    #[test]
    fn a_payload_with_half_a_million_mistakes_leaves_no_memory_behind() {
        let mut decoder = Decoder::new(PayloadFormat::Json);
        let payload = format!("[{}1]", "1,".repeat(500_000));
        let counts = decoder.decode(payload.as_bytes(), 0);
        assert_eq!((counts.accepted, counts.refused), (0, 500_001));
        assert!(decoder.decoded.refusals.first().len() < 10);
    }

    #[test]
    fn a_message_that_spans_too_many_days_is_refused() {
        for (days, accepted) in [(1_000, 1_000), (1_001, 0), (9_905, 0)] {
            let mut decoder = Decoder::new(PayloadFormat::Json);
            let values = vec!["1"; days].join(",");
            let payload = format!(
                r#"{{"series":[{{"meter":"m1","quantity":"steam","from":1000000000000,"step":86400000,"value":[{values}]}}]}}"#
            );
            let counts = decoder.decode(payload.as_bytes(), 1_900_000_000_000);
            assert_eq!(counts.accepted, accepted, "{days}");
            let (_, reasons) = decoder.outcome();
            let reason = reasons.first().map_or("", String::as_str);
            assert_eq!(reason.contains("1000 days"), accepted == 0, "{reason}");
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
