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
mod scan;
mod series;

use greenpark_model::reading::Reading;

pub(crate) use self::series::SeriesTable;
use crate::settings::Format;

/// What a payload brought.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Readings that were taken, with their series in the gateway's [`SeriesTable`].
    pub(crate) readings: Vec<(u32, Reading)>,
    /// What was not taken.
    pub(crate) refusals: Vec<Refusal>,
}

/// Readings of a payload that were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The first of them in the payload, from zero; `None` where the whole payload is refused.
    pub(crate) index: Option<u32>,
    /// How many.
    pub(crate) count: u32,
    /// Why, in words for the engineer at the gateway.
    pub(crate) reason: String,
}

impl Decoded {
    fn clear(&mut self) {
        self.readings.clear();
        self.refusals.clear();
    }

    /// Refuses `count` readings from `index` on.
    fn refuse(&mut self, index: usize, count: usize, reason: String) {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.refusals.push(Refusal {
            index: Some(index),
            count,
            reason,
        });
    }

    /// Forgets what was taken and refuses the payload as a whole.
    fn refuse_all(&mut self, reason: String) {
        self.clear();
        self.refusals.push(Refusal {
            index: None,
            count: 1,
            reason,
        });
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
        let refused = self
            .decoded
            .refusals
            .iter()
            .map(|r| u64::from(r.count))
            .sum();
        Counts {
            accepted: self.decoded.readings.len() as u64,
            refused,
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
