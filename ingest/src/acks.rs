//! Acknowledgements, which need a receipt.
//!
//! [`Acks`] are owed to a sender in the order of its publishes. The only way to get them out is
//! [`Acks::release`], which takes [`Evidence`], and evidence is made of the log's receipts alone.

use greenpark_log::Receipt;

use crate::wire::Reason;

/// What is owed for one publish of QoS 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) qos: u8,
    pub(crate) packet_id: u16,
    /// Why its publish is refused, which only version 5 can say: nothing of it is in the log.
    pub(crate) refused: Option<Reason>,
}

/// Acknowledgements owed, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Acks {
    owed: Vec<Ack>,
    /// Records that must be in the log first.
    records: usize,
}

/// Acknowledgements that may be sent.
#[derive(Debug)]
pub(crate) struct Released(Vec<Ack>);

/// Proof that some number of records is in the log.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    records: usize,
}

impl Evidence {
    /// Adds what a receipt proves.
    pub(crate) fn add(&mut self, receipt: &Receipt) {
        self.records += receipt.records();
    }

    /// Adds what another evidence proves.
    pub(crate) fn join(&mut self, other: Self) {
        self.records += other.records;
    }
}

impl Acks {
    /// Notes that an acknowledgement is owed.
    pub(crate) fn owe(&mut self, ack: Ack) {
        self.owed.push(ack);
    }

    /// Takes what is owed so far, to be released once `records` records are in the log.
    pub(crate) fn take(&mut self, records: usize) -> Self {
        let room = Vec::with_capacity(self.owed.len());
        Self {
            owed: std::mem::replace(&mut self.owed, room),
            records,
        }
    }

    /// Lets the acknowledgements go, if `evidence` covers every record they stand for.
    pub(crate) fn release(self, evidence: Evidence) -> Option<Released> {
        (evidence.records >= self.records).then_some(Released(self.owed))
    }
}

impl Released {
    /// In the order of the publishes.
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
