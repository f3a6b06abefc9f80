//! Readings files: their names, their Parquet columns, and the conversion to and from
//! [`Rows`](crate::rows::Rows).

pub mod columns;
pub(crate) mod decode;
pub mod file;
mod pages;
