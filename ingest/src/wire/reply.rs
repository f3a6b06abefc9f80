//! What a server answers. PUBACK and PUBREC are not here: they are made in `acks`, with a receipt.

use greenpark_model::limits::PACKET_BYTES_MAX;

use super::{ConnectError, Version, connect::BRIDGE};

/// The parts of a CONNACK that accepts, which depend on the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connack<'a> {
    pub(crate) version: Version,
    /// The client id we chose, if the client left it to us.
    pub(crate) assigned: Option<&'a str>,
    /// The client asked for a session, and is told that there is none.
    pub(crate) no_session: bool,
}

/// Accepts. What version 5 may announce is announced: a window as large as it gets (clients that ignore
/// it are held back by TCP), no topic aliases, no wildcards or other kinds of subscription, the packet size. Retained
/// messages are not refused, because a gateway that sets the flag means no harm.
pub(crate) fn connack(accept: Connack<'_>, out: &mut Vec<u8>) {
    if accept.version == Version::V4 {
        out.extend_from_slice(&[0x20, 2, 0, 0]);
        return;
    }
    let mut properties = Vec::with_capacity(80);
    if accept.no_session {
        properties.extend_from_slice(&[0x11, 0, 0, 0, 0]);
    }
    properties.extend_from_slice(&[0x21, 0xff, 0xff]);
    // OK because the limit is 2^20.
    let size = u32::try_from(PACKET_BYTES_MAX).unwrap_or(u32::MAX);
    properties.push(0x27);
    properties.extend_from_slice(&size.to_be_bytes());
    if let Some(id) = accept.assigned {
        properties.push(0x12);
        put_text(id, &mut properties);
    }
    properties.extend_from_slice(&[0x22, 0, 0, 0x28, 0, 0x29, 0, 0x2a, 0]);
    // OK because the properties are below 128 bytes: an id that we choose has at most 48.
    let length = u8::try_from(properties.len()).unwrap_or(0x7f);
    out.extend_from_slice(&[0x20, length + 3, 0, 0, length]);
    out.extend_from_slice(&properties);
}

/// Refuses a CONNECT, in the version it spoke or the nearest one.
pub(crate) fn refuse(error: &ConnectError, out: &mut Vec<u8>) {
    let (version, v4, v5) = match error {
        ConnectError::NotMqtt | ConnectError::Malformed(_) => return,
        ConnectError::Level(level) if level & !BRIDGE > 5 => (Version::V5, 0x01, 0x84),
        ConnectError::Level(_) => (Version::V4, 0x01, 0x84),
        ConnectError::Authentication(version) => (*version, 0x05, 0x8c),
        ConnectError::ClientId(version) => (*version, 0x02, 0x85),
    };
    match version {
        Version::V4 => out.extend_from_slice(&[0x20, 2, 0, v4]),
        Version::V5 => out.extend_from_slice(&[0x20, 3, 0, v5, 0]),
    }
}

/// Refuses a CONNECT with a code of its version.
pub(crate) fn refuse_with(code: u8, version: Version, out: &mut Vec<u8>) {
    match version {
        Version::V4 => out.extend_from_slice(&[0x20, 2, 0, code]),
        Version::V5 => out.extend_from_slice(&[0x20, 3, 0, code, 0]),
    }
}

/// Answers PINGREQ.
pub(crate) fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xd0, 0]);
}

/// Answers PUBREL, whether or not its packet id was known.
pub(crate) fn pubcomp(packet_id: u16, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[0x70, 2, high, low]);
}

/// The code of SUBACK for a subscription that is taken, whose messages come with QoS 0.
pub(crate) const GRANTED: u8 = 0x00;

/// The code of SUBACK for a filter that is not taken.
pub(crate) fn not_granted(version: Version) -> u8 {
    if version == Version::V5 { 0x87 } else { 0x80 }
}

/// Answers SUBSCRIBE with a code for each filter.
pub(crate) fn suback(packet_id: u16, codes: &[u8], version: Version, out: &mut Vec<u8>) {
    put_codes((0x90, packet_id), version, codes, out);
}

/// Answers UNSUBSCRIBE; `codes` tell for each filter whether there was such a subscription, which MQTT
/// 3.1.1 does not ask.
pub(crate) fn unsuback(packet_id: u16, codes: &[u8], version: Version, out: &mut Vec<u8>) {
    let codes = if version == Version::V5 { codes } else { &[] };
    put_codes((0xb0, packet_id), version, codes, out);
}

/// How a message stands to what the receiver subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retained {
    /// It was there when the subscription came.
    Yes,
    /// It is news.
    No,
}

/// A PUBLISH of ours, QoS 0.
pub(crate) fn deliver(
    (topic, payload): (&str, &[u8]),
    retained: Retained,
    version: Version,
    out: &mut Vec<u8>,
) {
    let properties = usize::from(version == Version::V5);
    out.push(0x30 | u8::from(retained == Retained::Yes));
    put_length(2 + topic.len() + properties + payload.len(), out);
    put_text(topic, out);
    out.extend(std::iter::repeat_n(0, properties));
    out.extend_from_slice(payload);
}

/// Says why the connection is closed; MQTT 3.1.1 has no words for it.
pub(crate) fn disconnect(reason: u8, version: Version, out: &mut Vec<u8>) {
    if version == Version::V5 {
        // The empty properties might be left out, but rumqttc 0.25 does not read it without.
        out.extend_from_slice(&[0xe0, 2, reason, 0]);
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    // OK because the text is an id or a topic that we made.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_codes((first, packet_id): (u8, u16), version: Version, codes: &[u8], out: &mut Vec<u8>) {
    let properties = usize::from(version == Version::V5);
    out.push(first);
    put_length(2 + properties + codes.len(), out);
    out.extend_from_slice(&packet_id.to_be_bytes());
    out.extend(std::iter::repeat_n(0, properties));
    out.extend_from_slice(codes);
}

fn put_length(mut length: usize, out: &mut Vec<u8>) {
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
