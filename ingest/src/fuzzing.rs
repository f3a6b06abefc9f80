//! What a fuzzer may call that is otherwise nobody's business: the topic grammar and the MQTT packets.

use crate::{
    DecodeSettings,
    topic::{Filter, Routes, Sender},
    wire::{self, Kind, Split, Version},
};

/// Resolves a topic by the default rules; whether a decoder was found.
#[must_use]
pub fn resolve(topic: &str) -> bool {
    Routes::new(&DecodeSettings::default())
        .resolve(topic, &Sender::default())
        .reader
        .is_ok()
}

/// Whether `topic` matches `filter`; `None` if that is no filter.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> Option<bool> {
    Some(Filter::parse(filter).ok()?.matches(topic))
}

/// Reads `bytes` as what a client of either version sends, packet by packet; how many were whole.
#[must_use]
pub fn packets(bytes: &[u8]) -> usize {
    [Version::V3, Version::V4, Version::V5]
        .map(|version| of_version(bytes, version))
        .into_iter()
        .sum()
}

fn of_version(mut bytes: &[u8], version: Version) -> usize {
    let mut whole = 0;
    while let Ok(Split::Whole(frame)) = wire::split(bytes, 1 << 20) {
        let (first, body) = (frame.first, frame.body);
        match frame.kind() {
            Kind::Connect => _ = wire::connect(frame),
            Kind::Publish => {
                if let Ok(publish) = wire::publish(first, body, version) {
                    let parts = publish.topic.len() + publish.payload.len();
                    assert!(parts <= body.len(), "a publish is larger than its packet");
                }
            }
            Kind::Puback | Kind::Pubrec => _ = wire::puback(body, version),
            Kind::Pubrel | Kind::Pubcomp => _ = wire::pubrel(body, version),
            Kind::Subscribe => _ = wire::subscribe(body, version),
            Kind::Unsubscribe => _ = wire::unsubscribe(body, version),
            Kind::Disconnect => _ = wire::disconnect(body, version, false),
            Kind::Auth => _ = wire::auth(body),
            Kind::Pingreq => _ = wire::pingreq(body),
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
