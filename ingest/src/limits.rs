//! Bounds of ingest that nobody should need to tune, each with its reason.

/// Bytes read from a socket at once, beyond the packet under way: what loopback and a 10 Gbit/s link
/// bring within a millisecond. One buffer of this size plus a packet serves all connections of a thread.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// A gather with this many readings is appended without waiting for the linger: more would not make
/// the record cheaper.
pub(crate) const GATHER_READINGS_READY: usize = 4_096;

/// A gather with this many messages is appended without waiting for the linger: 1,024 PUBACKs are 4 KiB,
/// a write worth making.
pub(crate) const GATHER_MESSAGES_READY: usize = 1_024;

/// A gather that holds this much is appended without waiting for the linger.
pub(crate) const GATHER_BYTES_READY: usize = 256 * 1024;

/// A connection whose open gather holds this many messages, or [`GATHER_BYTES_MAX`], reads no further
/// until the log has taken the one before: MQTT has 65,535 packet ids, so a client of QoS 1 has no more
/// outstanding, and its PINGREQ behind all of them is still read.
pub(crate) const GATHER_MESSAGES_MAX: usize = 65_536;

/// See [`GATHER_MESSAGES_MAX`]; 65,535 single readings hold less than 2 MiB.
pub(crate) const GATHER_BYTES_MAX: usize = 4 << 20;

/// Memory that a gathered reading holds: its columns, and a part of its series.
pub(crate) const HELD_READING_BYTES: usize = 24;

/// Memory of a gateway that a sender speaks for: who it is, its counters, columns and first
/// series, and what it sent before.
pub(crate) const HELD_GATEWAY_BYTES: usize = 3_072;

/// Memory of ingest that readings waiting for the log do not take: the process itself, its connections,
/// [`HAND_OFF_KIB_MAX`] from a broker, and what the log's client keeps beside the records.
pub(crate) const RESERVED_BYTES: usize = 128 << 20;

/// Packets that are not whole yet may take one part in so many of the memory for readings that wait for the log, for
/// all connections together.
pub(crate) const UNFINISHED_PART: usize = 4;

/// So much of a packet that is not whole yet is kept of every connection, however much the others have sent.
pub(crate) const UNFINISHED_FREE_BYTES: usize = 8 * 1024;

/// The least memory for readings that wait for the log: a million single readings.
pub(crate) const HELD_BYTES_MIN: usize = 32 << 20;

/// Bytes waiting to be written to a client that does not read, after which it is not read either.
pub(crate) const REPLY_BYTES_MAX: usize = 256 * 1024;

/// Largest CONNECT: a will of 64 KiB, its topic, ids and properties.
pub(crate) const CONNECT_BYTES_MAX: usize = 256 * 1024;

/// The same where a password must be shown: nobody has proved anything before CONNECT is read.
pub(crate) const CONNECT_BYTES_OF_STRANGERS: usize = 8 * 1024;

/// Seconds within which a new connection must have sent CONNECT.
pub(crate) const CONNECT_SECONDS: u64 = 10;

/// Passwords that are checked at once: each takes one core for some 30 ms, and others have work, too.
pub(crate) const PASSWORD_CHECKS_MAX: usize = 2;

/// The same of names that nobody has, beside those.
pub(crate) const PASSWORD_CHECKS_OF_STRANGERS: usize = 1;

/// Seconds between two looks at the files of the listener: a user that is taken away is kept out soon, and
/// a look is a few calls of the system.
pub(crate) const FILES_LOOK_SECONDS: u64 = 5;

/// Letters of a user name that a log line shows.
pub(crate) const NAME_LOGGED_MAX: usize = 64;

/// Letters of a topic that a log line shows.
pub(crate) const TOPIC_LOGGED_MAX: usize = 200;

/// Seconds after which a client that takes none of the bytes written to it is given up.
pub(crate) const WRITE_STALL_SECONDS: u64 = 60;

/// Bytes a closing connection is read for.
pub(crate) const CLOSE_BYTES: usize = 8 << 20;

/// Payload bytes of a packet beyond the limit that its dead letter keeps: enough to recognise it.
pub(crate) const OVERSIZE_BYTES_KEPT: usize = 16 * 1024;

/// Topics a connection remembers with their route: a gateway has a few, a broker's bridge thousands.
pub(crate) const TOPICS_CACHED_MAX: usize = 16_384;

/// Topics longer than this are not remembered: four ids of 48 bytes and the levels between fit.
pub(crate) const TOPIC_CACHED_BYTES_MAX: usize = 300;

/// Series a gateway's table remembers, four records' worth.
pub(crate) const SERIES_CACHED_MAX: usize = 16_384;

/// Refused readings of one payload that get a dead letter each, with the whole payload in it; more share
/// one letter, or a payload of 1 MiB would make gigabytes.
pub(crate) const REFUSALS_APART_MAX: usize = 8;

/// Bytes of a dead letter's reason: with the longest payload and the longest topic, of 65,535 bytes, it still
/// fits a record. One that does not fit is refused by the log whenever it is sent.
pub(crate) const REASON_BYTES_MAX: usize = 16 * 1024;

/// Readings of a payload for which a connection keeps room: 32 KiB, so that a usual payload costs no
/// allocation and an unusual one leaves no megabytes behind at every connection.
pub(crate) const DECODED_READINGS_KEPT: usize = 1_024;

/// Enterprises with counters of their own; more share the label `_other`, so that topics made up by a
/// client cannot fill memory.
pub(crate) const ENTERPRISES_COUNTED_MAX: usize = 10_000;

