//! A publish on its way into a gather.

use greenpark_model::numbers::Numbered;

use crate::decode::timing::Arrival;

/// A publish as it came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    /// Zero where nothing is owed: QoS 0, and wills.
    pub(crate) packet_id: u16,
    /// Its place in the gateway's own count, if it has one.
    pub(crate) numbered: Option<Numbered>,
    /// The retain flag: from a broker, that it had stored the message before we subscribed; from a client,
    /// that a broker should store it.
    pub(crate) retain: bool,
    /// A broker may have kept it while we were away, so that the moment of its arrival says nothing.
    pub(crate) queued: bool,
    /// It is sent again on purpose, whatever its age: the user property `replay` is `1`.
    pub(crate) replay: bool,
}

impl Message<'_> {
    /// Whether the moment of its arrival is when it was read.
    pub(super) fn arrival(&self) -> Arrival {
        match (self.retain, self.queued) {
            (true, _) => Arrival::Retained,
            (false, true) => Arrival::Queued,
            (false, false) => Arrival::Live,
        }
    }
}

/// Whether a publish was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// Its sender may not publish on its topic: nothing of it is kept, and nothing owed.
    Foreign,
}
