//! Compressed payloads, as Eclipse Tahu's clients can send them: the message is encoded, deflated
//! or gzipped, and stored in the body of an outer message.
//!
//! The specification does not mention this, but the inner message is the one that the node means,
//! its sequence number included. It inflates to no more than a packet may have.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};
use prost::{
    Message as _,
    encoding::{DecodeContext, decode_key, skip_field},
};

use super::payload::{Payload, Value};
use crate::{
    decode::series::clip,
    limits::{INFLATED_BYTES_MAX, METRICS_MAX},
};

/// The `uuid` of an outer message.
const COMPRESSED: &str = "SPBV1.0_COMPRESSED";
/// The field number of a message's metrics.
const METRICS_TAG: u32 = 2;

/// Decodes a message, and the inner one if it is compressed.
pub(super) fn read(bytes: &[u8]) -> Result<Payload, String> {
    let payload = parse(bytes)?;
    if !is_packed(&payload) {
        return Ok(payload);
    }
    let body = payload.body.as_deref().unwrap_or_default();
    let inner = match algorithm(&payload) {
        "DEFLATE" => inflate(ZlibDecoder::new(body)),
        "GZIP" => inflate(GzDecoder::new(body)),
        other => return Err(format!("compressed by '{}'", clip(other))),
    };
    let inner = parse(&inner?)?;
    if is_packed(&inner) {
        return Err("compressed twice".to_owned());
    }
    Ok(inner)
}

fn parse(bytes: &[u8]) -> Result<Payload, String> {
    if has_too_many_metrics(bytes) {
        return Err(format!(
            "more than {METRICS_MAX} metrics in one message; send them in several"
        ));
    }
    Payload::decode(bytes).map_err(|e| format!("not Sparkplug B: {e}"))
}

/// Returns true if a message has more than [`METRICS_MAX`] metrics, without allocating them. The
/// decoder reports invalid bytes.
fn has_too_many_metrics(mut bytes: &[u8]) -> bool {
    // A metric has at least two bytes.
    if bytes.len() <= 2 * METRICS_MAX {
        return false;
    }
    let mut metrics = 0;
    while let Ok((tag, wire_type)) = decode_key(&mut bytes) {
        metrics += usize::from(tag == METRICS_TAG);
        if metrics > METRICS_MAX {
            return true;
        }
        if skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}

fn is_packed(payload: &Payload) -> bool {
    payload.uuid.as_deref() == Some(COMPRESSED)
}

/// Returns the value of the algorithm metric; if it is absent, the algorithm is DEFLATE.
fn algorithm(payload: &Payload) -> &str {
    let algorithm = payload
        .metrics
        .iter()
        .find_map(|metric| match &metric.value {
            Some(Value::Text(text)) if metric.name.as_deref() == Some("algorithm") => Some(text),
            _ => None,
        });
    algorithm.map_or("DEFLATE", String::as_str)
}

fn inflate(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = from.take(INFLATED_BYTES_MAX + 1).read_to_end(&mut bytes);
    let size = read.map_err(|e| format!("its compressed body cannot be read: {e}"))?;
    if u64::try_from(size).is_ok_and(|size| size <= INFLATED_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(format!(
            "its compressed body has more than {INFLATED_BYTES_MAX} bytes"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_too_many_metrics_is_refused_before_any_is_allocated() {
        // Each metric is two bytes: it is empty.
        let metrics = |many: usize| [0x12, 0].repeat(many);
        let parsed = parse(&metrics(METRICS_MAX)).expect("as many as there may be");
        assert_eq!(parsed.metrics.len(), METRICS_MAX);
        let refused = parse(&metrics(METRICS_MAX + 1)).expect_err("one more");
        assert!(refused.contains("more than 16384 metrics"), "{refused}");
        // The decoder reports bytes that are not a message.
        let torn = [metrics(METRICS_MAX - 1), vec![0x12, 0xff, 0xff]].concat();
        assert!(parse(&torn).expect_err("torn").contains("not Sparkplug B"));
    }
}
