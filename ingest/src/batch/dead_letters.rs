//! Dead letters: payloads that could not be accepted, each with a reason.
//!
//! If a payload has few refused readings, each gets a dead letter with its index and the whole
//! payload. Many refusals share one dead letter, because each repeats the payload. A payload larger
//! than a dead letter is split over several, each of which names its byte range. So nothing of a
//! refused payload is lost, except of a packet too large to read.

use std::fmt::Write;

use bytes::Bytes;
use greenpark_log::{ContentType, Record};
use greenpark_model::{
    letter::LetterCode,
    limits::{DEAD_LETTER_BYTES_MAX, PACKET_BYTES_MAX},
    numbers::Numbered,
};
use greenpark_proto::telemetry::v1::DeadLetter;
use prost::Message as _;

use super::record;
use crate::{
    decode::{Fault, Refusals},
    limits::{OVERSIZE_BYTES_KEPT, REASON_BYTES_MAX, REFUSALS_APART_MAX},
    mqtt::Publish,
    topic::Origin,
};

/// Number of dead letters by code.
pub(crate) type DeadLetterCounts = Vec<(LetterCode, u64)>;

/// The dead letters of a batch.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    records: Vec<Record>,
    bytes: usize,
    counts: DeadLetterCounts,
}

/// The reason of a dead letter.
#[derive(Debug, Clone, Copy)]
struct DeadLetterReason<'a> {
    code: LetterCode,
    words: &'a str,
    index: Option<u32>,
    readings: u64,
}

impl DeadLetters {
    /// Returns the encoded size of the dead letters.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Writes the message's number into the headers of the dead letters from index `from` on.
    pub(super) fn number(&mut self, from: usize, numbered: Numbered) {
        for letter in &mut self.records[from..] {
            letter.headers.epoch = numbered.epoch();
            letter.headers.sequence = numbered.sequence();
        }
    }

    /// Removes and returns all records and their counts.
    pub(super) fn take(&mut self) -> (Vec<Record>, DeadLetterCounts) {
        let taken = std::mem::take(self);
        (taken.records, taken.counts)
    }

    /// Adds dead letters of `from` for the refused readings of `publish`.
    pub(super) fn refused(
        &mut self,
        from: &Origin,
        publish: &Publish<'_>,
        refusals: &Refusals,
        now_ms: i64,
    ) {
        if refusals.parts() > REFUSALS_APART_MAX {
            let cause = DeadLetterReason {
                code: refusals.code(),
                words: &shared(refusals),
                index: refusals.first().first().and_then(|r| r.index),
                readings: refusals.readings(),
            };
            return self.add(from, publish, cause, now_ms);
        }
        for refusal in refusals.first() {
            let words = match (refusal.index, refusal.count) {
                (Some(first), count @ 2..) => {
                    let last = first.saturating_add(count - 1);
                    &format!("readings {first} to {last}: {}", refusal.reason)
                }
                _ => &refusal.reason,
            };
            let cause = DeadLetterReason {
                code: refusal.code,
                words,
                index: refusal.index,
                readings: u64::from(refusal.count),
            };
            self.add(from, publish, cause, now_ms);
        }
    }

    /// Adds the dead letter of a payload that is refused as a whole.
    pub(super) fn whole(
        &mut self,
        from: &Origin,
        publish: &Publish<'_>,
        fault: &Fault,
        now_ms: i64,
    ) {
        let cause = DeadLetterReason {
            code: fault.code,
            words: &fault.words,
            index: None,
            readings: 1,
        };
        self.add(from, publish, cause, now_ms);
    }

    /// Adds the dead letter of a packet of `size` bytes; `publish` contains its start.
    pub(super) fn oversized(
        &mut self,
        from: &Origin,
        publish: &Publish<'_>,
        size: usize,
        now_ms: i64,
    ) {
        let kept = publish.payload.len().min(OVERSIZE_BYTES_KEPT);
        let words = format!(
            "the packet has {size} bytes and at most {PACKET_BYTES_MAX} are taken; send the readings in several packets"
        );
        let letter = DeadLetter {
            topic: publish.topic.to_owned(),
            reason: words,
            index: None,
            payload: Bytes::copy_from_slice(&publish.payload[..kept]),
            truncated: true,
            received_ms: now_ms,
            code: i32::from(LetterCode::TooLarge.code()),
            readings: 1,
        };
        self.push(from, LetterCode::TooLarge, &letter);
    }

    /// Adds the payload of `publish` as one dead letter, or as several if it is too large for one.
    fn add(
        &mut self,
        from: &Origin,
        publish: &Publish<'_>,
        cause: DeadLetterReason<'_>,
        now_ms: i64,
    ) {
        let size = publish.payload.len();
        let truncated = size > DEAD_LETTER_BYTES_MAX;
        // A reason may quote the payload, and a record must have room for the longest topic beside
        // it.
        let words = &cause.words[..cause.words.floor_char_boundary(REASON_BYTES_MAX)];
        let mut start = 0;
        loop {
            let end = size.min(start + DEAD_LETTER_BYTES_MAX);
            let reason = if truncated {
                format!("bytes {start} to {end} of the payload's {size}: {words}")
            } else {
                words.to_owned()
            };
            let letter = DeadLetter {
                topic: publish.topic.to_owned(),
                reason,
                index: cause.index,
                payload: Bytes::copy_from_slice(&publish.payload[start..end]),
                truncated,
                received_ms: now_ms,
                code: i32::from(cause.code.code()),
                readings: if start == 0 { cause.readings } else { 0 },
            };
            self.push(from, cause.code, &letter);
            if end == size {
                return;
            }
            start = end;
        }
    }

    fn push(&mut self, from: &Origin, code: LetterCode, letter: &DeadLetter) {
        let payload: Bytes = letter.encode_to_vec().into();
        self.bytes += payload.len();
        let known = self.counts.iter_mut().find(|(known, _)| *known == code);
        match known {
            Some((_, count)) => *count += 1,
            None => self.counts.push((code, 1)),
        }
        self.records
            .push(record(from, ContentType::DeadLetter, payload));
    }
}

/// Formats the reason of one dead letter for many refusals: it quotes the first ones and counts the
/// others.
fn shared(refusals: &Refusals) -> String {
    let mut reason = format!("{} parts of the payload were refused", refusals.parts());
    for refusal in refusals.first() {
        let index = refusal.index.unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(reason, "; reading {index}: {}", refusal.reason);
    }
    let more = refusals.parts() - refusals.first().len();
    let _ = write!(reason, "; and {more} more");
    reason
}
