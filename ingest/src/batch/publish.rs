//! A publish on its way into a batch.

use greenpark_model::numbers::Numbered;

use crate::decode::timing::Arrival;

/// A publish as it arrived.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    /// Zero if no acknowledgement is owed: QoS 0, and wills.
    pub(crate) packet_id: u16,
    /// The message's number, if the gateway numbers its messages.
    pub(crate) numbered: Option<Numbered>,
    /// The retain flag. From a broker: the broker had stored the message before we subscribed. From
    /// a client: a broker should store it.
    pub(crate) retain: bool,
    /// A broker may have kept the message while we were disconnected, so its time of arrival means
    /// nothing.
    pub(crate) queued: bool,
    /// The message is a deliberate replay, whatever its age: its user property `replay` is `1`.
    pub(crate) replay: bool,
}

impl Message<'_> {
    /// Returns whether the time of arrival is the time of reading.
    pub(super) fn arrival(&self) -> Arrival {
        match (self.retain, self.queued) {
            (true, _) => Arrival::Retained,
            (false, true) => Arrival::Queued,
            (false, false) => Arrival::Live,
        }
    }
}

/// The outcome of adding a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddOutcome {
    Added,
    /// The sender may not publish on this topic: nothing is stored, and no acknowledgement is owed.
    NotPermitted,
}
