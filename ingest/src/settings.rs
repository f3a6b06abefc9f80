//! The settings of ingest, and their checks, which report every mistake at once.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    limits::{HELD_BYTES_MIN, RESERVED_BYTES},
    topic::Filter,
};

mod auth;
mod rules;
mod scale;

pub use greenpark_tls::{ClientCertificate, TlsSettings};

pub use self::{
    auth::{AccessSettings, UsersSettings},
    rules::{DecoderRule, Encoding, FieldMap, Others, PayloadFormat, StampAt, TimeUnit},
    scale::FieldScale,
};

/// The memory of ingest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySettings {
    /// Resident memory of ingest, in bytes, however long the log is unavailable: readings that wait
    /// for the log, and 128 MiB for everything else. Clients are held back before it is reached.
    #[serde(with = "greenpark_settings::size")]
    pub memory: usize,
}

/// Decoder rules by topic, of which the first with a matching filter applies, and the lateness
/// policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeSettings {
    /// The rules, in order.
    pub rules: Vec<DecoderRule>,
    /// How far behind the newest reading of its gateway a live reading may be before it is late. A
    /// replay is never late: by the user property `replay` = `1`, or by `listen.replay_users`.
    #[serde(with = "greenpark_settings::span")]
    pub late_max: Duration,
    /// How late readings are handled.
    pub late: LatePolicy,
}

/// How late readings are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LatePolicy {
    /// They are accepted, and marked as late.
    #[default]
    Accept,
    /// They become dead letters.
    DeadLetter,
}

/// The endpoint that gateways connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenSettings {
    /// The address to listen on.
    pub address: SocketAddr,
    /// Users whose readings are never late, because they deliberately send old ones again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replay_users: Vec<String>,
    /// The most connections at once; a further one is closed without an answer.
    pub connections_max: usize,
    /// How long the first message of a batch waits for others. A longer linger makes fewer, larger
    /// records; a client that keeps 20 messages in flight sends 20 per linger and append.
    #[serde(with = "greenpark_settings::span")]
    pub linger: Duration,
    /// How long a packet may take from its first byte to its last: 64 KiB at a kilobyte a second
    /// are complete by then.
    #[serde(with = "greenpark_settings::span")]
    pub packet_deadline: Duration,
    /// How long a shutdown waits for pending receipts.
    #[serde(with = "greenpark_settings::span")]
    pub drain_grace: Duration,
    /// TLS, and the certificates of gateways; plain TCP if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// The users and their passwords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<UsersSettings>,
    /// The rights of each user; if absent, each may publish for the gateway of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessSettings>,
}

/// The session at a broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubscribeSettings {
    /// The broker as `host:port`; it must speak MQTT 5.
    pub broker: String,
    /// The client id of the session. Only one process at a time may use it.
    pub client_id: String,
    /// Topic filters to subscribe to, including `$share/group/…`.
    pub filters: Vec<String>,
    /// The host id of the Sparkplug STATE messages (`spBv1.0/STATE/{id}`), which report to nodes
    /// whether we are online; if absent, none are published.
    pub sparkplug_host: Option<String>,
    /// The user name, if the broker requires one.
    pub username: Option<String>,
    /// File that contains the password and nothing else.
    pub password_file: Option<PathBuf>,
    /// File with the certificates of the authority that signed the broker's; TLS is used if it is
    /// set.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, if the broker requires one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub key_file: Option<PathBuf>,
    /// The most unacknowledged messages that the broker may send us. Its own limit may be lower
    /// (EMQX: `mqtt.max_inflight`, 32 by default); Mosquitto, from 2.0.11 on at least, sends a
    /// client of MQTT 5 as many as it requests, whatever `max_inflight_messages` is.
    pub receive_maximum: u16,
    /// The keep-alive; at least 30 s, because a backlog delays PINGRESP.
    #[serde(with = "greenpark_settings::span")]
    pub keep_alive: Duration,
    /// How long the broker keeps the session, and queues messages, while we are disconnected.
    #[serde(with = "greenpark_settings::span")]
    pub session_expiry: Duration,
    /// How long the first message of a batch waits for others.
    #[serde(with = "greenpark_settings::span")]
    pub linger: Duration,
    /// The longest pause between two connection attempts.
    #[serde(with = "greenpark_settings::span")]
    pub backoff_max: Duration,
    /// How long a shutdown waits for pending receipts.
    #[serde(with = "greenpark_settings::span")]
    pub drain_grace: Duration,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { memory: 256 << 20 }
    }
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self {
            rules: vec![
                DecoderRule::new("park/+/+/+/up/readings", PayloadFormat::Json),
                DecoderRule::new("park/+/+/+/up/readings.pb", PayloadFormat::Protobuf),
            ],
            late_max: Duration::from_secs(7 * 86_400),
            late: LatePolicy::Accept,
        }
    }
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            replay_users: Vec::new(),
            connections_max: 10_000,
            linger: Duration::from_millis(4),
            packet_deadline: Duration::from_secs(120),
            drain_grace: Duration::from_secs(10),
            tls: None,
            users: None,
            access: None,
        }
    }
}

impl Default for SubscribeSettings {
    fn default() -> Self {
        Self {
            broker: "127.0.0.1:1883".to_owned(),
            client_id: "greenpark-ingest".to_owned(),
            filters: vec!["park/+/+/+/up/#".to_owned()],
            sparkplug_host: None,
            username: None,
            password_file: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            receive_maximum: 16_384,
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::from_secs(7 * 86_400),
            linger: Duration::from_millis(10),
            backoff_max: Duration::from_secs(30),
            drain_grace: Duration::from_secs(10),
        }
    }
}

