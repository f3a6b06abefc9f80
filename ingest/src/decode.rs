//! Decodes payloads into readings. Pure: no clock, no I/O, no log lines.
//!
//! A payload is accepted as a whole, in part, or not at all: valid readings are accepted, and each
//! invalid one becomes a refusal with its index and a reason for the engineer at the gateway. A
//! decoder fills a `Decoded`, which is reused, so that the usual payload costs no allocation.

pub(crate) mod dialects;
mod fault;
mod json_scanner;
mod native;
mod ordinals;
mod refusals;
mod series;
mod text;
mod time;

use std::sync::Arc;

use greenpark_model::{
    day::Instant,
    letter::LetterCode,
    reading::{Kind, Reading},
    stamp::Stamps,
    ticket::Ticket,
};

pub use self::native::cut_reading;
use self::{
    dialects::{Sink, mapping::Mapping, sparkplug::Edges},
    ordinals::Seen,
};
pub(crate) use self::{
    fault::Fault,
    refusals::Refusals,
    series::SeriesTable,
    time::{Arrival, Timing},
};
use crate::{
    limits::{DECODED_READINGS_KEPT, MESSAGE_DAYS_MAX},
    settings::{DecoderRule, Encoding, PayloadFormat},
    topic::Sender,
};

/// The decoder of one topic's payloads.
#[derive(Debug, Clone)]
pub(crate) struct TopicDecoder {
    /// The dialect.
    pub(crate) format: PayloadFormat,
    /// The meaning of the fields; `None` if payloads name their readings themselves.
    pub(crate) mapping: Option<Mapping>,
    /// The encoding of texts.
    pub(crate) encoding: Encoding,
    /// The format of time stamps, and which end of an interval they mark.
    pub(crate) stamps: Arc<Stamps>,
    /// The topic, which in Sparkplug determines the type of a message.
    pub(crate) topic: Box<str>,
    /// The known Sparkplug edge nodes.
    pub(crate) edges: Arc<Edges>,
}

impl TopicDecoder {
    /// Creates the decoder of a format whose payloads name their readings themselves.
    pub(crate) fn native(format: PayloadFormat) -> Self {
        Self::of(&DecoderRule::new("#", format), &Arc::default())
    }

    /// Creates the decoder for the topics of a checked rule.
    pub(crate) fn of(rule: &DecoderRule, edges: &Arc<Edges>) -> Self {
        Self {
            format: rule.format,
            mapping: (!rule.format.is_native()).then(|| Mapping::of(rule, |_, _| ())),
            encoding: rule.encoding,
            stamps: Arc::new(rule.stamps(|_, _| ()).unwrap_or_default()),
            topic: Box::default(),
            edges: Arc::clone(edges),
        }
    }

    /// Returns the decoder for one topic and one sender, which meters may be named after.
    pub(crate) fn at_topic(&self, topic: &str, sender: &Sender) -> Result<Self, String> {
        let mapping = self.mapping.as_ref().map(|m| m.at_topic(topic, sender));
        Ok(Self {
            mapping: mapping.transpose()?,
            topic: topic.into(),
            ..self.clone()
        })
    }
}

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
    fn accept(&mut self, of: u32, reading: Reading) {
        self.readings.push((of, reading));
    }

    /// Adds a reading with its ticket, if it has one.
    #[inline]
    fn accept_ticketed(&mut self, of: u32, reading: Reading, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            let row = u32::try_from(self.readings.len()).unwrap_or(u32::MAX);
            self.tickets.push((row, ticket));
        }
        self.accept(of, reading);
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

/// Decodes `payload` into `to`. Afterwards `to` is not empty: a payload without a reading, or any
/// other known content, is refused.
pub(crate) fn decode(
    decoder: &TopicDecoder,
    payload: &[u8],
    series: &mut SeriesTable,
    timing: &Timing<'_>,
    to: &mut Decoded,
) {
    to.clear();
    let outcome = match &decoder.mapping {
        None => native::decode(decoder, payload, series, timing, to),
        Some(mapping) => {
            let mut sink = Sink::new(mapping, series, timing, to);
            dialects::decode(decoder, payload, &mut sink)
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
    if decoder.stamps.shift_ms() != 0 {
        shift(to, series, decoder.stamps.shift_ms());
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
            reading.instant = Instant::from_millis(reading.instant.millis().saturating_sub(by_ms));
        }
    }
}

/// Returns the fault of a payload that is not valid text, and so not `what`.
fn not_text(what: &str, reason: &str) -> Fault {
    Fault::new(LetterCode::Undecodable, format!("not {what}: {reason}"))
}

#[cfg(test)]
mod golden;
