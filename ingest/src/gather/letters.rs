//! Dead letters: what could not be accepted, with its bytes and a reason.
//!
//! A few refused readings of a payload get a letter each, with their index and the whole payload; many
//! share one, because each letter repeats the payload. A payload that is larger than a letter goes into
//! several, one after the other, each of which says where its bytes stand: nothing of a refused payload
//! is lost, but of a packet that was too large to be read.

use std::fmt::Write;

use bytes::Bytes;
use greenpark_model::limits::{DEAD_LETTER_BYTES_MAX, PACKET_BYTES_MAX};
use greenpark_proto::telemetry::v1::DeadLetter;
use prost::Message as _;

use super::Message;
use crate::{
    decode::Refusals,
    limits::{OVERSIZE_BYTES_KEPT, REASON_BYTES_MAX, REFUSALS_APART_MAX},
};

/// Writes letters for the refused readings of `message` to `out`.
pub(super) fn write(
    message: &Message<'_>,
    refusals: &Refusals,
    now_ms: i64,
    mut out: impl FnMut(Bytes),
) {
    if refusals.parts() > REFUSALS_APART_MAX {
        let index = refusals.first().first().and_then(|r| r.index);
        return letter(message, (index, &shared(refusals)), now_ms, out);
    }
    for refusal in refusals.first() {
        let reason = match (refusal.index, refusal.count) {
            (Some(first), count @ 2..) => {
                let last = first.saturating_add(count - 1);
                &format!("readings {first} to {last}: {}", refusal.reason)
            }
            _ => &refusal.reason,
        };
        letter(message, (refusal.index, reason), now_ms, &mut out);
    }
}

/// Writes the letter of a payload that is refused as a whole to `out`.
pub(super) fn whole(message: &Message<'_>, reason: &str, now_ms: i64, out: impl FnMut(Bytes)) {
    letter(message, (None, reason), now_ms, out);
}

/// A letter for a packet of `size` bytes, of which `message` holds the start.
pub(super) fn oversized(message: &Message<'_>, size: usize, now_ms: i64) -> Bytes {
    let kept = message.payload.len().min(OVERSIZE_BYTES_KEPT);
    encode(DeadLetter {
        topic: message.topic.to_owned(),
        reason: format!(
            "the packet has {size} bytes and at most {PACKET_BYTES_MAX} are taken; send the readings in several packets"
        ),
        index: None,
        payload: Bytes::copy_from_slice(&message.payload[..kept]),
        truncated: true,
        received_ms: now_ms,
    })
}

/// Writes a letter with the payload of `message`, or as many as it takes to hold it.
fn letter(
    message: &Message<'_>,
    (index, reason): (Option<u32>, &str),
    now_ms: i64,
    mut out: impl FnMut(Bytes),
) {
    let size = message.payload.len();
    let truncated = size > DEAD_LETTER_BYTES_MAX;
    // A reason may repeat what was sent, and a letter must have room for the longest topic beside it.
    let reason = &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)];
    let mut from = 0;
    loop {
        let to = size.min(from + DEAD_LETTER_BYTES_MAX);
        let reason = if truncated {
            format!("bytes {from} to {to} of the payload's {size}: {reason}")
        } else {
            reason.to_owned()
        };
        out(encode(DeadLetter {
            topic: message.topic.to_owned(),
            reason,
            index,
            payload: Bytes::copy_from_slice(&message.payload[from..to]),
            truncated,
            received_ms: now_ms,
        }));
        if to == size {
            return;
        }
        from = to;
    }
}

/// The reason of one letter for many refusals: the first are told, the others counted.
fn shared(refusals: &Refusals) -> String {
    let mut reason = format!("{} parts of the payload were refused", refusals.parts());
    for refusal in refusals.first() {
        let index = refusal.index.unwrap_or_default();
        // Writing to a String does not fail.
        let _ = write!(reason, "; reading {index}: {}", refusal.reason);
    }
    let more = refusals.parts() - refusals.first().len();
    let _ = write!(reason, "; and {more} more");
    reason
}

fn encode(letter: DeadLetter) -> Bytes {
    letter.encode_to_vec().into()
}
