//! Acknowledgements, which travel through the log.
//!
//! [`Acks`] are owed to a sender in the order of its publishes. They go into the log with the records of
//! those publishes, as what a [`greenpark_log::Append`] owes, and come back in its receipt alone: only
//! [`Released::by`] lets them be sent, and it consumes that receipt. What cannot compile is shown in
//! [`greenpark_log::append`].

use greenpark_log::Receipt;

use crate::mqtt::Reason;

/// The acknowledgement owed for one publish of QoS 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) qos: u8,
    pub(crate) packet_id: u16,
    /// Why the publish is refused, which only version 5 can express: nothing of it is in the log.
    pub(crate) refused: Option<Reason>,
}

/// Acknowledgements owed, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Acks(Vec<Ack>);

/// Acknowledgements that may be sent: the log has the records of their publishes.
#[derive(Debug)]
pub(crate) struct Released(Vec<Ack>);

impl Acks {
    /// Adds an acknowledgement that is owed.
    pub(crate) fn owe(&mut self, ack: Ack) {
        self.0.push(ack);
    }

    /// Removes the acknowledgements owed so far, for the append of their publishes.
    pub(crate) fn take(&mut self) -> Self {
        let room = Vec::with_capacity(self.0.len());
        Self(std::mem::replace(&mut self.0, room))
    }
}

impl Released {
    /// Releases what `receipt` proves to be due.
    pub(crate) fn by(receipt: Receipt<Acks>) -> Self {
        Self(receipt.into_owed().0)
    }

    /// Iterates in the order of the publishes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ack> + '_ {
        self.0.iter().copied()
    }

    /// Appends the packets: PUBACK for QoS 1, PUBREC for QoS 2. MQTT 3.1.1 and 5 have the same four
    /// bytes for success; only version 5 has a refusal, in its place among the others.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(4 * self.0.len());
        for ack in &self.0 {
            let kind = if ack.qos == 2 { 0x50 } else { 0x40 };
            let [high, low] = ack.packet_id.to_be_bytes();
            match ack.refused {
                None => out.extend_from_slice(&[kind, 2, high, low]),
                Some(reason) => out.extend_from_slice(&[kind, 3, high, low, reason.code()]),
            }
        }
    }
}
