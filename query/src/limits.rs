//! Bounds of this service that need no tuning, each with its reason.

/// Days in the longest range of a question: 40 years, longer than any plan and any meter's life.
pub(crate) const RANGE_DAYS_MAX: i32 = 40 * 366;

/// Years that a period may name: from the first accepted instant to the end of the useful range of DATE32.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 2000..=2199;

/// Default number of entries on a page.
pub(crate) const PAGE_DEFAULT: usize = 100;

/// Maximal number of entries on a page.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Maximal number of statistics in one declaration: a thousand enterprises with four quarters and some months.
pub(crate) const DECLARED_MAX: usize = 10_000;

/// Maximal number of mistakes listed in an answer; the rest is counted.
pub(crate) const VIOLATIONS_MAX: usize = 100;

/// Maximal number of existing names in a NOT_FOUND.
pub(crate) const OFFERED_MAX: usize = 20;

/// Readings on a page of a stream: about 300 KiB on the wire.
pub(crate) const STREAM_PAGE_READINGS: usize = 4_096;

/// Pages that a stream prepares ahead of its reader.
pub(crate) const STREAM_PAGES_AHEAD: usize = 4;

/// Bytes of one chunk of an extract.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// Rows of one row group of an extract: what Parquet readers scan in parallel.
pub(crate) const EXTRACT_ROW_GROUP_ROWS: usize = 262_144;

/// Files read by one statement when days are folded: bounds the rows in memory, and keeps planning a
/// small part of the work.
pub(crate) const FILES_A_SCAN: usize = 256;

/// Readings of open days that one question may read at once: 1.5 GiB of columns and their copies.
pub(crate) const OPEN_READINGS_MAX: u64 = 24_000_000;

/// Bytes read from the end of a file at once to find its footer: sealed files are a few KiB, so one read
/// fetches all of most of them.
pub(crate) const FOOTER_BYTES_HINT: usize = 16 * 1024;

/// Maximal length of a text field of a registry entry.
pub(crate) const TEXT_CHARS_MAX: usize = 200;

/// Files up to this size are fetched whole: sealed days and most totals, not merged ones.
pub(crate) const WHOLE_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Minimal memory of a sort.
pub(crate) const SORT_MEMORY_MIN: usize = 16 << 20;
/// The sealed files of an extract folder, which is held in memory while it is made.
pub(crate) const FOLDER_BYTES_MAX: usize = 128 << 20;
/// The files of a broken answer that a caller may name.
pub(crate) const HELD_FILES_MAX: usize = 10_000;

/// The longest statement of SQL, in bytes.
pub(crate) const SQL_BYTES_MAX: usize = 64 << 10;

/// Rows that the views of one statement may make: half a million readings. Who needs more asks for an extract.
pub(crate) const VIEW_BYTES_MAX: usize = 64 << 20;
