//! The meaning of each finding about a broker, and the options to change in Mosquitto and EMQX.

/// The meaning, and the change.
pub(super) type Advice = [&'static str; 2];

pub(super) const CONNECT: Advice = [
    "ingest cannot subscribe, and gateways' readings wait at the broker or are lost there",
    "check subscribe.broker, subscribe.username, subscribe.password_file and subscribe.ca_file; the broker must \
     speak MQTT 5 (Mosquitto from 2.0, EMQX from 5.0)",
];

pub(super) const EXPIRY: Advice = [
    "when ingest is away for longer, the broker forgets the session and what it queued",
    "Mosquitto: persistent_client_expiration 14d (or none); EMQX: mqtt.session_expiry_interval = 14d",
];

pub(super) const KEEP_ALIVE: Advice = [
    "the broker overrides the keep-alive; a backlog that delays a ping for longer cuts the connection",
    "Mosquitto: max_keepalive 65535; EMQX: mqtt.server_keepalive = disabled",
];

pub(super) const ACCESS: Advice = [
    "the broker keeps the topics from the account of ingest",
    "Mosquitto, in the acl_file: `user greenpark-ingest`, `topic read park/+/+/+/up/#`, and for this check \
     `topic readwrite park/_doctor/#`; EMQX: the same as allow rules of its authorization",
];

pub(super) const SESSION: Advice = [
    "after every reconnect what was published meanwhile is lost",
    "Mosquitto: persistent_client_expiration must not be shorter than an outage; EMQX: \
     mqtt.session_expiry_interval; one process alone may use subscribe.client_id",
];

pub(super) const QUEUE: Advice = [
    "of what gateways publish while ingest is away, the rest is dropped although the broker has acknowledged it",
    "Mosquitto: max_queued_messages 0 and max_queued_bytes 0; EMQX: mqtt.max_mqueue_len = infinity",
];

pub(super) const WINDOW: Advice = [
    "the broker waits for acknowledgements, which come once the log has a record: the fewer it sends before it \
     waits, the fewer arrive in a second",
    "here: subscribe.receive_maximum (16384 by default); EMQX: mqtt.max_inflight = 65535; Mosquitto gives a client \
     of MQTT 5 what it asks for",
];

pub(super) const PUBLISH_WINDOW: Advice = [
    "a gateway waits for acknowledgements from the broker: on a line of 100 ms, one message in flight is ten a second",
    "Mosquitto: max_inflight_messages 0, or 20 and more; EMQX: mqtt.max_inflight = 32 and more",
];

pub(super) const REDELIVERY: Advice = [
    "what was on its way when a connection broke is lost",
    "Mosquitto: no queue_qos0_messages in place of QoS 1, no upgrade_outgoing_qos; use a broker that sends \
     unacknowledged messages again, as MQTT 5 says in 4.4",
];

pub(super) const SIZE: Advice = [
    "a gateway's batch of the largest allowed size cannot pass, and its connection may be cut each time",
    "Mosquitto: message_size_limit 0 and max_packet_size 2097152; EMQX: mqtt.max_packet_size = 2MB",
];

pub(super) const SHARED: Advice = [
    "the broker hands messages of a shared subscription to a member that is away; they wait until it is back, \
     which a replica that was removed never is",
    "keep the client ids of replicas from one start to the next, or let each replica subscribe to parks of its \
     own without $share; EMQX: mqtt.shared_subscription_strategy does not deliver to members that are away",
];

pub(super) const SHARED_LOST: Advice = [
    "readings of a shared subscription are lost while a member is away",
    "let each replica subscribe to parks of its own, without $share",
];

pub(super) const ANONYMOUS: Advice = [
    "whoever reaches the broker can publish readings as any gateway",
    "Mosquitto: allow_anonymous false with a password_file and an acl_file; EMQX: an authenticator, and \
     authorization.no_match = deny; or leave it to a network that only gateways reach",
];

/// The advice for the restart, which cannot be tried.
pub(super) const RESTART: &str = "Mosquitto: persistence true, and autosave_interval 60 with autosave_on_changes false (1800 s is what \
                                  a crash loses by default); EMQX: durable_sessions.enable = true";
