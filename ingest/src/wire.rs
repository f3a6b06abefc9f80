//! MQTT 3.1.1 and 5 on the wire, as a server meets it.
//!
//! The layout is written out here and not taken from rumqttc's public codec, for three reasons read in
//! that codec (0.25.1): it makes two reference-counted slices and a copied frame of every PUBLISH, which
//! is most of what a reading may cost; it refuses the version 5 DISCONNECT of zero bytes that clients do
//! send, and passwords that are not UTF-8; and it cannot say the topic of a packet too large to keep. The
//! tests hold this module to that codec, packet by packet.
//!
//! Everything borrows from the receive buffer, and nothing here can fail but with [`Malformed`].

mod connect;
mod control;
mod cursor;
mod publish;
mod reply;

#[cfg(test)]
pub(crate) use self::connect::Password;
pub(crate) use self::{
    connect::{Connect, ConnectError, Will, connect},
    control::{disconnect_reason, pubrel, subscribe, unsubscribe},
    cursor::Malformed,
    publish::{Count, Publish, publish, publish_start},
    reply::{
        Connack, GRANTED, Retained, connack, deliver, disconnect, not_granted, pingresp, pubcomp,
        refuse, refuse_with, suback, unsuback,
    },
};

/// The version a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// The packets that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Publish,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Pingreq,
    Disconnect,
    /// PUBACK, PUBREC or PUBCOMP: answers to publishes that we never send.
    Answer,
    /// One that only a server sends, AUTH, or none at all.
    Foreign,
}

/// A whole packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The first byte: type and flags.
    pub(crate) first: u8,
    /// All after the fixed header.
    pub(crate) body: &'a [u8],
    /// Bytes of the whole packet.
    pub(crate) size: usize,
}

/// What stands at the front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split<'a> {
    /// A packet.
    Whole(Frame<'a>),
    /// The start of one, or nothing.
    Partial,
    /// The start of a packet that is larger than allowed: first byte, what is here after the fixed
    /// header, and the size of the whole.
    TooLarge(Frame<'a>),
}

impl Frame<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self.first >> 4 {
            1 => Kind::Connect,
            3 => Kind::Publish,
            4 | 5 | 7 => Kind::Answer,
            6 => Kind::Pubrel,
            8 => Kind::Subscribe,
            10 => Kind::Unsubscribe,
            12 => Kind::Pingreq,
            14 => Kind::Disconnect,
            _ => Kind::Foreign,
        }
    }
}

/// Splits the first packet off `buffer`.
pub(crate) fn split(buffer: &[u8], size_max: usize) -> Result<Split<'_>, Malformed> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(Split::Partial);
    };
    let mut length = 0usize;
    for (place, &byte) in rest.iter().take(4).enumerate() {
        // OK because four times seven bits are less than 2^28.
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let header = 2 + place;
            let size = header + length;
            let body = &buffer[header..buffer.len().min(size)];
            let frame = Frame { first, body, size };
            return Ok(match (size > size_max, body.len() == length) {
                (true, _) => Split::TooLarge(frame),
                (false, true) => Split::Whole(frame),
                (false, false) => Split::Partial,
            });
        }
    }
    if rest.len() < 4 {
        Ok(Split::Partial)
    } else {
        Err(Malformed("a remaining length of five bytes"))
    }
}

#[cfg(test)]
mod tests;
