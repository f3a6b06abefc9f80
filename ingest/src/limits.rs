//! Bounds of ingest that nobody should need to tune, each with its reason.

/// Bytes read from a socket at once, beyond the packet under way: what loopback and a 10 Gbit/s
/// link deliver within a millisecond. One buffer of this size plus a packet serves all connections
/// of a thread.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// A batch with this many readings is appended without waiting for the linger: more readings would
/// not make the record cheaper.
pub(crate) const BATCH_READINGS_READY: usize = 4_096;

/// A batch with this many messages is appended without waiting for the linger: 1,024 PUBACKs are 4
/// KiB, a write worth making.
pub(crate) const BATCH_MESSAGES_READY: usize = 1_024;

/// A batch of this size is appended without waiting for the linger.
pub(crate) const BATCH_BYTES_READY: usize = 256 * 1024;

/// A connection whose open batch has this many messages, or [`BATCH_BYTES_MAX`], stops reading
/// until the log has the batch before: MQTT has 65,535 packet ids, so a client of QoS 1 has no more
/// outstanding, and its PINGREQ behind all of them is still read.
pub(crate) const BATCH_MESSAGES_MAX: usize = 65_536;

/// See [`BATCH_MESSAGES_MAX`]; 65,535 single readings use less than 2 MiB.
pub(crate) const BATCH_BYTES_MAX: usize = 4 << 20;

/// Memory of a reading in a batch: its columns, and a share of its series.
pub(crate) const HELD_READING_BYTES: usize = 24;

/// Memory of a gateway in an accumulator: its ids, counters, columns and first series, and its
/// newest instant.
pub(crate) const HELD_GATEWAY_BYTES: usize = 3_072;

/// Memory of ingest beside the readings that wait for the log: the process itself, its connections,
/// [`HAND_OFF_KIB_MAX`] from a broker, and what the log's client keeps beside the records.
pub(crate) const RESERVED_BYTES: usize = 128 << 20;

/// Incomplete packets of all connections together may use this fraction (one part in so many) of
/// the memory for readings that wait for the log.
pub(crate) const UNFINISHED_PART: usize = 4;

/// Bytes of an incomplete packet that every connection may keep, however much the others have sent.
pub(crate) const UNFINISHED_FREE_BYTES: usize = 8 * 1024;

/// The least memory for readings that wait for the log: a million single readings.
pub(crate) const HELD_BYTES_MIN: usize = 32 << 20;

/// Bytes waiting to be written to a client that does not read; above this the client is not read
/// from either.
pub(crate) const REPLY_BYTES_MAX: usize = 256 * 1024;

/// The largest CONNECT: a will of 64 KiB, its topic, ids and properties.
pub(crate) const CONNECT_BYTES_MAX: usize = 256 * 1024;

/// The largest CONNECT where a password is required: the client is not authenticated before CONNECT
/// is read.
pub(crate) const CONNECT_BYTES_OF_STRANGERS: usize = 8 * 1024;

/// Seconds within which a new connection must have sent CONNECT.
pub(crate) const CONNECT_SECONDS: u64 = 10;

/// Concurrent password checks: each occupies one core for some 30 ms, and others have work, too.
pub(crate) const PASSWORD_CHECKS_MAX: usize = 2;

/// Additional concurrent checks of unknown names.
pub(crate) const PASSWORD_CHECKS_OF_STRANGERS: usize = 1;

/// Seconds between two checks of the listener's files for changes: a removed user is refused soon,
/// and a check is a few system calls.
pub(crate) const FILES_LOOK_SECONDS: u64 = 5;

/// Characters of a user name in a log line.
pub(crate) const NAME_LOGGED_MAX: usize = 64;

/// Characters of a topic in a log line.
pub(crate) const TOPIC_LOGGED_MAX: usize = 200;

/// Seconds after which a client that reads none of the bytes written to it is disconnected.
pub(crate) const WRITE_STALL_SECONDS: u64 = 60;

/// Bytes that are read and dropped from a closing connection.
pub(crate) const CLOSE_BYTES: usize = 8 << 20;

/// Payload bytes of an oversized packet that its dead letter keeps: enough to recognise it.
pub(crate) const OVERSIZE_BYTES_KEPT: usize = 16 * 1024;

/// Topics that a connection caches with their route: a gateway has a few, a broker's bridge
/// thousands.
pub(crate) const TOPICS_CACHED_MAX: usize = 16_384;

/// Longer topics are not cached: four ids of 48 bytes and the levels between them fit.
pub(crate) const TOPIC_CACHED_BYTES_MAX: usize = 300;

/// Series that a gateway's table caches, four records' worth.
pub(crate) const SERIES_CACHED_MAX: usize = 16_384;

/// Refused readings of one payload that get a dead letter each, with the whole payload; more share
/// one dead letter, or a payload of 1 MiB would make gigabytes.
pub(crate) const REFUSALS_APART_MAX: usize = 8;

/// Bytes of a dead letter's reason: with the longest payload and the longest topic, of 65,535
/// bytes, it still fits a record. The log would refuse a larger one every time.
pub(crate) const REASON_BYTES_MAX: usize = 16 * 1024;

/// Readings of a payload for which a connection keeps room: 32 KiB, so that a usual payload costs
/// no allocation and an unusual one does not leave megabytes behind at every connection.
pub(crate) const DECODED_READINGS_KEPT: usize = 1_024;

/// Enterprises with counters of their own; more share the label `_other`, so that topics invented
/// by a client cannot fill memory.
pub(crate) const ENTERPRISES_COUNTED_MAX: usize = 10_000;

