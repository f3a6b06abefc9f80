//! The circumstances of a payload's arrival that affect its instants: when and how it arrived, and
//! the format of its time stamps.

use greenpark_model::{letter::LetterCode, limits::INSTANT_MS_MIN, stamp::Stamps};

use crate::decode::fault::Fault;

/// Whether the time of arrival is the time of reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was delivered as it was sent.
    #[default]
    Live,
    /// Its retain flag is set: a broker kept it, for a moment or for a year.
    Retained,
    /// A broker kept it while no subscriber was connected.
    Queued,
}

/// The format of a message's time stamps, and the range of accepted instants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing<'a> {
    /// The time of arrival, in UTC milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) arrival: Arrival,
    /// The earliest accepted instant, no earlier than [`INSTANT_MS_MIN`].
    floor_ms: i64,
    /// The format of time stamps without an offset.
    pub(crate) stamps: &'a Stamps,
}

impl<'a> Timing<'a> {
    /// A payload that arrived live at `now_ms`, and is never late.
    pub(crate) fn live(now_ms: i64, stamps: &'a Stamps) -> Self {
        Self {
            now_ms,
            arrival: Arrival::Live,
            floor_ms: INSTANT_MS_MIN,
            stamps,
        }
    }

    /// Sets the kind of arrival, and refuses instants before `floor_ms` as late.
    pub(crate) fn of(self, arrival: Arrival, floor_ms: i64) -> Self {
        Self {
            arrival,
            floor_ms: floor_ms.max(INSTANT_MS_MIN),
            ..self
        }
    }

    pub(in crate::decode) fn floor_ms(&self) -> i64 {
        self.floor_ms
    }

    /// Returns the time of arrival, as the instant of a payload without one.
    pub(in crate::decode) fn stamp(&self) -> Result<i64, Fault> {
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
