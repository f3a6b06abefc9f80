//! Readings files: their names, their Parquet columns, and both ways between these and
//! [`Rows`](crate::rows::Rows).

pub mod columns;
pub(crate) mod decode;
pub mod file;
mod pages;
