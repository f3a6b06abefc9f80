//! The lake: where telemetry is stored, in a form that anyone can read.
//!
//! A *book* is one park's year: `<lake>/<park>/<year>/` with three Delta tables, `readings`, `totals` and
//! `rollups`. A [`Book`](book::Book) is its one writer; a [`Snapshot`](snapshot::Snapshot) is a reader's view.
//! `<lake>/<park>/messages/` is a Delta table of the numbered messages that the park's books hold.
//! `<lake>/dead-letters/` has one Delta table per park for what could not be accepted. `<lake>/reference/`
//! holds the registry and the declarations, append-only. `<lake>/transparency/` is a log of what was published;
//! `<lake>/access/` is a Delta table of who asked what. This is the only crate that names deltalake. It neither folds
//! readings nor decides when a day closes.
//!
//! # The `readings` table, partitioned by `day`
//! - `day=2026-11-22/hot.p3.000000012345.<id>.parquet`: one per day and flush, with many enterprises.
//! - `day=2026-11-22/<enterprise>.r1.<id>.parquet`: sealed, exactly one in the table per enterprise and day;
//!   `r1` is the revision. Files of older revisions stay on disk.
//!
//! A file's name holds everything that a reader must know of it, because Delta checkpoints may drop tags.
//!
//! # Rooms
//! - [`lake`], [`snapshot`], [`lineage`]: open a lake, read a book's state, check and copy files.
//! - [`book`]: publish changes to a park's year.
//! - `tables`: [`totals`], [`rollups`], [`messages`], [`dead_letters`], [`access_log`], and the progress that tables
//!   written from the log record.
//! - [`mod@reference`]: the registry, with [`meters`] and [`withdrawal`].
//! - [`transparency`]: what was published, as a hash tree with signed heads.
//! - `readings` and [`rows`]: readings as Parquet files and in memory.
//! - `delta` and [`store`]: the transaction log, and durable files under it.
//!
//! # Durable before believed
//! A [`Published`](book::Published) is created after the commit's files, their folders and then the log entry
//! are synced.

pub mod book;
pub mod error;
pub mod lake;
pub mod lineage;
pub mod reference;
pub mod rows;
pub mod snapshot;
pub mod store;
pub mod transparency;

mod delta;
mod readings;
mod tables;

pub use book::sealed_sum;
pub use lake::{inspect, inventory};
pub use readings::{columns, file};
pub use reference::{dated, meters, withdrawal};
pub use rows::builder;
pub use tables::{access_log, dead_letters, messages, rollups, totals, written};

#[cfg(test)]
mod fixture;
