//! Every bound of the contracts, with its reason.
//!
//! A bound here is what nobody should need to tune; what an operator may tune is a setting.

/// Longest id in bytes: four ids and the separators fit a topic of 300 bytes and a path of 255.
pub const ID_BYTES_MAX: usize = 48;

/// Longest ticket number of an event in bytes: as long as an id, and longer than any weighbridge prints.
pub const TICKET_BYTES_MAX: usize = 48;

/// Most readings in one record of the log: 65,536 readings encode to less than 1 MiB, Kafka's default
/// for the largest message.
pub const BATCH_READINGS_MAX: usize = 65_536;

/// Most series in one record.
pub const BATCH_SERIES_MAX: usize = 4_096;

/// Largest MQTT packet that is read, 1 MiB (rumqttc would cut at 10 KiB; Mosquitto takes 256 MiB).
pub const PACKET_BYTES_MAX: usize = 1 << 20;

/// Largest payload of one log record, under Kafka's default `max.message.bytes` of 1,048,588.
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// Bytes of a rejected payload that a dead letter keeps: all of a packet.
pub const DEAD_LETTER_BYTES_MAX: usize = 900_000;

/// How far ahead of the receiver's clock a reading may be, in milliseconds: ten minutes covers the drift of a
/// gateway's clock between two synchronisations, and no more.
pub const FUTURE_MS_MAX: i64 = 10 * 60 * 1000;

/// The earliest instant accepted: 2000-01-01T00:00+08:00. Earlier ones come from clocks that were never set.
pub const INSTANT_MS_MIN: i64 = 946_656_000_000;

/// A boundary reading within this many milliseconds of midnight counts as the reading of midnight (±1 minute,
/// the daily boundary of the national on-line monitoring rules, 发改环资〔2017〕1711号).
pub const MIDNIGHT_MS_TOLERANCE: i64 = 60_000;

/// Six decimal places: one unit is a million micro-units.
pub const MICRO: i64 = 1_000_000;

/// The shortest time over which a meter's bound is applied: neither the register's least step nor a late
/// stamp may look like a spike.
pub const BOUND_MS_MIN: i64 = 15 * 60 * 1000;

/// The longest time over which a tremble of the register is judged: a fall beyond what the meter can measure
/// in an hour is a dip or a reset, however long the meter was not read.
pub const TREMBLE_MS_MAX: i64 = 60 * 60 * 1000;

/// A daily counter that still rises up to this long after its declared restart has not restarted yet.
pub const RESTART_EARLY_MS: i64 = 15 * 60 * 1000;

/// A daily counter's fall up to this long after its declared restart is the restart.
pub const RESTART_LATE_MS: i64 = 60 * 60 * 1000;

/// A step of an unrated meter is a leap if it is at least this many times the steps on either side of it
/// (METHOD (h), case 7: a glitch of ×1000).
pub const LEAP_TIMES: i128 = 10;

/// Registers that return after more than ten days were another meter, not a glitch.
pub const GLITCH_MS_MAX: i64 = 10 * 24 * 60 * 60 * 1000;

/// A register that repeats one odd value throughout may be off for longer: a broken meter shows 0, or all ones,
/// until it is repaired.
pub const STUCK_MS_MAX: i64 = 93 * 24 * 60 * 60 * 1000;

/// Days on either side of a period that usually suffice to decide its registers: the longest glitch, and some.
pub const DECIDED_BY_DAYS: i32 = 14;

/// The most stretches of registers that are left out together.
pub const GLITCH_STRETCHES_MAX: usize = 64;

/// A year with at least this many readings shows what an unrated meter usually measures.
pub const LIFE_READINGS_MIN: u64 = 24;

/// A step of an unrated meter is implausible if it exceeds this many of its largest days (METHOD (i),
/// `implausible`).
pub const LIFE_TIMES: i128 = 20;

/// Gaps up to two hours are interpolated; longer ones are spread by like days (California's standards for
/// validating, editing and estimating).
pub const INTERPOLATED_MS_MAX: i64 = 2 * 60 * 60 * 1000;

/// A longer gap is spread by the mean of this many like days.
pub const LIKE_DAYS: usize = 3;

/// Like days are looked for within eight weeks.
pub const LIKE_DAYS_AWAY_MAX: i32 = 56;

/// A day may serve as a like day if its own registers span this much of it: all but an hour at each end.
pub const LIKE_SPAN_MS_MIN: i64 = 22 * 60 * 60 * 1000;
