//! Dead letters: what could not be accepted, with its bytes and a reason.
//!
//! A few refused readings of a payload get a letter each, with their index and the whole payload; many
//! share one, because each letter repeats the payload.

use std::fmt::Write;

use bytes::Bytes;
use greenpark_model::limits::{DEAD_LETTER_BYTES_MAX, PACKET_BYTES_MAX};
use greenpark_proto::telemetry::v1::DeadLetter;
use prost::Message as _;

use super::Message;
use crate::{
    decode::Refusal,
    limits::{OVERSIZE_BYTES_KEPT, REFUSALS_APART_MAX},
};

/// Letters for the refused readings of `message`.
pub(super) fn write<'a>(
    message: &'a Message<'a>,
    refusals: &'a [Refusal],
    now_ms: i64,
) -> impl Iterator<Item = Bytes> + 'a {
    let apart = if refusals.len() > REFUSALS_APART_MAX {
        0
    } else {
        refusals.len()
    };
    let shared = (refusals.len() > apart).then(|| share(message, refusals, now_ms));
    let each = refusals[..apart].iter().map(move |refusal| {
        let reason = match (refusal.index, refusal.count) {
            (Some(first), count @ 2..) => {
                format!(
                    "readings {first} to {}: {}",
                    first.saturating_add(count - 1),
                    refusal.reason
                )
            }
            _ => refusal.reason.clone(),
        };
        letter(message, refusal.index, reason, now_ms)
    });
    each.chain(shared)
}

/// A letter for a payload that is refused as a whole.
pub(super) fn whole(message: &Message<'_>, reason: String, now_ms: i64) -> Bytes {
    letter(message, None, reason, now_ms)
}

/// A letter for a packet of `size` bytes, of which `message` holds the start.
pub(super) fn oversized(message: &Message<'_>, size: usize, now_ms: i64) -> Bytes {
    let kept = message.payload.len().min(OVERSIZE_BYTES_KEPT);
    let reason = format!(
        "the packet has {size} bytes and at most {PACKET_BYTES_MAX} are taken; send the readings in several packets"
    );
    encode(
        message.topic,
        reason,
        None,
        (&message.payload[..kept], true),
        now_ms,
    )
}

fn letter(message: &Message<'_>, index: Option<u32>, reason: String, now_ms: i64) -> Bytes {
    let kept = message.payload.len().min(DEAD_LETTER_BYTES_MAX);
    let truncated = kept < message.payload.len();
    encode(
        message.topic,
        reason,
        index,
        (&message.payload[..kept], truncated),
        now_ms,
    )
}

/// One letter for many refusals: the first reasons are told, the others counted.
fn share(message: &Message<'_>, refusals: &[Refusal], now_ms: i64) -> Bytes {
    let mut reason = format!("{} parts of the payload were refused", refusals.len());
    for refusal in &refusals[..REFUSALS_APART_MAX.min(refusals.len())] {
        let index = refusal.index.unwrap_or_default();
        // Writing to a String does not fail.
        let _ = write!(reason, "; reading {index}: {}", refusal.reason);
    }
    let _ = write!(
        reason,
        "; and {} more",
        refusals.len().saturating_sub(REFUSALS_APART_MAX)
    );
    letter(
        message,
        refusals.first().and_then(|r| r.index),
        reason,
        now_ms,
    )
}

fn encode(
    topic: &str,
    reason: String,
    index: Option<u32>,
    (payload, truncated): (&[u8], bool),
    now_ms: i64,
) -> Bytes {
    let letter = DeadLetter {
        topic: topic.to_owned(),
        reason,
        index,
        payload: Bytes::copy_from_slice(payload),
        truncated,
        received_ms: now_ms,
    };
    letter.encode_to_vec().into()
}