impl MemorySettings {
    /// Appends a sentence to `problems` for every mistake.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.held_bytes() < HELD_BYTES_MIN {
            problems.push(
                "ingest.memory: must be at least 160MiB: 128MiB are for connections, a broker's hand-off and the log's client"
                    .into(),
            );
        }
    }

    /// Returns the bytes of readings that may wait for the log.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.memory.saturating_sub(RESERVED_BYTES)
    }
}

impl ListenSettings {
    /// Returns true if grants that the lake records count.
    #[must_use]
    pub fn follows_grants(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.grants)
    }

    /// Appends a sentence to `problems` for every mistake.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.connections_max == 0 {
            problems.push("listen.connections_max: must be at least 1".into());
        }
        if self.linger > Duration::from_secs(1) {
            problems
                .push("listen.linger: more than 1s makes clients wait too long for PUBACK".into());
        }
        if self.packet_deadline < Duration::from_secs(1) {
            problems.push(
                "listen.packet_deadline: must be at least 1s, or packets on slow lines are never whole"
                    .into(),
            );
        }
        let (tls, users) = (self.tls.as_ref(), self.users.as_ref());
        auth::check(tls, users, self.access.as_ref(), problems);
    }
}

impl SubscribeSettings {
    /// Appends a sentence to `problems` for every mistake.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.address().is_none() {
            problems.push(format!(
                "subscribe.broker: '{}' is not host:port",
                self.broker
            ));
        }
        if self.client_id.is_empty() {
            problems
                .push("subscribe.client_id: is empty, but a persistent session needs one".into());
        }
        if self.filters.is_empty() {
            problems.push("subscribe.filters: is empty, so nothing would be received".into());
        }
        for (index, filter) in self.filters.iter().enumerate() {
            let plain = filter
                .strip_prefix("$share/")
                .and_then(|rest| rest.split_once('/'));
            if let Err(reason) = Filter::parse(plain.map_or(filter.as_str(), |(_, topic)| topic)) {
                problems.push(format!("subscribe.filters[{index}]: {reason}"));
            }
        }
        let plain = |host: &String| !host.is_empty() && !host.contains(['/', '+', '#']);
        if self
            .sparkplug_host
            .as_ref()
            .is_some_and(|host| !plain(host))
        {
            problems.push("subscribe.sparkplug_host: is empty or has one of / + #".into());
        }
        if self.receive_maximum == 0 {
            problems.push("subscribe.receive_maximum: must be at least 1".into());
        }
        if self.keep_alive < Duration::from_secs(5) || self.keep_alive > Duration::from_secs(65_535)
        {
            problems.push("subscribe.keep_alive: must be from 5s to 65535s".into());
        }
        if self.session_expiry < Duration::from_secs(60) {
            problems.push(
                "subscribe.session_expiry: must be at least 60s, or a restart loses messages"
                    .into(),
            );
        }
        if self.backoff_max < Duration::from_secs(1) {
            problems.push("subscribe.backoff_max: must be at least 1s".into());
        }
        if self.password_file.is_some() && self.username.is_none() {
            problems.push("subscribe.password_file: is given without subscribe.username".into());
        }
        let pair = (self.certificate_file.is_some(), self.key_file.is_some());
        if pair.0 != pair.1 || (pair.0 && self.ca_file.is_none()) {
            problems.push(
                "subscribe.certificate_file: needs subscribe.key_file and subscribe.ca_file beside it"
                    .into(),
            );
        }
    }

    /// Returns host and port of the broker.
    pub(crate) fn address(&self) -> Option<(&str, u16)> {
        let (host, port) = self.broker.rsplit_once(':')?;
        let host = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .unwrap_or(host);
        let port = port.parse().ok().filter(|&port| port != 0)?;
        (!host.is_empty()).then_some((host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_problems() {
        let mut problems = Vec::new();
        MemorySettings::default().check(&mut problems);
        DecodeSettings::default().check(&mut problems);
        ListenSettings::default().check(&mut problems);
        SubscribeSettings::default().check(&mut problems);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_reported() {
        let mut problems = Vec::new();
        let subscribe = SubscribeSettings {
            broker: "nowhere".into(),
            client_id: String::new(),
            filters: vec!["a/#/b".into()],
            receive_maximum: 0,
            keep_alive: Duration::from_secs(1),
            ..SubscribeSettings::default()
        };
        subscribe.check(&mut problems);
        assert_eq!(problems.len(), 5, "{problems:?}");
        problems.clear();
        MemorySettings { memory: 1 << 20 }.check(&mut problems);
        assert!(problems[0].starts_with("ingest.memory: "), "{problems:?}");
        problems.clear();
        let decode = DecodeSettings {
            rules: Vec::new(),
            late_max: Duration::ZERO,
            ..DecodeSettings::default()
        };
        decode.check(&mut problems);
        ListenSettings {
            connections_max: 0,
            ..ListenSettings::default()
        }
        .check(&mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn a_settings_file_refuses_a_misspelt_key() {
        let read = |text| serde_json::from_str::<ListenSettings>(text);
        let settings =
            read(r#"{"linger":"2ms","address":"0.0.0.0:1884"}"#).expect("valid settings");
        assert_eq!(settings.linger, Duration::from_millis(2));
        assert_eq!(settings.connections_max, 10_000);
        assert!(read(r#"{"lingr":"2ms"}"#).is_err());
        let written = serde_json::to_string(&settings).expect("settings have a text");
        assert_eq!(read(&written).expect("own text is read"), settings);
    }
}