/// Levels of nesting that the JSON scanner follows; no form needs more than four.
pub(crate) const JSON_DEPTH_MAX: usize = 32;

/// The largest encoded reading in a record: 2 bytes of series, 7 of instant, 9 of value and one of
/// flag, each at its worst.
pub(crate) const ENCODED_READING_BYTES_MAX: usize = 20;

/// The largest encoded series in a record, without the meter's id: quantity, kind and field tags.
pub(crate) const ENCODED_SERIES_BYTES_MAX: usize = 64;

/// The largest packet accepted from a broker: the broker would drop a larger one silently, so this
/// is well above [`greenpark_model::limits::PACKET_BYTES_MAX`], beyond which a payload is a dead
/// letter.
pub(crate) const SUBSCRIBED_PACKET_BYTES_MAX: u32 = 16 << 20;

/// Slots in the hand-off beyond the broker's receive maximum, for messages of QoS 0, which it does
/// not bound, and for our own requests.
pub(crate) const HAND_OFF_SLACK: usize = 1_024;

/// The number of MQTT packet ids: no more messages are unacknowledged at once, whatever receive
/// maximum the broker was given.
pub(crate) const PACKET_IDS: usize = 65_535;

/// KiB of payload waiting between the polling task and the accumulator.
pub(crate) const HAND_OFF_KIB_MAX: u32 = 64 * 1024;

/// Bytes that a numbered message may add to a record: the counts of present and absent numbers, up
/// to ten bytes each, and a run of messages, which takes fewer.
pub(crate) const ENCODED_NUMBER_BYTES_MAX: usize = 40;

/// Memory of a message's number in a batch: a run of numbers and one of messages.
pub(crate) const HELD_NUMBER_BYTES: usize = 40;

/// Gateways whose numbers are tracked at once. One more makes the table forget the half that was
/// silent longest; their receipts then report less, but nothing wrong.
pub(crate) const NUMBERING_MAX: usize = 10_000;

/// Epochs tracked per gateway: the current one, the one before, and a replay beside them.
pub(crate) const EPOCHS_KNOWN_MAX: usize = 3;

/// Runs of consecutive numbers tracked per epoch, 64 KiB: a gateway with four connections of a
/// thousand messages in flight has no more.
pub(crate) const RUNS_EACH_MAX: usize = 4_096;

/// The same limit once all gateways together have [`RUNS_MAX`].
pub(crate) const RUNS_EACH_MIN: usize = 64;

/// Runs of all gateways together, 16 MiB; above this each gateway keeps few.
pub(crate) const RUNS_MAX: usize = 1 << 20;

/// Gaps listed in a receipt, so that it stays below the 10 KiB that rumqttc accepts by default.
pub(crate) const GAPS_LISTED_MAX: usize = 64;

/// Receipts published to a broker at once, a second.
pub(crate) const RECEIPTS_AT_ONCE_MAX: usize = 256;

/// Receipt subscriptions of a connection: a bridge serves many gateways.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 1_024;

/// Topic aliases that a connection of MQTT 5 may define: a gateway has a few topics.
pub(crate) const TOPIC_ALIASES_MAX: u16 = 16;

/// The shortest interval between two receipts to a subscriber, in milliseconds.
pub(crate) const RECEIPT_MS: u64 = 1_000;

/// Sparkplug edge nodes whose births are stored: a park has hundreds.
pub(crate) const EDGES_MAX: usize = 4_096;

/// Memory for the births of one edge node: 16,384 metrics with usual names.
pub(crate) const EDGE_BYTES_MAX: usize = 4 << 20;

/// Memory for the births of all nodes together: a park of 4,096 nodes of 60 metrics.
pub(crate) const EDGES_BYTES_MAX: usize = 32 << 20;

/// Memory of a metric or a device of a birth, beside its name.
pub(crate) const EDGE_ENTRY_BYTES: usize = 96;

/// The largest inflated Sparkplug message: as large as a packet may be.
pub(crate) const INFLATED_BYTES_MAX: u64 = 1 << 20;

/// Metrics of a Sparkplug message: a metric of two bytes takes a hundred times as much in memory.
pub(crate) const METRICS_MAX: usize = 16_384;

/// Days that the readings of one message may span: each becomes a file of its own.
pub(crate) const MESSAGE_DAYS_MAX: usize = 1_000;

/// Milliseconds between two rebirth requests to one edge node: a birth of a large node over a
/// mobile network takes seconds.
pub(crate) const REBIRTH_MS: i64 = 10_000;

/// Topics of one rule that are each claimed by a client; one more removes the claims of
/// disconnected clients.
pub(crate) const CLAIMS_MAX: usize = 16_384;

/// Former holders that a claim remembers: a client that chooses a new id at each start leaves one
/// behind each time.
pub(crate) const FORMER_CLAIMS_MAX: usize = 16;

/// Gateways whose newest instant is stored, 8 MiB; one more removes those that are not connected.
pub(crate) const NEWEST_MAX: usize = 65_536;

/// The largest encoded ticket in a record, with its row.
pub(crate) const ENCODED_TICKET_BYTES_MAX: usize = 56;

/// The largest encoded row of a late reading in a record.
pub(crate) const ENCODED_LATE_BYTES_MAX: usize = 4;

/// Memory of a ticket in a batch: its text, counted by reference, and its row.
pub(crate) const HELD_TICKET_BYTES: usize = 96;
