//! The properties of MQTT 5: section 2.2.2, and the table in it.

use super::{Reason, Violation, cursor::Cursor, text};

pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
pub(super) const REQUEST_PROBLEM: u8 = 0x17;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const REQUEST_RESPONSE: u8 = 0x19;
pub(super) const SERVER_REFERENCE: u8 = 0x1c;
pub(super) const REASON_STRING: u8 = 0x1f;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const USER_PROPERTY: u8 = 0x26;
pub(super) const PACKET_BYTES_MAX: u8 = 0x27;
pub(super) const SHARED_AVAILABLE: u8 = 0x2a;

/// The value of a property, as far as the parsers use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u32),
    /// A user property.
    Pair(&'a str, &'a str),
    /// Texts and bytes, of which only the form is checked.
    Other,
}

/// A set of property identifiers, one bit each: the largest is 42.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set(u64);

impl Set {
    const fn of(ids: &[u8]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < ids.len() {
            bits |= 1 << ids[index];
            index += 1;
        }
        Self(bits)
    }

    fn has(self, id: u8) -> bool {
        id < 64 && self.0 & (1 << id) != 0
    }
}

pub(super) const OF_CONNECT: Set = Set::of(&[
    SESSION_EXPIRY,
    AUTHENTICATION_METHOD,
    AUTHENTICATION_DATA,
    REQUEST_PROBLEM,
    REQUEST_RESPONSE,
    RECEIVE_MAXIMUM,
    TOPIC_ALIAS_MAXIMUM,
    USER_PROPERTY,
    PACKET_BYTES_MAX,
]);
pub(super) const OF_WILL: Set = Set::of(&[
    PAYLOAD_FORMAT,
    MESSAGE_EXPIRY,
    CONTENT_TYPE,
    RESPONSE_TOPIC,
    CORRELATION_DATA,
    WILL_DELAY,
    USER_PROPERTY,
]);
pub(super) const OF_PUBLISH: Set = Set::of(&[
    PAYLOAD_FORMAT,
    MESSAGE_EXPIRY,
    CONTENT_TYPE,
    RESPONSE_TOPIC,
    CORRELATION_DATA,
    SUBSCRIPTION_ID,
    TOPIC_ALIAS,
    USER_PROPERTY,
]);
/// The properties of PUBACK, PUBREC, PUBREL and PUBCOMP.
pub(super) const OF_ANSWER: Set = Set::of(&[REASON_STRING, USER_PROPERTY]);
pub(super) const OF_SUBSCRIBE: Set = Set::of(&[SUBSCRIPTION_ID, USER_PROPERTY]);
pub(super) const OF_UNSUBSCRIBE: Set = Set::of(&[USER_PROPERTY]);
pub(super) const OF_DISCONNECT: Set = Set::of(&[
    SESSION_EXPIRY,
    SERVER_REFERENCE,
    REASON_STRING,
    USER_PROPERTY,
]);
pub(super) const OF_AUTH: Set = Set::of(&[
    AUTHENTICATION_METHOD,
    AUTHENTICATION_DATA,
    REASON_STRING,
    USER_PROPERTY,
]);

/// Parses the properties of a packet, all of which must be in `allowed`; calls `visit` with each
/// identifier and its value.
///
/// # Errors
/// Malformed if a property is unknown, of another packet or not of its type (section 2.2.2.2); a
/// protocol error if it is repeated or has a value that its section excludes.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    allowed: Set,
    mut visit: impl FnMut(u8, Value<'a>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let length = cursor.varint()?;
    if length == 0 {
        return Ok(());
    }
    // OK because four times seven bits fit.
    let mut inner = Cursor(cursor.bytes(length as usize)?);
    let mut seen = 0u64;
    while !inner.is_empty() {
        let id = inner.u8()?;
        if !allowed.has(id) {
            return Err(Violation::malformed(
                "a property that the packet may not have",
            ));
        }
        let bit = 1 << id;
        if seen & bit != 0 && id != USER_PROPERTY {
            return Err(Violation::protocol("a property that comes twice"));
        }
        seen |= bit;
        visit(id, value(id, &mut inner)?)?;
    }
    Ok(())
}

/// Parses a value and checks it according to the section of its property.
fn value<'a>(id: u8, cursor: &mut Cursor<'a>) -> Result<Value<'a>, Violation> {
    let number = match id {
        PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => match cursor.u8()? {
            flag @ 0..=1 => u32::from(flag),
            _ => return Err(Violation::protocol("a property that is neither 0 nor 1")),
        },
        RECEIVE_MAXIMUM => not_zero(cursor.u16()?.into())?,
        TOPIC_ALIAS_MAXIMUM => cursor.u16()?.into(),
        TOPIC_ALIAS => match cursor.u16()? {
            0 => {
                return Err(Violation {
                    reason: Reason::TopicAliasInvalid,
                    what: "a topic alias of zero",
                });
            }
            alias => alias.into(),
        },
        PACKET_BYTES_MAX => not_zero(cursor.u32()?)?,
        MESSAGE_EXPIRY | SESSION_EXPIRY | WILL_DELAY => cursor.u32()?,
        SUBSCRIPTION_ID => not_zero(cursor.varint()?)?,
        CORRELATION_DATA | AUTHENTICATION_DATA => {
            cursor.binary()?;
            return Ok(Value::Other);
        }
        RESPONSE_TOPIC => {
            check_response_topic(cursor.text()?)?;
            return Ok(Value::Other);
        }
        USER_PROPERTY => {
            let name = cursor.text()?;
            return Ok(Value::Pair(name, cursor.text()?));
        }
        // Content type, reason string, server reference, authentication method.
        _ => {
            cursor.text()?;
            return Ok(Value::Other);
        }
    };
    Ok(Value::Number(number))
}

fn not_zero(number: u32) -> Result<u32, Violation> {
    match number {
        0 => Err(Violation::protocol("a property of zero")),
        number => Ok(number),
    }
}

/// Checks `[MQTT-3.3.2-14]` and `[MQTT-4.7.3-1]`.
fn check_response_topic(topic: &str) -> Result<(), Violation> {
    if topic.is_empty() || text::topic(topic.as_bytes()).is_err() {
        return Err(Violation::protocol(
            "a response topic that is no topic name",
        ));
    }
    Ok(())
}
