//! PUBLISH, the hot one.

use greenpark_model::numbers::Numbered;

use super::{
    Version,
    cursor::{Cursor, Malformed},
};

/// A PUBLISH in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) qos: u8,
    /// Zero for QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) payload: &'a [u8],
    /// Its place in the gateway's count, where version 5 tells it.
    pub(crate) numbered: Option<Numbered>,
    /// The retain flag of the fixed header.
    pub(crate) retain: bool,
    /// It is sent again on purpose, as a user property of version 5 tells.
    pub(crate) replay: bool,
}

/// The user properties that number a message, and the one that calls it a replay.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    epoch: u64,
    sequence: u64,
    replay: bool,
}

impl Count {
    /// Takes a user property; one that is no number counts as none.
    pub(crate) fn take(&mut self, name: &str, value: &str) {
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

    /// Whether they call the message a replay.
    pub(crate) fn is_replay(self) -> bool {
        self.replay
    }

    /// What they say together: nothing unless both are there and in range.
    pub(crate) fn numbered(self) -> Option<Numbered> {
        Numbered::new(self.epoch, self.sequence)
    }
}

/// Reads the body of a PUBLISH.
pub(crate) fn publish(first: u8, body: &[u8], version: Version) -> Result<Publish<'_>, Malformed> {
    let mut cursor = Cursor(body);
    let (qos, topic, packet_id) = head(first, &mut cursor)?;
    let mut count = Count::default();
    if version == Version::V5 {
        let mut aliased = false;
        cursor.properties_and_pairs(
            |id, _| aliased |= id == 0x23,
            |name, value| count.take(name, value),
        )?;
        if aliased {
            return Err(Malformed("a topic alias, though none is offered"));
        }
    }
    Ok(Publish {
        topic,
        qos,
        packet_id,
        payload: cursor.0,
        numbered: count.numbered(),
        retain: first & 1 != 0,
        replay: count.is_replay(),
    })
}

/// Reads as much as there is of a PUBLISH that is too large: `None` until its topic and packet id are there.
/// Properties, if any, are left at the front of the payload.
pub(crate) fn publish_start(first: u8, start: &[u8]) -> Option<Publish<'_>> {
    let mut cursor = Cursor(start);
    let (qos, topic, packet_id) = head(first, &mut cursor).ok()?;
    Some(Publish {
        topic,
        qos,
        packet_id,
        payload: cursor.0,
        numbered: None,
        retain: first & 1 != 0,
        replay: false,
    })
}

fn head<'a>(first: u8, cursor: &mut Cursor<'a>) -> Result<(u8, &'a str, u16), Malformed> {
    let qos = (first >> 1) & 3;
    let topic = cursor.text()?;
    let packet_id = match qos {
        0 => 0,
        1 | 2 => cursor.packet_id()?,
        _ => return Err(Malformed("a quality of service of 3")),
    };
    Ok((qos, topic, packet_id))
}
