//! The native formats, whose payloads name their readings themselves: JSON and protobuf.

mod columnar;
mod cut;
mod fields;
mod json;
mod protobuf;
mod values;

pub use self::cut::cut_reading;
use super::{Decoded, Fault, SeriesTable, Timing, TopicDecoder, not_text, text};
use crate::settings::PayloadFormat;

/// Decodes `payload` into `to`; an error refuses the payload as a whole.
pub(super) fn decode(
    decoder: &TopicDecoder,
    payload: &[u8],
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) -> Result<(), Fault> {
    if decoder.format == PayloadFormat::Protobuf {
        return protobuf::decode(payload, series, timing, to);
    }
    match text::read(payload, decoder.encoding) {
        Ok(text) => json::decode(&text, series, timing, to),
        Err(reason) => Err(not_text("JSON", &reason)),
    }
}
