//! PUBLISH, the packet on the hot path.

use greenpark_model::numbers::Numbered;

use super::{
    Version, Violation,
    cursor::Cursor,
    property::{self, SUBSCRIPTION_ID, TOPIC_ALIAS, Value},
};

/// A publish: parsed from a PUBLISH packet, or handed over by the client of a broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    /// Empty only if an alias replaces it.
    pub(crate) topic: &'a str,
    /// The topic alias that replaces the topic or is defined by it; never zero.
    pub(crate) alias: Option<u16>,
    pub(crate) qos: u8,
    /// Zero for QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) payload: &'a [u8],
    /// The message's number, if user properties of version 5 contain one.
    pub(crate) numbered: Option<Numbered>,
    /// The retain flag of the fixed header.
    pub(crate) retain: bool,
    /// A deliberate replay, marked by a user property of version 5.
    pub(crate) replay: bool,
    /// The gateway whose message is replayed, from a user property: park, enterprise and gateway,
    /// separated by slashes.
    pub(crate) replay_of: Option<&'a str>,
}

/// The user properties that number a message or mark it as a replay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UserProperties {
    epoch: u64,
    sequence: u64,
    replay: bool,
}

impl UserProperties {
    /// Evaluates a user property; an invalid number counts as absent.
    pub(crate) fn read(&mut self, name: &str, value: &str) {
        let place = match name {
            "epoch" => &mut self.epoch,
            "sequence" => &mut self.sequence,
            "replay" => {
                self.replay = value == "1";
                return;
            }
            _ => return,
        };
        *place = value.parse().unwrap_or(0);
    }

    /// Returns true if they mark the message as a replay.
    pub(crate) fn is_replay(self) -> bool {
        self.replay
    }

    /// Returns the message's number, if both parts are present and in range.
    pub(crate) fn numbered(self) -> Option<Numbered> {
        Numbered::new(self.epoch, self.sequence)
    }
}

/// Parses the body of a PUBLISH.
pub(crate) fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, Violation> {
    let mut cursor = Cursor(body);
    let (qos, topic, packet_id) = head(first, &mut cursor, version)?;
    let (mut properties, mut alias, mut replay_of) = (UserProperties::default(), None, None);
    if version.is_v5() {
        property::read(&mut cursor, property::OF_PUBLISH, |id, value| {
            match (id, value) {
                (TOPIC_ALIAS, Value::Number(number)) => alias = u16::try_from(number).ok(),
                (SUBSCRIPTION_ID, _) => {
                    return Err(Violation::protocol(
                        "a subscription identifier in a PUBLISH",
                    ));
                }
                (_, Value::Pair("replay-of", value)) => replay_of = Some(value),
                (_, Value::Pair(name, value)) => properties.read(name, value),
                _ => {}
            }
            Ok(())
        })?;
    }
    if topic.is_empty() && alias.is_none() {
        return Err(Violation::protocol("a PUBLISH without a topic"));
    }
    Ok(Publish {
        topic,
        alias,
        qos,
        packet_id,
        payload: cursor.0,
        numbered: properties.numbered(),
        retain: first & 1 != 0,
        replay: properties.is_replay(),
        replay_of,
    })
}

/// Parses the available start of an oversized PUBLISH: `None` until it contains topic and packet
/// id. Properties, if any, are left at the front of the payload.
pub(crate) fn publish_start(first: u8, start: &[u8], version: Version) -> Option<Publish<'_>> {
    let mut cursor = Cursor(start);
    let (qos, topic, packet_id) = head(first, &mut cursor, version).ok()?;
    (!topic.is_empty()).then_some(Publish {
        topic,
        alias: None,
        qos,
        packet_id,
        payload: cursor.0,
        numbered: None,
        retain: first & 1 != 0,
        replay: false,
        replay_of: None,
    })
}

#[inline]
fn head<'a>(
    first: u8,
    cursor: &mut Cursor<'a>,
    version: Version,
) -> Result<(u8, &'a str, u16), Violation> {
    let qos = (first >> 1) & 3;
    // MQTT 3.1 says only that the flag applies to the others.
    if qos == 0 && first & 0x08 != 0 && version != Version::V3 {
        return Err(Violation::malformed("a repeat of QoS 0"));
    }
    let topic = cursor.topic()?;
    let packet_id = match qos {
        0 => 0,
        1 | 2 => cursor.packet_id()?,
        _ => return Err(Violation::malformed("a quality of service of 3")),
    };
    Ok((qos, topic, packet_id))
}
