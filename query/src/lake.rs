//! Reads the archive for questions: the days of books, rows, latest readings and dead letters.
//!
//! DataFusion reads exactly the files of one snapshot. Folds are cached within a bound of bytes.

pub(crate) mod books;
pub(crate) mod cache;
pub(crate) mod dead_letters;
pub(crate) mod engine;
pub(crate) mod latest_readings;
pub(crate) mod parquet_files;
pub(crate) mod record_batches;
pub(crate) mod scan;
pub(crate) mod snapshot_table;
