//! MQTT 3.1, 3.1.1 and 5 on the wire, from a server's side.
//!
//! This module does not use rumqttc's public codec, for three reasons found in that codec (0.25.1):
//! it makes two reference-counted slices and a copied frame of every PUBLISH, which is most of what
//! a reading may cost; it refuses the version 5 DISCONNECT of zero bytes that clients do send, and
//! passwords that are not UTF-8; and it cannot return the topic of an oversized packet. The tests
//! compare this module to that codec, packet by packet.
//!
//! Everything borrows from the receive buffer. A packet is parsed to its last byte, and the only
//! error is a [`Violation`] with the reason code of the standard; the caller then closes the
//! connection.

mod connect;
mod control;
mod cursor;
mod property;
mod publish;
mod reason;
mod reply;
mod text;

#[cfg(test)]
pub(crate) use self::connect::Password;
pub(crate) use self::{
    connect::{Connect, ConnectError, Will, connect, connect_too_large},
    control::{
        RetainHandling, Subscribe, Subscription, auth, disconnect, pingreq, puback, pubrel,
        subscribe, unsubscribe,
    },
    publish::{Publish, UserProperties, publish, publish_start},
    reason::{Reason, Violation},
    reply::{
        Connack, Delivery, connack, deliver, farewell, granted, not_granted, pingresp, pubcomp,
        pubrel_unknown, refuse, suback, unsuback,
    },
};

/// The MQTT version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1, which old gateways use.
    V3,
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

impl Version {
    /// Returns true if the version has properties and reason codes.
    pub(crate) fn is_v5(self) -> bool {
        self == Self::V5
    }
}

/// The packet types of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Unsubscribe,
    Pingreq,
    Disconnect,
    Auth,
    /// CONNACK, SUBACK, UNSUBACK or PINGRESP.
    OfServers,
    /// The forbidden type.
    Reserved,
}

/// A complete packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The first byte: type and flags.
    pub(crate) first: u8,
    /// The bytes after the fixed header.
    pub(crate) body: &'a [u8],
    /// The size of the whole packet.
    pub(crate) size: usize,
    /// Its length field is longer than necessary.
    pub(crate) padded: bool,
}

/// The front of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split<'a> {
    /// A complete packet.
    Whole(Frame<'a>),
    /// The start of a packet, or nothing.
    Partial,
    /// The start of an oversized packet: first byte, available bytes after the fixed header, and
    /// the size of the whole.
    TooLarge(Frame<'a>),
}

impl Frame<'_> {
    pub(crate) fn kind(&self) -> Kind {
        kind(self.first)
    }

    /// Refuses a fixed header that `version` does not allow. The flags of PUBLISH are part of the
    /// packet and are parsed with it.
    pub(crate) fn check(&self, version: Version) -> Result<(), Violation> {
        // [MQTT-1.5.5-1]; MQTT 3.1 and 3.1.1 do not require it, and small devices write lengths of
        // a fixed width.
        if self.padded && version.is_v5() {
            return Err(Violation::malformed(
                "a remaining length longer than it need be",
            ));
        }
        let expected = match self.kind() {
            Kind::Publish => return Ok(()),
            Kind::Pubrel | Kind::Subscribe | Kind::Unsubscribe => 0x02,
            _ => 0x00,
        };
        // MQTT 3.1 does not use the flags of the others, and lets DUP mark repeats.
        let checked = match (version, expected) {
            (Version::V3, 0x00) => 0x00,
            (Version::V3, _) => 0x06,
            _ => 0x0f,
        };
        match self.first & checked == expected {
            true => Ok(()),
            false => Err(Violation::malformed(
                "the reserved flags of a packet are wrong",
            )),
        }
    }
}

/// Returns the type of a packet that begins with `first`.
pub(crate) fn kind(first: u8) -> Kind {
    match first >> 4 {
        1 => Kind::Connect,
        3 => Kind::Publish,
        4 => Kind::Puback,
        5 => Kind::Pubrec,
        6 => Kind::Pubrel,
        7 => Kind::Pubcomp,
        8 => Kind::Subscribe,
        10 => Kind::Unsubscribe,
        12 => Kind::Pingreq,
        14 => Kind::Disconnect,
        15 => Kind::Auth,
        2 | 9 | 11 | 13 => Kind::OfServers,
        _ => Kind::Reserved,
    }
}

/// Splits the first packet off `buffer`.
pub(crate) fn split(buffer: &[u8], size_max: usize) -> Result<Split<'_>, Violation> {
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
            let frame = Frame {
                first,
                body: &buffer[header..buffer.len().min(size)],
                size,
                padded: place > 0 && byte == 0,
            };
            return Ok(match (size > size_max, frame.body.len() == length) {
                (true, _) => Split::TooLarge(frame),
                (false, true) => Split::Whole(frame),
                (false, false) => Split::Partial,
            });
        }
    }
    if rest.len() < 4 {
        Ok(Split::Partial)
    } else {
        Err(Violation::malformed("a remaining length of five bytes"))
    }
}

#[cfg(test)]
mod tests;
