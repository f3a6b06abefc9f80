//! Publishes the Sparkplug host STATE: online while the connection lasts, which is as long as the
//! log accepts appends.
//!
//! The broker holds the offline message as a will, so that it is published however the connection
//! ends. Both messages carry the start of the connection as their timestamp, by which a node
//! matches them (Sparkplug 3.0, chapter 6.4.26).

use rumqttc::v5::{
    AsyncClient,
    mqttbytes::{QoS, v5::LastWill},
};

/// The STATE of a Sparkplug host.
#[derive(Debug)]
pub(super) struct State {
    topic: String,
    since_ms: i64,
}

impl State {
    /// Creates the STATE of `host`, whose connection begins at `since_ms`.
    pub(super) fn new(host: &str, since_ms: i64) -> Self {
        Self {
            topic: format!("spBv1.0/STATE/{host}"),
            since_ms,
        }
    }

    /// Returns the will that the broker publishes when the connection is lost.
    pub(super) fn will(&self) -> LastWill {
        LastWill::new(
            self.topic.clone(),
            self.message(false),
            QoS::AtLeastOnce,
            true,
            None,
        )
    }

    /// Publishes that the host is online, or that it is about to leave.
    pub(super) fn publish(&self, client: &AsyncClient, online: bool) -> Result<(), String> {
        let (topic, message) = (self.topic.clone(), self.message(online));
        let published = client.try_publish(topic, QoS::AtLeastOnce, true, message);
        published.map_err(|e| e.to_string())
    }

    fn message(&self, online: bool) -> String {
        format!(r#"{{"online":{online},"timestamp":{}}}"#, self.since_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_will_and_the_birth_carry_one_instant() {
        let state = State::new("greenpark", 1_700_000_000_000);
        let will = state.will();
        assert_eq!(will.topic, "spBv1.0/STATE/greenpark");
        assert_eq!(
            will.message,
            r#"{"online":false,"timestamp":1700000000000}"#
        );
        assert!(will.retain);
        assert_eq!(
            state.message(true),
            r#"{"online":true,"timestamp":1700000000000}"#
        );
    }
}
