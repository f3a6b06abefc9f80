//! When a payload came and how its stamps are read: what decides about instants beside the payload.

use greenpark_model::{letter::LetterCode, limits::INSTANT_MS_MIN, stamp::Stamps};

use super::fault::Fault;

/// Whether the moment of a payload's arrival is when it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It came as it was sent.
    #[default]
    Live,
    /// Its retain flag is set: a broker kept it, for a moment or for a year.
    Retained,
    /// A broker kept it while nobody received it.
    Queued,
}

/// How the stamps of one message are read, and which instants are accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing<'a> {
    /// When it came, in UTC milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) arrival: Arrival,
    /// The earliest instant that is taken, no earlier than [`INSTANT_MS_MIN`].
    floor_ms: i64,
    /// How stamps without an offset are read.
    pub(crate) stamps: &'a Stamps,
}

impl<'a> Timing<'a> {
    /// A payload that came live at `now_ms`, of a gateway that is never late.
    pub(crate) fn live(now_ms: i64, stamps: &'a Stamps) -> Self {
        Self {
            now_ms,
            arrival: Arrival::Live,
            floor_ms: INSTANT_MS_MIN,
            stamps,
        }
    }

    /// The same with another way of arrival, refusing what is before `floor_ms` as late.
    pub(crate) fn of(self, arrival: Arrival, floor_ms: i64) -> Self {
        Self {
            arrival,
            floor_ms: floor_ms.max(INSTANT_MS_MIN),
            ..self
        }
    }

    pub(super) fn floor_ms(&self) -> i64 {
        self.floor_ms
    }

    /// The moment of arrival as the instant of what has none of its own.
    pub(super) fn stamp(&self) -> Result<i64, Fault> {
        let words = match self.arrival {
            Arrival::Live => return Ok(self.now_ms),
            Arrival::Retained => {
                "the message has the retain flag and no instant of its own, so a broker may have kept it, and \
                 nobody knows when it was read: publish it without the flag, or write the instant into it"
            }
            Arrival::Queued => {
                "a broker may have kept the message while ingest was away, and it has no instant of its own, so \
                 nobody knows when it was read: write the instant into it"
            }
        };
        Err(Fault::new(LetterCode::RetainedWithoutInstant, words))
    }
}
