//! The replies of a server. PUBACK and PUBREC are written in `acks`, because they need a receipt.

use greenpark_model::limits::PACKET_BYTES_MAX;

use super::{
    Reason, Version,
    property::{
        self, ASSIGNED_CLIENT_ID, RECEIVE_MAXIMUM, SESSION_EXPIRY, SHARED_AVAILABLE,
        SUBSCRIPTION_ID, TOPIC_ALIAS_MAXIMUM,
    },
};
use crate::limits::TOPIC_ALIASES_MAX;

/// The first bytes of the packets that a server writes: type and flags.
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xb0;
const PINGRESP: u8 = 0xd0;
const DISCONNECT: u8 = 0xe0;

/// The variable parts of a CONNACK that accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connack<'a> {
    pub(crate) version: Version,
    /// The client id that the server chose, if the client left it empty.
    pub(crate) assigned: Option<&'a str>,
    /// The client requested a session; CONNACK reports that it ends with the connection.
    pub(crate) no_session: bool,
    /// The largest packet that the client accepts.
    pub(crate) packet_bytes_max: usize,
}

/// Writes a CONNACK that accepts; returns false if it is larger than the client accepts. Version 5
/// announces the largest receive window (TCP holds back clients that ignore it), the packet size,
/// topic aliases, and that shared subscriptions are not available. A client that accepts only small
/// packets gets the properties that the standard requires.
pub(crate) fn connack(accept: Connack<'_>, out: &mut Vec<u8>) -> bool {
    if !accept.version.is_v5() {
        out.extend_from_slice(&[CONNACK, 2, 0, 0]);
        return true;
    }
    let mut needed = Vec::with_capacity(80);
    if accept.no_session {
        needed.extend_from_slice(&[SESSION_EXPIRY, 0, 0, 0, 0]);
    }
    if let Some(id) = accept.assigned {
        needed.push(ASSIGNED_CLIENT_ID);
        write_text(id, &mut needed);
    }
    let mut all = needed.clone();
    all.extend_from_slice(&[RECEIVE_MAXIMUM, 0xff, 0xff]);
    // OK because the limit is 2^20.
    let size = u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX);
    all.push(property::PACKET_BYTES_MAX);
    all.extend_from_slice(&size.to_be_bytes());
    let [high, low] = TOPIC_ALIASES_MAX.to_be_bytes();
    all.extend_from_slice(&[TOPIC_ALIAS_MAXIMUM, high, low, SHARED_AVAILABLE, 0]);
    let fits = |properties: &Vec<u8>| properties.len() + 5 <= accept.packet_bytes_max;
    let Some(properties) = [all, needed].into_iter().find(fits) else {
        return false;
    };
    // OK because the properties are below 120 bytes: a client id chosen by the server has at most
    // 48.
    let length = u8::try_from(properties.len()).unwrap_or(0x7f);
    out.extend_from_slice(&[CONNACK, length + 3, 0, 0, length]);
    out.extend_from_slice(&properties);
    true
}

/// Writes a CONNACK that refuses; nothing if MQTT 3.1 and 3.1.1 have no return code for the reason.
pub(crate) fn refuse(reason: Reason, version: Version, out: &mut Vec<u8>) {
    if version.is_v5() {
        out.extend_from_slice(&[CONNACK, 3, 0, reason.code(), 0]);
    } else if let Some(code) = reason.return_code() {
        out.extend_from_slice(&[CONNACK, 2, 0, code]);
    }
}

/// Answers PINGREQ.
pub(crate) fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[PINGRESP, 0]);
}

/// Answers PUBREL. An unknown id is answered too, because a client may have lost the answer; MQTT 5
/// has a reason code for it.
pub(crate) fn pubcomp(packet_id: u16, known: bool, version: Version, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    if known || !version.is_v5() {
        out.extend_from_slice(&[PUBCOMP, 2, high, low]);
    } else {
        let code = Reason::PacketIdNotFound.code();
        out.extend_from_slice(&[PUBCOMP, 3, high, low, code]);
    }
}

/// Answers PUBREC, which always refers to a message that we never sent.
pub(crate) fn pubrel_unknown(packet_id: u16, version: Version, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    if version.is_v5() {
        let code = Reason::PacketIdNotFound.code();
        out.extend_from_slice(&[PUBREL, 3, high, low, code]);
    } else {
        out.extend_from_slice(&[PUBREL, 2, high, low]);
    }
}

/// Returns the SUBACK code of a granted subscription, whose messages have QoS 0.
pub(crate) fn granted() -> u8 {
    Reason::Success.code()
}

/// Returns the SUBACK code of a refused filter. MQTT 3.1 has none: its server acknowledges
/// nevertheless (section 3.8 there), and sends nothing.
pub(crate) fn not_granted(version: Version) -> u8 {
    match version {
        Version::V3 => granted(),
        Version::V4 => Reason::Unspecified.code(),
        Version::V5 => Reason::NotAuthorized.code(),
    }
}

/// Answers SUBSCRIBE with a code for each filter.
pub(crate) fn suback(packet_id: u16, codes: &[u8], version: Version, out: &mut Vec<u8>) {
    write_codes(SUBACK, packet_id, version, codes, out);
}

/// Answers UNSUBSCRIBE; `codes` report for each filter whether there was such a subscription, which
/// only MQTT 5 includes.
pub(crate) fn unsuback(packet_id: u16, codes: &[u8], version: Version, out: &mut Vec<u8>) {
    let codes = if version.is_v5() { codes } else { &[] };
    write_codes(UNSUBACK, packet_id, version, codes, out);
}

/// How a message is delivered to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) version: Version,
    pub(crate) retain: bool,
    /// The subscription identifier, in MQTT 5.
    pub(crate) identifier: Option<u32>,
}

/// Writes a PUBLISH of QoS 0 to a client.
pub(crate) fn deliver(topic: &str, payload: &[u8], delivery: Delivery, out: &mut Vec<u8>) {
    let mut properties = Vec::new();
    if delivery.version.is_v5() {
        let mut inner = Vec::new();
        if let Some(identifier) = delivery.identifier {
            inner.push(SUBSCRIPTION_ID);
            write_length(identifier as usize, &mut inner);
        }
        write_length(inner.len(), &mut properties);
        properties.extend_from_slice(&inner);
    }
    out.push(PUBLISH | u8::from(delivery.retain));
    write_length(2 + topic.len() + properties.len() + payload.len(), out);
    write_text(topic, out);
    out.extend_from_slice(&properties);
    out.extend_from_slice(payload);
}

/// Writes a DISCONNECT with the reason; MQTT 3.1 and 3.1.1 have none.
pub(crate) fn farewell(reason: Reason, version: Version, out: &mut Vec<u8>) {
    if version.is_v5() {
        // The empty properties are optional, but rumqttc 0.25 does not parse the packet without
        // them.
        out.extend_from_slice(&[DISCONNECT, 2, reason.code(), 0]);
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // OK because the text is an id or a topic that the server made.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write_codes(first: u8, packet_id: u16, version: Version, codes: &[u8], out: &mut Vec<u8>) {
    let properties = usize::from(version.is_v5());
    out.push(first);
    write_length(2 + properties + codes.len(), out);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend(std::iter::repeat_n(0, properties));
    out.extend_from_slice(codes);
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        // OK because of the mask.
        let low = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}
