//! Entry points for a fuzzer into private modules: the topic grammar and the MQTT packets.

use crate::{
    DecodeSettings,
    mqtt::{self, Kind, Split, Version},
    routing::Routes,
    topic::{Filter, Sender},
};

/// Resolves a topic by the default rules; returns true if a decoder was found.
#[must_use]
pub fn resolve(topic: &str) -> bool {
    Routes::new(&DecodeSettings::default())
        .resolve(topic, &Sender::default())
        .decoder
        .is_ok()
}

/// Returns true if `topic` matches `filter`; `None` if `filter` is not a topic filter.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> Option<bool> {
    Some(Filter::parse(filter).ok()?.matches(topic))
}

/// Parses `bytes` as packets of a client of each version; returns the number of complete packets.
#[must_use]
pub fn packets(bytes: &[u8]) -> usize {
    [Version::V3, Version::V4, Version::V5]
        .map(|version| of_version(bytes, version))
        .into_iter()
        .sum()
}

fn of_version(mut bytes: &[u8], version: Version) -> usize {
    let mut whole = 0;
    while let Ok(Split::Whole(frame)) = mqtt::split(bytes, 1 << 20) {
        let (first, body) = (frame.first, frame.body);
        match frame.kind() {
            Kind::Connect => _ = mqtt::connect(frame),
            Kind::Publish => {
                if let Ok(publish) = mqtt::publish(first, body, version) {
                    let parts = publish.topic.len() + publish.payload.len();
                    assert!(parts <= body.len(), "a publish is larger than its packet");
                }
            }
            Kind::Puback | Kind::Pubrec => _ = mqtt::puback(body, version),
            Kind::Pubrel | Kind::Pubcomp => _ = mqtt::pubrel(body, version),
            Kind::Subscribe => _ = mqtt::subscribe(body, version),
            Kind::Unsubscribe => _ = mqtt::unsubscribe(body, version),
            Kind::Disconnect => _ = mqtt::disconnect(body, version, false),
            Kind::Auth => _ = mqtt::auth(body),
            Kind::Pingreq => _ = mqtt::pingreq(body),
            Kind::OfServers | Kind::Reserved => {}
        }
        assert!(
            frame.size >= 2 && frame.size <= bytes.len(),
            "a packet is not within the bytes"
        );
        bytes = &bytes[frame.size..];
        whole += 1;
    }
    whole
}
