//! Payloads to readings, purely: no clock, no I/O, no log lines.
//!
//! A payload is taken whole, in part, or not at all: readings that can be taken are, each that cannot is
//! a refusal with its index and a reason for the engineer at the gateway. A decoder fills a `Decoded`,
//! which is reused, so that the usual payload costs no allocation.

mod columnar;
mod fields;
mod instant;
mod json;
mod protobuf;
mod refusals;
mod scan;
mod series;

use greenpark_model::reading::Reading;

pub(crate) use self::{refusals::Refusals, series::SeriesTable};
use crate::{limits::DECODED_READINGS_KEPT, settings::Format};

/// What a payload brought.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Readings that were taken, with their series in the gateway's [`SeriesTable`].
    pub(crate) readings: Vec<(u32, Reading)>,
    /// What was not taken.
    pub(crate) refusals: Refusals,
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
    }

    /// Refuses `count` readings from `index` on.
    fn refuse(&mut self, index: usize, count: usize, reason: impl Into<String>) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.refusals.add(Some(index), count, reason);
    }

    /// Forgets what was taken and refuses the payload as a whole.
    fn refuse_all(&mut self, reason: String) {
        self.clear();
        self.refusals.add(None, 1, reason);
    }
}

/// Decodes the payloads of one gateway and tells how many readings each brought: what a tool needs that
/// checks payloads, or measures how fast they are read.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
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
}

impl Decoder {
    /// A decoder that has seen no series yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            series: SeriesTable::default(),
            decoded: Decoded::default(),
        }
    }

    /// Decodes a payload that came at `now_ms`.
    pub fn decode(&mut self, payload: &[u8], now_ms: i64) -> Counts {
        decode(
            self.format,
            payload,
            &mut self.series,
            now_ms,
            &mut self.decoded,
        );
        Counts {
            accepted: self.decoded.readings.len() as u64,
            refused: self.decoded.refusals.readings(),
        }
    }
}

/// Decodes `payload`, which came at `now_ms`, into `to`. Afterwards `to` is not empty: a payload
/// without a reading is refused.
pub(crate) fn decode(
    format: Format,
    payload: &[u8],
    series: &mut SeriesTable,
    now_ms: i64,
    to: &mut Decoded,
) {
    to.clear();
    let outcome = match format {
        Format::Json => json::decode(payload, series, now_ms, to),
        Format::Protobuf => protobuf::decode(payload, series, now_ms, to),
    };
    match outcome {
        Err(reason) => to.refuse_all(reason),
        Ok(()) if to.readings.is_empty() && to.refusals.is_empty() => {
            to.refuse_all("the payload has no reading".to_owned());
        }
        Ok(()) => {}
    }
}

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