/// Levels of nesting that the JSON scanner follows; no form needs more than four.
pub(crate) const JSON_DEPTH_MAX: usize = 32;

/// Largest encoded reading in a record: 2 bytes of series, 7 of instant, 9 of value and one of flag,
/// each at its worst.
pub(crate) const ENCODED_READING_BYTES_MAX: usize = 20;

/// Largest encoded series in a record, without the meter's id: quantity, kind and field tags.
pub(crate) const ENCODED_SERIES_BYTES_MAX: usize = 64;

/// Largest packet taken from a broker: it would drop a larger one without a word to anybody, so this is
/// well above [`greenpark_model::limits::PACKET_BYTES_MAX`], beyond which a payload is a dead letter.
pub(crate) const SUBSCRIBED_PACKET_BYTES_MAX: u32 = 16 << 20;

/// Places in the hand-off beyond those for the broker's receive maximum, for messages of QoS 0, which it
/// does not bound, and for our own requests.
pub(crate) const HAND_OFF_SLACK: usize = 1_024;

/// Packet ids of MQTT: no more messages are unacknowledged at once, whatever a broker was asked for.
pub(crate) const PACKET_IDS: usize = 65_535;

/// KiB of payload waiting between the polling task and the gather.
pub(crate) const HAND_OFF_KIB_MAX: u32 = 64 * 1024;

/// Bytes that a numbered message may add to a record: how many numbers are here and how many are not, each
/// in as many as ten bytes, and a run of messages, in fewer than those.
pub(crate) const ENCODED_NUMBER_BYTES_MAX: usize = 40;

/// Memory of a gathered message's number: a run of numbers and one of messages.
pub(crate) const HELD_NUMBER_BYTES: usize = 40;

/// Gateways whose numbers are known at once. With one more the half that was silent longest is forgotten,
/// which makes their receipts say less and nothing wrong.
pub(crate) const NUMBERING_MAX: usize = 10_000;

/// Epochs of a gateway that are known: its current one, the one before, and a replay beside them.
pub(crate) const EPOCHS_KNOWN_MAX: usize = 3;

/// Runs of numbers without a gap that are known of an epoch, 64 KiB: a gateway with four connections of a
/// thousand messages in flight has no more.
pub(crate) const RUNS_EACH_MAX: usize = 4_096;

/// The same once all gateways together have [`RUNS_MAX`].
pub(crate) const RUNS_EACH_MIN: usize = 64;

/// Runs of all gateways together, 16 MiB, from which on each keeps few.
pub(crate) const RUNS_MAX: usize = 1 << 20;

/// Gaps that a receipt names, so that it stays below the 10 KiB that rumqttc takes by default.
pub(crate) const GAPS_TOLD_MAX: usize = 64;

/// Receipts published to a broker at once, a second.
pub(crate) const RECEIPTS_AT_ONCE_MAX: usize = 256;

/// Receipts that a connection may be subscribed to: a bridge speaks for many gateways.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 1_024;

/// Topic aliases that a connection of MQTT 5 may define: a gateway has a few topics.
pub(crate) const TOPIC_ALIASES_MAX: u16 = 16;

/// How often a subscriber is told of changes to a receipt, at most, in milliseconds.
pub(crate) const RECEIPT_MS: u64 = 1_000;

/// Sparkplug edge nodes whose births are remembered: a park has hundreds.
pub(crate) const EDGES_MAX: usize = 4_096;

/// Memory for what the births of one edge node named: 16,384 metrics of usual names.
pub(crate) const EDGE_BYTES_MAX: usize = 4 << 20;

/// The same of all nodes together: a park of 4,096 nodes of 60 metrics.
pub(crate) const EDGES_BYTES_MAX: usize = 32 << 20;

/// Memory of a metric or a device that a birth named, beside its name.
pub(crate) const EDGE_ENTRY_BYTES: usize = 96;

/// What a compressed Sparkplug message may inflate to: as much as a packet may be.
pub(crate) const INFLATED_BYTES_MAX: u64 = 1 << 20;

/// Metrics of a Sparkplug message: one of two bytes takes a hundred times as much in memory.
pub(crate) const METRICS_MAX: usize = 16_384;

/// Days that the readings of one message may be of: each becomes a file of its own.
pub(crate) const MESSAGE_DAYS_MAX: usize = 1_000;

/// Milliseconds between two requests for the birth of one edge node: a birth of a large node over a
/// mobile network takes seconds.
pub(crate) const REBIRTH_MS: i64 = 10_000;

/// Topics of one rule that are held by a client each; more forget those of clients that are gone.
pub(crate) const CLAIMS_MAX: usize = 16_384;

/// Clients that a topic remembers as its former holders: a client that chooses a new id at each start
/// leaves one behind each time.
pub(crate) const FORMER_CLAIMS_MAX: usize = 16;

/// Gateways whose newest instant is known, 8 MiB; more forget those that are not connected.
pub(crate) const NEWEST_MAX: usize = 65_536;

/// Largest encoded ticket in a record, with its row.
pub(crate) const ENCODED_TICKET_BYTES_MAX: usize = 56;

/// Largest encoded row of a late reading in a record.
pub(crate) const ENCODED_LATE_BYTES_MAX: usize = 4;

/// Memory of a gathered ticket: its text, counted by reference, and its row.
pub(crate) const HELD_TICKET_BYTES: usize = 96;
