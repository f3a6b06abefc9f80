//! How telemetry *rests*: books that anyone can read.
//!
//! A *book* is one park's year: `<lake>/<park>/<year>/` with three Delta tables, `readings`, `totals` and `rollups`.
//! A [`Book`](book::Book) is its one writer; a [`Snapshot`](snapshot::Snapshot) is what a reader sees.
//! Beside its books lies `<lake>/<park>/messages/`, a Delta table of the numbered messages that they hold.
//! `<lake>/dead-letters/` has a Delta table a park of what could not be accepted.
//! `<lake>/reference/` holds the registry and the declarations, append-only. This is the only crate that
//! names deltalake; it neither folds nor decides when a day closes.
//!
//! # The `readings` table, partitioned by `day`
//! - `day=2026-11-22/hot.p3.000000012345.<id>.parquet`: one per day and flush, many enterprises.
//! - `day=2026-11-22/<enterprise>.r1.<id>.parquet`: sealed, exactly one in the table per enterprise and
//!   day; `r1` is the revision. Files of older revisions stay on disk.
//!
//! A name says everything that a reader must know of a file, because Delta checkpoints may drop tags.
//!
//! # Durable before believed
//! A [`Published`](book::Published) is minted after the commit's files, their folders and then the log
//! entry are synced.

pub mod book;
pub mod error;
pub mod lake;
pub mod lineage;
pub mod reference;
pub mod rows;
pub mod snapshot;
pub mod store;

mod delta;
mod readings;
mod tables;

pub use book::sealed_sum;
pub use lake::{inspect, inventory};
pub use readings::{columns, file};
pub use reference::{dated, meters, withdrawal};
pub use rows::builder;
pub use tables::{dead_letters as letters, messages, rollups, totals, written};

#[cfg(test)]
mod fixture;
